"""Runs headless commands of the add-on in a child process, for the tests of both of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from posecore.motion import Motion
from posecore.skeletons import SMPL_24
from tests.blender import harness

WALK = harness.ROOT / "examples" / "walk.mp4"
RATE = 25.0


@dataclass(frozen=True)
class Said:
    """One command's exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str
    spent: float
    memory: float  # megabytes resident afterwards
    workers: int  # processes started

    @property
    def errors(self) -> list[str]:
        """The lines that begin with ``error:``."""
        return [line for line in self.stderr.splitlines() if line.startswith("error:")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def runner(run: Callable[..., dict[str, Any]], folder: Path) -> Callable[..., list[Said]]:
    """``commands(scene, *lines, **more)``: every line, a list of words, in a fresh copy of ``scene``."""

    def commands(scene: str, *lines: list[object], timeout: float = 180.0, **more: Any) -> list[Said]:
        asked = folder / "asked.json"
        words = [[str(word) for word in line] for line in lines]
        asked.write_text(json.dumps({"scene": scene, "commands": words, **more}), encoding="utf-8")
        results = run("run_commands.py", asked, timeout=timeout)["results"]
        return [Said(**{name: result[name] for name in Said.__dataclass_fields__}) for result in results]

    return commands


def write_movement(path: Path, frames: int = 30) -> Path:
    """A finished movement, ``RATE`` frames a second: someone slides to their left and swings legs and arms."""
    times = np.arange(frames) / RATE
    vectors = np.zeros((frames, len(SMPL_24), 3))
    for joint, sign in (("l_hip", 1), ("r_hip", -1), ("l_shoulder", -1), ("r_shoulder", 1), ("l_knee", 1)):
        vectors[:, SMPL_24.index(joint), 0] = 0.5 * sign * np.sin(6 * times)
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, -1, 4)
    path_of_pelvis = np.stack([times, np.full(frames, 0.95), 0.1 * times], axis=1)
    Motion(times=times, rotations=rotations.astype(np.float32), translation=path_of_pelvis.astype(np.float32)).save(
        path
    )
    return path
