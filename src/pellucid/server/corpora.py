"""The corpora that the lab has built, in a folder; each is a folder of its own under its name."""

import json
import re
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pellucid.analysis.corpus import Corpus, Histogram, histogram, offsets, open_corpus
from pellucid.registry import UnknownName, unknown
from pellucid.server.loaded import Models
from pellucid.server.warned import warned
from pellucid.strict_json import finite

if TYPE_CHECKING:
    from pellucid.analysis.corpus import Hit, Word

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
OPEN = 4
"""Corpora kept open at once."""
AROUND = 3
"""Words on either side of a match that are told with their tags."""


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

    @contextmanager
    def by_name(self, name: str) -> Iterator[None]:
        """Inside the `with`, what the library says of a corpus's folder it says of its name: paths are nobody's business."""
        try:
            yield
        except (ValueError, OSError) as error:
            said = str(error).replace(str(self.folder / name), name)
            if said == str(error):
                raise
            raise (OSError if isinstance(error, OSError) else ValueError)(said) from None

    def new(self, name: str) -> Path:
        """The folder of a corpus that is to be built; ValueError for a name that is in use."""
        if name in self.names():
            raise ValueError(f"a corpus named {name!r} exists already; remove it first, or give this one another name")
        return self.folder / name

    def get(self, name: str) -> Corpus:
        self.check(name)
        if name not in self._open:
            with self.by_name(name):
                self._open[name] = open_corpus(self.folder / name, self._models.encoder(self.encoder_of(name)))
        self._open.move_to_end(name)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return self._open[name]

    def encoder_of(self, name: str) -> str:
        """The encoder that a corpus was built with, by its own account; empty where it gives none."""
        try:
            header = json.loads((self.folder / name / "corpus.json").read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise ValueError(f"the corpus {name!r} is damaged ({error}); remove it, and build it again") from None
        return str(header.get("encoder", "")) if isinstance(header, dict) else ""

    def entries(self) -> list[dict[str, Any]]:
        """One that cannot be opened is told with the reason, so that it can be removed."""
        return [self._entry(name) for name in self.names()]

    def _entry(self, name: str) -> dict[str, Any]:
        try:
            corpus = self.get(name)
        except (ValueError, OSError, UnknownName) as error:
            nothing = dict.fromkeys(("tokens", "sentences", "text_bytes", "disk_bytes"), 0)
            return {"name": name, "encoder": "", "layers": [], "head_layers": [], **nothing, "why_not": str(error)}
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
        with self.by_name(name), warned() as notes:
            act = corpus.encoder.activations(text)
            hits = corpus.search(act, 0, token, layer=layer, by=by, heads=heads, count=count)
        read = hits.layer > 0 and any(hit.attended is not None for hit in hits)
        words = ("match", "next", "attended") if read else ("match", "next")
        made = [histogram(hits, of, kind) for kind in ("pos", "dep", "ent") for of in words]
        made += [offsets(hits)] if read else []
        return finite({
            "query": {"text": text, "token": token, "match": act.tokens.surface(0, token)}, "layer": layer, "by": by,
            "heads": list(hits.heads), "candidates": hits.candidates, "hits": [_hit(corpus, hit) for hit in hits],
            "histograms": [_histogram(one) for one in made], "notes": notes,
        })  # fmt: skip


def _hit(corpus: Corpus, hit: "Hit") -> dict[str, Any]:
    words = corpus.words_of(hit.row)
    at = words.index(hit.word) if hit.word is not None else -AROUND - 1
    around = [words[n] if 0 <= n < len(words) else None for n in range(at - AROUND, at + AROUND + 1)]
    return {
        "similarity": hit.similarity, "sentence": hit.sentence, "start": hit.start, "end": hit.end, "match": hit.match,
        "token": hit.token, "row": hit.row, "word": _word(hit.word), "next": _word(hit.next), "attended": _word(hit.attended),
        "attention": hit.attention, "offset": hit.offset, "around": [_word(word) for word in around],
    }  # fmt: skip


def _word(word: "Word | None") -> dict[str, Any] | None:
    return None if word is None else dict(vars(word))


def _histogram(one: Histogram) -> dict[str, Any]:
    return {
        "of": one.of, "kind": one.kind, "names": list(one.names), "counts": one.counts.tolist(), "total": one.total,
        "shares": one.shares.tolist(), "base": None if one.base is None else one.base.tolist(), "low": one.low.tolist(),
        "high": one.high.tolist(), "p": None if one.p is None else one.p.tolist(),
    }  # fmt: skip
