"""Remove and debias (ROAD). Rong, Leemann, Borisov, Kasneci and Kasneci, ICML 2022, https://arxiv.org/abs/2202.00449"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution
from pellucid.curves import NullOption, OrdersOption, OutputOption, SeedOption, ranks, reading, walk
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier

NEIGHBOURS = [
    (down, right, 1 / 12 if down and right else 1 / 6) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right
]
"""Offsets of a pixel's eight neighbours and their weights (section 4.2): they add up to 1."""
SHARES = (0.1, 0.9)
"""Of the removed pixels, at the first and the last point."""
OUTSIDE, KNOWN = -2, -1
"""What stands where a missing pixel would have its number."""


@metrics.register(higher_is_better=False, unit="mean of the output, or of what is lost of it")
def road(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    steps: Annotated[int, Field(ge=2, le=99, description="Shares of removed pixels, evenly from 10 % to 90 %.")] = 9,
    order: Annotated[
        Literal["most", "least"], Field(description="Which pixels go first: the most supportive (MoRF) or the least (LeRF).")
    ] = "most",
    noise: Annotated[
        float,
        Field(ge=0, le=1, description="Standard deviation of the noise on imputed pixels, as a share of the value range."),
    ] = 0.01,
    output: OutputOption = "probability",
    orders: OrdersOption = 10,
    null: NullOption = "shifted",
    seed: SeedOption = 0,
) -> Iterator[Measurement]:
    """The target's output, averaged over shares of removed pixels, which are imputed from their neighbours; low is good.

    Removed pixels are so filled that their shape does not show: each is the weighted mean of its eight neighbours, a linear
    system over all of them, plus noise. With `order="most"` the value is the mean output itself. With `order="least"`, where a
    good map keeps the output up, it is how much of the intact image's output is lost on average, so that low is good there
    too; the paper reports the mean output (its accuracy, as we have no set of labelled images to count on), which is
    `curve[:, 1:].mean(1)`. Such a loss may be negative.

    Order, ties, `chance` and its interval, NaN and `extras` are as in `deletion`, but that the curve (batch, steps + 1) begins
    with the intact image, which does not count in the mean. At the image's edge the weights of the neighbours that are there
    are scaled up to 1. The paper's noise is 0.01 in the network's own units; ours is a share of the image's value range. It is
    the same for all orders and drawn once, so that its spread is in no interval.

    Every point costs a sparse factorisation besides its network pass: some tenths of a second at 224 x 224.
    """
    height, width = inputs.features.shape[2:]
    pixels = height * width
    shares = torch.linspace(*SHARES, steps, dtype=torch.float64)
    counts = torch.cat([torch.zeros(1), (shares * pixels).round().clamp(max=pixels - 1)]).long()
    deviation = noise * inputs.value_range

    def build(row: int, chosen: Tensor, points: Tensor) -> Tensor:
        features = inputs.features[row]
        place = ranks(chosen).view(height, width)
        images: list[Tensor] = []
        for count in points.tolist():
            missing = place < count
            generator = torch.Generator().manual_seed(draw_seed(draw_seed(seed, 0), count))
            extra = deviation[row] * torch.randn(features.shape, generator=generator)
            images.append(imputed(features, missing) + extra * missing)
        return torch.stack(images)

    def summary(curves: Float32[Tensor, "*batch point"]) -> Float32[Tensor, "*batch"]:
        mean = curves[..., 1:].mean(-1)
        return mean if order == "most" else curves[..., 0] - mean

    known = {0: model.values(inputs.features, attribution.target, output)}
    for curves in walk(
        model, inputs, attribution, build, counts, known,
        output=output, orders=orders, null=null, seed=seed, least_first=order == "least", built=1,
    ):  # fmt: skip
        yield reading(curves, summary, higher_is_better=False)


def imputed(
    image: Float32[Tensor, "channel height width"], missing: Bool[Tensor, "height width"]
) -> Float32[Tensor, "channel height width"]:
    """The image with each missing pixel replaced by the weighted mean of its neighbours, be they known or missing themselves.

    An image that is linear along both sides comes back as it was, unless pixels of its edge are missing. At least one pixel
    must be known.
    """
    from scipy.sparse import coo_array  # late: slow imports
    from scipy.sparse.linalg import splu

    assert not missing.all()
    if not missing.any():
        return image.clone()
    rows, columns = missing.nonzero().numpy().T
    count = len(rows)
    number = np.full((missing.shape[0] + 2, missing.shape[1] + 2), OUTSIDE)
    number[1:-1, 1:-1] = KNOWN
    number[rows + 1, columns + 1] = np.arange(count)
    values = np.pad(image.double().numpy(), ((0, 0), (1, 1), (1, 1)))
    # sum over neighbours j of w_j (x_i - x_j) = 0: symmetric and positive definite
    diagonal, right_side = np.zeros(count), np.zeros((count, len(image)))
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for down, right, weight in NEIGHBOURS:
        neighbour = number[rows + 1 + down, columns + 1 + right]
        diagonal += weight * (neighbour != OUTSIDE)
        known = neighbour == KNOWN
        right_side[known] += weight * values[:, rows[known] + 1 + down, columns[known] + 1 + right].T
        unknown = (neighbour >= 0).nonzero()[0]
        entries.append((np.full(len(unknown), -weight), unknown, neighbour[unknown]))
    entries.append((diagonal, np.arange(count), np.arange(count)))
    weights, of, on = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    system = coo_array((weights, (of, on)), shape=(count, count)).tocsc()
    # subtle: an order for symmetric matrices, and no pivoting, which this one does not need, halve the fill-in
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    result = image.clone()
    result[:, missing] = torch.from_numpy(factors.solve(right_side).T).float()
    return result
