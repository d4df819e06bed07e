"""The answer of a method: raw signed scores, and what one must know to read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, final, get_args

from jaxtyping import Float32, Int64
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pellucid.registry import OptionValue

Reduction = Literal["sum", "max_abs", "mean_abs", "norm"]
FORMAT = 1
STEPS = "steps"
"""The extra that says, image by image, which answer of its own stream it is, where images were explained in parts; 0 for an
image whose turn has not come."""
UNANSWERED = "unanswered"
"""The note that says how many images those are."""
UNKNOWN = -1
"""The target of such an image where the predicted class was asked for: none was predicted."""
TOLERANCE = "tolerance"
"""The note that says how many images have not reached it, and the extra of several images that says what it is."""
TOGETHER = "together"
"""The extra that says then how many images were explained together with each, itself among them."""


def unanswered_notes(missing: int, images: int) -> dict[str, str]:
    return {UNANSWERED: f"{missing} of {images} images"} if missing else {}


def tolerance_notes(tolerance: float, error: Float32[Tensor, " batch"], error_name: str) -> dict[str, str]:
    above = int((error.double() > tolerance).sum())
    which = f" of {above} of {len(error)} images" if len(error) > 1 else ""
    return {TOLERANCE: f"{tolerance:g} is not reached by the {error_name}{which}"} if above else {}


@dataclass(frozen=True)
class Work:
    """What an answer has cost so far: network passes, counted in images, and the share of the planned work that is done."""

    forwards: int
    backwards: int
    fraction: float

    def and_of(self, other: "Work", fraction: float) -> "Work":
        """Both together, which is that share of what is planned."""
        return Work(self.forwards + other.forwards, self.backwards + other.backwards, fraction)


@final
@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each input value spoke for the target. Frozen; scores are raw and signed, and are scaled only when drawn."""

    scores: Float32[Tensor, "batch channel height width"]
    """Signed, in `unit`."""
    target: Int64[Tensor, " batch"]
    """The class each image is explained for; -1 where the time was up before one was predicted (see `explain`)."""
    error: Float32[Tensor, " batch"]
    """The method's own estimate of its error; its docstring says of what and in which unit."""
    work: Work
    unit: str
    """What one score is measured in, such as "logit" or "logit per input unit"."""
    error_name: str = "error"
    """What `error` measures, in a word or two for a caption."""
    reduction: Reduction = "sum"
    """How `map` folds the channels."""
    signed: bool = True
    """Whether a score below zero speaks against the target; where not, magnitudes are all there is."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """What only this method gives, by name, such as LIME's `segments`."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the method chose where it was left to, such as the layer Grad-CAM looked at."""
    against: int | None = None
    """The class whose logit was subtracted, where the question was why this rather than that."""
    method: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    view: Mapping[str, OptionValue] = field(default_factory=dict)
    """How a preset wants it drawn."""
    step: int = 0
    """Which answer of the stream this is, from 1; a replay takes as many."""

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.scores.shape))
        least, most = (f"{float(value):.3g}" for value in self.scores.aminmax()) if self.scores.numel() else ("-", "-")
        rather = "" if self.against is None else f" rather than {self.against}"
        return (
            f"<Attribution by {self.method or 'hand'}: {shape} scores from {least} to {most} {self.unit}, "
            f"target {', '.join(map(str, self.target[:5].tolist()))}{', ...' if len(self) > 5 else ''}{rather}, "
            f"{self.error_name} {self.worst_error:.3g}>"
        )

    def map(self, reduction: Reduction | None = None) -> Float32[Tensor, "batch height width"]:
        """The scores with the channels folded: their sum, largest magnitude, mean magnitude or Euclidean norm."""
        how = reduction or self.reduction
        if how == "sum":
            return self.scores.sum(1)
        if how == "max_abs":
            return self.scores.abs().amax(1)
        if how == "mean_abs":
            return self.scores.abs().mean(1)
        if how == "norm":
            return self.scores.norm(dim=1)
        raise ValueError(f"no reduction named {how!r}; known: {', '.join(get_args(Reduction))}")

    @property
    def seed(self) -> int | None:
        seed = self.options.get("seed")
        return None if seed is None else int(seed)

    @property
    def worst_error(self) -> float:
        return float(self.error.max())

    def _extra(self, name: str) -> Tensor:
        if name not in self.extras:
            raise AttributeError(
                f"{self.method or 'this attribution'} has no {name}; it has: {', '.join(self.extras) or 'no extras'}"
            )
        return self.extras[name]

    @property
    def segments(self) -> Int64[Tensor, "batch height width"]:
        """LIME: which superpixel each pixel belongs to, 0 to S-1."""
        return self._extra("segments")

    @property
    def segment_weights(self) -> Float32[Tensor, "batch segment"]:
        """LIME: the surrogate's weight of each superpixel; 0 beyond an image's own number."""
        return self._extra("segment_weights")

    @property
    def fit(self) -> Float32[Tensor, " batch"]:
        """LIME: R2 of the surrogate on its weighted samples."""
        return self._extra("fit")

    def stamped(self, method: str, options: Mapping[str, OptionValue], step: int) -> "Attribution":
        return replace(self, method=method, options=dict(options), step=step)

    def __getitem__(self, index: int) -> "Attribution":
        """The attribution of one image, still a batch of one."""
        keep = slice(index, index + 1) if index != -1 else slice(-1, None)
        if not -len(self.target) <= index < len(self.target):
            raise IndexError(f"no image {index} in a batch of {len(self.target)}")
        extras = {k: v[keep] if v.ndim and len(v) == len(self.target) else v for k, v in self.extras.items()}
        step = int(extras.pop(STEPS)) if STEPS in extras else self.step
        extras.pop(TOGETHER, None)
        notes = {k: v for k, v in self.notes.items() if k != UNANSWERED or not step}
        if TOLERANCE in extras:  # the note is then of all of them
            notes.pop(TOLERANCE, None)
            notes |= tolerance_notes(float(extras.pop(TOLERANCE)), self.error[keep], self.error_name)
        return replace(
            self, scores=self.scores[keep], target=self.target[keep], error=self.error[keep], extras=extras, notes=notes,
            step=step,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.target)

    def to_record(self) -> bytes:
        """Everything, as safetensors with a JSON header; `from_record` gives it back bit by bit."""
        tensors, header = self.parts()
        return save(tensors, {"pellucid": json.dumps(header)})

    def parts(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and the rest, for a record that holds more than the attribution."""
        tensors = {"scores": self.scores, "target": self.target, "error": self.error}
        tensors |= {f"extras.{k}": v for k, v in self.extras.items()}
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("scores", "target", "error", "extras")}
        plain["work"] = vars(self.work)
        header = {"format": FORMAT, "attribution": {k: dict(v) if isinstance(v, Mapping) else v for k, v in plain.items()}}
        return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, header

    @classmethod
    def from_record(cls, record: bytes | str | Path) -> "Attribution":
        """The attribution in a record, given as bytes or as a path. ValueError for anything else; nothing in it is executed."""
        return cls.from_parts(*read_record(record))

    @classmethod
    def from_parts(cls, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> "Attribution":
        plain = dict(header["attribution"])
        plain["work"] = Work(**plain["work"])
        extras = {k.removeprefix("extras."): v for k, v in tensors.items() if k.startswith("extras.")}
        return cls(scores=tensors["scores"], target=tensors["target"], error=tensors["error"], extras=extras, **plain)


def read_record(record: bytes | str | Path, kind: str = "attribution") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON header of a record of that kind; ValueError with the reason when it is not one."""
    tensors, header, name = _parts(record)
    if kind not in header:
        raise ValueError(f"{name} is a record of Pellucid, but of no {kind}; it holds: {', '.join(header)}")
    return tensors, header


def read_header(record: bytes | str | Path) -> dict[str, Any]:
    """The JSON header of a record of any kind, which is among its keys; ValueError with the reason when it is no record."""
    return _parts(record)[1]


def _parts(record: bytes | str | Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    data = record if isinstance(record, bytes) else _contents(Path(record))
    name = "the record" if isinstance(record, bytes) else repr(str(record))
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")  # the layout of safetensors: header length, JSON header, tensors
        header = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("pellucid", "null"))
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{name} is not a record: {error}") from None
    if not isinstance(header, dict) or "format" not in header:
        raise ValueError(f"{name} holds tensors but no record of Pellucid")
    if header["format"] > FORMAT:
        raise ValueError(f"{name} was written by a newer Pellucid (format {header['format']}, this one reads {FORMAT})")
    return tensors, header, name


def _contents(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"no record at {str(path)!r}")
    return path.read_bytes()
