"""``python -m training data KIND PATH``: what a data set holds, or what is wrong with it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from posecore.errors import PosecoreError
from training.readers import KINDS, read, stream

__all__ = ["main"]

_CLIPS_SHOWN = 20


def main(arguments: list[str]) -> None:
    """Print the summary of a data set.

    Raises:
        PosecoreError: whatever is wrong with it, or an option that its reader has not.
    """
    kinds = "\n".join(f"  {name:18}{kind.expects}" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m training data",
        description=__doc__,
        epilog=f"kinds:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help="one of the kinds below")
    parser.add_argument("path", metavar="PATH")
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="an option of the reader; may be repeated"
    )
    chosen = parser.parse_args(arguments)
    options = dict(_option(text) for text in chosen.option)
    try:
        if KINDS[chosen.kind].motion:
            _print_clips(chosen.kind, chosen.path, options)
        else:
            print("\n".join(read(chosen.kind, chosen.path, **options).summary()))  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        if not options:
            raise
        raise PosecoreError(f"--option: {error}; docs/data.md lists each kind's options") from error


def _option(text: str) -> tuple[str, Any]:
    """``step=4`` -> ("step", 4); what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise PosecoreError(f"--option {text}: expected NAME=VALUE")
    try:
        return name.replace("-", "_"), json.loads(value)
    except json.JSONDecodeError:
        return name.replace("-", "_"), value


def _print_clips(kind: str, path: str, options: dict[str, Any]) -> None:
    clips = frames = 0
    seconds = 0.0
    licence = ""
    for clip in stream(kind, path, **options):
        if clips < _CLIPS_SHOWN:
            print("\n".join(clip.summary()))
        clips, frames, seconds, licence = clips + 1, frames + len(clip), seconds + len(clip) / clip.rate, clip.licence
    if clips > _CLIPS_SHOWN:
        print("…")
    print(f"{kind}: {clips} clips, {frames} frames, {seconds / 60:.1f} minutes")
    if licence:
        print(f"licence: {licence}")
