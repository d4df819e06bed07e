"""A copy of a network in which every weight is a tensor of its own, also one that the network computes from others."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from pellucid.models.errors import first_line


def written_out(module: nn.Module) -> nn.Module:
    """The module itself, or such a copy where there is something to write out."""
    return bare(module) if any(parametrize.is_parametrized(sub) for sub in module.modules()) else module


def bare(module: nn.Module) -> nn.Module:
    """What weight norm, spectral norm and other parametrizations make of their tensors is written out, in either of torch's
    ways to put them. ValueError for a module that cannot be copied."""
    # subtle: what the older way leaves on a module is no leaf of the graph, which deepcopy refuses to copy
    left = {id(one): one.detach().clone() for sub in module.modules() for one in vars(sub).values() if isinstance(one, Tensor)}
    try:
        copied = copy.deepcopy(module, left)
    except Exception as error:  # whatever: a module may hold what cannot be copied, such as a lock
        raise ValueError(f"no copy of the network can be made: {first_line(error)}") from error
    with torch.no_grad():
        for sub in copied.modules():
            if parametrize.is_parametrized(sub):
                _write_out(sub)
            for hook in [*sub._forward_pre_hooks.values()]:
                if isinstance(hook, WeightNorm):
                    remove_weight_norm(sub, hook.name)
                elif isinstance(hook, SpectralNorm):
                    remove_spectral_norm(sub, hook.name)
    return copied


def _write_out(sub: nn.Module) -> None:
    # subtle: torch's own `remove_parametrizations` takes the name off the class, which the copied module is of as well
    computed: Any = sub.parametrizations
    values = {name: (getattr(sub, name).clone(), bool([*of.parameters(recurse=False)])) for name, of in computed.items()}
    sub.__class__ = type(sub).__bases__[0]
    del sub.parametrizations
    for name, (value, learned) in values.items():
        if learned:
            sub.register_parameter(name, nn.Parameter(value))
        else:
            sub.register_buffer(name, value)
