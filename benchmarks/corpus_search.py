"""How large a corpus is on disk, how long a warm search takes, and how many of the true neighbours it finds.

    python benchmarks/corpus_search.py FOLDER [--layer 4] [--queries 40] [--limit-characters N] [--vector-bytes 137]

Builds the corpus of the shipped text in FOLDER unless there is one. Recall is against every token's vector in float32, the
sentences being read anew: a hit counts when it is at least as similar as the true 50th, so that equals are no misses. 137 bytes
a vector are what all layers of minilm and their heads have within 380 times the shipped text.
"""

import argparse
import statistics
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

import pellucid as pl
from pellucid.analysis.corpus import Corpus, Hit, build_corpus, open_corpus
from pellucid.analysis.corpus.build import _read
from pellucid.analysis.corpus.codes import nearest
from pellucid.analysis.corpus.vectors import By, Space, chosen

COUNT = 50
KINDS: tuple[tuple[By, list[int] | None], ...] = (("hidden", None), ("heads", None), ("heads", [0, 5, 7]), ("heads", [3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layer", type=int, default=4)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--limit-characters", type=int)
    parser.add_argument("--vector-bytes", type=int, default=137)
    parser.add_argument("--no-recall", action="store_true", help="spares reading the corpus again")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    import faiss

    faiss.omp_set_num_threads(1)
    encoder = pl.load("minilm")
    if not asked.folder.exists():
        texts = sorted(Path(str(p)) for p in (files("pellucid") / "data" / "text").iterdir() if p.name.endswith(".txt"))
        start = time.perf_counter()
        build_corpus(
            encoder, texts, asked.folder, layers=[asked.layer], limit_characters=asked.limit_characters,
            vector_bytes=asked.vector_bytes,
        )  # fmt: skip
        print(f"built in {time.perf_counter() - start:.0f} s")
    corpus = open_corpus(asked.folder, encoder)
    text, each = corpus.header["text_bytes"], [size for _, _, size in corpus.header["spaces"]]
    spaces = 2 * encoder.layers + 1
    stored = corpus.tokens * sum(each)
    shapes = (corpus.folder / "codes.npz").stat().st_size
    whole = (corpus.disk_bytes - stored - shapes + (shapes + corpus.tokens * sum(each)) / len(each) * spaces) / text
    print(f"{corpus.tokens:,} tokens of {text:,} bytes; {each} bytes a vector")
    print(f"disk: {corpus.disk_bytes / text:.0f} x the text; with all {spaces} spaces {whole:.0f} x")
    generator = np.random.default_rng(0)
    places = generator.choice(corpus.tokens, asked.queries, replace=False)
    kinds = [(Space(by, asked.layer), heads) for by, heads in KINDS]
    queries = [[_query(corpus, space, heads, int(token)) for token in places] for space, heads in kinds]
    truth = None if asked.no_recall else _products(corpus, kinds, queries)
    for number, (space, heads) in enumerate(kinds):
        measure(corpus, space, heads, places, queries[number], None if truth is None else truth[number])


def _query(corpus: Corpus, space: Space, heads: list[int] | None, token: int) -> torch.Tensor:
    row, at = corpus.row_of(token)
    act = corpus.encoder.activations(corpus.sentence(row))
    vector = space.of(act)[0][act.tokens.parts[0] >= 0][at]
    return vector if space.by == "hidden" else chosen(vector, _numbers(corpus, heads), corpus.encoder.heads)


def _numbers(corpus: Corpus, heads: list[int] | None) -> list[int]:
    return heads if heads is not None else list(range(corpus.encoder.heads))


def _products(
    corpus: Corpus, kinds: list[tuple[Space, list[int] | None]], queries: list[list[torch.Tensor]]
) -> list[np.ndarray]:
    """Of every kind, the exact inner products of its queries with all tokens: one reading of the corpus."""
    lengths = np.diff(corpus.first_token)
    result = [np.empty((len(q), corpus.tokens), dtype=np.float32) for q in queries]
    sentences = [corpus.sentence(row) for row in range(len(corpus.rows))]
    for batch, act, kept in _read(corpus.encoder, sentences, lengths.tolist()):
        where = np.concatenate([np.arange(corpus.first_token[row], corpus.first_token[row + 1]) for row in batch])
        vectors = {space: space.of(act)[kept].numpy() for space, _ in kinds}
        for number, (space, _) in enumerate(kinds):
            result[number][:, where] = torch.stack(queries[number]).numpy() @ vectors[space].T
    return result


def measure(
    corpus: Corpus, space: Space, heads: list[int] | None, places: np.ndarray, queries: list[torch.Tensor],
    truth: np.ndarray | None,
) -> None:  # fmt: skip
    """Prints the times and, with the true inner products, the recall of one kind of search."""
    scans: list[float] = []
    times: dict[bool, list[float]] = {False: [], True: []}
    recalls: dict[bool, list[float]] = {False: [], True: []}
    corpus.search(queries[0], layer=space.layer, by=space.by, heads=heads)  # warm
    for number, token in enumerate(places):
        start = time.perf_counter()
        nearest(corpus.scanner(space), corpus.codes[space], queries[number].numpy(), COUNT)
        scans.append(time.perf_counter() - start)
        row, at = corpus.row_of(int(token))
        act = corpus.encoder.activations(corpus.sentence(row))
        position = int((act.tokens.parts[0] >= 0).nonzero()[at, 0])
        for reread in (False, True):
            start = time.perf_counter()
            hits = corpus.search(act, 0, position, layer=space.layer, by=space.by, heads=heads, count=COUNT, reread=reread)
            times[reread].append(time.perf_counter() - start)
            if truth is not None:
                least = np.partition(truth[number], -COUNT)[-COUNT] - 1e-5
                found = [_place(corpus, hit) for hit in hits]
                recalls[reread].append(float((truth[number][found] >= least).mean()))
    name = f"{space.name}{'' if heads is None else f', heads {heads}'}"
    print(f"{name}: scan {statistics.median(scans) * 1e3:.0f} ms (medians, warm, one thread)")
    for reread, title in ((False, "by what is stored"), (True, "read again")):
        recall = f"; recall@{COUNT} {statistics.mean(recalls[reread]):.3f}" if recalls[reread] else ""
        print(f"    search {title}: {statistics.median(times[reread]) * 1e3:.0f} ms{recall}", flush=True)


def _place(corpus: Corpus, hit: Hit) -> int:
    """The number of the hit's token in the corpus."""
    parts = corpus.encoder.read(hit.sentence).parts[0]
    return int(corpus.first_token[hit.row]) + int((parts[: hit.token] >= 0).sum())


if __name__ == "__main__":
    main()
