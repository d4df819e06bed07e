"""A course, run from the shell as a teacher would."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from pellucid.course.storage import Course
from tests.cli.command import Answer, shell
from tests.course.classroom import RIGHT, ROSTER, answer, document, key, student


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a frozen key that was not published yet."""
    place = tmp_path / "xai"
    (place / "keys").mkdir(parents=True)
    (place / "course.yaml").touch()
    (place / "keys" / "0001.json").write_text(json.dumps(document()), encoding="utf-8")
    (tmp_path / "class.csv").write_text(ROSTER, encoding="utf-8-sig")
    return place


def run(folder: Path, command: str, *arguments: str) -> Answer:
    return shell("course", command, "xai", *arguments, cwd=folder.parent)


def test_a_term(folder: Path) -> None:
    planned = run(folder, "roster", "class.csv", "--dry-run")
    assert (planned.returncode, planned.stdout) == (0, "3 would be added, 0 would be updated, 0 as they were\n")
    imported = run(folder, "roster", "class.csv", "--invitations", "codes.csv", "--address", "https://x.edu/")
    assert imported.returncode == 0, imported.stderr
    codes = folder.parent / "codes.csv"
    assert stat.S_IMODE(codes.stat().st_mode) == 0o600
    invited = list(csv.DictReader(io.StringIO(codes.read_text(encoding="utf-8-sig"))))
    assert [row["login"] for row in invited] == ["bo@example.edu", "cy@example.edu", "di@example.edu"]
    assert [row["address"] for row in invited] == [f"https://x.edu/?view=course&invitation={row['code']}" for row in invited]
    for more in (("class.csv",), ("--invite", "cy@example.edu")):
        refused = run(folder, "roster", *more, "--invitations", "codes.csv")
        assert refused.returncode == 2
        assert "codes.csv exists, and its codes are kept nowhere else; name another file" in refused.stderr
    assert [row["code"] for row in csv.DictReader(io.StringIO(codes.read_text(encoding="utf-8-sig")))] == [
        row["code"] for row in invited
    ]
    again = run(folder, "roster", "class.csv", "--json")
    assert json.loads(again.stdout)["unchanged"] == 3
    code = json.loads(run(folder, "roster", "--invite", "CY@example.edu", "--json").stdout)["invitations"][0]["code"]
    assert code != invited[1]["code"]

    opened = run(folder, "open", "--until", "2099-01-01T00:00+08:00", "--feedback", "total", "--interval", "5", "--json")
    assert opened.returncode == 0, opened.stderr
    state = json.loads(opened.stdout)
    assert (state["state"], state["feedback"], state["interval"]) == ("open", "total", 5)
    assert (state["closes_at"], state["key_version"], state["students"]) == ("2098-12-31T16:00:00.000Z", 1, 3)
    course = Course.open(folder)
    for name, selected in (("Bo", "ab"), ("Cy", "a")):
        answer(course, student(course, name), "q1", selected)
    course.close()
    members = run(folder, "roster")
    assert "bo@example.edu  Bo Li  A        student  -       1" in members.stdout

    planned = run(folder, "regrade", "--accept", "q1=a", "--policy", "either")
    assert "1 rise, 0 fall, 1 stay as they are; the mean goes from 0.15 to 0.30" in planned.stdout
    assert "cy@example.edu  Cy Ma  0.0     0.3" in planned.stdout
    assert "--yes" in planned.stdout
    done = run(folder, "regrade", "--accept", "q1=a", "--policy", "either", "--reason", "b is doubtful", "--yes", "--json")
    assert json.loads(done.stdout)["version"] == 2
    closed = run(folder, "close")
    assert closed.returncode == 0
    assert "closed" in closed.stdout
    checked = run(folder, "status", "--verify")
    assert checked.returncode == 0
    assert "version 2, 1.0 points" in checked.stdout
    assert "every stored score is what the answers and the key give" in checked.stdout

    found = json.loads(run(folder, "items", "--json").stdout)
    assert (found["n"], found["few"], found["questions"][0]["difficulty"]) == (2, True, 1.0)
    table = run(folder, "items").stdout
    assert "fewer than 30" in table
    assert "q1        2         1.00" in table

    grades = run(folder, "export", "gradescope")
    assert grades.stdout.startswith("First Name,Last Name,SID")
    assert run(folder, "export", "json", "--out", "grades.json").returncode == 0
    assert json.loads((folder.parent / "grades.json").read_text())["key_version"] == 2
    (folder.parent / "canvas.csv").write_text("Student,SIS User ID\nBo,1001\nNobody,7\n")
    merged = run(folder, "export", "canvas", "--gradebook", "canvas.csv", "--out", "back.csv")
    assert merged.returncode == 1, "not everybody was matched"
    assert "1 matched, 0 ambiguous, 3 unmatched" in merged.stderr
    assert "Bo,1001,0.3" in (folder.parent / "back.csv").read_text(encoding="utf-8-sig")

    kept = run(folder, "backup", "one.backup")
    assert kept.stdout == "one.backup: 3 members, 2 saves, 2 versions of the key\n"
    before = (folder.parent / "one.backup").read_bytes()
    over = run(folder, "backup", "one.backup")
    assert over.returncode == 2
    assert "one.backup is there already; name another file, or --force to replace it" in " ".join(over.stderr.split())
    assert (folder.parent / "one.backup").read_bytes() == before
    assert run(folder, "backup", "one.backup", "--force").stdout == kept.stdout
    restored = shell("course", "restore", "one.backup", "again", cwd=folder.parent)
    assert restored.returncode == 0, restored.stderr
    assert shell("course", "status", "again", cwd=folder.parent).stdout == run(folder, "status").stdout
    twice = shell("course", "restore", "one.backup", "again", cwd=folder.parent)
    assert twice.returncode == 2
    assert "is not empty" in twice.stderr


def test_a_course_of_one_is_opened_and_told_in_the_singular(folder: Path) -> None:
    (folder.parent / "one.csv").write_text("name,email\nBo,bo@example.edu\n")
    assert run(folder, "roster", "one.csv").returncode == 0
    first = run(folder, "open").stdout.splitlines()
    assert first[0] == "Published xai/keys/0001.json"
    assert first[1].split() == ["state", "open"]
    assert "draft" not in "".join(first)
    course = Course.open(folder)
    answer(course, student(course, "Bo"), "q1", "ab")
    course.close()
    assert "\n1 student, mean 0.3" in run(folder, "items").stdout
    assert run(folder, "backup", "one.backup").stdout == "one.backup: 1 member, 1 save, 1 version of the key\n"
    assert shell("course", "restore", "one.backup", "again", cwd=folder.parent).stdout == (
        "restored 1 member, 1 save, 1 version of the key\n"
    )


def test_an_instructor_is_added_with_a_password_that_no_list_of_processes_shows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
    added = run(folder, "instructor", "ada", "--name", "Ada", "--password-stdin")
    assert (added.returncode, added.stdout) == (0, "ada (Ada) is an instructor\n")
    course = Course.open(folder)
    assert course.log_in("ada", "a long password")[1].role == "instructor"
    course.close()
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    refused = run(folder, "instructor", "bob", "--password-stdin")
    assert refused.returncode == 2
    assert "at least 8" in refused.stderr


def test_a_newly_frozen_key_becomes_a_regrade(folder: Path) -> None:
    run(folder, "open")
    (folder / "keys" / "0002.json").write_text(json.dumps(document(key({**RIGHT, "q2": ["d"]}))), encoding="utf-8")
    found = run(folder, "regrade", "--key", "xai/keys/0002.json", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["changes"] == {"q2": {"accepted": [["d"]]}}
    same = run(folder, "regrade", "--key", "xai/keys/0001.json")
    assert (same.returncode, "change nothing" in same.stderr) == (2, True)


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("roster", "bad.csv"), 1, "bad.csv, line 3: 'nobody' is no e-mail address"),
    (("roster", "latin.csv"), 2, "no UTF-8 text"),
    (("roster", "--invite", "nobody"), 2, "no login named 'nobody'"),
    (("open", "--until", "tomorrow"), 2, "is no time"),
    (("regrade",), 2, "say what changes"),
    (("regrade", "--accept", "q1"), 2, "write it as QUESTION=OPTION,OPTION"),
    (("regrade", "--changes", "bad.csv"), 2, "is no JSON"),
    (("export", "canvas"), 2, "canvas needs --gradebook"),
    (("status", "--url", "mysql://x/y"), 2, "not supported"),
])  # fmt: skip
def test_what_will_not_do_is_said(folder: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    (folder.parent / "bad.csv").write_text("name,email\nBo,bo@example.edu\nCy,nobody\n")
    (folder.parent / "latin.csv").write_bytes("name,email\nJosé,j@example.edu\n".encode("latin-1"))
    found = run(folder, *arguments)
    assert found.returncode == code, found.stdout + found.stderr
    assert words in found.stderr


@pytest.mark.parametrize("command", [
    ("status",), ("roster",), ("items",), ("export", "json"), ("backup", "xai.backup"), ("close",),
    ("regrade", "--accept", "q1=a"),
])  # fmt: skip
def test_reading_makes_no_database(folder: Path, command: tuple[str, ...]) -> None:
    before = sorted(folder.parent.rglob("*"))
    found = run(folder, *command)
    assert found.returncode == 2
    assert "nothing has happened in 'xai' yet: it has no course.db; pellucid course open makes it" in found.stderr
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize(("command", "code"), [
    (("roster", "bad.csv"), 1),
    (("roster", "class.csv", "--dry-run"), 0),
    (("roster", "--invite", "nobody"), 2),
    (("open", "--until", "tomorrow"), 2),
    (("instructor", "ada", "--password-stdin"), 2),  # an empty one
    (("serve", "--no-browser", "--port", "0"), 2),  # nothing is frozen
    (("open",), 2),
])  # fmt: skip
def test_what_fails_makes_no_database(folder: Path, command: tuple[str, ...], code: int) -> None:
    (folder.parent / "bad.csv").write_text("name,email\nCy,nobody\n")
    if command[-1] != "tomorrow":
        (folder / "keys" / "0001.json").unlink()
    before = sorted(folder.parent.rglob("*"))
    found = run(folder, *command)
    assert found.returncode == code, found.stdout + found.stderr
    assert sorted(folder.parent.rglob("*")) == before


def test_what_is_no_course_is_not_made_one(tmp_path: Path) -> None:
    (tmp_path / "xai").mkdir()
    found = shell("course", "status", "xai", cwd=tmp_path)
    assert found.returncode == 2
    assert "is no course" in found.stderr
    assert list((tmp_path / "xai").iterdir()) == []
