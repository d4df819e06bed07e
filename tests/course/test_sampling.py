import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.course.sampling import Shown, sample
from pellucid.course.verdicts import Judgement, Verdict


def one(correct: bool, verdict: Verdict = "SAFE") -> Judgement:
    return Judgement(verdict, correct, 0.3 if correct else -0.3, 0.01, () if verdict == "SAFE" else ("why",))


def pool(true: int, false: int, verdict: Verdict = "SAFE") -> dict[str, Judgement]:
    return {f"{verdict[0]}t{n}": one(True, verdict) for n in range(true)} | {
        f"{verdict[0]}f{n}": one(False, verdict) for n in range(false)
    }


@given(
    st.text("abc", min_size=1), st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.integers(2, 6), st.integers(1, 5),
    st.integers(0, 4),
)  # fmt: skip
def test_laws(question: str, true: int, false: int, doubtful: int, options: int, low: int, more: int) -> None:
    low = min(low, options - 1)
    high = min(low + more, options - 1)
    judged = pool(true, false) | pool(doubtful, doubtful, "AMBIGUOUS")
    found = sample(question, judged, options=options, true=(low, high))
    assert found == sample(question, judged, options=options, true=(low, high))
    right = sum(judged[id].correct for id in found.options)
    if not found.problems:
        assert len(found.options) == options
        assert low <= right <= high
        assert 0 < right < options
        assert all(judged[id].verdict == "SAFE" for id in found.options)
    else:
        possible = any(low <= n <= high and n <= true and options - n <= false for n in range(1, options))
        assert not possible
    assert list(found.options) == [id for id in judged if id in found.options]


def test_what_is_drawn_stays_when_something_else_changes() -> None:
    judged = pool(6, 6)
    before = set(sample("q", judged, options=5, true=(1, 4)).options)
    for extra in range(40):
        after = set(sample("q", judged | {f"new-{extra}": one(extra % 2 == 0)}, options=5, true=(1, 4)).options)
        assert len(before - after) <= 1
    unshown = next(id for id in judged if id not in before)
    assert set(sample("q", {k: v for k, v in judged.items() if k != unshown}, options=5, true=(1, 4)).options) == before
    assert {frozenset(sample(f"q{n}", judged, options=5, true=(1, 4)).options) for n in range(30)} != {frozenset(before)}
    assert set(sample("q", judged, options=5, true=(1, 4), draw="another").options) != before


def test_the_count_of_true_options_gives_nothing_away() -> None:
    judged = pool(6, 6)
    counts = [sum(id.startswith("St") for id in sample(f"q{n}", judged, options=5, true=(1, 4)).options) for n in range(400)]
    assert all(70 <= counts.count(n) <= 130 for n in (1, 2, 3, 4))


def test_never_all_or_none_are_true() -> None:
    judged = pool(6, 6)
    counts = {
        sum(id.startswith("St") for id in sample(f"q{n}", judged, options=3, true=(0, 3)).options) for n in range(40)
    }  # fmt: skip
    assert counts == {1, 2}


def test_swap_shows_doubtful_options_only_where_it_must_and_says_so() -> None:
    judged = pool(1, 2) | pool(4, 4, "AMBIGUOUS") | pool(2, 2, "INVALID")
    found = sample("q", judged, options=5, true=(1, 4))
    assert {"St0", "Sf0", "Sf1"} <= set(found.options)
    assert len(found.options) == 5
    assert "1 true and 2 false candidates are SAFE" in found.problems[0]
    assert not any(id.startswith("I") for id in found.options)


@pytest.mark.parametrize("policy", ["disregard", "always_correct", "block"])
def test_the_other_policies_draw_from_all_that_can_be_computed(policy: str) -> None:
    judged = pool(1, 1, "AMBIGUOUS") | pool(1, 1)
    found = sample("q", judged, options=3, true=(1, 2), if_ambiguous=policy)  # type: ignore[arg-type]
    doubtful = frozenset(id for id in found.options if id.startswith("A"))
    assert doubtful
    assert found == Shown(
        found.options, doubtful if policy == "disregard" else frozenset(), policy == "always_correct",
        (f"AMBIGUOUS options are shown: {', '.join(sorted(doubtful))}",) if policy == "block" else (),
    )  # fmt: skip


def test_a_pool_without_a_false_option_is_a_problem() -> None:
    found = sample("q", pool(6, 0), options=5, true=(1, 4))
    assert any("can be computed, which is too few" in problem for problem in found.problems)
