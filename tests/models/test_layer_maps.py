import dataclasses

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.models.layer_maps import filter_indices, filter_layer, layer_maps, responses, together
from tests.conftest import pictures, wrapped


class Sequence(nn.Module):
    """A layer of tokens, one that is never run, and one that gives a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(2, 2)
        self.tokens = nn.Linear(16, 4)
        self.pair = nn.MaxPool2d(16, return_indices=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.tokens(x.flatten(1, 2))
        return self.head(self.pair(x)[0].flatten(1))


def test_units_of_a_linear_layer_are_maps_of_one_place(linear: pl.ImageClassifier):
    features = torch.rand(2, 3, 8, 8)
    maps = layer_maps(linear, "fc", features)
    assert maps.shape == (2, 3, 1, 1)
    torch.testing.assert_close(maps[:, :, 0, 0].detach(), linear.logits(features))


def test_a_layer_that_does_not_exist_names_its_neighbours(small_network: pl.ImageClassifier):
    with pytest.raises(KeyError, match="no layer named 'heads'"):
        filter_layer(small_network, "heads")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("idle", "the forward pass does not run through layer 'idle'"),
        ("tokens", r"layer 'tokens' \(Linear\) gives 48 x 4 values an image; filters have a map each"),
        ("pair", r"layer 'pair' \(MaxPool2d\) gives no single tensor an image"),
    ],
)
def test_a_layer_without_filters_is_refused(layer: str, message: str):
    with pytest.raises(ValueError, match=message):
        filter_layer(wrapped(Sequence()), layer)


def test_a_layer_that_runs_more_than_once_is_refused(residual: pl.ImageClassifier):
    with pytest.raises(ValueError, match="layer 'act' runs 3 times in a forward pass"):
        filter_layer(residual, "act")


def test_a_filter_that_does_not_exist_says_which_do(relu: pl.ImageClassifier):
    layer = filter_layer(relu, "4")
    with pytest.raises(IndexError, match="layer 4 has filters 0 to 9, got 500"):
        filter_indices(layer, [3, 500])
    with pytest.raises(IndexError, match="got -1"):
        filter_indices(layer, -1)
    with pytest.raises(ValueError, match="no filter was asked for; layer 4 has filters 0 to 9"):
        filter_indices(layer, [])


def test_wide_layers_are_taken_fewer_at_a_time():
    wide = nn.Sequential(nn.Conv2d(3, 40, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 2))
    assert together(wrapped(wide, 16), "3") == 10
    # 40 maps of 300 x 300 floats are 14.4 MB an image: two stay under 32 MiB
    assert together(wrapped(wide, 300), "3") == 2


@pytest.fixture
def residual() -> pl.ImageClassifier:
    from tests.networks import Residual

    return wrapped(Residual())


def test_a_layers_response_is_the_mean_magnitude_of_its_maps(small_network: pl.ImageClassifier):
    features = pictures(small_network, 1).features
    found = responses(small_network, features)
    maps = [layer.name for layer in small_network.layers if layer.calls == 1 and len(layer.shape) == 3]
    assert list(found) == maps
    for name, response in found.items():
        expected = layer_maps(dataclasses.replace(small_network, prepare=False), name, features.clone())[0].abs().mean(0)
        torch.testing.assert_close(response, expected.detach(), rtol=0, atol=1e-6)
    assert not any(sub._forward_hooks for sub in small_network.module.modules())


def test_a_layer_that_runs_twice_or_gives_no_numbers_has_no_response(residual: pl.ImageClassifier):
    found = responses(residual, pictures(residual, 1).features)
    assert not {layer.name for layer in residual.layers if layer.calls > 1} & found.keys()
    assert found
    lost = responses(residual, torch.full((1, 3, 16, 16), torch.nan))
    assert lost == {}
