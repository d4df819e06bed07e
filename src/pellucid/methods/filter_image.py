"""What gradient ascent makes of filters: the pictures, and how each one's activation rose."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from safetensors.torch import save
from torch import Tensor

from pellucid.attribution import FORMAT, Work, read_record
from pellucid.inputs.image import displayed, to_pixels
from pellucid.registry import OptionValue

TENSORS = ("features", "filters", "objective", "points", "error", "dead")


@final
@dataclass(frozen=True, eq=False)
class FilterImage:
    """Pictures made to excite filters of one layer, one a filter, or one for each filter and image it was started from."""

    features: Float32[Tensor, "batch channel height width"]
    """As the network reads them."""
    filters: Int64[Tensor, " batch"]
    """The filter each picture is for."""
    objective: Float32[Tensor, "point batch"]
    """The curve: activation of the picture as it stands (not as a transform moved it) after `points` steps, in the layer's own
    units: the mean over the filter's map, or its centre when that is the objective. NaN where a picture is not that far."""
    points: Int64[Tensor, " point"]
    """After how many steps each row of the curve was measured, from 0: the picture ascent started from."""
    error: Float32[Tensor, " batch"]
    """The share of the rise that came in the last tenth of the steps, 0 to 1; 0 for a dead filter."""
    dead: Bool[Tensor, " batch"]
    """Whether every gradient was exactly 0, so that the picture is still the one that ascent started from: the filter is
    silent there, and nothing near it wakes it. Another start may: an image, other noise, or the layer before the ReLU."""
    work: Work
    layer: str
    starts: tuple[str, ...]
    """What each picture was started from: "noise", or the image's name."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    method: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    view: Mapping[str, OptionValue] = field(default_factory=dict)
    """How a preset wants it drawn: `scale`, "minmax" for each picture's values stretched over 0 to 1."""
    step: int = 0
    """Which answer of the stream this is, from 1."""
    model: str = ""
    """The network's name, and the SHA-256 of its weights and of how it reads a picture: for `replay`."""
    fingerprint: str = ""
    begin: Float32[Tensor, "start channel height width"] | None = None
    """The images that ascent started from, as the network reads them; None where it started from noise."""

    @property
    def values(self) -> Float32[Tensor, "batch channel height width"]:
        """The pictures as pixel values, 0 black and 1 white; outside of that where ascent was not bounded."""
        return displayed(self.features, self.mean, self.std)

    @property
    def images(self) -> UInt8[Tensor, "batch height width 3"]:
        """The pictures to show: their values cut off at black and white, or stretched where `view` says so."""
        values = self.values
        if self.view.get("scale") == "minmax":
            low, high = values.amin((1, 2, 3), keepdim=True), values.amax((1, 2, 3), keepdim=True)
            values = (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
        return to_pixels(values)

    @property
    def start_objective(self) -> Float32[Tensor, " batch"]:
        """The activation before ascent."""
        return self.objective[0]

    @property
    def final_objective(self) -> Float32[Tensor, " batch"]:
        """The activation of the pictures as they are."""
        last = (~self.objective.isnan()).sum(0).sub(1).clamp(min=0)
        return self.objective.gather(0, last[None])[0]

    @property
    def seed(self) -> int | None:
        seed = self.options.get("seed")
        return None if seed is None else int(seed)

    @property
    def worst_error(self) -> float:
        return float(self.error.max())

    def stamped(self, method: str, options: Mapping[str, OptionValue], step: int) -> "FilterImage":
        return replace(self, method=method, options=dict(options), step=step)

    def __len__(self) -> int:
        return len(self.filters)

    def __getitem__(self, index: int) -> "FilterImage":
        """The picture of that number, still a batch of one."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"no picture {index} among {len(self)}")
        keep = slice(index, index + 1 or None)
        parts = {name: getattr(self, name)[keep] for name in ("features", "filters", "error", "dead", "starts")}
        return replace(self, objective=self.objective[:, keep], **parts)

    def to_record(self) -> bytes:
        """Everything, as safetensors with a JSON header; `from_record` gives it back bit by bit."""
        tensors = {name: getattr(self, name).detach().cpu().contiguous() for name in TENSORS}
        if self.begin is not None:
            tensors["begin"] = self.begin.detach().cpu().contiguous()
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*TENSORS, "begin")}
        plain |= {"work": vars(self.work), "options": dict(self.options), "view": dict(self.view)}
        return save(tensors, {"pellucid": json.dumps({"format": FORMAT, "filter_image": plain})})

    @classmethod
    def from_record(cls, record: bytes | str | Path) -> "FilterImage":
        """The pictures in a record, given as bytes or as a path. ValueError for anything else; nothing in it is executed."""
        tensors, header = read_record(record, "filter_image")
        plain: dict[str, Any] = dict(header["filter_image"])
        plain |= {"work": Work(**plain["work"])}
        plain |= {name: tuple(plain[name]) for name in ("starts", "mean", "std")}
        return cls(**{name: tensors[name] for name in TENSORS}, **plain, begin=tensors.get("begin"))
