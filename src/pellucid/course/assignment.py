"""What a student is asked, and what counts as right: two values that never meet where a student can fetch them.

An `Assignment` is public: prompts, options, points. A `Key` says which options of each question are right; it is computed from
explanations, and once it is frozen it changes only by a new version of itself.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

Text = Mapping[str, str]
"""The same text by language: `en`, `zh-TW`."""
Selection = frozenset[str]
"""The ids of the options that somebody chose in one question."""
State = Literal["draft", "computed", "reviewed", "frozen"]


@final
@dataclass(frozen=True)
class Option:
    """One option as a student sees it."""

    id: str
    text: Text


@final
@dataclass(frozen=True)
class Question:
    """One question as a student sees it. Its points are integer tenths; `lab` is the query of the view that it is about."""

    id: str
    group: str
    tenths: int
    prompt: Text
    options: tuple[Option, ...]
    lab: str = ""
    hint: Text = field(default_factory=dict[str, str])


@final
@dataclass(frozen=True)
class Assignment:
    """All that is asked, in its order."""

    id: str
    title: Text
    languages: tuple[str, ...]
    groups: Mapping[str, Text]
    questions: tuple[Question, ...]

    @property
    def tenths(self) -> int:
        """What all questions are worth together."""
        return sum(question.tenths for question in self.questions)

    def question(self, id: str) -> Question:
        """KeyError where there is none."""
        for question in self.questions:
            if question.id == id:
                return question
        raise KeyError(f"no question named {id!r} in {self.id}; it has: {', '.join(q.id for q in self.questions)}")

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "title": dict(self.title), "languages": list(self.languages),
            "groups": {id: dict(text) for id, text in self.groups.items()},
            "questions": [
                {
                    "id": q.id, "group": q.group, "tenths": q.tenths, "prompt": dict(q.prompt), "lab": q.lab,
                    "hint": dict(q.hint),
                    "options": [{"id": o.id, "text": dict(o.text)} for o in q.options],
                }
                for q in self.questions
            ],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Assignment":
        questions = tuple(
            Question(
                q["id"], q["group"], q["tenths"], q["prompt"],
                tuple(Option(o["id"], o["text"]) for o in q["options"]), q.get("lab", ""), q.get("hint", {}),
            )
            for q in data["questions"]
        )  # fmt: skip
        return cls(data["id"], data["title"], tuple(data["languages"]), data["groups"], questions)

    @property
    def hash(self) -> str:
        """SHA-256 of what is asked: equal assignments have equal hashes, on any machine."""
        return digest(self.to_json())


@final
@dataclass(frozen=True)
class Key:
    """What counts as right, by question, in one version.

    `accepted` holds every selection that earns a question's points: one as a rule, several after a regrade that accepts either.
    An option in `disregarded` may be chosen or not. Of a question in `full` everybody who answered gets the points.
    """

    assignment: str
    """The hash of the assignment."""
    version: int
    accepted: Mapping[str, tuple[Selection, ...]]
    disregarded: Mapping[str, Selection] = field(default_factory=dict[str, Selection])
    full: frozenset[str] = frozenset()
    parent: int | None = None
    reason: str = ""
    state: State = "computed"

    def to_json(self) -> dict[str, Any]:
        return {
            "assignment": self.assignment, "version": self.version,
            "accepted": {id: [sorted(one) for one in several] for id, several in sorted(self.accepted.items())},
            "disregarded": {id: sorted(ids) for id, ids in sorted(self.disregarded.items()) if ids},
            "full": sorted(self.full), "parent": self.parent, "reason": self.reason, "state": self.state,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Key":
        return cls(
            data["assignment"], data["version"],
            {id: tuple(frozenset(one) for one in several) for id, several in data["accepted"].items()},
            {id: frozenset(ids) for id, ids in data.get("disregarded", {}).items()},
            frozenset(data.get("full", ())), data.get("parent"), data.get("reason", ""), data.get("state", "computed"),
        )  # fmt: skip

    @property
    def hash(self) -> str:
        """SHA-256 of what counts as right; the state of its review is no part of it."""
        return digest({name: value for name, value in self.to_json().items() if name != "state"})

    def right(self, question: str, selection: Collection[str]) -> bool:
        """Whether the selection earns the points of the question. Choosing nothing is no answer and earns none."""
        if not selection:
            return False
        ignored = self.disregarded.get(question, frozenset())
        chosen = frozenset(selection) - ignored
        return question in self.full or any(chosen == one - ignored for one in self.accepted[question])


def tenths(assignment: Assignment, key: Key, answers: Mapping[str, Collection[str]]) -> dict[str, int]:
    """The points of every question in integer tenths, all or nothing: a pure function of answers and key."""
    return {q.id: q.tenths if key.right(q.id, answers.get(q.id, ())) else 0 for q in assignment.questions}


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
