"""Weights that a network computes from others: it is explained, and distrusted, as if they were its own."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

import pellucid as pl
from pellucid.models.bare import bare, written_out
from pellucid.models.errors import first_line
from pellucid.models.randomized import randomized, stages
from tests import networks
from tests.conftest import MEAN, STD, pictures


def computing(
    convolution: Callable[[nn.Conv2d], nn.Module] = lambda conv: conv,
    linear: Callable[[nn.Linear], nn.Module] = lambda one: one,
) -> nn.Module:
    """A network of two such layers."""
    first, last = networks.seeded(nn.Conv2d(3, 6, 3)), networks.seeded(nn.Linear(96, 5))
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Linear)
    # spectral norm begins with vectors drawn anew: of some, one value lies so near a ReLU's kink that rounding turns it
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        warnings.simplefilter("ignore", FutureWarning)  # the older way
        return nn.Sequential(convolution(first), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), linear(last)).eval()


def model_of(module: nn.Module) -> pl.ImageClassifier:
    return pl.ImageClassifier(module, size=(16, 16), mean=MEAN, std=STD)


class Twice(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Own(nn.Conv2d):
    """Computes its weight in a way of its own."""

    def __init__(self) -> None:
        super().__init__(3, 6, 3)
        self.part = nn.Parameter(self.weight.detach() / 2)
        del self.weight

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.conv2d(input, 2 * self.part, self.bias)


WAYS: dict[str, Callable[[], nn.Module]] = {
    "weight norm": lambda: computing(parametrizations.weight_norm, parametrizations.weight_norm),
    "spectral norm": lambda: computing(parametrizations.spectral_norm, parametrizations.spectral_norm),
    "orthogonal": lambda: computing(linear=parametrizations.orthogonal),
    "older weight norm": lambda: computing(nn.utils.weight_norm, nn.utils.weight_norm),
    "older spectral norm": lambda: computing(nn.utils.spectral_norm, nn.utils.spectral_norm),
    "two of one bias and weight": lambda: computing(
        lambda conv: parametrize.register_parametrization(parametrizations.weight_norm(conv), "bias", Twice())  # pyright: ignore[reportArgumentType]
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_computes_nothing_and_answers_alike(way: str) -> None:
    module = WAYS[way]()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    before = module(images).detach()
    copied = bare(module)
    assert {name for name, _ in copied.named_parameters()} == {"0.weight", "0.bias", "4.weight", "4.bias"}
    assert all(one.is_leaf and one.requires_grad for one in copied.parameters())
    torch.testing.assert_close(copied(images), before, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        for one in copied.parameters():
            one.zero_()
    assert torch.equal(module(images), before), "the caller's still computes what it did, from tensors of its own"


@pytest.mark.parametrize("way", WAYS)
def test_such_a_network_has_all_its_evidence(way: str) -> None:
    model = model_of(WAYS[way]())
    images = pictures(model, 2)
    a = pl.explain(model, images, method="input_x_gradient", target=[0, 1])
    plain = model_of(bare(model.module))
    b = pl.explain(plain, images, method="input_x_gradient", target=[0, 1])
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-6)
    for one, other in zip(pl.trust(model, images, a).evidence, pl.trust(plain, images, b).evidence, strict=True):
        assert one.randomised == pytest.approx(other.randomised, abs=1e-3)
        assert one.verdict == other.verdict
    assert stages(model, 8) == [("4",), ("0",)]
    drawn = randomized(model, 0, ["4"]).module
    assert torch.equal(drawn.get_parameter("0.weight"), plain.module.get_parameter("0.weight"))
    assert not torch.equal(drawn.get_parameter("4.weight"), plain.module.get_parameter("4.weight"))
    assert {layer.name for layer in model.layers} == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_reads_it(way: str) -> None:
    model = model_of(WAYS[way]())
    images, target = pictures(model, 2), torch.tensor([0, 1])
    torch.testing.assert_close(
        model.on("openvino").logits(images.features), model.logits(images.features), rtol=1e-4, atol=1e-5
    )
    a, b = (pl.explain(one, images, method="smoothgrad", target=target, samples=6) for one in (model, model.on("openvino")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        max(model.module.parameters(), key=Tensor.numel).add_(1)
    torch.testing.assert_close(
        model.on("openvino").logits(images.features), model.logits(images.features), rtol=1e-4, atol=1e-5
    )


def test_what_a_layer_computes_in_a_way_of_its_own_is_left_at_the_scale_that_it_is_drawn_at() -> None:
    model = model_of(computing(lambda _: Own()))
    images = pictures(model, 1)
    assert 0 <= pl.trust(model, images, pl.explain(model, images, method="saliency"))[0].randomised <= 1
    for name, tensor in model.module.named_parameters():
        assert not torch.equal(randomized(model, 0).module.get_parameter(name), tensor), name


def test_a_module_of_plain_weights_is_itself() -> None:
    module = networks.relu_cnn()
    assert written_out(module) is module


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.lock = networks.relu_cnn(), threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_what_cannot_be_copied_has_a_map_but_no_evidence_and_that_is_said() -> None:
    model = model_of(Locked().eval())
    images = pictures(model, 1)
    a = pl.explain(model, images, method="saliency")
    with pytest.raises(ValueError, match=r"no copy of the network can be made: cannot pickle '_thread\.lock' object"):
        pl.trust(model, images, a)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "Check 'false' failed at src/a.cpp:151:\nFrontEnd API failed with OpConversionFailure:\n"
            "Model wasn't fully converted.\nSummary:\n-- No conversion rule found for operations: aten::vdot\n",
            "No conversion rule found for operations: aten::vdot",
        ),
        ("Check 'shape' failed at src/a.hpp:43:", "Check 'shape' failed at src/a.hpp:43:"),
        ("one\ntwo", "one"),
        ("", "RuntimeError"),
    ],
)
def test_an_error_of_the_engines_is_told_by_what_it_says_of_the_network(said: str, line: str) -> None:
    assert first_line(RuntimeError(said)) == line


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("how", [torch.jit.script, lambda module: torch.jit.trace(module, torch.zeros(2, 3, 16, 16))])
def test_of_what_torch_jit_made_there_are_maps_and_a_word_about_its_layers(how: Callable[[nn.Module], nn.Module]) -> None:
    module = networks.seeded(networks.relu_cnn())
    given, model = model_of(module), model_of(how(module))
    images = pictures(model, 2)
    a, b = (pl.explain(one, images, method="saliency", target=[0, 1]) for one in (given, model))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-6)
    assert pl.trust(model, images, b)[0].verdict == pl.trust(given, images, a)[0].verdict
    for ask in (
        lambda: pl.explain(model, images, method="grad_cam"),
        lambda: pl.filters(model, "0", [0], steps=2),
        lambda: model.layers,
        lambda: model.layer_gradients(images.features, torch.tensor([0, 1]), "0"),
    ):
        with pytest.raises(
            ValueError, match=r"torch\.jit made of a network lets nobody look at its layers; give the torch.nn.Mod"
        ):
            ask()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_part_that_torch_jit_made_is_no_layer_and_the_others_are() -> None:
    body = torch.jit.script(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()))
    model = model_of(nn.Sequential(body, nn.Conv2d(6, 6, 3), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 5)).eval())
    assert [layer.name for layer in model.layers] == ["1", "2", "3", "4"]
    assert pl.explain(model, pictures(model, 1), method="grad_cam").scores.abs().sum() > 0
    with pytest.raises(ValueError, match="lets nobody look at its layers"):
        pl.filters(model, "0", [0], steps=2)


def test_of_what_torch_compile_made_the_network_in_it_is_explained(tiny: pl.TextEncoder) -> None:
    network = networks.seeded(networks.relu_cnn())
    plain, model = model_of(network), model_of(torch.compile(network, backend="eager"))  # pyright: ignore[reportArgumentType]
    images = pictures(model, 2)
    assert model.module is network
    assert (model.layers, model.fingerprint) == (plain.layers, plain.fingerprint)
    for method in ("grad_cam", "saliency"):
        made, expected = (pl.explain(one, images, method=method, target=1) for one in (model, plain))
        assert torch.equal(made.scores, expected.scores)
    assert torch.equal(pl.filters(model, "0", [1], steps=2).features, pl.filters(plain, "0", [1], steps=2).features)
    compiled: Any = torch.compile(tiny.module, backend="eager")
    assert replace(tiny, module=compiled).module is tiny.module


def test_a_part_that_torch_compile_made_is_a_layer_and_nothing_in_it() -> None:
    body: Any = torch.compile(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()), backend="eager")
    model = model_of(nn.Sequential(body, nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(4 * 12 * 12, 3)).eval())
    assert [layer.name for layer in model.layers] == ["0", "1", "2", "3"]
    images = pictures(model, 2)
    assert pl.explain(model, images, method="grad_cam", target=1).notes == {"layer": "1"}
    with pytest.raises(
        ValueError, match=r"'0\._orig_mod\.1' is in a part of the network that torch\.compile made, .* as it was before"
    ):
        pl.explain(model, images, method="grad_cam", target=1, layer="0._orig_mod.1")
    with pytest.raises(ValueError, match="use engine='torch'"):
        model.on("openvino").logits(images.features)
