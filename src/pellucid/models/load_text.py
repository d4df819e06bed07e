"""Loading a text encoder: one that ships, a folder, or a name of the Hub that the user gives."""

import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from pellucid.models.folders import filled, quiet, read_config, reason, wanted
from pellucid.models.text import PROJECTIONS, TextEncoder, TextWarning

FILES = "config.json, tokenizer.json or vocab.txt, model.safetensors"


def load_encoder_folder(place: str, name: str, config: Any, *, local: bool) -> TextEncoder:
    """An encoder with the head that its weights have. ValueError when the place holds no BERT-family checkpoint.

    `place` is a folder or, unless `local`, a name of the Hub, and `config` is what it says of itself.
    """
    from transformers import AutoTokenizer

    if config.model_type not in PROJECTIONS:
        raise ValueError(
            f"{place!r} is a {config.model_type}; the encoders that can be opened up are: {', '.join(PROJECTIONS)}. Of "
            "pictures, models ForImageClassification are read"
        )
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=local, use_fast=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ValueError(f"cannot load the tokenizer of {place!r}: {reason(error)}. {wanted(local, FILES)}") from None
        # subtle: where no file has a vocabulary, transformers makes one up, of special tokens alone
        if tokenizer.get_vocab().keys() <= {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}:
            raise ValueError(f"{place!r} has no vocabulary: no file of its tokenizer was found. {wanted(local, FILES)}")
        module = _module(place, config, local)
    return TextEncoder(module.eval(), tokenizer, name=name)


def _module(place: str, config: Any, local: bool) -> nn.Module:
    from transformers import (
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
    )

    said = (config.architectures or ["Model"])[0]
    kinds = {
        "ForQuestionAnswering": AutoModelForQuestionAnswering, "ForMaskedLM": AutoModelForMaskedLM,
        "ForSequenceClassification": AutoModelForSequenceClassification,
    }  # fmt: skip
    if config.model_type != "electra":  # whose pretraining head tells real words from replaced ones, and names none
        kinds["ForPreTraining"] = AutoModelForMaskedLM
    auto = next((kind for ending, kind in kinds.items() if said.endswith(ending)), AutoModel)
    if auto is AutoModel and ("For" in said or "Head" in said):
        warnings.warn(
            f"{place!r} is of {said}, whose head is not read: only heads that answer questions, guess masked words or put "
            "texts into classes are. The encoder below it is",
            TextWarning,
            stacklevel=5,
        )
    spare = ("position_ids",) if auto is AutoModelForSequenceClassification else ("position_ids", "pooler")  # read by its head
    # the plain attention, which gives its weights
    return filled(auto, place, config, local, FILES, spare=spare, attn_implementation="eager")


def load_shipped(name: str, entry: dict[str, Any]) -> TextEncoder:
    """An encoder of the catalog: a packaged folder, or its base with a head and the changes to its weights merged in."""
    package, path = entry["folder"].split(":")
    folder = str(files(package) / path)
    base = load_encoder_folder(folder, name, read_config(folder, local=True), local=True)
    if "head" not in entry:
        return base
    from transformers import BertForMaskedLM, BertForQuestionAnswering

    package, path = entry["weights"].split(":")
    changes, about = read_changes(Path(str(files(package) / path)))
    kind = {"question_answering": BertForQuestionAnswering, "masked_words": BertForMaskedLM}[entry["head"]]
    with quiet(), torch.random.fork_rng(devices=[]):
        module: Any = kind._from_config(base.config, attn_implementation="eager")
    weights = {f"bert.{k}": v for k, v in base.module.state_dict().items() if "pooler" not in k}
    weights |= merged(weights, changes)
    wanted = {k for k in module.state_dict() if "decoder." not in k and "position_ids" not in k}
    absent, extra = sorted(wanted - set(weights)), sorted(set(weights) - set(module.state_dict()))
    if absent or extra:
        raise ValueError(f"the weights of {name!r} do not fit: missing {absent[:1]}, unknown {extra[:1]}")
    module.load_state_dict(weights, strict=False)
    module.tie_weights()
    return TextEncoder(module.eval(), base.tokenizer, name=name, threshold=float(about.get("threshold", 0.0)))


def read_changes(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file of changes in float32, and what it says of itself."""
    with safe_open(path, "pt") as file:
        about = dict(file.metadata() or {})
        return {key: file.get_tensor(key).float() for key in file.keys()}, about  # noqa: SIM118


def merged(weights: dict[str, Tensor], changes: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that change: replaced as a whole, or by the product of two thin matrices added to what was there.

    `X.lora_B` (out rank) times `X.lora_A` (rank in) is added to `X` (Hu et al. 2021, https://arxiv.org/abs/2106.09685); their
    scale is in `lora_B` already.
    """
    result: dict[str, Tensor] = {}
    for key, value in changes.items():
        if key.endswith(".lora_A"):
            name = key.removesuffix(".lora_A")
            result[name] = weights[name] + changes[f"{name}.lora_B"] @ value
        elif not key.endswith(".lora_B"):
            result[key] = value
    return result
