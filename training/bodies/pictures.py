"""Pictures that the mesh regressor trains on: rendered bodies with everything known, LSPET with joints and silhouettes.

Batches are cut out by :mod:`training.augmentation`; what it does to a picture is done here to the silhouette and to the
body in it, too: a turned picture shows a turned body, a mirrored one the body with left and right exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecore.capturing.rays import ray_rotation
from posecore.errors import SourceError
from posecore.nets.cameras import to_crop, to_pixels
from posecore.skeletons import BODY_21, SMPL_24
from training.augmentation import Augmentation, make_batch
from training.bodies.masks import MASK_SIZE, read_masks
from training.bodies.silhouettes import runs_to_mask
from training.pictures import is_validation, load_pictures
from training.shards import read_shards
from training.splits import Split

__all__ = ["BodyBatch", "BodyPictures", "joined", "load_lspet", "load_rendered", "make_body_batch", "matrices"]

_ROOT = SMPL_24.index("pelvis")
_UPRIGHT = np.tile(np.array([0, 0, 0, 1], np.float32), (len(SMPL_24), 1))


@dataclass(frozen=True, eq=False)
class BodyPictures:
    """N pictures; what is unknown of one is zero.

    Attributes:
        images: (N, MASK_SIZE, MASK_SIZE, 3) uint8 RGB, the picture in the top left corner.
        boxes: (N, 3) centre x, y and extent of the labelled person, px.
        keypoints, weight: (N, 21, 2) px and (N, 21), BODY_21.
        silhouettes: (N, MASK_SIZE² / 8) uint8 packed; all zero = unknown.
        solid: (N,) True where the body in it is known: the following.
        rotations: (N, 24, 4) local xyzw, the root's to the camera frame.
        betas: (N, B).
        camera: (N, 3) focal length and principal point x, y, px; where the first is 0, the picture's middle.
        keys: (N,).
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    weight: NDArray[np.float32]
    silhouettes: NDArray[np.uint8]
    solid: NDArray[np.bool_]
    rotations: NDArray[np.float32]
    betas: NDArray[np.float32]
    camera: NDArray[np.float32]
    keys: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.keys)

    def select(self, rows: NDArray[np.int64]) -> BodyPictures:
        """The pictures of those rows."""
        return BodyPictures(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def mask(self, row: int) -> NDArray[np.bool_]:
        """(MASK_SIZE, MASK_SIZE) silhouette of one picture."""
        return np.unpackbits(self.silhouettes[row]).reshape(MASK_SIZE, MASK_SIZE).astype(bool)


def joined(sets: Sequence[BodyPictures]) -> BodyPictures:
    """Several sets as one, in memory."""
    if len(sets) == 1:
        return sets[0]
    names = [field.name for field in fields(BodyPictures)]
    return BodyPictures(**{name: np.concatenate([getattr(one, name) for one in sets]) for name in names})


def load_rendered(folder: Path, split: Split, limit: int = 0) -> BodyPictures:
    """What :func:`training.bodies.rendering.write_bodies` rendered of one side of the split (``limit`` at most).

    Raises:
        SourceError: no such shards, or rendered too large.
    """
    columns: dict[str, list[Any]] = {field.name: [] for field in fields(BodyPictures)}
    for key, picture, labels in read_shards(Path(folder), f"bodies-{split}"):
        if limit and len(columns["keys"]) >= limit:
            break
        height, width = picture.shape[:2]
        if max(height, width) > MASK_SIZE:
            raise SourceError(f"{folder}: {key} is {width}×{height} px; render bodies with --size {MASK_SIZE} or less")
        image = np.zeros((MASK_SIZE, MASK_SIZE, 3), np.uint8)
        image[:height, :width] = picture
        mask = np.zeros((MASK_SIZE, MASK_SIZE), bool)
        mask[:height, :width] = runs_to_mask(labels["silhouette"], (height, width))
        points = np.array(labels["joints_px"], np.float32)
        inside = ((points >= 0) & (points < (width, height))).all(-1)
        # A joint behind another limb has an exact label, too; it counts a little less, as in training.pictures.
        weight = np.where(inside, np.where(np.array(labels["visible"]) > 0, 1.0, 0.6), 0.0)
        low, high = points[inside].min(0), points[inside].max(0)
        camera = labels["camera"]
        row = {
            "images": image,
            "boxes": np.array([*(low + high) / 2, (high - low).max()], np.float32),
            "keypoints": points,
            "weight": weight.astype(np.float32),
            "silhouettes": np.packbits(mask),
            "solid": True,
            "rotations": np.array(labels["rotations"], np.float32),
            "betas": np.array(labels["betas"], np.float32),
            "camera": np.array([camera["fx"], camera["cx"], camera["cy"]], np.float32),
            "keys": key,
        }
        for name, value in row.items():
            columns[name].append(value)
    return BodyPictures(**{name: np.array(values) for name, values in columns.items()})


def load_lspet(
    data: Path, cache: Path, masks: Path | None, split: Split, limit: int = 0, size: int = 10
) -> BodyPictures:
    """LSPET's pictures: people's joints, and silhouettes where :mod:`training.bodies.masks` kept them.

    Args:
        masks: the file of masks; None trains on joints alone. With it, pictures without a kept mask are left out.
        limit: pictures at most (0: all). size: number of betas.

    Raises:
        SourceError: no LSPET, no masks, or none of them fits.
    """
    pictures = load_pictures(data, cache, "lspet", MASK_SIZE)
    rows = [row for row, key in enumerate(pictures.keys) if is_validation(str(key)) == (split == "validation")]
    packed = np.zeros((len(pictures), MASK_SIZE * MASK_SIZE // 8), np.uint8)
    if masks is not None:
        found = read_masks(masks)
        at = {str(key): row for row, key in enumerate(found.keys) if found.kept[row]}
        rows = [row for row in rows if str(pictures.keys[row]) in at]
        for row in rows:
            packed[row] = found.packed[at[str(pictures.keys[row])]]
    rows = rows[:limit] if limit else rows
    if not rows:
        raise SourceError(f"{masks or data}: no {split} pictures of LSPET with a silhouette")
    count = len(rows)
    return BodyPictures(
        images=np.stack([pictures.images[row] for row in rows]),
        boxes=pictures.boxes[rows],
        keypoints=pictures.keypoints[rows],
        weight=pictures.weight[rows],
        silhouettes=packed[rows],
        solid=np.zeros(count, bool),
        rotations=np.tile(_UPRIGHT, (count, 1, 1)),
        betas=np.zeros((count, size), np.float32),
        camera=np.concatenate([np.zeros((count, 1)), (pictures.sizes[rows] - 1) / 2], 1).astype(np.float32),
        keys=pictures.keys[rows],
    )


@dataclass(eq=False)
class BodyBatch:
    """N crops of side S.

    Attributes:
        image: (N, 3, S, S) RGB in [0, 1] minus 0.5.
        keypoints: (N, 21, 2) normalised crop coordinates; weight (N, 21).
        masks: (N, M, M) uint8 on the CPU, the silhouette at another resolution; all zero = unknown. Its pixels are
            normalised as :func:`posecore.nets.cameras.to_crop` does.
        solid: (N,) True where the following is known.
        rotations: (N, 24, 3, 3) local, the root's to the frame of a camera that looks at the middle of the crop.
        betas: (N, B).
        focal: (N,) halves of the crop's side; 0 = unknown.
    """

    image: Tensor
    keypoints: Tensor
    weight: Tensor
    masks: NDArray[np.uint8]
    solid: Tensor
    rotations: Tensor
    betas: Tensor
    focal: Tensor


def make_body_batch(
    pictures: BodyPictures,
    rows: NDArray[np.int64],
    size: int,
    mask_size: int,
    augmentation: Augmentation,
    generator: torch.Generator,
) -> BodyBatch:
    """Cut out and augment some of the pictures; on the CPU."""
    count = len(rows)
    nothing = torch.zeros(count, len(BODY_21))
    batch = make_batch(
        images=torch.from_numpy(np.ascontiguousarray(pictures.images[rows])),
        boxes=torch.from_numpy(pictures.boxes[rows]),
        keypoints=torch.from_numpy(pictures.keypoints[rows]),
        weight=torch.from_numpy(pictures.weight[rows]),
        depth=nothing,
        depth_weight=nothing,
        size=size,
        aug=augmentation,
        generator=generator,
    )
    camera = torch.from_numpy(pictures.camera[rows])
    solid = torch.from_numpy(pictures.solid[rows])
    quaternions = torch.from_numpy(pictures.rotations[rows])
    scale = batch.to_picture[:, :, :2].det().abs().sqrt()  # picture px in a crop px
    return BodyBatch(
        image=batch.image,
        keypoints=to_crop(batch.keypoints, size),
        weight=batch.weight * batch.inside,
        masks=_cut_masks(np.unpackbits(pictures.silhouettes[rows], axis=1), batch.to_picture, size, mask_size),
        solid=solid,
        rotations=_turned(matrices(quaternions), batch.to_picture, camera, size),
        betas=torch.from_numpy(pictures.betas[rows]),
        focal=2 * camera[:, 0] / (scale * size),
    )


def _cut_masks(flat: NDArray[np.uint8], to_picture: Tensor, size: int, mask_size: int) -> NDArray[np.uint8]:
    """(N, M, M) cut out of the pictures' masks as the crops are of the pictures."""
    masks = torch.from_numpy(flat).reshape(-1, 1, MASK_SIZE, MASK_SIZE).float()
    steps = to_pixels(to_crop(torch.arange(mask_size, dtype=torch.float32), mask_size), size)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).reshape(1, -1, 2)
    places = grid @ to_picture[:, :, :2].mT + to_picture[:, None, :, 2]
    places = ((places * 2 + 1) / MASK_SIZE - 1).reshape(len(masks), mask_size, mask_size, 2)
    return (torch.nn.functional.grid_sample(masks, places, align_corners=False)[:, 0] > 0.5).numpy().astype(np.uint8)


def matrices(quaternions: Tensor) -> Tensor:
    """(..., 4) xyzw → (..., 3, 3)."""
    x, y, z, w = torch.nn.functional.normalize(quaternions, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _turned(rotations: Tensor, to_picture: Tensor, camera: Tensor, size: int) -> Tensor:
    """Local rotations (N, 24, 3, 3) of the bodies as the crops show them.

    A crop is seen by a camera that looks at the middle of it: the body is turned by the angle between that ray and the
    optical axis, then with the picture about that ray.
    """
    middle = to_picture @ torch.tensor([(size - 1) / 2, (size - 1) / 2, 1.0])
    focal = camera[:, :1].where(camera[:, :1] > 0, torch.ones(()))
    offset = (middle - camera[:, 1:]) / focal * (camera[:, :1] > 0)
    aside = torch.from_numpy(ray_rotation(torch.cat([offset, torch.ones_like(focal)], 1).numpy()))
    linear = to_picture[:, :, :2]
    flipped = linear.det() < 0
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    # Crop → picture is s · R · diag(±1, 1): taken back without the mirror, a turn about the optical axis remains.
    in_plane = torch.zeros(len(linear), 3, 3)
    in_plane[:, :2, :2] = linear / linear.det().abs().sqrt()[:, None, None]
    in_plane[:, 2, 2] = 1
    in_plane = torch.where(flipped[:, None, None], in_plane @ mirror, in_plane)
    turned = rotations.clone()
    turned[:, _ROOT] = in_plane.mT @ aside @ rotations[:, _ROOT]
    exchanged = mirror @ turned[:, list(SMPL_24.mirror)] @ mirror
    return torch.where(flipped[:, None, None, None], exchanged, turned)
