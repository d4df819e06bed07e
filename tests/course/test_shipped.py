"""The course that ships: its frozen key fits its source, and what can be computed again in seconds comes out the same."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from pellucid.cli.course.check import check
from pellucid.cli.course.regrade import regrade
from pellucid.course.assignment import Assignment, Key
from pellucid.course.drift import drift, of_base_runs
from pellucid.course.folder import CourseFolder, new_course
from pellucid.course.key import compute_key, spec_hash
from pellucid.course.review import blocking
from pellucid.course.spec import tenths
from tests.cli.command import shell

QUICK = ("saliency-beyond-size", "context-pulls-apart")
"""Questions all of whose runs are made in a few seconds."""
ONCE = (
    "saliency-options", "saliency-other-class", "saliency-check", "filters-strongest", "filters-choosy",
    "attention-is-not-effect", "how-much-a-picture-shows", "the-same-word-twice", "random-words-alike",
    "two-measures-two-stories",
)  # fmt: skip
"""Questions whose base run is. Six more are computed where the questions of their half are tested."""


@pytest.fixture(scope="module")
def key() -> dict[str, Any]:
    document = CourseFolder().key()
    assert document is not None
    return document


def test_thirty_questions_come_to_ten_points_in_both_languages(key: dict[str, Any]) -> None:
    assignment = Assignment.from_json(key["assignment"])
    assert [q.tenths for q in assignment.questions] == [3] * 20 + [4] * 10
    assert assignment.tenths == tenths("10")
    for question in assignment.questions:
        assert 5 <= len(question.options) <= 6
        for text in (question.prompt, *(option.text for option in question.options)):
            assert set(text) == {"en", "zh-TW"}
            assert all(text.values())


def test_the_key_is_frozen_and_every_option_shown_is_safe(key: dict[str, Any]) -> None:
    assert key["state"] == "frozen"
    assert blocking(key) == []
    made = Key.from_json(key["key"])
    assert key["hash"] == made.hash
    assert made.assignment == Assignment.from_json(key["assignment"]).hash
    for question in key["evidence"]["questions"]:
        shown = [option for option in question["options"] if option["shown"]]
        assert {option["verdict"] for option in shown} == {"SAFE"}
        assert 0 < sum(option["correct"] for option in shown) < len(shown)
        assert made.accepted[question["id"]] == (frozenset(option["id"] for option in shown if option["correct"]),)
        assert not any(option["override"] for option in question["options"])


def test_the_shell_finds_the_evidence_and_calls_everything_safe(tmp_path: Path) -> None:
    checked = shell("course", "check", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    told = json.loads(checked.stdout)
    assert (told["evidence"], told["missing"]) == ("kept", [])
    assert len(told["questions"]) == 30
    assert sum(Decimal(q["points"]) for q in told["questions"]) == 10


def test_a_copy_has_the_same_key(key: dict[str, Any], tmp_path: Path) -> None:
    course = new_course(tmp_path / "mine")
    assert course.key() == key
    assert spec_hash(course.spec) == key["evidence"]["spec"]


def test_what_is_computed_again_comes_out_the_same(key: dict[str, Any], tmp_path: Path) -> None:
    course = CourseFolder()
    now = compute_key(course.spec, course.workshop(artefacts=tmp_path), only=QUICK)
    found = drift(key, now)
    assert len(now["evidence"]["questions"]) == len(QUICK)
    assert found.changes == ()


def test_base_runs_computed_again_come_out_the_same_on_this_machine(key: dict[str, Any], tmp_path: Path) -> None:
    """What students find when they run it themselves; `pellucid course drift --base` asks all thirty."""
    course = CourseFolder()
    now = compute_key(course.spec, course.workshop(artefacts=tmp_path), only=ONCE, base_only=True)
    assert len(now["evidence"]["questions"]) == len(ONCE)
    assert drift(of_base_runs(key), of_base_runs(now)).changes == ()


def test_hints_name_what_the_page_shows_in_both_languages(key: dict[str, Any]) -> None:
    """Of several words, what is quoted is a label of the page, as it stands there."""
    root = Path(__file__).parents[2] / "frontend/src"
    page = "\n".join(path.read_text(encoding="utf-8") for end in ("svelte", "ts") for path in root.rglob(f"*.{end}"))
    labels: set[str] = set()
    for question in key["assignment"]["questions"]:
        quoted = [
            {text for text in re.findall(marks, question["hint"][language]) if re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)+", text)}
            for language, marks in (("en", "“(.+?)”"), ("zh-TW", "「(.+?)」"))
        ]
        assert quoted[0] == quoted[1], question["id"]
        labels |= quoted[0]
    assert {"only for", "Superpixel lab", "Hide below", "Another class", "Baseline lab"} <= labels
    assert {label for label in labels if label not in page} == set()


def test_heads_have_a_number_in_chinese_and_are_not_counted_from_one(key: dict[str, Any]) -> None:
    """The page counts heads from 0: its head 2 is not `the second head`."""
    texts = [o["text"] for q in key["evidence"]["questions"] for o in q["options"] if re.search(r"head \d", o["text"]["en"])]
    assert len(texts) == 36
    for text in texts:
        numbers = re.findall(r"[Ll]ayer (\d+), head (\d+)", text["en"])
        assert re.findall(r"第 (\d+) 層，?第 (\d+) 號注意力頭", text["zh-TW"]) == numbers, text


def test_the_hint_that_is_python_runs_as_it_stands(key: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    hint = next(q["hint"] for q in key["assignment"]["questions"] if q["id"] == "smoothgrad-other-answer")
    for text in hint.values():
        lines = text.split("\n")[1:-1]
        exec("\n".join(lines), {})
        assert "tensor(" in capsys.readouterr().out


def test_the_regrade_that_is_the_example_fits_the_course_that_ships(key: dict[str, Any]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = {q["id"]: {option["id"] for option in q["options"]} for q in key["assignment"]["questions"]}
    for text in (readme, shell("course", "regrade", "--help", cwd=Path.cwd()).stdout):
        question, options = re.findall(r"--disregard ([a-z-]+)=(\S+)", text)[0]
        assert set(options.split(",")) <= shown[question]


@pytest.mark.parametrize("command", [check, regrade])
def test_examples_name_questions_that_ship(command: click.Command, key: dict[str, Any]) -> None:
    named = re.search(r"--(?:questions|disregard) ([\w-]+)", command.epilog or "")
    assert named
    assert named[1] in {question["id"] for question in key["assignment"]["questions"]}
