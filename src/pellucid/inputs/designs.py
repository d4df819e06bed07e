"""Which superpixels each sample shows: drawn like coins, or in a design whose columns are orthogonal.

Orthogonal columns let no superpixel's weight leak into another's, and a folded-over design (each sample followed by its
complement) lets none of their interactions in pairs leak into a weight: Box and Wilson 1951,
https://doi.org/10.1111/j.2517-6161.1951.tb00067.x.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int8
from numpy.typing import NDArray
from torch import Tensor

Design = Literal["coin", "uniform", "hadamard"]
Draw = Callable[[int], Bool[Tensor, "sample segment"]]
"""The next so many samples, True where a superpixel is visible."""


def drawing(design: Design, segments: int, keep: float, seed: int) -> Draw:
    """The samples of a design, repeatable by seed.

    `coin`: each superpixel is visible with probability `keep`; `uniform`: how many are is drawn uniformly; `hadamard`: rows of
    a Hadamard matrix in random order, each followed by its complement, so that half of the superpixels are visible (ValueError
    for another `keep`). Twice the matrix's size, which is a little above the number of superpixels, is a full design; then
    another begins.
    """
    generator = torch.Generator().manual_seed(seed)
    if design == "hadamard":
        if keep != 0.5:
            raise ValueError(f"keep={keep}: design='hadamard' shows just half of the superpixels; take design='coin'")
        return Hadamard(segments, generator)
    if design not in get_args(Design):
        raise ValueError(f"no design named {design!r}; known: {', '.join(get_args(Design))}")

    def draw(rows: int) -> Bool[Tensor, "sample segment"]:
        draws = torch.rand(rows, segments + 1, generator=generator)
        # a coin whose own bias is uniform on [0, 1] comes up any number of times equally often
        return draws[:, 1:] < (draws[:, :1] if design == "uniform" else keep)

    return draw


class Hadamard:
    """Rows of Hadamard matrices, a new one when all of one have been drawn."""

    def __init__(self, segments: int, generator: torch.Generator) -> None:
        self._segments, self._generator = segments, generator
        self._signs = hadamard(segments + 1)
        self.size = len(self._signs)
        """Of the matrix: the least above the number of superpixels, since its first column is constant."""
        self._left = torch.zeros(0, segments, dtype=torch.bool)

    def __call__(self, rows: int) -> Bool[Tensor, "sample segment"]:
        while len(self._left) < rows:
            self._left = torch.cat([self._left, self._matrix()])
        drawn, self._left = self._left[:rows], self._left[rows:]
        return drawn.clone()

    def _matrix(self) -> Bool[Tensor, "row segment"]:
        order = torch.randperm(self.size, generator=self._generator)
        columns = 1 + torch.randperm(self.size - 1, generator=self._generator)[: self._segments]
        flips = torch.randint(2, (self._segments,), generator=self._generator)
        # subtle: unflipped, one row shows everything and takes the others' share of how much the number shown varies
        visible = (self._signs[order][:, columns] > 0) ^ (flips > 0)
        return torch.stack([visible, ~visible], 1).flatten(0, 1)


@lru_cache(maxsize=4)
def hadamard(least: int) -> Int8[Tensor, "row column"]:
    """The smallest matrix of 1 and -1 with orthogonal rows, of that size at least, that Sylvester's and Paley's constructions
    give; its first column is 1. Paley 1933, https://doi.org/10.1002/sapm1933121311

    Of a prime q, Paley's have the size q + 1 where q is 3 modulo 4, and 2 (q + 1) where it is 1; Sylvester's doubles any. Where
    superpixels are between 100 and 300, that is 4 too many on average.
    """
    size = least
    while (found := _built(size)) is None:
        size += 1
    return torch.from_numpy(found * found[:, :1])


def _built(size: int) -> NDArray[np.int8] | None:
    if size == 1:
        return np.ones((1, 1), np.int8)
    if size % 4 == 0 and (q := size - 1) % 4 == 3 and _is_prime(q):
        return _bordered(q, -1) + np.eye(size, dtype=np.int8)
    if size % 4 == 0 and (q := size // 2 - 1) % 4 == 1 and _is_prime(q):
        one, other = np.array([[1, 1], [1, -1]], np.int8), np.array([[1, -1], [-1, -1]], np.int8)
        return np.kron(_bordered(q, 1), one) + np.kron(np.eye(q + 1, dtype=np.int8), other)
    half = _built(size // 2) if size % 2 == 0 else None
    return None if half is None else np.kron(np.array([[1, 1], [1, -1]], np.int8), half)


def _bordered(q: int, sign: int) -> NDArray[np.int8]:
    """Which differences of two numbers below the prime q are squares (1) and which are not (-1), below a row of 1 and beside a
    column of that sign; 0 on the diagonal."""
    square = np.full(q, -1, np.int8)
    square[np.arange(1, q) ** 2 % q] = 1
    square[0] = 0
    matrix = np.ones((q + 1, q + 1), np.int8)
    matrix[1:, 0], matrix[0, 0] = sign, 0
    matrix[1:, 1:] = square[(np.arange(q)[:, None] - np.arange(q)) % q]
    return matrix


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))
