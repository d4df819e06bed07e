"""The superpixels that weigh most, as LIME's paper shows them: in the photograph, by their sign."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from skimage.morphology import dilation
from skimage.segmentation import find_boundaries
from torch import Tensor

from pellucid.render.heatmaps import AGAINST, FOR, Pixels, as_pixels, greyed
from pellucid.render.numbers import Real

TINT, FAINT = 0.5, 0.3
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
) -> UInt8[np.ndarray, "height width 3"]:
    """The photograph with the selected superpixels outlined and tinted over grey, red for and blue against; the rest as it is.

    Inside the outlines no colour is the photograph's own, so a red thing does not look like a reason. All the other
    superpixels have a faint outline.
    """
    labels, signs = np.asarray(segments), np.sign(np.asarray(weights, dtype=np.float64))
    if labels.min() < 0 or labels.max() >= len(signs):
        raise ValueError(
            f"segments run from {labels.min()} to {labels.max()}; the {len(signs)} weights are of 0 to {len(signs) - 1}"
        )
    if labels.shape != tuple(pixels.shape[:2]):
        raise ValueError(
            f"the segments have shape {labels.shape} and the photograph {tuple(pixels.shape[:2])}; they must be the same"
        )
    shown = np.zeros(len(signs))
    chosen = selected(weights, top, min_weight)
    shown[chosen] = signs[chosen]
    sign = shown[labels]
    picture = _mixed(as_pixels(pixels).astype(np.float64), WHITE, find_boundaries(labels, mode="inner"), FAINT)
    picture = np.where((sign != 0)[..., None], greyed(pixels), picture)
    for one, colour in ((1, FOR), (-1, AGAINST)):
        outline = (sign == one) & find_boundaries(np.where(sign == one, labels + 1, 0), mode="inner")
        picture = _mixed(picture, colour, sign == one, TINT)
        picture = _mixed(picture, colour, outline, 1.0)
    # a white edge on the photograph's side, without which a red outline would be lost on red
    picture = _mixed(picture, WHITE, (sign == 0) & dilation(sign != 0), 1.0)
    return np.rint(picture).astype(np.uint8)


def _mixed(picture: np.ndarray, colour: tuple[int, int, int], where: np.ndarray, share: float) -> np.ndarray:
    return np.where(where[..., None], picture * (1 - share) + np.array(colour) * share, picture)
