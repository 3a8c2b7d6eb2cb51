"""Pictures of the open body in captured poses, with everything known: silhouette, keypoints, θ, β, camera.

Rooms, light, clothes and cameras are those of :mod:`training.rendering`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.body import load_body
from posecore.skeletons import SMPL_24
from training.bodies.figure import SmplRendered, rendered_model, world_rotations
from training.bodies.poses import BodyPoses, fit_to_rest, load_body_poses, random_betas, rest_offsets
from training.bodies.silhouettes import mask_to_runs
from training.rendering.clothing import random_outfit
from training.rendering.pictures import develop, random_camera, with_bystander
from training.rendering.render import compose, dress, pose_figure, render_figure, visible_joints
from training.rendering.scenes import ShadowMap, paint_background, paint_occluders, random_light
from training.rendering.writing import Sample, write_series
from training.splits import Split

__all__ = ["render_body", "write_bodies"]

#: Cloth is thin here: the silhouette is to be the body's, within a centimetre or two.
_THICKEST = 0.01
_ROOT = SMPL_24.index("pelvis")
_SHARD_SIZE = 250


def render_body(model: SmplRendered, poses: BodyPoses, seed: int, index: int, size: int = 192) -> Sample:
    """Picture ``index`` of the series ``seed``: depends on nothing else but the data.

    Labels: those of :func:`training.rendering.pictures.render_sample` (``joints_px``, ``joints_camera``, ``visible``,
    ``camera``, ``clip``, ``frame``), and

    - ``rotations`` 24 x 4 local xyzw from the body's rest, the root's to the *camera frame* (x right, y down, z away);
    - ``translation`` 3, the pelvis in the camera frame, metres; ``betas`` 10;
    - ``silhouette``: run lengths (:mod:`training.bodies.silhouettes`) of the whole dressed person, what stands in front
      of them left out.
    """
    rng = np.random.default_rng([seed, index])
    row = int(rng.choice(len(poses), p=poses.weights))
    rotations = _varied(poses, row, rng)
    betas = random_betas(rng, 1)[0]
    outfit = random_outfit(rng, float(rng.integers(2)))
    thickness = (*(min(t, _THICKEST) for t in outfit.thickness[:2]), outfit.thickness[2])
    outfit = replace(outfit, skirt=0.0, thickness=thickness)
    body = model.shape(betas)
    turns = world_rotations(rotations)
    figure = pose_figure(dress(body, outfit), turns, np.zeros(3))
    camera, view = random_camera(rng, figure.vertices, size)
    light = random_light(rng)
    floor = float(figure.vertices[:, 1].min()) + (0.0 if rng.random() < 0.9 else -rng.uniform(0.05, 0.5))
    shadows = ShadowMap(figure.vertices, light)
    colour, cover, visible = render_figure(figure, camera, light, shadows)
    background = paint_background(rng, camera, floor, light)
    if rng.random() < 0.15:
        dressed = dress(model.shape(random_betas(rng, 1)[0]), random_outfit(rng, float(rng.integers(2))))
        other = world_rotations(poses.draw(rng, 1)[0])
        background = with_bystander(background, dressed, other, camera, light, rng)
    picture = compose(background, colour, cover, shadows, light)
    flags = visible_joints(figure, camera, visible)
    pixels, in_camera = camera.project(figure.joints), camera.to_camera(figure.joints)
    if rng.random() < 0.15:
        thing, hidden = paint_occluders(rng, camera.size, np.concatenate([pixels.min(0), pixels.max(0)]))
        picture = picture * (1 - hidden[..., None]) + thing * hidden[..., None]
        nearest = np.clip(np.round(pixels).astype(int), 0, size - 1)
        flags &= hidden[nearest[:, 1], nearest[:, 0]] < 0.5
    seen = rotations.astype(np.float64)
    seen[_ROOT] = (Rotation.from_matrix(camera.rotation) * Rotation.from_quat(seen[_ROOT])).as_quat()
    hips = (body.head("upperleg01.L") + body.head("upperleg01.R")) / 2
    pelvis = turns[_ROOT] @ (body.heads[_ROOT] - hips)
    labels: dict[str, Any] = {
        "joints_px": np.round(pixels, 4).tolist(),
        "joints_camera": np.round(in_camera, 6).tolist(),
        "visible": flags.astype(int).tolist(),
        "camera": {"fx": camera.focal, "fy": camera.focal, "cx": camera.centre[0], "cy": camera.centre[1]},
        "rotations": np.round(seen, 6).tolist(),
        "translation": np.round(camera.to_camera(pelvis), 6).tolist(),
        "betas": np.round(betas, 5).tolist(),
        "silhouette": mask_to_runs(cover > 0.5),
        "body": model.source.name if model.source is not None else "",
        "subject": str(poses.clips[row]).split("_")[0],
        "clip": str(poses.clips[row]),
        "frame": int(poses.frames[row]),
        "view": view,
        "width": size,
        "height": size,
    }
    return Sample(develop(picture, rng), labels)


def _varied(poses: BodyPoses, row: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(24, 4): left and right exchanged half of the time, some lying, small changes of the limbs."""
    one = replace(poses, rotations=poses.rotations[row : row + 1], clips=poses.clips[:1], frames=poses.frames[:1])
    rotations = one.draw(rng, 1)[0].astype(np.float64)
    jitter = np.full(len(SMPL_24), 0.05)
    jitter[_ROOT] = 0.0
    turn = Rotation.from_rotvec(rng.normal(size=(len(SMPL_24), 3)) * jitter[:, None])
    rotations = (Rotation.from_quat(rotations) * turn).as_quat()
    if rng.random() < 0.06:
        tilt = Rotation.from_euler("YX", [rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.1) * np.pi / 2])
        rotations[_ROOT] = (tilt * Rotation.from_quat(rotations[_ROOT])).as_quat()
    return rotations.astype(np.float32)


def _series(data: Path, cache: Path, split: Split, seed: int, size: int) -> Callable[[int], Sample]:
    body = load_body()
    poses = load_body_poses(data, cache).split(split)
    poses = fit_to_rest(poses, rest_offsets(body.rest_joints(np.zeros(body.shapedirs.shape[-1], np.float32))))
    model = rendered_model(body)
    return lambda index: render_body(model, poses, seed, index, size)


def write_bodies(
    data: Path,
    output: Path,
    count: int,
    seed: int = 0,
    workers: int = 1,
    size: int = 192,
    split: Split = "train",
    progress: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Render ``count`` pictures of one side of the split into shards ``bodies-SPLIT-sSEED-FIRST-NUMBER.tar``.

    The other side's subjects are in none of them, and its shapes are other draws. Shards that are there are kept.

    Raises:
        SourceError: no captures in ``data``.
    """
    # The two sides must not share one stream of random numbers, or their shapes and rooms would be the same.
    own = 2 * seed + (split == "validation")
    prepare = partial(_series, data, output, split, own, size)
    prefix = "bv" if split == "validation" else "bt"
    return write_series(output, f"bodies-{split}-s{seed}", prefix, prepare, count, workers, progress, _SHARD_SIZE)
