"""What a function does to tensors, written down as a graph of operations while it runs.

As `torch.fx.experimental.proxy_tensor.make_fx`, which loads torch's compiler for it: a second, and fifty megabytes.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import getitem
from typing import Any, final

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import TensorMetadata
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from pellucid.models.dispatch import Operations

BY_VALUE = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
"""Operations that give a number, or a size, by what is in a tensor."""


def recorded(
    function: Callable[..., Sequence[Tensor]], given: Sequence[Tensor], instead: Mapping[Any, Callable[..., Any]]
) -> fx.GraphModule:
    """The graph of the function, which is run once; `instead` says how to put some operations by others.

    What it comes with, such as a network's weights, and what it makes of that alone are attributes of the graph. Of what is
    written over, the graph reads the operation that did it. ValueError for a function that goes its way by what is in a tensor
    made of those given.
    """
    recorder = _Recorder(instead)
    for number, one in enumerate(given):
        recorder.made(one, recorder.graph.placeholder(f"given_{number}"))
    with recorder:
        found = function(*given)
    recorder.graph.output(tuple(recorder.node(one) for one in found))
    return fx.GraphModule(recorder.owner, recorder.graph)


@final
class _Recorder(Operations):
    def __init__(self, instead: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self.graph, self.owner = fx.Graph(), nn.Module()
        self._instead = instead
        self._nodes: Any = WeakTensorKeyDictionary()  # subtle: holding the tensors would hold all that a pass puts out
        self._held: dict[int, tuple[Tensor, fx.Node]] = {}

    def made(self, tensor: Tensor, node: fx.Node) -> None:
        """Notes the node that a tensor is, and of what size: one that was given, or hangs on those."""
        node.meta["tensor_meta"] = _described(tensor)  # as torch's own tracers do, for whoever reads the graph
        self._nodes[tensor] = node

    def node(self, tensor: Tensor) -> fx.Node:
        """The operation that put it out last; of one that hangs on nothing given, an attribute."""
        if tensor in self._nodes:
            return self._nodes[tensor]
        if id(tensor) not in self._held:
            name = f"held_{len(self._held)}"
            self.owner.register_buffer(name, tensor.detach())
            node = self.graph.get_attr(name)
            node.meta["tensor_meta"] = _described(tensor)
            self._held[id(tensor)] = tensor, node
        return self._held[id(tensor)][1]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:  # what it is put by is recorded in its stead
            if func in self._instead:
                return self._instead[func](*args, **kwargs)
            if (parts := func.decompose(*args, **kwargs)) is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        if not any(isinstance(one, Tensor) and one in self._nodes for one in tree_leaves((args, kwargs))):
            return out  # known beforehand, as a weight is that another is made of
        if _by_value(func, args):
            raise ValueError(f"it goes its way by what is in a tensor: {func}")
        given, named = tree_map_only(Tensor, self.node, (args, kwargs))
        node = self.graph.call_function(func, given, named)
        if isinstance(out, Tensor):
            self.made(out, node)
        for number, one in enumerate(out if isinstance(out, tuple | list) else ()):
            if isinstance(one, Tensor):
                self.made(one, self.graph.call_function(getitem, (node, number)))
        return out


def _described(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(tensor.shape, tensor.dtype, False, tensor.stride(), None, False, {})


def _by_value(func: Any, args: Any) -> bool:
    if func is torch.ops.aten.index.Tensor:  # by numbers its size is known
        return any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    return any(tag in func.tags for tag in BY_VALUE)
