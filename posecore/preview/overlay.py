"""The left panel of the preview: frames with the observed keypoints over them."""

from __future__ import annotations

from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from posecore import drawing
from posecore.skeletons import BODY_21
from posecore.takes import Take

__all__ = ["MAX_HEIGHT", "MAX_WIDTH", "MIN_HEIGHT", "FrameLike", "Overlay", "even", "fade"]

#: A panel is at most this large (frames are scaled down) and its height at least MIN_HEIGHT (scaled up).
MAX_WIDTH, MAX_HEIGHT, MIN_HEIGHT = 960, 720, 320

_Array = NDArray[np.floating]


class FrameLike(Protocol):
    """What is needed of a frame; :class:`posecore.capturing.frames.Frame` is one."""

    @property
    def image(self) -> NDArray[np.uint8]: ...  # (H, W, 3) RGB
    @property
    def time(self) -> float: ...  # seconds
    @property
    def index(self) -> int: ...  # number in the source


def even(length: float) -> int:
    """The even number of pixels nearest to ``length``, as chroma at half resolution needs."""
    return max(2, 2 * round(length / 2))


def fade(confidence: _Array) -> _Array:
    """Opacity from confidence: nothing below 0.1, full from 0.6."""
    return np.clip((confidence - 0.1) / 0.5, 0.0, 1.0)


class Overlay:
    """The left panel: frames with the observed keypoints over them."""

    def __init__(self, take: Take, width: int, height: int) -> None:
        self.take = take
        self.row = {int(frame): row for row, frame in enumerate(take.frames)}
        scale = max(min(MAX_WIDTH / width, MAX_HEIGHT / height, 1.0), min(MIN_HEIGHT / height, MAX_WIDTH / width))
        self.size = (even(height * scale), even(width * scale))
        # Centres of pixels lie at whole numbers: 0 of a twice as large picture is -0.25 of the small one.
        self.scale = np.array([self.size[1] / width, self.size[0] / height])
        extent = np.median(take.boxes[:, 2:].max(axis=1)) * scale if len(take) else height
        self.radius = float(np.clip(0.011 * extent, 1.3, 0.012 * max(self.size)))
        self.letters = int(np.clip(min(self.size[0] / 28, self.size[1] / 22), 11, 24))

    def draw(self, panel: NDArray[np.uint8], frame: FrameLike) -> None:
        """Draw a frame and what was observed in it over all of ``panel`` (H, W, 3)."""
        panel[:] = self._scaled(frame.image)
        row = self.row.get(frame.index)
        if row is not None:
            places = (self.take.keypoints[row] + 0.5) * self.scale - 0.5
            self._skeleton(panel, places, fade(self.take.confidence[row]))
        words = f"frame {frame.index}   {frame.time:.2f} s" + ("" if row is not None else "   no person")
        margin = self.letters // 2
        top = panel.shape[0] - margin - round(1.3 * self.letters)
        drawing.text(panel, words, margin + 2, top, self.letters, shade=0.5)

    def _scaled(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self.size
        if image.shape[:2] == (height, width):
            return image
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        kernel = "AREA" if image.shape[0] > height else "BICUBIC"
        return np.asarray(picture.reformat(width, height, interpolation=kernel).to_ndarray(), np.uint8)

    def _skeleton(self, panel: NDArray[np.uint8], places: _Array, opacity: _Array) -> None:
        for parent, child in BODY_21.bones:
            alpha = min(opacity[parent], opacity[child])
            colour = drawing.side_colour(BODY_21.joints[child])
            drawing.capsule(panel, places[parent], places[child], self.radius, colour, alpha, 0.35 * self.radius + 0.4)
        colours = [drawing.side_colour(joint) for joint in BODY_21.joints]
        drawing.discs(panel, places, 1.5 * self.radius, colours, opacity, 1.0, (255, 255, 255))
