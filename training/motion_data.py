"""CMU motion as clips of BODY_21 joints on bodies of one canonical size.

The shared joint positions come from six kinds of conversion that disagree about where a pelvis, a neck, a
shoulder or a wrist lies (the CMU "wrist" is 5 cm above the anatomical one; DAZ shoulders are 14 cm too narrow).
What all of them agree about are the *directions* of the limbs. So, as in Dabral et al.'s skeleton fitting
(REFERENCE §7), directions come from the data and lengths from one canonical body:

- pelvis = mid hip, thorax = mid shoulder, spine = the middle of both: as Human3.6M and BlazePose define them;
- the nose lies at the face (the data has no face: ahead of the skull, turned by a random smooth head yaw);
- forearm, foot and hand have anatomical lengths; toes end at the tip, hands at the knuckles.

Metric size cannot be seen in a picture, so nets learn bodies of the canonical size; ``Clip.size`` keeps the
subject's own. Knows nothing of cameras, noise or torch.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.files import read_npz
from posecore.skeletons import BODY_21, CMU_22, convert
from training.splits import Split, cmu_split

__all__ = [
    "CANONICAL_LENGTHS",
    "Clip",
    "bone_factors",
    "body_size",
    "harmonise",
    "read_clips",
    "resample",
    "scale_bones",
]

Array = NDArray[np.float32]

#: Lengths of the canonical body, m, by the bone's far joint: close to the mean of the CMU subjects, with Dabral
#: et al.'s ratio of forearm to upper arm.
CANONICAL_LENGTHS: dict[str, float] = {
    "hip": 0.095,
    "knee": 0.425,
    "ankle": 0.430,
    "toe": 0.175,
    "trunk": 0.510,
    "shoulder": 0.185,
    "elbow": 0.290,
    "wrist": 0.252,
    "hand": 0.090,
}
_SIZE_BONES = ("knee", "ankle", "elbow", "wrist")
#: The body's size, m: both thighs, shins, upper arms and forearms, and the trunk.
CANONICAL_SIZE = 2 * sum(CANONICAL_LENGTHS[b] for b in _SIZE_BONES) + CANONICAL_LENGTHS["trunk"]

RATE = 30.0  # frames/s of the shared joints
_MAX_SPEED = 15.0  # m/s relative to the pelvis; faster is a glitch of the capture or the conversion
_MIN_FRAMES = 12
# Conversions whose bodies are beyond repair: heads at right angles, feet folded away.
_BROKEN_NOTES = ("retargeted",)
_BROKEN_SOURCES = ("TMoCo/",)


@dataclass(frozen=True)
class Clip:
    """A stretch of motion.

    Attributes:
        name: clip id, with ``#n`` where glitches cut it into pieces.
        subject: e.g. ``"047"``.
        joints: (T, 21, 3) m, world (Y up), 30 frames/s, canonical size.
        size: the subject's own size over the canonical one.
        proportions: (21,) the subject's own bone lengths over the canonical ones, at the canonical size.
        travels: whether the root's path can be trusted.
    """

    name: str
    subject: str
    joints: Array
    size: float
    proportions: Array
    travels: bool = True

    @property
    def own_joints(self) -> Array:
        """(T, 21, 3) m: :attr:`joints` on a body of the subject's own proportions, still of canonical size."""
        return scale_bones(self.joints, self.proportions)


def read_clips(data: Path, split: Split | None = None, head_turn: np.random.Generator | None = None) -> list[Clip]:
    """All usable clips of one side of the split (None: of both), sorted by name.

    Args:
        data: the data folder that holds ``mocap_cmu/joints``.
        head_turn: draws a smooth head yaw per clip (for training); None looks straight ahead.

    Raises:
        SourceError: the folder holds no CMU joints.
    """
    folder = Path(data) / "mocap_cmu" / "joints"
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise SourceError(f"{folder}: no CMU joints there; give the data folder with --data")
    broken = _broken_clips(folder.parent / "clips.csv")
    clips: list[Clip] = []
    for file in files:
        subject = file.stem.removeprefix("subject_")
        if split is not None and cmu_split(subject) != split:
            continue
        for name, positions in sorted(read_npz(file).items()):
            if name not in broken:
                clips += _clips_of(name, subject, positions, head_turn)
    return clips


def _broken_clips(table: Path) -> set[str]:
    if not table.exists():
        return set()
    with open(table, newline="", encoding="utf-8") as stream:
        return {
            row["clip"]
            for row in csv.DictReader(stream)
            if any(note in row["conversion_note"] for note in _BROKEN_NOTES)
            or row["source_repo"].startswith(_BROKEN_SOURCES)
        }


def _clips_of(name: str, subject: str, positions: Array, head_turn: np.random.Generator | None) -> list[Clip]:
    yaw = _smooth_yaw(head_turn, len(positions)) if head_turn is not None else np.zeros(len(positions), np.float32)
    joints, size, proportions = harmonise(positions, yaw)
    local = joints - joints[:, :1]
    fast = np.linalg.norm(np.diff(local, axis=0), axis=-1).max(-1) * RATE > _MAX_SPEED
    pieces = np.split(joints, np.flatnonzero(fast) + 1)
    long_enough = [piece for piece in pieces if len(piece) >= _MIN_FRAMES]
    travels = not subject.startswith("unknown")
    return [
        Clip(name if len(long_enough) == 1 else f"{name}#{i}", subject, piece, size, proportions, travels)
        for i, piece in enumerate(long_enough)
    ]


def _smooth_yaw(rng: np.random.Generator, frames: int) -> Array:
    """(T,) radians: a head that looks around, 30° rms, a second or so at a time."""
    knots = rng.normal(0.0, np.radians(30.0), frames // 30 + 3)
    t = np.arange(frames) / 30.0 + rng.uniform(0, 1)
    i = t.astype(int)
    blend = 0.5 - 0.5 * np.cos(np.pi * (t - i))
    return (knots[i] * (1 - blend) + knots[i + 1] * blend).astype(np.float32)


def harmonise(positions: Array, head_yaw: Array) -> tuple[Array, float, Array]:
    """CMU_22 positions of any conversion to BODY_21 on the canonical body.

    Args:
        positions: (T, 22, 3) m, Y up.
        head_yaw: (T,) radians, the face's turn about the head's axis, + to the person's left.

    Returns:
        (T, 21, 3) m, Y up, canonical body, the root's path scaled with it; the subject's own size over the
        canonical one; and the subject's own proportions (21,), see :class:`Clip`.
    """
    points = positions.astype(np.float64)
    at = CMU_22.index
    hips = (points[:, at("l_hip")] + points[:, at("r_hip")]) / 2
    shoulders = (points[:, at("l_shoulder")] + points[:, at("r_shoulder")]) / 2
    own = 2 * sum(_median_length(points, child) for child in ("knee", "ankle", "elbow")) * _SIZE_RATIO
    own += float(np.median(np.linalg.norm(shoulders - hips, axis=-1)))
    size = own / CANONICAL_SIZE

    left = _unit(points[:, at("l_shoulder")] - points[:, at("r_shoulder")])
    forward = _unit(np.cross(left, shoulders - hips))
    skull = points[:, at("head")]
    up = _unit(points[:, at("head_top")] - skull, fallback=_unit(skull - shoulders))
    face = _unit(forward - (forward * up).sum(-1, keepdims=True) * up)
    side = np.cross(up, face)  # the person's left
    face = np.cos(head_yaw)[:, None] * face + np.sin(head_yaw)[:, None] * side

    body = points.copy()
    body[:, at("pelvis")], body[:, at("neck")], body[:, at("chest")] = hips, shoulders, (hips + shoulders) / 2
    skull_base = shoulders + _unit(skull - shoulders) * 0.12 * size
    body[:, at("head")] = skull_base + (0.07 * up + 0.11 * face) * size
    body[:, at("head_top")] = skull_base + 0.20 * up * size
    for side_name in ("l", "r"):
        elbow, wrist, hand = (at(f"{side_name}_{j}") for j in ("elbow", "wrist", "hand_tip"))
        forearm = _unit(points[:, wrist] - points[:, elbow])
        # A hand tip on the wrist has no direction: the hand then continues the forearm.
        body[:, hand] = body[:, wrist] + 0.18 * size * _unit(points[:, hand] - points[:, wrist], forearm)
    joints, _ = convert(body, CMU_22, BODY_21)
    factors = bone_factors(joints / size)
    return scale_bones(joints / np.float32(size), factors), float(size), _proportions(factors)


def _proportions(factors: Array) -> Array:
    """(21,) own over canonical lengths where the conversions can be trusted, left and right the same, canonical size.

    The forearm follows the upper arm; feet, hands and head are canonical; hips and shoulders are kept within 15 %
    (DAZ shoulders are 14 cm too narrow).
    """
    own = 1.0 / factors.astype(np.float64)
    own = (own + own[list(BODY_21.mirror)]) / 2
    for index, name in enumerate(BODY_21.joints):
        kind = name[2:] if name[1] == "_" else name
        if kind in ("hip", "shoulder"):
            own[index] = np.clip(own[index], 0.85, 1.15)
        elif kind == "wrist":
            own[index] = own[BODY_21.index(f"{name[0]}_elbow")]
        elif kind not in ("knee", "ankle", "elbow", "spine", "thorax"):
            own[index] = 1.0
    lengths = [own[BODY_21.index(f"l_{b}")] * CANONICAL_LENGTHS[b] for b in _SIZE_BONES]
    size = 2 * sum(lengths) + own[BODY_21.index("spine")] * CANONICAL_LENGTHS["trunk"]
    own *= CANONICAL_SIZE / size
    own[BODY_21.index("pelvis")] = 1.0
    return own.astype(np.float32)


# The wrist of the CMU skeletons is not the anatomical one: count the forearm by the canonical ratio.
_SIZE_RATIO = sum(CANONICAL_LENGTHS[b] for b in _SIZE_BONES) / sum(CANONICAL_LENGTHS[b] for b in _SIZE_BONES[:-1])


def _median_length(points: NDArray[np.float64], child: str) -> float:
    """Median length of a CMU bone, mean of left and right."""
    total = 0.0
    for side in ("l", "r"):
        index = CMU_22.index(f"{side}_{child}")
        total += float(np.median(np.linalg.norm(points[:, index] - points[:, CMU_22.parents[index]], axis=-1)))
    return total / 2


def _unit(vectors: NDArray[np.float64], fallback: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.maximum(length, 1e-9)
    return unit if fallback is None else np.where(length > 0.01, unit, fallback)


def bone_factors(joints: NDArray[np.floating]) -> Array:
    """(21,) factors that bring the median bone lengths of (T, 21, 3) joints to the canonical ones.

    Trunk and shoulders keep their change over time (a bent back is shorter); the head is as :func:`harmonise`
    built it.
    """
    bones = np.median(np.linalg.norm(_bones(joints), axis=-1), axis=0)
    factors = np.ones(len(BODY_21), np.float32)
    for index, name in enumerate(BODY_21.joints):
        kind = name[2:] if name[1] == "_" else name
        if kind in CANONICAL_LENGTHS:
            factors[index] = CANONICAL_LENGTHS[kind] / max(float(bones[index]), 1e-6)
    for name in ("spine", "thorax"):
        factors[BODY_21.index(name)] = CANONICAL_LENGTHS["trunk"] / 2 / max(float(bones[BODY_21.index(name)]), 1e-6)
    return factors


def _bones(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 21, 3) vector from each joint's parent; the root's is its position."""
    parents = [p if p >= 0 else i for i, p in enumerate(BODY_21.parents)]
    bones = joints - joints[..., parents, :]
    root = BODY_21.parents.index(-1)
    bones[..., root, :] = joints[..., root, :]
    return bones


@lru_cache(maxsize=1)
def _descent() -> Array:
    """(21, 21): 1 where the column's bone lies on the way from the root to the row's joint."""
    matrix = np.eye(len(BODY_21), dtype=np.float32)
    for index in BODY_21.topological_order:
        if BODY_21.parents[index] >= 0:
            matrix[index] += matrix[BODY_21.parents[index]]
    return matrix


def scale_bones(joints: NDArray[np.floating], factors: NDArray[np.floating]) -> Array:
    """Multiply each bone's length, directions kept.

    Args:
        joints: (..., 21, 3).
        factors: (..., 21), broadcast over the leading axes; the root's moves the whole path.
    """
    return np.matmul(_descent(), _bones(joints) * np.asarray(factors)[..., None]).astype(np.float32)


def body_size(joints: NDArray[np.floating]) -> Array:
    """(...,) m: the sum of limb and trunk lengths that :data:`CANONICAL_SIZE` is for the canonical body."""
    length = np.linalg.norm(_bones(joints), axis=-1)
    names = [f"{s}_{b}" for s in ("l", "r") for b in _SIZE_BONES] + ["spine", "thorax"]
    return length[..., BODY_21.indices(names)].sum(-1).astype(np.float32)


def resample(frames: NDArray[np.floating], times: NDArray[np.floating]) -> Array:
    """Catmull-Rom interpolation of (F, ...) frames at (..., T) fractional frame numbers, held at both ends."""
    last = len(frames) - 1
    times = np.clip(times, 0, last)
    i = np.minimum(times.astype(int), max(last - 1, 0))
    u = (times - i).astype(np.float32).reshape(times.shape + (1,) * (frames.ndim - 1))
    p0, p1 = frames[np.maximum(i - 1, 0)], frames[i]
    p2, p3 = frames[np.minimum(i + 1, last)], frames[np.minimum(i + 2, last)]
    value = p1 + 0.5 * u * (p2 - p0 + u * (2 * p0 - 5 * p1 + 4 * p2 - p3 + u * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(value, np.float32)
