"""Whether a network goes its way by the values that it sees, which whoever traces one pass cannot know of.

Sizes do not count: they are the same for every picture. So the values are followed through a pass, from memory to memory, until
something made of them becomes a number of Python's, or tells how many there are.
"""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from pellucid.models.dispatch import Operations

aten = torch.ops.aten
_TELL = (aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default)
_READ = (Tensor.tolist, Tensor.numpy, Tensor.__array__)
"""Which reach the memory without an operation."""


def followed(run: Callable[[Tensor], Any], pictures: Tensor) -> tuple[Any, bool]:
    """What it gives for the pictures, and whether it read values on the way."""
    with torch.no_grad(), _Values(pictures) as operations, _Methods(operations) as methods:
        given = run(pictures)
    return given, operations.told or methods.told


@final
class _Values(Operations):
    def __init__(self, pictures: Tensor) -> None:
        super().__init__()
        self.told, self._made = False, {StorageWeakRef(pictures.untyped_storage())}

    def of_pictures(self, one: Any) -> bool:
        return _has_memory(one) and StorageWeakRef(one.untyped_storage()) in self._made

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if any(self.of_pictures(one) for one in tree_leaves((args, kwargs))):
            self.told |= func in _TELL
            self._made |= {StorageWeakRef(one.untyped_storage()) for one in tree_leaves(given) if _has_memory(one)}
        return given


@final
class _Methods(TorchFunctionMode):
    def __init__(self, operations: _Values) -> None:
        super().__init__()
        self.told, self._operations = False, operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.told |= func in _READ and self._operations.of_pictures(args[0])
        return func(*args, **(kwargs or {}))


def _has_memory(one: Any) -> bool:
    return isinstance(one, Tensor) and one.layout == torch.strided
