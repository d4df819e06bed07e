"""A small course as its members meet it: `pellucid course serve` in a process of its own, which can be killed and come back."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from argon2 import PasswordHasher
from playwright.sync_api import Page

from pellucid.course.assignment import Assignment, Key, Option, Question
from pellucid.course.storage import Course, Database, Member
from pellucid.course.storage.passwords import Passwords

PASSWORD = "a long enough password"
RIGHT = {"top": ["a", "c"], "words": ["b"], "share": ["a", "b"], "order": ["d"]}
CHINESE = {"a": "甲", "b": "乙", "c": "丙", "d": "丁"}


def assignment() -> Assignment:
    """Two questions with a room beside them, and two with nothing to wait for."""

    def question(id: str, group: str, tenths: int, lab: str) -> Question:
        options = tuple(Option(o, {"en": f"{id} option {o}", "zh-TW": f"{id} 選項{CHINESE[o]}"}) for o in "abcd")
        prompt = {"en": f"Which hold for {id}?", "zh-TW": f"{id} 的敘述何者正確？"}
        return Question(id, group, tenths, prompt, options, lab, {"en": "Look at the largest.", "zh-TW": "請看最大的。"})

    return Assignment(
        "xai4", {"en": "Explanations", "zh-TW": "可解釋性"}, ("en", "zh-TW"),
        {"pictures": {"en": "Pictures", "zh-TW": "圖片"}, "texts": {"en": "Texts", "zh-TW": "文字"}},
        (
            question("top", "pictures", 3, "image=observation:3&method=saliency"),
            question("share", "pictures", 3, ""),
            question("words", "texts", 4, "view=words"),
            question("order", "texts", 4, ""),
        ),
    )  # fmt: skip


def document() -> dict[str, Any]:
    """Its key document, frozen."""
    asked = assignment()
    key = Key(asked.hash, 1, {id: (frozenset(ids),) for id, ids in RIGHT.items()}, state="frozen")
    return {
        "format": 1, "state": "frozen", "hash": key.hash, "assignment": asked.to_json(), "key": key.to_json(),
        "evidence": {"questions": []}, "review": [],
    }  # fmt: skip


class Classroom:
    """The course's folder, its database as this process sees it, and the server while it runs."""

    def __init__(
        self,
        folder: Path,
        students: int = 30,
        published: dict[str, Any] | None = None,
        state: Literal["draft", "open"] = "open",
    ) -> None:
        published = published or document()
        (folder / "keys").mkdir(parents=True)
        (folder / "keys/0001.json").write_text(json.dumps(published), encoding="utf-8")
        # passwords that cost little here, and are checked by the server all the same
        self.course = Course(Database(f"sqlite:///{folder / 'course.db'}"), Passwords(PasswordHasher(1, 8, 1)))
        self.course.migrate()
        self.course.publish(published)
        names = [f"Student {n:02d},s{n:02d}@example.edu,{1000 + n},A" for n in range(students)]
        self._codes = self.course.import_roster("\n".join(["name,email,student id,section", *names])).invitations
        self._taken = 0
        self.course.add_instructor("ada", "Ada", PASSWORD)
        self.course.set_state(state)
        self._folder, self._port = folder, 0
        self._server: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        """Serves it, at the same address as before."""
        pellucid = str(Path(sys.executable).with_name("pellucid"))
        command = [pellucid, "course", "serve", str(self._folder), "--no-browser", "--port", str(self._port)]
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._server.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = self._server.stdout.readline()
            assert line, f"the course said {said!r} and ended"
            said += line
        found = re.search(r"http://\S+?:(\d+)/", said)
        assert found, f"the course said {said!r} instead of where it is"
        self._port = int(found[1])
        self.address = f"http://127.0.0.1:{self._port}/"

    def kill(self) -> None:
        """As if the power had failed."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
            self._server = None

    def close(self) -> None:
        self.kill()
        self.course.close()

    def invitation(self) -> str:
        """The code of a student whom no test has had yet."""
        self._taken += 1
        return self._codes[self._taken - 1].code

    def student(self) -> Member:
        """One who has a password already."""
        return self.course.accept(self.invitation(), PASSWORD)

    def answers(self, member: Member) -> dict[str, list[str]]:
        """What counts for the member, sorted; without what was cleared."""
        return {id: sorted(saved.selected) for id, saved in self.course.answers(member.id).items() if saved.selected}

    def enter(self, page: Page, member: Member, query: str = "view=course&courseQuestion=share") -> None:
        """The page, with a session of the member's."""
        body = {"login": member.login, "password": PASSWORD}
        assert page.request.post(f"{self.address}api/course/sessions", data=body).ok
        page.goto(f"{self.address}?{query}")


def choose(page: Page, question: str, options: Sequence[str]) -> None:
    """Clicks these options of the question that is shown."""
    for option in options:
        page.get_by_role("checkbox", name=f"{question} option {option}").click()
