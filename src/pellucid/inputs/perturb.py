"""Hiding parts of an image: what a hidden part is filled with, and batches of images with some parts hidden."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.inputs.baselines import blurred
from pellucid.inputs.image import Images

Hide = Literal["mean", "black", "blur"]

BLUR = 0.1
"""Standard deviation of the blur, as a share of the short side: wide enough that no texture is left, only broad colour."""


def fill(image: Images, segments: Int64[Tensor, "height width"], hide: Hide) -> Float32[Tensor, "channel height width"]:
    """What stands in a hidden superpixel, as the network reads it: its own mean colour, black, or the image blurred."""
    assert len(image) == 1
    features = image.features[0]
    if hide == "mean":
        labels = segments.flatten()
        size = torch.bincount(labels)
        # subtle: bincount adds in float64 and in order, so the same bits come out whatever the number of threads
        means = [torch.bincount(labels, channel.double()) / size for channel in features.flatten(1)]
        return torch.stack(means)[:, labels].view_as(features).float()
    if hide == "black":
        return image.normalise(torch.zeros_like(features))
    if hide == "blur":
        return blurred(image.features, BLUR * min(features.shape[1:]))[0]
    raise ValueError(f"no fill named {hide!r}; known: {', '.join(get_args(Hide))}")


def perturbed(
    features: Float32[Tensor, "channel height width"],
    fill: Float32[Tensor, "channel height width"],
    segments: Int64[Tensor, "height width"],
    visible: Bool[Tensor, "sample segment"],
) -> Float32[Tensor, "sample channel height width"]:
    """A copy of the image for each row of `visible`: the superpixels that are not visible show the fill."""
    mask = visible.float().index_select(1, segments.flatten()).view(-1, 1, *segments.shape)
    # subtle: lerp is exact at 0 and at 1, and six times as fast as `where`
    return torch.lerp(fill, features, mask)
