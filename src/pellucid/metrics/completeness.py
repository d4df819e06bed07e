"""Completeness gap. Sundararajan, Taly and Yan, ICML 2017, https://arxiv.org/abs/1703.01365, proposition 1"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field

from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import make_baseline
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier

Reference = Literal["black", "white", "mean", "zero", "blur"]


@metrics.register(higher_is_better=False, unit="share of the change of the output")
def completeness(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    baseline: Annotated[
        Reference, Field(description="What the change is counted from, where the attribution has no baseline of its own.")
    ] = "black",
) -> Iterator[Measurement]:
    """How far the scores' sum is from what they should add up to: |sum - change| / |change|, 0 being perfect.

    The change is that of the explained output from the baseline to the image; the attribution's own baseline (`extras`) is
    used where it has one. Signed, in the output's units, the gap stands in `extras`, and the change beside it. NaN for
    attributions whose scores are no shares of an output (a gradient, a magnitude, the weight of a superpixel, a layer's map
    enlarged), and where the output does not change at all. It says whether nothing was lost or invented, and nothing about
    where the shares lie.
    """
    unit = attribution.options.get("output", "logit")
    if attribution.unit != unit or "cam" in attribution.extras:
        nothing = torch.full((len(inputs),), torch.nan)
        per = f"{unit} per position of a layer, enlarged to the input" if attribution.unit == unit else attribution.unit
        reason = f"scores of {attribution.method or 'this attribution'} are in {per}: no shares of a {unit}"
        yield Measurement(nothing, nothing, nothing, Work(0, 0, 1.0), notes={"no value": reason})
        return
    own = attribution.extras.get("baseline")
    start = own if own is not None else make_baseline(inputs, baseline)
    ends = model.values(torch.cat([inputs.features, start]), attribution.target.repeat(2), unit)  # pyright: ignore[reportArgumentType]
    change = ends[: len(inputs)] - ends[len(inputs) :]
    gap = attribution.scores.double().flatten(1).sum(1).float() - change
    values = torch.where(change == 0, torch.nan, gap.abs() / change.abs())
    yield Measurement(
        values, values, values, Work(2 * len(inputs), 0, 1.0), extras={"gap": gap, "change": change},
        notes={"baseline": "the attribution's own" if own is not None else baseline},
    )  # fmt: skip
