"""Planted truth: small networks, trained here and now on pictures made here, whose reason for an answer is known.

A map can then be graded against the pixels that decide, which no photograph allows. The reason is not assumed but proved, image
by image: see `Evidence`.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType
from typing import final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from pellucid.inputs.augment import generator
from pellucid.inputs.image import Images
from pellucid.models.image import ImageClassifier
from pellucid.planted.evidence import Evidence, evidence
from pellucid.planted.network import MEAN, STD, examples, network, redrawn, trained
from pellucid.planted.rules import RULES, Rule
from pellucid.planted.scenes import SIDE, Scenes
from pellucid.registry import UnknownName, unknown

__all__ = ["Evidence", "Plant", "Scenes", "plant", "plants"]

IMAGES = 16
"""Of a plant."""
TRIED = 100
"""Rightly answered pictures at most for which the evidence is gathered."""
HELD_OUT = 250
"""Scenes on which the accuracy is measured, each of them as it is and as another class."""
CONTROLS = 3
"""Networks with random weights."""
WEIGHTS, LESSONS, TEST = range(3)
"""What a seed is spent on."""


@final
@dataclass(frozen=True, eq=False)
class Plant:
    """A network, images that it answers rightly, and the pixels for which it does."""

    name: str
    description: str
    """What decides, in a plain sentence."""
    model: ImageClassifier
    controls: tuple[ImageClassifier, ...]
    """The same network with its weights drawn anew: they know nothing of the rule."""
    images: Images
    scenes: Scenes
    """The images as they were made, each beside what it would be without its cause."""
    accuracy: float
    """On pictures that it was not trained on, as many with the cause as without."""
    evidence: Evidence
    """That the network answers these images by the pixels in the mask and by nothing else."""
    share: float
    """Of pictures that it was not trained on and answers rightly: how many it answers so. The images are from among these, for
    of the others it is not known what decided."""

    @property
    def target(self) -> Int64[Tensor, " batch"]:
        """The class of each image."""
        return self.scenes.target

    @property
    def mask(self) -> Bool[Tensor, "batch height width"]:
        """The pixels that hold the cause."""
        return self.scenes.mask


@contextmanager
def _undisturbed() -> Generator[None, None, None]:
    """Torch's random numbers, threads and modes are afterwards what they were, and do not matter inside.

    One thread gives the same bits however many there are, and on maps this small is no slower.
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def grown_from(rule: Rule, seed: int = 0) -> Plant:
    """A plant of this rule, trained from this seed.

    ValueError for a negative seed; RuntimeError where the network did not learn to answer by the planted cause.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; at least 0")
    with _undisturbed():
        lessons, test = generator(seed, LESSONS), generator(seed, TEST)
        features, _ = examples(rule.draw(lessons, HELD_OUT // 2), lessons)
        first, *controls = (redrawn(network(rule), features, generator(seed, WEIGHTS, n)) for n in range(1 + CONTROLS))
        model, *controls = (_classifier(rule, module) for module in (trained(rule, first, lessons), *controls))
        scenes = rule.draw(test, HELD_OUT)
        features, target = examples(scenes, test)
        right = model.logits(features).argmax(1) == target
        scenes = scenes[right[:HELD_OUT].nonzero()[:TRIED, 0]]
        found = evidence(model, scenes, test)
        kept = found.holds.nonzero()[:IMAGES, 0]
        if len(kept) < IMAGES:
            raise RuntimeError(
                f"the network of {rule.name!r} answers only {len(kept)} of {len(scenes)} images by the planted cause, "
                f"{IMAGES} are needed; take another seed than {seed}"
            )
        images = model.read(list(scenes[kept].values))
        return Plant(
            name=rule.name,
            description=rule.description,
            model=model,
            controls=tuple(controls),
            images=replace(images, names=tuple(f"{rule.name} {n}" for n in range(IMAGES))),
            scenes=scenes[kept],
            accuracy=float(right.float().mean()),
            evidence=found[kept],
            share=found.share,
        )


def _classifier(rule: Rule, module: torch.nn.Module) -> ImageClassifier:
    return ImageClassifier(module.requires_grad_(False), size=(SIDE, SIDE), mean=MEAN, std=STD, labels=rule.labels)


@cache
def _grown(name: str, seed: int = 0) -> Plant:
    return grown_from(RULES[name], seed)


plants: Mapping[str, Callable[[int], Plant]] = MappingProxyType({name: partial(_grown, name) for name in RULES})
"""What trains each plant from a seed; the same seed gives the same weights and images. A few seconds each, once a process."""


def plant(name: str, seed: int = 0) -> Plant:
    """A plant by name, trained from this seed. KeyError for a name that there is not, ValueError for a negative seed,
    RuntimeError where the network did not learn to answer by the planted cause."""
    if name not in plants:
        raise UnknownName(unknown("plant", name, plants))
    return plants[name](seed)
