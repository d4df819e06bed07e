"""Insertion. Petsiuk, Das and Saenko, RISE, BMVC 2018, https://arxiv.org/abs/1806.07421

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


@metrics.register(higher_is_better=True, unit="mean of the output along the curve")
def insertion(
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
    """The area under the curve of the target's output while pixels are put back into the fill, the most supportive first.

    High is good. All else is as in `deletion`, the curve beginning at the fill: the order, ties, `share`, `chance` and its
    interval, NaN for a map that holds NaN, and the `extras`, whose `advantage` is value - chance here. The blur is the paper's
    own choice for insertion; theirs is fixed in pixels, ours a tenth of the short side.
    """
    yield from exchanged(
        model, inputs, attribution, fills(inputs, fill), inputs.features, higher_is_better=True,
        steps=steps, share=share, output=output, orders=orders, null=null, seed=seed,
    )  # fmt: skip
