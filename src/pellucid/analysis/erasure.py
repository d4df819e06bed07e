"""Comprehensiveness and sufficiency. DeYoung et al., ERASER, ACL 2020, https://arxiv.org/abs/1911.03429, section 4.2"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.analysis.token_scores import TokenScores
from pellucid.analysis.token_targets import Removal, TokenTarget, asked_without, removable
from pellucid.attribution import Work
from pellucid.inputs.text import Tokens
from pellucid.measurement import LEVEL, Measurement
from pellucid.models.digest import digest
from pellucid.models.kinds import check_encoder
from pellucid.models.text import TextEncoder

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Of a text's tokens, as in the paper."""


def comprehensiveness(
    encoder: TextEncoder,
    scores: TokenScores,
    *,
    shares: Sequence[float] = SHARES,
    removal: Removal = "mask",
    question: bool = False,
    orders: int = 20,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Measurement:
    """How much of the target's probability is lost without the tokens that the scores rank first: the more, the better.

    The mean over `shares` of the probability for the whole text less that without the first tokens; at most 1, and below 0
    where the answer becomes likelier; of a regression's number, which has no probability, how far it falls itself. A share is
    rounded up, so that it is at least one token. Tokens of equal score go in the order of the text. Of a question with its
    context only the context's tokens are ranked, unless `question`. A removed token is shown as the mask token, or with
    `delete` is left out; the place that is asked about stays (of an answer, with `delete`, its first and last token).

    `chance` is the same for random rankings, the mean of `orders`, and 95 % of them lie between `chance_low` and `chance_high`;
    each text has the same draws alone as among others. In a short text some random rankings are as good as the best there is,
    so that none exceeds them: judge by the mean over several texts, for each order `chance_curve.mean((0, 2))`. They know
    nothing of the scores: for other scores of the same texts and target they are not asked again. In `extras`: `shares`,
    `counts` of tokens (batch share), `curve` of drops (batch share), `chance_curve` (batch order share), and `before`, the
    probability for the whole text. NaN for a text without a token to remove. The paper takes tokens out, as
    `delete` does; by default they are masked, for then none moves and an encoder of this family has seen texts like it.

    ValueError for shares that are not above 0 and at most 1, for scores by word, and for what `asked_without` does not know.
    """
    return _measured("comprehensiveness", encoder, scores, False, shares, removal, question, orders, seed, progress)


def sufficiency(
    encoder: TextEncoder,
    scores: TokenScores,
    *,
    shares: Sequence[float] = SHARES,
    removal: Removal = "mask",
    question: bool = False,
    orders: int = 20,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Measurement:
    """How much of the target's probability is lost with only the tokens that the scores rank first: the less, the better.

    As `comprehensiveness`, but all ranked tokens except the first ones are removed. Below 0 where the answer becomes likelier.
    """
    return _measured("sufficiency", encoder, scores, True, shares, removal, question, orders, seed, progress)


def ranked(tokens: Tokens, target: TokenTarget, removal: Removal, question: bool) -> Bool[Tensor, "batch token"]:
    """The tokens that a ranking is of: those that can be removed, of a pair only the context's unless `question`."""
    found = removable(tokens)
    if not question:
        pair = torch.tensor([len(texts) == 2 for texts in tokens.texts])
        found = found & ((tokens.parts == 1) | ~pair[:, None])
    return found.scatter(1, target.places, False) if removal == "delete" else found


def _measured(
    metric: str,
    encoder: TextEncoder,
    scores: TokenScores,
    keep: bool,
    shares: Sequence[float],
    removal: Removal,
    question: bool,
    orders: int,
    seed: int,
    progress: Callable[[float], None] | None,
) -> Measurement:
    check_encoder(encoder)
    if scores.pooled is not None:
        raise ValueError("these scores are by word, and what is removed are wordpieces; measure them before by_word()")
    if not shares or not all(0 < share <= 1 for share in shares):
        raise ValueError(f"shares={tuple(shares)}; each is a part of the text's tokens, above 0 and at most 1")
    if orders < 0:
        raise ValueError(f"orders={orders}; 0 for no comparison with random rankings, or more")
    tokens, target = scores.tokens, scores.target
    able = ranked(tokens, target, removal, question)
    counts = torch.stack([_counts(int(n), shares) for n in able.sum(1)])
    each = zip(scores.scores, able, counts, strict=True)
    variants = torch.stack([_variants(*one, keep, orders, seed) for one in each])
    removed = torch.cat([torch.zeros_like(able)[:, None], variants], 1)
    rows = torch.arange(len(removed)).repeat_interleave(removed.shape[1])
    # in short texts several shares are the same tokens
    distinct, which = torch.cat([rows[:, None], removed.flatten(0, 1)], 1).unique(dim=0, return_inverse=True)
    which = which.view(removed.shape[:2])
    drawn = torch.zeros(len(distinct), dtype=torch.bool)
    drawn[which[:, 1 + len(shares) :]] = True
    passes = 0

    def ask(some: Bool[Tensor, " variant"], before: int = 0) -> Float32[Tensor, " some"]:
        nonlocal passes
        texts, without, part = distinct[some, 0], distinct[some, 1:].bool(), int(some.sum())
        passes += part

        def told(done: float) -> None:
            if progress is not None:
                progress((before + done * part) / len(distinct))

        told(0.0)
        found = asked_without(encoder, tokens, target, texts, without, removal, told)[1]
        told(1.0)
        return found

    asked = torch.zeros(len(distinct))
    if orders:  # they know nothing of the scores, so that other scores of the same texts are compared with the same
        about = {"places": target.places, "words": target.words, "able": able, "counts": counts}
        about |= {name: getattr(tokens, name) for name in ("ids", "mask", "segments", "masked")}
        shown = (encoder.tokenizer.mask_token_id, encoder.tokenizer.pad_token_id)
        key = ("random rankings", digest(about.items()), target.task, keep, removal, orders, seed, shown)
        asked[drawn] = encoder.memory.kept(key, lambda: ask(drawn))
    asked[~drawn] = ask(~drawn, int(drawn.sum()))
    probability = asked[which]
    before, after = probability[:, 0], probability[:, 1:]
    drops = before[:, None, None] - after.reshape(len(tokens), 1 + orders, len(shares))
    drops = drops.masked_fill(~able.any(1)[:, None, None], torch.nan)
    values = drops.mean(2)
    chance: dict[str, Any] = {}
    extras = {"shares": torch.tensor(shares), "counts": counts, "curve": drops[:, 0], "before": before}
    if orders:
        low, high = np.quantile(values[:, 1:].numpy(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1).astype(np.float32)
        chance = {
            "chance": values[:, 1:].mean(1), "chance_low": torch.from_numpy(low), "chance_high": torch.from_numpy(high),
        }  # fmt: skip
        extras["chance_curve"] = drops[:, 1:]
    none = [tokens.names[row][:40] for row in (~able.any(1)).nonzero()[:, 0].tolist()]
    return Measurement(
        values[:, 0], values[:, 0], values[:, 0], Work(passes, 0, 1.0), **chance, extras=extras,
        notes={"no value": f"there is no token to remove in {', '.join(map(repr, none))}"} if none else {},
        unit=target.lost, higher_is_better=not keep, metric=metric,
        options={"removal": removal, "question": question, "orders": orders, "seed": seed},
    )  # fmt: skip


def _counts(tokens: int, shares: Sequence[float]) -> Int64[Tensor, " share"]:
    # subtle: 0.1 of 30 is 3, and not 4 because of the last bit
    return torch.tensor([math.ceil(round(share * tokens, 6)) for share in shares])


def _variants(
    scores: Float32[Tensor, " token"],
    able: Bool[Tensor, " token"],
    counts: Int64[Tensor, " share"],
    keep: bool,
    orders: int,
    seed: int,
) -> Bool[Tensor, "variant token"]:
    """What to remove of one text, for its ranking and then for each random one, at every share."""
    places = able.nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    known = scores[places].nan_to_num(-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    rankings = [known.argsort(descending=True, stable=True)]
    rankings += [torch.randperm(len(places), generator=generator) for _ in range(orders)]
    rank = torch.stack(rankings).argsort(1)
    first = rank[:, None] < counts[:, None]
    removed = torch.zeros(len(rankings), len(counts), len(scores), dtype=torch.bool)
    removed[:, :, places] = ~first if keep else first
    return removed.flatten(0, 1)
