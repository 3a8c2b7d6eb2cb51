"""Accuracy on fixed inputs beside MediaPipe in the same run.

    python -m benchmarks.accuracy --data ../shared/data --mediapipe-python /path/to/mp/bin/python

2D: the LSPET validation split (5 % of the pictures, by a hash of their key, never trained on), human
labels. Every method gets the whole picture and no box. MediaPipe runs in an environment of its own
(``pip install mediapipe==0.10.21 "numpy<2" av``); without one its rows are left out.
3D: lifting and TP-Net on held-out CMU subjects.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from benchmarks import lifting_accuracy, usable_estimators
from benchmarks.peers import run_mediapipe
from benchmarks.tables import markdown
from posecore.capturing.estimators import Estimator
from posecore.capturing.regions import Region
from posecore.errors import PosecoreError
from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14
from training.labels import torso_length
from training.pictures import is_validation
from training.shards import read_shards

Array = NDArray[np.float32]
Pictures = dict[str, NDArray[np.uint8]]

LIMBS = tuple(j for j in LSP_14.joints if j not in ("neck", "head_top"))


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        data: folder of the shared data sets.
        mediapipe_python: an interpreter that has MediaPipe 0.10.21.
        limit: only so many pictures (0: all of the split).
        estimators: which of ours.
        output: also write the tables there as Markdown.
    """

    data: Path
    mediapipe_python: Path | None = None
    limit: int = 0
    estimators: tuple[str, ...] = ("sapnet", "blazepose")
    output: Path | None = None


def validation_pictures(data: Path, limit: int) -> tuple[Pictures, dict[str, Array]]:
    """The LSPET validation pictures and their human labels (14, 3) x, y, known."""
    pictures, labels = {}, {}
    for key, picture, annotation in read_shards(data, "lspet"):
        if is_validation(key) and (not limit or len(pictures) < limit):
            pictures[key] = picture
            labels[key] = np.array(annotation["joints"], np.float32)
    return pictures, labels


def pck(predicted: dict[str, Array], labels: dict[str, Array], threshold: float = 0.2) -> dict[str, float]:
    """PCK per limb joint and over all known limb joints.

    Args:
        predicted: key -> (12, 2) px in the order of ``LIMBS``; a missing key misses all joints.
        labels: key -> (14, 3) x, y, known.
    """
    columns = LSP_14.indices(LIMBS)
    hits, known = [], []
    for key, lsp in labels.items():
        limit = threshold * torso_length(lsp[:, :2], lsp[:, 2])
        points = predicted.get(key)
        missed = np.zeros(len(LIMBS), bool)
        hits.append(missed if points is None else np.linalg.norm(points - lsp[columns, :2], axis=-1) < limit)
        known.append(lsp[columns, 2] > 0)
    hit, seen = np.stack(hits), np.stack(known)
    result = {"all": float(hit[seen].mean())}
    for kind in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder"):
        part = [n for n, joint in enumerate(LIMBS) if joint.endswith(kind)]
        result[kind] = float(hit[:, part][seen[:, part]].mean())
    return result


def whole(picture: NDArray[np.uint8]) -> Region:
    """The square around the whole picture."""
    height, width = picture.shape[:2]
    return Region(((width - 1) / 2, (height - 1) / 2), float(max(height, width)))


def looks(estimator: Estimator, pictures: Pictures, passes: int) -> dict[str, Array]:
    """The whole picture first, then ``passes - 1`` times the region that the last look found."""
    columns = BODY_21.indices(LIMBS)
    found = {}
    for key, picture in pictures.items():
        region = whole(picture)
        for _ in range(passes):
            pose = estimator.estimate([picture], [region])[0]
            region = estimator.region(pose)
        found[key] = pose.keypoints[columns]
    return found


def searched(estimator: Estimator, pictures: Pictures) -> dict[str, Array]:
    """The estimator's own search, nothing where it finds nobody."""
    columns = BODY_21.indices(LIMBS)
    found = {}
    for key, picture in pictures.items():
        try:
            found[key] = estimator(picture).keypoints[columns]
        except PosecoreError:
            continue
    return found


def keypoint_table(options: Options) -> list[dict[str, Any]]:
    """PCK rows of all methods."""
    pictures, labels = validation_pictures(options.data, options.limit)
    rows = []

    def add(name: str, method: Callable[[], dict[str, Array]]) -> None:
        predicted = method()
        rows.append({"method": name, "found": len(predicted) / len(labels), **pck(predicted, labels)})

    for name, estimator in usable_estimators(options.estimators):
        if name in ("sapnet", "sapnet-free"):
            add(f"{estimator.name}, one look", lambda e=estimator: looks(e, pictures, 1))  # type: ignore[misc]
            add(f"{estimator.name}, two looks", lambda e=estimator: looks(e, pictures, 2))  # type: ignore[misc]
        else:
            add(f"{estimator.name}", lambda e=estimator: searched(e, pictures))  # type: ignore[misc]
    if options.mediapipe_python is not None:
        add("MediaPipe 0.10.21 Full", lambda: mediapipe(options.mediapipe_python, pictures))
    return rows


def mediapipe(python: Path | None, pictures: Pictures) -> dict[str, Array]:
    """MediaPipe on every picture by itself."""
    assert python is not None
    result = run_mediapipe(python, pictures, mode="pictures")
    columns = BLAZEPOSE_33.indices(LIMBS)
    return {
        str(key): xy[columns]
        for key, xy, found in zip(result["names"], result["xy"], result["found"], strict=True)
        if found
    }


def main() -> None:
    """Print the tables."""
    options = tyro.cli(Options, prog="python -m benchmarks.accuracy", description=__doc__)
    sections = {
        "2D: PCK@0.2 (torso), LSPET validation split, twelve limb joints": keypoint_table(options),
        "3D: lifting on held-out CMU subjects (mm; acceleration m/s²)": lifting_accuracy.rows(options.data),
    }
    text = "\n\n".join(f"## {title}\n\n{markdown(rows)}" for title, rows in sections.items())
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
        options.output.with_suffix(".json").write_text(json.dumps(sections, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
