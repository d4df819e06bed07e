"""What was found out about a network once, and is asked for again with every further map of it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, final

from torch import nn

from pellucid.models.digest import digest
from pellucid.models.prepared import fit
from pellucid.models.unchanged import State, tensors_of

T = TypeVar("T")
MOST = 32
"""Findings that are kept of a network; the one that was asked for longest ago goes first."""


@final
class Memory:
    """Findings about a module, for as long as nothing of it has changed."""

    def __init__(self) -> None:
        self._seen: tuple[State, str] | None = None
        self._found: OrderedDict[Hashable, object] = OrderedDict()

    def __reduce__(self) -> tuple[type["Memory"], tuple[()]]:
        return Memory, ()  # a copy or a pickle of a model finds out for itself

    def of(self, module: nn.Module) -> "Memory":
        """This, emptied if a tensor, an attribute, a submodule or a hook is not what it was. A new one for a module whose
        answers may come from elsewhere: one with hooks, or with a `forward` of its own."""
        if not fit(module):
            return Memory()
        # subtle: a digest, which takes longer to compare than a copy of all values, but no memory
        values = digest(("", tensor) for sub in module.modules() for tensor in tensors_of(sub))
        if self._seen is None or self._seen[1] != values or not self._seen[0].holds():
            self._found.clear()
            self._seen = State(module), values
        return self

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is known under that key; made now, where nothing is."""
        found: T = self._found.pop(key) if key in self._found else make()  # pyright: ignore[reportAssignmentType]
        self._found[key] = found
        while len(self._found) > MOST:
            self._found.popitem(last=False)
        return found
