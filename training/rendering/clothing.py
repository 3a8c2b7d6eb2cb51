"""Poor man's clothes: colours, patterns and thickness laid on the body by where a point is along limbs and trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from training.rendering.body import REGIONS, BodyModel

__all__ = [
    "Cloth",
    "Outfit",
    "Skirt",
    "build_skirt",
    "colour_surface",
    "inflate",
    "random_outfit",
    "surface_coordinates",
]

Array = NDArray[np.float32]

_ARM = [REGIONS.index(f"{s}_{part}") for s in "lr" for part in ("upper_arm", "forearm", "hand")]
_LEG = [REGIONS.index(f"{s}_{part}") for s in "lr" for part in ("thigh", "shin", "foot")]
_HAND = [REGIONS.index(f"{s}_hand") for s in "lr"]
_TORSO, _HEAD, _NECK, _EYES = (REGIONS.index(name) for name in ("torso", "head", "neck", "eyes"))
#: Region number of a skirt's faces, beyond those of the body.
SKIRT = len(REGIONS)

_SKIN_TONES = np.array(
    [[255, 224, 196], [241, 194, 160], [224, 172, 136], [198, 134, 96], [161, 102, 66], [117, 72, 46], [78, 49, 34]]
) / 255  # fmt: skip
_HAIR_TONES = np.array(
    [[20, 16, 14], [44, 30, 22], [84, 56, 36], [140, 98, 58], [196, 160, 104], [120, 50, 26], [170, 168, 164]]
) / 255  # fmt: skip


@dataclass(frozen=True)
class Cloth:
    """A fabric: two colours (linear light is not meant; sRGB in [0, 1]), a pattern, its period in metres."""

    colour: NDArray
    second: NDArray
    pattern: str = "plain"
    period: float = 0.1
    phase: NDArray = field(default_factory=lambda: np.zeros(3))

    def at(self, position: Array) -> Array:
        """(N, 3) colours at rest positions (N, 3)."""
        p = (position + self.phase) / self.period
        if self.pattern == "stripes":
            share = (p[:, 1] % 1 < 0.5).astype(np.float32)
        elif self.pattern == "pinstripes":
            share = ((p[:, 0] + 0.6 * p[:, 2]) % 1 < 0.2).astype(np.float32)
        elif self.pattern == "checks":
            share = 0.5 * ((p[:, 0] + 0.6 * p[:, 2]) % 1 < 0.5) + 0.5 * (p[:, 1] % 1 < 0.5)
        elif self.pattern == "dots":
            share = (((p % 1 - 0.5) ** 2)[:, :2].sum(1) < 0.06).astype(np.float32)
        elif self.pattern == "print":
            share = (np.linalg.norm((p - [0, 0, 0])[:, :2], axis=1) < 0.9).astype(np.float32) * (position[:, 2] > 0.03)
        elif self.pattern == "camouflage":
            share = (_waves(p, 3) > 0.2).astype(np.float32)
        elif self.pattern == "denim":
            share = 0.5 + 0.35 * _waves(p * 0.7, 1)
        else:
            share = np.zeros(len(p), np.float32)
        share = np.clip(share, 0, 1)[:, None]
        return (self.colour * (1 - share) + self.second * share).astype(np.float32)


def _waves(p: Array, seed: int) -> Array:
    """A smooth pseudo-random function of position (N, 3), about -1 ... 1."""
    directions = (np.random.default_rng(seed).normal(size=(5, 3)) * 3).astype(np.float32)
    return np.sin(p.astype(np.float32) @ directions.T + np.arange(5, dtype=np.float32) * 1.7) @ np.full(
        5, 0.43, np.float32
    )


@dataclass(frozen=True)
class Outfit:
    """What a person wears. Lengths: 0 at shoulder or hip, 1 at elbow or knee, 2 at wrist or ankle."""

    skin: NDArray
    hair: NDArray
    hair_style: str  # bald, short, long, cap
    beard: bool
    glasses: bool
    top: Cloth
    sleeve: float
    hem: float  # height on the trunk, 0 crotch ... 1 neck, below which the top ends
    neckline: float
    opening: float  # half-width of an open jacket's front, metres, 0 = closed
    under: Cloth
    bottom: Cloth
    trouser: float
    shoe: NDArray
    boot: float
    gloves: bool
    thickness: tuple[float, float, float]  # top, bottom, hair; metres
    wrinkle: float
    skirt: float  # length on the legs, 0 = none
    flare: float
    dress: bool


def _random_colour(rng: np.random.Generator) -> NDArray:
    kind = rng.random()
    if kind < 0.35:  # black, greys, white
        return np.clip(
            rng.choice([0.06, 0.15, 0.3, 0.5, 0.75, 0.92]) + rng.normal(0, 0.03) + rng.normal(0, 0.015, 3), 0, 1
        )
    if kind < 0.55:  # navy, jeans, khaki, brown, olive
        base = (
            np.array([[24, 30, 62], [60, 84, 124], [178, 160, 122], [92, 62, 42], [84, 88, 56]])[rng.integers(5)] / 255
        )
        return np.clip(base * rng.uniform(0.7, 1.3), 0, 1)
    hue, saturation, value = rng.random(), rng.uniform(0.3, 1), rng.uniform(0.25, 1)
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation + saturation * wheel)


def random_cloth(rng: np.random.Generator, plain: float = 0.5) -> Cloth:
    """A random fabric; a share ``plain`` has no pattern."""
    patterns = ["stripes", "pinstripes", "checks", "dots", "print", "camouflage", "denim"]
    pattern = "plain" if rng.random() < plain else patterns[rng.integers(len(patterns))]
    period = rng.uniform(0.12, 0.25) if pattern in ("print", "camouflage") else rng.uniform(0.03, 0.14)
    colour = _random_colour(rng)
    second = colour * rng.uniform(0.6, 0.85) if pattern == "denim" else _random_colour(rng)
    phase = np.array([0.0, rng.uniform(-0.45, -0.3), 0.0]) if pattern == "print" else rng.uniform(0, 1, 3)
    return Cloth(colour, second, pattern, period, phase)


def random_outfit(rng: np.random.Generator, gender: float) -> Outfit:
    """Clothes for a person of the given gender (0 = male, 1 = female), from street to sports wear."""
    sleeve = rng.choice([0.08, rng.uniform(0.3, 0.8), rng.uniform(1.1, 1.7), 2.0], p=[0.12, 0.33, 0.1, 0.45])
    trouser = rng.choice(
        [rng.uniform(0.15, 0.4), rng.uniform(0.5, 0.95), rng.uniform(1.2, 1.7), 2.05], p=[0.08, 0.2, 0.1, 0.62]
    )
    top, bottom = random_cloth(rng), random_cloth(rng, 0.7)
    suit = rng.random() < 0.12
    tone = _SKIN_TONES[rng.integers(len(_SKIN_TONES))] * rng.uniform(0.88, 1.08)
    skirt = rng.uniform(0.45, 1.8) if rng.random() < 0.3 * gender + 0.02 else 0.0
    coat = skirt == 0 and rng.random() < 0.07
    style = rng.choice(["bald", "short", "long", "cap"], p=[0.06, 0.62 - 0.42 * gender, 0.17 + 0.42 * gender, 0.15])
    return Outfit(
        skin=np.clip(tone, 0, 1),
        hair=_HAIR_TONES[rng.integers(len(_HAIR_TONES))] if style != "cap" else _random_colour(rng),
        hair_style=str(style),
        beard=bool(gender < 0.5 and rng.random() < 0.25),
        glasses=bool(rng.random() < 0.15),
        top=top,
        sleeve=float(2.0 if coat else sleeve),
        hem=float(rng.uniform(-0.12, 0.3)),
        neckline=float(rng.uniform(0.0, 0.14)),
        opening=float(rng.uniform(0.02, 0.09)) if sleeve > 1 and rng.random() < 0.35 else 0.0,
        under=random_cloth(rng, 0.8),
        bottom=top if suit else bottom,
        trouser=float(trouser),
        shoe=_random_colour(rng),
        boot=float(rng.choice([0.0, rng.uniform(0.1, 0.8)], p=[0.85, 0.15])),
        gloves=bool(rng.random() < 0.04),
        thickness=(float(rng.uniform(0.002, 0.025)), float(rng.uniform(0.002, 0.022)), float(rng.uniform(0.008, 0.03))),
        wrinkle=float(rng.uniform(0.0, 0.35)),
        skirt=float(rng.uniform(0.5, 1.2)) if coat else skirt,
        flare=float(rng.uniform(0.0, 0.09)),
        dress=bool(coat or rng.random() < 0.5),
    )


@dataclass(frozen=True)
class SurfaceCoordinates:
    """Where each vertex lies on the body, from the average shape: the same for all shapes.

    Attributes:
        limb: (V,) along the arm or leg, as lengths in :class:`Outfit`.
        height: (V,) on the trunk, 0 crotch ... 1 base of the neck.
        face: (V, 3) from between the eyes, in units of eyes to crown.
        position: (V, 3) metres.
    """

    limb: Array
    height: Array
    face: Array
    position: Array

    def stacked(self) -> Array:
        """(V, 8): limb, height, face, position."""
        return np.concatenate([self.limb[:, None], self.height[:, None], self.face, self.position], 1)


@lru_cache(maxsize=4)
def surface_coordinates(model: BodyModel) -> SurfaceCoordinates:
    """Compute :class:`SurfaceCoordinates` for a model (once)."""
    body = model.average
    p, region = body.vertices, model.vertex_region
    limb = np.zeros(len(p), np.float32)
    for side, sign in (("L", 1), ("R", -1)):
        own = p[:, 0] * sign >= 0
        for names, regions in (
            (("upperarm01", "lowerarm01", "wrist"), _ARM),
            (("upperleg01", "lowerleg01", "foot"), _LEG),
        ):
            a, b, c = (body.head(f"{name}.{side}") for name in names)
            first = (p - a) @ (b - a) / ((b - a) @ (b - a))
            second = 1 + (p - b) @ (c - b) / ((c - b) @ (c - b))
            # The first three numbers of `regions` are the left side's, in order upper, lower, end.
            of_side = regions[:3] if side == "L" else regions[3:]
            lower = np.isin(region, of_side[1:])
            here = np.isin(region, of_side)
            limb[here] = np.where(lower, np.maximum(second, 0.8), np.minimum(first, 1.2))[here]
            ends = region == of_side[2]
            limb[ends] = np.maximum(limb[ends], 2.0)
            if names[0] == "upperleg01":
                trunk = own & (region == _TORSO)
                limb[trunk] = np.minimum(first, 0.2)[trunk]
    hips, neck = body.head("upperleg01.L")[1] - 0.05, body.head("neck01")[1]
    height = (p[:, 1] - hips) / (neck - hips)
    eyes = (body.head("eye.L") + body.head("eye.R")) / 2
    scale = p[:, 1].max() - eyes[1]
    return SurfaceCoordinates(limb, height.astype(np.float32), ((p - eyes) / scale).astype(np.float32), p)


def _hair_mask(outfit: Outfit, region: NDArray, face: Array) -> NDArray[np.bool_]:
    x, y, z = face.T
    if outfit.hair_style == "bald":
        return np.zeros(len(x), bool)
    behind = -z - 0.15  # grows towards the back of the head
    if outfit.hair_style == "cap":
        return np.isin(region, [_HEAD]) & (y > 0.32)
    line = np.where(behind > 0.75, -1.0, np.where(behind > 0.45, 0.12, 0.52))
    mask = (region == _HEAD) & (y > line)
    if outfit.hair_style == "long":
        mask |= np.isin(region, [_HEAD, _NECK]) & (behind > 0.55) & (np.abs(x) < 1.2)
        mask |= (region == _TORSO) & (behind > 0.35) & (y > -3.2) & (np.abs(x) < 0.9)
    return mask


def _top_mask(outfit: Outfit, region: NDArray, limb: Array, height: Array, position: Array) -> NDArray[np.bool_]:
    front = position[:, 2] > 0.02
    collar = 1.0 - outfit.neckline * front * np.clip(1 - np.abs(position[:, 0]) / 0.12, 0, 1) * 2
    # Thigh and neck, too: the borders between regions are ragged, those of height are not.
    trunk = np.isin(region, [_TORSO, _NECK, _LEG[0], _LEG[3]]) & (height > outfit.hem) & (height < collar + 0.04)
    return trunk | (np.isin(region, _ARM) & (limb < outfit.sleeve) & ~np.isin(region, _HAND))


def _foot(region: NDArray) -> NDArray[np.bool_]:
    return np.isin(region, [_LEG[2], _LEG[5]])


def inflate(outfit: Outfit, model: BodyModel, normals: Array) -> Array:
    """(V, 3) rest offsets, metres, that give clothes and hair their thickness."""
    c = surface_coordinates(model)
    region = model.vertex_region
    top = _top_mask(outfit, region, c.limb, c.height, c.position)
    hair = _hair_mask(outfit, region, c.face)
    legs = (np.isin(region, _LEG) & ~_foot(region) & (c.limb < outfit.trouser)) | (
        (region == _TORSO) & ~top & (c.height < 0.5)
    )
    offset = np.zeros(len(region), np.float32)
    offset[legs] = outfit.thickness[1]
    offset[top] = np.maximum(offset[top], outfit.thickness[0] + 0.6 * outfit.thickness[1] * (c.height[top] < 0.2))
    offset[_foot(region)] = 0.008
    wave = 0.75 + 0.25 * _waves(c.position * 8, 5)
    offset *= wave
    offset[hair] = outfit.thickness[2] * (0.6 + 0.4 * wave[hair])
    # Ease the steps at hems over the neighbouring vertices, or they tear into spikes on thin triangles.
    faces = model.faces
    for _ in range(2):
        total, count = np.zeros_like(offset), np.zeros_like(offset)
        mean = offset[faces].mean(1)
        for corner in range(3):
            total += np.bincount(faces[:, corner], mean, len(offset))
            count += np.bincount(faces[:, corner], None, len(offset))
        offset = np.where(offset > 0, 0.5 * offset + 0.5 * total / np.maximum(count, 1), offset).astype(np.float32)
    return normals * offset[:, None]


def colour_surface(outfit: Outfit, region: NDArray, coordinates: Array) -> tuple[Array, Array]:
    """Colours of surface points.

    Args:
        region: (N,) index into REGIONS, or :data:`SKIRT`.
        coordinates: (N, 8) from :meth:`SurfaceCoordinates.stacked`.

    Returns:
        (N, 3) sRGB in [0, 1], and (N,) how much of a fabric it is (1) rather than skin (0).
    """
    limb, height, face, position = coordinates[:, 0], coordinates[:, 1], coordinates[:, 2:5], coordinates[:, 5:8]
    colour = np.tile(outfit.skin.astype(np.float32), (len(region), 1))
    colour *= 1 + 0.05 * _waves(position * 9, 7)[:, None]
    fabric = np.zeros(len(region), np.float32)

    def paint(mask: NDArray[np.bool_], paint: NDArray | Cloth, is_fabric: float = 1.0) -> None:
        if isinstance(paint, Cloth):
            colour[mask] = paint.at(position[mask])
        else:
            colour[mask] = paint if paint.ndim == 1 else paint[mask]
        fabric[mask] = is_fabric

    _paint_face(outfit, region, face, paint)
    trousers = (np.isin(region, _LEG) & ~_foot(region) & (limb < outfit.trouser)) | (
        (region == _TORSO) & (height < 0.45)
    )
    paint(trousers, outfit.bottom)
    top = _top_mask(outfit, region, limb, height, position)
    paint(top, outfit.top)
    if outfit.opening:
        paint(top & (region == _TORSO) & (np.abs(position[:, 0]) < outfit.opening) & (position[:, 2] > 0), outfit.under)
    paint(_foot(region), outfit.shoe)
    if outfit.boot:
        paint(np.isin(region, [_LEG[1], _LEG[4]]) & (limb > 2 - outfit.boot), outfit.shoe)
    if outfit.gloves:
        paint(np.isin(region, _HAND), outfit.shoe)
    paint(region == SKIRT, (outfit.top if outfit.dress else outfit.bottom))
    paint(_hair_mask(outfit, region, face), outfit.hair * (1 + 0.12 * _waves(face * [14.0, 3.0, 9.0], 9))[:, None], 0.3)
    return np.clip(colour, 0, 1), fabric


def _paint_face(outfit: Outfit, region: NDArray, face: Array, paint) -> None:
    x, y, z = face.T
    front = (region == _HEAD) & (z > -0.35)
    wide = np.abs(x)
    if outfit.beard:
        paint(front & (y < -0.55) & (wide < 0.75), outfit.hair * 0.6 + outfit.skin * 0.2, 0.3)
    paint(
        front & (np.abs(y - 0.24 + 0.15 * (wide - 0.3)) < 0.04) & (wide > 0.1) & (wide < 0.45),
        outfit.hair * 0.5 + 0.35 * outfit.skin,
        0.0,
    )
    paint(front & (np.abs(y + 0.62) < 0.06) & (wide < 0.22), outfit.skin * [0.8, 0.5, 0.5], 0.0)
    paint(region == _EYES, np.array([0.9, 0.9, 0.9]), 0.0)
    paint((region == _EYES) & (np.hypot(wide - 0.28, y) < 0.06), np.array([0.1, 0.07, 0.05]), 0.0)
    if outfit.glasses:
        paint(
            np.isin(region, [_HEAD, _EYES]) & (z > -0.3) & (np.abs(y) < 0.15) & (wide > 0.07) & (wide < 0.55),
            np.full(3, 0.05),
            0.0,
        )


@dataclass(frozen=True)
class Skirt:
    """A lofted tube about the hips and legs; triangles are in it twice, once for each side."""

    vertices: Array
    faces: NDArray[np.int32]
    rest: Array


def build_skirt(outfit: Outfit, hips: Array, knees: Array, ankles: Array, pelvis: NDArray, radius: float) -> Skirt:
    """Loft a skirt over posed legs: each ring wraps the two legs as a taut band would.

    Args:
        hips, knees, ankles: (2, 3) left and right, world metres.
        pelvis: (3, 3) rotation of the pelvis.
        radius: of the thigh, metres.
    """
    rings, around = 14, 40
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    left, up, front = pelvis.T
    ring_direction = np.cos(angle)[:, None] * left + np.sin(angle)[:, None] * front
    rows, rest = [], []
    for level in np.linspace(-0.35, outfit.skirt, rings):
        legs = hips + (knees - hips) * min(level, 1.0) + (ankles - knees) * max(level - 1.0, 0.0)
        if level < 0:
            legs = hips + up * (-level * 0.45)
        size = radius * (1.12 - 0.25 * max(level, 0)) + outfit.flare * max(level, 0) + outfit.thickness[1]
        if level < 0:
            size *= 1 + 0.35 * level
        folds = size * (1 + 0.05 * max(level, 0) * np.sin(angle * 9 + 5 * outfit.flare))
        reach = legs @ ring_direction.T  # (2, around)
        pull = np.exp((reach - reach.max(0)) / 0.03)
        pull /= pull.sum(0)
        rows.append(pull.T @ legs + ring_direction * folds[:, None])
        rest.append(np.stack([np.cos(angle) * 0.2, np.full(around, 0.2 - 0.45 * level), np.sin(angle) * 0.2], 1))
    index = np.arange(rings * around).reshape(rings, around)
    a, b = index[:-1], np.roll(index, -1, 1)[:-1]
    c, d = index[1:], np.roll(index, -1, 1)[1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    faces = np.concatenate([faces, faces[:, ::-1]]).astype(np.int32)
    return Skirt(np.concatenate(rows).astype(np.float32), faces, np.concatenate(rest).astype(np.float32))
