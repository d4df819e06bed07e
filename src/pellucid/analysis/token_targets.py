"""What an encoder answered to a text, as one number that can be asked again of the text without some of its tokens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from pellucid.analysis.answers import LONGEST, best_spans, within_context
from pellucid.analysis.passages import find_answer
from pellucid.inputs.text import Tokens
from pellucid.models.text import Head, TextEncoder, check_characters
from pellucid.registry import unknown

Removal = Literal["mask", "delete"]
Asked = str | int | tuple[int, int] | Sequence[str | int | tuple[int, int] | None] | None
AT_ONCE = 2048
"""Tokens of a forward pass: texts of like length go together, so many short ones and few long ones."""


@final
@dataclass(frozen=True, eq=False)
class TokenTarget:
    """What the scores of tokens speak for: of each text an answer, a word at its masked place, its class or its number."""

    task: Head
    places: Int64[Tensor, "batch place"]
    """The answer's first and last token; or the one masked token; or the first, which a class or number is read from."""
    words: Int64[Tensor, " batch"]
    """Which word of the vocabulary, class or number it is; -1 for an answer, which is a stretch of the text."""
    names: tuple[str, ...]
    """In words, for a caption."""

    def __len__(self) -> int:
        return len(self.words)

    @property
    def logit_name(self) -> str:
        """What its logit is: a sum of two for an answer; of a number, what unit it is in."""
        names = {"question_answering": "start + end logit", "regression": "in its own unit"}
        return names.get(self.task, "logit")

    @property
    def lost(self) -> str:
        """What of it is measured where tokens are removed: its probability, or the number itself, which has none."""
        return "the number" if self.task == "regression" else "probability"


def token_target(encoder: TextEncoder, tokens: Tokens, target: Asked | TokenTarget = None) -> TokenTarget:
    """The target of each text: its answer, a word at its one masked place, its class or its number.

    An answer is the one given, as words of the context or (first, last) token, else the one the tokens carry, else the best
    span of the context, which `answer` calls its best. A word is given by its spelling or its number in the vocabulary, a class
    by its label (`id2label` of the configuration) or its number, which may be written in digits where no label is that; else it
    is the likeliest. What a regression gives is named as a class is, where it gives more than one number. One target holds for
    every text; a list has one, or None, for each. A `TokenTarget` is taken as it is, so that another encoder can be asked the
    same.

    ValueError for an encoder without a head; for a text without context or without exactly one masked token, a span outside
    the text, what is no single wordpiece or no class, and where a regression gives several numbers and none is named. TypeError
    for a word or class that is neither named nor numbered, such as True.
    """
    if isinstance(target, TokenTarget):
        if len(target) != len(tokens):
            raise ValueError(f"{len(target)} targets for {len(tokens)} texts; give one for each")
        encoder.need(target.task)
        return target
    encoder.need_some_head(
        "it answers nothing that tokens could speak for (a sentence's vector is compared with another's, and its cosine with "
        "itself is always 1)"
    )
    if encoder.classifies:
        return _classes(encoder, tokens, _each(target, len(tokens)))
    if encoder.answers_questions:
        return _answers(encoder, tokens, _each([target] * len(tokens) if _is_span(target) else target, len(tokens)))
    return _words(encoder, tokens, _each(target, len(tokens)))


def removable(tokens: Tokens) -> Bool[Tensor, "batch token"]:
    """The tokens that can be taken from a text: no specials, no filling, and none that the network is not shown anyway."""
    assert tokens.masked is not None
    return (tokens.parts >= 0) & ~tokens.masked


def asked_without(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    rows: Int64[Tensor, " variant"],
    removed: Bool[Tensor, "variant token"],
    removal: Removal = "mask",
    progress: Callable[[float], None] | None = None,
) -> tuple[Float32[Tensor, " variant"], Float32[Tensor, " variant"]]:
    """The target's logit and its probability, for variants of the texts: text `rows[i]` without the tokens `removed[i]`.

    A removed token is shown as the mask token, or with `delete` is left out, so that all behind it move up. The probability of
    a word is its softmax over the vocabulary, that of a class its softmax over the classes, or its sigmoid where any number of
    classes may hold at once; that of an answer the product of its start's and its end's, each a softmax over the tokens of the
    text (the likelihood of Devlin et al. 2019, section 4.2, https://arxiv.org/abs/1810.04805). What a regression gives has no
    probability: it stands there as it is. `progress` is called with the share done after every pass. ValueError for an unknown
    removal, an encoder without a mask token, and where `delete` would take away the place that is asked about.
    """
    if removal not in get_args(Removal):
        raise ValueError(f"no removal named {removal!r}; known: {', '.join(get_args(Removal))}")
    if removal == "mask" and encoder.tokenizer.mask_token_id is None:
        raise ValueError(f"the tokenizer of {encoder.called} has no mask token; removal='delete' needs none")
    if removal == "delete" and removed.gather(1, target.places[rows]).any():
        raise ValueError("the place of the target cannot be deleted: there would be nothing to ask about")
    logits, probabilities = torch.zeros(len(rows)), torch.zeros(len(rows))
    lengths = tokens.mask[rows].sum(1) - (removed.sum(1) if removal == "delete" else 0)
    passes = by_length(lengths, AT_ONCE)
    for number, some in enumerate(passes):
        part, places = _without(encoder, tokens, target.places, rows[some], removed[some], removal)
        with speaking_at(encoder, places):
            out = encoder.outputs(part)
        logits[some], probabilities[some] = read_out(out, part.mask, places, target.words[rows[some]])
        if progress is not None:
            progress((number + 1) / len(passes))
    return logits, probabilities


def by_length(lengths: Int64[Tensor, " variant"], at_once: int) -> list[Int64[Tensor, " some"]]:
    """The numbers of all variants in groups of like length, each of at most that many tokens, filling included."""
    groups: list[list[int]] = []
    order = lengths.argsort(stable=True).tolist()
    for at in order:
        longest = int(lengths[at])
        if groups and (len(groups[-1]) + 1) * longest <= at_once:
            groups[-1].append(at)
        else:
            groups.append([at])
    return [torch.tensor(group) for group in groups]


@contextmanager
def speaking_at(encoder: TextEncoder, places: Int64[Tensor, "batch place"]) -> Iterator[None]:
    """Within, a masked-word head speaks only at the one place of each row: its logits are (batch 1 vocabulary).

    Its matrix over a whole vocabulary costs as much as all blocks of a small encoder, and nobody asks about other places.
    """
    if not encoder.fills_masks:
        yield
        return

    def select(_module: object, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0][torch.arange(len(places))[:, None], places], *args[1:])

    module: Any = encoder.module
    handle = module.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def read_out(
    out: Any, mask: Bool[Tensor, "batch token"], places: Int64[Tensor, "batch place"], words: Int64[Tensor, " batch"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The targets' logits and probabilities from what the head said, filling apart."""
    rows = torch.arange(len(places))
    if "numbers" in out:
        number = out["numbers"].cpu()[rows, words]
        return number, number
    if "labels" in out:
        logit = out["labels"].cpu()[rows, words]
        return logit, logit.sigmoid()
    if "classes" in out:
        logits = out["classes"].cpu()
        return logits[rows, words], logits.softmax(-1)[rows, words]
    if "words" in out:
        logits = out["words"].cpu()[:, 0]
        return logits[rows, words], logits.softmax(-1)[rows, words]
    start, end = (out[name].cpu().masked_fill(~mask, -torch.inf) for name in ("start", "end"))
    logit = start[rows, places[:, 0]] + end[rows, places[:, 1]]
    return logit, (logit - start.logsumexp(-1) - end.logsumexp(-1)).exp()


def _without(
    encoder: TextEncoder,
    tokens: Tokens,
    places: Int64[Tensor, "all place"],
    rows: Int64[Tensor, " variant"],
    removed: Bool[Tensor, "variant token"],
    removal: Removal,
) -> tuple[Tokens, Int64[Tensor, "variant place"]]:
    """Those texts without those tokens, and where their targets' places are then."""
    kept = tokens.mask[rows] & ~removed if removal == "delete" else tokens.mask[rows]
    width = int(kept.sum(1).max())
    order = (~kept).byte().argsort(dim=1, stable=True)[:, :width]
    filled = ~kept.gather(1, order)

    def gathered(tensor: Tensor, filling: int) -> Tensor:
        chosen = tensor[rows].gather(1, order)
        return chosen.masked_fill(filled, filling)

    ids, masked = tokens.ids, tokens.masked
    assert masked is not None
    new_ids, new_masked = gathered(ids, int(encoder.tokenizer.pad_token_id or 0)), gathered(masked, False)
    if removal == "mask":
        hidden = removed.gather(1, order)
        new_ids, new_masked = new_ids.masked_fill(hidden, int(encoder.tokenizer.mask_token_id)), new_masked | hidden
    names = rows.tolist()
    offsets = tokens.offsets[rows].gather(1, order[..., None].expand(-1, -1, 2)).masked_fill(filled[..., None], 0)
    part = replace(
        tokens, ids=new_ids, mask=~filled, segments=gathered(tokens.segments, 0), offsets=offsets,
        parts=gathered(tokens.parts, -1), words=gathered(tokens.words, -1), masked=new_masked,
        texts=tuple(tokens.texts[r] for r in names), names=tuple(tokens.names[r] for r in names),
        pieces=tuple(
            tuple(tokens.pieces[r][at] for at in places[: int(length)])
            for r, places, length in zip(names, order.tolist(), kept.sum(1), strict=True)
        ),
        answers=(None,) * len(names), items=tuple(range(len(names))),
    )  # fmt: skip
    return part, (kept.cumsum(1) - 1).gather(1, places[rows])


def _each(target: Any, count: int) -> list[Any]:
    if isinstance(target, str) or not isinstance(target, Sequence):
        return [target] * count
    if len(target) != count:
        raise ValueError(f"{len(target)} targets for {count} texts; give one, or one for each")
    return list(target)


def _is_span(target: Any) -> bool:
    return isinstance(target, tuple) and len(target) == 2 and all(_is_number(end) for end in target)


def _is_number(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool)


def _answers(encoder: TextEncoder, tokens: Tokens, targets: list[Any]) -> TokenTarget:
    for texts in tokens.texts:
        if len(texts) != 2:
            raise ValueError(
                f"{texts[0][:40]!r} has no context; a question is answered from a context: read(question, context)"
            )
    spans: list[tuple[int, int] | None] = []
    for row, given in enumerate(targets):
        if isinstance(given, str):
            places = tokens.span(row, *find_answer(tokens.texts[row][1], given), part=1)
            given = places[0], places[-1]
        if given is not None and not _is_span(given):
            raise ValueError(
                f"the target {given!r} is no answer; expected its words, or its first and last token, such as (8, 10)"
            )
        spans.append(given or tokens.answers[row])
    missing = torch.tensor([row for row, span in enumerate(spans) if span is None], dtype=torch.int64)
    for some in by_length(tokens.mask[missing].sum(1), AT_ONCE):
        part, _ = _without(
            encoder, tokens, torch.zeros(len(tokens), 1, dtype=torch.int64), missing[some],
            torch.zeros(len(some), tokens.ids.shape[1], dtype=torch.bool), "delete",
        )  # fmt: skip
        out = encoder.outputs(part)
        for at, row in enumerate(missing[some].tolist()):
            scores = best_spans(out["start"][at].cpu(), out["end"][at].cpu(), within_context(part, at), LONGEST)
            first, last = divmod(int(scores.argmax()), len(scores))
            spans[row] = (first, last)
    names: list[str] = []
    for row, span in enumerate(spans):
        assert span is not None
        if not 0 <= span[0] <= span[1] < tokens.lengths[row]:
            raise ValueError(f"no answer from token {span[0]} to {span[1]}; the text has {tokens.lengths[row]} tokens, from 0")
        names.append(f"the answer {_stretch(tokens, row, *span)!r}")
    return TokenTarget(
        "question_answering", torch.tensor(spans), torch.full((len(tokens),), -1, dtype=torch.int64), tuple(names)
    )


def _stretch(tokens: Tokens, row: int, first: int, last: int) -> str:
    part = int(tokens.parts[row, first])
    if part < 0 or int(tokens.parts[row, last]) != part:
        return " ".join(tokens.surface(row, at) for at in range(first, last + 1))
    return tokens.texts[row][part][int(tokens.offsets[row, first, 0]) : int(tokens.offsets[row, last, 1])]


def _words(encoder: TextEncoder, tokens: Tokens, targets: list[Any]) -> TokenTarget:
    assert tokens.masked is not None
    for row, count in enumerate(tokens.masked.sum(1).tolist()):
        if count != 1:
            raise ValueError(
                f"{count or 'no'} tokens of {tokens.names[row][:60]!r} are masked; tokens speak for the word at one masked "
                f"place, so write {encoder.tokenizer.mask_token} once, or hide one token with enc.hide(tokens, [3])"
            )
    places = tokens.masked.byte().argmax(1)[:, None]
    words = torch.tensor([-1 if given is None else _word_id(encoder, given) for given in targets], dtype=torch.int64)
    missing = (words < 0).nonzero()[:, 0]
    for some in by_length(tokens.mask[missing].sum(1), AT_ONCE):
        nothing = torch.zeros(len(some), tokens.ids.shape[1], dtype=torch.bool)
        part, at = _without(encoder, tokens, places, missing[some], nothing, "delete")
        with speaking_at(encoder, at):
            words[missing[some]] = encoder.outputs(part)["words"][:, 0].argmax(-1).cpu()
    names = tuple(f"the word {encoder.spelled(word)!r}" for word in words.tolist())
    return TokenTarget("masked_words", places, words, names)


def class_labels(encoder: TextEncoder) -> list[str]:
    """The names of its classes; of one without a name in `id2label`, its number. ValueError where those count from 1."""
    named = {int(number): str(label) for number, label in encoder.config.id2label.items()}
    if 0 not in named and encoder.head_size in named:
        raise ValueError(
            f"the labels of {encoder.called} are {named}, and its head's {encoder.head_size} classes are numbered from 0, so "
            "that each would have another's name; number config.id2label from 0"
        )
    return [named.get(n, str(n)) for n in range(encoder.head_size)]


def _classes(encoder: TextEncoder, tokens: Tokens, targets: list[Any]) -> TokenTarget:
    labels = class_labels(encoder)
    if encoder.regression and len(labels) > 1 and None in targets:
        raise ValueError(f"{encoder.called} gives {len(labels)} numbers; say which one, as target={labels[0]!r}")
    task, kind = ("regression", "number") if encoder.regression else ("classification", "class")
    given = [-1 if wanted is None else _class_number(labels, wanted, kind) for wanted in targets]
    classes = torch.tensor(given, dtype=torch.int64)
    places = torch.zeros(len(tokens), 1, dtype=torch.int64)
    missing = (classes < 0).nonzero()[:, 0]
    for some in by_length(tokens.mask[missing].sum(1), AT_ONCE):
        nothing = torch.zeros(len(some), tokens.ids.shape[1], dtype=torch.bool)
        part, _ = _without(encoder, tokens, places, missing[some], nothing, "delete")
        (logits,) = encoder.outputs(part).values()
        classes[missing[some]] = logits.argmax(-1).cpu()
    return TokenTarget(task, places, classes, tuple(f"the {kind} {labels[n]!r}" for n in classes.tolist()))


def _class_number(labels: Sequence[str], wanted: Any, kind: Literal["class", "number"]) -> int:
    if not isinstance(wanted, str) and not _is_number(wanted):
        how = "label or its number" if kind == "class" else "name or its place"
        raise TypeError(f"a {kind} is given by its {how}, not by {wanted!r}, a {type(wanted).__name__}")
    if isinstance(wanted, str) and wanted.isdecimal() and wanted not in labels:  # as it comes from a shell or a page
        wanted = int(wanted)
    if not isinstance(wanted, str) and 0 <= wanted < len(labels):
        return int(wanted)
    found = [n for n, label in enumerate(labels) if isinstance(wanted, str) and label.casefold() == wanted.casefold()]
    if len(found) != 1:
        many, which = ("classes", "number") if kind == "class" else ("numbers", "place")
        twice = f"{len(found)} {many} are called {wanted!r}: give the {which}, {' or '.join(map(str, found))}"
        raise ValueError(twice if found else unknown(kind, wanted, labels))
    return found[0]


def _word_id(encoder: TextEncoder, word: Any) -> int:
    tokenizer, size = encoder.tokenizer, int(encoder.config.vocab_size)
    if _is_number(word):
        if not 0 <= word < size:
            raise ValueError(f"no word {word} in the vocabulary; it has {size}, from 0")
        return int(word)
    if not isinstance(word, str):
        raise TypeError(f"a word is given by its spelling or its number, not by {word!r}, a {type(word).__name__}")
    check_characters(word, "the word")
    unknown = tokenizer.unk_token_id
    # subtle: byte-level vocabularies spell a word with the space before it, and a word in the middle of a text has one
    spellings = [tokenizer(f" {word}", add_special_tokens=False, verbose=False)["input_ids"]]
    spellings += [
        [tokenizer.convert_tokens_to_ids(word)],
        tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"],
    ]
    for ids in spellings:
        if len(ids) == 1 and ids[0] is not None and ids[0] != unknown:
            return int(ids[0])
    raise ValueError(
        f"{word!r} is no single wordpiece of {encoder.called}'s vocabulary, but "
        f"{tokenizer.convert_ids_to_tokens(spellings[0])}; a masked place holds one"
    )
