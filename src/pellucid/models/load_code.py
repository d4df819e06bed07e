"""A model that a Python file of the user's makes: `net.py:make`."""

import importlib.util
import inspect
import sys
import traceback
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


def is_code(name: str) -> bool:
    """Whether a model's name is that of a Python file, with or without what makes the model in it."""
    return name.endswith(".py") or name.rpartition(":")[0].endswith(".py")


def load_code(name: str) -> "ImageClassifier | TextEncoder":
    """What `FILE.py:NAME` stands for: a ready model in that file, or what a function without arguments there gives.

    The file is run, as `python FILE.py` would but for its name, and finds the modules beside it. ValueError where it is not
    there, fails, or has no such model.
    """
    file, _, attribute = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"there is no file {file!r}")
    if not attribute:
        raise ValueError(f"say what in {name!r} makes the model: {name}:NAME, a function without arguments or a ready model")
    with _beside(path.parent):
        module = _run(path, name)
        if not hasattr(module, attribute):
            there = ", ".join(key for key, value in vars(module).items() if _of_file(value, module.__name__))
            raise ValueError(f"{file!r} has no {attribute!r}" + (f"; it has: {there}" if there else ""))
        made = getattr(module, attribute)
        if callable(made) and _model(made) is None and not isinstance(made, nn.Module):
            with _told(name, path):
                made = made()
    model = _model(made)
    if model is None:
        hint = f"wrap it: {WRAP}" if isinstance(made, nn.Module) else f"return {WRAP}"
        raise ValueError(f"{name} is of type {type(made).__name__}, and no model that can be explained; {hint}")
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
    except ValueError:
        del sys.modules[known]
        raise
    return module


@contextmanager
def _told(name: str, path: Path) -> Iterator[None]:
    """What goes wrong in the user's file is a ValueError with the line there."""
    try:
        yield
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.resolve()]
        lines = lines or ([error.lineno] if isinstance(error, SyntaxError) else [])
        where = f" at line {lines[-1]} of {path}" if lines else ""
        raise ValueError(f"{name} failed{where}: {type(error).__name__}: {error}") from error


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules of that folder are found, as they are when a script there is run."""
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before
