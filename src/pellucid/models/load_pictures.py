"""An image classifier from a folder as `transformers` saves it, or from a name of the Hub that the user gives.

How it reads a picture is measured: its own image processor is shown pictures of one colour and ramps. What every kind of
processor calls its settings, and which of them it heeds, need not be known then.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.inputs.photograph import Fit, Rectangle, central
from pellucid.models.fit import label_names
from pellucid.models.folders import filled, quiet, reason, wanted
from pellucid.models.image import ImageClassifier, Interpolation

FILES = "config.json, preprocessor_config.json, model.safetensors"
LONG, SHORT = 640, 400
"""Pixels of the sides of the pictures that a processor is shown."""
LOW, HIGH = 8, 247
"""Between which their ramps rise."""
NEARLY = 2.5
"""Pixels of them by which what it keeps may be off, or one of the network's where that is more: most processors resize to whole
pixels before they cut."""
ALIKE = 0.02
"""How far what is read here may be from what the processor reads of a smooth picture, on average, where white is 1."""
_RESAMPLE: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""What Pillow's numbers mean."""

Seen = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""What a processor makes of a picture: channel x height x width."""


def load_classifier_folder(place: str, name: str, config: Any, *, local: bool) -> ImageClassifier:
    """A classifier that reads pictures as its own processor does. ValueError for a folder without one, or whose processor does
    more than to cut, resize and normalise.

    `place` is a folder or, unless `local`, a name of the Hub, and `config` is what it says of itself.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    try:
        with quiet():
            processor = AutoImageProcessor.from_pretrained(
                place, local_files_only=local, backend="pil", trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ValueError(
            f"cannot tell how {place!r} reads a picture: {reason(error)}. {wanted(local, FILES)}. Or load the module yourself: "
            "pl.ImageClassifier(module, size=..., mean=..., std=...)"
        ) from None

    def seen(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        try:
            with quiet():
                return processor(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"][0].double().numpy()
        except Exception as error:  # whatever it makes of its own settings
            raise Unlike(f"cannot read a picture ({reason(error)})") from None

    module = filled(AutoModelForImageClassification, place, config, local, FILES)
    if config.problem_type == "multi_label_classification":
        warnings.warn(
            f"{name} answers for each class by itself (multi_label_classification), and probabilities here are those of one "
            "class among all: explain its logits, output='logit'",
            UserWarning,
            stacklevel=2,
        )
    asked = getattr(processor, "resample", None)
    interpolation: Interpolation = "bicubic" if asked is None else _RESAMPLE[int(asked)]
    try:
        how = measured(seen)
        made = ImageClassifier(
            module.eval(), labels=label_names(config.id2label), name=name, interpolation=interpolation, **how
        )
        _check(made, seen)
    except Unlike as error:
        raise ValueError(
            f"{place!r}: its {type(processor).__name__} {error}. Load the module yourself, "
            "pl.ImageClassifier(module, size=..., mean=..., std=...), and read pictures as it does"
        ) from None
    return made


class Unlike(ValueError):
    """What a processor does that no `ImageClassifier` does: to be put behind its name."""


def measured(seen: Seen) -> dict[str, Any]:
    """`size`, `mean`, `std`, `crop` and `fit` of whatever makes features of pictures. `Unlike` where these cannot say it."""
    black, white = seen(_flat(0, 0, 0)), seen(_flat(255, 255, 255))
    if black.ndim != 3 or len(black) != 3:
        raise Unlike(f"makes {' x '.join(map(str, black.shape))} of a picture in place of 3 x height x width")
    if np.ptp(black, (1, 2)).max() > 1e-4 or np.ptp(white, (1, 2)).max() > 1e-4:
        raise Unlike("makes several shades of a picture of one: it pads, or does something else")
    offset, gain = black[:, 0, 0], (white - black)[:, 0, 0]
    for channel in range(3):
        alone = seen(_flat(*[255 if c == channel else 0 for c in range(3)]))[:, 0, 0]
        if not np.allclose(alone, offset + gain * (np.arange(3) == channel), atol=1e-4) or gain[channel] <= 0:
            raise Unlike("changes the order of the channels, or mixes them")
    size = (black.shape[1], black.shape[2])
    if seen(_flat(0, 0, 0).swapaxes(0, 1)).shape != black.shape:
        raise Unlike("gives another size for a picture of another shape")
    wide, tall = (_kept(seen, *sides, offset, gain) for sides in ((LONG, SHORT), (SHORT, LONG)))
    found: dict[Fit, float] = {
        "crop": (wide.height / SHORT + tall.width / SHORT) / 2,
        "squash": (wide.width / LONG + wide.height / SHORT + tall.width / SHORT + tall.height / LONG) / 4,
    }
    for fit, crop in found.items():
        crop = min(1.0, size[0] / max(1, round(size[0] / crop)))  # processors resize to whole pixels, and then cut
        boxes = central(LONG, SHORT, size, crop, fit), central(SHORT, LONG, size, crop, fit)
        if wide.like(boxes[0], size) and tall.like(boxes[1], size):
            mean, std = (tuple(round(float(v), 6) + 0.0 for v in values) for values in (-offset / gain, 1 / gain))
            return {"size": size, "mean": mean, "std": std, "crop": crop, "fit": fit}
    raise Unlike(
        f"keeps {wide} of {LONG} x {SHORT} pixels and {tall} of {SHORT} x {LONG}, which is neither the middle of a picture nor "
        "the whole of it"
    )


@dataclass(frozen=True)
class _Kept:
    """What is kept of a picture, in its pixels."""

    left: float
    top: float
    width: float
    height: float

    def __str__(self) -> str:
        return f"{self.width:.0f} x {self.height:.0f} from ({self.left:.0f}, {self.top:.0f})"

    def like(self, box: Rectangle, size: tuple[int, int]) -> bool:
        near = max(NEARLY, self.width / size[1], self.height / size[0])
        mine = (self.left, self.top, self.left + self.width, self.top + self.height)
        return max(abs(one - other) for one, other in zip(mine, box, strict=True)) < near


def _kept(seen: Seen, width: int, height: int, offset: NDArray[np.float64], gain: NDArray[np.float64]) -> _Kept:
    """Told by ramps from the picture's left and from its top."""
    picture = np.zeros((height, width, 3))
    picture[..., 0] = np.linspace(LOW, HIGH, width)[None, :]
    picture[..., 1] = np.linspace(LOW, HIGH, height)[:, None]
    # subtle: with noise, so that means over rows and columns know nothing of the steps of bytes
    noise = np.random.default_rng(0).uniform(-LOW, LOW, picture.shape)
    read = seen((picture + noise).round().clip(0, 255).astype(np.uint8))
    values = ((read - offset[:, None, None]) / gain[:, None, None] * 255 - LOW) / (HIGH - LOW)
    (left, across), (top, down) = _stretch(values[0].mean(0), width), _stretch(values[1].mean(1), height)
    return _Kept(left, top, across, down)


def _stretch(values: NDArray[np.float64], side: int) -> tuple[float, float]:
    """Where these begin on a ramp over `side` pixels, and over how many of them they go."""
    inner = np.arange(len(values) // 8, len(values) - len(values) // 8)  # the ends of a picture may be padded
    slope, begin = np.polyfit(inner + 0.5, values[inner] * (side - 1) + 0.5, 1)
    return float(begin), float(slope * len(values))


def _flat(*colour: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array(colour, np.uint8), (SHORT, LONG, 3)).copy()


def _check(made: ImageClassifier, seen: Seen) -> None:
    """`Unlike` where a smooth picture is read otherwise."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((LONG, SHORT), Image.Resampling.BICUBIC)
    off = (made.read(picture).features[0].double().numpy() - seen(np.array(picture))) * np.array(made.std)[:, None, None]
    if np.abs(off).mean() > ALIKE:
        raise Unlike(
            f"makes of a picture what is {np.abs(off).mean():.2f} from the same picture cut, resized and normalised, where "
            "white is 1"
        )
