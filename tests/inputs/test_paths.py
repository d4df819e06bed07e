import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid.inputs.paths import Interval, Point, Refinement, Rule, joined, quadrature, rounds

DEGREE = {"left": 0, "right": 0, "midpoint": 1, "trapezoid": 1}
"""Of the polynomials that a rule integrates exactly; Gauss-Legendre with n points: 2n - 1."""


@pytest.mark.parametrize("rule", get_args(Rule))
@pytest.mark.parametrize("points", [2, 3, 5, 50])
def test_a_rule_integrates_polynomials_up_to_its_degree_and_no_further(rule: Rule, points: int) -> None:
    positions, weights = quadrature(rule, points)
    degree = DEGREE.get(rule, 2 * points - 1)
    for power in range(degree + 1):
        assert weights @ positions**power == pytest.approx(1 / (power + 1), abs=1e-13)
    if points < 10:  # beyond that Gauss-Legendre is wrong by less than float64 can show
        assert weights @ positions ** (degree + 1) != pytest.approx(1 / (degree + 2), abs=1e-9)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(positions) > 0).all()
    assert 0 <= positions[0] <= positions[-1] <= 1


def test_the_rules_of_four_points() -> None:
    expected = {
        "left": ([0, 0.25, 0.5, 0.75], [0.25] * 4),
        "right": ([0.25, 0.5, 0.75, 1], [0.25] * 4),
        "midpoint": ([0.125, 0.375, 0.625, 0.875], [0.25] * 4),
        "trapezoid": ([0, 1 / 3, 2 / 3, 1], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    }
    for rule, (positions, weights) in expected.items():
        got = quadrature(rule, 4)  # pyright: ignore[reportArgumentType]
        np.testing.assert_allclose(got[0], positions)
        np.testing.assert_allclose(got[1], weights)


@given(st.integers(1, 400), st.integers(1, 12))
def test_rounds_visit_every_point_once_in_batches_that_fit(points: int, size: int) -> None:
    batches = rounds(points, size)
    assert sorted(itertools.chain.from_iterable(b.tolist() for b in batches)) == list(range(points))
    assert all(1 <= len(b) <= size for b in batches)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_every_round_spreads_over_the_whole_path(rule: Rule) -> None:
    positions, weights = quadrature(rule, 100)
    visited: list[int] = []
    for batch in rounds(100, 10):
        visited += batch.tolist()
        seen = weights[visited]
        assert seen @ positions[visited] / seen.sum() == pytest.approx(0.5, abs=0.06)


def curve(position: float) -> Point:
    """A logistic step at 0.3, to which two input values contribute one third and two thirds."""
    value = 1 / (1 + math.exp(-40 * (position - 0.3)))
    slope = 40 * value * (1 - value)
    return Point(position, value, slope, slope * torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))


def ends() -> tuple[Point, Point]:
    return Point(0.0, curve(0.0).value), Point(1.0, curve(1.0).value)


def refined(held: int, points: int, start: int = 5) -> Refinement:
    refinement = Refinement(torch.zeros(2, dtype=torch.float64), held)
    refinement.add_path(0, joined([curve(p) for p in quadrature("midpoint", start)[0].tolist()], *ends()))
    for _ in range(points):
        worst = refinement.worst(1)
        if worst:
            refinement.replace(worst, [curve(worst[0].wanted)])
    return refinement


def test_a_path_is_joined_with_those_ends_that_have_no_point() -> None:
    first, last = ends()
    assert joined([curve(0.6), curve(0.2)], first, last)[0] is first
    assert [p.position for p in joined([curve(0.6), curve(0.0)], first, last)] == [0, 0.6, 1]
    assert joined([curve(1.0)], first, last)[-1].pull is not None


def test_an_interval_is_a_trapezoid_or_where_one_end_has_no_pull_a_rectangle() -> None:
    a, b = curve(0.2), curve(0.4)
    whole = Interval(0, a, b)
    assert a.pull is not None
    assert b.pull is not None
    torch.testing.assert_close(whole.area, 0.1 * (a.pull + b.pull))
    assert whole.residual == pytest.approx(b.value - a.value - float(whole.area.sum()))
    assert whole.wanted == pytest.approx(0.3)
    bare = Interval(0, Point(0.0, curve(0.0).value), a)
    torch.testing.assert_close(bare.area, 0.2 * a.pull)
    assert bare.residual == pytest.approx(a.value - curve(0.0).value - float(bare.area.sum()))
    assert bare.wanted == 0
    assert Interval(0, b, Point(1.0, curve(1.0).value)).wanted == 1
    assert [(i.left.position, i.right.position) for i in whole.with_point(curve(0.3))] == [(0.2, 0.3), (0.3, 0.4)]
    assert [(i.left.position, i.right.position) for i in bare.with_point(curve(0.0))] == [(0.0, 0.2)]


@pytest.mark.parametrize("held", [3, 1000])
def test_the_residual_is_what_the_sum_leaves_of_the_change(held: int) -> None:
    refinement = refined(held, 30)
    first, last = ends()
    assert refinement.residual == pytest.approx(last.value - first.value - float(refinement.total.sum()), abs=1e-12)
    assert len(refinement.worst(10**6)) <= held


def kink(position: float) -> Point:
    """A ReLU that comes alive at 0.3."""
    slope = float(position > 0.3)
    return Point(position, max(position - 0.3, 0.0), slope, torch.tensor([slope], dtype=torch.float64))


def test_points_go_where_the_path_bends_and_close_the_gap_by_halves() -> None:
    refinement = Refinement(torch.zeros(1, dtype=torch.float64), 100)
    refinement.add_path(0, joined([kink(p) for p in (0.25, 0.75)], Point(0.0, 0.0), Point(1.0, 0.7)))
    wanted: list[float] = []
    for _ in range(10):
        (worst,) = refinement.worst(1)
        wanted.append(worst.wanted)
        refinement.replace([worst], [kink(worst.wanted)])
    assert wanted[:4] == [0.5, 0.375, 0.3125, 0.28125]
    assert len(refinement.worst(100)) == 1, "everything but the interval with the kink is settled"
    assert abs(refinement.residual) < 0.5**11  # half of an interval of 0.5 / 2 ** 10, at most
    torch.testing.assert_close(refinement.total, torch.tensor([0.7 - refinement.residual], dtype=torch.float64))


def test_intervals_too_narrow_for_float32_are_left_alone() -> None:
    refinement = Refinement(torch.zeros(1), 100)
    refinement.add_path(0, joined([kink(p) for p in (0.0, 0.3, 0.3 + 9e-6, 1.0)], Point(0.0, 0.0), Point(1.0, 0.7)))
    assert refinement.residual > 0
    assert refinement.worst(100) == []


def test_a_straight_path_is_settled_at_once() -> None:
    refinement = Refinement(torch.zeros(1), 10)
    points = [Point(p, 3 * p + 1, 3.0, torch.tensor([3.0])) for p in (0.25, 0.75)]
    refinement.add_path(0, joined(points, Point(0.0, 1.0), Point(1.0, 4.0)))
    assert refinement.worst(10) == []
    assert refinement.residual == 0
    torch.testing.assert_close(refinement.total, torch.tensor([3.0]))


def test_a_trapezoid_of_one_point_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="a point at each end, so at least 2; got steps=1"):
        quadrature("trapezoid", 1)
