"""Parts of pictures that questions speak of: the subject, a shape that the author draws, what is darker than something."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from pellucid.course.artefacts import Axis, Entry, Missing, Value, artefact, shifted

if TYPE_CHECKING:
    from pellucid.course.workshop import Workshop


class RegionEntry(Entry):
    """The subject of each image, as the course's masks have it."""

    edge: int = Field(default=2, ge=0)
    """Pixels by which the outline, which is an opinion, may lie further in or out."""


def outlined(entry: "RegionEntry | ShapeEntry") -> list[Axis]:
    return shifted("mask", entry.edge, "px") if entry.edge else []


@artefact("region", entry=RegionEntry, axes=outlined, masked=True, kept=False)
def region(entry: RegionEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, True where the subject is; Missing, with the reason, for an image without a mask."""
    masks = workshop.masks(entry)
    pairs = zip(workshop.ids(entry), masks.values, masks.missing, strict=True)
    by = int(axis.get("mask", 0))
    return {id: Missing(missing) if missing else moved(mask.numpy(), by) for id, mask, missing in pairs}


class ShapeEntry(Entry):
    """A rectangle or an ellipse on images: left, top, right and bottom in shares of the picture that the network reads."""

    box: tuple[float, float, float, float]
    shape: Literal["rectangle", "ellipse"] = "rectangle"
    edge: int = Field(default=2, ge=0)


@artefact("shape", entry=ShapeEntry, axes=outlined, kept=False)
def shape(entry: ShapeEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, True inside the shape: the pixels whose centres lie in it."""
    height, width = workshop.images(entry).features.shape[2:]
    inside = moved(shaped(entry.box, entry.shape, height, width), int(axis.get("mask", 0)))
    return dict.fromkeys(workshop.ids(entry), inside)


def shaped(box: tuple[float, float, float, float], kind: str, height: int, width: int) -> np.ndarray:
    """The pixels whose centres lie in a rectangle or an ellipse that is given by its edges in shares of the sides."""
    left, top, right, bottom = box
    across = (np.arange(width) + 0.5) / width
    down = ((np.arange(height) + 0.5) / height)[:, None]
    if kind == "rectangle":
        return (across >= left) & (across < right) & (down >= top) & (down < bottom)
    x, y = (across - (left + right) / 2) / ((right - left) / 2), (down - (top + bottom) / 2) / ((bottom - top) / 2)
    return x**2 + y**2 <= 1


def moved(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask with its edge moved out (above 0) or in by that many pixels; never to nothing, where it stays as it is."""
    from scipy.ndimage import distance_transform_edt  # late: a slow import

    if by == 0:
        return mask
    if by > 0:
        return np.asarray(distance_transform_edt(~mask)) <= by
    within = np.asarray(distance_transform_edt(mask)) > -by
    return within if within.any() else mask


class BrightnessEntry(Entry):
    """Pixels darker or brighter than a luma of Rec. 709, 0 black and 1 white."""

    below: float = Field(default=1.01, ge=0)
    above: float = Field(default=-0.01, le=1)
    slack: float = Field(default=0.02, ge=0)
    """By which the limit may lie lower or higher."""


def limited(entry: BrightnessEntry) -> list[Axis]:
    return shifted("luma", entry.slack, "") if entry.slack else []


@artefact("brightness", entry=BrightnessEntry, axes=limited, kept=False)
def brightness(entry: BrightnessEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, True where the pixel's luma lies between the limits."""
    from pellucid.methods.edges import luminance

    luma = luminance(workshop.images(entry).pixels)[:, 0].numpy()
    shift = float(axis.get("luma", 0))
    within = (luma < entry.below + shift) & (luma > entry.above + shift)
    return dict(zip(workshop.ids(entry), within, strict=True))
