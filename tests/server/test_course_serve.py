"""The command that serves a course, as a process of its own."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import shell
from tests.server.courses import OTHER, RIGHT, SECRET, document
from tests.server.test_lab import PELLUCID


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A running course, its address, and what the command said."""
    command = [PELLUCID, "course", "serve", str(folder), "--no-browser", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent)
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    try:
        while line := process.stdout.readline():
            said.append(line.rstrip())
            if "Ctrl-C" in line:
                break
        found = re.search(r"served at (http\S+/)\?", "\n".join(said))
        assert found, (said, process.stderr.read())
        yield process, found[1], said
    finally:
        process.kill()
        process.communicate()


def ask(method: str, address: str, body: Any = None, **headers: str) -> tuple[Any, str]:
    """The answer, and the cookie that came with it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer), str(answer.headers["set-cookie"] or "").partition(";")[0]


def freeze(folder: Path, number: int, right: Any, **changes: Any) -> None:
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    (folder / "course.yaml").touch()
    (folder / "keys" / f"{number:04d}.json").write_text(json.dumps({**document(right), **changes}), encoding="utf-8")


def test_a_folder_is_published_served_joined_and_found_again(tmp_path):
    folder = tmp_path / "xai"
    freeze(folder, 1, OTHER)
    freeze(folder, 2, RIGHT)
    freeze(folder, 3, OTHER, state="reviewed")
    with served(folder, "--instructor", "ada") as (process, address, said):
        text = "\n".join(said)
        assert "Published" in text
        assert "0002.json" in text
        assert "Explanations, 1 points, draft, version 1" in text
        assert SECRET not in text
        code = re.search(r"invitation=(\S+)", text)
        assert code
        me, cookie = ask("POST", address + "api/course/invitations", {"code": code[1], "password": "ada's password"})
        assert me["role"] == "instructor"
        key, _ = ask("GET", address + "api/course/keys/1", cookie=cookie)
        assert key["key"]["accepted"]["lime-top"] == [["b"]]
        assert ask("PUT", address + "api/course/state", {"state": "open"}, cookie=cookie)[0]["state"] == "open"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask("GET", address + "api/catalog")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    freeze(folder, 4, OTHER)
    with served(folder, "--instructor", "ada") as (process, address, said):
        text = "\n".join(said)
        assert "open, version 1 of its key" in text
        assert "0004.json is another one" in text
        assert "'ada' was not added" in text
        assert ask("GET", address + "api/course", cookie=cookie)[0]["me"]["login"] == "ada"


def test_a_public_name_is_answered_to(tmp_path):
    folder = tmp_path / "xai"
    freeze(folder, 1, RIGHT)
    with served(folder, "--public-name", "exam.example.edu", "--https") as (_, address, said):
        assert address == "https://exam.example.edu/"
        assert "invitation" not in "\n".join(said)


def test_what_cannot_be_served_is_said_with_what_would_do(tmp_path):
    folder = tmp_path / "xai"
    freeze(folder, 1, RIGHT, state="reviewed")
    answer = shell("course", "serve", str(folder), "--no-browser", "--port", "0")
    assert answer.returncode == 2
    assert f"pellucid course freeze {folder}" in answer.stderr
    answer = shell("course", "serve", str(folder), "--host", "0.0.0.0", "--port", "0")
    assert answer.returncode == 2
    assert "--public-name" in answer.stderr
    freeze(folder, 1, RIGHT, hash="0" * 64)
    answer = shell("course", "serve", str(folder), "--no-browser", "--port", "0")
    assert answer.returncode == 2
    assert "changed after it was frozen" in answer.stderr
