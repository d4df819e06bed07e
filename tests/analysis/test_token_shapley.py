from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.analysis.token_scores import token_scores
from pellucid.analysis.token_targets import removable
from tests import encoders
from tests.analysis.test_token_scores import CONTEXT, QUESTION, guess, lively, logit

SHORT = "the queen [MASK] the letter."


@pytest.fixture(scope="module")
def bert() -> pl.TextEncoder:
    return lively("bert", "ForMaskedLM")


@pytest.fixture(scope="module")
def reader() -> pl.TextEncoder:
    return lively("bert", "ForQuestionAnswering")


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_of_a_short_text_they_are_those_of_the_definition(kind: str):
    """Equation 4: what each token adds to every set of the others, each set asked by itself."""
    encoder = lively(kind, "ForMaskedLM")
    tokens = guess(encoder, SHORT if kind != "roberta" else "he [MASK]")  # whose pieces are many
    places = removable(tokens)[0].nonzero()[:, 0].tolist()
    assert 2 < len(places) <= 9
    found = token_scores(encoder, tokens, method="kernel_shap")
    place, word = int(found.target.places[0, 0]), int(found.target.words[0])
    subsets = [set(some) for size in range(len(places) + 1) for some in combinations(places, size)]
    value = {
        frozenset(some): logit(encoder, encoder.hide(tokens, hidden) if (hidden := [at for at in places if at not in some]) else
                               tokens, place, word)
        for some in subsets
    }  # fmt: skip
    for at in places:
        others = [one for one in places if one != at]
        expected = sum(
            (value[frozenset({*some, at})] - value[frozenset(some)]) / (len(places) * comb(len(others), size))
            for size in range(len(places)) for some in combinations(others, size)
        )  # fmt: skip
        assert float(found.scores[0, at]) == pytest.approx(expected, abs=2e-5)
    assert float(found.error) == 0
    assert found.work.forwards == 1 + 2 ** len(places)
    assert found.scores[0].nan_to_num().abs().max() > 0.02


def test_they_add_up_to_what_the_tokens_do_together_however_few_the_samples(reader: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    places = removable(tokens)[0].nonzero()[:, 0].tolist()
    assert len(places) > 10
    for samples in (10, 60, 400):
        found = token_scores(reader, tokens, method="kernel_shap", samples=samples)
        first, last = found.target.places[0].tolist()
        out = reader.outputs(reader.hide(tokens, places))
        hidden = float(out["start"][0, first] + out["end"][0, last])
        assert float(found.scores.nansum()) == pytest.approx(float(found.value) - hidden, abs=1e-3)
        assert found.work.forwards == 1 + samples
        assert found.options == {"samples": samples, "seed": 0}


def test_the_error_says_how_far_other_seeds_are(reader: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    truth = token_scores(reader, tokens, method="kernel_shap", samples=20_000, seed=99).scores.nan_to_num()
    made = [token_scores(reader, tokens, method="kernel_shap", samples=200, seed=seed) for seed in range(20)]
    off = np.array([float((one.scores.nan_to_num() - truth).norm()) for one in made])
    claimed = np.array([float(one.error) for one in made])
    assert (off <= 1.25 * claimed).mean() >= 0.9
    assert np.median(claimed) < 2 * np.median(off)
    assert len({float(one.scores[0, 2]) for one in made}) == 20


def test_a_text_has_the_same_draws_alone_as_among_others(bert: pl.TextEncoder):
    long = "the young queen [MASK] the long letter and he read the letter in 1905."
    texts = [text.replace("[MASK]", bert.tokenizer.mask_token) for text in (SHORT, long)]
    together = token_scores(bert, bert.read(texts), method="kernel_shap", samples=100, seed=3)
    for row, text in enumerate(texts):
        alone = token_scores(bert, text, method="kernel_shap", samples=100, seed=3)
        width = alone.scores.shape[1]
        torch.testing.assert_close(together.scores[row, :width], alone.scores[0], rtol=1e-3, atol=1e-4, equal_nan=True)
        assert float(together.error[row]) == pytest.approx(float(alone.error), rel=1e-2, abs=1e-5)


def test_of_one_token_it_is_what_erasure_says(bert: pl.TextEncoder):
    text = f"queen {bert.tokenizer.mask_token}"
    shapley, erasure = (token_scores(bert, text, method=method) for method in ("kernel_shap", "erasure"))
    torch.testing.assert_close(shapley.scores, erasure.scores, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert float(shapley.error) == 0


def test_it_tells_how_far_it_is_and_few_samples_are_refused(bert: pl.TextEncoder):
    told: list[float] = []
    token_scores(bert, guess(bert), method="kernel_shap", samples=400, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == 1
    with pytest.raises(ValueError, match="samples=9; at least 10 subsets of the tokens"):
        token_scores(bert, guess(bert), method="kernel_shap", samples=9)
