"""Laws that hold for every registered metric. A new metric is under them the moment its file exists."""

import inspect
from typing import Any

import pytest
import torch

import pellucid as pl
from tests.conftest import pictures

NAMES = list(pl.metrics)
FEW = {"samples": 4, "steps": 4, "orders": 3, "draws": 4, "maps": 3}


def quick(name: str) -> dict[str, Any]:
    """Options that bound the work, set low."""
    return {option: FEW[option] for option in pl.metrics[name].options.model_fields if option in FEW}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=["saliency", "integrated_gradients", "smoothgrad", "lime", "random", "edges"])
def explained(request: pytest.FixtureRequest, relu: pl.ImageClassifier) -> tuple[pl.Images, pl.Attribution]:
    few: dict[str, Any] = {"samples": 12, "steps": 6, "segments": 8}
    options: dict[str, Any] = {o: few[o] for o in pl.methods[request.param].options.model_fields if o in few}
    images = pictures(relu)
    return images, pl.explain(relu, images, method=request.param, **options)


def test_gives_a_value_or_its_reason_for_every_image(name, relu, explained):
    images, a = explained
    m = pl.measure(relu, images, a, metric=name, **quick(name))
    assert m.values.shape == m.low.shape == m.high.shape == (len(images),)
    known = ~m.values.isnan()
    assert known.all() or m.notes
    assert (m.low <= m.values)[known].all()
    assert (m.values <= m.high)[known].all()
    assert m.values[known].isfinite().all()
    assert m.metric == name
    assert m.unit == pl.metrics[name].unit != ""
    assert m.higher_is_better == pl.metrics[name].higher_is_better
    assert set(m.options) == set(pl.metrics[name].options.model_fields)
    assert m.work.fraction == 1
    if m.chance is not None:
        assert m.chance_low is not None
        assert m.chance_high is not None
        assert (m.chance_low <= m.chance_high).all()


def test_same_seed_same_bits_and_nothing_is_changed(name, relu, explained):
    images, a = explained
    before = images.features.clone(), a.scores.clone(), [p.clone() for p in relu.module.parameters()]
    one, other = (pl.measure(relu, images, a, metric=name, **quick(name)) for _ in range(2))
    for field in ("values", "low", "high"):
        assert torch.equal(getattr(one, field).nan_to_num(-9), getattr(other, field).nan_to_num(-9))
    assert torch.equal(images.features, before[0])
    assert torch.equal(a.scores, before[1])
    assert all(torch.equal(p, q) for p, q in zip(relu.module.parameters(), before[2], strict=True))
    assert all(p.requires_grad for p in relu.module.parameters())
    assert not any(sub._forward_hooks for sub in relu.module.modules())


def test_the_stream_grows_and_ends_at_the_call(name, relu, explained):
    images, a = explained
    steps = list(pl.metrics[name].stream(relu, images, a, **quick(name)))
    last = pl.metrics[name](relu, images, a, **quick(name))
    assert torch.equal(steps[-1].values.nan_to_num(-9), last.values.nan_to_num(-9))
    done = [step.work.fraction for step in steps]
    assert done == sorted(done)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))


def test_an_image_is_measured_alike_alone_and_among_others(name, relu, explained):
    images, a = explained
    if a.method == "lime":
        pytest.skip("LIME itself draws for a batch as a whole")
    together = pl.measure(relu, images, a, metric=name, **quick(name))
    alone = pl.measure(relu, images[0], a[0], metric=name, **quick(name))
    torch.testing.assert_close(alone.values[0], together.values[0], rtol=1e-4, atol=1e-5, equal_nan=True)


def test_is_documented_with_its_source(name):
    metric = pl.metrics[name]
    module = inspect.getdoc(inspect.getmodule(metric.__wrapped__))  # pyright: ignore[reportAttributeAccessIssue]
    assert module is not None
    assert "http" in module.splitlines()[0] or "doi" in module.splitlines()[0]
    assert len(inspect.getdoc(metric) or "") > 80


def test_what_is_said_before_it_is_known_says_so_and_reaches_no_tolerance(name, relu, explained):
    images, a = explained
    steps = list(pl.metrics[name].stream(relu, images, a, **quick(name)))
    early = [m for m in steps if {"unanswered", "unfinished"} & set(m.notes)]
    # the smaller networks' curves are one pass, as are the maps of gradients
    if name in ("max_sensitivity", "seed_stability", "parameter_randomization") and a.method == "lime":
        assert any("unfinished" in m.notes for m in early)
    assert all(m.worst_error > 0.5 for m in early)
    assert steps[-1] not in early
    assert [m.work.fraction for m in steps] == sorted(m.work.fraction for m in steps)
