"""The vectors by which tokens are compared; queries and corpus come from these same functions of one forward pass."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations
from pellucid.models.text import TextEncoder, TextWarning

By = Literal["hidden", "heads"]
ROOM = 1536
"""Tokens of a batch, filling included."""


@final
@dataclass(frozen=True, order=True)
class Space:
    """What is compared: the hidden states of a layer, from 0, or what the heads of block `layer` put out, from 1."""

    by: By
    layer: int

    @property
    def name(self) -> str:
        return f"{self.by}-{self.layer:02}"

    def of(self, act: Activations) -> Float32[Tensor, "batch token width"]:
        """Every token's vector, of length 1; of heads, each head's part has the same length. Filling stays zero."""
        if self.by == "hidden":
            return torch.nn.functional.normalize(act.hidden(self.layer), dim=-1)
        parts = torch.nn.functional.normalize(act.head_outputs[act.block(self.layer) - 1], dim=-1)
        return parts.movedim(1, 2).flatten(2) / act.heads**0.5


def chosen(vector: Float32[Tensor, " width"], heads: Sequence[int], of: int) -> Float32[Tensor, " width"]:
    """The vector with the heads that were not chosen left out, each other part and then the whole of length 1.

    Its inner product with a stored vector is the mean of the chosen heads' cosines, times the root of their share.
    """
    parts = torch.zeros(of, len(vector) // of)
    parts[list(heads)] = torch.nn.functional.normalize(vector.unflatten(0, (of, -1))[list(heads)], dim=-1)
    return torch.nn.functional.normalize(parts.flatten(), dim=0)


def most_attended(
    act: Activations, layer: int, heads: Sequence[int] | None = None, specials: bool = False
) -> tuple[Int64[Tensor, "batch token"], Float32[Tensor, "batch token"]]:
    """The token to which each token attends most in block `layer`, mean over the heads, and that attention; special tokens
    only with `specials`."""
    allowed = act.tokens.mask if specials else act.tokens.parts >= 0
    weights, places = act.attention(layer, heads).mean(1).masked_fill(~allowed[:, None, :], -1.0).max(-1)
    return places, weights


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of the texts, the short ones first, in batches that hold little filling."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > ROOM:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def tokenised(encoder: TextEncoder, texts: Sequence[str]) -> Tokens:
    """These texts as the encoder reads them. Pieces that the vocabulary lacks are counted when a corpus is built, without a
    warning here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextWarning)
        return encoder.read(list(texts))


def activations(encoder: TextEncoder, texts: Sequence[str]) -> Activations:
    """One pass over these texts."""
    return encoder.activations(tokenised(encoder, texts))
