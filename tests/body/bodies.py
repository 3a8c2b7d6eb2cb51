"""A tiny body in the formats of SMPL, SMPL-H and SMPL-X: a stick figure of a few random points at each joint."""

from __future__ import annotations

import numpy as np

from posecore.motion import default_offsets
from posecore.skeletons import SMPL_24

#: Fingers (and in SMPL-X jaw and eyes) and what they hang on, by SMPL_24's names.
_HAND = [("*_wrist", 3)] * 5
_FACE = [("head", 1)] * 3


def tree(count: int) -> list[int]:
    """Parents of the 24, 52 or 55 joints, -1 for the pelvis."""
    parents = list(SMPL_24.parents)
    if count == 24:
        return parents
    parents = parents[:22]
    chains = [*(_FACE if count == 55 else []), *[(n.replace("*", side), k) for side in "lr" for n, k in _HAND]]
    for start, length in chains:
        parent = SMPL_24.index(start)
        for _ in range(length):
            parents.append(parent)
            parent = len(parents) - 1
    return parents


def body_arrays(joints: int = 24, corrective: bool = False, betas: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    """All keys of a body file with ``joints`` joints, four vertices a joint."""
    generator = np.random.default_rng(seed)
    parents = tree(joints)
    centres = np.zeros((joints, 3))
    offsets = default_offsets()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            centres[joint] = centres[parent] + (offsets[joint] if joint < 22 else (0.02, 0, 0.005))
    around = generator.normal(0, 0.05, (joints, 4, 3))
    around -= around.mean(1, keepdims=True)
    vertices = (centres[:, None] + around).reshape(-1, 3)
    count = len(vertices)
    regressor = np.zeros((joints, count))
    weights = generator.random((count, joints)) ** 8
    for joint in range(joints):
        regressor[joint, joint * 4 : joint * 4 + 4] = 0.25
    weights /= weights.sum(1, keepdims=True)
    table = np.array([parents, range(joints)])
    table[0, 0] = 2**32 - 1
    return {
        "v_template": vertices,
        "f": np.array([[i, i + 1, i + 2] for i in range(0, count - 2, 2)], np.uint32),
        "shapedirs": generator.normal(0, 0.01, (count, 3, betas)),
        "posedirs": generator.normal(0, 0.01 * corrective, (count, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": table,
    }


def naive_vertices(arrays: dict[str, np.ndarray], matrices: np.ndarray, root: np.ndarray, betas: np.ndarray):
    """SMPL's equations one vertex and joint at a time, with 4 x 4 matrices: (V, 3) and joints (J, 3).

    ``matrices`` is (J, 3, 3) local, for every joint of the file.
    """
    shaped = arrays["v_template"] + arrays["shapedirs"][..., : len(betas)] @ betas
    rest = arrays["J_regressor"] @ shaped
    shaped = shaped + arrays["posedirs"] @ (matrices[1:] - np.eye(3)).ravel()
    world = []
    for joint, parent in enumerate(tree(len(rest))):
        own = np.eye(4)
        own[:3, :3] = matrices[joint]
        own[:3, 3] = root if parent < 0 else rest[joint] - rest[parent]
        world.append(own if parent < 0 else world[parent] @ own)
    posed = np.zeros_like(shaped)
    for vertex, point in enumerate(shaped):
        for joint, matrix in enumerate(world):
            moved = matrix @ np.append(point - rest[joint], 1)
            posed[vertex] += arrays["weights"][vertex, joint] * moved[:3]
    return posed, np.array([matrix[:3, 3] for matrix in world])
