"""Shapley values from subsets and their complements, of superpixels or tokens.

Lundberg and Lee, NeurIPS 2017, https://arxiv.org/abs/1705.07874, section 4.1. That the difference of a subset and its
complement is all that counts: Covert and Lee, AISTATS 2021, https://arxiv.org/abs/2012.01536, section 3.2.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import final

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from pellucid.stream import strays

GOLDEN = (5**0.5 - 1) / 2
RIDGES = tuple(10 ** (power / 4) for power in range(-16, 9))
EXACT = (1e-12,)
EVERY = 1024
"""Subsets, at most, that are all asked: of more, those drawn by the kernel tell sooner what a tolerance wants to know."""
BLOCKS = 16
"""Of pairs, whose sums are kept apart: between them one sees how far the values stray."""


def planned(segments: int, samples: int) -> int:
    """How many subsets are asked about, always in pairs: all where those are no more than `samples`, nor than `EVERY`."""
    return 2**segments if 2**segments <= min(samples, EVERY) else samples - samples % 2


@dataclass(frozen=True)
class Shapley:
    """The values of each image's superpixels, and how well they are known."""

    values: Float64[Tensor, "segment image"]
    errors: Float64[Tensor, "segment image"]
    error: Float64[Tensor, " image"]
    """Of the values as a whole, relative to their length."""
    total: Float64[Tensor, " image"]
    fit: Float64[Tensor, " image"]


@final
class Coalitions:
    """The subsets around every image with that many superpixels: one draw for all, and the sums they leave.

    Their memory does not grow with the number of samples.
    """

    def __init__(self, segments: int, members: list[int], samples: int, seed: int) -> None:
        self.members = members
        self.planned = planned(segments, samples)
        everything = self.planned == 2**segments
        self.intact = torch.zeros(len(members))
        """What the network says of the whole images, which are the first subset; the second is the empty one."""
        generator = torch.Generator().manual_seed(seed)
        whole = torch.ones(segments, dtype=torch.bool)
        self._pairs = chain([whole], (every if everything else dealt)(segments, generator))
        self.exact = everything
        """Whether all subsets are asked, so that the last values are no estimate."""
        self._asked = 0
        self._total = torch.zeros(len(members), dtype=torch.float64)
        self._sums = Sums(segments, len(members))

    @property
    def done(self) -> float:
        """The share of the planned subsets that were asked about."""
        return self._asked / self.planned

    def draw(self, rows: int, /) -> Bool[Tensor, "sample segment"]:
        pairs = [next(self._pairs) for _ in range(min(rows, self.planned - self._asked) // 2)]
        if not pairs:
            return torch.zeros(0, self._sums.segments, dtype=torch.bool)
        visible = torch.stack(pairs)
        return torch.stack([visible, ~visible], 1).flatten(0, 1)

    def add(self, visible: Bool[Tensor, "sample segment"], values: Float32[Tensor, "sample image"], /) -> None:
        if not len(visible):
            return
        # subtle: measured from the whole image's value, so that nothing cancels when logits are large and vary little
        first = not self._asked
        if first:
            self.intact = values[0]
        difference = (values[::2] - self.intact).double() - (values[1::2] - self.intact).double()
        if first:
            self._total = difference[0]
        shown, difference = visible[2 * first :: 2], difference[first:]
        self._sums.add(2 * shown.double() - 1, difference, self._weights(shown.sum(1)))
        self._asked += len(visible)

    def _weights(self, shown: Int64[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """Subsets that are drawn come as often as the kernel says; of all that there are, each once, it is their weight."""
        if not self.exact:
            return torch.ones(len(shown), dtype=torch.float64)
        kernel = shapley_kernel(self._sums.segments)
        return kernel[shown] / kernel.max()

    def shapley(self) -> "Shapley":
        if not self.exact:
            return self._sums.values(self._total)
        if self._asked < self.planned:  # subtle: what a part of all subsets says of the others, nothing here can tell
            found = self._sums.values(self._total)
            return replace(found, error=torch.where(found.error > 0, found.error.clamp(min=1), found.error))
        found = self._sums.values(self._total, ridges=EXACT)
        return replace(found, errors=torch.zeros_like(found.errors), error=torch.zeros_like(found.error))


def shapley_kernel(segments: int) -> Float64[Tensor, " shown"]:
    """The weight of a subset by how many of the superpixels it shows, theorem 2; 0 for none and for all, which are exact."""
    shown = torch.arange(1, segments, dtype=torch.float64)
    whole = torch.tensor(segments + 1.0, dtype=torch.float64).lgamma()
    subsets = (whole - (shown + 1).lgamma() - (segments - shown + 1).lgamma()).exp()
    kernel = torch.zeros(segments + 1, dtype=torch.float64)
    kernel[1:-1] = (segments - 1) / (subsets * shown * (segments - shown))
    return kernel


def every(segments: int, generator: torch.Generator) -> Iterator[Bool[Tensor, " segment"]]:
    """One subset of each pair of complements, but for the empty one and the whole, in random order, so that early values are
    of all superpixels alike."""
    for number in (1 + torch.randperm(2 ** (segments - 1) - 1, generator=generator)).tolist():
        yield torch.tensor([bool(number >> bit & 1) for bit in range(segments)])


def dealt(segments: int, generator: torch.Generator) -> Iterator[Bool[Tensor, " segment"]]:
    """Subsets of at most half of the superpixels, with their complements as often as the Shapley kernel weighs them.

    Sizes follow their distribution evenly (an additive recurrence by the golden ratio); subsets of one size are dealt from a
    shuffled pack until what is left is no whole hand.
    """
    sizes = torch.arange(1, segments // 2 + 1)
    # a size's subsets together: the number of them cancels. The complement of a half is a half
    share = 1 / (sizes * (segments - sizes)).double() * torch.where(2 * sizes == segments, 0.5, 1)
    reached = (share / share.sum()).cumsum(0)
    packs: dict[int, list[Tensor]] = {}
    place = float(torch.rand(1, generator=generator))
    while True:
        place = (place + GOLDEN) % 1
        size = int(sizes[min(int(torch.searchsorted(reached, place)), len(sizes) - 1)])
        if not packs.get(size):
            hands = torch.randperm(segments, generator=generator).split(size)
            packs[size] = [hand for hand in hands if len(hand) == size]
        subset = torch.zeros(segments, dtype=torch.bool)
        subset[packs[size].pop()] = True
        yield subset


@final
class Sums:
    """All that the regression of section 4.1 needs of its pairs, summed: of subset and complement, signs (1 where a superpixel
    is visible in the first, -1 in the second) and the difference of what the network says."""

    def __init__(self, segments: int, images: int) -> None:
        self.segments = segments
        self.xwx = torch.zeros(BLOCKS, segments, segments, dtype=torch.float64)
        self.xwy = torch.zeros(BLOCKS, segments, images, dtype=torch.float64)
        self.ywy = torch.zeros(images, dtype=torch.float64)
        self.pairs = 0

    def add(
        self,
        signs: Float64[Tensor, "pair segment"],
        differences: Float64[Tensor, "pair image"],
        weights: Float64[Tensor, " pair"],
    ) -> None:
        weighted = signs * weights[:, None]
        for first in range(min(BLOCKS, len(signs))):
            block, own = (self.pairs + first) % BLOCKS, slice(first, None, BLOCKS)
            self.xwx[block].addmm_(weighted[own].T, signs[own])
            self.xwy[block].addmm_(weighted[own].T, differences[own])
        self.ywy += weights @ differences**2
        self.pairs += len(signs)

    def values(self, total: Float64[Tensor, " image"], ridges: Sequence[float] = RIDGES) -> Shapley:
        """The values b with the sum `total` that minimise (y - Xb)'W(y - Xb) + ridge |b - total / n|^2, with standard errors.

        The penalty keeps what the pairs do not tell at equal shares. Each image has its own of `ridges`, counted in pairs, by
        generalised cross-validation (Golub, Heath and Wahba 1979, https://doi.org/10.1080/00401706.1979.10489751).
        """
        n, count = self.segments, max(self.pairs, 1)
        inside = torch.eye(n, dtype=torch.float64) - 1 / n
        xwx, xwy = self.xwx.sum(0), self.xwy.sum(0)
        apart_only = inside @ xwx @ inside
        # subtle: what is added makes equal shares the last of the directions, however many others are not known yet
        size, direction = torch.linalg.eigh(apart_only + 2 * apart_only.trace().clamp(min=1) / n)
        size, direction = size[:-1, None].clamp(min=0), direction[:, :-1]
        equal = (total / n).expand(n, -1)
        around_equal = (self.ywy - 2 * (equal * xwy).sum(0) + (equal * (xwx @ equal)).sum(0)).clamp(min=0)
        along = direction.T @ (xwy - xwx @ equal)

        def residual(ridge: Tensor) -> Tensor:
            return (around_equal - (along**2 * (size + 2 * ridge) / (size + ridge) ** 2).sum(0)).clamp(min=0)

        # of a pair, what it says of a superpixel
        said = 2 / max(1.0, float((1 / torch.arange(1.0, n, dtype=torch.float64)).sum()))
        # subtle: few pairs can be told whole, and cross-validation believes it
        few = [one for one in ridges if one >= 1 or self.pairs > 2 * n] or ridges
        tried = said * torch.tensor(few, dtype=torch.float64)[:, None].expand(-1, len(total))
        missed = torch.stack([residual(ridge) / (count - (size / (size + ridge)).sum(0)) ** 2 for ridge in tried])
        ridge = tried.gather(0, missed.argmin(0)[None])[0]
        kept = size / (size + ridge)
        apart = direction @ (along / (size + ridge))
        b = equal + apart
        left, freedom = residual(ridge), (count - kept.sum(0)).clamp(min=1)
        # subtle: subsets of one size stray more than those of another, so the spread is that between blocks of pairs
        scores = direction.T @ (self.xwy - self.xwx @ b)
        strayed = ((scores - scores.mean(0)) / (size + ridge)).square().sum((0, 1)) * BLOCKS / (BLOCKS - 1) * count / freedom
        alike = direction**2 @ (kept / (size + ridge))
        strayed = strayed.maximum(alike.sum(0) * left / freedom)
        variance = alike / alike.sum(0) * strayed
        known = freedom.clamp(max=BLOCKS - 1).tolist()
        spread = torch.tensor([strays(max(1, n - 1), one) for one in known], dtype=torch.float64) * strayed
        # what the penalty takes off, the values being taken as alike in size
        taken = (1 - kept).square().sum(0) / kept.square().sum(0) * apart.square().sum(0)
        varied = around_equal > torch.finfo(torch.float32).tiny * count
        return Shapley(
            values=b,
            errors=variance.sqrt(),
            error=torch.where(varied, ((spread + taken) / b.square().sum(0)).sqrt(), 0),
            total=total,
            fit=torch.where(varied, 1 - left / around_equal, 0),
        )
