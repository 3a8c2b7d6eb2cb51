"""MediaPipe Pose on a video or on pictures, in MediaPipe's own environment. Imports nothing of posecore.

    PYTHON mediapipe_pose.py SOURCE OUT.npz [--mode video|pictures] [--smooth] [--complexity 1]

PYTHON is one with ``mediapipe==0.10.21`` (numpy < 2, Python <= 3.12) and, for videos, ``av``.
SOURCE is a video, a folder of pictures (in the order of their names), an ``.npz`` whose arrays are pictures
(H, W, 3) uint8 RGB, or an ``.npy`` (N, H, W, 3).

OUT.npz: ``names`` (N,) file names or frame numbers; ``xy`` (N, 33, 2) px, centre of the top-left pixel (0, 0);
``visibility`` (N, 33); ``world`` (N, 33, 3) m; ``found`` (N,) bool; ``seconds`` (N,) of MediaPipe alone, without
decoding; ``version``.

Modes. ``pictures`` is ``static_image_mode=True``: the detector on every picture. ``video`` follows the person
from picture to picture as MediaPipe does by default; ``--smooth`` adds its one-euro filter on landmarks *and*
on the regions that are looked at next. Without it the landmarks are the network's own, which is what
another run of the same network is to be compared with.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def pictures(source: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and (H, W, 3) uint8 RGB pictures."""
    if source.is_dir():
        from PIL import Image

        for path in sorted(p for p in source.iterdir() if p.suffix.lower() in PICTURES):
            yield path.name, np.asarray(Image.open(path).convert("RGB"))
    elif source.suffix == ".npz":
        with np.load(source, allow_pickle=False) as data:
            for name in data.files:
                yield name, data[name]
    elif source.suffix == ".npy":
        for index, image in enumerate(np.load(source, mmap_mode="r", allow_pickle=False)):
            yield str(index), np.asarray(image)
    else:
        import av

        with av.open(str(source)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                quarters = round(getattr(frame, "rotation", 0) / 90) % 4  # counter-clockwise
                yield str(index), np.rot90(frame.to_ndarray(format="rgb24"), quarters)


def main() -> None:
    parser = argparse.ArgumentParser(description="MediaPipe Pose on a video or pictures, to an npz.")
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mode", choices=("video", "pictures"), default="video")
    parser.add_argument("--smooth", action="store_true")
    parser.add_argument("--complexity", type=int, choices=(0, 1, 2), default=1)
    options = parser.parse_args()

    import mediapipe

    pose = mediapipe.solutions.pose.Pose(
        static_image_mode=options.mode == "pictures",
        model_complexity=options.complexity,
        smooth_landmarks=options.smooth,
        enable_segmentation=False,
        min_detection_confidence=0.5,
        min_tracking_confidence=0.5,
    )
    names, xy, visibility, world, found, seconds = [], [], [], [], [], []
    for name, image in pictures(options.source):
        image = np.ascontiguousarray(image)
        start = time.perf_counter()
        result = pose.process(image)
        seconds.append(time.perf_counter() - start)
        names.append(name)
        found.append(result.pose_landmarks is not None)
        marks = result.pose_landmarks.landmark if found[-1] else []
        metres = result.pose_world_landmarks.landmark if found[-1] else []
        height, width = image.shape[:2]
        xy.append([(m.x * width, m.y * height) for m in marks] or np.zeros((33, 2)))
        visibility.append([m.visibility for m in marks] or np.zeros(33))
        world.append([(m.x, m.y, m.z) for m in metres] or np.zeros((33, 3)))
    pose.close()
    np.savez_compressed(
        options.out,
        names=np.array(names, dtype=str),
        xy=np.array(xy, np.float32).reshape(-1, 33, 2),
        visibility=np.array(visibility, np.float32).reshape(-1, 33),
        world=np.array(world, np.float32).reshape(-1, 33, 3),
        found=np.array(found, bool),
        seconds=np.array(seconds, np.float64),
        version=np.array(mediapipe.__version__),
    )


if __name__ == "__main__":
    main()
