"""A copy of a network with batch norm and padding folded into its convolutions, and ReLUs that write over what they read."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pellucid.models.foldable import plan
from pellucid.models.unchanged import tensors_of


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
    planned = plan(copied, layer, norms_only) if copied is not None else None
    if copied is None or planned is None or not (planned.norms or planned.pads or planned.clips):
        return None
    names = {sub: name for name, sub in copied.named_modules()}
    originals = dict(module.named_modules())
    sources: list[Tensor] = []
    for conv, norm in planned.norms:
        own = [tensor for name in (names[conv], names[norm]) for tensor in tensors_of(originals[name])]
        sources += [tensor for tensor in own if tensor.is_floating_point()]
        _fold(conv, norm)
    for conv, pad in planned.pads:
        sources += [tensor for tensor in tensors_of(originals[names[conv]]) if all(tensor is not one for one in sources)]
        _pad(conv, pad.padding)
    instead: dict[nn.Module, nn.Module] = {gone: nn.Identity().eval() for _, gone in (*planned.norms, *planned.pads)}
    instead |= {clip: _Over(clip) for clip in planned.clips}
    for name, sub in [*copied.named_modules(remove_duplicate=False)]:  # a ReLU may stand in several places
        if sub in instead:
            parent, _, child = name.rpartition(".")
            setattr(copied.get_submodule(parent), child, instead[sub])
    layers: list[nn.Module] = [*dict.fromkeys(conv for conv, _ in (*planned.norms, *planned.pads))]
    return Folding(copied, layers, frozenset(names[sub] for sub in planned.altered if names[sub]), sources)


def twin(module: nn.Module) -> nn.Module | None:
    """A copy that shares every tensor, its parameters without gradient, and every object of another kind, such as a config,
    so that a change inside it is seen. None when tensors lie where no copy would share them."""
    shared: dict[int, Any] = {}
    for sub in module.modules():
        for parameter in sub._parameters.values():
            if parameter is not None:
                shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        shared |= {id(value): value for value in sub._buffers.values() if value is not None}
        apart = (dict, list, tuple, set, nn.Module, MethodType, partial)  # may hold modules, of which the copy needs its own
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
        ctx.set_materialize_grads(False)  # where there is no gradient, there is none here either, instead of zeros
        ctx.mark_dirty(x.clamp_(low, high))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, None, None]:
        if grad_outputs[0] is None:
            return None, None, None
        (clipped,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(*grad_outputs, clipped, *ctx.limits), None, None
