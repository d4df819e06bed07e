"""The corpora that the lab has built, in a folder; each is a folder of its own under its name."""

import json
import re
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pellucid.analysis.corpus import Corpus, Histogram, histogram, offsets, open_corpus
from pellucid.registry import UnknownName, unknown
from pellucid.server.encoded import finite
from pellucid.server.loaded import Models
from pellucid.server.warned import warned

if TYPE_CHECKING:
    from pellucid.analysis.corpus import Hit, Word

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
OPEN = 4
"""Corpora kept open at once."""


@final
class Corpora:
    """Corpora by name, opened when they are first searched. All but the names is for the worker."""

    def __init__(self, folder: Path, models: Models) -> None:
        self.folder, self._models = folder, models
        self._open: OrderedDict[str, Corpus] = OrderedDict()

    def names(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("*/corpus.json") if NAME.fullmatch(p.parent.name))

    def check(self, name: str) -> None:
        if name not in self.names():
            raise UnknownName(unknown("corpus", name[:60], self.names()) + ("" if self.names() else "; none was built yet"))

    def get(self, name: str) -> Corpus:
        self.check(name)
        if name not in self._open:
            encoder = json.loads((self.folder / name / "corpus.json").read_text(encoding="utf-8")).get("encoder", "")
            self._open[name] = open_corpus(self.folder / name, self._models.encoder(encoder))
        self._open.move_to_end(name)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return self._open[name]

    def entries(self) -> list[dict[str, Any]]:
        return [self._entry(name, self.get(name)) for name in self.names()]

    def _entry(self, name: str, corpus: Corpus) -> dict[str, Any]:
        return {
            "name": name, "encoder": corpus.encoder.name, "layers": list(corpus.layers),
            "head_layers": list(corpus.head_layers), "tokens": corpus.tokens, "sentences": len(corpus.rows),
            "text_bytes": corpus.header["text_bytes"], "disk_bytes": corpus.disk_bytes,
        }  # fmt: skip

    def remove(self, name: str) -> None:
        self.check(name)
        self._open.pop(name, None)
        shutil.rmtree(self.folder / name)

    def search(
        self, name: str, text: str, token: int, *, layer: int, by: Any, heads: Sequence[int] | None, count: int
    ) -> dict[str, Any]:
        """`bodies.SearchAnswer`: the nearest tokens, and what they have in common."""
        corpus = self.get(name)
        with warned() as notes:
            act = corpus.encoder.activations(text)
            hits = corpus.search(act, 0, token, layer=layer, by=by, heads=heads, count=count)
        read = hits.layer > 0 and any(hit.attended is not None for hit in hits)
        words = ("match", "next", "attended") if read else ("match", "next")
        made = [histogram(hits, of, kind) for kind in ("pos", "dep", "ent") for of in words]
        made += [offsets(hits)] if read else []
        return finite({
            "query": {"text": text, "token": token, "match": act.tokens.surface(0, token)}, "layer": layer, "by": by,
            "heads": list(hits.heads), "candidates": hits.candidates, "hits": [_hit(hit) for hit in hits],
            "histograms": [_histogram(one) for one in made], "notes": notes,
        })  # fmt: skip


def _hit(hit: "Hit") -> dict[str, Any]:
    return {
        "similarity": hit.similarity, "sentence": hit.sentence, "start": hit.start, "end": hit.end, "match": hit.match,
        "token": hit.token, "row": hit.row, "word": _word(hit.word), "next": _word(hit.next), "attended": _word(hit.attended),
        "attention": hit.attention, "offset": hit.offset,
    }  # fmt: skip


def _word(word: "Word | None") -> dict[str, Any] | None:
    return None if word is None else dict(vars(word))


def _histogram(one: Histogram) -> dict[str, Any]:
    return {
        "of": one.of, "kind": one.kind, "names": list(one.names), "counts": one.counts.tolist(), "total": one.total,
        "shares": one.shares.tolist(), "base": None if one.base is None else one.base.tolist(), "low": one.low.tolist(),
        "high": one.high.tolist(), "p": None if one.p is None else one.p.tolist(),
    }  # fmt: skip
