"""How many images a pass takes at once: closed forms of each limit, and that nothing depends on it but the time."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

import pellucid as pl
from pellucid.models.batches import BATCH, GRADIENT_BATCH, KEPT, MOST, WIDEST, WORK, Batches, Shown
from tests import networks
from tests.conftest import in_tens, pictures


def batches(run: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Batches:
    shown = Shown(run, run if isinstance(run, nn.Module) else nn.Module())
    shown(torch.zeros(1, *shape))
    assert shown.batches is not None
    return shown.batches


class Counted(nn.Module):
    """Notes how many images each pass takes."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.passes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(len(x))
        return self.inner(x)


def test_large_images_are_taken_as_ever() -> None:
    for shape in ((3, 112, 112), (1, 224, 224), (3, 28, 448)):
        assert batches(nn.Flatten(), shape) == Batches(BATCH, GRADIENT_BATCH)


@pytest.mark.parametrize("side", [16, 112])
def test_a_network_is_asked_once(side: int) -> None:
    asked = Counted(nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 5)))
    model = pl.ImageClassifier(asked.eval(), size=(side, side))
    assert (asked.passes, model.batches.images) == ([1], MOST if side == 16 else BATCH)


def test_little_to_do_is_done_for_as_many_as_there_may_be() -> None:
    assert batches(nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), (3, 16, 16)) == Batches(MOST, MOST)


def test_work_that_cannot_be_seen_is_taken_for_much() -> None:
    class Elsewhere(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.detach().numpy().mean((2, 3)))

    assert batches(Elsewhere(), (3, 16, 16)) == Batches()


@pytest.mark.parametrize("channels", [64, 200, 300, 600, 3000])
def test_no_operation_puts_out_more_than_stays_mapped(channels: int) -> None:
    layer = nn.Conv2d(1, channels, 1, bias=False)
    fits = WIDEST // (channels * 32 * 32 * 4)
    assert batches(layer, (1, 32, 32)).images == max(BATCH, min(MOST, fits // BATCH * BATCH))


@pytest.mark.parametrize("width", [64, 128, 256])
def test_no_batch_is_more_work_than_ten_large_images(width: int) -> None:
    layers = nn.Sequential(nn.Conv2d(3, width, 1), *(nn.Conv2d(width, width, 3, padding=1) for _ in range(4)))
    operations = 2 * 24 * 24 * (3 * width + 4 * 9 * width**2)
    found = batches(layers, (3, 24, 24))
    assert found.images == max(BATCH, min(MOST, int(WORK / operations) // BATCH * BATCH))
    assert found.gradients <= found.images


class Attention(nn.Module):
    """Eight heads over 128 places, again and again."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(10):
            x = nn.functional.scaled_dot_product_attention(x, x, x)
        return x


def test_attention_is_work_too() -> None:
    operations = 10 * 2 * 2 * 8 * 128 * 128 * 64
    assert batches(Attention(), (8, 128, 64)).images == int(WORK / operations) // BATCH * BATCH == 20


@pytest.mark.parametrize("layers", [1, 60, 120, 1200])
def test_with_a_gradient_all_that_was_put_out_counts(layers: int) -> None:
    module = nn.Sequential(*(nn.Softsign() for _ in range(layers)), nn.Flatten(), nn.Linear(3 * 64 * 64, 2))
    puts_out = 3 * layers * 3 * 64 * 64 * 4  # abs, + 1, /
    found = batches(module, (3, 64, 64))
    assert found.images == MOST
    most = min(MOST, int(KEPT / puts_out))
    assert found.gradients <= max(most, GRADIENT_BATCH)
    fewer = MOST / -(-MOST // max(most // GRADIENT_BATCH * GRADIENT_BATCH, GRADIENT_BATCH))
    assert found.gradients == fewer // GRADIENT_BATCH * GRADIENT_BATCH, "fifty come in passes alike"


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad])
def test_how_a_network_is_made_and_asked_does_not_matter(
    mode: Callable[[], AbstractContextManager[None]], trained: bool
) -> None:
    """Without gradients torch takes the whole layer in one operation, which tells nothing."""
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True).eval().requires_grad_(trained)
    network = nn.Sequential(nn.Flatten(2), layer, layer, layer)
    with mode():
        found = batches(network, (64, 16, 16))
    products = 64 * (4 * 256**2 + 2 * 256 * 1024) + 2 * 64 * 64 * 256
    assert found.images == int(WORK / (3 * 2 * products)) // BATCH * BATCH < MOST


def test_a_network_that_torch_compiles_is_compiled_as_ever() -> None:
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, _examples: object) -> Callable[..., object]:
        compiled.append(1)
        return graph.forward

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 5))
    network[0] = cast("nn.Module", torch.compile(network[0], backend=backend))
    model = pl.ImageClassifier(network.eval(), size=(16, 16), prepare=False)
    model.logits(torch.zeros(2, 3, 16, 16))
    assert compiled
    assert model.batches == Batches()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_a_scripted_network_has_a_batch_too() -> None:
    assert batches(torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(12, 5))), (3, 2, 2)) == Batches(MOST, MOST)


def test_a_network_that_cannot_be_watched_is_taken_as_large_images_are() -> None:
    def shy(image: Tensor) -> Tensor:
        if _get_current_dispatch_mode() is not None:
            raise RuntimeError("not while anybody looks")
        return image

    assert batches(shy, (3, 16, 16)) == Batches()


@pytest.mark.parametrize("count", [1, 4, 30])
@pytest.mark.parametrize("name", ["smoothgrad", "integrated_gradients", "lime", "occlusion"])
def test_passes_over_small_images_are_large(name: str, count: int) -> None:
    """Whether many copies of one image or a few of many."""
    module = Counted(networks.seeded(networks.relu_cnn())).eval()
    model = pl.ImageClassifier(module, size=(16, 16), prepare=False)
    images = pictures(model, count)
    assert model.batches.images == MOST
    module.passes.clear()
    options: dict[str, Any] = {"segments": 12, "samples": 200} if name == "lime" else {}
    pl.explain(model, images, method=name, target=0, **options)
    assert max(module.passes) <= MOST
    assert len(module.passes) <= sum(module.passes) / (0.7 * MOST) + 4


@pytest.mark.parametrize("name", list(pl.methods))
def test_the_answer_is_the_same_however_many_are_taken_at_once(name: str, small_network: pl.ImageClassifier) -> None:
    images = pictures(small_network, 3)
    ten = in_tens(small_network)
    options: dict[str, Any] = {"segmentation": "grid", "segments": 12} if name == "lime" else {}
    one, other = (pl.explain(model, images, method=name, target=[0, 1, 2], **options) for model in (small_network, ten))
    scale = float(other.scores.abs().max())
    torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5 * scale)
    torch.testing.assert_close(one.error, other.error, rtol=1e-3, atol=1e-6)
    assert one.work == other.work


@pytest.mark.parametrize("name", ["deletion", "insertion", "road", "infidelity", "max_sensitivity"])
def test_so_is_what_is_measured(name: str, small_network: pl.ImageClassifier) -> None:
    images = pictures(small_network, 2)
    ten = in_tens(small_network)
    a = pl.explain(small_network, images, method="saliency", target=0)
    one, other = (pl.measure(model, images, a, metric=name) for model in (small_network, ten))
    torch.testing.assert_close(one.values, other.values, rtol=1e-3, atol=1e-5)
