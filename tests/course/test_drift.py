from pathlib import Path
from typing import Any

from pellucid.course.drift import drift, of_base_runs
from pellucid.course.folder import CourseFolder
from pellucid.course.key import compute_key
from tests.course.toy import PART, made, write


def key_of(folder: Path, part: str = PART, **options: Any) -> dict[str, Any]:
    course = CourseFolder(write(folder, part=part))
    return compute_key(course.spec, course.workshop(), **options)


def test_the_same_again_has_not_drifted(tmp_path: Path) -> None:
    found = drift(key_of(tmp_path / "a"), key_of(tmp_path / "b"))
    assert (found.changes, found.causes, found.contradicts) == ((), (), False)


def test_another_truth_is_told_first_and_contradicts(tmp_path: Path) -> None:
    now = key_of(tmp_path / "b", PART.replace("c: 0.2", "c: 0.9").replace("d: 0.1", "d: 0.14").replace("e: 0.52", "e: 0.1"))
    found = drift(key_of(tmp_path / "a"), now)
    assert [(c.option, c.what, c.shown) for c in found.changes] == [
        ("c", "truth", True), ("d", "margin", True), ("e", "truth", False),
    ]  # fmt: skip
    assert found.changes[0].before == "SAFE, false by 0.3"
    assert found.changes[0].after == "SAFE, true by 0.4"
    assert found.contradicts
    assert found.causes == ("the source is another",)
    assert found.to_json()["changes"][0]["question"] == "steady-share"


def test_a_small_move_of_a_margin_is_none_and_one_not_shown_contradicts_nothing(tmp_path: Path) -> None:
    before = key_of(tmp_path / "a")
    assert drift(before, key_of(tmp_path / "b", PART.replace("d: 0.1, e", "d: 0.11, e"))).changes == ()
    unshown = drift(before, key_of(tmp_path / "c", PART.replace("e: 0.52", "e: 0.3")))
    assert [c.option for c in unshown.changes] == ["e"]
    assert not unshown.contradicts


def test_candidates_gone_and_new_and_no_longer_safe(tmp_path: Path) -> None:
    part = PART.replace("part: [a, b, c, d, e]", "part: [a, b, c, e, f]").replace("b: 0.8, c: 0.2", "b: 0.51, c: 0.2, f: 0.2")
    found = drift(key_of(tmp_path / "a"), key_of(tmp_path / "b", part))
    assert [(c.option, c.what) for c in found.changes] == [("d", "gone"), ("b", "verdict"), ("f", "new")]
    assert found.contradicts


def test_only_the_questions_computed_are_compared_and_causes_are_named(tmp_path: Path) -> None:
    before = key_of(tmp_path / "a")
    now = key_of(tmp_path / "b", PART.replace("c: 0.2", "c: 0.9"), only=("noisy-share",))
    assert drift(before, now).changes == ()
    before["evidence"]["versions"]["torch"] = "1.0"
    before["evidence"]["images"] = {"0": "x"}
    now["evidence"]["images"] = {"0": "y"}
    causes = drift(before, now).causes
    assert any(cause.startswith("torch is ") and cause.endswith("and was 1.0") for cause in causes)
    assert "these images are others: 0" in causes


def test_base_runs_are_compared_with_base_runs(tmp_path: Path) -> None:
    """The mean over seeds is elsewhere, and is none of theirs; another truth is seen in one run too."""
    before, made_before = of_base_runs(key_of(tmp_path / "a")), len(made)
    same = key_of(tmp_path / "b", base_only=True)
    assert {*made[made_before:]} == {"base"}
    assert {run["axis"] for q in same["evidence"]["questions"] for option in q["options"] for run in option["runs"]} == {"base"}
    assert same["state"] == "draft"
    assert drift(before, of_base_runs(same)).changes == ()
    turned = key_of(tmp_path / "c", PART.replace("c: 0.2", "c: 0.9"), base_only=True)
    found = drift(before, of_base_runs(turned))
    assert [(c.option, c.what, c.shown) for c in found.changes] == [("c", "truth", True)]
    assert found.contradicts
