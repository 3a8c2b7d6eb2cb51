"""The picture of :mod:`training.analysis.elbow`, and its numbers as npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecore.files import write_npz
from posecore.skeletons import BODY_21
from training.analysis.elbow import ANGLE, ELBOW, KINDS, SYMMETRY, elbow_surface, poses
from training.analysis.figures import figure, save_figure

__all__ = ["draw"]

_TITLES = {
    "projection": "2D projection",
    "symmetry": f"+ {SYMMETRY} × symmetry",
    "angle": f"+ {ANGLE} × illegal angle",
    "full3d": "full 3D L2",
}
_MARKS = {"good": ("o", "#2ca02c"), "bad": ("s", "#ff7f0e"), "worse": ("X", "#d62728")}
_LEVELS = 16


def draw(output: Path, points: int = 121) -> list[Path]:
    """``elbow_surfaces.png`` and ``.npz`` in ``output``; the files written."""
    surfaces = [elbow_surface(kind, points) for kind in KINDS]
    arrays = {"x": surfaces[0].x, "z": surfaces[0].z}
    arrays |= {f"loss_{surface.kind}": surface.loss.astype(np.float32) for surface in surfaces}
    arrays |= {f"pose_{name}": pose for name, pose in poses().items()}
    numbers = output / "elbow_surfaces.npz"
    write_npz(numbers, arrays)

    drawn = figure(11, 7.2)
    upper, lower = drawn.subfigures(2, 1, height_ratios=[1.25, 1])
    axes = upper.subplots(1, len(surfaces), sharey=True)
    top = max(float(surface.loss.max()) for surface in surfaces if surface.kind != "full3d")
    for axis, surface in zip(axes, surfaces, strict=True):
        _surface(axis, surface, top if surface.kind != "full3d" else float(surface.loss.max()))
    axes[0].set_ylabel("z of the left elbow (half crops)\n← to the camera          away →")
    axes[0].legend(loc="lower left", fontsize=8, framealpha=0.9)
    upper.suptitle("Loss over the place of the left elbow, all other joints at the truth", fontsize=11)
    _bodies(lower)
    return [save_figure(drawn, output / "elbow_surfaces.png"), numbers]


def _surface(axis: Any, surface: Any, top: float) -> None:
    # Levels spaced as squares: the valleys, which is what the losses differ in, are low.
    levels = top * np.linspace(0, 1, _LEVELS + 1) ** 2
    shades = np.sqrt(np.clip(surface.loss, 0, top) / top)
    axis.contourf(surface.x, surface.z, shades, np.sqrt(levels / top), cmap="viridis")
    axis.contour(surface.x, surface.z, shades, np.sqrt(levels / top), colors="white", linewidths=0.3, alpha=0.6)
    elbow = BODY_21.index(ELBOW)
    for name, pose in poses().items():
        marker, colour = _MARKS[name]
        style = {"markersize": 9, "markeredgecolor": "white", "linestyle": "none"}
        axis.plot(pose[elbow, 0], pose[elbow, 2], marker, color=colour, label=name, **style)
    axis.set_title(f"{_TITLES[surface.kind]}\n0 (dark) to {top:.2g} (bright)", fontsize=9)
    axis.set_xlabel("x of the left elbow (half crops)")
    axis.set_aspect("equal")


def _bodies(part: Any) -> None:
    """The picture that all three poses share, and each seen from the person's left."""
    axes = part.subplots(1, 4, sharey=True)
    views = [("the picture: all three poses", "good", 0, "x")]
    views += [(f"{name}, from the side", name, 2, "z") for name in _MARKS]
    arm = [BODY_21.index(joint) for joint in ("l_shoulder", ELBOW, "l_wrist")]
    for axis, (title, name, column, label) in zip(axes, views, strict=True):
        pose = poses()[name]
        for start, end in BODY_21.bones:
            bone = pose[[start, end]]
            axis.plot(bone[:, column], bone[:, 1], color="#999999", linewidth=1.5, solid_capstyle="round")
        axis.plot(pose[arm, column], pose[arm, 1], color=_MARKS[name][1], linewidth=3, solid_capstyle="round")
        axis.plot(pose[arm[1], column], pose[arm[1], 1], _MARKS[name][0], color=_MARKS[name][1], markersize=8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(f"{label} (half crops)")
        axis.set_aspect("equal")
        axis.set_xlim(-0.55, 0.55)
    axes[0].set_ylabel("y (half crops)")
    axes[0].invert_yaxis()
