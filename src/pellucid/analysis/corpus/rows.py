"""The sentences that an encoder will read, each short enough for it; what was left out or divided is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int64

from pellucid.analysis.corpus.sentences import Words
from pellucid.models.text import TextEncoder

LEAST = 3
"""A sentence of fewer tokens is no context for any of them, and is left out."""


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """What is read, in the order of the text."""

    spans: Int64[np.ndarray, "row 2"]
    """First character of each row and the one behind its last."""
    first_token: Int64[np.ndarray, " bound"]
    """Number of each row's first token in the corpus, and the number of them all; special tokens are not in it."""
    first_word: Int64[np.ndarray, " bound"]
    """Number of each row's first word, and the number of them all."""
    words: Int64[np.ndarray, " word"]
    """Which of the text's words are in a row."""
    counts: dict[str, int]
    """sentences, short (left out), unreadable (left out), divided (longer than the encoder reads), tokens, unknown (tokens)."""


def rows(encoder: TextEncoder, text: str, words: Words) -> Rows:
    """The rows of a text. A sentence longer than the encoder reads becomes several, divided between words; nothing is lost."""
    room = encoder.limit - encoder.tokenizer.num_special_tokens_to_add(pair=False)
    special = set(encoder.tokenizer.all_special_ids) - {encoder.tokenizer.mask_token_id, encoder.tokenizer.unk_token_id}
    counts = {"sentences": len(words.sentences), "short": 0, "unreadable": 0, "divided": 0, "tokens": 0, "unknown": 0}
    spans: list[tuple[int, int]] = []
    tokens: list[int] = []
    for start in range(0, len(words.sentences), 1000):
        waiting = [(int(a), int(b)) for a, b in words.sentences[start : start + 1000][::-1]]
        read = dict(zip(waiting, _tokens(encoder, [text[a:b] for a, b in waiting]), strict=True))
        while waiting:
            span = waiting.pop()
            ids, ends = read.pop(span) if span in read else _tokens(encoder, [text[span[0] : span[1]]])[0]
            if len(ids) > room:
                counts["divided"] += span in map(tuple, words.sentences[start : start + 1000].tolist())
                waiting += _halves(text, words, span, span[0] + ends[room - 1])[::-1]
            elif len(ids) < LEAST:
                counts["short"] += 1
            elif all(i in special for i in ids):
                counts["unreadable"] += 1
            else:
                spans.append(span)
                tokens.append(len(ids))
                counts["unknown"] += sum(i == encoder.tokenizer.unk_token_id for i in ids)
    counts["tokens"] = sum(tokens)
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    inside = [np.arange(*np.searchsorted(words.places[:, 0], span)) for span in bounds]
    return Rows(
        bounds,
        np.concatenate([[0], np.cumsum(np.array(tokens, dtype=np.int64))]).astype(np.int64),
        np.concatenate([[0], np.cumsum([len(i) for i in inside])]).astype(np.int64),
        np.concatenate([*inside, np.zeros(0)]).astype(np.int64),
        counts,
    )


def _tokens(encoder: TextEncoder, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """Each text's tokens without specials: their numbers, and the character behind each."""
    read = encoder.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [(ids, [end for _, end in at]) for ids, at in zip(read["input_ids"], read["offset_mapping"], strict=True)]


def _halves(text: str, words: Words, span: tuple[int, int], at: int) -> list[tuple[int, int]]:
    """The span divided before character `at`, behind a word if one ends there, and without white space around it."""
    ends = words.places[slice(*np.searchsorted(words.places[:, 0], span)), 1]
    ends = ends[(ends <= at) & (ends < span[1])]
    middle = int(ends[-1]) if len(ends) else min(max(at, span[0] + 1), span[1] - 1)
    parts = [(span[0], middle), (middle, span[1])]
    trimmed = [(a + len(s := text[a:b]) - len(s.lstrip()), b - (len(s) - len(s.rstrip()))) for a, b in parts]
    return [(a, b) for a, b in trimmed if a < b]
