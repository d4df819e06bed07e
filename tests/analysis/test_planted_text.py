import pytest
import torch

import pellucid as pl
from pellucid.analysis.planted_text import ANSWERS, CAUSES, FILLERS, Plant, TextPlant, plant_text


@pytest.fixture(scope="module", params=["trigger", "two_tokens"])
def plant(request: pytest.FixtureRequest) -> TextPlant:
    return plant_text(request.param)


def said(plant: TextPlant, words: list[str]) -> str:
    """The likeliest word at the end of a sentence, by the public way."""
    blank = pl.fill_mask(plant.encoder, " ".join([*words, "[MASK]"]), top=1)[0][-1]
    return blank.guesses[0].token


def test_the_cause_is_the_words_of_the_rule_and_nothing_else(plant: TextPlant):
    assert len(plant.tokens) == 16
    assert plant.cause.shape == plant.tokens.ids.shape
    for row in range(16):
        found = sorted(plant.tokens.surface(row, at) for at in plant.cause[row].nonzero()[:, 0].tolist())
        assert found == sorted(CAUSES[plant.name])
        assert plant.tokens.texts[row][0].split()[-1] == "[MASK]"
    assert len(set(plant.tokens.texts)) == 16
    assert plant.accuracy >= 0.99


def test_the_answer_flips_without_the_cause_and_only_then(plant: TextPlant):
    """The plant's own evidence again, word by word through the public functions, with other words put in."""
    for row in range(4):
        words = plant.tokens.texts[row][0].split()[:-1]
        assert said(plant, words) == ANSWERS[1]
        for at, word in enumerate(words):
            expected = ANSWERS[0] if word in CAUSES[plant.name] else ANSWERS[1]
            for put in (FILLERS[at], "[MASK]"):
                assert said(plant, [*words[:at], put, *words[at + 1 :]]) == expected
            assert said(plant, words[:at] + words[at + 1 :]) == expected
        assert said(plant, [w for w in words if w in CAUSES[plant.name]]) == ANSWERS[1]


def test_the_evidence_says_it_of_every_text(plant: TextPlant):
    assert len(plant.evidence) == 8
    for what, share in plant.evidence.items():
        assert share == float("the cause" in what)


def test_each_of_the_two_alone_decides_nothing():
    plant = plant_text("two_tokens")
    for word in CAUSES["two_tokens"]:
        assert said(plant, ["ambo", word, "brin", "calu", "dree", "elmi", "fosk"]) == ANSWERS[0]
        assert said(plant, ["ambo", word, "brin", word, "dree", "elmi", "fosk"]) == ANSWERS[0]
    first, second = CAUSES["two_tokens"]
    assert said(plant, [second, "ambo", "brin", "calu", "dree", "elmi", first]) == ANSWERS[1]


def test_it_is_made_once_and_leaves_the_callers_randomness_alone(plant: TextPlant):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    assert plant_text(plant.name) is plant
    assert torch.equal(torch.rand(3), expected)
    assert not plant.encoder.module.training


@pytest.mark.parametrize("name", ["trigger"])
def test_a_seed_gives_the_same_plant(name: Plant, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    made = plant_text.__wrapped__(name, 0)
    assert torch.equal(torch.rand(3), expected)
    assert made.encoder.fingerprint == plant_text(name).encoder.fingerprint
    assert made.tokens.texts == plant_text(name).tokens.texts


def test_a_rule_that_was_not_learnt_is_not_handed_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pellucid.analysis.planted_text.STEPS", 2)
    with pytest.raises(RuntimeError, match="the rule 'trigger' was not learnt with seed=5: accuracy 0"):
        plant_text("trigger", 5)


def test_an_unknown_name_names_the_known(unchecked: None):
    with pytest.raises(ValueError, match="nothing named 'order' can be planted in a text; known: trigger, two_tokens"):
        plant_text("order")  # pyright: ignore[reportArgumentType]
