"""Judges a finished run on the hand-written questions that no choice may look at, from the weights as they will be shipped.

    python training/judge_answers.py runs/qa

Adds `answers` (40 questions) and `no_answer` (10) to the run's scores.json, at the threshold that is recorded there, and writes
every answer to judged.json.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from answers import exact, hand_written, scores
from question_answering import answers, prepared, take_up, tokenizer
from safetensors.torch import load_file
from start import starting_point


def restored(path: Path) -> Any:
    """The tuned module, from the package's encoder and the weights of a run."""
    tensors = load_file(path)
    adapters = [t for name, t in tensors.items() if name.endswith("lora_A.weight")]
    module, _, _ = prepared(starting_point("question_answering"), adapters[0].shape[0] if adapters else 0)
    take_up(module, path)
    return module.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", action="append", choices=["development", "answers", "no_answer"], help="only these")
    args = parser.parse_args()
    torch.set_num_threads(1)
    module, words = restored(args.run / "weights.safetensors"), tokenizer()
    found = json.loads((args.run / "scores.json").read_text(encoding="utf-8"))
    threshold, judged = found["threshold"], []
    for name in args.set or ["answers", "no_answer"]:
        items = hand_written(name)
        with torch.no_grad():
            given = answers(module, words, items)
        found[name] = {"with_threshold": scores(items, given, threshold)}
        if all(i.answers for i in items):
            found[name]["always"] = scores(items, given)
        print(name, found[name])
        for item, answer in zip(items, given, strict=True):
            text = answer.text if answer.margin <= threshold else ""
            right = max(exact(text, w) for w in item.answers or [""]) == 1
            row = {"question": item.question, "given": text, "best_span": answer.text, "margin": round(answer.margin, 2)}
            judged.append({"set": name, **row, "wanted": item.answers, "right": right})
    if not args.set:
        (args.run / "scores.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    content = json.dumps(judged, indent=2, ensure_ascii=False) + "\n"
    (args.run / "judged.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
