"""What kind of head each one is, in numbers. After Clark et al., BlackboxNLP 2019, https://arxiv.org/abs/1906.04341"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from pellucid.models.activations import Activations, Pooling
from pellucid.models.kinds import check_activations


@final
@dataclass(frozen=True, eq=False)
class HeadStatistics:
    """Of every head, means over the queries that are neither special nor filling; all texts of the batch count together.

    Shares are of a query's attention, 0 to 1. They may overlap: the next token of a text's last one is a special token.
    """

    entropy: Float32[Tensor, "layer head"]
    """Bits. 0: all on one token; log2 of the text's length: spread evenly."""
    distance: Float32[Tensor, "layer head"]
    """Mean |query - key| in tokens (in words where the activations are by word)."""
    to_next: Float32[Tensor, "layer head"]
    to_previous: Float32[Tensor, "layer head"]
    to_same: Float32[Tensor, "layer head"]
    to_special: Float32[Tensor, "layer head"]
    """To all special tokens together."""
    to_each_special: dict[str, Float32[Tensor, "layer head"]]
    """To each kind of special token by itself, as the vocabulary spells it: [CLS] and [SEP], or <s> and </s>."""
    queries: int
    """How many queries the means are over."""
    pooled: Pooling | None = None

    @property
    def table(self) -> dict[str, Float32[Tensor, "layer head"]]:
        """Every number by its name, `to [CLS]` and the like included."""
        named = {"entropy": self.entropy, "distance": self.distance, "to next": self.to_next, "to previous": self.to_previous}
        named |= {"to same": self.to_same, "to special": self.to_special}
        return named | {f"to {piece}": share for piece, share in self.to_each_special.items()}


def head_statistics(activations: Activations) -> HeadStatistics:
    """Entropy, distance and where the attention goes, of all layers and heads. Layer n is at index n - 1.

    A query without a next or a previous token counts as giving it 0. ValueError where no token but specials is in the text.
    """
    check_activations(activations)
    tokens, weights = activations.tokens, activations.attentions
    asking = tokens.mask & ~tokens.special
    queries = int(asking.sum())
    if not queries:
        raise ValueError("the text has no token but special ones, over which nothing can be averaged")
    places = torch.arange(weights.shape[-1])
    offset = (places[None, :] - places[:, None])[None]  # key - query

    def mean(each: Float32[Tensor, "layer batch head query"]) -> Float32[Tensor, "layer head"]:
        return (each * asking[None, :, None]).sum((1, 3)) / queries

    def share(keys: Bool[Tensor, "row query key"] | Bool[Tensor, "row 1 key"]) -> Float32[Tensor, "layer head"]:
        return mean((weights * keys[None, :, None]).sum(-1))

    kinds = list(dict.fromkeys(
        piece for pieces, special in zip(tokens.pieces, tokens.special.tolist(), strict=True)
        for piece, is_special in zip(pieces, special, strict=False) if is_special
    ))  # fmt: skip
    of_kind = {kind: torch.zeros_like(tokens.mask) for kind in kinds}
    for row, at in tokens.special.nonzero().tolist():
        of_kind[tokens.pieces[row][at]][row, at] = True
    return HeadStatistics(
        entropy=mean(-torch.xlogy(weights, weights).sum(-1) / torch.log(torch.tensor(2.0))),
        distance=mean((weights * offset.abs()).sum(-1)),
        to_next=share(offset == 1),
        to_previous=share(offset == -1),
        to_same=share(offset == 0),
        to_special=share(tokens.special[:, None]),
        to_each_special={kind: share(where[:, None]) for kind, where in of_kind.items()},
        queries=queries,
        pooled=activations.pooled,
    )
