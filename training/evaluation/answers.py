"""What a method says of labelled people: pictures through an estimator, or labelled 2D joints through the lifter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.capturing.estimators import Pose
from posecore.capturing.heatmaps import decode_heatmaps
from posecore.capturing.lifting import Lifter
from posecore.capturing.rays import ray_rotation
from posecore.capturing.regions import Region, crop, crop_to_picture
from posecore.capturing.sapnet import SapNet, metric_joints
from posecore.capturing.temporal import refine
from posecore.errors import PosecoreError
from posecore.nets.sapnet import SAPNET_PRESETS
from posecore.nets.sapnet import SapNet as SapNetwork
from posecore.skeletons import BODY_21
from training.checkpoints import load_checkpoint, load_weights
from training.readers.samples import Samples

__all__ = ["CROP", "Answers", "Truth", "answer", "in_crop", "regions_of", "truth_of", "weights_of"]

Array = NDArray[np.float32]
_Estimate = Callable[[Sequence[NDArray[np.uint8]], Sequence[Region]], list[Pose]]

#: Side of the papers' crops, px: their pixel figures are counted in it.
CROP = 256
#: Of the labelled person's extent, as in training.
_PADDING = 1.3
_BATCH = 8
_TEMPORAL = (":semi-online", ":online")


@dataclass(frozen=True)
class Answers:
    """What a method said of N people, BODY_21.

    Attributes:
        keypoints: (N, 21, 2) px of the picture.
        confidence: (N, 21).
        joints: (N, 21, 3) m, pelvis at 0, ray frame.
    """

    keypoints: Array
    confidence: Array
    joints: Array


@dataclass(frozen=True)
class Truth:
    """3D labels of N people, BODY_21: ``joints`` (N, 21, 3) m, pelvis at 0, ray frame, 0 if not ``known`` (N, 21)."""

    joints: Array
    known: NDArray[np.bool_]


def truth_of(samples: Samples) -> Truth:
    """The 3D labels, each body turned as seen along the ray to its pelvis, which is all that a crop can tell.

    Raises:
        PosecoreError: there are none.
    """
    if samples.joints is None:
        raise PosecoreError(f"{samples.kind}: no 3D labels; this table needs them")
    people = samples.to(BODY_21)
    assert people.joints is not None
    known = people.joints_known if people.joints_known is not None else np.ones(people.joints.shape[:2], bool)
    pelvis = people.joints[:, BODY_21.index("pelvis"), None]
    # Labels that are root-relative already have no ray to turn to.
    away = np.where(pelvis[:, 0, 2:] > 1e-3, pelvis[:, 0], (0.0, 0.0, 1.0))
    turned = np.einsum("nij,nkj->nki", ray_rotation(away), people.joints - pelvis)
    known = known & known[:, [BODY_21.index("pelvis")]]
    return Truth(np.where(known[..., None], turned, 0).astype(np.float32), known)


def regions_of(samples: Samples, padding: float = _PADDING) -> list[Region]:
    """The square around each labelled person: around the labelled keypoints, or the box where there are none."""
    regions = []
    for index in range(len(samples)):
        points = samples.keypoints[index]
        points = points[points[:, 2] > 0, :2]
        if len(points) >= 2:
            low, high = points.min(0), points.max(0)
            box = np.concatenate([low, np.maximum(high - low, 1.0)])
        elif samples.boxes is not None:
            box = samples.boxes[index]
        else:
            raise PosecoreError(f"{samples.kind}: {samples.keys[index]} has neither keypoints nor a box")
        regions.append(Region.from_box(box, padding))
    return regions


def in_crop(points: NDArray[np.floating], regions: Sequence[Region], size: int = CROP) -> NDArray[np.float64]:
    """Picture pixels (N, J, 2) as pixels of crops of ``size``: a length there is one in the papers' unit."""
    centre = np.array([region.centre for region in regions])[:, None]
    scale = size / np.array([region.side for region in regions])[:, None, None]
    return (np.asarray(points, np.float64) - centre) * scale + (size - 1) / 2


def answer(method: str, samples: Samples, rate: float = 30.0) -> Answers:
    """Run a method on all samples.

    Args:
        method: ``sapnet`` or ``blazepose`` (on the pictures; any name that the weights store has), the path of a
            SAP-Net check-point, or ``lifter`` (on the labelled 2D joints); with ``:lifter`` behind a picture method
            its 2D joints are lifted, and with ``:online`` or ``:semi-online`` behind that TP-Net refines clips.
        rate: pictures/s of the clips, for TP-Net.

    Raises:
        PosecoreError: no such method, weights or pictures; TP-Net without clips.
    """
    mode = next((end for end in _TEMPORAL if method.endswith(end)), "")
    base = method.removesuffix(mode)
    found = _lifted(samples) if base == "lifter" else _looked(base, samples)
    if not mode:
        return found
    return Answers(found.keypoints, found.confidence, _refined(samples, found.joints, mode[1:], rate))


def weights_of(methods: Sequence[str]) -> str:
    """The weights behind the methods, for a table's notes: "sapnet 2 (a80ff1c1), lifter 1 (a4c7482b)"."""
    from posecore.runtime import weights

    wanted: list[str] = []
    for method in methods:
        mode = next((end for end in _TEMPORAL if method.endswith(end)), "")
        base = method.removesuffix(mode)
        wanted += [base.removesuffix(":lifter")] + (["lifter"] if base.endswith(":lifter") else [])
        wanted += [{":online": "tpnet_online", ":semi-online": "tpnet_semi"}[mode]] if mode else []
    said = []
    for name in dict.fromkeys(wanted):
        if Path(name).suffix in (".pt", ".safetensors"):
            said.append(name)
        else:
            card = weights.card(name)
            said.append(f"{name} {card.version} ({next(iter(card.files.values()))[:8]})")
    return ", ".join(said)


def _lifted(samples: Samples) -> Answers:
    points = samples.to(BODY_21).keypoints
    confidence = (points[..., 2] > 0).astype(np.float32)
    return Answers(points[..., :2], confidence, Lifter(provider="cpu")(points[..., :2], confidence))


def _looked(method: str, samples: Samples) -> Answers:
    name = method.removesuffix(":lifter")
    estimate, padding = _estimator(name)
    regions = regions_of(samples, padding)
    poses: list[Pose] = []
    for start in range(0, len(samples), _BATCH):
        rows = range(start, min(start + _BATCH, len(samples)))
        poses += estimate([samples.picture(row) for row in rows], regions[start : start + _BATCH])
    if not poses:
        raise PosecoreError(f"{samples.kind}: no samples")
    keypoints, confidence, joints = (
        np.stack([getattr(pose, part) for pose in poses]) for part in ("keypoints", "confidence", "joints")
    )
    if name != method:
        joints = Lifter(provider="cpu")(keypoints, confidence)
    return Answers(keypoints, confidence, joints)


def _estimator(name: str) -> tuple[_Estimate, float]:
    """An estimator that looks at given regions, and how wide these are to be."""
    if Path(name).suffix in (".pt", ".safetensors"):
        return _checkpoint(Path(name))
    if name == "blazepose":
        from posecore.capturing.blazepose import BlazePose

        return BlazePose(provider="cpu").estimate, 1.25
    from posecore.runtime import weights

    padding = float(weights.card(name).options.get("padding", _PADDING))
    return SapNet(provider="cpu", weights=name, joints="depth").estimate, padding


def _checkpoint(path: Path) -> tuple[_Estimate, float]:
    """A SAP-Net run as an estimator. A ``.safetensors`` is taken for the preset ``cpu``."""
    saved: dict[str, Any] = load_checkpoint(path) if path.suffix == ".pt" else {}
    config = SAPNET_PRESETS[saved.get("preset", "cpu")]
    size = int(saved.get("size", config.hourglass.input_size))
    net = SapNetwork(config).eval()
    net.load_state_dict(load_weights(path))

    @torch.no_grad()
    def estimate(images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        crops = np.stack([crop(image, region, size) for image, region in zip(images, regions, strict=True)])
        heatmaps, depth = net(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255 - 0.5)
        points, peaks = decode_heatmaps(heatmaps[-1].float().numpy())
        poses = []
        for region, place, peak, z in zip(regions, points, peaks, depth.numpy(), strict=True):
            keypoints = crop_to_picture(place, region, size)
            joints = metric_joints(keypoints, z * region.side / 2)
            poses.append(Pose(keypoints, np.clip(peak, 0.0, 1.0), joints))
        return poses

    return estimate, float(saved.get("facts", {}).get("padding", _PADDING))


def _refined(samples: Samples, joints: Array, mode: str, rate: float) -> Array:
    """TP-Net over each clip as one camera saw it."""
    if samples.clips is None or samples.frames is None:
        raise PosecoreError(f"{samples.kind}: no clips; TP-Net needs pictures in a row")
    cameras = samples.camera_of if samples.camera_of is not None else np.zeros(len(samples), str)
    out = np.array(joints)
    for clip, camera in sorted(set(zip(map(str, samples.clips), map(str, cameras), strict=True))):
        rows = np.flatnonzero((samples.clips.astype(str) == clip) & (cameras.astype(str) == camera))
        rows = rows[np.argsort(samples.frames[rows], kind="stable")]
        out[rows] = refine(samples.frames[rows] / rate, joints[rows], mode, provider="cpu")
    return out
