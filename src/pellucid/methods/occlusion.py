"""Occlusion. Zeiler and Fergus, ECCV 2014, https://arxiv.org/abs/1311.2901, section 4.2"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import make_baseline
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.batches import BATCH
from pellucid.models.image import ImageClassifier, Output
from pellucid.models.watch import LIMITS, Rough, Watch
from pellucid.registry import Contradiction, Unsuited

SQUARES: Mapping[Rough, float] = {**LIMITS, "bfloat16": 0.1}
"""See `Watch`: a pixel's score is a mean of four squares, not a sum of hundreds. Of ten photographs the maps that were let pass
came out with a cosine of 0.995 at least."""
PROBES = 20
"""Squares by which that is judged: many change nothing, and of ten, all may."""

Fill = Literal["mean", "black", "blur", "zero"]


@methods.register()
def occlusion(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    window: Annotated[
        int, Field(ge=0, description="Side of the hidden square in network pixels; 0: a seventh of the short side.")
    ] = 0,
    stride: Annotated[int, Field(ge=0, description="Step from one square to the next; 0: half a window.")] = 0,
    fill: Annotated[
        Fill, Field(description="What the square shows: the image's mean colour, black, the image blurred, or zeros.")
    ] = "mean",
    output: Annotated[Output, Field(description="What is watched.")] = "logit",
) -> Iterator[Attribution]:
    """How far the target's output falls when a square is hidden, averaged over the squares that cover the pixel.

    Unit: that of the output; above 0 where hiding lowers it. Squares start at the top left, and those that reach over the right
    or lower border are cut off there. `zero` fills with zeros in the network's own input, its mean colour; `blur` with the
    image under a Gaussian of half a window.

    The squares come coarse first, so that an early answer shows the whole picture roughly; a pixel not yet covered scores 0.
    The error is the share of the squares still to come: 0 at the end, where the map is exact; with `engine="openvino"` it is at
    least what bfloat16 errs in the fall of a single square, as a share of how much they vary. `notes` says which window and
    stride were chosen.

    Raises ValueError for a window larger than the image, or a stride that leaves gaps between the squares.
    """
    size = inputs.features.shape[2:]
    window, stride = window_and_stride(size, window, stride)
    hidden = make_baseline(inputs, fill, blur=window / 2)  # nothing as small as the square is left
    corners = coarse_first(size, window, stride)
    watch = Watch(model, inputs.features, target, output, limits=SQUARES, probes=PROBES, expected=len(corners))
    watch.squares(window)
    intact = model.values(inputs.features, target, output)
    fallen = torch.zeros(len(inputs), *size, dtype=torch.float64)
    covered = torch.zeros(len(inputs), *size)
    # subtle: seen through NumPy, in which a square is written in a fifth of the time
    pictures, squares, falls, covers = inputs.features.numpy(), hidden.numpy(), fallen.numpy(), covered.numpy()
    done = torch.zeros(len(inputs), dtype=torch.int64)
    answered = 0
    # what a square hid is shown again after each pass: most of a copy is never written anew
    together = model.batches.images
    copies, held = torch.empty(together, *inputs.features.shape[1:]), [-1] * together
    shown = copies.numpy()
    everything = len(corners) * len(inputs)
    # subtle: an engine's pass costs the same however few copies are in it, and images may be asked in different precisions;
    # torch's come in the same order, for what was stopped on one engine is repeated on another by its number of answers
    turns = torch.arange(len(corners)).split(BATCH)
    numbers = torch.cat([turn.repeat(len(inputs)) for turn in turns])
    each = torch.cat([torch.arange(len(inputs)).repeat_interleave(len(turn)) for turn in turns])
    for start in range(0, everything, together):
        owners = each[start : start + together]
        starts = corners[numbers[start : start + together]]
        places = [square(i, corner, window) for i, corner in zip(owners.tolist(), starts, strict=True)]
        for k, (i, down, across) in enumerate(places):
            if held[k] != i:
                shown[k], held[k] = pictures[i], i
            shown[k, :, down, across] = squares[i, :, down, across]
        fell = intact[owners] - watch(copies[: len(owners)], owners, starts)
        for place, fall in zip(places, fell.tolist(), strict=True):
            falls[place] += fall
            covers[place] += 1
        for k, (i, down, across) in enumerate(places):
            shown[k, :, down, across] = pictures[i, :, down, across]
        done.index_add_(0, owners, torch.ones_like(owners))
        if int(done.min()) == answered:
            continue  # some images are still where they were
        answered = int(done.min())
        yield Attribution(
            scores=(fallen / covered.clamp(min=1)).float()[:, None],
            target=target,
            error=(1 - done.float() / len(corners)).maximum(watch.error),
            error_name="share still missing",
            work=Work(len(inputs) + start + len(owners) + watch.asked_twice, 0, (start + len(owners)) / everything),
            unit=output,
            notes={"window": str(window), "stride": str(stride), **watch.notes},
        )


def window_and_stride(size: tuple[int, ...], window: int, stride: int) -> tuple[int, int]:
    """The two that are meant, in pixels, where 0 leaves the choice to us."""
    kind = Contradiction if window else Unsuited  # where it is left open, stride may suit a larger network
    window = window or max(1, round(min(size) / 7))
    stride = stride or max(1, window // 2)
    if window > min(size):
        raise Unsuited(f"window={window} is larger than the image, {size[0]} x {size[1]}; give at most {min(size)}")
    if stride > window:
        raise kind(f"stride={stride} leaves gaps between squares of {window}; give at most {window}")
    return window, stride


def coarse_first(size: tuple[int, ...], window: int, stride: int) -> Int64[Tensor, "square 2"]:
    """Top left corner of every square, ordered so that each first part of them is spread evenly.

    Their steps down and across, written in bits and interleaved, are sorted by the lowest bit first. With a stride of half a
    window the first quarter tiles the image.
    """
    down, across = (range(0, max(side - window, 0) + stride, stride) for side in size)
    steps = [(i, j) for i in range(len(down)) for j in range(len(across))]
    bits = max(len(down), len(across)).bit_length()
    order = sorted(steps, key=lambda step: [step[axis] >> bit & 1 for bit in range(bits) for axis in (0, 1)])
    return torch.tensor([(down[i], across[j]) for i, j in order])


def square(image: int, corner: Int64[Tensor, "2"], window: int) -> tuple[int, slice, slice]:
    """Where it lies; what would be outside the image is left off by indexing."""
    down, across = corner.tolist()
    return image, slice(down, down + window), slice(across, across + window)
