"""Where to write words beside points so that none lies on another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64

from pellucid.render.numbers import Real


@final
@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels from the lower left."""

    left: Real
    bottom: Real
    right: Real
    top: Real

    def meets(self, other: "Box") -> bool:
        return self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top

    def nearest(self, x: Real, y: Real) -> tuple[Real, Real]:
        """The point of the box nearest to that one."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def inside(self, other: "Box") -> bool:
        return other.left <= self.left and self.right <= other.right and other.bottom <= self.bottom and self.top <= other.top


def place_labels(
    spots: Sequence[tuple[Real, Real, Real]],
    sizes: Sequence[tuple[Real, Real]],
    area: Box,
    avoid: Sequence[Box] = (),
    rather_not: Sequence[Box] = (),
    urgent: int = 0,
) -> list[Box | None]:
    """A box for each label of that width and height, or None where there is no room; the first ones choose first.

    A spot is a point and its radius. Tried in turn: right of it, left, above, below, and the four corners. A box lies inside
    the area and meets neither a box before it nor one to `avoid`, nor one of `rather_not`. The first `urgent` labels are also
    tried farther away, and may at last cover what they would rather not.
    """
    taken, hard, soft = _sides([]), _sides(avoid), _sides(rather_not)
    found: list[Box | None] = []
    for number, ((x, y, radius), size) in enumerate(zip(spots, sizes, strict=True)):
        urgent_now = number < urgent
        box = last = None
        for candidate in _around(x, y, radius, size, (0, 14, 30, 48, 70) if urgent_now else (0,)):
            if not candidate.inside(area) or _meets(candidate, taken) or _meets(candidate, hard):
                continue
            if not _meets(candidate, soft):
                box = candidate
                break
            last = last or candidate
        box = box or (last if urgent_now else None)
        if box is not None:
            taken = np.concatenate([taken, _sides([box])])
        found.append(box)
    return found


def _sides(boxes: Sequence[Box]) -> Float64[np.ndarray, "box 4"]:
    return np.array([(b.left, b.bottom, b.right, b.top) for b in boxes], dtype=np.float64).reshape(-1, 4)


def _meets(box: Box, others: Float64[np.ndarray, "box 4"]) -> bool:
    left, bottom, right, top = others.T
    return bool(((box.left < right) & (left < box.right) & (box.bottom < top) & (bottom < box.top)).any())


def _around(x: Real, y: Real, radius: Real, size: tuple[Real, Real], distances: Sequence[Real]) -> Iterator[Box]:
    wide, high = size
    for farther in distances:
        away, near = radius + 3 + farther, radius * 0.7 + 1 + farther * 0.7
        corners = [
            (x + away, y - high / 2), (x - away - wide, y - high / 2), (x - wide / 2, y + away),
            (x - wide / 2, y - away - high), (x + near, y + near), (x + near, y - near - high),
            (x - near - wide, y + near), (x - near - wide, y - near - high),
        ]  # fmt: skip
        for left, bottom in corners:
            yield Box(left, bottom, left + wide, bottom + high)
