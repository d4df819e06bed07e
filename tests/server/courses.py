"""A small course with two students and an instructor, whose key says its secret words wherever a key can say anything."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from argon2 import PasswordHasher
from starlette.testclient import TestClient

from pellucid.course.assignment import Assignment, Key, Option, Question
from pellucid.course.storage import Course, Database, Member, Phase
from pellucid.course.storage.passwords import Passwords
from pellucid.server import make_app
from pellucid.server.course.who import COOKIE
from tests.server.conftest import LOCAL

ROSTER = "name,email,student id,section\nBo Li,bo@example.edu,1001,A\nCy Ma,cy@example.edu,1002,B\n"
PASSWORD = "a long enough password"
SECRET = "kanari"
"""Begins every word that only a key holds; nothing else here has it."""
RIGHT = {"lime-inside": ["a", "c"], "lime-top": ["b"], "bert-head": ["d"]}
OTHER = {"lime-inside": ["b"], "lime-top": ["a", "b", "d"], "bert-head": ["c"]}


def assignment() -> Assignment:
    def question(id: str, group: str, tenths: int) -> Question:
        options = tuple(Option(o, {"en": f"{id} option {o}", "zh-TW": f"選項 {o}"}) for o in "abcd")
        return Question(id, group, tenths, {"en": f"What of {id}?", "zh-TW": "?"}, options, "view=images", {"en": "Look."})

    return Assignment(
        "xai", {"en": "Explanations", "zh-TW": "解釋"}, ("en", "zh-TW"), {"lime": {"en": "LIME"}, "bert": {"en": "BERT"}},
        (question("lime-inside", "lime", 3), question("lime-top", "lime", 3), question("bert-head", "bert", 4)),
    )  # fmt: skip


def document(right: Mapping[str, Sequence[str]], word: str = "one") -> dict[str, Any]:
    """A frozen key under which these options are right; every free text in it has the secret word."""
    asked = assignment()

    def secret(where: str) -> str:
        return f"{SECRET}-{word}-{where}"

    key = Key(
        asked.hash, 1, {id: (frozenset(ids),) for id, ids in right.items()}, reason=secret("reason"), state="frozen"
    )  # fmt: skip
    runs = [{"axis": secret("axis"), "margin": 0.1234567}]

    def option(question: str, id: str, shown: bool) -> dict[str, Any]:
        correct = id in right[question]
        return {
            "id": id if shown else secret("unshown"), "text": {"en": f"text {secret('text')}" if not shown else id},
            "correct": correct, "verdict": "SAFE", "margin": 0.1234567 if correct else -0.1234567, "sd": 0.01, "floor": 0.08,
            "unit": "share", "value": 0.7654321, "threshold": 0.5, "when": f"share({secret('when')}) >= 0.5", "shown": shown,
            "runs": runs, "override": {"by": secret("by"), "reason": secret("override"), "at": "2026-01-01T00:00:00.000Z"},
            "why": {"en": secret("why"), "zh-TW": secret("why-zh")}, "marker": secret("right" if correct else "wrong"),
        }  # fmt: skip

    questions = [
        {"id": q.id, "options": [*(option(q.id, o.id, True) for o in q.options), option(q.id, q.options[0].id, False)]}
        for q in asked.questions
    ]
    review = {
        "question": "lime-top", "option": "b", "by": secret("reviewer"), "at": "2026-01-01T00:00:00.000Z", "vote": "disagree",
        "reason": secret("review"),
    }  # fmt: skip
    return {
        "format": 1, "state": "frozen", "hash": key.hash, "assignment": asked.to_json(), "key": key.to_json(),
        "evidence": {
            "questions": questions, "spec": secret("spec"), "images": {"1": secret("image")}, "model": {"cnn": secret("model")},
            "versions": {}, "settings": {"seed": secret("setting")},
        },
        "review": [review],
    }  # fmt: skip


@dataclass
class Person:
    """Somebody at a browser: a session of their own on a client that all share."""

    client: TestClient
    token: str | None = None
    me: Member | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def ask(self, method: str, path: str, **options: Any) -> Any:
        self.client.cookies.clear()
        cookie = {} if self.token is None else {"cookie": f"{COOKIE}={self.token}"}
        headers = {**self.headers, **cookie, **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", "/api/course" + path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Any:
        return self.ask("POST", "/api/course" + path, json=body, **options)

    def put(self, path: str, body: Any, **options: Any) -> Any:
        return self.ask("PUT", "/api/course" + path, json=body, **options)

    def save(self, question: str, selected: Sequence[str], operation: str, base: int | None = 0, **more: Any) -> Any:
        body = {"selected": list(selected), "operation": operation, "base": base, "hash": assignment().hash, **more}
        return self.put(f"/answers/{question}", body)


@dataclass
class Classroom:
    """A running lab with a course on it."""

    client: TestClient
    course: Course
    app: Any
    folder: Path
    bo: Person
    cy: Person
    ada: Person
    stranger: Person


def kept_in(folder: Path) -> Course:
    """The course in this folder. Its passwords are checked fast, and so ill."""
    return Course(Database(f"sqlite:///{folder / 'course.db'}"), Passwords(PasswordHasher(1, 8, 1)))


@cache
def file(right: frozenset[tuple[str, tuple[str, ...]]] | None) -> bytes:
    """A course with its members, and with a key if it is said what is right: made once, since making the tables takes time."""
    with TemporaryDirectory() as folder:
        course = kept_in(Path(folder))
        course.migrate()
        course.add_instructor("ada", "Ada", PASSWORD)
        course.import_roster(ROSTER)
        if right is not None:
            course.publish(document(dict(right)))
        course.close()
        return (Path(folder) / "course.db").read_bytes()


def peopled(folder: Path) -> Course:
    """A new course with its members, and nothing published."""
    (folder / "course.db").write_bytes(file(None))
    return kept_in(folder)


def keyed(folder: Path) -> Course:
    """The same with a key."""
    (folder / "course.db").write_bytes(file(frozenset((id, tuple(ids)) for id, ids in RIGHT.items())))
    return kept_in(folder)


@contextmanager
def running(course: Course, folder: Path, **options: Any) -> Iterator[Classroom]:
    """The lab with the course on it, and everybody logged in."""
    options = {"models": [], **options}
    app = make_app(store=folder / "lab", course=course, **options)
    try:
        with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as client:
            people = {}
            for member in course.members():
                people[member.login.partition("@")[0]] = Person(client, course.start_session(member.id), member)
            yield Classroom(client, course, app, folder, people["bo"], people["cy"], people["ada"], Person(client))
    finally:
        course.close()


@contextmanager
def classroom(folder: Path, state: Phase = "open", **options: Any) -> Iterator[Classroom]:
    """A course with a key, in that state."""
    course = keyed(folder)
    if state != "draft":
        course.set_state(state)
    with running(course, folder, **options) as room:
        yield room
