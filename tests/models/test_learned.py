"""The order of weights: none where they were drawn at random, much where they were learned."""

import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.evidence import LEARNED
from pellucid.models import learned
from pellucid.models.learned import order
from pellucid.models.randomized import randomized
from tests import networks


@pytest.mark.parametrize("make", [networks.relu_cnn, networks.smooth_cnn, networks.Residual])
def test_weights_as_they_were_drawn_have_none(make: type[nn.Module]) -> None:
    """PyTorch's own initialisation is uniform; the networks of these tests are normal."""
    found = []
    for seed in range(20):
        torch.manual_seed(seed)
        found += [order(make()), order(networks.seeded(make(), seed))]
    assert max(found) < 4
    assert abs(np.mean(found)) < 0.6
    assert 0.5 < np.std(found) < 2


def test_the_shipped_network_has_much_and_redrawn_none(imagenet: pl.ImageClassifier) -> None:
    assert order(imagenet.module) > 100
    assert order(randomized(imagenet, 3).module) < 4


def test_is_the_fourth_powers_of_singular_values_against_shuffles() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(40, 60, generator=generator)
    layer = nn.Linear(60, 40)
    orders = []
    for strength in (0.0, 0.5, 1.0):
        weight = noise + strength * torch.ones(40, 1) @ torch.linspace(-1, 1, 60)[None]  # one direction among all
        layer.weight.data = weight
        orders.append(order(layer))
        powers = torch.linalg.svdvals(weight.double()) ** 4
        torch.testing.assert_close(learned._fourth_powers(weight.double()), powers.sum())
    assert orders == sorted(orders)
    assert orders[0] < 4
    assert orders[2] > LEARNED
    layer.weight.data = noise * 1000 + 5000  # neither scale nor a common shift is order
    assert order(layer) < 4


def test_what_cannot_be_told_is_not_held_against_a_network() -> None:
    assert order(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())) == float("inf")
    constant = nn.Linear(4, 4)
    nn.init.constant_(constant.weight, 0.5)
    assert order(constant) == float("inf")


def test_always_says_the_same_and_changes_nothing() -> None:
    network = networks.seeded(networks.relu_cnn())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    assert order(network) == order(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
