"""Sparseness: the Gini index of a map. Chalasani et al., ICML 2020, https://arxiv.org/abs/1810.06583"""

from collections.abc import Iterator

import torch
from jaxtyping import Float32
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier


@metrics.register(higher_is_better=None, unit="Gini index")
def sparseness(model: ImageClassifier, inputs: Images, attribution: Attribution) -> Iterator[Measurement]:
    """How few pixels hold the magnitude of the map: 0, all pixels alike, to nearly 1, one pixel holds everything.

    Of the map's magnitudes, channels folded as the attribution declares. Sparse maps are easier to look at; whether they are
    right is another question, so neither direction is good as such. NaN for a map that is 0 everywhere.
    """
    values = gini(attribution.map().abs().flatten(1))
    yield Measurement(values, values, values, Work(0, 0, 1.0))


def gini(magnitudes: Float32[Tensor, "batch pixel"]) -> Float32[Tensor, " batch"]:
    """1 - 2 sum_k (m_(k) / |m|) (N - k + 1/2) / N over the magnitudes in ascending order (Hurley and Rickard 2009, table I)."""
    ascending = magnitudes.double().sort(1).values
    n = ascending.shape[1]
    ranks = (n - torch.arange(1, n + 1, dtype=torch.float64) + 0.5) / n
    total = ascending.sum(1)
    return torch.where(total == 0, torch.nan, 1 - 2 * (ascending @ ranks) / total).float()
