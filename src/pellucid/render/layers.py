"""Tokens as points, one small picture a layer; and curves with bands over the layers. Knows arrays and names only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pellucid.render.figures import Canvas, Paper, Theme, points
from pellucid.render.heading import Heading
from pellucid.render.labels import Box, place_labels
from pellucid.render.lettering import fitted, width, wrapped
from pellucid.render.numbers import number, percent

MARGIN, GAP, PANEL, LABEL = 28, 30, (430, 390), 13
MARKS = {"answer": ("*", 19), "question": ("s", 9), "context": ("o", 8), "text": ("o", 8), "special": ("x", 8)}
"""Of each role, its shape and its size in pixels: told apart without colour."""


def layer_grid(
    coordinates: Float[np.ndarray | Tensor, "layer token component"],
    labels: Sequence[str],
    roles: Sequence[str],
    explained: Float[np.ndarray | Tensor, "layer component"],
    trustworthiness: Float[np.ndarray | Tensor, " layer"],
    *,
    outlined: Sequence[bool] = (),
    axis: str = "axis",
    title: str = "",
    facts: Sequence[str] = (),
    shared: bool = False,
    trails: bool = False,
    columns: int = 4,
    paper: Paper = "light",
) -> Figure:
    """Each layer's tokens in its own scatter plot of the first two components; layer 0 is the embeddings.

    A token's role (special, question, context or text, answer) is its colour and its shape; those `outlined`, such as a
    supporting fact's, have a ring. Words are written where they lie on no other word and on no marked point: the answer's
    first, then the question's, the outlined ones and the rest; how many found no room is said. Both axes of a plot have one
    unit a pixel; `shared` gives all plots the same limits. `trails` draws a line from where a token lay a layer before.
    `facts` stand under the title, one a line. ValueError for lists that do not fit or an unknown role.
    """
    where = np.asarray(coordinates, dtype=np.float64)
    layers, tokens, components = where.shape
    rings = list(outlined) or [False] * tokens
    if components < 2 or not layers:
        raise ValueError(f"{layers} layers of {components} components; a scatter plot needs a layer and 2 components")
    if not len(labels) == len(roles) == len(rings) == tokens:
        raise ValueError(f"{tokens} tokens, {len(labels)} labels, {len(roles)} roles and {len(rings)} outlines; one a token")
    if unknown := set(roles) - set(MARKS):
        raise ValueError(f"no role named {min(unknown)!r}; known: {', '.join(MARKS)}")
    if not np.isfinite(where).all():
        raise ValueError("a coordinate is NaN or infinite")
    columns = min(columns, layers)
    step = (PANEL[0] + 62 + GAP, PANEL[1] + 122)
    across = max(columns * step[0] - GAP, 860)
    heading = Heading.within(across, title, facts)
    header = MARGIN + heading.height + 56
    canvas = Canvas(across + 2 * MARGIN, header + -(-layers // columns) * step[1] + MARGIN - 20, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    _legend(canvas, header - 44, roles, rings, trails)
    common = _limits(where.reshape(-1, components)[:, :2]) if shared else None
    for n in range(layers):
        left, top = MARGIN + 62 + n % columns * step[0], header + n // columns * step[1]
        name = "layer 0, embeddings" if n == 0 else f"layer {n}"
        canvas.text(left, top, name, 16, bold=True)
        axes = canvas.axes(left, top + 26, *PANEL, name)
        canvas.plain(axes, 12)
        limits = common or _limits(where[n, :, :2])
        axes.set(xlim=limits[0], ylim=limits[1])
        axes.locator_params(nbins=5)
        if trails and n:
            _trails(axes, where[n - 1], where[n], roles, canvas.theme)
        _scatter(axes, where[n], roles, rings, canvas.theme)
        dropped = _write(axes, where[n], labels, roles, rings, limits, canvas.theme)
        shares = [percent(min(max(float(v), 0.0), 1.0)) for v in np.asarray(explained)[n, :2]]
        _name_axes(axes, [f"{axis} {c + 1}: {share} of the variance" for c, share in enumerate(shares)], canvas.theme)
        caption = f"trustworthiness {number(float(np.asarray(trustworthiness)[n]), 2)}"
        more = f", {dropped} word{'' if dropped == 1 else 's'} without room for a label" if dropped else ""
        canvas.text(left, top + PANEL[1] + 76, fitted(caption + more, PANEL[0], 13), 13, faint=True)
    return canvas.figure


def _limits(spots: Float64[np.ndarray, "token 2"]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits around all points with one unit a pixel on both axes, and a margin for markers and words."""
    low, high = spots.min(0), spots.max(0)
    middle, unit = (low + high) / 2, max((high - low) / (np.array(PANEL) - 76)) or 1 / PANEL[0]
    half = unit * np.array(PANEL) / 2
    return (middle[0] - half[0], middle[0] + half[0]), (middle[1] - half[1], middle[1] + half[1])


def _colour(role: str, theme: Theme) -> str:
    return {"answer": theme.lines[1], "question": theme.lines[0]}.get(role, theme.faint)


def _scatter(
    axes: Axes, spots: Float64[np.ndarray, "token component"], roles: Sequence[str], rings: Sequence[bool], theme: Theme
) -> None:
    for level, role in enumerate(("special", "context", "text", "question", "answer")):
        shape, size = MARKS[role]
        for ring in (False, True):
            chosen = [i for i, r in enumerate(roles) if r == role and rings[i] == ring]
            if not chosen:
                continue
            colour = _colour(role, theme)
            edge = None if shape == "x" else theme.ink if ring else theme.paper
            axes.scatter(
                spots[chosen, 0], spots[chosen, 1], marker=shape, s=points(size + 2 * ring) ** 2, facecolors=colour,
                edgecolors=edge, linewidths=1.1 if ring or shape == "x" else 0.5, zorder=3 + level + 0.5 * ring, clip_on=False,
            )  # fmt: skip


def _trails(
    axes: Axes, before: Float64[np.ndarray, "token component"], now: Float64[np.ndarray, "token component"],
    roles: Sequence[str], theme: Theme,
) -> None:  # fmt: skip
    for i, role in enumerate(roles):
        axes.plot(
            [before[i, 0], now[i, 0]], [before[i, 1], now[i, 1]], color=_colour(role, theme), linewidth=0.6,
            alpha=0.8 if role in ("answer", "question") else 0.35, zorder=2,
        )  # fmt: skip


def _write(
    axes: Axes,
    spots: Float64[np.ndarray, "token component"],
    labels: Sequence[str],
    roles: Sequence[str],
    rings: Sequence[bool],
    limits: tuple[tuple[float, float], tuple[float, float]],
    theme: Theme,
) -> int:
    """Words beside their points. How many words found no room."""
    low, unit = np.array([limits[0][0], limits[1][0]]), (limits[0][1] - limits[0][0]) / PANEL[0]
    places = (spots[:, :2] - low) / unit  # in pixels, from the lower left
    sizes = [MARKS[role][1] / 2 for role in roles]
    around = [Box(x - r, y - r, x + r, y + r) for (x, y), r in zip(places.tolist(), sizes, strict=True)]
    named = [rings[i] or roles[i] in ("answer", "question") for i in range(len(labels))]
    rank = {"answer": 0, "question": 1, "special": 4}
    order = sorted(
        (i for i, label in enumerate(labels) if any(c.isalnum() for c in label)),
        key=lambda i: rank.get(roles[i], 2 if rings[i] else 3),
    )
    texts = [fitted(labels[i], 130, LABEL) for i in order]
    found = place_labels(
        [(*places[i].tolist(), sizes[i]) for i in order],
        [(width(t, LABEL), LABEL * 1.15) for t in texts],
        Box(0, 0, *PANEL),
        avoid=[box for box, yes in zip(around, named, strict=True) if yes],
        rather_not=around,
        urgent=sum(roles[i] in ("answer", "question") for i in order),
    )
    for i, text, box in zip(order, texts, found, strict=True):
        if box is not None:
            ringed = rings[i] and roles[i] == "context"
            x, y = places[i].tolist()
            end = box.nearest(x, y)
            if math.dist(end, (x, y)) > sizes[i] + 6:  # too far away to need no line to its point
                line = np.array([(x, y), end]) / PANEL
                axes.plot(*line.T, color=_colour(roles[i], theme), linewidth=0.7, transform=axes.transAxes, zorder=8)
            axes.text(
                box.left / PANEL[0], (box.bottom + box.top) / 2 / PANEL[1], text, transform=axes.transAxes,
                va="center_baseline", fontsize=points(LABEL), color=theme.ink if ringed else _colour(roles[i], theme),
                zorder=9, parse_math=False, fontweight="bold" if roles[i] == "answer" else "normal",
            )  # fmt: skip
    return sum(box is None for box in found)


def _name_axes(axes: Axes, names: Sequence[str], theme: Theme) -> None:
    axes.set_xlabel(names[0], fontsize=points(13), color=theme.ink, parse_math=False, labelpad=2)
    axes.set_ylabel(names[1], fontsize=points(13), color=theme.ink, parse_math=False, labelpad=2)


def _legend(canvas: Canvas, top: int, roles: Sequence[str], rings: Sequence[bool], trails: bool) -> None:
    axes = canvas.axes(MARGIN, top, canvas.width - 2 * MARGIN, 24, "legend")
    axes.set_axis_off()
    axes.set(xlim=(0, canvas.width - 2 * MARGIN), ylim=(0, 24))
    entries = [(role, role, False) for role in MARKS if role in roles]
    if any(rings):
        entries.append(("of a supporting fact", "context", True))
    left = 10.0
    for text, role, ring in entries:
        _scatter(axes, np.array([[left, 12.0]]), [role], [ring], canvas.theme)
        axes.text(left + 14, 12, text, fontsize=points(15), color=canvas.theme.ink, va="center", parse_math=False)
        left += 14 + width(text, 15) + 34
    if trails:
        axes.plot([left - 6, left + 12], [12, 12], color=canvas.theme.faint, linewidth=0.8)
        axes.text(left + 18, 12, "from its place a layer before", fontsize=points(15), color=canvas.theme.ink, va="center")


Line = tuple[Float[np.ndarray | Tensor, " layer"], Float[np.ndarray | Tensor, " layer"], Float[np.ndarray | Tensor, " layer"]]
"""A value at every layer from 0, and the lower and upper end of its band; NaN where there is none."""


@final
@dataclass(frozen=True, eq=False)
class CurvePanel:
    """One measure over the layers: a line and a band of each model, what it is in words, and notes."""

    title: str
    lines: Mapping[str, Line]
    meaning: str = ""
    notes: tuple[str, ...] = ()


def layer_curves(
    panels: Sequence[CurvePanel], *, title: str = "", facts: Sequence[str] = (), columns: int = 2, paper: Paper = "light"
) -> Figure:
    """Curves with bands over the layers, one panel a measure, zero always in view; a panel without finite values says so.

    ValueError when there is no panel, or no line in one.
    """
    if not panels or not all(panel.lines for panel in panels):
        raise ValueError("no curve to draw")
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    size, indent = (620, 280), 70
    step = size[0] + indent + GAP
    columns = min(columns, len(panels))
    across = columns * step - GAP
    texts = [[line for part in (panel.meaning, *panel.notes) for line in wrapped(part, size[0], 13)] for panel in panels]
    tall = size[1] + 34 + 62 + 18 * max(map(len, texts)) + 22
    heading = Heading.within(across, title, facts)
    header = MARGIN + heading.height + 52
    canvas = Canvas(across + 2 * MARGIN, header + -(-len(panels) // columns) * tall + MARGIN - 22, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    colours = {name: canvas.theme.lines[n % len(canvas.theme.lines)] for n, name in enumerate(names)}
    styles = {name: (("-", "o"), ("--", "s"), (":", "D"))[n % 3] for n, name in enumerate(names)}
    legend = canvas.axes(MARGIN, header - 42, across, 24, "legend")
    legend.set_axis_off()
    legend.set(xlim=(0, across), ylim=(0, 24))
    left = 0.0
    for name in names:
        legend.plot([left, left + 36], [12, 12], styles[name][0], color=colours[name], linewidth=1.5)
        legend.plot([left + 18], [12], styles[name][1], color=colours[name], markersize=4)
        legend.text(left + 46, 12, name, fontsize=points(15), color=canvas.theme.ink, va="center", parse_math=False)
        left += 46 + width(name, 15) + 34
    for n, (panel, text) in enumerate(zip(panels, texts, strict=True)):
        x, top = MARGIN + indent + n % columns * step, header + n // columns * tall
        canvas.text(x, top, fitted(panel.title, size[0], 17, bold=True), 17, bold=True)
        axes = canvas.axes(x, top + 30, *size, panel.title)
        canvas.plain(axes)
        _curves(axes, panel, colours, styles, canvas.theme)
        canvas.text(x, top + 30 + size[1] + 52, "\n".join(text), 13, faint=True)
    return canvas.figure


def _curves(
    axes: Axes, panel: CurvePanel, colours: Mapping[str, str], styles: Mapping[str, tuple[str, str]], theme: Theme
) -> None:
    axes.axhline(0, color=theme.ink, linewidth=0.8)
    values = {name: [np.asarray(part, dtype=np.float64) for part in line] for name, line in panel.lines.items()}
    for name, (value, low, high) in values.items():
        at = np.arange(len(value))
        axes.fill_between(at, low, high, color=colours[name], alpha=0.16, linewidth=0)
        axes.plot(at, value, styles[name][0], marker=styles[name][1], color=colours[name], linewidth=1.5, markersize=4)
    last = max(len(value) for value, _, _ in values.values()) - 1
    axes.set(xlim=(-0.15, last + 0.15), xticks=range(0, last + 1, 1 if last <= 14 else 2))
    axes.set_xlabel("layer (0: embeddings)", fontsize=points(13), color=theme.ink)
    if not any(np.isfinite(value).any() for value, _, _ in values.values()):
        axes.text(0.5, 0.6, "not measured", transform=axes.transAxes, ha="center", color=theme.faint, fontsize=points(15))
        axes.set(ylim=(-1, 1))
