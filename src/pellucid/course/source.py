"""The private source of a course, as an author writes it in YAML; and every error in it with its file and its line.

`course.yaml` says what the whole course shares and names its parts; a part has artefacts, regions, parameters and questions:

    artefacts:                                 # a kind of artefacts/, and the fields of its entry
      lime: {kind: attribution, model: cnn, images: all, method: lime, config: {samples: 1000}, seeds: 20}
    regions:                                   # entries too; of kind `region` where they do not say another
      subject: {model: cnn, images: all}
    parameters:
      samples: [100, 300]                      # `each: samples` binds {samples} to 100, then 300
      unit: [{layer: features.3, filter: 5}]   # rows: `each: unit` binds {layer} and {filter}
      word: [{token: bank, named: {en: "the bank", zh-TW: "..."}}]   # a text by language can only be used in texts
    questions:
      - id: lime-inside
        group: lime
        points: cnn                            # a name among the course's points, or decimal text: "0.3"
        prompt: {en: "...", zh-TW: "..."}
        hint: {en: "...", zh-TW: "..."}        # optional
        lab: 'view=images&image={image_source}&method=lime:{"samples":150}'   # optional; placeholders from `let`
        let: {image: "3"}                      # optional: names bound in the whole question
        floor: 0.08                            # optional: of every candidate that has none; else the measure's own
        why: {en: "Its share is {value:.2f}; the line is {threshold:.2f}.", zh-TW: "..."}   # also per candidate
        candidates:
          - id: "on-{image}"
            each: image                        # or none: one option
            text: {en: "Image {image}", zh-TW: "..."}
            when: share(lime[image], subject[image]) >= 0.5
          - {each: [unit, image], ...}         # several: their product
          - {each: {n: [10, 50]}, ...}         # values on the spot
          - {each: [{x: a, y: 1}, {x: b, y: 2}], ...}    # rows on the spot
        show: {options: 5, true: [1, 4]}       # how many are shown, and how few and how many of them are true
        if_ambiguous: swap                     # where too few are SAFE, below

`image` and `other` may be used in `each` without being declared: they run over the course's images, never both over the same,
and bind {image}, an id, {image_source}, what the lab calls it, and {image_name}, the name of its file. So they do in `let`.

`if_ambiguous`: `swap` shows only SAFE options, and where there are too few, AMBIGUOUS ones, which bar the release. The others
draw from all that is not INVALID: with `disregard` a shown AMBIGUOUS option may be chosen or not; with `always_correct`
everybody who answers a question with such an option has its points; with `block` one bars the release.
"""

import io
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Texts = dict[str, str]
Scalar = int | float | str
Row = dict[str, Scalar | Texts]
IfAmbiguous = Literal["swap", "disregard", "always_correct", "block"]
Feedback = Literal["none", "total", "question", "after_close"]


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
class ShowSource(_Source):
    """How many of the candidates are shown, and how many of those may be true."""

    options: int = Field(default=5, ge=2, le=12)
    true: tuple[int, int] = (1, 4)


@final
class CandidateSource(_Source):
    """A pattern of options: one for every row of `each`."""

    id: str
    text: Texts
    when: str
    each: str | list[str] | list[Row] | dict[str, list[Scalar]] | None = None
    floor: float | None = Field(default=None, gt=0)
    why: Texts | None = None

    @field_validator("id", "when", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@final
class QuestionSource(_Source):
    """One question and its pool of candidates."""

    id: str
    group: str
    points: str
    prompt: Texts
    candidates: tuple[CandidateSource, ...] = Field(min_length=1)
    hint: Texts = {}
    lab: str = ""
    let: dict[str, Scalar] = {}
    floor: float | None = Field(default=None, gt=0)
    why: Texts | None = None
    show: ShowSource = ShowSource()
    if_ambiguous: IfAmbiguous = "swap"
    draw: str = ""
    """Any text; another one draws other options from the same candidates."""


class PartSource(_Source):
    """What a part's file may hold."""

    artefacts: dict[str, dict[str, Any]] = {}
    regions: dict[str, dict[str, Any]] = {}
    parameters: dict[str, list[Scalar] | list[Row]] = {}
    questions: tuple[QuestionSource, ...] = ()


@final
class AssignmentSource(_Source):
    """What the course is called and how it is graded: the only rules there are so far stand here so that they can be read."""

    id: str
    title: Texts
    attempts: Literal[None] = None
    counts: Literal["latest"] = "latest"
    credit: Literal["exact"] = "exact"
    feedback: Feedback = "after_close"
    empty_selection: Literal[False] = False


@final
class CourseSource(PartSource):
    """What `course.yaml` holds: a part, and what all parts share."""

    assignment: AssignmentSource
    languages: tuple[str, ...] = ("en",)
    points: dict[str, str]
    """Decimal text by name, and `total`, which all questions must come to."""
    groups: dict[str, Texts]
    models: dict[str, str] = {}
    """Networks by the name that artefacts use."""
    images: str | dict[str, str] = {}
    """By id, a path (relative to the source) or `observation:N`; or a folder, whose pictures' names are the ids."""
    masks: str = ""
    """A picture, a folder of pictures or a JSON of polygons by file name; empty: the outlines of the shipped photographs."""
    parts: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------ reading, with lines

LARGEST = 4_000_000
"""Bytes of one file of a source."""
MOST = 50_000
"""Values in one file: what repeats itself by YAML's anchors is counted as often as it is used."""
DEEPEST = 40
"""Levels of lists and names within each other."""
Part = TypeVar("Part", bound=PartSource)
Place = tuple[str | int, ...]
"""A path of keys and positions within a file."""


class SpecError(ValueError):
    """A source does not say a course: one problem a line, each with its file and its line."""


@final
@dataclass(frozen=True, eq=False)
class Located(Generic[Part]):
    """A part as it was read, and where in its file everything stands."""

    part: Part
    file: str
    _tree: Any

    def at(self, *place: str | int) -> str:
        """`cnn.yaml:12`, the line of what stands at that place, or of the nearest thing around it."""
        return f"{self.file}:{_line(self._tree, place)}"


def read_part(path: Path, kind: type[Part]) -> Located[Part]:
    """The file as that kind of part. SpecError for what is no YAML or does not fit, FileNotFoundError for no file."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}, which the course's source needs")
    if path.stat().st_size > LARGEST:
        raise SpecError(f"{path.name}: {path.stat().st_size} bytes; at most {LARGEST} are read")
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{path.name}:{line}: {(error.problem or error.context or 'no YAML').strip()}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(f"{path.name}: this is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(tree, Mapping):
        raise SpecError(f"{path.name}:1: the file is a {type(tree).__name__}; expected names such as `questions:`")
    try:
        part = kind.model_validate(_plain(tree, [MOST], 0, path.name))
    except ValidationError as error:
        told: dict[str, None] = {}  # an ordered set: a union tells the same place several times
        for one in error.errors():
            told[f"{path.name}:{_line(tree, one['loc'])}: {_where(tree, one['loc'])}{one['msg']}"] = None
        raise SpecError("\n".join(told)) from None
    return Located(part, path.name, tree)


def edited(text: str, changes: Mapping[Place, str]) -> str:
    """YAML with these values put in place; comments and order stay as they are."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096  # so that no long line is broken anew
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    for place, value in changes.items():
        inner = tree
        for key in place[:-1]:
            inner = inner.setdefault(key, {}) if isinstance(inner, MutableMapping) else inner[key]
        inner[place[-1]] = value
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue().rstrip("\n") + "\n"


def _plain(value: Any, left: list[int], depth: int, file: str) -> Any:
    """Without the marks that ruamel leaves on what it reads."""
    left[0] -= 1
    if left[0] < 0:
        raise SpecError(f"{file}: it holds more than {MOST} values")
    if depth > DEEPEST:
        raise SpecError(f"{file}: it is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        return {_key(k): _plain(v, left, depth + 1, file) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(one, left, depth + 1, file) for one in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)  # subtle: `true:` is a name of ours, and a bool of YAML's


def _walk(tree: Any, place: Sequence[str | int]) -> tuple[int, list[str | int]]:
    """The line of the innermost thing along the place that is there, and the keys on the way."""
    line, keys = (tree.lc.line if hasattr(tree, "lc") else 0), list[str | int]()
    for key in place:
        if isinstance(tree, CommentedMap) and (own := next((k for k in tree if _key(k) == key), None)) is not None:
            line, key = tree.lc.key(own)[0], own
        elif isinstance(tree, CommentedSeq) and isinstance(key, int) and key < len(tree):
            line = tree.lc.item(key)[0]
        else:
            continue  # subtle: pydantic names the branches of a union on the way
        tree = tree[key]
        keys.append(key)
    return line + 1, keys


def _line(tree: Any, place: Sequence[str | int]) -> int:
    return _walk(tree, place)[0]


def _where(tree: Any, place: Sequence[str | int]) -> str:
    keys = _walk(tree, place)[1]
    last = place[-1] if place and (not keys or keys[-1] != place[-1]) and isinstance(place[-1], str) else None
    told = [*map(str, keys), *([last] if last and last.isidentifier() else [])]
    return f"{'.'.join(told)}: " if told else ""
