"""Puts body, clothes, light and surroundings together into one picture, with its exact labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from posecore.skeletons import BODY_21
from training.rendering.body import REGIONS, Body
from training.rendering.camera import Camera
from training.rendering.clothing import (
    SKIRT,
    Outfit,
    build_skirt,
    colour_surface,
    inflate,
    surface_coordinates,
)
from training.rendering.raster import Visible, rasterise
from training.rendering.scenes import Background, Light, ShadowMap

__all__ = ["DressedBody", "Figure", "compose", "dress", "pose_figure", "render_figure", "visible_joints"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DressedBody:
    """A body at rest, with clothes: ``thick`` has the clothes' thickness, ``bare`` is the body inside."""

    bare: Body
    thick: Body
    outfit: Outfit


@dataclass(frozen=True, eq=False)
class Figure:
    """A posed, dressed body: triangles, what they are, and the true joints.

    Attributes:
        vertices: (V, 3) world metres. faces: (F, 3). region: (V,) REGIONS index or SKIRT.
        coordinates: (V, 8) from ``SurfaceCoordinates.stacked``.
        joints: (21, 3) BODY_21 of the bare body, world metres.
    """

    vertices: Array
    faces: NDArray[np.int32]
    region: NDArray[np.int8]
    coordinates: Array
    joints: Array
    outfit: Outfit


def vertex_normals(vertices: Array, faces: NDArray[np.int32]) -> Array:
    """(V, 3) unit normals, triangles weighted by area."""
    a = vertices[faces[:, 0]]
    normal = cross(vertices[faces[:, 1]] - a, vertices[faces[:, 2]] - a)
    columns = np.repeat(np.arange(len(faces)), 3)
    gather = sparse.csr_matrix(
        (np.ones(len(columns), np.float32), (faces.ravel(), columns)), shape=(len(vertices), len(faces))
    )
    return unit(gather @ normal)


def cross(a: Array, b: Array) -> Array:
    """(N, 3) cross products; numpy's own is several times slower on rows of three."""
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        1,
    )


def unit(vectors: Array) -> Array:
    """(N, 3) scaled to length 1."""
    length = np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2 + vectors[:, 2] ** 2)
    return (vectors / np.maximum(length, 1e-12)[:, None]).astype(np.float32)


def dress(body: Body, outfit: Outfit) -> DressedBody:
    """Give a body at rest the thickness of its clothes and hair."""
    offsets = inflate(outfit, body.model, vertex_normals(body.vertices, body.model.faces))
    return DressedBody(body, Body(body.model, body.vertices + offsets, body.heads), outfit)


def pose_figure(dressed: DressedBody, rotations: NDArray[np.floating], mid_hip: NDArray[np.floating]) -> Figure:
    """Pose a dressed body so that its mid hip comes to ``mid_hip`` (3,), world metres; rotations (B, 3, 3)."""
    bare, model = dressed.bare, dressed.bare.model
    hips = (bare.head("upperleg01.L") + bare.head("upperleg01.R")) / 2
    root = np.asarray(mid_hip) - rotations[0] @ (hips - bare.heads[0])
    vertices, heads = bare.pose(rotations, root)
    joints = bare.joints(vertices, heads)
    vertices, _ = dressed.thick.pose(rotations, root)
    coordinates = surface_coordinates(model).stacked()
    faces, region = model.faces, model.vertex_region
    outfit = dressed.outfit
    if outfit.skirt > 0:
        legs = [np.stack([joints[BODY_21.index(f"{s}_{name}")] for s in "lr"]) for name in ("hip", "knee", "ankle")]
        radius = 0.6 * np.linalg.norm(legs[0][0] - legs[0][1])
        skirt = build_skirt(outfit, *legs, pelvis=rotations[0], radius=float(radius))
        faces = np.concatenate([faces, skirt.faces + len(vertices)])
        region = np.concatenate([region, np.full(len(skirt.vertices), SKIRT, np.int8)])
        vertices = np.concatenate([vertices, skirt.vertices])
        extra = np.zeros((len(skirt.vertices), coordinates.shape[1]), np.float32)
        extra[:, 5:8] = skirt.rest
        coordinates = np.concatenate([coordinates, extra])
    return Figure(vertices.astype(np.float32), faces, region, coordinates, joints, outfit)


def see(figure: Figure, camera: Camera) -> Visible:
    """Rasterise a figure."""
    in_camera = figure.vertices @ camera.rotation.T + camera.translation
    pixels = in_camera[:, :2] / np.maximum(in_camera[:, 2:], 1e-3) * camera.focal + camera.centre
    return rasterise(pixels.astype(np.float32), in_camera[:, 2].astype(np.float32), figure.faces, camera.size[::-1])


def regions_seen(figure: Figure, visible: Visible) -> NDArray[np.int8]:
    """(N,) region at each pixel: that of the nearest corner of the triangle seen."""
    corner = visible.weights.argmax(1)
    return figure.region[figure.faces[visible.faces, corner]]


def render_figure(
    figure: Figure, camera: Camera, light: Light, shadows: ShadowMap, supersample: int = 2
) -> tuple[Array, Array, Visible]:
    """Shade a figure.

    Returns:
        colour (H, W, 3) in linear light already multiplied by coverage, coverage (H, W) in [0, 1], and what the camera
        sees at ``supersample`` times the resolution.
    """
    fine = camera.scaled(supersample)
    visible = see(figure, fine)
    normals = vertex_normals(figure.vertices, figure.faces)
    values = np.concatenate([normals, figure.vertices, figure.coordinates], 1)
    pixel = visible.interpolate(figure.faces, values)
    normal, point, coordinates = pixel[:, :3], pixel[:, 3:6], pixel[:, 6:]
    region = regions_seen(figure, visible)
    skirt = region == SKIRT
    if skirt.any():  # its vertices belong to both of its sides, so their normals cancel out
        corner = figure.vertices[figure.faces[visible.faces[skirt]]]
        normal[skirt] = cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    colour, fabric = colour_surface(figure.outfit, region, coordinates)
    normal = unit(normal)
    if figure.outfit.wrinkle > 0:
        waves = np.sin(coordinates[:, 5:8] @ _FOLDS.T + np.arange(6, dtype=np.float32))
        normal = unit(normal + (figure.outfit.wrinkle * fabric)[:, None] * (waves[:, :3] + 0.6 * waves[:, 3:]))
    towards_lamp = normal @ light.direction.astype(np.float32)
    lit = np.zeros(len(normal), np.float32)
    facing = towards_lamp > 0
    lit[facing] = shadows.lit(point[facing])
    half = unit(unit(camera.position.astype(np.float32) - point) + light.direction.astype(np.float32))
    gloss = np.clip((normal * half).sum(1), 0, 1) ** 25 * lit * (0.16 - 0.13 * fabric)
    shaded = colour**2.2 * light.shade(normal, lit) + gloss[:, None] * light.lamp
    height, width = fine.size[1], fine.size[0]
    canvas = np.zeros((height * width, 4), np.float32)
    canvas[visible.pixels, :3] = shaded
    canvas[visible.pixels, 3] = 1
    canvas = canvas.reshape(height, width, 4)
    blocks = sum(canvas[i::supersample, j::supersample] for i in range(supersample) for j in range(supersample))
    blocks = blocks / np.float32(supersample**2)
    return blocks[..., :3], blocks[..., 3], visible


#: Wave vectors of the folds in cloth, radians a metre.
_FOLDS = (np.random.default_rng(11).normal(size=(6, 3)) * [[28], [28], [28], [60], [60], [60]]).astype(np.float32)


def compose(background: Background, figure_colour: Array, cover: Array, shadows: ShadowMap, light: Light) -> Array:
    """(H, W, 3) linear light: the person before the background, their shadow on its floor."""
    picture = background.picture.copy()
    floor = background.floor & (cover < 1)
    if floor.any():
        lit = np.ones(floor.shape, np.float32)
        lit[floor] = shadows.lit(background.points[floor], bias=0.02)
        lit = ndimage.uniform_filter(lit, 3)
        lamp = light.direction[1] * light.lamp
        share = lamp / (lamp + light.sky)
        picture *= 1 - (1 - lit[..., None]) * share.astype(np.float32)
    return picture * (1 - cover[..., None]) + figure_colour


#: What may be seen at a joint that is not hidden ("*" = its own side).
_SEEN_AT = {
    "pelvis": "torso l_thigh r_thigh", "hip": "torso *_thigh", "knee": "*_thigh *_shin", "ankle": "*_shin *_foot",
    "spine": "torso", "thorax": "torso neck", "nose": "head eyes", "head_top": "head", "shoulder": "torso *_upper_arm",
    "elbow": "*_upper_arm *_forearm", "wrist": "*_forearm *_hand", "toe": "*_foot", "hand": "*_hand",
}  # fmt: skip

#: How far behind the surface a joint may lie and still count as seen, metres.
_DEPTH_MARGIN = {"nose": 0.05, "head_top": 0.14, "toe": 0.06, "hand": 0.08, "wrist": 0.09}


def visible_joints(figure: Figure, camera: Camera, visible: Visible) -> NDArray[np.bool_]:
    """(21,) True where the joint is in the picture and the surface around it is what the camera sees there.

    Args:
        visible: what a camera with this view sees, at any resolution.
    """
    height, width = visible.size
    view = camera.scaled(width / camera.size[0])
    pixels = view.project(figure.joints)
    depth = view.to_camera(figure.joints)[:, 2]
    seen_region = np.full(height * width, -1, np.int16)
    seen_region[visible.pixels] = regions_seen(figure, visible)
    seen_depth = np.full(height * width, np.inf, np.float32)
    seen_depth[visible.pixels] = visible.depth
    seen_region, seen_depth = seen_region.reshape(height, width), seen_depth.reshape(height, width)
    flags = np.zeros(len(BODY_21), bool)
    for index, joint in enumerate(BODY_21.joints):
        x, y = np.round(pixels[index]).astype(int)
        if not (0 <= x < width and 0 <= y < height):
            continue
        part = joint[2:] if joint[1:2] == "_" else joint
        allowed = [REGIONS.index(name) for name in _SEEN_AT[part].replace("*", joint[0]).split()]
        if part in ("pelvis", "hip", "knee", "ankle"):
            allowed.append(SKIRT)
        window = np.s_[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        near = depth[index] - seen_depth[window] < _DEPTH_MARGIN.get(part, 0.22)
        flags[index] = (np.isin(seen_region[window], allowed) & near).any()
    return flags
