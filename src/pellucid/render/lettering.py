"""How wide a text will be, and how to make it fit: no label lies on another, and what was cut shows that it was."""

import re
import unicodedata
from functools import cache

from matplotlib.font_manager import FontProperties, findfont
from PIL import ImageFont

from pellucid.render.numbers import Real, shorten


@cache
def _font(bold: bool, size: float = 100) -> ImageFont.FreeTypeFont:
    # matplotlib brings this font along, so a figure looks the same on every machine; as it does, each letter has its own width
    path = findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal"))
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def width(text: str, size: Real, bold: bool = False) -> float:
    """The text's width in pixels at `size` pixels: a Chinese letter is as wide as it is high, in whichever font."""
    narrow = text if text.isascii() else "".join(c for c in text if unicodedata.east_asian_width(c) not in "WF")
    scaled = _font(bold).getlength(narrow) / 100 * float(size)
    # subtle: a PNG's letters are fitted to its pixels, which widens small ones by up to 4 %; those of an SVG are not
    return max(scaled, _font(bold, float(size)).getlength(narrow)) + (len(text) - len(narrow)) * float(size)


def fitted(text: str, room: Real, size: Real, bold: bool = False) -> str:
    """The text in one line of at most `room` pixels, an ellipsis for the middle that had to go."""
    length = len(text)
    while length > 1 and width(shorten(text, length), size, bold) > room:
        length -= 1
    return shorten(text, length)


def wrapped(text: str, room: Real, size: Real, bold: bool = False, most: int = 100) -> list[str]:
    """The text in lines of at most `room` pixels, and no more than `most` of them.

    A word too wide for a line, such as the name of a file or a layer, is broken behind its marks, and fitted where it has none.
    """
    lines: list[str] = []
    for word in text.split():
        for at, part in enumerate(_parts(word, room, size, bold)):
            longer = lines[-1] + ("" if at else " ") + part if lines else ""
            if longer and width(longer, size, bold) <= room:
                lines[-1] = longer
            else:
                lines.append(part)
    if len(lines) > most:
        last = lines[most - 1]
        while last and width(f"{last}…", size, bold) > room:
            last = last[:-1].rstrip()
        lines[most - 1] = f"{last}…"
    return lines[:most]


def _parts(word: str, room: Real, size: Real, bold: bool) -> list[str]:
    if width(word, size, bold) <= room:
        return [word]
    # behind marks, and between Chinese letters, which need no mark
    return [fitted(part, room, size, bold) for part in re.split(r"(?<=[_./-])|(?<=[\u2e80-\uffdf])", word) if part]
