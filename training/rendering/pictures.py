"""Training pictures with exact labels: a random person in a captured pose before a random background."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.rendering.body import Body, BodyModel, load_body_model
from training.rendering.camera import Camera, frame_person, look_from
from training.rendering.clothing import random_outfit
from training.rendering.poses import PoseBank, load_pose_bank, sample_pose
from training.rendering.posing import bone_rotations
from training.rendering.render import DressedBody, compose, dress, pose_figure, render_figure, visible_joints
from training.rendering.scenes import Background, Light, ShadowMap, paint_background, paint_occluders, random_light
from training.rendering.writing import SHARD_SIZE, Sample, write_series

__all__ = ["SHARD_SIZE", "Sample", "develop", "random_camera", "render_sample", "with_bystander", "write_pictures"]


def random_body(model: BodyModel, rng: np.random.Generator) -> tuple[Body, dict[str, float]]:
    """An adult of random build."""
    gender = float(np.clip(rng.choice([0.1, 0.9]) + rng.normal(0, 0.12), 0, 1))
    phenotype = {
        "gender": gender,
        "age": float(rng.uniform(0.62, 0.95)),
        "muscle": float(np.clip(rng.normal(0.5, 0.2), 0.05, 0.95)),
        "weight": float(np.clip(rng.normal(0.5, 0.22), 0.05, 0.98)),
        "height": float(np.clip(rng.normal(0.36, 0.07), 0.18, 0.55)),
        "proportions": float(np.clip(rng.normal(0.65, 0.2), 0, 1)),
    }
    return model.shape(**phenotype), phenotype


def random_camera(rng: np.random.Generator, points: NDArray, size: int) -> tuple[Camera, dict[str, float]]:
    """A camera all around the person, backs as often as fronts, that frames ``points`` (N, 3)."""
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = np.deg2rad(np.clip(rng.normal(8, 13) if rng.random() < 0.8 else rng.uniform(-20, 60), -20, 60))
    roll = np.deg2rad(np.clip(rng.normal(0, 4), -15, 15) if rng.random() < 0.85 else rng.uniform(-15, 15))
    fill = rng.uniform(0.45, 0.95) if rng.random() < 0.92 else rng.uniform(0.95, 1.35)
    # A short lens close by distorts more than people photograph: never nearer than about 2 m.
    focal = size * np.exp(rng.uniform(np.log(max(0.8, 1.15 * fill)), np.log(3.0)))
    room = max(1 - fill, 0.06) / 2
    middle = (size - 1) / 2 + rng.uniform(-1, 1, 2) * room * size * 0.8
    camera = frame_person(look_from(azimuth, elevation, roll), points, focal, (size, size), fill, middle)
    return camera, {"azimuth": float(azimuth), "elevation": float(elevation), "roll": float(roll), "fill": float(fill)}


def develop(picture: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Linear light (H, W, 3) -> uint8 sRGB as a cheap camera gives it: exposure, colour, blur, noise, compression."""
    picture = picture * np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.05, 3))
    if rng.random() < 0.5:
        blur = rng.uniform(0.2, 1.0)
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    level = np.clip(picture, 0, None).astype(np.float32)
    level = np.where(level > 0.8, 0.8 + 0.2 * np.tanh((level - 0.8) / 0.4), level) ** (1 / 2.2)
    grey = level @ np.full((3, 1), 1 / 3, np.float32)
    level = grey + (level - grey) * rng.uniform(0.6, 1.15)
    level = (level - 0.5) * rng.uniform(0.8, 1.12) + 0.5 + rng.normal(0, 0.03)
    if rng.random() < 0.04:
        level = np.repeat(level.mean(-1, keepdims=True), 3, -1)
    noise = rng.gamma(1.5, 0.008)
    grain = rng.standard_normal(level.shape, np.float32) + 0.5 * rng.standard_normal((*level.shape[:2], 1), np.float32)
    level = level + grain * np.float32(noise)
    result = (np.clip(level, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.4:
        buffer = io.BytesIO()
        Image.fromarray(result).save(buffer, "JPEG", quality=int(rng.integers(35, 92)))
        result = np.asarray(Image.open(buffer))
    return result


def render_sample(model: BodyModel, bank: PoseBank, seed: int, index: int, size: int = 256) -> Sample:
    """Picture ``index`` of the series ``seed``: depends on nothing else but the data.

    Labels: ``joints_px`` 21 x 2 pixels, ``joints_camera`` 21 x 3 metres (x right, y down, z away), ``visible`` 21
    (1 = seen, 0 = hidden by body, clothes or thing, or outside), ``camera`` fx, fy, cx, cy pixels, and where the pose
    came from.
    """
    rng = np.random.default_rng([seed, index])
    pose = sample_pose(bank, rng)
    body, phenotype = random_body(model, rng)
    outfit = random_outfit(rng, phenotype["gender"])
    head_turn = np.clip(rng.normal(0, [0.35, 0.18, 0.1]), [-1.0, -0.5, -0.3], [1.0, 0.5, 0.3])
    rotations, _ = bone_rotations(body, pose.joints[None], head_turn, hand_twist=float(rng.normal(0.2, 0.5)))
    figure = pose_figure(dress(body, outfit), rotations[0], np.zeros(3))
    camera, view = random_camera(rng, figure.vertices, size)
    light = random_light(rng)
    floor = float(figure.vertices[:, 1].min()) + (0.0 if rng.random() < 0.9 else -rng.uniform(0.05, 0.5))
    shadows = ShadowMap(figure.vertices, light)
    colour, cover, visible = render_figure(figure, camera, light, shadows)
    background = paint_background(rng, camera, floor, light)
    if rng.random() < 0.15:
        outfit = random_outfit(rng, float(rng.integers(2)))
        other, _ = bone_rotations(body, sample_pose(bank, rng).joints[None])
        background = with_bystander(background, dress(body, outfit), other[0], camera, light, rng)
    picture = compose(background, colour, cover, shadows, light)
    flags = visible_joints(figure, camera, visible)
    pixels, in_camera = camera.project(figure.joints), camera.to_camera(figure.joints)
    if rng.random() < 0.25:
        box = np.concatenate([pixels.min(0), pixels.max(0)])
        thing, hidden = paint_occluders(rng, camera.size, box)
        picture = picture * (1 - hidden[..., None]) + thing * hidden[..., None]
        nearest = np.clip(np.round(pixels).astype(int), 0, size - 1)
        flags &= hidden[nearest[:, 1], nearest[:, 0]] < 0.5
    labels = {
        "joints_px": np.round(pixels, 4).tolist(),
        "joints_camera": np.round(in_camera, 6).tolist(),
        "visible": flags.astype(int).tolist(),
        "camera": {"fx": camera.focal, "fy": camera.focal, "cx": camera.centre[0], "cy": camera.centre[1]},
        "subject": pose.clip.split("_")[0],
        "clip": pose.clip,
        "frame": pose.frame,
        "change": pose.change,
        "view": view,
        "phenotype": phenotype,
        "width": size,
        "height": size,
    }
    return Sample(develop(picture, rng), labels)


def with_bystander(
    background: Background,
    dressed: DressedBody,
    rotations: NDArray[np.floating],
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
) -> Background:
    """Somebody else, farther away and to the side, on the background; rotations (B, 3, 3) of their bones, world."""
    # At the height of the other's feet only by chance: people stand on stairs and slopes, too.
    away = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 1.3), rng.normal(0, 0.03), rng.uniform(0.3, 3.0)])
    place = camera.rotation.T @ away
    place[1] = rng.normal(0, 0.05)
    figure = pose_figure(dressed, rotations, place)
    if camera.to_camera(figure.vertices)[:, 2].min() < 0.5:
        return background
    shadows = ShadowMap(figure.vertices, light)
    colour, cover, _ = render_figure(figure, camera, light, shadows)
    return replace(
        background, picture=compose(background, colour, cover, shadows, light), floor=background.floor & (cover < 0.5)
    )


def _series(data: Path, seed: int, size: int) -> Callable[[int], Sample]:
    model, bank = load_body_model(), load_pose_bank(data)
    return lambda index: render_sample(model, bank, seed, index, size)


def write_pictures(
    data: Path,
    output: Path,
    count: int,
    seed: int = 0,
    workers: int = 1,
    size: int = 256,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Render ``count`` pictures into tar shards of :data:`SHARD_SIZE`; shards that are there are kept.

    A shard's name holds the seed, its first picture and their number, so that a run with another count adds to it.

    Args:
        progress: called with the number of pictures done so far.

    Returns:
        Paths of all shards, in order.
    """
    prepare = partial(_series, data, seed, size)
    return write_series(output, f"synthetic-s{seed}", "sy", prepare, count, workers, progress, SHARD_SIZE)
