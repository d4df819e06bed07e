import json
from decimal import Decimal
from pathlib import Path

from tests.cli.command import shell
from tests.course import toy
from tests.course.toy import PART, write


def test_a_course_from_its_source_to_a_frozen_key(tmp_path: Path) -> None:
    write(tmp_path / "toy")
    first = shell("course", "check", "toy", cwd=tmp_path)
    assert first.returncode == 1
    assert "not computed for this source: steady-share, noisy-share" in first.stdout

    built = shell("course", "build", "toy", "--public", "public.json", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "written: toy/keys/0001.json" in built.stdout
    assert "1/2 steady-share" in built.stderr  # progress
    public = (tmp_path / "public.json").read_text(encoding="utf-8")
    assert "Part a" in public
    for secret in ("toy_share", "floor", "0.08", "why", "the line is", "correct", "margin", "accepted"):
        assert secret not in public

    kept = shell("course", "check", "toy", "--json", cwd=tmp_path)
    assert kept.returncode == 0
    told = json.loads(kept.stdout)
    assert told["evidence"] == "kept"
    assert {q["id"]: len(q["options"]) for q in told["questions"]} == {"steady-share": 4, "noisy-share": 3}
    assert {option["verdict"] for q in told["questions"] for option in q["options"]} == {"SAFE"}
    assert sum(Decimal(q["points"]) for q in told["questions"]) == 1

    toy.made.clear()
    again = shell("course", "check", "toy", "--recompute", "--questions", "noisy-share", "--json", cwd=tmp_path)
    assert again.returncode == 0
    assert len(toy.made) == 22
    assert json.loads(again.stdout)["questions"] == [q for q in told["questions"] if q["id"] == "noisy-share"]

    done = shell("course", "freeze", "toy", "--by", "A. Teacher", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "key 0001 is frozen" in done.stdout
    assert json.loads((tmp_path / "toy" / "keys" / "0001.json").read_text())["state"] == "frozen"
    refused = shell("course", "build", "toy", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--reason" in refused.stderr

    same = shell("course", "drift", "toy", cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    assert "no option shown has another answer" in same.stdout
    once = shell("course", "drift", "toy", "--base", cwd=tmp_path)
    assert once.returncode == 0, once.stderr
    assert "their base runs alone: no option shown has another answer" in once.stdout
    write(tmp_path / "toy", part=PART.replace("c: 0.2", "c: 0.9"))
    moved = shell("course", "drift", "toy", "--json", cwd=tmp_path)
    assert moved.returncode == 1
    assert json.loads(moved.stdout)["changes"][0]["what"] == "truth"


def test_a_doubtful_option_needs_a_signature(tmp_path: Path) -> None:
    write(tmp_path / "toy", part=PART.replace("c: 0.3", "c: 0.49"))
    assert shell("course", "build", "toy", cwd=tmp_path).returncode == 0
    checked = shell("course", "check", "toy", cwd=tmp_path)
    assert checked.returncode == 1
    assert "noisy-share/n-c is AMBIGUOUS" in checked.stdout
    refused = shell("course", "freeze", "toy", "--by", "T", cwd=tmp_path)
    assert refused.returncode == 2
    assert "cannot be frozen" in refused.stderr
    unreasoned = shell("course", "freeze", "toy", "--by", "T", "--override", "noisy-share/n-c", cwd=tmp_path)
    assert "write QUESTION/OPTION=REASON" in unreasoned.stderr
    signed = shell("course", "freeze", "toy", "--by", "T", "--override", "noisy-share/n-c=seen by both of us", cwd=tmp_path)
    assert signed.returncode == 0, signed.stderr


def test_mistakes_are_told_with_their_line(tmp_path: Path) -> None:
    write(tmp_path / "toy", part=PART.replace("group: first", "group: frist"))
    answer = shell("course", "build", "toy", cwd=tmp_path)
    assert answer.returncode == 2
    assert "part.yaml:9: no group named 'frist'" in answer.stderr
    assert "has no course.yaml" in shell("course", "check", "nowhere", cwd=tmp_path).stderr
    assert "no question named 'x'" in shell("course", "check", str(write(tmp_path / "t")), "-q", "x", cwd=tmp_path).stderr
    assert "did you mean 'check'" in shell("course", "chek", cwd=tmp_path).stderr


def test_a_new_course_can_be_edited(tmp_path: Path) -> None:
    made = shell("course", "new", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "mine" / "course.yaml").is_file()
    assert "not empty" in shell("course", "new", "mine", cwd=tmp_path).stderr
