"""Random views of a photograph to train on: a part of it, perhaps mirrored, its light and colours a little changed."""

import hashlib
import math

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image
from torch import Tensor

SMALLEST_PART = 0.5
"""The share of the area that is kept at least."""
STRETCH = 4 / 3
"""How much one side may be stretched against the other, either way."""
JITTER = 0.2
"""How far brightness, contrast and saturation may change, as a share."""


def generator(*numbers: int) -> torch.Generator:
    """A source of randomness that depends on all of the numbers and on nothing else."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def augmented(picture: Image.Image, size: tuple[int, int], source: torch.Generator) -> Float32[Tensor, "3 {size[0]} {size[1]}"]:
    """A random view, resized to `size` (height, width), as values in [0, 1]. Eight draws are taken, whatever they are."""
    part, stretch, across, down, mirror, *jitter = torch.rand(8, generator=source).tolist()
    part = SMALLEST_PART + (1 - SMALLEST_PART) * part
    stretch = math.exp((2 * stretch - 1) * math.log(STRETCH) / 2)
    # shares of the photograph's own sides: a part that would be wider than the photograph is as wide as it
    width = picture.width * min(1.0, math.sqrt(part) * stretch)
    height = picture.height * min(1.0, math.sqrt(part) / stretch)
    left, top = across * (picture.width - width), down * (picture.height - height)
    view = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    values = torch.from_numpy(np.array(view)).movedim(-1, 0).float() / 255
    if mirror < 0.5:
        values = values.flip(-1)
    brightness, contrast, saturation = (1 + JITTER * (2 * draw - 1) for draw in jitter)
    values = values * brightness
    values = values.mean() + contrast * (values - values.mean())
    grey = values.mean(0, keepdim=True)
    return (grey + saturation * (values - grey)).clamp(0, 1).contiguous()
