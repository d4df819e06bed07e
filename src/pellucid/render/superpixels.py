"""The superpixels that weigh most, as LIME's paper shows them: in the photograph, by their sign."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from pellucid.render.colormaps import Limits, limits
from pellucid.render.heatmaps import Pixels, as_pixels, greyed, laid_over, veil
from pellucid.render.numbers import Real

TINT, FAINT = 0.7, 0.3
"""Opacity of the heaviest superpixel, and of the outlines of those that are not shown."""
SIDE = 448
"""In pixels: to about that a smaller photograph is enlarged."""
WHITE = (255, 255, 255)


def selected(
    weights: Float[np.ndarray | Tensor, " segment"], top: int | None = None, min_weight: Real = 0.0
) -> Int[np.ndarray, " chosen"]:
    """The superpixels to show, heaviest first: the `top` largest in magnitude, of these the ones of at least `min_weight`.

    A weight of exactly 0 says nothing and is never shown; equal weights go by their number.
    """
    if top is not None and top < 1:
        raise ValueError(f"top={top}; show at least 1 superpixel, or None for all")
    if not min_weight >= 0:
        raise ValueError(f"min_weight={min_weight}; it is a magnitude, 0 or more")
    sizes = np.abs(np.asarray(weights, dtype=np.float64))
    if not np.isfinite(sizes).all():
        raise ValueError("the weights hold NaN or infinite values; nothing can be selected by them")
    order = np.argsort(-sizes, kind="stable")[:top]
    return order[(sizes[order] >= min_weight) & (sizes[order] > 0)]


def superpixels(
    pixels: Pixels,
    segments: Int[np.ndarray | Tensor, "height width"],
    weights: Float[np.ndarray | Tensor, " segment"],
    top: int | None = None,
    min_weight: Real = 0.0,
) -> UInt8[np.ndarray, "tall wide 3"]:
    """The photograph with the selected superpixels outlined and tinted over grey, red for and blue against; the rest as it is.

    The heavier, the stronger the tint, as `weight_limits` spreads it: a weight that is noise hardly shows. Inside the outlines
    no colour is the photograph's own, so a red thing does not look like a reason. All other superpixels have a faint
    outline. A small photograph is enlarged by a whole number, so that outlines are thin beside its pixels.
    """
    # subtle: here, since they take a third of a second to import, and every drawing of a photograph would wait for them
    from skimage.morphology import dilation
    from skimage.segmentation import find_boundaries

    labels, sizes = np.asarray(segments), np.asarray(weights, dtype=np.float64)
    if labels.min() < 0 or labels.max() >= len(sizes):
        raise ValueError(
            f"segments run from {labels.min()} to {labels.max()}; the {len(sizes)} weights are of 0 to {len(sizes) - 1}"
        )
    if labels.shape != tuple(pixels.shape[:2]):
        raise ValueError(
            f"the segments have shape {labels.shape} and the photograph {tuple(pixels.shape[:2])}; they must be the same"
        )
    times = max(1, round(SIDE / max(labels.shape)))
    labels, photograph = (part.repeat(times, 0).repeat(times, 1) for part in (labels, as_pixels(pixels)))
    chosen = selected(sizes, top, min_weight)
    shown = np.zeros(len(sizes))
    shown[chosen] = sizes[chosen]
    drawn, within = (shown != 0)[labels], weight_limits(sizes)
    picture = _mixed(photograph.astype(np.float64), WHITE, find_boundaries(labels, mode="inner"), FAINT)
    picture = np.where(drawn[..., None], laid_over(veil(shown[labels], within, TINT), greyed(photograph)), picture)
    outline = drawn & find_boundaries(np.where(drawn, labels + 1, 0), mode="inner")
    edges = laid_over(veil(shown[labels], within, 1.0), greyed(photograph))
    picture = np.where(outline[..., None], edges, picture)
    # a white edge on the photograph's side, without which a red outline would be lost on red
    picture = _mixed(picture, WHITE, ~drawn & dilation(drawn), 1.0)
    return np.rint(picture).astype(np.uint8)


def weight_limits(weights: Float[np.ndarray | Tensor, " segment"]) -> Limits:
    """Between which weights the tints are spread: the heaviest and its negative."""
    return limits(np.asarray(weights, dtype=np.float64)[None], "symmetric")


def _mixed(picture: np.ndarray, colour: tuple[int, int, int], where: np.ndarray, share: float) -> np.ndarray:
    return np.where(where[..., None], picture * (1 - share) + np.array(colour) * share, picture)
