"""What is kept of a module is gone as soon as anything of it has changed, wherever it is held, and is not kept where that
cannot be told."""

import copy
import functools
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers.models.bert.configuration_bert import BertConfig

import pellucid as pl
from pellucid.models.remembered import MOST, Memory, look
from tests import encoders


class Setting:
    def __init__(self) -> None:
        self.strength, self.inner = 2.0, {"deep": [SimpleNamespace(at=1)]}


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("mean", torch.zeros(3))
        self.plain, self.array = torch.ones(3), np.ones(3)
        self.several: list[Any] = [torch.ones(2), {"a": 1}, {1, 2}]
        self.how, self.setting = SimpleNamespace(t=1.0), Setting()
        self.config = BertConfig(num_hidden_layers=1)
        self.act: Any = functools.partial(torch.nn.functional.leaky_relu, negative_slope=0.1)


CHANGES: dict[str, Callable[[Holder], Any]] = {
    "weight": lambda h: h.layer.weight.data.mul_(2),
    "buffer": lambda h: h.get_buffer("mean").add_(1),
    "plain tensor": lambda h: h.plain.mul_(2),
    "array": lambda h: h.array.__imul__(2),
    "tensor in a list": lambda h: h.several[0].mul_(2),
    "dictionary": lambda h: h.several[1].update(a=2),
    "set": lambda h: h.several[2].add(3),
    "namespace": lambda h: setattr(h.how, "t", 2.0),
    "object": lambda h: setattr(h.setting, "strength", 3.0),
    "deep in an object": lambda h: setattr(h.setting.inner["deep"][0], "at", 2),
    "configuration": lambda h: setattr(h.config, "type_vocab_size", 1),
    "function": lambda h: setattr(h, "act", functools.partial(torch.nn.functional.leaky_relu, negative_slope=0.2)),
    "part": lambda h: setattr(h, "layer", nn.Linear(3, 2)),
    "kind": lambda h: setattr(h.layer, "__class__", nn.Identity),
    "mode": lambda h: h.train(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(change: str):
    holder, memory = Holder().eval(), Memory()
    assert memory.of(holder).kept("answer", lambda: 1) == 1
    assert memory.of(holder).kept("answer", lambda: 2) == 1
    assert look(holder) is not None
    CHANGES[change](holder)
    assert memory.of(holder).kept("answer", lambda: 3) == 3
    assert memory.of(holder).kept("answer", lambda: 4) == 3


def adding(amount: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x + amount


UNSEEN: dict[str, Callable[[Holder], Any]] = {
    "unregistered part": lambda h: setattr(h, "several", (nn.Linear(2, 2),)),
    "closure": lambda h: setattr(h, "act", adding(1)),
    "method": lambda h: setattr(h, "act", h.layer.forward),
    "generator": lambda h: setattr(h, "act", torch.Generator()),
    "itself": lambda h: h.several.append(h.several),
    "sparse": lambda h: setattr(h, "plain", torch.eye(3).to_sparse()),
    "hook": lambda h: h.layer.register_forward_hook(lambda module, given, out: out),
    "hook before": lambda h: h.register_forward_pre_hook(lambda module, given: None),
}


@pytest.mark.parametrize("unseen", UNSEEN)
def test_where_a_change_could_not_be_seen_nothing_is_kept(unseen: str):
    holder, memory = Holder().eval(), Memory()
    UNSEEN[unseen](holder)
    assert look(holder) is None
    assert [memory.of(holder).kept("answer", lambda n=n: n) for n in (1, 2)] == [1, 2]


def test_under_autocast_nothing_is_kept():
    holder = Holder().eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert look(holder) is None
    assert look(holder) is not None


def test_networks_and_encoders_that_ship_can_be_seen(imagenet: pl.ImageClassifier, minilm: pl.TextEncoder):
    for module in (imagenet.module, minilm.module, encoders.tiny("roberta").module, encoders.tiny("electra").module):
        assert look(module) == look(module) is not None


def test_what_transformers_leaves_behind_is_no_change():
    """Its collectors of hidden states stay on a module from the first time that they were asked for."""
    encoder = encoders.tiny("bert", "ForQuestionAnswering")
    encoder.activations(encoder.read("who wrote it?", "the queen wrote the letter."))
    assert any(sub._forward_hooks for sub in encoder.module.modules())
    scores = pl.token_scores(encoder, "who wrote it?", "the young queen wrote the letter.", method="attention")
    first, second = (pl.comprehensiveness(encoder, scores).work.forwards for _ in range(2))
    assert second < first / 2


def test_the_mask_that_stands_for_a_token_counts():
    encoder = encoders.tiny("bert", "ForQuestionAnswering")
    scores = pl.token_scores(encoder, "who wrote it?", "the young queen wrote the letter.", method="random")
    before = pl.comprehensiveness(encoder, scores)
    encoder.tokenizer.mask_token = encoder.tokenizer.unk_token
    assert pl.comprehensiveness(encoder, scores).work == before.work


def test_an_encoder_that_cannot_be_looked_into_is_measured_all_the_same():
    encoder = encoders.tiny("bert", "ForQuestionAnswering")
    encoder.module.register_buffer("odd", torch.eye(3).to_sparse())
    encoder = pl.TextEncoder(encoder.module, encoder.tokenizer, name="odd")
    scores = pl.token_scores(encoder, "who wrote it?", "the young queen wrote the letter.", method="random")
    first, second = (pl.comprehensiveness(encoder, scores) for _ in range(2))
    assert first.work == second.work


def test_only_so_much_is_kept_and_a_copy_begins_anew():
    memory = Memory()
    for n in range(MOST + 1):
        memory.kept(n, lambda n=n: n)
        memory.kept(0, lambda: -1)
    assert memory.kept(0, lambda: -1) == 0
    assert memory.kept(2, lambda: -1) == 2
    assert memory.kept(1, lambda: -1) == -1
    for made in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert made.kept(0, lambda: -1) == -1
