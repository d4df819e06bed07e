"""The networks for Food-11: the course's own, a head on `imagenet`'s features, and ImageNet classes summed into categories."""

import tomllib
from functools import cache
from importlib.resources import files

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.inputs.food11 import CATEGORIES
from pellucid.models.architectures import efficientnet_lite0

STAGES = ((128, 3), (128, 3), (256, 3), (512, 1), (512, 1))
"""Channels and convolutions of each stage of the course's network."""


class FoodCnn(nn.Module):
    """The course's network: `cnn`, stages of 3x3 convolutions, each stage halving the sides; then `fc`, two linear layers.

    Every convolution takes three places in `cnn` (itself, batch norm, ReLU) and a pooling ends each stage, so `cnn.6` is the
    third convolution of the first stage and `cnn.23` the second of the third.
    """

    def __init__(self, classes: int = len(CATEGORIES)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 3
        for channels, convolutions in STAGES:
            for _ in range(convolutions):
                layers += [nn.Conv2d(previous, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
                previous = channels
            layers.append(nn.MaxPool2d(2))
        self.cnn = nn.Sequential(*layers)
        self.fc = nn.Sequential(nn.Linear(512 * 4 * 4, 1024), nn.ReLU(), nn.Dropout(0.3), nn.Linear(1024, classes))

    def forward(self, x: Float[Tensor, "batch 3 128 128"]) -> Float[Tensor, "batch class"]:
        return self.fc(self.cnn(x).flatten(1))


def food11_head() -> nn.Module:
    """EfficientNet-Lite0 with a last layer for the 11 categories."""
    return efficientnet_lite0(len(CATEGORIES))


class Categories(nn.Module):
    """A network over ImageNet's classes, whose classes are summed into categories.

    A category's logit is log(sum(exp(logit))) over its classes, so that its probability is the sum of its classes'
    probabilities, as a share of the sum over all classes that have a category. Differentiable; a category without classes has
    the constant logit `floor`.
    """

    def __init__(self, network: nn.Module, classes: tuple[tuple[int, ...], ...], floor: float) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.floor = floor

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch category"]:
        logits = self.network(x)
        constant = torch.full_like(logits[:, 0], self.floor)
        return torch.stack([logits[:, list(own)].logsumexp(1) if own else constant for own in self.classes], dim=1)


@cache
def mapping() -> tuple[dict[str, dict[int, str]], float]:
    """The ImageNet classes of each category, number and name, in the order of CATEGORIES; and the floor."""
    table = tomllib.loads((files("pellucid.models") / "food11_classes.toml").read_text(encoding="utf-8"))
    floor = table.pop("floor")
    return {category: {int(number): name for number, name in table[category].items()} for category in CATEGORIES}, floor


def food11_from_imagenet() -> nn.Module:
    """EfficientNet-Lite0 over ImageNet, its classes summed into the 11 categories as food11_classes.toml says."""
    classes, floor = mapping()
    return Categories(efficientnet_lite0(), tuple(tuple(own) for own in classes.values()), floor)
