"""What students write is judged by what it gives, and the message names the mistake."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pellucid.course import exercises, settings


def right_cosine(a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        raise ValueError
    lengths = math.sqrt((a @ a) * (b @ b))
    if not lengths:
        raise ValueError
    return (a @ b) / lengths


def right_distance(a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        raise ValueError
    return np.sqrt(((a - b) ** 2).sum())


def test_right_functions_pass_and_are_used() -> None:
    for check, own in ((exercises.cosine_similarity, right_cosine), (exercises.euclidean_distance, right_distance)):
        done = check(own)
        assert done.passed
        assert done.function is own
        assert str(done).startswith("Yours: it agrees with the library's on 2")
        assert "✓" in done._repr_html_()
        assert done.whose == f"your {done.name}"


def test_a_single_number_of_any_kind_is_welcome() -> None:
    import torch

    for kind in (float, np.float64, np.asarray, torch.tensor):
        assert exercises.cosine_similarity(lambda a, b, kind=kind: kind(right_cosine(a, b))).passed, kind


def test_the_librarys_function_stands_in_until_ones_own_passes() -> None:
    done = exercises.cosine_similarity(None)
    assert not done.passed
    assert done(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == pytest.approx(0.96)
    assert "not yet yours" in done.whose
    vectors = np.random.default_rng(1).standard_normal((4, 7))
    np.testing.assert_allclose(done.matrix(vectors), _cosines(vectors), atol=1e-12)
    distance = exercises.euclidean_distance(None)
    wanted = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1))
    np.testing.assert_allclose(distance.matrix(vectors), wanted, atol=1e-12)


def _cosines(vectors: np.ndarray) -> np.ndarray:
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units @ units.T


def not_written(a: Any, b: Any) -> Any:
    raise NotImplementedError


def asserts(a: Any, b: Any, least: int = 0) -> Any:
    if a.shape != b.shape or a.size < least:
        raise AssertionError  # subtle: what an assert raises; pytest would give its own a text
    return right_cosine(a, b)


def in_place(a: Any, b: Any) -> Any:
    a /= np.linalg.norm(a)
    b /= np.linalg.norm(b)
    return a @ b


COSINES: dict[str, tuple[Any, str]] = {
    "no function": (3, "cosine_similarity is 3, a whole number; write a function"),
    "nothing written": (not_written, "nothing is written yet"),
    "nothing returned": (lambda a, b: None, "gave nothing back; end your function with return"),
    "an ellipsis": (lambda a, b: ..., "gave nothing back"),
    "other parameters": (lambda a: 1.0, "ended in TypeError"),
    "an assert": (asserts, "ended in AssertionError; two vectors of different lengths"),
    "an assert of what holds not": (lambda a, b: asserts(a, b, 9), r"ended in AssertionError\. "),
    "an array": (lambda a, b: a * b, r"gave an array of shape \(2,\); return one number"),
    "a text": (lambda a, b: "much", "gave 'much', a text; return one number"),
    "in place": (in_place, "changed the vectors that it was given"),
    "scalar product": (lambda a, b: a @ b, r"\[4, 3\]\) gave 24; 0.96 is right. You gave the scalar product; divide"),
    "mean product": (lambda a, b: (a * b).mean(), "You gave the mean product"),
    "distance": (lambda a, b: 1 - right_cosine(a, b), "You gave 1 minus the cosine"),
    "radians": (lambda a, b: np.arccos(np.clip(right_cosine(a, b), -1, 1)), "the angle in radians"),
    "degrees": (lambda a, b: np.degrees(np.arccos(np.clip(right_cosine(a, b), -1, 1))), "the angle in degrees"),
    "squared lengths": (lambda a, b: a @ b / (a @ a) / (b @ b), "the squared lengths; take their roots"),
    "one length": (lambda a, b: a @ b / np.linalg.norm(a), "the length of a alone"),
    "the other length": (lambda a, b: a @ b / np.linalg.norm(b), "the length of b alone"),
    "sum of lengths": (lambda a, b: a @ b / (np.linalg.norm(a) + np.linalg.norm(b)), "the sum of the lengths"),
    "squared": (lambda a, b: right_cosine(a, b) ** 2, "the square of the cosine"),
    "magnitude": (lambda a, b: abs(right_cosine(a, b)), "opposite directions, gave 1; -1 is right. You gave the magnitude"),
    "rounded": (lambda a, b: round(right_cosine(a, b), 3), "more than a right angle apart, gave -0.424;"),
    "zero unseen": (lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)), "no direction and so no cosine"),
    "zero is zero": (lambda a, b: right_cosine(a, b) if a.any() and b.any() else 0.0, r"\[0, 0, 0\].* gave 0.0; a vector"),
    "zero divides": (lambda a, b: float(a @ b) / float(a @ a) ** 0.5 / float(b @ b) ** 0.5, "ended in ZeroDivisionError"),
    "spread": (lambda a, b: (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()), "vectors of 1 and 3 numbers, gave"),
}  # fmt: skip
DISTANCES: dict[str, tuple[Any, str]] = {
    "squared": (lambda a, b: ((a - b) ** 2).sum(), "gave 25; 5 is right. You gave the squared distance; take the root"),
    "city block": (lambda a, b: np.abs(a - b).sum(), "the sum of the magnitudes"),
    "largest": (lambda a, b: np.abs(a - b).max(), "the largest difference"),
    "mean": (lambda a, b: np.sqrt(((a - b) ** 2).mean()), "the root of the mean square"),
    "lengths": (lambda a, b: abs(np.linalg.norm(a) - np.linalg.norm(b)), "the difference of the two lengths"),
    "of the sum": (lambda a, b: np.linalg.norm(a + b), "the length of the sum"),
    "signed": (lambda a, b: (a - b).sum(), "they cancel"),
    "product": (lambda a, b: a @ b, "the scalar product"),
    "something else": (lambda a, b: 7.0, r"gave 7; 5 is right. Until it passes"),
    "spread": (lambda a, b: np.linalg.norm(a - b), "vectors of 1 and 3 numbers, gave"),
}


@pytest.mark.parametrize("mistake", COSINES)
def test_a_wrong_cosine_is_told_what_is_wrong(mistake: str) -> None:
    _is_told(exercises.cosine_similarity, *COSINES[mistake])


@pytest.mark.parametrize("mistake", DISTANCES)
def test_a_wrong_distance_is_told_what_is_wrong(mistake: str) -> None:
    _is_told(exercises.euclidean_distance, *DISTANCES[mistake])


def _is_told(check: Callable[[object], exercises.Exercise], own: object, message: str) -> None:
    done = check(own)
    assert not done.passed
    with pytest.raises(ValueError, match=message):
        raise ValueError(done.message)
    assert "the library's own is used below" in done.message


def test_what_a_student_wrote_is_escaped() -> None:
    assert "<script>" not in exercises.cosine_similarity(lambda a, b: "<script>")._repr_html_()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: settings.whole("N", "8", 2, 20), "N is '8', a text; give a whole number from 2 to 20"),
        (lambda: settings.whole("N", 8.0, 2, 20), "N is 8.0, a number with a point; give a whole number"),
        (lambda: settings.whole("N", True, 0, 20), "N is True, yes or no; give a whole number"),
        (lambda: settings.whole("N", 21, 2, 20), "N is 21; give a whole number from 2 to 20"),
        (lambda: settings.whole("N", None, 2, 20), "N is None, nothing; give"),
        (lambda: settings.real("S", "0.1", 0, 1), "S is '0.1', a text; give a number from 0 to 1"),
        (lambda: settings.real("S", 2, 0, 1), "S is 2; give a number from 0 to 1"),
        (lambda: settings.real("S", math.nan, 0, 1), "S is nan; give"),
        (lambda: settings.wholes("L", 3, 0, 5, count=4), r"L is 3, a whole number; give a list .*, such as L = \[3\]"),
        (lambda: settings.wholes("L", [0, 9], 0, 5, count=4), r"L\[1\] is 9; give a whole number from 0 to 5"),
        (lambda: settings.wholes("L", [], 0, 5, count=4), "L has 0 entries; give 1 to 4"),
        (lambda: settings.wholes("L", [1, 1], 0, 5, count=4), "L has 1 twice"),
        (lambda: settings.reals("L", [0.1, "a"], 0, 1, count=4), r"L\[1\] is 'a', a text"),
        (lambda: settings.text("T", " "), "T is empty; give a text"),
        (lambda: settings.text("T", 3), "T is 3, a whole number; give a text"),
        (lambda: settings.choice("C", "blak", ["black", "white"]), "C is 'blak'; give one of: 'black', 'white'"),
        (lambda: settings.several("M", "lamp", 5), r"M is 'lamp', a text; give a list .*, such as M = \['lamp'\]"),
        (lambda: settings.yes("Y", "False"), "Y is 'False', a text; give True or False, without quotation marks"),
        (lambda: settings.grouped("G", ["a"]), r"G is \['a'\], a list; give a dictionary of lists"),
        (lambda: settings.grouped("G", {"a": "b"}), r"G\['a'\] is 'b', a text; give a list in square brackets"),
        (lambda: settings.grouped("G", {"a": ["b", ""]}), r"G\['a'\]\[1\] is empty"),
        (lambda: settings.choices("C", "black", ["black", "white"]), "C is 'black', a text; give a list"),
        (lambda: settings.wholes("L", {1, 2}, 0, 5, count=4), r"L is {1, 2}, a set; give a list .*, such as L = \[1, 2\]"),
        (lambda: settings.text("T", 5, empty=True), "T is 5, a whole number; give a text"),
        (lambda: settings.words("M", ("the", 2), 5), r"M\[1\] is 2, a whole number; give a word .*, such as \(\"the\", 2\)"),
        (lambda: settings.words("M", ["lamp", ""], 5), r"M\[1\] is empty; give a word"),
        (lambda: settings.word("W", ["keeper"]), r"W is \['keeper'\], a list; give a word"),
        (lambda: settings.word("W", 3), "W is 3, a whole number; give a word"),
    ],
)  # fmt: skip
def test_a_setting_that_will_not_do_is_named(check: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check()


def test_good_settings_come_back() -> None:
    assert settings.whole("N", np.int64(3), 0, 5) == 3
    assert settings.real("S", 1, 0, 1) == 1.0
    assert settings.wholes("L", range(3), 0, 5, count=4) == [0, 1, 2]
    assert settings.reals("L", (0.5, 1), 0, 1, count=4) == [0.5, 1.0]
    assert settings.text("T", "a") == "a"
    assert settings.yes("Y", False) is False
    assert settings.grouped("G", {"a": ["b", "c"], "d": ["e"]}) == (["a", "a", "d"], ["b", "c", "e"])
    assert settings.choices("C", ["white"], ["black", "white"]) == ["white"]
    assert settings.text("T", "", empty=True) == ""
    assert settings.words("M", ["lamp", ("the", 2), ["a", 1], (4, 9)], 5) == ["lamp", ("the", 2), ("a", 1), (4, 9)]
