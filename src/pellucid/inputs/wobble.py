"""Small movements of an image, drawn anew at every step, so that what ascent finds must survive them.

The same draws move every image of a batch: an image's movements depend on the seed and the step alone.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

Wobble = Literal["none", "jitter", "standard"]

SHIFT = 1 / 28
"""Furthest shift, as a share of each side: 8 of 224 pixels."""
ZOOM = 0.1
"""Furthest change of size."""
TURN = math.radians(10)
"""Furthest rotation."""


def movements(wobble: Wobble, steps: int, seed: int) -> Float32[Tensor, "step 4"]:
    """Uniform draws, one row a step: shift down and right as shares of the sides, factor of size, rotation in radians.

    `jitter` shifts, `standard` does all three, `none` rests.
    """
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(steps, 4, generator=generator) * 2 - 1
    furthest = {"none": (0.0, 0.0, 0.0, 0.0), "jitter": (SHIFT, SHIFT, 0.0, 0.0), "standard": (SHIFT, SHIFT, ZOOM, TURN)}
    return uniform * torch.tensor(furthest[wobble]) + torch.tensor([0.0, 0.0, 1.0, 0.0])


def moved(
    images: Float[Tensor, "batch channel height width"], movement: Float32[Tensor, " 4"]
) -> Float[Tensor, "batch channel height width"]:
    """The images shifted by whole pixels, round the edge; then scaled and turned about the middle, mirrored at the edge."""
    down, right, factor, angle = movement.tolist()
    height, width = images.shape[-2:]
    shifted = torch.roll(images, (round(down * height), round(right * width)), dims=(-2, -1))
    if factor == 1 and angle == 0:
        return shifted
    # subtle: affine_grid's axes run from -1 to 1 along both sides, so a rotation of pixels needs the sides' ratio
    cosine, sine, ratio = math.cos(angle) / factor, math.sin(angle) / factor, height / width
    matrix = torch.tensor([[cosine, -sine * ratio, 0.0], [sine / ratio, cosine, 0.0]], dtype=images.dtype)
    grid = functional.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(shifted, grid, padding_mode="reflection", align_corners=False)
