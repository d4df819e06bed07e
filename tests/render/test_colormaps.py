import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pellucid.render import colormaps
from pellucid.render.colormaps import LEVELS, Limits, legend, levels, limits, palette
from pellucid.render.heatmaps import heatmap

MIDDLE = LEVELS // 2
finite = arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300, allow_subnormal=False))


def test_zero_and_both_limits_have_the_exact_colours_of_the_diverging_map():
    values = np.array([[-2.0, 0.0, 2.0]])
    drawn = palette("symmetric")[levels(values, limits(values, "symmetric"))]
    assert drawn.tolist() == [[[5, 48, 97], [247, 247, 247], [103, 0, 31]]]


def test_zero_and_the_limit_have_the_exact_colours_of_the_sequential_map():
    values = np.array([[0.0, -2.0, 2.0]])
    drawn = palette("magnitude")[levels(values, limits(values, "magnitude"))]
    assert drawn.tolist() == [[[0, 0, 4], [252, 253, 191], [252, 253, 191]]]


@given(finite)
def test_a_map_and_its_negative_are_mirrored_about_the_middle(values):
    within = limits(values, "symmetric")
    assert limits(-values, "symmetric") == within
    there, back = levels(values, within).astype(int), levels(-values, within).astype(int)
    assert (there + back == 2 * MIDDLE).all()
    assert (there[values == 0] == MIDDLE).all()


@given(finite, st.sampled_from(["symmetric", "magnitude", "minmax"]), st.floats(0.5, 1))
def test_larger_scores_never_have_lower_colours_and_nothing_warns(values, scale, quantile):
    within = limits(values, scale, quantile)
    order = np.abs(values) if scale == "magnitude" else values
    drawn = levels(values, within).ravel()[np.argsort(order.ravel(), kind="stable")].astype(int)
    assert (np.diff(drawn) >= 0).all()


def test_limits_can_be_read_back():
    values = np.array([[-3.0, 1.0], [0.5, 2.0]])
    assert limits(values, "symmetric") == Limits("symmetric", -3.0, 3.0, 3.0)
    assert limits(values, "magnitude") == Limits("magnitude", 0.0, 3.0, 3.0)
    assert limits(values, "minmax") == Limits("minmax", -3.0, 2.0, 2.0)
    assert limits([values, 2 * values], "symmetric").high == 6.0
    assert limits(torch.tensor(values, requires_grad=True), "symmetric").high == 3.0


def test_minmax_is_zero_to_one_of_each_image_as_the_classic_course_draws_it():
    values = np.array([[2.0, 3.0, 4.0]])
    assert levels(values, limits(values, "minmax")).tolist() == [[0, MIDDLE, LEVELS - 1]]


def test_a_robust_limit_says_how_much_it_cuts_and_draws_that_as_the_end():
    values = np.r_[np.linspace(-1, 1, 998), 50.0, -70.0].reshape(10, 100)
    within = limits(values, "symmetric", 0.99)
    assert within.high < 1.0
    assert within.largest == 70.0
    assert within.beyond == (np.abs(values) > within.high).mean() == 0.008  # the two 0.99 ends lie on the limit
    assert levels(values, within)[-1, -2:].tolist() == [LEVELS - 1, 0]
    assert "0.8 % lie beyond" in legend([within], "logit").text


def test_a_quantile_of_nothing_but_zeros_cuts_nothing():
    values = np.zeros((10, 100))
    values[0, 0] = -4.0
    assert limits(values, "symmetric", 0.9) == Limits("symmetric", -4.0, 4.0, 4.0, 0.0)


@pytest.mark.parametrize("value", [0.0, 7.0])
@pytest.mark.parametrize("scale", ["symmetric", "magnitude", "minmax"])
def test_a_constant_map_is_drawn_without_a_warning(scale, value):
    values = np.full((3, 3), value)
    within = limits(values, scale)
    expected = {"symmetric": MIDDLE, "magnitude": 0, "minmax": 0}[scale]
    if value and scale != "minmax":
        expected = LEVELS - 1
    assert (levels(values, within) == expected).all()
    assert legend([within], "logit").text


def test_a_legend_has_the_unit_the_limits_and_the_meaning_of_the_colours():
    values = np.array([[-0.03123, 0.01]])
    alone = legend([limits(values, "symmetric")], "logit per input unit")
    assert alone.text == "from -0.0312 to 0.0312 logit per input unit; red for, blue against"
    assert alone.ticks == ((0.0, "-0.0312"), (0.5, "0"), (1.0, "0.0312"))
    several = legend([limits(values, "symmetric"), limits(2 * values, "symmetric")], "logit")
    assert several.text == "from -max to +max logit; each image its own scale; red for, blue against"
    assert "smallest to largest" in legend([limits(values, "minmax")], "logit").text
    assert "no sign" in legend([limits(values, "magnitude")], "logit").text


def test_captions_give_the_limits_in_figures():
    values = np.array([[-0.03123, 0.01]])
    said = [colormaps.caption(limits(values, scale)) for scale in ("symmetric", "magnitude", "minmax")]
    assert said == ["±0.0312", "0 to 0.0312", "-0.031 to 0.0100"]
    assert colormaps.caption(limits(np.zeros((2, 2)), "symmetric")) == "all 0"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_have_no_colour(bad):
    values = np.zeros((2, 3))
    values[1, 2] = bad
    with pytest.raises(ValueError, match=r"1 of the map's 6 scores are NaN or infinite"):
        limits(values, "symmetric")
    with pytest.raises(ValueError, match="NaN or infinite"):
        levels(values, Limits("symmetric", -1.0, 1.0, 1.0))


def test_bad_options_are_named():
    with pytest.raises(ValueError, match=r"quantile=0; it is the share"):
        limits(np.zeros((2, 2)), "symmetric", 0)
    with pytest.raises(ValueError, match="no map to take limits of"):
        limits([], "symmetric")


def test_the_palette_is_perceived_by_lightness_too():
    """Red-green blindness leaves lightness: it must fall to both sides of zero, and rise with a magnitude."""
    luma = palette("symmetric") @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(luma[: MIDDLE + 1]) > -1).all()
    assert (np.diff(luma[MIDDLE:]) < 1).all()
    assert (np.diff(palette("magnitude") @ np.array([0.299, 0.587, 0.114])) > -1).all()


def test_the_bar_of_a_map_without_a_range_has_one_colour_and_says_so():
    for scale in ("symmetric", "magnitude", "minmax"):
        zero = np.zeros((2, 2))
        within = limits(zero, scale)
        bar = legend([within], "logit")
        assert {tuple(one) for one in bar.colours} == {tuple(heatmap(zero, within)[0, 0])}
        assert bar.notes == ("every score is 0",)
