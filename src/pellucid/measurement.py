"""The answer of a metric: one number an image, how sure it is, and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from pellucid.attribution import UNANSWERED, Work, unanswered_notes
from pellucid.registry import OptionValue

LEVEL = 0.95
"""Of every interval."""
DRAWS = 2_000
"""Resamples of a bootstrap."""


@final
@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


@final
@dataclass(frozen=True, eq=False)
class Measurement:
    """What a metric says of an attribution, image by image. Frozen; each of a stream is complete, and better than the last."""

    values: Float32[Tensor, " batch"]
    """In `unit`; NaN where the metric has no answer for an image, or none yet, for the reason in `notes`."""
    low: Float32[Tensor, " batch"]
    high: Float32[Tensor, " batch"]
    """The 95 % interval of each value over what the metric draws; equal to the value where it draws nothing."""
    work: Work
    chance: Float32[Tensor, " batch"] | None = None
    """What the same metric gives for maps that know nothing, where it measures that too."""
    chance_low: Float32[Tensor, " batch"] | None = None
    chance_high: Float32[Tensor, " batch"] | None = None
    """Between these lie 95 % of such maps."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """What only this metric gives, by name, such as the curve of `deletion`."""
    notes: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    higher_is_better: bool | None = None
    """None where neither direction is good as such."""
    metric: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    step: int = 0
    error: Float32[Tensor, " batch"] | None = None
    """How far what is reported may be off, where that is not half the interval; infinite where nothing is known of it yet."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def worst_error(self) -> float:
        """Half the widest interval, in `unit`, or the largest `error`: what a tolerance is held against. Infinite as long as an
        image waits for its first value."""
        if UNANSWERED in self.notes:
            return inf
        errors = (self.high - self.low) / 2 if self.error is None else self.error
        widths = errors[~self.values.isnan()]
        return float(widths.max()) if len(widths) else 0.0

    def mean(self) -> Interval:
        """Over the images that have a value, with a bootstrap interval over images; NaN where there is none."""
        known = self.values[~self.values.isnan()].double().numpy()
        return bootstrap(known)

    def stamped(self, method: str, options: Mapping[str, OptionValue], step: int) -> "Measurement":
        return replace(self, metric=method, options=dict(options), step=step)


def unanswered(images: int, work: Work) -> Measurement:
    """Of images about which nothing is known yet."""
    nothing = torch.full((images,), torch.nan)
    unknown = torch.full_like(nothing, inf)
    return Measurement(nothing, -unknown, unknown, work, notes=unanswered_notes(images, images), error=unknown)


def unfinished_notes(share: float) -> dict[str, str]:
    """Of a value that comes from a map of which only that share is done."""
    return {"unfinished": f"of the map that it is compared with {share:.0%} were done"} if share < 1 else {}


def bootstrap(values: Float64[np.ndarray, " sample"], seed: int = 0) -> Interval:
    """The mean with its percentile interval over resamples (Efron 1979, doi:10.1214/aos/1176344552); NaN of no value, and as
    wide as nothing of one."""
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    chosen = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(values[chosen].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))
