"""Integrated gradients. Sundararajan, Taly and Yan, ICML 2017, https://arxiv.org/abs/1703.01365"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import RANDOM, Baseline, make_baseline
from pellucid.inputs.image import Images
from pellucid.inputs.paths import Point, Refinement, Rule, joined, quadrature, rounds
from pellucid.methods import methods
from pellucid.models.batches import GRADIENT_BATCH
from pellucid.models.gradients import Gradients
from pellucid.models.image import ImageClassifier, Output
from pellucid.registry import Contradiction
from pellucid.stream import Preset

HELD = 128
"""Intervals of an image's paths that refinement may still divide; at 224 x 224 their gradients take some 80 MB."""
BUDGET = 2**29
"""Bytes that the gradients at the ends of those intervals may take, of all images together: of 10 images at 224 x 224 each may
divide 44."""
FLOOR = 1e-4
"""A change below this share of the output is too small to measure a gap by, and counts as this share."""


@methods.register(
    first=GRADIENT_BATCH,
    presets={
        "course": Preset(
            {"steps": 10, "rule": "left", "baseline": "black", "multiply": False, "output": "logit"},
            view={"scale": "minmax"},
            description="Mean of the gradients at 0/10 to 9/10 of the image, without the factor (x - baseline).",
        )
    },
    chance=lambda options: options["baseline"] in RANDOM,
)
def integrated_gradients(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    steps: Annotated[int, Field(ge=1, le=1000, description="Points of the quadrature rule.")] = 50,
    rule: Annotated[Rule, Field(description="Where the points lie and what each counts.")] = "gauss_legendre",
    baseline: Annotated[
        Baseline,
        Field(
            description="What the image is compared with: black, white, its own mean colour, zero in the network's input space "
            "(a grey: the mean that normalisation subtracts), the image blurred, uniform noise, the image with Gaussian noise, "
            "or an image of your own."
        ),
    ] = "black",
    baseline_image: Annotated[
        str,
        Field(description="The image of baseline=image: a path or observation:N.", json_schema_extra={"format": "image"}),
    ] = "",
    draws: Annotated[int, Field(ge=1, le=1000, description="Draws of a random baseline that are averaged.")] = 1,
    blur: Annotated[float, Field(gt=0, le=100, description="Standard deviation of baseline=blur, in pixels.")] = 10.0,
    noise: Annotated[
        float, Field(gt=0, le=10, description="Standard deviation of baseline=gaussian, as a share of the image's value range.")
    ] = 0.5,
    multiply: Annotated[bool, Field(description="With the factor (x - baseline); without it, the mean gradient.")] = True,
    output: Annotated[Output, Field(description="What is integrated.")] = "logit",
    refinements: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="Points that may be added for each image, where most of the output's change is unaccounted for.",
            json_schema_extra={"lifted": 2000},
        ),
    ] = 0,
    seed: Annotated[int, Field(ge=0, description="Makes the draws of a random baseline repeatable.")] = 0,
) -> Iterator[Attribution]:
    """The share of each input value in the change of the output from the baseline to the image.

    Unit: output, and the scores of an image sum to that change (completeness, proposition 1), up to the gap. Without the factor
    (x - baseline): output per unit of the normalised input, the mean gradient along the path.

    Error: the completeness gap, |sum - change| / |change|, in which the factor is always counted; a change below 1e-4 of the
    output itself counts as that much. Of several draws it is at least the share that is still missing. It is one number for
    the whole map: errors of single scores may cancel in it, and it says nothing of how the map varies with the baseline.

    `extras`: `baseline`, the features of the baseline (the mean, of several draws), `change`, the output at the image less
    that at the baseline, and `completeness_gap`, signed, both in the output's units.

    The last answer before refinement is the rule's own, point by point. Refinement goes on from the same gradients with the
    trapezoid rule over all the points it has, and puts new ones into the middle of the intervals whose ends account worst for
    the change of the output between them; in a batch, first in the images with the largest gaps. Each image gets the same
    answer as it would alone, and keeps its best answer by its gap; but where many images share the memory that there is for
    gradients, half a GiB, each may divide fewer intervals, and starts from fewer points.

    Raises ValueError when `baseline_image` is missing or not asked for, or cannot be read.
    """
    if baseline == "image" and not baseline_image:
        raise Contradiction("baseline='image' needs baseline_image: a path, observation:N, or a picture")
    if baseline != "image" and baseline_image:
        raise Contradiction(f"baseline_image={baseline_image!r} goes with baseline='image', not with baseline={baseline!r}")
    positions, weights = quadrature(rule, steps)
    given = model.read(baseline_image).features if baseline_image else None
    draws = draws if baseline in RANDOM else 1

    def start(draw: int, images: Images = inputs) -> Tensor:
        return make_baseline(images, baseline, seed=seed, draw=draw, blur=blur, noise=noise, image=given)

    gradients_of = Gradients(model, output)

    def points(image: int, starts: Tensor, where: Sequence[float]) -> list[Point]:
        return walked(gradients_of, starts, inputs.features[image], target[image], where, multiply)

    unit = output if multiply else f"{output} per input unit"
    planned = len(inputs) * (draws * steps + refinements)
    mean = _Mean(inputs, target, draws, planned, unit, gradients_of.notes, multiply)
    held = most_held(inputs.features[0], len(inputs))
    refined = [Refinement(inputs.features[0], held) for _ in inputs.names]
    together = model.batches.gradients
    at_once = max(GRADIENT_BATCH, together // len(inputs))
    if refinements and steps > 2 * held:
        at_once = GRADIENT_BATCH  # which points are kept hangs on it, and must not on an image's company
    for draw in range(draws):
        starts = start(draw)
        ends = _ends(gradients_of, starts, inputs.features, target)
        mean.begin(starts, ends)
        kept: list[list[Point]] = [[] for _ in ends]
        for chosen in rounds(steps, at_once):
            if refinements:
                for image in range(len(inputs)):
                    visited = points(image, starts[image : image + 1], positions[chosen].tolist())
                    mean.add(image, visited, weights[chosen].tolist())
                    kept[image] += evenly(visited, 2 * held - len(kept[image]))
            else:
                where, counts = (torch.from_numpy(one[chosen]).float() for one in (positions, weights))
                for some in torch.arange(len(inputs)).split(together // max(len(chosen), GRADIENT_BATCH)):
                    lines = inputs.features[some] - starts[some]
                    sums = gradients_of.summed(starts[some], lines, where, counts, target[some])
                    for image, total, line in zip(some.tolist(), sums, lines, strict=True):
                        mean.add_sum(image, total, line)
            mean.count(weights[chosen].sum(), len(chosen))
            yield mean.answer()
        if refinements:
            for image, (first, last) in enumerate(ends):
                refined[image].add_path(draw, joined(kept[image], first, last))
            kept.clear()  # from here on a refinement holds what it needs, and no more
    if refinements:
        size = max(map(len, rounds(steps, GRADIENT_BATCH)))  # no step of refinement takes longer than one of the rule
        yield from _refine(mean, refined, lambda draw, image: start(draw, inputs[image]), points, draws, refinements, size)


def _refine(
    mean: "_Mean",
    refined: Sequence[Refinement],
    start: Callable[[int, int], Tensor],
    points: Callable[[int, Tensor, Sequence[float]], list[Point]],
    draws: int,
    refinements: int,
    size: int,
) -> Iterator[Attribution]:
    """Ever better answers from more points, at most `refinements` an image, `size` of them at once."""
    best = mean.answer()
    gaps, scores = best.extras["completeness_gap"].clone(), best.scores.clone()
    left = [refinements] * len(refined)
    while any(left):
        # which points an image gets depends on nothing but itself, its company only decides when: so its last answer is its own
        errors = torch.where(torch.tensor(left) > 0, best.error, -1.0)
        for image in (errors >= errors.max() / 2).nonzero().flatten().tolist():
            intervals = refined[image].worst(min(size, left[image]))
            if not intervals:  # nothing is left but rounding
                left[image] = 0
                continue
            starts = torch.cat([start(interval.path, image) for interval in intervals])
            refined[image].replace(intervals, points(image, starts, [interval.wanted for interval in intervals]))
            left[image] -= len(intervals)
            mean.passes += len(intervals)
            gap = -refined[image].residual / draws
            if abs(gap) < abs(gaps[image]):
                gaps[image], scores[image] = gap, refined[image].total / draws
        best = mean.answer(scores.clone(), gaps.clone(), ahead=sum(left))
        yield best


def most_held(like: Tensor, images: int) -> int:
    """Intervals that each of so many images may go on dividing, each with a gradient like that at either end."""
    return max(1, min(HELD, BUDGET // (2 * like.nbytes * images)))


def evenly(points: Sequence[Point], room: int) -> Sequence[Point]:
    """At most `room` of the points, spread over all of them."""
    return points[:: -(-len(points) // room)] if room > 0 else []


@final
class _Mean:
    """The weighted mean over the points visited so far, and how far it is from complete."""

    def __init__(
        self,
        inputs: Images,
        target: Int64[Tensor, " batch"],
        draws: int,
        planned: int,
        unit: str,
        notes: dict[str, str],
        multiply: bool,
    ) -> None:
        self.multiply = multiply
        self.target, self.draws, self.planned, self.unit, self.notes = target, draws, planned, unit, notes
        self.scores = torch.zeros_like(inputs.features)
        self.baseline = torch.zeros_like(inputs.features) if draws > 1 else None
        """The sum over draws; a single draw's is where the paths start."""
        self.integral, self.change, self.scale = torch.zeros(3, len(inputs), dtype=torch.float64)
        self.weight = 0.0
        self.passes = self.forwards = 0

    def begin(self, starts: Tensor, ends: Sequence[tuple[Point, Point]]) -> None:
        """A draw: a path an image, from the features `starts`."""
        self._starts = starts
        self._ends = torch.tensor([(first.value, last.value) for first, last in ends], dtype=torch.float64)
        self.forwards += 2 * len(ends)

    def add(self, image: int, points: Sequence[Point], weights: Sequence[float]) -> None:
        for point, weight in zip(points, weights, strict=True):
            assert point.pull is not None
            assert point.slope is not None
            self.scores[image].add_(point.pull, alpha=weight)
            self.integral[image] += weight * point.slope

    def add_sum(self, image: int, gradients: Tensor, step: Tensor) -> None:
        """Of several points at once, the sum of their gradients, each as often as it counts."""
        pulls = gradients * step  # eq. 1: the factor is the same at every point
        self.scores[image] += pulls if self.multiply else gradients
        self.integral[image] += float(pulls.sum(-1).sum(dtype=torch.float64))

    def count(self, weight: float, points: int) -> None:
        """To be called when every image has been given its points of a round, whose weights sum to `weight`."""
        self.weight += weight
        self.passes += points * len(self.target)
        if self.baseline is not None:
            self.baseline += weight * self._starts
        self.change += weight * (self._ends[:, 1] - self._ends[:, 0])
        self.scale += weight * self._ends.abs().amax(1)

    def answer(self, scores: Tensor | None = None, gap: Tensor | None = None, ahead: int | None = None) -> Attribution:
        """The mean, or better scores with their gap and the number of points that may still come."""
        change = self.change / self.weight
        gap = (self.integral / self.weight - change).float() if gap is None else gap
        least = (FLOOR * self.scale / self.weight).clamp(min=1e-12)
        missing = max(0.0, 1 - self.weight / self.draws) if self.draws > 1 else 0.0
        missing = missing if missing > 1e-6 else 0.0  # the weights of all draws sum to their number but for rounding
        done = self.passes if ahead is None else self.planned - ahead
        return Attribution(
            scores=self.scores / self.weight if scores is None else scores,
            target=self.target,
            error=(gap.abs() / torch.maximum(change.abs(), least)).float().clamp(min=missing),
            error_name="completeness gap",
            work=Work(self.forwards + self.passes, self.passes, done / self.planned),
            unit=self.unit,
            notes=self.notes,
            extras={
                "baseline": self._starts if self.baseline is None else self.baseline / self.weight,
                "change": change.float(),
                "completeness_gap": gap,
            },
        )


def _ends(
    gradients_of: Gradients,
    starts: Float[Tensor, "batch channel height width"],
    images: Float[Tensor, "batch channel height width"],
    target: Int64[Tensor, " batch"],
) -> list[tuple[Point, Point]]:
    """Where each path starts and where it ends, with the output there."""
    first, last = gradients_of.values(torch.cat([starts, images]), target.repeat(2)).view(2, -1).tolist()
    return [(Point(0.0, a), Point(1.0, b)) for a, b in zip(first, last, strict=True)]


def walked(
    gradients_of: Gradients,
    starts: Float[Tensor, "#point channel height width"],
    image: Float[Tensor, "channel height width"],
    target: Int64[Tensor, ""],
    positions: Sequence[float],
    multiply: bool,
) -> list[Point]:
    """The points at these positions on the straight lines from `starts` to the image."""
    step = image - starts
    along = torch.tensor(positions, dtype=torch.float32)[:, None, None, None]
    values, gradients = gradients_of(starts + along * step, target.expand(len(positions)))
    pulls = gradients * step  # eq. 1, inside the integral
    # subtle: each row in float32, which rounds no more than the pulls themselves are rounded, takes a sixth of the time
    slopes = pulls.sum(-1).flatten(1).sum(1, dtype=torch.float64)
    held = pulls if multiply else gradients
    return [
        Point(*point)
        # subtle: a row of the pass would keep the whole pass in memory for as long as one point of it is held
        for point in zip(positions, values.tolist(), slopes.tolist(), [row.clone() for row in held], strict=True)
    ]
