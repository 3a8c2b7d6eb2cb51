"""``python -m training COMMAND …``: every recipe and tool by name. ``COMMAND --help`` lists its options."""

from __future__ import annotations

import importlib
import sys

from posecore.errors import PosecoreError

#: Command -> module with ``main(args)``. Imported on demand: a missing extra only stops its own command.
COMMANDS = {
    "sapnet": "training.recipes.sapnet",
    "ordinal": "training.recipes.ordinal",
    "noise": "training.recipes.noise",
    "study": "training.recipes.study",
    "lift": "training.recipes.lift",
    "temporal": "training.recipes.temporal",
    "smpl": "training.recipes.smpl",
    "evaluate": "training.evaluation.command",
    "analyse": "training.analysis.command",
    "data": "training.readers.command",
    "export-smpl": "training.export_smpl",
    "export-sapnet": "training.export_sapnet",
    "export-pose": "training.export_pose",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in COMMANDS:
        print("usage: python -m training COMMAND …\ncommands: " + ", ".join(COMMANDS), file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    try:
        importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    except ModuleNotFoundError as error:
        print(f'error: {error.name} is missing; install it with pip install ".[train]"', file=sys.stderr)
        return 1
    except PosecoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
