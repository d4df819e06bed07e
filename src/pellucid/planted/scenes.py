"""Pictures of which every pixel is known: smooth natural-looking noise, and small things painted on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

SIDE = 36
"""Of a picture, in pixels."""
CELLS = 3
"""Cells a row and a column: things stand in different cells, and so never overlap."""
CELL = SIDE // CELLS


@final
@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures with values in [0, 1] as bytes hold them, the cause of their class, and the same pictures without it."""

    values: Float32[Tensor, "batch 3 height width"]
    target: Int64[Tensor, " batch"]
    mask: Bool[Tensor, "batch height width"]
    """The pixels that hold the cause."""
    others: Float32[Tensor, "other batch 3 height width"]
    """What each picture would be if it were of another class: it differs inside the mask alone."""
    other_target: Int64[Tensor, "other batch"]
    """The classes of these."""
    rest: Float32[Tensor, "batch 3 height width"]
    """Other pictures of another class, whose pixels outside the mask are as good as the picture's own for every class."""

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, kept: Int64[Tensor, " kept"]) -> "Scenes":
        return Scenes(
            self.values[kept], self.target[kept], self.mask[kept], self.others[:, kept], self.other_target[:, kept],
            self.rest[kept],
        )  # fmt: skip


Draw = Callable[[torch.Generator, int], Scenes]
"""So many scenes of a rule."""


def background(generator: torch.Generator, count: int) -> Float32[Tensor, "batch 3 height width"]:
    """Smooth noise whose amplitude falls with its frequency, somewhat faster than in photographs (Field 1987,
    https://doi.org/10.1364/JOSAA.4.002379). Light varies more than colour; pictures differ in brightness and contrast.
    """
    noise = torch.randn(count, 4, SIDE, SIDE, generator=generator)
    frequency = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = torch.inf
    smooth = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency**1.5, s=(SIDE, SIDE))
    smooth = smooth / smooth.std((2, 3), keepdim=True)
    brightness, contrast = torch.rand(2, count, 1, 1, 1, generator=generator)
    values = 0.25 + 0.25 * brightness + (0.06 + 0.08 * contrast) * smooth[:, :1] + 0.04 * smooth[:, 1:]
    return as_bytes(values)


def as_bytes(values: Float32[Tensor, "*shape"]) -> Float32[Tensor, "*shape"]:
    """The values that a picture of 8 bits can hold."""
    return values.clamp(0, 1).mul(255).round().div(255)


def stamp(*rows: str) -> Bool[Tensor, "height width"]:
    """A form drawn in letters: `#` is painted, everything else is not."""
    return torch.tensor([[letter == "#" for letter in row] for row in rows])


def painted(
    values: Float32[Tensor, "batch 3 height width"],
    form: Bool[Tensor, "#batch size size"],
    place: Int64[Tensor, "batch 2"],
    colour: Float32[Tensor, "batch 3"],
) -> Float32[Tensor, "batch 3 height width"]:
    """A copy with a form painted on every picture, its upper left corner at `place`."""
    values = values.clone()
    where = _square(place, form.shape[-1])
    shown = torch.where(form[..., None], as_bytes(colour)[:, None, None], values.movedim(1, -1)[where])
    values.movedim(1, -1)[where] = shown
    return values


def box(place: Int64[Tensor, "batch 2"], size: int) -> Bool[Tensor, "batch height width"]:
    """The squares of `size` pixels whose upper left corners these are."""
    mask = torch.zeros(len(place), SIDE, SIDE, dtype=torch.bool)
    mask[_square(place, size)] = True
    return mask


def _square(place: Int64[Tensor, "batch 2"], size: int) -> tuple[Tensor, Tensor, Tensor]:
    across = torch.arange(size)
    return torch.arange(len(place))[:, None, None], (place[:, :1] + across)[:, :, None], (place[:, 1:] + across)[:, None]


def cells(generator: torch.Generator, count: int, first: Int64[Tensor, " batch"] | None = None) -> Int64[Tensor, "batch cell"]:
    """All cells of every picture in random order, but for the `first`, where it is given."""
    order = torch.rand(count, CELLS**2, generator=generator)
    if first is not None:
        order[torch.arange(count), first] = -1
    return order.argsort(1)


def inside(generator: torch.Generator, cell: Int64[Tensor, "*batch"], size: int) -> Int64[Tensor, "*batch 2"]:
    """A random place for a square of that size within each cell."""
    corner = torch.stack([cell // CELLS, cell % CELLS], -1) * CELL
    return corner + torch.randint(CELL - size + 1, corner.shape, generator=generator)


def light(generator: torch.Generator, count: int) -> Float32[Tensor, "batch 3"]:
    """Light colours, lighter than nearly every background."""
    return 0.75 + 0.25 * torch.rand(count, 3, generator=generator)
