"""Grad-CAM. Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from jaxtyping import Float32, Int64
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.hooks import Layer, find_module
from pellucid.models.image import ImageClassifier, Output
from pellucid.registry import Unsuited


@methods.register(first=1)
def grad_cam(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    layer: Annotated[
        str, Field(description="Layer whose maps are weighed; empty: the last one that has maps and runs once.")
    ] = "",
    rectify: Annotated[bool, Field(description="Keep only what speaks for the target, as the paper does.")] = True,
    output: Annotated[Output, Field(description="What is differentiated.")] = "logit",
) -> Iterator[Attribution]:
    """Where a layer's feature maps, each weighed by the mean gradient of the target's output, speak for the target.

    Unit: that of the output, for each position of the layer. Not negative unless `rectify` is off. The coarse map is enlarged
    to the input bilinearly, after rectifying; `extras["cam"]` holds it as it is, before rectifying, `batch height width`.
    `notes` names the layer. Nothing is estimated, so the error is 0; how coarse the map is, its size says.

    Without a `layer` it is the last to finish of those whose output has a height and a width above 1 and that run once in a
    pass. Raises KeyError for an unknown layer, ValueError for one without such maps, or one that runs more than once.
    """
    chosen = mapped_layer(model, layer)
    cams = []
    together = model.batches.images
    for part, wanted in zip(inputs.features.split(together), target.split(together), strict=True):
        _, activations, gradients = model.layer_gradients(part, wanted, chosen, output)
        cams.append(weighed(activations, gradients))
    cam = torch.cat(cams)
    shown = cam.relu() if rectify else cam
    yield Attribution(
        scores=interpolate(shown[:, None], inputs.features.shape[2:], mode="bilinear", align_corners=False),
        target=target,
        error=torch.zeros(len(inputs)),
        work=Work(len(inputs), len(inputs), 1.0),
        unit=output,
        signed=not rectify,
        extras={"cam": cam},
        notes={"layer": chosen},
    )


def weighed(
    activations: Float32[Tensor, "batch channel height width"], gradients: Float32[Tensor, "batch channel height width"]
) -> Float32[Tensor, "batch height width"]:
    weights = gradients.mean((2, 3), keepdim=True)  # eq. 1
    return (weights * activations).sum(1)  # eq. 2, before its ReLU


def mapped_layer(model: ImageClassifier, name: str) -> str:
    """The name of the layer that is meant, once it is sure that its output can be laid over the image."""
    layers = {layer.name: layer for layer in model.layers}
    fit = [layer.name for layer in layers.values() if has_maps(layer) and layer.calls == 1]
    if not name:
        if not fit:
            raise Unsuited("no layer that runs once gives maps (channel height width); Grad-CAM is for convolutional networks")
        return fit[-1]
    find_module(model.module, name)
    if name not in layers:
        raise Unsuited(f"the forward pass does not run through layer {name!r}; {such_as(fit)}")
    if not has_maps(layers[name]):
        shape = " x ".join(map(str, layers[name].shape)) or "not one tensor with a row for each image"
        if layers[name].channels_last:
            shape += ", the channels last"
        raise Unsuited(f"layer {name!r} gives no maps (channel height width), its output is {shape}; {such_as(fit)}")
    if layers[name].calls > 1:
        raise Unsuited(f"layer {name!r} runs {layers[name].calls} times in a forward pass; {such_as(fit)}")
    return name


def has_maps(layer: Layer) -> bool:
    return layer.gives_maps and min(layer.shape[1:]) > 1


def such_as(names: Sequence[str]) -> str:
    return f"layers that would do: {', '.join(names[-8:])}{' and earlier ones' if len(names) > 8 else ''}"
