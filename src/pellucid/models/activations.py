"""One forward pass opened up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final, get_args

import torch
from jaxtyping import Float32
from torch import Tensor

from pellucid.inputs.text import Tokens

Pooling = Literal["mean", "sum", "max", "first"]


@final
@dataclass(frozen=True, eq=False)
class Activations:
    """What an encoder computed on the way. Layer n means the output of block n; hidden state 0 is the embedding layer.

    `attentions[n - 1]` and `head_outputs[n - 1]` are those inside block n: it made them from hidden state n - 1 on its way to
    hidden state n. Use `attention(n)` and `hidden(n)`, which count as a person does. Rows that were filled up hold zeros in the
    places of the filling.
    """

    tokens: Tokens
    attentions: Float32[Tensor, "layer batch head query key"]
    """How much each query token attends to each key token; the rows of a head sum to 1 over the keys. The first is block 1's:
    `attention(n)` is `attentions[n - 1]`."""
    hidden_states: Float32[Tensor, "layer_and_embedding batch token hidden"]
    """Of each token, one more than there are blocks: the first is the embedding layer's, `hidden_states[n]` what block n puts
    out."""
    head_outputs: Float32[Tensor, "layer batch head token channel"]
    """Each head's weighted sum of its values, before the heads are mixed; the first is block 1's, as of `attentions`."""
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    """Of a head on top: `start` and `end` (batch token), logits of an answer, `words` (batch token vocabulary), `labels` or
    `classes` (batch class)."""
    pooled: Pooling | None = None
    """How wordpieces were made into words, where they were; a figure has to say it."""

    @property
    def layers(self) -> int:
        return len(self.attentions)

    @property
    def heads(self) -> int:
        return self.attentions.shape[2]

    def attention(self, layer: int, heads: Sequence[int] | None = None) -> Float32[Tensor, "batch head query key"]:
        """The attention inside block `layer`, 1 to `layers`, of some or all heads. IndexError for one that does not exist."""
        layer = self.block(layer)
        return self.attentions[layer - 1][:, self.head_numbers(heads)]

    def hidden(self, layer: int) -> Float32[Tensor, "batch token hidden"]:
        """The output of block `layer`; 0 is the embedding layer, -1 the last. IndexError for one that does not exist."""
        if not -len(self.hidden_states) <= layer < len(self.hidden_states):
            raise IndexError(f"no layer {layer}; hidden states go from 0, the embedding layer, to {self.layers}")
        return self.hidden_states[layer]

    def block(self, layer: int) -> int:
        """A layer that has attention, from 1; -1 is the last. IndexError for one that does not exist."""
        if layer == 0:
            raise IndexError("layer 0 is the embedding layer and attends to nothing; attention goes from layer 1")
        if not -self.layers <= layer <= self.layers:
            raise IndexError(f"no layer {layer}; attention goes from layer 1 to {self.layers}")
        return layer if layer > 0 else self.layers + 1 + layer

    def head_numbers(self, heads: Sequence[int] | None = None) -> list[int]:
        """Those heads, or all of them, counted from 0. IndexError for one that does not exist, ValueError for none."""
        if heads is None:
            return list(range(self.heads))
        for head in heads:
            if not 0 <= head < self.heads:
                raise IndexError(f"no head {head}; a layer has {self.heads}, from 0")
        if not heads:
            raise ValueError("no head was chosen; leave them out for all of them")
        return list(dict.fromkeys(heads))

    def row(self, row: int) -> "Activations":
        """One text of the batch, without filling."""
        tokens = self.tokens[row]
        at, length = slice(row, row + 1 or None), tokens.ids.shape[1]
        return replace(
            self,
            tokens=tokens,
            attentions=self.attentions[:, at, :, :length, :length],
            hidden_states=self.hidden_states[:, at, :length],
            head_outputs=self.head_outputs[:, at, :, :length],
            outputs={
                name: value[at] if name in ("classes", "labels", "numbers") else value[at, :length]
                for name, value in self.outputs.items()
            },
        )

    def by_word(self, pooling: Pooling = "mean") -> "Activations":
        """The same by whole words: of each word's pieces, vectors are pooled as said; a special token is a word by itself.

        Attention *to* a word is the sum over its pieces and attention *from* it their mean, so that rows still sum to 1
        (Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 4.1). `outputs`, which belong to pieces, are left out.
        """
        if pooling not in get_args(Pooling):
            raise ValueError(f"no pooling named {pooling!r}; known: {', '.join(get_args(Pooling))}")
        if self.pooled is not None:
            raise ValueError(f"these activations are by word already, pooled by {self.pooled}")
        groups = [word_groups(self.tokens, row) for row in range(len(self.tokens))]
        most = max(map(len, groups))
        member = torch.zeros(len(groups), most, self.tokens.ids.shape[1])  # batch word token
        for row, words in enumerate(groups):
            for number, pieces in enumerate(words):
                member[row, number, pieces] = 1
        share = member / member.sum(-1, keepdim=True).clamp(min=1)
        return replace(
            self,
            tokens=_words_as_tokens(self.tokens, groups, most),
            attentions=torch.einsum("lbhqk,bwq,bvk->lbhwv", self.attentions, share, member),
            hidden_states=_pool(self.hidden_states, member, pooling),
            head_outputs=_pool(self.head_outputs.movedim(2, 3).flatten(3), member, pooling)
            .unflatten(3, self.head_outputs.shape[2::2])
            .movedim(3, 2),
            outputs={},
            pooled=pooling,
        )


def word_groups(tokens: Tokens, row: int) -> list[list[int]]:
    """The tokens of each word of a row, in order; a special token is a word by itself."""
    groups: list[list[int]] = []
    before = None
    for at in range(tokens.lengths[row]):
        number = int(tokens.words[row, at])
        if number >= 0 and number == before:
            groups[-1].append(at)
        else:
            groups.append([at])
        before = number
    return groups


def _pool(
    vectors: Float32[Tensor, "layer batch token hidden"], member: Float32[Tensor, "batch word token"], pooling: Pooling
) -> Float32[Tensor, "layer batch word hidden"]:
    if pooling == "first":
        return (
            vectors.gather(2, member.argmax(-1)[None, :, :, None].expand(len(vectors), -1, -1, vectors.shape[-1]))
            * (member.amax(-1)[None, :, :, None])
        )
    if pooling == "max":
        inside = member[None, :, :, :, None].bool()
        highest = vectors[:, :, None].masked_fill(~inside, -torch.inf).amax(3)
        return highest.masked_fill(~inside.any(3), 0.0)
    total = torch.einsum("lbth,bwt->lbwh", vectors, member)
    return total if pooling == "sum" else total / member.sum(-1).clamp(min=1)[None, :, :, None]


def _words_as_tokens(tokens: Tokens, groups: Sequence[Sequence[Sequence[int]]], most: int) -> Tokens:
    """Tokens that are whole words: their characters run from the first piece's to the last's."""
    first = torch.zeros(len(groups), most, dtype=torch.int64)
    last = torch.zeros(len(groups), most, dtype=torch.int64)
    mask = torch.zeros(len(groups), most, dtype=torch.bool)
    masked = torch.zeros(len(groups), most, dtype=torch.bool)
    answers: list[tuple[int, int] | None] = []
    for row, words in enumerate(groups):
        of = {at: number for number, pieces in enumerate(words) for at in pieces}
        for number, pieces in enumerate(words):
            first[row, number], last[row, number], mask[row, number] = pieces[0], pieces[-1], True
            masked[row, number] = any(bool(tokens.masked[row, at]) for at in pieces) if tokens.masked is not None else False
        span = tokens.answers[row]
        answers.append(None if span is None else (of[span[0]], of[span[1]]))
    rows = torch.arange(len(groups))[:, None]
    filled = ~mask
    offsets = torch.stack([tokens.offsets[rows, first, 0], tokens.offsets[rows, last, 1]], -1)
    return replace(
        tokens,
        ids=tokens.ids[rows, first],
        mask=mask,
        segments=tokens.segments[rows, first],
        offsets=offsets.masked_fill(filled[..., None], 0),
        parts=tokens.parts[rows, first].masked_fill(filled, -1),
        words=tokens.words[rows, first].masked_fill(filled, -1),
        pieces=tuple(tuple(_joined(tokens.pieces[row], word) for word in words) for row, words in enumerate(groups)),
        answers=tuple(answers),
        masked=masked,
    )


def _joined(pieces: Sequence[str], word: Sequence[int]) -> str:
    return "".join(pieces[at].removeprefix("##") if n else pieces[at] for n, at in enumerate(word))
