"""What chosen heads of one layer attend to in one text: heads together, special tokens hidden, weak edges left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations, Pooling
from pellucid.models.kinds import check_activations

Combine = Literal["sum", "mean"]


@final
@dataclass(frozen=True, eq=False)
class Edge:
    """One query that attends to one key, both as numbers of tokens."""

    query: int
    key: int
    weight: float
    """Of the chosen heads together."""
    heads: tuple[float, ...]
    """Of each chosen head by itself."""


@final
@dataclass(frozen=True, eq=False)
class Attention:
    """The attention inside one block of an encoder, by the chosen heads, in one text. Nothing in it is renormalised."""

    tokens: Tokens
    """The one text, without filling."""
    layer: int
    """The block, from 1."""
    heads: tuple[int, ...]
    """The chosen heads, from 0."""
    per_head: Float32[Tensor, "head query key"]
    """Each row sums to 1, or to less where special tokens are hidden: their rows and columns are 0 then."""
    kept: Bool[Tensor, "query key"]
    """The edges to show: of every query the strongest keys, as `mass` says; no edge without weight."""
    combine: Combine
    mass: float
    hide_special: bool
    pooled: Pooling | None = None

    @property
    def total(self) -> Float32[Tensor, "query key"]:
        """The chosen heads together, before weak edges are left out."""
        return combined(self.per_head, self.combine)

    @property
    def shown(self) -> Float32[Tensor, "query key"]:
        """The kept edges; 0 elsewhere."""
        return self.total * self.kept

    @property
    def given(self) -> Float32[Tensor, "head token"]:
        """How much of its row each query gives to the kept edges: at most 1, and 1 for all when nothing was left out."""
        return (self.per_head * self.kept).sum(2)

    @property
    def received(self) -> Float32[Tensor, "head token"]:
        """How much each key receives over the kept edges: 1 on average when nothing was left out."""
        return (self.per_head * self.kept).sum(1)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every token as it stands in the text; one that is masked says so."""
        return labels(self.tokens)

    @property
    def edges(self) -> list[Edge]:
        """The kept edges by query, the strongest of each first."""
        total = self.total
        order = total.argsort(dim=1, descending=True, stable=True).tolist()
        return [
            Edge(query, key, float(total[query, key]), tuple(self.per_head[:, query, key].tolist()))
            for query in range(len(total))
            for key in order[query]
            if self.kept[query, key]
        ]

    @property
    def rule(self) -> str:
        """What was done to the weights, for a caption."""
        together = "" if len(self.heads) == 1 else f", {self.combine} of {len(self.heads)} heads"
        parts = [f"attention weight{together}"]
        if self.hide_special:
            parts.append("special tokens hidden, not renormalised")
        if self.mass < 1:
            parts.append(f"of every query the strongest keys that carry {self.mass * 100:g} % of what is shown of its row")
        if self.pooled is not None:
            parts.append("whole words: summed over the pieces attended to, averaged over the attending ones")
        return "; ".join(parts)


def attend(
    activations: Activations,
    layer: int,
    heads: Sequence[int] | None = None,
    *,
    row: int = 0,
    combine: Combine = "sum",
    hide_special: bool = False,
    mass: int | float = 1.0,
) -> Attention:
    """The attention inside block `layer` (from 1; -1 is the last) of some or all heads (from 0) in one text of the batch.

    `hide_special` puts 0 into the rows and columns of special tokens and renormalises nothing, so that one sees how little may
    be left. `mass` then keeps, of every query, the strongest keys until they carry that share of what is left of its row (as in
    exBERT, Hoover et al. 2020, https://arxiv.org/abs/1910.05276). IndexError for a layer, head or text that does not exist,
    ValueError for another `combine` or `mass`.
    """
    check_activations(activations)
    one = activations.row(row)
    layer, chosen = one.block(layer), one.head_numbers(heads)
    weights = one.attention(layer, chosen)[0]
    if hide_special:
        weights = without_special(weights, one.tokens.special[0])
    kept = strongest(combined(weights, combine), mass)
    return Attention(one.tokens, layer, tuple(chosen), weights, kept, combine, float(mass), hide_special, one.pooled)


def combined(weights: Float[Tensor, "head query key"], combine: Combine) -> Float[Tensor, "query key"]:
    """The heads' sum, whose rows sum to the number of heads, or their mean. ValueError for anything else."""
    if combine not in get_args(Combine):
        raise ValueError(f"no way to combine heads named {combine!r}; known: {', '.join(get_args(Combine))}")
    return weights.sum(0) if combine == "sum" else weights.mean(0)


def without_special(weights: Float[Tensor, "*any query key"], special: Bool[Tensor, " key"]) -> Float[Tensor, "*any query key"]:
    """The weights with 0 in the rows and columns of special tokens. Nothing is renormalised."""
    return weights.masked_fill(special[:, None] | special[None, :], 0.0)


def strongest(weights: Float[Tensor, "*any query key"], mass: int | float) -> Bool[Tensor, "*any query key"]:
    """Which edges to keep: of every row the strongest until their running sum reaches the share `mass` of the row's sum.

    The one that reaches it is kept. Of equal weights the earlier key is the stronger one. An edge of weight 0 is never kept,
    and `mass` 1 keeps every other. ValueError for a mass that is not above 0 and at most 1.
    """
    if not 0 < mass <= 1:
        raise ValueError(
            f"mass={mass}; it is the share of each query's attention that the kept edges carry: above 0, at most 1"
        )
    if mass == 1:
        return weights > 0
    ordered, order = weights.double().sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    # subtle: 0.5 and 0.3, rounded to 32 bits, are to reach 0.8; a millionth of the share is less than any picture shows
    enough = mass * (1 - 1e-6) * ordered.sum(-1, keepdim=True)
    return torch.zeros_like(weights, dtype=torch.bool).scatter(-1, order, (before < enough) & (ordered > 0))


def labels(tokens: Tokens, row: int = 0) -> tuple[str, ...]:
    """Every token of a text as it stands there; one that is hidden from the network says so."""
    assert tokens.masked is not None
    hidden = tokens.masked[row].tolist()
    return tuple(
        f"{text} (masked)" if is_hidden else text
        for text, is_hidden in zip(tokens.surfaces(row), hidden, strict=False)  # filling has no surface
    )
