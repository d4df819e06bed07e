"""The filters of a layer: which there are, and what they put out, the forward pass ending at the layer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import Module

from pellucid.models.batches import BATCH
from pellucid.models.hooks import Layer, find_module
from pellucid.models.image import ImageClassifier

LARGEST = 2**25 - 1
"""Bytes of one layer's output in a pass that keeps its graph; above it glibc asks the kernel for fresh pages every time."""


def filter_layer(model: ImageClassifier, name: str) -> Layer:
    """The layer of that name. KeyError when there is none; ValueError when its output is not one map a filter, met once."""
    find_module(model.module, name)
    met = {layer.name: layer for layer in model.layers}
    if name not in met:
        raise ValueError(f"the forward pass does not run through layer {name!r}; choose one of model.layers")
    layer = met[name]
    if layer.calls > 1:
        raise ValueError(
            f"layer {name!r} runs {layer.calls} times in a forward pass, so its filters have more than one output; "
            "choose a layer that runs once"
        )
    if len(layer.shape) != 1 and not layer.gives_maps:
        got = f"{' x '.join(map(str, layer.shape))} values" if layer.shape else "no single tensor"
        got += ", the channels last," if layer.channels_last else ""
        raise ValueError(
            f"layer {name!r} ({layer.kind}) gives {got} an image; filters have a map each, filter x height x width, and "
            "units one value each: choose such a layer"
        )
    return layer


def filter_indices(layer: Layer, filters: Sequence[int] | int) -> Int64[Tensor, " filter"]:
    """The filters asked for. IndexError for one that the layer does not have, ValueError for none at all."""
    wanted = [filters] if isinstance(filters, int) else [int(one) for one in filters]
    if not wanted:
        raise ValueError(f"no filter was asked for; layer {layer.name} has filters 0 to {layer.shape[0] - 1}")
    for one in wanted:
        if not 0 <= one < layer.shape[0]:
            raise IndexError(f"layer {layer.name} has filters 0 to {layer.shape[0] - 1}, got {one}")
    return torch.tensor(wanted)


def layer_maps(
    model: ImageClassifier, name: str, features: Float[Tensor, "batch channel height width"]
) -> Float32[Tensor, "batch filter rows columns"]:
    """Every filter's map, attached to the graph; a unit of a linear layer has a map of 1 x 1. One pass, ending at the layer."""
    output = model.layer_output(features, name)
    if output.ndim not in (2, 4) or len(output) != len(features):
        raise ValueError(f"layer {name!r} gave shape {tuple(output.shape)} for {len(features)} images")
    maps = output.float().cpu()
    return maps if maps.ndim == 4 else maps[:, :, None, None]


def responses(
    model: ImageClassifier, features: Float[Tensor, "1 channel height width"]
) -> dict[str, Float32[Tensor, "rows columns"]]:
    """How strongly each layer that gives maps responds at each place: the mean magnitude of its filters, by its name, in the
    order of the pass. One pass over one image; a layer that runs more than once, or gives NaN or infinite values, is left out.
    """
    once = {layer.name for layer in model.layers if layer.calls == 1 and layer.gives_maps}
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: Module, _args: Any, output: Any) -> None:
            found[name] = output[0].float().abs().mean(0).cpu()

        return hook

    handles = [sub.register_forward_hook(keep(name)) for name, sub in model.module.named_modules() if name in once]
    try:
        with torch.no_grad():
            model.module(model.placed(features.clone()))
    finally:
        for handle in handles:
            handle.remove()
    return {name: one for name, one in found.items() if torch.isfinite(one).all()}


def together(model: ImageClassifier, name: str) -> int:
    """How many images a pass that keeps its graph takes at once, so that no layer up to this one puts out over `LARGEST`."""
    names = [layer.name for layer in model.layers]
    before = model.layers[: names.index(name) + 1]
    widest = max(torch.Size(layer.shape).numel() for layer in before)
    return max(1, min(BATCH, LARGEST // (4 * widest)))
