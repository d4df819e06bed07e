"""How far an explanation can be trusted: one small, fixed set of evidence on every map, and its plain verdict.

The tests are those of Samek et al. 2017 (deletion against random orders, https://arxiv.org/abs/1509.06321) and of Adebayo et
al., NeurIPS 2018 (randomised weights, https://arxiv.org/abs/1810.03292); the verdict and its thresholds are ours.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, final
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from pellucid.again import again, check_explained
from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import blurred
from pellucid.measurement import Interval
from pellucid.methods import methods, owes_to_chance
from pellucid.metrics.deletion import deletion
from pellucid.metrics.seed_stability import other_seed
from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.learned import order
from pellucid.models.load import load_classifier
from pellucid.models.randomized import PICTURES, randomized
from pellucid.models.unchanged import Values
from pellucid.ranks import spearman
from pellucid.stream import drain

Verdict = Literal[
    "does not depend on the model", "no better than random", "little to explain", "has not settled", "holds up"
]  # fmt: skip

FLOOR = 120
"""Network passes an image that the evidence may cost, however cheap the explanation was; a gradient counts as three."""
STEPS = 10
"""Of the deletion curve."""
ORDERS = (9, 19)
"""Random orders that it is compared with: at least, and at most."""
SAME = 0.9
"""Rank correlation with the map of a randomised network from which on the map does not depend on the model."""
MUCH = 0.6
"""The same from which on much of the map is the picture's, and is said to be."""
WORTH = 0.05
"""What a map must gain over random orders, as a share of what all the picture is worth to the answer."""
ANSWERS = 1 / 3
"""How much of the target's probability must come from the picture, for there to be something to explain."""
LEARNED = 6.0
"""Order of a network's weights below which it has learned nothing, so that a map may be faithful to it and yet explain nothing.
Weights redrawn or fresh stayed below 4, and networks trained for seconds were above 11."""
REPEATS = 0.5
"""A second run on the same network is taken to agree at least so much: below, its agreement is too uncertain to divide by, and
chance alone would tell that a map of a few superpixels does not depend on the model."""
SETTLED = 0.5
"""Correlation with a run of another seed, both seen from a distance, below which a map has not settled: of scores, not of
ranks, since one sees what is strong."""
NOISE = 0.2
"""The same correlation below which a map is noise: what it gains over random orders is luck then."""
COUNTS = ("completeness gap", "share still missing")
"""Errors that say how much of the map is not accounted for, rather than how far it may be from the one of endless samples,
which a second run tells better."""
UNACCOUNTED = 0.5
"""Such an error from which on a map has not settled."""
DISTANCE = 0.02
"""Standard deviation of the blur that stands for looking from a distance, as a share of the short side."""

WORTH_PREPARING = 200
"""Passes from which on a prepared copy of a network pays."""

SENTENCES: Mapping[Verdict, tuple[str, str]] = {
    "does not depend on the model": (
        "A network with random weights gets nearly the same map: it shows the picture, not what the network makes of it.",
        "Do not read it as an explanation; take a method whose map changes with the weights, such as integrated_gradients.",
    ),
    "no better than random": (
        "Removing the pixels that it ranks first hurts the answer no more than removing pixels elsewhere.",
        "Do not rely on it; try another method, and see whether that one finds places that matter.",
    ),
    "little to explain": (
        "Less than a third of the class's probability comes from the picture: blurred beyond recognition, it keeps the rest.",
        "Ask about a class that the network is surer of, or look into the network before its explanations.",
    ),
    "has not settled": (
        "Another seed draws another map: what one sees is to a good part chance.",
        "Raise the number of samples, or give a tolerance, and look again.",
    ),
    "holds up": (
        "It changes with the weights, repeats, and the pixels that it ranks first matter more to the answer than others do.",
        "It passed these tests, which is not proof: look at a second method before you act on it.",
    ),
}
NOISY = (
    "Another seed draws a map that has next to nothing in common with it: what it gains over random orders is luck.",
    "Do not rely on it; take many more samples or another method, and see whether that one repeats.",
)
"""Of a map that is no better than random since it does not repeat."""
EMPTY = (
    "All of its values are the same: it shows nothing.",
    "Nothing was found that speaks for this class; take another layer or method, or one that keeps what speaks against it.",
)
"""Of a map without any difference in it."""
HARDLY = (
    "Removing the pixels that it ranks first hurts the answer hardly more than removing pixels elsewhere: by less than a "
    "twentieth of what the whole picture is worth to it.",
    "Do not rely on it; try another method, and see whether that one finds places that matter.",
)
"""Of a map that is no better than random by so little that it could not be told by chance."""
PARTLY = (
    "It repeats, and the pixels that it ranks first matter more to the answer than others do; but much of it is there with "
    "random weights too: so far it shows the picture, not what the network makes of it.",
    "Look at a method whose map changes more with the weights before you act on it.",
)
"""Of a map that holds up, with much of it left with random weights."""
UNLEARNED = (
    "The network's weights are in no more order than weights drawn at random: it has learned nothing that a map could show.",
    "See whether its weights were loaded: a checkpoint whose names do not fit may be passed over without a word.",
)
"""Of a map on such a network, with little to explain for that reason."""


@final
@dataclass(frozen=True)
class Evidence:
    """What was found out about the map of one image."""

    verdict: Verdict
    error: float
    """The method's own estimate, as `error_name` says."""
    error_name: str
    seeds: float | None
    """Correlation with a run of another seed, both blurred a little, as runs of full length would have it; None for methods
    without chance, which repeat."""
    advantage: Interval
    """How much lower the area under the deletion curve is than under random orders of pixels, in the target's probability, or
    its logit where classes were contrasted; with its 95 % interval."""
    worth: float
    """By how much the same output falls when all of the picture is blurred."""
    randomised: float
    """Rank correlation with the map on a network with random weights, in either direction, in units of what a second run on the
    same network reaches: 1 does not depend on the model, 0 has nothing left of it. NaN for a map whose values are all the
    same."""
    order: float
    """How much more order the network's weights have than weights drawn at random, in standard errors (`models.learned`)."""
    cost: Work
    """Of the explanation, for all of its images."""

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        return self._words[0]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self._words[1]

    @property
    def _words(self) -> tuple[str, str]:
        if self.verdict == "no better than random":
            if math.isnan(self.randomised):
                return EMPTY
            if is_noise(self.seeds):
                return NOISY
            return HARDLY if self.advantage.low > 0 else SENTENCES[self.verdict]
        if self.verdict == "little to explain" and self.order < LEARNED:
            return UNLEARNED
        if self.verdict == "has not settled" and unaccounted(self.error, self.error_name):
            return (
                f"By its own count half of it or more is missing or wrong: its {self.error_name} is {self.error:.2g}.",
                "Let it take more steps, or give a tolerance, and look again.",
            )
        return PARTLY if self.verdict == "holds up" and self.randomised >= MUCH else SENTENCES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sentence": self.sentence, "advice": self.advice}


@final
@dataclass(frozen=True)
class Trust:
    """The evidence on an attribution, image by image."""

    evidence: tuple[Evidence, ...]
    work: Work
    """What gathering it cost, for all images."""

    def __len__(self) -> int:
        return len(self.evidence)

    def __getitem__(self, index: int) -> Evidence:
        return self.evidence[index]

    @property
    def worst(self) -> Evidence:
        """The first of those with the least favourable verdict."""
        order = list(SENTENCES)
        return min(self.evidence, key=lambda one: order.index(one.verdict))

    @property
    def verdict(self) -> Verdict:
        return self.worst.verdict

    @property
    def sentence(self) -> str:
        return self.worst.sentence

    @property
    def advice(self) -> str:
        return self.worst.advice


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
    and deletion curves take what is left. Random draws come from `seed`. `progress` is told the share that is done after every
    batch of work; what it raises ends the work. ValueError for scores that no method made, and for
    images that are not those that were explained.
    """
    model = model if isinstance(model, ImageClassifier) else load_classifier(model)
    model.check_mode()
    images = model.read(source)
    check_explained(images, attribution)
    if not budget > 0:
        raise ValueError(f"budget is {budget}; it is a multiple of the explanation's own cost, above 0")
    asked = model.rather_than(attribution.against)
    plan = planned(attribution, budget)
    changed = dict(plan.options)
    second = None
    if attribution.seed is not None and owes_to_chance(attribution):
        changed["seed"] = other_seed(attribution.seed, seed)
        second = again(asked, images, attribution, progress=lambda a: progress(0.2 * a.work.fraction), **changed)
    progress(0.2)
    # subtle: a copy for so few passes would take longer to prepare than it saves
    pays = passes(attribution.work) * plan.share > WORTH_PREPARING
    weightless, weights, made = _weightless.of(asked, seed, pays, asked.engine if pays else "torch")
    other = again(weightless, images, attribution, progress=lambda a: progress(0.2 + 0.2 * a.work.fraction), **changed)
    progress(0.4)
    output = "logit" if attribution.against is not None else "probability"
    curves = deletion.stream(
        asked, images, attribution, steps=STEPS, orders=plan.orders, null="pixels", output=output, seed=seed
    )
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
        verdict = judged(advantage, worth, float(randomised[n]), settled, output == "probability", weights, incomplete)
        if flat[n]:
            verdict = "no better than random"
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


class _Weightless:
    """What the next map of the same network is asked with too, since it takes a while: the network with random weights that was
    asked last, and the order of its own."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[nn.Module, tuple[Any, Values, ImageClassifier, float]] = WeakKeyDictionary()

    def of(self, model: ImageClassifier, seed: int, prepare: bool, engine: Engine) -> tuple[ImageClassifier, float, Work]:
        """Both, and what making them cost now."""
        module = model.module
        wanted = (seed, prepare, engine, model.against, model.size, model.mean, model.std)
        kept = self._kept.get(module)
        if kept is not None and kept[0] == wanted and kept[1].hold():
            return kept[2], kept[3], Work(0, 0, 1.0)
        made = replace(randomized(model.on("torch"), seed), prepare=prepare, engine=engine)
        own = order(module)
        self._kept[module] = wanted, Values([*module.parameters(), *module.buffers()]), made, own
        return made, own, Work(2 * PICTURES, 0, 1.0)


_weightless = _Weightless()


def is_noise(seeds: float | None) -> bool:
    """Whether a map that agrees so little with a run of another seed is all chance. One that cannot be told is."""
    return seeds is not None and not seeds >= NOISE


def unaccounted(error: float, name: str) -> bool:
    """Whether half of the map or more is still missing or wrong by its own count. What cannot be told is."""
    return name in COUNTS and not error < UNACCOUNTED


def judged(
    advantage: Interval,
    worth: float,
    randomised: float,
    seeds: float | None,
    probability: bool,
    weights: float,
    incomplete: bool = False,
) -> Verdict:
    """The first of the verdicts that the evidence calls for. Whatever cannot be told counts against the map."""
    if not randomised < SAME:
        return "does not depend on the model"
    if probability and abs(worth) < WORTH:  # nothing that is removed makes a difference, so no order can
        return "little to explain"
    if is_noise(seeds) or not (advantage.low > 0 and advantage.value >= WORTH * abs(worth)):
        return "no better than random"
    if (probability and not worth >= ANSWERS) or weights < LEARNED:
        return "little to explain"
    if incomplete or (seeds is not None and not seeds >= SETTLED):
        return "has not settled"
    return "holds up"


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
