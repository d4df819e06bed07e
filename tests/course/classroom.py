"""A small course for tests: three questions, an instructor and a few students, with passwords that cost little."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from argon2 import PasswordHasher

from pellucid.course.assignment import Assignment, Key, Option, Question
from pellucid.course.storage import Course, Database, Member, Saved
from pellucid.course.storage.passwords import Passwords

RIGHT = {"q1": ["a", "b"], "q2": ["c"], "q3": ["a", "d"]}
ROSTER = (
    "name,email,student id,section\nBo Li,bo@example.edu,1001,A\nCy Ma,cy@example.edu,1002,B\nDi Wu,di@example.edu,1003,A\n"
)

ASSIGNMENT = Assignment(
    "xai", {"en": "Explanations", "zh-TW": "解釋"}, ("en", "zh-TW"), {"cnn": {"en": "CNN"}},
    tuple(
        Question(id, "cnn", tenths, {"en": f"What of {id}?"}, tuple(Option(o, {"en": o}) for o in "abcd"))
        for id, tenths in (("q1", 3), ("q2", 3), ("q3", 4))
    ),
)  # fmt: skip

_operations = itertools.count(1)


def key(right: Mapping[str, Sequence[str]] = RIGHT, **more: Any) -> Key:
    return Key(ASSIGNMENT.hash, 1, {id: (frozenset(ids),) for id, ids in right.items()}, state="frozen", **more)


def document(of: Key | None = None) -> dict[str, Any]:
    """A frozen key document."""
    of = of or key()
    return {
        "format": 1, "state": "frozen", "hash": of.hash, "assignment": ASSIGNMENT.to_json(), "key": of.to_json(),
        "evidence": {"questions": [], "spec": "made up"}, "review": [],
    }  # fmt: skip


def opened(url: str) -> Course:
    """The course of this database, with cheap passwords."""
    course = Course(Database(url), Passwords(PasswordHasher(1, 8, 1)))
    course.migrate()
    return course


def made(url: str) -> Course:
    """A course with three students, whose questions are open."""
    course = opened(url)
    course.publish(document())
    course.import_roster(ROSTER)
    course.set_state("open")
    return course


def student(course: Course, name: str) -> Member:
    return next(member for member in course.members() if member.name.startswith(name))


def answer(course: Course, member: Member, question: str, selected: str, base: int | None = None) -> Saved:
    """Saved under a new operation; `selected` are ids of one letter each."""
    operation = f"operation-{next(_operations)}"
    return course.save(member.id, question, list(selected), operation, base, ASSIGNMENT.hash)
