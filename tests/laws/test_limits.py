"""Laws of limits, by counting and not by timing.

Deadlines on a clock that only network passes move, tolerances over many seeds, memory by the bytes of every tensor that lives.
"""

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import pellucid as pl
from pellucid import groups
from pellucid.attribution import STEPS, UNKNOWN
from pellucid.inputs.baselines import make_baseline
from pellucid.models.batches import BATCH, Batches
from pellucid.stream import bounded, drain
from tests import networks
from tests.conftest import in_tens, pictures, wrapped

SLACK = 0.3
"""Seconds that a call may be late."""
FORWARD, BACKWARD = 0.01, 0.02
"""Seconds of an image on the clock, so that a batch of ten with gradients takes as long as a call may be late."""


class Clock:
    """Seconds that pass only when somebody works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Clocked(nn.Module):
    """A network whose passes move the clock."""

    def __init__(self, inner: nn.Module, clock: Clock, speed: float = 1) -> None:
        super().__init__()
        self.inner, self.clock, self.speed = inner, clock, speed

    def forward(self, x: Tensor) -> Tensor:
        self.clock.now += FORWARD * len(x) / self.speed
        logits = self.inner(x)
        if logits.requires_grad:
            logits.register_hook(self._behind)
        return logits

    def _behind(self, gradient: Tensor) -> None:
        self.clock.now += BACKWARD * len(gradient) / self.speed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("pellucid.stream", "pellucid.explain", "pellucid.groups"):
        monkeypatch.setattr(importlib.import_module(module), "monotonic", clock)
    return clock


@pytest.fixture
def clocked(clock: Clock) -> pl.ImageClassifier:
    module = Clocked(networks.seeded(networks.relu_cnn()), clock).eval()
    return in_tens(pl.ImageClassifier(module, size=(16, 16), prepare=False))


@pytest.fixture
def clocked_small(clock: Clock) -> pl.ImageClassifier:
    """The same where fifty images, and not ten, take the time of a batch."""
    module = Clocked(networks.seeded(networks.relu_cnn()), clock, 5).eval()
    model = pl.ImageClassifier(module, size=(16, 16), prepare=False)
    assert model.batches.images == 50
    return model


def runs() -> Iterator[Any]:
    """Every registered method, with options under which one of its steps might be longer than those before."""
    special: dict[str, list[dict[str, Any]]] = {
        "lime": [{"segmentation": "grid", "segments": 12, "samples": 400}],
        "integrated_gradients": [
            {"steps": 50},
            {"steps": 1, "rule": "midpoint", "refinements": 60},
            {"steps": 12, "refinements": 60},
            {"steps": 7, "baseline": "uniform", "draws": 4, "refinements": 30},
        ],
        "smoothgrad": [{"samples": 60}, {"samples": 60, "statistic": "variance"}],
        "occlusion": [{}, {"window": 4, "stride": 1}],
    }
    for name in pl.methods:
        for options in special.get(name, [{}]):
            yield pytest.param(name, options, id=f"{name} {' '.join(f'{k}={v}' for k, v in options.items())}")


def assert_kept(clock: Clock, run: Callable[[float], Any]) -> None:
    """The first answer is waited for; from there on no deadline is overrun by more than `SLACK`, nor is much of it left."""

    def seconds(deadline: float) -> tuple[float, float]:
        start = clock.now
        done = run(deadline).work.fraction
        return clock.now - start, done

    first, _ = seconds(1e-9)
    for deadline in (0.5 * first, 1.01 * first, 1.5 * first, 2.1 * first, 3.3 * first, 7.7 * first):
        taken, done = seconds(deadline + 1e-9)
        assert taken <= max(first, deadline) + SLACK, f"a deadline of {deadline:.2f} s: {taken:.2f} s"
        assert done == 1 or taken >= deadline - first - SLACK, f"a deadline of {deadline:.2f} s: only {taken:.2f} s used"


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize(("name", "options"), list(runs()))
def test_a_deadline_is_kept_from_the_call_on(
    name: str, options: dict[str, Any], count: int, clocked: pl.ImageClassifier, clock: Clock
) -> None:
    images = pictures(clocked, count)
    assert_kept(clock, lambda deadline: pl.explain(clocked, images, method=name, deadline=deadline, **options))


@pytest.mark.parametrize("name", list(pl.methods))
def test_a_deadline_does_not_wait_for_the_classes_of_many_images(
    name: str, clocked: pl.ImageClassifier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, quick = pictures(clocked, 100), QUICK.get(name, {})
    monkeypatch.setattr(groups, "BUDGET", groups.SUMS * images.features[:30].nbytes)
    for deadline in (0.3, 0.9):
        start = clock.now
        a = pl.explain(clocked, images, method=name, deadline=deadline, **quick)
        assert clock.now - start <= deadline + SLACK
        predicted = clocked.logits(images.features).argmax(1)
        begun = a.extras[STEPS] > 0
        assert torch.equal(a.target, torch.where(begun, predicted, UNKNOWN))
        assert begun.any()
        assert "unanswered" in a.notes or name == "edges"  # which looks at no network


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize(("name", "options"), list(runs()))
def test_so_it_is_by_networks_for_small_images(
    name: str, options: dict[str, Any], count: int, clocked_small: pl.ImageClassifier, clock: Clock
) -> None:
    images = pictures(clocked_small, count)
    more = {k: 5 * options[k] for k in ("samples", "steps") if options.get(k, 0) > 12}
    assert_kept(clock, lambda deadline: pl.explain(clocked_small, images, method=name, deadline=deadline, **options | more))


@pytest.mark.parametrize("name", list(pl.methods))
def test_a_deadline_is_shared_out_among_groups(
    name: str, clocked: pl.ImageClassifier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(clocked, 12)
    monkeypatch.setattr(groups, "BUDGET", groups.SUMS * images.features[:5].nbytes)
    quick = QUICK.get(name, {})
    assert_kept(clock, lambda deadline: pl.explain(clocked, images, method=name, deadline=deadline, **quick))
    if "samples" in pl.methods[name].options.model_fields:
        a = pl.explain(clocked, images, method=name, deadline=6.0, samples=10_000, **quick)
        assert a.extras[STEPS].min() > 1, "no group was left to its first answer"


@pytest.mark.parametrize("count", [1, 12])
def test_a_deadline_beside_a_tolerance_is_kept(count: int, clocked: pl.ImageClassifier, clock: Clock) -> None:
    images = pictures(clocked, count)
    for name, options in (("integrated_gradients", {"steps": 3}), ("smoothgrad", {}), ("lime", {"segmentation": "grid"})):

        def run(deadline: float, name: str = name, options: dict[str, Any] = options) -> pl.Attribution:
            return pl.explain(clocked, images, method=name, target=0, tolerance=1e-5, deadline=deadline, **options)

        assert_kept(clock, run)


@pytest.mark.parametrize("count", [1, 4, 25])
@pytest.mark.parametrize("transforms", ["standard", "none"])
def test_filters_keep_a_deadline(count: int, transforms: Any, clocked: pl.ImageClassifier, clock: Clock) -> None:
    wanted = [n % 8 for n in range(count)] if count > 8 else list(range(count))

    def run(deadline: float) -> pl.FilterImage:
        stream = pl.filters.stream(clocked, "inner.0", wanted, steps=40, transforms=transforms)
        return drain(bounded(stream, deadline=deadline))

    assert_kept(clock, run)


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("name", list(pl.metrics))
def test_a_metric_keeps_a_deadline(name: str, count: int, clocked: pl.ImageClassifier, clock: Clock) -> None:
    images = pictures(clocked, count)
    a = pl.explain(clocked, images, method="smoothgrad", samples=10)
    few = {"samples": 40, "orders": 8, "draws": 4}
    options: dict[str, Any] = {k: v for k, v in few.items() if k in pl.metrics[name].options.model_fields}
    if name == "rank_agreement":
        options = {"others": "saliency,input_x_gradient,grad_cam"}
    assert_kept(clock, lambda deadline: pl.measure(clocked, images, a, metric=name, deadline=deadline, **options))


def test_reading_the_pictures_counts(clocked: pl.ImageClassifier, clock: Clock) -> None:
    """Time that passes between the call and the first step is the caller's too."""
    first = pl.explain(clocked, pictures(clocked), method="smoothgrad", samples=500, deadline=3.0)

    class Slow(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            clock.now += 2.0
            return super().__iter__()

    start = clock.now
    slow = Slow(pictures(clocked).pixels.numpy())
    second = pl.explain(clocked, slow, method="smoothgrad", samples=500, deadline=3.0)
    assert clock.now - start <= 3.0 + SLACK
    assert second.step < first.step


# --------------------------------------------------------------------------------------------------------- tolerances

SEEDS = range(100)
ENOUGH = 90

ESTIMATES: list[tuple[str, float, dict[str, Any]]] = [
    ("smoothgrad", 0.25, {"statistic": "mean", "noise": 0.5}),
    ("smoothgrad", 0.15, {"statistic": "magnitude", "noise": 0.5}),
    ("smoothgrad", 0.25, {"statistic": "square", "noise": 0.5}),
    ("smoothgrad", 0.35, {"statistic": "variance", "noise": 0.5}),
    ("lime", 0.15, {"design": "hadamard", "output": "logit", "segmentation": "grid", "segments": 12}),
    ("lime", 0.15, {"design": "coin", "output": "logit", "segmentation": "grid", "segments": 12}),
    ("lime", 0.15, {"design": "uniform", "output": "logit", "segmentation": "grid", "segments": 6}),
    ("kernel_shap", 0.1, {"output": "logit", "segmentation": "grid", "segments": 12}),
]


@pytest.mark.usefixtures("unchecked")  # the same calls a hundred times; shapes are checked in all others
@pytest.mark.parametrize(
    ("name", "tolerance", "options", "often"),
    [*((*one, True) for one in ESTIMATES), (*ESTIMATES[0], False), (*ESTIMATES[4], False)],
    ids=lambda v: str(v)[:60],
)
def test_a_tolerance_reached_holds_in_90_of_100_runs(name: str, tolerance: float, options: dict[str, Any], often: bool) -> None:
    """Also where it is looked at after every ten samples, as it is for large images: more chances to stop too soon."""
    model = wrapped(networks.relu_cnn(), 8)
    images = pictures(model, 1)
    reference = pl.explain(model, images, method=name, target=0, samples=4000, seed=12345, **options)
    assert reference.worst_error < tolerance / 4
    length = reference.scores.norm()
    held, several = 0, 0
    looked_at = in_tens(model, Batches(BATCH, BATCH)) if often else model
    for seed in SEEDS:
        a = pl.explain(looked_at, images, method=name, target=0, tolerance=tolerance, seed=seed, **options)
        assert a.worst_error <= tolerance
        held += bool((a.scores - reference.scores).norm() <= tolerance * length)
        several += a.step > 1
    assert held >= ENOUGH
    assert several >= 50, "the case is decided by the first answer, so it says nothing of when to stop"


@pytest.mark.usefixtures("unchecked")  # the same calls a hundred times; shapes are checked in all others
@pytest.mark.parametrize("options", [{}, {"baseline": "uniform", "draws": 3}, {"baseline": "gaussian", "draws": 2}], ids=str)
def test_a_gap_reached_is_the_gap_there_is(options: dict[str, Any]) -> None:
    """The error of integrated gradients is no estimate: on every picture the scores sum to the change, computed anew."""
    model, tolerance = wrapped(networks.relu_cnn(), 8), 0.01
    held = reached = 0
    for seed in SEEDS:
        images = pictures(model, 1, seed=seed)
        target = torch.tensor([seed % 5])
        a = pl.explain(
            model, images, method="integrated_gradients", target=target, tolerance=tolerance, steps=10, seed=seed, **options
        )
        kind, draws = options.get("baseline", "black"), options.get("draws", 1)
        starts = torch.cat([make_baseline(images, kind, seed=seed, draw=draw) for draw in range(draws)])
        change = model.logits(images.features)[0, target] - model.logits(starts)[:, target].mean()
        if a.worst_error <= tolerance:
            reached += 1
            held += bool((a.scores.double().sum() - change).abs() <= 1.01 * tolerance * change.abs() + 1e-6)
    assert reached >= ENOUGH
    assert held >= 0.9 * reached


MEASURED: list[tuple[str, float, dict[str, Any]]] = [
    ("infidelity", 0.5, {"samples": 1000}),
    ("deletion", 0.2, {"orders": 200, "steps": 5}),
    ("insertion", 0.2, {"orders": 200, "steps": 5}),
]


def reported(m: pl.Measurement) -> float:
    """The number that a tolerance is about."""
    return float(m.extras["advantage"][0]) if "advantage" in m.extras else float(m.values[0])


@pytest.mark.usefixtures("unchecked")  # the same calls a hundred times; shapes are checked in all others
@pytest.mark.parametrize(("metric", "share", "options"), MEASURED, ids=lambda v: str(v)[:40])
def test_a_metrics_tolerance_reached_holds_in_90_of_100_runs(metric: str, share: float, options: dict[str, Any]) -> None:
    model = wrapped(networks.relu_cnn(), 8)
    images = pictures(model, 1)
    a = pl.explain(model, images, method="saliency", target=0)
    many = [pl.measure(model, images, a, metric=metric, **options, seed=1000 + n) for n in range(4)]
    truth = sum(map(reported, many)) / len(many)
    one = many[0]
    scale = abs(truth) if one.chance is None else float(one.chance_high - one.chance_low)  # pyright: ignore[reportOperatorIssue]
    tolerance = share * scale
    held = 0
    often = in_tens(model)
    for seed in SEEDS:
        m = pl.measure(often, images, a, metric=metric, tolerance=tolerance, seed=seed, **options)
        assert m.worst_error <= tolerance
        assert m.work.fraction < 1
        held += abs(reported(m) - truth) <= tolerance
    assert held >= ENOUGH


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        ("deletion", {"orders": 6, "steps": 3}),
        ("insertion", {"orders": 6, "steps": 3}),
        ("road", {"orders": 6, "steps": 2}),
        ("max_sensitivity", {"samples": 4}),
        ("rank_agreement", {"others": "saliency,grad_cam,edges"}),
        ("parameter_randomization", {"mode": "independent", "stages": 3}),
        ("infidelity", {"samples": 40}),
    ],
)
def test_no_tolerance_stops_before_there_is_something_to_report(
    metric: str, options: dict[str, Any], relu: pl.ImageClassifier
) -> None:
    relu = in_tens(relu)
    images = pictures(relu)
    a = pl.explain(relu, images, method="input_x_gradient")
    m = pl.measure(relu, images, a, metric=metric, tolerance=1e9, **options)
    whole = pl.measure(relu, images, a, metric=metric, **options)
    if m.chance is None:
        assert torch.equal(m.values, whole.values)
    else:
        assert len(m.extras["chance_curves"][0]) >= 5
        assert m.worst_error < float("inf")
    unfinished = next(pl.metrics[metric].stream(relu, images, a, **options))
    assert unfinished.work.fraction < 1
    assert unfinished.worst_error == float("inf")


# -------------------------------------------------------------------------------------------------------------- memory


class Living(TorchDispatchMode):
    """Counts the bytes of all tensors made inside that still live, and the most there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.highest = self._bytes = 0
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                storage = leaf.untyped_storage()
                self._bytes += storage.nbytes() - self._known.get(storage._cdata, (None, 0))[1]
                self._known[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        if self._bytes > self.highest:  # what has gone is counted out only when it matters
            self._known = {key: one for key, one in self._known.items() if not one[0].expired()}
            self._bytes = sum(size for _, size in self._known.values())
            self.highest = max(self.highest, self._bytes)
        return out


def highest(run: Callable[[], Any]) -> int:
    with Living() as living:
        run()
    return living.highest


GROWING = {"lime": "samples", "kernel_shap": "samples", "smoothgrad": "samples", "integrated_gradients": "steps"}
QUICK: dict[str, dict[str, Any]] = {
    "lime": {"segmentation": "grid", "segments": 12},
    "kernel_shap": {"segmentation": "grid", "segments": 16},
    "occlusion": {"window": 4, "stride": 2},
}
KEPT = {"smoothgrad": 9}
"""Bytes an image adds, as a multiple of its own and its answer's; 2 where nothing is said. SmoothGrad keeps running sums of
powers in float64, and folds them into an answer."""


def explained(name: str, model: pl.ImageClassifier, count: int, **options: Any) -> tuple[int, float]:
    """The most bytes that lived at once, and what an image and its last answer hold."""
    images, target = pictures(model, count), torch.zeros(count, dtype=torch.long)
    found: list[pl.Attribution] = []
    most = highest(lambda: found.append(pl.methods[name](model, images, target, **{**QUICK.get(name, {}), **options})))
    tensors = [images.features, images.pixels, found[0].scores, found[0].error, found[0].target, *found[0].extras.values()]
    return most, sum(tensor.nbytes for tensor in tensors) / count


def test_the_counter_sees_what_lives_and_forgets_what_does_not() -> None:
    def run() -> None:
        kept = [torch.zeros(1000) for _ in range(5)]
        for _ in range(20):
            torch.zeros(1000).add_(1)
        assert len(kept) == 5

    assert 5 * 4000 <= highest(run) <= 7 * 4000
    model = wrapped(networks.smooth_cnn())
    few, many = (highest(lambda n=n: model.gradients(pictures(model, n).features, torch.zeros(n).long())) for n in (2, 10))
    assert many > 3 * few, "what a pass keeps for its gradient is seen too"


@pytest.fixture
def tens(relu: pl.ImageClassifier) -> pl.ImageClassifier:
    return in_tens(relu)


@pytest.mark.parametrize("tenfold", [True, False])
@pytest.mark.parametrize("name", GROWING)
def test_memory_does_not_grow_with_the_work(name: str, tenfold: bool, relu: pl.ImageClassifier) -> None:
    option, model = GROWING[name], in_tens(relu) if tenfold else relu
    explained(name, model, 3)  # the network is prepared
    little, much = (explained(name, model, 3, **{option: work})[0] for work in ((60, 240) if tenfold else (200, 800)))
    assert much <= 1.01 * little


@pytest.mark.parametrize("name", list(pl.methods))
def test_memory_grows_with_images_by_what_they_and_their_answers_hold(name: str, tens: pl.ImageClassifier) -> None:
    little = {GROWING[name]: 20} if name in GROWING else {}
    explained(name, tens, 1, **little)
    (some, _), (twice, held) = (explained(name, tens, count, **little) for count in (20, 40))
    assert (twice - some) / 20 <= KEPT.get(name, 2) * held


@pytest.mark.parametrize("name", list(pl.methods))
def test_memory_beside_the_answers_does_not_grow_with_images(
    name: str, tens: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a method sums up is that of a group."""
    monkeypatch.setattr(groups, "BUDGET", groups.SUMS * pictures(tens, 10).features.nbytes)
    options = {**QUICK.get(name, {}), **({GROWING[name]: 20} if name in GROWING else {})}

    def beside(count: int) -> int:
        images = pictures(tens, count)
        found: list[pl.Attribution] = []
        run = partial(pl.explain, tens, images, method=name, target=0, progress=found.append, **options)
        most = highest(run)
        return most - sum(t.nbytes for t in (found[-1].scores, found[-1].error, found[-1].target, *found[-1].extras.values()))

    beside(1)
    some, many = beside(20), beside(60)
    assert many <= 1.02 * some


def test_gradients_of_a_refinement_have_one_budget(relu: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("pellucid.methods.integrated_gradients")
    gradient = 3 * 16 * 16 * 4
    monkeypatch.setattr(module, "BUDGET", 60 * gradient)

    def beyond(count: int, **options: Any) -> int:
        """Above what the same takes without refinement."""
        refined, _ = explained("integrated_gradients", relu, count, **options)
        plain, _ = explained("integrated_gradients", relu, count, **{**options, "refinements": 0})
        return refined - plain

    spare = 40 * gradient  # a round of points on its way, and the best scores so far
    for options in ({"steps": 60}, {"steps": 12, "baseline": "uniform", "draws": 3}):
        assert beyond(3, refinements=30, **options) <= 60 * gradient + spare
    totals = 3 * gradient  # an image's own integral, its best scores, and those of the answer before
    for count in (8, 24):
        assert beyond(count, steps=12, refinements=12) <= 60 * gradient + spare + count * totals


@pytest.mark.parametrize("transforms", ["standard", "none"])
def test_memory_of_filters_grows_by_their_pictures_only(transforms: Any, relu: pl.ImageClassifier) -> None:
    def made(count: int, steps: int) -> int:
        return highest(lambda: pl.filters(relu, "0", [n % 8 for n in range(count)], steps=steps, transforms=transforms))

    made(1, 5)
    curve = 8 * 10 * 4  # what every step adds: the curve is part of the answer, and kept once more to be gone on with
    assert made(10, 20) - made(10, 10) <= 10 * curve
    assert (made(20, 5) - made(10, 5)) / 10 <= 9 * 3 * 16 * 16 * 4, "coordinates, two moments and a gradient of each"


@pytest.mark.parametrize(("metric", "option"), [("deletion", "orders"), ("max_sensitivity", "samples")])
def test_memory_of_a_metric_does_not_grow_with_the_work(metric: str, option: str, relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    more: dict[str, Any] = {"steps": 4} if option == "orders" else {}

    def measured(work: int) -> int:
        return highest(lambda: pl.metrics[metric](relu, images, a, **{option: work, **more}))

    measured(2)
    little, much = measured(4), measured(10)
    numbers = 6 * len(images) * 5 * 4 * 8  # the curve of every order is part of the answer
    assert much <= 1.01 * little + numbers
