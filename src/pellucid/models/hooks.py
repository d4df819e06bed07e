"""Looking inside a forward pass: which layers a network has, what they put out, and stopping at one of them.

Every hook is removed in `finally`, whatever happens in between.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.registry import UnknownName, unknown


@dataclass(frozen=True)
class Layer:
    """A named module as it was met in a forward pass."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of one image's output, without the batch axis; empty when the output is not one tensor with a row for each image."""
    calls: int
    """How often it runs in one forward pass; a reused module has more than one output."""

    @property
    def channels_last(self) -> bool:
        """Whether its output has a height and a width before its channels: of a kind that works along the last axis."""
        return len(self.shape) == 3 and self.kind in ("LayerNorm", "Linear")

    @property
    def gives_maps(self) -> bool:
        """Whether its output is channel height width."""
        return len(self.shape) == 3 and not self.channels_last


class Stopped(Exception):
    """Raised by a hook once everything that was asked for has been seen."""


_COMPILED = "_orig_mod"
"""Under which torch.compile keeps the module that it was given, whose hooks are not called."""


def uncompiled(module: nn.Module) -> nn.Module:
    """The module that torch.compile was given, which has the same weights, or the module itself."""
    return getattr(module, _COMPILED, module)


def find_module(module: nn.Module, name: str) -> nn.Module:
    """The submodule of that name; KeyError with the nearest names otherwise, ValueError for one that cannot be looked at."""
    modules = dict(module.named_modules())
    if name not in modules or not name:
        raise UnknownName(unknown("layer", name, [n for n in modules if n]))
    check_open(modules[name])
    if _COMPILED in name.split("."):
        raise ValueError(
            f"layer {name!r} is in a part of the network that torch.compile made, which lets nobody look at its layers; give "
            "the network with that part as it was before"
        )
    return modules[name]


def check_open(module: nn.Module) -> None:
    """ValueError for what torch.jit made of a module."""
    if isinstance(module, torch.jit.ScriptModule):
        raise ValueError(
            "what torch.jit made of a network lets nobody look at its layers; give the torch.nn.Module that it was made of"
        )


def list_layers(module: nn.Module, images: Callable[[int], Tensor]) -> tuple[Layer, ...]:
    """The submodules in the order in which they finish, by running them once on two `images`, or on one where two are too
    many; without those that torch.jit made, those inside a part that torch.compile made, and those that compute a weight.
    ValueError for a network that torch.jit made."""
    check_open(module)
    try:
        return _listed(module, images(2))
    except Exception:  # whatever: a network may be made for one image at a time
        return _listed(module, images(1))


def _listed(module: nn.Module, features: Tensor) -> tuple[Layer, ...]:
    seen: dict[str, Layer] = {}

    def note(name: str, sub: nn.Module) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            by_image = isinstance(output, Tensor) and output.ndim > 0 and len(output) == len(features)
            shape = tuple(output.shape[1:]) if by_image else ()
            calls = seen[name].calls + 1 if name in seen else 1
            seen[name] = Layer(name, type(sub).__name__, shape, calls)

        return hook

    handles = [sub.register_forward_hook(note(name, sub)) for name, sub in module.named_modules() if _is_layer(name, sub)]
    try:
        with torch.no_grad():
            module(features)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(seen.values())


def _is_layer(name: str, sub: nn.Module) -> bool:
    return (
        name != "" and not isinstance(sub, torch.jit.ScriptModule) and not {"parametrizations", _COMPILED} & {*name.split(".")}
    )


@contextmanager
def captured(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Inside the `with`, each forward pass leaves the outputs of the named layers in the dictionary, attached to the graph.

    ValueError, in the pass, for a layer that runs more than once or does not give one tensor.
    """
    check_open(module)
    outputs: dict[str, Tensor] = {}
    calls: dict[str, int] = {}

    def start(_module: nn.Module, _args: Any) -> None:
        outputs.clear()
        calls.clear()

    def keep(name: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise ValueError(f"layer {name!r} gives a {type(output).__name__}, not one tensor; choose a layer inside it")
            calls[name] = calls.get(name, 0) + 1
            if calls[name] > 1:
                raise ValueError(f"layer {name!r} runs more than once in a forward pass; choose a layer that runs once")
            if torch.is_grad_enabled() and output.is_floating_point() and not output.requires_grad:
                output.requires_grad_()  # nothing before this layer asks for a gradient, so the graph begins here
            outputs[name] = output
            # subtle: an in-place ReLU behind this layer would overwrite what was captured, so the network goes on with a copy
            return output.clone()

        return hook

    handles = [module.register_forward_pre_hook(start)]
    try:
        handles += [find_module(module, name).register_forward_hook(keep(name)) for name in names]
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def run_to(module: nn.Module, name: str, features: Tensor) -> Tensor:
    """The output of the named layer, the forward pass ending there. ValueError when the pass does not reach it."""
    output: list[Tensor] = []

    def stop(_module: nn.Module, _args: Any, result: Any) -> None:
        if not isinstance(result, Tensor):
            raise ValueError(f"layer {name!r} gives a {type(result).__name__}, not one tensor; choose a layer inside it")
        output.append(result)
        raise Stopped

    handle = find_module(module, name).register_forward_hook(stop)
    try:
        module(features)
    except Stopped:
        return output[0]
    finally:
        handle.remove()
    raise ValueError(f"the forward pass does not run through layer {name!r}")
