"""A text as it reads, its tokens on the colours of their scores, one method below the other."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pellucid.render.colormaps import LEVELS, Legend, Limits, legend, levels, limits
from pellucid.render.figures import Canvas, Paper, Theme, points
from pellucid.render.heading import Heading
from pellucid.render.lettering import width, wrapped
from pellucid.render.numbers import Real
from pellucid.render.scripts import drawable, families

MARGIN, ROOM, NAMES = 28, 860, 84
"""In pixels: around everything, the width of the text, and of the names of its parts."""
SIZE, LINE, PAD = 17, 32, 3
"""Of the letters, from line to line, and on either side of a token."""
BAR = (220, 12)
"""Width and height of a legend."""


@final
@dataclass(frozen=True)
class Piece:
    """A token and what stands before it."""

    text: str
    score: float
    """NaN for what has none; it is written without a colour."""
    apart: bool = True
    """Whether there is a space before it, so that a line may end there."""
    marked: bool = False
    """Whether it is asked about: it is underlined."""


@final
@dataclass(frozen=True, eq=False)
class TokenRow:
    """One method's scores."""

    title: str
    parts: Sequence[tuple[str, Sequence[Piece]]]
    """The texts by name; a single one needs no name."""
    unit: str
    signed: bool = True
    facts: Sequence[str] = ()
    """Below the title, such as the evidence."""


def token_sheet(rows: Sequence[TokenRow], title: str = "", facts: Sequence[str] = (), paper: Paper = "light") -> Figure:
    """The rows from top to bottom, each with a scale of its own: red for and blue against, or how much, where there is no sign.

    A text of a script from right to left runs from right to left. ValueError without a row, or a row without a token.
    """
    if not rows or not all(any(pieces for _, pieces in row.parts) for row in rows):
        raise ValueError("no tokens to draw; give at least one row with at least one token")
    across = NAMES + ROOM
    heading = Heading.within(across, title, facts)
    blocks = [_block(row) for row in rows]
    height = MARGIN + heading.height + 12 + sum(block.height for block in blocks) + MARGIN
    canvas = Canvas(2 * MARGIN + across, height, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    axes = canvas.axes(0, 0, canvas.width, canvas.height, "tokens")
    axes.set(xlim=(0, canvas.width), ylim=(canvas.height, 0))
    axes.set_axis_off()
    top = MARGIN + heading.height + 12
    for block in blocks:
        block.draw(canvas, axes, top)
        top += block.height
    return canvas.figure


@dataclass(frozen=True, eq=False)
class _Line:
    """What stands beside each other: pieces, and where each begins."""

    name: str
    pieces: list[tuple[Piece, float]]


@dataclass(frozen=True, eq=False)
class _Block:
    """A row, laid out."""

    row: TokenRow
    heading: Heading
    lines: list[_Line]
    within: Limits
    legend: Legend

    @property
    def names(self) -> int:
        """Room for the names of the parts."""
        return NAMES if any(line.name for line in self.lines) else 0

    @property
    def height(self) -> int:
        return self.heading.height + 8 + LINE * len(self.lines) + 58

    def draw(self, canvas: Canvas, axes: Axes, top: int) -> None:
        self.heading.draw(canvas, MARGIN, top)
        top += self.heading.height + 8
        for number, line in enumerate(self.lines):
            canvas.text(MARGIN, top + number * LINE + 6, line.name, 13, faint=True)
            for piece, left in line.pieces:
                known = np.isfinite(piece.score)
                level = int(levels(np.array([[piece.score]]), self.within)[0, 0]) if known else 0
                colour = self.legend.colours[level] / 255 if known else None
                _piece(axes, canvas.theme, piece, MARGIN + self.names + left, top + number * LINE, colour)
        below = top + LINE * len(self.lines) + 6
        canvas.strip(self.legend.colours[None], MARGIN + self.names, below, BAR, f"{self.row.title} legend")
        left = MARGIN + self.names
        for place, text in self.legend.ticks:
            align: Any = {0.0: "left", 1.0: "right"}.get(place, "center")
            canvas.text(left + place * BAR[0], below + BAR[1] + 3, text, 13, align=align, faint=True)
        said = wrapped("; ".join([self.legend.unit, *self.legend.notes]), ROOM - BAR[0] - 16, 13, most=1)
        canvas.text(left + BAR[0] + 16, below - 2, said[0], 13, faint=True)


def _block(row: TokenRow) -> _Block:
    heading = Heading.within(NAMES + ROOM, row.title, row.facts, size=19)
    lines = [line for name, pieces in row.parts if pieces for line in _lines(name, pieces)]
    scores = np.array([[piece.score for _, pieces in row.parts for piece in pieces if np.isfinite(piece.score)] or [0.0]])
    within = limits(scores, "symmetric" if row.signed else "magnitude")
    return _Block(row, heading, lines, within, legend([within], row.unit, None if row.signed else _lilac()))


def _lilac() -> np.ndarray:
    """From white on: a text on black would be hard to read, and red and blue mean a sign."""
    import matplotlib

    return np.rint(matplotlib.colormaps["Purples"].resampled(LEVELS)(np.linspace(0, 1, LEVELS))[:, :3] * 255).astype(np.uint8)


def _lines(name: str, pieces: Sequence[Piece]) -> Iterator[_Line]:
    """The pieces in lines that fit, broken between words, and between pieces of a word too wide for a line."""
    lines: list[list[tuple[Piece, float]]] = [[]]
    at = 0.0
    for word in _words(pieces):
        wide = sum(map(_wide, word))
        gap = 5.0 if lines[-1] and word[0].apart else 0.0
        if lines[-1] and at + gap + wide > ROOM:
            lines.append([])
            at, gap = 0.0, 0.0
        at += gap
        for piece in word:
            if lines[-1] and at + _wide(piece) > ROOM:
                lines.append([])
                at = 0.0
            lines[-1].append((piece, at))
            at += _wide(piece)
    if _from_right(pieces):
        lines = [[(piece, ROOM - left - _wide(piece)) for piece, left in line] for line in lines]
    for number, line in enumerate(lines):
        yield _Line("" if number else name, line)


def _words(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """What no line may end within. Chinese letters are words by themselves."""
    words: list[list[Piece]] = []
    for piece in pieces:
        if words and not piece.apart and unicodedata.east_asian_width(piece.text[:1] or " ") not in "WF":
            words[-1].append(piece)
        else:
            words.append([piece])
    return words


def _wide(piece: Piece) -> float:
    return width(drawable(piece.text), SIZE) + 2 * PAD


def _from_right(pieces: Sequence[Piece]) -> bool:
    """Whether the first letter with a direction is of a script that runs from right to left."""
    for piece in pieces:
        for letter in piece.text:
            if (direction := unicodedata.bidirectional(letter)) in ("L", "R", "AL"):
                return direction != "L"
    return False


def _piece(axes: Axes, theme: Theme, piece: Piece, left: Real, top: Real, colour: np.ndarray | None) -> None:
    wide = _wide(piece)
    if colour is not None:
        axes.add_patch(Rectangle((left + 0.5, top), wide - 1, LINE - 6, facecolor=colour, edgecolor="none"))
    if piece.marked:
        axes.add_patch(Rectangle((left, top + LINE - 5), wide, 2.5, facecolor=theme.ink, edgecolor="none"))
    ink = theme.ink if colour is None else ("#ffffff" if _light(colour) < 0.45 else "#1b1f24")
    said = drawable(piece.text)
    axes.text(
        left + PAD, top + 0.72 * (LINE - 6), said, fontsize=points(SIZE), color=ink, va="baseline", ha="left",
        fontfamily=families(said), fontweight="normal", parse_math=False,
    )  # fmt: skip


def _light(colour: np.ndarray) -> float:
    """Relative luminance, about, from 0 to 1."""
    return float(colour @ np.array([0.299, 0.587, 0.114]))
