"""How far the scores of a text's tokens can be trusted: the evidence that every map of a picture has, for text."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from pellucid.analysis.erasure import SHARES, comprehensiveness, ranked
from pellucid.analysis.token_scores import DISTANCE, TokenMethod, TokenScores, erased, token_scores
from pellucid.analysis.token_shapley import LEAST
from pellucid.analysis.token_targets import asked_without, removable
from pellucid.attribution import Work
from pellucid.evidence import Evidence, Trust, judged, unaccounted
from pellucid.inputs.baselines import draw_seed
from pellucid.measurement import Interval
from pellucid.metrics.seed_stability import other_seed
from pellucid.models.learned import order
from pellucid.models.load import load_encoder
from pellucid.models.randomized_text import randomized_encoder
from pellucid.models.text import TextEncoder
from pellucid.ranks import spearman
from pellucid.shapley import planned
from pellucid.trust import FLOOR, correlation, passes

NETWORKS, RANKS = 5, 40
"""With random weights, at most, and how many tokens they rank together. Two orders of few tokens agree by chance: of five,
one pair in twelve by 0.9 or more, so that the mean over a few networks is what tells; of a long text one is enough."""
ORDERS = 19
"""Random orders. One more of them would be better than all of these in a twentieth of cases."""
CHANCE: tuple[TokenMethod, ...] = ("random", "kernel_shap")
"""Methods that draw."""


def token_trust(
    encoder: TextEncoder | str | Path,
    scores: TokenScores,
    *,
    budget: int | float = 1.0,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Trust:
    """The evidence on each text's scores and its verdict; `encoder` must be the one that they are of.

    As `trust` for pictures: comprehensiveness (with the mask token, over the shares of ERASER) beside 19 random orders of the
    same tokens, of a question with its context the context's; the same method on encoders with random weights, where the
    scores must not come out alike; of a method that draws, a run of another seed; and whether the weights have any order. It
    costs at most `budget` times what the scores cost, or 120 passes a text where that is more: on the encoders with random
    weights, erasure is asked of as many tokens as there is room for, drawn from `seed`, integrated gradients of as many steps,
    and Kernel SHAP of as many samples, on the encoder itself too.

    A number of a regression has no probability: what it falls by is measured, and no third of it must come from the tokens.

    In the evidence, the error of integrated gradients is the completeness gap as a share of the scores' sum, and that of Kernel
    SHAP its distance as a share of their length. `advantage` is in
    probability, over the mean of the random orders and over the best and the worst of them: one more order would pass either
    limit in a twentieth of cases. In a short text some orders are as good as the best there is, and then nothing can be told.
    ValueError for scores by word, for scores that no method made, and for a budget that is not above 0.
    """
    encoder = encoder if isinstance(encoder, TextEncoder) else load_encoder(encoder)
    encoder.check_mode()
    if scores.pooled is not None:
        raise ValueError("these scores are by word, and what is removed are wordpieces; ask before by_word()")
    if scores.method not in get_args(TokenMethod):
        raise ValueError(
            f"these scores are by {scores.method!r}, which cannot be run again; known: {', '.join(get_args(TokenMethod))}"
        )
    if not budget > 0:
        raise ValueError(f"budget is {budget}; it is a multiple of the explanation's own cost, above 0")
    able = removable(scores.tokens)
    plan = _planned(scores, able, budget)
    chance = scores.method in CHANCE
    seeds, work = None, Work(0, 0, 1.0)

    def drawn(run: int) -> int:
        return other_seed(int(cast(int, scores.options["seed"])), draw_seed(seed, run)) if chance else seed

    if chance:
        second = _again(encoder, scores, able, drawn(NETWORKS), plan)
        seeds, work = _agreement(scores.scores, second.scores, able, ranks=False), second.work
    randomised = torch.zeros(len(scores))
    for number in range(plan.networks):
        weightless = randomized_encoder(encoder, draw_seed(seed, number))
        which = _some(able, plan.share if scores.method == "erasure" else 1.0, draw_seed(seed, number))
        other = _again(weightless, scores, which, drawn(number), plan)
        alike = _agreement(scores.scores, other.scores, which).abs()
        # scores without a difference on random weights have nothing left of these
        alike[_flat(other.scores, which) & ~_flat(scores.scores, which)] = 0.0
        randomised += alike / plan.networks
        work = Work(work.forwards + other.work.forwards, work.backwards + other.work.backwards, 1.0)
        progress(0.4 * (number + 1) / plan.networks)
    m = comprehensiveness(encoder, scores, orders=ORDERS, seed=seed, progress=lambda share: progress(0.4 + 0.55 * share))
    orders = m.extras["chance_curve"].mean(2)
    advantage = m.values[:, None] - torch.stack([orders.mean(1), orders.amax(1), orders.amin(1)], 1)
    which = ranked(scores.tokens, scores.target, "mask", False)
    _, without = asked_without(encoder, scores.tokens, scores.target, torch.arange(len(scores)), which)
    weights = encoder.memory.kept("order", lambda: order(encoder.module))
    flat = _flat(scores.scores, which)
    progress(1.0)
    found: list[Evidence] = []
    for n in range(len(scores)):
        between, before = Interval(*advantage[n].tolist()), float(m.extras["before"][n])
        worth, alike = before - float(without[n]), float(randomised[n])
        settled = None if seeds is None else float(seeds[n])
        error = _error(scores, n)
        incomplete, empty = unaccounted(error, scores.error_name), bool(flat[n])
        number = scores.target.task == "regression"
        share = 1.0 if number else 1 / max(before, 1e-30)
        gained = Interval(*(float(value) * share for value in advantage[n]))
        verdict = judged(gained, worth * share, alike, settled, not number, weights, incomplete, empty, "text")
        found.append(
            Evidence(
                verdict=verdict,
                error=error,
                error_name="relative error" if scores.error_name == DISTANCE else scores.error_name,
                seeds=settled,
                advantage=between,
                worth=worth,
                randomised=math.nan if empty else alike,
                order=weights,
                cost=scores.work,
                subject="text",
            )
        )
    spent = Work(work.forwards + m.work.forwards + len(scores), work.backwards, 1.0)
    return Trust(tuple(found), spent)


@dataclass(frozen=True)
class _Plan:
    """How the evidence stays within its budget."""

    networks: int
    share: float
    """Of the work of the scores, what each run on another network does."""


def _planned(scores: TokenScores, able: Bool[Tensor, "batch token"], budget: int | float) -> _Plan:
    """What comprehensiveness leaves goes to the networks with random weights."""
    each = max(1.0, passes(scores.work) / max(1, len(scores)))
    room = max(FLOOR, budget * each) - (2 + len(SHARES) * (ORDERS + 1))
    tokens = max(1, min(able.sum(1).tolist(), default=1))
    drawn = scores.method in CHANCE  # which runs on the encoder itself once more
    networks = max(1, min(NETWORKS, math.ceil(RANKS / tokens), int(room // each) - drawn))
    return _Plan(networks, min(1.0, room / ((networks + drawn) * each)))


def _again(
    encoder: TextEncoder, scores: TokenScores, which: Bool[Tensor, "batch token"], seed: int, plan: _Plan
) -> TokenScores:
    """The same method with the same target and options on this encoder, of these tokens at least."""
    tokens, target = scores.tokens, scores.target
    if scores.method == "erasure":
        every = torch.arange(len(tokens))
        whole, _ = asked_without(encoder, tokens, target, every, torch.zeros_like(which))
        found = erased(encoder, tokens, target, whole, which)
        return replace(scores, scores=found, work=Work(len(tokens) + int(which.sum()), 0, 1.0))
    options: dict[str, Any] = {key: value for key, value in scores.options.items() if key in ("baseline", "steps", "samples")}
    if "steps" in options:
        options["steps"] = max(1, math.floor(options["steps"] * plan.share))
    if "samples" in options:
        options["samples"] = _fewer(options["samples"], which.sum(1).tolist(), plan.share)
    return token_scores(encoder, tokens, method=cast(TokenMethod, scores.method), target=target, seed=seed, **options)


def _fewer(samples: int, tokens: Sequence[int], share: float) -> int:
    """So many that Kernel SHAP of texts with these numbers of tokens takes that share of its passes: of few, all are asked."""

    def passes(samples: int) -> int:
        return sum(planned(count, samples) for count in tokens)

    room = share * passes(samples)
    while samples > LEAST and passes(samples) > room:
        samples = max(LEAST, math.floor(0.95 * samples))
    return samples


def _some(able: Bool[Tensor, "batch token"], share: float, seed: int) -> Bool[Tensor, "batch token"]:
    """About that share of each text's tokens, at least two where there are two, drawn from the seed."""
    if share >= 1:
        return able
    generator = torch.Generator().manual_seed(seed)
    found = torch.zeros_like(able)
    for row in range(len(able)):
        places = able[row].nonzero()[:, 0]
        count = max(2, math.floor(share * len(places)))
        found[row, places[torch.randperm(len(places), generator=generator)[:count]]] = True
    return found


def _agreement(
    one: Float32[Tensor, "batch token"],
    other: Float32[Tensor, "batch token"],
    which: Bool[Tensor, "batch token"],
    *,
    ranks: bool = True,
) -> Float32[Tensor, " batch"]:
    """Spearman's correlation over these tokens of each text, or Pearson's; NaN where one has no difference in it."""
    found = torch.zeros(len(one))
    for row in range(len(one)):
        a, b = (each[row, which[row]][None, None] for each in (one, other))
        found[row] = (spearman if ranks else correlation)(a, b)[0] if a.numel() else math.nan
    return found


def _flat(scores: Float32[Tensor, "batch token"], which: Bool[Tensor, "batch token"]) -> Bool[Tensor, " batch"]:
    """Whether no two of these tokens differ, in each text."""
    low = scores.masked_fill(~which, torch.inf).amin(1)
    return ~(scores.masked_fill(~which, -torch.inf).amax(1) > low)


def _error(scores: TokenScores, row: int) -> float:
    """The method's own estimate: of a completeness gap, as a share of what the scores add up to, and of a distance, of their
    length."""
    error = float(scores.error[row])
    if not error:
        return 0.0
    known = scores.scores[row].double().nan_to_num()
    total = float(known.norm() if scores.error_name == DISTANCE else known.sum().abs())
    return error / total if total else math.inf
