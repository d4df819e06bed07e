"""From scores to colours, and the limits between which they were spread, so that a legend can say what was drawn.

Diverging: ColorBrewer's red and blue (told apart with every common colour blindness), zero in the exact middle and almost
white; red speaks for the target, blue against it. Sequential: magma, zero black; without a sign there is neither red nor blue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, final, get_args

import matplotlib
import numpy as np
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from pellucid.render.numbers import Real, number, percent

Scale = Literal["symmetric", "magnitude", "minmax"]
Map = Float[np.ndarray | Tensor, "height width"]
LEVELS = 255
"""Odd, so that zero has a colour of its own in the middle; below 256, so that a heat map fits a palette."""


@final
@dataclass(frozen=True)
class Limits:
    """The scores that the two ends of a colour scale stand for; what lies beyond has the colour of its end."""

    scale: Scale
    low: float
    high: float
    largest: float
    """The largest magnitude there was; for minmax the largest score."""
    beyond: float = 0.0
    """Share of the scores outside the limits."""

    def spread(self, values: Float[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
        """Where each score lies: -1 to 1 when symmetric, else 0 to 1. All 0 when there is no range to spread."""
        values = np.abs(values) if self.scale == "magnitude" else values
        middle = 0.0 if self.scale == "symmetric" else self.low
        if not self.high > middle:
            return np.zeros(values.shape)
        inside = np.clip(values, self.low, self.high)  # before the division, which could overflow
        # subtle: halved, because the difference of two finite numbers need not be finite
        return (inside / 2 - middle / 2) / (self.high / 2 - middle / 2)


def limits(maps: Map | Sequence[Map], scale: Scale, quantile: Real = 1.0) -> Limits:
    """The limits of one map, or the common ones of several.

    `symmetric`: plus and minus the `quantile` of the magnitudes (1: the largest). `magnitude`: 0 to that quantile.
    `minmax`: smallest to largest score, whatever the quantile. ValueError for NaN or infinite scores.
    """
    if scale not in get_args(Scale):
        raise ValueError(f"no scale named {scale!r}; known: {', '.join(get_args(Scale))}")
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile={quantile}; it is the share of the scores that the limits enclose, above 0 and at most 1")
    arrays = [scores(one) for one in ([maps] if isinstance(maps, np.ndarray | Tensor) else maps)]
    if not arrays:
        raise ValueError("no map to take limits of")
    values = np.concatenate([array.ravel() for array in arrays])
    if scale == "minmax":
        return Limits(scale, float(values.min()), float(values.max()), float(values.max()))
    sizes = np.abs(values)
    largest = float(sizes.max())
    # the smallest score that leaves at most 1 - quantile beyond it; where that is 0, nearly all scores are, and none is cut
    high = float(np.quantile(sizes, quantile, method="higher")) or largest
    return Limits(scale, -high if scale == "symmetric" else 0.0, high, largest, float((sizes > high).mean()))


def scores(values: Map) -> Float64[np.ndarray, "height width"]:
    """A map in double precision. ValueError for NaN or infinite scores, which no colour could stand for."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{bad} of the map's {array.size} scores are NaN or infinite; no colour can stand for them")
    return array


@cache
def palette(scale: Scale) -> UInt8[np.ndarray, "level 3"]:
    """The colours from the lowest limit to the highest."""
    name = "RdBu_r" if scale == "symmetric" else "magma"
    colours = matplotlib.colormaps[name].resampled(LEVELS)(np.linspace(0, 1, LEVELS))[:, :3]
    table = np.rint(colours * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def levels(values: Map, within: Limits) -> UInt8[np.ndarray, "height width"]:
    """Each score's place in the palette: a score and its negative lie mirrored about the middle."""
    spread = within.spread(scores(values))
    half = LEVELS // 2
    return (np.rint(spread * half) + half if within.scale == "symmetric" else np.rint(spread * (LEVELS - 1))).astype(np.uint8)


@final
@dataclass(frozen=True, eq=False)
class Legend:
    """A colour bar: its colours from low to high, texts at places from 0 to 1, the unit, and what else must be said."""

    colours: UInt8[np.ndarray, "level 3"]
    ticks: tuple[tuple[float, str], ...]
    unit: str
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The whole legend in words, for those who do not see the bar."""
        return "; ".join([f"from {self.ticks[0][1]} to {self.ticks[-1][1]} {self.unit}", *self.notes])


def legend(
    each: Sequence[Limits],
    unit: str,
    colours: UInt8[np.ndarray, "level 3"] | None = None,
    signs: tuple[str, str] = ("for", "against"),
    meaning: str = "",
) -> Legend:
    """The legend of maps drawn within these limits; one for all of them only if their limits are all the same.

    Otherwise the ends of the bar are called by what they are, and `caption` says each map's numbers. `meaning` is said in the
    place of what the scale says by itself. Where all scores are one number, the bar has the colour of that one alone.
    """
    first = each[0]
    colours = palette(first.scale) if colours is None else colours
    cut = max(one.beyond for one in each)
    notes = [f"{'' if len(each) == 1 else 'up to '}{percent(cut)} lie beyond"] if cut else []
    meaning = (
        meaning
        or {
            "symmetric": f"red {signs[0]}, blue {signs[1]}",
            "magnitude": "magnitude, no sign",
            "minmax": "smallest to largest score",
        }[first.scale]
    )
    notes = [meaning, *notes]
    if all(one.low == one.high == first.low for one in each):
        only = colours[[len(colours) // 2 if first.scale == "symmetric" else 0]].repeat(len(colours), 0)
        return Legend(only, _ticks(first, "", ""), unit, (f"every score is {number(first.low)}",))
    if all((one.low, one.high) == (first.low, first.high) for one in each):
        return Legend(colours, _ticks(first, number(first.low), number(first.high)), unit, tuple(notes))
    low, high = {"symmetric": ("-max", "+max"), "magnitude": ("0", "max"), "minmax": ("0 = min", "1 = max")}[first.scale]
    return Legend(colours, _ticks(first, low, high), unit, ("each image its own scale", *notes))


def _ticks(within: Limits, low: str, high: str) -> tuple[tuple[float, str], ...]:
    if within.low == within.high:
        return ((0.5, number(within.low)),)
    middle = ((0.5, "0"),) if within.scale == "symmetric" else ()
    return ((0.0, low), *middle, (1.0, high))


def caption(within: Limits) -> str:
    """The limits in figures: `±0.031`, `0 to 0.2`, `-0.1 to 0.3`; `all 0` for a map without a range."""
    if within.low == within.high:
        return f"all {number(within.low)}"
    if within.scale == "symmetric":
        return f"±{number(within.high)}"
    return f"{number(within.low, 2)} to {number(within.high, 3)}"
