"""A classifier of pictures where an encoder of text is wanted, and the other way round."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import pellucid as pl
from tests import encoders

pytestmark = pytest.mark.usefixtures("unchecked")
NAMED = "'imagenet' is a name and no model"
OF_TEXT: dict[str, Callable[[Any], object]] = {
    "token_scores": lambda model: pl.token_scores(model, "a"),
    "compare": lambda model: pl.compare(model, ["the letter", "a letter"], "letter"),
    "answer": lambda model: pl.answer(model, "Who?", "The queen."),
    "fill_mask": lambda model: pl.fill_mask(model, "the [MASK]"),
    "head_effect": lambda model: pl.head_effect(model, "a"),
    "comprehensiveness": lambda model: pl.comprehensiveness(model, scores()),
    "sufficiency": lambda model: pl.sufficiency(model, scores()),
    "build_corpus": lambda model: pl.build_corpus(model, ["a"], "nowhere"),
}
OF_ACTIVATIONS: dict[str, Callable[[Any], object]] = {
    "project": lambda model: pl.project(model),
    "attend": lambda model: pl.attend(model, 1),
    "rollout": lambda model: pl.rollout(model),
    "attention_flow": lambda model: pl.attention_flow(model),
    "head_statistics": lambda model: pl.head_statistics(model),
}
OF_PICTURES: dict[str, Callable[[Any], object]] = {
    "filters": lambda model: pl.filters(model, "0", [0]),
    "filter_maps": lambda model: pl.filter_maps(model, pictures(), "0", [0]),
    "draw": lambda model: pl.draw(model, pictures(), []),
    "record": lambda model: pl.record(model, pictures(), anything()),
}


def scores() -> pl.TokenScores:
    encoder = encoders.tiny(head="ForSequenceClassification")
    return pl.token_scores(encoder, "a", method="random")


def pictures() -> pl.Images:
    return classifier().read(torch.zeros(1, 3, 8, 8))


def classifier() -> pl.ImageClassifier:
    return pl.ImageClassifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)).eval(), size=(8, 8))


def anything() -> Any:
    return None


@pytest.mark.parametrize("name", OF_TEXT)
def test_what_wants_an_encoder(name: str) -> None:
    with pytest.raises(TypeError, match=r"^<ImageClassifier .*> reads pictures; here an encoder of text is wanted: pl\.load"):
        OF_TEXT[name](classifier())
    with pytest.raises(TypeError, match=f"^{NAMED}; here an encoder of text is wanted"):
        OF_TEXT[name]("imagenet")
    with pytest.raises(TypeError, match=r"^a BertModel was given; .* pl\.TextEncoder\(module, tokenizer\)$"):
        OF_TEXT[name](encoders.module("bert"))


@pytest.mark.parametrize("name", OF_ACTIVATIONS)
def test_what_wants_activations(name: str) -> None:
    with pytest.raises(TypeError, match=r"reads pictures; here activations are wanted: enc\.activations\(text\) of an encoder"):
        OF_ACTIVATIONS[name](classifier())


@pytest.mark.parametrize("name", OF_PICTURES)
def test_what_wants_a_classifier(name: str) -> None:
    with pytest.raises(TypeError, match=r"^<TextEncoder tiny bert: .*> reads text; here a classifier of pictures is wanted"):
        OF_PICTURES[name](encoders.tiny())
    with pytest.raises(TypeError, match=f"^{NAMED}; here a classifier of pictures is wanted"):
        OF_PICTURES[name]("imagenet")


def test_what_takes_a_model_or_its_name() -> None:
    it: Any = classifier()
    with pytest.raises(TypeError, match=r"a classifier reads pictures: its answers are explained by pl\.explain"):
        pl.token_trust(it, scores())
