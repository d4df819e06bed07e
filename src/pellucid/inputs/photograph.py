"""Opening a photograph: from a path, a shipped name, PIL, NumPy or torch to an RGB picture, or an error that says why not."""

import csv
import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
"""Above this a picture is refused before it is decoded; 100 megapixels decode to 300 MB."""
MIN_SIDE = 8
"""Below this there is nothing to explain: every network pixel would be made of the same few."""
Fit = Literal["crop", "squash"]
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2")


class ImageWarning(UserWarning):
    """A picture was changed so that it could be read, or folders were passed over; the text says how, or which."""


def photographs() -> list[dict[str, str]]:
    """The shipped photographs as rows of their manifest, the observation images first in their order."""
    folder = files("pellucid") / "data" / "images"
    rows = list(csv.DictReader((folder / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    return [row | {"path": str(folder / row["file"])} for row in rows]


@dataclass(frozen=True)
class PictureFile:
    """A file that holds a picture, read where it was found: elsewhere its name may stand for nothing."""

    name: str
    """What a Request calls it."""
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, source: str) -> "PictureFile":
        """The file of that name. OSError or ValueError for a name that `open_photograph` refuses."""
        return cls(source, _file(source).read_bytes())


@cache
def observation_paths() -> tuple[Path, ...]:
    """The ten observation images, marked 0 to 9."""
    marked = [row for row in photographs() if row["observation"]]
    return tuple(Path(row["path"]) for row in sorted(marked, key=lambda row: int(row["observation"])))


_remembered: OrderedDict[str, Any] = OrderedDict()


def remember(source: object) -> str:
    """A name, `sha256:...`, under which `open_photograph` finds what was handed in, in this process; the last 64 are kept."""
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, PictureFile):
        return source.name
    array = _array(source) if isinstance(source, torch.Tensor) else np.asarray(source)
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()
    name = f"sha256:{digest}"
    _remembered[name] = source
    _remembered.move_to_end(name)
    while len(_remembered) > 64:
        _remembered.popitem(last=False)
    return name


def _array(tensor: torch.Tensor) -> np.ndarray:
    known = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # which NumPy has no number format for
    return np.asarray(known.detach().cpu())


def recall(name: str) -> object:
    """What `remember` was given under this name."""
    if name not in _remembered:
        raise ValueError(f"{name[:23]}... was handed in by another process; give the picture again")
    return _remembered[name]


def pictures_in(folder: Path) -> list[Path]:
    """A folder's pictures in order, but for hidden ones, such as macOS's `._cat.jpg`."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and not p.is_dir())


def expand(sources: Sequence[str | Path]) -> Iterator[str]:
    """Every picture that the sources name: files as they are, folders' pictures (see `pictures_in`), `observation` as all ten.
    Folders in a folder are passed over with an ImageWarning."""
    for source in map(str, sources):
        if source == "observation":
            yield from (f"observation:{n}" for n in range(len(observation_paths())))
        elif Path(source).is_dir():
            inside = pictures_in(Path(source))
            inner = sorted(p for p in Path(source).iterdir() if p.is_dir() and not p.name.startswith("."))
            if not inside:
                deeper = f"; folders in it are not looked into: name them, such as {inner[0].name!r}" if inner else ""
                raise ValueError(f"the folder {source!r} holds no picture{deeper}; known endings: {', '.join(SUFFIXES)}")
            if inner:
                many = f"{len(inner)} folders" if len(inner) > 1 else "1 folder"
                passed = f"{many} in {source!r} passed over: name those that are wanted too, such as {str(inner[0])!r}"
                warnings.warn(passed, ImageWarning, stacklevel=2)
            yield from map(str, inside)
        else:
            yield source


def central(width: int, height: int, size: tuple[int, int], crop: float = 1.0, fit: Fit = "crop") -> Rectangle:
    """What is kept of a photograph that is read as `size` (height, width) pixels: its middle.

    With "crop", of the shape of `size`, that share of the largest there is; with "squash", that share of either side.
    """
    if fit == "squash":
        kept_width, kept_height = crop * width, crop * height
    else:
        scale = crop * min(width / size[1], height / size[0])
        kept_width, kept_height = size[1] * scale, size[0] * scale
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return (left, top, left + kept_width, top + kept_height)


def open_photograph(source: object) -> tuple[Image.Image, str]:
    """The picture in RGB, upright, and a name for it.

    Takes a path, `observation:N`, a `sha256:` name, the bytes of a file, with its name or without, PIL, NumPy (height width 3,
    or height width; uint8, or float in [0, 1]) or a tensor (channel height width; uint8, or float in [0, 1]). Alpha is laid on
    white, 16 bits become 8, CMYK is converted without a profile, one channel becomes three: each with an ImageWarning, except
    the last. ValueError for everything else.
    """
    if isinstance(source, str | Path):
        return _from_path(str(source))
    if isinstance(source, Image.Image):
        _check_size(*source.size, "the image")
        return _as_rgb(source, "the image"), "image"
    if isinstance(source, PictureFile):
        return decode(BytesIO(source.content), repr(source.name)), Path(source.name).name
    if isinstance(source, bytes):
        return decode(BytesIO(source), "what these bytes hold"), "picture"
    if isinstance(source, torch.Tensor):
        return Image.fromarray(_as_uint8(_array(source), "the tensor", channels_first=True)), "tensor"
    if isinstance(source, np.ndarray):
        return Image.fromarray(_as_uint8(source, "the array", channels_first=False)), "array"
    raise TypeError(
        f"cannot read a {type(source).__name__} as an image; give a path, a file's bytes, PIL, a NumPy array or a tensor"
    )


def _from_path(source: str) -> tuple[Image.Image, str]:
    if source.startswith("sha256:"):
        return open_photograph(recall(source))
    path = _file(source)
    return decode(path, repr(source)), path.name


def _file(source: str) -> Path:
    if not source:
        raise ValueError("the name of the picture is empty; give a file, or observation:0 to observation:9")
    path = _shipped(source) if source.startswith("observation:") else Path(source)
    if not path.exists():
        pattern = "" if set("*?[").isdisjoint(source) else "; a pattern is for the shell: leave out its quotation marks"
        raise FileNotFoundError(f"no image at {source!r}; give a file, or observation:0 to observation:9{pattern}")
    if path.is_dir():
        raise IsADirectoryError(
            f"{source!r} is a folder; name the pictures in it, such as sorted(pathlib.Path({source!r}).glob('*.jpg'))"
        )
    return path


def decode(file: Path | BytesIO, what: str, most: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file, in RGB and upright; `what` it is called when it cannot be read, which is a ValueError.

    Its size is read first: one of more than `most` pixels is refused before it is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is stricter and comes below
            with Image.open(file) as image:
                _check_size(*image.size, what, most)
                frames = getattr(image, "n_frames", 1)
                if frames > 1:
                    raise ValueError(f"{what} has {frames} frames; save the one you mean as a picture of its own")
                return _as_rgb(image, what)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{what} is too large to decode safely: {error}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{what} is not a picture in a known format ({', '.join(s[1:] for s in SUFFIXES)})") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{what} cannot be decoded, it is truncated or damaged: {error}") from None


def _shipped(source: str) -> Path:
    number = source.removeprefix("observation:")
    if not number.isdecimal() or int(number) >= len(observation_paths()):
        raise ValueError(
            f"no observation image {number!r}; they are observation:0 to observation:{len(observation_paths()) - 1}"
        )
    return observation_paths()[int(number)]


def _check_size(width: int, height: int, what: str, most: int = MAX_PIXELS) -> None:
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"{what} is {width} x {height} px; the smallest that can be explained is {MIN_SIDE} x {MIN_SIDE}")
    if width * height > most:
        raise ValueError(
            f"{what} is {width} x {height} px, {width * height / 1e6:.0f} megapixels; at most {most // 10**6} are read: "
            "make it smaller first"
        )


def _as_rgb(image: Image.Image, what: str) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float64)
        full = 65535 if image.mode != "F" else 1.0
        if values.min() < 0 or values.max() > full:
            raise ValueError(f"{what} has values from {values.min():g} to {values.max():g}; expected 0 to {full:g}")
        warnings.warn(f"{what} has {'16' if full > 1 else '32'} bits a channel; read with 8", ImageWarning, stacklevel=2)
        image = Image.fromarray((values / full * 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if np.asarray(layer)[..., 3].min() < 255:
            warnings.warn(f"{what} has transparent parts; they are laid on white", ImageWarning, stacklevel=2)
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    if image.mode == "CMYK":
        warnings.warn(
            f"{what} is CMYK; converted to RGB without a colour profile, so hues may shift", ImageWarning, stacklevel=2
        )
    return image.convert("RGB")


def _cure(shape: tuple[int, ...], channels_first: bool) -> str:
    """What would do for an array or tensor of a shape that is not read, where that is known."""
    if len(shape) == 3 and shape[-1 if channels_first else 0] in (1, 3):
        return f"; its axes are turned by .{'permute(2, 0, 1)' if channels_first else 'transpose(1, 2, 0)'}"
    alpha = len(shape) == 3 and shape[-1] == 4 and not channels_first
    return "; alpha is read from PIL.Image.fromarray(array), an array of uint8" if alpha else ""


def _as_uint8(values: np.ndarray, what: str, *, channels_first: bool) -> np.ndarray:
    layout, given = "channel height width" if channels_first else "height width 3", tuple(values.shape)
    if values.ndim == 2:
        values = np.stack([values] * 3, axis=-1)
    elif values.ndim == 3 and channels_first:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[-1] not in (1, 3):
        raise ValueError(f"{what} has shape {given}; expected {layout}, with 1 or 3 channels{_cure(given, channels_first)}")
    if values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    _check_size(values.shape[1], values.shape[0], what)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{what} is {values.dtype}; expected uint8, or float in [0, 1]")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds NaN or infinite values")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{what} has values from {values.min():g} to {values.max():g}; floats are pixel values in [0, 1]. "
            "For features that are already normalised use model.from_features(tensor)"
        )
    return (values * 255).round().astype(np.uint8)
