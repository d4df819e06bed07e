"""Max-sensitivity. Yeh, Hsieh, Suggala, Inouye and Ravikumar, NeurIPS 2019, https://arxiv.org/abs/1901.09392, definition 2.2"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Annotated

import torch
from jaxtyping import Float32
from pydantic import Field
from torch import Tensor

from pellucid.again import again
from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import Images, to_pixels
from pellucid.measurement import Measurement, unanswered, unfinished_notes
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier


@metrics.register(higher_is_better=False, unit="relative change of the scores")
def max_sensitivity(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    samples: Annotated[int, Field(ge=1, le=1000, description="Neighbours of each image that are explained.")] = 10,
    radius: Annotated[
        float, Field(gt=0, le=1, description="How far each value may be from the image's, as a share of its value range.")
    ] = 0.02,
    seed: Annotated[int, Field(ge=0, description="Makes the neighbours repeatable.")] = 0,
) -> Iterator[Measurement]:
    """The largest change of the scores between the image and neighbours that look the same: 0, none; 1, as large as the scores.

    Of the Euclidean distance |scores(x + d) - scores(x)| / |scores(x)| over draws of d, uniform within `radius` of every
    value. The neighbours are explained by the same method with the same target, options and seed. The largest of a few draws
    is a lower bound of the largest there is, and grows with `samples`; no interval is claimed, so low and high equal the
    value, and no tolerance stops it before all are drawn; an unfinished map counts only as long as there is no other. `extras`
    hold all `changes`, `batch sample`, and their `mean`, which does not grow.

    A map that ignores the image is perfectly stable: this says nothing of whether it is right.

    The paper's definition has no denominator and asks for all of a ball; values of methods with different units could not be
    compared then. A neighbour's pixels are its values rounded to bytes: superpixels and edges are those of what a person would
    see. NaN for scores that are 0 everywhere, or that cannot be made again.
    """
    changes = torch.zeros(len(inputs), 0)
    work = Work(0, 0, 0.0)
    latest = unanswered(len(inputs), work)
    other = attribution  # of a stream there is at least one
    for draw in range(samples):
        try:
            for other in again(model, neighbours(inputs, radius, draw_seed(seed, draw)), attribution):
                done = work.and_of(other.work, (draw + other.work.fraction) / samples)
                if draw == 0:
                    latest = measured(changed(attribution, other), inf, other.work.fraction)
                yield replace(latest, work=done)
        except (ValueError, KeyError) as error:
            nothing = torch.full((len(inputs),), torch.nan)
            yield Measurement(nothing, nothing, nothing, replace(work, fraction=1.0), notes={"no value": str(error)})
            return
        changes = torch.cat([changes, changed(attribution, other)], 1)
        work = work.and_of(other.work, (draw + 1) / samples)
        latest = measured(changes, inf if draw + 1 < samples else 0.0)
        yield replace(latest, work=work)


def changed(before: Attribution, after: Attribution) -> Float32[Tensor, "batch 1"]:
    """How far the scores are apart, as a share of the length of those before; NaN where these are 0 everywhere."""
    norm = before.scores.double().flatten(1).norm(dim=1)
    distance = (after.scores.double() - before.scores.double()).flatten(1).norm(dim=1)
    return torch.where(norm > 0, distance / norm, torch.nan)[:, None].float()


def measured(changes: Float32[Tensor, "batch sample"], unsure: float, done: float = 1.0) -> Measurement:
    """The largest change, which may be off by as much as it is `unsure`; `done` is the share of the last map that is."""
    largest = changes.amax(1)
    empty = {"no value": "the scores of an image are 0 everywhere"}
    return Measurement(
        largest, largest, largest, Work(0, 0, 0.0), extras={"changes": changes, "mean": changes.mean(1)},
        notes=empty if bool(largest.isnan().any()) else unfinished_notes(done),
        error=torch.full_like(largest, unsure),
    )  # fmt: skip


def neighbours(inputs: Images, radius: float, seed: int) -> Images:
    """Every image with the same uniform noise, `radius` of its value range at most."""
    noise: Float32[Tensor, "channel height width"] = torch.rand(
        inputs.features.shape[1:], generator=torch.Generator().manual_seed(seed)
    )
    features = inputs.features + radius * inputs.value_range[:, None, None, None] * (2 * noise - 1)
    return replace(inputs, features=features, pixels=to_pixels(inputs.displayed(features)))
