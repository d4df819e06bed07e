from dataclasses import replace

import pytest
import torch

import pellucid as pl
from pellucid.analysis.erasure import SHARES, comprehensiveness, ranked, sufficiency
from pellucid.analysis.planted_text import TextPlant, plant_text
from pellucid.analysis.token_scores import TokenScores, token_scores
from tests import encoders

QUESTION, CONTEXT = "who wrote the long letter?", "the young queen wrote the letter in 1905."
GUESS = "the queen [MASK] the long letter in re."


@pytest.fixture(scope="module", params=["trigger", "two_tokens"])
def plant(request: pytest.FixtureRequest) -> TextPlant:
    return plant_text(request.param)


@pytest.fixture(scope="module")
def guesser() -> pl.TextEncoder:
    return lively("ForMaskedLM")


@pytest.fixture(scope="module")
def reader() -> pl.TextEncoder:
    return lively("ForQuestionAnswering")


def lively(head: str) -> pl.TextEncoder:
    """As the weights are drawn, norms shrink what other tokens do to a thousandth; here every token matters."""
    made = encoders.tiny("bert", head)
    with torch.no_grad():
        for part in made.module.modules():
            if isinstance(part, torch.nn.LayerNorm):
                part.weight.fill_(1)
            if isinstance(part, torch.nn.Linear):
                part.weight.mul_(1.5)
    return made


def with_scores(found: TokenScores, scores: torch.Tensor) -> TokenScores:
    return replace(found, scores=scores.float())


def perfect(plant: TextPlant) -> TokenScores:
    """The cause at 1, all else at 0, as an explanation would know it that knows the truth."""
    found = token_scores(plant.encoder, plant.tokens, method="random")
    return with_scores(found, plant.cause.float().where(~found.scores.isnan(), torch.nan))


# ------------------------------------------------------------------------------------------ against one pass a variant


@pytest.mark.parametrize("removal", ["mask", "delete"])
@pytest.mark.parametrize("metric", [comprehensiveness, sufficiency])
def test_equals_one_pass_for_each_share(guesser: pl.TextEncoder, metric: object, removal: str):
    found = token_scores(guesser, GUESS, method="random", seed=4)
    measured = metric(guesser, found, removal=removal, orders=0)  # pyright: ignore[reportCallIssue]
    tokens, word = found.tokens, int(found.target.words[0])
    order = [one.token for one in found.top(100)]
    assert len(order) == 8

    def probability(gone: list[int]) -> float:
        if removal == "mask":
            out = guesser.outputs(guesser.hide(tokens, gone))
            return float(out["words"][0, 3].softmax(-1)[word])
        kept = [tokens.surface(0, at) for at in range(1, tokens.lengths[0] - 1) if at not in gone]
        shorter = guesser.read(" ".join(kept))
        place = int((shorter.ids[0] == guesser.tokenizer.mask_token_id).nonzero())
        return float(guesser.outputs(shorter)["words"][0, place].softmax(-1)[word])

    whole = probability([])
    drops = []
    for count in (1, 1, 1, 2, 4):  # 1, 5, 10, 20, 50 % of 8, rounded up
        gone = order[count:] if metric is sufficiency else order[:count]
        drops.append(whole - probability(gone))
    assert measured.extras["counts"].tolist() == [[1, 1, 1, 2, 4]]
    assert measured.extras["curve"][0].tolist() == pytest.approx(drops, abs=1e-5)
    assert float(measured.values[0]) == pytest.approx(sum(drops) / 5, abs=1e-5)
    assert float(measured.extras["before"][0]) == pytest.approx(whole, abs=1e-5)
    assert max(map(abs, drops)) > 1e-3
    assert measured.chance is None
    assert measured.work.forwards == 4


def test_of_a_pair_only_the_context_is_removed_unless_asked(reader: pl.TextEncoder):
    found = token_scores(reader, QUESTION, CONTEXT, method="random")
    tokens, target = found.tokens, found.target
    context, both = ranked(tokens, target, "mask", False), ranked(tokens, target, "mask", True)
    assert {tokens.roles[0][at] for at in context[0].nonzero()[:, 0].tolist()} == {"context"}
    assert {tokens.roles[0][at] for at in both[0].nonzero()[:, 0].tolist()} == {"question", "context"}
    assert int(both.sum()) == int(tokens.mask.sum()) - 3
    deleted = ranked(tokens, target, "delete", False)
    assert not deleted[0, target.places[0]].any()
    assert int(deleted.sum()) == int(context.sum()) - len(set(target.places[0].tolist()))
    everything = comprehensiveness(reader, found, shares=(1.0,), orders=0)
    out = reader.outputs(reader.hide(tokens, context[0].nonzero()[:, 0].tolist()))
    first, last = target.places[0].tolist()
    left = float(out["start"][0].softmax(-1)[first] * out["end"][0].softmax(-1)[last])
    assert float(everything.values[0]) == pytest.approx(float(everything.extras["before"][0]) - left, abs=1e-5)
    for removal in ("mask", "delete"):
        for question in (False, True):
            one = comprehensiveness(reader, found, removal=removal, question=question, orders=2)
            assert not one.values.isnan().any()


def test_random_rankings_average_to_the_mean_over_all_tokens(guesser: pl.TextEncoder):
    """With shares of one token there are 8 rankings that differ; many random ones hit each equally often."""
    found = token_scores(guesser, GUESS, method="erasure")
    shares = (0.01,)
    measured = comprehensiveness(guesser, found, shares=shares, orders=4000)
    each = []
    for at in ranked(found.tokens, found.target, "mask", False)[0].nonzero()[:, 0].tolist():
        scores = torch.zeros_like(found.scores)
        scores[0, at] = 1
        each.append(float(comprehensiveness(guesser, with_scores(found, scores), shares=shares, orders=0).values[0]))
    assert measured.chance is not None
    assert measured.chance_low is not None
    assert measured.chance_high is not None
    spread = torch.tensor(each).std().item()
    assert float(measured.chance[0]) == pytest.approx(sum(each) / len(each), abs=4 * spread / 4000**0.5)
    assert float(measured.chance_low[0]) == pytest.approx(min(each), abs=1e-6)
    assert float(measured.chance_high[0]) == pytest.approx(max(each), abs=1e-6)
    assert measured.work.forwards == 1 + 8  # what is the same is asked once


# ------------------------------------------------------------------------------------------ planted truth


def test_erasure_finds_the_planted_cause_and_noise_does_not(plant: TextPlant):
    hits = {}
    for method in ("erasure", "integrated_gradients", "random"):
        found = token_scores(plant.encoder, plant.tokens, method=method)
        assert found.target.names == ("the word 'seri'",) * 16
        right = [bool(plant.cause[row, one.token]) for row in range(16) for one in found.top(int(plant.cause[row].sum()), row)]
        hits[method] = sum(right) / len(right)
    assert hits["erasure"] == 1
    assert hits["integrated_gradients"] >= 0.9
    assert hits["random"] < 0.6


def test_the_true_ranking_beats_the_random_band_and_the_reversed_one_falls_below_it(plant: TextPlant):
    best = perfect(plant)
    worst = with_scores(best, -best.scores)
    good, bad = (comprehensiveness(plant.encoder, each, orders=60) for each in (best, worst))
    assert good.chance is not None
    assert good.chance_high is not None
    assert good.values.min() > 0.9  # without the cause, nothing is left of the answer
    assert (good.values >= good.chance_high - 0.02).all()  # the best of the random ones may have hit the cause first
    assert bad.values.abs().max() < 0.05  # half of the text, and not the cause
    assert (bad.values < good.chance).all()
    over_texts = good.extras["chance_curve"].mean((0, 2))  # of one order, the mean over the texts
    assert good.values.mean() > over_texts.max()
    assert bad.values.mean() < over_texts.min()
    assert bad.chance is not None
    torch.testing.assert_close(bad.chance, good.chance)


def test_the_cause_is_sufficient_and_all_else_is_not(plant: TextPlant):
    best = perfect(plant)
    enough = tuple(share for share in SHARES if share >= 0.2)  # two tokens of eight or more
    good, bad = (sufficiency(plant.encoder, with_scores(best, sign * best.scores), shares=enough) for sign in (1, -1))
    assert bad.values.min() > 0.9
    assert good.chance is not None
    assert (good.values < good.chance).all()
    if plant.name == "trigger":
        assert good.values.max() < 0.05
    assert (good.higher_is_better, comprehensiveness(plant.encoder, best, orders=1).higher_is_better) == (False, True)


# ------------------------------------------------------------------------------------------ laws


@pytest.mark.parametrize("metric", [comprehensiveness, sufficiency])
def test_a_text_among_others_measures_as_it_does_alone(guesser: pl.TextEncoder, metric: object):
    texts = [GUESS, "[MASK] read the letter to the queen of france, and it was long.", "he [MASK]."]
    together = metric(guesser, token_scores(guesser, texts), seed=2)  # pyright: ignore[reportCallIssue]
    for row, text in enumerate(texts):
        alone = metric(guesser, token_scores(guesser, text), seed=2)  # pyright: ignore[reportCallIssue]
        for name in ("values", "low", "high", "chance", "chance_low", "chance_high"):
            torch.testing.assert_close(getattr(together, name)[row], getattr(alone, name)[0], rtol=1e-3, atol=1e-5)
    other = metric(guesser, token_scores(guesser, texts), seed=3)  # pyright: ignore[reportCallIssue]
    assert torch.equal(other.values, together.values)
    assert not torch.equal(other.chance, together.chance)


def test_a_text_without_a_token_to_remove_has_no_value(guesser: pl.TextEncoder):
    found = token_scores(guesser, ["[MASK]", GUESS])
    measured = comprehensiveness(guesser, found)
    assert measured.values.isnan().tolist() == [True, False]
    assert measured.chance is not None
    assert measured.chance.isnan().tolist() == [True, False]
    assert measured.notes == {"no value": "there is no token to remove in '[MASK]'"}
    assert measured.mean().value == pytest.approx(float(measured.values[1]))


def test_scores_that_are_nan_rank_last(guesser: pl.TextEncoder):
    found = token_scores(guesser, GUESS)
    scores = torch.full_like(found.scores, torch.nan)
    scores[0, 5] = -3
    measured = comprehensiveness(guesser, with_scores(found, scores), shares=(0.01,), orders=0)
    first = torch.zeros_like(scores)
    first[0, 5] = 1
    expected = comprehensiveness(guesser, with_scores(found, first), shares=(0.01,), orders=0)
    assert torch.equal(measured.values, expected.values)


def test_progress_rises_to_one_and_options_are_kept(guesser: pl.TextEncoder):
    shares: list[float] = []
    measured = comprehensiveness(guesser, token_scores(guesser, GUESS), seed=9, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert measured.options == {"removal": "mask", "question": False, "orders": 20, "seed": 9}
    assert (measured.metric, measured.unit) == ("comprehensiveness", "probability")
    torch.testing.assert_close(measured.extras["shares"], torch.tensor(SHARES))
    assert measured.extras["chance_curve"].shape == (1, 20, 5)
    assert torch.equal(measured.low, measured.values)


def test_what_cannot_be_measured_says_so(guesser: pl.TextEncoder):
    found = token_scores(guesser, GUESS)
    with pytest.raises(ValueError, match="these scores are by word"):
        comprehensiveness(guesser, found.by_word())
    with pytest.raises(ValueError, match=r"shares=\(0.0, 0.5\); each is a part of the text's tokens, above 0 and at most 1"):
        comprehensiveness(guesser, found, shares=(0.0, 0.5))
    with pytest.raises(ValueError, match=r"shares=\(\)"):
        sufficiency(guesser, found, shares=())
    with pytest.raises(ValueError, match="orders=-1; 0 for no comparison"):
        sufficiency(guesser, found, orders=-1)


# --------------------------------------------------------------------------------------------- what is not asked again


def test_random_rankings_are_asked_once_for_scores_of_the_same_texts(reader: pl.TextEncoder):
    one, other = (token_scores(reader, QUESTION, CONTEXT, method="random", seed=seed) for seed in (0, 1))
    shorter = token_scores(reader, QUESTION, "the queen wrote the letter.", method="random")
    elsewhere = token_scores(reader, QUESTION, CONTEXT, method="random", target="the letter")
    kept = replace(reader)

    def same(metric: object, scores: TokenScores, **options: object) -> int:
        """Passes that are spared."""
        told: list[float] = []
        after = metric(kept, scores, progress=told.append, **options)  # pyright: ignore[reportCallIssue]
        assert (told, told[-1]) == (sorted(told), 1.0)
        alone = metric(replace(kept), scores, **options)  # pyright: ignore[reportCallIssue]
        assert all(torch.equal(after.extras[name], alone.extras[name]) for name in alone.extras)
        assert torch.equal(after.chance, alone.chance)
        return alone.work.forwards - after.work.forwards

    assert same(comprehensiveness, one) == 0
    spared = same(comprehensiveness, other)
    assert spared > 30
    assert same(comprehensiveness, one) == spared
    turned = token_scores(reader, QUESTION, "the young letter wrote the queen in 1905.", method="random", target=one.target)
    for scores in (shorter, elsewhere, turned):
        assert same(comprehensiveness, scores) == 0
    for options in ({"orders": 5}, {"seed": 1}, {"shares": (0.3,)}, {"removal": "delete"}, {"question": True}):
        assert same(comprehensiveness, one, **options) == 0, options
    assert same(sufficiency, one) == 0
    kept = sorter = lively("ForSequenceClassification")
    of_class = token_scores(sorter, CONTEXT, method="random")
    assert [same(comprehensiveness, of_class, removal=removal) for removal in ("mask", "delete")] == [0, 0]
    with torch.no_grad():
        next(kept.module.parameters()).mul_(1.1)
    assert same(comprehensiveness, of_class) == 0
