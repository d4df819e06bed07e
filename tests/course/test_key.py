import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.course.assignment import Assignment, Key
from pellucid.course.folder import CourseFolder, new_course
from pellucid.course.kept import read_value, write_value
from pellucid.course.key import compute_key
from pellucid.course.review import KeyRefused, blocking, frozen, reviewed, summary
from pellucid.course.workshop import Workshop
from tests.course import toy
from tests.course.toy import PART, write

AT = "2026-11-28T00:00:00Z"


def key_of(folder: Path, part: str = PART, **options: Any) -> dict[str, Any]:
    course = CourseFolder(write(folder, part=part))
    return compute_key(course.spec, course.workshop(), **options)


def option(document: dict[str, Any], question: str, id: str) -> dict[str, Any]:
    found = next(q for q in document["evidence"]["questions"] if q["id"] == question)
    return next(o for o in found["options"] if o["id"] == id)


def test_the_key_is_what_the_artefacts_say(tmp_path: Path) -> None:
    document = key_of(tmp_path)
    key, assignment = Key.from_json(document["key"]), Assignment.from_json(document["assignment"])
    assert document["state"] == key.state == "computed"
    assert (document["hash"], key.assignment) == (key.hash, assignment.hash)
    shown = {o.id for o in assignment.question("steady-share").options}
    assert shown == {"a", "b", "c", "d"}  # e is too near to the line
    assert key.accepted["steady-share"] == (frozenset({"a", "b"}),)
    assert key.right("noisy-share", ["n-c"])
    assert option(document, "steady-share", "e")["verdict"] == "AMBIGUOUS"
    a = option(document, "steady-share", "a")
    assert (a["value"], a["threshold"], a["margin"], a["sd"], a["floor"], a["unit"]) == (0.9, 0.5, 0.4, 0.0, 0.08, "share")
    assert a["why"] == {"en": "Part a holds 0.90; the line is 0.50."}
    assert blocking(document) == []
    assert summary(document)["groups"]["first"] == {"SAFE": 4, "AMBIGUOUS": 1, "INVALID": 0}


def test_every_seed_and_every_axis_is_in_the_evidence(tmp_path: Path) -> None:
    runs = option(key_of(tmp_path), "noisy-share", "n-a")["runs"]
    assert [run["axis"] for run in runs] == ["base", *(f"seed {n}" for n in range(1, 20)), "samples -25 %", "samples +25 %"]
    margins = [run["margin"] for run in runs]
    assert len(set(margins)) == 22
    assert all(margin < 0 for margin in margins)
    rng = np.random.default_rng(0).normal(0, 0.02, 4)[0]
    assert margins[0] == pytest.approx(-(0.9 + rng - 0.5), rel=1e-5)
    assert margins[20] == pytest.approx(margins[0] + 0.025, rel=1e-4)  # a quarter fewer samples, a quarter of the bias


def test_a_key_is_equal_on_every_computing(tmp_path: Path) -> None:
    assert key_of(tmp_path / "one") == key_of(tmp_path / "two")


def test_what_is_kept_is_made_once_and_a_threshold_costs_nothing(tmp_path: Path) -> None:
    toy.made.clear()
    course = CourseFolder(write(tmp_path))
    course.build()
    assert len(toy.made) == 1 + 22
    course.build()
    write(tmp_path, part=PART.replace(">= 0.5\n", ">= 0.4\n"))
    changed = CourseFolder(tmp_path).build()
    assert len(toy.made) == 23
    assert option(changed, "steady-share", "e")["verdict"] == "SAFE"
    write(tmp_path, part=PART.replace("e: 0.52", "e: 0.72"))
    assert option(CourseFolder(tmp_path).build(), "steady-share", "e")["verdict"] == "SAFE"
    assert len(toy.made) == 24  # the other artefact has not changed


def test_without_computing_only_what_fits_is_taken(tmp_path: Path) -> None:
    course = CourseFolder(write(tmp_path))
    course.build()
    toy.made.clear()
    write(tmp_path, part=PART.replace("e: 0.52", "e: 0.72"))
    course = CourseFolder(tmp_path)
    document = compute_key(course.spec, course.workshop(), known=course.known(), compute=False)
    assert toy.made == []
    assert {o["verdict"] for o in document["evidence"]["questions"][0]["options"]} == {"INVALID"}
    assert {o["verdict"] for o in document["evidence"]["questions"][1]["options"]} == {"SAFE"}


def test_what_has_no_value_is_invalid_and_never_shown(tmp_path: Path) -> None:
    document = key_of(tmp_path, PART.replace("e: 0.52", "e: -9"))
    e = option(document, "steady-share", "e")
    assert (e["verdict"], e["shown"], e["margin"], e["value"]) == ("INVALID", False, None, None)
    assert "nothing is there" in e["reasons"]
    json.dumps(document, allow_nan=False)


def test_an_error_names_the_question_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"question 'noisy-share', option 'n-c', base: .*there is no 'c'"):
        key_of(tmp_path, PART.replace("c: 0.3, ", ""))


def test_a_doubtful_question_bars_the_release_until_somebody_signs(tmp_path: Path) -> None:
    doubtful = PART.replace("c: 0.3", "c: 0.49")
    document = key_of(tmp_path, doubtful)
    assert option(document, "noisy-share", "n-c")["verdict"] == "AMBIGUOUS"
    with pytest.raises(KeyRefused, match=r"noisy-share/n-c is AMBIGUOUS: other runs say the opposite"):
        frozen(document, by="T", at=AT)
    with pytest.raises(KeyRefused, match="signed with a name and a reason"):
        frozen(document, by="T", at=AT, overrides={"noisy-share/n-c": " "})
    made = frozen(document, by="T", at=AT, overrides={"noisy-share/n-c": "seen in every figure"})
    assert option(made, "noisy-share", "n-c")["override"] == {"by": "T", "reason": "seen in every figure", "at": AT}
    assert made["state"] == made["key"]["state"] == "frozen"
    assert made["hash"] == document["hash"] == Key.from_json(made["key"]).hash
    assert option(document, "noisy-share", "n-c")["override"] is None  # the document given is not changed


@pytest.mark.parametrize("policy", ["disregard", "always_correct"])
def test_a_policy_settles_what_is_doubtful(tmp_path: Path, policy: str) -> None:
    part = PART.replace("c: 0.3", "c: 0.49").replace("true: [1, 2]}", f"true: [1, 2]}}\n    if_ambiguous: {policy}")
    document = key_of(tmp_path, part)
    key = Key.from_json(document["key"])
    assert blocking(document) == []
    assert key.right("noisy-share", ["n-c"])
    assert key.right("noisy-share", ["n-a"]) == (policy == "always_correct")
    assert not key.right("noisy-share", [])


def test_votes_make_a_key_reviewed_and_a_disagreement_bars_it(tmp_path: Path) -> None:
    document = reviewed(key_of(tmp_path), "steady-share", "a", "agree", "", by="X", at=AT)
    assert document["state"] == "computed"
    document = reviewed(document, "noisy-share", None, "disagree", "unclear", by="X", at=AT)
    assert document["state"] == document["key"]["state"] == "reviewed"
    with pytest.raises(KeyRefused, match="X disagrees about noisy-share: unclear"):
        frozen(document, by="T", at=AT)
    agreed = reviewed(document, "noisy-share", None, "agree", "", by="X", at=AT)
    made = frozen(agreed, by="T", at=AT)
    with pytest.raises(KeyRefused, match="is frozen"):
        reviewed(made, "steady-share", "a", "agree", "", by="X", at=AT)
    with pytest.raises(KeyRefused, match="frozen already; `pellucid course build` makes its next version"):
        frozen(made, by="T", at=AT)
    with pytest.raises(KeyError, match="no option 'zz' is shown"):
        reviewed(document, "steady-share", "zz", "agree", "", by="X", at=AT)


def test_some_questions_make_a_draft(tmp_path: Path) -> None:
    document = key_of(tmp_path, only=("noisy-share",))
    assert document["state"] == "draft"
    with pytest.raises(KeyRefused, match="draft"):
        frozen(document, by="T", at=AT)


def test_a_frozen_key_is_followed_and_never_written_over(tmp_path: Path) -> None:
    course = CourseFolder(write(tmp_path))
    course.build()
    course.freeze(by="T", at=AT, overrides={})
    before = (tmp_path / "keys" / "0001.json").read_bytes()
    with pytest.raises(KeyRefused, match="--reason"):
        course.build()
    with pytest.raises(KeyRefused, match="is frozen"):
        course.write_key(json.loads(before))
    second = course.build(reason="question 2 read again")
    assert (second["key"]["version"], second["key"]["parent"], second["key"]["reason"]) == (2, 1, "question 2 read again")
    assert course.build()["key"] == second["key"]  # one that is not frozen is computed over
    assert (tmp_path / "keys" / "0001.json").read_bytes() == before
    assert course.versions() == [1, 2]
    frozen_key = course.frozen_key()
    assert frozen_key is not None
    assert frozen_key["key"]["version"] == 1


def test_votes_stay_while_nothing_they_are_about_has_changed(tmp_path: Path) -> None:
    course = CourseFolder(write(tmp_path))
    document = reviewed(course.build(), "steady-share", None, "agree", "", by="X", at=AT)
    course.write_key(reviewed(document, "noisy-share", None, "agree", "", by="X", at=AT))
    write(tmp_path, part=PART.replace("a: 0.9, b: 0.8", "a: 0.1, b: 0.8"))
    assert [vote["question"] for vote in CourseFolder(tmp_path).build()["review"]] == ["noisy-share"]


def test_a_changed_source_cannot_be_frozen(tmp_path: Path) -> None:
    course = CourseFolder(write(tmp_path))
    with pytest.raises(KeyRefused, match="no key yet"):
        course.freeze(by="T", at=AT, overrides={})
    course.build()
    write(tmp_path, part="# a comment is no change\n" + PART.replace("at least half", "half or more"))
    with pytest.raises(KeyRefused, match="source has changed"):
        CourseFolder(tmp_path).freeze(by="T", at=AT, overrides={})
    write(tmp_path, part="# a comment is no change\n" + PART)
    assert CourseFolder(tmp_path).freeze(by="T", at=AT, overrides={})["frozen"] == {"by": "T", "at": AT}


def test_values_come_back_from_the_disk_as_they_were(tmp_path: Path) -> None:
    value = {
        "3": {"map": np.arange(6, dtype=np.float32).reshape(2, 3), "words": np.array(["a", "銀行"])},
        "a/b.c=%": {"": True, "n": 3}, "empty": {},
    }  # fmt: skip
    write_value(tmp_path / "v.npz", value)
    found = read_value(tmp_path / "v.npz")
    assert found is not None
    np.testing.assert_array_equal(found["3"]["map"], value["3"]["map"])
    assert found["3"]["map"].dtype == np.float32
    assert list(found["3"]["words"]) == ["a", "銀行"]
    assert (found["a/b.c=%"][""].item(), found["a/b.c=%"]["n"].item(), found["empty"]) == (True, 3, {})
    write_value(tmp_path / "w.npz", 2.5)
    assert read_value(tmp_path / "w.npz") == 2.5
    with pytest.raises(TypeError, match="expected numbers, bools or texts"):
        write_value(tmp_path / "x.npz", {"a": object()})
    (tmp_path / "v.npz").write_bytes(b"PK broken")
    assert read_value(tmp_path / "v.npz") is None
    np.save(tmp_path / "pickle.npy", np.array([object()], dtype=object), allow_pickle=True)
    assert read_value(tmp_path / "pickle.npy") is None
    assert read_value(tmp_path / "nothing.npz") is None


def test_memory_lets_go_of_what_was_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.course.workshop.IN_MEMORY", 3000)
    workshop = Workshop(CourseFolder(write(tmp_path)).spec, tmp_path / "artefacts")
    makes: list[int] = []
    for n in (1, 2, 3, 1):
        workshop.keep({"n": n}, lambda n=n: makes.append(n) or np.full(200, float(n)))
    assert makes == [1, 2, 3]  # the fourth was read from the disk
    assert workshop._held <= 3000


def test_a_new_course_is_a_copy_that_refuses_to_overwrite(tmp_path: Path) -> None:
    made = new_course(tmp_path / "new")
    assert (made.path / "course.yaml").is_file()
    with pytest.raises(FileExistsError, match="not empty"):
        new_course(tmp_path / "new")
    with pytest.raises(FileNotFoundError, match=r"pellucid course new FOLDER"):
        CourseFolder(tmp_path)
