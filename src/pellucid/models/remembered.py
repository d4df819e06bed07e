"""What was found out about a network once, and is asked for again with every further map of it."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import Any, TypeVar, final

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.models.digest import add_tensor

T = TypeVar("T")
MOST = 32
"""Findings that are kept of a network; the one that was asked for longest ago goes first."""
_HOOKS = {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"}
_COLLECTORS = "transformers.utils.output_capturing"
"""Where transformers' hooks are from. It leaves them on a module once hidden states or attention were asked for, and they only
look on."""
_SILENT = {
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs", "_is_full_backward_hook",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
}  # fmt: skip
"""What says more of hooks, and hooks that no pass runs."""
_DEEPEST = 8


class _Plain:
    """Holds nothing but its attributes, and so takes as many bytes as any other object that does."""


@final
class Memory:
    """Findings about a module, for as long as it can be seen that nothing of it has changed."""

    def __init__(self) -> None:
        self._seen: str | None = None
        self._found: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Memory"], tuple[()]]:
        return Memory, ()  # a copy or a pickle of a model finds out for itself

    def of(self, module: nn.Module) -> "Memory":
        """This, emptied if the module is not what it was; or a new one, which nothing is remembered in, for a module of which
        that cannot be told (see `look`)."""
        now = look(module)
        if now is None:
            return Memory()
        with self._lock:
            if self._seen != now:
                self._found.clear()
                self._seen = now
        return self

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is known under that key; made now, where nothing is."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]  # pyright: ignore[reportReturnType]
        made = make()
        with self._lock:
            self._found[key] = made
            while len(self._found) > MOST:
                self._found.popitem(last=False)
        return made


def look(module: nn.Module) -> str | None:
    """A digest of all that decides what the module answers: its kinds of parts, their tensors and all else they hold, by value.

    None where a part holds what cannot be looked into, such as a function with variables of its own, a submodule that is not
    registered or a hook, and under autocast, which answers less exactly.
    """
    if torch.is_autocast_enabled("cpu"):
        return None
    found = hashlib.sha256()
    parts = {id(sub) for sub in module.modules()}
    try:
        for name, sub in module.named_modules():
            found.update(f"{name} {type(sub).__module__}.{type(sub).__qualname__} {id(type(sub))}".encode())
            for key, value in vars(sub).items():
                if key in _HOOKS:
                    if any(getattr(hook, "__module__", "") != _COLLECTORS for hook in value.values()):
                        return None
                elif key not in _SILENT:
                    found.update(key.encode())
                    _add(found, value, parts, _DEEPEST)
    except Exception:  # whatever: what cannot be read cannot be watched
        return None
    return found.hexdigest()


def _add(found: Any, value: Any, parts: set[int], deep: int) -> None:
    """Adds the value to the digest; TypeError for one that cannot be looked into."""
    if not deep:
        raise TypeError("too deep")
    if isinstance(value, Tensor):
        add_tensor(found, "", value)
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        found.update(f"{value.shape}{value.dtype}".encode() + value.tobytes())
    elif isinstance(value, dict):
        found.update(f"{type(value)}{len(value)}".encode())
        for key, one in value.items():
            _add(found, key, parts, deep - 1)
            _add(found, one, parts, deep - 1)
    elif isinstance(value, list | tuple):
        found.update(f"{type(value)}{len(value)}".encode())
        for one in value:
            _add(found, one, parts, deep - 1)
    elif isinstance(value, set | frozenset):
        _add(found, sorted(value, key=repr), parts, deep)
    elif isinstance(value, nn.Module):
        if id(value) not in parts:
            raise TypeError("a module that is not registered")
        found.update(f"part {id(value)}".encode())
    elif value is None or isinstance(
        value, bool | int | float | complex | str | bytes | np.generic | torch.dtype | torch.device | torch.memory_format
    ):
        found.update(f"{type(value)}{value!r}".encode())
    elif isinstance(value, type | BuiltinFunctionType) or (isinstance(value, FunctionType) and not value.__closure__):
        found.update(f"{value.__module__}.{value.__qualname__} {id(value)}".encode())
    elif isinstance(value, partial):
        _add(found, (value.func, value.args, value.keywords), parts, deep - 1)
    elif isinstance(value, SimpleNamespace) or type(value).__basicsize__ == _Plain.__basicsize__:
        found.update(f"{type(value)} {id(type(value))}".encode())
        _add(found, vars(value), parts, deep - 1)
    else:
        raise TypeError(f"a {type(value).__name__}")
