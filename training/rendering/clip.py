"""The example clip: somebody walks about a room, filmed by a camera that stands still, with the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from posecore.errors import SourceError
from posecore.files import atomic_path, write_npz
from posecore.skeletons import BODY_21, CMU_22
from training.rendering.body import Body, load_body_model
from training.rendering.camera import Camera, look_from
from training.rendering.clothing import Cloth, Outfit
from training.rendering.poses import load_clip
from training.rendering.posing import bone_rotations
from training.rendering.render import Figure, compose, dress, pose_figure, render_figure, visible_joints
from training.rendering.room import cast_room
from training.rendering.scenes import Light, ShadowMap

__all__ = ["ClipTruth", "pose_clip", "write_clip"]

RATE = 30

_BODY = {"gender": 0.12, "age": 0.7, "muscle": 0.55, "weight": 0.47, "height": 0.38, "proportions": 0.8}


def _plain(*rgb: float) -> Cloth:
    colour = np.array(rgb) / 255
    return Cloth(colour, colour)


def _outfit() -> Outfit:
    jeans = Cloth(np.array([38, 48, 74]) / 255, np.array([30, 38, 60]) / 255, "denim", 0.06)
    return Outfit(
        skin=np.array([214, 160, 124]) / 255,
        hair=np.array([52, 36, 26]) / 255,
        hair_style="short",
        beard=False,
        glasses=False,
        top=_plain(176, 62, 46),
        sleeve=1.92,
        hem=0.16,
        neckline=0.03,
        opening=0.05,
        under=_plain(226, 224, 216),
        bottom=jeans,
        trouser=1.97,
        shoe=np.array([222, 220, 214]) / 255,
        boot=0.0,
        gloves=False,
        thickness=(0.012, 0.009, 0.014),
        wrinkle=0.14,
        skirt=0.0,
        flare=0.0,
        dress=False,
    )


def pose_clip(body: Body, joints: NDArray[np.floating]) -> tuple[NDArray, NDArray]:
    """Bone rotations (T, B, 3, 3) and mid-hip path (T, 3), metres, of a body walking a captured clip (T, 22, 3).

    The path is scaled by the ratio of leg lengths, so that feet do not slide, and moved up or down so that the lower
    foot is on the floor, y = 0.
    """
    joints = ndimage.gaussian_filter1d(np.asarray(joints, np.float64), 0.8, axis=0)
    rotations, mid_hip = bone_rotations(body, joints)
    at = {name: joints[:, CMU_22.index(name)] for name in ("l_hip", "l_knee", "l_ankle")}
    captured = np.median(
        np.linalg.norm(at["l_hip"] - at["l_knee"], axis=-1) + np.linalg.norm(at["l_knee"] - at["l_ankle"], axis=-1)
    )
    heads = [body.head(bone) for bone in ("upperleg01.L", "lowerleg01.L", "foot.L")]
    own = np.linalg.norm(heads[0] - heads[1]) + np.linalg.norm(heads[1] - heads[2])
    path = mid_hip * (own / captured)
    hips = (body.head("upperleg01.L") + body.head("upperleg01.R")) / 2
    lowest = []
    for frame, turn in enumerate(rotations):
        vertices, _ = body.pose(turn, path[frame] - turn[0] @ (hips - body.heads[0]))
        lowest.append(vertices[:, 1].min())
    path[:, 1] -= ndimage.gaussian_filter1d(np.array(lowest), 2.0)
    return rotations, path


@dataclass(frozen=True)
class ClipTruth:
    """What the truth file holds, in the order of the frames; names as in a ``Take``."""

    times: NDArray
    joints_world: NDArray
    joints_camera: NDArray
    keypoints: NDArray
    visible: NDArray
    camera: Camera

    def save(self, path: Path, clip: str) -> None:
        """Write an npz without pickle."""
        write_npz(
            path,
            {
                "times": self.times,
                "joint_names": np.array(BODY_21.joints),
                "joints_world": self.joints_world.astype(np.float32),
                "joints_camera": self.joints_camera.astype(np.float32),
                "keypoints": self.keypoints.astype(np.float32),
                "visible": self.visible,
                "camera_rotation": self.camera.rotation,
                "camera_translation": self.camera.translation,
                "focal": np.float64(self.camera.focal),
                "centre": self.camera.centre,
                "size": np.array(self.camera.size),
                "clip": np.array(clip),
            },
        )


def _clip_camera(size: tuple[int, int] = (640, 480)) -> Camera:
    """A camera on a stand in the corner of the room."""
    eye, target = np.array([2.55, 1.65, 4.6]), np.array([0.15, 0.82, 0.35])
    away = eye - target
    rotation = look_from(np.arctan2(away[0], away[2]), np.arctan2(away[1], np.hypot(away[0], away[2])))
    return Camera(rotation, -rotation @ eye, 760.0, np.array([(size[0] - 1) / 2, (size[1] - 1) / 2]), size)


def _clip_light() -> Light:
    direction = np.array([0.5, 0.8, 0.42])
    return Light(
        direction / np.linalg.norm(direction),
        np.array([0.8, 0.74, 0.64]),
        np.array([0.52, 0.55, 0.6]),
        np.array([0.3, 0.27, 0.24]),
    )


def _develop(picture: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.uint8]:
    level = np.clip(picture, 0, None)
    level = np.where(level > 0.7, 0.7 + 0.3 * np.tanh((level - 0.7) / 0.5), level) ** (1 / 2.2)
    level += rng.standard_normal(level.shape, np.float32) * 0.006
    return (np.clip(level, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_clip(
    data: Path,
    output: Path,
    clip: str = "047_01",
    start: int = 0,
    stop: int = 300,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ClipTruth:
    """Render frames ``start`` to ``stop`` of a CMU clip to ``output`` (.mp4) and ``NAME_truth.npz`` beside it.

    Raises:
        SourceError: no such clip, or no frames in that range.
        OutputError: ``output`` cannot be written.
    """
    captured = load_clip(data, clip)[start:stop]
    if len(captured) < 2:
        raise SourceError(f"{clip}: no frames {start} to {stop}")
    body = load_body_model().shape(**_BODY)
    dressed, camera, light = dress(body, _outfit()), _clip_camera(), _clip_light()
    rotations, path = pose_clip(body, captured)
    middle = (path.min(0) + path.max(0)) / 2
    path = path - middle * [1, 0, 1]
    room = cast_room(camera, light)
    rng = np.random.default_rng(0)
    joints, flags = [], []
    output = Path(output)
    with atomic_path(output) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "slow", "threads": "1"})
        stream.width, stream.height = camera.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for index in range(len(path)):
            figure = pose_figure(dressed, rotations[index], path[index])
            picture, seen = _frame(figure, camera, light, room)
            joints.append(figure.joints)
            flags.append(seen)
            frame = av.VideoFrame.from_ndarray(_develop(picture, rng), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            progress(index + 1, len(path))
        container.mux(stream.encode())
    world = np.stack(joints).astype(np.float64)
    truth = ClipTruth(
        np.arange(len(path)) / RATE,
        world,
        camera.to_camera(world),
        camera.project(world),
        np.stack(flags),
        camera,
    )
    truth.save(output.with_name(f"{output.stem}_truth.npz"), clip)
    return truth


def _frame(figure: Figure, camera: Camera, light: Light, room) -> tuple[NDArray, NDArray[np.bool_]]:
    shadows = ShadowMap(figure.vertices, light, cell=0.018)
    colour, cover, visible = render_figure(figure, camera, light, shadows)
    return compose(room, colour, cover, shadows, light), visible_joints(figure, camera, visible)
