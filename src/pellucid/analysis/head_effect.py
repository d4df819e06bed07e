"""What a head does, against what its attention suggests: each head is taken out, and the answer compared.

Ablation by setting a head's output to zero: Michel, Levy and Neubig, NeurIPS 2019, https://arxiv.org/abs/1905.10650
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor, nn

from pellucid.analysis.answers import LONGEST, best_spans, within_context
from pellucid.analysis.token_targets import class_labels
from pellucid.inputs.text import Tokens
from pellucid.models.kinds import check_encoder
from pellucid.models.text import Head, TextEncoder

AT_ONCE = 24
"""Heads that are taken out in one pass, each in a row of its own."""
MOST_LOGITS = 2**26
"""Of a pass. A masked-word head gives a whole vocabulary of them a token, so that long texts have fewer rows a pass."""


@final
@dataclass(frozen=True, eq=False)
class HeadEffect:
    """What changes when one head at a time is taken out, its output set to zero.

    Positions are the answer's start and end, distributions over the text's tokens; or the masked tokens, distributions over
    the vocabulary; or the first token, of which a class is read, a distribution over the classes. Where any number of classes
    may hold at once, it is one over which of them do, each by itself, and the divergence is the sum of theirs. The choice at
    each is what the whole network prefers there.
    """

    task: Head
    tokens: Tokens
    """The one text, without filling."""
    layers: tuple[int, ...]
    """Those of the rows below, from 1."""
    heads: tuple[int, ...]
    """Those of the columns below, from 0."""
    positions: tuple[int, ...]
    """The tokens of the answer's start and end, or the masked ones, or the first."""
    choices: tuple[str, ...]
    """What was chosen at each position: the token's characters, the word predicted, or the class."""
    probability: Float64[Tensor, " position"]
    """Of that choice by the whole network."""
    divergence: Float64[Tensor, "position layer head"]
    """Kullback-Leibler divergence in bits, of the distribution without the head from that of the whole network."""
    drop: Float64[Tensor, "position layer head"]
    """How many bits the choice's log-probability falls; negative where it rises without the head."""
    change: Float64[Tensor, "position layer head"]
    """The choice's probability without the head less that with it."""
    attention: Float32[Tensor, "layer head"]
    """What attention suggests: the share that the answer's tokens, the masked ones, or the first give to tokens that are not
    special."""
    passes: int
    """Forward passes taken."""
    multi_label: bool = False
    """Whether any number of classes may hold at once."""

    @property
    def effect(self) -> Float64[Tensor, "layer head"]:
        """The divergence in bits, mean over the positions: one number a head."""
        return self.divergence.mean(0)

    @property
    def spearman(self) -> float:
        """Rank correlation over heads between effect and attention, -1 to 1; NaN where either is the same for all heads.

        Near 0, a picture of attention does not say which heads the answer depends on.
        """
        from scipy.stats import rankdata

        effect, attention = self.effect.flatten().numpy(), self.attention.flatten().numpy()
        if (effect == effect[0]).all() or (attention == attention[0]).all():
            return math.nan
        return float(np.corrcoef(rankdata(effect), rankdata(attention))[0, 1])

    @property
    def unit(self) -> str:
        """What `effect` is in, for a legend."""
        labels = ", summed over the labels" if self.multi_label else ""
        over = {"question_answering": ", mean over start and end", "masked_words": ", mean over masked tokens"}.get(
            self.task, labels
        )
        return f"bits, KL(whole || without the head){over}"


def head_effect(
    encoder: TextEncoder,
    tokens: Tokens | str,
    context: str | None = None,
    *,
    row: int = 0,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    span: tuple[int, int] | None = None,
    at_once: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> HeadEffect:
    """The effect of each head on the answer, the masked words or the class of one text; by default of all layers and heads.

    `span` is the answer's first and last token; by default the text's answer where it is known, else the best span in the
    context. `progress` is called with the share done after every pass. ValueError when the encoder has no head, or one
    that gives a number; for a text without context or without a masked token, and for a span outside the text. IndexError for a
    layer or head that does not exist.
    """
    check_encoder(encoder)
    tokens = encoder.read(tokens, context)[row]
    encoder.need_some_head("it answers nothing that taking a head of its attention out could change")
    if encoder.regression:
        raise ValueError(
            f"{encoder.called} gives a number, and what a head does is measured by probabilities, which a number has not; "
            "token_scores explains it"
        )
    labels = class_labels(encoder) if encoder.classifies else []
    task: Head = "masked_words"
    if labels:
        task = "classification"
    elif encoder.answers_questions:
        task = "question_answering"
    activations = encoder.activations(tokens)
    whole_layers = tuple(activations.block(n) for n in (range(1, encoder.layers + 1) if layers is None else layers))
    whole_heads = tuple(activations.head_numbers(heads))
    if task == "question_answering":
        asked = _answer(tokens, activations.outputs, span)
        looking = list(range(asked[0], asked[1] + 1))
    else:
        asked = looking = [0] if task == "classification" else _masked(tokens)
    rows = _rows(encoder, task, len(tokens.pieces[0])) if at_once is None else at_once
    if rows < 1:
        raise ValueError(f"at_once={at_once}; at least one head a pass")
    pairs = [(layer, head) for layer in whole_layers for head in whole_heads]
    rows = min(rows, len(pairs))
    passes = 1 + math.ceil(len(pairs) / rows)
    copies = _copies(tokens, rows)

    def distributions(out: Sequence[tuple[int, int]]) -> Float64[Tensor, "batch position choice"]:
        keep = torch.ones(encoder.layers, rows, encoder.heads)
        for at, (layer, head) in enumerate(out):
            keep[layer - 1, at, head] = 0
        found = encoder.outputs(copies, keep)
        if "labels" in found:
            logits = found["labels"][:, None].double()
            return nn.functional.logsigmoid(torch.cat([logits, -logits], -1))  # of each label that it holds, and that not
        if task == "classification":
            logits = found["classes"][:, None]
        else:
            logits = torch.stack([found["start"], found["end"]], 1) if "start" in found else found["words"][:, asked]
        return logits.double().log_softmax(-1)

    # subtle: as many rows as in every later pass, each compared with its own place: sums are rounded as the shape has it, and a
    # head that does nothing is to have an effect of exactly 0
    whole = distributions([])
    chosen = torch.tensor(asked) if task == "question_answering" else whole[0, :, : len(labels) or None].argmax(-1)
    pick = chosen[None, :, None].expand(rows, -1, 1)
    if progress is not None:
        progress(1 / passes)
    divergence, drop, change = [], [], []
    for first in range(0, len(pairs), rows):
        part = pairs[first : first + rows]
        without = distributions(part)
        before, after = whole.gather(2, pick)[: len(part), :, 0], without.gather(2, pick)[: len(part), :, 0]
        divergence.append(((whole.exp() * (whole - without)).sum(-1)[: len(part)] / math.log(2)).clamp(min=0))
        drop.append((before - after) / math.log(2))
        change.append(after.exp() - before.exp())
        if progress is not None:
            progress((2 + first // rows) / passes)

    def grid(each: list[Tensor]) -> Float64[Tensor, "position layer head"]:
        return torch.cat(each).T.reshape(-1, len(whole_layers), len(whole_heads))

    ordinary = (~tokens.special[0]).float()
    seen = activations.attentions[[n - 1 for n in whole_layers], 0][:, list(whole_heads)][:, :, looking] @ ordinary
    if task == "question_answering":
        choices = [tokens.surface(0, at) for at in asked]
    elif task == "classification":
        choices = [labels[int(chosen[0])]]
    else:
        choices = [encoder.tokenizer.decode([word]).strip() for word in chosen.tolist()]
    return HeadEffect(
        task, tokens, whole_layers, whole_heads, tuple(asked), tuple(choices),
        whole.gather(2, pick)[0, :, 0].exp(), grid(divergence), grid(drop), grid(change), seen.mean(-1), passes,
        encoder.multi_label,
    )  # fmt: skip


def _answer(tokens: Tokens, outputs: object, span: tuple[int, int] | None) -> list[int]:
    if len(tokens.texts[0]) != 2:
        raise ValueError("the effect of a head on an answer needs a question and its context; one text was given")
    span = span or tokens.answers[0]
    if span is None:
        assert isinstance(outputs, dict)
        scores = best_spans(outputs["start"][0], outputs["end"][0], within_context(tokens, 0), LONGEST)
        span = divmod(int(scores.argmax()), len(scores))
    if not 0 <= span[0] <= span[1] < len(tokens.pieces[0]):
        raise ValueError(f"no answer from token {span[0]} to {span[1]}; the text has {len(tokens.pieces[0])} tokens, from 0")
    return list(span)


def _masked(tokens: Tokens) -> list[int]:
    assert tokens.masked is not None
    found = tokens.masked[0].nonzero()[:, 0].tolist()
    if not found:
        raise ValueError(
            "no token of the text is masked, so there is no prediction that a head could change; write the tokenizer's mask "
            "token into the text, or hide tokens with Tokens.hidden"
        )
    return found


def _rows(encoder: TextEncoder, task: Head, length: int) -> int:
    logits = length * (int(encoder.config.vocab_size) if task == "masked_words" else 2)
    return max(1, min(AT_ONCE, MOST_LOGITS // logits))


def _copies(tokens: Tokens, times: int) -> Tokens:
    """One text that many times."""
    names = ("ids", "mask", "segments", "offsets", "parts", "words", "masked")
    tensors = {name: getattr(tokens, name).expand(times, *getattr(tokens, name).shape[1:]) for name in names}
    return replace(
        tokens, **tensors, texts=tokens.texts * times, pieces=tokens.pieces * times, answers=tokens.answers * times,
        names=tokens.names * times, items=tokens.items * times,
    )  # fmt: skip
