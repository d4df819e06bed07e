"""Attention between the tokens of one text: arcs from queries to keys, or a heat map."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float64
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path
from torch import Tensor

from pellucid.render.colormaps import Legend, legend, limits, scores
from pellucid.render.figures import Canvas, Paper, points
from pellucid.render.heading import Heading
from pellucid.render.heatmaps import heatmap
from pellucid.render.lettering import fitted, width, wrapped
from pellucid.render.numbers import Real, number

Weights = Float[np.ndarray | Tensor, "query key"]
MARGIN, LINE = 28, 24
MOST_ARCS = 120
"""Tokens. A longer column would be taller than any screen, and its lines a grey patch."""
WIDEST, THINNEST, PALEST = 4.5, 0.8, 0.2
"""Widths in pixels at the strongest edge and at the least, and the least opacity: what was kept can be seen."""


def arcs(
    labels: Sequence[str],
    weights: Weights,
    kept: Bool[np.ndarray | Tensor, "query key"],
    given: Float[np.ndarray | Tensor, "head token"],
    received: Float[np.ndarray | Tensor, "head token"],
    heads: Sequence[int],
    *,
    unit: str = "attention weight",
    title: str = "",
    facts: Sequence[str] = (),
    roles: Sequence[str] = (),
    paper: Paper = "light",
) -> Figure:
    """The tokens twice, queries at the left and keys at the right, and a line for every kept edge.

    Opacity and width grow as the weight does, down to a line that is still seen. Beside the tokens a column a head says how
    much each query gives to the kept edges and how much each key receives over them. ValueError for arrays that do not fit
    together and for more than 120 tokens.
    """
    values, shown = scores(weights), np.asarray(kept, dtype=bool)
    count = len(labels)
    if values.shape != (count, count) or shown.shape != (count, count):
        raise ValueError(f"{count} labels for weights of {values.shape} and kept edges of {shown.shape}")
    if len(given) != len(heads) or len(received) != len(heads):
        raise ValueError(f"columns of {len(given)} and {len(received)} heads for {len(heads)} heads")
    if count > MOST_ARCS:
        raise ValueError(
            f"the text has {count} tokens; arcs can be told apart up to {MOST_ARCS}. Draw a heat map instead, join wordpieces "
            "into words, or give a shorter text"
        )
    cell = max(8, min(14, 224 // len(heads)))
    column = max(cell * len(heads), 64)
    room = min(168, max(width(label, 15) for label in labels) + 4)
    across = max(300 if count < 40 else 380, 760 - 2 * (MARGIN + column + room + 20))
    left = {"given": MARGIN, "query": MARGIN + column + 12 + room, "arcs": MARGIN + column + 20 + room}
    left |= {"key": left["arcs"] + across + 8, "received": left["arcs"] + across + 20 + room}
    wide = round(left["received"] + column + MARGIN)
    heading = Heading.within(wide - 2 * MARGIN, title, facts)
    top = MARGIN + heading.height + 62
    canvas = Canvas(wide, top + LINE * count + 160, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    canvas.text(left["query"], top - 24, "query", 14, align="right", faint=True)
    canvas.text(left["key"], top - 24, "key", 14, faint=True)
    for at, label in enumerate(labels):
        role = roles[at] if roles else ""
        faint, bold = role == "special", role == "answer"
        y = top + at * LINE + 4
        canvas.text(left["query"], y, fitted(label, room, 15), 15, align="right", faint=faint, bold=bold)
        canvas.text(left["key"], y, fitted(label, room, 15), 15, faint=faint, bold=bold)
    _lines(canvas.axes(left["arcs"], top, across, LINE * count, "arcs"), values, shown, canvas.theme.lines[0])
    for name, amounts in (("given", given), ("received", received)):
        _columns(canvas, np.asarray(amounts, dtype=np.float64).T, heads, left[name], top, cell, name)
    foot = top + LINE * count + 20
    _strokes(canvas, values, shown, foot, unit)
    bar = (wide - 2 * MARGIN - 40) // 2
    for name, amounts, at in (
        ("given by each query to the lines shown: share of its row; a column a head", given, MARGIN),
        ("received by each key over the lines shown: sum of its column; a column a head", received, MARGIN + bar + 40),
    ):
        most = float(np.asarray(amounts).max())
        ramp = _ramp(canvas, np.linspace(0, 1, 64)[None])
        colour_bar(
            canvas, Legend(np.rint(ramp[0] * 255).astype(np.uint8), ((0.0, "0"), (1.0, number(most))), name), at, foot + 52, bar
        )
    return canvas.figure


def _lines(axes: Axes, values: Float64[np.ndarray, "query key"], shown: Bool[np.ndarray, "query key"], colour: str) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(values), 0)
    queries, keys = np.nonzero(shown)
    if not len(queries):
        return
    weights = values[queries, keys]
    order = np.argsort(weights, kind="stable")  # the strongest lie on top
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    paths = [
        Path([(0, q + 0.5), (0.45, q + 0.5), (0.55, k + 0.5), (1, k + 0.5)], codes)
        for q, k in zip(queries[order], keys[order], strict=True)
    ]
    share = weights[order] / weights.max()
    colours = [(*to_rgb(colour), opacity(one)) for one in share]
    lines = PathCollection(paths, facecolors="none", edgecolors=colours, linewidths=[points(stroke(one)) for one in share])
    lines.set_capstyle("butt")
    axes.add_collection(lines, autolim=False)


def opacity(share: Real) -> float:
    """Of an edge of that share of the strongest one's weight."""
    return max(PALEST, float(share))


def stroke(share: Real) -> float:
    """Width in pixels of such an edge."""
    return max(THINNEST, WIDEST * float(share))


def _strokes(
    canvas: Canvas, values: Float64[np.ndarray, "query key"], shown: Bool[np.ndarray, "query key"], top: Real, unit: str
) -> None:
    """The legend of the lines: the strongest, half of it, and the least that is drawn to scale."""
    if not shown.any():
        canvas.text(MARGIN, top, "no edge to show: all attention goes to what is hidden", 14)
        return
    most, at = float(values[shown].max()), float(MARGIN)
    least = max(PALEST, THINNEST / WIDEST)
    for share, text in ((1.0, number(most)), (0.5, number(most / 2)), (least, f"{number(most * least)} or less")):
        axes = canvas.axes(at, top, 44, 18, f"weight {text}")
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        colour = to_rgba(canvas.theme.lines[0], opacity(share))
        axes.plot([0, 1], [0.5, 0.5], color=colour, linewidth=points(stroke(share)), solid_capstyle="butt")
        canvas.text(at + 52, top, text, 14)
        at += 52 + width(text, 14) + 28
    said = wrapped(f"{unit}; {int(shown.sum()):,} lines", canvas.width - MARGIN - at, 14)
    canvas.text(at, top, "\n".join(said), 14, faint=True)


def _columns(
    canvas: Canvas,
    amounts: Float64[np.ndarray, "token head"],
    heads: Sequence[int],
    left: Real,
    top: Real,
    cell: int,
    name: str,
) -> None:
    most = amounts.max() or 1.0
    axes = canvas.axes(left, top, cell * len(heads), LINE * len(amounts), name)
    axes.set_axis_off()
    axes.imshow(_ramp(canvas, amounts / most), interpolation="none", aspect="auto")
    axes.set_xticks([])
    for edge in range(len(heads) + 1):
        axes.axvline(edge - 0.5, color=canvas.theme.faint, linewidth=0.3, alpha=0.35)
    canvas.text(left, top - 48, name, 14, faint=True)
    for at, head in enumerate(heads):
        canvas.text(left + cell * (at + 0.5), top - 20, str(head), 10 if cell > 9 else 7, align="center", faint=True)


def _ramp(canvas: Canvas, share: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, "rows columns 3"]:
    """From the paper, which is 0, to the colour of the lines."""
    paper, colour = np.array(to_rgb(canvas.theme.paper)), np.array(to_rgb(canvas.theme.lines[0]))
    return paper + share[..., None] * (colour - paper)


def colour_bar(canvas: Canvas, bar: Legend, left: Real, top: Real, wide: int) -> None:
    """A legend as a lying bar: 60 pixels, and 17 a line of what is said below it."""
    canvas.strip(bar.colours[None], left, top, (wide, 12), f"{bar.unit} legend")
    for place, text in bar.ticks:
        align = "left" if place == 0 else "right" if place == 1 else "center"
        canvas.text(left + place * wide, top + 16, text, 13, align=align)
    canvas.text(left, top + 36, "\n".join(wrapped("; ".join([bar.unit, *bar.notes]), wide, 13)), 13, faint=True)


def heat(
    labels: Sequence[str],
    weights: Weights,
    *,
    unit: str = "attention weight",
    axes: str = "rows: query, attends; columns: key, is attended to",
    title: str = "",
    facts: Sequence[str] = (),
    paper: Paper = "light",
) -> Figure:
    """A row a query, a column a key, from black, which is 0, to the largest weight. Of a long text only some tokens are named.

    ValueError for weights that are not square or not as many as the labels.
    """
    values, count = scores(weights), len(labels)
    if values.shape != (count, count):
        raise ValueError(f"{count} labels for weights of {values.shape}")
    cell = max(3, min(24, 1200 // count))
    every, size = max(1, -(-12 // cell)), min(14, max(10, cell - 3))
    room = round(min(150, max(width(label, size) for label in labels))) + 10
    side = cell * count
    wide = max(2 * MARGIN + room + side, 680)
    heading = Heading.within(wide - 2 * MARGIN, title, facts)
    top = MARGIN + heading.height + 14 + room
    within = limits(values, "magnitude")
    bar = replace(legend([within], unit), notes=())  # that attention has no sign need not be said
    below = 17 * len(wrapped("; ".join([unit, *bar.notes]), max(side, 300), 13))
    canvas = Canvas(wide, top + side + 100 + below, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    left = MARGIN + room
    for at in range(0, count, every):
        label, middle = fitted(labels[at], room - 8, size), (at + 0.5) * cell
        canvas.figure.text(
            (left - 6) / canvas.width, 1 - (top + middle) / canvas.height, label, fontsize=points(size), ha="right",
            va="center_baseline", color=canvas.theme.ink, parse_math=False,
        )  # fmt: skip
        canvas.figure.text(
            (left + middle) / canvas.width, 1 - (top - 6) / canvas.height, label, fontsize=points(size), ha="center",
            va="bottom", rotation=90, color=canvas.theme.ink, parse_math=False,
        )  # fmt: skip
    picture = heatmap(values, within).repeat(cell, 0).repeat(cell, 1)
    canvas.image(picture, left, top, (side, side), "attention")
    canvas.text(left, top + side + 8, axes, 13, faint=True)
    colour_bar(canvas, bar, left, top + side + 38, max(side, 300))
    return canvas.figure
