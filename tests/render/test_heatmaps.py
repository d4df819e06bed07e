import numpy as np
import pytest
import torch

from pellucid.render.colormaps import LEVELS, limits
from pellucid.render.heatmaps import AGAINST, FOR, STRONG, greyed, heatmap, laid_over, overlay, veil, veil_palette

VALUES = np.array([[-4.0, 0.0, 4.0]])
PIXELS = np.array([[[255, 0, 0], [0, 255, 0], [40, 40, 40]]], np.uint8)


def test_the_veil_is_clear_at_zero_and_has_the_sign_in_its_colour():
    layer = veil(VALUES, limits(VALUES, "symmetric"), strength=0.5)
    assert layer[0, :, 3].tolist() == [128, 0, 128]
    assert layer[0, 0, :3].tolist() == list(AGAINST)
    assert layer[0, 2, :3].tolist() == list(FOR)


def test_a_magnitude_has_neither_red_nor_blue():
    layer = veil(VALUES, limits(VALUES, "magnitude"))
    assert layer[0, 0].tolist() == layer[0, 2].tolist()
    assert layer[0, 0, :3].tolist() == list(STRONG)


def test_an_overlay_shows_the_grey_photograph_where_the_map_is_zero():
    drawn = overlay(VALUES, PIXELS, limits(VALUES, "symmetric"))
    assert drawn[0, 1].tolist() == greyed(PIXELS)[0, 1].tolist()
    assert (drawn[0, 0] != greyed(PIXELS)[0, 0]).any()
    assert (overlay(np.zeros((1, 3)), PIXELS, limits(np.zeros((1, 3)), "symmetric")) == greyed(PIXELS)).all()


def test_the_photograph_is_still_seen_under_the_strongest_score():
    values, pixels = np.ones((1, 2)), np.array([[[0] * 3, [255] * 3]], np.uint8)
    dark, light = overlay(values, pixels, limits(values, "symmetric"))[0].astype(int)
    assert (light - dark > 20).all()


def test_grey_is_luma_with_lifted_blacks():
    assert greyed(PIXELS)[0, 0].tolist() == [round(70 + 0.299 * 185)] * 3
    assert greyed(np.zeros((1, 1, 3), np.uint8))[0, 0].tolist() == [70] * 3
    assert greyed(torch.full((1, 1, 3), 255, dtype=torch.uint8))[0, 0].tolist() == [255] * 3


def test_the_legend_of_an_overlay_has_its_very_colours():
    values = np.linspace(-3, 3, LEVELS)[None]
    within = limits(values, "symmetric")
    on_grey = laid_over(veil(values, within), greyed(np.full((1, LEVELS, 3), 128, np.uint8)))
    assert (veil_palette(within) == on_grey[0]).all()


def test_tensors_and_arrays_give_the_same_picture():
    within = limits(VALUES, "symmetric")
    assert (heatmap(torch.tensor(VALUES), within) == heatmap(VALUES, within)).all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"the map has shape \(1, 2\) and the photograph \(1, 3\)"):
        overlay(np.zeros((1, 2)), PIXELS, limits(VALUES, "symmetric"))
    with pytest.raises(ValueError, match=r"strength=0; it is the opacity"):
        veil(VALUES, limits(VALUES, "symmetric"), strength=0)
