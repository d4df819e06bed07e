"""Answers and masked words: against brute force, `transformers`' own numbers, and long contexts in windows."""

import itertools

import pytest
import torch

import pellucid as pl
from pellucid.analysis.answers import answer, best_spans, fill_mask
from tests import encoders

QUESTION, CONTEXT = "Who wrote the letter?", "The queen of France wrote a long letter in 1905, and he read it."


def test_best_spans_are_those_of_brute_force() -> None:
    generator = torch.Generator().manual_seed(1)
    start, end = torch.randn(9, generator=generator), torch.randn(9, generator=generator)
    inside = torch.tensor([0, 0, 1, 1, 0, 1, 1, 1, 0], dtype=torch.bool)
    grid = best_spans(start, end, inside, longest=3)
    for first, last in itertools.product(range(9), repeat=2):
        allowed = first <= last < first + 3 and bool(inside[first]) and bool(inside[last])
        expected = float(start[first] + end[last]) if allowed else -torch.inf
        assert float(grid[first, last]) == pytest.approx(expected)


def test_the_answer_is_a_stretch_of_the_context(tiny_reader: pl.TextEncoder) -> None:
    (found,) = answer(tiny_reader, QUESTION, CONTEXT, top=4, threshold=1e9)
    tokens = tiny_reader.read(QUESTION, CONTEXT)
    logits = tiny_reader.outputs(tokens)
    grid = best_spans(logits["start"][0], logits["end"][0], tokens.parts[0] == 1, 30)
    assert found.best.score == pytest.approx(float(grid.max()))
    assert (found.best.first, found.best.last) == divmod(int(grid.argmax()), len(grid))
    assert CONTEXT[found.best.start : found.best.end] == found.best.text == found.text
    assert found.null_score == pytest.approx(float(logits["start"][0, 0] + logits["end"][0, 0]))
    total = grid.flatten().exp().sum() + torch.tensor(found.null_score).exp()
    assert found.best.probability == pytest.approx(float(grid.max().exp() / total), rel=1e-5)
    assert found.null_probability == pytest.approx(float(torch.tensor(found.null_score).exp() / total), rel=1e-5)
    scores = [found.best.score, *(s.score for s in found.alternatives)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 4
    roles = found.tokens.roles[0]
    assert [n for n, role in enumerate(roles) if role == "answer"] == list(range(found.best.first, found.best.last + 1))


def test_no_answer_is_an_answer(tiny_reader: pl.TextEncoder) -> None:
    (found,) = answer(tiny_reader, QUESTION, CONTEXT, threshold=-1e9)
    assert not found.answered
    assert found.text == ""
    assert found.first is found.last is found.start is found.end is None
    assert "answer" not in found.tokens.roles[0]
    assert found.best.text


def test_a_long_context_is_read_in_windows_and_its_answer_stands_at_its_characters(tiny_reader: pl.TextEncoder) -> None:
    long = " ".join(f"{CONTEXT} {n}" for n in range(5))
    (found, short) = answer(tiny_reader, ["Who wrote?", "Who wrote?"], [long, "the queen"], threshold=1e9, top=5)
    assert len(found.tokens) == 3
    assert len(short.tokens) == 1
    assert short.text in "the queen"
    windows = tiny_reader.read("Who wrote?", long, windows=True)
    best, null = -torch.inf, torch.inf
    for row in range(len(windows)):
        out = tiny_reader.outputs(windows[row])
        null = min(null, float(out["start"][0, 0] + out["end"][0, 0]))
        best = max(best, float(best_spans(out["start"][0], out["end"][0], windows[row].parts[0] == 1, 30).max()))
    assert found.best.score == pytest.approx(best, abs=1e-4)
    assert found.null_score == pytest.approx(null, abs=1e-4)
    assert long[found.best.start : found.best.end] == found.best.text
    assert found.tokens.roles[found.best.row].count("answer") == found.best.last - found.best.first + 1
    places = [(s.start, s.end) for s in (found.best, *found.alternatives)]
    assert len(set(places)) == len(places) == 5


def test_an_answer_does_not_begin_or_end_with_a_token_of_a_space_alone() -> None:
    encoder = encoders.tiny("roberta", "ForQuestionAnswering")
    tokens = encoder.read("who wrote", "the queen wrote it  ")
    spaces = [at for at, piece in enumerate(tokens.pieces[0]) if piece == "Ġ" and tokens.parts[0, at] == 1]
    assert spaces, "the case has no such token"
    (found,) = answer(encoder, tokens, top=500)
    assert len(found.alternatives) > 50
    assert all(span.text == span.text.strip() != "" for span in (found.best, *found.alternatives))


def test_what_cannot_be_answered(tiny: pl.TextEncoder, tiny_reader: pl.TextEncoder) -> None:
    with pytest.raises(ValueError, match="tiny bert has no question-answering head; load one that has, such as 'minilm-qa'"):
        answer(tiny, QUESTION, CONTEXT)
    with pytest.raises(ValueError, match=r"'Who wrote the letter\?' has no context"):
        answer(tiny_reader, QUESTION)
    with pytest.raises(ValueError, match="top=0 and longest=30 must be at least 1"):
        answer(tiny_reader, QUESTION, CONTEXT, top=0)


def test_masked_words_are_the_softmax_at_the_mask(tiny_guesser: pl.TextEncoder) -> None:
    text = "the [MASK] wrote a [MASK] ."
    ((first, second),) = fill_mask(tiny_guesser, text, top=3)
    inputs = tiny_guesser.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = tiny_guesser.module(**inputs).logits[0]
    for blank in (first, second):
        assert blank.hidden == "[MASK]"
        expected = logits[blank.token].softmax(-1).topk(3)
        assert [g.probability for g in blank.guesses] == pytest.approx(expected.values.tolist(), rel=1e-5)
        assert [g.token for g in blank.guesses] == tiny_guesser.tokenizer.convert_ids_to_tokens(expected.indices.tolist())


def test_hidden_tokens_are_guessed_as_if_the_mask_had_been_written(tiny_guesser: pl.TextEncoder) -> None:
    tokens = tiny_guesser.read("the queen wrote a letter .")
    ((blank,),) = fill_mask(tiny_guesser, tiny_guesser.hide(tokens, [tokens.at_character(0, 5)]))
    ((typed,),) = fill_mask(tiny_guesser, "the [MASK] wrote a letter .")
    assert blank.hidden == "queen"
    assert [g.token for g in blank.guesses] == [g.token for g in typed.guesses]
    torch.testing.assert_close([g.probability for g in blank.guesses], [g.probability for g in typed.guesses])


def test_robertas_words_are_spelled_without_their_space() -> None:
    encoder = encoders.tiny("roberta", "ForMaskedLM")
    ((blank,),) = fill_mask(encoder, "who <mask> it", top=encoder.config.vocab_size)
    spelled = {g.token for g in blank.guesses}
    assert "the" in spelled
    assert not any(word.startswith("Ġ") and len(word) > 1 for word in spelled)


def test_what_cannot_be_guessed(tiny: pl.TextEncoder, tiny_guesser: pl.TextEncoder) -> None:
    with pytest.raises(ValueError, match=r"nothing is masked in 'the queen'; write \[MASK\] in the place of a word"):
        fill_mask(tiny_guesser, "the queen")
    with pytest.raises(ValueError, match="tiny bert has no masked-word head"):
        fill_mask(tiny, "the [MASK]")
    with pytest.raises(ValueError, match="top=0; expected 1 to"):
        fill_mask(tiny_guesser, "the [MASK]", top=0)
