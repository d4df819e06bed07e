"""Tokens: every one knows its characters, its word and its role, whatever the tokenizer made of the text."""

import pytest
import torch

import pellucid as pl
from tests import encoders

QUESTION, CONTEXT = "Who wrote it?", "Émile wrote   the rereading."


@pytest.fixture(scope="module", params=encoders.KINDS)
def encoder(request: pytest.FixtureRequest) -> pl.TextEncoder:
    return encoders.tiny(request.param)


def test_the_tokens_of_a_text_are_its_characters_in_order_and_leave_out_only_spaces(encoder: pl.TextEncoder) -> None:
    tokens = encoder.read(QUESTION, CONTEXT)
    for part, text in enumerate((QUESTION, CONTEXT)):
        spans = [tuple(tokens.offsets[0, at].tolist()) for at in range(tokens.lengths[0]) if tokens.parts[0, at] == part]
        covered = {c for start, end in spans for c in range(start, end)}
        assert {c for c, letter in enumerate(text) if not letter.isspace()} <= covered
        assert [s for s, _ in spans] == sorted(s for s, _ in spans)
        assert not any(text[start].isspace() for start, end in spans if end > start)


def test_roles_say_question_context_and_answer(encoder: pl.TextEncoder) -> None:
    tokens = encoder.read(QUESTION, CONTEXT)
    first, last = tokens.span(0, 0, 5, part=1)[0], tokens.span(0, 0, 5, part=1)[-1]
    roles = tokens.answered([(first, last)]).roles[0]
    assert roles[0] == roles[-1] == "special"
    assert [r for r in roles if r != "special"] == (
        ["question"] * int((tokens.parts == 0).sum())
        + ["answer"] * (last - first + 1)
        + ["context"] * (int((tokens.parts == 1).sum()) - (last - first + 1))
    )
    assert set(encoder.read(QUESTION).roles[0]) == {"special", "text"}


def test_words_count_on_from_the_question_to_the_context(encoder: pl.TextEncoder) -> None:
    tokens = encoder.read("Who reads", "Who reads")
    numbers = [int(n) for n in tokens.words[0] if n >= 0]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(4))
    reads = tokens.at_character(0, 4, part=1)
    assert "".join(tokens.surface(0, at) for at in tokens.word(0, reads)) == "reads"
    assert tokens.word(0, 0) == [0]


def test_a_character_finds_its_token_and_one_outside_says_so(encoder: pl.TextEncoder) -> None:
    tokens = encoder.read(CONTEXT)
    at = tokens.at_character(0, CONTEXT.index("wrote") + 2)
    start, end = tokens.offsets[0, at].tolist()
    assert start <= CONTEXT.index("wrote") + 2 < end
    with pytest.raises(ValueError, match=r"no token stands over character 99 of 'Émile.*28 characters"):
        tokens.at_character(0, 99)
    with pytest.raises(ValueError, match="no token stands over characters 12 to 13"):
        tokens.span(0, 12, 13)


def test_a_row_loses_its_filling_and_says_which_rows_there_are() -> None:
    tokens = encoders.tiny().read(["a", "the long letter"])
    assert tokens[0].ids.shape == (1, 3)
    assert tokens[0].pieces == (("[CLS]", "a", "[SEP]"),)
    assert tokens[1].names == ("the long letter",)
    assert tokens[-1].texts == (("the long letter",),)
    with pytest.raises(IndexError, match="no text 2 in a batch of 2"):
        tokens[2]


def test_a_hidden_token_keeps_its_characters_and_the_others_keep_their_place() -> None:
    encoder = encoders.tiny()
    tokens = encoder.read("the long letter")
    at = tokens.at_character(0, 5)
    hidden = encoder.hide(tokens, [at])
    assert int(hidden.ids[0, at]) == encoder.tokenizer.mask_token_id
    assert hidden.surfaces(0) == tokens.surfaces(0)
    assert hidden.masked is not None
    assert hidden.masked.nonzero().tolist() == [[0, at]]
    assert torch.equal(hidden.ids != tokens.ids, hidden.masked)
    assert tokens.masked is not None
    assert not tokens.masked.any()
    with pytest.raises(ValueError, match=r"token 0 is \[CLS\], a special token"):
        encoder.hide(tokens, [0])
    with pytest.raises(IndexError, match="no token 40; the text has"):
        encoder.hide(tokens, [40])


def test_as_many_answers_as_texts() -> None:
    with pytest.raises(ValueError, match="2 answers for 1 texts"):
        encoders.tiny().read("a", "b").answered([None, None])
