import pytest
import torch
from torch import Tensor

import pellucid as pl
from pellucid.analysis.attention import attend, combined, strongest, without_special
from tests import encoders
from tests.encoders import SENTENCES

QUESTION, CONTEXT = SENTENCES[0], SENTENCES[1]


def weights(count: int = 9, heads: int = 4, seed: int = 0) -> Tensor:
    return (torch.randn(heads, count, count, generator=torch.Generator().manual_seed(seed)) * 2).softmax(-1)


def test_of_a_row_the_strongest_keys_that_reach_the_share_are_kept():
    row = torch.tensor([[0.1, 0.5, 0.3, 0.1]])
    assert strongest(row, 0.4).tolist() == [[False, True, False, False]]
    assert strongest(row, 0.5).tolist() == [[False, True, False, False]]
    assert strongest(row, 0.51).tolist() == [[False, True, True, False]]
    assert strongest(row, 0.8).tolist() == [[False, True, True, False]]  # reached exactly, whatever 32 bits make of it
    assert strongest(row, 0.81).tolist() == [[True, True, True, False]]  # of two equal ones the earlier
    assert strongest(row, 0.95).tolist() == [[True, True, True, True]]


def test_the_whole_mass_keeps_every_edge_that_has_weight():
    tiny = torch.tensor([[1.0, 1e-12, 0.0]])
    assert strongest(tiny, 1.0).tolist() == [[True, True, False]]
    assert strongest(tiny, 1).tolist() == [[True, True, False]]


def test_a_row_without_weight_keeps_nothing():
    assert not strongest(torch.zeros(2, 3), 0.7).any()


@pytest.mark.parametrize("mass", [0.05, 0.3, 0.7, 0.99])
def test_the_threshold_equals_a_slow_replica(mass: float):
    found = strongest(weights(), mass)
    for head, attention in enumerate(weights().double().tolist()):
        for query, row in enumerate(attention):
            kept: set[int] = set()
            while sum(row[k] for k in kept) < mass * sum(row):
                rest = [k for k in range(len(row)) if k not in kept]
                kept.add(max(rest, key=lambda k: (row[k], -k)))
            assert found[head, query].nonzero()[:, 0].tolist() == sorted(kept)


def test_the_threshold_takes_the_share_of_what_the_row_holds_not_of_one():
    rows = weights()[0]
    assert torch.equal(strongest(rows, 0.6), strongest(rows * 4, 0.6))


@pytest.mark.parametrize("mass", [0.0, -0.5, 1.01])
def test_a_mass_that_is_no_share_is_refused(mass: float):
    with pytest.raises(ValueError, match=f"mass={mass}; it is the share of each query's attention"):
        strongest(weights(), mass)


def test_specials_lose_their_rows_and_columns_and_nothing_is_renormalised():
    special = torch.tensor([True, False, False, True])
    before = weights(4, 1)[0]
    after = without_special(before, special)
    assert not after[special].any()
    assert not after[:, special].any()
    assert torch.equal(after[1:3, 1:3], before[1:3, 1:3])


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_the_rows_are_those_of_transformers_itself(kind: str):
    encoder = encoders.tiny(kind, longest=160)
    tokens = encoder.read([QUESTION, CONTEXT])
    given = encoder.tokenizer([QUESTION, CONTEXT], return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = encoder.module(**given, output_attentions=True).attentions
    activations = encoder.activations(tokens)
    for layer in range(1, encoder.layers + 1):
        for row, length in enumerate(tokens.lengths):
            found = attend(activations, layer, [2, 0], row=row)
            there = expected[layer - 1][row, [2, 0], :length, :length]
            torch.testing.assert_close(found.per_head, there, rtol=0, atol=1e-5)
            torch.testing.assert_close(found.total, there.sum(0), rtol=0, atol=1e-5)
            torch.testing.assert_close(found.per_head.sum(-1), torch.ones(2, length))


def test_a_text_in_a_batch_gives_what_it_gives_alone(tiny: pl.TextEncoder):
    together = tiny.activations(tiny.read([QUESTION, CONTEXT]))
    for row, text in enumerate((QUESTION, CONTEXT)):
        alone = attend(tiny.activations(text), 2, mass=0.7, hide_special=True)
        beside = attend(together, 2, mass=0.7, hide_special=True, row=row)
        torch.testing.assert_close(beside.per_head, alone.per_head)
        assert torch.equal(beside.kept, alone.kept)
        assert beside.labels == alone.labels


@pytest.mark.usefixtures("unchecked")
def test_heads_are_summed_or_averaged(tiny: pl.TextEncoder):
    activations = tiny.activations(QUESTION)
    summed, averaged = attend(activations, 1, [1, 3]), attend(activations, 1, [1, 3], combine="mean")
    torch.testing.assert_close(summed.total, activations.attentions[0, 0, [1, 3]].sum(0))
    torch.testing.assert_close(averaged.total, summed.total / 2)
    assert summed.heads == (1, 3)
    with pytest.raises(ValueError, match="no way to combine heads named 'max'; known: sum, mean"):
        combined(summed.per_head, "max")  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("unchecked")
def test_layers_and_heads_that_do_not_exist_are_named(tiny: pl.TextEncoder):
    activations = tiny.activations(QUESTION)
    assert attend(activations, -1).layer == 3
    with pytest.raises(IndexError, match="no layer 4; attention goes from layer 1 to 3"):
        attend(activations, 4)
    with pytest.raises(IndexError, match="layer 0 is the embedding layer and attends to nothing"):
        attend(activations, 0)
    with pytest.raises(IndexError, match="no head 4; a layer has 4, from 0"):
        attend(activations, 1, [4])
    with pytest.raises(ValueError, match="no head was chosen"):
        attend(activations, 1, [])
    with pytest.raises(IndexError, match="no text 1 in a batch of 1"):
        attend(activations, 1, row=1)


def test_what_is_given_and_received_is_summed_over_the_kept_edges(tiny: pl.TextEncoder):
    activations = tiny.activations(QUESTION)
    whole = attend(activations, 1)
    torch.testing.assert_close(whole.given, torch.ones_like(whole.given))
    assert whole.received.sum() == pytest.approx(float(whole.given.sum()))
    thin = attend(activations, 1, [2], mass=0.5, hide_special=True)
    query, key = 3, 4
    row, column = thin.per_head[0, query], thin.per_head[0, :, key]
    assert thin.given[0, query] == pytest.approx(sum(row[k] for k in range(len(row)) if thin.kept[query, k]))
    assert thin.received[0, key] == pytest.approx(sum(column[q] for q in range(len(row)) if thin.kept[q, key]))


def test_edges_are_those_kept_with_the_weights_of_every_head(tiny: pl.TextEncoder):
    found = attend(tiny.activations(QUESTION), 2, [0, 2], mass=0.6, hide_special=True)
    assert {(e.query, e.key) for e in found.edges} == {(q, k) for q, k in found.kept.nonzero().tolist()}
    assert all(e.weight == pytest.approx(sum(e.heads)) for e in found.edges)
    of_first = [e.weight for e in found.edges if e.query == 1]
    assert of_first == sorted(of_first, reverse=True)
    assert not any(found.tokens.special[0, [e.query, e.key]].any() for e in found.edges)


def test_a_masked_token_keeps_its_place_and_all_others_theirs(tiny: pl.TextEncoder):
    tokens = tiny.read(QUESTION)
    hidden = tokens.hidden(0, [2], tiny.tokenizer.mask_token_id)
    found = attend(tiny.activations(hidden), 1, hide_special=True)
    assert found.labels == tuple("wrote (masked)" if n == 2 else s for n, s in enumerate(tokens.surfaces(0)))
    assert found.total[2].any()  # a mask in the place of a word is no special token
    assert not torch.allclose(found.total, attend(tiny.activations(tokens), 1, hide_special=True).total)


def test_by_word_rows_still_sum_to_one_and_the_rule_says_so(tiny: pl.TextEncoder):
    found = attend(tiny.activations(SENTENCES[4]).by_word("first"), 1, [1])
    torch.testing.assert_close(found.per_head.sum(-1), torch.ones(1, len(found.labels)))
    assert "rereads" in found.labels
    assert "whole words: summed over the pieces attended to" in found.rule


def test_the_rule_says_everything_that_was_done(tiny: pl.TextEncoder):
    activations = tiny.activations(QUESTION)
    assert attend(activations, 1, [2]).rule == "attention weight"
    rule = attend(activations, 1, combine="mean", hide_special=True, mass=0.7).rule
    assert rule == (
        "attention weight, mean of 4 heads; special tokens hidden, not renormalised; of every query the strongest keys that "
        "carry 70 % of what is shown of its row"
    )
