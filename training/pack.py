"""Packs a run's weights small, for shipping: thin factors of what each matrix gained, and the rest as it is.

    python training/pack.py runs/mlm masked_words src/pellucid/data/heads/minilm-mlm.safetensors --rank 64

What a matrix of the blocks (or the word embeddings) gained over MiniLM is kept as a product of two matrices of that rank, the
closest one there is (Eckart and Young 1936): the form of a LoRA adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685),
found from the tuned weights instead of trained. Biases, layer norms and the head are kept whole. All in float16.
`--rank 0` keeps every tuned matrix whole. The scores of the packed weights are measured again by the training scripts.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from start import encoder_folder
from torch import Tensor


def thin(gained: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """B (out rank) and A (rank in) whose product is the closest to `gained` of all of that rank, both of the same scale."""
    left, values, right = torch.linalg.svd(gained.double(), full_matrices=False)
    root = values[:rank].sqrt()
    return (left[:, :rank] * root).half(), (root[:, None] * right[:rank]).half()


def packed(tuned: dict[str, Tensor], base: dict[str, Tensor], rank: int, embedding_rank: int) -> dict[str, Tensor]:
    """The tensors to ship: `X.lora_A` and `X.lora_B` for matrices that MiniLM has too, everything else whole."""
    result: dict[str, Tensor] = {}
    for name, value in tuned.items():
        before = base.get(name.removeprefix("bert."))
        if before is not None and torch.equal(before.half(), value.half()):
            continue  # left as it was
        of = embedding_rank if "embeddings" in name else rank
        if before is None or value.ndim < 2 or not of:
            result[name] = value.half()
            continue
        result[f"{name}.lora_B"], result[f"{name}.lora_A"] = thin(value.float() - before.float(), of)
    return {name: value.contiguous() for name, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("head", choices=["masked_words", "question_answering"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rank", type=int, default=64, help="of the matrices of the blocks; 0 keeps them whole")
    parser.add_argument("--embedding-rank", type=int, default=64, help="of the word embeddings, where they were tuned")
    args = parser.parse_args()
    base = {name: value.float() for name, value in load_file(encoder_folder() / "model.safetensors").items()}
    scores = json.loads((args.run / "scores.json").read_text(encoding="utf-8"))
    tensors = packed(load_file(args.run / "weights.safetensors"), base, args.rank, args.embedding_rank)
    about = {"head": args.head, "threshold": str(scores.get("threshold", 0.0))}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, args.out, about)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
