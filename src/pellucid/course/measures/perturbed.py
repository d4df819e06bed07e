"""What is read off LIME's superpixels, and off what the network answers to changed pictures."""

from collections.abc import Mapping

import numpy as np

from pellucid.course.measures import NotComputable, measure

Superpixels = Mapping[str, np.ndarray]
"""`segments`, the superpixel of each pixel, and their `weights`."""
Curves = Mapping[str, np.ndarray]
"""Probabilities after 0, 1, 2, ... superpixels: of the `target`, and of the likeliest `other` class."""


@measure(unit="share", floor=0.08, range=(0, 1))
def strongest_overlap(superpixels: Superpixels, region: np.ndarray, count: int = 1) -> float:
    """The share of the `count` superpixels with the largest weights for the class that lies in the region, by their pixels."""
    return _strongest(superpixels, count)[1][region].sum() / _strongest(superpixels, count)[1].sum()


@measure(unit="ratio", floor=0.25, range=(0, np.inf))
def strongest_lead(superpixels: Superpixels, region: np.ndarray) -> float:
    """How many times the weight of the strongest superpixel elsewhere the strongest one in the region has.

    A superpixel is in the region with more than half of its pixels. Above 1 the strongest of all lies in the region; 0 where
    none there speaks for the class.
    """
    weights, segments = superpixels["weights"], superpixels["segments"]
    count = int(segments.max()) + 1
    sizes, inside = (np.bincount(flat, minlength=count) for flat in (segments.ravel(), segments[region]))
    within = inside > sizes / 2
    if within.all() or not within.any():
        raise NotComputable("the region holds all superpixels or none")
    best, other = weights[:count][within].max(), weights[:count][~within].max()
    if other <= 0:
        raise NotComputable("no superpixel outside of the region speaks for the class")
    return max(best, 0.0) / other


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def weight_correlation(one: Superpixels, other: Superpixels) -> float:
    """How alike two runs weigh the same superpixels: Pearson's correlation of the weights."""
    if not np.array_equal(one["segments"], other["segments"]):
        raise ValueError("the two runs cut the picture differently, so their weights belong to different superpixels")
    count = int(one["segments"].max()) + 1
    a, b = (np.asarray(run["weights"][:count], np.float64) - run["weights"][:count].mean() for run in (one, other))
    if not (a.any() and b.any()):
        raise NotComputable("all superpixels of a run weigh the same")
    return a @ b / np.sqrt((a @ a) * (b @ b))


@measure(unit="share", floor=0.08, range=(-1, 1))
def drop(removal: Curves, count: int) -> float:
    """How much lower the probability of the class is without the `count` strongest superpixels."""
    return removal["target"][0] - removal["target"][_reached(removal, count)]


@measure(unit="share", floor=0.08, range=(0, 1))
def probability_left(removal: Curves, count: int) -> float:
    """The probability of the class with the `count` strongest superpixels removed, or alone kept."""
    return removal["target"][_reached(removal, count)]


@measure(unit="share", floor=0.08, range=(-1, 1))
def prediction_lead(removal: Curves, count: int) -> float:
    """The probability of the class less that of the likeliest other one, then: above 0 the prediction is what it was."""
    at = _reached(removal, count)
    return removal["target"][at] - removal["other"][at]


@measure(unit="share", floor=0.08, range=(-1, 1))
def advantage(deletion: Mapping[str, float]) -> float:
    """How much lower the class's probability is, on average, while pixels go in the map's order than in random orders."""
    return deletion["advantage"]


@measure(unit="share", floor=0.08, range=(0, 1))
def changed(noisy: Mapping[str, float]) -> float:
    """The share of the noisy copies that the network takes for another class than the clean image."""
    return noisy["changed"]


def _reached(removal: Curves, count: int) -> int:
    if not 0 <= count < len(removal["target"]):
        raise ValueError(f"count={count}; the artefact goes from 0 to {len(removal['target']) - 1} superpixels")
    return count


def _strongest(superpixels: Superpixels, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the strongest superpixels for the class, and the pixels that they cover."""
    weights, segments = superpixels["weights"], superpixels["segments"]
    order = np.argsort(-weights[: int(segments.max()) + 1], kind="stable")[:count]
    if not count > 0 or len(order) < count or weights[order[-1]] <= 0:
        raise NotComputable(f"there are no {count} superpixels that speak for the class")
    return order, np.isin(segments, order)
