"""The marks of a passage as tokens of one encoder's reading of it, wordpieces or whole words."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from pellucid.analysis.passages import Passage, Span
from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations

Places = tuple[int, ...]
"""The tokens of one word or mention."""


@final
@dataclass(frozen=True)
class Groups:
    """Which tokens of a text belong together. An empty group leaves its phase unmeasured."""

    words: tuple[Places, ...] = ()
    """Content words of the context, in order; among them the controls are found."""
    sentences: tuple[Places, ...] = ()
    topics: tuple[tuple[Places, ...], ...] = ()
    pairs: tuple[tuple[Places, Places], ...] = ()
    question: tuple[Places, ...] = ()
    """Content words of the question."""
    support: tuple[Places, ...] = ()
    """Content words of the supporting facts."""
    others: tuple[Places, ...] = ()
    """Content words of the other sentences."""
    answer: Places = ()
    rest: Places = ()
    """All other tokens of the context."""
    facts: Places = ()
    """All tokens of the supporting facts, for a picture to outline."""

    @property
    def highest(self) -> int:
        """The highest token that is named; -1 for none."""
        nested = [*self.words, *self.sentences, *itertools.chain(*self.topics), *itertools.chain(*self.pairs), *self.question,
                  *self.support, *self.others, self.answer, self.rest, self.facts]  # fmt: skip
        return max(itertools.chain(*nested), default=-1)


def token_groups(tokens: Tokens, marks: Passage, row: int = 0) -> Groups:
    """The marks in tokens. ValueError when the row reads another question or context, or has no token over a mark.

    The answer is the marked one, or else that of `Tokens.answers`.
    """
    if tokens.texts[row] != (marks.question, marks.context):
        raise ValueError(
            f"row {row} reads {tokens.texts[row]!r:.80}, but the marks are of {marks.question!r:.40} and its context"
        )

    def places(span: Span, part: int = 1) -> Places:
        return tuple(tokens.span(row, *span, part=part))

    def every(spans: Iterable[Span], part: int = 1) -> tuple[Places, ...]:
        return tuple(dict.fromkeys(places(span, part) for span in spans))  # two marks may lie in one token

    answer = places(marks.answer) if marks.answer else ()
    if not answer and (known := tokens.answers[row]) is not None:
        answer = tuple(range(known[0], known[1] + 1))
    supports = [s for s in marks.sentences if any(s[0] < end and start < s[1] for start, end in marks.support)]
    inside = {at for span in marks.support for at in places(span)} | {at for s in supports for at in places(s)}
    words = every(marks.words)
    context = (tokens.parts[row] == 1).nonzero()[:, 0].tolist()
    pairs = dict.fromkeys((places(a), places(b)) for a, b in marks.pairs)
    return Groups(
        words=words,
        sentences=every(marks.sentences),
        topics=tuple(every(topic) for topic in marks.topics),
        pairs=tuple((a, b) for a, b in pairs if not set(a) & set(b)),
        question=every(marks.question_words, 0),
        support=tuple(w for w in words if w[0] in inside) if marks.support else (),
        others=tuple(w for w in words if w[0] not in inside) if marks.support else (),
        answer=answer,
        rest=tuple(at for at in context if at not in answer),
        facts=tuple(sorted(inside)),
    )


def with_static_topics(marks: Passage, act: Activations, row: int = 0) -> Passage:
    """The marks with topics found in the embedding layer (layer 0), for a passage whose topics nobody named.

    Content words are clustered by their centred cosine, average linkage, as long as two clusters are at least as similar as
    nine in ten pairs of words are not. At layer 0 the topics' phase is then high by construction; what the later layers keep of
    it is the finding. Repetitions of a word are clustered as one.
    """
    act = act.row(row)
    spans: dict[str, list[Span]] = {}
    for start, end in marks.words:
        spans.setdefault(marks.context[start:end].casefold(), []).append((start, end))
    if len(spans) < 3:
        return marks
    layer = act.hidden_states[0, 0].double()
    centred = layer - layer[~act.tokens.special[0]].mean(0)
    vectors = torch.stack(
        [centred[[at for s in same for at in act.tokens.span(0, *s, part=1)]].mean(0) for same in spans.values()]
    )
    unit = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-300)
    found = clusters(unit @ unit.T)
    each = list(spans.values())
    topics = [tuple(sorted(s for n in members for s in each[n])) for members in found if len(members) > 1]
    return replace(marks, topics=tuple(topics))


def clusters(similar: Float64[Tensor, "word word"], share: float = 0.9) -> list[list[int]]:
    """Average linkage, until no two clusters are more alike than that share of all pairs is; by their first members."""
    count = len(similar)
    pairs = similar[tuple(torch.triu_indices(count, count, 1))]
    least = float(pairs.quantile(share))
    groups: list[list[int]] = [[n] for n in range(count)]
    while len(groups) > 1:
        best, a, b = max(
            (float(similar[groups[a]][:, groups[b]].mean()), -a, -b) for a, b in itertools.combinations(range(len(groups)), 2)
        )
        if best < least:
            break
        groups[-a] += groups.pop(-b)
    return sorted(sorted(g) for g in groups)


def touched(places: Sequence[int], by: Sequence[int]) -> list[bool]:
    """Of each of the places, whether it is among those."""
    return [at in set(by) for at in places]
