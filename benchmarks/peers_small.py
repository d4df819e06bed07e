"""A network for small images, as CIFAR-10's are: where starting an operation costs as much as what it computes."""

from dataclasses import replace

import torch
from peers_gradients import ig_points, smoothgrad
from peers_maps import occlusion
from peers_race import Bench, Result
from torch import Tensor, nn

import pellucid as pl

SIDE = 32
WINDOW, STRIDE = 4, 2
LADDER = (16, 32, 64, 128, 225)
"""Windows an evaluation that captum's best is looked for among: up to all there are."""


class Block(nn.Module):
    """Two convolutions beside a way round them. He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        self.round = nn.Sequential()
        if before != after:
            self.round = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.round(x))


def resnet20() -> nn.Module:
    """That paper's smallest network for CIFAR-10, with weights that nobody trained, the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages = (
            (16, 16, 1),
            (16, 16, 1),
            (16, 16, 1),
            (16, 32, 2),
            (32, 32, 1),
            (32, 32, 1),
            (32, 64, 2),
            (64, 64, 1),
            (64, 64, 1),
        )
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            *(Block(*stage) for stage in stages), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
        ).eval()  # fmt: skip


def small_network() -> pl.ImageClassifier:
    return pl.ImageClassifier(resnet20(), size=(SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3)


def small(bench: Bench) -> list[Result]:
    """No bar is set for it but to be no slower."""
    found = [*ig_points(bench), *smoothgrad(bench), *occlusion(bench, WINDOW, STRIDE, LADDER, trial=STRIDE)]
    # raw passes are of ten images, and not what could be done here
    return [replace(one, method=f"{one.method}; ResNet-20 at {SIDE}", bar=1.0, overhead=None) for one in found]
