"""What LIME and Shapley values share: images cut into superpixels, and the network asked with some of them hidden."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Protocol, final, runtime_checkable

import torch
from jaxtyping import Bool, Float32, Int64
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.inputs.perturb import Hide, fill, perturbed
from pellucid.inputs.superpixels import Algorithm, Segmentation, superpixels
from pellucid.models.batches import BATCH
from pellucid.models.watch import Watch
from pellucid.registry import Contradiction

CHUNK = 30
"""Samples of an image between two answers; refitting then costs little beside them. The first answers come sooner."""
MANY, FEW = 200, 4
LEAST = 36
"""Pixels of a superpixel, on average, at least: hidden in its own mean colour, one of four pixels of a digit looks as before,
and the network says the same."""

Samples = Annotated[
    int, Field(ge=10, le=1_000_000, description="Perturbed images, at most.", json_schema_extra={"lifted": 20_000})
]
Watched = Annotated[Literal["probability", "logit"], Field(description="What is explained.")]
Cut = Annotated[Algorithm, Field(description="How superpixels are cut.")]
LabelMap = Annotated[
    str,
    Field(
        description="Your own superpixels, for segmentation=labels: .npy or a picture of integers, of the input's size.",
        json_schema_extra={"format": "labels"},
    ),
]
Segments = Annotated[
    int, Field(ge=0, le=900, description="slic, grid: about how many superpixels; 0: 200, fewer where they would be too small.")
]
Compactness = Annotated[float, Field(gt=0, le=1000, description="slic: higher means squarer superpixels.")]
Sigma = Annotated[float, Field(ge=0, le=50, description="slic, quickshift, felzenszwalb: smoothing before, in pixels.")]
Scale = Annotated[float, Field(gt=0, le=100_000, description="felzenszwalb: higher means larger superpixels.")]
MinSize = Annotated[int, Field(ge=1, le=1_000_000, description="felzenszwalb: smallest superpixel, in pixels.")]
KernelSize = Annotated[float, Field(ge=1, le=100, description="quickshift: higher means larger superpixels.")]
MaxDist = Annotated[float, Field(gt=0, le=10_000, description="quickshift: longest link; higher means larger ones.")]
Ratio = Annotated[float, Field(ge=0, le=1, description="quickshift: likeness in colour against nearness.")]
Hidden = Annotated[Hide, Field(description="What a hidden superpixel shows: its mean colour, black, or the image blurred.")]


def enough(size: Sequence[int], many: int = MANY) -> int:
    """How many superpixels an image of that height and width is cut into unless somebody says; `many` where it is large."""
    return max(FEW, min(many, math.prod(size) // LEAST))


@final
@dataclass(frozen=True, eq=False)
class Cuts:
    """Images cut into superpixels, and what each shows where it is hidden."""

    maps: list[Int64[Tensor, "height width"]]
    fills: list[Float32[Tensor, "channel height width"]]
    counts: list[int]
    """How many superpixels each image has."""
    notes: dict[str, str]
    """The same, where they are fewer than one would expect."""

    @classmethod
    def of(cls, method: str, inputs: Images, how: Segmentation, hide: Hide, many: int = MANY) -> "Cuts":
        """Of `segments=0` as many as suit the size. ValueError for fewer than 2, too many, or a label map that does not fit."""
        if how.segments == 1:
            raise Contradiction(
                f"{method}: segments=1: with one superpixel there is nothing to compare; give 2 or more, or 0 to leave it open"
            )
        cut = how.segments or enough(inputs.features.shape[2:], many)
        maps = superpixels(inputs.pixels, replace(how, segments=cut), inputs.names)
        fills = [fill(inputs[i], labels, hide) for i, labels in enumerate(maps)]
        counts = [int(labels.max()) + 1 for labels in maps]
        fewer = cut < many and not how.segments and how.algorithm in ("slic", "grid")
        return cls(maps, fills, counts, {"segments": " / ".join(map(str, dict.fromkeys(counts)))} if fewer else {})

    def alike(self) -> dict[int, list[int]]:
        """By number of superpixels, the images that have it: one draw of masks does for all of them."""
        return {n: [i for i, count in enumerate(self.counts) if count == n] for n in dict.fromkeys(self.counts)}

    def attribution(
        self,
        found: Mapping[int, Mapping[str, Tensor]],
        target: Int64[Tensor, " batch"],
        unit: str,
        work: Work,
        lasting: Float32[Tensor, " image"],
    ) -> Attribution:
        """What was found of each image, laid over its pixels: the `weights` of its superpixels and their `errors`, the relative
        `error` of all, the `fit`, and what else is an extra. `lasting` is the share of how much the answers vary that no
        number of samples takes off (see `Watch`)."""
        images = [dict(found[i]) for i in range(len(self.maps))]
        weights, errors, error = ([image.pop(name) for image in images] for name in ("weights", "errors", "error"))
        # of answers that vary by 1, those that the weights explain vary by the root of the fit; what lasts may lie among them
        stays = lasting / torch.stack([image["fit"] for image in images]).clamp(min=0.01).sqrt()
        return Attribution(
            scores=torch.stack([one[labels] for one, labels in zip(weights, self.maps, strict=True)])[:, None],
            target=target,
            error=torch.stack(error).hypot(stays),
            error_name="relative error",
            work=work,
            unit=unit,
            extras={
                "segments": torch.stack(self.maps),
                "segment_weights": pad_sequence(weights, batch_first=True),
                "segment_errors": pad_sequence(errors, batch_first=True),
                **{name: torch.stack([image[name] for image in images]) for name in images[0]},
            },
            notes=self.notes,
        )


@runtime_checkable
class Group(Protocol):
    """Images with as many superpixels as each other, and what is kept of the network's answers about them."""

    members: list[int]

    def draw(self, rows: int, /) -> Bool[Tensor, "sample segment"]:
        """The next masks, True where a superpixel is visible: so many, or fewer where there are no more."""
        ...

    def add(self, visible: Bool[Tensor, "sample segment"], values: Float32[Tensor, "sample image"], /) -> None: ...


def asked(
    watch: Watch, features: Float32[Tensor, "batch channel height width"], cuts: Cuts, groups: Sequence[Group],
    samples: int, batch: int,
) -> Iterator[Work]:  # fmt: skip
    """The groups are told what the network says of their samples; what that has cost is yielded first after 10 samples, then 20
    and then 30 later, of several images after fewer, 10 each at least."""
    first, most = (max(BATCH, n // len(features) // BATCH * BATCH) for n in (batch, max(batch, CHUNK)))
    done = rows = passes = 0
    while done < samples:
        # no answer takes much longer than those before it, so that a deadline can be kept
        rows = min(rows + first, most, samples - done)
        drawn = [group.draw(rows) for group in groups]
        parts = [
            (i, part)
            for group, seen in zip(groups, drawn, strict=True) if len(seen)
            for i in group.members for part in seen.split(batch)
        ]  # fmt: skip
        at_once = batch // min(batch, max(rows, BATCH))
        some = (parts[k : k + at_once] for k in range(0, len(parts), at_once))
        values = torch.cat([
            watch(
                torch.cat([perturbed(features[i], cuts.fills[i], cuts.maps[i], part) for i, part in few]),
                torch.tensor([i for i, part in few for _ in part]),
            )
            for few in some
        ])  # fmt: skip
        sizes = [len(seen) * len(group.members) for group, seen in zip(groups, drawn, strict=True)]
        for group, seen, own in zip(groups, drawn, values.split(sizes), strict=True):
            group.add(seen, own.view(len(group.members), len(seen)).T)
        done += rows
        passes += sum(sizes)
        yield Work(passes + watch.asked_twice, 0, done / samples)
