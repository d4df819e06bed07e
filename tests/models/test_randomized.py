"""Random weights in place of learned ones: repeatable, none of the caller's, and a network that still tells images apart."""

import copy

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.models.randomized import random_pictures, randomized, stages
from pellucid.registry import UnknownName
from tests import networks
from tests.conftest import pictures, wrapped


def weights(model: pl.ImageClassifier) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.module.state_dict().items()}


def alike(one: pl.ImageClassifier, other: pl.ImageClassifier) -> set[str]:
    return {name for name, tensor in weights(one).items() if torch.equal(tensor, weights(other)[name])}


def test_the_callers_network_stays_as_it_was(small_network):
    before = weights(small_network)
    made = randomized(small_network, 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(small_network).items())
    for module in (small_network.module, made.module):
        assert not any(sub._forward_hooks or sub._forward_pre_hooks or sub.training for sub in module.modules())
        assert all(p.requires_grad and p.grad is None for p in module.parameters())
    assert made.name != small_network.name
    assert (made.size, made.labels) == (small_network.size, small_network.labels)


def test_every_weight_is_drawn_anew_from_the_seed(small_network):
    one, again, other = (randomized(small_network, seed) for seed in (0, 0, 1))
    assert alike(one, again) == set(weights(one))
    assert {name for name in alike(one, other) | alike(one, small_network) if not name.endswith("num_batches_tracked")} == set()


def test_nothing_of_the_learned_weights_is_left():
    model = wrapped(networks.Linear(32), 32)
    assert isinstance(model.module, networks.Linear)
    learned, drawn = (one.module.get_parameter("fc.weight").detach() for one in (model, randomized(model, 0)))
    for target in range(3):
        assert abs(float(torch.corrcoef(torch.stack([learned[target], drawn[target]]))[0, 1])) < 0.06  # 3 / sqrt(3072)
    assert abs(float(drawn.mean() / drawn.std())) < 0.04


def test_a_weight_of_one_value_is_drawn_anew_too(linear):
    model = copy.deepcopy(linear)
    model.module.get_parameter("fc.weight").detach().fill_(0.1)
    drawn = randomized(model, 0).module.get_parameter("fc.weight").detach()
    assert float(drawn.std()) > 0.5 * float(drawn.square().mean().sqrt())


def test_only_the_named_layers_change_and_draw_what_they_would_among_all(relu):
    every, some = randomized(relu, 3), randomized(relu, 3, ["9", "5"])
    changed = {"9.weight", "9.bias", "5.weight", "5.bias", "5.running_mean", "5.running_var"}
    assert set(weights(relu)) - alike(relu, some) == changed
    one, other = (model.module.get_parameter("9.weight").detach() for model in (every, some))
    torch.testing.assert_close(one / one.norm(), other / other.norm())
    assert torch.equal(weights(every)["5.weight"], weights(some)["5.weight"])


def test_outputs_vary_as_much_as_the_learned_ones(relu):
    layers = [name for name, sub in relu.module.named_modules() if isinstance(sub, nn.Conv2d | nn.Linear)]

    def spreads(model: pl.ImageClassifier) -> list[float]:
        seen: list[float] = []
        copied = copy.deepcopy(model.module)
        for name in layers:
            copied.get_submodule(name).register_forward_hook(
                lambda _m, _a, out: seen.append(float(out.var((0, *range(2, out.ndim)), correction=0).mean()))
            )
        with torch.no_grad():
            copied(random_pictures(model))
        return seen

    assert spreads(randomized(relu, 0)) == pytest.approx(spreads(relu), rel=1e-4)


def test_batch_norm_takes_the_statistics_of_what_it_meets(relu):
    made = randomized(relu, 0)
    seen: list[torch.Tensor] = []
    copied = copy.deepcopy(made.module)
    copied.get_submodule("5").register_forward_hook(lambda _m, _a, out: seen.append(out.clone()))
    with torch.no_grad():
        copied(random_pictures(made))
    norm = made.module.get_submodule("5")
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), norm.get_parameter("bias").detach(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        seen[0].std((0, 2, 3), correction=0), norm.get_parameter("weight").detach().abs(), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("norm", [True, False])
def test_a_deep_network_still_tells_images_apart(norm):
    layers: list[nn.Module] = []
    for _ in range(30):
        layers += [
            nn.Conv2d(8 if layers else 3, 8, 3, padding=1),
            *([nn.BatchNorm2d(8, momentum=1)] if norm else []),
            nn.ReLU(),
        ]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # one whose signals keep their size
        for sub in network:
            if isinstance(sub, nn.Conv2d | nn.Linear):
                sub.weight.copy_(torch.randn(sub.weight.shape, generator=generator) * (2 / sub.weight[0].numel()) ** 0.5)
        network.train()(torch.randn(20, 3, 16, 16, generator=generator))
    model = pl.ImageClassifier(network.eval(), size=(16, 16), mean=(0.5,) * 3, std=(0.25,) * 3)
    images = pictures(model, 6)
    learned, drawn = (one.logits(images.features).std(0).mean() for one in (model, randomized(model, 0)))
    assert 0.05 * learned < drawn < 20 * learned


def test_imagenet_stays_a_network_of_its_own_scale(imagenet):
    """Its own `reset_parameters` leave logits that vary over photographs by 2e-9, its shuffled weights by 0.3 against 7 over
    the classes: the same answer to every photograph."""
    images = imagenet.read(["observation:0", "observation:3", "observation:6"])
    learned, drawn = imagenet.logits(images.features), randomized(imagenet, 0).logits(images.features)
    assert drawn.isfinite().all()
    for axis in (0, 1):
        assert 0.2 < float(drawn.std(axis).mean() / learned.std(axis).mean()) < 5
    assert abs(float(torch.corrcoef(torch.stack([learned.flatten(), drawn.flatten()]))[0, 1])) < 0.2


def test_tied_weights_stay_tied():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.second.weight = self.first.weight
            self.shift = nn.Parameter(torch.ones(1, 3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.second(self.first(x).relu()) + self.shift).mean((2, 3))

    model = wrapped(Tied())
    made = randomized(model, 0).module
    assert isinstance(made, Tied)
    assert made.first.weight is made.second.weight
    assert not torch.equal(made.shift, model.module.get_parameter("shift"))


def test_contrasts_and_half_precision_stay(relu):
    assert randomized(relu.rather_than(2), 0).against == 2
    half = pl.ImageClassifier(copy.deepcopy(relu.module).to(torch.bfloat16), size=(16, 16))
    assert randomized(half, 0).logits(pictures(half).features).isfinite().all()


def test_a_layer_that_cannot_be_redrawn_is_an_error(relu):
    with pytest.raises(UnknownName, match="no layer named '99'"):
        randomized(relu, 0, ["99"])
    with pytest.raises(ValueError, match="layer '2' has no parameters of its own"):
        randomized(relu, 0, ["2"])


def test_stages_go_from_the_logits_to_the_image(relu):
    assert stages(relu, 8) == [("9",), ("5", "4"), ("1", "0")]
    assert stages(relu, 2) == [("9", "5", "4"), ("1", "0")]
    assert stages(relu, 1) == [("9", "5", "4", "1", "0")]


def test_stages_follow_the_pass_and_not_the_order_of_the_attributes():
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.body = nn.Linear(4, 2), nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x).mean((2, 3)))

    assert stages(wrapped(Backwards()), 8) == [("head",), ("body",)]
