"""A control: noise. Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, https://arxiv.org/abs/1810.03292"""

from collections.abc import Iterator
from typing import Annotated

import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.image import ImageClassifier


@methods.register(first=1)
def random(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    seed: Annotated[int, Field(ge=0, description="Makes the run repeatable.")] = 0,
) -> Iterator[Attribution]:
    """Gaussian noise: a control that explains nothing, and that every other method must beat.

    One standard normal score a pixel, the same for every image, and for every model and target. The unit is arbitrary; there is
    nothing to be wrong about, so the error is 0. The network is not asked.
    """
    noise = torch.randn(inputs.features.shape[2:], generator=torch.Generator().manual_seed(seed))
    yield Attribution(
        scores=noise.repeat(len(inputs), 1, 1, 1),
        target=target,
        error=torch.zeros(len(inputs)),
        work=Work(0, 0, 1.0),
        unit="arbitrary",
    )
