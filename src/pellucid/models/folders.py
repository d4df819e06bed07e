"""A folder as `transformers` saves a model, or a name of the Hub that the user gives: what it says, and its weights.

Code that comes with a folder is never run, nor is anybody asked whether it may be.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def read_config(place: str, *, local: bool) -> Any:
    """What the model says of itself. `place` is a folder or, unless `local`, a name of the Hub; ValueError for neither."""
    from transformers import AutoConfig

    with quiet():
        try:
            return AutoConfig.from_pretrained(place, local_files_only=local, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"cannot load {place!r}: {reason(error)}. {wanted(local)}") from None


def filled(auto: Any, place: str, config: Any, local: bool, files: str, *, spare: Sequence[str] = (), **more: Any) -> nn.Module:
    """The module with its weights. ValueError where one is missing, but for those with a part of `spare` in their names."""
    try:
        with quiet():
            module, report = auto.from_pretrained(
                place, config=config, local_files_only=local, dtype=torch.float32, output_loading_info=True,
                trust_remote_code=False, **more,
            )  # fmt: skip
    except Exception as error:  # whatever a damaged file makes of the reader; never a silent other model
        raise ValueError(f"cannot load the weights of {place!r}: {reason(error)}. {wanted(local, files)}") from None
    missing = sorted(k for k in report["missing_keys"] if not any(part in k for part in spare))
    if missing:
        raise ValueError(
            f"{place!r} says it is a {(config.architectures or ['Model'])[0]}, but {len(missing)} of its weights are missing "
            f"(such as {missing[0]}); they would be random numbers"
        )
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """transformers reports what it loads in tables and bars; what matters of it is an error here."""
    from transformers.utils import logging as reports

    before, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity(logging.CRITICAL)
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(before)
        if bars:
            reports.enable_progress_bar()


def reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def wanted(local: bool, files: str = "") -> str:
    files = files or (
        "config.json, tokenizer.json or vocab.txt, model.safetensors; that of a classifier of pictures has "
        "preprocessor_config.json in place of a tokenizer"
    )
    folder = f"A folder needs {files}"
    return folder if local else f"{folder}; a name of the Hub needs a connection to it, or an earlier download"
