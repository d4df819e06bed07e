"""How far apart the senses of a word lie, with an interval and a test against chance; and two worked examples.

The statistic is the mean similarity within senses minus that between them. Resampling: Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapters 13 (percentile interval) and 15 (permutation test). Silhouette: Rousseeuw 1987,
https://doi.org/10.1016/0377-0427(87)90125-7.
"""

import itertools
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from pellucid.analysis.similarity import Comparison, Metric
from pellucid.registry import UnknownName, unknown

MOST_SPLITS = 20_000
"""Ways to deal out the senses up to which the permutation test tries every one."""
DRAWS = 9_999
"""Random ways that it tries where there are more."""


@final
@dataclass(frozen=True, eq=False)
class Separation:
    """How far apart the senses lie, at each layer."""

    layers: tuple[int, ...]
    labels: tuple[str, ...]
    """The sense of each sentence."""
    difference: Float64[Tensor, " layer"]
    """Cosine: mean similarity within senses minus between. Euclidean: mean distance between minus within. Above 0: apart."""
    low: Float64[Tensor, " layer"]
    high: Float64[Tensor, " layer"]
    """Percentile bootstrap interval of the difference, over sentences."""
    p: Float64[Tensor, " layer"]
    """One-sided permutation p-value: the share of ways to deal out the same senses that separate at least as well."""
    p_best: float
    """The same of the best layer among all of these, so that looking at several is paid for (Westfall and Young 1993)."""
    within: Float64[Tensor, " layer"]
    between: Float64[Tensor, " layer"]
    silhouette: Float64[Tensor, " layer"]
    """Mean over the sentences, -1 to 1, of 1 - cosine or of the Euclidean distance."""
    accuracy: Float64[Tensor, " layer"]
    """Share of the sentences whose nearest other sentence has their sense."""
    chance: float
    """What the accuracy would be on average if the senses were dealt out by chance."""
    metric: Metric
    correction: str
    splits: int
    exact: bool
    """Whether all the ways to deal out the senses were tried, rather than that many random ones and the given one."""
    level: float
    resamples: int
    seed: int
    best: int
    """The layer at which the difference is the most standard deviations above chance; the first of equals."""


def separation(
    comparison: Comparison,
    groups: Sequence[int] | Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Separation:
    """How far apart the senses lie at each layer. `groups` is the sense of each sentence, or the sizes of consecutive groups.

    All pairs of different sentences count alike. The interval is of sentences drawn anew within each sense; two draws of one
    sentence are no pair, since they would be at distance zero. It speaks of these sentences' variety, and with five a sense
    it is rough. The p-value is exact up to 20,000 ways to deal out the senses: 252 for five and five, of which two by two are
    the same split, so that it is never below 1/126.

    ValueError for fewer than two senses or a sense with fewer than two sentences.
    """
    labels = senses(groups, len(comparison.chosen))
    number = _numbered(labels)
    near = comparison.matrices if comparison.metric == "cosine" else -comparison.matrices
    if not 0 < level < 1:
        raise ValueError(f"level={level}; it is the share of an interval, above 0 and below 1")
    if resamples < 100:
        raise ValueError(f"resamples={resamples}; an interval needs at least 100")
    generator = torch.Generator().manual_seed(seed)
    within, between = means(near, number[None])
    difference = within[0] - between[0]
    low, high = _interval(near, number, level, resamples, generator)
    ways, exact = _ways(number, generator)
    p, p_best, best = _p_values(near, ways, difference, exact)
    sign = 1.0 if comparison.metric == "cosine" else -1.0
    distances = 1 - near if comparison.metric == "cosine" else comparison.matrices
    sizes = torch.bincount(number).double()
    return Separation(
        comparison.layers, labels, difference, low, high, p, p_best, within[0] * sign, between[0] * sign,
        silhouette(distances, number), nearest(distances, number),
        float((sizes * (sizes - 1)).sum() / (len(number) * (len(number) - 1))), comparison.metric, comparison.correction,
        len(ways), exact, float(level), resamples, seed, comparison.layers[best],
    )  # fmt: skip


def senses(groups: Sequence[int] | Sequence[str], count: int) -> tuple[str, ...]:
    """The sense of each of `count` sentences, from one each or from the sizes of consecutive groups, then called A, B, ..."""
    if len(groups) == count:
        labels = tuple(str(g) for g in groups)
    else:
        sizes = [g for g in groups if isinstance(g, int)]
        if len(sizes) != len(groups) or sum(sizes) != count or min(sizes, default=0) < 1:
            raise ValueError(
                f"groups {', '.join(map(str, groups))} for {count} sentences; give the sense of each, or sizes that add up to "
                f"{count}"
            )
        names = (chr(ord("A") + n) if n < 26 else str(n + 1) for n in range(len(sizes)))
        labels = tuple(name for name, size in zip(names, sizes, strict=True) for _ in range(size))
    counts = Counter(labels)
    few = [name for name, size in counts.items() if size < 2]
    if len(counts) < 2 or few:
        what = f"sense {few[0]!r} has one sentence" if few else "there is one sense"
        raise ValueError(f"{what}; to tell senses apart, give two or more, of two or more sentences each")
    return labels


def means(
    near: Float64[Tensor, "layer sentence sentence"], numbers: Int64[Tensor, "way sentence"]
) -> tuple[Float64[Tensor, "way layer"], Float64[Tensor, "way layer"]]:
    """The mean over pairs of one sense and over pairs of two, for each way to deal out the senses."""
    count = near.shape[1]
    totals = (near.sum((1, 2)) - near.diagonal(dim1=1, dim2=2).sum(-1)) / 2
    inside, pairs = torch.zeros(len(numbers), len(near)).double(), torch.zeros(len(numbers)).double()
    for sense in range(int(numbers.max()) + 1):
        member = (numbers == sense).double()
        inside += _pairs(near, member)
        pairs += member.sum(1) * (member.sum(1) - 1) / 2
    return inside / pairs[:, None], (totals - inside) / (count * (count - 1) / 2 - pairs)[:, None]


def _pairs(near: Float64[Tensor, "layer sentence sentence"], weights: Float64[Tensor, "way sentence"]) -> Tensor:
    """Of each way, the sum over pairs of different sentences, as often as both are in it; way layer."""
    off = near - torch.diag_embed(near.diagonal(dim1=1, dim2=2))
    return torch.stack([((weights @ layer) * weights).sum(-1) / 2 for layer in off], dim=1)


def _interval(
    near: Float64[Tensor, "layer sentence sentence"], number: Int64[Tensor, " sentence"], level: float, resamples: int,
    generator: torch.Generator,
) -> tuple[Float64[Tensor, " layer"], Float64[Tensor, " layer"]]:  # fmt: skip
    """Percentiles of the difference over sentences drawn with replacement within each sense."""
    drawn = torch.zeros(resamples, len(number)).double()
    inside, pairs = torch.zeros(resamples, len(near)).double(), torch.zeros(resamples).double()
    for sense in range(int(number.max()) + 1):
        members = (number == sense).nonzero()[:, 0]
        picks = members[torch.randint(len(members), (resamples, len(members)), generator=generator)]
        times = torch.zeros_like(drawn).scatter_add_(1, picks, torch.ones_like(picks, dtype=torch.float64))
        inside += _pairs(near, times)
        pairs += (times.sum(1) ** 2 - times.square().sum(1)) / 2
        drawn += times
    across = (drawn.sum(1) ** 2 - drawn.square().sum(1)) / 2 - pairs
    kept = pairs > 0  # where every sense came out as one sentence over and over, there is no pair within one
    found = inside[kept] / pairs[kept, None] - (_pairs(near, drawn) - inside)[kept] / across[kept, None]
    if not len(found):
        nowhere = torch.full((len(near),), torch.nan, dtype=torch.float64)
        return nowhere, nowhere
    low, high = torch.quantile(found, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64), dim=0)
    return low, high


def _ways(number: Int64[Tensor, " sentence"], generator: torch.Generator) -> tuple[Int64[Tensor, "way sentence"], bool]:
    """All the ways to deal out the same senses, or the given one and many random ones; and whether it is all."""
    sizes = torch.bincount(number).tolist()
    count = math.factorial(len(number)) // math.prod(math.factorial(s) for s in sizes)
    if count <= MOST_SPLITS:
        return torch.tensor(list(_deals(tuple(sizes)))), True
    order = torch.rand(DRAWS, len(number), generator=generator).argsort(1)
    return torch.cat([number[None], number[order]]), False


def _deals(sizes: tuple[int, ...]) -> Iterator[list[int]]:
    """Every sequence in which each number n is found sizes[n] times."""
    length = sum(sizes)
    if not length:
        yield []
        return
    last = len(sizes) - 1
    for places in itertools.combinations(range(length), sizes[last]):
        for rest in _deals(sizes[:last]):
            dealt = iter(rest)
            taken = set(places)
            yield [last if at in taken else next(dealt) for at in range(length)]


def _p_values(
    near: Float64[Tensor, "layer sentence sentence"],
    ways: Int64[Tensor, "way sentence"],
    difference: Float64[Tensor, " layer"],
    exact: bool,
) -> tuple[Float64[Tensor, " layer"], float, int]:
    """Of each layer; of the best; and which that is. Random ways hold the given one, so that no p-value is 0."""
    within, between = means(near, ways)
    chance = within - between
    slack = 1e-9 * near.abs().amax((1, 2)) + 1e-300  # equal splits must not differ by rounding
    p = (chance >= difference - slack).double().mean(0)
    spread = chance.std(0, correction=0)
    steady = spread > slack
    if not steady.any():
        return p, 1.0, 0
    scores = (chance - chance.mean(0)) / torch.where(steady, spread, 1.0)
    own = (difference - chance.mean(0)) / torch.where(steady, spread, 1.0)
    scores, own = scores.masked_fill(~steady, -torch.inf), own.masked_fill(~steady, -torch.inf)
    return p, float((scores.amax(1) >= own.max() - 1e-9).double().mean()), int(own.argmax())


def silhouette(
    distances: Float64[Tensor, "layer sentence sentence"], number: Int64[Tensor, " sentence"]
) -> Float64[Tensor, " layer"]:
    """The mean over sentences of (b - a) / max(a, b): a its mean distance to its own sense, b to the nearest other one."""
    member = torch.nn.functional.one_hot(number).double()
    sizes = member.sum(0)
    to = distances @ member  # layer sentence sense
    own = (to * member).sum(-1) / (sizes[number] - 1)
    other = (to / sizes).masked_fill(member.bool(), torch.inf).amin(-1)
    largest = torch.maximum(own, other)
    return torch.where(largest > 0, (other - own) / largest, 0.0).mean(-1)


def nearest(
    distances: Float[Tensor, "layer sentence sentence"], number: Int64[Tensor, " sentence"]
) -> Float64[Tensor, " layer"]:
    """Share of the sentences whose nearest other sentence is of their sense; of several equally near, the share of those."""
    off = distances.double() + torch.diag(torch.full((len(number),), torch.inf, dtype=torch.float64))
    least = off.amin(-1, keepdim=True)
    near = (off <= least + 1e-9 * distances.abs().amax((1, 2), keepdim=True)).double()
    same = (number[:, None] == number).double()
    return ((near * same).sum(-1) / near.sum(-1)).mean(-1)


def _numbered(labels: Sequence[str]) -> Int64[Tensor, " sentence"]:
    order = {label: n for n, label in enumerate(dict.fromkeys(labels))}
    return torch.tensor([order[label] for label in labels])


@final
@dataclass(frozen=True)
class Example:
    """A word of two senses in sentences that ship with the package."""

    name: str
    title: str
    word: str
    sentences: tuple[str, ...]
    labels: tuple[str, ...]
    """The sense of each sentence."""
    needs: str = ""
    """The language that an encoder must read, when English does not do: "zh" for Chinese."""


@cache
def examples() -> dict[str, Example]:
    """The worked examples by name."""
    found = tomllib.loads((files("pellucid") / "data" / "compare_examples.toml").read_text(encoding="utf-8"))
    return {
        name: Example(
            name, entry["title"], entry["word"], tuple(s for group in entry["sense"] for s in group["sentences"]),
            tuple(group["name"] for group in entry["sense"] for _ in group["sentences"]), entry.get("needs", ""),
        )
        for name, entry in found.items()
    }  # fmt: skip


def example(name: str) -> Example:
    """The worked example of that name. KeyError for an unknown one."""
    if name not in examples():
        raise UnknownName(unknown("example", name, examples()))
    return examples()[name]
