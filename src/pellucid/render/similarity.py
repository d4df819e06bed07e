"""How alike one word's vectors are: matrices with numbers, all layers side by side, and how far its senses lie apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pellucid.render.colormaps import Legend, Limits, legend, levels, limits, palette
from pellucid.render.figures import Canvas, Paper, points
from pellucid.render.heading import Heading
from pellucid.render.lettering import width, wrapped
from pellucid.render.numbers import Real, number
from pellucid.render.scripts import Label, around, drawable, families, shows

Matrix = Float[np.ndarray | Tensor, "sentence sentence"]
Matrices = Float[np.ndarray | Tensor, "layer sentence sentence"]
Curve = Float[np.ndarray | Tensor, " layer"]
MARGIN, LABELS, LEGEND = 28, 380, 190
"""In pixels: around everything, and the widths of the sentences and of the legend."""
TALLEST = 300.0
"""Of a legend's bar."""
NUMBERED = 12
"""Sentences up to which the cells hold their numbers."""


def similarity_matrix(
    matrix: Matrix,
    labels: Sequence[Label],
    unit: str,
    *,
    similarity: bool = True,
    groups: Sequence[str] = (),
    title: str = "",
    facts: Sequence[str] = (),
    paper: Paper = "light",
) -> Figure:
    """One matrix, a row and a column a sentence, numbered from 1, with numbers in the cells of up to twelve sentences.

    Similarities of both signs diverge from zero in the middle, those of one fill the range there is; distances go from zero up.
    The diagonal, where a sentence meets itself, is left out. `groups` is the sense of each sentence: a line divides neighbours
    of two senses. A sentence whose letters no installed font has stands there by its number alone.
    """
    values = _square(matrix, labels, groups)
    count = len(values)
    cell = max(1, min(58, 660 // count))
    side = count * cell
    hidden = [n for n, label in enumerate(labels, 1) if not shows(label)]
    named = LABELS if len(hidden) < count else 48
    heading = Heading.within(named + side + LEGEND, drawable(title), [drawable(fact) for fact in facts])
    header = MARGIN + heading.height + (38 if groups else 12) + 22
    within = shared_limits([values], similarity)
    made, tall = _legend(within, unit, similarity), max(side, 160)
    below = header + max(side, _bar_height(made, tall))
    canvas = Canvas(2 * MARGIN + named + side + LEGEND, below + (30 if hidden else 0) + MARGIN, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    axes = canvas.image(colours(values, within), MARGIN + named, header, (side, side), "matrix")
    _divide(axes, groups, canvas.theme.ink, 2.0)
    if count <= NUMBERED:
        _numbers(axes, values, within)
    _group_names(canvas, groups, MARGIN + named, header - 34, cell)
    size, every = min(15, cell), 1 if cell >= 12 else -(-12 // cell) * 5
    for row, label in enumerate(labels):
        if row % every == 0:
            middle = (row + 0.5) * cell
            _text(canvas, MARGIN + named + middle, header - 8, str(row + 1), min(14, size + 1), align="center", faint=True,
                  line="baseline")  # fmt: skip
            name = around(label, LABELS - 56, size) if cell >= 12 else ""
            _text(canvas, MARGIN + named - 12, header + middle + 0.36 * size, name, size, align="right", line="baseline")
            _text(canvas, MARGIN, header + middle + 0.36 * size, str(row + 1), size, faint=True, line="baseline")
    _bar(canvas, made, MARGIN + named + side + 24, header, tall)
    if hidden:
        which = "these sentences" if len(hidden) == count else f"sentence {', '.join(map(str, hidden[:20]))}"
        which = f"by number alone, as no installed font has the letters of {which}"
        _text(canvas, MARGIN, below + 12, which, 13, faint=True)
    return canvas.figure


def similarity_strip(
    matrices: Matrices,
    layers: Sequence[int],
    unit: str,
    *,
    similarity: bool = True,
    groups: Sequence[str] = (),
    captions: Sequence[str] = (),
    title: str = "",
    facts: Sequence[str] = (),
    paper: Paper = "light",
) -> Figure:
    """The matrices of all layers side by side, small and between the same limits; `captions` stand below, one a layer."""
    arrays = [_square(one, None, groups) for one in matrices]
    if len(arrays) != len(layers) or (captions and len(captions) != len(layers)):
        raise ValueError(f"{len(arrays)} matrices, {len(layers)} layers and {len(captions)} captions; give one each a layer")
    count = len(arrays[0])
    cell = max(1, 150 // count)
    side, columns = count * cell, min(len(layers), 7)
    step, tall = (max(side, 150) + 18, side + 34 + 20 * max((len(c.split("\n")) for c in captions), default=0) + 12)
    across = columns * step
    heading = Heading.within(across + LEGEND, drawable(title), [drawable(fact) for fact in facts])
    header = MARGIN + heading.height + 14
    rows = -(-len(layers) // columns)
    within = shared_limits(arrays, similarity)
    made = _legend(within, unit, similarity)
    legend_height = 26 + _bar_height(made, max(side, 160))
    canvas = Canvas(2 * MARGIN + across + LEGEND, header + max(rows * tall, legend_height) + MARGIN, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    for at, (array, layer) in enumerate(zip(arrays, layers, strict=True)):
        left, top = MARGIN + at % columns * step, header + at // columns * tall
        _text(canvas, left, top, f"layer {layer}", 15, bold=True)
        axes = canvas.image(colours(array, within), left, top + 26, (side, side), f"layer {layer}")
        _divide(axes, groups, canvas.theme.ink, 1.2)
        if captions:
            _text(canvas, left, top + side + 32, drawable(captions[at]), 13, faint=True)
    _bar(canvas, made, MARGIN + across + 12, header + 26, max(side, 160))
    return canvas.figure


def separation_curves(
    curves: Mapping[str, tuple[Curve, Curve, Curve]],
    layers: Sequence[int],
    unit: str,
    *,
    title: str = "",
    facts: Sequence[str] = (),
    size: tuple[int, int] = (860, 480),
    paper: Paper = "light",
) -> Figure:
    """How far the senses lie apart over the layers: of each name the difference and the ends of its interval, as a band.

    Where a band crosses the line at zero, the senses are not told apart.
    """
    if not curves:
        raise ValueError("no curve to draw")
    heading = Heading.within(size[0] - 2 * MARGIN, drawable(title), [drawable(fact) for fact in facts])
    top = MARGIN + heading.height + 8
    canvas = Canvas(size[0], size[1] + heading.height - 36, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    left = float(92)
    for at, name in enumerate(curves):
        shown = drawable(name)
        canvas.figure.text(
            left / canvas.width, 1 - top / canvas.height, shown, fontsize=points(15), va="top", fontweight="bold",
            color=canvas.theme.lines[at % len(canvas.theme.lines)], parse_math=False,
        )  # fmt: skip
        left += width(shown, 15, bold=True) + 28
    axes = canvas.axes(92, top + 30, size[0] - 92 - MARGIN, canvas.height - top - 30 - 66, "separation")
    canvas.plain(axes)
    axes.axhline(0, color=canvas.theme.ink, linewidth=1.0)
    for at, (name, three) in enumerate(curves.items()):
        middle, low, high = (np.asarray(one, dtype=np.float64) for one in three)
        if not len(middle) == len(low) == len(high) == len(layers):
            raise ValueError(f"{name!r} has {len(middle)}, {len(low)} and {len(high)} values for {len(layers)} layers")
        if not np.isfinite(middle).all():
            raise ValueError(f"{name!r} holds NaN or infinite values")
        colour = canvas.theme.lines[at % len(canvas.theme.lines)]
        places = np.asarray(layers) + 0.06 * (at - (len(curves) - 1) / 2)  # so that equal ones do not hide each other
        axes.fill_between(places, low, high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(places, middle, color=colour, linewidth=1.4, marker="o", markersize=3.5)
        # subtle: percentiles of resamples need not enclose the value, nor do they where all are equal but for rounding
        axes.errorbar(places, (low + high) / 2, yerr=(high - low) / 2, fmt="none", ecolor=colour, elinewidth=1.0, capsize=2.5)
    axes.set_xticks(list(layers) if len(layers) <= 25 else list(layers)[:: -(-len(layers) // 25)])
    axes.set_xlabel("layer (0 is the embedding layer)", fontsize=points(15), color=canvas.theme.ink)
    axes.set_ylabel(unit, fontsize=points(15), color=canvas.theme.ink, parse_math=False)
    return canvas.figure


def shared_limits(matrices: Sequence[Float[np.ndarray, "sentence sentence"]], similarity: bool) -> Limits:
    """Between which numbers the colours are spread: everything but the diagonals.

    From the smallest to the largest similarity, symmetric about zero where they have both signs; distances from zero up.
    """
    off = ~np.eye(len(matrices[0]), dtype=bool)
    values = [matrix[off][None] for matrix in matrices]
    signs = {bool(one) for part in values for one in np.unique(part[part != 0] > 0)}
    scale = "magnitude" if not similarity else "symmetric" if len(signs) == 2 else "minmax"
    return limits(values, scale)


def decimals(values: Float[np.ndarray, "sentence sentence"]) -> int:
    """How many decimals tell the entries off the diagonal apart: 2, or up to 4 where they are nearly equal."""
    off = values[~np.eye(len(values), dtype=bool)]
    spread = float(off.max() - off.min())
    return 2 if spread >= 0.05 else 3 if spread >= 0.005 else 4


def colours(matrix: Float[np.ndarray, "sentence sentence"], within: Limits) -> UInt8[np.ndarray, "sentence sentence 3"]:
    """The matrix in the palette of its scale, grey on the diagonal."""
    table = palette(within.scale)[levels(matrix, within)]
    table[np.eye(len(matrix), dtype=bool)] = (128, 132, 136)
    return table


def _legend(within: Limits, unit: str, similarity: bool) -> Legend:
    made = legend([within], unit, signs=("alike", "opposed"))
    notes = made.notes if within.scale == "symmetric" else ("lighter is more alike" if similarity else "darker is nearer",)
    return Legend(made.colours, made.ticks, unit, (*notes, "grey: a sentence and itself"))


def _numbers(axes: Axes, values: Float[np.ndarray, "sentence sentence"], within: Limits) -> None:
    table = colours(values, within).astype(np.float64)
    digits = decimals(values)
    bright = table @ (0.299, 0.587, 0.114)
    for row, column in np.ndindex(values.shape):
        if row == column:
            continue
        value = float(values[row, column])
        shown = number(value) if within.scale == "magnitude" else f"{value:.{digits}f}"
        shade = "#101214" if bright[row, column] > 135 else "#ffffff"
        axes.text(column, row, shown, ha="center", va="center", fontsize=points(14), color=shade, parse_math=False)


def _divide(axes: Axes, groups: Sequence[str], ink: str, thickness: float) -> None:
    for at in range(1, len(groups)):
        if groups[at] != groups[at - 1]:
            axes.axhline(at - 0.5, color=ink, linewidth=thickness)
            axes.axvline(at - 0.5, color=ink, linewidth=thickness)


def _bar(canvas: Canvas, made: Legend, left: Real, top: Real, height: Real) -> None:
    """An upright colour bar with its numbers, its unit and notes below it."""
    height = min(float(height), TALLEST)
    canvas.strip(made.colours[::-1, None], left, top, (16, round(height)), "legend")
    for place, text in made.ticks:
        edge = {0.0: 17.0, 1.0: 0.0}.get(place, 9.0)
        canvas.text(left + 24, top + (1 - place) * height - edge, text, 14)
    canvas.text(left, top + height + 8, "\n".join(_words(made)), 13, faint=True)


def _bar_height(made: Legend, height: Real) -> int:
    """With what is said below the bar."""
    return round(min(float(height), TALLEST)) + 8 + 18 * len(_words(made))


def _words(made: Legend) -> list[str]:
    return [part for note in (made.unit, *made.notes) for part in wrapped(note, LEGEND - 36, 13)]


def _text(
    canvas: Canvas, left: Real, top: Real, text: str, size: Real, *, align: str = "left", faint: bool = False,
    bold: bool = False, line: str = "top",
) -> None:  # fmt: skip
    """Text like a canvas's, in whichever fonts have its letters; `line` is what of it stands at `top`."""
    if text:
        canvas.figure.text(
            left / canvas.width, 1 - top / canvas.height, text, fontsize=points(size), ha=align, va=line, linespacing=1.3,
            color=canvas.theme.faint if faint else canvas.theme.ink, fontweight="bold" if bold else "normal",
            fontfamily=families(text), parse_math=False,
        )  # fmt: skip


def _group_names(canvas: Canvas, groups: Sequence[str], left: Real, top: Real, cell: int) -> None:
    start = 0
    for at in range(1, len(groups) + 1):
        if at == len(groups) or groups[at] != groups[start]:
            name = drawable(groups[start])
            while len(name) > 1 and width(name, 15) > (at - start) * cell:
                name = name[:-2] + "…" if len(name) > 2 else name[:1]
            _text(canvas, left + (start + at) / 2 * cell, top, name, 15, align="center", bold=True, line="baseline")
            start = at


def _square(matrix: Matrix, labels: Sequence[Label] | None, groups: Sequence[str]) -> Float[np.ndarray, "sentence sentence"]:
    values = np.asarray(matrix.detach().cpu() if isinstance(matrix, Tensor) else matrix, dtype=np.float64)
    if len(values) < 2 or (labels is not None and len(labels) != len(values)) or (groups and len(groups) != len(values)):
        given = "" if labels is None else f" {len(labels)} labels and"
        raise ValueError(
            f"a matrix of {len(values)} sentences,{given} {len(groups)} groups; give one each a sentence, two or more"
        )
    return values
