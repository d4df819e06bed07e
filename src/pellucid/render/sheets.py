"""Pictures side by side: many images by many methods, or one image seen in several ways."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from pellucid.render.colormaps import Legend
from pellucid.render.figures import Canvas, Paper, display_size
from pellucid.render.heading import Heading
from pellucid.render.lettering import fitted, wrapped
from pellucid.render.numbers import Real
from pellucid.render.rows import Column, Row

MARGIN, GAP, LABELS, LEGENDS = 28, 12, 216, 216
"""In pixels: around everything, between pictures, and the widths of the row titles and of the legends."""
NAME = 15
"""Size of what stands above an image."""


def sheet(
    columns: Sequence[Column], rows: Sequence[Row], title: str = "", paper: Paper = "light", *, first: int | None = 0
) -> Figure:
    """Images in columns, methods in rows, each row with its own legend. One pixel of a map is one of the PNG.

    The columns are numbered from `first`; with None they have their names in its place, where they are ways to see one image.
    ValueError when a row has not one picture a column.
    """
    if not columns or not rows:
        raise ValueError(f"{len(columns)} columns and {len(rows)} rows; a sheet needs at least one of each")
    for row in rows:
        if len(row.images) != len(columns):
            raise ValueError(f"row {row.title!r} has {len(row.images)} pictures for {len(columns)} columns")
    width, height = display_size(*rows[0].images[0].shape[:2])
    legends = LEGENDS if any(row.legend for row in rows) else 0
    names = [wrapped(column.name, width, NAME, bold=first is None, most=3) for column in columns]
    answers = [wrapped(column.answer, width, NAME, most=4) for column in columns]
    named, answered = (20 * max(map(len, lines)) for lines in (names, answers))
    heights = [max(height + _captions_height(row, width), _label_height(row)) + GAP for row in rows]
    across = LABELS + len(columns) * (width + GAP) + legends
    heading = Heading.within(across, title, size=24)
    header = MARGIN + heading.height + (8 if title else 0) + (24 if first is not None else 0) + named + answered + 12
    canvas = Canvas(2 * MARGIN + across, header + sum(heights) + MARGIN, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    for number, (name, answer) in enumerate(zip(names, answers, strict=True)):
        middle, top = MARGIN + LABELS + number * (width + GAP) + width / 2, header - named - answered - 12
        if first is not None:
            canvas.text(middle, top - 24, str(first + number), 17, align="center", bold=True)
        canvas.text(middle, top, "\n".join(name), NAME, align="center", faint=first is not None, bold=first is None)
        canvas.text(middle, top + named + 2, "\n".join(answer), NAME, align="center")
    top = header
    for row, tall in zip(rows, heights, strict=True):
        _row(canvas, row, top, (width, height))
        top += tall
    return canvas.figure


def _row(canvas: Canvas, row: Row, top: Real, size: tuple[int, int]) -> None:
    width, height = size
    title, note = _label(row)
    canvas.text(MARGIN, top, "\n".join(title), 18, bold=True)
    canvas.text(MARGIN, top + 8 + 24 * len(title), "\n".join(note), 14, faint=True)
    for number, (picture, caption) in enumerate(zip(row.images, row.captions, strict=True)):
        left = MARGIN + LABELS + number * (width + GAP)
        canvas.image(picture, left, top, size, f"{row.title} {number}")
        _caption(canvas, caption, left, top + height, width)
    if row.legend:
        left = MARGIN + LABELS + len(row.images) * (width + GAP) + 8
        _upright_bar(canvas, row.legend, left, top, height, f"{row.title} legend")


def _label(row: Row) -> tuple[list[str], list[str]]:
    return wrapped(row.title, LABELS - 20, 18, bold=True, most=3), wrapped(row.note, LABELS - 20, 14, most=12)


def _label_height(row: Row) -> int:
    title, note = _label(row)
    return 8 + 24 * len(title) + 19 * len(note)


def _caption(canvas: Canvas, caption: str, left: Real, bottom: Real, width: int) -> None:
    lines = _caption_lines(caption, width)
    canvas.text(left + width / 2, bottom + 5, "\n".join(lines), 14, align="center", faint=True)


def _caption_lines(caption: str, width: int) -> list[str]:
    return [part for line in caption.split("\n") for part in wrapped(line, width, 14)]


def _captions_height(row: Row, width: int) -> int:
    lines = max(len(_caption_lines(caption, width)) for caption in row.captions)
    return 8 + 18 * lines if lines else 0


def _upright_bar(canvas: Canvas, legend: Legend, left: Real, top: Real, height: int, name: str) -> None:
    """The legend as an upright colour bar: texts at its right, the unit and the notes between them."""
    canvas.strip(legend.colours[::-1, None], left, top, (16, height), name)
    for place, text in legend.ticks:
        edge = {0.0: 20.0, 1.0: 0.0}.get(place, 10.0)  # the lowest text ends where the bar ends
        canvas.text(left + 24, top + (1 - place) * height - edge, text, 15)
    room, line = LEGENDS - 24, 17
    unit = wrapped(legend.unit, room, 13)
    notes = [part for note in legend.notes for part in wrapped(note, room, 13)]
    canvas.text(left + 24, top + 23, "\n".join(unit), 13, faint=True)
    below = max(23 + len(unit) * line, height / 2 + 13)  # under the middle's text
    canvas.text(left + 24, top + below, "\n".join(notes[: max(0, int((height - 20 - below) / line))]), 13, faint=True)


def explanation(rows: Sequence[Row], title: str = "", facts: Sequence[str] = (), paper: Paper = "light") -> Figure:
    """One image: the rows' single pictures from left to right, such as photograph, map and overlay, each over its legend.

    The facts (target, probability, error, options) stand under the title, one a line.
    """
    if not rows or any(len(row.images) != 1 for row in rows):
        raise ValueError(f"rows of {[len(row.images) for row in rows]} pictures; an explanation is of one image, so one each")
    width, height = display_size(*rows[0].images[0].shape[:2], wanted=448)
    across = len(rows) * (width + 2 * GAP) - 2 * GAP
    heading = Heading.within(across, title, facts, 24)
    header = MARGIN + heading.height + (18 if facts else 0)
    footer = max(_captions_height(row, width) + (_flat_bar_height(row.legend, width) if row.legend else 0) for row in rows)
    canvas = Canvas(across + 2 * MARGIN, header + 30 + height + footer + MARGIN, paper)
    heading.draw(canvas, MARGIN, MARGIN)
    for number, row in enumerate(rows):
        left, top = MARGIN + number * (width + 2 * GAP), header + 30
        canvas.text(left, header, fitted(row.title, width, 17, bold=True), 17, bold=True)
        canvas.image(row.images[0], left, top, (width, height), row.title)
        _caption(canvas, row.captions[0], left, top + height, width)
        if row.legend:
            _flat_bar(canvas, row.legend, left, top + height + _captions_height(row, width), width, f"{row.title} legend")
    return canvas.figure


def _flat_bar(canvas: Canvas, legend: Legend, left: Real, top: Real, width: int, name: str) -> None:
    """The legend as a lying colour bar, everything below it."""
    canvas.strip(legend.colours[None], left, top + 12, (width, 16), name)
    for place, text in legend.ticks:
        canvas.text(
            left + place * width, top + 32, text, 15, align="left" if place == 0 else "right" if place == 1 else "center"
        )
    canvas.text(left, top + 56, "\n".join(_flat_lines(legend, width)), 14, faint=True)


def _flat_lines(legend: Legend, width: int) -> list[str]:
    return wrapped("; ".join([legend.unit, *legend.notes]), width, 14)


def _flat_bar_height(legend: Legend, width: int) -> int:
    return 56 + 18 * len(_flat_lines(legend, width))
