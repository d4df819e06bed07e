import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.course.verdicts import Judgement, RunMargin, judge


def seeded(values: list[float], *others: float) -> list[RunMargin]:
    named = ["base", *(f"seed {n}" for n in range(1, len(values)))]
    runs = [RunMargin(axis, value) for axis, value in zip(named, values, strict=True)]
    return runs + [RunMargin(f"axis {n}", value) for n, value in enumerate(others)]


def planted(mean: float, sd: float, count: int = 20) -> list[float]:
    """Margins of exactly this mean and sample standard deviation."""
    values = np.linspace(-1, 1, count)
    return list(mean + sd * values / values.std(ddof=1)) if sd else [mean] * count


def test_a_wide_steady_margin_is_safe_and_its_side_is_the_truth() -> None:
    found = judge(seeded(planted(0.3, 0.02)), 0.08)
    assert (found.verdict, found.correct, found.reasons) == ("SAFE", True, ())
    assert (found.mean, found.sd) == (pytest.approx(0.3), pytest.approx(0.02))
    assert judge(seeded(planted(-0.3, 0.02)), 0.08).correct is False
    assert judge(seeded(planted(-0.3, 0.02)), 0.08).verdict == "SAFE"


@pytest.mark.parametrize(("mean", "sd", "verdict"), [(0.41, 0.1, "SAFE"), (0.39, 0.1, "AMBIGUOUS"), (-0.41, 0.1, "SAFE")])
def test_four_standard_deviations(mean: float, sd: float, verdict: str) -> None:
    found = judge(seeded(planted(mean, sd)), 0.01)
    assert found.verdict == verdict
    assert verdict == "SAFE" or "standard deviations" in found.reasons[0]


@pytest.mark.parametrize(("mean", "verdict"), [(0.081, "SAFE"), (0.079, "AMBIGUOUS"), (-0.079, "AMBIGUOUS")])
def test_the_floor(mean: float, verdict: str) -> None:
    found = judge(seeded(planted(mean, 0.001)), 0.08)
    assert found.verdict == verdict
    assert verdict == "SAFE" or "an eye can tell" in found.reasons[0]


def test_one_run_on_the_other_side_is_enough() -> None:
    found = judge(seeded(planted(0.3, 0.01), 0.3, -0.001), 0.08)
    assert found.verdict == "AMBIGUOUS"
    assert found.reasons == ("other runs say the opposite: axis 1",)
    for mean in (0.3, -0.3):  # on the line is on no side
        assert judge(seeded(planted(mean, 0.01), 0.0), 0.08).verdict == "AMBIGUOUS"


def test_the_spread_is_that_of_the_seeds_where_there_are_any() -> None:
    with_seeds = judge(seeded(planted(0.3, 0.01), 0.9), 0.08)
    assert (with_seeds.verdict, with_seeds.sd) == ("SAFE", pytest.approx(0.01))
    without = judge([RunMargin("base", 0.3), RunMargin("clip +1", 0.9)], 0.08)
    assert (without.verdict, without.mean) == ("AMBIGUOUS", pytest.approx(0.6))


def test_a_single_run_has_no_spread() -> None:
    assert judge([RunMargin("base", 0.2)], 0.1) == Judgement("SAFE", True, 0.2, 0.0, ())


def test_what_has_no_value_is_invalid() -> None:
    found = judge([RunMargin("base", 0.2), RunMargin("seed 1", math.nan)], 0.1)
    assert found.verdict == "INVALID"
    assert found.reasons == ("it has no value in: seed 1",)
    assert judge([], 0.1).verdict == "INVALID"
    with pytest.raises(ValueError, match="above zero"):
        judge([RunMargin("base", 0.2)], 0)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=25), st.floats(0.01, 1))
def test_laws(values: list[float], floor: float) -> None:
    found, turned = judge(seeded(values), floor), judge(seeded([-value for value in values]), floor)
    assert found.verdict == turned.verdict  # symmetric
    if found.verdict == "SAFE":
        assert found.correct != turned.correct
        assert all((value > 0) == found.correct and value for value in values)
        assert judge(seeded(values), floor / 2).verdict == "SAFE"  # a lower floor never takes it away
    assert (found.verdict == "SAFE") == (not found.reasons)
