"""How far the senses of a word lie apart: planted vectors, brute force, scikit-learn, and the two worked examples."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

import pellucid as pl
from pellucid.analysis import senses
from pellucid.analysis.senses import example, examples, separation
from pellucid.analysis.similarity import Comparison, compare, cosine, euclidean
from pellucid.registry import UnknownName
from tests import encoders


@pytest.fixture(scope="module")
def blank() -> Comparison:
    return compare(encoders.tiny(), ["the bank", "a bank"], "bank")


def planted(blank: Comparison, vectors: Tensor, metric: Any = "cosine") -> Comparison:
    """A comparison of these vectors, layer sentence hidden."""
    near = (cosine if metric == "cosine" else euclidean)(vectors)
    chosen = blank.chosen[:1] * vectors.shape[1]
    none, layers = torch.zeros(len(vectors)).double(), tuple(range(len(vectors)))
    return replace(
        blank, metric=metric, layers=layers, matrices=near, vectors=vectors, chosen=chosen, baseline=none, anisotropy=none
    )


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def two_senses(angle: float = 90.0) -> Tensor:
    """Five equal vectors and five others at that angle."""
    turned = [np.cos(np.radians(angle)), np.sin(np.radians(angle))]
    return torch.tensor([[[1.0, 0.0]] * 5 + [turned] * 5], dtype=torch.float64)


@pytest.mark.parametrize(("angle", "difference"), [(90.0, 1.0), (60.0, 0.5), (180.0, 2.0)])
def test_perfectly_separated_senses_have_the_exact_difference(blank: Comparison, angle: float, difference: float) -> None:
    s = separation(planted(blank, two_senses(angle)), [5, 5])
    for value in (s.difference, s.low, s.high):  # every resample has the same
        assert float(value) == pytest.approx(difference, abs=1e-12)
    assert (float(s.within), float(s.between)) == (pytest.approx(1.0), pytest.approx(1 - difference))
    assert (s.splits, s.exact, s.chance) == (252, True, pytest.approx(4 / 9))
    assert float(s.p) == s.p_best == pytest.approx(1 / 126)
    assert (float(s.silhouette), float(s.accuracy)) == (pytest.approx(1.0), 1.0)


def test_distances_separate_the_other_way_round(blank: Comparison) -> None:
    s = separation(planted(blank, two_senses(), "euclidean"), [5, 5])
    assert float(s.difference) == pytest.approx(2**0.5)
    assert (float(s.within), float(s.between)) == (0.0, pytest.approx(2**0.5))
    assert float(s.p) == pytest.approx(1 / 126)


def test_equal_groups_are_not_told_apart(blank: Comparison) -> None:
    covered, p = 0, []
    for seed in range(40):
        s = separation(planted(blank, drawn(seed, 1, 10, 20)), [5, 5], resamples=400)
        covered += float(s.low) <= 0 <= float(s.high)
        p.append(float(s.p))
    assert covered >= 34  # nominally 38; with five a sense the interval is rough
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_vectors_that_are_all_the_same_are_told_apart_by_nothing(blank: Comparison) -> None:
    s = separation(planted(blank, torch.ones(2, 6, 3).double()), [3, 3])
    assert s.difference.tolist() == [0, 0]
    assert s.p.tolist() == [1, 1]
    assert (s.p_best, s.accuracy.tolist(), s.silhouette.tolist()) == (1.0, pytest.approx([0.4, 0.4]), [0, 0])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(3, 3), (2, 4), (2, 2, 3), (4, 3)]), st.sampled_from(["cosine", "euclidean"]))
def test_difference_and_p_value_are_those_of_brute_force(
    blank: Comparison, seed: int, sizes: tuple[int, ...], metric: str
) -> None:
    c = planted(blank, drawn(seed, 2, sum(sizes), 5), metric)
    s = separation(c, sizes, resamples=100)
    labels = [g for g, size in enumerate(sizes) for _ in range(size)]
    for layer in range(2):
        matrix = c.matrices[layer].numpy() * (1 if metric == "cosine" else -1)
        pairs = list(itertools.combinations(range(len(labels)), 2))

        def statistic(of: tuple[int, ...], matrix: np.ndarray = matrix, pairs: Any = pairs) -> float:
            same = [matrix[i, j] for i, j in pairs if of[i] == of[j]]
            other = [matrix[i, j] for i, j in pairs if of[i] != of[j]]
            return float(np.mean(same) - np.mean(other))

        own = statistic(tuple(labels))
        dealt = set(itertools.permutations(labels))
        assert s.splits == len(dealt)
        assert float(s.difference[layer]) == pytest.approx(own)
        assert float(s.p[layer]) == pytest.approx(np.mean([statistic(d) >= own - 1e-9 for d in dealt]))


def test_the_interval_is_that_of_resampled_sentences_without_pairs_of_one(blank: Comparison) -> None:
    c = planted(blank, drawn(3, 1, 7, 5))
    s = separation(c, [4, 3], resamples=20_000)
    matrix, rng, found = c.matrices[0].numpy(), np.random.default_rng(0), []
    while len(found) < 20_000:
        draw = [*rng.integers(0, 4, 4), *rng.integers(4, 7, 3)]
        pairs = [(i, j, a, b) for (i, a), (j, b) in itertools.combinations(enumerate(draw), 2) if a != b]
        same = [matrix[a, b] for i, j, a, b in pairs if (i < 4) == (j < 4)]
        other = [matrix[a, b] for i, j, a, b in pairs if (i < 4) != (j < 4)]
        if same:
            found.append(np.mean(same) - np.mean(other))
    low, high = np.quantile(found, [0.025, 0.975])
    assert float(s.low) == pytest.approx(low, abs=0.02)
    assert float(s.high) == pytest.approx(high, abs=0.02)
    assert float(s.low) < float(s.difference) < float(s.high)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["cosine", "euclidean"]))
def test_silhouette_and_nearest_neighbour_are_those_of_scikit_learn(blank: Comparison, seed: int, metric: str) -> None:
    c = planted(blank, drawn(seed, 1, 9, 4), metric)
    s = separation(c, [4, 3, 2], resamples=100)
    labels, rows = np.array([0] * 4 + [1] * 3 + [2] * 2), c.vectors[0].numpy()
    assert float(s.silhouette) == pytest.approx(silhouette_score(rows, labels, metric=metric))
    right = 0
    for out in range(9):
        rest = np.arange(9) != out
        right += KNeighborsClassifier(1, metric=metric).fit(rows[rest], labels[rest]).predict(rows[[out]])[0] == labels[out]
    assert float(s.accuracy) == pytest.approx(right / 9)


def test_the_best_layer_pays_for_the_choice(blank: Comparison) -> None:
    vectors = drawn(0, 6, 8, 10)
    s = separation(planted(blank, vectors), [4, 4])
    assert s.p_best > float(s.p.min())
    vectors[4, 4:] += 3
    t = separation(planted(blank, vectors), [4, 4])
    assert t.best == 4
    assert t.p_best == pytest.approx(2 / 70)


def test_many_sentences_are_dealt_out_at_random_and_the_given_way_counts(blank: Comparison) -> None:
    vectors = drawn(0, 1, 20, 6)
    vectors[:, 10:, 0] += 4
    s = separation(planted(blank, vectors), [10, 10])
    assert (s.exact, s.splits) == (False, senses.DRAWS + 1)
    assert 0.9e-4 < float(s.p) < 1e-3  # a random way may be the given one again
    other = separation(planted(blank, vectors), [10, 10], seed=1)
    assert other.low.tolist() != s.low.tolist()
    again = separation(planted(blank, vectors), [10, 10])
    assert (again.low.tolist(), again.p.tolist()) == (s.low.tolist(), s.p.tolist())


def test_senses_may_be_named_in_any_order(blank: Comparison) -> None:
    vectors = two_senses()
    mixed = vectors[:, [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]]
    s = separation(planted(blank, mixed), ["fruit", "firm"] * 5)
    assert s.labels == ("fruit", "firm") * 5
    assert float(s.difference) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([5, 4], "groups 5, 4 for 10 sentences; give the sense of each, or sizes that add up to 10"),
        (["a"] * 9, "for 10 sentences"),
        (["a"] * 9 + ["b"], "sense 'b' has one sentence; to tell senses apart, give two or more"),
        ([10], "there is one sense"),
        ([0, 10], "groups 0, 10"),
    ],
)
def test_groups_that_do_not_fit_are_said(blank: Comparison, groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        separation(planted(blank, two_senses()), groups)


def test_options_that_do_not_fit_are_said(blank: Comparison) -> None:
    c = planted(blank, two_senses())
    with pytest.raises(ValueError, match=r"level=1.0; it is the share of an interval"):
        separation(c, [5, 5], level=1.0)
    with pytest.raises(ValueError, match="resamples=10; an interval needs at least 100"):
        separation(c, [5, 5], resamples=10)


def test_the_examples_have_five_sentences_a_sense_with_the_word_in_each() -> None:
    assert list(examples()) == ["apple", "chinese"]
    for shown in examples().values():
        assert shown.labels == ("fruit",) * 5 + ("company",) * 5
        assert all(len(senses_of(shown.word, s)) == 1 for s in shown.sentences)
    assert (example("apple").needs, example("chinese").needs) == ("", "zh")
    with pytest.raises(UnknownName, match="no example named 'aple'"):
        example("aple")


def senses_of(word: str, sentence: str) -> list[tuple[int, int]]:
    from pellucid.analysis.word import occurrences

    return occurrences(sentence, word)


@pytest.mark.parametrize(
    ("metric", "correction"),
    [("cosine", "none"), ("cosine", "centred"), ("cosine", "all_but_the_top"), ("euclidean", "standardised")],
)
def test_minilm_tells_apples_from_apple(minilm: pl.TextEncoder, correction: Any, metric: Any) -> None:
    shown = example("apple")
    s = separation(compare(minilm, shown.sentences, shown.word, metric=metric, correction=correction), shown.labels)
    assert s.best in (3, 4, 5)
    assert torch.all(s.low[1:] > 0)
    assert s.p_best == pytest.approx(1 / 126)
    assert torch.all(s.accuracy[1:] == 1)
    assert float(s.low[0]) < 0 < float(s.high[0])  # the embeddings know the word and its place, not its sense
