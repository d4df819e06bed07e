"""An attribution computed again, on other images or another network: what evidence of stability compares it with."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import torch

from pellucid.attribution import UNKNOWN, Attribution
from pellucid.groups import repeated
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.image import ImageClassifier


def again(
    model: ImageClassifier, inputs: Images, attribution: Attribution, **changed: Any
) -> Generator[Attribution, None, None]:
    """The same method with the same targets and options, but for those `changed`, and as many steps of its stream.

    ValueError for scores that no method made, which cannot be made again.
    """
    if not attribution.method:
        raise ValueError("these scores were made by hand; this metric runs the method again, so it needs one of pl.methods")
    method = methods[attribution.method]
    options = {**attribution.options, **changed}
    for answer in repeated(method, model, inputs, attribution.target, options, attribution):
        yield replace(answer, view=attribution.view, against=attribution.against)


def again_or_by_torch(
    model: ImageClassifier, inputs: Images, attribution: Attribution, **changed: Any
) -> Generator[Attribution, None, None]:
    """`again`, by torch where the model's engine does not take it: rounding may grow with random weights."""
    try:
        yield from again(model, inputs, attribution, **changed)
    except ValueError:
        if model.engine == "torch":
            raise
        yield from again(model.on("torch"), inputs, attribution, **changed)


def with_targets(model: ImageClassifier, images: Images, attribution: Attribution) -> Attribution:
    """The attribution with the class that is predicted now, where the time was up before one was."""
    unknown = attribution.target == UNKNOWN
    if not unknown.any():
        return attribution
    return replace(attribution, target=torch.where(unknown, model.targets(images), attribution.target))


def check_explained(images: Images, attribution: Attribution) -> None:
    """ValueError where these cannot be the images that were explained."""
    if len(images) != len(attribution):
        raise ValueError(f"{len(images)} images, and an attribution of {len(attribution)}; give the images that were explained")
    if attribution.scores.shape[2:] != images.features.shape[2:]:
        sizes = [" x ".join(map(str, one.shape[2:])) for one in (attribution.scores, images.features)]
        raise ValueError(f"the attribution is of {sizes[0]} px, and the network reads {sizes[1]}; it is of another network")
