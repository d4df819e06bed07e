import numpy as np
import pytest

from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.render.plots import curves, filter_sheet
from tests.render.toy import PIXELS


def test_curves_are_the_numbers_on_axes_with_units():
    figure = curves(
        {"lime": np.array([3.0, 2.0, 1.0]), "random": np.array([3.0, 3.0, 3.0])}, "forward passes", "logit", title="Error"
    )
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("forward passes", "logit")
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[1, 3], [2, 2], [3, 1]]
    assert [text.get_text() for text in axes.texts] == ["lime", "random"]


def test_the_names_of_curves_that_end_together_are_kept_apart():
    figure = curves({str(n): np.array([0.0, 1.0]) for n in range(5)}, "step", "logit")
    heights = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    assert min(np.diff(heights)) > 0.06


def test_a_filter_sheet_has_a_picture_and_a_curve_for_every_filter():
    objectives = np.array([[1.0, 2.0], [0.0, 12345.0], [3.0, 3.0]])
    figure = filter_sheet(PIXELS, ["f 0", "f 1", "f 2"], objectives, unit="sum of activations", title="Filters", columns=2)
    assert len(figure.axes) == 6
    said = [text.get_text() for text in figure.texts]
    assert {"1.00 → 2.00", "0 → 1.23e+04", "sum of activations", "f 2"} <= set(said)
    assert {axes.get_xlabel() for axes in figure.axes[1::2]} == {"iteration"}
    assert png_bytes(figure).startswith(b"\x89PNG")
    assert b"sum of activations" in svg_bytes(figure)


def test_patches_are_a_filter_sheet_without_curves():
    figure = filter_sheet(PIXELS, ["a", "b", "c"], captions=["activation 3.2"] * 3, paper="dark")
    assert len(figure.axes) == 3


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="no curve to draw"):
        curves({}, "x", "y")
    with pytest.raises(ValueError, match="a curve holds NaN"):
        curves({"a": np.array([1.0, np.nan])}, "x", "y")
    with pytest.raises(ValueError, match="3 pictures, 2 titles"):
        filter_sheet(PIXELS, ["a", "b"])
    with pytest.raises(ValueError, match="2 curves for 3 pictures"):
        filter_sheet(PIXELS, ["a", "b", "c"], np.zeros((2, 4)))
