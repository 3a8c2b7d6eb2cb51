"""A small body for tests: a box of 8 vertices around every bone, and shapes whose meaning is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation

from posecore.proportions import default_offsets
from posecore.skeletons import SMPL_24

#: Metres from the head joint to the top.
CROWN = 0.18
#: What the shapes of :func:`stick_fields` do for +1.
SHAPES = ("5 cm taller in proportion", "legs 2 cm longer", "arms 2 cm longer", "thicker")


def rest_of(offsets: np.ndarray) -> np.ndarray:
    """(24, 3) joints of rest offsets (24, 3), pelvis at the origin."""
    places = np.zeros((24, 3))
    for joint in SMPL_24.topological_order:
        if SMPL_24.parents[joint] >= 0:
            places[joint] = places[SMPL_24.parents[joint]] + offsets[joint]
    return places


def stick_offsets() -> np.ndarray:
    """Rest offsets that are not Motion's T-pose: sloping arms, spread legs, a bent spine."""
    offsets = default_offsets().astype(np.float64)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for names, turn in (
            (("elbow", "wrist", "hand"), (0, 0, -0.10 * sign)),
            (("wrist", "hand"), (0, -0.05 * sign, 0)),
            (("knee", "ankle"), (0, 0, 0.06 * sign)),
        ):
            rows = SMPL_24.indices(f"{side}_{name}" for name in names)
            offsets[rows] = Rotation.from_rotvec(turn).apply(offsets[rows])
    offsets[SMPL_24.index("spine2"), 2] += 0.02
    offsets[SMPL_24.index("neck"), 2] -= 0.03
    return offsets


def box(head: np.ndarray, tail: np.ndarray, thick: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (8, 3), triangles (12, 3), and which corners are at the tail (8,)."""
    axis = (tail - head) / max(float(np.linalg.norm(tail - head)), 1e-6)
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    ring = [thick * (a * side + b * other) for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    corners = np.array([head + r for r in ring] + [tail + r for r in ring])
    faces = [(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7)]
    for now, after in ((0, 1), (1, 2), (2, 3), (3, 0)):
        faces += [(now, after, after + 4), (now, after + 4, now + 4)]
    return corners, np.array(faces), np.arange(8) >= 4


def stick_fields() -> dict[str, Any]:
    """The arrays of a BodyModel: a box for each of 23 bones and the crown, 4 shapes, up to 6 joints a vertex."""
    offsets = stick_offsets()
    rest = rest_of(offsets)
    rest[:, 1] -= rest[SMPL_24.index("l_foot"), 1] - 0.025
    vertices, faces, weights, regress = [], [], [], np.zeros((24, 0))
    owners = []
    head = SMPL_24.index("head")
    for parent, child in (*SMPL_24.bones, (head, head)):
        thick = 0.025 if "foot" in SMPL_24.joints[child] else 0.04
        tail = rest[child] + (0, CROWN, 0) if parent == child else rest[child]
        corners, triangles, at_tail = box(rest[parent], tail, thick)
        start = 8 * len(vertices)
        rows = np.zeros((8, 24))
        rows[~at_tail, parent], rows[at_tail, parent] = 1.0, 0.7
        rows[at_tail, child] += 0.3
        above = SMPL_24.parents[parent]
        if above >= 0:
            rows[~at_tail, parent], rows[~at_tail, above] = 0.8, 0.2
        # A fifth and a sixth joint of little weight, so that four are too few.
        rows = 0.97 * rows
        for extra in ("spine1", "spine2", "spine3"):
            rows[:, SMPL_24.index(extra)] += 0.01
        vertices.append(corners)
        faces.append(triangles + start)
        weights.append(rows)
        owners.append((parent, child, at_tail))
    points, rows = np.concatenate(vertices), np.concatenate(weights)
    # A joint is the mean of the ring of a bone that begins or ends there.
    regress = np.zeros((24, len(points)))
    for number, (parent, child, _) in enumerate(owners):
        for joint, first in ((parent, 8 * number), (child, 8 * number + 4)):
            if not regress[joint].any():
                regress[joint, first : first + 4] = 0.25
    shapes = np.zeros((len(points), 3, 4))
    shapes[..., 0] = points * 0.05 / 1.7
    for axis, (names, along) in enumerate(((("knee", "ankle"), 0.02), (("elbow", "wrist"), 0.02)), start=1):
        longer = np.zeros((24, 3))
        for side in "lr":
            for name in names:
                joint = SMPL_24.index(f"{side}_{name}")
                longer[joint] = along / 2 * offsets[joint] / np.linalg.norm(offsets[joint])
        moved = rest_of(longer)
        for number, (parent, child, _) in enumerate(owners):
            shapes[8 * number : 8 * number + 4, :, axis] = moved[parent]
            shapes[8 * number + 4 : 8 * number + 8, :, axis] = moved[child]
    for number in range(len(owners)):
        for first in (8 * number, 8 * number + 4):
            shapes[first : first + 4, :, 3] = 0.1 * (points[first : first + 4] - points[first : first + 4].mean(axis=0))
    return {
        "name": "stick",
        "v_template": points.astype(np.float32),
        "faces": np.concatenate(faces).astype(np.int32),
        "shapedirs": shapes.astype(np.float32),
        "posedirs": None,
        "joint_regressor": sparse.csr_matrix(regress.astype(np.float32)),
        "weights": rows.astype(np.float32),
        "parents": np.array(SMPL_24.parents),
        "keypoint_vertices": {},
    }
