"""A network made ready for many passes: folded batch norm and padding, ReLUs in place, channels last, the same numbers.

What may be folded is proved by tracing the network, and the whole is tried on a random batch beside the network as it is; what
is not proved or does not agree stays as it is. The caller's module is never touched: the copy shares all of its tensors but
those that were folded, and is made anew when anything of the module has changed.
"""

import copy
import threading
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

AGREE = 1e-5
"""How far the logits of a prepared network may be from its own, as a share of the largest that depends on the image."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_TENSORS = ("_parameters", "_buffers")
_NORMS: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm2d: nn.Conv2d, nn.BatchNorm1d: nn.Linear}
_PADS = (nn.ZeroPad2d, nn.ConstantPad2d)
_CLIPS = (nn.ReLU, nn.ReLU6, nn.Hardtanh)
"""Whose gradient follows from what they put out, so that they may write it over what they read."""
_VARIANTS = 4
"""Copies of a network that are kept at once, each for layers that another one alters."""
tracing = threading.RLock()  # subtle: while fx traces, it replaces nn.Module.__call__ for the whole process


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What runs in place of a module, and how it is fed."""

    module: nn.Module
    channels_last: bool = False
    altered: frozenset[str] = frozenset()
    """Layers that put out something else than in the caller's module: those with a batch norm folded into them, padding that a
    convolution does instead, and what a ReLU writes over."""


Ask = Callable[[Prepared, Float[Tensor, "batch channel height width"]], Float[Tensor, "batch class"]]
"""Runs a batch through; ValueError where the answer is no finite logits."""


@final
class Preparation:
    """Keeps what was prepared for as long as nothing of the caller's module has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Prepared, State, Values]] = OrderedDict()

    def __reduce__(self) -> tuple[type["Preparation"], tuple[()]]:
        return Preparation, ()  # a copy or a pickle of a model prepares for itself

    def of(self, given: Prepared, shape: tuple[int, ...], ask: Ask, layer: str = "") -> Prepared:
        """What to run in place of `given`; `given` itself where nothing is gained, or anything speaks against it. The named
        layer puts out in it what it does in `given`.

        The copy is stale when a tensor, an attribute or a submodule was replaced, a hook added, or a folded tensor has other
        values. The values themselves are compared, since writing to `parameter.data` leaves no trace.
        """
        if layer and layer not in (general := self.of(given, shape, ask)).altered:
            return general
        if (kept := self._kept.get(layer)) and kept[1].holds() and kept[2].hold():
            return kept[0]
        with tracing, torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            state = State(given.module)
            prepared, sources = _prepare(given, shape, ask, layer) if fit(given.module) else (given, [])
            if layer in prepared.altered:
                prepared, sources = given, []
            self._kept[layer] = (prepared, state, Values(sources))
            while len(self._kept) > _VARIANTS:
                self._kept.pop(next(name for name in self._kept if name not in ("", layer)))
        return prepared


def fit(module: nn.Module) -> bool:
    """Whether a copy could not be told from the module: no hooks, no `forward` of an instance's own, not in training mode, not
    in half precision, in which a copy would not agree."""
    for sub in module.modules():
        if sub.training or isinstance(sub, torch.jit.ScriptModule) or "forward" in vars(sub):
            return False
        if any(getattr(sub, hooks) for hooks in _HOOKS):
            return False
        for tensor in tensors_of(sub):
            if tensor.is_inference() or (tensor.is_floating_point() and tensor.element_size() < 4):
                return False
    return True


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


def _prepare(given: Prepared, shape: tuple[int, ...], ask: Ask, layer: str) -> tuple[Prepared, list[Tensor]]:
    """What to run, and the tensors whose values went into it. Trial passes run on copies: the caller's module never does."""
    convolves = any(isinstance(sub, nn.Conv2d) for sub in given.module.modules())
    folds = any(type(sub) in (*_NORMS, *_PADS, *_CLIPS) for sub in given.module.modules())
    formats = [True, False] if convolves and not given.channels_last else [given.channels_last]
    like = twin(given.module) if folds or len(formats) > 1 else None
    if like is None:
        return given, []
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    before = State(like)
    try:
        with torch.no_grad():
            expected = ask(Prepared(like, given.channels_last), noise)
    except Exception:  # whatever it is, it comes again where it can be told, when the caller's own input is asked about
        return given, []
    # a forward pass that leaves something on its module (a count, a map it keeps) must leave it on the caller's
    attempts = (folded(given.module, layer, norms_only=only) for only in (False, True) if folds and before.holds())
    for folding in (one for one in attempts if one is not None):
        for channels_last in formats:
            folding.order(channels_last)
            prepared = Prepared(folding.module, channels_last, folding.altered)
            if _agrees(prepared, noise, expected, ask):
                return prepared, folding.sources
    if len(formats) > 1 and _agrees(Prepared(like, True), noise, expected, ask):
        return Prepared(given.module, True), []
    return given, []


def _agrees(prepared: Prepared, noise: Tensor, expected: Tensor, ask: Ask) -> bool:
    """Whether a pass there and back runs at all, with the logits that are expected."""
    try:
        with torch.enable_grad():
            leaf = noise.clone().requires_grad_()
            logits = ask(prepared, leaf.clone())
            if logits.requires_grad:
                torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    except Exception:  # whatever: a module that cannot read channels-last maps fails in any way, and is left as it is
        return False
    return logits.shape == expected.shape and float((logits.detach() - expected).abs().max()) <= AGREE * scale(expected)


def scale(logits: Float[Tensor, "2 class"]) -> float:
    """The largest logit among those that depend on the image: one that never changes would hide an error in all others."""
    moved = logits[0] != logits[1]
    return float((logits[:, moved] if moved.any() else logits).abs().max())


@dataclass(frozen=True, eq=False)
class Folding:
    """A copy of a module with every batch norm and padding folded that provably may be, and ReLUs that write over."""

    module: nn.Module
    layers: list[nn.Module]
    """Those into which something was folded."""
    altered: frozenset[str]
    """Those that put out something else than in the module: the same, and what has one of them for its last part."""
    sources: list[Tensor]
    """The module's own tensors that went into it."""

    def order(self, channels_last: bool) -> None:
        """Lays the folded weights out in the order of the maps: a convolution takes over the order of its weights."""
        for weight in (layer.weight for layer in self.layers):
            if isinstance(weight, nn.Parameter) and weight.ndim == 4:
                order = torch.channels_last if channels_last else torch.contiguous_format
                weight.data = weight.data.contiguous(memory_format=order)


def folded(module: nn.Module, layer: str = "", *, norms_only: bool = False) -> Folding | None:
    """None when there is nothing to fold, or nothing that provably may be. What the named layer puts out stays."""
    copied = twin(module)
    plan = _plan(copied, layer, norms_only) if copied is not None else None
    if copied is None or plan is None or not (plan.norms or plan.pads or plan.clips):
        return None
    names = {sub: name for name, sub in copied.named_modules()}
    originals = dict(module.named_modules())
    sources: list[Tensor] = []
    for conv, norm in plan.norms:
        own = [tensor for name in (names[conv], names[norm]) for tensor in tensors_of(originals[name])]
        sources += [tensor for tensor in own if tensor.is_floating_point()]
        _fold(conv, norm)
    for conv, pad in plan.pads:
        sources += [tensor for tensor in tensors_of(originals[names[conv]]) if all(tensor is not one for one in sources)]
        _pad(conv, pad.padding)
    instead: dict[nn.Module, nn.Module] = {gone: nn.Identity().eval() for _, gone in (*plan.norms, *plan.pads)}
    instead |= {clip: _Over(clip) for clip in plan.clips}
    for name, sub in [*copied.named_modules(remove_duplicate=False)]:  # a ReLU may stand in several places
        if sub in instead:
            parent, _, child = name.rpartition(".")
            setattr(copied.get_submodule(parent), child, instead[sub])
    layers: list[nn.Module] = [*dict.fromkeys(conv for conv, _ in (*plan.norms, *plan.pads))]
    return Folding(copied, layers, frozenset(names[sub] for sub in plan.altered if names[sub]), sources)


def twin(module: nn.Module) -> nn.Module | None:
    """A copy that shares every tensor, its parameters without gradient, and every object of another kind, such as a config,
    so that a change inside it is seen. None when tensors lie where no copy would share them."""
    shared: dict[int, Any] = {}
    for sub in module.modules():
        for parameter in sub._parameters.values():
            if parameter is not None:
                shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        shared |= {id(value): value for value in sub._buffers.values() if value is not None}
        apart = (
            dict,
            list,
            tuple,
            set,
            nn.Module,
            MethodType,
            partial,
        )  # these may hold modules, of which the copy needs its own
        shared |= {id(value): value for value in vars(sub).values() if not isinstance(value, apart)}
    memo = dict(shared)
    try:
        copied = copy.deepcopy(module, memo)
    except Exception:  # whatever: a module may hold what cannot be copied, such as a lock
        return None
    kept_alive = memo.get(id(memo), [])  # by deepcopy, for as long as it runs: everything that it made a copy of
    return None if any(isinstance(value, Tensor) for value in kept_alive) else copied


def _fold(layer: nn.Module, norm: nn.Module) -> None:
    """Gives the layer the weights and bias that do what it and the batch norm did. In double precision, then rounded once."""
    of = [norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias]
    mean, variance, eps, scale, shift = (value.double() if isinstance(value, Tensor) else value for value in of)
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    wide = bias.double() if isinstance(bias, Tensor) else None
    by, plus = fuse_conv_bn_weights(weight.double(), wide, mean, variance, eps, scale, shift)  # pyright: ignore[reportArgumentType]
    layer.weight = nn.Parameter(by.detach().to(weight.dtype), requires_grad=False)
    layer.bias = nn.Parameter(plus.detach().to(weight.dtype), requires_grad=False)


def _pad(layer: nn.Conv2d, padding: Sequence[int]) -> None:
    """Lets the convolution pad for itself. Where one side needs more than the other, both get as much, and the kernel grows by
    zeros on the side that has too much."""
    left, right, top, bottom = padding
    grown, both = [], []
    for own, (before, after) in zip(_own_padding(layer), ((top, bottom), (left, right)), strict=True):
        both.append(own + max(before, after))
        grown = [max(0, after - before), max(0, before - after), *grown]  # as `pad` wants it, the last axis first
    if any(grown):
        layer.weight = nn.Parameter(nn.functional.pad(layer.weight, grown), requires_grad=False)
        layer.kernel_size = (layer.weight.shape[2], layer.weight.shape[3])
    layer.padding = (both[0], both[1])


def _own_padding(layer: nn.Conv2d) -> tuple[int, int]:
    assert not isinstance(layer.padding, str)
    return layer.padding[0], layer.padding[1]


@final
class _Over(nn.Module):
    """A ReLU, ReLU6 or hard tanh that writes over what it reads, and needs nothing but what it wrote for its gradient."""

    def __init__(self, clip: nn.ReLU | nn.ReLU6 | nn.Hardtanh) -> None:
        super().__init__()
        self.low, self.high = (0.0, torch.inf) if isinstance(clip, nn.ReLU) else (float(clip.min_val), float(clip.max_val))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return _Clip.apply(x, self.low, self.high) if x.requires_grad else x.clamp_(self.low, self.high)


class _Clip(torch.autograd.Function):  # subtle: `hardtanh_` copies what it is about to write over
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.limits = low, high
        ctx.mark_dirty(x.clamp_(low, high))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (clipped,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(*grad_outputs, clipped, *ctx.limits), None, None


# -------------------------------------------------------------------------------------------------------------- the proof


@dataclass(frozen=True, eq=False)
class _Plan:
    """What may be altered in a copy of a network."""

    norms: list[tuple[nn.Module, nn.Module]]
    """Layers and the batch norm that alone reads what they put out, each run once in a pass."""
    pads: list[tuple[nn.Conv2d, nn.ConstantPad2d]]
    """Convolutions and the padding with zeros that they alone read, each run once."""
    clips: list[nn.ReLU | nn.ReLU6 | nn.Hardtanh]
    """Those that alone read what a convolution, a linear layer or a batch norm puts out, whenever they run."""
    altered: set[nn.Module]
    """Every module that puts out something else then."""


def _plan(module: nn.Module, layer: str, norms_only: bool) -> _Plan | None:
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
    for node, pad in seen.calls(() if norms_only else _PADS):
        reader = seen.only_reader(node)
        conv = None if reader is None else _layer(reader, seen.modules)
        if not isinstance(conv, nn.Conv2d) or reader is None or node in stays:
            continue
        if seen.once(node, pad) and seen.once(reader, conv) and _pads_for_itself(conv, pad):
            padded.append((conv, pad))
            changed.add(node)
    pairs: list[tuple[nn.Module, nn.Module]] = []
    for node, norm in seen.calls((*_NORMS,)):
        before = node.args[0]
        conv = _layer(before, seen.modules)
        if not isinstance(conv, _NORMS[type(norm)]) or seen.only_reader(before) is not node or before in stays:
            continue
        tensors = [*conv.parameters(recurse=False), *norm.parameters(recurse=False), *norm.buffers(recurse=False)]
        known = norm.running_mean is not None and norm.running_var is not None
        like = all(t.dtype == tensors[0].dtype for t in tensors if t.is_floating_point())
        if seen.once(before, conv) and seen.once(node, norm) and known and like:
            pairs.append((conv, norm))
            changed.add(before)
    clips: list[Any] = []
    over: dict[nn.Module, list[fx.Node]] = {}
    for node, clip in seen.calls(() if norms_only else _CLIPS):
        before = node.args[0]
        writes = _layer(before, seen.modules) is not None or seen.module(before, tuple(_NORMS)) is not None
        if writes and seen.only_reader(before) is node and before not in stays and not clip.inplace:
            over.setdefault(clip, []).append(before)
    for clip, nodes in over.items():
        if len(nodes) == seen.runs[clip] and clip not in tracer.opaque:
            clips.append(clip)
            changed |= set(nodes)
    altered = {sub for sub, outputs in tracer.put_out.items() if any(out is None or out in changed for out in outputs)}
    return _Plan(pairs, padded, clips, altered & set(module.modules()))


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
