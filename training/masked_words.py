"""Tunes MiniLM as a masked-word model: a BERT head over the tied word embeddings, the encoder tuned along.

    python training/masked_words.py runs/mlm --more runs/more      (stop it and run it again to resume)

Text: the 89 Wikipedia articles and two novels that ship with the package, four articles and the last twentieth of each novel
held out; with `--more`, as many chunks again in every epoch from the files of a folder (`more_text.py`), drawn anew. Chunks of
128 tokens begin at another place in every epoch. A fifth of the tokens is asked for, all shown as [MASK]: in every fourth chunk
whole words, in the rest single wordpieces. No dropout: over so few epochs it costs a quarter of the time and gains nothing.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import random
from pathlib import Path
from typing import Any

import torch
from loop import arguments, run
from safetensors.torch import load_file
from start import TEXT, encoder_folder, lora, save, starting_point
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

ASKED = 0.20


class Text:
    """The training and held-out token ids, and which tokens continue a word."""

    def __init__(self, length: int, more: Path | None = None) -> None:
        self.length = length
        self.tokenizer = Tokenizer.from_file(str(encoder_folder() / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        vocabulary = self.tokenizer.get_vocab()
        self.cls, self.sep, self.mask = (vocabulary[t] for t in ("[CLS]", "[SEP]", "[MASK]"))
        self.size = len(vocabulary)
        self.continues = torch.zeros(self.size, dtype=torch.bool)
        self.continues[[i for token, i in vocabulary.items() if token.startswith("##")]] = True
        training, self.held_out = [], {}
        for path in sorted(TEXT.glob("*.txt")):
            text = path.read_text(encoding="utf-8")
            if path.stem.startswith("wikipedia"):  # whole articles are held out
                articles = [a for a in text.split("\n\n") if a.strip()]
                random.Random(1).shuffle(articles)
                count = max(1, len(articles) // 20)
                held, kept = articles[:count], articles[count:]
                self.articles = [a.split("\n")[0].strip("= ") for a in held]
            else:  # the end of a novel is held out
                paragraphs = text.split("\n")
                count = int(len(paragraphs) * 0.95)
                held, kept = paragraphs[count:], paragraphs[:count]
            training.append(self._ids(kept))
            self.held_out[path.stem] = self._chunks(self._ids(held), 0)
        self.training = training
        lines = [p.read_text(encoding="utf-8").splitlines() for p in sorted(more.glob("*.txt"))] if more else []
        self.more = [self._ids(random.Random(1).sample(some, len(some))) for some in lines]

    def _ids(self, documents: list[str]) -> Tensor:
        lines = [line for d in documents for line in d.split("\n") if line and not line.startswith("= ")]
        return torch.tensor([i for e in self.tokenizer.encode_batch(lines, add_special_tokens=False) for i in e.ids])

    def _chunks(self, ids: Tensor, offset: int) -> Tensor:
        inside = self.length - 2
        body = ids[offset : offset + (len(ids) - offset) // inside * inside].view(-1, inside)
        edge = torch.ones(len(body), 1, dtype=body.dtype)
        return torch.cat([edge * self.cls, body, edge * self.sep], 1)

    def epoch(self, number: int, seed: int) -> Tensor:
        """All training chunks in the order of that epoch."""
        draw = torch.Generator().manual_seed(seed * 7919 + number)
        offset = int(torch.randint(0, self.length - 2, (1,), generator=draw))
        chunks = torch.cat([self._chunks(ids, offset) for ids in self.training])
        if self.more:
            others = torch.cat([self._chunks(ids, offset) for ids in self.more])
            chunks = torch.cat([chunks, others[torch.randperm(len(others), generator=draw)[: len(chunks)]]])
        return chunks[torch.randperm(len(chunks), generator=draw)]

    def asked(self, chunks: Tensor) -> Tensor:
        """Which tokens are to be predicted: whole words in every fourth row, single wordpieces in the others."""
        starts = ~self.continues[chunks]
        word = starts.cumsum(1) - 1
        by_word = (torch.rand(chunks.shape) < ASKED).gather(1, word)
        by_token = torch.rand(chunks.shape) < ASKED
        fourth = (torch.arange(len(chunks)) % 4 == 0)[:, None]
        asked = torch.where(fourth, by_word, by_token)
        asked[:, 0] = asked[:, -1] = False
        return asked


def main() -> None:
    parser = arguments(__doc__ or "", steps=8000, rate=5e-4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--more", type=Path, help="a folder of further text files")
    parser.add_argument("--begin", type=Path, help="the folder of an earlier run to begin from")
    parser.add_argument("--fixed-embeddings", action="store_true", help="leave the word embeddings as they are")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    text = Text(args.length, args.more)
    module = starting_point("masked_words", dropout=0.0)
    frequency = torch.bincount(torch.cat(text.training), minlength=text.size).float() + 0.1
    with torch.no_grad():
        module.cls.predictions.bias.copy_((frequency / frequency.sum()).log())
    if args.begin:
        kept = {name: t.float() for name, t in load_file(args.begin / "weights.safetensors").items()}
        module.load_state_dict(kept | {"cls.predictions.decoder.weight": kept["bert.embeddings.word_embeddings.weight"]})
    head = [p for n, p in module.named_parameters() if n.startswith("cls.") and "decoder.weight" not in n]
    if args.lora:
        module = lora(module, args.lora)
    if args.fixed_embeddings or args.lora:
        module.get_input_embeddings().weight.requires_grad_(False)
    for p in head:
        p.requires_grad_(True)
    mine = {id(p) for p in head}
    body = [p for p in module.parameters() if p.requires_grad and id(p) not in mine]
    groups = [{"params": body, "lr": args.rate}, {"params": head, "lr": args.head_rate}]
    chunks = text.epoch(0, args.seed)
    batches = len(chunks) // args.batch - 1  # the same in every epoch, wherever its chunks begin
    print(f"{len(chunks)} chunks, {batches} steps an epoch; held out: {', '.join(text.articles)}", flush=True)
    current = [0, chunks]

    def loss_of(step: int) -> Tensor:
        number, row = divmod(step, batches)
        if current[0] != number:
            current[:] = [number, text.epoch(number, args.seed)]
        batch: Tensor = current[1][row * args.batch : (row + 1) * args.batch]  # type: ignore[index]
        asked = text.asked(batch)
        return cross_entropy(logits(module, batch.masked_fill(asked, text.mask), asked).float(), batch[asked])

    result = run(module, groups, loss_of, args, lambda: scores(module, text), evaluate_every=500)
    save(module, args.out, "masked_words", {"held_out": text.articles, **result})


def logits(module: Any, given: Tensor, asked: Tensor) -> Tensor:
    """Of the asked tokens alone, which spares the head four fifths of its work."""
    inner = module.base_model.model if hasattr(module, "peft_config") else module
    return inner.cls(inner.bert(given)[0][asked])


def scores(module: nn.Module, text: Text) -> dict[str, dict[str, float]]:
    """Top-1 and top-5 on the held-out texts: 15 % of the wordpieces asked for, all of them shown as [MASK]."""
    found: dict[str, dict[str, float]] = {}
    draw = torch.Generator().manual_seed(7)
    for name, chunks in text.held_out.items():
        asked = torch.rand(chunks.shape, generator=draw) < 0.15
        asked[:, 0] = asked[:, -1] = False
        first = five = total = 0
        loss = 0.0
        for rows in torch.arange(len(chunks)).split(32):
            batch, wanted = chunks[rows], asked[rows]
            answer = logits(module, batch.masked_fill(wanted, text.mask), wanted).float()
            top, truth = answer.topk(5, -1).indices, batch[wanted]
            first += int((top[:, 0] == truth).sum())
            five += int((top == truth[:, None]).any(-1).sum())
            loss += float(cross_entropy(answer, truth, reduction="sum"))
            total += len(truth)
        found[name] = {
            "n": total,
            "top1": round(first / total, 4),
            "top5": round(five / total, 4),
            "loss": round(loss / total, 4),
        }
    return found


if __name__ == "__main__":
    main()
