"""One name for the content of tensors, whatever holds them."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def digest(named: Iterable[tuple[str, Tensor]], begin: str = "") -> str:
    """SHA-256, as 64 hexadecimal digits, of that text, and of the tensors' names, shapes, number formats and values."""
    found = hashlib.sha256(begin.encode())
    for name, tensor in named:
        found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
