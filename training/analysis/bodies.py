"""The meshes of an overfitting study beside the pictures (seed 003, figure 4), as the camera sees them and aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.body import BodyModel, load_body
from posecore.errors import SourceError
from training.analysis.figures import figure, save_figure, write_rows
from training.bodies.figures import Bodies, BodyTruth, body_figures, predicted_bodies, true_bodies
from training.bodies.pictures import load_rendered
from training.evaluation.study_files import StudyFile
from training.recipes.smpl import load_regressor
from training.recipes.study import folder_of
from training.rendering.raster import rasterise
from training.rendering.render import cross, unit

__all__ = ["draw", "shaded_mesh"]

Array = NDArray[np.float32]

_SIDE = 150  # px of a mesh's picture
_LIGHT = np.array([0.3, -0.5, -0.8])  # towards the lamp, camera frame (x right, y down, z away)
_PERSON = np.array([0.55, 0.68, 0.85])


def shaded_mesh(points: Array, vertices: Array, faces: NDArray[np.integer], size: int = _SIDE) -> Array:
    """(size, size, 3) picture of a mesh on white.

    Args:
        points: (V, 2) px in it; vertices: (V, 3) m in the frame of the camera (x right, y down, z away).
    """
    depth = (vertices[:, 2] - vertices[:, 2].min() + 1).astype(np.float32)
    visible = rasterise(np.asarray(points, np.float32), depth, np.asarray(faces, np.int32), (size, size))
    corners = vertices[faces[visible.faces]]
    normal = unit(cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    light = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    picture = np.ones((size * size, 3), np.float32)
    picture[visible.pixels] = _PERSON * (0.35 + 0.65 * light[:, None])
    return picture.reshape(size, size, 3)


def _views(vertices: Array, places: Array, faces: NDArray[np.integer]) -> tuple[Array, Array]:
    """The mesh as the camera saw it (``places`` (V, 2) normalised), and turned by 90° about the upright axis."""
    front = shaded_mesh((places + 1) * (_SIDE / 2), vertices, faces)
    turned = np.stack([-vertices[:, 2], vertices[:, 1], vertices[:, 0]], 1)
    middle = (turned.max(0) + turned.min(0)) / 2
    reach = max(float(np.ptp(turned[:, :2], axis=0).max()), 1e-3)
    aside = shaded_mesh((turned[:, :2] - middle[:2]) * (0.9 * _SIDE / reach) + _SIDE / 2, turned, faces)
    return front, aside


def _outlined(picture: Array, mask: NDArray[np.bool_]) -> Array:
    """With the border of a silhouette in red."""
    rows = ((np.arange(len(picture)) + 0.5) * (len(mask) / len(picture))).astype(int)
    large = mask[rows][:, rows]
    inside = large.copy()
    for axis in (0, 1):
        for step in (1, -1):
            inside &= np.roll(large, step, axis)
    picture = picture.copy()
    picture[large & ~inside] = (0.85, 0.1, 0.1)
    return picture


def draw(output: Path, study: StudyFile, studies: Path, bodies: Path, people: int = 4) -> list[Path]:
    """``bodies.png`` and ``bodies.csv``: what every setting of the study ``bodies-eight`` makes of its pictures.

    Args:
        studies: the folder of the studies, with the runs' check-points.
        bodies: the rendered pictures that the study was trained on.
        people: pictures shown.

    Raises:
        SourceError: check-points or pictures are missing.
    """
    model = load_body()
    found: dict[str, tuple[Bodies, Array]] = {}
    rows, truth = [], None
    for result in study.results:
        path = folder_of(studies if studies.is_dir() else studies.parent, study.name, result.length, result.setting, 0)
        net, size, saved = load_regressor(path / "last.pt")
        limit = int(result.options.get("limit", 8))
        pictures = load_rendered(bodies, "train", limit)
        if saved["facts"]["sources"] != ["bodies"]:
            raise SourceError(f"{path}: not trained on rendered bodies alone; nothing to compare it with")
        truth = true_bodies(pictures, model, size, float(saved["facts"]["padding"]))
        answers = predicted_bodies(net, truth.image, model)
        with torch.no_grad():
            places = _projected(net, truth.image, model)
        found[result.setting] = (answers, places)
        rows.append({"setting": result.setting, "steps": result.steps, **body_figures(answers, truth)})
    assert truth is not None
    return [_picture(output, found, truth, model, people), write_rows(output / "bodies.csv", rows)]


def _projected(net, image, model: BodyModel) -> Array:  # type: ignore[no-untyped-def]
    """(N, V, 2) normalised crop coordinates of the predicted meshes."""
    from posecore.body.torch_body import TorchBody

    prediction = net(image)
    vertices, joints = TorchBody(model)(prediction.rotations, prediction.betas)
    return prediction.project(vertices - joints[:, :1]).numpy()


def _picture(
    output: Path, found: dict[str, tuple[Bodies, Array]], truth: BodyTruth, model: BodyModel, people: int
) -> Path:
    people = min(people, len(truth.image))
    drawn = figure(1.15 * (2 * len(found) + 1), 1.25 * people + 0.3)
    grid = drawn.subplots(people, 2 * len(found) + 1, squeeze=False)
    for row in range(people):
        shown = (truth.image[row].permute(1, 2, 0).numpy() + 0.5).clip(0, 1)
        cells = [shown]
        for answers, places in found.values():
            front, aside = _views(answers.vertices[row], places[row], model.faces)
            cells += [_outlined(front, truth.masks[row]), aside]
        for axes, cell in zip(grid[row], cells, strict=True):
            axes.imshow(cell, interpolation="nearest")
            axes.set_axis_off()
    grid[0, 0].set_title("picture", fontsize=7)
    for column, name in enumerate(found):
        grid[0, 1 + 2 * column].set_title(name, fontsize=7)
        grid[0, 2 + 2 * column].set_title("from the side", fontsize=6)
    return save_figure(drawn, output / "bodies.png")
