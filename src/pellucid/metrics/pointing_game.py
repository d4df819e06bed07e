"""The pointing game. Zhang, Lin, Brandt, Shen and Sclaroff, ECCV 2016, https://arxiv.org/abs/1608.00507, section 4.2"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float32
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.inputs.masks import MaskOption, moved, subject_mask
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier


@metrics.register(higher_is_better=True, unit="share of hits")
def pointing_game(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    mask: MaskOption = "",
    margin: Annotated[
        float, Field(ge=0, le=1, description="How far beside the subject still hits, as a share of the short side.")
    ] = 0.067,
) -> Iterator[Measurement]:
    """Whether the highest point of the map lies on the subject, or at most `margin` beside it: 1 for a hit, 0 for a miss.

    Pixels that share the highest value count as the share of them that hits, so a superpixel that lies half on the subject
    gives a half, and a map that is the same everywhere gives chance. Of an unsigned map the highest magnitude counts, of a
    signed one the highest score. The paper's accuracy is the mean over images (`mean`), there taken class by class; its 15
    pixels are the default here, at 224. Whose outline it is, see `mask`; NaN for an image without one.

    `chance` is that of this very map moved to a random place, round the image's edges: the share of the image that hits, and
    between `chance_low` and `chance_high` lie 95 % of all places. One image proves little; take the mean
    over many. As photographers put the subject in the middle, any map that is high there hits often: compare with `edges`.

    A hit is no proof of faithfulness: a network may rightly look at the background, and a map of edges, which has never seen
    the network, hits the subject of every shipped photograph.
    """
    subject = subject_mask(inputs, model._box, mask)
    maps = attribution.map() if attribution.signed else attribution.map().abs()
    finite = maps.isfinite().flatten(1).all(1)
    rows = torch.full((len(maps), 4), torch.nan)
    for i in (subject.known & finite).nonzero().flatten().tolist():
        rows[i] = torch.tensor(played(maps[i], subject.values[i], margin))
    values = rows[:, 0]
    chance, low, high = rows[:, 1:].unbind(1) if bool(values.isfinite().any()) else (None, None, None)
    reasons = ["" if sound else "its map holds NaN or infinite values" for sound in finite.tolist()]
    yield Measurement(
        values, values, values, Work(0, 0, 1.0), chance, low, high, notes=subject.notes(reasons)
    )  # fmt: skip


def played(
    scores: Float32[Tensor, "height width"], subject: Bool[Tensor, "height width"], margin: float
) -> tuple[float, float, float, float]:
    """The share of the highest pixels that hits, and what moving them about gives: mean, 2.5 % and 97.5 % quantile."""
    highest = (scores == scores.max()).double()
    target = widened(subject, margin * min(subject.shape))
    return float(highest[target].sum() / highest.sum()), *moved(highest, target)


def widened(subject: Bool[Tensor, "height width"], reach: float) -> Bool[Tensor, "height width"]:
    """The pixels at most `reach` pixels away from one of the subject, centre to centre."""
    from scipy.ndimage import distance_transform_edt  # late: a slow import

    return torch.from_numpy(np.asarray(distance_transform_edt(~subject.numpy())) <= reach)
