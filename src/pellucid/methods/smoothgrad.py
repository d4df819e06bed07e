"""SmoothGrad. Smilkov, Thorat, Kim, Viegas and Wattenberg, 2017, https://arxiv.org/abs/1706.03825

The mean of the squares is SmoothGrad-Squared (Hooker et al., NeurIPS 2019, https://arxiv.org/abs/1806.10758), the variance is
VarGrad (Adebayo et al., ICLR workshop 2018, https://arxiv.org/abs/1810.03307).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Annotated, Literal, final

import torch
from jaxtyping import Float32, Float64, Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Reduction, Work
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.batches import BATCH, GRADIENT_BATCH
from pellucid.models.gradients import Gradients
from pellucid.models.image import ImageClassifier, Output
from pellucid.registry import Contradiction
from pellucid.stream import Preset

NoiseRule = Literal["share", "inverse_square"]
Statistic = Literal["mean", "magnitude", "square", "variance"]
REDUCTIONS: dict[Statistic, Reduction] = {
    "mean": "sum", "magnitude": "max_abs", "square": "mean_abs", "variance": "mean_abs",
}  # fmt: skip
NO_SIGNAL = 100.0
"""The error of a map in which nothing stands above the noise yet: it is not estimated any larger."""


@methods.register(
    first=GRADIENT_BATCH,
    presets={
        "course": Preset(
            {"statistic": "magnitude", "samples": 500, "noise": 0.4, "noise_rule": "inverse_square", "output": "loss"},
            view={"scale": "minmax"},
            description="Mean magnitude of the loss gradient over 500 noisy copies, largest channel, scaled to 0..1 per image.",
        )
    },
)
def smoothgrad(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    samples: Annotated[
        int, Field(ge=2, le=100_000, description="Noisy copies, at most.", json_schema_extra={"lifted": 4096})
    ] = 64,
    noise: Annotated[
        float, Field(gt=0, le=1, description="Strength of the noise, as a share of the image's value range; see noise_rule.")
    ] = 0.15,
    noise_rule: Annotated[
        NoiseRule,
        Field(
            description="Standard deviation: share is noise * range, inverse_square is (noise / range) ** 2, range the image's."
        ),
    ] = "share",
    statistic: Annotated[Statistic, Field(description="What is taken of the gradients, over the noisy copies.")] = "mean",
    output: Annotated[Output, Field(description="What is differentiated.")] = "logit",
    antithetic: Annotated[
        bool, Field(description="Each noise is followed by its negative: a tenth fewer copies for the same closeness.")
    ] = False,
    seed: Annotated[int, Field(ge=0, description="Makes the run repeatable.")] = 0,
) -> Iterator[Attribution]:
    """The gradient of the target's output by the input, averaged over copies of the image with Gaussian noise.

    `mean` is signed, in output per unit of the normalised input, and its map is the sum over the channels: what raising all
    of a pixel's values would do. The paper's pictures show magnitudes, as `map("max_abs")` does. `magnitude`, the mean of the
    absolute values, has the same unit; its map is the largest channel, as that of `saliency` is. `square` and `variance` are
    in that unit squared and their map is the mean over the channels. The variance is that of the copies drawn, the sum of the
    squared deviations divided by their number, so that variance = square - mean ** 2.

    The error is relative: the expected Euclidean distance of the scores from those of endlessly many copies, divided by the
    norm of the latter; both are estimated from the spread over the copies. It falls with the root of their number. 100 is its
    largest value and means that nothing stands above the noise yet.

    Every image meets the same noise, scaled to its own standard deviation. In antithetic pairs (Hammersley and Morton 1956,
    https://doi.org/10.1017/S0305004100031455) the part of the gradient that is linear in the noise cancels; the error is then
    that of the means of pairs. Raises ValueError where inverse_square meets an image of one value, whose range is 0, for an
    odd number of antithetic copies, and for their variance, which is another one than that of copies drawn singly.
    """
    if antithetic and statistic == "variance":
        raise Contradiction(
            "antithetic=True draws copies in pairs, which have no variance of single draws; use another statistic"
        )
    if antithetic and (samples % 2 or samples < 4):
        raise Contradiction(
            f"antithetic=True draws copies in pairs, of which it needs two: samples={samples} must be 4, 6, 8, ..."
        )
    together = 2 if antithetic else 1
    deviation = noise_deviation(inputs.value_range, noise, noise_rule, inputs.names)
    running = Moments(inputs.features, highest=4 if statistic == "variance" else 2)
    gradients_of = Gradients(model, output, noisy=True)
    answered = 1  # the spread, and with it the error, needs two copies of every image
    batches = model.batches
    # a first answer after fewer, so that a deadline can be kept
    drawn = noisy_copies(inputs.features, deviation, samples, seed, antithetic, batches.images, batches.gradients)
    for copies, owners in drawn:
        _, gradients = gradients_of(copies, target[owners])
        each = sampled(gradients, statistic)
        running.add(each.unflatten(0, (-1, together)).mean(1) if antithetic else each, owners[::together])
        fewest = int(running.count.min())
        if fewest <= answered:
            continue
        answered = fewest
        scores, error = running.variance() if statistic == "variance" else running.mean()
        done = int(running.count.sum()) * together
        slope = f"{output} per input unit"
        yield Attribution(
            scores=scores,
            target=target,
            error=error,
            error_name="relative error",
            work=Work(done, done, done / (samples * len(inputs))),
            unit=slope if statistic in ("mean", "magnitude") else f"({slope}) squared",
            reduction=REDUCTIONS[statistic],
            signed=statistic == "mean",
            notes=gradients_of.notes,
        )


def noise_deviation(
    value_range: Float32[Tensor, " batch"], noise: float, rule: NoiseRule, names: Sequence[str] = ()
) -> Float32[Tensor, " batch"]:
    """Standard deviation of each image's noise, in units of the normalised input."""
    if rule == "share":
        return noise * value_range  # section 3.1: sigma / (x_max - x_min)
    flat = (value_range == 0).nonzero().flatten().tolist()
    if flat:
        which = names[flat[0]] if names else f"image {flat[0]}"
        raise ValueError(
            f"{which} has one value only, and noise_rule='inverse_square' divides by its range; use noise_rule='share'"
        )
    return (noise / value_range) ** 2


def noisy_copies(
    features: Float32[Tensor, "batch channel height width"],
    deviation: Float32[Tensor, " batch"],
    samples: int,
    seed: int,
    antithetic: bool = False,
    together: int = BATCH,
    first: int | None = None,
) -> Iterator[tuple[Float32[Tensor, "copy channel height width"], Int64[Tensor, " copy"]]]:
    """`samples` noisy copies of every image, so many together, with the number of the image that each is a copy of.

    The `first` may be fewer.

    Antithetic copies lie side by side in a batch.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = (1, -1) if antithetic else (1,)
    size = together if first is None else first // len(signs) * len(signs)
    copies, owners = features.new_empty(size, *features.shape[1:]), []
    for sample in range(len(signs), samples + 1, len(signs)):
        draw = torch.randn(features.shape[1:], generator=generator)
        for owner, (image, scale) in enumerate(zip(features, deviation.tolist(), strict=True)):
            for sign in signs:
                torch.add(image, draw, alpha=sign * scale, out=copies[len(owners)])
                owners.append(owner)
            last = sample == samples and owner == len(features) - 1
            if len(owners) == len(copies) or last:  # an even number, so no pair is torn apart
                yield copies[: len(owners)], torch.tensor(owners)
                copies, owners = features.new_empty(together, *features.shape[1:]), []


def sampled(gradients: Float32[Tensor, "*any"], statistic: Statistic) -> Float32[Tensor, "*any"]:
    """What each copy contributes to the statistic."""
    if statistic == "magnitude":
        return gradients.abs()
    return gradients**2 if statistic == "square" else gradients


@final
class Moments:
    """Mean and variance over a stream of tensors, each with its relative error, in memory that does not grow with it.

    Sums of powers of the distance to the first tensor: it keeps the numbers small, and tensors all alike have a spread of
    exactly 0. The distances are measured by the size of the first tensors that are not 0, so that float32 has their powers:
    what is added at once is summed in it, which takes a third of the time, and all of that in float64.
    """

    def __init__(self, like: Float32[Tensor, "batch channel height width"], highest: int) -> None:
        self.count = torch.zeros(len(like), dtype=torch.int64)
        self._first = torch.zeros_like(like)
        self._unit = [0.0] * len(like)
        self._sums = [torch.zeros_like(like, dtype=torch.float64) for _ in range(highest)]

    def add(self, values: Float32[Tensor, "copy channel height width"], owners: Int64[Tensor, " copy"]) -> None:
        for owner in owners.unique().tolist():
            own = [values[row] for row in (owners == owner).nonzero().flatten().tolist()]
            first = self._first[owner]
            if self.count[owner] == 0:
                first.copy_(own[0])
            if not self._unit[owner]:
                self._unit[owner] = _power_of_two(max(float(value.abs().max()) for value in own))
            self.count[owner] += len(own)
            sums = [torch.zeros_like(first) for _ in self._sums]
            for value in own:
                distance = (value - first).div_(self._unit[owner] or 1)
                for total, power in zip(sums, accumulate([distance] * len(sums), torch.mul), strict=True):
                    total += power
            for total, more in zip(self._sums, sums, strict=True):
                total[owner] += more

    def mean(self) -> tuple[Float32[Tensor, "batch channel height width"], Float32[Tensor, " batch"]]:
        return self._of_each(self._mean)

    def variance(self) -> tuple[Float32[Tensor, "batch channel height width"], Float32[Tensor, " batch"]]:
        """The second central moment. Its own variance is (mu_4 - (n-3)/(n-1) mu_2**2) / n, moments of the sample put in."""
        return self._of_each(self._variance)

    def _of_each(self, statistic: Callable[[int], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """One image after the other, since what is computed on the way takes several times the room of what comes out."""
        values, errors = zip(*([one.float() for one in statistic(image)] for image in range(len(self.count))), strict=True)
        return torch.cat(values), torch.cat(errors)

    def _raw(self, image: int) -> list[Tensor]:
        """Mean powers of the distance to the first tensor."""
        unit, count = self._unit[image], int(self.count[image])
        return [total[image : image + 1] * unit**order / count for order, total in enumerate(self._sums, 1)]

    def _mean(self, image: int) -> tuple[Tensor, Tensor]:
        first, second, *_ = self._raw(image)
        mean = self._first[image : image + 1] + first
        return mean, relative_error(mean, (second - first**2).clamp(min=0) / (int(self.count[image]) - 1))

    def _variance(self, image: int) -> tuple[Tensor, Tensor]:
        n = int(self.count[image])
        first, second, third, fourth = self._raw(image)
        variance = (second - first**2).clamp(min=0)
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        spread = (central - (n - 3) / (n - 1) * variance**2) / n
        return variance, relative_error(variance, spread.clamp(min=0))


def _power_of_two(size: float) -> float:
    """The one at or below the size, to divide by without rounding; 0 for 0."""
    return 2.0 ** (math.frexp(size)[1] - 1) if size > 0 else 0.0


def relative_error(
    statistic: Float64[Tensor, "batch channel height width"], variance: Float64[Tensor, "batch channel height width"]
) -> Float64[Tensor, " batch"]:
    """Norm of the standard error over the norm of the true statistic, per image.

    The squared norm of an estimate exceeds the true one by its own variance, on average, so that is taken off; otherwise the
    error of pure noise would read 1 however few copies there are.
    """
    noise = variance.flatten(1).sum(1)
    signal = (statistic**2).flatten(1).sum(1) - noise
    return torch.where(noise == 0, 0.0, (noise / signal.maximum(noise / NO_SIGNAL**2)).sqrt())
