"""The evidence on scores of tokens: right on planted rules, on encoders that know nothing, and within its budget."""

import copy
import importlib
import math
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

import pellucid as pl
from pellucid.analysis.erasure import comprehensiveness
from pellucid.analysis.planted_text import TextPlant, plant_text
from pellucid.analysis.token_scores import TokenMethod, token_scores
from pellucid.evidence import LEARNED, WORDS, Evidence, Outcome, judged
from pellucid.measurement import Interval
from pellucid.models.learned import order
from pellucid.models.randomized_text import randomized_encoder
from pellucid.pictures.tokens import about
from pellucid.token_trust import ORDERS, token_trust
from pellucid.trust import FLOOR, passes
from tests import encoders

METHODS = get_args(TokenMethod)
module = importlib.import_module("pellucid.token_trust")


@pytest.fixture(scope="module", params=["trigger", "two_tokens"])
def plant(request: pytest.FixtureRequest) -> TextPlant:
    return plant_text(request.param)


@pytest.fixture(scope="module")
def trigger() -> TextPlant:
    return plant_text("trigger")


@pytest.fixture(scope="module")
def reader() -> pl.TextEncoder:
    return encoders.tiny("bert", "ForQuestionAnswering")


# -------------------------------------------------------------------------------------------------- what is known


def test_a_method_that_finds_the_rule_is_never_called_wrong(plant: TextPlant):
    found = token_trust(plant.encoder, token_scores(plant.encoder, plant.tokens, method="erasure"))
    verdicts = [one.verdict for one in found.evidence]
    assert set(verdicts) <= {"holds up", "cannot be told"}
    assert verdicts.count("holds up") >= 8  # of 16 short sentences, where some random orders find the rule too


def test_noise_and_a_gradient_that_says_nothing_are_no_better_than_random(plant: TextPlant):
    for method in ("random", "input_x_gradient"):
        found = token_trust(plant.encoder, token_scores(plant.encoder, plant.tokens, method=method))
        assert {one.verdict for one in found.evidence} == {"no better than random"}
    noise = token_trust(plant.encoder, token_scores(plant.encoder, plant.tokens, method="random"))
    assert all(one.seeds is not None and abs(one.seeds) < 1 for one in noise.evidence)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_about_an_encoder_that_knows_nothing_is_trusted(plant: TextPlant, method: TokenMethod):
    ignorant = randomized_encoder(plant.encoder, 5)
    found = token_trust(ignorant, token_scores(ignorant, plant.tokens, method=method))
    assert not {one.verdict for one in found.evidence} & {"holds up", "has not settled"}


def test_scores_that_random_weights_give_too_do_not_depend_on_the_model(trigger: TextPlant, monkeypatch: pytest.MonkeyPatch):
    scores = token_scores(trigger.encoder, trigger.tokens)
    monkeypatch.setattr(module, "_again", lambda encoder, scores, *rest: scores)
    found = token_trust(trigger.encoder, scores)
    assert {one.verdict for one in found.evidence} == {"does not depend on the model"}
    assert all(one.randomised == pytest.approx(1) for one in found.evidence)
    monkeypatch.setattr(module, "_again", lambda encoder, scores, *rest: replace(scores, scores=-scores.scores))
    assert {one.verdict for one in token_trust(trigger.encoder, scores).evidence} == {"does not depend on the model"}


def test_scores_that_are_all_alike_tell_nothing(trigger: TextPlant):
    scores = token_scores(trigger.encoder, trigger.tokens)
    flat = replace(scores, scores=scores.scores.where(scores.scores.isnan(), 1.0))
    for one in token_trust(trigger.encoder, flat).evidence:
        assert one.verdict == "no better than random"
        assert one.sentence == WORDS["text"]["empty"][0]
        assert math.isnan(one.randomised)


def test_the_advantage_is_over_the_mean_the_best_and_the_worst_of_the_random_orders(trigger: TextPlant):
    scores = token_scores(trigger.encoder, trigger.tokens)
    measured = comprehensiveness(trigger.encoder, scores, orders=ORDERS, seed=3)
    orders = measured.extras["chance_curve"].mean(2)
    for n, one in enumerate(token_trust(trigger.encoder, scores, seed=3).evidence):
        best, worst = max(orders[n].tolist()), min(orders[n].tolist())
        expected = [float(measured.values[n]) - each for each in (float(orders[n].mean()), best, worst)]
        assert [one.advantage.value, one.advantage.low, one.advantage.high] == pytest.approx(expected, abs=1e-6)
        assert one.worth == pytest.approx(float(measured.extras["before"][n]), abs=0.05)  # without the words nothing is left


def test_a_gap_is_a_share_of_what_the_scores_add_up_to(trigger: TextPlant):
    few = token_scores(trigger.encoder, trigger.tokens, method="integrated_gradients", steps=1)
    for n, one in enumerate(token_trust(trigger.encoder, few).evidence):
        assert one.error == pytest.approx(float(few.error[n]) / abs(float(few.scores[n].nansum())), rel=1e-4)
        if one.verdict == "has not settled":
            assert one.sentence.startswith("By its own count half of it or more is missing or wrong: its completeness gap is")
    assert max(one.error for one in token_trust(trigger.encoder, few).evidence) > 0.1


# -------------------------------------------------------------------------------------------------- the verdict


GOOD = Interval(0.3, 0.1, 0.5)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ((GOOD, 0.9, 0.1, None), "holds up"),
        ((Interval(0.3, -0.01, 0.6), 0.9, 0.1, None), "cannot be told"),
        ((Interval(0.3, 0.0, 0.6), 0.9, 0.1, None), "cannot be told"),
        ((Interval(0.04, 0.01, 0.6), 0.9, 0.1, None), "no better than random"),
        ((Interval(0.3, -0.01, 0.6), 0.9, 0.1, 0.1), "no better than random"),
        ((Interval(math.nan, math.nan, math.nan), 0.9, 0.1, None), "no better than random"),
        ((GOOD, 0.9, 0.95, None), "does not depend on the model"),
        ((GOOD, 0.3, 0.1, None), "little to explain"),
    ],
)
def test_of_a_text_it_may_be_that_nothing_can_be_told(evidence, verdict):
    assert judged(*evidence, probability=True, weights=100.0, subject="text") == verdict


def test_every_outcome_has_words_for_pictures_and_for_texts():
    outcomes = {one for part in get_args(Outcome) for one in (get_args(part) or (part,))}
    for words in WORDS.values():
        assert set(words) == outcomes
        assert all(sentence.endswith(".") and advice.endswith(".") for sentence, advice in words.values())
    assert not any("pixel" in text or "picture" in text or "map" in text for pair in WORDS["text"].values() for text in pair)


# -------------------------------------------------------------------------------------------------- as a user meets it


@pytest.mark.parametrize("method", METHODS)
def test_it_costs_no_more_than_the_scores_or_than_its_floor(plant: TextPlant, method: TokenMethod):
    scores = token_scores(plant.encoder, plant.tokens, method=method)
    spent = token_trust(replace(plant.encoder), scores).work  # new, so that nothing is remembered
    assert passes(spent) <= max(FLOOR * len(scores), passes(scores.work))


def test_the_error_of_kernel_shap_stands_there_as_a_share_of_its_values(reader: pl.TextEncoder):
    scores = token_scores(reader, "who wrote it?", "the young queen wrote the letter.", method="kernel_shap", samples=100)
    (found,) = token_trust(reader, scores).evidence
    assert found.error_name == "relative error"
    assert found.error == pytest.approx(float(scores.error) / float(scores.scores.nan_to_num().norm()))
    assert found.error > 0
    assert found.seeds is not None


def test_erasure_of_a_long_text_asks_the_other_network_for_some_tokens_only(reader: pl.TextEncoder):
    long = "the young queen wrote the letter in 1905 and the bank of the river was no money he read rereading it"
    scores = token_scores(reader, "who wrote the long letter?", long)
    assert len(scores.top(100)) > 30
    assert passes(token_trust(replace(reader), scores).work) <= max(FLOOR, passes(scores.work))
    more = token_trust(replace(reader), scores, budget=5)
    assert FLOOR < passes(more.work) <= 5 * passes(scores.work)


def test_the_encoder_is_as_it_was_and_the_same_seed_says_the_same(reader: pl.TextEncoder):
    before = copy.deepcopy(reader.module.state_dict())
    scores = token_scores(reader, "who wrote it?", "the young queen wrote the letter.")
    first, second = (token_trust(replace(reader), scores, seed=4) for _ in range(2))
    assert first == second
    assert [token_trust(reader, scores, seed=4).evidence for _ in range(2)] == [first.evidence] * 2
    assert all(torch.equal(value, before[name]) for name, value in reader.module.state_dict().items())
    shares: list[float] = []
    token_trust(reader, scores, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(("kind", "head"), [("roberta", "ForMaskedLM"), ("electra", "ForSequenceClassification")])
def test_every_head_and_kind_of_encoder_has_it(kind: str, head: str):
    encoder = encoders.tiny(kind, head)
    text = f"the young queen {encoder.tokenizer.mask_token} the letter" if head == "ForMaskedLM" else "the young queen"
    for method in METHODS:
        (one,) = token_trust(encoder, token_scores(encoder, text, method=method)).evidence
        assert isinstance(one, Evidence)
        assert one.subject == "text"
        assert {"sentence", "advice", "advantage"} <= set(one.to_json())


def test_a_number_is_judged_by_what_it_falls_and_not_by_shares_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "order", lambda module: 2 * LEARNED)
    encoder, texts = encoders.rater("warmth"), [*encoders.SENTENCES, "the long letter of the queen was no money"]
    found = token_trust(encoder, token_scores(encoder, texts))
    with torch.no_grad():  # Kelvin instead of Celsius
        encoder.module.get_parameter("classifier.bias").add_(273.15)
    other = token_trust(encoder, token_scores(encoder, texts))
    assert [one.verdict for one in other.evidence] == [one.verdict for one in found.evidence]
    assert "little to explain" not in {one.verdict for one in other.evidence}
    for one, same in zip(found.evidence, other.evidence, strict=True):
        assert same.advantage.value == pytest.approx(one.advantage.value, abs=1e-3)
    assert "of the number over random orders" in about(found[0], "the number")


def test_what_cannot_be_judged_is_refused(reader: pl.TextEncoder):
    scores = token_scores(reader, "who wrote it?", "the young queen wrote the letter.")
    with pytest.raises(ValueError, match="these scores are by word"):
        token_trust(reader, scores.by_word())
    with pytest.raises(ValueError, match="cannot be run again; known: erasure"):
        token_trust(reader, replace(scores, method="by hand"))
    with pytest.raises(ValueError, match="budget is 0"):
        token_trust(reader, scores, budget=0)


# -------------------------------------------------------------------------------------------------- random weights


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_random_weights_are_as_large_as_the_learned_ones_and_shared_where_those_are(kind: str):
    encoder = encoders.tiny(kind, "ForMaskedLM")
    other, third = randomized_encoder(encoder, 1), randomized_encoder(encoder, 2)
    mine, drawn = dict(encoder.module.named_parameters()), dict(other.module.named_parameters())
    assert mine.keys() == drawn.keys()
    for name, parameter in mine.items():
        if parameter.ndim < 2:
            assert torch.equal(parameter.sort().values, drawn[name].sort().values), name
            continue
        assert not torch.equal(parameter, drawn[name]), name
        assert not torch.equal(dict(third.module.named_parameters())[name], drawn[name]), name
        if parameter.numel() > 500:
            sizes = [float(each.detach().square().mean().sqrt()) for each in (parameter, drawn[name])]
            assert sizes[1] == pytest.approx(sizes[0], rel=0.2), name
    modules: list[Any] = [encoder.module, other.module]
    embeddings = [one.get_input_embeddings().weight for one in modules]
    outputs = [one.get_output_embeddings().weight for one in modules]
    assert (embeddings[0] is outputs[0]) == (embeddings[1] is outputs[1])
    assert other.name == f"{encoder.name} with weights drawn from seed 1"


def test_the_shipped_encoders_have_an_order_that_random_weights_lack(plant: TextPlant):
    assert order(plant.encoder.module) > 5 * LEARNED
    assert max(order(randomized_encoder(plant.encoder, seed).module) for seed in range(3)) < LEARNED
