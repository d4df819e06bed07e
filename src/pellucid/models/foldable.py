"""Which parts of a network may be folded into others, or write over what they read: proved by tracing it."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, fx, nn

NORMS: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm2d: nn.Conv2d, nn.BatchNorm1d: nn.Linear}
"""Batch norms, and what each may be folded into."""
PADS = (nn.ZeroPad2d, nn.ConstantPad2d)
CLIPS = (nn.ReLU, nn.ReLU6, nn.Hardtanh)
"""Whose gradient follows from what they put out, so that they may write it over what they read."""
tracing = threading.RLock()  # subtle: while fx traces, it replaces nn.Module.__call__ for the whole process


@dataclass(frozen=True, eq=False)
class Plan:
    """What may be altered in a copy of a network."""

    norms: list[tuple[nn.Module, nn.Module]]
    """Layers and the batch norm that alone reads what they put out, each run once in a pass."""
    pads: list[tuple[nn.Conv2d, nn.ConstantPad2d]]
    """Convolutions and the padding with zeros that they alone read, each run once."""
    clips: list[nn.ReLU | nn.ReLU6 | nn.Hardtanh]
    """Those that alone read what a convolution, a linear layer or a batch norm puts out, whenever they run."""
    altered: set[nn.Module]
    """Every module that puts out something else then."""


def plan(module: nn.Module, layer: str, norms_only: bool) -> Plan | None:
    """None when the network cannot be traced. What the named layer puts out stays."""
    root: nn.Module = _Root(module).eval()
    tracer = _Tracer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = tracer.trace(root)
    except Exception:  # whatever: a forward pass that asks its values which way to go fails in any way when there are none
        return None
    seen = _Graph(root, graph, tracer.opaque)
    changed: set[fx.Node] = set()
    stays = set(tracer.put_out.get(module.get_submodule(layer), ())) if layer else set()
    padded: list[tuple[nn.Conv2d, nn.ConstantPad2d]] = []
    for node, pad in seen.calls(() if norms_only else PADS):
        reader = seen.only_reader(node)
        conv = None if reader is None else _layer(reader, seen.modules)
        if not isinstance(conv, nn.Conv2d) or reader is None or node in stays:
            continue
        if seen.once(node, pad) and seen.once(reader, conv) and _pads_for_itself(conv, pad):
            padded.append((conv, pad))
            changed.add(node)
    pairs: list[tuple[nn.Module, nn.Module]] = []
    for node, norm in seen.calls((*NORMS,)):
        before = node.args[0]
        conv = _layer(before, seen.modules)
        if not isinstance(conv, NORMS[type(norm)]) or seen.only_reader(before) is not node or before in stays:
            continue
        tensors = [*conv.parameters(recurse=False), *norm.parameters(recurse=False), *norm.buffers(recurse=False)]
        known = norm.running_mean is not None and norm.running_var is not None
        like = all(t.dtype == tensors[0].dtype for t in tensors if t.is_floating_point())
        if seen.once(before, conv) and seen.once(node, norm) and known and like:
            pairs.append((conv, norm))
            changed.add(before)
    clips: list[Any] = []
    over: dict[nn.Module, list[fx.Node]] = {}
    for node, clip in seen.calls(() if norms_only else CLIPS):
        before = node.args[0]
        writes = _layer(before, seen.modules) is not None or seen.module(before, tuple(NORMS)) is not None
        if writes and seen.only_reader(before) is node and before not in stays and not clip.inplace:
            over.setdefault(clip, []).append(before)
    for clip, nodes in over.items():
        if len(nodes) == seen.runs[clip] and clip not in tracer.opaque:
            clips.append(clip)
            changed |= set(nodes)
    altered = {sub for sub, outputs in tracer.put_out.items() if any(out is None or out in changed for out in outputs)}
    return Plan(pairs, padded, clips, altered & set(module.modules()))


@final
class _Graph:
    """A traced network: which modules run where, how often, and who reads what."""

    def __init__(self, root: nn.Module, graph: fx.Graph, opaque: set[nn.Module]) -> None:
        self.modules: dict[str, nn.Module] = dict(root.named_modules(remove_duplicate=False))
        self._nodes, self._opaque = list(graph.nodes), opaque
        self._named = Counter(self.modules.values())
        self.runs = Counter(self.modules[node.target] for node in self._nodes if node.op == "call_module")
        self._reads = Counter[int]()
        for node in self._nodes:
            if node.op == "get_attr" and isinstance(read := _attribute(root, node.target), Tensor):
                self._reads[id(read)] += len(node.users)

    def module(self, node: fx.Node, kinds: tuple[type[nn.Module], ...]) -> Any:
        """The module that is called there, if it is just of one of these kinds."""
        sub = self.modules[str(node.target)] if node.op == "call_module" else None
        return sub if type(sub) in kinds else None

    def calls(self, kinds: tuple[type[nn.Module], ...]) -> Iterator[tuple[Any, Any]]:
        """Every call with one node for its argument of a module of one of these kinds."""
        for node in self._nodes:
            sub = self.module(node, kinds)
            if sub is not None and len(node.args) == 1 and not node.kwargs and isinstance(node.args[0], fx.Node):
                yield node, sub

    def only_reader(self, node: fx.Node) -> fx.Node | None:
        return next(iter(node.users)) if len(node.users) == 1 else None

    def once(self, node: fx.Node, sub: nn.Module) -> bool:
        """Whether the module runs only here, and nobody else reads its tensors."""
        direct = node.op == "call_module"
        own, buffers = sub.parameters(recurse=False), sub.buffers(recurse=False)
        alone = all(self._reads[id(t)] == (0 if direct else 1) for t in own) and all(self._reads[id(t)] == 0 for t in buffers)
        return alone and self._named[sub] == 1 and self.runs[sub] == (1 if direct else 0) and sub not in self._opaque


def _pads_for_itself(layer: nn.Conv2d, pad: nn.ConstantPad2d) -> bool:
    """Whether the convolution can do this padding: with zeros, and where the sides differ, with a kernel that may grow."""
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str) or pad.value != 0 or min(pad.padding) < 0:
        return False
    left, right, top, bottom = pad.padding
    return (left == right and top == bottom) or set(layer.dilation) == {1}


def _layer(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    """The module whose own weight and bias, and no other, this node of the graph applies to its input."""
    if node.op == "call_module":
        sub = modules[str(node.target)]
        return sub if type(sub) in (nn.Conv2d, nn.Linear) else None
    if node.op != "call_function" or node.target is not nn.functional.conv2d:
        return None
    weight, bias = (_argument(node, place, name) for place, name in ((1, "weight"), (2, "bias")))
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return None
    path, _, name = str(weight.target).rpartition(".")
    sub = modules.get(path)
    if name != "weight" or not isinstance(sub, nn.Conv2d):
        return None
    if bias is None:
        return sub if sub.bias is None else None
    of_its_own = isinstance(bias, fx.Node) and bias.op == "get_attr" and bias.target == f"{path}.bias"
    return sub if of_its_own else None


def _argument(node: fx.Node, place: int, name: str) -> object:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name)


def _attribute(root: nn.Module, path: object) -> object:
    parent, _, name = str(path).rpartition(".")
    return getattr(root.get_submodule(parent), name, None)


@final
class _Root(nn.Module):
    """Calls the network as we do: with one argument, so that tracing sees the defaults of all others."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Any) -> Any:
        return self.network(x)


@final
class _Tracer(fx.Tracer):
    """Traces into every module that has parts, and takes one that cannot be traced as a whole, as `opaque`."""

    def __init__(self) -> None:
        super().__init__()
        self.opaque: set[nn.Module] = set()
        self.put_out: dict[nn.Module, list[fx.Node | None]] = {}
        """What each module put out, call by call; None for anything but one tensor."""
        self._thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m).__module__.startswith("torch.nn.") and not m._modules

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:  # a network that runs meanwhile in another thread
            return forward(*args, **kwargs)
        depth = len(self.module_stack)
        try:
            output = super().call_module(m, forward, args, kwargs)
        except Exception:  # whatever: see _foldable
            self.opaque.update(m.modules())
            while len(self.module_stack) > depth:  # subtle: fx leaves the modules there that it did not come back from
                self.module_stack.popitem()
            output = self.create_proxy("call_module", self.path_of_module(m), args, kwargs)
        self.put_out.setdefault(m, []).append(output.node if isinstance(output, fx.Proxy) else None)
        return output
