"""Distances, similarities and their corrections, against SciPy, scikit-learn and what the papers say."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import distance
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor

import pellucid as pl
from pellucid.analysis import anisotropy
from pellucid.analysis.anisotropy import corrector, random_words, sample, serves
from pellucid.analysis.senses import example
from pellucid.analysis.similarity import compare, cosine, euclidean
from tests import chinese, encoders

BANKS = ["The bank of the river was steep.", "The bank lent her no money.", "He reads; the river and the bank."]
Seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


# ---------------------------------------------------------------------------------------------------- distances


@settings(max_examples=30, deadline=None)
@given(Seeds, st.integers(2, 7), st.integers(1, 20), st.sampled_from([1e-30, 1.0, 1e6]))
def test_euclidean_and_cosine_are_those_of_scipy(seed: int, count: int, hidden: int, scale: float) -> None:
    vectors = drawn(seed, 2, count, hidden, scale=scale)
    for layer, (far, near) in enumerate(zip(euclidean(vectors), cosine(vectors), strict=True)):
        rows = vectors[layer].double().numpy()
        np.testing.assert_allclose(far.numpy() / scale, distance.cdist(rows, rows) / scale, atol=1e-6)
        np.testing.assert_allclose(near.numpy(), 1 - distance.cdist(rows / scale, rows / scale, "cosine"), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(Seeds, st.integers(3, 8))
def test_euclidean_is_a_metric_and_cosine_a_similarity(seed: int, count: int) -> None:
    vectors = drawn(seed, 1, count, 6)
    vectors[0, 1] = vectors[0, 0]
    (far,), (near,) = euclidean(vectors), cosine(vectors)
    assert torch.equal(far, far.mT)
    assert torch.equal(near, near.mT)
    assert torch.all(far.diagonal() == 0)
    assert torch.all(near.diagonal() == 1)
    assert float(far[0, 1]) == 0.0  # equal vectors lie at no distance, not at one of rounding
    assert torch.all((far[:, :, None] + far[None]) >= far[:, None] - 1e-12)  # by way of a third is never shorter
    assert near.abs().max() <= 1


def test_the_closed_forms() -> None:
    vectors = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [-6.0, 0.0]]])
    assert euclidean(vectors)[0].tolist() == [[0, 5, 9], [5, 0, pytest.approx(52**0.5)], [9, pytest.approx(52**0.5), 0]]
    assert cosine(vectors)[0].tolist() == [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]


def test_a_vector_of_length_zero_has_no_cosine() -> None:
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [0.0, 0.0]]])
    with pytest.raises(ValueError, match="vector 2 of matrix 1 has length zero, so it has no direction and no cosine"):
        cosine(vectors)
    assert torch.isfinite(euclidean(vectors)).all()
    extreme = torch.tensor([[[1e-200, 0.0], [1e200, 1e200]]], dtype=torch.float64)  # whose squares vanish and overflow
    assert float(cosine(extreme)[0, 0, 1]) == pytest.approx(0.5**0.5)


# -------------------------------------------------------------------------------------------------- corrections


@settings(max_examples=20, deadline=None)
@given(Seeds, st.floats(-100, 100), st.sampled_from(["centred", "standardised", "all_but_the_top"]))
def test_a_corrected_cosine_is_blind_to_what_is_added_to_all(seed: int, much: float, correction: Any) -> None:
    reference, vectors = drawn(seed, 2, 30, 8).double(), drawn(seed + 1, 2, 5, 8).double()
    constant = much * torch.ones(8).double()
    before = cosine(corrector(reference, correction)(vectors))
    after = cosine(corrector(reference + constant, correction)(vectors + constant))
    torch.testing.assert_close(before, after, atol=1e-8, rtol=0)


def test_centring_leaves_distances_alone() -> None:
    reference, vectors = drawn(0, 1, 30, 8), drawn(1, 1, 5, 8)
    moved = corrector(reference, "centred")(vectors)
    torch.testing.assert_close(euclidean(moved), euclidean(vectors.double()), atol=1e-9, rtol=0)


def test_corrections_are_those_of_their_papers() -> None:
    reference, vectors = drawn(0, 2, 400, 200) + 3, drawn(1, 2, 5, 200) + 3
    reference[:, :, :4] *= 10
    for layer in range(2):
        known, rows = reference[layer].double().numpy(), vectors[layer].double().numpy()
        mean = known.mean(0)
        np.testing.assert_allclose(corrector(reference, "centred")(vectors)[layer], rows - mean, atol=1e-10)
        np.testing.assert_allclose(
            corrector(reference, "standardised")(vectors)[layer], (rows - mean) / known.std(0), atol=1e-10
        )
        top: Any = PCA(2).fit(known).components_  # a hundredth of 200 dimensions
        wanted = (rows - mean) - (rows - mean) @ top.T @ top
        np.testing.assert_allclose(corrector(reference, "all_but_the_top")(vectors)[layer], wanted, atol=1e-8)
    assert torch.equal(corrector(reference, "none")(vectors), vectors.double())


def test_a_dimension_that_never_moves_is_no_division_by_zero() -> None:
    reference = drawn(0, 1, 30, 4)
    reference[..., 2] = 7.0
    assert torch.isfinite(corrector(reference, "standardised")(reference)).all()
    assert torch.all(corrector(reference, "standardised")(reference)[..., 2] == 0)


def test_too_few_reference_tokens_are_refused() -> None:
    with pytest.raises(
        ValueError, match="2 reference tokens are too few for the correction 'all_but_the_top'; give at least 3"
    ):
        corrector(drawn(0, 1, 2, 8), "all_but_the_top")


@settings(max_examples=20, deadline=None)
@given(Seeds)
def test_random_words_are_all_pairs_of_different_sentences(seed: int) -> None:
    vectors, sentences = drawn(seed, 2, 9, 5), torch.tensor([4, 4, 4, 7, 7, 9, 9, 9, 9])
    apart = (sentences[:, None] != sentences).numpy()
    for layer in range(2):
        rows = vectors[layer].double().numpy()
        assert float(random_words(vectors, sentences, "cosine")[layer]) == pytest.approx(cosine_similarity(rows)[apart].mean())
        far = distance.cdist(rows, rows)[apart].mean()
        assert float(random_words(vectors, sentences, "euclidean")[layer]) == pytest.approx(far)


def test_one_sentence_has_no_random_words() -> None:
    with pytest.raises(ValueError, match="the reference tokens are of one sentence"):
        random_words(drawn(0, 1, 4, 3), torch.zeros(4, dtype=torch.int64), "cosine")


def test_the_sample_is_sixty_sentences_and_serves_english_alone(tiny: pl.TextEncoder, minilm: pl.TextEncoder) -> None:
    assert len(set(sample())) == 60
    assert sample() == anisotropy.sample()
    assert serves(minilm, ["An apple a day."])
    assert not serves(minilm, ["הוא אכל תפוח ירוק"])  # not what it will read
    assert not serves(tiny, ["An apple a day."])  # which spells English letter by letter
    assert not serves(chinese.encoder(), ["蘋果很甜"])


# ---------------------------------------------------------------------------------------------------- comparing


@pytest.mark.parametrize("pooling", ["mean", "sum", "max", "first"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_it_is_the_plain_computation_from_the_hidden_states(tiny: pl.TextEncoder, pooling: Any, metric: Any) -> None:
    sentences = ["She rereads the letter.", "He wrote; she rereads.", "rereads"]
    r = compare(tiny, sentences, "rereads", metric=metric, pooling=pooling, correction="centred")
    how = {"mean": np.mean, "sum": np.sum, "max": np.max, "first": lambda v, axis: v[0]}[pooling]
    states = [tiny.activations(s).hidden_states[:, 0, 1:-1].double().numpy() for s in sentences]
    for layer in range(4):
        mean = np.concatenate([s[layer] for s in states]).mean(0)
        rows = []
        for sentence, state in zip(sentences, states, strict=True):
            pieces = [tiny.read(sentence).surface(0, at) for at in range(1, len(state[0]) + 1)]
            first = len(pieces) - pieces[::-1].index("s") - 6 if sentence != sentences[0] else 1
            assert "".join(pieces[first : first + 6]) == "rereads"
            rows.append(how(state[layer, first : first + 6] - mean, axis=0))
        wanted = distance.cdist(rows, rows, metric)
        np.testing.assert_allclose(r.at(layer), 1 - wanted if metric == "cosine" else wanted, atol=2e-5)
        np.testing.assert_allclose(r.vectors[layer], rows, atol=1e-5)


def test_what_comes_back_says_what_it_is(tiny: pl.TextEncoder) -> None:
    r = compare(tiny, BANKS, "bank")
    assert r.layers == (0, 1, 2, 3)
    assert r.matrices.shape == (4, 3, 3)
    assert (r.metric, r.pooling, r.correction, r.model) == ("cosine", "mean", "none", "tiny bert")
    assert [c.start for c in r.chosen] == [4, 4, 28]
    assert r.labels[2] == "He reads; the river and the «bank»."
    assert "".join(r.parts[1]) == BANKS[1]
    assert r.reference == "the 3 sentences themselves"
    assert r.reference_tokens == sum(tiny.read(BANKS).lengths) - 6
    torch.testing.assert_close(r.baseline, r.anisotropy)  # the cosine, uncorrected
    assert "cosine similarity of tiny bert's hidden states, vectors as they are; pieces of a word pooled by mean" in r.rule
    assert np.asarray(r).shape == (4, 3, 3)


def test_a_layer_is_one_matrix_and_all_of_them_are_the_same(tiny: pl.TextEncoder) -> None:
    whole = compare(tiny, BANKS, "bank", layer="all")
    one, last = compare(tiny, BANKS, "bank", layer=2), compare(tiny, BANKS, "bank", layer=-1)
    assert (one.layers, last.layers) == ((2,), (3,))
    torch.testing.assert_close(one.matrix, whole.at(2))
    torch.testing.assert_close(last.matrix, whole.at(3))
    assert np.array_equal(np.asarray(one), one.matrix.numpy())
    with pytest.raises(ValueError, match=r"there are 4 matrices, of layers \(0, 1, 2, 3\); at\(layer\) gives one"):
        _ = whole.matrix
    with pytest.raises(IndexError, match="no layer 1; compared were 2"):
        one.at(1)
    for wrong in (4, -5):
        with pytest.raises(IndexError, match=f"no layer {wrong}; hidden states go from 0, the embedding layer, to 3"):
            compare(tiny, BANKS, "bank", layer=wrong)


def test_places_may_differ_from_sentence_to_sentence(tiny: pl.TextEncoder) -> None:
    text = "the bank by the bank"
    r = compare(tiny, [text, text, text, BANKS[0]], ["bank", ("bank", 2), (0, 3), 16])
    assert [c.word for c in r.chosen] == ["bank", "bank", "the", "river"]
    assert [c.occurrence for c in r.chosen] == [1, 2, 1, 1]
    same = compare(tiny, [text, text], ("bank", 2))
    assert torch.all(same.matrices[:, 0, 1] > 1 - 1e-9)
    assert [c.start for c in same.chosen] == [16, 16]
    assert [c.word for c in compare(tiny, [text, text], (4, 8)).chosen] == ["bank", "bank"]  # a span, not two characters
    assert [c.word for c in compare(tiny, [text, text], ("bank", "the")).chosen] == ["bank", "the"]


def test_more_sentences_than_a_batch_are_compared_alike(tiny: pl.TextEncoder) -> None:
    many = compare(tiny, BANKS * 7, "bank", metric="euclidean")
    few = compare(tiny, BANKS, "bank", metric="euclidean")
    torch.testing.assert_close(many.matrices[:, 18:, 18:], few.matrices, atol=1e-5, rtol=0)
    assert float(many.matrices[:, 0, 18].max()) < 1e-5


def test_a_reference_of_ones_own_is_used_and_named(tiny: pl.TextEncoder) -> None:
    r = compare(tiny, BANKS, "bank", correction="centred", reference=encoders.SENTENCES)
    assert (r.reference, r.reference_tokens) == ("5 reference sentences", sum(tiny.read(encoders.SENTENCES).lengths) - 10)
    states = tiny.activations(tiny.read(encoders.SENTENCES))
    mean = states.hidden(1)[states.tokens.parts >= 0].mean(0)
    bank = tiny.activations(BANKS[0]).hidden(1)[0, 2]
    torch.testing.assert_close(r.vectors[1, 0].float(), bank - mean, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([BANKS[0]], "bank"), {}, ValueError, "1 sentences to compare; give a list of two or more"),
        ((BANKS[0], "bank"), {}, ValueError, "one text to compare"),
        ((BANKS, ["bank", "bank"]), {}, ValueError, "2 words for 3 sentences; give one for all of them, or one each"),
        ((BANKS, 3.5), {}, TypeError, "words is a float"),
        ((BANKS, ["bank", None, "bank"]), {}, TypeError, "None is no place of a word"),
        ((BANKS, "money"), {}, ValueError, r"no word 'money' in sentence 1 \('The bank of the river was steep.'\)"),
        ((BANKS, 40), {}, ValueError, "no character 40 in sentence 1 .* it has 32, from 0 to 31"),
        (([*BANKS, " "], "bank"), {}, ValueError, "the text number 3 is empty"),
        (([*BANKS, "bank " * 70], "bank"), {}, ValueError, "72 tokens long and tiny bert reads at most 64"),
        ((BANKS, "bank"), {"metric": "cos"}, ValueError, "no metric named 'cos'; known: euclidean, cosine"),
        ((BANKS, "bank"), {"pooling": "last"}, ValueError, "no pooling named 'last'; known: mean, sum, max, first"),
        ((BANKS, "bank"), {"correction": "pca"}, ValueError, "no correction named 'pca'; known: none, centred, standardised"),
        ((BANKS, "bank"), {"layer": "last"}, TypeError, "layer='last'; give a number from 0"),
        ((BANKS, "bank"), {"reference": "wikipedia"}, ValueError, "reference='wikipedia'; give a list of sentences, 'own'"),
        ((BANKS, "bank"), {"reference": ["The bank."]}, ValueError, "the reference tokens are of one sentence"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_said(tiny: pl.TextEncoder, arguments: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        compare(tiny, *arguments, **options)


def test_chinese_is_compared_by_characters() -> None:
    enc, shown = chinese.encoder(), example("chinese")
    r = compare(enc, shown.sentences, shown.word, correction="centred")
    assert {c.surfaces for c in r.chosen} == {("蘋", "果")}
    assert [c.sentence[c.start : c.end] for c in r.chosen] == ["蘋果"] * 10
    assert r.reference == "the 10 sentences themselves"


def test_minilm_is_centred_over_the_sample_which_is_read_once(minilm: pl.TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = example("apple")
    first = compare(minilm, shown.sentences, shown.word, correction="centred", layer=3)
    assert first.reference == "60 English sentences"
    assert 1200 < first.reference_tokens < 2000
    assert abs(float(first.baseline)) < 0.01 < 0.1 < float(first.anisotropy)  # centring takes the common direction away
    read: list[int] = []
    activations = pl.TextEncoder.activations
    monkeypatch.setattr(pl.TextEncoder, "activations", lambda self, t: read.append(len(t)) or activations(self, t))
    again = compare(minilm, shown.sentences, shown.word, correction="centred", layer=3)
    assert sum(read) == 10
    assert torch.equal(again.matrix, first.matrix)
