"""A network with random weights in place of what it learned: what a map must not survive.

Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, Sanity checks for saliency maps, NeurIPS 2018, https://arxiv.org/abs/1810.03292
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import normalised
from pellucid.models.bare import bare, written_out
from pellucid.models.image import ImageClassifier
from pellucid.registry import UnknownName, unknown

Look = Callable[[str, nn.Module, Tensor], Tensor | None]
"""Sees a layer's name, the layer and its output, and may give another output."""
PICTURES = 8
"""Random pictures by which the scale of every redrawn layer is set."""
COARSENESS = (2, 5, 12, 30)
"""Cells along each side of the noise that they are made of, laid over each other."""


def randomized(model: ImageClassifier, seed: int, layers: Sequence[str] | None = None) -> ImageClassifier:
    """The classifier with the weights of every layer redrawn, or of the named ones; the caller's module is not touched.

    Weights, and all other parameters with two axes or more, are normal with mean 0 and their own mean square; biases and
    factors of normalisation are shuffled, those of one channel together. Then every redrawn layer is scaled so that its output
    varies on random pictures as much as it did with the learned weights, and the running statistics of redrawn batch norms are
    measured on the same pictures. A layer's draws depend on the seed and the layer alone, so that networks with more and more
    layers redrawn from one seed agree in those that they share. A tensor of zeros, or of one value, stays as it is where it is
    shuffled. What a layer computes from its parameters, as with weight norm, is drawn in place of these.

    The paper draws from the distribution that training began with, which a finished network no longer knows. That of its
    framework would not do: batch norm with the statistics 0 and 1, or those of other weights, lets signals die out or explode
    on their way through a deep network, and a probability that is exactly 0 or 1 has no map to compare.

    KeyError for a layer that does not exist, ValueError for one without parameters of its own, or for a network that cannot be
    copied.
    """
    *_, made = randomized_in_pieces(model, seed, layers)
    assert made is not None
    return made


def randomized_in_pieces(
    model: ImageClassifier, seed: int, layers: Sequence[str] | None = None
) -> Iterator[ImageClassifier | None]:
    """`randomized` at last, and None after each of the pieces of work before."""
    with torch.inference_mode(False):
        module = bare(model.module)
    modules = dict(module.named_modules())
    owners = [name for name, sub in modules.items() if list(sub.parameters(recurse=False))]
    chosen = owners if layers is None else [_owner(modules, name, owners) for name in layers]
    pictures = _placed(module, random_pictures(model))
    weighing = [
        name for name in chosen if isinstance(sub := modules[name], nn.Linear | _ConvNd) and "weight" in sub._parameters
    ]
    learned: dict[str, Tensor] = {}
    yield None
    with torch.inference_mode(False), torch.no_grad(), _each_output(modules, weighing, _noting(learned)):
        module(pictures.clone())
    yield None
    with torch.inference_mode(False), torch.no_grad():
        drawn: set[int] = set()
        for name in chosen:
            redraw(modules[name], draw_seed(seed, owners.index(name)), drawn)
    yield None
    scaled = _each_output(modules, weighing, _scaling(learned))
    with torch.inference_mode(False), torch.no_grad(), _measured(modules, chosen), scaled:
        module(pictures.clone())
    yield replace(model, module=module, name=f"{model.name} with weights drawn from seed {seed}")


def stages(model: ImageClassifier, count: int) -> list[tuple[str, ...]]:
    """The layers with parameters in at most `count` groups, from the logits down to the image, of about as many layers each.

    Layers that only scale and shift, such as batch norm, are in the group of the layer before them.
    """
    place = {layer.name: n for n, layer in enumerate(model.layers)}
    ordered, at = [], -1
    for name, sub in written_out(model.module).named_modules():
        at = place.get(name, at)  # a module that does not run by itself stands where the one before it does
        own = list(sub.parameters(recurse=False))
        if own:
            ordered.append((at, name, max(p.ndim for p in own) > 1))
    groups: list[list[str]] = []
    for _, name, weighs in sorted(ordered, key=lambda one: one[0]):
        if weighs or not groups:
            groups.append([])
        groups[-1].append(name)
    parts = np.array_split(np.arange(len(groups))[::-1], min(count, len(groups)))
    return [tuple(name for n in part for name in reversed(groups[n])) for part in parts]


def random_pictures(model: ImageClassifier) -> Float32[Tensor, "picture channel height width"]:
    """Coloured noise, coarse and fine laid over each other, as the network reads it; always the same."""
    generator = torch.Generator().manual_seed(0)
    values = torch.zeros(PICTURES, len(model.mean), *model.size)
    for cells in COARSENESS:
        noise = torch.randn(PICTURES, len(model.mean), cells, cells, generator=generator)
        values += interpolate(noise, size=model.size, mode="bilinear", align_corners=True)
    return normalised((0.5 + values / 6).clamp(0, 1), model.mean, model.std)


def _owner(modules: dict[str, nn.Module], name: str, owners: Sequence[str]) -> str:
    if name not in modules:
        raise UnknownName(unknown("layer", name, owners))
    if name not in owners:
        raise ValueError(f"layer {name!r} has no parameters of its own, so there is nothing to redraw; name a layer inside it")
    return name


def _placed(module: nn.Module, features: Tensor) -> Tensor:
    like = next(module.parameters(), features)
    return features.to(like.device, like.dtype)


def redraw(sub: nn.Module, seed: int, drawn: set[int]) -> None:
    """Draws a layer's own parameters anew, in place; `drawn` are the ids of those that another layer shares and had redrawn."""
    generator = torch.Generator().manual_seed(seed)
    orders: dict[int, Tensor] = {}
    for parameter in sub.parameters(recurse=False):
        if id(parameter) in drawn:
            continue  # one tensor that two layers share
        drawn.add(id(parameter))
        if parameter.ndim > 1:
            size = parameter.double().square().mean().sqrt().item()
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
        elif parameter.ndim == 1:
            # subtle: one order for factors and shifts, since a channel that shifts below its ReLU must stay one of small factor
            order = orders.setdefault(len(parameter), torch.randperm(len(parameter), generator=generator))
            parameter.copy_(parameter[order.to(parameter.device)])


def _moments(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over pictures and places."""
    axes = [0, *range(2, output.ndim)]
    mean = output.mean(axes, keepdim=True)
    # subtle: ten times as fast as Tensor.var
    return mean.flatten(), (output - mean).square().mean(axes)


def _spread(output: Tensor) -> Tensor:
    """How much an output varies over pictures and places, all channels taken together."""
    _, variance = _moments(output if output.ndim > 1 else output[:, None])
    return variance.double().mean().sqrt()


def _noting(learned: dict[str, Tensor]) -> Look:
    def note(name: str, _sub: nn.Module, output: Tensor) -> None:
        learned.setdefault(name, _spread(output))  # of a layer that runs more than once, the first time

    return note


def _scaling(learned: dict[str, Tensor]) -> Look:
    """Gives a layer's weight the factor by which its output varies as much as before, and that output with it."""
    done: set[int] = set()

    def scale(name: str, sub: nn.Module, output: Tensor) -> Tensor | None:
        weight, bias = sub.get_parameter("weight"), sub.bias
        now = _spread(output)
        if id(weight) in done or not (now > 0 and learned[name] > 0):
            return None
        done.add(id(weight))
        factor = (learned[name] / now).to(output.dtype)
        weight.mul_(factor)
        if not isinstance(bias, Tensor):
            return output * factor
        shift = bias.view(-1, *[1] * (weight.ndim - 2)) if isinstance(sub, _ConvNd) else bias
        return (output - shift) * factor + shift

    return scale


@contextmanager
def _each_output(modules: dict[str, nn.Module], names: Sequence[str], look: Look) -> Iterator[None]:
    """Inside the `with`, `look` sees the output of every named layer, and may give another in its place."""

    def hook(name: str) -> Callable[..., Tensor | None]:
        return lambda sub, _args, output: look(name, sub, output)

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _measured(modules: dict[str, nn.Module], names: Sequence[str]) -> Iterator[None]:
    """Inside the `with`, each of the named batch norms takes what it is given for its running statistics."""

    def hook(sub: nn.Module, args: Any) -> None:
        assert isinstance(sub, _BatchNorm)
        if sub.running_mean is not None and sub.running_var is not None:
            mean, variance = _moments(args[0])
            sub.running_mean.copy_(mean)
            sub.running_var.copy_(variance)

    norms = [modules[name] for name in names if isinstance(modules[name], _BatchNorm)]
    handles = [norm.register_forward_pre_hook(hook) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
