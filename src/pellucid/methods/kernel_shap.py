"""Kernel SHAP for images. Lundberg and Lee, NeurIPS 2017, https://arxiv.org/abs/1705.07874, section 4.1"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution
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
    Sigma,
    Watched,
    asked,
)
from pellucid.models.image import ImageClassifier
from pellucid.models.watch import Watch
from pellucid.shapley import Coalitions

MANY = 50


@methods.register()
def kernel_shap(
    model: ImageClassifier,
    inputs: Images,
    target: Int64[Tensor, " batch"],
    *,
    samples: Samples = 1000,
    output: Watched = "probability",
    segmentation: Cut = "slic",
    label_map: LabelMap = "",
    segments: Annotated[
        int,
        Field(ge=0, le=900, description="slic, grid: about how many superpixels; 0: 50, fewer where they would be too small."),
    ] = 0,
    compactness: Compactness = 10.0,
    sigma: Sigma = 1.0,
    scale: Scale = 100.0,
    min_size: MinSize = 20,
    kernel_size: KernelSize = 4.0,
    max_dist: MaxDist = 200.0,
    ratio: Ratio = 0.2,
    hide: Hidden = "mean",
    seed: Annotated[int, Field(ge=0, description="Makes segmentation and sampling repeatable.")] = 0,
) -> Iterator[Attribution]:
    """The Shapley value of each superpixel, laid over its pixels: its fair share of what showing the image does to the output.

    Unit: output per superpixel, with sign. An image's values add up to the output for the whole image less that with all
    superpixels hidden, at every answer (`total`). A superpixel's is the mean of what showing it adds, over all orders in
    which they may be shown; section 4.1 finds it as a regression of the output on which are visible, with the Shapley kernel
    for weights.

    Subsets are drawn by that kernel, each followed by its complement, of which only the difference counts (Covert and Lee,
    AISTATS 2021, https://arxiv.org/abs/2012.01536, section 3.2): in it interactions of two superpixels, or of any even number,
    cancel. Subsets of one size are dealt from a shuffled pack, so that each superpixel comes up equally often. Where there are
    so few superpixels that all subsets are no more than `samples`, nor than 1,024, all are asked, and the values are exact: of
    up to nine by default.

    `error` is how far the values are expected to be from those of endless samples, relative to their length: 0.1 means by a
    tenth of themselves. Where all subsets are asked it is at least 1 until they are, and then 0. `fit` says how much of the
    differences between subsets and their complements the values explain: what is left is interaction, of which a sum of values
    says nothing.

    The more superpixels, the more samples: of 50 the default's values are within some fifth of themselves on a photograph, of
    200 they are not known at all. Images of fewer than 43 x 43 pixels are cut into fewer than 50, unless `segments` says how
    many: `notes` then has their number.

    Extras, besides `fit` and `total`: `segments`; `segment_weights`, the values, and their `segment_errors`, 0 beyond an
    image's own number; `prediction`, the network's for the whole image.

    Raises ValueError for fewer than 2 superpixels or too many, or a label map that does not fit.
    """
    how = Segmentation(
        segmentation, segments, compactness, sigma, scale, min_size, kernel_size, max_dist, ratio, label_map, seed
    )  # fmt: skip
    cuts = Cuts.of("kernel_shap", inputs, how, hide, MANY)
    groups = [Coalitions(n, members, samples, seed) for n, members in cuts.alike().items()]
    # values that are called exact are no place for less than float32
    watch = Watch(model, inputs.features, target, output, expected=0 if any(group.exact for group in groups) else None)
    most = max(group.planned for group in groups)
    for work in asked(watch, inputs.features, cuts, groups, most, model.batches.images):
        found: dict[int, dict[str, Tensor]] = {}
        for group in groups:
            shapley = group.shapley()
            for column, i in enumerate(group.members):
                own = {name: value[..., column].float() for name, value in vars(shapley).items()}
                found[i] = {"weights": own.pop("values"), **own, "prediction": group.intact[column]}
        a = cuts.attribution(found, target, f"{output} per superpixel", work, watch.lasting)
        yield replace(a, notes={**a.notes, **watch.notes})
