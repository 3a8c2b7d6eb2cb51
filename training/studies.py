"""The seeds' studies as data: lists of settings that ``python -m training study NAME`` runs in turn.

Every setting is a recipe with changed options, on the data that is at hand: LSPET, rendered pictures, CMU motion. Sizes
are such that a few minutes on two cores say something; the papers' own sizes are the recipes' presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from training.bodies.weights import LossWeights

__all__ = ["STUDIES", "RecipeName", "Setting", "Study"]

RecipeName = Literal["sapnet", "ordinal", "lift", "temporal", "smpl"]


@dataclass(frozen=True)
class Setting:
    """One training of a study.

    Attributes:
        name: for the tables.
        recipe: which recipe runs.
        options: of its dataclass; ``"loop.loss"`` reaches into a nested one. ``"{other}"`` in a text is the folder of
            the earlier setting ``other``, of the same seed.
        share: of the minutes (or steps) given to each.
        part: only what others start from, no row of the table by itself.
    """

    name: str
    recipe: RecipeName
    options: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    part: bool = False


@dataclass(frozen=True)
class Study:
    """Settings in order.

    Attributes:
        what: the question, for the file.
        settings: run in this order.
        evaluations: points of each curve, about.
    """

    what: str
    settings: tuple[Setting, ...]
    evaluations: int = 10


_PICTURES = {"preset": "cpu", "size": 64, "batch": 16, "validate_limit": 240}
# Few pictures, seen often: else nothing is overfitted in minutes, and nothing is to be seen of augmentation.
_OVERFIT = {
    **_PICTURES,
    "stage": "hourglass",
    "sources": ("lspet",),
    "synthetic": None,
    "limit": 600,
    "validate_training": 240,
}
_FULL = {**_PICTURES, "sources": ("lspet",)}
_LIFT = {"preset": "cpu", "loop.batch": 256, "loop.log_every": 20, "loop.save_every": 200, "loop.threads": 0}
_L2 = {**_LIFT, "loop.loss": "l2"}
_TEMPORAL = {"lifter": "{lifter}", "loop.batch": 256, "loop.log_every": 10, "loop.save_every": 100}
_PAPERS = {**_TEMPORAL, "loop.loss": "l2", "calm": 0.0}  # no loss on accelerations
_LIFTER = Setting("lifter", "lift", {**_LIFT, "loop.loss": "distance"}, share=2.0, part=True)


def _augmented(name: str, mode: str, *strategies: str) -> Setting:
    chosen = {"augmentation.strategies": strategies} if strategies else {}
    options = {**_OVERFIT, "augmentation.mode": mode, "augmentation.photometric": 0.0, **chosen}
    return Setting(name, "sapnet", options)


def _ablated(name: str) -> Setting:
    start = {"init": "{hourglass}/1-hourglass.safetensors", "init_only": "hourglass", "first": "depth"}
    return Setting(name, "sapnet", {**_FULL, "schedule": name, **start})


def _ordinal(name: str, share: float, **options: Any) -> Setting:
    return Setting(name, "ordinal", {**_FULL, "experiment": name, **options}, share)


# The seed knows no body of any picture: reprojection and critic alone.
_UNKNOWN = LossWeights(rotations=0.0, betas=0.0, joints=0.0)
# Six numbers a rotation: half of the people in the pictures face away, where an axis-angle jumps. A critic that keeps
# up in some hundred steps: faster than the paper's, and fewer of its steps for each of the generator's.
_SMPL = {
    "preset": "cpu", "size": 96, "rotations": "6d", "loop.weights": _UNKNOWN, "loop.batch": 24,
    "loop.critic_rate": 5e-4, "loop.critic_steps": 2,
}  # fmt: skip
_EIGHT = {
    **_SMPL, "preset": "tiny", "limit": 8, "masks": None, "validate_training": True, "loop.batch": 8, "loop.rate": 2e-3,
    "loop.ema": 0.98, "augmentation.mode": "none",
}  # fmt: skip


#: On top of a 2D net: a ResNet that starts from nothing learns next to nothing from so few pictures in minutes.
_ON_POSE = {**_SMPL, "preset": "pose", "size": 128, "encoder_weights": "{hourglass}/1-hourglass.safetensors"}
_HOURGLASS = Setting("hourglass", "sapnet", {**_FULL, "stage": "hourglass"}, share=3.0, part=True)


def _bodies(name: str, reprojection: str, critic: str, base: Mapping[str, Any] = _ON_POSE) -> Setting:
    return Setting(name, "smpl", {**base, "loop.reprojection": reprojection, "critic": critic})


_FROM_HEATMAPS = {"init": "{2}/1-heatmaps.safetensors", "first": "head"}

STUDIES: dict[str, Study] = {
    "augmentation": Study(
        "Seed 001, figures 4 and 5: each augmentation alone; one at random of several (Frs, Frso, Frsos); overlapping",
        (
            _augmented("none", "none"),
            *(_augmented(name, "overlap", name) for name in ("flip", "shift", "rotation", "occlusion", "scale")),
            _augmented("one of flip, rotation, shift", "single", "flip", "rotation", "shift"),
            _augmented("one of these and occlusion", "single", "flip", "rotation", "shift", "occlusion"),
            _augmented("one of all five", "single"),
            _augmented("overlapping", "overlap"),
        ),
    ),
    "losses": Study(
        "Seed 001, §2.3 and 2.4: losses, clipping, dropout and batch normalisation of the lifting net",
        (
            Setting("l2", "lift", _L2),
            Setting("l2, weighted", "lift", {**_L2, "weighted": True}),
            Setting("distance", "lift", {**_LIFT, "loop.loss": "distance"}),
            *(
                Setting(f"compositional, {kind}", "lift", {**_LIFT, "loop.loss": kind})
                for kind in ("pairs", "joint", "bone", "both")
            ),
            Setting("l2, no clipping", "lift", {**_L2, "clip": "none"}),
            Setting("l2, max-norm", "lift", {**_L2, "clip": "max-norm"}),
            Setting("l2, dropout 0.5", "lift", {**_L2, "dropout": 0.5}),
            Setting("l2, no batch norm", "lift", {**_L2, "batch_norm": False}),
        ),
    ),
    "compositional-speed": Study(
        "Seed 001, §2.4.1: does the compositional loss reach the same error sooner?",
        (
            Setting("l2", "lift", _L2),
            Setting("compositional, pairs", "lift", {**_LIFT, "loop.loss": "pairs"}),
            Setting("compositional, bone", "lift", {**_LIFT, "loop.loss": "bone"}),
        ),
        evaluations=30,
    ),
    "ordinal": Study(
        "Seed 004: its five experiments, the heads of 4 and 5 on the heatmaps of 2",
        (
            _ordinal("2", 3.0),
            _ordinal("1", 4.0),
            _ordinal("3", 4.0),
            _ordinal("4-three", 1.0, **_FROM_HEATMAPS),
            _ordinal("4", 1.0, **_FROM_HEATMAPS),
            _ordinal("5", 1.0, **_FROM_HEATMAPS),
        ),
    ),
    "ablation": Study(
        "Seed 000, Dabral et al.'s ablation: structure losses one after the other, from one 2D net",
        (
            _HOURGLASS,
            *(_ablated(name) for name in ("base", "+Lg", "+La", "+Ls")),
        ),
    ),
    "window": Study(
        "Seed 000, §3.4: error against the length of TP-Net's window",
        (
            _LIFTER,
            *(
                Setting(f"{window} poses", "temporal", {**_TEMPORAL, "preset": "small", "window": window})
                for window in (1, 2, 3, 5, 10, 20, 30)
            ),
        ),
    ),
    "temporal": Study(
        "Seed 000: TP-Net online, semi-online, and an LSTM: in the paper's form, and as a change of the window's mean",
        (
            _LIFTER,
            Setting("TP-Net", "temporal", {**_PAPERS, "preset": "full", "width": 512}),
            Setting("TP-Net, semi-online", "temporal", {**_PAPERS, "preset": "full_semi", "width": 512}),
            Setting("LSTM", "temporal", {**_PAPERS, "net": "lstm", "preset": "full", "width": 256}),
            Setting("TP-Net, residual", "temporal", {**_TEMPORAL, "preset": "small"}),
            Setting("TP-Net, residual, semi-online", "temporal", {**_TEMPORAL, "preset": "small_semi"}),
            Setting("LSTM, residual", "temporal", {**_TEMPORAL, "net": "lstm", "preset": "small"}),
        ),
    ),
    "bodies-eight": Study(
        "Seed 003, §4.1 and figure 4: eight rendered pictures overfitted by each loss, without and with the critics",
        (
            _bodies("KPR only", "kpr", "none", _EIGHT),
            _bodies("MR only", "mr", "none", _EIGHT),
            _bodies("combined", "combined", "none", _EIGHT),
            _bodies("critic without rotations", "combined", "no-rotations", _EIGHT),
            _bodies("critic with rotations", "combined", "full", _EIGHT),
        ),
        evaluations=5,
    ),
    "bodies": Study(
        "Seed 003, table 1: validation losses of the mesh regressor by reprojection loss, without and with the critic",
        (
            _HOURGLASS,
            *(
                _bodies(f"{label}, {'with' if critic == 'full' else 'without'} critic", loss, critic)
                for critic in ("none", "full")
                for label, loss in (("KPR only", "kpr"), ("MR only", "mr"), ("combined", "combined"))
            ),
        ),
        evaluations=4,
    ),
    "bodies-long": Study(
        "Seed 003, table 2: KPR only and combined, with the critic, trained longer; then with known bodies, too",
        (
            _HOURGLASS,
            _bodies("KPR only, with critic", "kpr", "full"),
            _bodies("combined, with critic", "combined", "full"),
            _bodies(
                "combined, with critic, known bodies", "combined", "full", {**_ON_POSE, "loop.weights": LossWeights()}
            ),
        ),
        evaluations=8,
    ),
}
