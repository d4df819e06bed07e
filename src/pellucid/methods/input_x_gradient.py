"""Input times gradient. Shrikumar, Greenside, Shcherbina and Kundaje, 2016, https://arxiv.org/abs/1605.01713"""

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


@methods.register(first=1)
def input_x_gradient(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    output: Annotated[Output, Field(description="What is differentiated.")] = "logit",
) -> Iterator[Attribution]:
    """The normalised input times the gradient of the target's output: what each value adds if the network is taken as linear.

    Unit: that of the output; signed. "Input" is what the network reads, so a pixel of the mean colour (0 there) scores 0
    whatever it shows. On a linear network the scores add up to the output less its bias; elsewhere nothing of the kind holds.
    Nothing is estimated, so the error is 0; `saliency` says what rounding may do.
    """
    _, gradients = model.gradients(inputs.features, target, output)
    yield Attribution(
        scores=inputs.features * gradients,
        target=target,
        error=torch.zeros(len(inputs)),
        work=Work(len(inputs), len(inputs), 1.0),
        unit=output,
    )
