"""Where the subject of a photograph is: drawn by eye for the shipped ones, or a picture of the user's own."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float64
from PIL import Image
from pydantic import Field
from torch import Tensor

from pellucid.inputs.image import Images
from pellucid.inputs.photograph import (
    SUFFIXES,
    ImageWarning,
    Rectangle,
    observation_paths,
    open_photograph,
    photographs,
    recall,
)

Box = Callable[[int, int], Rectangle]
"""Of a photograph of so many pixels (width, height), the part that the network reads: left, top, right, bottom."""
MaskOption = Annotated[
    str,
    Field(
        description="A picture, bright where the subject is, or a folder of them; empty: those of the shipped photographs.",
        json_schema_extra={"format": "labels"},
    ),
]
BRIGHT = 128
"""From this value on, of 255, a pixel of a picture of a mask belongs to the subject."""


@final
@dataclass(frozen=True, eq=False)
class Masks:
    """The subject of each image as the network reads it."""

    values: Bool[Tensor, "batch height width"]
    """False everywhere for an image that has none."""
    missing: tuple[str, ...]
    """Why an image has none; empty where it has one."""
    names: tuple[str, ...]

    @property
    def known(self) -> Bool[Tensor, " batch"]:
        return torch.tensor([not reason for reason in self.missing])

    def notes(self, of_maps: Sequence[str]) -> dict[str, str]:
        """Why images have no value, each reason with its images: that of the mask, or else that of the map, empty for none."""
        reasons = [mine or other for mine, other in zip(self.missing, of_maps, strict=True)]
        whose = {reason: [n for n, r in zip(self.names, reasons, strict=True) if r == reason] for reason in reasons if reason}
        told = [f"{', '.join(names)}: {reason}" for reason, names in whose.items()]
        return {"no value": "; ".join(told)} if told else {}


def subject_mask(inputs: Images, box: Box, mask: str = "") -> Masks:
    """Which pixels that the network reads show the subject, cut and resized as the photographs were; half a pixel counts.

    Without `mask`, the shipped outlines, for the shipped photographs and exact copies of them. `mask` is a picture whose
    bright part is the subject, a folder of such pictures under the photographs' names, or the `sha256:` name of an array. It
    has the size of the photograph, or that of what the network reads, and is then taken as it is; one picture serves every
    image whose size it has. Raises FileNotFoundError or ValueError for a mask that cannot be read or is nowhere bright.
    """
    height, width = inputs.features.shape[2:]
    given = _Given.read(mask) if mask else None
    found: list[Bool[Tensor, "height width"]] = []
    missing: list[str] = []
    for name, source in zip(inputs.names, inputs.sources, strict=True):
        drawn = _drawn(source) if given is None else given.of(name)
        seen = drawn if isinstance(drawn, str) else _seen(drawn, source, box, (height, width))
        missing.append(seen if isinstance(seen, str) else "")
        found.append(torch.zeros(height, width, dtype=torch.bool) if isinstance(seen, str) else seen)
    return Masks(torch.stack(found), tuple(missing), inputs.names)


def as_read(mask: Bool[np.ndarray, "height width"], box: Box, size: tuple[int, int]) -> Bool[Tensor, "rows columns"]:
    """A mask of a photograph's size, cut and resized as the photograph is to `size` (height, width)."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    # subtle: bilinear for bicubic networks too, which overshoot beside an edge and agree with it on where half of a pixel is
    picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box(*picture.size))
    return torch.from_numpy(np.asarray(picture) >= BRIGHT)


def rasterised(polygons: Sequence[Sequence[Sequence[float]]], width: int, height: int) -> Bool[np.ndarray, "height width"]:
    """The pixels whose centres lie in any of the polygons, which are given in shares of width and height."""
    from skimage.draw import polygon2mask  # late: a slow import

    mask = np.zeros((height, width), dtype=bool)
    for polygon in polygons:
        columns, rows = np.asarray(polygon, dtype=np.float64).T
        mask |= polygon2mask((height, width), np.stack([rows * height - 0.5, columns * width - 0.5], axis=1))
    return mask


def moved(weights: Float64[Tensor, "height width"], mask: Bool[Tensor, "height width"]) -> tuple[float, float, float]:
    """The share of the weights that falls into the mask when they are moved over the image, round its edges, to every place.

    The mean over all places, which is the mask's share of the image, and the 2.5 % and 97.5 % quantiles: what a map of this
    very shape gives that does not know where the subject is.
    """
    spectrum = torch.fft.rfft2(weights / weights.sum()).conj() * torch.fft.rfft2(mask.double())
    shares = torch.fft.irfft2(spectrum, s=mask.shape).clamp(0, 1).numpy()
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(mask.double().mean()), float(low), float(high)


@cache
def outlines() -> dict[str, dict[str, Any]]:
    """By file name, the `subject` of each shipped photograph and its `polygons`, or the `reason` why it has none."""
    drawn = json.loads((files("pellucid") / "data" / "masks.json").read_text(encoding="utf-8"))
    return {**{one["file"]: one for one in drawn.pop("without")}, **drawn}


@cache
def _outlined(file: str) -> Bool[np.ndarray, "height width"] | str:
    outline = outlines()[file]
    if "reason" in outline:
        return outline["reason"]
    with Image.open(_shipped()[file]) as picture:
        return rasterised(outline["polygons"], *picture.size)


@cache
def _shipped() -> dict[str, Path]:
    return {row["file"]: Path(row["path"]) for row in photographs()}


def _drawn(source: str) -> Bool[np.ndarray, "height width"] | str:
    """The shipped mask of what the source names, at the photograph's size, or why there is none."""
    unknown = "no mask is shipped for it; give one as mask=... (--mask in the shell)"
    if source.startswith("sha256:"):
        return unknown
    path = observation_paths()[int(source.removeprefix("observation:"))] if source.startswith("observation:") else Path(source)
    shipped = _shipped().get(path.name)
    if shipped is None:
        return unknown
    if not path.is_file() or path.read_bytes() != shipped.read_bytes():
        return f"it is called like the shipped photograph, and is another; {unknown}"
    return _outlined(path.name)


@final
@dataclass(frozen=True)
class _Given:
    """The user's own masks: one for all, or one by name of photograph."""

    one: Bool[np.ndarray, "height width"] | None = None
    folder: Path | None = None

    @classmethod
    def read(cls, mask: str) -> "_Given":
        if mask.startswith("sha256:"):
            return cls(_from_memory(recall(mask)))
        if Path(mask).is_dir():
            return cls(folder=Path(mask))
        return cls(_from_file(mask))

    def of(self, name: str) -> Bool[np.ndarray, "height width"] | str:
        if self.folder is None:
            assert self.one is not None
            return self.one
        stem = Path(name).stem
        for suffix in SUFFIXES:
            if (self.folder / f"{stem}{suffix}").is_file():
                return _from_file(str(self.folder / f"{stem}{suffix}"))
        return f"{str(self.folder)!r} holds no mask of that name"


def _from_file(path: str) -> Bool[np.ndarray, "height width"]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no mask at {path!r}; give a picture of the photograph's size, bright where the subject is")
    return _bright(np.asarray(open_photograph(path)[0].convert("L")), f"the mask {path!r}")


def _from_memory(given: object) -> Bool[np.ndarray, "height width"]:
    if isinstance(given, Image.Image):
        return _bright(np.asarray(open_photograph(given)[0].convert("L")), "the mask")
    values = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise ValueError(
            f"the mask is {values.dtype} of shape {values.shape}; expected height x width, of bool, of bytes, or of shares"
        )
    return _bright(values, "the mask")


def _bright(values: np.ndarray, what: str) -> Bool[np.ndarray, "height width"]:
    least = {"b": 1, "f": 0.5}.get(values.dtype.kind, BRIGHT)
    mask = values >= least
    if not mask.any():
        raise ValueError(
            f"{what} is nowhere {least} or more, its highest value is {values.max()}; the subject is where it is bright"
        )
    return mask


def _seen(
    mask: Bool[np.ndarray, "rows columns"], source: str, box: Box, size: tuple[int, int]
) -> Bool[Tensor, "height width"] | str:
    """The mask as the network reads it, or why it has none."""
    photograph, taken_as_it_is = _photograph(source, size)
    if mask.shape == photograph and not taken_as_it_is:
        seen = as_read(mask, box, size)
    elif mask.shape == size:
        seen = torch.from_numpy(mask)
    else:
        shapes = [f"{shape[1]} x {shape[0]} px" for shape in (mask.shape, photograph or size, size)]
        whose = f"the photograph is {shapes[1]}" if photograph else "the photograph is not at hand"
        return f"the mask is {shapes[0]}, {whose}, and the network reads {shapes[2]}"
    return seen if seen.any() else "nothing of the subject is left where the network looks"


def _photograph(source: str, size: tuple[int, int]) -> tuple[tuple[int, int] | None, bool]:
    """Height and width of what the source names, None where it is gone; and whether it is read without cut or resize."""
    try:
        given = recall(source) if source.startswith("sha256:") else source
        if isinstance(given, Tensor):
            shape = (given.shape[-2], given.shape[-1])
            return shape, shape == size
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageWarning)  # told when the photograph was read
            width, height = open_photograph(given)[0].size
            return (height, width), False
    except (OSError, ValueError):
        return None, False
