"""LIME for images. Ribeiro, Singh and Guestrin, KDD 2016, https://arxiv.org/abs/1602.04938"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, final

import torch
from jaxtyping import Bool, Float32, Float64, Int64, Num
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution
from pellucid.inputs.designs import Design, Draw, drawing
from pellucid.inputs.image import Images
from pellucid.inputs.superpixels import Segmentation
from pellucid.methods import methods
from pellucid.methods.superpixel_samples import (
    Compactness,
    Cut,
    Cuts,
    Hidden,
    KernelSize,
    LabelMap,
    MaxDist,
    MinSize,
    Ratio,
    Samples,
    Scale,
    Segments,
    Sigma,
    Watched,
    asked,
)
from pellucid.models.image import ImageClassifier
from pellucid.models.watch import Watch
from pellucid.registry import Contradiction
from pellucid.stream import Preset, strays


@methods.register(
    presets={
        "course": Preset(
            {
                "output": "logit",
                "segmentation": "slic",
                "segments": 200,
                "compactness": 1.0,
                "sigma": 1.0,
                "samples": 1000,
                "design": "coin",
            },
            view={"top": 11, "min_weight": 0.05},
            description="Of the logit, 200 SLIC segments, 1,000 samples; the 11 strongest with weight over 0.05, both signs.",
        )
    }
)
def lime(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    samples: Samples = 1000,
    output: Watched = "probability",
    segmentation: Cut = "slic",
    label_map: LabelMap = "",
    segments: Segments = 0,
    compactness: Compactness = 10.0,
    sigma: Sigma = 1.0,
    scale: Scale = 100.0,
    min_size: MinSize = 20,
    kernel_size: KernelSize = 4.0,
    max_dist: MaxDist = 200.0,
    ratio: Ratio = 0.2,
    hide: Hidden = "mean",
    design: Annotated[
        Design,
        Field(
            description="coin: each superpixel is visible with probability keep. uniform: how many are is drawn uniformly. "
            "hadamard: half of them, by an orthogonal design that needs half the samples."
        ),
    ] = "hadamard",
    keep: Annotated[
        float, Field(ge=0.05, le=0.95, description="coin: share of superpixels left visible; nearer 1 is more local.")
    ] = 0.5,
    kernel_width: Annotated[
        float, Field(ge=0.02, le=1000, description="Of the cosine kernel; higher weighs all alike.")
    ] = 0.25,
    alpha: Annotated[float, Field(ge=1e-6, le=1e6, description="Ridge penalty on the weights.")] = 1.0,
    seed: Annotated[int, Field(ge=0, description="Makes segmentation and sampling repeatable.")] = 0,
) -> Iterator[Attribution]:
    """The weight of each superpixel in a linear surrogate of the network around the image, laid over its pixels.

    Unit: output per superpixel shown rather than hidden, with sign. Superpixels are hidden at random, the network is asked,
    and a ridge regression is fitted to what it says, each sample weighed by the cosine kernel of section 3.3; the first sample
    is the image itself. The fit is refined from running sums, first after 10 samples, then 20 and then 30 later, of several
    images after fewer, 10 each at least, so that an answer does not take longer the more images there are.

    `error` is how far the weights are expected to be from those of endless samples, relative to their length: 0.1 means by a
    tenth of themselves. It is made of their standard errors, the spread over seeds, and of what the ridge penalty still
    takes off; with `engine="openvino-int8"` also of what integers may err. It says how well the surrogate is known, not how
    well it fits: that is `fit`, its weighted R2, and
    `adjusted_fit`, the share of the variance that it would explain on new samples.

    Where the kernel localises and where it does not: with a fair coin half of the superpixels are hidden in every sample, so
    the cosine distance gathers at 1 - sqrt(1/2) = 0.29 the more narrowly the finer the superpixels, all samples weigh about
    the same, and the surrogate is a global one over half-hidden images. `kernel_range`, the 5 % and 95 % quantiles of
    the weights, shows this. To look nearer the image take `design="coin"` and a higher `keep`, or `design="uniform"`, which is
    how the paper itself draws: samples then lie at every distance and the kernel chooses among them.

    The default design, `hadamard`, gives with half the samples what coins give, once there are twice as many samples as
    superpixels; standard errors and `error` do not count on that, and are up to twice too large. There the whole image is
    asked, but not fitted: one sample far from all the others, it would pull at the weights of all superpixels.

    Images of fewer than 85 x 85 pixels are cut into fewer superpixels than about 200, unless `segments` says how many: `notes`
    then has their number.

    Extras, besides `fit` and `kernel_range`: `segments`; `segment_weights` and their `segment_errors`, 0 beyond an image's own
    number; `intercept`; `prediction`, the network's for the whole image, beside `local_prediction`, the surrogate's.

    Raises ValueError for fewer than 2 superpixels or too many, a label map that does not fit, or a kernel so narrow that no
    sample counts.

    The kernel is the root of the paper's, exp(-d^2 / (2 width^2)), as in the authors' package, whose default width is 0.25.
    Unlike there, labels are numbered from 0, so the first superpixel is hidden too.
    """
    how = Segmentation(
        segmentation, segments, compactness, sigma, scale, min_size, kernel_size, max_dist, ratio, label_map, seed
    )  # fmt: skip
    cuts = Cuts.of("lime", inputs, how, hide)
    if design != "uniform":
        _check_kernel(keep, kernel_width)
    groups = [
        Neighbourhood(n, members, drawing(design, n, keep, seed), kernel_width, fits_whole=design != "hadamard")
        for n, members in cuts.alike().items()
    ]
    watch = Watch(model, inputs.features, target, output)
    for work in asked(watch, inputs.features, cuts, groups, samples, model.batches.images):
        found: dict[int, dict[str, Tensor]] = {}
        for group in groups:
            surrogate = group.surrogate(alpha)
            for column, i in enumerate(group.members):
                found[i] = {name: value[..., column].float() for name, value in vars(surrogate).items()}
                found[i] |= {"kernel_range": group.kernel_range().float(), "prediction": group.intact[column]}
        a = cuts.attribution(found, target, f"{output} per superpixel shown", work, watch.lasting)
        yield replace(a, notes={**a.notes, **watch.notes})


def _check_kernel(keep: float, width: float) -> None:
    weight = float(cosine_kernel(torch.tensor([keep]), 1, width))
    if weight < 1e-6:
        raise Contradiction(
            f"kernel_width={width}: a sample that shows {keep:.0%} of the superpixels would weigh {weight:.1g} and the whole "
            "image 1, so nothing is left to fit; widen the kernel, or set design='uniform', or design='coin' and a higher keep"
        )


@final
class Neighbourhood:
    """The samples around every image with that many superpixels: one draw of masks for all, and the sums they leave.

    What is kept does not grow with the number of samples.
    """

    def __init__(self, segments: int, members: list[int], draw: Draw, width: float, *, fits_whole: bool) -> None:
        self.members = members
        self._fits_whole = fits_whole
        self.intact = torch.zeros(len(members))
        """What the network says of the whole images, which are the first sample."""
        self._draw = draw
        self._kernel = cosine_kernel(torch.arange(segments + 1), segments, width)
        self._shown = torch.zeros(segments + 1, dtype=torch.int64)
        self._sums = Sums(segments, len(members))

    def draw(self, rows: int) -> Bool[Tensor, "sample segment"]:
        """The next masks, True where a superpixel is visible."""
        visible = self._draw(rows)
        if not self._shown.any():
            visible[0] = True
        return visible

    def add(self, visible: Bool[Tensor, "sample segment"], values: Float32[Tensor, "sample image"]) -> None:
        shown = visible.sum(1)
        kernel = self._kernel[shown]
        if not self._shown.any():
            self.intact = values[0]
            kernel[0] *= self._fits_whole
        self._shown += torch.bincount(shown, minlength=len(self._shown))
        # subtle: measured from the whole image's value, so that nothing cancels when logits are large and vary little
        self._sums.add(visible.double(), (values - self.intact).double(), kernel)

    def surrogate(self, alpha: float) -> "Surrogate":
        fitted = self._sums.ridge(alpha)
        return replace(fitted, intercept=fitted.intercept + self.intact, local_prediction=fitted.local_prediction + self.intact)

    def kernel_range(self) -> Float64[Tensor, "2"]:
        """The 5 % and 95 % quantiles, exact: a weight depends only on how many superpixels are shown, and grows with it."""
        reached = self._shown.cumsum(0).double()
        return self._kernel[torch.searchsorted(reached, torch.tensor([0.05, 0.95]).double() * reached[-1])]


def cosine_kernel(shown: Num[Tensor, " sample"], segments: int, width: float) -> Float64[Tensor, " sample"]:
    """The weight of a sample that shows so many of the superpixels: sect. 3.3, of the cosine distance to showing all."""
    distance = 1 - (shown.double() / segments).sqrt()
    return (-(distance**2) / (2 * width**2)).exp()


@dataclass(frozen=True)
class Surrogate:
    """A linear model of the network around each image, fitted by weighted ridge regression."""

    weights: Float64[Tensor, "segment image"]
    errors: Float64[Tensor, "segment image"]
    error: Float64[Tensor, " image"]
    """Of the weights as a whole, relative to their length."""
    intercept: Float64[Tensor, " image"]
    local_prediction: Float64[Tensor, " image"]
    fit: Float64[Tensor, " image"]
    adjusted_fit: Float64[Tensor, " image"]


@final
class Sums:
    """All that a weighted ridge regression needs of its samples, summed; X is the masks behind a column of ones."""

    def __init__(self, segments: int, images: int) -> None:
        self.xwx = torch.zeros(segments + 1, segments + 1, dtype=torch.float64)
        self.xwwx = torch.zeros_like(self.xwx)
        self.xwy = torch.zeros(segments + 1, images, dtype=torch.float64)
        self.ywy = torch.zeros(images, dtype=torch.float64)

    def add(
        self,
        visible: Float64[Tensor, "sample segment"],
        values: Float64[Tensor, "sample image"],
        weights: Float64[Tensor, " sample"],
    ) -> None:
        design = torch.cat([torch.ones(len(visible), 1, dtype=torch.float64), visible], 1)
        weighted = design * weights[:, None]
        self.xwx.addmm_(weighted.T, design)
        self.xwwx.addmm_(weighted.T, weighted)
        self.xwy.addmm_(weighted.T, values)
        self.ywy += weights @ values**2

    def ridge(self, alpha: float) -> Surrogate:
        """The weights b that minimise (y - Xb)'W(y - Xb) + alpha |b|^2, the intercept unpenalised, with their standard errors.

        The standard errors take the samples' deviations from the surrogate as independent and alike, of a variance
        estimated from the residuals. The error as a whole adds in what the penalty still takes off, the weights being
        taken as alike in size: with few samples it holds back nearly all of them, which the standard errors cannot see.
        """
        penalised = self.xwx.clone()
        penalised.diagonal()[1:] += alpha
        factor = torch.linalg.cholesky(penalised)
        inverse = torch.cholesky_inverse(factor)
        b = torch.cholesky_solve(self.xwy, factor)
        residual = (self.ywy - 2 * (b * self.xwy).sum(0) + (b * (self.xwx @ b)).sum(0)).clamp(min=0)
        # the diagonal of (X'WX + alpha)^-1 X'W2X (X'WX + alpha)^-1, which rounding may bring below 0 where alpha is tiny
        variance = (inverse @ self.xwwx * inverse).sum(1).clamp(min=0)
        total, squared = self.xwx[0, 0], self.xwwx[0, 0]
        # with H the hat matrix, E[residual] / noise = tr (I - H)'W(I - H) = tr W - tr HW - alpha tr of the weights' variance
        freedom = total - (inverse * self.xwwx).sum() - alpha * variance[1:].sum()
        around_mean = self.ywy - self.xwy[0] ** 2 / total
        varied = around_mean > torch.finfo(torch.float32).tiny * total
        sample_variance = around_mean / (total - squared / total)
        # subtle: a penalty near 0 and fewer samples than superpixels leave no residual, so nothing tells noise from signal
        noise = residual / freedom if freedom > 1e-9 * total else sample_variance
        # b = (I - B) b_endless + noise, with B of the penalty: |B b_endless| : |(I - B) b_endless| is about |B| : |I - B|
        taken = alpha * inverse[1:, 1:]
        shrinkage = taken.square().sum() / (torch.eye(len(taken)) - taken).square().sum()
        # subtle: samples are counted as if all weighed alike (Kish 1965)
        factor = strays(len(taken), float(freedom * total / squared))
        spread = factor * variance[1:].sum() * noise / b[1:].square().sum(0)
        return Surrogate(
            weights=b[1:],
            errors=(variance[1:, None] * noise).sqrt(),
            error=torch.where(varied, (spread + shrinkage).sqrt(), 0),  # where nothing varies there is nothing to err about
            intercept=b[0],
            local_prediction=b.sum(0),
            fit=torch.where(varied, 1 - residual / around_mean, 0),
            adjusted_fit=torch.where(varied, 1 - noise / sample_variance, 0),
        )
