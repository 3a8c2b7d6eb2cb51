"""``python -m posecore`` is the ``posecore`` command."""

from posecore.cli import main

if __name__ == "__main__":
    main()
