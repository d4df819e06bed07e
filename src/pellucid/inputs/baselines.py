"""What an image is compared with where nothing is to be seen: the baselines of integrated gradients.

Which of them stands for "nothing" is a choice that shows in the map. Sturmfels, Lundberg and Lee, "Visualizing the Impact of
Feature Attribution Baselines", Distill 2020, https://distill.pub/2020/attribution-baselines, show how.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from pellucid.inputs.image import Images

Baseline = Literal["black", "white", "mean", "zero", "blur", "uniform", "gaussian", "image"]
RANDOM: tuple[Baseline, ...] = ("uniform", "gaussian")
"""The baselines of which there is more than one draw."""


def make_baseline(
    inputs: Images,
    kind: Baseline,
    *,
    seed: int = 0,
    draw: int = 0,
    blur: float = 10.0,
    noise: float = 0.5,
    image: Float32[Tensor, "1 channel height width"] | None = None,
) -> Float32[Tensor, "batch channel height width"]:
    """The features of each image's baseline.

    `black` and `white` are pixel values 0 and 1; `mean` is each image's own mean colour; `zero` is 0 in the network's input
    space, which is a grey: the mean that its normalisation subtracts; `blur` is the image under a Gaussian of `blur` pixels;
    `uniform` is uniform noise over all pixel values; `gaussian` is the image plus Gaussian noise whose standard deviation is
    `noise` times the image's value range, not clipped; `image` is the one given. A draw depends on `seed` and `draw` alone,
    so every image of a batch meets the same noise.
    """
    features = inputs.features
    if kind == "image":
        if image is None:
            raise ValueError("baseline='image' needs an image")
        return image.expand_as(features).clone()
    if kind == "zero":
        return torch.zeros_like(features)
    if kind == "mean":
        return features.mean((2, 3), keepdim=True).expand_as(features).clone()
    if kind == "blur":
        return blurred(features, blur)
    if kind in RANDOM:
        generator = torch.Generator().manual_seed(draw_seed(seed, draw))
        shape = features.shape[1:]
        if kind == "uniform":
            return inputs.normalise(torch.rand(shape, generator=generator).expand_as(features))
        spread = noise * inputs.value_range[:, None, None, None]
        return features + spread * torch.randn(shape, generator=generator)
    return inputs.normalise(torch.full_like(features, 1.0 if kind == "white" else 0.0))


def blurred(
    features: Float32[Tensor, "batch channel height width"], sigma: float
) -> Float32[Tensor, "batch channel height width"]:
    """The images under a Gaussian of `sigma` pixels, cut off at four of them; outside, an image goes on with its edge."""
    from skimage.filters import gaussian  # late: a slow import

    flat = features.detach().flatten(0, 1).numpy()
    return torch.from_numpy(gaussian(flat, sigma, mode="nearest", channel_axis=0)).view_as(features)


def draw_seed(seed: int, draw: int) -> int:
    """A seed for one draw of a run. Seeds that follow each other share no draw, as they would if the two were added."""
    return int(np.random.SeedSequence((seed, draw)).generate_state(1, np.uint64)[0])
