"""All heads of all layers at once: their attention as small pictures, or numbers of theirs as grids of colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from pellucid.render.attention import MARGIN, colour_bar
from pellucid.render.colormaps import Legend, Limits, legend, limits, scores
from pellucid.render.figures import Canvas, Paper, points
from pellucid.render.heading import Heading
from pellucid.render.heatmaps import heatmap
from pellucid.render.lettering import fitted, width, wrapped
from pellucid.render.numbers import number

THUMBNAIL, BETWEEN, NUMBERS = 72, 6, 64
"""In pixels: a head's picture at least, the space around it, and the width of the layers' names."""
CELL = (44, 30)
"""Least width, and height, of a cell that holds a number."""
FIGURES = 12
"""Size of the numbers in cells."""


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """One number of every head."""

    title: str
    values: Float[np.ndarray | Tensor, "layer head"]
    unit: str
    scale: Literal["magnitude", "symmetric"] = "magnitude"
    """`symmetric` where the sign says something: its colours are centred on zero."""
    signs: tuple[str, str] = ("above 0", "below 0")
    """What red and blue stand for."""


def overview(
    attentions: Float[np.ndarray | Tensor, "layer head query key"],
    layers: Sequence[int],
    heads: Sequence[int],
    *,
    unit: str = "attention weight",
    title: str = "",
    facts: Sequence[str] = (),
    paper: Paper = "light",
) -> Figure:
    """A small heat map of every head, layers downwards and heads across, all on one colour scale.

    In each, queries go downwards and keys across. ValueError for as many layers or heads as there are not.
    """
    weights = np.asarray(attentions)
    _check(weights, layers, heads)
    count = weights.shape[-1]
    side = count * max(1, round(THUMBNAIL / count)) if count <= 2 * THUMBNAIL else THUMBNAIL
    step = side + BETWEEN
    wide = max(2 * MARGIN + NUMBERS + len(heads) * step, 640)
    within = limits(weights.reshape(-1, count), "magnitude")
    canvas, top = _frame(wide, len(layers) * step, title, facts, paper)
    left = MARGIN + NUMBERS
    for at, head in enumerate(heads):
        canvas.text(left + at * step + side / 2, top - 22, str(head), 14, align="center", faint=True)
    for row, layer in enumerate(layers):
        canvas.text(MARGIN, top + row * step + side / 2 - 8, f"layer {layer}", 14, faint=True)
        for at, head in enumerate(heads):
            picture = heatmap(weights[row, at], within)
            picture = np.asarray(
                Image.fromarray(picture).resize(
                    (side, side), Image.Resampling.NEAREST if side >= count else Image.Resampling.BOX
                )
            )
            canvas.image(picture, left + at * step, top + row * step, (side, side), f"layer {layer} head {head}")
    colour_bar(
        canvas, replace(legend([within], unit), notes=()), left, top + len(layers) * step + 12, min(480, wide - left - MARGIN)
    )
    return canvas.figure


def head_grids(
    panels: Sequence[Panel],
    layers: Sequence[int],
    heads: Sequence[int],
    *,
    title: str = "",
    facts: Sequence[str] = (),
    columns: int = 2,
    paper: Paper = "light",
) -> Figure:
    """Of each panel a grid, layers downwards and heads across: a colour and the number itself, over the panel's own legend.

    ValueError for no panel, and for as many layers or heads as there are not.
    """
    if not panels:
        raise ValueError("no panel to draw")
    for panel in panels:
        _check(np.asarray(panel.values), layers, heads)
    columns = min(columns, len(panels))
    longest = max(width(short(value), FIGURES) for panel in panels for value in scores(panel.values).flat)
    cell = (max(CELL[0], math.ceil(longest) + 12), CELL[1])
    size = (cell[0] * len(heads), cell[1] * len(layers))
    across = max(NUMBERS + size[0], 340)
    bars = [_legend(p) for p in panels]
    said = max(len(wrapped("; ".join([bar.unit, *bar.notes]), across - NUMBERS, 13)) for bar in bars)
    step = (across + 40, 58 + size[1] + 64 + 17 * said + 16)
    wide = max(2 * MARGIN + columns * step[0] - 40, 560)
    canvas, top = _frame(wide, -(-len(panels) // columns) * step[1] - 108, title, facts, paper)
    top -= 22
    for index, (panel, bar) in enumerate(zip(panels, bars, strict=True)):
        left, above = MARGIN + index % columns * step[0], top + index // columns * step[1]
        canvas.text(left + NUMBERS, above, fitted(panel.title, across - NUMBERS, 17, bold=True), 17, bold=True)
        _grid(canvas, panel, layers, heads, (left + NUMBERS, above + 48), cell)
        colour_bar(canvas, bar, left + NUMBERS, above + 48 + size[1] + 12, max(size[0], across - NUMBERS))
    return canvas.figure


def _grid(
    canvas: Canvas, panel: Panel, layers: Sequence[int], heads: Sequence[int], corner: tuple[int, int], cell: tuple[int, int]
) -> None:
    left, top = corner
    values, within = scores(panel.values), _within(panel)
    picture = heatmap(values, within)
    axes = canvas.image(
        picture.repeat(cell[1], 0).repeat(cell[0], 1), left, top, (cell[0] * len(heads), cell[1] * len(layers)), panel.title
    )
    light = picture @ np.array([0.299, 0.587, 0.114]) > 140
    for row, layer in enumerate(layers):
        canvas.text(left - 10, top + row * cell[1] + 7, f"layer {layer}", 13, align="right", faint=True)
        for at in range(len(heads)):
            axes.text(
                (at + 0.5) * cell[0], (row + 0.5) * cell[1], short(values[row, at]), ha="center", va="center",
                fontsize=points(FIGURES), color="#000000" if light[row, at] else "#ffffff", parse_math=False,
            )  # fmt: skip
    for at, head in enumerate(heads):
        canvas.text(left + (at + 0.5) * cell[0], top - 20, str(head), 13, align="center", faint=True)


def short(value: float) -> str:
    """A number of at most five characters and a sign, such as 0.031, -0.12, 12 or 3e-5."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    if value == 0 or abs(value) >= 0.001:
        return number(value, 2 if abs(value) >= 0.01 else 1)
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _legend(panel: Panel) -> Legend:
    bar = legend([_within(panel)], panel.unit, signs=panel.signs)
    return bar if panel.scale == "symmetric" else replace(bar, notes=())


def _within(panel: Panel) -> Limits:
    return limits(panel.values, panel.scale)


def _check(values: np.ndarray, layers: Sequence[int], heads: Sequence[int]) -> None:
    if not layers or not heads or values.shape[:2] != (len(layers), len(heads)):
        raise ValueError(f"{len(layers)} layers and {len(heads)} heads for values of {values.shape}")


def _frame(wide: int, tall: int, title: str, facts: Sequence[str], paper: Paper) -> tuple[Canvas, int]:
    """The canvas with its title and facts, and where its pictures start; room for a legend below them."""
    heading = Heading.within(wide - 2 * MARGIN, title, facts)
    top = MARGIN + heading.height + 40
    canvas = Canvas(wide, top + tall + 108, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    return canvas, top
