"""Tunes MiniLM to answer questions from a passage, or to say that the passage does not answer.

    python training/questions.py runs/questions.jsonl
    python training/question_answering.py runs/qa --data runs/questions.jsonl       (about 25 minutes on one core; resumable)

The head scores every token as the first and as the last of the answer; both at [CLS] mean that there is none. The embeddings
stay as the package ships them, so that only the blocks and the head have to be kept.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import torch
from answers import Given, Item, hand_written, mildest_threshold, scores
from loop import arguments, run
from safetensors.torch import load_file
from start import encoder_folder, lora, save_trained, starting_point, trained_name
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

LONGEST_ANSWER = 30
LONGEST = 208  # tokens of question and passage; longer examples are left out


class Answer(NamedTuple):
    first: int
    last: int
    margin: float


def best_answer(start: Tensor, end: Tensor, context: Tensor, longest: int = LONGEST_ANSWER) -> Answer:
    """The best span of one sequence with [CLS] at 0, and how far 'no answer' lies above it.

    `context` marks the tokens of the passage. The span is the argmax of start[i] + end[j] over tokens of the passage with
    i <= j < i + longest; the null score is start[0] + end[0]; the margin is the null score less the span's. The passage is said
    to hold no answer where the margin lies above a threshold.
    """
    n = len(start)
    sums = start.masked_fill(~context, -torch.inf)[:, None] + end.masked_fill(~context, -torch.inf)[None, :]
    allowed = torch.ones(n, n, dtype=torch.bool).triu().tril(longest - 1)
    sums = sums.masked_fill(~allowed, -torch.inf)
    first, last = divmod(int(sums.argmax()), n)
    return Answer(first, last, float(start[0] + end[0] - sums[first, last]))


class Example(NamedTuple):
    ids: list[int]
    types: list[int]
    first: int  # 0, [CLS], where there is no answer
    last: int


def tokenizer() -> Tokenizer:
    words = Tokenizer.from_file(str(encoder_folder() / "tokenizer.json"))
    words.no_truncation()
    words.no_padding()
    return words


def example(encoding: Encoding, start: int, end: int) -> Example | None:
    """The tokens of an answer given by its characters in the passage; None where they do not fit."""
    if start < 0:
        return Example(encoding.ids, encoding.type_ids, 0, 0)
    context = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    first = [i for i in context if encoding.offsets[i][0] <= start < encoding.offsets[i][1]]
    last = [i for i in context if encoding.offsets[i][0] < end <= encoding.offsets[i][1]]
    return Example(encoding.ids, encoding.type_ids, first[0], last[0]) if first and last else None


def padded(rows: list[tuple[list[int], list[int]]]) -> dict[str, Tensor]:
    longest = max(len(ids) for ids, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows]),
        "token_type_ids": torch.tensor([types + [0] * (longest - len(types)) for _, types in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows]),
    }


def batches(lengths: list[int], size: int, draw: random.Random) -> list[list[int]]:
    """All examples in a new order, in batches of about equal lengths."""
    order = draw.sample(range(len(lengths)), len(lengths))
    found = []
    for at in range(0, len(order), size * 50):
        block = sorted(order[at : at + size * 50], key=lambda i: lengths[i])
        found += [block[k : k + size] for k in range(0, len(block), size)]
    return [b for b in draw.sample(found, len(found)) if len(b) == size]


def span_loss(output: Any, given: dict[str, Tensor], first: Tensor, last: Tensor) -> Tensor:
    """Cross entropy of the first and the last token, among [CLS] and the tokens of the passage."""
    outside = given["token_type_ids"] == 0
    outside[:, 0] = False
    start = output.start_logits.float().masked_fill(outside, -1e4)
    end = output.end_logits.float().masked_fill(outside, -1e4)
    return (cross_entropy(start, first) + cross_entropy(end, last)) / 2


def answers(module: nn.Module, words: Tokenizer, items: list[Item]) -> list[Given]:
    given: dict[int, Given] = {}
    encodings = [words.encode(i.question, i.passage) for i in items]
    order = sorted(range(len(items)), key=lambda i: len(encodings[i].ids))
    for at in range(0, len(order), 16):
        rows = order[at : at + 16]
        output = module(**padded([(encodings[i].ids, encodings[i].type_ids) for i in rows]))
        for row, i in enumerate(rows):
            encoding = encodings[i]
            n = len(encoding.ids)
            context = torch.tensor([s == 1 for s in encoding.sequence_ids])
            best = best_answer(output.start_logits[row, :n].float(), output.end_logits[row, :n].float(), context)
            text = items[i].passage[encoding.offsets[best.first][0] : encoding.offsets[best.last][1]]
            given[i] = Given(text, best.margin)
    return [given[i] for i in range(len(items))]


def evaluation(module: nn.Module, words: Tokenizer, held_out: dict[str, list[Item]]) -> dict[str, Any]:
    """Answerable questions without and with the threshold that the development questions choose, and the unanswerable ones."""
    development = hand_written("development")
    given = answers(module, words, development)
    threshold = mildest_threshold(development, given)
    found: dict[str, Any] = {"threshold": threshold}
    for name, items in {"development": development, **held_out}.items():
        pairs = list(zip(items, given if name == "development" else answers(module, words, items), strict=True))
        some = [p for p in pairs if p[0].answers]
        none = [p for p in pairs if not p[0].answers]
        found[name] = {
            "always": scores([i for i, _ in some], [g for _, g in some]),
            "with_threshold": scores([i for i, _ in some], [g for _, g in some], threshold),
            "no_answer": scores([i for i, _ in none], [g for _, g in none], threshold),
        }
    return found


def prepared(module: Any, rank: int) -> tuple[Any, list[nn.Parameter], list[nn.Parameter]]:
    """The module with its embeddings frozen, and what is trained of its blocks and of its head."""
    head = list(module.qa_outputs.parameters())
    if rank:
        module = lora(module, rank)
    for name, p in module.named_parameters():
        adapted = "lora_" in name or "LayerNorm" in name
        p.requires_grad_("embeddings" not in name and (not rank or adapted or "qa_outputs" in name))
    mine = {id(p) for p in head}
    return module, [p for p in module.parameters() if p.requires_grad and id(p) not in mine], head


def take_up(module: nn.Module, path: Path) -> None:
    """The weights of an earlier run, in place of those that training would begin with. ValueError where they are others."""
    tensors = load_file(path)
    wanted = {trained_name(name): p for name, p in module.named_parameters() if p.requires_grad}
    if wanted.keys() != tensors.keys():
        raise ValueError(f"{path} does not hold what a run trains: {sorted(wanted.keys() ^ tensors.keys())[:3]}")
    with torch.no_grad():
        for name, p in wanted.items():
            p.copy_(tensors[name])


def main() -> None:
    parser = arguments(__doc__ or "", steps=1200, rate=8e-5)
    parser.add_argument("--data", type=Path, required=True, help="the JSON lines of questions.py")
    parser.add_argument("--begin", type=Path, help="the folder of an earlier run to begin from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    words = tokenizer()
    rows = [json.loads(line) for line in args.data.read_text(encoding="utf-8").splitlines()]
    training = []
    for row in (r for r in rows if r["split"] == "train"):
        found = example(words.encode(row["q"], row["c"]), row["s"], row["s"] + len(row["a"]))
        if found and len(found.ids) <= LONGEST:
            training.append(found)
    held_out = {}
    for name in ("held_out_articles", "held_out_entities"):
        some = [Item(r["q"], r["c"], [r["a"]] if r["a"] else []) for r in rows if r["split"] == name]
        held_out[name] = [i for i in some if i.answers][:300] + [i for i in some if not i.answers][:150]
    lengths = [len(e.ids) for e in training]
    print(f"{len(training)} examples of {sum(lengths) / len(lengths):.0f} tokens", flush=True)
    module, body, head = prepared(starting_point("question_answering"), args.lora)
    if args.begin:
        take_up(module, args.begin / "weights.safetensors")
    epochs: dict[int, list[list[int]]] = {}

    def loss_of(step: int) -> Tensor:
        epoch, place = divmod(step, len(training) // args.batch)
        if epoch not in epochs:
            epochs.clear()
            epochs[epoch] = batches(lengths, args.batch, random.Random(args.seed * 7919 + epoch))
        batch = [training[i] for i in epochs[epoch][place]]
        given = padded([(e.ids, e.types) for e in batch])
        return span_loss(module(**given), given, torch.tensor([e.first for e in batch]), torch.tensor([e.last for e in batch]))

    groups = [{"params": body, "lr": args.rate}, {"params": head, "lr": args.head_rate}]
    result = run(module, groups, loss_of, args, lambda: evaluation(module, words, held_out), evaluate_every=400)
    save_trained(module, args.out, "question_answering", result)


if __name__ == "__main__":
    main()
