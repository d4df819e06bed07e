"""Text in any script: which installed fonts have its letters, and how to shorten a sentence around a word of it.

A letter that no font has would be drawn as a box; what cannot be drawn is left out instead, and shows that it was.
"""

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from pellucid.render.lettering import width
from pellucid.render.numbers import Real

Label = tuple[str, str, str]
"""What stands before the word, the word, and what stands behind it."""
DEFAULT = "DejaVu Sans"
FONTS = (
    "Noto Sans CJK TC", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans TC", "Source Han Sans SC",
    "Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang TC", "PingFang SC", "PingFang HK", "Heiti TC",
    "Microsoft JhengHei", "Microsoft YaHei", "SimHei", "Arial Unicode MS", "Noto Sans", "Noto Sans Thai", "Noto Sans Arabic",
    "Noto Sans Devanagari", "FreeSans", "Unifont",
)  # fmt: skip
"""Asked in this order for letters that matplotlib's own font lacks, where they are installed."""


@cache
def _letters(family: str) -> frozenset[int]:
    """The characters of a font; none where it is not installed."""
    if family not in {font.name for font in fontManager.ttflist}:
        return frozenset()
    return frozenset(get_font(findfont(FontProperties(family=family))).get_charmap())


def families(text: str) -> list[str]:
    """matplotlib's own font, and those of `FONTS` that have letters of the text which it lacks."""
    found = [DEFAULT]
    if text.isascii():
        return found
    missing = {ord(c) for c in text if not c.isspace()} - _letters(DEFAULT)
    for family in FONTS:
        if missing & _letters(family):
            found.append(family)
            missing -= _letters(family)
    return found


def can_draw(text: str) -> bool:
    """Whether installed fonts have every letter of the text, so that none becomes a box."""
    return all(_drawn(letter, FONTS) for letter in set(text))


@cache
def _drawn(letter: str, fonts: tuple[str, ...]) -> bool:
    return letter.isspace() or any(ord(letter) in _letters(family) for family in (DEFAULT, *fonts))


def drawable(text: str) -> str:
    """The text, an ellipsis for each run of letters that no installed font has."""
    shown = "".join(c if c.isspace() or can_draw(c) else "\ufffc" for c in text)
    while "\ufffc\ufffc" in shown:
        shown = shown.replace("\ufffc\ufffc", "\ufffc")
    return shown.replace("\ufffc", "…")


def shows(label: Label) -> bool:
    """Whether the word and at least half of its sentence can be drawn."""
    letters = [c for part in label for c in part if not c.isspace()]
    return can_draw(label[1]) and 2 * sum(map(can_draw, letters)) >= len(letters)


def around(label: Label, room: Real, size: Real) -> str:
    """`…cut an «apple» into thin…`: what fits of a sentence around its word; nothing where that cannot be drawn."""
    if not shows(label):
        return ""
    before, word, behind = (drawable(" ".join(part.split("\n"))) for part in label)
    marked = f"«{word}»" if word else ""
    left, right = before, behind
    while width(_cut(left, before, right, behind, marked), size) > room and (left or right):
        # the longer side gives way, so that the word keeps to the middle of what is seen
        if len(left) >= len(right):
            left = left[1:]
        else:
            right = right[:-1]
    return _cut(left, before, right, behind, marked)


def _cut(left: str, before: str, right: str, behind: str, marked: str) -> str:
    """The parts, a word that was cut through left out where there is a space to cut at."""
    head, tail = before, behind
    if len(left) < len(before):
        whole = before[len(before) - len(left) - 1].isspace()
        head = "…" + (left if whole or " " not in left else left.partition(" ")[2]).lstrip()
    if len(right) < len(behind):
        whole = behind[len(right)].isspace()
        tail = (right if whole or " " not in right else right.rpartition(" ")[0]).rstrip() + "…"
    return f"{head}{marked}{tail}"
