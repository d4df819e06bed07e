"""Every method graded: does it find a cause that is known, and do its maps hold up on photographs; and at what price?

Planted networks (`planted`) are trained on data made here, so that what decides is known and shown to decide. On photographs
nobody knows what decides; there the evidence of `trust` is all there is.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from pellucid.evidence import Evidence
from pellucid.explain import explain
from pellucid.inputs.image import Images
from pellucid.measurement import Interval, bootstrap
from pellucid.models.image import ImageClassifier
from pellucid.planted import Plant
from pellucid.trust import passes, trust

RESAMPLES = 1_000
Progress = Callable[[float, str], None]
CANNOT = (ValueError, KeyError, IndexError, TypeError, OSError)
"""What is raised where a method cannot explain a network, or an option does not suit it: no such layer, no such file."""


@final
@dataclass(frozen=True)
class Grade:
    """How one method did."""

    method: str
    """As it was asked for: a method's name, or what stands for one with options."""
    asked: Mapping[str, Any]
    """The method and its options, as `explain` takes them."""
    found: Interval | None
    """On planted networks: the probability that a pixel of the cause ranks above another one (area under the ROC curve); 0.5 is
    chance. Mean over all plants' images; None where there were no plants."""
    magnitude: Interval | None
    """The same of the scores' magnitudes, as one sees them who does not mind the sign."""
    by_plant: Mapping[str, float]
    advantage: Interval | None
    """On photographs, over random orders in deletion, as `trust` has it; 0 for a map that gives no order."""
    randomised: Interval | None
    """What is left of the map with random weights: near 0 is good, 1 does not depend on the model. Mean over the photographs
    whose map is not the same everywhere."""
    holds_up: Interval | None
    """Share of the photographs whose map holds up."""
    rank: tuple[int, int] | None
    """Place among the methods by `found` (by `advantage` without plants), 1 being best: 95 % of resamples lie between these."""
    passes: float
    """Network passes an image, a gradient counted as three; on photographs, or on plants where there were none."""
    seconds: float
    """An image, on this machine."""
    failed: str = ""
    """Why the method gave nothing."""

    def row(self) -> dict[str, str]:
        """Its line of a table, by column."""
        shown = (self.found, self.magnitude, self.advantage, self.randomised, self.holds_up)
        columns = ("FINDS THE CAUSE", "BY MAGNITUDE", "OVER RANDOM", "RANDOM WEIGHTS", "HOLDS UP")
        return {"METHOD": self.method, **dict(zip(columns, map(between, shown), strict=True)), **price(self)}


def between(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    # not a number: of one image
    limits = "-" if math.isnan(interval.low) else f"{interval.low:.2f} to {interval.high:.2f}"
    return f"{interval.value:.2f} ({limits})"


def price(grade: Any) -> dict[str, str]:
    """The last columns of a table of grades, for pictures or for text."""
    rank = "-" if grade.rank is None else f"{grade.rank[0]} to {grade.rank[1]}"
    ran = grade.seconds > 0
    return {"RANK": rank, "PASSES": f"{grade.passes:.0f}" if ran else "-", "TIME": f"{grade.seconds:.2g} s" if ran else "-"}


def grade(
    asked: Mapping[str, Mapping[str, Any]],
    plants: Mapping[str, Plant],
    model: ImageClassifier | None = None,
    photographs: Images | None = None,
    *,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> tuple[Grade, ...]:
    """What is asked for, each by its label, graded on the plants' images and on the photographs, best first.

    `asked` has the keywords of `explain`: the method and its options. What cannot explain a network is named with the reason.
    """
    total = len(asked) * (len(plants) + (photographs is not None))
    done = 0
    raw: dict[str, _Raw] = {}
    for name, how in asked.items():
        raw[name] = mine = _Raw(how, {}, {}, [], [], 0.0, 0.0)
        for title, plant in plants.items():
            progress(done / max(1, total), f"{name} on {title}")
            done += 1
            try:
                mine.add_plant(title, plant)
            except CANNOT as error:
                mine.failed.append(f"{title}: {error}")
        if model is not None and photographs is not None:
            progress(done / max(1, total), f"{name} on photographs")
            done += 1
            try:
                mine.add_photographs(model, photographs, seed)
            except CANNOT as error:
                mine.failed.append(f"photographs: {error}")
    ranks = places({name: one.scores(len(plants)) for name, one in raw.items()}, seed)
    grades = [one.grade(name, ranks.get(name)) for name, one in raw.items()]
    progress(1.0, "graded")
    return tuple(sorted(grades, key=lambda g: (g.rank is None, sum(g.rank or (0, 0)), g.method)))


@dataclass
class _Raw:
    """What is gathered of one method."""

    asked: Mapping[str, Any]
    found: dict[str, Float64[np.ndarray, " image"]]
    magnitude: dict[str, Float64[np.ndarray, " image"]]
    evidence: list[Evidence]
    failed: list[str]
    passes: float
    seconds: float

    def add_plant(self, title: str, plant: Plant) -> None:
        start = time.perf_counter()
        a = explain(plant.model, plant.images, target=plant.target, **self.asked)
        self._price(time.perf_counter() - start, passes(a.work), len(plant.images))
        maps = a.map() if a.signed else a.map().abs()
        self.found[title] = ranked_above(maps, plant.mask).numpy().astype(np.float64)
        self.magnitude[title] = ranked_above(maps.abs(), plant.mask).numpy().astype(np.float64)

    def add_photographs(self, model: ImageClassifier, photographs: Images, seed: int) -> None:
        start = time.perf_counter()
        a = explain(model, photographs, **self.asked)
        self._price(time.perf_counter() - start, passes(a.work), len(photographs))
        self.evidence = list(trust(model, photographs, a, seed=seed).evidence)

    def _price(self, seconds: float, work: int, images: int) -> None:
        self.seconds, self.passes = seconds / images, work / images

    def scores(self, plants: int) -> Float64[np.ndarray, " image"]:
        """What the method is ranked by; nothing where it did not answer for all of so many plants."""
        if not plants:
            return np.array(self.advantages())
        return np.concatenate(list(self.found.values())) if len(self.found) == plants else np.zeros(0)

    def advantages(self) -> list[float]:
        """A map that gives no order, for it holds NaN, is worth as much as a random one."""
        return [0.0 if math.isnan(e.advantage.value) else e.advantage.value for e in self.evidence]

    def grade(self, name: str, rank: tuple[int, int] | None) -> Grade:
        return Grade(
            method=name,
            asked=self.asked,
            found=over([value for one in self.found.values() for value in one.tolist()]),
            magnitude=over([value for one in self.magnitude.values() for value in one.tolist()]),
            by_plant={title: float(values.mean()) for title, values in self.found.items()},
            advantage=over(self.advantages()),
            randomised=over([e.randomised for e in self.evidence if not math.isnan(e.randomised)]),
            holds_up=over([float(e.verdict == "holds up") for e in self.evidence]),
            rank=rank,
            passes=self.passes,
            seconds=self.seconds,
            failed="; ".join(self.failed),
        )


def over(values: Sequence[float]) -> Interval | None:
    """The mean over images with its interval; of one image without, since that says nothing of others. None of no image."""
    if len(values) == 1:
        return Interval(values[0], math.nan, math.nan)
    return bootstrap(np.array(values, dtype=np.float64)) if len(values) else None


def ranked_above(
    maps: Float32[Tensor, "batch height width"], mask: Bool[Tensor, "batch height width"]
) -> Float32[Tensor, " batch"]:
    """The probability that a pixel inside the mask has a higher score than one outside, ties counted half."""
    pairs = zip(maps.flatten(1), mask.flatten(1), strict=True)
    return torch.tensor([probability_above(scores, inside) for scores, inside in pairs])


def probability_above(scores: Float32[Tensor, " place"], inside: Bool[Tensor, " place"]) -> float:
    """The probability that a place inside has a higher score than one outside, ties counted half."""
    values, number = torch.unique(scores, return_inverse=True)
    within = torch.bincount(number[inside], minlength=len(values)).double()
    beyond = torch.bincount(number[~inside], minlength=len(values)).double()
    below = beyond.cumsum(0) - beyond
    return float((within * (below + beyond / 2)).sum() / (within.sum() * beyond.sum()))


def places(scores: Mapping[str, Float64[np.ndarray, " image"]], seed: int) -> dict[str, tuple[int, int]]:
    """Between which places 95 % of resamples of the images, or texts, put each method that answered for all of several."""
    longest = max((len(values) for values in scores.values()), default=0)
    # one image says nothing about the order on others
    complete = [name for name, values in scores.items() if len(values) == longest > 1]
    if not complete:
        return {}
    table = np.stack([scores[name] for name in complete])
    chosen = np.random.default_rng(seed).integers(0, longest, (RESAMPLES, longest))
    means = table[:, chosen].mean(2)
    place = 1 + (means[None, :, :] > means[:, None, :] + 1e-12).sum(1)
    low, high = np.quantile(place, [0.025, 0.975], axis=1, method="nearest").astype(int)
    return {name: (int(low[n]), int(high[n])) for n, name in enumerate(complete)}
