"""One name for the content of tensors, whatever holds them."""

import hashlib
import pickle
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def digest(named: Iterable[tuple[str, Any]], begin: str = "") -> str:
    """SHA-256, as 64 hexadecimal digits, of that text, and of the tensors' names, shapes, number formats and values.
    What is no tensor, such as a module's extra state, counts by what pickle makes of it."""
    found = hashlib.sha256(begin.encode())
    for name, tensor in named:
        if isinstance(tensor, Tensor):
            add_tensor(found, name, tensor.dequantize() if tensor.is_quantized else tensor)
        elif isinstance(tensor, tuple | list):
            found.update(digest([(str(n), one) for n, one in enumerate(tensor)], name).encode())
        else:
            found.update(name.encode() + pickle.dumps(tensor))
    return found.hexdigest()


def add_tensor(found: Any, name: str, tensor: Tensor) -> None:
    """Adds a tensor to a hash of hashlib's."""
    found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
    found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def shortened(name: str) -> str:
    """The name, of a digest in it no more than the first eight digits."""
    return re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}", r"\1", name)
