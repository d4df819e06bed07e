"""A picture with some of its superpixels hidden, just as LIME hides them."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from pellucid.inputs.image import Images, to_pixels
from pellucid.inputs.perturb import Hide, fill, perturbed


def hiding(image: Images, segments: Int64[Tensor, "height width"], shown: Sequence[int], hide: Hide) -> Images:
    """The one image with every superpixel hidden that is not in `shown`. ValueError for one that there is not."""
    count = int(segments.max()) + 1
    missing = [one for one in shown if one >= count]
    if missing:
        raise ValueError(f"no superpixel {missing[0]}; segments numbers them from 0 to {count - 1}")
    visible = torch.zeros(1, count, dtype=torch.bool)
    visible[0, list(shown)] = True
    features = perturbed(image.features[0], fill(image, segments, hide), segments, visible)
    return replace(image, features=features, pixels=to_pixels(image.displayed(features)))


def unpacked(data: str, size: tuple[int, int]) -> Int64[Tensor, "height width"]:
    """The number of each pixel's superpixel, from base64 of little-endian int32, row by row. ValueError for anything else."""
    height, width = size
    try:
        numbers = np.frombuffer(base64.b64decode(data, validate=True), "<i4")
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"segments are {height} x {width} little-endian int32 in base64; {error}") from None
    if numbers.size != height * width:
        raise ValueError(f"segments hold {numbers.size} numbers; the network reads {height} x {width} pixels")
    if numbers.min() < 0 or numbers.max() >= numbers.size:
        raise ValueError(f"segments number superpixels from 0 to at most {numbers.size - 1}")
    return torch.from_numpy(numbers.astype(np.int64)).view(height, width)
