"""Deletion. Petsiuk, Das and Saenko, RISE, BMVC 2018, https://arxiv.org/abs/1806.07421

Random orders for comparison after Samek et al. 2017, https://arxiv.org/abs/1509.06321.
"""

from collections.abc import Iterator

from pellucid.attribution import Attribution
from pellucid.curves import (
    FillOption,
    NullOption,
    OrdersOption,
    OutputOption,
    SeedOption,
    ShareOption,
    StepsOption,
    exchanged,
    fills,
)
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier


@metrics.register(higher_is_better=False, unit="mean of the output along the curve")
def deletion(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    steps: StepsOption = 20,
    fill: FillOption = "blur",
    output: OutputOption = "probability",
    share: ShareOption = 1.0,
    orders: OrdersOption = 10,
    null: NullOption = "shifted",
    seed: SeedOption = 0,
) -> Iterator[Measurement]:
    """The area under the curve of the target's output while pixels are removed, the most supportive first; low is good.

    A signed map goes from its largest score to its most negative one, an unsigned one by magnitude, channels folded as the
    attribution declares; pixels alike go in a random order. The area is over the share of removed pixels (trapezoid rule),
    divided by `share`: a mean of the output, in 0 to 1 for the probability, in logits for the logit, which is taken raw. It
    stands on the scale of its image and its class, so compare it with chance, or maps of one image with each other.

    `chance` is the mean area of random orders, and between `chance_low` and `chance_high` lie 95 % of such areas by a normal
    fit, which may pass 0 or 1. A `shifted` map keeps its own texture and loses the place. Patches and scattered pixels harm
    a network differently, whatever they hide, so that shuffled `pixels` compare the texture, too. No interval is given for
    the value, whose only draw is that of ties. NaN for a map that holds NaN.

    `extras`: `curve` (batch, steps + 1) from the whole image on; `chance_curves` (batch, order, steps + 1); `advantage`,
    chance - value, with the limits of its 95 % prediction interval, `advantage_low` and `advantage_high`; `p`, the share of all
    orders, the map's among them, that do at least as well as it. Without random orders there is the curve alone.

    The paper removes to black and reads the probability; a blur is the default here, as black pixels are a picture of their
    own to the network. Both are pictures that it never saw in training: `road` is less exposed to that.
    """
    yield from exchanged(
        model, inputs, attribution, inputs.features, fills(inputs, fill), higher_is_better=False,
        steps=steps, share=share, output=output, orders=orders, null=null, seed=seed,
    )  # fmt: skip
