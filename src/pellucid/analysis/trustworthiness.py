"""How far a picture's neighbourhoods can be believed. Venna and Kaski, ICANN 2001, https://doi.org/10.1007/3-540-44668-0_68"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def neighbours_of(points: int, wanted: int = 5) -> int:
    """The neighbours to look at: `wanted`, or as many as the measure allows, fewer than half of the points; 0 for two."""
    return max(0, min(wanted, (points - 1) // 2))


def trustworthiness(
    vectors: Float[Tensor, "point feature"], picture: Float[Tensor, "point component"], neighbours: int = 5
) -> float:
    """From 0 to 1: 1 when each point's nearest `neighbours` in the picture are among its nearest in the full space too.

    A neighbour that the picture invented costs by how far down it stands in the true order (eq. 1); distances are Euclidean.
    ValueError unless 1 <= neighbours < points / 2, beyond which the measure is not defined.
    """
    points = len(vectors)
    if len(picture) != points:
        raise ValueError(f"{points} vectors and {len(picture)} points of a picture; give one point a vector")
    if not 1 <= neighbours < points / 2:
        raise ValueError(
            f"neighbours={neighbours} of {points} points; give at least 1 and fewer than half of the points, {points / 2:g}"
        )
    order = _order(vectors)
    rank = torch.empty_like(order)
    rank.scatter_(1, order, torch.arange(1, points + 1).expand(points, points))  # 1 for the nearest; a point itself is last
    near = _order(picture)[:, :neighbours]
    cost = (rank.gather(1, near) - neighbours).clamp(min=0).sum()
    return 1.0 - float(cost) * 2 / (points * neighbours * (2 * points - 3 * neighbours - 1))


def _order(values: Float[Tensor, "point feature"]) -> Tensor:
    return distances(values).fill_diagonal_(math.inf).argsort(dim=1, stable=True)


def distances(values: Float[Tensor, "point feature"]) -> Float64[Tensor, "point point"]:
    """Euclidean distances in double precision."""
    values = values.double()
    # subtle: the faster way by a matrix product loses the digits by which near points differ
    return torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist")
