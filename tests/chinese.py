"""A tiny BERT that reads Chinese, a character a token, as bert-base-chinese does; its weights are random."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import pellucid as pl
from pellucid.analysis.senses import example
from tests import networks


def tokenizer() -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted({c for sentence in example("chinese").sentences for c in sentence})
    bare = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate([*special, *characters])}, unk_token="[UNK]"))
    bare.normalizer = normalizers.BertNormalizer(lowercase=True)
    bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bare.decoder = decoders.WordPiece()
    bare.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bare, model_max_length=64, **names)


def module() -> Any:
    config = transformers.BertConfig(
        vocab_size=len(tokenizer().get_vocab()), hidden_size=32, num_attention_heads=4, num_hidden_layers=2,
        intermediate_size=48, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = transformers.BertModel._from_config(config, attn_implementation="eager")
    return networks.seeded(made.eval())


def encoder() -> pl.TextEncoder:
    return pl.TextEncoder(module(), tokenizer(), name="tiny Chinese BERT")


def written(folder: Path) -> Path:
    """The same as a folder, as `transformers` saves it."""
    module().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
