"""Rigs of the wild that several tests read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posecore.formats.bvh import read_bvh
from posecore.retargeting import Rig
from tests.retargeting.rigs import Z_UP

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def rigify() -> Callable[[str], Rig]:
    """``rigify("generated")`` or ``rigify("metarig")``: the human rig of Blender's Rigify, Z up (Blender 4.5)."""

    def read(kind: str) -> Rig:
        page = json.loads((HERE / "data" / f"rigify_{kind}.json").read_text(encoding="utf-8"))
        rest = np.tile(np.eye(4), (len(page["names"]), 1, 1))
        rest[:, :3, 3] = page["heads"]
        return Rig(tuple(page["names"]), tuple(page["parents"]), rest, np.array(page["tails"]), Z_UP)

    return read


@pytest.fixture(scope="session")
def bvh_rig() -> Callable[[Path, int | None], Rig]:
    """The skeleton of a BVH file at rest (None) or in one of its frames, read without :mod:`posecore.formats.rigs`."""

    def read(path: Path, frame: int | None = None) -> Rig:
        bvh = read_bvh(path)
        if frame is None:
            heads = np.zeros((len(bvh.names), 3))
            for joint, parent in enumerate(bvh.parents):
                heads[joint] = bvh.offsets[joint] + (heads[parent] if parent >= 0 else 0.0)
        else:
            heads = bvh.joints()[frame]
        tails = heads.copy()
        for joint in range(len(bvh.names)):
            children = [child for child, parent in enumerate(bvh.parents) if parent == joint]
            if children:
                tails[joint] = heads[children].mean(0)
        rest = np.tile(np.eye(4), (len(bvh.names), 1, 1))
        rest[:, :3, 3] = heads
        return Rig(bvh.names, bvh.parents, rest, tails)

    return read
