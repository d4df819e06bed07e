import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from pellucid.analysis.groups import Groups, clusters, token_groups, with_static_topics
from pellucid.analysis.passages import Passage, example, examples, find_answer, occurrences, passage
from pellucid.analysis.phases import phases, with_controls
from tests.encoders import tiny

QUESTION, CONTEXT = "who read it", "the queen wrote letter . he was young . bank no money in river ."
# every word is one wordpiece:  [CLS] 1-3 [SEP] then 5 the 6 queen 7 wrote 8 letter 9 . 10 he 11 was 12 young 13 . 14 bank ...
GROUPS = Groups(
    words=((6,), (7,), (8,), (12,), (14,), (16,), (18,)),
    sentences=((5, 6, 7, 8, 9), (10, 11, 12, 13), (14, 15, 16, 17, 18, 19)),
    topics=(((6,), (7,), (8,)), ((14,), (16,), (18,))),
    pairs=(((6,), (8,)), ((14,), (16,))),
    question=((1,), (2,), (3,)),
    support=((6,), (7,), (8,)),
    others=((12,), (14,), (16,), (18,)),
    answer=(6, 7),
    rest=(5, *range(8, 20)),
)


@pytest.fixture(scope="module")
def enc():
    return tiny()


@pytest.fixture(scope="module")
def blank(enc):
    """Activations of the toy text, their hidden states for a test to plant."""
    act = enc.activations(enc.read(QUESTION, CONTEXT))
    assert act.tokens.lengths == (21,)
    assert act.tokens.surfaces(0)[5:9] == ("the", "queen", "wrote", "letter")
    return act


def planted(blank, hidden):
    return replace(blank, hidden_states=torch.as_tensor(hidden, dtype=torch.float32)[:, None])


def random_layers(layers=3, tokens=21, seed=0):
    return torch.randn(layers, tokens, 10, generator=torch.Generator().manual_seed(seed)) + 5  # a large common part


# ------------------------------------------------------------------------------------------------ planted, the answer known


def test_opposite_topics_are_two_apart(blank):
    hidden = torch.zeros(1, 21, 4)
    hidden[0, [6, 7, 8], 0], hidden[0, [14, 16, 18], 0] = 1.0, -1.0
    topics = phases(planted(blank, hidden + 7.0), GROUPS, samples=50).topics
    assert topics.value.tolist() == pytest.approx([2.0])  # cosine 1 within, -1 across, whatever all have in common
    assert topics.low.tolist() == pytest.approx([2.0])


def test_pairs_that_lie_on_each_other_are_one_above_orthogonal_words(blank):
    ordinary = [n for n in range(21) if n not in (0, 4, 20)]
    hidden = torch.zeros(1, 21, 40)
    for n in ordinary:
        hidden[0, n, n] = 1.0
    for a, b in ((6, 8), (14, 16)):
        hidden[0, [a, b]] = 0.0
        hidden[0, [a, b], a] = 1.0
    # by hand: unit vectors u, v with mean m have u.v - u.m - v.m + m.m between them once m is off, over their lengths. Of 18,
    # 14 stand alone (u.m = 1/18) and 2 x 2 lie on another (u.m = 2/18). Both controls are tokens 16 (of a pair) and 18 (alone).
    square = (14 + 2 * 2**2) / 18**2
    length = [math.sqrt(1 - 2 * n / 18 + square) for n in (1, 2)]
    control = (0 - 2 / 18 - 1 / 18 + square) / (length[0] * length[1])
    found = phases(planted(blank, hidden), GROUPS, samples=10).attributes
    assert found.value.item() == pytest.approx(1 - control, abs=1e-6)


def test_a_question_that_lies_on_its_facts(blank):
    hidden = torch.zeros(1, 21, 4)
    hidden[0, [1, 2, 3, 6, 7, 8], 0], hidden[0, [12, 14, 16, 18, 5, 9], 0] = 1.0, -1.0
    support = phases(planted(blank, hidden), GROUPS, samples=50).support
    assert support.value.tolist() == pytest.approx([2.0])
    assert (support.low.item(), support.high.item()) == pytest.approx((2.0, 2.0))


def test_an_answer_outside_and_one_in_the_middle(blank):
    hidden = random_layers(2)
    hidden[0, [6, 7]] += 100.0
    hidden[1, [6, 7]] = hidden[1, list(GROUPS.rest)].mean(0)
    answer = phases(planted(blank, hidden), GROUPS, samples=50).answer
    assert answer.value.tolist() == [1.0, -1.0]
    assert answer.low[0] == 1.0


def test_all_are_zero_where_every_token_is_as_far_from_every_other(blank):
    hidden = torch.zeros(1, 21, 21)
    hidden[0, [n for n in range(21) if n not in (0, 4, 20)]] = torch.eye(21)[[n for n in range(21) if n not in (0, 4, 20)]]
    found = phases(planted(blank, hidden), GROUPS, samples=50)
    for phase in found.all:
        assert phase.value.item() == pytest.approx(0.0, abs=1e-12), phase.name
        assert (phase.low.item(), phase.high.item()) == pytest.approx((0.0, 0.0), abs=1e-12), phase.name


def test_all_are_near_zero_on_noise(blank):
    """Averaged over 80 texts of random vectors; each phase of one text spreads by 0.1 to 0.4."""
    wide = torch.randn(80, 21, 10, generator=torch.Generator().manual_seed(5)) + 5
    for phase in phases(planted(blank, wide), GROUPS, samples=1).all:
        spread = float(phase.value.std()) / math.sqrt(80)
        assert abs(float(phase.value.mean())) < 4 * spread, phase.name


# ------------------------------------------------------------------------------------------------ slow replica, oracle


def test_equal_the_definition_written_as_loops(blank):
    hidden = random_layers()
    found = phases(planted(blank, hidden), GROUPS, samples=1)
    ordinary = [n for n in range(21) if n not in (0, 4, 20)]
    for n, layer in enumerate(hidden.double().numpy()):
        mean = layer[ordinary].mean(0)

        def cosine(a, b, layer=layer, mean=mean):
            u, v = layer[a] - mean, layer[b] - mean
            return u @ v / np.linalg.norm(u) / np.linalg.norm(v)

        one, two = [6, 7, 8], [14, 16, 18]
        within = [cosine(a, b) for t in (one, two) for a, b in itertools.combinations(t, 2)]
        across = [cosine(a, b) for a in one for b in two]
        assert found.topics.value[n].item() == pytest.approx(np.mean(within) - np.mean(across))
        # two apart in one sentence and not named: 16 and 18
        pairs = np.mean([cosine(6, 8) - cosine(16, 18), cosine(14, 16) - cosine(16, 18)])
        assert found.attributes.value[n].item() == pytest.approx(pairs)
        near = np.mean([cosine(q, t) for q in (1, 2, 3) for t in (6, 7, 8)])
        far = np.mean([cosine(q, t) for q in (1, 2, 3) for t in (12, 14, 16, 18)])
        assert found.support.value[n].item() == pytest.approx(near - far)
        out = [np.mean([np.linalg.norm(layer[a] - layer[r]) for r in GROUPS.rest]) for a in (6, 7)]
        inner = [np.mean([np.linalg.norm(layer[s] - layer[r]) for r in GROUPS.rest if r != s]) for s in GROUPS.rest]
        area = roc_auc_score([1] * 2 + [0] * len(inner), out + inner)
        assert found.answer.value[n].item() == pytest.approx(2 * area - 1)


def test_a_word_of_several_pieces_counts_as_the_mean_of_its_pairs(blank):
    hidden = random_layers(1)
    groups = replace(GROUPS, question=((1, 2),), support=((6, 7),), others=((12,),))
    layer = hidden[0].double() - hidden[0, [n for n in range(21) if n not in (0, 4, 20)]].double().mean(0)
    unit = layer / layer.norm(dim=1, keepdim=True)
    s = unit @ unit.T
    expected = s[[1, 1, 2, 2], [6, 7, 6, 7]].mean() - s[[1, 2], [12, 12]].mean()
    assert phases(planted(blank, hidden), groups, samples=1).support.value.item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_repeated_word_is_no_pair_with_itself(enc):
    act = enc.activations(enc.read("who", "bank river bank money he she"))
    hidden = torch.zeros(1, act.tokens.lengths[0], 8)
    hidden[0] = torch.randn(hidden.shape[1:], generator=torch.Generator().manual_seed(2))
    hidden[0, 5] = hidden[0, 3]  # the two banks
    groups = Groups(topics=(((3,), (4,), (5,)), ((6,), (7,))))
    twice = phases(planted(act, hidden), groups, samples=1).topics.value.item()
    once = phases(planted(act, hidden), replace(groups, topics=(((3,), (4,)), ((6,), (7,)))), samples=1).topics.value.item()
    assert twice == pytest.approx(_weighted_by_hand(hidden[0], ((3, 4, 5), (6, 7))))
    assert twice != pytest.approx(once)
    alone = phases(planted(act, hidden), Groups(topics=(((3,), (5,)), ((6,),))), samples=1).topics
    assert alone.value.isnan().all()
    assert alone.why_not == "needs two topics, one of them of two different words"


def _weighted_by_hand(vectors, topics) -> float:
    ordinary = [1, *range(3, len(vectors) - 1)]
    centred = vectors.double() - vectors[ordinary].double().mean(0)
    unit = centred / centred.norm(dim=1, keepdim=True)
    within = [unit[a] @ unit[b] for t in topics for a, b in itertools.combinations(t, 2) if (a, b) != (3, 5)]
    across = [unit[a] @ unit[b] for a in topics[0] for b in topics[1]]
    return float(sum(within) / len(within) - sum(across) / len(across))


# ------------------------------------------------------------------------------------------------ bands


def test_bands_are_seeded_and_hold_the_value(blank):
    act = planted(blank, random_layers())
    one, two, other = (phases(act, GROUPS, samples=200, seed=s) for s in (1, 1, 2))
    for a, b, c in zip(one.all, two.all, other.all, strict=True):
        assert torch.equal(a.low, b.low)
        assert torch.equal(a.high, b.high)
        assert torch.equal(a.value, c.value)
        assert not torch.equal(a.low, c.low) or a.name == "attributes"  # of two pairs there are only three samples
        assert (a.low <= a.value).all()
        assert (a.value <= a.high).all()


def test_the_band_of_the_pairs_is_the_textbook_s(blank):
    """Of a mean of many, the percentile bootstrap is the normal interval."""
    pairs = tuple(((a,), (b,)) for a, b in itertools.combinations((5, 6, 7, 8, 9, 10, 11, 12), 2))[:24]
    words = tuple((n,) for n in range(5, 20))
    groups = Groups(words=words, pairs=pairs, sentences=(tuple(range(5, 20)),))
    act = planted(blank, random_layers(1))
    kept, controls = with_controls(groups)
    layer = act.hidden_states[0, 0].double()
    layer = layer - layer[[n for n in range(21) if n not in (0, 4, 20)]].mean(0)
    unit = layer / layer.norm(dim=1, keepdim=True)
    each = np.array([
        float(unit[a[0]] @ unit[b[0]]) - np.mean([float(unit[c[0]] @ unit[d[0]]) for c, d in control])
        for (a, b), control in zip(kept, controls, strict=True)
    ])  # fmt: skip
    found = phases(act, groups, samples=20_000).attributes
    assert found.value.item() == pytest.approx(each.mean())
    half = 1.96 * each.std() / math.sqrt(len(each))
    assert (found.low.item(), found.high.item()) == pytest.approx(
        (each.mean() - half, each.mean() + half), abs=0.05 * half + 0.01
    )


def test_one_pair_has_no_band_and_no_group_no_value(blank):
    act = planted(blank, random_layers(1))
    one = phases(act, replace(GROUPS, pairs=GROUPS.pairs[:1]), samples=5).attributes
    assert one.value.isfinite().all()
    assert one.low.isnan().all()
    none = phases(act, Groups(), samples=5)
    assert all(p.value.isnan().all() and not p.measured for p in none.all)
    assert none.support.why_not == "needs a question, a supporting fact and another sentence"
    with pytest.raises(ValueError, match="the groups name token 30, but the text has 21, from 0"):
        phases(act, Groups(answer=(30,)))
    with pytest.raises(ValueError, match="samples=0; give at least 1"):
        phases(act, GROUPS, samples=0)


def test_controls_are_as_far_apart_in_a_sentence_and_unnamed():
    kept, controls = with_controls(GROUPS)
    assert kept == list(GROUPS.pairs)
    assert controls == [[((16,), (18,))], [((16,), (18,))]]
    across = replace(GROUPS, pairs=(((6,), (12,)),))  # of two sentences: any words six apart
    assert with_controls(across)[1] == [[((8,), (14,)), ((12,), (18,))]]
    assert with_controls(Groups(words=((1,), (2,)), pairs=(((1,), (2,)),))) == ([], [])


# ------------------------------------------------------------------------------------------------ marks


def test_groups_are_the_marks_in_wordpieces_and_in_words(enc):
    context = "Marie Curie moved to Paris. The rereading queen wrote."
    marks = Passage(
        "who wrote", context, ((4, 9),), ((0, 5), (6, 11), (32, 41), (42, 47)), ((0, 27), (28, 54)), ((28, 54),), (42, 47),
        (((0, 5), (6, 11)), ((42, 47),)), (((42, 47), (32, 41)),),
    )  # fmt: skip
    pieces = enc.activations(enc.read("who wrote", context))
    words = pieces.by_word()
    for tokens in (pieces.tokens, words.tokens):
        g = token_groups(tokens, marks)

        def read(places, tokens=tokens):
            return context[int(tokens.offsets[0, places[0], 0]) : int(tokens.offsets[0, places[-1], 1])]

        assert [read(w) for w in g.words] == ["Marie", "Curie", "rereading", "queen"]
        assert [read(w) for w in g.support] == ["rereading", "queen"]
        assert [read(w) for w in g.others] == ["Marie", "Curie"]
        assert [(read(a), read(b)) for a, b in g.pairs] == [("queen", "rereading")]
        assert read(g.answer) == "queen"
        assert read(g.facts) == "The rereading queen wrote."
        assert not set(g.rest) & set(g.answer)
        assert len(g.rest) + len(g.answer) == int((tokens.parts[0] == 1).sum())
    assert all(len(w) == 1 for w in token_groups(words.tokens, marks).words)
    assert any(len(w) > 1 for w in token_groups(pieces.tokens, marks).words)
    known = pieces.tokens.answered([(5, 6)])
    assert token_groups(known, replace(marks, answer=None)).answer == (5, 6)
    with pytest.raises(ValueError, match="but the marks are of 'who wrote'"):
        token_groups(enc.read("who", context), marks)


def test_spacy_marks_a_passage():
    context = "The young queen wrote a long letter. Albert, a poor physicist, read three books."
    marks = passage("Who wrote the letter?", context, answer=(4, 15))
    pairs = {(context[a:b], context[c:d]) for (a, b), (c, d) in marks.pairs}
    assert {("queen", "young"), ("letter", "long"), ("Albert", "physicist"), ("physicist", "poor"), ("books", "three")} <= pairs
    assert [context[a:b] for a, b in marks.support] == ["The young queen wrote a long letter."]
    assert [marks.question[a:b] for a, b in marks.question_words] == ["wrote", "letter"]
    assert "the" not in {context[a:b].lower() for a, b in marks.words}
    assert len(passage("Who is it?", context).question_words) == 3  # no content word: all of them
    with pytest.raises(ValueError, match="characters 70 to 90 are not in the context, which has 80"):
        passage("who?", context, answer=(70, 90))


def test_topics_found_in_the_embedding_layer(enc, blank):
    blocks = np.kron(np.eye(2), np.ones((3, 3))) * 0.8 + 0.1 * np.eye(6)
    assert clusters(torch.tensor(blocks), 0.7) == [[0, 1, 2], [3, 4, 5]]
    context = "queen letter money river bank queen"
    hidden = torch.zeros(1, 10, 4)
    hidden[0, [3, 4, 8], 0], hidden[0, [5, 6, 7], 1] = 1.0, 1.0
    act = enc.activations(enc.read("who", context))
    marks = Passage("who", context, (), tuple(m for w in ("queen", "letter", "money", "river", "bank")
                                              for m in occurrences(context, w)), ((0, len(context)),))  # fmt: skip
    found = with_static_topics(marks, planted(act, hidden)).topics
    assert [[context[a:b] for a, b in t] for t in found] == [["queen", "letter", "queen"], ["money", "river", "bank"]]


@pytest.mark.parametrize("name", list(examples()))
def test_every_mark_of_an_example_stands_in_its_context(name, minilm):
    e = example(name)
    for words in (e.answer, *e.support, *itertools.chain(*e.topics), *itertools.chain(*e.pairs)):
        assert occurrences(e.context, words)
    marks = e.passage()
    assert marks.answer is not None
    assert e.context[slice(*marks.answer)] == e.answer
    assert set(e.support) <= {e.context[a:b] for a, b in marks.sentences}  # whole sentences, as spaCy divides them too
    assert any(s[0] <= marks.answer[0] and marks.answer[1] <= s[1] for s in marks.support)
    tokens = minilm.read(e.question, e.context)
    assert tokens.lengths[0] < 200 < minilm.limit
    act = minilm.activations(tokens)
    found = phases(act, token_groups(tokens, marks), samples=20)
    assert all(p.measured and p.value.isfinite().all() and p.low.isfinite().all() for p in found.all)
    # a sentence encoder's own words of one topic lie together, and a word's vector takes up its neighbours' on the way
    assert (found.topics.low > 0).all()


def test_examples_are_three_and_an_unknown_one_is_named():
    assert list(examples()) == ["lighthouse", "errand", "observatory"]
    with pytest.raises(KeyError, match=r"no example named 'errnd' \(did you mean 'errand'"):
        example("errnd")
    with pytest.raises(ValueError, match="'key' does not stand in the context"):
        occurrences("monkey and keys", "key")
    assert find_answer("Tom. Ann. Tom.", "Tom") == (0, 3)
    assert find_answer("Tom. Ann. Tom.", "Tom", [(10, 14)]) == (10, 13)
