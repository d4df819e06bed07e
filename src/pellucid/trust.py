"""How far an explanation can be trusted: one small, fixed set of evidence on every map, and its plain verdict (`evidence`)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from pellucid.again import again, again_or_by_torch, check_explained, with_targets
from pellucid.attribution import Attribution, Work
from pellucid.curves import Read, exchanged, fills
from pellucid.evidence import Evidence, Trust, judged, unaccounted
from pellucid.inputs.baselines import blurred
from pellucid.inputs.image import Images
from pellucid.measurement import Interval
from pellucid.methods import methods, owes_to_chance
from pellucid.metrics.seed_stability import other_seed
from pellucid.models.digest import digest
from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.learned import order
from pellucid.models.load import load_classifier
from pellucid.models.randomized import PICTURES, randomized
from pellucid.models.remembered import Memory
from pellucid.ranks import spearman
from pellucid.stream import drain

FLOOR = 120
"""Network passes an image that the evidence may cost, however cheap the explanation was; a gradient counts as three."""
STEPS = 10
"""Of the deletion curve."""
ORDERS = (9, 19)
"""Random orders that it is compared with: at least, and at most."""
REPEATS = 0.5
"""A second run on the same network is taken to agree at least so much: below, its agreement is too uncertain to divide by, and
chance alone would tell that a map of a few superpixels does not depend on the model."""
DISTANCE = 0.02
"""Standard deviation of the blur that stands for looking from a distance, as a share of the short side."""

WORTH_PREPARING = 200
"""Passes from which on a prepared copy of a network pays."""


def trust(
    model: ImageClassifier | str | Path,
    source: Any,
    attribution: Attribution,
    *,
    budget: int | float = 1.0,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Trust:
    """The evidence on each map and its verdict; `source` must be the images that were explained.

    It costs at most `budget` times what the explanation cost, or 120 network passes an image where that is more: the method
    runs again with another seed and on a network with random weights, both times with as few samples as the budget asks for,
    and deletion curves take what is left. Random draws come from `seed`. What does not depend on the map, the network with
    random weights and the curves of random orders, is kept for as long as it can be seen that nothing of the network changed:
    evidence on another map of the same images is what it would be alone, and `work` is less. `progress` is told the share that
    is done after every batch of work; what it raises ends the work. ValueError for scores that no method made, and for images
    that are not those that were explained.
    """
    model = model if isinstance(model, ImageClassifier) else load_classifier(model)
    model.check_mode()
    images = model.read(source)
    check_explained(images, attribution)
    attribution = with_targets(model, images, attribution)
    if not budget > 0:
        raise ValueError(f"budget is {budget}; it is a multiple of the explanation's own cost, above 0")
    asked = model.rather_than(attribution.against)
    plan = planned(attribution, budget)
    changed = dict(plan.options)
    second = None
    if attribution.seed is not None and owes_to_chance(attribution):
        changed["seed"] = other_seed(attribution.seed, seed)
        second = drain(again(asked, images, attribution, **changed), lambda a: progress(0.2 * a.work.fraction))
    progress(0.2)
    # subtle: a copy for so few passes would take longer to prepare than it saves
    pays = passes(attribution.work) * plan.share > WORTH_PREPARING
    memory = asked.memory
    weightless, weights, made = _weightless(memory, asked, seed, pays, asked.engine if pays else "torch")
    other = drain(
        again_or_by_torch(weightless, images, attribution, **changed), lambda a: progress(0.2 + 0.2 * a.work.fraction)
    )
    progress(0.4)
    output: Read = "logit" if attribution.against is not None else "probability"
    curves = exchanged(
        asked, images, attribution, images.features, fills(images, "blur"), higher_is_better=False, steps=STEPS, share=1.0,
        output=output, orders=plan.orders, null="pixels", seed=seed,
        remembered=_walked(memory, asked, images, attribution, output, seed),
    )  # fmt: skip
    m = drain(curves, lambda step: progress(0.4 + 0.6 * step.work.fraction))
    progress(1.0)
    runs = [run.work for run in (second, other) if run is not None] + [m.work, made]
    work = Work(sum(one.forwards for one in runs), sum(one.backwards for one in runs), 1.0)
    own = torch.ones(len(images)) if second is None else spearman(attribution.map(), second.map())
    flat, none_left = ((maps.amax((1, 2)) == maps.amin((1, 2))) for maps in (attribution.map(), other.map()))
    randomised = spearman(attribution.map(), other.map()).abs() / own.clamp(min=REPEATS)
    randomised[none_left & ~flat] = 0.0
    distance = DISTANCE * min(images.features.shape[2:])
    seeds = None if second is None else correlation(far(attribution.map(), distance), far(second.map(), distance))
    curve = m.extras["curve"]
    found: list[Evidence] = []
    for n in range(len(images)):
        limits = ("advantage", "advantage_low", "advantage_high")  # which a map that gives no order does not have
        advantage = Interval(*(float(m.extras[name][n]) if name in m.extras else math.nan for name in limits))
        worth = float(curve[n, 0] - curve[n, -1])
        settled = None if seeds is None else at_full_length(float(seeds[n]), plan.times)
        error = float(attribution.error[n])
        incomplete = unaccounted(error, attribution.error_name)
        verdict = judged(
            advantage, worth, float(randomised[n]), settled, output == "probability", weights, incomplete, bool(flat[n])
        )
        if error == math.inf:  # a map that was never begun
            verdict = "has not settled"
        found.append(
            Evidence(
                verdict=verdict,
                error=error,
                error_name=attribution.error_name,
                seeds=settled,
                advantage=advantage,
                worth=worth,
                randomised=float(randomised[n]),
                order=weights,
                cost=attribution.work,
            )
        )
    return Trust(tuple(found), work)


def _weightless(
    memory: Memory, model: ImageClassifier, seed: int, prepare: bool, engine: Engine
) -> tuple[ImageClassifier, float, Work]:
    """The network with random weights, the order of its own, and what making both cost now."""
    last = memory.kept("weightless", dict)  # one: a network is large
    cost = Work(0, 0, 1.0)
    if seed not in last:
        drawn = randomized(replace(model.on("torch"), against=None), seed)
        last.clear()
        last[seed] = drawn, order(model.module)
        cost = Work(2 * PICTURES, 0, 1.0)
    drawn, own = last[seed]
    if (prepare, engine) not in last:
        last[prepare, engine] = replace(drawn, prepare=prepare, engine=engine)
    return last[prepare, engine].rather_than(model.against), own, cost


def _walked(
    memory: Memory, model: ImageClassifier, images: Images, attribution: Attribution, output: Read, seed: int
) -> dict[int, Float32[Tensor, "batch point"]]:
    """Curves of random orders, by their draw, that another map of these images was compared with."""
    about = (output, model.against, model.engine, seed, tuple(attribution.target.tolist()))
    return memory.kept(("random orders", digest([("", images.features)]), *about), dict)


@dataclass(frozen=True)
class Plan:
    """How the evidence stays within its budget."""

    options: Mapping[str, Any]
    """Of the method's own runs."""
    orders: int
    share: float
    """Of the explanation's work, each of them about."""
    times: float
    """How many times as much work the explanation itself was."""


def planned(attribution: Attribution, budget: int | float) -> Plan:
    """Deletion curves with as many random orders as there is room for, at least nine; the rest goes to the method's runs."""
    each = passes(attribution.work) / max(1, len(attribution))
    runs = 2 if owes_to_chance(attribution) else 1
    room = max(FLOOR, budget * each)
    least = _curves(ORDERS[0]) + 2 * PICTURES / max(1, len(attribution))
    share = min(1.0, (room - least) / (runs * each)) if each else 1.0
    orders = ORDERS[0] + int((room - least - runs * each * share) // (STEPS - 1))
    options = lighter(attribution, share)
    kept = next((float(options[n]) / float(attribution.options[n]) for n in ("samples", "steps") if n in options), 1.0)
    return Plan(options, min(ORDERS[1], orders), share, max(1.0, attribution.work.fraction / kept))


def _curves(orders: int) -> int:
    """Passes an image of the deletion curves."""
    return 2 + (STEPS - 1) * (orders + 1)


def passes(work: Work) -> int:
    """Network passes, a gradient counted as two more than the forward pass that it needs."""
    return work.forwards + 2 * work.backwards


def lighter(attribution: Attribution, share: float) -> dict[str, Any]:
    """Options with which the method does about that share of its work."""
    if share >= 1 or attribution.method not in methods:
        return {}
    options, fields = attribution.options, methods[attribution.method].options.model_fields
    for name in ("samples", "steps"):
        if name in options:
            least = next((int(m.ge) for m in fields[name].metadata if hasattr(m, "ge")), 1)
            done = float(options[name]) * max(attribution.work.fraction, 1e-9)
            return {name: max(least, math.floor(done * share))}
    if {"stride", "window"} <= attribution.notes.keys():  # squares: half as many along either side are a quarter in all
        window, stride = (int(attribution.notes[name]) for name in ("window", "stride"))
        return {"window": window, "stride": min(window, math.ceil(stride / share**0.5))}
    return {}


def correlation(
    one: Float32[Tensor, "batch height width"], other: Float32[Tensor, "batch height width"]
) -> Float32[Tensor, " batch"]:
    """Pearson's, of each pair of maps; NaN where one is constant."""
    a, b = ((maps - maps.mean((1, 2), keepdim=True)).flatten(1).double() for maps in (one, other))
    return ((a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()).float()


def at_full_length(seen: float, times: int | float) -> float:
    """What two long runs' correlation is, where a long and a `times` shorter one have this.

    Of one signal under independent noise of variance q in the long run and `times` q in the short one, the correlation is
    1 / sqrt((1 + q) (1 + times q)), and between two long ones 1 / (1 + q).
    """
    if not 0 < seen < 1:
        return seen
    half = (1 + times) / (2 * times)
    q = -half + math.sqrt(half**2 + (1 / seen**2 - 1) / times)
    return 1 / (1 + q)


def far(maps: Float32[Tensor, "batch height width"], sigma: float) -> Float32[Tensor, "batch height width"]:
    """The maps as seen from a distance."""
    return blurred(maps[:, None], sigma)[:, 0]
