"""Searching: against every token compared by plain numpy, in every space."""

from typing import get_args

import numpy as np
import pytest
import torch
from scipy import stats

import pellucid as pl
from pellucid.analysis.corpus import base_rates, build_corpus, histogram, offsets
from pellucid.analysis.corpus.build import SAMPLE
from pellucid.analysis.corpus.histograms import Kind, Of
from tests import encoders

SENTENCES = [
    *encoders.SENTENCES,
    "The river bank was long; no letter of the queen was found.",
    "He wrote to the bank, and the bank wrote to him.",
    "She reads the long letter in Paris.",
]


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    return build_corpus(tiny, ["\n".join(SENTENCES)], tmp_path_factory.mktemp("corpus") / "made")


@pytest.fixture(scope="module")
def book(minilm, tmp_path_factory):
    from importlib.resources import files

    text = (files("pellucid") / "data" / "text" / "austen_persuasion.txt").read_text(encoding="utf-8")[:4_000]
    return build_corpus(minilm, [text], tmp_path_factory.mktemp("book") / "made", layers=[4], vector_bytes=137)


def every_token(corpus, by, layer, heads=None):
    """Slow replica: each sentence read by itself; (row, token) and its vector or, of heads, their vectors."""
    places, vectors = [], []
    for row in range(len(corpus.rows)):
        act = corpus.encoder.activations(corpus.sentence(row))
        for at in range(act.tokens.lengths[0]):
            if int(act.tokens.parts[0, at]) < 0:
                continue
            places.append((row, at))
            of = act.hidden(layer)[0, at][None] if by == "hidden" else act.head_outputs[layer - 1, 0, heads, at]
            vectors.append(of.numpy())
    return places, np.array(vectors)


def cosines(query, vectors):
    """Mean over heads of the cosine of each."""
    inner = (query[None] * vectors).sum(-1)
    return (inner / np.linalg.norm(query, axis=-1) / np.linalg.norm(vectors, axis=-1)).mean(1)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("by", "layer", "heads"),
    [("hidden", 0, None), ("hidden", 3, None), ("heads", 1, None), ("heads", 2, [3]), ("heads", 3, [0, 2])],
)
def test_hits_are_those_of_comparing_every_token(made, by, layer, heads, exact):
    act = made.encoder.activations(
        made.encoder.read(["Who lent her money?", "The queen wrote a letter to the young physicist."])
    )
    row, token = 1, 4
    numbers = heads if heads is not None else list(range(4))
    places, vectors = every_token(made, by, layer, numbers)
    mine = act.hidden(layer)[row, token][None] if by == "hidden" else act.head_outputs[layer - 1, row, numbers, token]
    slow = cosines(mine.numpy(), vectors)
    hits = made.search(
        act, row, token, layer=layer, by=by, heads=heads, count=20, exact=exact, candidates=made.tokens, reread=True
    )
    best = np.sort(slow)[::-1][:20]
    np.testing.assert_allclose([h.similarity for h in hits], best, atol=2e-6)
    for hit in hits:
        assert abs(slow[places.index((hit.row, hit.token))] - hit.similarity) < 2e-6
    assert hits.candidates == made.tokens


@pytest.mark.parametrize(("by", "heads"), [("hidden", None), ("heads", None), ("heads", [1])])
def test_a_token_of_the_corpus_finds_itself(made, by, heads):
    for row in range(len(made.rows)):
        act = made.encoder.activations(made.sentence(row))
        hits = made.search(act, 0, 2, layer=2, by=by, heads=heads, count=made.tokens, reread=True)
        mine = next(hit for hit in hits if (hit.row, hit.token) == (row, 2))
        assert mine.similarity == pytest.approx(1, abs=1e-5)
        assert hits[0].similarity == pytest.approx(1, abs=1e-5)  # what random weights put out may be as like as that elsewhere
        again = made.search(hit=mine, layer=2, by=by, heads=heads, count=made.tokens, reread=True)
        assert [h.similarity for h in again] == pytest.approx([h.similarity for h in hits], abs=2e-6)


def test_how_many_sentences_are_read_again(made):
    act = made.encoder.activations("Who wrote it?")
    assert made.search(act, 0, 1, layer=1, count=5).candidates == 0
    assert made.search(act, 0, 1, layer=1, count=5, reread=True).candidates == 50
    assert made.search(act, 0, 1, layer=1, count=30, reread=True).candidates == 60
    assert made.search(act, 0, 1, layer=1, count=30, candidates=7, reread=True).candidates == 30
    # what a part of the heads, or all tokens with the special ones, attend to most is not stored
    assert made.search(act, 0, 1, layer=1, count=30, by="heads", heads=[1]).candidates == 120
    assert made.search(act, 0, 1, layer=1, count=30, by="heads", heads=[0, 1, 2, 3]).candidates == 0
    assert made.search(act, 0, 1, layer=1, count=30, specials=True).candidates == 60
    assert made.search(act, 0, 1, layer=1, count=30, specials=True, reread=False).candidates == 0


def test_a_hit_says_where_it_stands_and_what_comes_next(made):
    act = made.encoder.activations("Who wrote it?")
    for hit in made.search(act, 0, 2, layer=3, count=made.tokens, candidates=made.tokens):
        tokens = made.encoder.read(hit.sentence)
        assert hit.match == tokens.surface(0, hit.token) == hit.sentence[hit.start : hit.end]
        assert made.text[hit.place : hit.place + len(hit.match)] == hit.match
        words = made.words_of(hit.row)
        here = words.index(hit.word)
        assert hit.word.start <= hit.start < hit.word.end
        assert hit.next == (words[here + 1] if here + 1 < len(words) else None)
        assert hit.next is None or hit.next.start >= hit.word.end


@pytest.mark.parametrize("reread", [None, True])
@pytest.mark.parametrize(("by", "heads"), [("heads", [0, 3]), ("heads", None), ("hidden", None), ("hidden", [1])])
def test_what_a_hit_attends_to_most_is_that_of_its_own_sentence(made, by, heads, reread):
    act = made.encoder.activations("Who wrote it?")
    for hit in made.search(act, 0, 2, layer=2, by=by, heads=heads, count=25, reread=reread):
        alone = made.encoder.activations(hit.sentence)
        weights = alone.attention(2, heads)[0].mean(0)[hit.token]
        weights = torch.where(alone.tokens.parts[0] >= 0, weights, -1)
        assert hit.attention == pytest.approx(float(weights.max()), abs=1e-5)  # stored in 65,535ths
        start = int(alone.tokens.offsets[0, int(weights.argmax()), 0])
        assert hit.attended.start <= start < hit.attended.end
        words = made.words_of(hit.row)
        assert hit.offset == words.index(hit.attended) - words.index(hit.word)


def test_specials_may_be_attended_to_where_that_is_asked_for(made):
    act = made.encoder.activations("Who wrote it?")
    hits = made.search(act, 0, 2, layer=2, count=25, specials=True)
    for hit in hits:
        alone = made.encoder.activations(hit.sentence)
        to = int(alone.attention(2)[0].mean(0)[hit.token].argmax())
        assert (hit.attended is None) == bool(alone.tokens.special[0, to])
    assert any(hit.attended is None for hit in hits)
    assert all(hit.attended is None and hit.offset is None for hit in made.search(act, 0, 2, layer=0, count=5))


@pytest.mark.parametrize(("by", "heads"), [("hidden", None), ("heads", None), ("heads", [3])])
def test_the_short_vectors_find_what_comparing_all_finds(book, by, heads):
    """With as many bytes a vector as all layers of a long text have."""
    of, vectors = every_token(book, by, 4, heads if heads is not None else list(range(12)))
    places = np.random.default_rng(1).choice(len(vectors), 4, replace=False)
    recalls = []
    for token in places:
        row, at = book.row_of(int(token))
        act = book.encoder.activations(book.sentence(row))
        similarities = dict(zip(of, cosines(vectors[token], vectors), strict=True))
        least = sorted(similarities.values())[-50] - 1e-5
        hits = book.search(act, 0, at + 1, layer=4, by=by, heads=heads)
        recalls.append(np.mean([similarities[hit.row, hit.token] >= least for hit in hits]))
    assert np.mean(recalls) >= 0.95


def test_the_nearest_are_found_by_what_is_stored_alone(book, monkeypatch):
    act = book.encoder.activations("The old bank of the river was covered with grass.")
    vector = act.hidden(4)[0, 3]
    read = book.search(vector, layer=4, count=20, reread=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a sentence was read by the network")

    monkeypatch.setattr(book.encoder.module, "forward", refuse)
    quick = book.search(vector, layer=4, count=20)
    places = {(hit.row, hit.token): hit for hit in read}
    both = [hit for hit in quick if (hit.row, hit.token) in places]
    assert len(both) >= 14
    for hit in both:
        again = places[hit.row, hit.token]
        for name in ("match", "place", "word", "next", "attended", "offset"):
            assert getattr(hit, name) == getattr(again, name)
        assert hit.attention == pytest.approx(again.attention, abs=1e-5)
        assert hit.similarity == pytest.approx(again.similarity, abs=0.08)
    assert quick.candidates == 0
    part = book.search(vector, layer=4, heads=[0], count=20, reread=False)
    assert all(hit.attended is None and hit.attention is None for hit in part)
    with pytest.raises(ValueError, match="an exact search reads every sentence; leave out reread=False"):
        book.search(vector, layer=4, exact=True, reread=False)


def test_a_vector_is_a_query_too(made):
    act = made.encoder.activations("Who wrote it?")
    vector = act.hidden(2)[0, 2]
    wanted = [hit.similarity for hit in made.search(act, 0, 2, layer=2, count=9)]
    for given in (vector * 7, vector.numpy()):
        assert [hit.similarity for hit in made.search(given, layer=2, count=9)] == pytest.approx(wanted, abs=1e-6)


def test_a_vector_of_heads_is_compared_head_by_head_whatever_their_sizes(made):
    act = made.encoder.activations("Who wrote it?")
    vector = act.head_outputs[1, 0, :, 2] * torch.tensor([1.0, 9.0, 0.1, 3.0])[:, None]
    given, wanted = (
        made.search(*query, layer=2, by="heads", heads=[0, 1, 3], count=9) for query in ((vector.flatten(),), (act, 0, 2))
    )
    assert [hit.similarity for hit in given] == pytest.approx([hit.similarity for hit in wanted], abs=1e-6)


def test_queries_that_cannot_be_asked(made, tiny, minilm):
    act = tiny.activations("Who wrote it?")
    for wrong, message in (
        (torch.zeros(32), "zero, NaN"),
        (torch.full((32,), torch.nan), "zero, NaN"),
        (torch.ones(5), "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            made.search(wrong, layer=1)
    with pytest.raises(ValueError, match="nothing to search for"):
        made.search(layer=1)
    with pytest.raises(ValueError, match="which token"):
        made.search(act, layer=1)
    with pytest.raises(IndexError, match="no token 9; the text has 6"):
        made.search(act, 0, 9, layer=1)
    with pytest.raises(IndexError, match="no text 1"):
        made.search(act, 1, 1, layer=1)
    with pytest.raises(IndexError, match="no head 4; a layer has 4"):
        made.search(act, 0, 1, layer=1, by="heads", heads=[4])
    with pytest.raises(ValueError, match="no head was chosen"):
        made.search(act, 0, 1, layer=1, by="heads", heads=[])
    with pytest.raises(ValueError, match="at least one hit"):
        made.search(act, 0, 1, layer=1, count=0)
    with pytest.raises(ValueError, match="by whole words"):
        made.search(act.by_word(), 0, 1, layer=1)
    other = pl.TextEncoder(encoders.module("bert", "ForQuestionAnswering"), encoders.tokenizer("bert"))
    with torch.no_grad():
        other.module.get_parameter("bert.embeddings.word_embeddings.weight").mul_(-3)
    for alien in (minilm, other):
        with pytest.raises(ValueError, match="not computed by the encoder of this corpus"):
            made.search(alien.activations("Who wrote it?"), 0, 2, layer=1)


def test_bars_stand_beside_base_rates_and_exact_intervals(book):
    act = book.encoder.activations("Her daughter was very handsome.")
    hits = book.search(act, 0, 2, layer=4)
    words = [word for row in range(len(book.rows)) for word in book.words_of(row)]
    for kind in get_args(Kind):
        rates = base_rates(book, kind)
        assert sum(rates.values()) == pytest.approx(1)
        for of, attribute in zip(get_args(Of), ("word", "next", "attended"), strict=True):
            made = histogram(hits, of, kind)
            assert made.base is not None
            assert made.p is not None
            distinct = {(h.row, h.word.start): getattr(h, attribute) for h in hits}.values()
            tags = [getattr(word, kind) for word in distinct if word is not None]
            assert made.total == len(tags) == int(made.counts.sum())
            for n, name in enumerate(made.names):
                assert made.counts[n] == tags.count(name)
                assert made.base[n] == pytest.approx(sum(getattr(w, kind) == name for w in words) / len(words))
                test = stats.binomtest(tags.count(name), len(tags), made.base[n])
                assert made.p[n] == pytest.approx(test.pvalue)
                assert (made.low[n], made.high[n]) == pytest.approx(tuple(test.proportion_ci(0.95, "exact")))
    nouns = histogram(hits)
    assert nouns.names[0] == "NOUN"
    assert nouns.low[0] > base_rates(book, "pos")["NOUN"]


def test_offsets_are_in_order_of_distance(book):
    act = book.encoder.activations("Her daughter was very handsome.")
    hits = book.search(act, 0, 2, layer=4)
    made = offsets(hits)
    places = [int(name) for name in made.names]
    assert places == sorted(set(places))
    distinct = {(h.row, h.word.start): h.offset for h in hits}.values()
    assert made.counts.tolist() == [list(distinct).count(place) for place in places]


@pytest.mark.usefixtures("unchecked")
def test_histograms_that_do_not_exist(book):
    hits = book.search(torch.ones(384), layer=4, count=1)
    with pytest.raises(ValueError, match="no histogram of 'all'"):
        histogram(hits, "all")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no tag named 'case'"):
        histogram(hits, "match", "case")  # pyright: ignore[reportArgumentType]


def test_the_sample_is_no_more_than_needed():
    assert SAMPLE >= 384 * 50
