"""Integrals along a straight path: quadrature rules, the order in which to visit their points, and refinement.

A path runs from 0 to 1. What is integrated is a vector, the `pull` of each input value. An output is known at every point too:
its `slope` tells how much of the output's change an interval has not accounted for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, final

import numpy as np
from torch import Tensor

Rule = Literal["left", "right", "midpoint", "trapezoid", "gauss_legendre"]
NOISE = 2e-6
"""What float32 leaves unsaid about an output, as a share of it: a residual below this is rounding, and no point improves it."""
NARROWEST = 1e-5
"""Intervals below this width are not divided: their points would be too close for float32 to tell apart."""


def quadrature(rule: Rule, points: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the rule's points in [0, 1], ascending, and their weights, which sum to 1.

    Left, right and midpoint divide the path into `points` equal parts; the trapezoid's points include both ends, so it divides
    it into one part fewer. ValueError for a trapezoid of one point.
    """
    if rule == "gauss_legendre":
        positions, weights = np.polynomial.legendre.leggauss(points)
        return (positions + 1) / 2, weights / 2
    if rule == "trapezoid":
        if points < 2:
            raise ValueError(f"the trapezoid rule has a point at each end, so at least 2; got steps={points}")
        weights = np.full(points, 1 / (points - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, points), weights
    offset = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[rule]
    return (np.arange(points) + offset) / points, np.full(points, 1 / points)


def rounds(points: int, size: int) -> list[np.ndarray]:
    """The indices of a rule's points in batches of at most `size`, every batch spread over the whole path.

    So the weighted mean over the batches visited is an estimate of the integral at any time. A batch takes every m-th point
    from an offset on; the offsets come in van der Corput's order, 1/2, 1/4, 3/4, 1/8, ..., so that the first batch is nearly a
    midpoint rule.
    """
    stride = -(-points // size)
    bits = max(1, (stride - 1).bit_length())
    spread = [int(f"{k:0{bits}b}"[::-1], 2) * stride >> bits for k in range(1, 2**bits)]
    return [np.arange(offset, points, stride) for offset in dict.fromkeys([*spread, 0])]


@dataclass(frozen=True, eq=False)
class Point:
    """A position on a path. Where only the output is known and no gradient has been paid for, `slope` and `pull` are None."""

    position: float
    value: float
    slope: float | None = None
    pull: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Interval:
    """A part of a path between two points, at least one of which has its pull."""

    path: int
    left: Point
    right: Point

    @property
    def width(self) -> float:
        return self.right.position - self.left.position

    @cached_property
    def residual(self) -> float:
        """The change of the output over the interval, less what its area accounts for."""
        slopes = [end.slope for end in (self.left, self.right) if end.slope is not None]
        return self.right.value - self.left.value - self.width * sum(slopes) / len(slopes)

    @property
    def settled(self) -> bool:
        return self.width < NARROWEST or abs(self.residual) <= NOISE * max(abs(self.left.value), abs(self.right.value))

    @property
    def area(self) -> Tensor:
        """The integral over the interval: by trapezoid, or by rectangle where one end has no pull yet."""
        if self.left.pull is None or self.right.pull is None:
            pull = self.right.pull if self.left.pull is None else self.left.pull
            assert pull is not None
            return self.width * pull
        return self.width / 2 * (self.left.pull + self.right.pull)

    @property
    def wanted(self) -> float:
        """Where to look next: at an end without a pull, otherwise in the middle."""
        if self.left.pull is None:
            return self.left.position
        return self.right.position if self.right.pull is None else (self.left.position + self.right.position) / 2

    def with_point(self, point: Point) -> list["Interval"]:
        """The interval once the wanted point is known: the same one with better ends, or its two halves."""
        if self.left.pull is None:
            return [Interval(self.path, point, self.right)]
        if self.right.pull is None:
            return [Interval(self.path, self.left, point)]
        return [Interval(self.path, self.left, point), Interval(self.path, point, self.right)]


def joined(points: Sequence[Point], first: Point, last: Point) -> list[Point]:
    """A whole path in ascending order: the points, and its ends unless they are among them."""
    inner = sorted(points, key=lambda point: point.position)
    start = [first] if inner[0].position > first.position else []
    return [*start, *inner, *([last] if inner[-1].position < last.position else [])]


@final
class Refinement:
    """The integral over one or several paths, summed, to which points are added where most is unaccounted for.

    No more than `held` intervals keep the pulls of their ends, those with the largest residuals; the others keep their place in
    the sum but can be divided no further. So memory does not grow with the points.
    """

    def __init__(self, like: Tensor, held: int) -> None:
        self.total = like.new_zeros(like.shape)
        self._open: list[Interval] = []
        self._closed = 0.0
        self._held = held

    @property
    def residual(self) -> float:
        """The change of the output that the sum does not account for."""
        return self._closed + sum(interval.residual for interval in self._open)

    @property
    def open(self) -> bool:
        """Whether any interval is worth another point."""
        return bool(self._open)

    def add_path(self, path: int, points: Sequence[Point]) -> None:
        """A path by its points in ascending order, from position 0 to position 1."""
        self._take([Interval(path, a, b) for a, b in pairwise(points)])

    def worst(self, count: int) -> list[Interval]:
        """The intervals with the largest residuals."""
        return self._open[:count]

    def replace(self, intervals: Sequence[Interval], points: Sequence[Point]) -> None:
        """Each interval with the point it wanted."""
        for interval in intervals:
            self._open.remove(interval)
            self.total -= interval.area
        self._take([part for i, point in zip(intervals, points, strict=True) for part in i.with_point(point)])

    def _take(self, intervals: Sequence[Interval]) -> None:
        for interval in intervals:
            self.total += interval.area
        everything = sorted([*self._open, *intervals], key=lambda one: -abs(one.residual))
        self._open = [one for one in everything if not one.settled][: self._held]
        kept = set(map(id, self._open))
        self._closed += sum(one.residual for one in everything if id(one) not in kept)
