"""Cutting a picture into superpixels, numbered 0 to S-1, or reading them from the user's own label map."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pellucid.inputs.photograph import recall
from pellucid.registry import Contradiction

Algorithm = Literal["slic", "quickshift", "felzenszwalb", "grid", "labels"]

MAX_SUPERPIXELS = 1000
"""Above this a picture is refused: what is fitted to S superpixels takes memory with the square of S and time with its cube."""
LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of one integer a pixel; in P that is the index into the palette, as label maps are often saved."""


@final
@dataclass(frozen=True)
class Segmentation:
    """How a picture is cut. Each algorithm reads its own settings and ignores the others'."""

    algorithm: Algorithm = "slic"
    segments: int = 200
    """slic and grid: about how many superpixels."""
    compactness: float = 10.0
    """slic: nearness in place against likeness in colour; high values give squares."""
    sigma: float = 1.0
    """slic, quickshift and felzenszwalb: smoothing beforehand, in pixels."""
    scale: float = 100.0
    """felzenszwalb: higher means larger superpixels."""
    min_size: int = 20
    """felzenszwalb: smaller ones join a neighbour, in pixels."""
    kernel_size: float = 4.0
    """quickshift: width of the density estimate, in pixels; higher means fewer superpixels."""
    max_dist: float = 200.0
    """quickshift: links longer than this are cut; higher means fewer superpixels."""
    ratio: float = 0.2
    """quickshift: likeness in colour against nearness in place."""
    label_map: str = ""
    """labels: a path, or a `sha256:` name of what was handed in."""
    seed: int = 0
    """quickshift: breaks its ties. The others draw nothing."""

    def __post_init__(self) -> None:
        if self.algorithm == "labels" and not self.label_map:
            raise Contradiction(
                "segmentation='labels' needs label_map: a .npy file, a picture of one integer a pixel, or an array"
            )
        if self.algorithm != "labels" and self.label_map:
            raise Contradiction(
                f"label_map is given but segmentation={self.algorithm!r} does not read it; set segmentation='labels'"
            )


def superpixels(
    pixels: UInt8[Tensor, "batch height width 3"], how: Segmentation, names: tuple[str, ...]
) -> list[Int64[Tensor, "height width"]]:
    """A map of each picture: the superpixel that each pixel belongs to, 0 to S-1, none of them empty.

    ValueError, with the picture's name, for fewer than two superpixels or more than `MAX_SUPERPIXELS`.
    """
    height, width = pixels.shape[1:3]
    if how.algorithm == "labels":
        maps = [read_label_map(how.label_map, (height, width))] * len(pixels)
    elif how.algorithm == "grid":
        maps = [grid(height, width, how.segments)] * len(pixels)
    else:
        maps = [torch.from_numpy(_renumbered(_by_colour(picture.numpy() / 255, how))) for picture in pixels]
    for name, labels in zip(names, maps, strict=True):
        found = int(labels.max()) + 1
        if not 2 <= found <= MAX_SUPERPIXELS:
            bounds = "at least 2 are needed" if found < 2 else f"at most {MAX_SUPERPIXELS} can be told apart"
            counted = f"{found} superpixel{'s' * (found != 1)}"
            raise ValueError(f"{how.algorithm} finds {counted} in {name}; {bounds}: {_remedy(how.algorithm, found < 2)}")
    return maps


def grid(height: int, width: int, segments: int) -> Int64[Tensor, "height width"]:
    """About `segments` rectangles, as square as whole pixels and a full last row allow."""
    rows = min(height, max(1, round((segments * height / width) ** 0.5)))
    columns = min(width, max(1, round(segments / rows)))
    row = torch.arange(height) * rows // height
    return row[:, None] * columns + torch.arange(width) * columns // width


def read_label_map(source: str, size: tuple[int, int]) -> Int64[Tensor, "height width"]:
    """The user's own superpixels, renumbered 0 to S-1 in the order of their labels.

    Takes a `.npy` file, a picture of one integer a pixel (bits, grey, palette or 16 bits), or the `sha256:` name of an array,
    tensor or picture that was handed in. ValueError for anything else, or another size than the network's.
    """
    if source.startswith("sha256:"):
        given, what = recall(source), "the label map"
        if isinstance(given, Image.Image):
            given = _picture(given, size, what)
        labels = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    else:
        what = f"the label map {source!r}"
        labels = _from_file(Path(source), size, what)
    if not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == np.bool_):
        raise ValueError(f"{what} holds {labels.dtype} values; expected integers, one for each superpixel")
    _check_size(labels.shape, size, what)
    return torch.from_numpy(_renumbered(labels))


def _check_size(found: tuple[int, ...], size: tuple[int, int], what: str) -> None:
    if tuple(found) != size:
        got = " x ".join(map(str, found)) or "a single number"
        raise ValueError(f"{what} is {got}; expected the network's {size[0]} x {size[1]} (height x width)")


def _from_file(path: Path, size: tuple[int, int], what: str) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"no label map at {str(path)!r}; give a .npy file or a picture of one integer a pixel")
    if path.suffix.lower() == ".npy":
        try:
            return np.lib.format.open_memmap(path, mode="r")  # reads arrays of plain numbers only, and nothing before its shape
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{what} is not an array of numbers in .npy: {error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is checked before it is decoded
            with Image.open(path) as picture:
                return _picture(picture, size, what)
    except UnidentifiedImageError:
        raise ValueError(f"{what} is neither .npy nor a picture in a known format") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{what} cannot be read, it is truncated or damaged: {error}") from None


def _picture(picture: Image.Image, size: tuple[int, int], what: str) -> np.ndarray:
    if picture.mode not in LABEL_MODES:
        raise ValueError(f"{what} is a picture of mode {picture.mode}; expected one integer a pixel: grey, palette or 16 bits")
    _check_size(picture.size[::-1], size, what)
    return np.asarray(picture)


def _by_colour(picture: np.ndarray, how: Segmentation) -> np.ndarray:
    from skimage.segmentation import felzenszwalb, quickshift, slic  # late: a slow import

    if how.algorithm == "slic":
        return slic(picture, how.segments, how.compactness, sigma=how.sigma, start_label=0, channel_axis=-1)
    if how.algorithm == "felzenszwalb":
        return felzenszwalb(picture, how.scale, how.sigma, how.min_size, channel_axis=-1)
    settings: dict[str, Any] = vars(how)  # typed as int there, though their defaults are not
    return quickshift(
        picture, channel_axis=-1, rng=how.seed, **{k: settings[k] for k in ("ratio", "kernel_size", "max_dist", "sigma")}
    )


def _renumbered(labels: np.ndarray) -> np.ndarray:
    # a label without pixels would get a weight though hiding it changes nothing
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def _remedy(algorithm: Algorithm, few: bool) -> str:
    knobs = {"felzenszwalb": "scale or min_size", "quickshift": "kernel_size or max_dist"}
    if algorithm == "labels":
        return f"give a map with {'more' if few else 'fewer'} labels"
    if algorithm in knobs:
        return f"{'lower' if few else 'raise'} {knobs[algorithm]}, or set segmentation='slic'"
    return f"{'raise' if few else 'lower'} segments"
