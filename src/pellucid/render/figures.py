"""Figures without pyplot: the same bytes for the same input, whatever ran before and in whichever thread."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from jaxtyping import UInt8
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pellucid.render.numbers import Real
from pellucid.render.scripts import can_draw, drawable, families

Paper = Literal["light", "dark"]
DPI = 144
"""A figure is laid out in pixels of this density; saved as PNG, it has exactly that many."""

NO_FONT = "…: letters that no installed font has"


@final
@dataclass(frozen=True)
class Theme:
    """The colours of everything that is not a picture."""

    paper: str
    ink: str
    faint: str
    lines: tuple[str, ...]
    """Of curves: Okabe and Ito's palette, told apart with every common colour blindness."""


THEMES: dict[Paper, Theme] = {
    "light": Theme("#ffffff", "#1b1f24", "#5c6670", ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3a87b7")),
    "dark": Theme("#16191d", "#e6e9ec", "#a3adb7", ("#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#f0e442", "#9ec9e2")),
}


@final
class Drawing(Figure):
    """A figure in which an ellipsis stands for letters that no installed font has, whoever draws or saves it."""

    def draw(self, renderer: Any) -> None:
        with _drawable(self):
            super().draw(renderer)

    def get_tightbbox(self, *args: Any, **kwargs: Any) -> Any:
        with _drawable(self):  # a notebook measures the figure first
            return super().get_tightbbox(*args, **kwargs)


class Canvas:
    """A figure that is measured in pixels from its upper left corner."""

    def __init__(self, width: int, height: int, paper: Paper = "light") -> None:
        self.width, self.height, self.theme = width, height, THEMES[paper]
        self.figure = Drawing(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=self.theme.paper)
        FigureCanvasAgg(self.figure)

    def axes(self, left: Real, top: Real, width: Real, height: Real, label: str) -> Axes:
        """Axes there; `label` is their name in the figure and in the SVG."""
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place, label=label, facecolor="none")

    def image(
        self, picture: UInt8[np.ndarray, "height width 3"], left: Real, top: Real, size: tuple[int, int], label: str
    ) -> Axes:
        """The picture there, at `size` (width, height). Whole multiples keep its pixels square and sharp."""
        axes = self.axes(left, top, *size, label)
        axes.set_axis_off()
        if picture.shape[1] > size[0]:
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        # "none" puts the pixels as they are into an SVG, where any other choice would resample them
        axes.imshow(picture, interpolation="none", aspect="auto")
        return axes

    def strip(
        self, colours: UInt8[np.ndarray, "rows columns 3"], left: Real, top: Real, size: tuple[int, int], label: str
    ) -> Axes:
        """A colour bar there, one colour after the other without steps between them."""
        axes = self.axes(left, top, *size, label)
        axes.set_axis_off()
        axes.imshow(colours, aspect="auto", interpolation="none")
        return axes

    def text(
        self,
        left: Real,
        top: Real,
        text: str,
        size: Real = 16,
        *,
        align: Literal["left", "center", "right"] = "left",
        faint: bool = False,
        bold: bool = False,
    ) -> None:
        """Text of that many pixels whose upper edge is at `top`; line breaks are kept."""
        self.figure.text(
            left / self.width, 1 - top / self.height, text, fontsize=points(size), ha=align, va="top", linespacing=1.3,
            color=self.theme.faint if faint else self.theme.ink, fontweight="bold" if bold else "normal",
            fontfamily=families(text), parse_math=False,
        )  # fmt: skip

    def plain(self, axes: Axes, size: Real = 13) -> None:
        """Axes for curves: left and lower spine, small figures, a faint grid."""
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(self.theme.faint)
        axes.tick_params(colors=self.theme.faint, labelsize=points(size), length=3, width=0.8)
        axes.grid(color=self.theme.faint, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)


def points(pixels: Real) -> float:
    """A font size in pixels of the layout as matplotlib wants it."""
    return pixels * 72 / DPI


def display_size(height: int, width: int, wanted: int = 224) -> tuple[int, int]:
    """Width and height at which to show a picture: a whole multiple of its own near `wanted`, or shrunk to it."""
    side = max(height, width)
    if side > wanted * 1.5:
        return max(1, round(width * wanted / side)), max(1, round(height * wanted / side))
    times = max(1, round(wanted / side))
    return width * times, height * times


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, without a date or a program's name in it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    # a heat map's noise is most of the file, so the alpha channel, opaque everywhere, is worth leaving out
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, "PNG")
    return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG: text stays text, so that it can be searched and read out; pictures are embedded as PNG."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "pellucid", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _texts(figure: Figure) -> list[Any]:
    """Every text that is drawn: of axes that are not, such as a picture's, the ticks are not even made, which takes a while."""
    parts: list[Any] = [part for part in figure.get_children() if part not in figure.axes]
    for axes in figure.axes:
        hidden = () if axes.axison else (axes.xaxis, axes.yaxis)
        parts += [part for part in axes.get_children() if part not in hidden]
    return [text for part in parts for text in part.findobj(Text)]


@contextmanager
def _drawable(figure: Figure) -> Iterator[None]:
    """While inside, every letter that no installed font has is an ellipsis, and the figure's lower edge says so once.

    An SVG whose text stays text keeps them: whoever opens it may have the font.
    """
    if figure.canvas.get_default_filetype() == "svg" and rcParams["svg.fonttype"] == "none":
        yield
        return
    cut = {text: said for text in _texts(figure) if not can_draw(said := text.get_text())}
    for text, said in cut.items():
        text.set_text(drawable(said))
    if cut:
        size, edge = points(12), 8 / (figure.get_figwidth() * DPI)
        figure.text(1 - edge, 0.0, NO_FONT, fontsize=size, ha="right", va="bottom", color=next(iter(cut)).get_color())
    try:
        yield
    finally:
        for text, said in cut.items():
            text.set_text(said)
        if cut:
            figure.texts[-1].remove()


def save(figure: Figure, path: str | Path) -> Path:
    """Writes the figure as its ending says, .png or .svg, and returns the path. ValueError for another ending."""
    path = Path(path)
    writers = {".png": png_bytes, ".svg": svg_bytes}
    if path.suffix.lower() not in writers:
        raise ValueError(f"{path.name!r} ends in {path.suffix or 'nothing'}; pictures are written as .png or .svg")
    path.write_bytes(writers[path.suffix.lower()](figure))
    return path
