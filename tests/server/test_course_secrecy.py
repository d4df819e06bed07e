"""No student and no stranger can learn anything of a key, whatever they ask and however they ask it."""

import asyncio
import itertools
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from json import dumps
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine

from pellucid.course.storage import Course
from pellucid.server.course.who import COOKIE
from pellucid.server.page import STATIC
from tests.server.courses import (
    OTHER,
    RIGHT,
    SECRET,
    Classroom,
    Person,
    assignment,
    classroom,
    document,
    kept_in,
    peopled,
    running,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NUMBERS = re.compile(r"0\.1234567|0\.7654321")
"""Margins and values of the evidence."""
PLAUSIBLE: dict[str, tuple[str, ...]] = {
    "question": ("lime-top", "bert-head", "none", "%00"),
    "id": ("1", "2", "0" * 24, "-1"),
    "version": ("1", "2", "none"),
    "source": ("observation:0", "keys/0001.json"),
    "model": ("imagenet-not", "..%2fkeys"),
    "name": ("book", "..%2f..%2fkeys"),
}
BODIES: tuple[Any, ...] = (
    {"selected": ["a"], "operation": "crawled", "base": 0, "hash": assignment().hash},
    {"selected": ["e"], "operation": "crawled-2", "base": 0, "hash": assignment().hash},
    {"login": "ada", "password": "x"},
    {"csv": "name,email\n"},
    {"changes": {"lime-top": {"accepted": [["a"]]}}, "policy": "replace", "reason": "r"},
    {},
)
ODD: tuple[dict[str, Any], ...] = (
    {"content": b"{", "headers": {"content-type": "application/json"}},
    {"content": b"<a/>", "headers": {"content-type": "text/xml"}},
    {"headers": {"accept": "text/html", "authorization": "Bearer x", "range": "bytes=0-"}},
)
FILES = (
    "/", "/course", "/keys/0001.json", "/course.db", "/course.yaml", "/evidence/", "/../course.db", "/%2e%2e/course.db",
    "/assets/%2e%2e/%2e%2e/course.db", "/lab/results", "/index.html", "/static/", "/assets/x.js.map",
)  # fmt: skip


def asked(app: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Everything to ask: every route under every method with what could be and what could not, and files."""
    for path in app.openapi()["paths"]:
        names = re.findall(r"{(\w+)}", path)
        values = itertools.zip_longest(*(PLAUSIBLE[name] for name in names), fillvalue="1") if names else [()]
        of_course = path.startswith("/api/course")  # the lab's own routes know no key, and are asked less
        for n, filled in enumerate(values):
            if n and not of_course:
                break
            address = path
            for name, value in zip(names, filled, strict=True):
                address = address.replace("{" + name + "}", value)
            if address == "/api/course/sessions":
                continue  # ends the session that the crawl needs; its answers are tested elsewhere
            for method in METHODS:
                yield method, address, {}
            for method in ("POST", "PUT"):
                for body in BODIES[: (None if n == 0 else 2) if of_course else 1]:
                    yield method, address, {"json": body}
            if n == 0:
                for options in ODD if of_course else ODD[2:]:
                    for method in ("GET", "POST"):
                        yield method, address + "?version=1&feedback=total&key=1&source=observation:0", options
    for path in (*FILES, *(f"/{file.relative_to(STATIC)}" for file in STATIC.rglob("*") if file.is_file())):
        for method in ("GET", "HEAD", "POST"):
            yield method, path, {}


def crawl(room: Classroom, person: Person, requests: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[Any, ...]]:
    """What was asked, and every answer whole, but for its date."""

    async def every() -> list[tuple[Any, ...]]:
        return [(method, path, repr(options), *await answer(room.app, person, method, path, **options))
                for method, path, options in requests]  # fmt: skip

    with ThreadPoolExecutor(1) as thread:  # a browser test may have left a loop running in this one
        return thread.submit(asyncio.run, every()).result()


async def answer(
    app: Any,
    person: Person,
    method: str,
    path: str,
    json: Any = None,
    content: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body; by ASGI itself, since there are thousands, and so that no client tidies an odd path."""
    plain, _, query = path.partition("?")
    given = {"host": "localhost", **headers}
    if json is not None:
        content, given["content-type"] = dumps(json).encode(), "application/json"
    if person.token is not None:
        given["cookie"] = f"{COOKIE}={person.token}"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(plain), "raw_path": plain.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }  # fmt: skip
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    with suppress(Exception):  # what the server fails at it answers first, by 500
        await app(scope, receive, send)
    kept = sorted((k, v) for k, v in said[0]["headers"] if k not in (b"date", b"set-cookie"))
    return said[0]["status"], kept, b"".join(message.get("body", b"") for message in said)


def answered(room: Classroom) -> None:
    for person in (room.bo, room.cy):
        for n, (id, ids) in enumerate(RIGHT.items()):
            assert person.save(id, ids, f"given-{n}").status_code == 200


def leaks(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [one for one in found if SECRET in repr(one[3:]) or NUMBERS.search(repr(one[3:]))]


def test_no_answer_to_a_student_or_a_stranger_and_no_log_has_a_word_of_the_key(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with classroom(tmp_path) as room:
        answered(room)
        requests = list(asked(room.app))
        assert len(requests) > 1000
        told = [("open", room.bo), ("open", room.stranger), ("closed", room.bo)]
        for state, person in told:
            room.ada.put("/state", {"state": state, "feedback": "after_close"})
            found = crawl(room, person, requests if state == "open" else [one for one in requests if "/course" in one[1]])
            assert leaks(found) == []
            assert {one[3] for one in found if one[3] >= 500} == set()
            assert {one[3] for one in found} >= ({200, 401, 404} if person is room.stranger else {200, 403, 404, 409, 422} - (
                {409} if state == "open" else set()
            ))  # fmt: skip
        for path in ("/exports/gradescope.csv", "/exports/grades.json"):
            assert SECRET not in room.ada.get(path).text, path  # grades are passed on; the key is not among them
        assert SECRET not in caplog.text
        assert leaks([(0, 0, 0, room.ada.get("/keys/1").text)])  # it is there, and would have been found


def twin(folder: Path, original: Path, right: Any, word: str) -> Course:
    """A course that differs from its twins in nothing but its key; the original has none."""
    folder.mkdir()
    shutil.copy(original / "course.db", folder / "course.db")
    course = kept_in(folder)
    course.publish(document(right, word))
    course.set_state("open", feedback="after_close")
    return course


@pytest.mark.parametrize("policy", ["after_close", "question"])
def test_two_courses_that_differ_in_the_key_alone_answer_students_alike_to_the_last_byte(tmp_path, policy):
    """And with feedback that shows points they do not, so this would see it."""
    told: list[list[tuple[Any, ...]]] = []
    with time_machine.travel("2026-03-01T10:00:00Z", tick=False) as clock:
        peopled(tmp_path).close()
        for name, right in (("one", RIGHT), ("two", OTHER)):
            clock.move_to("2026-03-01T10:00:00Z")
            with running(twin(tmp_path / name, tmp_path, right, name), tmp_path / name) as room:
                answered(room)
                room.ada.put("/state", {"state": "open", "feedback": policy})
                clock.shift(3600)
                requests = list(asked(room.app))
                if policy == "question":
                    requests = [("GET", "/api/course/answers", {})]
                strangers = [one for one in requests if "/course" in one[1]]
                told.append([*crawl(room, room.bo, requests), *crawl(room, room.stranger, strangers)])
    different = [(a[:4], b[:4]) for a, b in zip(*told, strict=True) if a != b]
    assert (different != []) == (policy == "question"), different[:3]
