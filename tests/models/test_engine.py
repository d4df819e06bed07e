"""OpenVINO: torch's logits in float32; in bfloat16 only where that does no harm, and said."""

import builtins
import copy
import importlib.util
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, get_args
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.methods.occlusion import SQUARES
from pellucid.models import watch as watching
from pellucid.models.engine import Compiled, adds_bytes, check_logits
from pellucid.models.food11 import Categories
from pellucid.models.image import Output
from pellucid.models.local import Precision
from pellucid.models.prepared import Prepared
from pellucid.models.randomized import randomized
from pellucid.models.watch import LIMITS, PROBES, Watch
from tests import networks
from tests.conftest import in_tens, pictures, quick, wrapped


class Counting(nn.Module):
    """Puts something beside its logits for each of as many images as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.network = networks.relu_cnn()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(x), torch.full((len(x), 1), 0.5)], 1)


def categories() -> nn.Module:
    return Categories(networks.relu_cnn(), ((0, 2), (), (1,)), -9.0)


@pytest.mark.parametrize("make", [networks.relu_cnn, networks.Residual, networks.smooth_cnn, Counting, categories])
def test_logits_are_those_of_torch(make) -> None:
    model, images = quick(make()), pictures(quick(make()), 23)
    expected = model.on("torch").logits(images.features)
    assert (model.logits(images.features) - expected).abs().max() <= 1e-5 * expected.abs().max()
    for row, own in zip(model.predict(images), model.on("torch").predict(images), strict=True):
        assert [one.index for one in row] == [one.index for one in own]
        assert [one.probability for one in row] == pytest.approx([one.probability for one in own], rel=1e-4)


def test_is_measured_against_a_class() -> None:
    model = quick(networks.relu_cnn())
    images = pictures(model, 3)
    expected = model.on("torch").rather_than(1).logits(images.features)
    torch.testing.assert_close(model.rather_than(1).logits(images.features), expected, rtol=0, atol=1e-5)


def test_a_single_gradient_is_torchs_own() -> None:
    model = quick(networks.relu_cnn())
    images, target = pictures(model, 3), torch.tensor([0, 1, 2])
    for got, expected in zip(
        model.gradients(images.features, target), model.on("torch").gradients(images.features, target), strict=True
    ):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("change", ["0.weight", "replaced"])
def test_a_changed_weight_is_seen(change: str) -> None:
    model = quick(networks.smooth_cnn())
    images = pictures(model, 2)
    before = model.logits(images.features)
    with torch.no_grad():
        if change == "replaced":
            model.module.get_submodule("0").weight = nn.Parameter(torch.ones_like(model.module.get_parameter("0.weight")))
        else:
            model.module.get_parameter("0.weight").data.mul_(3)
    after = model.logits(images.features)
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(after, model.on("torch").logits(images.features), rtol=1e-4, atol=1e-5)


def test_a_copy_and_a_pickle_answer_alike() -> None:
    model = quick(networks.smooth_cnn())
    images = pictures(model, 2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other.logits(images.features), model.logits(images.features))


class Counts(nn.Module):
    """Gives other logits in every pass: what is traced in one is wrong for the next."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return x.flatten(1)[:, :4] * self.passes


class Unreadable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svd(x[:, 0])[1]


def test_a_network_that_it_gets_wrong_or_cannot_read_is_an_error_that_says_what_would_do() -> None:
    for module, said in ((Counts(), "from torch's"), (Unreadable(), "cannot read this network")):
        model = quick(module)
        with pytest.raises(ValueError, match=f"engine='openvino'.*{said}.*use engine='torch'"):
            model.logits(torch.rand(2, 3, 16, 16))
    double = quick(networks.relu_cnn().double())
    with pytest.raises(ValueError, match="float32 on a CPU; use engine='torch'"):
        double.logits(torch.rand(2, 3, 16, 16))


class Asks(nn.Module):
    """Doubles its logits where `ask` says so of the picture."""

    limit: Tensor

    def __init__(self, ask: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.ask = ask
        self.register_buffer("limit", torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)[:, :4]
        return flat * 2 if self.ask(x) else flat


def written(x: Tensor) -> bool:
    kept = torch.zeros(4)
    kept[:2].copy_(x[0, 0, 0, :2])
    return bool(kept.sum() > 100)


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.mean() > 100,
        lambda x: x.data.amax() in (100, 101),
        lambda x: x.mean().tolist() > 100,
        lambda x: x.mean().numpy() > 100,
        lambda x: np.asarray(x.mean()) > 100,
        lambda x: torch.equal(x, torch.full_like(x, 100)),
        lambda x: len((x > 100).nonzero()),
        written,
    ],
)
def test_a_network_that_goes_its_way_by_values_is_refused_though_noise_goes_the_traced_way(ask) -> None:
    with pytest.raises(ValueError, match=r"goes its way by the values that it sees.*use engine='torch'"):
        quick(Asks(ask)).logits(torch.full((1, 3, 16, 16), 100.0))


class ByWeights(Asks):
    def forward(self, x: Tensor) -> Tensor:
        sizes = x.shape[2] != 16 or x.numel() == 3 or torch.tensor(x.shape).tolist()[1] == 4
        return super().forward(x) if self.limit > 1 and not sizes else x[:, 0, 0, :4] * self.limit.item()


def test_sizes_and_weights_may_be_read() -> None:
    model, features = quick(ByWeights(lambda x: len(x) > 0)), torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(model.logits(features), features.flatten(1)[:, :4] * 2)


class Steep(nn.Module):
    """Its logits in float64 are known: 1 to 5, whatever it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.arange(1, 6, dtype=x.dtype).expand(len(x), 5)


@pytest.mark.parametrize(
    ("torchs", "engines", "fits"),
    [
        (0, 0.9, True), (0, 1.1, False),  # within 1e-5 of torch, or as near to the truth as torch
        (3, -2, True), (3, 5.9, True), (3, -6.1, False),  # at most twice as far from it
        (6, -5, False),  # and never beyond 1e-4 of torch
    ],
)  # fmt: skip
def test_an_engine_may_round_as_torch_does_and_no_worse(torchs: float, engines: float, fits: bool) -> None:
    exact = torch.arange(1, 6).double().expand(2, 5)
    expected, found = (exact * (1 + 1e-5 * far) for far in (torchs, engines))
    network, seen = Prepared(Steep()), torch.zeros(2, 3, 4, 4)
    with nullcontext() if fits else pytest.raises(ValueError, match="use engine='torch'"):
        check_logits(found, expected, network, seen)


def test_random_weights_at_full_size_are_taken(imagenet: pl.ImageClassifier) -> None:
    """Rounding grows in them to more than 1e-5 of the logits, in torch as in the engine, on some processors."""
    model = randomized(imagenet, 0)
    images = imagenet.read("observation:2")
    torch.testing.assert_close(
        replace(model, engine="openvino").logits(images.features), model.logits(images.features), rtol=1e-3, atol=1e-3
    )


def test_wrong_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no engine named 'tensorrt'; known: torch, openvino"):
        wrapped(networks.relu_cnn()).on("tensorrt")
    with pytest.raises(ValueError, match="does not go with prepare=False"):
        replace(wrapped(networks.relu_cnn()), engine="openvino", prepare=False)
    monkeypatch.setattr("pellucid.models.engine.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'pellucid\[fast\]'"):
        quick(networks.relu_cnn())


def test_nan_is_an_error_as_ever() -> None:
    model = quick(networks.relu_cnn())
    with pytest.raises(ValueError, match="features hold NaN or infinite"):
        model.logits(torch.stack([torch.zeros(3, 16, 16), torch.full((3, 16, 16), torch.nan)]))


# ------------------------------------------------------------------------------------------------------------ watching


class Rough:
    """Stands for what was compiled: exact in float32, and with a known error in bfloat16."""

    def __init__(self, model: pl.ImageClassifier, offset: float, noise: float) -> None:
        self.model, self.offset, self.noise = model, offset, noise
        self.asked, self.has_bfloat16 = {"float32": 0, "bfloat16": 0}, True
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, features: Tensor, precision: str) -> Tensor:
        self.asked[precision] += len(features)
        logits = self.model.logits(features)
        if precision == "float32":
            return logits
        return logits + self.offset + self.noise * torch.randn(logits.shape, generator=self.generator)


LIMIT = LIMITS["bfloat16"]


def asking(rough: Rough, target: Tensor, output: Output, **options: Any) -> Watch:
    """A watch over it, in place of what the engine would compile."""
    with mock.patch.object(pl.ImageClassifier, "compiled", rough):
        return Watch(rough.model, pictures(rough.model, len(target)).features, target, output, **options)


def watched(
    offset: float, noise: float, copies: int = 60, output: Output = "logit", **options: Any
) -> tuple[Watch, Rough, Tensor, Tensor]:
    """A watch over copies of one image, what it was asked, its answers and the exact ones."""
    model = wrapped(networks.smooth_cnn())
    rough = Rough(model, offset, noise)
    watch = asking(rough, torch.tensor([1]), output, **options)
    features = torch.rand(copies, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    exact = model.values(features, torch.ones(copies, dtype=torch.long), output)
    answers = torch.cat([watch(part, torch.zeros(len(part), dtype=torch.long)) for part in features.split(7)])
    return watch, rough, answers, exact


def spread() -> float:
    return float(watched(0, 0)[3].std())


def test_what_errs_alike_in_all_copies_is_taken_off() -> None:
    watch, rough, answers, exact = watched(offset=5.0, noise=0.0)
    assert watch.quick.all()
    torch.testing.assert_close(answers, exact, rtol=0, atol=1e-4)
    assert rough.asked["bfloat16"] == watch.asked_twice + 60 - rough.asked["float32"]
    assert watch.asked_twice == PROBES <= rough.asked["float32"] < PROBES + 7


@pytest.mark.parametrize(("share", "trusted"), [(0.5 * LIMIT, True), (3 * LIMIT, False)])
def test_bfloat16_is_trusted_only_where_it_errs_little_beside_what_the_answers_vary(share: float, trusted: bool) -> None:
    watch, rough, answers, exact = watched(offset=0.0, noise=share * spread())
    assert bool(watch.quick[0]) is trusted
    if trusted:
        assert float(watch.error[0]) == pytest.approx(share, rel=0.6)
        assert 0 < (answers - exact).std() < 2 * share * exact.std()
    else:
        torch.testing.assert_close(answers, exact, rtol=0, atol=1e-6)
        assert float(watch.error[0]) == 0
        assert rough.asked["float32"] == 60


def test_whoever_sums_fewer_answers_is_stricter_and_looks_at_more() -> None:
    noise = 0.5 * LIMIT * spread()
    watch, rough, _, _ = watched(offset=0.0, noise=noise, probes=30)
    assert watch.quick.all()
    assert watch.asked_twice == 30 <= rough.asked["float32"] < 30 + 7
    watch, rough, answers, exact = watched(offset=0.0, noise=noise, probes=30, limits={"bfloat16": 0.1 * LIMIT})
    assert not watch.quick.any()
    torch.testing.assert_close(answers, exact, rtol=0, atol=1e-6)


def test_occlusion_is_stricter_than_lime_and_every_pass_is_full_and_of_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of two images would be asked in two passes wherever one of them needs float32."""
    assert SQUARES["bfloat16"] < LIMIT
    assert SQUARES["int8"] == LIMITS["int8"], "asked for by those who are in a hurry"
    monkeypatch.setattr(Compiled, "has_bfloat16", False)
    model = in_tens(quick(networks.smooth_cnn()))
    images = pictures(model, 3)
    asked: list[list[int]] = []

    def noting(watch: Watch, copies: Tensor, owners: Tensor, corners: Tensor | None = None) -> Tensor:
        assert watch._limits is SQUARES
        asked.append(owners.tolist())
        return answer(watch, copies, owners, corners)

    answer = Watch.__call__
    with mock.patch.object(Watch, "__call__", noting):
        a, b = (pl.explain(one, images, method="occlusion", target=[0, 1, 2], window=4) for one in (model, model.on("torch")))
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-3, atol=1e-4)
    assert a.step == b.step, "one is repeated by the other, see `groups`"
    squares = 49  # 4 x 4, every two pixels, of 16 x 16
    on_engine, on_torch = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    assert on_engine == on_torch
    assert [len(one) for one in on_engine] == [10] * 14 + [3 * squares - 140]
    assert all(len(set(owners)) == 1 for owners in on_engine[:12]), "but for what is left over of each"


def test_a_map_of_which_all_squares_were_asked_in_float32_is_exact_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found out about an image comes too late for the pass in which it is found out."""
    monkeypatch.setattr(Compiled, "has_bfloat16", True)
    model = quick(networks.smooth_cnn())
    images, options = pictures(model, 2), {"method": "occlusion", "target": [0, 1]}
    few = pl.explain(model, images, **options, window=4, stride=4)  # 16 squares
    assert few.notes["engine"].startswith("openvino; in float32: too few copies to compare precisions by")
    assert few.work.forwards == 2 + 2 * 16, "nothing is asked twice"
    assert not few.error.any()
    one = pl.explain(model, images[0], method="occlusion", target=0, window=4)  # 49 squares, one pass of fifty
    assert one.notes["engine"].startswith("openvino; in bfloat16, once compared with float32: 1 of 1 images")
    assert one.work.forwards == 1 + 49 + 20
    assert not one.error.any()
    several = pl.explain(model, images, **options, window=4)
    assert several.work.forwards == 2 + 2 * (49 + 20)


def test_each_image_is_trusted_by_its_own_copies() -> None:
    model = wrapped(networks.smooth_cnn())
    watch = asking(Rough(model, 0.0, 1e-3 * spread()), torch.tensor([1, 1]), "logit")
    one, many = torch.zeros(30, 3, 16, 16), torch.rand(30, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    owners = torch.arange(60) % 2
    features = torch.stack([one, many], 1).flatten(0, 1)
    for part, of in zip(features.split(10), owners.split(10), strict=True):
        watch(part, of)
    assert watch.quick.tolist() == [False, True], "copies that are all alike vary by nothing, so any error counts"
    assert watch.notes == {"engine": "openvino; in bfloat16, once compared with float32: 1 of 2 images"}


def test_a_cpu_without_bfloat16_is_asked_in_float32_and_nothing_twice() -> None:
    model = wrapped(networks.smooth_cnn())
    rough = Rough(model, 5.0, 1.0)
    rough.has_bfloat16 = False
    watch = asking(rough, torch.tensor([1]), "logit")
    features = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    answers = watch(features, torch.zeros(40, dtype=torch.long))
    torch.testing.assert_close(answers, model.values(features, torch.ones(40, dtype=torch.long)), rtol=0, atol=1e-6)
    assert rough.asked == {"float32": 40, "bfloat16": 0}
    assert watch.asked_twice == 0
    assert watch.notes == {"engine": "openvino; in float32: this CPU does not compute in bfloat16"}


@pytest.mark.parametrize("native", [True, False])
def test_lime_and_occlusion_say_what_they_ran_on_and_agree_with_torch(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiled, "has_bfloat16", native)
    model = quick(networks.smooth_cnn())
    images = pictures(model, 2)
    assert model.compiled is not None
    # subtle: some CPUs compute in float32 all the same where they are asked for bfloat16
    rough = not torch.equal(*(model.compiled(images.features, precision) for precision in get_args(Precision)))
    exact = model.on("torch")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("lime", {"samples": 200, "segmentation": "grid", "segments": 9}),
        ("occlusion", {"window": 4}),
    ]
    for method, options in cases:
        a, b = (pl.explain(one, images, method=method, target=[0, 1], **options) for one in (model, exact))
        said = "openvino; in bfloat16, once compared with float32: " if native else "openvino; in float32: this CPU"
        assert a.notes["engine"].startswith(said)
        assert "engine" not in b.notes
        assert (a.work.forwards > b.work.forwards) is native, "what was asked in both precisions is counted"
        for got, expected in zip(a.scores.flatten(1), b.scores.flatten(1), strict=True):
            assert torch.corrcoef(torch.stack([got, expected]))[0, 1] > 0.99
        if method == "occlusion":
            assert bool((a.error > 0).any()) is (native and rough), "a map in bfloat16 is not called exact"


# ------------------------------------------------------------------------------------------------------------ integers


@pytest.mark.parametrize("make", [networks.relu_cnn, networks.Residual, networks.smooth_cnn])
def test_in_integers_logits_are_near_and_not_the_same(make) -> None:
    model = quick(make())
    images = pictures(model, 12).features
    assert model.compiled is not None
    found = model.compiled.quantized(images)(images, "float32")
    exact = model.logits(images)
    apart = (found - exact).std() / (exact - exact.mean(0)).std()
    most = 0.1 if adds_bytes() else 0.5  # half of it is lost where sums of bytes are cut off, and `Watch` refuses such answers
    assert 1e-4 < apart < most, "in 256 steps, an answer is known to a few of them"


def test_integers_hold_what_the_pictures_seen_do_and_no_more() -> None:
    """Values beyond those seen are cut off there."""
    model = quick(networks.smooth_cnn())
    images = pictures(model, 4).features
    assert model.compiled is not None
    faint, strong = (model.compiled.quantized(images * share)(images, "float32") for share in (0.05, 1.0))
    exact = model.logits(images)
    assert (strong - exact).abs().max() < 0.5 * (faint - exact).abs().max()


def test_lime_in_integers_says_so_and_counts_what_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiled, "has_bfloat16", False)  # what integers are compared with
    model = wrapped(networks.relu_cnn()).on("openvino-int8")
    images, options = pictures(model, 2), {"samples": 400, "segmentation": "grid", "segments": 9, "target": [0, 1]}
    a, b = (pl.explain(one, images, method="lime", **options) for one in (model, model.on("openvino")))
    assert a.notes == {"engine": "openvino; in int8, once compared with float32: 2 of 2 images"}
    assert a.work.forwards == b.work.forwards + 2 * PROBES
    for got, expected in zip(a.scores.flatten(1), b.scores.flatten(1), strict=True):
        assert 0.98 < torch.corrcoef(torch.stack([got, expected]))[0, 1] < 1 - 1e-9
    watch = Watch(model, images.features, torch.tensor([0, 1]), "probability")
    owners = torch.arange(40) % 2
    copies = images.features[owners] * torch.rand(40, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    watch(copies, owners)
    assert watch.quick.all()
    assert not watch.lasting.any(), "so far all were asked in float32"
    watch(copies, owners)
    assert (watch.lasting > 0).all()
    assert torch.equal(watch.lasting, watch.error)
    exact = Watch(model.on("openvino"), images.features, torch.tensor([0, 1]), "probability")
    assert not exact.lasting.any()
    assert (a.error > b.error).all(), "what integers err does not go away with samples"


def test_occlusion_in_integers_is_not_called_exact() -> None:
    model = wrapped(networks.relu_cnn()).on("openvino-int8")
    a = pl.explain(model, pictures(model, 2), method="occlusion", window=4, target=[0, 1])
    assert a.notes["engine"].startswith("openvino; in int8, once compared with float32: 2 of 2 images")
    assert (a.error > 0).all()


def test_a_network_of_one_layer_stays_in_float32_and_says_why() -> None:
    model = wrapped(networks.Linear(16)).on("openvino-int8")
    a, b = (
        pl.explain(one, pictures(model, 1), method="lime", samples=100, segmentation="grid", segments=9)
        for one in (model, model.on("torch"))
    )
    torch.testing.assert_close(a.scores, b.scores, rtol=1e-3, atol=1e-4)
    assert a.notes["engine"].startswith("openvino; in float32: not in int8, it has but one layer")


def test_without_openvino_everything_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "openvino":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    model = wrapped(networks.smooth_cnn())
    assert pl.explain(model, pictures(model, 1), method="lime", samples=20, segmentation="grid", segments=4).notes == {}
    assert importlib.util.find_spec("pellucid.models.engine")
    assert watching.PROBES
