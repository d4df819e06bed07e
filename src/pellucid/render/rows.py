"""The rows of a sheet: pictures of many images by one method, ready to be set side by side by `sheets` or `page`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from pellucid.render import colormaps, heatmaps
from pellucid.render.colormaps import Legend, Limits, Scale
from pellucid.render.numbers import Real, percent
from pellucid.render.superpixels import TINT, superpixels, weight_limits

Maps = Float[np.ndarray | Tensor, "batch height width"]
Photographs = UInt8[np.ndarray | Tensor, "image rows columns 3"]
QUANTILE = 0.995
"""Gradients have a few scores many times the rest; spread to the largest, their maps would be almost blank."""


@final
@dataclass(frozen=True)
class Column:
    """What stands above an image: its name, and what it is explained for."""

    name: str
    target: str = ""
    probability: Real | None = None
    against: str = ""
    """The class that was subtracted, where the question was why this rather than that."""

    @property
    def answer(self) -> str:
        """`espresso 95 %`, and `espresso 95 %, rather than cup` where classes were contrasted."""
        said = " ".join([self.target, percent(self.probability)]) if self.probability is not None else self.target
        return f"{said}, rather than {self.against}" if self.against else said


@final
@dataclass(frozen=True, eq=False)
class Row:
    """One picture a column, with what must be known to read them."""

    title: str
    images: tuple[UInt8[np.ndarray, "height width 3"], ...]
    captions: tuple[str, ...]
    """Below each image, in lines; empty where there is nothing to say."""
    legend: Legend | None = None
    note: str = ""
    """Below the title, such as the options."""
    exact: bool = False
    """Whether each pixel is a colour to be read off the legend, so that no lossy format may touch it."""


def photograph_row(pixels: Photographs, title: str = "Photograph", captions: Sequence[str] = (), note: str = "") -> Row:
    """The photographs as the network reads them."""
    images = tuple(heatmaps.as_pixels(one) for one in pixels)
    return Row(title, images, _captions(len(images), captions), note=note)


def heatmap_row(
    title: str,
    maps: Maps,
    unit: str,
    *,
    scale: Scale = "symmetric",
    quantile: Real = QUANTILE,
    shared: bool = False,
    captions: Sequence[str] = (),
    note: str = "",
    meaning: str = "",
) -> Row:
    """The maps by themselves; `shared` spreads all of them between the same limits, so that they compare in strength."""
    each = _limits(maps, scale, quantile, shared)
    images = tuple(heatmaps.heatmap(one, within) for one, within in zip(maps, each, strict=True))
    legend = colormaps.legend(each, unit, meaning=meaning)
    return Row(title, images, _captions(len(images), captions, each), legend, note, exact=True)


def overlay_row(
    title: str,
    maps: Maps,
    pixels: Photographs,
    unit: str,
    *,
    scale: Scale = "symmetric",
    quantile: Real = QUANTILE,
    shared: bool = False,
    captions: Sequence[str] = (),
    note: str = "",
    strength: Real = heatmaps.STRENGTH,
    signs: tuple[str, str] = ("for", "against"),
    meaning: str = "",
) -> Row:
    """The maps as veils over the photographs in grey.

    `signs` says in the legend what above and below zero mean, `meaning` what the scores are where that is not enough.
    """
    if len(maps) != len(pixels):
        raise ValueError(f"{len(maps)} maps for {len(pixels)} photographs; give one an image")
    each = _limits(maps, scale, quantile, shared)
    images = tuple(heatmaps.overlay(m, p, within, strength) for m, p, within in zip(maps, pixels, each, strict=True))
    legend = colormaps.legend(each, unit, heatmaps.veil_palette(each[0], strength), signs, meaning)
    return Row(title, images, _captions(len(images), captions, each), legend, note)


def superpixel_row(
    title: str,
    pixels: Photographs,
    segments: Int[np.ndarray | Tensor, "batch height width"],
    weights: Float[np.ndarray | Tensor, "batch segment"],
    unit: str,
    *,
    top: int | None = None,
    min_weight: Real = 0.0,
    captions: Sequence[str] = (),
    note: str = "",
) -> Row:
    """The photographs with the heaviest superpixels tinted by their weight, red for and blue against."""
    three = zip(pixels, segments, weights, strict=True)
    images = tuple(superpixels(p, s, w, top, min_weight) for p, s, w in three)
    shown = "all superpixels" if top is None else f"the {top} heaviest superpixels"
    shown += f" of weight {min_weight:g} or more" if min_weight else ""
    each = [weight_limits(one) for one in weights]
    legend = colormaps.legend(each, unit, heatmaps.veil_palette(each[0], TINT))
    legend = replace(legend, notes=(*legend.notes, f"{shown}, the heavier the stronger"))
    return Row(title, images, _captions(len(images), captions, each), legend, note)


def _limits(maps: Maps, scale: Scale, quantile: Real, shared: bool) -> list[Limits]:
    if not len(maps):
        raise ValueError("no map to draw")
    if not shared:
        return [colormaps.limits(one, scale, quantile) for one in maps]
    return [colormaps.limits(list(maps), scale, quantile)] * len(maps)


def _captions(count: int, given: Sequence[str], each: Sequence[Limits] = ()) -> tuple[str, ...]:
    if given and len(given) != count:
        raise ValueError(f"{len(given)} captions for {count} images; give one an image, or none")
    ranges = [colormaps.caption(one) for one in each]
    if len(set(ranges)) < 2:  # the legend says it
        ranges = [""] * count
    return tuple("\n".join(filter(None, pair)) for pair in zip(ranges, given or [""] * count, strict=True))
