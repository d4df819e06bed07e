import numpy as np
import pytest
from matplotlib.figure import Figure

from pellucid.render.attention import heat
from pellucid.render.figures import NO_FONT, Canvas, png_bytes, svg_bytes
from pellucid.render.heading import Heading
from pellucid.render.lettering import width, wrapped
from pellucid.render.plots import filter_sheet
from pellucid.render.rows import Row, photograph_row
from pellucid.render.sheets import sheet
from tests.render.toy import COLUMNS, PIXELS


def said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_a_title_is_wrapped_and_never_cut():
    title = "Attention rollout from layer 6 down to the input of a network with a long name"
    made = Heading.within(300, title, ["a fact " * 20])
    assert len(made.title) > 2
    assert " ".join(made.title) == title
    assert all(width(line, 22, bold=True) <= 300 for line in made.title)
    assert Heading.within(900, title).height < made.height
    assert Heading.within(900, "").height == 0


def test_figures_of_few_tokens_or_pictures_have_their_whole_title():
    title = "Attention flow from layer 6 down to the input"
    assert title in said(heat(["a", "b"], np.eye(2), title=title))
    title = "_blocks.5._project_conv: the patches that excite each filter most"
    figure = filter_sheet(PIXELS[:1], ["filter 0"], title=title, captions=["0.31 seafood_spiny_lobster_in_a_tank.jpg"])
    assert title in said(figure)
    assert "0.31 seafood_spiny_lobster_in_a_tank.jpg" in said(figure).replace("_ ", "_")


def test_a_word_too_wide_for_its_line_is_broken_behind_its_marks():
    assert wrapped("integrated_gradients", 150, 18, bold=True) == ["integrated_", "gradients"]
    assert wrapped("the integrated_gradients", 150, 18, bold=True) == ["the", "integrated_", "gradients"]
    assert "".join(wrapped("一二三四五六", 33, 16)) == "一二三四五六"
    assert "…" in wrapped("x" * 80, 150, 18)[0]


def test_titles_and_captions_of_a_sheet_are_whole():
    row = Row("integrated_gradients", tuple(PIXELS), ("R2 0.99, relative error 0.055 of a whole long story",) * 3)
    text = said(sheet(COLUMNS, [photograph_row(PIXELS), row]))
    for whole in ("integrated_ gradients", "R2 0.99, relative error 0.055 of a whole long story", COLUMNS[2].target):
        assert whole in text
    assert "…" not in text


def test_letters_without_a_font_become_an_ellipsis_in_a_png_and_stay_in_an_svg(monkeypatch):
    monkeypatch.setattr("pellucid.render.scripts.FONTS", ())
    canvas = Canvas(600, 120)
    canvas.text(20, 20, "chien à la plage 狗狗.jpg")
    canvas.text(20, 60, "狗")
    seen: list[str] = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda figure, renderer: (seen.append(said(figure)), draw(figure, renderer))[1])
    png_bytes(canvas.figure)
    assert seen == [f"chien à la plage ….jpg … {NO_FONT}"]
    assert said(canvas.figure) == "chien à la plage 狗狗.jpg 狗"
    assert "狗狗" in svg_bytes(canvas.figure).decode()


@pytest.mark.parametrize("size", [11, 13, 22 * 2 / 3, 16, 22])
def test_no_text_is_drawn_wider_than_it_was_measured(size):
    text = "Band: 95 % of 1000 bootstrap samples, seed 0; it speaks of this text's words, not of other texts."
    canvas = Canvas(1600, 120)
    canvas.text(20, 20, text, size)
    drawn = canvas.figure.texts[0].get_window_extent().width
    assert drawn - 1 <= width(text, size) < 1.04 * drawn
