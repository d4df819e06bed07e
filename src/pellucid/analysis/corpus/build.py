"""Building a corpus: a text read sentence by sentence, its tokens' vectors kept in few bytes. A folder appears once whole."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt16
from torch import Tensor

from pellucid.analysis.corpus import codes
from pellucid.analysis.corpus.index import FORMAT, Corpus, attended, open_corpus
from pellucid.analysis.corpus.rows import Rows, rows
from pellucid.analysis.corpus.sentences import divide
from pellucid.analysis.corpus.vectors import Space, activations, batches, most_attended
from pellucid.models.activations import Activations
from pellucid.models.kinds import check_encoder
from pellucid.models.text import TextEncoder, check_characters

TIMES = 380
"""All vectors together take at most this many times the bytes of the text."""
MOST = 256
"""Bytes of a vector, at most: more would slow the scan and hardly change who is found."""
SAMPLE = 20_000
"""Tokens to which the codes are fitted."""
CHUNK = 400
"""Sentences that are sorted by length together."""
Progress = Callable[[float, str], None]


def build_corpus(
    encoder: TextEncoder,
    text: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    layers: Sequence[int] | None = None,
    heads: bool = True,
    limit_characters: int | None = None,
    vector_bytes: int | None = None,
    progress: Progress = lambda share, what: None,
    seed: int = 0,
) -> Corpus:
    """The index of a text, written to `folder`: every token's vectors at every layer, by which `Corpus.search` finds its like.

    `text` is the path of a UTF-8 file, or a list in which a `Path` is a file and a `str` a text. `layers` are hidden states
    (0, the embedding layer, to the last) and, unless `heads` is False, the outputs of the heads of those from 1; by default
    all. The text is kept once and never rewritten: spaCy finds the sentences, and the encoder reads each as it would a query.
    Of each layer from 1 the index also knows to which token every token attends most, mean over all heads.
    Sentences of fewer than three tokens are left out, and longer ones than the encoder reads divided; `Corpus.counts` says how
    many. `seed` chooses the sentences to which the codes are fitted. Vectors take `vector_bytes` each; by default as many
    as 380 times the text's own bytes allow for all of them, and at most 256.

    Raises ValueError for a text without a sentence, a file that is not UTF-8 and a folder that is in use, IndexError for a
    layer that does not exist, and OSError when the disk is full; then nothing is left behind.
    """
    check_encoder(encoder)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} exists already; give a new folder, or remove it first")
    spaces = _spaces(encoder, layers, heads)
    if vector_bytes is not None and vector_bytes < 16:
        raise ValueError(f"vectors of {vector_bytes} bytes cannot tell words apart; give at least 16")
    whole, sources = _joined(text, limit_characters)
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent, folder.name)
    hidden = parent / f".{folder.name}.building-{os.getpid()}"
    try:
        hidden.mkdir()
        header = _write(encoder, whole, hidden, spaces, progress, seed, vector_bytes)
        header |= {"sources": sources}
        # subtle: last of all, so that a folder without it is known to be unfinished
        (hidden / "corpus.json").write_text(json.dumps(header, ensure_ascii=False, indent=1), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        hidden.replace(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                errno.ENOSPC,
                f"the disk is full, and nothing was kept. Vectors take up to {TIMES} times the text's bytes: free some space, "
                "give another folder, fewer layers, no heads, or a part of the text",
                str(folder),
            ) from None
        raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return open_corpus(folder, encoder)


def shipped_texts() -> list[Path]:
    """The text that comes with the package, as files."""
    return sorted(Path(str(p)) for p in (files("pellucid") / "data" / "text").iterdir() if p.name.endswith(".txt"))


def _spaces(encoder: TextEncoder, layers: Sequence[int] | None, heads: bool) -> list[Space]:
    wanted = list(range(encoder.layers + 1)) if layers is None else sorted(set(layers))
    if not wanted:
        raise ValueError("no layer was chosen; leave them out for all of them")
    for layer in wanted:
        if not 0 <= layer <= encoder.layers:
            raise IndexError(f"no layer {layer}; hidden states go from 0, the embedding layer, to {encoder.layers}")
    return [Space("hidden", n) for n in wanted] + [Space("heads", n) for n in wanted if n and heads]


def _joined(text: str | Path | Sequence[str | Path], limit: int | None) -> tuple[str, list[str]]:
    items = [Path(text)] if isinstance(text, str | Path) else list(text)
    found: list[str] = []
    for number, item in enumerate(items):
        if not isinstance(item, Path):
            check_characters(item, f"text {number}")
            found.append(item)
            continue
        try:
            found.append(item.read_bytes().decode("utf-8"))  # subtle: bytes, as reading text would change its line ends
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(item)!r} is not UTF-8 (byte {error.start}); convert it: iconv -f latin1 -t utf-8 {item.name}"
            ) from None
    whole = "\n".join(found)[:limit]
    if not whole.strip():
        raise ValueError("the text is empty; there is nothing to build a corpus of")
    return whole, [item.name if isinstance(item, Path) else f"text {n}" for n, item in enumerate(items)]


def _write(
    encoder: TextEncoder, text: str, folder: Path, spaces: Sequence[Space], progress: Progress, seed: int, each: int | None
) -> dict[str, Any]:
    progress(0.0, "sentences and tags")
    words = divide(text, lambda share: progress(0.3 * share, "sentences and tags"))
    read = rows(encoder, text, words)
    if not len(read.spans):
        raise ValueError(f"no sentence of the text can be read: {read.counts}")
    (folder / "text.txt").write_bytes(text.encode("utf-8"))
    arrays = {
        "rows": read.spans, "first_token": read.first_token, "first_word": read.first_word,
        "words": words.places[read.words].astype(np.uint32), "tags": words.tags[read.words],
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    tokens, size = read.counts["tokens"], len(text.encode("utf-8"))
    each = each or max(16, min(MOST, TIMES * size // (tokens * len(spaces))))
    sentences = [text[a:b] for a, b in read.spans]
    every = tokens + min(tokens, SAMPLE)

    def tell(read: int, what: str) -> None:
        progress(0.3 + 0.7 * min(1.0, read / every), what)

    fitted = _fit(encoder, sentences, read, spaces, each, tell, seed)
    stored: dict[str, np.ndarray] = {}
    for space, code in fitted.items():
        stored |= {f"{space.name}.{part}": getattr(code, part) for part in ("axes", "bits", "reach")}
    np.savez(folder / "codes.npz", **stored)  # pyright: ignore[reportArgumentType]
    _encode(encoder, sentences, read, fitted, folder, lambda done: tell(every - tokens + done, "vectors"))
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return {
        "format": FORMAT, "encoder": encoder.name, "fingerprint": encoder.fingerprint, "layers": encoder.layers,
        "heads": encoder.heads, "hidden_size": encoder.hidden_size, "seed": seed, "text_bytes": size, "counts": read.counts,
        "spaces": [[s.by, s.layer, c.bytes] for s, c in fitted.items()], "tags": words.names, "files": files,
    }  # fmt: skip


def _fit(
    encoder: TextEncoder,
    sentences: Sequence[str],
    read: Rows,
    spaces: Sequence[Space],
    each: int,
    tell: Callable[[int, str], None],
    seed: int,
) -> dict[Space, codes.Code]:
    lengths = np.diff(read.first_token)
    order = np.random.default_rng(seed).permutation(len(sentences))
    order = order[: 1 + int(np.searchsorted(np.cumsum(lengths[order]), SAMPLE))]
    samples: dict[Space, list[np.ndarray]] = {space: [] for space in spaces}
    done = 0
    for _, act, kept in _read(encoder, [sentences[int(i)] for i in order], lengths[order].tolist()):
        for space in spaces:
            samples[space].append(space.of(act)[kept].numpy())
        done += int(kept.sum())
        tell(min(done, SAMPLE), "codes")
    return {
        space: codes.fit(np.concatenate(samples.pop(space)), each, encoder.heads if space.by == "heads" else 1)
        for space in spaces
    }


def _encode(
    encoder: TextEncoder,
    sentences: Sequence[str],
    read: Rows,
    fitted: dict[Space, codes.Code],
    folder: Path,
    tell: Callable[[int], None],
) -> None:
    tokens = int(read.first_token[-1])
    stores = {space.name: (np.uint8, code.bytes) for space, code in fitted.items()}
    layers = sorted({space.layer for space in fitted if space.layer})
    stores |= {attended(layer): (np.uint16, 2) for layer in layers}
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=kind, shape=(tokens, width))
        for name, (kind, width) in stores.items()
    }
    # subtle: a full disk under a memory map is a signal that ends the process, so the space is taken before it is written to
    for name in files:
        with open(folder / f"{name}.npy", "r+b") as file:
            _reserve(file.fileno(), os.path.getsize(file.name))
    done = 0
    for start in range(0, len(sentences), CHUNK):
        part = [*sentences[start : start + CHUNK]]
        lengths = np.diff(read.first_token[start : start + CHUNK + 1]).tolist()
        for batch, act, kept in _read(encoder, part, lengths):
            columns = {space.name: code.encode(space.of(act)[kept].numpy()) for space, code in fitted.items()}
            columns |= {attended(layer): _attended(act, layer, kept) for layer in layers}
            at = 0
            for number in batch:
                first, length = read.first_token[start + number], lengths[number]
                for name, values in columns.items():
                    files[name][first : first + length] = values[at : at + length]
                at += length
            done += at
            tell(done)
    for file in files.values():
        file.flush()


def _attended(act: Activations, layer: int, kept: Bool[Tensor, "batch token"]) -> UInt16[np.ndarray, "kept 2"]:
    """Of each token, which of its sentence's tokens it attends to most, and that attention in 65,535ths."""
    places, weights = most_attended(act, layer)
    # subtle: counted without the special tokens, as the rows of the index are
    numbers = (kept.cumsum(1) - 1).gather(1, places)
    return torch.stack([numbers[kept], (weights[kept] * 65_535).round()], 1).numpy().astype(np.uint16)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def _read(
    encoder: TextEncoder, sentences: Sequence[str], lengths: Sequence[int]
) -> Iterator[tuple[list[int], Activations, Bool[Tensor, "batch token"]]]:
    """Of each batch, the sentences' numbers here, its activations, and which of its tokens the index keeps: not the special."""
    for batch in batches(lengths):
        act = activations(encoder, [sentences[i] for i in batch])
        kept = act.tokens.parts >= 0
        assert kept.sum(1).tolist() == [lengths[i] for i in batch]
        yield batch, act, kept


def _sweep(parent: Path, name: str) -> None:
    """What a killed process left of the same corpus."""
    for left in parent.glob(f".{name}.building-*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not _alive(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
