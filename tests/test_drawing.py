"""Marks on pictures: their area, their edges, their colours."""

import numpy as np
import pytest

from posecore import drawing

WHITE = (255, 255, 255)


def black(height=60, width=80):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize(("start", "end"), [((20, 20), (60, 40)), ((20.3, 30.7), (20.3, 30.7)), ((60, 10), (15, 50))])
@pytest.mark.parametrize("radius", [1.5, 4.0])
def test_capsule_covers_its_area(start, end, radius):
    picture = black()
    drawing.capsule(picture, np.array(start), np.array(end), radius, WHITE)
    area = np.pi * radius**2 + 2 * radius * np.hypot(end[0] - start[0], end[1] - start[1])
    assert picture[..., 0].sum() / 255 == pytest.approx(area, rel=0.04, abs=0.5)


def test_capsule_centre_edge_and_outline():
    picture = black()
    drawing.capsule(picture, np.array([40, 30]), np.array([40, 30]), 5.0, (200, 100, 0), 1.0, 2.0, (0, 0, 90))
    assert picture[30, 40].tolist() == [200, 100, 0]
    assert picture[30, 46].tolist() == [0, 0, 90]
    assert 0 < picture[30, 45, 0] < 200  # half covered
    assert not picture[30, 49].any()


def test_capsule_fades():
    picture = black()
    drawing.capsule(picture, np.array([40, 30]), np.array([40, 30]), 5.0, (200, 100, 0), 0.5)
    assert picture[30, 40].tolist() == [100, 50, 0]
    untouched = picture.copy()
    drawing.capsule(picture, np.array([40, 30]), np.array([50, 30]), 5.0, WHITE, 0.0)
    np.testing.assert_array_equal(picture, untouched)


@pytest.mark.parametrize("end", [(-200, 30), (300, -50), (40, 1e6), (np.nan, 0), (np.inf, 3)])
def test_capsule_clips(end):
    picture = black()
    drawing.capsule(picture, np.array([40.0, 30.0]), np.array(end), 3.0, WHITE)
    if np.isfinite(end).all():
        assert picture[30, 40, 0] == 255
    else:
        assert not picture.any()


def test_lines_are_one_pixel_wide_and_clipped():
    picture = black()
    starts = np.array([[10.0, 10.0], [20.0, 5.0], [70.0, 30.0]])
    ends = np.array([[30.0, 18.0], [20.0, 50.0], [200.0, 30.0]])
    drawing.lines(picture, starts, ends, np.array([WHITE] * 3))
    assert picture[10:50, 20, 0].min() == 255  # vertical
    assert picture[30, 70:, 0].min() == 255  # leaves the picture
    assert picture[:, 12, 0].sum() == pytest.approx(255, abs=6)  # slanted: shared by two pixels


def test_discs_are_like_capsules_without_length():
    one, many = black(), black()
    centres = np.array([[20.3, 30.7], [60.0, 12.5], [79.0, 0.0], [-50.0, 5.0], [np.nan, 3.0]])
    colours = [(255, 0, 0), (0, 200, 0), (0, 0, 255), WHITE, WHITE]
    alphas = np.array([1.0, 0.5, 1.0, 1.0, 1.0])
    drawing.discs(many, centres, 4.0, colours, alphas, 1.5, WHITE)
    for centre, colour, alpha in zip(centres, colours, alphas, strict=True):
        drawing.capsule(one, centre, centre, 4.0, colour, alpha, 1.5, WHITE)
    np.testing.assert_allclose(many.astype(int), one, atol=1)


def test_shadow_darkens_softly():
    picture = np.full((60, 80, 3), 200, np.uint8)
    drawing.shadow(picture, np.array([[20.0, 30.0]]), np.array([[60.0, 30.0]]), 8.0, 0.5)
    assert picture[30, 40, 0] == pytest.approx(100, abs=6)
    assert 100 < picture[34, 40, 0] < 200
    assert picture[5, 40, 0] == 200
    drawing.shadow(picture, np.array([[-90.0, -90.0]]), np.array([[-80.0, -80.0]]), 8.0, 0.5)  # outside: nothing


def test_text_is_drawn_and_clipped():
    picture = black()
    drawing.text(picture, "frame 12", 5, 5, 14)
    width, height = drawing.text_size("frame 12", 14)
    inked = np.argwhere(picture[..., 0] > 100)
    assert len(inked) > 50
    assert inked[:, 0].max() < 5 + height and inked[:, 1].max() < 5 + width
    drawing.text(picture, "far away", 75, 55, 14, shade=0.5)
    drawing.text(picture, "outside", 500, 500, 14)


def test_sides_have_their_colours():
    assert drawing.side_colour("l_wrist") == drawing.LEFT
    assert drawing.side_colour("r_knee") == drawing.RIGHT
    assert drawing.side_colour("spine") == drawing.MIDDLE
    assert drawing.LEFT[0] > drawing.LEFT[2] and drawing.RIGHT[2] > drawing.RIGHT[0]  # warm, cool
