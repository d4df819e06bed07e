"""Values of artefacts in files: arrays of numbers, bools and texts within mappings, as npz. Nothing is pickled."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.store import write_whole

KINDS = "biufU"
"""Of dtypes: bool, integers, floats, texts."""


def write_value(path: Path, value: Any) -> Path:
    """The value at `path`, whole or not at all. TypeError for what is no array, number, text or mapping of these."""
    leaves = dict(_leaves(value, ""))
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **leaves)
    return write_whole(path, out.getvalue())


def read_value(path: Path) -> Any | None:
    """The value that was written there, numbers and texts as arrays without axes; None where there is none, or a broken one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            leaves = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if list(leaves) == ["="]:
        return leaves["="]
    made: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *outer, last = [_unescaped(part) for part in name.removeprefix("/").split("/")]
        inner = made
        for part in outer:
            inner = inner.setdefault(part, {})
        if leaf.dtype.kind == "V":  # an empty mapping
            inner[last] = {}
        else:
            inner[last] = leaf
    return made


def size_of(value: Any) -> int:
    """Bytes that it holds in memory, nearly."""
    if isinstance(value, Mapping):
        return 200 + sum(size_of(one) for one in value.values())
    return int(getattr(value, "nbytes", 50))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, Mapping):
        if not value:
            yield name, np.zeros(0, dtype="V1")
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}/{_escaped(str(key))}")
        return
    array = np.asarray(value)
    if array.dtype.kind not in KINDS:
        raise TypeError(f"{name or 'the value'} is a {type(value).__name__} of {array.dtype}; expected numbers, bools or texts")
    yield name or "=", array


def _escaped(key: str) -> str:
    return key.replace("%", "%25").replace("/", "%2F").replace(".", "%2E").replace("=", "%3D") or "%"


def _unescaped(part: str) -> str:
    if part == "%":
        return ""
    return part.replace("%3D", "=").replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
