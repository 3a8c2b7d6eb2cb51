"""``RetargetSettings``: what a user can turn when a Motion goes onto a rig."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RetargetSettings"]


@dataclass(frozen=True)
class RetargetSettings:
    """How a :class:`posecore.Motion` goes onto a :class:`posecore.Rig`.

    Attributes:
        travel: which bone carries the path over the ground: ``"hips"``, or ``"root"`` (the bone above the hips
            takes the horizontal path, the hips keep height and sway; needs such a bone).
        in_place: no horizontal path at all; height stays.
        scale: size of the path, target over source. None takes the ratio of the legs' lengths.
        lock_feet: hold a foot where it rests on the ground, by bending the leg (needs mapped legs and feet).

    Raises:
        ValueError: a value lies outside its range.
    """

    travel: str = "hips"
    in_place: bool = False
    scale: float | None = None
    lock_feet: bool = False

    def __post_init__(self) -> None:
        if self.travel not in ("hips", "root"):
            raise ValueError(f"RetargetSettings.travel must be 'hips' or 'root', got {self.travel!r}")
        if self.scale is not None and not 0 < self.scale < 1e4:
            raise ValueError(f"RetargetSettings.scale must be positive, got {self.scale}")
