"""A course of its own for a benchmark: thirty made-up questions, a class that is logged in, and its server as a process."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pellucid.course.assignment import Assignment, Key, Option, Question
from pellucid.course.storage import Course

OPTIONS = "abcde"


@dataclass(frozen=True)
class Student:
    id: int
    cookie: str


@dataclass
class Served:
    """A course, and the process that serves it."""

    folder: Path
    url: str | None
    assignment: Assignment
    students: list[Student]
    process: "subprocess.Popen[str] | None" = None
    address: str = ""

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("pellucid")), "course", "serve", str(self.folder), "--no-browser"]
        # subtle: after a kill the port may not be free at once, and the next that is will do
        where = ["--port", "0"] + (["--url", self.url] if self.url else [])
        log = (self.folder / "server.log").open("a")
        with log:
            self.process = subprocess.Popen([*command, *where], stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "served at" in line:
                self.address = line.split("served at")[1].split("?")[0].strip()
                return
        raise RuntimeError(f"the server ended at once: {(self.folder / 'server.log').read_text()[-2000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def resident(self) -> float:
        """Megabytes that the server holds."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor(self) -> float:
        """Seconds of a core that the server has used."""
        assert self.process is not None
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def thirty() -> Assignment:
    def question(number: int) -> Question:
        group = "cnn" if number <= 20 else "bert"
        text = f"Which of these five statements about explanation {number} hold? " * 3
        options = tuple(Option(o, {"en": f"Statement {o} about the map of explanation {number}."}) for o in OPTIONS)
        return Question(f"q{number}", group, 3 if group == "cnn" else 4, {"en": text, "zh-TW": text}, options, "view=images")

    groups = {"cnn": {"en": "CNN"}, "bert": {"en": "BERT"}}
    return Assignment("load", {"en": "Load"}, ("en", "zh-TW"), groups, tuple(question(n) for n in range(1, 31)))


@contextmanager
def served(students: int, url: str | None = None) -> Iterator[Served]:
    """An open course of so many students who are logged in; `url` names an empty database instead of a file."""
    with tempfile.TemporaryDirectory(prefix="pellucid-course-") as name:
        folder, assignment = Path(name), thirty()
        (folder / "course.yaml").touch()
        key = Key(assignment.hash, 1, {q.id: (frozenset("ac"),) for q in assignment.questions}, state="frozen")
        course = Course.open(folder, url)
        course.publish({
            "format": 1, "state": "frozen", "hash": key.hash, "assignment": assignment.to_json(), "key": key.to_json(),
            "evidence": {}, "review": [],
        })  # fmt: skip
        lines = "".join(f"Student {n},student{n}@example.edu,{n}\n" for n in range(students))
        course.import_roster("name,email,student id\n" + lines)
        course.set_state("open")
        people = [
            Student(member.id, f"pellucid-course={course.start_session(member.id)}")
            for member in course.members() if member.role == "student"
        ]  # fmt: skip
        course.close()
        running = Served(folder, url, assignment, people)
        running.start()
        try:
            yield running
        finally:
            assert running.process is not None
            running.process.terminate()
            running.process.wait()


def body(operation: str, selected: list[str], base: int | None, hash: str) -> bytes:
    return json.dumps({"selected": selected, "operation": operation, "base": base, "hash": hash}).encode()
