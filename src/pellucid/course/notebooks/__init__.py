"""The two notebooks of the course: found, divided into what is given and what is the student's, and written as .ipynb.

Their only source is the Python text beside this file, in jupytext's percent format. Students change nothing but the lines
between `# TODO n` and `# END TODO n`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from pellucid.store import write_whole

PARTS = {1: "part1_cnn", 2: "part2_bert"}
"""The notebooks by their part of the course."""

_OPENS = re.compile(r"# TODO (\d+)\b")
_CLOSES = re.compile(r"# END TODO (\d+)\s*$")


def source(part: int) -> str:
    """The Python text of that part. ValueError for another part."""
    if part not in PARTS:
        raise ValueError(f"there is no part {part} of the notebooks; known: {', '.join(f'{n} ({PARTS[n]})' for n in PARTS)}")
    return (files("pellucid.course.notebooks") / f"{PARTS[part]}.py").read_text(encoding="utf-8")


def notebook(part: int) -> Any:
    """That part as a notebook of nbformat, without outputs; the same every time."""
    import jupytext  # late: it brings nbformat along

    made = jupytext.reads(source(part), fmt="py:percent")
    for number, cell in enumerate(made.cells):
        cell["id"] = f"part{part}-{number:02}"  # otherwise drawn at random
    made.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "pellucid": {"part": part},
    }
    return made


def text(part: int) -> str:
    """That part as the text of an .ipynb file."""
    import nbformat

    return nbformat.writes(notebook(part)) + "\n"


def write_notebooks(folder: Path, parts: Sequence[int] = tuple(PARTS), *, force: bool = False) -> list[Path]:
    """Write the notebooks into the folder, and return their paths.

    Without `force`, a FileExistsError when one of them is there already, with what its owner has changed in it; then none is
    written. OSError when they cannot be.
    """
    texts = {folder / f"{PARTS[part]}.ipynb": (part, text(part)) for part in parts}
    there = [(path, part) for path, (part, _) in texts.items() if path.exists()]
    if there and not force:
        raise FileExistsError(
            "; ".join(f"{path} is there already{_remark(part, path)}" for path, part in there)
            + ". Nothing was written: give another folder, or --force to replace what is there"
        )
    return [write_whole(path, made.encode()) for path, (_, made) in texts.items()]


def _remark(part: int, path: Path) -> str:
    try:
        found = changed(part, path)
    except ValueError:
        return ""
    numbers = ", ".join(map(str, found.todos))
    return f", with changes in TODO {numbers}" if found.todos else ", unchanged" if not found.cells else ""


@final
@dataclass(frozen=True)
class Changes:
    """Where a student's notebook differs from ours."""

    todos: tuple[int, ...]
    """The numbers of the TODOs whose lines are others: the student's work."""
    cells: tuple[str, ...]
    """The ids of our cells that are gone or differ outside of such lines, and `added` for one that is not ours: nobody was
    asked to."""


def changed(part: int, path: Path) -> Changes:
    """Where the notebook in that file differs from ours. ValueError for a file that is no notebook."""
    import nbformat

    try:
        theirs = nbformat.read(path, as_version=4)
    except (OSError, ValueError, KeyError, AttributeError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        raise ValueError(f"{str(path)!r} is no notebook: {error}") from None
    ours = {cell["id"]: cell for cell in notebook(part).cells}
    found = {cell.get("id", f"unnamed-{n}"): cell for n, cell in enumerate(theirs.cells)}
    work = {id: todos(cell["source"]) for id, cell in found.items()}
    numbers = [n for id, cell in ours.items() for n, lines in todos(cell["source"]).items() if work.get(id, {}).get(n) != lines]
    touched = [id for id, cell in ours.items() if id not in found or given(found[id]["source"]) != given(cell["source"])]
    return Changes(tuple(numbers), (*touched, *("added" for id in found if id not in ours)))


def todos(code: str) -> dict[int, str]:
    """The student's lines, by the number of their TODO, without the two marks."""
    found: dict[int, list[str]] = {}
    for line, number, mark in _marked(code):
        if number is not None:
            found.setdefault(number, [])
            found[number] += [] if mark else [line]
    return {number: "\n".join(lines) for number, lines in found.items()}


def given(code: str) -> str:
    """What is ours: everything but the student's lines, the marks included."""
    return "\n".join(line for line, number, mark in _marked(code) if number is None or mark)


def solved(code: str, answers: dict[int, str]) -> str:
    """The code with other lines in these TODOs. KeyError for one that it has not."""
    left, lines = dict(answers), []
    for line, number, mark in _marked(code):
        if number in answers and not mark:
            continue
        lines.append(line)
        if number in left:
            lines.append(left.pop(number))
    if left:
        raise KeyError(f"no TODO {next(iter(left))} here; there are: {', '.join(map(str, todos(code))) or 'none'}")
    return "\n".join(lines)


def _marked(code: str) -> Iterator[tuple[str, int | None, bool]]:
    """Each line, the number of the TODO that it is part of, and whether it is one of its two marks.

    ValueError for a mark that closes what was not opened, or is missing.
    """
    inside: int | None = None
    for line in code.split("\n"):
        opens, closes = _OPENS.match(line), _CLOSES.match(line)
        if opens:
            if inside is not None:
                raise ValueError(f"TODO {opens[1]} begins before # END TODO {inside}")
            inside = int(opens[1])
            yield line, inside, True
        elif closes:
            if inside != int(closes[1]):
                raise ValueError(f"# END TODO {closes[1]} closes {'nothing' if inside is None else f'TODO {inside}'}")
            yield line, inside, True
            inside = None
        else:
            yield line, inside, False
    if inside is not None:
        raise ValueError(f"TODO {inside} has no # END TODO {inside}")
