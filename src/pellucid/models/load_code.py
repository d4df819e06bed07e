"""A model that a Python file of the user's makes: `net.py:make`."""

import importlib.util
import inspect
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pellucid.models.image import ImageClassifier

if TYPE_CHECKING:
    from pellucid.models.text import TextEncoder

WRAP = "pl.ImageClassifier(module, size=(height, width), mean=..., std=...) or pl.TextEncoder(module, tokenizer)"


_siblings: list[str] = []
"""Modules beside the files that were run: the next file may have others of the same names, or these may have been edited."""


def is_code(name: str) -> bool:
    """Whether a model's name is that of a Python file, with or without what makes the model in it."""
    file, _, attribute = name.rpartition(":")
    return file != "hf" and (file.endswith(".py") or attribute.endswith(".py"))


def load_code(name: str) -> "ImageClassifier | TextEncoder":
    """What `FILE.py:NAME` stands for: a ready model in that file, or what a function without arguments there gives.

    The file is run, as `python FILE.py` would but for its name, and finds the modules beside it while it is: what a network
    imports only when it is asked is not found. ValueError where the file is not there, fails, or has no such model.
    """
    file, _, attribute = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"there is no file {file!r}")
    if not attribute:
        raise ValueError(f"say what in {file!r} makes the model: {file}:NAME, a function without arguments or a ready model")
    with _beside(path.parent):
        module = _run(path, name)
        if attribute not in vars(module):
            there = ", ".join(key for key, value in vars(module).items() if _of_file(value, module.__name__))
            raise ValueError(f"{file!r} has no {attribute!r}" + (f"; it has: {there}" if there else ""))
        made = vars(module)[attribute]
        if callable(made) and _model(made) is None and not isinstance(made, nn.Module):
            with _told(name, path):
                made = made()
    model = _model(made)
    if model is None:
        hint = f"wrap it: {WRAP}" if isinstance(made, nn.Module) else f"return {WRAP}"
        raise ValueError(f"{name} is of type {type(made).__name__}, and no model that can be explained; {hint}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were told when it was made
        return replace(model, name=name)


def _model(value: Any) -> "ImageClassifier | TextEncoder | None":
    # subtle: the module of encoders imports transformers, which takes seconds; whoever made an encoder has done so
    text = sys.modules.get("pellucid.models.text")
    kinds = (ImageClassifier, *([] if text is None else [text.TextEncoder]))
    return value if isinstance(value, kinds) else None


def _of_file(value: Any, module: str) -> bool:
    """Whether it may be what was meant: a model, or a function that stands in the file itself."""
    return _model(value) is not None or (inspect.isfunction(value) and value.__module__ == module)


def _run(path: Path, name: str) -> Any:
    """The file as a module of its own, under a name that no other module has: pickles and dataclasses look it up."""
    known = f"{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[known] = importlib.util.module_from_spec(spec)
    try:
        with _told(name, path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known]
        raise
    return module


@contextmanager
def _told(name: str, path: Path) -> Iterator[None]:
    """What goes wrong in the user's file is a ValueError with the line there."""
    try:
        yield
    except (Exception, SystemExit) as error:
        here = path.resolve()
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == here]
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == here:
            lines.append(error.lineno)
        where = f" at line {lines[-1]} of {path}" if lines and lines[-1] else ""
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):
            what += "; what makes no model belongs under if __name__ == '__main__':"
        raise ValueError(f"{name} failed{where}: {what}") from error


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules of that folder are found, as they are when a script there is run, and read anew."""
    place = str(folder.resolve())
    while _siblings:
        sys.modules.pop(_siblings.pop(), None)
    importlib.invalidate_caches()
    before = set(sys.modules)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)
        _siblings.extend(name for name in sys.modules.keys() - before if _stands_in(name, folder.resolve(), before))


def _stands_in(name: str, folder: Path, before: set[str]) -> bool:
    """Whether a module came with a top-level module of that very folder, which was not there before."""
    file, top = getattr(sys.modules[name], "__file__", None), name.partition(".")[0]
    if not file or top in before:
        return False
    path = Path(file).resolve()
    return path == folder / f"{top}.py" or path.is_relative_to(folder / top)
