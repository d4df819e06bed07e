"""Which superpixels each sample shows: drawn like coins, or in a design whose columns are orthogonal.

Orthogonal columns let no superpixel's weight leak into another's, and a folded-over design (each sample followed by its
complement) lets none of their interactions in pairs leak into a weight: Box and Wilson 1951,
https://doi.org/10.1111/j.2517-6161.1951.tb00067.x.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

Design = Literal["coin", "uniform", "hadamard"]
Draw = Callable[[int], Bool[Tensor, "sample segment"]]
"""The next so many samples, True where a superpixel is visible."""


def drawing(design: Design, segments: int, keep: float, seed: int) -> Draw:
    """The samples of a design, repeatable by seed.

    `coin`: each superpixel is visible with probability `keep`; `uniform`: how many are is drawn uniformly; `hadamard`: rows of
    a Hadamard matrix in random order, each followed by its complement, so that half of the superpixels are visible (ValueError
    for another `keep`). Twice the least power of two above the number of superpixels is a full design; then another begins.
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
    """Rows of Sylvester's matrices, a new one when all of one have been drawn."""

    def __init__(self, segments: int, generator: torch.Generator) -> None:
        self._segments, self._generator = segments, generator
        self.size = 1 << segments.bit_length()
        """Of the matrix: the least power of two above the number of superpixels, since its first column is constant."""
        self._left = torch.zeros(0, segments, dtype=torch.bool)

    def __call__(self, rows: int) -> Bool[Tensor, "sample segment"]:
        while len(self._left) < rows:
            self._left = torch.cat([self._left, self._matrix()])
        drawn, self._left = self._left[:rows], self._left[rows:]
        return drawn.clone()

    def _matrix(self) -> Bool[Tensor, "row segment"]:
        order = torch.randperm(self.size, generator=self._generator).numpy()
        columns = 1 + torch.randperm(self.size - 1, generator=self._generator)[: self._segments].numpy()
        flips = torch.randint(2, (self._segments,), generator=self._generator).numpy()
        # subtle: unflipped, one row shows everything and takes the others' share of how much the number shown varies
        visible = torch.from_numpy((np.bitwise_count(order[:, None] & columns[None]) + flips) % 2 == 0)
        return torch.stack([visible, ~visible], 1).flatten(0, 1)
