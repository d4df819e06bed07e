import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.models.receptive import Box, receptive_boxes
from tests.networks import seeded

STACK = [("conv", 3, 1, 1), ("pool", 2, 2, 0), ("conv", 5, 2, 2), ("conv", 3, 1, 1), ("pool", 3, 2, 1), ("conv", 1, 1, 0)]
"""Kind, kernel, stride, padding."""


def stack(depth: int, channels: int = 8) -> nn.Sequential:
    modules: list[nn.Module] = []
    for number, (kind, kernel, stride, padding) in enumerate(STACK[:depth]):
        if kind == "pool":
            modules.append(nn.MaxPool2d(kernel, stride, padding))
        else:
            modules += [nn.Conv2d(channels if number else 3, channels, kernel, stride, padding), nn.ReLU()]
    return nn.Sequential(nn.Sequential(*modules), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def analytic(depth: int, place: tuple[int, int], size: tuple[int, int]) -> Box:
    """Backwards through the stack: a span of outputs a..b reads the inputs from stride * a - padding to ... + kernel - 1."""
    (top, left), (bottom, right) = place, place
    for _, kernel, stride, padding in reversed(STACK[:depth]):
        top, left = top * stride - padding, left * stride - padding
        bottom, right = bottom * stride - padding + kernel - 1, right * stride - padding + kernel - 1
    return (max(left, 0), max(top, 0), min(right + 1, size[1]), min(bottom + 1, size[0]))


@pytest.mark.parametrize("depth", [1, 3, 4, 6])
def test_equals_the_analytic_field_of_a_convolutional_stack(depth: int):
    size = (48, 56)
    model = pl.ImageClassifier(seeded(stack(depth)), size=size)
    rows, columns = next(layer.shape for layer in model.layers if layer.name == "0")[1:]
    places = [(r, c) for r in (0, rows // 2, rows - 1) for c in (0, columns // 2, columns - 1)]
    features = torch.rand(len(places), 3, *size, generator=torch.Generator().manual_seed(0))
    found = receptive_boxes(model, "0", features, torch.tensor(places))
    assert found == [analytic(depth, place, size) for place in places]


def test_a_layer_behind_global_pooling_sees_everything(small_network: pl.ImageClassifier):
    last = model_last_linear(small_network)
    features = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert receptive_boxes(small_network, last, features, torch.tensor([[0, 0]])) == [(0, 0, 16, 16)]


def model_last_linear(model: pl.ImageClassifier) -> str:
    return next(layer.name for layer in reversed(model.layers) if layer.kind == "Linear")


def test_where_noise_opens_no_relu_the_image_itself_is_asked():
    module = seeded(stack(1))
    convolution = module.get_submodule("0.0")
    assert isinstance(convolution, nn.Conv2d)
    nn.init.ones_(convolution.weight)
    assert convolution.bias is not None
    nn.init.constant_(convolution.bias, -100.0)
    model = pl.ImageClassifier(module, size=(16, 16))
    dark, bright = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 10.0)
    places = torch.tensor([[4, 5], [4, 5]])
    assert receptive_boxes(model, "0", torch.cat([dark, bright]), places) == [(0, 0, 0, 0), (4, 3, 7, 6)]


def test_a_place_that_depends_on_nothing_has_an_empty_field():
    module = seeded(stack(1))
    convolution = module.get_submodule("0.0")
    assert isinstance(convolution, nn.Conv2d)
    nn.init.zeros_(convolution.weight)
    model = pl.ImageClassifier(module, size=(16, 16))
    assert receptive_boxes(model, "0", torch.rand(1, 3, 16, 16), torch.tensor([[4, 4]])) == [(0, 0, 0, 0)]
