"""What is read off a CNN's filters: which picture excites one most, where, and how fine the picture made for it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.course.measures import NotComputable, measure


@measure(unit="ratio", floor=0.25, range=(0, np.inf))
def peak_lead(firing: Mapping[str, Mapping[str, Any]], image: str, place: int = 1) -> float:
    """How many times the peak that bars it from the first `place` places the image's own peak is: above 1 it is among them.

    Of an image among the first so many by the filter's largest activation, its peak over that of the first one behind them; of
    another one, its peak over that of the last one among them; 0 where the filter is below zero all over it.
    """
    if not 0 < place < len(firing):
        raise ValueError(f"place={place}; of {len(firing)} images, from 1 to {len(firing) - 1} can be first")
    own = firing[str(image)]["peak"]
    others = sorted((one["peak"] for id, one in firing.items() if id != str(image)), reverse=True)
    bar = others[place - 1]
    if bar <= 0:
        raise NotComputable("the filter is silent on the images that it is compared with, or below zero")
    return max(own, 0.0) / bar


@measure(unit="rank", floor=2, range=(1, np.inf))
def peak_rank(firing: Mapping[str, Mapping[str, Any]], image: str) -> float:
    """The image's place by the filter's largest activation, from 1."""
    own = firing[str(image)]["peak"]
    return 1.0 + sum(one["peak"] > own for one in firing.values())


@measure(unit="share", floor=0.08, range=(0, 1))
def firing_share(firing: Mapping[str, Any], region: np.ndarray) -> float:
    """How much of the filter's activation above zero lies in the region."""
    positive = np.clip(np.asarray(firing["map"], np.float64), 0, None)
    if not positive.sum() > 0:
        raise NotComputable("the filter is silent on this image")
    return positive[region].sum() / positive.sum()


@measure(unit="cycles", floor=2, range=(0, np.inf))
def fineness(made: Mapping[str, Any]) -> float:
    """How fine the made picture is: the mean frequency of its brightness, in cycles a picture's side.

    The spectral centroid: each frequency counts by its power. A few for broad shapes, tens for fine stripes or speckle.
    """
    return spectral_centroid(np.asarray(made["picture"], np.float64).mean(2))


@measure(unit="ratio", floor=0.25, range=(0, np.inf))
def rise(made: Mapping[str, Any], firing: Mapping[str, Mapping[str, Any]]) -> float:
    """How many times the mean activation of the photograph that excites the filter most the made picture reaches."""
    best = max(one["mean"] for one in firing.values())
    if best <= 0:
        raise NotComputable("no photograph excites the filter")
    return made["activation"] / best


def spectral_centroid(values: np.ndarray) -> float:
    """The mean frequency of a picture, by power, in cycles a side. NotComputable for one that is the same everywhere."""
    height, width = values.shape
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2
    down, across = np.fft.fftfreq(height) * height, np.fft.fftfreq(width) * width
    if not power.sum() > (1e-9 * values.size) ** 2:
        raise NotComputable("the picture is the same everywhere")
    return float((power * np.hypot(down[:, None], across)).sum() / power.sum())
