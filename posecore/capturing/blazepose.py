"""BlazePose Full (MediaPipe's network, Apache-2.0) in LiteRT, as an estimator: its 2D, our lifting.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020. A detector finds people by
their heads and gives an oriented square around each; the landmark network sees that square and also says
which square to look at in the next picture, so the detector only runs when a person is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from posecore.capturing import blazepose_geometry as geometry
from posecore.capturing.estimators import Box, Pose
from posecore.capturing.regions import Region
from posecore.errors import NoPersonError, PosecoreError
from posecore.skeletons import BLAZEPOSE_33, BODY_21, convert

__all__ = ["BlazePose", "Landmarks", "body_21"]

Floats = NDArray[np.float32]

_DETECTOR, _LANDMARKS = "pose_detection.tflite", "pose_landmark_full.tflite"
_DETECTOR_SIZE, _LANDMARKS_SIZE = 224, 256
_MAPS = 64
# The network's 39 points: the 33 of BLAZEPOSE_33, then the next region's centre and tip, then four unused.
_POINTS, _CENTRE, _TIP = 39, 33, 34
_LIKELY = 0.5

# Head top = mid ear + this x (mid eye - mid mouth). Fitted (robust least squares, one coefficient) against the human
# head-top labels of 3,827 LSPET pictures; on 979 others half of the errors are below 0.10 torso, PCK@0.2 is 0.87.
# More terms (neck, nose, mouth depth) gain nothing. Anatomy says 130 mm / 70 mm = 1.86.
_HEAD_TOP_REACH = 1.73
_HEAD_TOP_TRUST = 0.5


class Landmarks(NamedTuple):
    """The landmark network's answer for one region.

    Attributes:
        points: (33, 2) px of the picture, BLAZEPOSE_33.
        visibility: (33,) in [0, 1]: there and not hidden.
        inside: (33,) in [0, 1]: inside the picture (MediaPipe's "presence" of a landmark).
        world: (33, 3) metres about the mid hip, camera frame.
        presence: that a person is there at all, in [0, 1].
        next_region: where the person will be in the next picture.
    """

    points: Floats
    visibility: Floats
    inside: Floats
    world: Floats
    presence: float
    next_region: Region


class _Lift(Protocol):
    def __call__(self, keypoints: NDArray[np.floating], confidence: NDArray[np.floating]) -> Floats: ...


class BlazePose:
    """The ``blazepose`` estimator. Safe to call from several threads at once: each gets its own interpreters.

    Args:
        provider: for the lifting network; LiteRT itself runs on the CPU, one thread a call (a second thread
            for one call gains nothing; frames or people side by side do).
        depth: where ``Pose.joints`` come from: our ``lifter`` network, or the network's own world landmarks.
        lift: a lifting function to use instead, (N, 21, 2) px and (N, 21) confidence to (N, 21, 3) m.
        folder: where the two ``.tflite`` files lie, by default the weights store.

    Raises:
        PosecoreError: LiteRT or the weights are missing; the message says how to get them.
    """

    name = "blazepose"

    def __init__(
        self,
        provider: str = "auto",
        depth: Literal["lifter", "world"] = "lifter",
        lift: _Lift | None = None,
        folder: Path | None = None,
    ) -> None:
        if depth not in ("lifter", "world"):
            raise PosecoreError(f"blazepose: depth {depth!r} is unknown; choose lifter or world")
        self._make_interpreter = _interpreter_class()
        self._paths = _weights(folder)
        self._anchors = geometry.anchors(_DETECTOR_SIZE)
        self._local = threading.local()
        if lift is None and depth == "lifter":
            from posecore.capturing.lifting import Lifter

            lift = Lifter(provider)
        #: Lifts repaired keypoints anew; None where depth is the network's own.
        self.lift = lift

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """Regions that may hold a person, with scores in [0.5, 1], best first; empty if there is nobody.

        A person whose head is not in the (H, W, 3) RGB picture is not found.
        """
        height, width = image.shape[:2]
        whole = geometry.picture_region(width, height)
        pixels = geometry.sample(image, whole, _DETECTOR_SIZE, replicate=False)
        raw, logits = self._run(_DETECTOR, _scaled(pixels, 2 / 255) - np.float32(1))
        found = geometry.suppress(geometry.decode(raw[0], logits[0, :, 0], self._anchors, _DETECTOR_SIZE, _LIKELY))
        points = geometry.to_picture(found.points, whole)
        regions = [geometry.region_from_points(centre, tip) for centre, tip, *_ in points]
        return [(region, float(score)) for region, score in zip(regions, found.scores, strict=True) if region.side > 0]

    def landmarks(self, image: NDArray[np.uint8], region: Region) -> Landmarks:
        """The network's own 33 landmarks in one region of an (H, W, 3) RGB picture, as MediaPipe gives them."""
        pixels = geometry.sample(image, region, _LANDMARKS_SIZE, replicate=True)
        flat, flag, maps, world = self._run(_LANDMARKS, _scaled(pixels, 1 / 255))
        values = flat.reshape(_POINTS, 5)
        local = geometry.refine(values[:, :2] / np.float32(_LANDMARKS_SIZE), maps[0])
        points = geometry.to_picture(local, region)
        body = slice(0, len(BLAZEPOSE_33))
        chances = geometry.sigmoid(values[body, 3:])
        return Landmarks(
            points[body],
            chances[:, 0],
            chances[:, 1],
            geometry.turn(world.reshape(_POINTS, 3)[body], region.angle),
            float(flag[0, 0]),
            geometry.region_from_points(points[_CENTRE], points[_TIP]),
        )

    def estimate(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        """The person in each region of each picture. Pictures go through one by one, the lifting as one batch.

        A region without a person gives a pose all the same, with a ``presence`` below 0.5 that says so.
        """
        seen = [self.landmarks(image, region) for image, region in zip(images, regions, strict=True)]
        if not seen:
            return []
        flat = [body_21(marks.points, np.minimum(marks.visibility, marks.inside)) for marks in seen]
        keypoints, confidence = np.stack([pair[0] for pair in flat]), np.stack([pair[1] for pair in flat])
        joints = self.lift(keypoints, confidence) if self.lift else np.stack([_world_21(m.world) for m in seen])
        return [
            Pose(keypoints[i], confidence[i], joints[i], marks.presence, marks.next_region)
            for i, marks in enumerate(seen)
        ]

    def region(self, pose: Pose) -> Region:
        """The network's own proposal; for a pose from elsewhere, the square around its confident keypoints."""
        if pose.next_region is not None:
            return pose.next_region
        sure = pose.keypoints[pose.confidence > 0]
        points = sure if len(sure) else pose.keypoints
        low, high = points.min(axis=0), points.max(axis=0)
        return Region.from_box(np.concatenate([low, high - low]))

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> Pose:
        """One picture; ``box`` is (x, y, width, height) px of the person, or None to search.

        The landmark network wants its square turned and centred as the detector does it, so a box is looked
        at twice: first upright, then in the square that the first look proposes.

        Raises:
            NoPersonError: nobody was found in the picture, or in the box.
        """
        if box is None:
            found = self.find(image)
            if not found:
                raise NoPersonError("no person was found in the picture; give a box (x, y, width, height)")
            return self.estimate([image], [found[0][0]])[0]
        first = self.landmarks(image, Region.from_box(box))
        region = first.next_region if first.presence >= _LIKELY else Region.from_box(box)
        pose = self.estimate([image], [region])[0]
        if pose.presence < _LIKELY and first.presence < _LIKELY:
            raise NoPersonError(f"no person was found in the box {tuple(box)}")
        return pose

    def _run(self, name: str, pixels: Floats) -> tuple[Floats, ...]:
        """One network on one (S, S, 3) input, in this thread's interpreter; its outputs are copied."""
        interpreters: dict[str, Any] = self._local.__dict__.setdefault("interpreters", {})
        if name not in interpreters:
            interpreters[name] = self._interpreter(self._paths[name])
        interpreter, input_index, outputs = interpreters[name]
        interpreter.set_tensor(input_index, pixels[None])
        interpreter.invoke()
        return tuple(interpreter.get_tensor(index) for index in outputs)

    def _interpreter(self, path: Path) -> tuple[Any, int, list[int]]:
        """An interpreter, its input's index, and those of the outputs that are used, told apart by shape."""
        try:
            interpreter = self._make_interpreter(model_path=str(path), num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise PosecoreError(f"{path}: LiteRT cannot run it ({str(error).splitlines()[0]})") from error
        index = {tuple(int(n) for n in d["shape"]): d["index"] for d in interpreter.get_output_details()}
        if path.name == _DETECTOR:
            wanted: list[tuple[int, ...]] = [(1, len(self._anchors), 12), (1, len(self._anchors), 1)]
        else:
            wanted = [(1, _POINTS * 5), (1, 1), (1, _MAPS, _MAPS, _POINTS), (1, _POINTS * 3)]
        if not set(wanted) <= set(index):
            raise PosecoreError(f"{path}: not the expected network; run: posecore models add blazepose")
        return interpreter, interpreter.get_input_details()[0]["index"], [index[shape] for shape in wanted]


def _scaled(pixels: NDArray[np.uint8], factor: float) -> Floats:
    return np.multiply(pixels, np.float32(factor), dtype=np.float32)


def body_21(points: NDArray[np.floating], confidence: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """BLAZEPOSE_33 landmarks as BODY_21, with a head top.

    BlazePose has no head top. It is put above the middle of the ears, along the face (mouth to eyes): an
    affine blend, so it holds in pixels and in metres alike. Its confidence is half of the face's weakest.

    Args:
        points: (..., 33, D), any unit and frame.
        confidence: (..., 33) in [0, 1].

    Returns:
        (..., 21, D) and (..., 21).
    """
    out, trust = convert(points, BLAZEPOSE_33, BODY_21, confidence)
    ear, eye, mouth = (_middle(points, part) for part in ("ear", "eye", "mouth"))
    face = BLAZEPOSE_33.indices(f"{side}_{part}" for part in ("ear", "eye", "mouth") for side in "lr")
    top = BODY_21.index("head_top")
    out[..., top, :] = ear + _HEAD_TOP_REACH * (eye - mouth)
    trust[..., top] = _HEAD_TOP_TRUST * np.asarray(confidence)[..., face].min(axis=-1)
    return out, trust


def _middle(points: NDArray[np.floating], part: str) -> NDArray[np.floating]:
    return np.asarray(points)[..., BLAZEPOSE_33.indices([f"l_{part}", f"r_{part}"]), :].mean(axis=-2)


def _world_21(world: Floats) -> Floats:
    """(33, 3) world landmarks as (21, 3) m about the pelvis."""
    joints, _ = body_21(world, np.ones(len(BLAZEPOSE_33), np.float32))
    return joints - joints[BODY_21.index("pelvis")]


def _interpreter_class() -> Any:
    """LiteRT's interpreter, from the extra of its own."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise PosecoreError('blazepose needs LiteRT; run: pip install "posecore[blazepose]"') from None
    return Interpreter


def _weights(folder: Path | None) -> dict[str, Path]:
    """The two files, from a folder as they are or from the store, checked."""
    if folder is None:
        from posecore.runtime import weights

        return weights.files("blazepose")
    paths = {name: Path(folder) / name for name in (_DETECTOR, _LANDMARKS)}
    for path in paths.values():
        if not path.is_file():
            raise PosecoreError(f"{path}: no such weights file")
    return paths
