"""A map as a picture: by itself, or laid over the photograph it is about."""

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pellucid.render.colormaps import LEVELS, Limits, Map, levels, palette, scores
from pellucid.render.numbers import Real

Pixels = UInt8[np.ndarray | Tensor, "rows columns 3"]
FOR, AGAINST, STRONG = (178, 24, 43), (33, 102, 172), (190, 20, 130)
"""Of veils. The first two are ColorBrewer's red and blue, a step from the ends of the palette; the third has no sign."""
STRENGTH = 0.85
"""Opacity at the limit: what the photograph shows stays to be seen under the strongest score."""
GAMMA = 0.8
"""Opacity grows as this power of the score: a weak veil is harder to see than a pale colour. The legend's does so too."""


def heatmap(values: Map, within: Limits) -> UInt8[np.ndarray, "height width 3"]:
    """The map in the palette of its scale."""
    return palette(within.scale)[levels(values, within)]


def veil(values: Map, within: Limits, strength: Real = STRENGTH) -> UInt8[np.ndarray, "height width 4"]:
    """The map as a transparent layer: zero lets everything through, the limit covers the share `strength`."""
    if not 0 < strength <= 1:
        raise ValueError(f"strength={strength}; it is the opacity at the limit, above 0 and at most 1")
    spread = within.spread(scores(values))
    colour = FOR if within.scale == "symmetric" else STRONG
    colours = np.where((spread >= 0)[..., None], np.array(colour, np.uint8), np.array(AGAINST, np.uint8))
    alpha = np.rint(np.abs(spread) ** GAMMA * strength * 255).astype(np.uint8)
    return np.concatenate([colours, alpha[..., None]], axis=-1)


def overlay(values: Map, pixels: Pixels, within: Limits, strength: Real = STRENGTH) -> UInt8[np.ndarray, "height width 3"]:
    """The map as a veil over the photograph in grey. ValueError when their sizes differ."""
    below = greyed(pixels)
    if below.shape[:2] != tuple(values.shape):
        raise ValueError(f"the map has shape {tuple(values.shape)} and the photograph {below.shape[:2]}; they must be the same")
    return laid_over(veil(values, within, strength), below)


def laid_over(
    layer: UInt8[np.ndarray, "height width 4"], below: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """What one sees through a transparent layer."""
    alpha = layer[..., 3:].astype(np.float64) / 255
    return np.rint(layer[..., :3] * alpha + below * (1 - alpha)).astype(np.uint8)


def greyed(pixels: Pixels) -> UInt8[np.ndarray, "rows columns 3"]:
    """The photograph without its colours (luma of BT.601) and with its blacks lifted, so that dark veils tell from it."""
    luma = as_pixels(pixels) @ np.array([0.299, 0.587, 0.114])
    return np.repeat(np.rint(70 + luma * (255 - 70) / 255).astype(np.uint8)[..., None], 3, axis=-1)


def veil_palette(within: Limits, strength: Real = STRENGTH) -> UInt8[np.ndarray, "level 3"]:
    """The colours of an overlay from low to high, as they look on the grey of a middling photograph: for its legend."""
    symmetric = within.scale == "symmetric"
    ramp = np.linspace(-1.0 if symmetric else 0.0, 1.0, LEVELS)[None]
    unit = Limits(within.scale, -1.0 if symmetric else 0.0, 1.0, 1.0)
    return laid_over(veil(ramp, unit, strength), greyed(np.full((1, LEVELS, 3), 128, np.uint8)))[0]


def as_pixels(pixels: Pixels) -> UInt8[np.ndarray, "rows columns 3"]:
    return np.asarray(pixels.detach().cpu() if isinstance(pixels, Tensor) else pixels)
