"""``SolveSettings``: everything about solving that a user can turn after the capture."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SolveSettings"]


@dataclass(frozen=True)
class SolveSettings:
    """How a :class:`posecore.Take` becomes a :class:`posecore.Motion`.

    Attributes:
        smoothing: strength in [0, 1] of the zero-phase smoothing of joints, angles and root path.
            0 is exactly off (single-frame spikes then stay too). 0.5 keeps movement up to about 3 Hz,
            and faster movement where the person really moves fast; 1 keeps about 0.75 Hz.
        height: the person's standing height, metres. None keeps the size observed, which for a
            single camera is a guess of the network.
        ground: put the floor at y = 0 by the feet that rest on it, and take the drift of a flat floor
            out of the root path. False keeps the height as seen, the first pelvis at standing height.
        in_place: take the horizontal travel out of the root path; height and turning stay.
        camera_pitch: how far the camera looks down, radians (up is negative). None estimates it from
            standing frames and resting feet, and stays level when these say too little.
        camera_roll: how far the camera is turned clockwise about its view, radians.
        joint_limits: strength in [0, 1] of the limits of knees, elbows and ankles. 1 does not let them bend
            backwards, 0 follows the observation wherever it goes.
        remove_spikes: drop single-frame jumps of a joint (Hampel) before smoothing.

    Raises:
        ValueError: a value lies outside its range.
    """

    smoothing: float = 0.5
    height: float | None = None
    ground: bool = True
    in_place: bool = False
    camera_pitch: float | None = None
    camera_roll: float = 0.0
    joint_limits: float = 1.0
    remove_spikes: bool = True

    def __post_init__(self) -> None:
        for name in ("smoothing", "joint_limits"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"SolveSettings.{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.height is not None and not 0.3 <= self.height <= 3.0:
            raise ValueError(f"SolveSettings.height is the body height in metres, 0.3 to 3, got {self.height}")
        for name in ("camera_pitch", "camera_roll"):
            value = getattr(self, name)
            if value is not None and not -1.6 < value < 1.6:
                raise ValueError(f"SolveSettings.{name} is in radians and under a quarter turn, got {value}")
