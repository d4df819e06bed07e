"""Names and what they stand for in one candidate: from `each`, `let`, the parameters and the course's images."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from pellucid.inputs.photograph import SUFFIXES, observation_paths, pictures_in
from pellucid.registry import unknown

IMAGES = ("image", "other")
"""Names that run over the course's images without being declared."""
MOST = 2000
"""Candidates that one pattern may make."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::(\+?,?\.?\d{0,2}[fge%d]?))?\}")


class BindingError(ValueError):
    """A name has no value, or a value is not of the kind that is needed."""


@final
@dataclass(frozen=True)
class Binding:
    """What each name stands for: numbers and texts everywhere, and in texts also what differs by language."""

    values: Mapping[str, int | float | str] = field(default_factory=dict[str, int | float | str])
    by_language: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @classmethod
    def of(cls, row: Mapping[str, Any], images: Mapping[str, str]) -> "Binding":
        """A row of the source; `image` and `other` bring what belongs to the image. BindingError for an unknown image."""
        values: dict[str, int | float | str] = {}
        for name, value in row.items():
            if isinstance(value, Mapping):
                continue
            values[name] = value
            if name in IMAGES:
                if str(value) not in images:
                    raise BindingError(unknown("image", value, images))
                source = images[str(value)]
                file = observation_paths()[int(source[12:])] if source.startswith("observation:") else Path(source)
                values |= {name: str(value), f"{name}_source": source, f"{name}_name": file.stem}
        return cls(values, {name: value for name, value in row.items() if isinstance(value, Mapping)})

    def joined(self, other: "Binding") -> "Binding":
        return Binding({**self.values, **other.values}, {**self.by_language, **other.by_language})

    def texts(self, language: str) -> dict[str, int | float | str]:
        """What texts in that language may name."""
        return {**self.values, **{name: text[language] for name, text in self.by_language.items() if language in text}}


def fill(template: str, values: Mapping[str, object], later: Sequence[str] = ()) -> str:
    """The template with {name} or {name:.2f} filled in; `{{` is a brace. Names in `later` stay, for another filling.

    Only names are looked up: there is no way from one to anything inside it. BindingError for an unknown name, or a brace that
    belongs to no placeholder.
    """

    def one(found: re.Match[str]) -> str:
        name, form = found[1], found[2] or ""
        if name in later and name not in values:
            return found[0]
        if name not in values:
            raise BindingError(f"{{{name}}} stands in a text: {unknown('parameter', name, [*values, *later])}")
        try:
            text = format(values[name], form)
        except (ValueError, TypeError):
            raise BindingError(f"{found[0]}: {values[name]!r} cannot be written so") from None
        return text.replace("{", "{{").replace("}", "}}") if later else text

    made: list[str] = []
    for piece in re.split(r"(\{\{|\}\})", template):
        if piece in ("{{", "}}"):
            made.append(piece if later else piece[0])
            continue
        rest = PLACEHOLDER.sub("", piece)
        if "{" in rest or "}" in rest:
            raise BindingError(
                f"{piece[:80]!r} has a brace of no placeholder; write {{name}} or {{name:.2f}}, and {{{{ for a brace"
            )
        made.append(PLACEHOLDER.sub(one, piece))
    return "".join(made)


def filled_link(template: str, values: Mapping[str, object]) -> str:
    """A lab link with {name} filled in. Its other braces stay, for options are written as JSON. BindingError as in `fill`."""
    return PLACEHOLDER.sub(lambda found: fill(found[0], values), template)


def rows(each: Any, parameters: Mapping[str, Sequence[Any]], images: Mapping[str, str], let: Binding) -> list[Binding]:
    """One binding a candidate, in order; the product where `each` names several. BindingError for an unknown name."""
    if each is None:
        lists: list[list[Mapping[str, Any]]] = [[{}]]
    elif isinstance(each, Mapping):
        lists = [[{name: value} for value in values] for name, values in each.items()]
    elif not isinstance(each, str) and each and all(isinstance(one, Mapping) for one in each):
        lists = [list(each)]
    else:
        lists = [_values(name, parameters, images) for name in ([each] if isinstance(each, str) else each)]
    count = 1
    for one in lists:
        count *= len(one)
    if not 0 < count <= MOST:
        raise BindingError(f"this makes {count} candidates; between 1 and {MOST} are")
    made: list[Binding] = []
    for combination in itertools.product(*lists):
        row = {name: value for part in combination for name, value in part.items()}
        if "image" in row and "other" in row and row["image"] == row["other"]:
            continue
        made.append(let.joined(Binding.of(row, images)))
    return made


def _values(name: str, parameters: Mapping[str, Sequence[Any]], images: Mapping[str, str]) -> list[Mapping[str, Any]]:
    if name in IMAGES:
        return [{name: id} for id in images]
    if name not in parameters:
        raise BindingError(unknown("parameter", name, [*IMAGES, *parameters]))
    return [value if isinstance(value, Mapping) else {name: value} for value in parameters[name]]


def images_of(given: str | Mapping[str, str], folder: Path) -> dict[str, str]:
    """Images by id. Of `observation` or a folder the ids are 0, 1, 2, ... in order. FileNotFoundError where one is missing."""
    if given == "observation":
        return {str(n): f"observation:{n}" for n in range(len(observation_paths()))}
    if isinstance(given, str):
        if not given:
            return {}
        inside = folder / given
        if not inside.is_dir():
            raise FileNotFoundError(f"no folder of images at {str(inside)!r}; give one, `observation`, or images by their id")
        found = pictures_in(inside)
        if not found:
            raise BindingError(f"the folder {str(inside)!r} holds no picture; known endings: {', '.join(SUFFIXES)}")
        return {str(n): str(path) for n, path in enumerate(found)}
    made: dict[str, str] = {}
    for id, source in given.items():
        if source.startswith("observation:"):
            number = source.removeprefix("observation:")
            if not number.isdecimal() or int(number) >= len(observation_paths()):
                raise BindingError(f"{source!r}: there are observation:0 to observation:{len(observation_paths()) - 1}")
        elif not (folder / source).is_file():
            raise FileNotFoundError(f"no image at {str(folder / source)!r}")
        made[str(id)] = source if source.startswith("observation:") else str(folder / source)
    return made
