"""Attention followed through the layers: rollout, and flow. Abnar and Zuidema, ACL 2020, https://arxiv.org/abs/2005.00928"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pellucid.models.activations import Activations
from pellucid.models.kinds import check_activations

CAPACITY = 2**26
"""Units into which a weight of 1 is divided: scipy's maximum flow counts in whole numbers of 32 bits."""


def rollout(activations: Activations, *, residual: int | float = 0.5) -> Float32[Tensor, "layer batch query key"]:
    """How much of each token at layer n comes from each input token, at index n - 1; rows sum to 1.

    The heads' mean is mixed with the identity, which stands for the residual connection, and multiplied over the layers
    (section 3.1, eq. 1). It follows attention alone: what values, feed-forward layers and norms do is not in it. Filling is 0.
    ValueError for a residual that is not from 0 to 1.
    """
    check_activations(activations)
    mixed = with_residual(activations.attentions.mean(2), residual)
    through = torch.eye(mixed.shape[-1]).expand_as(mixed[0])
    steps: list[Tensor] = []
    for layer in mixed:
        through = layer @ through
        steps.append(through)
    return torch.stack(steps) * activations.tokens.mask[:, :, None]


def with_residual(attention: Float[Tensor, "*any query key"], residual: int | float = 0.5) -> Float[Tensor, "*any query key"]:
    """(1 - residual) A + residual I, rows renormalised to 1. A row of filling, which is 0, becomes one of the identity."""
    if not 0 <= residual <= 1:
        raise ValueError(f"residual={residual}; it is the share of the residual connection, from 0 to 1")
    mixed = (1 - residual) * attention + residual * torch.eye(attention.shape[-1])
    return mixed / mixed.sum(-1, keepdim=True).clamp(min=torch.finfo(mixed.dtype).tiny)


def attention_flow(
    activations: Activations,
    layer: int = -1,
    queries: Sequence[int] | None = None,
    *,
    row: int = 0,
    residual: int | float = 0.5,
    progress: Callable[[float], None] | None = None,
) -> Float32[Tensor, "query key"]:
    """The greatest flow from each query token at `layer` to each input token, by the capacities that rollout multiplies.

    Section 3.1, "Attention flow". From 0 to 1; a row need not sum to 1, for each key is a flow by itself, and none is below
    rollout's weight; over many layers most come near 1. One maximum flow an entry, so it takes a while: choose some
    `queries`, or a short text. Weights are rounded to 2^-26, an error of at most that times the edges of a cut. IndexError for
    a layer, text or query that does not exist.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    check_activations(activations)
    one = activations.row(row)
    depth = one.block(layer)
    mixed = with_residual(one.attentions[:depth, 0].mean(1).double(), residual).numpy()
    count = mixed.shape[-1]
    chosen = list(range(count)) if queries is None else list(queries)
    for query in chosen:
        if not 0 <= query < count:
            raise IndexError(f"no token {query}; the text has {count}, from 0")
    graph = np.zeros(((depth + 1) * count,) * 2, dtype=np.int32)  # node n * count + t is token t at layer n
    for n in range(depth):
        graph[(n + 1) * count : (n + 2) * count, n * count : (n + 1) * count] = np.rint(mixed[n] * CAPACITY)
    edges = csr_array(graph)
    found = torch.zeros(len(chosen), count)
    for at, query in enumerate(chosen):
        for key in range(count):
            found[at, key] = maximum_flow(edges, depth * count + query, key).flow_value / CAPACITY
        if progress is not None:
            progress((at + 1) / len(chosen))
    return found
