"""Silhouettes of the LSPET pictures by MediaPipe's segmentation, kept where they agree with the human joints.

python -m training.bodies.masks --data DATA --output runs/lspet-masks.npz

Needs ``mediapipe==0.10.21`` (the extra ``[peers]``, an environment of its own), so neither torch nor tyro is used here.
What is read back by :func:`read_masks` needs numpy alone. A teacher's output, not truth: MediaPipe outlines one person,
clothes included, and softly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from posecore.errors import PosecoreError, SourceError
from posecore.files import read_npz, write_npz
from training.shards import count_samples, read_shards

__all__ = ["MASK_SIZE", "Masks", "joint_agreement", "main", "make_masks", "read_masks"]

#: Masks lie on the grid of the cached pictures: longer side at most so many px, top left, nothing beyond.
MASK_SIZE = 192
#: A mask is kept if so many labelled joints are known, and if such a share of them lies in it or close by.
_JOINTS, _SHARE = 8, 0.9
#: Close by: of the joints' extent. Crowd labels lie beside a limb as often as on it.
_NEAR = 0.03
#: A mask that reaches farther than this beyond the joints, of their extent, holds something else, too.
_BEYOND = 0.35
_BORDER = 0.2  # added around pictures that are tried turned, as the teacher's labels were made


@dataclass(frozen=True)
class Masks:
    """Silhouettes by key.

    Attributes:
        keys: (N,) sample keys.
        packed: (N, MASK_SIZE * MASK_SIZE / 8) uint8, :func:`numpy.packbits` of the masks.
        agreement: (N,) share of the known human joints in or near the mask; NaN where nobody was found.
        kept: (N,) True where joints and mask agree well enough to train with.
    """

    keys: NDArray[np.str_]
    packed: NDArray[np.uint8]
    agreement: NDArray[np.float32]
    kept: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.keys)

    def mask(self, row: int) -> NDArray[np.bool_]:
        """(MASK_SIZE, MASK_SIZE), the picture scaled to at most that size, in the top left corner."""
        return np.unpackbits(self.packed[row]).reshape(MASK_SIZE, MASK_SIZE).astype(bool)


def read_masks(path: Path) -> Masks:
    """Masks as :func:`make_masks` wrote them.

    Raises:
        SourceError: missing, or another file.
    """
    data = read_npz(path)
    try:
        masks = Masks(*(data[name] for name in ("keys", "packed", "agreement", "kept")))
    except KeyError as error:
        raise SourceError(f"{path}: not a file of masks ({error}); make one with training.bodies.masks") from None
    if masks.packed.shape != (len(masks.keys), MASK_SIZE * MASK_SIZE // 8):
        raise SourceError(f"{path}: masks of another size; make them again with training.bodies.masks")
    return masks


def joint_agreement(mask: NDArray[np.bool_], joints: NDArray[np.floating]) -> tuple[float, bool]:
    """How well a silhouette fits labelled joints.

    Args:
        mask: (H, W).
        joints: (J, 3) x, y in px of the mask, and 1 where known.

    Returns:
        Share of the known joints in or near the mask (NaN without any), and whether the mask is good enough to train
        with: at least 8 known joints, 90 % of them in or near it, and nothing of it far beyond them.
    """
    points = joints[joints[:, 2] > 0, :2]
    if not len(points) or not mask.any():
        return float("nan"), False
    extent = max(float(np.ptp(points, axis=0).max()), 1.0)
    distance = ndimage.distance_transform_edt(~mask)
    nearest = np.clip(np.round(points).astype(int), 0, np.array(mask.shape[::-1]) - 1)
    share = float((distance[nearest[:, 1], nearest[:, 0]] <= _NEAR * extent + 0.5).mean())
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low, high = points.min(0) - _BEYOND * extent, points.max(0) + _BEYOND * extent
    within = columns[0] >= low[0] and rows[0] >= low[1] and columns[-1] <= high[0] and rows[-1] <= high[1]
    return share, bool(len(points) >= _JOINTS and share >= _SHARE and within)


def make_masks(data: Path, output: Path, limit: int = 0) -> Masks:
    """Segment every LSPET picture and write the masks; what ``output`` holds already is kept, so it can be interrupted.

    A picture is turned first as the teacher's label of it was (``lspet/mediapipe.npz``). Of the mask only the part
    that holds the most joints is kept.

    Args:
        data: the data folder that holds ``lspet``.
        limit: pictures at most, 0 for all.

    Raises:
        PosecoreError: mediapipe is missing.
        SourceError: the pictures are.
    """
    pose = _segmenter()
    teacher = read_npz(Path(data) / "lspet" / "mediapipe.npz")
    turns = dict(zip(teacher["keys"].tolist(), teacher["rotation"].tolist(), strict=True))
    total = min(limit or sys.maxsize, count_samples(data, "lspet"))
    columns: dict[str, list[Any]] = {"keys": [], "packed": [], "agreement": [], "kept": []}
    if output.exists():
        before = read_masks(output)
        columns = {name: list(getattr(before, name)) for name in columns}
    for number, (key, picture, annotation) in enumerate(read_shards(data, "lspet")):
        if number >= total:
            break
        if number < len(columns["keys"]):
            continue
        scale = min(1.0, MASK_SIZE / max(picture.shape[:2]))
        joints = np.array(annotation["joints"], np.float64)
        joints[:, :2] = (joints[:, :2] + 0.5) * scale - 0.5
        mask = _placed(_segment(pose, picture, int(turns.get(key, 0))), scale)
        mask = _part_with_joints(mask, joints)
        share, kept = joint_agreement(mask, joints)
        for name, value in zip(columns, (key, np.packbits(mask), share, kept), strict=True):
            columns[name].append(value)
        if number % 250 == 249 or number + 1 == total:
            write_npz(output, {name: np.array(values) for name, values in columns.items()})
            print(f"{number + 1} of {total}, {sum(columns['kept'])} kept", flush=True)
    return read_masks(output)


def _segmenter() -> Any:
    try:
        import mediapipe
    except ImportError as error:
        raise PosecoreError(
            f'masks are made with mediapipe ({error}): pip install "posecore[peers]" into an environment of its own'
        ) from error
    return mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True)


def _segment(pose: Any, picture: NDArray[np.uint8], turns: int) -> NDArray[np.float32]:
    """(H, W) probability of the person; ``turns`` quarter turns clockwise before the network looks."""
    height, width = picture.shape[:2]
    border = round(_BORDER * max(height, width)) if turns else 0
    turned = np.rot90(np.pad(picture, ((border, border), (border, border), (0, 0)), "edge"), -turns)
    found = pose.process(np.ascontiguousarray(turned)).segmentation_mask
    if found is None:
        return np.zeros((height, width), np.float32)
    return np.rot90(found, turns)[border : border + height, border : border + width]


def _placed(probability: NDArray[np.float32], scale: float) -> NDArray[np.bool_]:
    """On the grid of the cached pictures."""
    size = (round(probability.shape[1] * scale), round(probability.shape[0] * scale))
    small = np.asarray(Image.fromarray(np.ascontiguousarray(probability)).resize(size, Image.Resampling.BILINEAR))
    mask = np.zeros((MASK_SIZE, MASK_SIZE), bool)
    mask[: size[1], : size[0]] = small > 0.5
    return mask


def _part_with_joints(mask: NDArray[np.bool_], joints: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Parts of a mask that hold a joint, or touch the largest of them; specks and neighbours go."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    points = np.round(joints[joints[:, 2] > 0, :2]).astype(int).clip(0, MASK_SIZE - 1)
    hit = np.bincount(parts[points[:, 1], points[:, 0]], minlength=count + 1)
    hit[0] = 0
    size = np.bincount(parts.ravel(), minlength=count + 1)
    size[0] = 0
    wanted = np.flatnonzero(hit > 0)
    return np.isin(parts, wanted if len(wanted) else [int(size.argmax())])


def _summary(masks: Masks) -> Mapping[str, Any]:
    found = np.isfinite(masks.agreement)
    return {
        "pictures": len(masks),
        "found": int(found.sum()),
        "kept": int(masks.kept.sum()),
        "mean agreement where found": round(float(masks.agreement[found].mean()), 3) if found.any() else None,
    }


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m training.bodies.masks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder that holds lspet")
    parser.add_argument("--output", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--limit", type=int, default=0, help="pictures at most, 0 for all")
    options = parser.parse_args(arguments)
    try:
        print(_summary(make_masks(options.data, options.output, options.limit)))
    except PosecoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
