"""The way back in bfloat16: a replica by torch, what is left as it was, and for whom it is."""

from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.models import compilation, compiled_gradient
from pellucid.models.compiled_gradient import CompiledGradient, _read
from pellucid.models.engine import logits_of
from pellucid.models.gradient_graph import gradient_graph
from pellucid.models.gradients import Gradients
from pellucid.models.lowered import lower
from tests import networks
from tests.conftest import pictures, quick
from tests.models.test_gradients import NETWORKS


@pytest.fixture(autouse=True)
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU that computes so; another one gives float32's answers here."""
    monkeypatch.setattr(compilation, "has_bfloat16", lambda: True)


def rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()


def dense() -> nn.Module:
    return networks.seeded(
        nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 1), nn.ReLU6(), nn.Flatten(), nn.Linear(16384, 3)
        )
    ).eval()


@torch.no_grad()
def test_dense_layers_read_and_write_bfloat16_and_add_up_in_float32() -> None:
    network = dense()
    first, second, last = (one for one in network.children() if isinstance(one, nn.Conv2d | nn.Linear))
    x = pictures(quick(dense()), 1).features
    near = first(x)
    far = second(near.relu())
    direct = torch.tensor([[1.0, -2.0, 0.5]])
    back = rounded(rounded(direct) @ rounded(last.weight)).unflatten(1, far.shape[1:])
    for layer, inside, padding in ((second, (far > 0) & (far < 6), 0), (first, near > 0, 1)):
        back = rounded(nn.functional.conv_transpose2d(torch.where(inside, back, 0.0), rounded(layer.weight), padding=padding))
    compiled = quick(network).compiled_gradient(lowered=True)
    assert isinstance(compiled, CompiledGradient)
    assert compiled.lowered
    logits, gradient = compiled(x, direct, 0.0, 0.0)
    torch.testing.assert_close(logits, network(x), rtol=1e-5, atol=1e-5)
    assert (gradient - back).norm() <= 2**-8 * back.norm()
    # what is cut off instead of rounded would shrink by 0.15 % in every layer
    assert float((gradient * back).sum() / (back * back).sum()) == pytest.approx(1, abs=5e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_torchs_as_far_as_float32_promises(name: str) -> None:
    """Where they are not, float32 is what there is."""
    model = quick(NETWORKS[name]().eval())
    images, target = pictures(model, 7), torch.tensor([0, 2, 0, 2, 0, 2, 2])
    made = model.compiled_gradient(lowered=True)
    assert isinstance(made, CompiledGradient)
    _, expected = model.on("torch").gradients(images.features, target)
    _, got = Gradients(model, "logit", noisy=True)(images.features, target)
    least = torch.cosine_similarity(got.flatten(1), expected.flatten(1)).min()
    assert least >= (0.9998 if made.lowered else 0.999999)


def layers(graph: Any) -> list[tuple[str, str]]:
    """Those with weights, on the way there and then back: their kind and type."""
    kinds = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
    return [
        (one.get_type_name(), one.get_element_type().get_type_name())
        for one in graph.get_ordered_ops()
        if one.get_type_name() in kinds
    ]


def test_the_way_there_and_what_each_channel_has_of_its_own_stay_in_float32() -> None:
    network = networks.seeded(
        nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16), nn.ReLU(), nn.Conv2d(16, 20, 3, stride=2, padding=1),
            nn.ReLU(), nn.Flatten(), nn.Linear(320, 3),
        )
    )  # fmt: skip
    traced = gradient_graph(network.eval(), 1, (3, 16, 16), 3, logits_of)
    graph = _read(traced, [[1, 3, 16, 16], [1, 3], [1, 1], [1, 1]])
    assert {kind for _, kind in layers(graph)} == {"f32"}
    assert lower(graph, asked=1)
    there, back = layers(graph)[:5], layers(graph)[5:]
    assert there == [
        ("Convolution", "f32"), ("GroupConvolution", "f32"), ("GroupConvolution", "f32"), ("Convolution", "f32"),
        ("MatMul", "f32"),
    ]  # fmt: skip
    assert back == [
        ("MatMul", "bf16"), ("ConvolutionBackpropData", "bf16"), ("GroupConvolutionBackpropData", "f32"),
        ("GroupConvolution", "f32"), ("Convolution", "bf16"),
    ]  # fmt: skip
    assert {str(one.get_element_type()) for one in graph.outputs} == {"<Type: 'float32'>"}


def test_smoothgrad_goes_back_so_and_integrated_gradients_do_not() -> None:
    model = quick(dense())
    images = pictures(model, 2)
    cases: list[tuple[str, dict[str, Any]]] = [("smoothgrad", {"samples": 6}), ("integrated_gradients", {"steps": 6})]
    notes = {name: pl.explain(model, images, method=name, target=[0, 1], **options).notes["engine"] for name, options in cases}
    assert notes == {
        "smoothgrad": "openvino, gradients too; in float32, the way back in bfloat16",
        "integrated_gradients": "openvino, gradients too; in float32",
    }


def test_a_mean_over_noise_is_the_same_to_far_less_than_its_own_error() -> None:
    model = quick(dense())
    images = pictures(model, 2)
    a, b = (pl.explain(one, images, method="smoothgrad", target=[0, 1], samples=12) for one in (model, model.on("torch")))
    off = (a.scores - b.scores).flatten(1).norm(dim=1) / b.scores.flatten(1).norm(dim=1)
    assert (off < b.error / 10).all()
    torch.testing.assert_close(a.error, b.error, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("unlike", ["no layer", "another gradient"])
def test_where_it_is_no_use_float32_serves_everybody(unlike: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(found: Tensor, gradient: Tensor, real=compiled_gradient._check_gradient, asked: list[int] = []) -> None:  # noqa: B006
        asked.append(1)
        real(found * (-1 if len(asked) == 1 else 1), gradient)

    if unlike == "no layer":
        monkeypatch.setattr(compiled_gradient, "lower", lambda _graph, asked: False)
    else:
        monkeypatch.setattr(compiled_gradient, "_check_gradient", check)
    model = quick(networks.Residual())
    made = model.compiled_gradient(lowered=True)
    assert isinstance(made, CompiledGradient)
    assert not made.lowered
    with mock.patch.object(CompiledGradient, "__init__", side_effect=AssertionError("compiled once more")):
        assert model.compiled_gradient() is made
        assert model.compiled_gradient(lowered=True) is made


def test_without_bfloat16_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "has_bfloat16", lambda: False)
    monkeypatch.setattr(compiled_gradient, "lower", mock.Mock(side_effect=AssertionError("tried")))
    made = quick(networks.Residual()).compiled_gradient(lowered=True)
    assert isinstance(made, CompiledGradient)
    assert not made.lowered
