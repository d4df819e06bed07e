"""Networks of other habits than most: such as write over the picture, keep channels last, or have a state that is no tensor."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.models.randomized import randomized
from tests import networks
from tests.conftest import MEAN, STD, pictures


class Shifts(nn.Module):
    def __init__(self, over: bool) -> None:
        super().__init__()
        self.inner, self.over = networks.seeded(networks.relu_cnn()), over

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.sub_(0.5).div_(0.25) if self.over else (x - 0.5) / 0.25)


@pytest.fixture(params=[True, False])
def both(request: pytest.FixtureRequest) -> list[pl.ImageClassifier]:
    modules = [Shifts(over).eval() for over in (True, False)]
    return [pl.ImageClassifier(one, size=(16, 16), mean=MEAN, std=STD, prepare=request.param) for one in modules]


def test_the_picture_stays_what_it_was_and_is_answered_alike_each_time(both: list[pl.ImageClassifier]) -> None:
    over, apart = both
    images = pictures(over, 3)
    before = images.features.clone()
    for _ in range(2):
        assert torch.equal(over.logits(images.features), over.logits(images.features))
        torch.testing.assert_close(over.logits(images.features), apart.logits(images.features), rtol=1e-5, atol=1e-6)
    over.layer_output(images.features, "inner.0")
    over.layer_gradients(images.features, torch.tensor([0, 1, 2]), "inner.4")
    assert torch.equal(images.features, before)


@pytest.mark.parametrize("method", list(pl.methods))
def test_every_map_is_that_of_a_network_that_does_not(method: str, both: list[pl.ImageClassifier]) -> None:
    options: dict[str, Any] = {"segmentation": "grid", "segments": 12} if method == "lime" else {}
    (a, after), (b, _) = ((pl.explain(m, x := pictures(m, 2), method=method, **options), x) for m in both)
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-3, atol=1e-5)
    assert torch.equal(after.features, pictures(both[0], 2).features)


@pytest.mark.parametrize("metric", ["deletion", "infidelity", "completeness", "road"])
def test_so_is_every_measurement(metric: str, both: list[pl.ImageClassifier]) -> None:
    few: dict[str, Any] = {
        k: v for k, v in {"samples": 40, "orders": 4}.items() if k in pl.metrics[metric].options.model_fields
    }
    one, other = (
        pl.measure(m, x := pictures(m, 2), pl.explain(m, x, method="integrated_gradients", target=[0, 1]), metric=metric, **few)
        for m in both
    )
    torch.testing.assert_close(one.values, other.values, rtol=1e-3, atol=1e-4)


def test_random_weights_have_the_scale_of_those_of_one_that_does_not(both: list[pl.ImageClassifier]) -> None:
    one, other = (randomized(model, 0) for model in both)
    for name, tensor in one.module.state_dict().items():
        torch.testing.assert_close(tensor, other.module.state_dict()[name], rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------- layers that are no maps


class Biased(nn.Module):
    """Attends with a bias of weights alone, the same for every image, and ends with its channels last, as a Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, 6, 4, 4), nn.LayerNorm(6), nn.Linear(6, 5)
        self.bias = nn.Sequential(nn.Embedding(16, 16), nn.Unflatten(1, (4, 4)))
        self.ahead = nn.Unflatten(0, (1, -1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.stem(x).permute(0, 2, 3, 1))
        shift = self.ahead(self.bias(torch.arange(16))).mean()
        return self.head(tokens.mean((1, 2)) + shift)


def test_what_has_no_row_for_an_image_or_its_channels_last_is_no_map() -> None:
    model = pl.ImageClassifier(networks.seeded(Biased()), size=(16, 16), mean=MEAN, std=STD)
    images = pictures(model, 3)
    a = pl.explain(model, images, method="grad_cam")
    assert a.notes["layer"] == "stem"
    assert len(a.scores) == 3
    for layer, said in (("ahead", "not one tensor with a row for each image"), ("norm", "4 x 4 x 6, the channels last")):
        with pytest.raises(ValueError, match=said):
            pl.explain(model, images, method="grad_cam", layer=layer)
    with pytest.raises(ValueError, match="4 x 4 x 6 values, the channels last, an image"):
        pl.filters(model, "norm", [0], steps=2)


# ------------------------------------------------------------------------------- classes and states of other kinds


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "target", [np.int64(2), np.array(2), np.array([2, 2]), [np.int64(2), 2], torch.tensor(2), torch.tensor([2, 2]), "2"]
)
def test_a_class_is_given_by_any_integer(target: Any, relu: pl.ImageClassifier) -> None:
    images = pictures(relu, 2)
    assert relu.targets(images, target).tolist() == [2, 2]
    assert relu.rather_than(np.int64(1)).against == 1  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("target", [True, 2.0, [2.0, 1.0], torch.tensor([1.0, 2.0]), np.array([True, False])])
def test_anything_else_is_refused_in_words(target: Any, relu: pl.ImageClassifier) -> None:
    with pytest.raises(
        TypeError, match=r"a class is given by its label or its number, not by (True|1\.0|2\.0), a (bool|float)"
    ):
        relu.targets(pictures(relu, 2), target)


class Extra(nn.Module):
    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.inner, self.epoch = networks.seeded(networks.relu_cnn()), epoch

    def get_extra_state(self) -> dict[str, int]:
        return {"epoch": self.epoch}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.epoch = state["epoch"]

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_a_state_that_is_no_tensor_counts_too() -> None:
    prints = [pl.ImageClassifier(Extra(epoch).eval(), size=(16, 16)).fingerprint for epoch in (3, 3, 4)]
    assert prints[0] == prints[1] != prints[2]


def test_a_tensor_in_bfloat16_is_a_picture() -> None:
    model = pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16))
    assert model.read(torch.rand(3, 20, 20).bfloat16()).features.shape == (1, 3, 16, 16)
