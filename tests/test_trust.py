"""The evidence and its verdict: right on controls, on a network that knows nothing, and within its budget."""

import copy
import importlib
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

import pellucid as pl
from pellucid.attribution import Work
from pellucid.evidence import Evidence, Trust, judged
from pellucid.measurement import Interval
from pellucid.models.randomized import randomized
from pellucid.planted import plants
from pellucid.trust import FLOOR, ORDERS, STEPS, at_full_length, passes, planned
from tests.conftest import in_tens, pictures

trust_module = importlib.import_module("pellucid.trust")
GOOD = Interval(0.3, 0.2, 0.4)
LATER = ("holds up", "has not settled")
"""The verdicts that a network which has learned nothing leaves no room for."""


@pytest.fixture(scope="module")
def planted():
    """A network that looks at a mark, and eight pictures that have one."""
    grown = plants["watermark"](0)
    assert (grown.target[:8] == grown.model.class_index("marked")).all()
    return grown


def explained(planted: Any, method: str, count: int = 4, **options: Any) -> tuple[pl.Images, pl.Attribution]:
    images = planted.images[:count]
    return images, pl.explain(planted.model, images, method=method, target=planted.target[:count], **options)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ((GOOD, 0.9, 0.1, 0.9), "holds up"),
        ((GOOD, 0.9, 0.1, None), "holds up"),
        ((GOOD, 0.9, 0.95, 0.9), "does not depend on the model"),
        ((GOOD, 0.9, float("nan"), 0.9), "does not depend on the model"),
        ((Interval(0.3, -0.01, 0.6), 0.9, 0.1, 0.9), "no better than random"),
        ((Interval(0.04, 0.03, 0.05), 0.9, 0.1, 0.9), "no better than random"),
        ((Interval(0.3, 0.09, 0.51), 0.9, 0.1, 0.9), "holds up"),
        ((Interval(float("nan"), float("nan"), float("nan")), 0.9, 0.1, 0.9), "no better than random"),
        ((Interval(0.01, 0.008, 0.012), 0.02, 0.1, 0.9), "little to explain"),
        ((GOOD, 0.9, 0.1, 0.3), "has not settled"),
        ((GOOD, 0.9, 0.1, 0.05), "no better than random"),
        ((Interval(-0.3, -0.4, -0.2), 0.9, 0.95, 0.1), "does not depend on the model"),
    ],
)
def test_the_verdict_is_the_first_that_the_evidence_calls_for(evidence, verdict):
    assert judged(*evidence, probability=True, weights=100.0) == verdict
    assert judged(*evidence, probability=True, weights=1.0) == ("little to explain" if verdict in LATER else verdict)
    unfinished = judged(*evidence, probability=True, weights=100.0, incomplete=True)
    assert unfinished == ("has not settled" if verdict == "holds up" else verdict)


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("integrated_gradients", {"steps": 1, "rule": "left", "baseline": "white"}, "its completeness gap is"),
        ("occlusion", {"window": 4, "stride": 1, "deadline": 1e-9}, "its share still missing is"),
    ],
)
def test_a_map_that_does_not_add_up_has_not_settled(planted, method, options, says):
    images = planted.images[:1]
    a = pl.explain(planted.model, images, method=method, **options)
    assert float(a.error) > 0.5
    (e,) = pl.trust(planted.model, images, a).evidence
    assert e.verdict != "holds up"
    settled = replace(e, verdict="has not settled")
    assert says in settled.sentence
    assert "give a tolerance" in settled.advice
    assert settled.sentence != replace(settled, error=0.4).sentence


def test_what_stays_with_random_weights_is_said_of_a_map_that_holds_up(planted):
    images, a = explained(planted, "grad_cam", 1)
    (e,) = pl.trust(planted.model, images, a).evidence
    assert e.verdict == "holds up"
    some, much = replace(e, randomised=0.59), replace(e, randomised=0.6)
    assert some.sentence.startswith("It changes with the weights")
    assert "much of it is there with random weights too" in much.sentence
    assert some.advice != much.advice


@pytest.mark.parametrize("method", ["occlusion", "grad_cam", "saliency", "lime"])
def test_a_map_of_what_decides_holds_up(planted, method):
    images, a = explained(planted, method)
    t = pl.trust(planted.model, images, a)
    assert t.verdict == "holds up"
    assert all(e.advantage.low > 0.2 for e in t.evidence)
    assert (t[0].seeds is None) == (method != "lime")
    assert t[0].cost == a.work


@pytest.mark.parametrize(
    ("method", "verdict"), [("random", "no better than random"), ("edges", "does not depend on the model")]
)
def test_controls_are_seen_through(planted, method, verdict):
    images, a = explained(planted, method, 8)
    t = pl.trust(planted.model, images, a)
    assert {e.verdict for e in t.evidence} == {verdict}
    assert t.verdict == verdict
    assert t.sentence
    assert t.advice


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "grad_cam", "lime", "occlusion"])
@pytest.mark.parametrize("seed", [1, 2])
def test_on_a_network_with_random_weights_nothing_holds_up(planted, method, seed):
    knows_nothing = randomized(planted.model, seed)
    images = planted.images[:4]
    options: dict[str, Any] = {"samples": 300} if method == "lime" else {}
    a = pl.explain(knows_nothing, images, method=method, **options)
    assert "holds up" not in {e.verdict for e in pl.trust(knows_nothing, images, a).evidence}


def test_a_map_that_is_faithful_to_random_weights_is_not_trusted_either(imagenet):
    """Of all shipped photographs, the one whose map gained most on a network of random weights."""
    knows_nothing = randomized(imagenet, 1)
    images = imagenet.read("observation:9")
    a = pl.explain(knows_nothing, images, method="grad_cam")
    (e,) = pl.trust(knows_nothing, images, a).evidence
    assert judged(e.advantage, e.worth, e.randomised, e.seeds, probability=True, weights=100.0) == "holds up"
    assert e.verdict == "little to explain"
    assert e.order < 4


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("saliency", {}),
        ("smoothgrad", {"samples": 100}),
        ("lime", {"samples": 400, "segments": 30}),
        ("integrated_gradients", {"steps": 60}),
        ("occlusion", {"window": 4, "stride": 1}),
    ],
)
@pytest.mark.parametrize("budget", [0.5, 1.0, 3.0])
def test_costs_no_more_than_its_budget(planted, method, options, budget):
    images, a = explained(planted, method, 2, **options)
    t = pl.trust(replace(planted.model), images, a, budget=budget)  # new, so that nothing is remembered
    assert passes(t.work) <= max(FLOOR * 2, budget * passes(a.work)) * 1.05 + 8


def test_a_larger_budget_buys_more_random_orders(planted):
    _, a = explained(planted, "smoothgrad", 2, samples=100)
    few, many = planned(a, 1.0), planned(a, 5.0)
    assert few.orders >= ORDERS[0]
    assert few.orders < many.orders == ORDERS[1]
    assert many.options == {}
    assert 2 <= few.options["samples"] < 100
    assert planned(replace(a, work=Work(0, 0, 1.0)), 1.0).orders <= (FLOOR - 2) // (STEPS - 1) - 1


def test_two_long_runs_agree_more_than_a_long_and_a_short_one():
    generator = torch.Generator().manual_seed(0)
    signal, noises = torch.randn(200_000, generator=generator), torch.randn(3, 200_000, generator=generator)
    long, other, short = signal + 0.6 * noises[0], signal + 0.6 * noises[1], signal + 0.6 * 3 * noises[2]
    seen = float(torch.corrcoef(torch.stack([long, short]))[0, 1])
    assert at_full_length(seen, 9) == pytest.approx(float(torch.corrcoef(torch.stack([long, other]))[0, 1]), abs=0.01)
    assert at_full_length(0.7, 1) == pytest.approx(0.7)
    assert at_full_length(-0.2, 5) == -0.2


def test_same_seed_same_evidence_and_the_model_is_left_alone(planted):
    images, a = explained(planted, "smoothgrad", 2, samples=20)
    before = {k: v.clone() for k, v in planted.model.module.state_dict().items()}
    one, other = (pl.trust(planted.model, images, a, seed=3) for _ in range(2))
    assert [e.to_json() for e in one.evidence] == [e.to_json() for e in other.evidence]
    assert all(torch.equal(v, before[k]) for k, v in planted.model.module.state_dict().items())


def test_random_weights_are_drawn_once_for_maps_of_one_network(planted, monkeypatch):
    drawn: list[int] = []
    real = trust_module.randomized
    monkeypatch.setattr(trust_module, "randomized", lambda model, seed: drawn.append(seed) or real(model, seed))
    grown = planted.model
    model = pl.ImageClassifier(copy.deepcopy(grown.module), size=grown.size, mean=grown.mean, std=grown.std)
    images = planted.images[:2]
    a, b = (pl.explain(model, images, method=name) for name in ("saliency", "input_x_gradient"))
    first, second = pl.trust(model, images, a), pl.trust(model, images, b)
    assert drawn == [0]
    assert second.work.forwards < first.work.forwards  # what was there already costs nothing
    assert pl.trust(model, images, a).evidence == first.evidence
    pl.trust(model, images, a, seed=5)
    assert drawn == [0, 5]
    with torch.no_grad():
        next(model.module.parameters()).mul_(1.5)
    changed = pl.trust(model, images, a, seed=5)
    assert drawn == [0, 5, 5], "another weight, another network"
    pl.trust(model, images, pl.explain(model, images, method="saliency", against=0, target=1), seed=5)
    assert drawn == [0, 5, 5], "a contrast is read off the same network"
    lime = pl.explain(model, images, method="lime", samples=400, segments=30)
    assert pl.trust(model, images, lime, seed=5).evidence == pl.trust(replace(model), images, lime, seed=5).evidence
    assert drawn == [0, 5, 5, 5], "the new one's"
    pl.trust(model, images, a)
    pl.trust(model, images, a, seed=5)
    assert drawn[4:] == [0, 5], "only the last is kept"
    assert changed.evidence != first.evidence


def test_random_orders_are_walked_once_for_maps_of_the_same_images(planted):
    def alone(images: pl.Images, a: pl.Attribution, **options: Any) -> Trust:
        return pl.trust(replace(planted.model), images, a, **options)

    model, images = replace(planted.model), planted.images[:3]
    a = pl.explain(model, images, method="saliency")
    walked, counts = 0, []
    for b, budget in ((a, 1), (pl.explain(model, images, method="occlusion", window=4, stride=1), 1), (a, 50), (a, 1)):
        orders = planned(b, budget).orders
        after, first = pl.trust(model, images, b, budget=budget), alone(images, b, budget=budget)
        assert after.evidence == first.evidence
        assert after.work.backwards == first.work.backwards
        drawn = 16 if counts else 0  # pictures, for the network with random weights
        spared = (STEPS - 1) * len(images) * min(orders, walked)
        assert first.work.forwards - after.work.forwards == drawn + spared
        walked, counts = max(walked, orders), [*counts, orders]
    assert counts[1] < counts[0] < counts[2]

    again = pl.trust(model, images, a)
    for others, b, seed in (
        (planted.images[3:6], pl.explain(model, planted.images[3:6], method="saliency"), 0),
        (images, pl.explain(model, images, method="saliency", target=[0, 1, 0]), 0),
        (images, pl.explain(model, images, method="saliency", against=int(1 - a.target[0])), 0),
        (images, a, 3),
    ):
        assert pl.trust(model, others, b, seed=seed).evidence == alone(others, b, seed=seed).evidence
    lost = replace(a, scores=a.scores.clone())
    lost.scores[0] = torch.nan
    new = replace(planted.model)
    assert repr(pl.trust(model, images, lost).evidence) == repr(pl.trust(new, images, lost).evidence)
    assert pl.trust(new, images, a).evidence == pl.trust(model, images, a).evidence == again.evidence


def test_of_a_network_that_changed_nothing_is_remembered(planted):
    grown = planted.model
    model = pl.ImageClassifier(copy.deepcopy(grown.module), grown.size, grown.mean, grown.std, grown.labels)
    images, a = explained(planted, "saliency", 2)
    before = pl.trust(model, images, a)
    assert pl.trust(model, images, a).work.forwards < before.work.forwards
    place, clip = next((name, sub) for name, sub in model.module.named_modules() if isinstance(sub, torch.nn.ReLU))
    model.module.set_submodule(place, torch.nn.Tanh().eval())
    other = pl.trust(model, images, a)
    assert other.work.forwards == before.work.forwards
    assert other.evidence != before.evidence
    model.module.set_submodule(place, clip)
    assert pl.trust(model, images, a).evidence == before.evidence

    def twice(module: torch.nn.Module, given: Any, logits: torch.Tensor) -> torch.Tensor:
        return 2 * logits

    doubled = model.module.register_forward_hook(twice)
    hooked = [pl.trust(model, images, a) for _ in range(2)]
    assert [one.work.forwards for one in hooked] == [before.work.forwards] * 2, "what a hook refers to cannot be watched"
    assert hooked[0].evidence != before.evidence
    doubled.remove()
    assert pl.trust(model, images, a).evidence == before.evidence


def test_the_worst_verdict_speaks_for_all(planted):
    images, a = explained(planted, "saliency", 2)
    t = pl.trust(planted.model, images, a)
    assert t.verdict == "holds up"
    worse = replace(t, evidence=(t[0], replace(t[0], verdict="no better than random")))
    assert worse.verdict == "no better than random"
    assert worse.advice != t.advice


def test_a_map_without_numbers_is_not_trusted(planted):
    images, a = explained(planted, "saliency", 2)
    t = pl.trust(planted.model, images, replace(a, scores=torch.full_like(a.scores, torch.nan)))
    assert t.verdict == "does not depend on the model"


def test_a_map_of_one_value_shows_nothing(planted):
    images, a = explained(planted, "saliency", 2)
    scores = a.scores.clone()
    scores[0] = 0
    empty, other = pl.trust(planted.model, images, replace(a, scores=scores)).evidence
    assert empty.verdict == "no better than random"
    assert empty.sentence == "All of its values are the same: it shows nothing."
    assert other.verdict == "holds up"


def test_a_map_that_was_never_begun_is_not_said_to_be_wrong(planted):
    images = planted.images[:3]
    model = in_tens(planted.model)
    a = pl.explain(model, images, method="smoothgrad", deadline=1e-9)
    assert a.error.isinf().tolist() == [False, True, True]
    assert a.notes == {"unanswered": "2 of 3 images"} == a[1].notes
    assert a[0].notes == {}
    first, second, third = pl.trust(model, images, a).evidence
    assert second.verdict == third.verdict == "has not settled"
    assert second.sentence == "It is empty, since the time was up before the turn of this picture came."
    assert first.sentence != second.sentence


def test_a_map_of_which_random_weights_leave_nothing_depends_on_the_model(planted, monkeypatch):
    images, a = explained(planted, "saliency", 1)
    real = trust_module.again_or_by_torch

    def nothing(*given: Any, **options: Any) -> Any:
        for made in real(*given, **options):
            yield replace(made, scores=0 * made.scores)

    monkeypatch.setattr(trust_module, "again_or_by_torch", nothing)
    (e,) = pl.trust(planted.model, images, a).evidence
    assert (e.randomised, e.verdict) == (0.0, "holds up")


def test_only_what_a_seed_decides_is_run_with_another(planted):
    images = planted.images[:1]
    for baseline, chance in (("black", False), ("blur", False), ("uniform", True), ("gaussian", True)):
        a = pl.explain(planted.model, images, method="integrated_gradients", steps=3, baseline=baseline)
        (e,) = pl.trust(planted.model, images, a).evidence
        assert (e.seeds is not None) is chance, baseline
        stable = pl.measure(planted.model, images, a, metric="seed_stability")
        assert ("deterministic" in stable.notes) is not chance, baseline


def test_the_words_are_those_of_the_reason():
    """A map that gained over random orders, and was called no better since it does not repeat, must not be told that it gained
    nothing."""

    def evidence(seeds, low, worth=0.9, weights=100.0):
        gained = Interval(0.13, low, 0.18)
        verdict = judged(gained, worth, 0.1, seeds, probability=True, weights=weights)
        return Evidence(verdict, 0.1, "error", seeds, gained, worth, 0.1, weights, Work(1, 1, 1.0))

    luck, nothing, held = evidence(0.13, 0.08), evidence(0.9, -0.01), evidence(0.9, 0.08)
    hardly = evidence(0.9, 0.08, worth=2.7)
    assert hardly.verdict == "no better than random"
    assert "hardly more than removing pixels elsewhere: by less than a twentieth" in hardly.sentence
    unmoved = evidence(0.9, -0.01, worth=0.04)
    assert unmoved.verdict == "little to explain"
    assert luck.verdict == nothing.verdict == "no better than random"
    assert luck.sentence.startswith("Another seed draws a map that has next to nothing in common with it")
    assert nothing.sentence.startswith("Removing the pixels that it ranks first hurts the answer no more")
    assert luck.advice != nothing.advice
    assert evidence(math.nan, 0.08).sentence == luck.sentence
    little, unlearned = evidence(0.9, 0.08, worth=0.2), evidence(0.9, 0.08, weights=1.0)
    assert little.verdict == unlearned.verdict == "little to explain"
    assert little.sentence.startswith("Less than a third of the class's probability comes from the picture")
    assert unlearned.sentence.startswith("The network's weights are in no more order than weights drawn at random")
    assert "checkpoint" in unlearned.advice
    both = Trust((held, luck, nothing), Work(1, 1, 1.0))
    assert (both.verdict, both.sentence, both.advice) == (luck.verdict, luck.sentence, luck.advice)


def test_what_cannot_be_judged(planted):
    images, a = explained(planted, "saliency", 2)
    with pytest.raises(ValueError, match="these scores were made by hand"):
        pl.trust(planted.model, images, replace(a, method=""))
    with pytest.raises(ValueError, match="3 images, and an attribution of 2; give the images that were explained"):
        pl.trust(planted.model, planted.images[:3], a)
    with pytest.raises(ValueError, match="budget is 0"):
        pl.trust(planted.model, images, a, budget=0)


def test_random_weights_that_the_engine_does_not_take_are_asked_by_torch(
    relu: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = relu.on("openvino"), pictures(relu, 1)
    a = pl.explain(model, images, method="lime", segmentation="grid", segments=12, samples=900)
    monkeypatch.setattr("pellucid.models.engine.AGREE", 0.0)  # from here on it takes no other network
    found = pl.trust(model, images, a)[0]
    assert found.randomised == pytest.approx(pl.trust(relu, images, a)[0].randomised, abs=1e-3)


def test_on_shipped_photographs_the_controls_get_their_verdicts(imagenet):
    images = imagenet.read(["observation:1", "observation:4"])
    for method, verdict in (("random", "no better than random"), ("edges", "does not depend on the model")):
        a = pl.explain(imagenet, images, method=method)
        assert {e.verdict for e in pl.trust(imagenet, images, a).evidence} == {verdict}
