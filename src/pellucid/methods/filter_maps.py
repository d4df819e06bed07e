"""Where a filter fires on given images, the patches that excite it most, and whether a picture made for it beats them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from pellucid.inputs.image import Images, normalised
from pellucid.methods.filter_image import FilterImage
from pellucid.models.finite import all_finite
from pellucid.models.image import ImageClassifier
from pellucid.models.kinds import check_classifier
from pellucid.models.layer_maps import filter_indices, filter_layer, layer_maps
from pellucid.models.receptive import Box, receptive_boxes


@final
@dataclass(frozen=True, eq=False)
class FilterMaps:
    """What filters of one layer put out on images, in the layer's own units."""

    activations: Float32[Tensor, "image filter rows columns"]
    """Raw: neither rescaled nor cut off. A unit of a linear layer has one place."""
    filters: Int64[Tensor, " filter"]
    layer: str
    names: tuple[str, ...]
    """Of the images."""
    size: tuple[int, int]
    """Height and width of the network's input."""

    @property
    def peak(self) -> Float32[Tensor, "image filter"]:
        """The largest activation of each map."""
        return self.activations.amax((2, 3))

    @property
    def peak_place(self) -> Int64[Tensor, "image filter 2"]:
        """Row and column of the peak in the map; the first in reading order where several share it."""
        flat = self.activations.flatten(2)
        # subtle: argmax may give any of several equal places
        first = (flat == flat.amax(2, keepdim=True)).int().argmax(2)
        columns = self.activations.shape[3]
        return torch.stack([first // columns, first % columns], dim=2)

    @property
    def mean(self) -> Float32[Tensor, "image filter"]:
        """The mean of each map: what `filters` raises."""
        return self.activations.mean((2, 3))

    def upsampled(self) -> Float32[Tensor, "image filter height width"]:
        """The maps at the size of the input, interpolated linearly; beyond the centres of the outermost places, constant."""
        return functional.interpolate(self.activations, size=self.size, mode="bilinear", align_corners=False)


@final
@dataclass(frozen=True, eq=False)
class Patch:
    """The part of an image that excites a filter most."""

    image: int
    """Which of the images."""
    name: str
    filter: int
    value: float
    """The filter's activation there."""
    place: tuple[int, int]
    """Row and column in the filter's map."""
    box: Box
    """The receptive field of that place: left, top, right, bottom in pixels of the network's input."""
    crop: UInt8[Tensor, "rows columns 3"]


def filter_maps(model: ImageClassifier, inputs: Images, layer: str, filters: Sequence[int] | int) -> FilterMaps:
    """Where each filter fires on each image. The forward pass ends at the layer.

    Raises as `pl.filters` does for a layer or a filter, and ValueError for activations that are NaN or infinite.
    """
    check_classifier(model)
    model.check_mode()
    wanted = filter_indices(filter_layer(model, layer), filters)
    activations = torch.cat(list(_outputs(model, layer, wanted, inputs.features)))
    return FilterMaps(activations, wanted, layer, inputs.names, model.size)


def _outputs(
    model: ImageClassifier,
    layer: str,
    filters: Int64[Tensor, " filter"],
    features: Float32[Tensor, "image channel height width"],
) -> Iterator[Float32[Tensor, "image filter rows columns"]]:
    for part in features.split(model.batches.images):
        with torch.no_grad():
            # subtle: the copy lets a network begin with an in-place module
            maps = layer_maps(model, layer, part.clone())[:, filters]
        if not all_finite(maps):
            raise ValueError(f"layer {layer!r} gives NaN or infinite activations; nothing can be shown of them")
        yield maps


def strongest_patches(
    model: ImageClassifier, inputs: Images, layer: str, filters: Sequence[int] | int, count: int = 9
) -> list[list[Patch]]:
    """For each filter the `count` patches that excite it most, strongest first, at most one from an image.

    A patch is the receptive field of the strongest place (the first in reading order where several share it); images that
    excite it equally stay in their order. An image that leaves the filter silent, its strongest activation being exactly 0 as
    behind a ReLU that never opens, gives no patch: there may be fewer than `count`, or none.
    """
    if count < 1:
        raise ValueError(f"count={count}; ask for at least one patch")
    maps = filter_maps(model, inputs, layer, filters)
    peaks, places = maps.peak, maps.peak_place
    chosen = [
        (image, number)
        for number in range(len(maps.filters))
        for image in [i for i in peaks[:, number].sort(descending=True, stable=True).indices.tolist() if peaks[i, number] != 0][
            :count
        ]
    ]
    patches: list[list[Patch]] = [[] for _ in maps.filters]
    if not chosen:
        return patches
    images, numbers = torch.tensor(chosen).unbind(1)
    boxes = receptive_boxes(model, layer, inputs.features[images], places[images, numbers])
    for (image, number), box in zip(chosen, boxes, strict=True):
        left, top, right, bottom = box
        row, column = places[image, number].tolist()
        patches[number].append(
            Patch(
                image=image,
                name=inputs.names[image],
                filter=int(maps.filters[number]),
                value=float(peaks[image, number]),
                place=(row, column),
                box=box,
                crop=inputs.pixels[image, top:bottom, left:right],
            )
        )
    return patches


def beats_images(model: ImageClassifier, made: FilterImage, inputs: Images) -> Bool[Tensor, " batch"]:
    """Whether each made picture excites its filter more than every one of these images does.

    Compared is the activation that the picture was made for: the mean of the map, or its centre. The picture is taken as it
    can be shown, its values cut off at black and white, since a real image has no others.
    """
    of_made, of_images = excitements(model, made, inputs)
    return of_made.raised > of_images.raised.amax(0)


@final
@dataclass(frozen=True, eq=False)
class Excitements:
    """How much pictures excite filters, by two measures that must not be compared with each other."""

    raised: Float32[Tensor, "*image filter"]
    """What ascent raised: the mean of the map, or its centre when that was the objective."""
    peak: Float32[Tensor, "*image filter"]
    """The largest activation of the map."""


def excitements(model: ImageClassifier, made: FilterImage, inputs: Images) -> tuple[Excitements, Excitements]:
    """How much each made picture excites its filter, and how much each of the images does: one column a made picture.

    The made picture is taken as `beats_images` takes it.
    """
    features = normalised(made.values.clamp(0, 1), made.mean, made.std)
    filters, which = made.filters.unique(return_inverse=True)
    of_made = torch.cat(list(_outputs(model, made.layer, filters, features)))[torch.arange(len(made)), which]
    of_images = filter_maps(model, inputs, made.layer, filters.tolist()).activations[:, which]
    centre = made.options.get("objective") == "neuron"
    return _excitements(of_made, centre), _excitements(of_images, centre)


def _excitements(maps: Float32[Tensor, "*maps rows columns"], centre: bool) -> Excitements:
    raised = maps[..., maps.shape[-2] // 2, maps.shape[-1] // 2] if centre else maps.mean((-2, -1))
    return Excitements(raised, maps.amax((-2, -1)))
