import numpy as np
import pytest

from pellucid.render.heatmaps import AGAINST
from pellucid.render.superpixels import selected, superpixels

WEIGHTS = np.array([0.3, -0.5, 0.04, 0.0, -0.05])
SEGMENTS = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 10, 0), 10, 1)
PIXELS = np.full((20, 20, 3), 100, np.uint8)
TIMES = 22
"""By how much so small a photograph is enlarged."""


def test_the_heaviest_are_selected_first_and_then_the_light_ones_dropped():
    assert selected(WEIGHTS).tolist() == [1, 0, 4, 2]
    assert selected(WEIGHTS, top=3).tolist() == [1, 0, 4]
    assert selected(WEIGHTS, top=3, min_weight=0.05).tolist() == [1, 0, 4]
    assert selected(WEIGHTS, top=2, min_weight=0.4).tolist() == [1]
    assert selected(np.zeros(3)).tolist() == []


def test_selected_superpixels_are_red_or_blue_and_the_rest_is_as_it_was():
    drawn = superpixels(PIXELS, SEGMENTS, WEIGHTS[:4], top=2).astype(int)
    assert drawn.shape == (20 * TIMES, 20 * TIMES, 3)
    red, blue, rest = (drawn[row * TIMES, column * TIMES] for row, column in ((5, 5), (5, 15), (15, 15)))
    assert red[0] > red[2] + 30
    assert blue[2] > blue[0] + 30
    assert rest.tolist() == [100, 100, 100]
    edge = drawn[10 * TIMES - 1, 15 * TIMES]
    assert edge.tolist() == list(AGAINST)  # the heaviest, so its outline lets nothing through
    assert drawn[10 * TIMES - 2, 15 * TIMES].tolist() == blue.tolist()  # and is one pixel of the picture wide


def test_the_heavier_the_stronger():
    drawn = superpixels(PIXELS, SEGMENTS, np.array([1.0, 0.3, 0.02, -1.0])).astype(int)
    strong, weak, noise, against = (drawn[row * TIMES, column * TIMES] for row, column in ((5, 5), (5, 15), (15, 5), (15, 15)))
    redness = [int(one[0] - one[2]) for one in (strong, weak, noise)]
    assert redness[0] > 2 * redness[1] > 4 * redness[2] >= 0
    assert against[2] - against[0] > 30


def test_all_superpixels_are_outlined_and_selected_ones_have_a_white_edge_outside():
    drawn = superpixels(PIXELS, SEGMENTS, WEIGHTS[:4], top=2)
    assert drawn[10 * TIMES, 5 * TIMES].tolist() == [255, 255, 255]
    assert drawn[15 * TIMES, 10 * TIMES].tolist() == [146, 146, 146]


def test_nothing_selected_leaves_the_colours():
    drawn = superpixels(PIXELS, SEGMENTS, np.zeros(4))
    assert drawn[5 * TIMES, 5 * TIMES].tolist() == [100, 100, 100]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"segments run from 0 to 3; the 2 weights are of 0 to 1"):
        superpixels(PIXELS, SEGMENTS, WEIGHTS[:2])
    with pytest.raises(ValueError, match=r"the segments have shape \(20, 20\) and the photograph \(10, 20\)"):
        superpixels(PIXELS[:10], SEGMENTS, WEIGHTS[:4])
    with pytest.raises(ValueError, match=r"top=0; show at least 1"):
        selected(WEIGHTS, top=0)
    with pytest.raises(ValueError, match=r"min_weight=-1; it is a magnitude"):
        selected(WEIGHTS, min_weight=-1)
    with pytest.raises(ValueError, match="the weights hold NaN"):
        selected(np.array([np.nan, 1.0]))
