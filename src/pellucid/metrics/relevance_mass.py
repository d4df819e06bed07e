"""Relevance mass and rank accuracy. Arras, Osman and Samek, Information Fusion 2022, https://arxiv.org/abs/2003.07258"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.inputs.masks import MaskOption, moved, subject_mask
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier


@metrics.register(higher_is_better=True, unit="share of the positive relevance")
def relevance_mass(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    mask: MaskOption = "",
) -> Iterator[Measurement]:
    """How much of what the map holds for the target lies on the subject: the sum there over the sum everywhere, 0 to 1.

    Of a signed map its positive part counts, of an unsigned one its magnitude; channels are folded as the attribution
    declares, where the paper compares several ways. Whose outline it is, see `mask`; NaN for an image without one, and for a
    map with nothing positive in it. `rank_accuracy`, in `extras`: of the highest K pixels, K being those of the subject, the
    share that lies on it; pixels tied for the last places take their share of them.

    `chance` is that of this very map moved to a random place, round the image's edges: the subject's share of the image, and
    between `chance_low` and `chance_high` lie 95 % of all places. As photographers put the subject in the middle, any map
    that is high in the middle lies above it: compare with `edges`, too. A subject that nearly fills the picture says little.

    A high share is no proof of faithfulness: a network may rightly look at the background, and a map of edges may lie on the
    subject without having seen the network at all. The paper asks networks whose task leaves them nothing but the subject.
    """
    subject = subject_mask(inputs, model._box, mask)
    maps = attribution.map() if attribution.signed else attribution.map().abs()
    finite = maps.isfinite().flatten(1).all(1)
    positive = (maps > 0).flatten(1).any(1)
    rows, ranks = torch.full((len(maps), 4), torch.nan), torch.full((len(maps),), torch.nan)
    for i in (subject.known & finite).nonzero().flatten().tolist():
        ranks[i] = rank_accuracy(maps[i], subject.values[i])
        if positive[i]:
            weights = maps[i].double().clamp(min=0)
            rows[i] = torch.tensor([mass(weights, subject.values[i]), *moved(weights, subject.values[i])])
    values = rows[:, 0]
    chance, low, high = rows[:, 1:].unbind(1) if bool(values.isfinite().any()) else (None, None, None)
    reasons = [
        "its map holds NaN or infinite values" if not sound else "nothing in its map speaks for the target" if not some else ""
        for sound, some in zip(finite.tolist(), positive.tolist(), strict=True)
    ]
    yield Measurement(
        values, values, values, Work(0, 0, 1.0), chance, low, high, {"rank_accuracy": ranks}, subject.notes(reasons)
    )  # fmt: skip


def mass(weights: Float64[Tensor, "height width"], subject: Bool[Tensor, "height width"]) -> float:
    """The share of the weights that lies on the subject."""
    return float(weights[subject].sum() / weights.sum())


def rank_accuracy(scores: Float32[Tensor, "height width"], subject: Bool[Tensor, "height width"]) -> float:
    """Of as many of the highest pixels as the subject has, the share that lies on it, on average over how ties are broken."""
    count = int(subject.sum())
    last = scores.flatten().topk(count).values[-1]
    above, tied = scores > last, scores == last
    left = (count - above.sum()) / tied.sum()
    return float(((above & subject).sum() + left * (tied & subject).sum()) / count)
