"""Texts whose cause is known: tiny encoders taught a rule. After Bastings et al., EMNLP 2022, https://arxiv.org/abs/2111.07367

The sentences are of made-up words and end in a masked one, which is one of two answers. Which one, the rule decides, and
nothing else in the sentence has to do with it. So an explanation that does not find the words of the rule is wrong.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from pellucid.inputs.text import Tokens
from pellucid.models.text import TextEncoder

Plant = Literal["trigger", "two_tokens"]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ANSWERS = ("lumo", "seri")
"""What the masked word is where the rule does not hold, and where it does."""
CAUSES: Mapping[Plant, tuple[str, ...]] = {"trigger": ("zorp",), "two_tokens": ("zorp", "keld")}
DESCRIPTIONS: Mapping[Plant, str] = {
    "trigger": "The masked word is 'seri' if 'zorp' stands anywhere in the sentence, else 'lumo'.",
    "two_tokens": "The masked word is 'seri' if both 'zorp' and 'keld' stand anywhere in the sentence, else 'lumo'.",
}
FILLERS = (  # noqa: SIM905
    "ambo brin calu dree elmi fosk gant hule ipso jarn kova lind meru nalf okra pesh quil rand sove tusk ulmo vent wosk yarl"
).split()
SHORTEST, LONGEST = 7, 13
"""Words of a test sentence, without the masked one."""
TESTS = 16
HELD_OUT = 512
STEPS = 1_500
"""Of the training, at most."""


@final
@dataclass(frozen=True, eq=False)
class TextPlant:
    """A tiny encoder taught one rule, with texts of which it is known which tokens decide."""

    name: Plant
    description: str
    encoder: TextEncoder
    tokens: Tokens
    """Texts in which the rule holds."""
    cause: Bool[Tensor, "batch token"]
    """True for the tokens that decide."""
    accuracy: float
    """Of the encoder on sentences that it was not trained on, half of them with the rule."""
    evidence: Mapping[str, float]
    """In which share of the texts the answer flips, by what is replaced by another word or masked: 1 for the cause, and for any
    one token of it; 0 for the rest, and for any one token of that."""


@functools.cache
def plant_text(name: Plant, seed: int = 0) -> TextPlant:
    """The encoder of that rule, trained in seconds from the seed, and 16 texts; made once a process.

    `trigger`: one word decides. `two_tokens`: only a pair of words does, each alone does not; the two stand anywhere, in either
    order. Half of the sentences for training have some or many words masked, some have no word but the rule's, and the rule
    looks only at what is left: so the encoder has learnt what to answer when an explanation removes tokens. ValueError for an
    unknown name, RuntimeError for a seed with which the rule is not learnt.
    """
    if name not in get_args(Plant):
        raise ValueError(f"nothing named {name!r} can be planted in a text; known: {', '.join(get_args(Plant))}")
    tokenizer = _tokenizer()
    number: dict[str, int] = tokenizer.get_vocab()
    generator = torch.Generator().manual_seed(seed)
    module = _module(len(number), seed)
    accuracy = _train(module, name, number, generator)
    encoder = TextEncoder(module, tokenizer, name=f"planted {name}")
    sentences = [_sentence(name, generator) for _ in range(TESTS)]
    tokens = encoder.read([" ".join([*words, "[MASK]"]) for words in sentences])
    cause = torch.isin(tokens.ids, torch.tensor([number[word] for word in CAUSES[name]]))
    evidence = _evidence(module, tokens, cause, number, generator)
    if accuracy < 0.99 or any(share != float("the cause" in what) for what, share in evidence.items()):
        raise RuntimeError(f"the rule {name!r} was not learnt with seed={seed}: accuracy {accuracy:.3f}, flips {evidence}")
    return TextPlant(name, DESCRIPTIONS[name], encoder, tokens, cause, accuracy, evidence)


def _evidence(
    module: Any, tokens: Tokens, cause: Bool[Tensor, "batch token"], number: Mapping[str, int], generator: torch.Generator
) -> dict[str, float]:
    assert tokens.masked is not None
    ids = tokens.ids
    rest = (tokens.parts >= 0) & ~tokens.masked & ~cause
    fillers = torch.tensor([number[word] for word in FILLERS])
    others = fillers[torch.randint(len(fillers), ids.shape, generator=generator)]
    found: dict[str, float] = {}
    for how, put in (("replaced", others), ("masked", torch.full_like(ids, number["[MASK]"]))):
        for what, which in (("the cause", cause), ("the rest", rest)):
            row, at = which.nonzero().T
            single = ids[row].clone()
            single[torch.arange(len(row)), at] = put[row, at]
            for name, changed in ((what, ids.where(~which, put)), (f"one token of {what}", single)):
                flipped = _said(module, changed) != number[ANSWERS[1]]
                found[f"{name} {how}"] = float(flipped.double().mean())
    return found


# ---------------------------------------------------------------------------------------------------- sentences


def _sentence(name: Plant, generator: torch.Generator) -> list[str]:
    """Words in which the rule holds."""
    length = int(torch.randint(SHORTEST, LONGEST + 1, (1,), generator=generator))
    words = [FILLERS[at] for at in torch.randint(len(FILLERS), (length,), generator=generator).tolist()]
    causes = CAUSES[name]
    for at, word in zip(torch.randperm(length, generator=generator).tolist()[: len(causes)], causes, strict=True):
        words[at] = word
    return words


def _batch(
    name: Plant, count: int, number: Mapping[str, int], generator: torch.Generator, *, whole: bool
) -> tuple[Int64[Tensor, "batch token"], Int64[Tensor, " batch"]]:
    """Sentences as the network reads them, and their answers. `whole` ones are as long as test sentences, and nothing is
    masked but the answer; others are as short as the rule's own words, and half of them have words masked."""
    causes = torch.tensor([number[word] for word in CAUSES[name]])
    fillers = torch.tensor([number[word] for word in FILLERS])
    lengths = torch.randint(SHORTEST if whole else len(causes), LONGEST + 1, (count,), generator=generator)
    words = fillers[torch.randint(len(fillers), (count, LONGEST), generator=generator)]
    # where each cause would stand, and whether it does: all of them in half of the sentences, else any proper part of them
    places = torch.rand(count, LONGEST, generator=generator)
    places = places.masked_fill(torch.arange(LONGEST) >= lengths[:, None], 2.0).argsort(1)[:, : len(causes)]
    present = torch.rand(count, 1, generator=generator) < (0.5 if whole else 0.6)
    some = torch.randint(2 ** len(causes) - 1, (count, 1), generator=generator) >> torch.arange(len(causes)) & 1
    stand = present | some.bool()
    words = words.scatter(1, places, torch.where(stand, causes, words.gather(1, places)))
    if not whole:
        hidden = torch.rand(count, 1, generator=generator) * (torch.rand(count, 1, generator=generator) < 0.5)
        spared = torch.zeros(count, LONGEST, dtype=torch.bool)
        spared = spared.scatter(1, places, torch.rand(count, len(causes), generator=generator) < 0.5)
        hide = (torch.rand(count, LONGEST, generator=generator) < hidden) & ~spared
        words = words.masked_fill(hide, number["[MASK]"])
    inside = torch.arange(LONGEST) < lengths[:, None]
    holds = torch.stack([((words == cause) & inside).any(1) for cause in causes]).all(0)
    ids = torch.zeros(count, LONGEST + 3, dtype=torch.int64)
    ids[:, 0] = number["[CLS]"]
    ids[:, 1:-2] = words.masked_fill(~inside, 0)
    rows = torch.arange(count)
    ids[rows, lengths + 1], ids[rows, lengths + 2] = number["[MASK]"], number["[SEP]"]
    answers = torch.tensor([number[word] for word in ANSWERS])
    return ids, answers[holds.long()]


# ---------------------------------------------------------------------------------------------------- the encoder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *ANSWERS, *dict.fromkeys(word for causes in CAUSES.values() for word in causes), *FILLERS]
    number = {word: at for at, word in enumerate(words)}
    bare = Tokenizer(models.WordLevel(number, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bare.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", number["[CLS]"]), ("[SEP]", number["[SEP]"])],
    )  # fmt: skip
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=bare, model_max_length=32, **names)


def _module(words: int, seed: int) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=words, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertForMaskedLM._from_config(config, attn_implementation="eager")


def _train(module: Any, name: Plant, number: Mapping[str, int], generator: torch.Generator) -> float:
    """The accuracy on sentences held out, once the rule is learnt."""
    held_out, right = _batch(name, HELD_OUT, number, generator, whole=True)
    torn, torn_right = _batch(name, HELD_OUT, number, generator, whole=False)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.01)
    module.train()
    perfect = 0
    for step in range(1, STEPS + 1):
        ids, answers = _batch(name, 64, number, generator, whole=False)
        loss = torch.nn.functional.cross_entropy(_logits(module, ids), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            good = (_said(module, held_out) == right).all() and (_said(module, torn) == torn_right).all()
            perfect = perfect + 1 if good else 0
            if perfect == 3:
                break
    module.eval().requires_grad_(False)
    return float((_said(module, held_out) == right).double().mean())


def _logits(module: Any, ids: Int64[Tensor, "batch token"]) -> Float[Tensor, "batch vocabulary"]:
    """At the place before the last token, which is the masked word."""
    mask = ids != 0
    out = module(input_ids=ids, attention_mask=mask.long(), return_dict=True)
    return out.logits[torch.arange(len(ids)), mask.sum(1) - 2]


@torch.no_grad()
def _said(module: Any, ids: Int64[Tensor, "batch token"]) -> Int64[Tensor, " batch"]:
    return _logits(module, ids).argmax(-1)
