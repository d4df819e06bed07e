"""The small networks that learn the planted rules: their form, their weights drawn, their training."""

from copy import deepcopy
from dataclasses import replace

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pellucid.inputs.image import normalised
from pellucid.planted.rules import Rule
from pellucid.planted.scenes import SIDE, Scenes

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
WIDTHS = (8, 16, 32)
"""Channels of the three convolutions, each after the first on half the side."""
SCENES = 24
"""A step, each shown twice: as it is, and as another class."""
RATE = 4e-3
"""Adam's, at first; it falls along a straight line to 0."""


def network(rule: Rule) -> nn.Sequential:
    """Three blocks of convolution, batch norm and ReLU, a pooling, and one linear layer."""
    layers: list[nn.Module] = []
    for before, width in zip((3, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.MaxPool2d(2)] if layers else []
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    pool = nn.AdaptiveAvgPool2d if rule.pool == "average" else nn.AdaptiveMaxPool2d
    return nn.Sequential(*layers, pool(rule.places), nn.Flatten(), nn.Linear(WIDTHS[-1] * rule.places**2, len(rule.labels)))


def redrawn(module: nn.Sequential, pictures: Float32[Tensor, "batch 3 height width"], source: torch.Generator) -> nn.Sequential:
    """A copy with every weight drawn anew (He et al. 2015, https://arxiv.org/abs/1502.01852), in eval mode.

    What its batch norms subtract and divide by is measured on the pictures, so that every unit still tells them apart.
    """
    module = deepcopy(module).train()
    with torch.no_grad():
        for part in module:
            if isinstance(part, nn.Conv2d | nn.Linear):
                draw = torch.randn(part.weight.shape, generator=source)
                part.weight.copy_(draw * (2 / part.weight[0].numel()) ** 0.5)
                if part.bias is not None:
                    part.bias.zero_()
            if isinstance(part, nn.BatchNorm2d):
                part.reset_parameters()
                part.momentum = None  # a plain mean over batches, here over one
        module(pictures)
        return _with_centred_logits(module).eval()


def trained(rule: Rule, first: nn.Sequential, source: torch.Generator) -> nn.Sequential:
    """A copy that has learned the rule, in eval mode, its logits summing to 0."""
    module = deepcopy(first).train().requires_grad_()
    for part in module:
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.1
    adam = torch.optim.Adam(module.parameters(), lr=RATE)
    rate = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, total_iters=rule.steps)
    for _ in range(rule.steps):
        features, target = examples(pasted(rule.draw(source, SCENES), source), source)
        features = features.contiguous(memory_format=torch.channels_last)  # takes half as long
        adam.zero_grad()
        cross_entropy(module(features), target).backward()
        adam.step()
        rate.step()
    module.zero_grad()
    return _with_centred_logits(module.requires_grad_(False)).eval()


def examples(
    scenes: Scenes, source: torch.Generator
) -> tuple[Float32[Tensor, "example 3 height width"], Int64[Tensor, " example"]]:
    """The pictures, then each of them as another class, one drawn of those there are; as the network reads them."""
    row = torch.arange(len(scenes))
    other = torch.randint(len(scenes.others), row.shape, generator=source)
    values = torch.cat([scenes.values, scenes.others[other, row]])
    return normalised(values, MEAN, STD), torch.cat([scenes.target, scenes.other_target[other, row]])


def pasted(scenes: Scenes, source: torch.Generator) -> Scenes:
    """The scenes with nothing, a piece or all of what lies outside their masks taken from other pictures, a third each.

    So the network learns that seams mean nothing, and what replaces pixels as a test is nothing that it never saw.
    """
    piece = scenes.mask.roll(torch.randint(SIDE, (2,), generator=source).tolist(), (1, 2))
    much = torch.randint(3, (len(scenes), 1, 1), generator=source)
    taken = ((much == 2) | (much == 1) & piece) & ~scenes.mask
    values, *others = (torch.where(taken[:, None], scenes.rest, one) for one in (scenes.values, *scenes.others))
    return replace(scenes, values=values, others=torch.stack(others))


def _with_centred_logits(module: nn.Sequential) -> nn.Sequential:
    """The same probabilities from logits that sum to 0 for every picture.

    What is common to all logits decides nothing; left in, it would show in every explanation of a logit.
    """
    last = module[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.sub_(last.weight.mean(0))
        last.bias.sub_(last.bias.mean())
    return module
