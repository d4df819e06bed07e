"""The same numbers as captum's, on three small networks."""

from typing import Any

import pytest
import torch
from captum.attr import InputXGradient, LayerAttribution, LayerGradCam, NoiseTunnel, Occlusion, Saliency, ShapleyValues

import pellucid as pl
from pellucid.models.hooks import find_module
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures

TARGET = torch.tensor([2, 0, 1])


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """To 1e-4 relative, each score; below a thousandth of the largest, of that thousandth: float32 sums are no better there."""
    theirs = theirs.detach()
    largest = float(theirs.abs().max())
    assert largest > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7 * largest)


def leaf(images: pl.Images) -> torch.Tensor:
    return images.features.clone().requires_grad_()


@pytest.fixture
def forward(small_network: ImageClassifier) -> Any:
    return lambda x: small_network.module(x.clone())  # captum hands in leaves, which no in-place module may touch


def test_saliency(small_network: ImageClassifier, forward: Any) -> None:
    images = pictures(small_network)
    a = pl.methods["saliency"](small_network, images, TARGET)
    assert_equal(a.scores, Saliency(forward).attribute(leaf(images), TARGET, abs=False))
    a = pl.methods["saliency"](small_network, images, TARGET, magnitude=True)
    assert_equal(a.scores, Saliency(forward).attribute(leaf(images), TARGET))


def test_input_x_gradient(small_network: ImageClassifier, forward: Any) -> None:
    images = pictures(small_network)
    a = pl.methods["input_x_gradient"](small_network, images, TARGET)
    assert_equal(a.scores, InputXGradient(forward).attribute(leaf(images), TARGET))


@pytest.fixture
def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captum asks `torch.normal` for its noise, without a generator; give it the draws that our seed 7 makes."""

    def normal(mean: float, std: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(7)
        return mean + std * torch.stack([torch.randn(std.shape[1:], generator=generator) for _ in range(len(std))])

    monkeypatch.setattr(torch, "normal", normal)


@pytest.mark.parametrize(
    ("statistic", "name", "magnitude"),
    [
        ("mean", "smoothgrad", False),
        ("magnitude", "smoothgrad", True),
        ("square", "smoothgrad_sq", False),
        ("variance", "vargrad", False),
    ],
)
@pytest.mark.usefixtures("same_noise")
def test_smoothgrad(small_network: ImageClassifier, forward: Any, statistic: str, name: str, magnitude: bool) -> None:
    images = pictures(small_network)
    a = pl.methods["smoothgrad"](small_network, images, TARGET, samples=24, noise=0.2, statistic=statistic, seed=7)
    for i in range(len(images)):
        theirs = NoiseTunnel(Saliency(forward)).attribute(
            leaf(images[i]),
            nt_type=name,
            nt_samples=24,
            stdevs=0.2 * float(images.value_range[i]),
            target=int(TARGET[i]),
            abs=magnitude,
        )
        assert isinstance(theirs, torch.Tensor)
        assert_equal(a.scores[i : i + 1], theirs)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (5, 3), (3, 3), (16, 8)])
@pytest.mark.parametrize("fill", ["zero", "black"])
def test_occlusion(small_network: ImageClassifier, window: int, stride: int, fill: str) -> None:
    images = pictures(small_network)
    a = pl.methods["occlusion"](small_network, images, TARGET, window=window, stride=stride, fill=fill)
    hidden = torch.zeros(1, 3, 16, 16) if fill == "zero" else images.normalise(torch.zeros(1, 3, 16, 16))
    theirs = Occlusion(small_network.module).attribute(
        images.features,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=hidden,
        target=TARGET,
    )
    # a difference of two logits is no closer than they are rounded, which the size of a batch decides on some processors
    rounding = 8 * torch.finfo(torch.float32).eps * float(small_network.logits(images.features).abs().max())
    torch.testing.assert_close(a.scores.expand(-1, 3, -1, -1), theirs, rtol=1e-4, atol=rounding)
    assert float(theirs.abs().max()) > 1000 * rounding


LAYERS = {"Sequential": ("2", "4", "5"), "Residual": ("norm", "down")}


@pytest.mark.parametrize("rectify", [True, False])
def test_grad_cam(small_network: ImageClassifier, rectify: bool) -> None:
    images = pictures(small_network)
    for layer in LAYERS[type(small_network.module).__name__]:
        a = pl.methods["grad_cam"](small_network, images, TARGET, layer=layer, rectify=rectify)
        module = find_module(small_network.module, layer)
        theirs = LayerGradCam(small_network.module, module).attribute(leaf(images) + 0, TARGET, relu_attributions=rectify)
        assert isinstance(theirs, torch.Tensor)
        larger = LayerAttribution.interpolate(theirs, (16, 16), interpolate_mode="bilinear")
        assert isinstance(larger, torch.Tensor)
        assert_equal(a.scores, larger)


@pytest.mark.filterwarnings("ignore:You are attempting to compute Shapley Values")  # of pixels, it thinks
def test_shapley_values(small_network: ImageClassifier, forward: Any) -> None:
    """Captum's go through all orders of four superpixels; there and here they are laid over the pixels."""
    images = pictures(small_network)
    a = pl.methods["kernel_shap"](small_network, images, TARGET, output="logit", segmentation="grid", segments=4, hide="black")
    black = images.normalise(torch.zeros_like(images.features))
    theirs = ShapleyValues(forward).attribute(images.features, black, TARGET, feature_mask=a.segments[0][None, None])
    # of differences of logits of about 1, each in float32
    torch.testing.assert_close(a.scores, theirs.mean(1, keepdim=True), rtol=1e-4, atol=5e-7)
