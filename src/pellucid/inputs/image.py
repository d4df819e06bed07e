"""What a CNN reads, together with the pixels to show a person; either can be made from the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Images:
    """A batch of images: `features` as the network reads them, `pixels` as a person sees them."""

    features: Float32[Tensor, "batch channel height width"]
    """Normalised: (value - mean) / std of pixel values in [0, 1]."""
    pixels: UInt8[Tensor, "batch height width 3"]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    """What a Request calls them."""
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int | slice) -> "Images":
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"no image {index} in a batch of {len(self)}")
            index = slice(index, index + 1 or None)
        return type(self)(self.features[index], self.pixels[index], self.names[index], self.sources[index], self.mean, self.std)

    def normalise(self, values: Float[Tensor, "*batch channel height width"]) -> Float[Tensor, "*batch channel height width"]:
        """Pixel values in [0, 1] as the network reads them."""
        return normalised(values, self.mean, self.std)

    def displayed(self, features: Float[Tensor, "*batch channel height width"]) -> Float[Tensor, "*batch channel height width"]:
        """Features as pixel values, 0 black and 1 white; not clipped."""
        return displayed(features, self.mean, self.std)

    @property
    def value_range(self) -> Float32[Tensor, " batch"]:
        """Largest minus smallest feature of each image, in the network's own units."""
        flat = self.features.flatten(1)
        return flat.amax(1) - flat.amin(1)


def normalised(
    values: Float[Tensor, "*batch channel height width"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*batch channel height width"]:
    """(value - mean) / std, channel by channel."""
    return ((values - _column(mean, values)) / _column(std, values)).contiguous()


def displayed(
    features: Float[Tensor, "*batch channel height width"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*batch channel height width"]:
    """The inverse of `normalised`."""
    return features * _column(std, features) + _column(mean, features)


def from_pixels(
    pixels: UInt8[Tensor, "batch height width 3"], mean: Sequence[float], std: Sequence[float]
) -> Float32[Tensor, "batch channel height width"]:
    """The features that these pixels give, bit by bit as when the picture was read."""
    return normalised(pixels.movedim(-1, 1)[:, : len(mean)].float().div(255), mean, std)


def to_pixels(values: Float[Tensor, "batch channel height width"]) -> UInt8[Tensor, "batch height width 3"]:
    """Pixel values in [0, 1], clipped, as bytes to show; one channel becomes grey."""
    shown = (values.clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
    return shown.expand(*shown.shape[:-1], 3).contiguous() if shown.shape[-1] == 1 else shown.contiguous()


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]
