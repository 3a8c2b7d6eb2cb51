"""The mesh regressor as an estimator (seed 003; REFERENCE §6): a body of SMPL's form from one picture.

The network says how the body stands, what shape it has and where it is; joints and keypoints are that body's. It has
no opinion on whether anybody is there at all: people are found by SAP-Net, and its confidence is taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel, load_body
from posecore.capturing.estimators import Box, Estimator, Pose
from posecore.capturing.rays import ray_rotation
from posecore.capturing.regions import Region, crop, crop_to_picture
from posecore.errors import NoPersonError
from posecore.skeletons import BODY_21

__all__ = ["SmplRegressor"]

_PELVIS = BODY_21.index("pelvis")
_NEAREST = 0.3  # metres: a body nearer than that is a slip of the network


class SmplRegressor:
    """A mesh regressor as an estimator (see :class:`posecore.capturing.estimators.Estimator`).

    Args:
        provider: see :func:`posecore.runtime.create_session`.
        weights: name in the weights store.
        session, finder, body: in place of those that the names above say, for tests.

    Raises:
        PosecoreError: the weights or the provider are missing.
    """

    def __init__(
        self,
        provider: str = "auto",
        weights: str = "smpl",
        session: Any = None,
        finder: Estimator | None = None,
        body: BodyModel | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        from posecore.runtime import create_session
        from posecore.runtime import weights as store

        if options is None:
            card = store.card(weights)
            self.name, options = f"{weights} {card.version}", dict(card.options)
        else:
            self.name = weights
        self._session = session or create_session(store.find(weights), provider=provider)
        if finder is None:
            from posecore.capturing.sapnet import SapNet

            finder = SapNet(provider=provider, joints="depth")
        self._finder = finder
        self._body = body or load_body()
        self._size = int(options["input_size"])
        self._padding = float(options["padding"])
        self._focal = float(options["focal"])

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """As the finder finds them."""
        return self._finder.find(image)

    def region(self, pose: Pose) -> Region:
        """The region to look at in the next picture, from the pose in this one."""
        return self._finder.region(pose)

    def estimate(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        """The person in each region, one after the other: the network takes one picture at a time."""
        if not images:
            return []
        seen = self._finder.estimate(images, regions)
        poses = []
        for image, region, other in zip(images, regions, seen, strict=True):
            pixels = crop(image, region, self._size).transpose(2, 0, 1)[None]
            inputs = np.ascontiguousarray(pixels).astype(np.float32) / 255 - 0.5
            rotations, betas, place = self._session.run(["rotations", "betas", "place"], {"image": inputs})
            poses.append(self._pose(rotations[0], betas[0], place[0], region, other))
        return poses

    def _pose(self, rotations: NDArray, betas: NDArray, place: NDArray, region: Region, other: Pose) -> Pose:
        """The body as a pose: its keypoints in the picture, its joints in the ray frame."""
        place = np.array([place[0], place[1], max(float(place[2]), 2 * _NEAREST)], np.float32)
        turns = Rotation.from_matrix(rotations).as_quat()[None].astype(np.float32)
        vertices = self._body.pose(turns, place[None], betas)
        points = self._body.keypoints(vertices, self._body.joints(turns, place[None], betas))[0]
        depth = np.maximum(points[:, 2:], _NEAREST)
        # Normalised crop coordinates span the crop by 2; pixels count from the middle of the first.
        pixels = (points[:, :2] / depth * self._focal + 1) * (self._size / 2) - 0.5
        keypoints = crop_to_picture(pixels.astype(np.float32), region, self._size)
        joints = (points - points[_PELVIS]) @ ray_rotation(points[_PELVIS]).T
        return Pose(keypoints.astype(np.float32), other.confidence, joints.astype(np.float32), other.presence)

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> Pose:
        """One picture; ``box`` is (x, y, width, height) px of the person, or None to search.

        Raises:
            NoPersonError: no box was given and nobody was found.
        """
        if box is not None:
            return self.estimate([image], [Region.from_box(box, self._padding)])[0]
        found = self.find(image)
        if not found or found[0][1] < 0.5:
            raise NoPersonError("no person found in the picture; give a box")
        return self.estimate([image], [found[0][0]])[0]
