"""Metrics: is an explanation faithful, stable, better than chance? One file each; each registers itself when it is imported.

A metric is a generator `(model, inputs, attribution, *, options) -> Iterator[Measurement]`, as a method is one of attributions:
it yields after every batch of work, and its keyword-only parameters are its options.
"""

import functools
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Generic, ParamSpec, final

from pellucid.measurement import Measurement
from pellucid.registry import Registry
from pellucid.stream import Method, drain

P = ParamSpec("P")


@final
class Metric(Generic[P]):
    """A metric under its name, with its direction and unit and the function's own signature.

    `metric(...)` gives the last measurement, `metric.stream(...)` every one of them.
    """

    def __init__(self, function: Callable[P, Iterator[Measurement]], higher_is_better: bool | None, unit: str) -> None:
        functools.update_wrapper(self, function)
        self._method: Method[P, Measurement] = Method(function)
        self.name, self.signature, self.options = self._method.name, self._method.signature, self._method.options
        self.higher_is_better, self.unit = higher_is_better, unit

    def __repr__(self) -> str:
        return f"<metric {self.name}{self.signature}>"

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Measurement, None, None]:
        return self._described(self._method.stream(*args, **kwargs))

    def _described(self, steps: Generator[Measurement, None, None]) -> Generator[Measurement, None, None]:
        try:
            for step in steps:
                yield replace(step, unit=self.unit, higher_is_better=self.higher_is_better)
        finally:
            steps.close()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Measurement:
        return drain(self.stream(*args, **kwargs))


@final
class Metrics(Registry[Metric[...]]):
    """The metrics by name, each with its options' schema, its direction and its unit."""

    def register(
        self, *, higher_is_better: bool | None, unit: str
    ) -> Callable[[Callable[P, Iterator[Measurement]]], Metric[P]]:
        """`higher_is_better` is None where neither direction is good as such; `unit` says what one of a value is."""

        def add(function: Callable[P, Iterator[Measurement]]) -> Metric[P]:
            metric = Metric(function, higher_is_better, unit)
            self.add(metric.name, metric)
            return metric

        return add


metrics = Metrics("metric", "pellucid.metrics")
