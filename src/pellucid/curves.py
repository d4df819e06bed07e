"""Curves of faithfulness: what becomes of an answer as pixels change in the order of a map, and in orders that know nothing.

The curve is that of Samek et al., IEEE TNNLS 2017, https://arxiv.org/abs/1509.06321, who set it against random orders too. Here
are the mathematics and the walk that `deletion`, `insertion` and `road` share.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from statistics import NormalDist
from typing import Annotated, Literal, final

import torch
from jaxtyping import Bool, Float, Float32, Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work, unanswered_notes
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import Images
from pellucid.inputs.perturb import Hide, fill
from pellucid.measurement import LEVEL, Measurement
from pellucid.models.batches import BATCH
from pellucid.models.image import ImageClassifier
from pellucid.models.watch import LIMITS, Watch

LEAST = 5
"""Random orders before a tolerance may stop: fewer are alike by chance too often."""
CHUNK = 3 * BATCH
"""Images built at once, in whole passes, or as many as a pass takes; with torch, those of a pass."""
ROUGH = 0.05
"""What bfloat16 may err in an answer along a curve, as a share of how much the answers of an image vary: see `Watch`. The area
is a mean of all of them, and errs less."""

Null = Literal["shifted", "pixels"]
Read = Literal["probability", "logit"]

StepsOption = Annotated[
    int, Field(ge=1, le=1_000, description="Equal shares of pixels, and so points of the curve after its first.")
]
FillOption = Annotated[Hide, Field(description="What stands in for a pixel: the image blurred, its mean colour, or black.")]
OutputOption = Annotated[
    Read, Field(description="What is read off: the target's probability, or its logit (a contrast shows in the logit only).")
]
ShareOption = Annotated[float, Field(gt=0, le=1, description="How much of the image changes at most; the steps lie within it.")]
OrdersOption = Annotated[int, Field(ge=0, le=1_000, description="Random orders that chance is estimated from; 0: none.")]
NullOption = Annotated[
    Null,
    Field(description="Random orders: shifted is the map itself, moved round the edges and flipped; pixels is a shuffle."),
]
SeedOption = Annotated[int, Field(ge=0, description="Makes the run repeatable: random orders, and the order of pixels alike.")]

Build = Callable[[int, Int64[Tensor, " pixel"], Int64[Tensor, " point"]], Float32[Tensor, "point channel height width"]]
"""Images of a row of the batch, with that many of the first pixels in the order changed."""


# ------------------------------------------------------------------------------------------------ orders and images


def removed(
    features: Float32[Tensor, "channel height width"],
    fill: Float32[Tensor, "channel height width"],
    order: Int64[Tensor, " pixel"],
    counts: Int64[Tensor, " point"],
) -> Float32[Tensor, "point channel height width"]:
    """A copy of the image for each of `counts`: that many of the first pixels in `order` show the fill, the others the image.

    Pixels are numbered row by row. With fill and features exchanged, the first pixels are inserted into the fill.
    """
    kept = ranks(order) >= counts[:, None]
    # subtle: lerp is exact at 0 and at 1, and faster than `where`
    return torch.lerp(fill, features, kept.float().view(-1, 1, *features.shape[1:]))


def ranks(order: Int64[Tensor, " pixel"]) -> Int64[Tensor, " pixel"]:
    """The place of each pixel in the order, from 0."""
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))


def supportive_first(scores: Float32[Tensor, "height width"], generator: torch.Generator) -> Int64[Tensor, " pixel"]:
    """The pixels from the highest score to the lowest; pixels alike in a random order, not by their place."""
    shuffled = torch.randperm(scores.numel(), generator=generator)
    return shuffled[scores.flatten()[shuffled].argsort(descending=True, stable=True)]


def elsewhere(scores: Float32[Tensor, "height width"], generator: torch.Generator) -> Float32[Tensor, "height width"]:
    """The map flipped or not along either axis, then shifted round the edges along both, at least an eighth of the side.

    It keeps every value and its own texture, and loses the place.
    """
    flips, offsets = [], []
    for axis, side in enumerate(scores.shape):
        if torch.rand((), generator=generator) < 0.5:
            flips.append(axis)
        least = -(-side // 8)
        offsets.append(int(torch.randint(least, side - least + 1, (), generator=generator)) if side > 1 else 0)
    return scores.flip(flips).roll(offsets, (0, 1))


def random_order(scores: Float32[Tensor, "height width"], null: Null, generator: torch.Generator) -> Int64[Tensor, " pixel"]:
    """An order that does not know where anything is: see `Null`."""
    if null == "pixels":
        return torch.randperm(scores.numel(), generator=generator)
    return supportive_first(elsewhere(scores, generator), generator)


def fills(inputs: Images, kind: Hide) -> Float32[Tensor, "batch channel height width"]:
    """What stands in for the pixels of each image."""
    whole = torch.zeros(inputs.features.shape[2:], dtype=torch.int64)
    return torch.stack([fill(inputs[n], whole, kind) for n in range(len(inputs))])


def counts_of(pixels: int, steps: int, share: float) -> Int64[Tensor, " point"]:
    """How many pixels have changed at each point of a curve, from none to that share of them, at least one."""
    return torch.tensor([*(round(pixels * share * k / steps) for k in range(steps)), max(1, round(pixels * share))])


def area(curves: Float32[Tensor, "*batch point"], counts: Int64[Tensor, " point"]) -> Float32[Tensor, "*batch"]:
    """The area under each curve by the trapezoid rule over the share of changed pixels, divided by the last share: its mean."""
    widths = counts.diff().double()
    middles = (curves[..., 1:].double() + curves[..., :-1].double()) / 2
    return ((middles * widths).sum(-1) / widths.sum()).float()


# ------------------------------------------------------------------------------------------------ the walk


@final
@dataclass(frozen=True, eq=False)
class Curves:
    """What the network answered along the way; NaN where it was not asked yet, and for an image whose map gives no order."""

    own: Float32[Tensor, "batch point"]
    chance: Float32[Tensor, "batch order point"]
    """Along as many random orders as have been walked."""
    work: Work
    notes: Mapping[str, str]


def walk(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    build: Build,
    counts: Int64[Tensor, " point"],
    known: Mapping[int, Float32[Tensor, " batch"]],
    *,
    output: Read,
    orders: int,
    null: Null,
    seed: int,
    least_first: bool = False,
    remembered: MutableMapping[int, Float32[Tensor, "batch point"]] | None = None,
    built: int = CHUNK,
) -> Iterator[Curves]:
    """The curves of the maps, then those of one random order after the other: a step is a pass of the network, or `built`
    images on the way to one.

    Signed maps go from the largest score to the most negative, unsigned ones by magnitude; `least_first` goes the other way.
    `known` are the answers at counts that every order shares: they are not asked again, and count as one pass an image. Draw 0
    of the seed is left to the caller, draw 1 breaks ties in the map, the others make random orders: the same for every image.
    Shuffled `pixels` know nothing of the map, so that another map has the same curves where all else is the same (model,
    images, target, and whatever is given here but the attribution): `remembered` has those that were walked, by their draw,
    which cost nothing now, and is given the others. It is let alone where answers are not exact or a map has no order.
    """
    maps = attribution.map() if attribution.signed else attribution.map().abs()
    scores = -maps if least_first else maps
    unordered = maps.isnan().flatten(1).any(1)
    rows = (~unordered).nonzero().flatten().tolist()
    distinct, where = counts.unique(return_inverse=True)
    asked = [(row, place) for row in rows for place, count in enumerate(distinct.tolist()) if count not in known]
    if remembered is None or null != "pixels" or len(rows) < len(inputs):
        remembered = {}

    def generator(draw: int) -> torch.Generator:
        return torch.Generator().manual_seed(draw_seed(seed, draw))

    def curve(order: Callable[[int], Tensor]) -> Iterator[Tensor]:
        nonlocal walked
        answers = torch.full((len(inputs), len(distinct)), torch.nan)
        for place, count in enumerate(distinct.tolist()):
            if count in known:
                answers[rows, place] = known[count][rows]
        for start in range(0, len(asked), together):
            part = asked[start : start + together]
            owners, places = torch.tensor(part).unbind(1)
            images: list[Tensor] = []
            for row, points in groupby(part, key=lambda one: one[0]):
                for some in distinct[[place for _, place in points]].split(built):
                    if images:
                        yield answers[:, where]
                    images.append(build(row, order(row), some))
            answers[owners, places] = watch(torch.cat(images), owners)
            walked += len(part)
            yield answers[:, where]
        if not asked:
            yield answers[:, where]

    def so_far(own: Tensor, chance: Tensor) -> Curves:
        ends = len(known) * len(inputs)
        done, planned = ends + walked + recalled * len(asked), ends + (1 + orders) * len(asked)
        work = Work(ends + walked + watch.asked_twice, 0, done / planned if planned and rows else 1.0)
        missing = unanswered_notes(int(own[rows].isnan().any(1).sum()), len(inputs))
        return Curves(own, chance, work, unordered_names | watch.notes | missing)

    batch = model.batches.images
    together = batch if model.engine == "torch" else max(1, CHUNK // batch) * batch
    watch = Watch(model, inputs.features, attribution.target, output, limits=dict.fromkeys(LIMITS, ROUGH))
    unordered_names = unordered_notes(inputs.names, unordered)
    walked = recalled = 0
    own = torch.full((len(inputs), len(counts)), torch.nan)
    chance = own.new_empty(len(inputs), 0, len(counts))
    for own in curve(lru_cache(maxsize=1)(lambda row: supportive_first(scores[row], generator(1)))):
        yield so_far(own, chance)
    for draw in range(2, 2 + orders if rows else 2):
        another = remembered.get(draw) if watch.exact else None
        if another is None:
            another = torch.full_like(own, torch.nan)
            order = lru_cache(maxsize=1)(lambda row, draw=draw: random_order(scores[row], null, generator(draw)))
            for another in curve(order):
                if another[rows].isnan().any():
                    yield so_far(own, chance)
            if watch.exact:
                remembered[draw] = another
        else:
            recalled += 1
        chance = torch.cat([chance, another[:, None]], 1)
        yield so_far(own, chance)


def unordered_notes(names: Sequence[str], unordered: Bool[Tensor, " batch"]) -> dict[str, str]:
    """Why these images have no value."""
    those = [name for name, lost in zip(names, unordered.tolist(), strict=True) if lost]
    return {"no value": f"{', '.join(those)}: its map holds NaN, which has no place in an order"} if those else {}


def exchanged(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    start: Float32[Tensor, "batch channel height width"],
    end: Float32[Tensor, "batch channel height width"],
    *,
    higher_is_better: bool,
    steps: int,
    share: float,
    output: Read,
    orders: int,
    null: Null,
    seed: int,
    remembered: MutableMapping[int, Float32[Tensor, "batch point"]] | None = None,
) -> Iterator[Measurement]:
    """Areas under the curves on the way from `start` to `end`, pixel by pixel in the order of the map: see `deletion`."""
    pixels = start[0, 0].numel()
    counts = counts_of(pixels, steps, share)
    known = {0: model.values(start, attribution.target, output)}
    if int(counts[-1]) == pixels:
        known[pixels] = model.values(end, attribution.target, output)

    def build(row: int, order: Tensor, points: Tensor) -> Tensor:
        return removed(start[row], end[row], order, points)

    steps_taken = walk(
        model, inputs, attribution, build, counts, known,
        output=output, orders=orders, null=null, seed=seed, remembered=remembered,
    )  # fmt: skip
    for curves in steps_taken:
        yield reading(curves, partial(area, counts=counts), higher_is_better=higher_is_better)


# ------------------------------------------------------------------------------------------------ what the curves say


def reading(
    curves: Curves, summary: Callable[[Float[Tensor, "*batch point"]], Float32[Tensor, "*batch"]], *, higher_is_better: bool
) -> Measurement:
    """One number a curve, and where the map's own stands among those of random orders.

    `advantage` is how much better the map does than the mean of the random orders, above 0 being better whatever the
    direction, and its interval is a prediction interval: that of the difference, were the map one more random order. Above 0
    as a whole, it says that a random order would hardly do as well. `p` is the share of orders, the map's among them, that do
    at least as well. One random order has no spread: the limits are NaN.

    The value is exact, so the error is that of `advantage`: half the 95 % confidence interval of the mean of the random
    orders, infinite until there are `LEAST` of them, which is where their spread can be told.
    """
    values = summary(curves.own)
    nulls = summary(curves.chance).double()
    n = nulls.shape[1]
    unknown = torch.full_like(values, torch.inf)
    if not n:
        error = unknown if curves.work.fraction < 1 else torch.zeros_like(values)
        return Measurement(values, values, values, curves.work, extras={"curve": curves.own}, notes=curves.notes, error=error)
    sign = 1 if higher_is_better else -1
    mean = nulls.mean(1)
    deviation = nulls.std(1) if n > 1 else torch.full_like(mean, torch.nan)
    spread = NORMAL * deviation
    advantage = sign * (values.double() - mean)
    margin = student(n - 1) * deviation * (1 + 1 / n) ** 0.5
    as_good = (sign * (nulls - values.double()[:, None]) >= 0).sum(1)
    p = torch.where(values.isnan(), torch.nan, (1 + as_good) / (n + 1))
    extras = {
        "curve": curves.own,
        "chance_curves": curves.chance,
        "advantage": advantage.float(),
        "advantage_low": (advantage - margin).float(),
        "advantage_high": (advantage + margin).float(),
        "p": p.float(),
    }
    low, high = (mean - spread).float(), (mean + spread).float()
    error = (student(n - 1) * deviation / n**0.5).float() if n >= LEAST or curves.work.fraction == 1 else unknown
    return Measurement(
        values,
        values,
        values,
        curves.work,
        mean.float(),
        low,
        high,
        extras,
        curves.notes,
        error=error.nan_to_num(torch.inf, torch.inf),
    )


NORMAL = NormalDist().inv_cdf((1 + LEVEL) / 2)


@lru_cache
def student(freedom: int) -> float:
    """Student's t within which `LEVEL` lies; NaN without a degree of freedom."""
    from scipy.special import stdtrit  # late: a slow import

    return float(stdtrit(freedom, (1 + LEVEL) / 2)) if freedom else float("nan")
