"""How wide a text will be, and how to make it fit: no label lies on another, and what was cut shows that it was."""

from functools import cache

from matplotlib.font_manager import FontProperties, findfont
from PIL import ImageFont

from pellucid.render.numbers import Real, shorten


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    # matplotlib brings this font along, so a figure looks the same on every machine
    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")), 100)


def width(text: str, size: Real, bold: bool = False) -> float:
    """The text's width in pixels at `size` pixels."""
    return _font(bold).getlength(text) * size / 100


def fitted(text: str, room: Real, size: Real, bold: bool = False) -> str:
    """The text in one line of at most `room` pixels, an ellipsis for the middle that had to go."""
    length = len(text)
    while length > 1 and width(shorten(text, length), size, bold) > room:
        length -= 1
    return shorten(text, length)


def wrapped(text: str, room: Real, size: Real, bold: bool = False, most: int = 100) -> list[str]:
    """The text in lines of at most `room` pixels, and no more than `most` of them; a word too wide for a line is fitted."""
    lines: list[str] = []
    for word in text.split():
        word = fitted(word, room, size, bold)
        if lines and width(f"{lines[-1]} {word}", size, bold) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        last = lines[most - 1]
        while last and width(f"{last}…", size, bold) > room:
            last = last[:-1].rstrip()
        lines[most - 1] = f"{last}…"
    return lines[:most]
