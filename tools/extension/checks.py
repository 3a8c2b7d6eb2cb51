"""Is a built zip what Blender wants? Our own checks, and Blender's own checker where one is at hand."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tools.check_wheel import archive_faults

__all__ = ["blender_checker", "blender_faults", "faults"]

#: How the platform tags of wheels begin.
_TAGS = {"linux-x64": ("manylinux", "linux"), "windows-x64": ("win",), "macos-arm64": ("macosx",)}
_REQUIRED = ("schema_version", "id", "version", "name", "tagline", "maintainer", "type", "blender_version_min")
#: What extensions.blender.org takes (2026).
_TAGLINE = 64


def faults(path: Path, platform: str, wheels: Sequence[str]) -> list[str]:
    """What is wrong with the zip at ``path``, which should be for ``platform`` and hold ``wheels``; one line each."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        found = [f"{name} is in it twice" for name in sorted({name for name in names if names.count(name) > 1})]
        found += [f"{name} does not belong in it" for name in names if _stray(name)]
        found += [f"{name} is missing" for name in ("__init__.py", "blender_manifest.toml") if name not in names]
        if found:
            return found
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode("utf-8"))
        found += _manifest_faults(manifest, platform)
        listed = {PurePosixPath(wheel).name for wheel in manifest.get("wheels", [])}
        inside = {PurePosixPath(name).name for name in names if name.startswith("wheels/")}
        found += [f"{name}: in the manifest, not in the zip" for name in sorted(listed - inside)]
        found += [f"{name}: in the zip, not in the manifest" for name in sorted(inside - listed)]
        found += [f"{name}: expected and missing" for name in sorted(set(wheels) - inside)]
        found += [f"{name}: not for {platform}" for name in sorted(inside) if not _for_platform(name, platform)]
        for name in sorted(inside & listed):
            if name.startswith("posecore-"):
                with zipfile.ZipFile(io.BytesIO(archive.read(f"wheels/{name}"))) as library:
                    found += [f"{name}: {fault}" for fault in archive_faults(library)]
    return found


def _stray(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__pycache__" in parts or name.endswith(".pyc") or "tests" in parts or parts[0] in ("", "..", "/")


def _for_platform(wheel: str, platform: str) -> bool:
    tag = wheel.removesuffix(".whl").split("-")[-1]
    return tag == "any" or tag.startswith(_TAGS[platform])


def _manifest_faults(manifest: dict[str, Any], platform: str) -> list[str]:
    found = [f"the manifest has no {key}" for key in _REQUIRED if not manifest.get(key)]
    if manifest.get("platforms") != [platform]:
        found.append(f"the manifest is for {manifest.get('platforms')}, not {platform}")
    tagline = manifest.get("tagline", "")
    if len(tagline) > _TAGLINE or tagline.endswith((".", "!", "?")):
        found.append(f"tagline: at most {_TAGLINE} characters and no full stop")
    for key, reason in manifest.get("permissions", {}).items():
        if len(reason) > _TAGLINE or reason.endswith("."):
            found.append(f"permission {key}: at most {_TAGLINE} characters and no full stop")
    return found


def blender_checker() -> Path | None:
    """``blender_ext.py`` of the bpy that this Python has, without importing it; None if it has none."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = Path(spec.submodule_search_locations[0]).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return next(iter(sorted(found)), None)


def blender_faults(checker: Path, path: Path) -> list[str]:
    """What Blender's own checker says against the zip; nothing if it is satisfied."""
    command = [sys.executable, str(checker), "validate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return []
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines or [f"{checker.name} ends with {done.returncode}"]
