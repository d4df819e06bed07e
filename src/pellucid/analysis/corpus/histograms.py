"""What the hits of a search have in common: their tags and those around them, beside how common these are in the corpus."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from jaxtyping import Float64, Int64

from pellucid.analysis.corpus.index import KINDS, Corpus, Word
from pellucid.analysis.corpus.search import Hits

Of = Literal["match", "next", "attended"]
Kind = Literal["pos", "dep", "ent"]


@final
@dataclass(frozen=True, eq=False)
class Histogram:
    """Bars of a kind, each a count out of `total`; intervals are Clopper and Pearson's of 95 %."""

    of: str
    kind: str
    names: tuple[str, ...]
    counts: Int64[np.ndarray, " bar"]
    total: int
    """Hits that have such a word; one whose word two of its pieces found counts once."""
    base: Float64[np.ndarray, " bar"] | None
    """Share of this tag among all words of the corpus; None for offsets, which have none."""
    low: Float64[np.ndarray, " bar"]
    high: Float64[np.ndarray, " bar"]
    p: Float64[np.ndarray, " bar"] | None
    """Of an exact two-sided binomial test against the base rate, a test for each bar without correction for their number."""

    @property
    def shares(self) -> Float64[np.ndarray, " bar"]:
        return self.counts / max(1, self.total)


def histogram(hits: Hits, of: Of = "match", kind: Kind = "pos") -> Histogram:
    """How often each tag is found among the matches, the words after them, or the words that they attend to most.

    Bars are the tags that were found, most frequent first, then those that were not but are at least 1 % of the corpus's words.
    A word in no entity has the type "". ValueError for another `of` or `kind`.
    """
    if of not in get_args(Of):
        raise ValueError(f"no histogram of {of!r}; known: {', '.join(get_args(Of))}")
    if kind not in KINDS:
        raise ValueError(f"no tag named {kind!r}; known: {', '.join(KINDS)}")
    counted = Counter(getattr(word, kind) for word in _words(hits, of))
    base = base_rates(hits.corpus, kind)
    common = [name for name, share in base.items() if share >= 0.01 and name not in counted]
    names = sorted(counted, key=lambda n: (-counted[n], -base[n])) + sorted(common, key=lambda n: -base[n])
    return _histogram(of, kind, names, [counted[n] for n in names], np.array([base[n] for n in names], dtype=np.float64))


def offsets(hits: Hits) -> Histogram:
    """How many words after its match (before it: negative) the word that it attends to most stands, nearest to farthest left
    to right by signed distance."""
    counted = Counter(hit.offset for hit in _distinct(hits) if hit.offset is not None)
    places = sorted(counted)
    return _histogram("attended", "offset", [f"{n:+d}" if n else "0" for n in places], [counted[n] for n in places], None)


def base_rates(corpus: Corpus, kind: Kind) -> dict[str, float]:
    """The share of each tag among all words of the corpus; they sum to 1."""
    names = corpus.header["tags"][KINDS.index(kind)]
    counts = np.bincount(np.asarray(corpus.tags[:, KINDS.index(kind)]), minlength=len(names))
    return {name: float(n) / max(1, int(counts.sum())) for name, n in zip(names, counts, strict=True)}


def _distinct(hits: Hits) -> list:
    seen = {(hit.row, hit.word.start if hit.word else -1): hit for hit in reversed(hits.hits)}
    return list(seen.values())[::-1]


def _words(hits: Hits, of: Of) -> Iterable[Word]:
    attribute = {"match": "word", "next": "next", "attended": "attended"}[of]
    return [word for hit in _distinct(hits) if (word := getattr(hit, attribute)) is not None]


def _histogram(of: str, kind: str, names: list[str], counts: list[int], base: Float64[np.ndarray, " bar"] | None) -> Histogram:
    from scipy.stats import binomtest

    total = sum(counts)
    intervals = [binomtest(n, total).proportion_ci(0.95, method="exact") if total else (0.0, 1.0) for n in counts]
    low, high = np.array(intervals, dtype=np.float64).reshape(-1, 2).T
    p = None if base is None or not total else np.array(
        [binomtest(n, total, float(b)).pvalue for n, b in zip(counts, base, strict=True)], dtype=np.float64
    )  # fmt: skip
    return Histogram(of, kind, tuple(names), np.array(counts, dtype=np.int64), total, base, low, high, p)
