import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import pellucid as pl
from pellucid.analysis.head_statistics import HeadStatistics, head_statistics
from tests import encoders
from tests.encoders import SENTENCES


def with_weights(encoder: pl.TextEncoder, weights: Tensor, text: str = "the long letter") -> HeadStatistics:
    """The statistics of a text of five tokens whose every head attends so."""
    activations = encoder.activations(text)
    count = activations.attentions.shape[-1]
    return head_statistics(replace(activations, attentions=weights[:count, :count].expand(3, 1, 4, count, count)))


def test_all_attention_to_the_previous_token(tiny: pl.TextEncoder):
    found = with_weights(tiny, torch.eye(5).roll(-1, 1))  # query q to key q - 1
    everywhere, nowhere = torch.ones(3, 4), torch.zeros(3, 4)
    assert torch.equal(found.to_previous, everywhere)
    assert torch.equal(found.to_next, nowhere)
    assert torch.equal(found.to_same, nowhere)
    assert torch.equal(found.distance, everywhere)
    assert torch.equal(found.entropy, nowhere)
    torch.testing.assert_close(found.to_special, everywhere / 3)  # the first of three words looks at [CLS]
    torch.testing.assert_close(found.to_each_special["[CLS]"], everywhere / 3)
    assert torch.equal(found.to_each_special["[SEP]"], nowhere)
    assert found.queries == 3


def test_all_attention_to_the_next_token_or_to_itself(tiny: pl.TextEncoder):
    following = with_weights(tiny, torch.eye(5).roll(1, 1))
    assert torch.equal(following.to_next, torch.ones(3, 4))
    torch.testing.assert_close(following.to_each_special["[SEP]"], torch.full((3, 4), 1 / 3))
    assert torch.equal(with_weights(tiny, torch.eye(5)).to_same, torch.ones(3, 4))
    assert not with_weights(tiny, torch.eye(5)).distance.any()


def test_uniform_attention(tiny: pl.TextEncoder):
    found = with_weights(tiny, torch.full((5, 5), 0.2))
    torch.testing.assert_close(found.entropy, torch.full((3, 4), math.log2(5)))
    # from the middle three of five places: (1+0+1+2+3 + 2+1+0+1+2 + 3+2+1+0+1) / 5 / 3
    torch.testing.assert_close(found.distance, torch.full((3, 4), 20 / 15))
    torch.testing.assert_close(found.to_special, torch.full((3, 4), 0.4))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_numbers_equal_a_slow_replica_over_a_batch_with_filling(kind: str):
    encoder = encoders.tiny(kind, longest=160)
    activations = encoder.activations(encoder.read(SENTENCES[:3]))
    found = head_statistics(activations)
    special = set(encoder.tokenizer.all_special_ids)
    totals: dict[str, float] = dict.fromkeys(found.table, 0.0)
    queries = 0
    layer, head = 1, 3
    for row, pieces in enumerate(activations.tokens.pieces):
        ids = activations.tokens.ids[row].tolist()
        for q in range(len(pieces)):
            if ids[q] in special and ids[q] != encoder.tokenizer.unk_token_id:
                continue
            queries += 1
            weights = activations.attentions[layer, row, head, q].double().tolist()
            for k, weight in enumerate(weights[: len(pieces)]):
                totals["entropy"] -= weight * math.log2(weight)
                totals["distance"] += weight * abs(q - k)
                for name, is_it in (("next", k == q + 1), ("previous", k == q - 1), ("same", k == q)):
                    totals[f"to {name}"] += weight * is_it
                if ids[k] in special and ids[k] != encoder.tokenizer.unk_token_id:
                    totals["to special"] += weight
                    totals[f"to {pieces[k]}"] += weight
    assert queries == found.queries
    for name, values in found.table.items():
        assert float(values[layer, head]) == pytest.approx(totals[name] / queries, rel=1e-5), name
    kinds = {"bert": {"[CLS]", "[SEP]"}, "roberta": {"<s>", "</s>"}}
    assert set(found.to_each_special) == kinds[kind]
    torch.testing.assert_close(sum(found.to_each_special.values()), found.to_special)


def test_a_text_of_nothing_but_specials_is_refused(tiny: pl.TextEncoder):
    activations = tiny.activations("the bank")
    tokens = replace(activations.tokens, parts=torch.full_like(activations.tokens.parts, -1))
    with pytest.raises(ValueError, match="no token but special ones"):
        head_statistics(replace(activations, tokens=tokens))


def test_by_word_the_distance_is_in_words(tiny: pl.TextEncoder):
    activations = tiny.activations(SENTENCES[4])
    by_word, by_piece = head_statistics(activations.by_word()), head_statistics(activations)
    assert by_word.queries < by_piece.queries
    assert (by_word.distance < by_piece.distance).all()
    assert by_word.pooled == "mean"


def test_minilm_has_the_heads_that_clark_and_others_describe(minilm: pl.TextEncoder):
    found = head_statistics(minilm.activations(minilm.read(SENTENCES)))
    assert found.to_previous.max() > 0.9  # a head of the first layer looks back by one
    assert found.to_special[2:].mean() > 2 * found.to_special[0].mean()
