"""Check a built wheel: small enough, the library only, and every set of weights with its card.

Usage: python tools/check_wheel.py dist/posecore-*.whl
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path, PurePosixPath

LIMIT_MB = 45.0


def faults(wheel: Path) -> list[str]:
    """What is wrong with ``wheel``, one line each."""
    found = []
    size = wheel.stat().st_size / 1e6
    if size > LIMIT_MB:
        found.append(f"{size:.1f} MB, the limit is {LIMIT_MB:g} MB")
    with zipfile.ZipFile(wheel) as archive:
        return found + archive_faults(archive)


def archive_faults(archive: zipfile.ZipFile) -> list[str]:
    """What is wrong with what a wheel holds, one line each."""
    names = set(archive.namelist())
    roots = {PurePosixPath(name).parts[0] for name in names}
    found = [f"holds {root}/" for root in sorted(roots) if root != "posecore" and not root.endswith(".dist-info")]
    if "posecore/py.typed" not in names:
        found.append("posecore/py.typed is missing")
    weights = "posecore/runtime/weights/"
    cards = [name for name in names if name.startswith(weights) and name.endswith(".json")]
    named: set[str] = set()
    for card in cards:
        found += _card_faults(archive, card, names, named)
    stray = [name for name in names if name.startswith(weights) and name.endswith(".onnx") and name not in named]
    return found + [f"{name}: no card names it" for name in stray]


def _card_faults(archive: zipfile.ZipFile, card: str, names: set[str], named: set[str]) -> list[str]:
    """Compare the files that a card names with what is there; adds their names to ``named``."""
    facts = json.loads(archive.read(card))
    files = facts.get("files") or {f"{PurePosixPath(card).stem}.onnx": facts["sha256"]}
    found = []
    for relative, digest in files.items():
        name = str(PurePosixPath(card).parent / relative)
        named.add(name)
        if name not in names:
            found.append(f"{card}: {relative} is missing")
        elif hashlib.sha256(archive.read(name)).hexdigest() != digest:
            found.append(f"{card}: {relative} has another sha256")
    return found


def main() -> None:
    """Check the wheels named on the command line."""
    bad = False
    for argument in sys.argv[1:]:
        wheel = Path(argument)
        problems = faults(wheel)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", *problems, sep="\n  ")
        bad |= bool(problems)
    sys.exit(1 if bad or not sys.argv[1:] else 0)


if __name__ == "__main__":
    main()
