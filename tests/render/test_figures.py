"""A figure draws no boxes for letters without a font, whoever draws it: warnings, of which boxes are one, are errors here."""

import io
import pickle

import numpy as np
import pytest
from IPython.core.pylabtools import print_figure
from PIL import Image

from pellucid.render import scripts
from pellucid.render.figures import NO_FONT, Canvas, png_bytes, svg_bytes


@pytest.fixture
def canvas(monkeypatch: pytest.MonkeyPatch) -> Canvas:
    """A figure named like a file in Chinese, where no font has its letters."""
    monkeypatch.setattr(scripts, "FONTS", ())
    canvas = Canvas(400, 100)
    canvas.text(10, 10, "貓.jpg")
    canvas.strip(np.zeros((1, 9, 3), np.uint8), 10, 50, (90, 20), "colours")  # a notebook shows no figure without axes
    return canvas


def test_saved_plainly_it_is_what_pellucid_saves(canvas: Canvas):
    buffer = io.BytesIO()
    canvas.figure.savefig(buffer)
    with Image.open(buffer) as plain, Image.open(io.BytesIO(png_bytes(canvas.figure))) as ours:
        assert np.array_equal(np.asarray(plain.convert("RGB")), np.asarray(ours))
    assert [text.get_text() for text in canvas.figure.texts] == ["貓.jpg"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_notebook_and_any_format_draw_an_ellipsis(canvas: Canvas, suffix: str):
    canvas.figure.savefig(io.BytesIO(), format=suffix)
    assert print_figure(canvas.figure, suffix)
    assert print_figure(pickle.loads(pickle.dumps(canvas.figure)), suffix)


def test_an_svg_whose_text_stays_text_keeps_its_letters(canvas: Canvas):
    assert "貓.jpg" in svg_bytes(canvas.figure).decode()
    assert NO_FONT not in svg_bytes(canvas.figure).decode()
