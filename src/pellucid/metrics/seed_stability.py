"""Seed stability: does another seed give the same map? By Spearman's rank correlation, 1904, https://doi.org/10.2307/1412159"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Annotated

import torch
from jaxtyping import Float32
from pydantic import Field
from torch import Tensor

from pellucid.again import again
from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement, unanswered, unfinished_notes
from pellucid.methods import owes_to_chance
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier
from pellucid.ranks import margin, spearman


@metrics.register(higher_is_better=True, unit="rank correlation")
def seed_stability(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    draws: Annotated[int, Field(ge=1, le=100, description="Other seeds that the method is run with.")] = 3,
) -> Iterator[Measurement]:
    """How alike the maps of different seeds order the pixels: 1, the map owes nothing to chance; 0, it owes everything to it.

    The mean rank correlation over all pairs among the map and those of `draws` other seeds, made from its own; the channels
    are folded as the attribution declares, and signs count. A method without a seed has no chance in it and gives exactly
    1, and so does one that draws nothing with its options.
    `extras["pairs"]`: every pair, `batch pair`.

    The interval is a jackknife over the maps, since pairs that share a map are not independent; of one other seed there is
    none, and low and high equal the value. NaN where a map is constant, or cannot be made again. An unfinished map, which
    agrees less, counts only as long as there is no other; the interval then is all there is.
    """
    if attribution.method and not owes_to_chance(attribution):
        ones = torch.ones(len(inputs))
        why = f"{attribution.method} " + ("has no seed" if attribution.seed is None else "draws nothing with these options")
        yield Measurement(ones, ones, ones, Work(0, 0, 1.0), notes={"deterministic": why})
        return
    maps = [attribution.map()]
    pairs: dict[tuple[int, int], Tensor] = {}
    work = Work(0, 0, 0.0)
    latest = unanswered(len(inputs), work)
    other = attribution  # of a stream there is at least one
    for draw in range(1, draws + 1):
        try:
            for other in again(model, inputs, attribution, seed=other_seed(attribution.seed or 0, draw)):
                done = work.and_of(other.work, (draw - 1 + other.work.fraction) / draws)
                if draw == 1:
                    latest = measured({(0, 1): spearman(maps[0], other.map())}, 1, 2, other.work.fraction)
                yield replace(latest, work=done)
        except (ValueError, KeyError) as error:
            nothing = torch.full((len(inputs),), torch.nan)
            yield Measurement(
                nothing, nothing, nothing, Work(work.forwards, work.backwards, 1.0), notes={"no value": str(error)}
            )
            return
        maps.append(other.map())
        pairs |= {(n, draw): spearman(maps[n], maps[draw]) for n in range(draw)}
        work = work.and_of(other.work, draw / draws)
        latest = measured(pairs, draw, 2 if draws > 1 else 0)  # one pair says nothing of how sure it is
        yield replace(latest, work=work)


def measured(pairs: dict[tuple[int, int], Tensor], draws: int, unsure: int, done: float = 1.0) -> Measurement:
    """The value of so many other seeds, which is `unsure` where they are one; `done` is the share of the last map that is."""
    value = mean_of(pairs)
    half = torch.full_like(value, unsure)
    if draws > 1:
        half = margin(torch.stack([mean_of(pairs, without=n) for n in range(draws + 1)]))
    return Measurement(
        value, (value - half).clamp(min=-1), (value + half).clamp(max=1), Work(0, 0, 0.0),
        extras={"pairs": torch.stack([pairs[pair] for pair in combinations(range(draws + 1), 2)], 1)},
        notes={"no value": "a map is constant, so it has no order"} if bool(value.isnan().any()) else unfinished_notes(done),
    )  # fmt: skip


def mean_of(pairs: dict[tuple[int, int], Tensor], without: int | None = None) -> Float32[Tensor, " batch"]:
    return torch.stack([value for pair, value in pairs.items() if without not in pair]).double().mean(0).float()


def other_seed(seed: int, draw: int) -> int:
    """Another seed than `seed`, for every draw another."""
    drawn = draw_seed(seed, draw) % 2**31  # small enough for every source of randomness
    return drawn if drawn != seed else drawn + 1
