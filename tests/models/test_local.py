"""What a square does not reach is not computed again, and the logits are those of whole passes."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.models.engine import _request
from pellucid.models.local import COPIED, WRITTEN, Cut, Local, cuts, folded
from tests import networks
from tests.conftest import pictures


class Branches(nn.Module):
    """Two kernels side by side, a padding of its own, and channels joined."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0.5)
        self.stem = nn.Conv2d(3, 8, 3, 2)
        self.near, self.far = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 3, padding=2, dilation=2)
        self.slope = nn.PReLU(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.pad(x))
        x = self.slope(torch.cat([self.near(x), self.far(x)], 1))
        return self.head(x.mean((2, 3)))


def plain(*inner: nn.Module, channels: int = 8) -> nn.Module:
    return nn.Sequential(*inner, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 5))


NETWORKS: dict[str, tuple[Any, tuple[int, int]]] = {
    "relu": (networks.relu_cnn, (40, 40)),
    "smooth": (networks.smooth_cnn, (40, 40)),
    "residual": (networks.Residual, (32, 48)),
    "branches": (Branches, (40, 32)),
    "valid": (lambda: plain(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 8, 4, stride=2)), (37, 41)),
    "strided": (lambda: plain(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 1, stride=3)), (45, 50)),
    "even": (lambda: plain(nn.Conv2d(3, 8, 4, 4), nn.GELU(), nn.Conv2d(8, 8, 2, padding=1)), (42, 40)),
}


def whole(name: str) -> pl.ImageClassifier:
    make, size = NETWORKS[name]
    return pl.ImageClassifier(networks.seeded(make()), size=size).on("openvino")


def built(name: str, window: int) -> tuple[pl.ImageClassifier, Local]:
    model = whole(name)
    local = model.local(window)
    assert isinstance(local, Local), local
    return model, local


CUTS = {"relu": 2, "smooth": 2, "residual": 2, "branches": 3, "valid": 2, "strided": 3, "even": 2}
"""How many there are at least."""


@pytest.mark.parametrize("window", [1, 4, 7])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_whole_passes_wherever_the_square_is_and_the_cut(
    name: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.models.local.LEAST", -math.inf)
    model = whole(name)
    images = pictures(model, 2).features
    height, width = model.size
    rows = sorted({*range(0, height, 3), height - window, height - 1})
    columns = sorted({*range(0, width, 5), width - window, width - 1})
    corners = torch.tensor(list(itertools.product(rows, columns)))
    owners = torch.arange(len(corners)) % 2
    copies = images[owners]
    for copy, (top, left) in zip(copies, corners.tolist(), strict=True):
        copy[:, top : top + window, left : left + window] = torch.randn(3, 1, 1)
    expected = model.logits(copies)
    assert (expected - model.logits(images)[owners]).abs().max() > 1e-3, "nothing was hidden"
    assert model.compiled is not None
    graph = model.compiled._graph
    found = list(cuts(folded(graph), window))
    assert len(found) >= CUTS[name]
    for one in found:
        local = Local(graph, window, _request)
        local.cut = one
        got = local(copies, corners, local.begun(images, "float32"), owners, "float32")
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5, msg=one.name)


def test_what_is_outside_the_crop_is_not_looked_at() -> None:
    model, local = built("relu", 4)
    images = pictures(model, 1).features
    begun, owners = local.begun(images, "float32"), torch.tensor([0])
    elsewhere = images.clone()
    elsewhere[:, :, 30:] = 9
    corners = torch.tensor([[0, 0]])
    assert torch.equal(*(local(copies, corners, begun, owners, "float32") for copies in (images, elsewhere)))


def cut(module: nn.Module, window: int, side: int = 64) -> Cut | None:
    model = pl.ImageClassifier(networks.seeded(module), size=(side, side)).on("openvino")
    assert model.compiled is not None
    return max(cuts(folded(model.compiled._graph), window), key=lambda one: one.saved, default=None)


def test_a_cut_and_its_crop_as_counted_by_hand() -> None:
    """Two kernels of 3, the second of every other place: 1 + 2 more to either side, and a crop that starts at even places."""
    found = cut(plain(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)), window=4)
    assert found is not None
    assert found.down == found.across
    assert (found.down.span, found.down.places) == ((2, 2, 2), 32)
    assert found.down.piece(0) == (slice(0, 12), slice(0, 3), slice(0, 3))
    assert found.down.piece(21) == (slice(18, 30), slice(1, 5), slice(10, 14))
    assert found.down.piece(60) == (slice(52, 64), slice(3, 6), slice(29, 32))
    written = 8 * 64**2, 8 * 32**2
    work = written[0] * (WRITTEN + 27), written[1] * (WRITTEN + 72)
    saved = (1 - (12 / 64) ** 2) * sum(work) - COPIED * written[1]
    assert found.saved == pytest.approx(saved / (sum(work) + 5 * (WRITTEN + 32)))


def test_larger_squares_save_less() -> None:
    saved = [cut(networks.relu_cnn(), window) for window in (4, 16, 48)]
    assert all(one is not None for one in saved)
    shares = [one.saved for one in saved if one is not None]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 2 * shares[-1]


class Everywhere(nn.Module):
    """Each place sees the mean of all, from the first layer on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x - x.mean((2, 3), keepdim=True)).relu().mean((2, 3)))


class Placed(nn.Module):
    """A number of its own for every place is added: the network is another one at each."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Parameter(torch.zeros(1, 8, 40, 40))
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.conv(x) + self.where).relu().mean((2, 3)))


@pytest.mark.parametrize("make", [networks.Linear, Everywhere, lambda: plain(nn.Conv2d(3, 8, 1), nn.Softmax(2))])
def test_says_why_whole_passes_stay(make: Any) -> None:
    side = 8 if make is networks.Linear else 40
    model = pl.ImageClassifier(networks.seeded(make()), size=(side, side)).on("openvino")
    images, target = pictures(model, 1), torch.tensor([1])
    why = "its first layers look at the whole picture, or cost too little"
    if make is networks.Linear or make is Everywhere:
        assert model.local(4) == why
    a, b = (pl.methods["occlusion"](m, images, target, window=4) for m in (model, model.on("torch")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)
    if model.local(4) == why:
        assert a.notes["engine"].endswith(f"; every copy as a whole: {why}")


def test_what_differs_from_place_to_place_is_not_cropped() -> None:
    model = pl.ImageClassifier(networks.seeded(Placed()), size=(40, 40)).on("openvino")
    images, target = pictures(model, 1), torch.tensor([1])
    a, b = (pl.methods["occlusion"](m, images, target, window=4) for m in (model, model.on("torch")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)


def test_another_window_and_another_weight_are_seen() -> None:
    model, four = built("relu", 4)
    assert model.local(4) is four
    seven = model.local(7)
    assert isinstance(seven, Local)
    assert seven.window == 7
    with torch.no_grad():
        next(model.module.parameters()).mul_(2)
    again = model.local(7)
    assert again is not seven
    images = pictures(model, 1)
    a, b = (pl.methods["occlusion"](m, images, torch.tensor([1]), window=7) for m in (model, model.on("torch")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)
    assert a.notes["engine"].endswith("; the first layers only where a square reaches")


def test_torch_has_none() -> None:
    assert pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16)).local(4) is None
