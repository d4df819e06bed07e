import re

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures, wrapped
from tests.networks import Residual, relu_cnn, seeded

grad_cam = pl.methods["grad_cam"]
TARGET = torch.tensor([2, 0, 1])


class Averaging(nn.Module):
    """Convolution, global average, linear: the gradient by a map is its weight over the number of its positions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


class Branching(nn.Module):
    """A branch that the logits do not use, one that never runs, and a module that gives two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.unused = nn.Conv2d(4, 4, 1)
        self.never = nn.Conv2d(4, 4, 1)
        self.pair = Pair()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        self.unused(x)
        return self.fc(self.pair(x)[0].mean((2, 3)))


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def test_is_the_class_activation_map_of_a_network_that_averages() -> None:
    """Section 3 of the paper: with global average pooling Grad-CAM is CAM, up to the number of positions."""
    module = Averaging()
    model = wrapped(module)
    images = pictures(model)
    a = grad_cam(model, images, TARGET, rectify=False)
    with torch.no_grad():
        activations = module.act(module.conv(images.features))
        expected = torch.einsum("bk,bkhw->bhw", module.fc.weight[TARGET], activations) / 64
    torch.testing.assert_close(a.extras["cam"], expected)
    torch.testing.assert_close(a.extras["cam"].sum((1, 2)), model.values(images.features, TARGET) - module.fc.bias[TARGET])
    assert a.notes == {"layer": "act"}
    assert (a.unit, a.signed, a.error.tolist()) == ("logit", True, [0, 0, 0])
    assert (a.work.forwards, a.work.backwards, a.work.fraction) == (3, 3, 1)


def test_equals_a_slow_replica(smooth: ImageClassifier) -> None:
    images = pictures(smooth, 2)
    a = grad_cam(smooth, images, TARGET[:2], layer="3", output="log_probability")
    assert isinstance(smooth.module, nn.Sequential)
    before, after = smooth.module[:4], smooth.module[4:]
    for i, image in enumerate(images.features):
        maps = before(image[None]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(after(maps).log_softmax(1)[0, TARGET[i]], maps)
        maps = maps.detach()[0]
        cam = torch.zeros(8, 8)
        for k in range(len(maps)):
            alpha = sum(gradient[0, k, y, x] for y in range(8) for x in range(8)) / 64  # eq. 1
            cam = cam + alpha * maps[k]
        torch.testing.assert_close(a.extras["cam"][i], cam, rtol=1e-4, atol=1e-6)
        # twice as large, bilinear: inside, each pixel takes 9, 3, 3 and 1 sixteenths of the four cells around it
        cam = cam.clamp(min=0)  # eq. 2
        torch.testing.assert_close(a.map()[i, 4, 8], (9 * cam[2, 4] + 3 * cam[1, 4] + 3 * cam[2, 3] + cam[1, 3]) / 16)


def test_rectified_map_is_never_negative_and_the_coarse_one_keeps_its_sign(small_network: ImageClassifier) -> None:
    images = pictures(small_network)
    rectified, raw = (grad_cam(small_network, images, TARGET, rectify=r) for r in (True, False))
    assert torch.equal(rectified.extras["cam"], raw.extras["cam"])
    assert rectified.scores.shape == (3, 1, 16, 16)
    assert (rectified.scores >= 0).all()
    assert (raw.scores < 0).any()
    assert not rectified.signed


@pytest.mark.parametrize("layer", ["0", "1", "4", "5"])
def test_an_in_place_module_behind_the_layer_changes_nothing(layer: str) -> None:
    model = wrapped(relu_cnn())
    copying = relu_cnn()
    copying.load_state_dict(model.module.state_dict())
    for sub in copying.modules():
        if isinstance(sub, nn.ReLU):
            sub.inplace = False
    plain = pl.ImageClassifier(copying.eval(), size=(16, 16), mean=model.mean, std=model.std)
    images = pictures(model)
    assert torch.equal(grad_cam(model, images, TARGET, layer=layer).scores, grad_cam(plain, images, TARGET, layer=layer).scores)


def test_needs_no_gradient_of_the_weights() -> None:
    module = seeded(relu_cnn()).requires_grad_(False)
    model = pl.ImageClassifier(module, size=(16, 16))
    assert grad_cam(model, pictures(model), TARGET, rectify=False).scores.abs().sum() > 0


def test_the_chosen_layer_survives_a_record(relu: ImageClassifier) -> None:
    a = grad_cam(relu, pictures(relu), TARGET)
    assert a.notes == {"layer": "7"}
    assert pl.Attribution.from_record(a.to_record()).notes == {"layer": "7"}
    assert a[1].notes == {"layer": "7"}


def test_against_weighs_the_difference_of_two_logits(relu: ImageClassifier) -> None:
    images = pictures(relu, 1)
    this, that = (pl.explain(relu, images, method="grad_cam", target=t).extras["cam"] for t in (0, 1))
    rather = pl.explain(relu, images, method="grad_cam", target=0, against=1)
    torch.testing.assert_close(rather.extras["cam"], this - that, rtol=1e-4, atol=1e-6)


def test_chooses_the_last_layer_with_maps_that_runs_once() -> None:
    twice = nn.ReLU()
    model = wrapped(nn.Sequential(nn.Conv2d(3, 4, 3), twice, twice, nn.Flatten(), nn.Linear(4 * 14 * 14, 3)))
    assert grad_cam(model, pictures(model), TARGET).notes == {"layer": "0"}
    model = wrapped(Residual())
    assert grad_cam(model, pictures(model), TARGET).notes == {"layer": "down"}


def test_refuses_a_layer_that_the_answer_does_not_depend_on() -> None:
    model = wrapped(Branching())
    with pytest.raises(ValueError, match=r"does not depend on the output of layer 'unused', .*; choose a layer on its way"):
        grad_cam(model, pictures(model), TARGET)
    assert grad_cam(model, pictures(model), TARGET, layer="body").notes == {"layer": "body"}


def test_names_the_layers_that_would_do(small_network: ImageClassifier) -> None:
    with pytest.raises(KeyError, match=r"no layer named 'layer4'.*; known: "):
        grad_cam(small_network, pictures(small_network), TARGET, layer="layer4")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("fc", "layer 'fc' gives no maps (channel height width), its output is 3; layers that would do: body, unused"),
        (
            "pair",
            "layer 'pair' gives no maps (channel height width), its output is not one tensor with a row for each image; "
            "layers that would do: body",
        ),
        ("never", "the forward pass does not run through layer 'never'; layers that would do: body, unused"),
    ],
)
def test_refuses_layers_without_maps(layer: str, message: str) -> None:
    model = wrapped(Branching())
    with pytest.raises(ValueError, match=re.escape(message)):
        grad_cam(model, pictures(model), TARGET, layer=layer)


def test_refuses_a_layer_that_runs_several_times(imagenet: ImageClassifier) -> None:
    assert imagenet.layers[-1].name == "_fc"
    with pytest.raises(
        ValueError, match=r"layer '_swish' runs 2 times in a forward pass; layers .*_conv_head, _bn1 and earlier"
    ):
        grad_cam(imagenet, imagenet.read("observation:0"), torch.tensor([0]), layer="_swish")


def test_refuses_a_network_without_maps(linear: ImageClassifier) -> None:
    with pytest.raises(ValueError, match=r"no layer that runs once gives maps .*; Grad-CAM is for convolutional networks"):
        grad_cam(linear, pictures(linear), TARGET)


def test_layer_gradients_are_those_of_the_whole_batch(relu: ImageClassifier) -> None:
    images = pictures(relu, 12)  # more than one pass
    target = torch.arange(12) % 5
    values, activations, gradients = relu.layer_gradients(images.features, target, "3")
    torch.testing.assert_close(values, relu.values(images.features, target))
    assert isinstance(relu.module, nn.Sequential)
    inner = relu.module[:4](images.features).detach().requires_grad_()
    torch.testing.assert_close(activations, inner.detach())
    (expected,) = torch.autograd.grad(relu.module[4:](inner.clone()).gather(1, target[:, None]).sum(), inner)
    torch.testing.assert_close(gradients, expected)
