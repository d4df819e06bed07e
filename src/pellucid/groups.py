"""Many images, a group at a time: what a method sums up for each takes no more memory for a thousand than for one group."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any, final

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import pad

from pellucid.attribution import STEPS, TOGETHER, UNANSWERED, UNKNOWN, Attribution, Work, unanswered_notes
from pellucid.inputs.image import Images
from pellucid.models.image import ImageClassifier
from pellucid.stream import Method, Pace, bounded, check_limits

BUDGET = 2**27
"""Bytes that the sums of a group may take."""
SUMS = 10
"""Times its own size that a method keeps for an image, at most: five sums in float64, as SmoothGrad's variance does."""

Part = tuple[slice, Generator[Attribution, None, None]]
"""Images that are explained together, and their answers."""


def group_size(inputs: Images) -> int:
    """Images whose sums are held at once: 22 at 224 x 224, 68 at 128 x 128."""
    return max(1, BUDGET // (SUMS * inputs.features[:1].nbytes)) if len(inputs) else 1


def answers(
    method: Method[..., Attribution],
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"] | None,
    options: Mapping[str, Any],
    *,
    tolerance: float | None = None,
    deadline: float | None = None,
    cancelled: Callable[[], bool] | None = None,
    since: float | None = None,
    margin: float = 1.0,
) -> Generator[Attribution, None, None]:
    """Every answer of the method within limits, which are those of `bounded`; options are checked before it returns.

    Without a target it is the class that is predicted for an image when its turn comes, and `UNKNOWN` before.

    More images than `group_size` are explained one group after the other. With a deadline the images of a group take turns, so
    many together that the first answer about them takes a batch of the network's: the first answers as long as there is time,
    better ones in the group's share of what is left. An answer then is about all images: those whose turn has not come score 0
    and have an infinite error, and `notes` says how many they are. All these answers share their tensors, so that an earlier
    one changes as the work goes on. A tolerance is for those explained together. `extras[STEPS]` says which answer of its own
    stream an image has, `extras[TOGETHER]` how many were explained together with it.
    """
    check_limits(tolerance, deadline)
    size = group_size(inputs)
    together = size
    if deadline is not None and model.engine != "openvino-int8":  # which is calibrated anew for whatever is explained together
        together = min(size, max(1, model.batches.gradients // method.first))

    def explained(part: slice) -> Generator[Attribution, None, None]:
        classes = model.targets(inputs[part]) if target is None else target[part]
        return method.stream(model, inputs[part], classes, **options)

    def in_turn(part: slice) -> Generator[Attribution, None, None]:
        """Nothing is predicted before its first answer is asked for, but of the very first, for the options to be checked."""
        return _later(explained, part) if target is None and part.start else explained(part)

    groups = [
        [(part, in_turn(part)) for part in _slices(group.start, group.stop, together)]
        for group in _slices(0, len(inputs), size)
    ]
    if sum(map(len, groups)) <= 1:
        stream = groups[0][0][1] if groups else explained(slice(0, 0))
        return bounded(stream, tolerance=tolerance, deadline=deadline, cancelled=cancelled, since=since, margin=margin)
    due = inf if deadline is None else (monotonic() if since is None else since) + deadline
    enough = -inf if tolerance is None else tolerance / margin
    known = torch.full((len(inputs),), UNKNOWN) if target is None else target
    return _in_turns(_Joined(known), groups, due, enough, cancelled or (lambda: False))


def _later(stream: Callable[[slice], Generator[Attribution, None, None]], part: slice) -> Generator[Attribution, None, None]:
    yield from stream(part)


def _in_turns(
    joined: "_Joined", groups: Sequence[Sequence[Part]], due: float, enough: float, cancelled: Callable[[], bool]
) -> Generator[Attribution, None, None]:
    """One answer of each part of a group after the other, until the errors are small enough or the time is up."""
    pace, left = Pace(), joined.images
    for parts in groups:
        images = parts[-1][0].stop - parts[0][0].start
        share = due if due == inf else monotonic() + (due - monotonic()) * images / left
        left -= images
        begun = 0
        waiting = deque(parts)
        with ExitStack() as stack:
            while waiting and (not pace.steps or pace.fits(due if begun < len(parts) else share)):
                part, stream = waiting.popleft()
                if begun < len(parts):
                    stack.enter_context(closing(stream))
                begun += 1
                if (answer := pace.take(stream)) is None:
                    continue
                yield joined.put(part, answer)
                if cancelled():
                    return
                if answer.worst_error <= enough:
                    stream.close()
                else:
                    waiting.append((part, stream))


def repeated(
    method: Method[..., Attribution],
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    options: Mapping[str, Any],
    before: Attribution,
) -> Generator[Attribution, None, None]:
    """The method's answers, as many as `before` was the result of, of the same images together."""
    if STEPS not in before.extras and UNANSWERED in before.notes:
        return _never(before)
    if STEPS not in before.extras:
        return bounded(method.stream(model, inputs, target, **options), steps=before.step or None)
    return _as_often(_Joined(target), method, model, inputs, options, before)


def _never(before: Attribution) -> Generator[Attribution, None, None]:
    """Of one whose turn never came: no step, so what it has is all that there is."""
    yield replace(before, scores=torch.zeros_like(before.scores))


def _as_often(
    joined: "_Joined",
    method: Method[..., Attribution],
    model: ImageClassifier,
    inputs: Images,
    options: Mapping[str, Any],
    before: Attribution,
) -> Generator[Attribution, None, None]:
    steps, together = (before.extras[name].tolist() for name in (STEPS, TOGETHER))
    first = 0
    while first < len(inputs):
        part = slice(first, first + max(1, together[first]))
        if steps[first]:  # else its turn never came
            stream = method.stream(model, inputs[part], joined.target[part], **options)
            for answer in bounded(stream, steps=steps[first]):
                yield joined.put(part, answer)
        first = part.stop


def _slices(start: int, stop: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]


@final
class _Joined:
    """The answers of all groups so far, as one about all images."""

    def __init__(self, target: Int64[Tensor, " batch"]) -> None:
        self.target, self.images = target.clone(), len(target)
        self._tensors: dict[str, Tensor] = {}
        self._works: dict[int, Work] = {}
        self._notes: dict[str, dict[int, str]] = {}
        self._steps = 0

    def put(self, group: slice, answer: Attribution) -> Attribution:
        """The better answer of a group in its place among the others."""
        images = group.stop - group.start
        self.target[group] = answer.target
        turns = {STEPS: torch.full((images,), answer.step), TOGETHER: torch.full((images,), images)}
        extras = {k: v for k, v in answer.extras.items() if v.ndim and len(v) == images} | turns
        for name, values in {"scores": answer.scores, "error": answer.error, **extras}.items():
            self._place(name, group, values)
        self._works[group.start] = replace(answer.work, fraction=answer.work.fraction * images)
        for name, note in answer.notes.items():
            self._notes.setdefault(name, {})[group.start] = note
        works = self._works.values()
        work = Work(
            sum(one.forwards for one in works),
            sum(one.backwards for one in works),
            sum(one.fraction for one in works) / len(self.target),
        )
        self._steps += 1
        notes = {name: " / ".join(dict.fromkeys(said.values())) for name, said in self._notes.items()}
        return replace(
            answer,
            scores=self._tensors["scores"],
            target=self.target,
            error=self._tensors["error"],
            extras={**answer.extras, **{name: self._tensors[name] for name in extras}},
            notes=notes | unanswered_notes(int((self._tensors[STEPS] == 0).sum()), self.images),
            work=work,
            step=self._steps,
        )

    def _place(self, name: str, group: slice, values: Tensor) -> None:
        """Keeps the values of a group. What it has more of than others, as superpixels, those have 0 of."""
        kept = self._tensors.get(name)
        if kept is None:
            kept = torch.full((len(self.target), *values.shape[1:]), inf if name == "error" else 0, dtype=values.dtype)
        kept = _widened(kept, values)
        kept[group] = _widened(values, kept)
        self._tensors[name] = kept


def _widened(values: Tensor, to: Tensor) -> Tensor:
    """With zeros appended to every axis but the first, so that it is nowhere smaller than the other."""
    room = [max(0, b - a) for a, b in zip(values.shape[1:], to.shape[1:], strict=True)]
    return pad(values, [side for more in reversed(room) for side in (0, more)]) if any(room) else values
