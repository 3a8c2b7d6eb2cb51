"""A rig in motion as turns from rest in the stage frame: which bone carries which, and where the joints are."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from posecore.retargeting.alignment import Stage
from posecore.retargeting.rig import Rig

__all__ = ["SkeletonPose", "carriers"]

Array = NDArray[np.float64]


def carriers(rig: Rig, bone: int) -> list[int]:
    """The bones that carry ``bone``, nearest first, up to the armature. A circle ends where it closes."""
    found: list[int] = []
    while (bone := rig.followed[bone]) >= 0 and bone not in found:
        found.append(bone)
    return found


@dataclass
class SkeletonPose:
    """Poses of a rig over T frames.

    A bone that turns by D from rest (in the stage frame) takes all that it carries along by the same D, so neither
    bone axes nor bones in between matter here.

    Attributes:
        turns: bone → (T, 3, 3) turn from rest in the stage frame; bones that are absent go with their carriers.
        moves: bone → (T, 3) metres that it travels in the stage frame beside where its carrier puts it.
    """

    rig: Rig
    stage: Stage
    frames: int
    turns: dict[int, Array] = field(default_factory=dict)
    moves: dict[int, Array] = field(default_factory=dict)

    def turn(self, bone: int) -> Array:
        """(T or 1, 3, 3) turn of any bone from rest; that of -1, the armature, is none."""
        for other in (bone, *carriers(self.rig, bone)) if bone >= 0 else ():
            if other in self.turns:
                return self.turns[other]
        return np.eye(3)[None]

    def head(self, bone: int) -> Array:
        """(T, 3) metres, stage frame."""
        place = np.zeros((self.frames, 3)) + self.carried(bone)
        if bone in self.moves:
            place += self.moves[bone]
        return place

    def carried(self, bone: int) -> Array:
        """(T or 1, 3) where its carrier puts the head of a bone."""
        chain = [bone, *carriers(self.rig, bone)]
        heads = self.stage.heads
        place = heads[chain[-1]][None]
        for above, below in pairwise(reversed(chain)):
            if above in self.moves:
                place = place + self.moves[above]
            place = place + self.turn(above) @ (heads[below] - heads[above])
        return place

    def basis(self, bone: int) -> Array:
        """(T, 3, 3) turn from rest in the bone's own axes, beside what its carrier does."""
        axes = self.stage.axes[bone]
        relative = np.swapaxes(self.turn(self.rig.followed[bone]), -1, -2) @ self.turn(bone)
        return np.broadcast_to(axes.T @ relative @ axes, (self.frames, 3, 3))

    def location(self, bone: int) -> Array:
        """(T, 3) the bone's ``moves`` in its own axes and the armature's unit."""
        axes = self.turn(self.rig.followed[bone]) @ self.stage.axes[bone]
        return (np.swapaxes(axes, -1, -2) @ self.moves[bone][..., None])[..., 0] / self.stage.unit
