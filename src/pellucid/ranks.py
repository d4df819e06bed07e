"""How alike two maps order their pixels: Spearman's rank correlation, and the share of the highest that they have in common.

Spearman 1904, https://doi.org/10.2307/1412159. Maps of other methods, seeds or networks come in other units and on other
scales; their order is what can be compared.
"""

from functools import lru_cache

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from pellucid.measurement import LEVEL


def spearman(one: Float[Tensor, "batch *pixel"], other: Float[Tensor, "batch *pixel"]) -> Float32[Tensor, " batch"]:
    """The rank correlation of each pair of maps, from -1 to 1: exactly 1 where both order the pixels alike.

    Of signed maps; give magnitudes where only those count. NaN where a map is constant or holds NaN.
    """
    a, b = (centred(maps.flatten(1)) for maps in (one, other))
    # subtle: the sums of squares come first and their root last, so that a map and itself give 1, not nearly 1
    correlation = (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()
    known = ~(one.isnan().flatten(1).any(1) | other.isnan().flatten(1).any(1))
    return torch.where(known, correlation.clamp(-1, 1), torch.nan).float()


def centred(values: Float[Tensor, "batch pixel"]) -> Float64[Tensor, "batch pixel"]:
    """The rank of each value in its row, from the middle rank on; values that are alike get the mean of their ranks."""
    ascending = values.detach().sort(1).values
    below = torch.searchsorted(ascending, values.detach().contiguous())
    up_to = torch.searchsorted(ascending, values.detach().contiguous(), right=True)
    return (below + up_to - values.shape[1]).double() / 2


def top_overlap(
    one: Float[Tensor, "batch *pixel"], other: Float[Tensor, "batch *pixel"], share: float
) -> Float32[Tensor, " batch"]:
    """How many of the `share` highest pixels of one map are among those of the other: 1 all of them, by chance `share`.

    At least one pixel; of pixels alike at the border, the first count. NaN where a map is constant or holds NaN.
    """
    count = max(1, round(share * one[0].numel()))
    tops, known = [], torch.ones(len(one), dtype=torch.bool)
    for flat in (one.detach().flatten(1), other.detach().flatten(1)):
        highest = flat.sort(dim=1, descending=True, stable=True).indices[:, :count]
        tops.append(torch.zeros_like(flat, dtype=torch.bool).scatter_(1, highest, True))
        known &= flat.amax(1) > flat.amin(1)
    return torch.where(known, (tops[0] & tops[1]).sum(1) / count, torch.nan).float()


def margin(left_out: Float[Tensor, "sample batch"]) -> Float32[Tensor, " batch"]:
    """Half the 95 % interval of a statistic, from its values with one sample left out after the other; 0 of fewer than two.

    The jackknife's standard error (Efron and Stein 1981, https://doi.org/10.1214/aos/1176345462) times Student's quantile.
    """
    n = len(left_out)
    if n < 2:
        return torch.zeros(left_out.shape[1])
    deviations = left_out.double() - left_out.double().mean(0)
    return (quantile(n - 1) * ((n - 1) / n * (deviations**2).sum(0)).sqrt()).float()


@lru_cache
def quantile(freedom: int) -> float:
    """Student's t within which `LEVEL` lies."""
    from scipy.special import stdtrit  # late: a slow import

    return float(stdtrit(freedom, (1 + LEVEL) / 2))
