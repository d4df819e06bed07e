import itertools
from typing import Any

import numpy as np
import pytest

from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.render.labels import Box, place_labels
from pellucid.render.layers import CurvePanel, layer_curves, layer_grid

LABELS = ("[CLS]", "who", "?", "[SEP]", "the", "queen", "wrote", ".", "[SEP]")
ROLES = ("special", "question", "question", "special", "context", "answer", "context", "context", "special")


def grid(layers=3, **how):
    spots = np.random.default_rng(0).normal(size=(layers, len(LABELS), 3)) * np.arange(1, layers + 1)[:, None, None]
    how = {"outlined": [r in ("context", "answer") for r in ROLES], **how}
    shares = np.full((layers, 3), 0.25)
    return layer_grid(spots, LABELS, ROLES, shares, np.linspace(0.6, 0.9, layers), **how), spots


def panels(figure) -> list[Any]:
    return [a for a in figure.axes if a.get_label() != "legend"]


def texts(figure):
    return [t.get_text() for t in figure.texts] + [t.get_text() for a in figure.axes for t in a.texts]


def test_every_token_is_a_point_where_it_lies():
    figure, spots = grid()
    assert [a.get_label() for a in panels(figure)] == ["layer 0, embeddings", "layer 1", "layer 2"]
    for axes, layer in zip(panels(figure), spots, strict=True):
        drawn = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(layer[:, :2], axis=0))
        assert {tuple(p) for p in drawn.round(9)} == {tuple(p) for p in layer[:, :2].round(9)}


def test_all_points_are_inside_and_both_axes_have_one_unit():
    for shared in (True, False):
        figure, spots = grid(shared=shared)
        for axes, layer in zip(panels(figure), spots, strict=True):
            (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
            assert (layer[:, 0] > x0).all()
            assert (layer[:, 0] < x1).all()
            assert (layer[:, 1] > y0).all()
            assert (layer[:, 1] < y1).all()
            box = axes.get_window_extent()
            assert (x1 - x0) / box.width == pytest.approx((y1 - y0) / box.height)
        limits = {axes.get_xlim() for axes in panels(figure)}
        assert (len(limits) == 1) is shared


def test_the_answer_differs_in_shape_and_colour():
    figure, _ = grid(outlined=())
    axes = panels(figure)[0]
    looks = {(c.get_paths()[0].vertices.shape, tuple(np.round(c.get_facecolor()[0], 3))) for c in axes.collections}
    assert len(looks) == 4  # special, context, question, answer
    shapes = {shape for shape, _ in looks}
    assert len(shapes) == 4


def test_outlined_tokens_have_a_ring_of_ink():
    figure, _ = grid()
    plain, _ = grid(outlined=())

    def edges(f):
        return sum(len(c.get_offsets()) for c in panels(f)[0].collections if len(c.get_edgecolor())
                   and np.allclose(c.get_edgecolor()[0][:3], (0x1B / 255, 0x1F / 255, 0x24 / 255)))  # fmt: skip

    assert edges(figure) == sum(r in ("context", "answer") for r in ROLES)
    assert edges(plain) == 0
    assert "of a supporting fact" in texts(figure)
    assert "of a supporting fact" not in texts(plain)


def test_captions_say_variance_trustworthiness_and_what_was_left_out():
    figure, _ = grid(title="A title", facts=["3 x 9 wordpieces"], axis="component")
    assert {"A title", "3 x 9 wordpieces", "trustworthiness 0.60"} <= {t.split(", ")[0] for t in texts(figure)}
    assert panels(figure)[1].get_xlabel() == "component 1: 25 % of the variance"
    assert panels(figure)[1].get_ylabel() == "component 2: 25 % of the variance"
    many = 60
    crowded = layer_grid(np.zeros((1, many, 2)), ["word"] * many, ["context"] * many, np.zeros((1, 2)), np.ones(1))
    placed = [t for t in panels(crowded)[0].texts if t.get_text() == "word"]
    assert f"{many - len(placed)} words without room" in " ".join(texts(crowded))


def test_trails_lead_from_the_layer_before():
    figure, spots = grid(trails=True, shared=True)
    first, second, *_ = panels(figure)
    ends = {tuple(np.round([*line.get_xdata(), *line.get_ydata()], 6)) for line in second.lines}
    expected = {
        tuple(np.round([spots[0, i, 0], spots[1, i, 0], spots[0, i, 1], spots[1, i, 1]], 6)) for i in range(len(LABELS))
    }
    assert expected <= ends
    assert len(second.lines) >= len(LABELS) > len(first.lines)


def test_no_word_lies_on_another():
    generator = np.random.default_rng(1)
    spots = [(float(x), float(y), 4.0) for x, y in generator.uniform(0, 400, (80, 2))]
    avoid = [Box(x - 4, y - 4, x + 4, y + 4) for x, y, _ in spots[:10]]
    found = place_labels(spots, [(50.0, 15.0)] * 80, Box(0, 0, 400, 400), avoid, urgent=5)
    boxes = [b for b in found if b]
    assert 20 < len(boxes) < 80
    assert all(found[:5])
    assert not any(a.meets(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(a.meets(b) for a in boxes for b in avoid)
    assert all(b.inside(Box(0, 0, 400, 400)) for b in boxes)


def test_an_urgent_word_goes_farther_or_over_what_it_would_rather_not_cover():
    everything, area = Box(-1, -1, 101, 101), Box(0, 0, 100, 100)
    spot, size = [(50.0, 50.0, 3.0)], [(20.0, 10.0)]
    assert place_labels(spot, size, area, rather_not=[everything]) == [None]
    assert place_labels(spot, size, area, rather_not=[everything], urgent=1)[0] is not None
    around = Box(30, 35, 70, 65)
    assert place_labels(spot, size, area, avoid=[around]) == [None]
    (far,) = place_labels(spot, size, area, avoid=[around], urgent=1)
    assert far is not None
    assert not far.meets(around)


def test_words_of_the_picture_do_not_overlap():
    figure, _ = grid()
    figure.canvas.draw()
    for axes in panels(figure):
        boxes = [t.get_window_extent() for t in axes.texts]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_the_same_bytes_twice_on_both_papers_and_as_svg():
    for paper in ("light", "dark"):
        assert png_bytes(grid(paper=paper)[0]) == png_bytes(grid(paper=paper)[0])
    svg = svg_bytes(grid()[0]).decode()
    assert "layer 0, embeddings" in svg
    assert "queen" in svg


def test_what_does_not_fit_is_said():
    spots = np.zeros((2, 9, 2))
    with pytest.raises(ValueError, match="9 tokens, 8 labels, 9 roles and 9 outlines; one a token"):
        layer_grid(spots, LABELS[:-1], ROLES, np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="2 layers of 1 components"):
        layer_grid(spots[..., :1], LABELS, ROLES, np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="no role named 'verb'; known: answer, question"):
        layer_grid(spots, LABELS, ("verb", *ROLES[1:]), np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="NaN"):
        layer_grid(spots * np.nan, LABELS, ROLES, np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="no curve"):
        layer_curves([])


def line(shift=0.0):
    value = np.linspace(0.1, 0.7, 7) + shift
    return value, value - 0.05, value + 0.05


def test_curves_carry_their_values_and_bands():
    figure = layer_curves(
        [CurvePanel("one", {"a": line(), "b": line(0.2)}, "what it is", ("a note",)), CurvePanel("two", {"a": line()})]
    )
    one, two = panels(figure)
    drawn = [np.asarray(ln.get_ydata()) for ln in one.lines if len(ln.get_xdata()) == 7]
    np.testing.assert_allclose(drawn, [line()[0], line(0.2)[0]])
    assert len(one.collections) == 2  # two bands
    band = one.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0.05)
    assert band[:, 1].max() == pytest.approx(0.75)
    assert one.get_ylim()[0] <= 0 <= one.get_ylim()[1]
    assert len(two.collections) == 1
    assert {"a", "b", "what it is\na note"} <= set(texts(figure))
    solid, dashed = (ln.get_linestyle() for ln in one.lines if len(ln.get_xdata()) == 7)
    assert solid != dashed  # told apart without colour


def test_a_measure_without_values_says_so():
    nothing = np.full(7, np.nan)
    figure = layer_curves([CurvePanel("one", {"a": (nothing, nothing, nothing)})])
    assert "not measured" in texts(figure)
    png_bytes(figure)
