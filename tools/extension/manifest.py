"""``blender_manifest.toml`` with the platforms and wheels of one zip filled in."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posecore.errors import PosecoreError

__all__ = ["NAME", "filled_in", "read_manifest"]

NAME = "blender_manifest.toml"


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the checkout.

    Raises:
        PosecoreError: missing, not TOML, or it names platforms or wheels, which are this tool's to say.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PosecoreError(f"{path}: not a readable manifest ({error})") from error
    if taken := [key for key in ("platforms", "wheels") if key in values]:
        raise PosecoreError(f"{path}: take out {' and '.join(taken)}; they are filled in when the zip is built")
    return values


def filled_in(text: str, platform: str, wheels: Sequence[str]) -> str:
    """``text`` with ``platforms`` and ``wheels`` (file names) before its first table, the rest as it was."""
    lines = [f'platforms = ["{platform}"]', "wheels = ["]
    lines += [f"  {json.dumps(f'./wheels/{name}')}," for name in sorted(wheels)]
    block = "\n".join([*lines, "]"]) + "\n"
    table = re.search(r"^\s*\[", text, flags=re.MULTILINE)
    at = table.start() if table else len(text)
    head = text[:at].rstrip("\n")
    return f"{head}\n\n{block}\n{text[at:].lstrip(chr(10))}" if table else f"{head}\n\n{block}"
