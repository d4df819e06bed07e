"""Item analysis against closed forms and slow replicas."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pellucid.course import items
from pellucid.course.assignment import Assignment, Key, Option, Question
from pellucid.course.items import alpha, analyse, by_thirds, correlation, feldt, fisher, highest, kr20, wilson
from tests.course.classroom import ASSIGNMENT, key

totals = st.lists(st.integers(0, 6), min_size=1, max_size=40).map(lambda values: np.array(values, dtype=float))


def test_wilson_is_the_closed_form() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)  # Newcombe, Statistics in Medicine 17, 1998
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # the same, table I
    for successes, n in ((1, 29), (15, 148), (7, 8)):
        wanted = stats.binomtest(successes, n).proportion_ci(0.95, "wilson")
        assert wilson(successes, n) == pytest.approx((wanted.low, wanted.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_fisher_is_the_oracles_interval() -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(size=40)
    b = a + generator.normal(size=40)
    wanted: Any = stats.pearsonr(a, b)
    r = correlation(a, b)
    assert r == pytest.approx(wanted.statistic)
    assert fisher(r, 40) == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    assert (fisher(None, 40), fisher(0.3, 3), fisher(1.0, 40)) == (None, None, None)
    assert correlation(a, np.ones(40)) is None


def test_kr20_by_hand() -> None:
    """Three questions, four students with 3, 2, 1 and 0 right: sum p q = 3/16 + 4/16 + 3/16, variance 5/4."""
    right = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=float)
    assert kr20(right) == pytest.approx(1.5 * (1 - (10 / 16) / (5 / 4)))
    assert kr20(right) == pytest.approx(0.75)
    assert alpha(right) == pytest.approx(0.75), "alpha of right and wrong is KR-20"
    assert kr20(right[:, :1]) is None
    assert kr20(np.ones((4, 3))) is None
    assert alpha(np.zeros((0, 3))) is None
    assert alpha(np.repeat(right[:, :1], 5, axis=1)) == pytest.approx(1), "the same question five times"


def test_feldts_interval_covers() -> None:
    """Of parallel questions alpha is known: k rho / (1 + (k - 1) rho)."""
    generator, k, n, rho = np.random.default_rng(0), 8, 60, 0.3
    true = k * rho / (1 + (k - 1) * rho)
    within = 0
    for _ in range(400):
        points = math.sqrt(rho) * generator.normal(size=(n, 1)) + math.sqrt(1 - rho) * generator.normal(size=(n, k))
        interval = feldt(alpha(points), n, k)
        assert interval is not None
        within += interval[0] <= true <= interval[1]
    assert 0.92 <= within / 400 <= 0.98
    assert feldt(None, 60, 8) is None


@given(totals, st.floats(0.05, 1))
def test_who_is_highest_does_not_depend_on_the_order(total: np.ndarray, share: float) -> None:
    size = share * len(total)
    weights = highest(total, size)
    assert weights.sum() == pytest.approx(size)
    order = np.random.default_rng(0).permutation(len(total))
    np.testing.assert_allclose(highest(total[order], size), weights[order])
    assert all(
        a >= b - 1e-12 for (t, a) in zip(total, weights, strict=True) for (u, b) in zip(total, weights, strict=True) if t >= u
    )


@given(totals)
def test_thirds_are_thirds_of_everybody(total: np.ndarray) -> None:
    weights = by_thirds(total)
    np.testing.assert_allclose(weights.sum(0), 1)
    np.testing.assert_allclose(weights.sum(1), len(total) / 3)


def test_of_distinct_totals_thirds_are_the_plain_ones() -> None:
    lower, middle, upper = by_thirds(np.array([5.0, 1, 9, 3, 7, 2]))
    assert (lower.tolist(), middle.tolist(), upper.tolist()) == ([0, 1, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0])


def test_a_class_against_a_slow_replica() -> None:
    generator = np.random.default_rng(3)
    ability = generator.normal(size=60)
    right = {"q1": "ab", "q2": "c", "q3": "ad"}
    latest = [
        {id: frozenset(right[id] if generator.normal() < ability[i] else "bd") for id in right} for i in range(60)
    ]  # fmt: skip
    found = analyse(ASSIGNMENT, key(), latest)
    points = {q.id: q.tenths for q in ASSIGNMENT.questions}
    got = [[points[id] * (one[id] == frozenset(right[id])) for id in right] for one in latest]
    assert (found.n, found.few) == (60, False)
    assert found.mean == pytest.approx(sum(map(sum, got)) / 60)
    for j, question in enumerate(found.questions):
        mine = [row[j] for row in got]
        rest = [sum(row) - row[j] for row in got]
        assert question.difficulty == pytest.approx(sum(value > 0 for value in mine) / 60)
        assert question.item_rest == pytest.approx(stats.pearsonr(mine, rest)[0])
        c = np.cov([[row[i] for row in got] for i in range(3) if i != j])  # alpha by the mean variance and covariance
        assert question.alpha_if_deleted == pytest.approx(2 * c[0, 1] / ((c[0, 0] + c[1, 1]) / 2 + c[0, 1]))
        assert question.discrimination == pytest.approx(question.upper - question.lower)
        assert question.discrimination > 0.3
        for option in question.options:
            assert option.chosen == pytest.approx(sum(option.id in one[question.id] for one in latest) / 60)
            assert np.mean(np.array(option.by_third, dtype=float)) == pytest.approx(option.chosen)
            assert option.correct == (option.id in right[question.id])
    assert found.disagreements == ()


def test_a_wrong_key_is_seen_by_the_upper_third() -> None:
    """Three of four know that q1 is a and c; the key says a and b."""
    good, poor = {"q1": frozenset("ac"), "q2": frozenset("c"), "q3": frozenset("ad")}, {"q1": frozenset("ab")}
    found = analyse(ASSIGNMENT, key(), [good] * 27 + [poor] * 9)
    assert found.disagreements == (("q1", "b"), ("q1", "c"))
    options = {option.id: option for option in found.questions[0].options}
    assert options["c"].by_third[2] == 1.0
    assert options["c"].top_interval == pytest.approx(wilson(12, 12))
    either = key(disregarded={"q1": frozenset("bc")})
    again = analyse(ASSIGNMENT, either, [good] * 27 + [poor] * 9)
    assert again.disagreements == ()
    assert [option.correct for option in again.questions[0].options] == [True, None, None, False]


def test_who_did_not_answer_is_no_witness_against_the_key() -> None:
    """The better of two, and the better ones of forty, have answered nothing but the first question."""
    good, poor = {"q1": frozenset("ab")}, {"q1": frozenset("cd"), "q2": frozenset("a")}
    for half in (1, 20):
        found = analyse(ASSIGNMENT, key(), [good] * half + [poor] * half)
        assert found.disagreements == ()
        second, third = found.questions[1:]
        assert (second.answered, second.difficulty, third.answered) == (half, 0.0, 0)
        assert [option.chosen for option in second.options] == [1.0, 0.0, 0.0, 0.0], "of those who answered it"
        assert {option.by_third[2] for option in second.options} == {None}
        assert {(option.chosen, option.top_interval) for option in third.options} == {(None, (0.0, 1.0))}


@pytest.mark.parametrize(
    ("against", "n", "alarm"), [(10, 30, True), (8, 30, False), (10, 29, False), (12, 45, True), (11, 45, False)]
)
def test_a_witness_needs_many_answers_and_a_clear_majority(against: int, n: int, alarm: bool) -> None:
    """Of the best third, that many chose what the key calls wrong."""
    best = {"q2": frozenset("c"), "q3": frozenset("ad")}
    third = n // 3
    latest = [{**best, "q1": frozenset("ac")}] * against + [{**best, "q1": frozenset("ab")}] * (third - against)
    latest += [{"q1": frozenset("ab")}] * (n - len(latest))
    assert (("q1", "c") in analyse(ASSIGNMENT, key(), latest).disagreements) == alarm


def test_first_answers_are_counted_apart() -> None:
    latest, first = [{"q1": frozenset("ab")}] * 4, [{"q1": frozenset("ab")}, {"q1": frozenset("a")}, {}, {"q1": frozenset("b")}]
    question = analyse(ASSIGNMENT, key(), latest, first).questions[0]
    assert (question.difficulty, question.first_difficulty) == (1.0, 0.25)
    assert question.item_rest is None
    assert question.item_rest_interval is None


@pytest.mark.parametrize("latest", [[], [{}], [{"q1": frozenset()}]])
def test_of_nobody_there_is_an_analysis_too(latest: list[dict[str, frozenset[str]]]) -> None:
    found = analyse(ASSIGNMENT, key(), latest)
    assert (found.n, found.few, found.kr20, found.mean) == (0, True, None, 0.0)
    assert found.questions[0].difficulty_interval == (0.0, 1.0)
    assert found.disagreements == ()


def test_below_thirty_it_says_so() -> None:
    for n in (items.FEW - 1, items.FEW):
        assert analyse(ASSIGNMENT, key(), [{"q1": frozenset("ab")}] * n).few == (n < 30)


def test_a_single_question_has_no_rest() -> None:
    asked = Assignment("one", {}, ("en",), {}, (Question("q", "g", 3, {}, (Option("a", {}), Option("b", {}))),))
    found = analyse(asked, Key(asked.hash, 1, {"q": (frozenset("a"),)}), [{"q": frozenset("a")}, {"q": frozenset("b")}])
    assert (found.kr20, found.alpha, found.alpha_interval, found.questions[0].item_rest) == (None, None, None, None)
