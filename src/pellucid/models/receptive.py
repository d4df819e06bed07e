"""Which part of the input a place in a layer's maps depends on, whatever the architecture."""

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.models.image import ImageClassifier
from pellucid.models.layer_maps import layer_maps, together

PROBES = 2
"""Inputs of noise that are asked besides the image itself."""
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
    ReLU none below 0), so the supports at the image and at two inputs of noise are laid over each other. Many filters are
    looked through, so that almost always gives the whole field; what it gives is never more than the field.
    """
    generator = torch.Generator().manual_seed(0)
    probes = torch.randn(PROBES, *features.shape[1:], generator=generator)
    boxes: list[Box] = []
    size = together(model, layer)
    for part, where in zip(features.split(size), places.split(size), strict=True):
        inputs = [part, *(probe.expand_as(part) for probe in probes)]
        support = torch.stack([_support(model, layer, one, where) for one in inputs]).any(0)
        boxes += [_around(one) for one in support]
    return boxes


def _support(
    model: ImageClassifier, layer: str, features: Float32[Tensor, "batch channel height width"], where: Int64[Tensor, "batch 2"]
) -> Bool[Tensor, "batch height width"]:
    with torch.inference_mode(False), torch.enable_grad():
        leaf = features.clone().requires_grad_()
        maps = layer_maps(model, layer, leaf.clone())
        weights = torch.randn(maps.shape[1], generator=torch.Generator().manual_seed(1))
        row, column = where.clone().unbind(1)
        chosen = maps[torch.arange(len(maps)), :, row, column]
        (gradient,) = torch.autograd.grad((chosen * weights).sum(), leaf)
    return (gradient != 0).any(1)


def _around(support: Bool[Tensor, "height width"]) -> Box:
    rows, columns = (support.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    if not rows:  # nothing moves this place; the box says so by being empty
        return (0, 0, 0, 0)
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
