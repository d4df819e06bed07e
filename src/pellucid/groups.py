"""Many images, a group at a time: what a method sums up for each takes no more memory for a thousand than for one group."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any, final

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import pad

from pellucid.attribution import STEPS, Attribution, Work
from pellucid.inputs.image import Images
from pellucid.models.image import ImageClassifier
from pellucid.stream import Method, bounded

BUDGET = 2**27
"""Bytes that the sums of a group may take."""
SUMS = 10
"""Times its own size that a method keeps for an image, at most: five sums in float64, as SmoothGrad's variance does."""

Part = tuple[slice, Generator[Attribution, None, None]]
"""A group, and its answers within limits."""


def group_size(inputs: Images) -> int:
    """Images that are explained together: 22 at 224 x 224, 68 at 128 x 128."""
    return max(1, BUDGET // (SUMS * inputs.features[:1].nbytes)) if len(inputs) else 1


def answers(
    method: Method[..., Attribution],
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    options: Mapping[str, Any],
    *,
    tolerance: float | None = None,
    deadline: float | None = None,
    cancelled: Callable[[], bool] | None = None,
    since: float | None = None,
    margin: float = 1.0,
) -> Generator[Attribution, None, None]:
    """Every answer of the method within limits, which are those of `bounded`; options are checked before it returns.

    More images than `group_size` are explained one group after the other. An answer then is about all of them too: images
    whose turn has not come score 0 and have an infinite error. All these answers share their tensors, so that an earlier one
    changes as the work goes on. A tolerance is each group's own, and a deadline is shared out: each group may take its
    images' part of what is left. `extras[STEPS]` says which answer of its group's stream an image has.
    """
    if len(inputs) <= group_size(inputs):
        stream = method.stream(model, inputs, target, **options)
        return bounded(stream, tolerance=tolerance, deadline=deadline, cancelled=cancelled, since=since, margin=margin)
    groups = _slices(inputs)
    streams = [method.stream(model, inputs[group], target[group], **options) for group in groups]
    begun = monotonic() if since is None else since

    def limited() -> Iterator[Part]:
        for group, stream in zip(groups, streams, strict=True):
            if group.start and cancelled is not None and cancelled():
                return
            due = deadline
            if deadline is not None:
                passed = monotonic() - begun
                due = passed + (deadline - passed) * (group.stop - group.start) / (len(inputs) - group.start)
            yield (
                group,
                bounded(stream, tolerance=tolerance, deadline=due, cancelled=cancelled, since=begun, margin=margin),
            )

    return _one_after_the_other(target, limited())


def repeated(
    method: Method[..., Attribution],
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    options: Mapping[str, Any],
    before: Attribution,
) -> Generator[Attribution, None, None]:
    """The method's answers, as many as `before` was the result of; in the groups that it was made in."""
    if STEPS not in before.extras:
        return bounded(method.stream(model, inputs, target, **options), steps=before.step or None)
    taken = before.extras[STEPS].tolist()
    parts = (
        (group, bounded(method.stream(model, inputs[group], target[group], **options), steps=taken[group.start]))
        for group in _slices(inputs)
        if taken[group.start]  # else it was cancelled before its turn came
    )
    return _one_after_the_other(target, parts)


def _slices(inputs: Images) -> list[slice]:
    size = group_size(inputs)
    return [slice(first, min(first + size, len(inputs))) for first in range(0, len(inputs), size)]


def _one_after_the_other(target: Int64[Tensor, " batch"], parts: Iterable[Part]) -> Generator[Attribution, None, None]:
    joined = _Joined(target)
    for group, stream in parts:
        with closing(stream):
            for answer in stream:
                yield joined.put(group, answer)


@final
class _Joined:
    """The answers of all groups so far, as one about all images."""

    def __init__(self, target: Int64[Tensor, " batch"]) -> None:
        self._target = target
        self._tensors: dict[str, Tensor] = {}
        self._works: dict[int, Work] = {}
        self._notes: dict[str, dict[int, str]] = {}
        self._steps = 0

    def put(self, group: slice, answer: Attribution) -> Attribution:
        """The better answer of a group in its place among the others."""
        images = group.stop - group.start
        steps = torch.full((images,), answer.step)
        extras = {k: v for k, v in answer.extras.items() if v.ndim and len(v) == images} | {STEPS: steps}
        for name, values in {"scores": answer.scores, "error": answer.error, **extras}.items():
            self._place(name, group, values)
        self._works[group.start] = replace(answer.work, fraction=answer.work.fraction * images)
        for name, note in answer.notes.items():
            self._notes.setdefault(name, {})[group.start] = note
        works = self._works.values()
        work = Work(
            sum(one.forwards for one in works),
            sum(one.backwards for one in works),
            sum(one.fraction for one in works) / len(self._target),
        )
        self._steps += 1
        return replace(
            answer,
            scores=self._tensors["scores"],
            target=self._target,
            error=self._tensors["error"],
            extras={**answer.extras, **{name: self._tensors[name] for name in extras}},
            notes={name: " / ".join(dict.fromkeys(said.values())) for name, said in self._notes.items()},
            work=work,
            step=self._steps,
        )

    def _place(self, name: str, group: slice, values: Tensor) -> None:
        """Keeps the values of a group. What it has more of than others, as superpixels, those have 0 of."""
        kept = self._tensors.get(name)
        if kept is None:
            kept = torch.full((len(self._target), *values.shape[1:]), inf if name == "error" else 0, dtype=values.dtype)
        kept = _widened(kept, values)
        kept[group] = _widened(values, kept)
        self._tensors[name] = kept


def _widened(values: Tensor, to: Tensor) -> Tensor:
    """With zeros appended to every axis but the first, so that it is nowhere smaller than the other."""
    room = [max(0, b - a) for a, b in zip(values.shape[1:], to.shape[1:], strict=True)]
    return pad(values, [side for more in reversed(room) for side in (0, more)]) if any(room) else values
