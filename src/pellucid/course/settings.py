"""What students set in the notebooks, checked: it is given back as it is, or a ValueError names it and says what would do."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def whole(name: str, value: Any, least: int, most: int) -> int:
    """The whole number, from `least` to `most`."""
    wanted = f"give a whole number from {least} to {most}"
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}, {kind(value)}; {wanted}") from None
    if not least <= found <= most:
        raise ValueError(f"{name} is {found}; {wanted}")
    return found


def real(name: str, value: object, least: int | float, most: int | float) -> float:
    """The number, from `least` to `most`."""
    wanted = f"give a number from {least:g} to {most:g}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} is {value!r}, {kind(value)}; {wanted}")
    if not least <= float(value) <= most:
        raise ValueError(f"{name} is {value}; {wanted}")
    return float(value)


def wholes(name: str, values: object, least: int, most: int, *, count: int) -> list[int]:
    """A list of one to `count` different whole numbers."""
    return [whole(f"{name}[{n}]", one, least, most) for n, one in enumerate(several(name, values, count))]


def reals(name: str, values: object, least: int | float, most: int | float, *, count: int) -> list[float]:
    """A list of one to `count` different numbers."""
    return [real(f"{name}[{n}]", one, least, most) for n, one in enumerate(several(name, values, count))]


def text(name: str, value: object, *, empty: bool = False) -> str:
    """The text; not an empty one, unless that is allowed."""
    if not isinstance(value, str) or not (empty or value.strip()):
        what = "empty" if isinstance(value, str) else f"{value!r}, {kind(value)}"
        raise ValueError(f'{name} is {what}; give a text between quotation marks, such as {name} = "..."')
    return value


def word(name: str, value: object) -> Any:
    """A word, or two of it: the word and which of its occurrences, or its first character and the one behind its last."""
    if isinstance(value, str) and value.strip():
        return value
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    if len(pair) == 2 and isinstance(pair[0], str | int) and isinstance(pair[1], int):
        return pair
    what = "empty" if isinstance(value, str) else f"{value!r}, {kind(value)}"
    raise ValueError(
        f'{name} is {what}; give a word between quotation marks, such as "lamp", or a word and which of its occurrences in '
        'brackets of their own, such as ("the", 2)'
    )


def words(name: str, values: object, count: int) -> list[Any]:
    """A list of one to `count` different words."""
    return [word(f"{name}[{n}]", one) for n, one in enumerate(several(name, values, count))]


def yes(name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, {kind(value)}; give True or False, without quotation marks")
    return value


def grouped(name: str, value: object) -> tuple[list[str], list[str]]:
    """Of texts by their group: each text's group, and the texts, in their order."""
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f'{name} is {value!r:.60}, {kind(value)}; give a dictionary of lists, such as {{"fruit": ["...", "..."]}}'
        )
    groups: list[str] = []
    texts: list[str] = []
    for group, some in value.items():
        where = f"{name}[{group!r}]"
        for n, one in enumerate(several(where, some, 30)):
            groups.append(text(f"a key of {name}", group))
            texts.append(text(f"{where}[{n}]", one))
    return groups, texts


def choice(name: str, value: object, known: Sequence[T]) -> T:
    """One of the known names."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; give one of: {', '.join(map(repr, known))}")
    return known[known.index(value)]


def choices(name: str, values: object, known: Sequence[T]) -> list[T]:
    """A list of some of the known names, each once."""
    return [choice(f"{name}[{n}]", one, known) for n, one in enumerate(several(name, values, len(known)))]


def several(name: str, values: object, count: int) -> list[object]:
    """A list of one to `count` different entries of any kind."""
    if isinstance(values, str) or not isinstance(values, Sequence | range):
        such = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]
        raise ValueError(f"{name} is {values!r}, {kind(values)}; give a list in square brackets, such as {name} = {such!r}")
    if not 1 <= len(values) <= count:
        raise ValueError(f"{name} has {len(values)} entries; give 1 to {count}")
    for n, one in enumerate(values):
        if one in values[:n]:
            raise ValueError(f"{name} has {one!r} twice; give each once")
    return list(values)


def kind(value: object) -> str:
    """What sort of thing it is, in a student's words."""
    kinds = {
        str: "a text", int: "a whole number", float: "a number with a point", bool: "yes or no", list: "a list",
        tuple: "a tuple", dict: "a dictionary",
    }  # fmt: skip
    return kinds.get(type(value), "nothing" if value is None else f"a {type(value).__name__}")
