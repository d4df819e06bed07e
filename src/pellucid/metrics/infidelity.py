"""Infidelity. Yeh, Hsieh, Suggala, Inouye and Ravikumar, NeurIPS 2019, https://arxiv.org/abs/1901.09392, definition 2.1"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement, bootstrap
from pellucid.metrics import metrics
from pellucid.models.batches import BATCH
from pellucid.models.image import ImageClassifier
from pellucid.stream import MARGIN

Perturbation = Literal["square", "gaussian"]

LEAST = 60
"""Perturbations before a tolerance may stop: the squares that matter most are rare, and until one is met all look alike."""
SIDES = (1 / 8, 1 / 2)
"""Smallest and largest side of a removed square, as a share of the short side."""


@metrics.register(higher_is_better=False, unit="squared output")
def infidelity(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    samples: Annotated[int, Field(ge=2, le=1000, description="Perturbations of each image.")] = 60,
    perturbation: Annotated[
        Perturbation,
        Field(description="What is taken from the image: a random square, down to its mean colour, or Gaussian noise."),
    ] = "square",
    scale: Annotated[
        float, Field(gt=0, le=1, description="gaussian: standard deviation, as a share of the image's value range.")
    ] = 0.2,
    normalise: Annotated[
        bool, Field(description="Give the scores the factor that suits the image best, which makes their unit irrelevant.")
    ] = False,
    seed: Annotated[int, Field(ge=0, description="Makes the perturbations repeatable.")] = 0,
) -> Iterator[Measurement]:
    """How far the change that the scores predict is from the one that happens: the mean square, 0 being perfect.

    E[(I . scores - (f(x) - f(x - I)))^2] over perturbations I, f being the output that was explained; in its unit, squared.

    What a map predicts depends on its unit. Output per input unit, such as a gradient: the sum of I * scores, as in the paper.
    Shares of the output, such as integrated gradients: the sum of the scores inside the square; noise takes no share of a
    pixel, so with `gaussian` there is no answer (NaN). Such a map is taken at its word: one from another baseline than the
    mean colour, or one that counts a place more than once, such as occlusion's, predicts something else and is charged for it.
    Any other unit predicts nothing by itself and has no answer, unless `normalise` is on; then the scores inside the square
    count (of LIME, each superpixel's weight by the share of it that is inside).

    `normalise` multiplies the scores of an image by E[(I . scores)(change)] / E[(I . scores)^2], the factor with the least
    infidelity (section 2.2); it stands in `extras["factor"]`, and below 0 it says that the map is upside down. `extras` also
    hold `predicted` and `changes`, `batch sample`. The interval is a bootstrap over the perturbations, the factor held. A
    tolerance waits for 60 perturbations, and then until the interval is narrower than it by `MARGIN`.

    All images meet the same squares or noise. The paper's squares are set to a baseline or moved; ours show the image's mean
    colour and have a side of 1/8 to 1/2 of the short side.
    """
    output = attribution.options.get("output", "logit")
    refusal = unusable(attribution, str(output), perturbation, normalise)
    if refusal:
        nothing = torch.full((len(inputs),), torch.nan)
        yield Measurement(nothing, nothing, nothing, Work(0, 0, 1.0), notes={"no value": refusal})
        return
    slope = attribution.unit == f"{output} per input unit"
    scores = attribution.scores if slope else shares(attribution)
    generator = torch.Generator().manual_seed(seed)
    intact = model.values(inputs.features, attribution.target, output).double()  # pyright: ignore[reportArgumentType]
    spread = scale * inputs.value_range
    predicted, changes = (torch.zeros(len(inputs), 0, dtype=torch.float64) for _ in range(2))
    batch = model.batches.images
    together = max(BATCH, batch // len(inputs) // BATCH * BATCH)
    for done in range(0, samples, together):
        count = min(together, samples - done)
        size = inputs.features.shape[1:]
        noise, masks = None, torch.ones(count, *size[1:], dtype=torch.bool)
        if perturbation == "gaussian":  # one by one: then it does not matter how many are drawn at once
            noise = torch.stack([torch.randn(size, generator=generator) for _ in range(count)])
        else:
            masks = squares(torch.rand(count, 3, generator=generator), (size[1], size[2]))
        new_predicted, new_changes = [], []
        for some in torch.arange(len(inputs)).split(batch // together):
            taken = []
            for image in some.tolist():
                features = inputs.features[image]
                removed = features - features.mean((1, 2), keepdim=True) if noise is None else noise * spread[image]
                taken.append(masks[:, None] * removed)
            copies = torch.cat([inputs.features[image] - one for image, one in zip(some.tolist(), taken, strict=True)])
            values = model.values(copies, attribution.target[some].repeat_interleave(count), output)  # pyright: ignore[reportArgumentType]
            for image, one, answers in zip(some.tolist(), taken, values.double().view(-1, count), strict=True):
                new_changes.append(intact[image] - answers)
                weights = one if slope else masks[:, None]
                new_predicted.append((weights.double() * scores[image]).flatten(1).sum(1))
        predicted = torch.cat([predicted, torch.stack(new_predicted)], 1)
        changes = torch.cat([changes, torch.stack(new_changes)], 1)
        factor = best_factor(predicted, changes) if normalise else torch.ones(len(inputs), dtype=torch.float64)
        found = [bootstrap(row.numpy()) for row in (factor[:, None] * predicted - changes) ** 2]
        low = torch.tensor([min(one.low, one.value) for one in found])
        high = torch.tensor([max(one.high, one.value) for one in found])
        known = done + count >= min(LEAST, samples)
        yield Measurement(
            torch.tensor([one.value for one in found]),
            low,
            high,
            Work(len(inputs) * (1 + done + count), 0, (done + count) / samples),
            extras={"predicted": predicted.float(), "changes": changes.float(), "factor": factor.float()},
            error=MARGIN * (high - low) / 2 if known else torch.full_like(low, torch.inf),
        )


def unusable(attribution: Attribution, output: str, perturbation: Perturbation, normalise: bool) -> str:
    """Why such scores predict no change of the output; empty where they do."""
    made_by = attribution.method or "this attribution"
    if attribution.unit == f"{output} per input unit":
        return ""
    if perturbation == "gaussian":
        return f"scores of {made_by} are in {attribution.unit}, not per input unit; use perturbation='square'"
    if attribution.unit != output and not normalise:
        return f"scores of {made_by} are in {attribution.unit}, which predicts no {output}; normalise=True finds a factor"
    return ""


def shares(attribution: Attribution) -> Float64[Tensor, "batch channel height width"]:
    """What each pixel of a square contributes: its score, and of a superpixel's weight the pixel's part."""
    scores = attribution.scores.double()
    if "segments" not in attribution.extras:
        return scores
    sizes = [np.bincount(labels.flatten())[labels] for labels in attribution.segments.numpy()]
    return scores / torch.from_numpy(np.stack(sizes))[:, None]


def squares(draws: Float32[Tensor, "sample 3"], size: tuple[int, int]) -> Bool[Tensor, "sample height width"]:
    """True inside a square whose side and place are as the draws in [0, 1) say; always whole and inside the image."""
    least, most = SIDES
    side = ((least + (most - least) * draws[:, 0]) * min(size)).round().clamp(min=1).long()
    inside = []
    for axis in (0, 1):
        room = size[axis] - side
        first = (draws[:, 1 + axis] * (room + 1)).long().minimum(room)[:, None]
        at = torch.arange(size[axis])
        inside.append((at >= first) & (at < first + side[:, None]))
    return inside[0][:, :, None] & inside[1][:, None, :]


def best_factor(
    predicted: Float64[Tensor, "batch sample"], changes: Float64[Tensor, "batch sample"]
) -> Float64[Tensor, " batch"]:
    """The multiple of the predictions nearest to the changes; 0 where nothing is predicted."""
    power = (predicted**2).mean(1)
    return torch.where(power > 0, (predicted * changes).mean(1) / power, 0)
