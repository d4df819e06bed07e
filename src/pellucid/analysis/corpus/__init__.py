"""A corpus whose every token can be found by what it means: build one of a text, open it, search it."""

from pellucid.analysis.corpus.build import build_corpus
from pellucid.analysis.corpus.histograms import Histogram, base_rates, histogram, offsets
from pellucid.analysis.corpus.index import Corpus, Word, open_corpus
from pellucid.analysis.corpus.search import Hit, Hits, search

__all__ = [
    "Corpus", "Histogram", "Hit", "Hits", "Word", "base_rates", "build_corpus", "histogram", "offsets", "open_corpus", "search",
]  # fmt: skip
