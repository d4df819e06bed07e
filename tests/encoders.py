"""Tiny encoders with random weights, made in a moment; and the same as folders, as `transformers` saves them."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import pellucid as pl
from tests import networks

SENTENCES = [
    "Who wrote the long letter to the queen of France?",
    "A young physicist wrote the letter in 1905, and the queen answered it unwillingly.",
    "The bank of the river was steep; the bank lent her no money.",
    "Marie Curie moved to Paris, where she discovered radium and polonium.",
    "He reads, she rereads; they are reading the rereading reader.",
]
WORDS = """
who wrote the long letter to queen of france young in 19 and it bank river was no money he she read ##s ##ing re
""".split()  # noqa: SIM905
KINDS = ("bert", "distilbert", "roberta", "electra", "albert")
_NAMES = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta", "electra": "Electra", "albert": "Albert"}


def tokenizer(kind: str, longest: int = 64) -> Any:
    """A tokenizer of that kind's own sort, wordpieces or byte-level BPE, whose vocabulary has some words of `SENTENCES`."""
    if kind == "roberta":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("r", "e"), ("Ġ", "re"), ("i", "n"), ("in", "g")]
        pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in merges)]
        bare = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, merges))
        bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bare.decoder = decoders.ByteLevel()
        bare.post_processor = processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), add_prefix_space=False, trim_offsets=False
        )  # a token claims the space before it, as some checkpoints' do
        names = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"), special, strict=True))
    else:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,;?!'-"]
        pieces = dict.fromkeys([*special, *letters, *(f"##{x}" for x in letters), *WORDS])
        bare = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
        bare.normalizer = normalizers.BertNormalizer(lowercase=True)
        bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        bare.decoder = decoders.WordPiece()
        bare.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    inputs = ["input_ids", *["token_type_ids"] * (kind not in ("roberta", "distilbert")), "attention_mask"]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare, model_max_length=longest, model_input_names=inputs, **names
    )


def module(kind: str, head: str = "Model", longest: int = 64, *, how: str = "eager", heads: int = 4, layers: int = 3) -> Any:
    """The module of `transformers` with weights drawn from a seed, large enough that layers and heads differ."""
    words = len(tokenizer(kind).get_vocab())
    options: dict[str, Any] = {
        "vocab_size": words, "hidden_size": 32, "num_attention_heads": heads, "num_hidden_layers": layers,
        "intermediate_size": 48, "max_position_embeddings": longest,
    }  # fmt: skip
    if kind == "distilbert":
        options = {
            "vocab_size": words, "dim": 32, "n_heads": heads, "n_layers": layers, "hidden_dim": 48,
            "max_position_embeddings": longest,
        }  # fmt: skip
    if kind == "roberta":
        options |= {"max_position_embeddings": longest + 2, "pad_token_id": 1, "type_vocab_size": 1}
    if kind in ("electra", "albert"):
        options["embedding_size"] = 16
    config = getattr(transformers, f"{_NAMES[kind]}Config")(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = getattr(transformers, f"{_NAMES[kind]}{head}")._from_config(config, attn_implementation=how)
    return networks.seeded(made.eval())


def tiny(kind: str = "bert", head: str = "Model", **options: Any) -> pl.TextEncoder:
    return pl.TextEncoder(module(kind, head, **options), tokenizer(kind, options.get("longest", 64)), name=f"tiny {kind}")


def rater(*names: str) -> pl.TextEncoder:
    """One that gives numbers of these names for a text, and no classes."""
    made = module("bert", "ForSequenceClassification")
    made.classifier, made.num_labels = torch.nn.Linear(32, len(names)), len(names)
    made.config.id2label = dict(enumerate(names))
    made.config.problem_type = "regression" if len(names) > 1 else None
    return pl.TextEncoder(networks.seeded(made.eval()), tokenizer("bert"), name="rater")


def written(folder: Path, kind: str = "bert", head: str = "Model", longest: int = 64) -> Path:
    """The same as a folder, as `transformers` saves it."""
    module(kind, head, longest).save_pretrained(folder)
    tokenizer(kind, longest).save_pretrained(folder)
    return folder
