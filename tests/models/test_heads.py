"""The heads that ship, measured here again by the scripts that trained them: their cards cannot lag behind them."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pellucid as pl
from pellucid.models.cards import card

sys.path.append(str(Path(__file__).parents[2] / "training"))

import answers as judging
import masked_words


def said(name: str, pattern: str) -> tuple[float, ...]:
    """The numbers that a card states in a sentence of this form."""
    text = " ".join(card(name).split())
    found = re.search(pattern, text)
    assert found, f"the card of {name} does not say {pattern!r}"
    return tuple(float(number) for number in found.groups())


@pytest.fixture(scope="module")
def reader() -> pl.TextEncoder:
    return pl.load("minilm-qa")


@pytest.fixture(scope="module")
def guesser() -> pl.TextEncoder:
    return pl.load("minilm-mlm")


def judged(reader: pl.TextEncoder, name: str) -> tuple[list[Any], list[Any]]:
    items = judging.hand_written(name)
    found = pl.answer(reader, [(item.question, item.passage) for item in items])
    return items, [judging.Given(one.best.text, one.null_score - one.best.score) for one in found]


def test_the_card_says_how_it_answers_hand_written_questions(reader: pl.TextEncoder) -> None:
    items, given = judged(reader, "answers")
    always, some = judging.scores(items, given), judging.scores(items, given, reader.threshold)
    stated = said("minilm-qa", r"On 40 hand-written questions .*?F1 of ([\d.]+) .*? F1 of ([\d.]+) when it may")
    assert (always["f1"], some["f1"]) == pytest.approx(stated, abs=1.5)


def test_the_card_says_how_often_it_sees_that_there_is_no_answer(reader: pl.TextEncoder) -> None:
    items, given = judged(reader, "no_answer")
    right = sum(one.margin > reader.threshold for one in given)
    assert (right, len(items)) == said("minilm-qa", r"of questions without an answer (\d+) of (\d+) right")


def test_the_answer_rule_is_the_one_it_was_judged_by(reader: pl.TextEncoder) -> None:
    import question_answering

    item = judging.hand_written("answers")[0]
    tokens = reader.read(item.question, item.passage)
    logits = reader.outputs(tokens)
    best = question_answering.best_answer(logits["start"][0], logits["end"][0], tokens.parts[0] == 1)
    (found,) = pl.answer(reader, tokens)
    assert (found.best.first, found.best.last) == (best.first, best.last)
    assert found.null_score - found.best.score == pytest.approx(best.margin, abs=1e-4)


def test_the_card_says_how_often_it_guesses_a_masked_word(guesser: pl.TextEncoder) -> None:
    text = masked_words.Text(128)
    text.held_out = {"wikipedia_a": text.held_out["wikipedia_a"]}
    with torch.no_grad():
        found = masked_words.scores(guesser.module, text)["wikipedia_a"]
    stated = said("minilm-mlm", r"right at first place in ([\d.]+) % .*? among the first five in ([\d.]+) %")
    assert (100 * found["top1"], 100 * found["top5"]) == pytest.approx(stated, abs=0.6)


def test_masked_words_make_sense(guesser: pl.TextEncoder) -> None:
    ((blank,),) = pl.fill_mask(guesser, "She [MASK] a long letter to her sister.")
    assert {"wrote", "sent", "had", "received"} & {g.token for g in blank.guesses}


def test_the_twins_share_their_embeddings_or_say_so(reader: pl.TextEncoder, minilm: pl.TextEncoder) -> None:
    text = "The young keeper repaired the lamp."
    mine, theirs = reader.activations("Who repaired it?", text), minilm.activations("Who repaired it?", text)
    torch.testing.assert_close(mine.hidden(0), theirs.hidden(0))
    last = torch.nn.functional.cosine_similarity(mine.hidden(6)[0], theirs.hidden(6)[0], dim=-1).mean()
    assert float(last) < 0.8
