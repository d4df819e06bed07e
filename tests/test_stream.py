import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from pydantic import Field

from pellucid.registry import OptionValue
from pellucid.stream import Method, Preset, bounded, drain


@dataclass(frozen=True)
class Count:
    number: int
    worst_error: float
    method: str = ""
    options: Mapping[str, OptionValue] | None = None
    step: int = 0

    def stamped(self, method: str, options: Mapping[str, OptionValue], step: int) -> "Count":
        return replace(self, method=method, options=options, step=step)


closed: list[str] = []


def counting(
    start: int,
    *,
    samples: Annotated[int, Field(ge=1, le=1000, description="How far.", json_schema_extra={"lifted": 500})] = 5,
    pause: Annotated[float, Field(ge=0, description="Seconds a step.")] = 0.0,
) -> Iterator[Count]:
    """Counts up from start; its error is one over the number."""
    try:
        for n in range(start, start + samples):
            time.sleep(pause)
            yield Count(n, 1 / n)
    finally:
        closed.append("closed")


method = Method(counting, {"short": Preset({"samples": 2})})


def test_a_call_drains_the_stream_and_stamps_every_answer() -> None:
    assert [c.number for c in method.stream(3)] == [3, 4, 5, 6, 7]
    last = method(3, samples=2)
    assert last == Count(4, 0.25, "counting", {"samples": 2, "pause": 0.0}, 2)


def test_options_are_checked_before_any_work() -> None:
    with pytest.raises(ValueError, match="counting: samples=0"):
        method.stream(3, samples=0)
    with pytest.raises(TypeError, match="no option named 'sample'"):
        method.stream(3, sample=1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="start"):
        method.stream()  # pyright: ignore[reportCallIssue]


def test_a_preset_that_the_options_refuse_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="samples=0"):
        Method(counting, {"none": Preset({"samples": 0})})


def test_the_budget_is_what_a_tolerance_lifts() -> None:
    assert method.budget() == {"samples": 500}


@pytest.mark.parametrize("how", [{"tolerance": 0.1}, {"steps": 10}, {"cancelled": lambda: len(seen) >= 10}])
def test_ends_when_told_to_and_closes_the_generator(how: dict[str, Any]) -> None:
    seen.clear()
    closed.clear()
    for count in bounded(method.stream(1, samples=100), **how):
        seen.append(count)
    assert seen[-1].number == 10
    assert closed == ["closed"]


seen: list[Count] = []


def test_leaving_the_loop_closes_the_generator() -> None:
    closed.clear()
    stream = bounded(method.stream(1, samples=100))
    next(stream)
    stream.close()
    assert closed == ["closed"]


def test_a_deadline_is_kept_not_noticed() -> None:
    start = time.monotonic()
    last = drain(bounded(method.stream(1, samples=1000, pause=0.05), deadline=0.32))
    assert time.monotonic() - start < 0.4
    assert last.number >= 3


def test_a_deadline_too_short_for_anything_still_gives_one_answer() -> None:
    assert drain(bounded(method.stream(1, samples=100, pause=0.02), deadline=1e-6)).number == 1


def test_the_consumers_own_time_is_not_taken_for_a_slow_step() -> None:
    taken = 0
    for _ in bounded(method.stream(1, samples=1000, pause=0.001), deadline=0.5):
        time.sleep(0.04)
        taken += 1
    assert taken >= 8


@pytest.mark.parametrize("how", [{"tolerance": 0.0}, {"tolerance": float("nan")}, {"deadline": 0.0}, {"deadline": -1.0}])
def test_senseless_limits_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        next(bounded(method.stream(1), **how))


def test_progress_sees_every_answer() -> None:
    numbers: list[int] = []
    drain(method.stream(1), lambda c: numbers.append(c.number))
    assert numbers == [1, 2, 3, 4, 5]


def test_a_stream_without_an_answer_is_a_fault_of_the_method() -> None:
    with pytest.raises(RuntimeError, match="without an answer"):
        drain(iter([]))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("limit", ["tolerance", "deadline"])
def test_a_limit_that_is_no_number_is_named_with_what_would_do(limit):
    given: dict[str, Any] = {limit: "a"}
    with pytest.raises(TypeError, match=rf"^{limit} is an? .* above 0, such as 0.5, got 'a'$"):
        next(bounded(iter(()), **given))
