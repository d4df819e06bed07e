"""What is read off a map of a photograph: where it lies, how it is spread, how it resembles another one.

Maps are taken as the lab draws them, an array of height x width. "Positive" is what speaks for the class: of a map without
signs, all of it. Sums with signs, which may be next to nothing while the map is full of strong colours, are never divided by.
"""

import numpy as np
import torch

from pellucid.course.measures import NotComputable, measure

FAINT = 0.02
"""Of the magnitudes: with a smaller positive part, nothing in the map speaks for the class, and no share of it is taken."""


@measure(unit="share", floor=0.08, range=(0, 1))
def share(scores: np.ndarray, region: np.ndarray) -> float:
    """How much of what the map holds for the class lies in the region: the positive part there over all of it."""
    positive = _positive(scores)
    return positive[region].sum() / positive.sum()


@measure(unit="share", floor=0.08, range=(0, 1))
def magnitude_share(scores: np.ndarray, region: np.ndarray) -> float:
    """How much of the map's colour, of either sign, lies in the region."""
    magnitudes = _magnitudes(scores)
    return magnitudes[region].sum() / magnitudes.sum()


@measure(unit="share", floor=0.08, range=(0, 1))
def top_share(scores: np.ndarray, region: np.ndarray, percent: int | float) -> float:
    """Of the strongest `percent` of the pixels, by what speaks for the class, the share that lies in the region.

    Pixels alike at the border take their share of the last places.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"percent={percent}; it is a part of the pixels, above 0 and at most 100")
    positive = _positive(scores)
    count = max(1, round(percent / 100 * positive.size))
    last = np.sort(positive, axis=None)[-count]
    above, tied = positive > last, positive == last
    left = (count - above.sum()) / tied.sum()
    return float(((above & region).sum() + left * (tied & region).sum()) / count)


@measure(unit="ratio", floor=0.25, range=(0, np.inf))
def enrichment(scores: np.ndarray, region: np.ndarray) -> float:
    """How many times more the map holds in the region than a map spread evenly would: its share over that of the area."""
    area = region.mean()
    if not area:
        raise NotComputable("the region has no pixel")
    return share(scores, region) / area


@measure(unit="share", floor=0.08, range=(0, 1))
def area(region: np.ndarray) -> float:
    """The share of the picture that the region takes."""
    return region.mean()


@measure(unit="share", floor=0.08, range=(0, 1))
def half_area(scores: np.ndarray) -> float:
    """The least share of the pixels that holds half of the map's magnitude: small for sharp spots, 0.5 for an even grey."""
    descending = np.sort(_magnitudes(scores), axis=None)[::-1].cumsum()
    return (np.searchsorted(descending, descending[-1] / 2) + 1) / scores.size


@measure(unit="ratio", floor=0.25, range=(0, np.inf))
def roughness(scores: np.ndarray) -> float:
    """How speckled a map is: its total variation over its total magnitude.

    The mean difference between neighbours, across and down together, over the mean magnitude: 0 for an even map, 4 for a
    chequerboard, which is the most that there can be.
    """
    across, down = np.abs(np.diff(scores, axis=1)).mean(), np.abs(np.diff(scores, axis=0)).mean()
    return (across + down) / _magnitudes(scores).mean()


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two maps order their pixels: 1 the same order, 0 unrelated, below 0 opposed (Spearman's)."""
    from pellucid.ranks import spearman

    if one.shape != other.shape:
        raise ValueError(f"maps of {one.shape} and {other.shape} have no pixels in common; compare maps of one network")
    found = float(spearman(torch.from_numpy(one)[None], torch.from_numpy(other)[None]))
    if np.isnan(found):
        raise NotComputable("one of the maps is the same everywhere")
    return found


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def distant_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two maps look from a distance: Pearson's correlation of both, blurred a little, as the lab's "seeds agree"."""
    from pellucid.trust import DISTANCE, correlation, far

    sigma = DISTANCE * min(one.shape)
    a, b = (far(torch.from_numpy(np.asarray(scores, np.float32))[None], sigma) for scores in (one, other))
    found = float(correlation(a, b))
    if np.isnan(found):
        raise NotComputable("one of the maps is the same everywhere")
    return found


@measure(unit="share of the change", floor=0.02, range=(0, np.inf))
def completeness_gap(error: int | float) -> float:
    """How far integrated gradients are from adding up: |sum - change| / |change|, a number that the lab prints."""
    return error


def _magnitudes(scores: np.ndarray) -> np.ndarray:
    magnitudes = np.abs(np.asarray(scores, np.float64))
    if not magnitudes.sum() > 0:
        raise NotComputable("the map is 0 everywhere")
    return magnitudes


def _positive(scores: np.ndarray) -> np.ndarray:
    positive = np.clip(np.asarray(scores, np.float64), 0, None)
    if not positive.sum() > FAINT * _magnitudes(scores).sum():
        raise NotComputable("nothing in the map speaks for the class")
    return positive
