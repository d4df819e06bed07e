"""An open corpus: its text, its words and their tags, and the vectors of its tokens, mapped into memory as they are needed."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32, Int64

from pellucid.analysis.corpus.codes import Code, scanner
from pellucid.analysis.corpus.sentences import covering
from pellucid.analysis.corpus.vectors import By, Space
from pellucid.models.load import check_no_code, load_encoder
from pellucid.models.text import TextEncoder

FORMAT = "pellucid corpus 2"
KINDS = ("pos", "dep", "ent")
"""Part of speech, syntactic dependency, type of named entity."""


def attended(layer: int) -> str:
    """Names the array of what every token attends to most in block `layer`: which of its sentence's tokens, special ones not
    counted, and that attention in 65,535ths."""
    return f"attended-{layer:02}"


@final
@dataclass(frozen=True)
class Word:
    """A word of the corpus as spaCy divides it, with its tags. Its place is in its sentence's characters."""

    text: str
    start: int
    end: int
    pos: str
    dep: str
    ent: str
    """Type of the named entity that it is part of; empty for none."""


@final
@dataclass(frozen=True, eq=False)
class Corpus:
    """A text and the vectors of its tokens, which `search` finds the nearest of. Made by `build_corpus` or `open_corpus`."""

    folder: Path
    encoder: TextEncoder
    header: Mapping[str, Any]
    text: str
    rows: Int64[np.ndarray, "row 2"]
    """Of each sentence, its first character and the one behind its last."""
    first_token: Int64[np.ndarray, " bound"]
    first_word: Int64[np.ndarray, " bound"]
    words: np.ndarray
    """Of each word, its first character and the one behind its last; mapped."""
    tags: np.ndarray
    """Of each word, the numbers of its three tags; mapped."""
    codes: Mapping[Space, Code]
    _scanners: dict[Space, Any] = field(default_factory=dict, repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """sentences; short, unreadable (both left out), divided; tokens, unknown (read as [UNK])."""
        return dict(self.header["counts"])

    @property
    def tokens(self) -> int:
        """Tokens that can be found; special ones are not among them."""
        return int(self.first_token[-1])

    @property
    def layers(self) -> tuple[int, ...]:
        """Those that can be searched by hidden state."""
        return tuple(s.layer for s in self.codes if s.by == "hidden")

    @property
    def head_layers(self) -> tuple[int, ...]:
        """Those that can be searched by what their heads put out."""
        return tuple(s.layer for s in self.codes if s.by == "heads")

    @cached_property
    def disk_bytes(self) -> int:
        """Of the whole folder."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def sentence(self, row: int) -> str:
        """IndexError for a row that does not exist."""
        start, end = self.rows[row]
        return self.text[start:end]

    def words_of(self, row: int) -> list[Word]:
        """The words of a sentence in order."""
        first, last = self.first_word[row : row + 2]
        names, start = self.header["tags"], int(self.rows[row, 0])
        return [
            Word(self.text[a:b], int(a) - start, int(b) - start, *(kind[n] for kind, n in zip(names, tags, strict=True)))
            for (a, b), tags in zip(self.words[first:last].tolist(), self.tags[first:last].tolist(), strict=True)
        ]

    def word_over(self, row: int, character: int) -> int | None:
        """Which of a sentence's words stands over a character of it; None for a row without words."""
        first, last = self.first_word[row : row + 2]
        if first == last:
            return None
        places = np.asarray(self.words[first:last], dtype=np.int64) - self.rows[row, 0]
        return int(covering(places, [character])[0])

    def row_of(self, token: int) -> tuple[int, int]:
        """A token's sentence, and which of the sentence's tokens it is, without counting special ones."""
        row = int(np.searchsorted(self.first_token, token, side="right")) - 1
        return row, token - int(self.first_token[row])

    def space(self, by: By, layer: int) -> Space:
        """ValueError for what was not built, with what was."""
        if by not in ("hidden", "heads"):
            raise ValueError(f"no search by {by!r}; known: hidden, heads")
        space = Space(by, layer)
        if space not in self.codes:
            built = self.layers if by == "hidden" else self.head_layers
            where = f"those of layer {', '.join(map(str, built))}" if built else "none"
            what = "hidden states" if by == "hidden" else "outputs of heads"
            raise ValueError(
                f"the corpus {str(self.folder)!r} has no {what} of layer {layer}; it was built with {where}. Search one of "
                "those, or build it again with this layer"
            )
        return space

    def scanner(self, space: Space) -> Any:
        """The vectors of a space, read into memory at their first search; the last two are kept."""
        if space not in self._scanners:
            while len(self._scanners) > 1:
                del self._scanners[next(iter(self._scanners))]
            self._scanners[space] = scanner(_mapped(self.folder / f"{space.name}.npy"))
        return self._scanners[space]

    def attention(
        self, tokens: Int64[np.ndarray, " token"], layer: int
    ) -> tuple[Int64[np.ndarray, " token"], Float32[np.ndarray, " token"]]:
        """Of tokens of the corpus, which token of their sentence they attend to most in block `layer`, mean over all heads, and
        that attention to the fourth digit. Special tokens are neither counted nor attended to."""
        kept = np.asarray(_mapped(self.folder / f"{attended(layer)}.npy")[tokens])
        return kept[:, 0].astype(np.int64), kept[:, 1].astype(np.float32) / 65_535

    def search(self, *args: Any, **options: Any) -> Any:
        """See `pellucid.analysis.corpus.search.search`."""
        from pellucid.analysis.corpus.search import search

        return search(self, *args, **options)


def open_corpus(folder: str | Path, encoder: TextEncoder | None = None) -> Corpus:
    """The corpus in a folder, with the encoder that it was built with; give one that has no name of its own to load it by.

    Raises FileNotFoundError where there is no corpus, and ValueError for one that is damaged, unfinished, of another version,
    or of another encoder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no corpus at {str(folder)!r}; make one: pellucid corpus build TEXTFILE --out {folder}")
    if not (folder / "corpus.json").is_file():
        raise ValueError(f"{str(folder)!r} is no corpus, or an unfinished one: it has no corpus.json; build it again")
    cure = "build the corpus again"
    try:
        header = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError(f"the corpus {str(folder)!r} is not of the format {FORMAT!r}; {cure}")
        for name, size in header["files"].items():
            if not (folder / name).is_file():
                raise ValueError(f"the corpus {str(folder)!r} is damaged: {name} is missing; {cure}")
            if (folder / name).stat().st_size != size:
                found = (folder / name).stat().st_size
                raise ValueError(
                    f"the corpus {str(folder)!r} is damaged: {name} has {found:,} bytes instead of {size:,}; {cure}"
                )
        text = (folder / "text.txt").read_bytes().decode("utf-8")
        arrays = {name: _mapped(folder / f"{name}.npy") for name in ("rows", "first_token", "first_word", "words", "tags")}
        codes = _codes(folder, header)
        for space, code in codes.items():
            if _mapped(folder / f"{space.name}.npy").shape != (arrays["first_token"][-1], code.bytes):
                raise ValueError(f"the corpus {str(folder)!r} is damaged: {space.name}.npy has another shape; {cure}")
    except (KeyError, TypeError, IndexError, UnicodeDecodeError, json.JSONDecodeError, zipfile.BadZipFile) as error:
        raise ValueError(f"the corpus {str(folder)!r} is damaged ({type(error).__name__}: {error}); {cure}") from None
    if encoder is None:
        wanted = str(header["encoder"])
        encoder = load_encoder(
            check_no_code(wanted, f"if it is yours: pl.open_corpus(folder, pl.load({wanted!r})), or --model")
        )
    if encoder.fingerprint != header["fingerprint"]:
        raise ValueError(
            f"the corpus {str(folder)!r} was built with another encoder than {encoder.called}: its weights or vocabulary are "
            f"not those of {header['encoder']!r}, of which vectors cannot be compared. Open it with that one, or {cure}"
        )
    rows, first_token, first_word = (np.array(arrays[name]) for name in ("rows", "first_token", "first_word"))
    return Corpus(folder, encoder, header, text, rows, first_token, first_word, arrays["words"], arrays["tags"], codes)


def _codes(folder: Path, header: Mapping[str, Any]) -> dict[Space, Code]:
    spaces = [Space(by, layer) for by, layer, _ in header["spaces"]]
    with _loaded(folder / "codes.npz") as stored:
        return {s: Code(*(stored[f"{s.name}.{part}"] for part in ("axes", "bits", "reach"))) for s in spaces}


def _mapped(path: Path) -> np.ndarray:
    return _loaded(path, mmap_mode="r")


def _loaded(path: Path, **how: Any) -> Any:
    try:
        return np.load(path, allow_pickle=False, **how)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}); build the corpus again") from None
