"""Saliency map. Simonyan, Vedaldi and Zisserman, ICLR workshop 2014, https://arxiv.org/abs/1312.6034"""

from collections.abc import Iterator
from typing import Annotated

import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.image import ImageClassifier, Output
from pellucid.stream import Preset


@methods.register(
    first=1,
    presets={
        "course": Preset(
            {"output": "loss", "magnitude": True},
            view={"scale": "minmax"},
            description="Magnitude of the loss gradient, largest channel, scaled to 0..1 per image.",
        )
    },
)
def saliency(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    output: Annotated[Output, Field(description="What is differentiated.")] = "logit",
    magnitude: Annotated[bool, Field(description="Drop the sign.")] = False,
) -> Iterator[Attribution]:
    """The gradient of the target's output by the input: how fast the answer changes with each input value.

    Unit: output per unit of the normalised input; signed unless `magnitude`. The map is the largest magnitude over the
    channels, as in the paper (section 3.1). Nothing is estimated, so the error is
    0. What rounding does is not counted in it: where a ReLU6 is just at its kink, the prepared network may pass back what the
    module does not, 0.1 to 0.2 % of the gradient's norm on EfficientNet; a model with `prepare=False` gives torch's own.
    """
    _, gradients = model.gradients(inputs.features, target, output)
    yield Attribution(
        scores=gradients.abs() if magnitude else gradients,
        target=target,
        error=torch.zeros(len(inputs)),
        work=Work(len(inputs), len(inputs), 1.0),
        unit=f"{output} per input unit",
        reduction="max_abs",
        signed=not magnitude,
    )
