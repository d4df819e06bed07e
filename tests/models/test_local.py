"""What a square does not reach is not computed again, and the logits are those of whole passes."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.models.cuts import WRITTEN, Cut, Span, cuts, folded, work
from pellucid.models.engine import request_of
from pellucid.models.local import COPIED, TOGETHER, Local, Piece, Region, axes, plan, reached, squares
from tests import networks
from tests.conftest import pictures


@pytest.fixture(autouse=True)
def calls_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for networks larger than those of these tests, for which each call would cost more than it saves."""
    monkeypatch.setattr("pellucid.models.local.CALLED", 0.0)


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
"""How many there are at least, beside the picture."""


def chains(graph: Any) -> list[tuple[Cut, ...]]:
    """Every way to cut it."""
    picture, *found = cuts(folded(graph, TOGETHER))
    return [
        (picture, *some) for size in range(1, len(found) + 1) for some in itertools.combinations(found, size)
    ]  # fmt: skip


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
    every = chains(graph)
    assert len(every) >= 2 ** CUTS[name] - 1
    for chain in every:
        local = Local(graph, window, request_of)
        local.cut_at(chain)
        got = local(copies, corners, local.begun(images, "float32"), owners, "float32")
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5, msg=str([one.name for one in chain]))


def test_what_is_outside_the_crop_is_not_looked_at() -> None:
    model, local = built("relu", 4)
    images = pictures(model, 1).features
    begun, owners = local.begun(images, "float32"), torch.tensor([0])
    elsewhere = images.clone()
    elsewhere[:, :, 30:] = 9
    corners = torch.tensor([[0, 0]])
    assert torch.equal(*(local(copies, corners, begun, owners, "float32") for copies in (images, elsewhere)))


@pytest.mark.parametrize("inside", [True, False])
def test_no_place_may_be_nan_whether_the_square_reaches_it_or_not(inside: bool) -> None:
    """An engine's ReLU makes a 0 of it."""
    _, local = built("relu", 4)
    copies, corners, owners = torch.rand(1, 3, 40, 40), torch.tensor([[0, 0]]), torch.tensor([0])
    begun = local.begun(copies, "float32")
    copies[0, 0, 1 if inside else 39, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        local(copies, corners, begun, owners, "float32") if inside else local.begun(copies, "float32")


def graph_of(module: nn.Module, side: int = 64) -> Any:
    model = pl.ImageClassifier(networks.seeded(module), size=(side, side)).on("openvino")
    assert model.compiled is not None
    return folded(model.compiled._graph, 1)


def test_stages_and_their_crops_as_counted_by_hand() -> None:
    """Two kernels of 3, the second of every other place: 1 + 2 more to either side, and a crop that starts at even places."""
    picture, first, second = cuts(
        graph_of(plain(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)))
    )  # fmt: skip
    assert [cut.spans[0] for cut in (picture, first, second)] == [(1, 0, 0), (1, 1, 1), (2, 2, 2)]
    written = 8 * 64**2, 8 * 32**2
    assert first.before == written[0] * (WRITTEN + 27)
    assert second.before == first.before + written[1] * (WRITTEN + 72)

    at_once, _ = axes(picture, second, [squares(64, 4)] * 2)
    assert at_once.places == 32
    assert at_once.pieces[Region(0, 4)] == (slice(0, 12), slice(0, 3), (0, 3))
    assert at_once.pieces[Region(21, 25)] == (slice(18, 30), slice(1, 5), (10, 14))
    assert at_once.pieces[Region(60, 64)] == (slice(52, 64), slice(3, 6), (29, 32))

    one = axes(picture, first, [squares(64, 4)] * 2)
    assert one[0].crop == 8
    assert one[0].pieces[Region(21, 25)] == Piece(slice(19, 27), slice(1, 7), Region(20, 26))
    two, _ = axes(first, second, reached(one))
    assert two.span == Span(2, 1, 1)
    assert two.crop == 10  # of a region of 6 that starts at an odd place: 4 outputs, 9 inputs, from an even place on
    assert two.pieces[Region(20, 26)] == Piece(slice(18, 28), slice(1, 5), Region(10, 14))


@pytest.mark.parametrize("name", ["relu", "residual", "strided", "even"])
@pytest.mark.parametrize("window", [3, 9])
@pytest.mark.parametrize("called", [0.0, 1e4])
def test_no_other_way_to_cut_takes_less_work(name: str, window: int, called: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.models.local.CALLED", called)
    model = whole(name)
    assert model.compiled is not None
    graph = folded(model.compiled._graph, TOGETHER)
    everything = sum(map(work, graph.get_ordered_ops()))

    def cost(chain: tuple[Cut, ...]) -> float:
        regions = [squares(side, window) for side in chain[0].shape[2:]]
        total = 0.0
        for read, given in itertools.pairwise(chain):
            stage = axes(read, given, regions)
            crop = stage[0].crop * stage[1].crop
            inside = (given.before - read.before) / math.prod(read.shape[2:])
            total += crop * inside + COPIED * crop * math.prod(read.shape[:2]) + called * read.shape[0]
            regions = reached(stage)
        return total + everything - chain[-1].before + COPIED * math.prod(chain[-1].shape)

    least = min(chains(graph), key=cost)
    chosen, saved = plan([*cuts(graph)], window, everything)
    without = everything + COPIED * math.prod(chosen[0].shape)
    assert 1 - saved == pytest.approx(min(cost(least), without) / everything)
    assert len(chosen) == 1 or tuple(chosen) == least


def test_larger_squares_save_less() -> None:
    graph = folded(graph_of(networks.relu_cnn()))
    found = [*cuts(graph)]
    everything = sum(map(work, graph.get_ordered_ops()))
    shares = [plan(found, window, everything)[1] for window in (4, 16, 48)]
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
    assert a.notes["engine"].endswith("; layers only where a square reaches")


def test_torch_has_none() -> None:
    assert pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16)).local(4) is None
