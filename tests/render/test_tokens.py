import itertools
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from pellucid.render.colormaps import levels, limits, palette
from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.render.tokens import LINE, ROOM, Piece, TokenRow, token_sheet

WORDS = "The old keeper repaired the broken lamp with a copper wire before the storm came back over the grey sea again".split()  # noqa: SIM905


def row(words=WORDS, signed=True, **more):
    pieces = [Piece(word, (-1) ** n * n / 10 if signed else n / 10) for n, word in enumerate(words)]
    return TokenRow("erasure", [("context", pieces)], "logit", signed, **more)


def boxes(figure, marked=False) -> list[Any]:
    """Left, top, width and colour of what lies below each token."""
    (axes,) = (a for a in figure.axes if a.get_label() == "tokens")
    found = [p for p in axes.patches if isinstance(p, Rectangle)]
    return [(*p.get_xy(), p.get_width(), p.get_facecolor()[:3]) for p in found if (p.get_height() < 5) is marked]


def words(figure):
    (axes,) = (a for a in figure.axes if a.get_label() == "tokens")
    return {t.get_text(): t.get_position() for t in axes.texts}


@pytest.mark.parametrize("signed", [True, False])
def test_each_token_lies_on_the_colour_of_its_score(signed: bool):
    colours = [c for *_, c in boxes(token_sheet([row(signed=signed)]))]
    assert len(colours) == len(WORDS)
    strength = [-sum(c) for c in colours]
    if signed:
        scores = np.array([[(-1) ** n * n / 10 for n in range(len(WORDS))]])
        for level, colour in zip(levels(scores, limits(scores, "symmetric"))[0], colours, strict=True):
            assert np.allclose(colour, palette("symmetric")[level] / 255)
    else:
        assert strength == sorted(strength), "the more, the darker; none is white"
        assert np.allclose(colours[0], palette("symmetric")[127] / 255, atol=0.05)


def test_no_token_lies_on_another_and_all_are_in_the_text_in_its_order():
    figure = token_sheet([row(WORDS * 3)])
    placed = boxes(figure)
    for one, other in itertools.combinations(placed, 2):
        assert abs(one[1] - other[1]) >= LINE or one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
    assert [(top, left) for left, top, *_ in placed] == sorted((top, left) for left, top, *_ in placed)
    assert max(left + wide for left, _, wide, _ in placed) <= figure.get_figwidth() * 144 - 28
    assert len({top for _, top, *_ in placed}) > 2


def test_pieces_of_a_word_stay_together_and_a_word_too_wide_is_broken():
    joined = [Piece("un", 0.1), Piece("will", 0.2, apart=False), Piece("ingly", 0.3, apart=False)]
    filler = [Piece("keeper", 0.1)] * 11
    placed = boxes(token_sheet([TokenRow("erasure", [("", [*filler, *joined])], "logit")]))
    assert len({top for _, top, *_ in placed[-3:]}) == 1
    endless = [Piece("ba", 0.1, apart=False)] * 100
    placed = boxes(token_sheet([TokenRow("erasure", [("", endless)], "logit")]))
    assert len({top for _, top, *_ in placed}) > 1
    assert max(left + wide for left, _, wide, _ in placed) <= 28 + ROOM


def test_a_script_from_right_to_left_runs_from_right_to_left():
    hebrew = [Piece(word, 0.1) for word in ("מי", "כתב", "את", "המכתב")]
    lefts = [left for left, *_ in boxes(token_sheet([TokenRow("erasure", [("", hebrew)], "logit")]))]
    assert lefts == sorted(lefts, reverse=True)


def test_what_has_no_score_has_no_colour_and_what_is_asked_about_is_underlined():
    pieces = [Piece("She", 0.5), Piece("[MASK]", math.nan, marked=True), Piece("it", -0.5)]
    figure = token_sheet([TokenRow("erasure", [("", pieces)], "logit")])
    assert len(boxes(figure)) == 2
    ((left, *_),) = boxes(figure, marked=True)
    assert abs(left - words(figure)["[MASK]"][0]) < 5


def test_the_legend_says_unit_and_limits_and_words_can_be_searched():
    figure = token_sheet([row(facts=["holds up: it is so"]), row(signed=False)], "What speaks", ["a model"])
    text = svg_bytes(figure).decode()
    for said in ("What speaks", "a model", "holds up: it is so", "logit; red for, blue against", "2.00", "-2.00", "keeper"):
        assert said in text
    assert png_bytes(figure) == png_bytes(
        token_sheet([row(facts=["holds up: it is so"]), row(signed=False)], "What speaks", ["a model"])
    )
    assert "no sign" in text


@pytest.mark.parametrize("scores", [[0.0, 0.0], [math.nan, math.nan], [1.0, 1.0]])
def test_scores_without_a_difference_can_be_drawn(scores: list[float]):
    token_sheet([TokenRow("random", [("", [Piece("a", s) for s in scores])], "arbitrary")])


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no tokens to draw"):
        token_sheet([])
    with pytest.raises(ValueError, match="no tokens to draw"):
        token_sheet([TokenRow("erasure", [("", [])], "logit")])
