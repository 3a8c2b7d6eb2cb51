"""How much TP-Net's pose depends on each pose it reads: ‖∂P_t / ∂P_{t−k}‖ (Dabral et al. 2018, fig. 6; seed 000 §3.4).

Any function from windows to poses can be measured, the shipped ONNX files, which carry no gradients, like a net that
was just trained: derivatives are central differences, 2 × 3 × joints × poses evaluations a window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.capturing.lifting import Lifter
from posecore.capturing.temporal import WINDOW, load_refiner
from posecore.errors import PosecoreError, SourceError
from posecore.files import write_npz
from posecore.skeletons import BODY_21
from training.analysis.figures import figure, save_figure, write_rows
from training.noise import NoiseStatistics
from training.recipes import lift, temporal

__all__ = ["Refiner", "Sensitivity", "differentiate", "draw", "measure", "open_refiner", "typical_windows"]

Array = NDArray[np.float32]
#: (N, window, J, 3) → (N, J, 3), m.
Refiner = Callable[[Array], Array]

_STEP = 2e-3  # m: far above float32's rounding, far below what bends a ReLU net noticeably
_NEAR = 5  # frames beyond which the paper finds little


@dataclass(frozen=True)
class Sensitivity:
    """Derivatives of a refined pose by the poses that it was made from.

    Attributes:
        name: of the network.
        ago: (window,) how many frames before the current one a pose lies; < 0 = after it.
        blocks: (window, J, J) root mean square over windows of the Frobenius norm of ∂ refined joint (axis 1) / ∂ joint
            (axis 2) of that pose, m per m.
    """

    name: str
    ago: NDArray[np.int64]
    blocks: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """(window,) ‖∂P_t / ∂P_{t−k}‖ of whole poses (Frobenius)."""
        return np.sqrt((self.blocks**2).sum((1, 2)))

    @property
    def joints(self) -> NDArray[np.float64]:
        """(J, window): of each refined joint by the whole pose k frames ago."""
        return np.sqrt((self.blocks**2).sum(2)).T

    def share(self, frames: int = _NEAR) -> float:
        """Share of the squared sensitivity that lies at most so many frames from the current one."""
        squared = self.total**2
        return float(squared[np.abs(self.ago) <= frames].sum() / squared.sum())


def differentiate(refiner: Refiner, windows: Array, current: int, name: str = "", step: float = _STEP) -> Sensitivity:
    """Measure ``refiner`` on (N, window, J, 3) windows whose pose ``current`` is the one refined.

    Raises:
        ValueError: no windows, or ones of another shape.
    """
    if windows.ndim != 4 or not len(windows):
        raise ValueError(f"expected (N, window, J, 3) windows, got {windows.shape}")
    poses, joints = windows.shape[1:3]
    moved = (step * np.eye(poses * joints * 3, dtype=np.float32)).reshape(-1, poses, joints, 3)
    squared = np.zeros((poses, joints, joints))
    for window in windows:
        change = refiner(window + moved) - refiner(window - moved)  # (poses·J·3, J, 3)
        derivative = change.astype(np.float64).reshape(poses, joints, 3, joints, 3) / (2 * step)
        squared += np.einsum("kiaob->koi", derivative**2)
    return Sensitivity(name, current - np.arange(poses), np.sqrt(squared / len(windows)))


def open_refiner(which: str) -> tuple[Refiner, int, int]:
    """A TP-Net, the poses that it reads, and the index of the one that it refines.

    Args:
        which: ``online`` or ``semi-online`` (shipped), or the folder of a run of ``python -m training temporal``.

    Raises:
        SourceError: neither.
    """
    if which in ("online", "semi-online"):
        session: Any = load_refiner(which, "cpu")
        current = WINDOW - 1 if which == "online" else WINDOW // 2
        return (lambda windows: session.run(["refined"], {"joints": windows.astype(np.float32)})[0]), WINDOW, current
    if not Path(which).is_dir():
        raise SourceError(f"{which}: no TP-Net there; give online, semi-online, or the folder of a temporal run")
    net = temporal.load(Path(which))

    @torch.no_grad()
    def refiner(windows: Array) -> Array:
        return net(torch.from_numpy(windows.astype(np.float32))).numpy()

    return refiner, net.config.window, net.config.current


def typical_windows(data: Path, noise: Path, count: int, length: int = WINDOW) -> Array:
    """(count, length, 21, 3) m: what the shipped lifter makes of held-out motion under virtual cameras and noise."""
    statistics = NoiseStatistics.load(noise)
    scenes = lift.evaluation_scenes(data, statistics, count, length)
    return Lifter(provider="cpu")(scenes.keypoints, scenes.confidence)


def measure(data: Path, noise: Path, which: str, count: int = 40) -> Sensitivity:
    """:func:`differentiate` a TP-Net on :func:`typical_windows`."""
    refiner, window, current = open_refiner(which)
    name = which if which in ("online", "semi-online") else Path(which).name
    return differentiate(refiner, typical_windows(data, noise, count, window), current, name)


def draw(output: Path, found: list[Sensitivity]) -> list[Path]:
    """``tpnet_sensitivity.png``, ``.csv`` (whole poses) and ``.npz`` (joint by joint) in ``output``."""
    if not found:
        raise PosecoreError("nothing to draw: name at least one TP-Net with --networks")
    numbers = output / "tpnet_sensitivity.npz"
    write_npz(numbers, {f"{s.name}_{part}": getattr(s, part) for s in found for part in ("ago", "blocks")})
    rows = [
        {"network": s.name, "frames_ago": int(k), "sensitivity": round(float(total), 5)}
        for s in found
        for k, total in zip(s.ago, s.total, strict=True)
    ]
    table = write_rows(output / "tpnet_sensitivity.csv", rows)

    drawn = figure(4.2 + 3.6 * len(found), 4.4)
    axes = drawn.subplots(1, 1 + len(found), width_ratios=[1.15] + [1] * len(found))
    for sensitivity in found:
        label = f"{sensitivity.name}:\n{100 * sensitivity.share():.0f} % of the square\nwithin {_NEAR} frames"
        axes[0].plot(sensitivity.ago, sensitivity.total, marker="o", markersize=4, label=label)
    axes[0].axvspan(-_NEAR, _NEAR, color="#dddddd", zorder=0)
    axes[0].set_ylabel("‖∂P(t) / ∂P(t−k)‖, m per m")
    axes[0].set_title("whole pose", fontsize=10)
    axes[0].set_ylim(bottom=0)
    axes[0].legend(fontsize=8, loc="upper left", labelspacing=1)
    top = max(float(s.joints.max()) for s in found)
    for axis, sensitivity in zip(axes[1:], found, strict=True):
        shown = _joints(axis, sensitivity, top)
    drawn.colorbar(shown, ax=list(axes[1:]), label="‖∂p(t, joint) / ∂P(t−k)‖, m per m", shrink=0.9)
    for axis in axes:
        axis.set_xlabel("k: frames before the current pose\n(< 0: after it)")
        axis.invert_xaxis()
    return [save_figure(drawn, output / "tpnet_sensitivity.png"), table, numbers]


def _joints(axis: Any, sensitivity: Sensitivity, top: float) -> Any:
    edges = (sensitivity.ago[0] + 0.5, sensitivity.ago[-1] - 0.5)
    count = len(BODY_21)
    shown = axis.imshow(
        sensitivity.joints,
        extent=(*edges, count - 0.5, -0.5),
        aspect="auto",
        vmin=0,
        vmax=top,
        cmap="viridis",
        interpolation="nearest",
    )
    axis.set_xlim(edges[1], edges[0])
    axis.set_yticks(range(count), BODY_21.joints if axis.get_subplotspec().colspan.start == 1 else [], fontsize=7)
    axis.set_title(f"{sensitivity.name}, by joint", fontsize=10)
    return shown
