"""Schedules of the picture networks as data: which losses, which pictures, which parts, which rate, how long.

The four stages are Dabral et al.'s (2018, §4; seed 000 §3.3), the first three Zhou et al.'s (2017; seed 002).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from posecore.errors import PosecoreError
from posecore.losses import DABRAL_2018, ZHOU_2017, DepthWeights

__all__ = ["SCHEDULES", "STAGES", "Schedule", "Stage", "single"]

Part = Literal["hourglass", "depth"]


@dataclass(frozen=True)
class Stage:
    """What one stage trains, on what, with which losses.

    Attributes:
        name: for the log and the check-points.
        heatmap: weight of the heatmaps' squared error.
        depth: weight of the depth regression.
        angle, geometric, symmetry: the λ of the weak supervision (ground-truth x and y, predicted z).
        rank: weight of the ordinal rank loss (training.recipes.ordinal).
        rate: learning rate at the start; rate_end: at the end (cosine).
        parts: submodules that train; the others keep their weights and their batch statistics.
        two_d: share of 2D pictures in every batch, whose depth is not used and which alone are weakly supervised;
            None draws from all pictures alike and uses every label that they have.
        share: of the whole run, relative to the other stages'.
        iterations: the paper's number of steps.
    """

    name: str = ""
    heatmap: float = 1.0
    depth: float = 0.0
    angle: float = 0.0
    geometric: float = 0.0
    symmetry: float = 0.0
    rank: float = 0.0
    rate: float = 2e-3
    rate_end: float = 2e-4
    parts: tuple[str, ...] = ("hourglass", "depth")
    two_d: float | None = None
    share: float = 1.0
    iterations: int | None = None

    @property
    def weak(self) -> bool:
        """Whether any loss of structure is on."""
        return bool(self.angle or self.geometric or self.symmetry)

    @property
    def reads_depth(self) -> bool:
        """Whether the depth half of the network has to run."""
        return bool(self.depth or self.rank or self.weak)


@dataclass(frozen=True)
class Schedule:
    """Stages in order.

    Attributes:
        batch: the paper's size of a batch; None leaves it to the recipe's option.
        optimiser: "adamw", or the papers' "rmsprop".
        per_cell: divide the heatmaps' error by their number of cells, as the papers' mean does, so that the papers' λ
            hold. Otherwise it is a sum over cells, which lets small networks find joints sooner.
        depth_loss: "l2" (Zhou et al. 2017, eq. 4) or "l1", which forgives pseudo-labels.
    """

    stages: tuple[Stage, ...]
    batch: int | None = None
    optimiser: Literal["adamw", "rmsprop"] = "adamw"
    per_cell: bool = False
    depth_loss: Literal["l1", "l2"] = "l1"

    def starting_at(self, first: str | None) -> Schedule:
        """Without the stages before ``first`` (a name, or a number from 1).

        Raises:
            PosecoreError: there is no such stage.
        """
        if first is None:
            return self
        names = [stage.name for stage in self.stages]
        index = int(first) - 1 if first.isdigit() else names.index(first) if first in names else -1
        if not 0 <= index < len(names):
            raise PosecoreError(
                f"--first {first}: no such stage; choose one of {', '.join(names)} or 1 to {len(names)}"
            )
        return replace(self, stages=self.stages[index:])

    def scaled(self, rate: float | None) -> Schedule:
        """With ``rate`` as the first stage's and the others in proportion."""
        if rate is None:
            return self
        factor = rate / self.stages[0].rate
        changed = (replace(s, rate=s.rate * factor, rate_end=s.rate_end * factor) for s in self.stages)
        return replace(self, stages=tuple(changed))


#: Single stages for ``--stage``, with rates for Adam and small batches. All pictures, every label.
STAGES: dict[str, Stage] = {
    "hourglass": Stage("hourglass", parts=("hourglass",)),
    "depth": Stage("depth", depth=1.0, rate=1e-3, rate_end=2e-4),
    "structure": Stage("structure", depth=1.0, angle=0.03, geometric=0.03, rate=5e-4, rate_end=5e-5),
    "full": Stage("full", depth=1.0, angle=0.03, geometric=0.03, symmetry=0.05, rate=1e-3, rate_end=2e-5),
}


def single(name: str, rate: float | None = None) -> Schedule:
    """One stage of :data:`STAGES` as a schedule; ``rate`` replaces only its start.

    Raises:
        PosecoreError: there is no such stage.
    """
    if name not in STAGES:
        raise PosecoreError(f"--stage {name}: unknown; choose one of {', '.join(STAGES)}")
    stage = STAGES[name]
    return Schedule((stage if rate is None else replace(stage, rate=rate),))


_HALF = 0.5  # half of a batch 2D, half 3D (Zhou et al. 2017, §4.1)


def _paper(*stages: Stage) -> Schedule:
    return Schedule(stages, batch=6, optimiser="rmsprop", per_cell=True, depth_loss="l2")


def _constant(name: str, rate: float, iterations: int, weights: DepthWeights | None = None, **how: object) -> Stage:
    if weights is not None:
        how |= {"depth": weights.regression, "angle": weights.angle, "geometric": weights.geometric}
        how |= {"symmetry": weights.symmetry}
    return Stage(name, rate=rate, rate_end=rate, iterations=iterations, share=iterations / 1000, **how)  # type: ignore[arg-type]


# The seeds give 240k + 160k iterations for the four stages and the rates, not how the 240k are divided: the 2D net
# gets half of them here, depth and the first structure losses a quarter each.
_HOURGLASS = _constant("hourglass", 2.5e-4, 120_000, two_d=_HALF, parts=("hourglass",))
_DEPTH = _constant("depth", 2.5e-4, 60_000, DABRAL_2018["depth"], two_d=0.0, parts=("depth",))


def _cpu(**weak: float) -> tuple[Stage, ...]:
    """The stages for minutes on a CPU; λ of the weak supervision in the paper's proportion to the depth's."""
    first = {name: value for name, value in weak.items() if name != "symmetry"}
    return (
        Stage("hourglass", parts=("hourglass",), rate=2e-3, rate_end=5e-4, share=5),
        Stage("depth", depth=1.0, heatmap=0.0, parts=("depth",), two_d=0.0, rate=1e-3, rate_end=5e-4, share=1),
        Stage("structure", depth=1.0, two_d=_HALF, rate=1e-3, rate_end=2.5e-4, share=2, **first),
        Stage("full", depth=1.0, two_d=_HALF, rate=2.5e-4, rate_end=2.5e-5, share=2, **weak),
    )


#: λ relative to the depth's 0.1 in the papers: 0.03 / 0.1 and 0.05 / 0.1.
_GEOMETRIC, _ANGLE, _SYMMETRY = {"geometric": 0.3}, {"angle": 0.3}, {"symmetry": 0.5}

#: By name for ``--schedule``. ``zhou`` and ``dabral`` are the papers', for MPII and Human3.6M on a GPU; ``cpu`` is
#: Dabral et al.'s for minutes on a CPU; the others are its ablation, equal up to the losses of the last two stages.
SCHEDULES: dict[str, Schedule] = {
    "zhou": _paper(
        _HOURGLASS,
        _DEPTH,
        _constant("geometric", 2.5e-4, 60_000, ZHOU_2017["geometric"], two_d=_HALF),
        _constant("fine", 2.5e-5, 160_000, ZHOU_2017["geometric"], two_d=_HALF),
    ),
    "dabral": _paper(
        _HOURGLASS,
        _DEPTH,
        _constant("structure", 2.5e-4, 60_000, DABRAL_2018["structure"], two_d=_HALF),
        _constant("full", 2.5e-5, 160_000, DABRAL_2018["full"], two_d=_HALF),
    ),
    "cpu": Schedule(_cpu(**_GEOMETRIC, **_ANGLE, **_SYMMETRY)),
    "base": Schedule(_cpu()),
    "+Lg": Schedule(_cpu(**_GEOMETRIC)),
    "+La": Schedule(_cpu(**_GEOMETRIC, **_ANGLE)),
    "+Ls": Schedule(_cpu(**_GEOMETRIC, **_ANGLE, **_SYMMETRY)),
}
