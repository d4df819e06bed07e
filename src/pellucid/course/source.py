"""The private source of a course, as an author writes it in YAML; and every error in it with its file and its line.

`course.yaml` says what the whole course shares and names its parts; a part has artefacts, regions, parameters and questions:

    artefacts:
      lime: {kind: attribution, model: cnn, images: all, method: lime, config: {samples: 1000}, seeds: 20}   # see artefacts/
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
        lab: "view=images&method=lime&source={image_source}"   # optional; placeholders from `let`
        let: {image: "3"}                      # optional: names bound in the whole question
        floor: 0.08                            # optional: of every candidate that has none; else the measure's own
        why: {en: "Its share is {value:.2f}; the line is {threshold:.2f}.", zh-TW: "..."}   # also per candidate
        candidates:
          - {id: "on-{image}", each: image, text: {en: "Image {image}", zh-TW: "..."}, when: "share(lime[image], subject[image]) >= 0.5"}
          - {id: "{layer}-{filter}-{image}", each: [unit, image], text: ..., when: "..."}     # several: their product
          - {id: "n-{n}", each: {n: [10, 50]}, ...}            # values on the spot
          - {id: "{id}", each: [{id: a, x: 1}, {id: b, x: 2}], ...}   # rows on the spot
        show: {options: 5, true: [1, 4]}
        if_ambiguous: swap                     # disregard | always_correct | block

`image` may be used in `each` without being declared: it runs over the course's images and binds {image}, an id, and
{image_source}, what the lab calls the image.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

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
