"""A course as its source says it, checked: questions, candidates, their conditions, and what these are made from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import final

from pellucid.course.artefacts import Entry
from pellucid.course.assignment import Assignment, Option, Question, Text
from pellucid.course.expression import Condition
from pellucid.course.source import IfAmbiguous
from pellucid.registry import UnknownName, unknown

SOURCE = "course.yaml"
QUESTION_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
OPTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@final
@dataclass(frozen=True)
class Candidate:
    """One option that might be shown."""

    id: str
    text: Text
    when: Condition
    floor: float
    unit: str
    """That of its margin; empty where it mixes units."""
    why: Text
    """A template by language that still has {value}, {threshold} and {margin}."""


@final
@dataclass(frozen=True)
class QuestionSpec:
    """A question with all its candidates."""

    id: str
    group: str
    tenths: int
    prompt: Text
    hint: Text
    lab: str
    candidates: tuple[Candidate, ...]
    options: int
    true: tuple[int, int]
    if_ambiguous: IfAmbiguous
    draw: str

    def candidate(self, id: str) -> Candidate:
        """KeyError where there is none."""
        for candidate in self.candidates:
            if candidate.id == id:
                return candidate
        raise KeyError(f"no candidate named {id!r} in question {self.id!r}")


@final
@dataclass(frozen=True)
class Spec:
    """The whole course, ready to be computed."""

    id: str
    title: Text
    languages: tuple[str, ...]
    groups: Mapping[str, Text]
    feedback: str
    questions: tuple[QuestionSpec, ...]
    entries: Mapping[str, Entry]
    """Artefacts and regions by name."""
    models: Mapping[str, str]
    images: Mapping[str, str]
    """What each image's id stands for: a path or `observation:N`."""
    masks: str
    folder: Path = field(default_factory=Path)

    @property
    def tenths(self) -> int:
        return sum(question.tenths for question in self.questions)

    def question(self, id: str) -> QuestionSpec:
        """KeyError where there is none."""
        for question in self.questions:
            if question.id == id:
                return question
        raise UnknownName(unknown("question", id, [q.id for q in self.questions]))

    def assignment(self, shown: Mapping[str, tuple[str, ...]]) -> Assignment:
        """What students see, with these options of each question."""
        questions = tuple(
            Question(
                q.id, q.group, q.tenths, q.prompt, tuple(Option(id, q.candidate(id).text) for id in shown[q.id]), q.lab, q.hint
            )
            for q in self.questions
        )
        return Assignment(self.id, self.title, self.languages, self.groups, questions)


def tenths(text: str) -> int:
    """Decimal text as integer tenths. ValueError for what is no positive multiple of 0.1."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f'{text!r} is no decimal number, such as "0.3"') from None
    if not value.is_finite() or value <= 0 or value > 1000 or value * 10 % 1:
        raise ValueError(f"{text!r} is no multiple of 0.1 above zero")
    return int(value * 10)


def in_points(count: int) -> str:
    """Integer tenths as decimal text: 3 is `0.3`, 100 is `10`."""
    return f"{count // 10}.{count % 10}" if count % 10 else str(count // 10)
