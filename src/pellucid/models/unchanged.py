"""Whether a module is still as it was: what else was made of it is stale when anything has changed."""

from collections import OrderedDict
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

_TENSORS = ("_parameters", "_buffers")


def tensors_of(sub: nn.Module) -> list[Tensor]:
    return [tensor for key in _TENSORS for tensor in getattr(sub, key).values() if tensor is not None]


@final
class State:
    """Everything that decides what a module computes, but for the values of its tensors, at one moment."""

    def __init__(self, module: nn.Module) -> None:
        self._seen = [(vars(sub), type(sub), sub, _kept(vars(sub))) for sub in module.modules()]
        self._tensors = [
            (own, name, tensor, tensor.data_ptr(), tensor.shape, tensor.stride())
            for sub in module.modules()
            for own in (getattr(sub, key) for key in _TENSORS)
            for name, tensor in own.items()
            if tensor is not None
        ]

    def holds(self) -> bool:
        """Whether all of it is still as it was."""
        try:
            return all(now == before and type(sub) is kind for now, kind, sub, before in self._seen) and all(
                own[name] is tensor and tensor.data_ptr() == place and tensor.shape == shape and tensor.stride() == stride
                for own, name, tensor, place, shape, stride in self._tensors
            )
        except Exception:  # whatever: where an array or tensor was replaced, `==` gives no truth value
            return False


def _kept(value: Any, depth: int = 5) -> Any:
    """The value with containers of its own, so that it stays as it is when something is put into the ones that it is of."""
    if depth and type(value) in (dict, OrderedDict):
        return {key: _kept(one, depth - 1) for key, one in value.items()}
    if depth and type(value) in (list, tuple):
        return type(value)(_kept(one, depth - 1) for one in value)
    return set(value) if type(value) is set else value


@final
class Values:
    """The values of some tensors at one moment."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._elsewhere = [(t, t.detach().clone()) for t in tensors if t.device.type != "cpu"]
        # subtle: NumPy compares the bits as integers, thirty times faster than torch.equal does, which also waits for threads
        here = [t.detach().numpy() for t in tensors if t.device.type == "cpu"]
        self._here = [(bits, bits.copy("K")) for bits in (now.view(f"i{now.itemsize}") for now in here)]

    def hold(self) -> bool:
        """Whether all of them are still as they were."""
        return all(np.array_equal(a, b) for a, b in self._here) and all(torch.equal(a, b) for a, b in self._elsewhere)
