"""The four phases in which a model answers a question, each measured at every layer.

Van Aken, Winter, Löser and Gers, How Does BERT Answer Questions?, CIKM 2019, https://arxiv.org/abs/1909.04925, section 5, see
them in PCA pictures: semantic clusters; entities joined with their attributes; the question matched with supporting facts; the
answer taken out. They give no measure; these are ours. Each is a difference, 0 when the marked tokens are like any others.

Similarity is the cosine after the layer's mean over the text's tokens (all but specials) has been taken off, because hidden
states share a large common part that makes any two alike (Ethayarajh, EMNLP 2019, https://arxiv.org/abs/1909.00512). Of two
words it is the mean over the pairs of their tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from pellucid.analysis.groups import Groups, Places
from pellucid.analysis.trustworthiness import distances
from pellucid.models.activations import Activations, Pooling

Similarities = Float64[Tensor, "token token"]
Values = Float64[Tensor, " draw"]
MEANING = {
    "topics": "mean cosine of two words of one topic, minus that of two words of different topics",
    "attributes": "mean cosine of an entity and its attribute, minus that of other words equally far apart in a sentence",
    "support": "mean cosine of the question's words with the supporting facts', minus with the other sentences' words",
    "answer": "chance that an answer token is farther from the rest of the context than a token of that rest, times 2, minus 1",
}
RESAMPLED = {
    "topics": "words",
    "attributes": "pairs",
    "support": "words of the question, of the supporting facts and of the other sentences",
    "answer": "tokens of the answer and of the rest of the context",
}


@final
@dataclass(frozen=True, eq=False)
class Phase:
    """One phase at every layer, 0 (embeddings) to the last; NaN where it cannot be measured."""

    name: str
    value: Float64[Tensor, " layer_and_embedding"]
    low: Float64[Tensor, " layer_and_embedding"]
    """The 2.5th percentile of the bootstrap; NaN when there is too little to resample."""
    high: Float64[Tensor, " layer_and_embedding"]
    """The 97.5th."""
    size: tuple[int, ...]
    """How many things of each resampled sort there are."""
    why_not: str = ""
    """What lacks, when it could not be measured."""

    @property
    def meaning(self) -> str:
        return MEANING[self.name]

    @property
    def resampled(self) -> str:
        return RESAMPLED[self.name]

    @property
    def measured(self) -> bool:
        return not self.why_not


@final
@dataclass(frozen=True, eq=False)
class Phases:
    """The four phases. Three are differences of cosines, -2 to 2; the answer's is from -1 to 1. Zero: no sign of it."""

    topics: Phase
    attributes: Phase
    support: Phase
    answer: Phase
    samples: int
    seed: int
    pooled: Pooling | None

    @property
    def all(self) -> tuple[Phase, ...]:
        return self.topics, self.attributes, self.support, self.answer


def phases(act: Activations, groups: Groups, *, row: int = 0, samples: int = 1000, seed: int = 0) -> Phases:
    """The four phases at every layer, with bands from `samples` percentile bootstraps (95 %, Efron 1979).

    What is resampled with replacement is said by each phase's `resampled`: the bands speak of other words of this text, not of
    other texts. `groups` (see `token_groups`) must count tokens as `act` does, wordpieces or words. ValueError when they name
    tokens that the text does not have; a phase for which they name none is NaN and says so.
    """
    if samples < 1:
        raise ValueError(f"samples={samples}; give at least 1 bootstrap sample")
    act = act.row(row)
    length = act.tokens.lengths[0]
    if groups.highest >= length:
        raise ValueError(
            f"the groups name token {groups.highest}, but the text has {length}, from 0; are they of these tokens?"
        )
    ordinary = ~act.tokens.special[0]
    layers = [centred_cosines(layer[0, :length].double(), ordinary[:length]) for layer in act.hidden_states]
    apart = [distances(layer[0, :length]) for layer in act.hidden_states]
    names = [tuple(act.tokens.surface(0, at).casefold() for at in word) for word in [w for t in groups.topics for w in t]]
    drawn = torch.Generator().manual_seed(seed)

    def curve(
        name: str, of: Sequence[Tensor], sizes: Sequence[int], value: Callable, lacking: str = "", least: int = 2
    ) -> Phase:
        nothing = torch.full((len(layers),), torch.nan, dtype=torch.float64)
        if lacking:
            return Phase(name, nothing, nothing, nothing, tuple(sizes), lacking)
        whole = [torch.ones(1, n, dtype=torch.float64) for n in sizes]
        draws = [_draws(n, samples, drawn) for n in sizes]
        point = torch.stack([value(layer, *whole)[0] for layer in of])
        if max(sizes) < least:
            return Phase(name, point, nothing, nothing, tuple(sizes))
        spread = torch.stack([value(layer, *draws) for layer in of])
        low, high = spread.nanquantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=1)
        return Phase(name, point, low, high, tuple(sizes))

    topic = torch.tensor([n for n, words in enumerate(groups.topics) for _ in words])
    words = [w for t in groups.topics for w in t]
    pairs, controls = with_controls(groups)
    question, support, others, answer, rest = groups.question, groups.support, groups.others, groups.answer, groups.rest
    return Phases(
        curve(
            "topics", layers, [len(words)], lambda s, c: topic_contrast(between(s, words, words), topic, names, c),
            "" if _has_contrast(topic, names) else "needs two topics, one of them of two different words",
        ),
        curve(
            "attributes", layers, [len(pairs)], lambda s, c: attribute_contrast(s, pairs, controls, c),
            "" if pairs else "needs a pair of an entity and its attribute, and other words as far apart",
        ),
        curve(
            "support", layers, [len(question), len(support), len(others)],
            lambda s, q, a, b: support_contrast(between(s, question, support), between(s, question, others), q, a, b),
            "" if question and support and others else "needs a question, a supporting fact and another sentence",
        ),
        curve(
            "answer", apart, [len(answer), len(rest)], lambda d, a, b: answer_apart(d, answer, rest, a, b),
            "" if answer and len(rest) > 1 else "needs an answer and two other tokens of the context",
        ),
        samples, seed, act.pooled,
    )  # fmt: skip


# ------------------------------------------------------------------------- the measures, of one layer, for every bootstrap draw


def centred_cosines(vectors: Float64[Tensor, "token hidden"], over: Tensor) -> Similarities:
    """Cosines after the mean over the tokens `over` has been taken off; 0 with a vector that is the mean itself."""
    centred = vectors - vectors[over].mean(0)
    lengths = centred.norm(dim=1, keepdim=True)
    # subtle: rounding leaves a trace where a vector is the mean, and its direction would be noise
    some = lengths > 1e-12 * vectors.norm(dim=1, keepdim=True)
    unit = torch.where(some, centred / lengths.clamp(min=1e-300), torch.zeros_like(centred))
    return unit @ unit.T


def between(similar: Similarities, first: Sequence[Places], second: Sequence[Places]) -> Float64[Tensor, "first second"]:
    """The similarity of every two words: the mean over the pairs of their tokens."""
    return _shares(first, len(similar)) @ similar @ _shares(second, len(similar)).T


def topic_contrast(
    similar: Float64[Tensor, "word word"],
    topic: Tensor,
    names: Sequence[tuple[str, ...]],
    counts: Float64[Tensor, "draw word"],
) -> Values:
    """Two words of one topic, minus two of different topics; a word and its own repetition are no pair."""
    ids = {name: n for n, name in enumerate(dict.fromkeys(names))}
    kind = torch.tensor([ids[name] for name in names])
    other = (kind[:, None] != kind[None]).double()
    same = (topic[:, None] == topic[None]).double()
    return _weighted(similar, other * same, counts) - _weighted(similar, other * (1 - same), counts)


def attribute_contrast(
    similar: Similarities, pairs: Sequence[tuple[Places, Places]], controls: Sequence[Sequence[tuple[Places, Places]]],
    counts: Float64[Tensor, "draw pair"],
) -> Values:  # fmt: skip
    """Each pair minus the mean of its controls, averaged over pairs."""

    def mean(these: Sequence[tuple[Places, Places]]) -> Tensor:
        first, second = (_shares([p[n] for p in these], len(similar)) for n in (0, 1))
        return ((first @ similar) * second).sum(1).mean()

    each = torch.stack([mean([pair]) - mean(control) for pair, control in zip(pairs, controls, strict=True)])
    return counts @ each / counts.sum(1)


def support_contrast(
    support: Float64[Tensor, "question support"], others: Float64[Tensor, "question other"],
    questions: Float64[Tensor, "draw question"], supports: Float64[Tensor, "draw support"], rest: Float64[Tensor, "draw other"],
) -> Values:  # fmt: skip
    """The question's words with those of the supporting facts, minus with those of the other sentences."""

    def mean(similar: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return ((rows @ similar) * columns).sum(1) / (rows.sum(1) * columns.sum(1))

    return mean(support, questions, supports) - mean(others, questions, rest)


def answer_apart(
    apart: Float64[Tensor, "token token"], answer: Sequence[int], rest: Sequence[int],
    in_answer: Float64[Tensor, "draw answer"], in_rest: Float64[Tensor, "draw rest"],
) -> Values:  # fmt: skip
    """Rank-biserial correlation (Cureton 1956; twice the area under the ROC curve, minus 1) of distances from the rest.

    How far a token is from the rest is its mean Euclidean distance to all other tokens of the rest, itself left out; so an
    answer of one token can be measured as well as a long one. 1: each answer token is farther out than every other token.
    """
    far = (in_rest @ apart[list(rest)]) / in_rest.sum(1, keepdim=True)  # draw token: of answer tokens as it is
    mine = in_rest.sum(1, keepdim=True) - in_rest
    inner = (in_rest @ apart[list(rest)][:, list(rest)]) / torch.where(mine > 0, mine, torch.nan)
    outer = far[:, list(answer)]
    # subtle: equal distances differ by rounding, and a tie counts for neither side
    gap = outer[:, :, None] - inner[:, None]
    gap = torch.where(gap.abs() <= 1e-9 * inner[:, None].abs(), 0.0, gap).sign()
    weight = in_answer[:, :, None] * in_rest[:, None]
    valid = torch.where(weight > 0, gap, 0.0)
    return (valid * weight).sum((1, 2)) / (in_answer.sum(1) * in_rest.sum(1))


def with_controls(groups: Groups) -> tuple[list[tuple[Places, Places]], list[list[tuple[Places, Places]]]]:
    """Each pair, and all pairs of content words as many tokens apart that nobody named; in one sentence if the pair is.

    Where there is none so far apart, the nearest distance at which there is one; a pair without any is left out.
    """
    middle = lambda word: sum(word) / len(word)  # noqa: E731
    sentence = {at: n for n, places in enumerate(groups.sentences) for at in places}
    within = lambda a, b: sentence.get(a[0], -1) == sentence.get(b[0], -2)  # noqa: E731
    named = {frozenset((*a, *b)) for a, b in groups.pairs}
    free = [
        (a, b) for n, a in enumerate(groups.words) for b in groups.words[n + 1 :] if frozenset((*a, *b)) not in named
    ]  # fmt: skip
    kept, controls = [], []
    for a, b in groups.pairs:
        candidates = [p for p in free if within(*p) or not within(a, b)]
        off = [abs(abs(middle(c) - middle(d)) - abs(middle(a) - middle(b))) for c, d in candidates]
        if off:
            kept.append((a, b))
            controls.append([p for p, o in zip(candidates, off, strict=True) if o <= min(off) + 1e-9])
    return kept, controls


def _shares(words: Sequence[Places], tokens: int) -> Float64[Tensor, "word token"]:
    share = torch.zeros(len(words), tokens, dtype=torch.float64)
    for n, word in enumerate(words):
        share[n, list(word)] = 1 / len(word)
    return share


def _weighted(
    similar: Float64[Tensor, "word word"], pairs: Float64[Tensor, "word word"], counts: Float64[Tensor, "draw word"]
) -> Values:
    """The mean over those pairs, each as often as both of its words were drawn; NaN where none was."""
    weight = ((counts @ pairs) * counts).sum(1)
    total = ((counts @ (pairs * similar)) * counts).sum(1)
    return total / torch.where(weight > 0, weight, torch.nan)


def _has_contrast(topic: Tensor, names: Sequence[tuple[str, ...]]) -> bool:
    members = {n: {name for t, name in zip(topic.tolist(), names, strict=True) if t == n} for n in topic.tolist()}
    return len(members) > 1 and any(len(words) > 1 for words in members.values())


def _draws(size: int, samples: int, generator: torch.Generator) -> Float64[Tensor, "draw thing"]:
    """How often each of `size` things was drawn in each of `samples` bootstraps."""
    counts = torch.zeros(samples, size, dtype=torch.float64)
    if size:
        drawn = torch.randint(size, (samples, size), generator=generator)
        counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    return counts
