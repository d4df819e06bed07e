from dataclasses import replace

import networkx
import pytest
import torch
from torch import Tensor

import pellucid as pl
from pellucid.analysis.rollout import attention_flow, rollout, with_residual
from tests.encoders import SENTENCES


def made_of(encoder: pl.TextEncoder, attention: Tensor, text: str = "the bank") -> pl.Activations:
    """Activations of a text of four tokens, with these weights "layer query key" for every head."""
    activations = encoder.activations(text)
    assert activations.attentions.shape[-1] == attention.shape[-1]
    return replace(activations, attentions=attention[:, None, None].expand(-1, 1, 4, -1, -1))


def random_weights(layers: int = 3, count: int = 4) -> Tensor:
    return (torch.randn(layers, count, count, generator=torch.Generator().manual_seed(0)) * 2).softmax(-1)


@pytest.mark.parametrize("identity", [True, False])
def test_of_identity_or_uniform_attention_the_closed_form(tiny: pl.TextEncoder, identity: bool):
    eye, uniform = torch.eye(4), torch.full((4, 4), 0.25)
    found = rollout(made_of(tiny, (eye if identity else uniform).expand(3, 4, 4)))
    for n in (1, 2, 3):
        # the uniform matrix is idempotent: (0.5 U + 0.5 I)^n = 0.5^n I + (1 - 0.5^n) U
        expected = eye if identity else 0.5**n * eye + (1 - 0.5**n) * uniform
        torch.testing.assert_close(found[n - 1, 0], expected)


def test_rollout_equals_a_slow_replica(tiny: pl.TextEncoder):
    activations = tiny.activations(tiny.read(SENTENCES[:2]))
    found = rollout(activations)
    for row, length in enumerate(activations.tokens.lengths):
        reached = [[float(q == k) for k in range(length)] for q in range(length)]
        for layer in range(3):
            heads = activations.attentions[layer, row].double().tolist()
            mixed = []
            for q in range(length):
                mean = [sum(head[q][k] for head in heads) / len(heads) for k in range(length)]
                mixed.append([0.5 * mean[k] + 0.5 * (q == k) for k in range(length)])
                mixed[-1] = [one / sum(mixed[-1]) for one in mixed[-1]]
            reached = [[sum(mixed[q][m] * reached[m][k] for m in range(length)) for k in range(length)] for q in range(length)]
            there = found[layer, row, :length, :length]
            torch.testing.assert_close(there, torch.tensor(reached), rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(there.sum(-1), torch.ones(length))


def test_filling_takes_no_part_and_a_text_in_a_batch_is_as_alone(tiny: pl.TextEncoder):
    tokens = tiny.read(["the bank", SENTENCES[1]])
    together = rollout(tiny.activations(tokens))
    alone = rollout(tiny.activations("the bank"))
    torch.testing.assert_close(together[:, :1, :4, :4], alone)
    assert not together[:, 0, 4:].any()
    assert not together[:, 0, :, 4:].any()


def test_without_residual_it_is_the_product_of_the_weights(tiny: pl.TextEncoder):
    weights = random_weights()
    found = rollout(made_of(tiny, weights), residual=0)
    torch.testing.assert_close(found[2, 0], weights[2] @ weights[1] @ weights[0])
    with pytest.raises(ValueError, match=r"residual=1\.5; it is the share of the residual connection, from 0 to 1"):
        with_residual(weights, 1.5)


def test_flow_of_one_layer_is_its_capacity(tiny: pl.TextEncoder):
    weights = random_weights()
    found = attention_flow(made_of(tiny, weights), 1)
    torch.testing.assert_close(found, with_residual(weights[0]), rtol=0, atol=1e-6)


def test_flow_of_identity_attention_is_the_identity(tiny: pl.TextEncoder):
    assert torch.equal(attention_flow(made_of(tiny, torch.eye(4).expand(3, 4, 4))), torch.eye(4))


def test_flow_equals_networkx(tiny: pl.TextEncoder):
    weights = random_weights()
    graph = networkx.DiGraph()
    for layer, mixed in enumerate(with_residual(weights).tolist()):
        for q in range(4):
            for k in range(4):
                graph.add_edge((layer + 1, q), (layer, k), capacity=mixed[q][k])
    expected = [[networkx.maximum_flow_value(graph, (3, q), (0, k)) for k in range(4)] for q in (2, 0)]
    shares: list[float] = []
    found = attention_flow(made_of(tiny, weights), queries=[2, 0], progress=shares.append)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-5)
    assert shares == [0.5, 1.0]


def test_no_flow_is_less_than_rollout_which_is_one(tiny: pl.TextEncoder):
    activations = tiny.activations(tiny.read([SENTENCES[2], "the bank"]))
    found = attention_flow(activations, 2, row=1)
    assert (found >= rollout(activations)[1, 1, :4, :4] - 1e-6).all()
    assert (found <= 1 + 1e-6).all()


def test_a_query_or_layer_that_does_not_exist_is_named(tiny: pl.TextEncoder):
    with pytest.raises(IndexError, match="no token 4; the text has 4, from 0"):
        attention_flow(tiny.activations("the bank"), queries=[4])
    with pytest.raises(IndexError, match="no layer 9"):
        attention_flow(tiny.activations("the bank"), 9)
