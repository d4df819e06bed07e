"""Gradients by OpenVINO: torch's, or torch's own."""

import itertools
from typing import Any, get_args
from unittest import mock

import pytest
import torch
import transformers
from torch import Tensor, nn

import pellucid as pl
from pellucid.models import compilation
from pellucid.models.compiled_gradient import CompiledGradient
from pellucid.models.engine import Compiled, logits_of
from pellucid.models.food11 import Categories
from pellucid.models.gradient_graph import _Rewriting, gradient_graph
from pellucid.models.gradients import Gradients
from pellucid.models.image import Output
from tests import networks
from tests.conftest import pictures, quick


def flat(*layers: nn.Module) -> nn.Module:
    """A network of three classes, for 16 x 16 pixels, after a layer with eight channels."""
    before = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *layers, nn.Flatten())
    return networks.seeded(nn.Sequential(before, nn.Linear(before.eval()(torch.zeros(1, 3, 16, 16)).shape[1], 3)))


def of_transformers(kind: str, **config: Any) -> nn.Module:
    about = getattr(transformers, f"{kind}Config")(**config)
    return networks.seeded(getattr(transformers, f"{kind}ForImageClassification")(about))


class Pools(nn.Module):
    """By functions, whose step is that of the kernel where none is given."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(nn.functional.max_pool2d(x.tanh(), 2), 4)


class Absolute(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


def stem(*layers: nn.Module) -> nn.Module:
    """A network of three classes, for 16 x 16 pixels, which steps over the picture itself."""
    before = nn.Sequential(*layers, nn.ReLU6(), nn.Flatten())
    return networks.seeded(nn.Sequential(before, nn.Linear(before.eval()(torch.zeros(1, 3, 16, 16)).shape[1], 3)))


STEMS = [(3, 2, 1), (3, 2, 0), (7, 2, 3), (2, 2, 0), (1, 2, 0), (4, 4, 0), (3, 4, 2), (5, 8, 1), (3, 3, 1), ((3, 5), 2, (1, 0))]
"""Kernel, stride and padding; 16 is divided by 2, 4 and 8, not by 3."""


POOLS = [
    (2, 2, 0, False),
    (3, 2, 1, False),
    (3, 2, 0, True),
    (3, 1, 1, False),
    (3, 3, 1, True),
    (1, 2, 0, False),
    ((3, 2), 2, (1, 0), False),
]
"""Kernel, stride, padding and whether what is left over at the end counts."""
MEANS: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    (4, 4, 0, {}),
    (3, 2, 0, {}),
    (3, 2, 1, {"count_include_pad": False}),
    (3, 1, 1, {}),
    ((5, 2), (3, 1), (2, 0), {}),
    (2, 3, 0, {}),
    (3, 2, 0, {"ceil_mode": True}),
    (5, 4, 2, {"ceil_mode": True, "count_include_pad": False}),
    (100, 100, 0, {"ceil_mode": True}),
]
"""Kernel, stride, padding, and what else is said."""

VIT = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "image_size": 16, "patch_size": 4, "num_labels": 3}


NETWORKS: dict[str, Any] = {
    "residual": networks.Residual,
    "smooth": networks.smooth_cnn,
    "strided": lambda: flat(nn.ReLU(), nn.Conv2d(8, 6, 3, stride=2, padding=1)),
    "strided, as many as before": lambda: flat(nn.Conv2d(8, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1)),
    "strided, unpadded": lambda: flat(nn.ReLU(), nn.Conv2d(8, 6, 3, padding="valid"), nn.Conv2d(6, 6, 3, 2, padding="valid")),
    "strided, in groups": lambda: flat(nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2)),
    "attention": lambda: of_transformers("ViT", num_hidden_layers=2, **VIT),
    "attention without the quick kind": lambda: of_transformers("ViT", num_hidden_layers=1, attn_implementation="eager", **VIT),
    "Swin": lambda: of_transformers(
        "Swin", image_size=16, patch_size=2, embed_dim=8, depths=[2, 1], num_heads=[1, 2], window_size=4, num_labels=3
    ),
    "ConvNeXt": lambda: of_transformers(
        "ConvNext", hidden_sizes=[8, 12, 16, 16], depths=[1, 1, 1, 1], patch_size=2, num_labels=3
    ),
    "pools without a step": lambda: flat(Pools()),
    "absolute": lambda: flat(Absolute()),
    "layer norm": lambda: flat(nn.LayerNorm(16), nn.GELU()),
    "layer norm without factors": lambda: flat(nn.LayerNorm([16, 16], elementwise_affine=False), nn.GELU()),
    "strided, uneven": lambda: flat(nn.ReLU6(), nn.Conv2d(8, 6, (3, 5), stride=(2, 3), padding=(0, 2))),
    **{f"stem of {k}, every {s}": lambda k=k, s=s, p=p: stem(nn.Conv2d(3, 8, k, s, p)) for k, s, p in STEMS},
    "stem, padded on one side": lambda: stem(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8)),
    "grouped": lambda: flat(nn.ReLU6(), nn.Conv2d(8, 16, 3, padding=1, groups=4)),
    "depthwise, strided": lambda: flat(nn.ReLU6(), nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8)),
    "dilated": lambda: flat(nn.ReLU(), nn.Conv2d(8, 4, 3, dilation=2, padding=1)),
    "clipped": lambda: flat(nn.Hardtanh(-0.3, 0.4)),
    **{
        f"mean of {k}, every {s}, {p}, {more}": lambda one=(k, s, p), more=more: flat(nn.Tanh(), nn.AvgPool2d(*one, **more))
        for k, s, p, more in MEANS
    },
    "adaptive": lambda: flat(nn.ReLU(), nn.AdaptiveAvgPool2d(4)),
    "one mean": lambda: flat(nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
    "batch norm first": lambda: flat(nn.ReLU(), nn.BatchNorm2d(8)),
    **{kind.__name__: lambda kind=kind: flat(kind()) for kind in (nn.SiLU, nn.GELU, nn.Sigmoid, nn.ELU, nn.Hardswish, nn.Mish)},
    **{
        f"max of {k}, every {s}, {p}, {c}": lambda one=(k, s, p, c): flat(nn.MaxPool2d(*one[:3], ceil_mode=one[3]))
        for k, s, p, c in POOLS
    },
    "categories": lambda: Categories(flat(nn.ReLU()), ((0, 2), (), (1,)), -9.0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_many_gradients_are_torchs_by_every_output(name: str) -> None:
    model = quick(NETWORKS[name]().eval())
    compiled = model.compiled_gradient()
    assert isinstance(compiled, CompiledGradient), compiled
    images, target = pictures(model, 7), torch.tensor([0, 2, 0, 2, 0, 2, 2])
    for output in get_args(Output):
        for against in (None, 2):
            asked = model.rather_than(against)
            expected = asked.on("torch").gradients(images.features, target, output)
            for got, own in zip(Gradients(asked, output)(images.features, target), expected, strict=True):
                assert (got - own).abs().max() <= 1e-4 * own.abs().max().clamp(min=1e-3), (output, against)
            one = Gradients(asked, output)(images.features[3:4], target[3:4])
            assert torch.equal(one[1], Gradients(asked, output)(images.features, target)[1][3:4]), "company changes nothing"


@pytest.mark.parametrize("pool", POOLS)
def test_of_equals_in_a_window_the_engine_takes_the_one_that_torch_takes(pool: tuple[Any, Any, Any, bool]) -> None:
    """Without ReLU, what lies beside the largest has a gradient of its own."""
    model = quick(flat(nn.MaxPool2d(*pool[:3], ceil_mode=pool[3])).eval())
    images, target = torch.full((1, 3, 16, 16), 0.7), torch.tensor([1])
    images[..., 3:9, 5:12] = -0.4
    _, expected = model.on("torch").gradients(images, target)
    torch.testing.assert_close(Gradients(model, "logit")(images, target)[1], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stride", [4, 3])
def test_a_mean_may_be_divided_by_another_number_than_its_values(stride: int) -> None:
    """By torch, since OpenVINO does not take it on the way there."""
    network = flat(nn.Tanh(), nn.AvgPool2d(4, stride, divisor_override=3)).eval()
    x, direct, none = pictures(quick(network), 1).features, torch.tensor([[1.0, -2.0, 0.5]]), torch.zeros(1, 1)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad((network(leaf) * direct).sum(), leaf)
    _, got = gradient_graph(network, 1, (3, 16, 16), 3, logits_of)(x, direct, none, none)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


class TwoStems(nn.Module):
    """Two convolutions read the picture, one without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(3, 4, 5, 2, 2, bias=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.near(x).sigmoid() * self.far(x).tanh()).mean((2, 3)))


@pytest.mark.parametrize("name", [*NETWORKS, "two stems"])
def test_the_sum_of_gradients_on_a_line_is_that_of_torchs(name: str) -> None:
    model = quick(({"two stems": lambda: networks.seeded(TwoStems())} | NETWORKS)[name]().eval())
    start, end = pictures(model, 2).features
    step, target, generator = end - start, torch.tensor(2), torch.Generator().manual_seed(3)
    for places, output, against in itertools.product((1, 5, 7), get_args(Output), (None, 1)):
        where, weights = torch.rand(places, generator=generator), torch.rand(places, generator=generator) - 0.3
        points, asked = start + where[:, None, None, None] * step, model.rather_than(against)
        _, each = asked.on("torch").gradients(points, target.expand(places), output)
        expected = (weights[:, None, None, None] * each).sum(0)
        gradients = Gradients(asked, output)
        got = gradients.summed(start[None], step[None], where, weights, target[None])[0]
        assert (got - expected).abs().max() <= 2e-4 * each.abs().max().clamp(min=1e-3), (places, output, against)
        assert gradients.notes == {"engine": "openvino, gradients too; in float32"}


def test_nothing_on_a_line_may_be_nan() -> None:
    model = quick(networks.Residual())
    start, step = torch.zeros(3, 16, 16), torch.zeros(3, 16, 16)
    step[0, 3, 3] = torch.inf
    with pytest.raises(ValueError, match="features hold NaN or infinite"):
        Gradients(model, "logit").summed(start[None], step[None], torch.ones(2), torch.ones(2), torch.tensor([0]))


class InfiniteAtOne(nn.Module):
    """The second logit is infinite where the mean is 1, and no gradient is."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3))
        off = mean.detach() - 1
        return torch.stack([mean.tanh(), (off * off).log(), mean], 1)


def test_no_logit_on_a_line_may_be_infinite() -> None:
    model = quick(InfiniteAtOne())
    assert isinstance(model.compiled_gradient(), CompiledGradient), model.compiled_gradient()
    start, target = torch.ones(1, 3, 16, 16), torch.tensor([0])
    with pytest.raises(ValueError, match="NaN or infinite logits"):
        Gradients(model, "logit").summed(start, torch.zeros_like(start), torch.ones(2), torch.ones(2), target)


def test_the_ends_of_a_line_have_torchs_values() -> None:
    model = quick(networks.Residual())
    images, target = pictures(model, 3), torch.tensor([0, 2, 1])
    for output, against in itertools.product(get_args(Output), (None, 1)):
        asked = model.rather_than(against)
        expected = asked.on("torch").values(images.features, target, output)
        torch.testing.assert_close(Gradients(asked, output).values(images.features, target), expected, rtol=1e-4, atol=1e-5)


def test_methods_that_average_gradients_take_the_engines_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "has_bfloat16", lambda: False)
    model = quick(networks.Residual())
    images = pictures(model, 3)
    cases: list[tuple[str, dict[str, Any]]] = [("smoothgrad", {"samples": 12}), ("integrated_gradients", {"steps": 12})]
    for method, options in cases:
        a, b = (pl.explain(one, images, method=method, target=[0, 1, 2], **options) for one in (model, model.on("torch")))
        assert a.notes["engine"] == "openvino, gradients too; in float32"
        assert "engine" not in b.notes
        torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-6)
        assert a.work.backwards == b.work.backwards


@pytest.mark.parametrize(("method", "options"), [("saliency", {}), ("integrated_gradients", {"steps": 12})])
def test_nothing_is_compiled_for_a_pass_or_two(method: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling the network takes longer than to ask torch for a prediction and the ends of a path."""
    monkeypatch.setattr(Compiled, "__init__", mock.Mock(side_effect=AssertionError("compiled")))
    model = quick(networks.Residual())
    images = pictures(model, 2)
    a, b = (pl.explain(one, images, method=method, **options) for one in (model, model.on("torch")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-6)
    assert torch.equal(a.target, b.target)
    with pytest.raises(AssertionError, match="compiled"):
        model.logits(images.features)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: flat(nn.MaxPool2d(2, dilation=2)), "max pooling with a dilation"),
        (lambda: flat(nn.MaxPool2d(2, stride=(1, 2))), "two different steps"),
        (lambda: flat(nn.ConvTranspose2d(8, 4, 2, stride=2)), "transposed convolution"),
        (lambda: flat(nn.AdaptiveAvgPool2d(5)), "5 x 5 means over 16 x 16 overlap"),
    ],
)
def test_where_the_engine_has_no_gradients_torch_gives_them_and_it_is_said(make, why: str) -> None:
    model = quick(make().eval())
    images = pictures(model, 2)
    a = pl.explain(model, images, method="smoothgrad", target=[0, 1], samples=6)
    assert a.notes["engine"].startswith("openvino; gradients by torch: ")
    assert why in a.notes["engine"]
    b = pl.explain(model.on("torch"), images, method="smoothgrad", target=[0, 1], samples=6)
    assert torch.equal(a.scores, b.scores)


def test_a_gradient_unlike_torchs_is_not_taken() -> None:
    def lets_everything_back(rewriting: _Rewriting, node: Any, real: Any = _Rewriting._clip) -> None:
        node.args = (*node.args[:2], -1e9, 1e9)
        real(rewriting, node)

    with mock.patch.object(_Rewriting, "_clip", lets_everything_back):
        compiled = quick(networks.Residual()).compiled_gradient()
    assert isinstance(compiled, str)
    assert "cosine" in compiled


def test_gradients_follow_a_changed_weight() -> None:
    model = quick(networks.Residual())
    images, target = pictures(model, 2), torch.tensor([0, 1])
    before = Gradients(model, "logit")(images.features, target)[1]
    with torch.no_grad():
        next(model.module.parameters()).data.mul_(3)
    after = Gradients(model, "logit")(images.features, target)[1]
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(after, model.on("torch").gradients(images.features, target)[1], rtol=1e-4, atol=1e-5)


def test_a_gradient_of_nan_is_an_error_as_ever() -> None:
    model = quick(networks.Residual())
    with pytest.raises(ValueError, match="features hold NaN or infinite"):
        Gradients(model, "logit")(torch.full((1, 3, 16, 16), torch.nan), torch.tensor([0]))
