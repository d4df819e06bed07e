"""A method is a generator of ever better answers; a call drains it.

Tolerance, deadline, cancel and progress are ways of taking from the generator, so no method knows of them.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from time import monotonic
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, final, runtime_checkable

from pellucid.registry import OptionValue, UnknownName, options_of, unknown, validated

P = ParamSpec("P")
S = TypeVar("S")


@runtime_checkable
class Step(Protocol):
    """What a method yields: complete, usable, and better than the one before."""

    @property
    def worst_error(self) -> float: ...

    def stamped(self: S, method: str, options: Mapping[str, OptionValue], step: int) -> S: ...


T = TypeVar("T", bound=Step)

MARGIN = 1.25
"""What is expected of an error is exceeded in about every other run, and by more than this in fewer than one of ten."""
SURE = 0.93
"""In how many of the runs that are looked at once `MARGIN` is kept to, so that with several looks it is nine of ten."""


def strays(segments: int, freedom: float) -> float:
    """What the expected square of the error is to be multiplied by where few weights share it, or few samples tell the noise.

    So that its `MARGIN` is passed in one of ten runs at most, of those looked at several times: the fewer the weights, the
    less their errors even out, and the fewer degrees of freedom are left, the less is known of the noise itself. 1 from sixteen
    weights on, where there are samples enough.
    """
    from scipy.special import fdtri  # late: a slow import

    return max(1.0, float(fdtri(segments, max(1.0, freedom), SURE)) / MARGIN**2)


@dataclass(frozen=True)
class Preset:
    """A named set of options, and how its pictures are drawn (see `render`)."""

    options: Mapping[str, Any]
    """Values of type OptionValue; Any, so that `**preset.options` passes a type checker."""
    view: Mapping[str, OptionValue] = field(default_factory=dict)
    description: str = ""


@final
class Method(Generic[P, T]):
    """A generator function under its name, with the function's own signature.

    `method(...)` gives the last answer, `method.stream(...)` every one of them. Options are checked before any work is done.
    """

    def __init__(
        self,
        function: Callable[P, Iterator[T]],
        presets: Mapping[str, Preset] | None = None,
        chance: Callable[[Mapping[str, OptionValue]], bool] | None = None,
        first: int = 1,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.signature = inspect.signature(function)
        self.options = options_of(function)
        self.presets = dict(presets or {})
        for preset in self.presets.values():
            validated(self.name, self.options, preset.options)
        self.first = first
        """Passes of the network that the first answer about an image takes."""
        self._function, self._chance = function, chance

    def __repr__(self) -> str:
        return f"<method {self.name}{self.signature}>"

    def preset(self, name: str) -> Preset:
        if name not in self.presets:
            raise UnknownName(unknown(f"preset of {self.name}", name, self.presets))
        return self.presets[name]

    def draws(self, options: Mapping[str, OptionValue]) -> bool:
        """Whether with these options anything depends on the seed."""
        return "seed" in options and (self._chance is None or self._chance(options))

    def budget(self) -> dict[str, OptionValue]:
        """The option that bounds the work, lifted to its limit: what a tolerance without an explicit bound asks for."""
        for name, info in self.options.model_fields.items():
            extra = info.json_schema_extra
            if isinstance(extra, dict) and "lifted" in extra:
                return {name: extra["lifted"]}  # pyright: ignore[reportReturnType]
        return {}

    @property
    def margin(self) -> float:
        """How far below a tolerance the error has to be, so that the tolerance holds in at least 90 of 100 runs.

        `MARGIN` for a method that draws `samples`, whose error is an expectation; 1 for others, whose error is measured.
        """
        return MARGIN if "samples" in self.options.model_fields else 1.0

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        given = {k: v for k, v in kwargs.items() if k in self.options.model_fields}
        others = {k: v for k, v in kwargs.items() if k not in given}
        positional = [p.name for p in self.signature.parameters.values() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        options = validated(self.name, self.options, {**given, **{k: v for k, v in others.items() if k not in positional}})
        bound = self.signature.bind(*args, **others, **options)
        return self._run(bound, options)

    def _run(self, bound: inspect.BoundArguments, options: Mapping[str, OptionValue]) -> Generator[T, None, None]:
        steps = self._function(*bound.args, **bound.kwargs)
        try:
            for number, step in enumerate(steps, start=1):
                yield step.stamped(self.name, options, number)
        finally:
            close: Callable[[], Any] = getattr(steps, "close", lambda: None)
            close()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return drain(self.stream(*args, **kwargs))


def method(*, presets: Mapping[str, Preset] | None = None) -> Callable[[Callable[P, Iterator[T]]], Method[P, T]]:
    """Makes a Method of a generator function that belongs to no registry."""

    def make(function: Callable[P, Iterator[T]]) -> Method[P, T]:
        return Method(function, presets)

    return make


def bounded(
    stream: Iterator[T],
    *,
    tolerance: float | None = None,
    deadline: float | None = None,
    cancelled: Callable[[], bool] | None = None,
    steps: int | None = None,
    since: float | None = None,
    margin: float = 1.0,
) -> Generator[T, None, None]:
    """The stream until its worst error is at most `tolerance`, `deadline` seconds have passed, or `cancelled()` is true.

    The deadline counts from `since`, a reading of `time.monotonic`, or from the first `next`. Before taking one more step it
    asks whether that would still fit (see `Pace`), so that a deadline is kept rather than noticed; the first step is always
    taken, since without it there is no answer. The error has to be `margin` times smaller than the tolerance. `steps` takes
    that many and no more. However it ends, the generator is closed.
    """
    check_limits(tolerance, deadline)
    start = monotonic() if since is None else since
    pace = Pace()
    try:
        while not pace.steps or deadline is None or pace.fits(start + deadline):
            if (step := pace.take(stream)) is None:
                return
            yield step
            if tolerance is not None and margin * step.worst_error <= tolerance:
                return
            if steps is not None and pace.steps >= steps:
                return
            if cancelled is not None and cancelled():
                return
    finally:
        close: Callable[[], Any] = getattr(stream, "close", lambda: None)
        close()


def check_limits(tolerance: float | None, deadline: float | None) -> None:
    for name, limit, what in (("tolerance", tolerance, "an error"), ("deadline", deadline, "a number of seconds")):
        if limit is not None and not isinstance(limit, Real):
            raise TypeError(f"{name} is {what} above 0, such as 0.5, got {limit!r}")
        if limit is not None and not limit > 0:
            raise ValueError(f"{name} is {what} above 0, such as 0.5, got {limit}")


@final
class Pace:
    """How long a step takes, judged by the longest so far; streams see to it that none is much longer than those before.

    The first prepares what the others use, and no longer counts once there is another.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._longest = 0.0

    def take(self, stream: Iterator[T]) -> T | None:
        """The stream's next step, timed; None at its end."""
        before = monotonic()
        step = next(stream, None)
        if step is not None:
            self._longest = max(self._longest if self.steps > 1 else 0.0, monotonic() - before)
            self.steps += 1
        return step

    def fits(self, due: float) -> bool:
        """Whether one more would be done by then, a reading of `time.monotonic`."""
        return monotonic() + self._longest <= due


def drain(stream: Iterator[T], progress: Callable[[T], None] | None = None) -> T:
    """The last, and so the best, of the stream."""
    last: T | None = None
    for last in stream:
        if progress is not None:
            progress(last)
    if last is None:
        raise RuntimeError("the stream ended without an answer")
    return last
