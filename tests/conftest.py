"""Fixtures that every area's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The shared data: ``$POSECORE_DATA``, or ``../shared/data`` beside the checkout. Skips when there is none."""
    folder = Path(os.environ.get("POSECORE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; point POSECORE_DATA at it")
    return folder
