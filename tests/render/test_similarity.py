"""Matrices, all layers and the separation as pictures; and sentences in scripts that a font has or lacks."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pellucid.render import scripts, similarity
from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.render.lettering import width
from pellucid.render.scripts import around, can_draw, drawable, families
from pellucid.render.similarity import colours, decimals, separation_curves, shared_limits, similarity_matrix, similarity_strip

LABEL = ("Every morning he eats a green ", "apple", " with a handful of walnuts and a cup of tea.")


def matrix(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.texts] + [t.get_text() for a in figure.axes for t in a.texts]


def test_colours_are_centred_on_zero_and_the_diagonal_is_grey() -> None:
    values = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, -0.5], [0.0, -0.5, 1.0]])
    within = shared_limits([values], similarity=True)
    assert (within.low, within.high) == (-0.5, 0.5)  # not stretched by the ones of the diagonal
    table = colours(values, within)
    assert [tuple(table[n, n]) for n in range(3)] == [(128, 132, 136)] * 3
    assert table[0, 1, 0] > table[0, 1, 2]  # red alike
    assert table[1, 2, 2] > table[1, 2, 0]  # blue opposed
    assert table[0, 2].min() > 240  # zero almost white
    far = shared_limits([np.array([[0.0, 4.0], [4.0, 0.0]]), np.array([[0.0, 9.0], [9.0, 0.0]])], similarity=False)
    assert (far.low, far.high) == (0.0, 9.0)


def test_similarities_of_one_sign_fill_the_range_there_is_and_the_bar_says_it() -> None:
    values = np.array([[1.0, 0.83, 0.86], [0.83, 1.0, 0.93], [0.86, 0.93, 1.0]])
    within = shared_limits([values], similarity=True)
    assert (within.scale, within.low, within.high) == ("minmax", 0.83, 0.93)
    assert len({tuple(colour) for colour in colours(values, within)[0]}) == 3
    figure = similarity_matrix(values, [LABEL] * 3, "cosine similarity")
    assert {"0.830", "0.930"} <= set(texts(figure))
    assert "0.86" in texts(figure)


def test_the_legend_keeps_the_margin() -> None:
    for figure in (
        similarity_matrix(matrix(4), [LABEL] * 4, "cosine similarity"),
        similarity_strip(np.stack([matrix(4)] * 7), range(7), "cosine similarity"),
    ):
        png_bytes(figure)
        assert min(text.get_window_extent().y0 for text in figure.texts if text.get_text()) >= 20


def test_cells_hold_their_numbers_up_to_twelve_sentences() -> None:
    values = matrix(12)
    shown = texts(similarity_matrix(values, [LABEL] * 12, "cosine similarity"))
    for row in range(12):
        for column in range(12):
            assert row == column or f"{values[row, column]:.2f}" in shown
    more = similarity_matrix(matrix(13), [LABEL] * 13, "cosine similarity")
    assert not [a for a in more.axes if a.get_label() == "matrix" and a.texts]


@pytest.mark.parametrize(("step", "digits"), [(0.1, 2), (0.01, 3), (0.001, 4), (0.0, 4)])
def test_numbers_that_are_nearly_equal_have_more_decimals(step: float, digits: int) -> None:
    values = np.full((3, 3), 0.9)
    values[0, 1] = values[1, 0] = 0.9 + step
    assert decimals(values) == digits
    assert f"{0.9 + step:.{digits}f}" in texts(similarity_matrix(values, [LABEL] * 3, "cosine similarity"))


def test_a_distance_is_written_and_called_by_its_unit() -> None:
    values = np.array([[0.0, 12.345], [12.345, 0.0]])
    shown = texts(similarity_matrix(values, [LABEL] * 2, "Euclidean distance", similarity=False))
    assert "12.3" in shown
    assert any("Euclidean distance" in t and "darker is nearer" in t for t in shown)


def test_senses_are_named_and_divided() -> None:
    figure = similarity_matrix(
        matrix(4), [LABEL] * 4, "unit", groups=["fruit", "fruit", "firm", "firm"], title="T", facts=["F"]
    )
    assert {"fruit", "firm", "T", "F"} <= set(texts(figure))
    (axes,) = [a for a in figure.axes if a.get_label() == "matrix"]
    assert sorted({tuple(np.ravel(line.get_xdata())) for line in axes.lines}) == [(0, 1), (1.5, 1.5)]
    assert not [a for a in similarity_matrix(matrix(4), [LABEL] * 4, "unit").axes if a.lines]


def test_a_sentence_is_shortened_around_its_word() -> None:
    assert around(LABEL, 2000, 15) == "Every morning he eats a green «apple» with a handful of walnuts and a cup of tea."
    for room in (120, 200, 300, 400):
        shown = around(LABEL, room, 15)
        assert "«apple»" in shown
        assert width(shown, 15) <= room
        head, _, tail = shown.partition("«apple»")
        assert LABEL[0].endswith(head.removeprefix("…"))
        assert LABEL[2].startswith(tail.removesuffix("…"))
        assert (" " + head.removeprefix("…").strip()) in " " + LABEL[0]  # whole words are left
    assert around(("", "apple", ""), 10, 15) == "«apple»"


def test_letters_that_no_font_has_are_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "FONTS", ())
    assert can_draw("naïve Ωмир תפוח")
    assert not can_draw("蘋果")
    assert drawable("the 蘋果 tree") == "the … tree"
    assert around(("我吃", "蘋果", "。"), 400, 15) == ""
    assert around(("The ", "bank", " 🍎 is open"), 400, 15) == "The «bank» … is open"
    figure = similarity_matrix(
        matrix(3), [("我吃", "蘋果", "。"), LABEL, ("我", "蘋", "")], "unit", title="蘋果", groups=["果", "b", "b"]
    )
    shown = texts(figure)
    assert "by number alone, as no installed font has the letters of sentence 1, 3" in shown
    assert all(can_draw(t) for t in shown)
    assert {"1", "2", "3"} <= set(shown)
    everything = similarity_matrix(matrix(2), [("我吃", "蘋果", "。")] * 2, "unit")
    assert any("of these sentences" in t for t in texts(everything))
    assert everything.bbox.width < figure.bbox.width  # no room is kept for sentences that are not there


def test_an_installed_font_with_the_letters_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    (letter,) = [chr(c) for c in sorted(scripts._letters("STIXGeneral") - scripts._letters("DejaVu Sans"))][:1]
    monkeypatch.setattr(scripts, "FONTS", ("No Such Font", "STIXGeneral"))
    assert families("plain") == ["DejaVu Sans"]
    assert families(f"a{letter}") == ["DejaVu Sans", "STIXGeneral"]
    figure = similarity_matrix(matrix(2), [("a ", letter, " b"), LABEL], "unit")
    (text,) = [t for t in figure.texts if letter in t.get_text()]
    assert text.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]
    png_bytes(figure)  # without a warning of a missing glyph


def test_all_layers_share_one_scale() -> None:
    many = np.stack([matrix(4, seed) for seed in range(9)])
    figure = similarity_strip(
        many, range(9), "unit", captions=[f"c{n}" for n in range(9)], groups=["a", "a", "b", "b"], title="T"
    )
    assert {f"layer {n}" for n in range(9)} | {f"c{n}" for n in range(9)} <= set(texts(figure))
    within = shared_limits(list(many), similarity=True)
    for layer in range(9):
        (axes,) = [a for a in figure.axes if a.get_label() == f"layer {layer}"]
        assert np.array_equal(np.asarray(axes.images[0].get_array()), colours(many[layer], within))


def test_curves_have_bands_a_line_at_zero_and_their_names() -> None:
    middle = np.array([0.0, 0.1, 0.2])
    figure = separation_curves(
        {"as they are": (middle, middle - 0.1, middle + 0.2), "centred": (middle, middle, middle)}, [0, 1, 2], "u"
    )
    (axes,) = figure.axes
    assert {"as they are", "centred"} <= set(texts(figure))
    assert any(np.all(np.asarray(line.get_ydata()) == 0) and len(np.asarray(line.get_ydata())) == 2 for line in axes.lines)
    band: Any = axes.collections[0]
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (pytest.approx(-0.1), pytest.approx(0.4))
    assert axes.get_ylabel() == "u"


@pytest.mark.parametrize(("count", "paper"), [(2, "light"), (12, "dark"), (90, "light")])
def test_pictures_are_the_same_bytes_again_and_nothing_leaves_them(count: int, paper: Any) -> None:
    def draw() -> Figure:
        return similarity_matrix(
            matrix(count), [LABEL] * count, "unit", title="A title " * 9, facts=["A fact " * 40], paper=paper
        )

    figure = draw()
    png = png_bytes(figure)
    assert png == png_bytes(draw())
    wide, tall = figure.bbox.width, figure.bbox.height
    for text in figure.texts:
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= wide + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= tall + 1, text.get_text()


def test_an_svg_keeps_its_words() -> None:
    svg = svg_bytes(similarity_matrix(matrix(3), [LABEL] * 3, "unit")).decode()
    assert "«apple»" in svg


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="a matrix of 3 sentences, 2 labels and 0 groups; give one each a sentence"):
        similarity_matrix(matrix(3), [LABEL] * 2, "unit")
    with pytest.raises(ValueError, match="2 matrices, 3 layers and 0 captions; give one each a layer"):
        similarity_strip(np.stack([matrix(3)] * 2), [0, 1, 2], "unit")
    with pytest.raises(ValueError, match="no curve to draw"):
        separation_curves({}, [0], "unit")
    with pytest.raises(ValueError, match="'a' has 1, 1 and 1 values for 2 layers"):
        separation_curves({"a": (np.zeros(1), np.zeros(1), np.zeros(1))}, [0, 1], "unit")
    assert similarity.NUMBERED == 12
