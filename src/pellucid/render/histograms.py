"""Shares as bars, each beside the share that chance would give it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from pellucid.render.figures import Canvas, Paper, points
from pellucid.render.heading import Heading
from pellucid.render.lettering import fitted
from pellucid.render.numbers import percent

MARGIN, GAP, LABELS, BARS, FIGURES, ROW = 28, 44, 132, 220, 92, 26


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """One histogram. Shares are of the whole, 0 to 1; `base` is None where there is nothing to compare them with."""

    title: str
    names: Sequence[str]
    counts: Int[np.ndarray, " bar"]
    total: int
    low: Float[np.ndarray, " bar"]
    high: Float[np.ndarray, " bar"]
    base: Float[np.ndarray, " bar"] | None = None

    @property
    def shares(self) -> Float[np.ndarray, " bar"]:
        return np.asarray(self.counts) / max(1, self.total)


def histograms(
    panels: Sequence[Panel], *, title: str = "", caption: str = "", columns: int = 3, most: int = 10, paper: Paper = "light"
) -> Figure:
    """Panels side by side, one bar a row, all on one scale from 0: share, thin line of its interval, upright tick of its base.

    The `most` most frequent bars of a panel are drawn, in the order given, and the rest counted under it. ValueError for no
    panel, or one whose lengths differ.
    """
    if not panels:
        raise ValueError("no histogram to draw")
    for panel in panels:
        lengths = [len(panel.names), *(len(a) for a in (panel.counts, panel.low, panel.high, panel.base) if a is not None)]
        if len(set(lengths)) > 1:
            raise ValueError(f"{panel.title!r} has {lengths} names, counts, intervals and base rates; give one of each a bar")
    columns = min(columns, len(panels))
    step = LABELS + BARS + FIGURES + GAP
    width = max(720, 2 * MARGIN + columns * step - GAP)
    heading = Heading.within(width - 2 * MARGIN, title, [caption])
    header = MARGIN + heading.height + (18 if caption else 0)
    grid = [list(panels[i : i + columns]) for i in range(0, len(panels), columns)]
    heights = [86 + ROW * max(1, max(min(most, len(p.names)) for p in row)) for row in grid]
    canvas = Canvas(width, header + sum(heights) + MARGIN - 20, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    reach = max(
        (float(np.max(part)) for p in panels for part in (p.shares, p.high, p.base) if part is not None and len(part)),
        default=1.0,
    )
    top = header
    for row, height in zip(grid, heights, strict=True):
        for column, panel in enumerate(row):
            _panel(canvas, panel, MARGIN + column * step, top, min(1.0, reach), most)
        top += height
    return canvas.figure


def _panel(canvas: Canvas, panel: Panel, left: int, top: int, reach: float, most: int) -> None:
    room = LABELS + BARS + FIGURES
    canvas.text(left, top, fitted(f"{panel.title}  (n = {panel.total})", room, 16, bold=True), 16, bold=True)
    # subtle: those counted most often, in the order given, as offsets are ordered by distance and not by count
    kept = np.sort(np.argsort(-np.asarray(panel.counts), kind="stable")[:most])
    shown = len(kept)
    if not shown:
        canvas.text(left, top + 32, "none", 14, faint=True)
        return
    axes = canvas.axes(left + LABELS, top + 30, BARS, ROW * shown, panel.title)
    canvas.plain(axes, 12)
    axes.grid(visible=False, axis="y")
    at, shares, colour = np.arange(shown), panel.shares[kept], canvas.theme.lines[0]
    axes.barh(at, shares, height=0.62, color=colour, alpha=0.75)
    axes.hlines(at, np.asarray(panel.low)[kept], np.asarray(panel.high)[kept], color=canvas.theme.ink, linewidth=1.0)
    if panel.base is not None:
        base = np.asarray(panel.base)[kept]
        axes.vlines(base, at - 0.42, at + 0.42, color=canvas.theme.lines[1], linewidth=2.4)
    axes.set_xlim(0, reach * 1.02)
    axes.set_ylim(shown - 0.5, -0.5)
    axes.set_yticks([])
    ticks = [t for t in np.linspace(0, 1, 5 if reach > 0.5 else 11) if t <= reach * 1.02]
    axes.set_xticks(ticks[:: max(1, len(ticks) // 4)])
    axes.set_xticklabels([f"{t:.0%}".replace("%", " %") for t in ticks[:: max(1, len(ticks) // 4)]], fontsize=points(12))
    for n, bar in enumerate(kept):
        height = top + 30 + ROW * n + 5
        canvas.text(left + LABELS - 10, height, fitted(panel.names[int(bar)] or "none", LABELS - 14, 14), 14, align="right")
        said = percent(float(shares[n])) + (f" / {percent(float(panel.base[bar]))}" if panel.base is not None else "")
        canvas.text(left + LABELS + BARS + 10, height + 1, fitted(said, FIGURES - 4, 13), 13, faint=True)
    if len(panel.names) > shown:
        rest = panel.total - int(np.asarray(panel.counts)[kept].sum())
        below = f"and {len(panel.names) - shown} more, {rest} of {panel.total}"
        canvas.text(left, top + 30 + ROW * shown + 24, fitted(below, room, 13), 13, faint=True)
