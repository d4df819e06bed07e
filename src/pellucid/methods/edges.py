"""A control: the image's edges. Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, https://arxiv.org/abs/1810.03292"""

from collections.abc import Iterator

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.nn.functional import conv2d, pad

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.batches import BATCH
from pellucid.models.image import ImageClassifier


@methods.register(first=1)
def edges(model: ImageClassifier, inputs: Images, target: Int64[Tensor, " batch"]) -> Iterator[Attribution]:
    """Sobel magnitude of the image's luminance: a control that explains nothing, however convincing it looks.

    It depends on the image only, not on model or target; a map that looks like it may owe its looks to the image as well. Not
    negative. The unit is arbitrary; there is nothing to be wrong about, so the error is 0. The network is not asked.
    """
    yield Attribution(
        scores=torch.cat([sobel(luminance(some)) for some in inputs.pixels.split(BATCH)]),
        target=target,
        error=torch.zeros(len(inputs)),
        work=Work(0, 0, 1.0),
        unit="arbitrary",
        signed=False,
    )


def luminance(pixels: UInt8[Tensor, "batch height width 3"]) -> Float32[Tensor, "batch 1 height width"]:
    """Luma of Rec. 709, 0 black and 1 white."""
    return (pixels.float() / 255 @ torch.tensor([0.2126, 0.7152, 0.0722]))[:, None]


def sobel(values: Float32[Tensor, "batch 1 height width"]) -> Float32[Tensor, "batch 1 height width"]:
    """Length of the gradient by Sobel's two filters; the image goes on beyond its border as it ends."""
    across = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8
    along_both = conv2d(pad(values, (1, 1, 1, 1), mode="replicate"), torch.stack([across, across.T])[:, None])
    return along_both.norm(dim=1, keepdim=True)
