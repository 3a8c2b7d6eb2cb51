"""Crop geometry, with values by hand. Bilinear sampling is exact on a linear ramp, so a crop of one
tells where each of its pixels was taken from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecore.capturing.regions import Region, crop, crop_to_picture, picture_to_crop


def ramp(width: int, height: int, gain: float = 1.0) -> np.ndarray:
    """Red = gain · x, green = gain · y, blue = 255."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x * gain, y * gain, np.full_like(x, 255)], -1).astype(np.uint8)


def places(size: int) -> np.ndarray:
    """(size, size, 2) crop pixel coordinates."""
    return np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float64)


def test_the_whole_picture_at_its_own_size_is_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    whole = Region((3.5, 3.5), 8)  # pixel centres at whole numbers: eight pixels reach from -0.5 to 7.5
    np.testing.assert_array_equal(crop(image, whole, 8), image)
    np.testing.assert_allclose(crop_to_picture(places(8), whole, 8), places(8), atol=1e-6)


def test_quarter_turns() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    # angle 90°: what points to the right in the picture, (sin, -cos) = (1, 0), points up in the crop.
    turned = crop(image, Region((3.5, 3.5), 8, np.pi / 2), 8)
    np.testing.assert_allclose(turned.astype(int), np.rot90(image, 1), atol=1)  # Pillow cuts off fractions
    upside_down = crop(image, Region((3.5, 3.5), 8, np.pi), 8)
    np.testing.assert_allclose(upside_down.astype(int), image[::-1, ::-1], atol=1)


def test_halves_are_averages_of_four() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = 100
    image[2:, 2:] = 40
    small = crop(image, Region((1.5, 1.5), 4), 2)
    np.testing.assert_array_equal(small[..., 0], [[25, 0], [0, 40]])
    # The first crop pixel covers picture pixels 0 and 1: its centre is at 0.5.
    np.testing.assert_allclose(
        crop_to_picture(np.array([[0.0, 0.0], [1.0, 1.0]]), Region((1.5, 1.5), 4), 2), [[0.5] * 2, [2.5] * 2]
    )


@pytest.mark.parametrize("angle", [0.05, 0.3, -1.1, 2.5])  # never 0: roundings would all be one
@pytest.mark.parametrize(("side", "size"), [(60.0, 60), (40.0, 64), (100.0, 48), (120.0, 32), (97.3, 24)])
def test_pixels_come_from_where_the_geometry_says(angle: float, side: float, size: int) -> None:
    region = Region((119.3, 124.8), side, angle)
    image = ramp(250, 250)
    # Pillow cuts fractions off and its reduction rounds halves up; the negative errs the other way.
    out = (crop(image, region, size).astype(float) + 255 - crop(255 - image, region, size))[..., :2] / 2
    expected = crop_to_picture(places(size), region, size)
    np.testing.assert_allclose(out, expected, atol=0.76)
    assert np.abs((out - expected).mean(axis=(0, 1))).max() < 0.02, "not a fiftieth of a pixel of shift"


def test_outside_is_filled_and_inside_is_not() -> None:
    image = ramp(100, 80, 2)
    region = Region((0.3, 0.3), 40)
    out = crop(image, region, 40, fill=7)
    inside = (crop_to_picture(places(40), region, 40) > -0.5).all(-1)
    assert (out[~inside] == 7).all()
    assert (out[inside][:, 2] == 255).all()


@pytest.mark.parametrize("region", [Region((-500, 20), 40), Region((20, 1e5), 40), Region((50, 200), 80, 0.4)])
def test_a_region_beside_the_picture_is_all_fill(region: Region) -> None:
    assert (crop(ramp(100, 80), region, 16, fill=3) == 3).all()


def test_a_picture_smaller_than_the_reduction() -> None:
    out = crop(np.full((3, 5, 3), 200, np.uint8), Region((2, 1), 640), 32)
    assert out.shape == (32, 32, 3)
    assert 0 < (out > 0).sum() <= 3 * 4, "a speck in the middle"


def test_a_fine_pattern_shrinks_to_grey() -> None:
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, -1)
    out = crop(board, Region((127.5, 127.5), 200), 50)
    assert abs(out.astype(float) - 127.5).max() < 2, "no aliasing"


def test_read_only_and_sliced_pictures_are_accepted() -> None:
    image = ramp(64, 64)
    image.setflags(write=False)
    out = crop(image[::-1, :, ::-1], Region((31.5, 31.5), 64), 64)
    np.testing.assert_array_equal(out, image[::-1, :, ::-1])


def test_from_box() -> None:
    region = Region.from_box((10, 20, 30, 60), padding=1.5)
    assert region == Region((25, 50), 90)
    assert Region.from_box(np.array([0, 0, 8, 4], np.float32), padding=1).side == 8


finite = st.floats(-1e4, 1e4)


@settings(max_examples=60, deadline=None)
@given(finite, finite, st.floats(1, 1e4), st.floats(-7, 7), st.integers(1, 512), finite, finite)
def test_round_trip(x: float, y: float, side: float, angle: float, size: int, px: float, py: float) -> None:
    region = Region((x, y), side, angle)
    point = np.array([[px, py]])
    back = crop_to_picture(picture_to_crop(point, region, size), region, size)
    np.testing.assert_allclose(back, point, atol=0.02)  # float32 between, at up to 3e4 px


def test_up_in_the_crop_is_the_stated_direction() -> None:
    for angle in (0.0, 0.7, -2.0):
        region = Region((50, 60), 40, angle)
        top = crop_to_picture(np.array([15.5, -0.5]), region, 32)
        np.testing.assert_allclose(top, (50 + 20 * np.sin(angle), 60 - 20 * np.cos(angle)), atol=1e-5)
