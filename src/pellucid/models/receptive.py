"""Which part of the input a place in a layer's maps depends on, whatever the architecture."""

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.models.image import ImageClassifier
from pellucid.models.layer_maps import layer_maps, together

PROBES = 2
"""Inputs of noise that are asked."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the network's input; right and bottom lie outside."""


def receptive_boxes(
    model: ImageClassifier,
    layer: str,
    features: Float32[Tensor, "batch channel height width"],
    places: Int64[Tensor, "batch 2"],
) -> list[Box]:
    """The receptive field of one place (row, column) for each image, as the smallest box around it, cut at the image's edge.

    It is the support of the gradient: every pixel by which the sum of all filters at that place, each with a weight of its
    own, has a gradient other than 0. One input shows only the paths that it opens (a max pooling passes one of its values on, a
    ReLU none below 0), so the supports at inputs of noise are laid over each other; where noise opens no path at all, the image
    itself is asked. Many filters are looked through, so that almost always gives the whole field; what it gives is never more
    than the field.
    """
    probes = torch.randn(PROBES, *features.shape[1:], generator=torch.Generator().manual_seed(0))
    distinct, which = places.unique(dim=0, return_inverse=True)
    supports = [_support(model, layer, probe.expand(len(distinct), -1, -1, -1), distinct) for probe in probes]
    support = torch.stack(supports).any(0)[which]
    closed = ~support.flatten(1).any(1)
    if closed.any():
        support[closed] = _support(model, layer, features[closed], places[closed])
    return [_around(one) for one in support]


def _support(
    model: ImageClassifier, layer: str, features: Float32[Tensor, "batch channel height width"], where: Int64[Tensor, "batch 2"]
) -> Bool[Tensor, "batch height width"]:
    found: list[Tensor] = []
    size = together(model, layer)
    for part, places in zip(features.split(size), where.split(size), strict=True):
        with torch.inference_mode(False), torch.enable_grad():
            leaf = part.clone().requires_grad_()
            maps = layer_maps(model, layer, leaf.clone())
            weights = torch.randn(maps.shape[1], generator=torch.Generator().manual_seed(1))
            row, column = places.clone().unbind(1)
            chosen = maps[torch.arange(len(maps)), :, row, column]
            (gradient,) = torch.autograd.grad((chosen * weights).sum(), leaf)
        found.append((gradient != 0).any(1))
    return torch.cat(found)


def _around(support: Bool[Tensor, "height width"]) -> Box:
    rows, columns = (support.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    if not rows:  # nothing moves this place; the box says so by being empty
        return (0, 0, 0, 0)
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
