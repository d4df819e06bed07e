"""Curves, and grids of pictures that have one each: what gradient ascent made of a filter, and how its objective grew."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pellucid.render.figures import Canvas, Paper, display_size, points
from pellucid.render.heading import Heading
from pellucid.render.lettering import fitted, width, wrapped
from pellucid.render.numbers import number

Curve = Float[np.ndarray | Tensor, " point"]
MARGIN, GAP = 28, 24


def curves(
    lines: Mapping[str, Curve],
    across: str,
    unit: str,
    *,
    title: str = "",
    at: Curve | None = None,
    size: tuple[int, int] = (720, 400),
    paper: Paper = "light",
) -> Figure:
    """Named curves over the values `at`, by default 1, 2, 3, ...; `across` and `unit` name the axes.

    Each curve is named at its end, so that no colour need be looked up; `size` is width and height in pixels.
    """
    if not lines:
        raise ValueError("no curve to draw")
    canvas = Canvas(*size, paper)
    heading = Heading.within(size[0] - 2 * MARGIN, title, size=19)
    heading.draw(canvas, MARGIN, 23)
    top = 24 + heading.height
    names = len(lines) > 1
    room = max(width(name, 14) for name in lines) + 16 if names else 0
    axes = canvas.axes(84, top, size[0] - 84 - 24 - room, size[1] - top - 64, "curves")
    canvas.plain(axes)
    ends: list[tuple[float, str, str]] = []
    for index, (name, values) in enumerate(lines.items()):
        colour = canvas.theme.lines[index % len(canvas.theme.lines)]
        height = _curve(axes, values, at, colour)
        ends.append((height, name, colour))
    _labels(axes, across, unit, canvas.theme.ink)
    if names:
        low, high = axes.get_ylim()
        for height, (_, name, colour) in zip(_apart([(e[0] - low) / (high - low) for e in ends]), ends, strict=True):
            axes.text(
                1.015, height, name, transform=axes.transAxes, color=colour, fontsize=points(14), va="center", parse_math=False
            )
    return canvas.figure


def filter_sheet(
    images: UInt8[np.ndarray | Tensor, "filter height width 3"],
    titles: Sequence[str],
    objectives: Float[np.ndarray | Tensor, "curve iteration"] | None = None,
    *,
    unit: str = "objective",
    across: str = "iteration",
    at: Curve | None = None,
    captions: Sequence[str] = (),
    title: str = "",
    columns: int = 6,
    paper: Paper = "light",
) -> Figure:
    """Pictures in a grid, each under its title; with `objectives`, each over its own curve.

    Serves the pictures made for filters, and without curves the patches of photographs that excite one most. The start and
    end of a curve are written under it in figures; `at` says where on the axis its values stand, by default 1, 2, 3, ...
    """
    pictures = np.asarray(images)
    count = len(pictures)
    if not count or len(titles) != count or (captions and len(captions) != count):
        raise ValueError(f"{count} pictures, {len(titles)} titles and {len(captions)} captions; give one title a picture")
    if objectives is not None and len(objectives) != count:
        raise ValueError(f"{len(objectives)} curves for {count} pictures; give one a picture")
    wide, tall = display_size(*pictures.shape[1:3])
    columns = min(columns, count)
    indent, curve = (52, 176) if objectives is not None else (0, 0)
    names = [wrapped(one, wide, 16, bold=True, most=3) for one in titles]
    said = [wrapped(one, wide, 14, most=3) for one in captions]
    above, below = 6 + 22 * max(map(len, names)), 5 + 19 * max(map(len, said)) if said else 0
    step = (indent + wide + GAP, above + tall + below + curve + GAP)
    # a title may be wider than a single picture
    room = max(columns * step[0] - GAP, min(math.ceil(width(title, 22, bold=True)), 640))
    heading = Heading.within(room, title)
    header = MARGIN + heading.height + (8 if title else 0)
    canvas = Canvas(2 * MARGIN + room, header + -(-count // columns) * step[1] + MARGIN - GAP, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    for index, picture in enumerate(pictures):
        left, top = MARGIN + indent + index % columns * step[0], header + index // columns * step[1]
        canvas.text(left, top, "\n".join(names[index]), 16, bold=True)
        canvas.image(picture, left, top + above, (wide, tall), titles[index])
        top += above + tall
        if said:
            canvas.text(left, top + 5, "\n".join(said[index]), 14, faint=True)
            top += below
        if objectives is not None:
            values = objectives[index]
            canvas.text(left, top + 10, fitted(f"{number(float(values[0]))} → {number(float(values[-1]))}", wide, 14), 14)
            canvas.text(left, top + 29, fitted(unit, wide, 14), 14, faint=True)
            axes = canvas.axes(left, top + 56, wide, curve - 108, f"{titles[index]} {unit}")
            canvas.plain(axes, 12)
            _curve(axes, values, at, canvas.theme.lines[0])
            axes.locator_params(nbins=4)
            axes.set_xlabel(across, fontsize=points(13), color=canvas.theme.faint, parse_math=False)
    return canvas.figure


def _curve(axes: Axes, values: Curve, at: Curve | None, colour: str) -> float:
    heights = np.asarray(values, dtype=np.float64)
    if not np.isfinite(heights).all():
        raise ValueError("a curve holds NaN or infinite values")
    places = np.arange(1, len(heights) + 1) if at is None else np.asarray(at, dtype=np.float64)
    axes.plot(places, heights, color=colour, linewidth=1.4, marker="o" if len(heights) == 1 else None)
    return float(heights[-1])


def _labels(axes: Axes, across: str, unit: str, ink: str) -> None:
    axes.set_xlabel(across, fontsize=points(15), color=ink, parse_math=False)
    axes.set_ylabel(unit, fontsize=points(15), color=ink, parse_math=False)


def _apart(heights: Sequence[float], least: float = 0.065) -> list[float]:
    """The heights, moved up where a label would lie on the one below it."""
    placed = list(heights)
    order = sorted(range(len(placed)), key=placed.__getitem__)
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + least)
    return placed
