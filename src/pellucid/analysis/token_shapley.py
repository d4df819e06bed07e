"""Kernel SHAP for tokens. Lundberg and Lee, NeurIPS 2017, https://arxiv.org/abs/1705.07874, section 4.1"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from pellucid.analysis.token_targets import TokenTarget, asked_without
from pellucid.inputs.text import Tokens
from pellucid.models.text import TextEncoder
from pellucid.shapley import Coalitions

LEAST = 10
"""Subsets of a text, at least."""
AT_ONCE = 100
"""Subsets of a text between two looks at the progress."""


def token_shapley(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    which: Bool[Tensor, "batch token"],
    samples: int,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> tuple[Float32[Tensor, "batch token"], Float32[Tensor, " batch"], int]:
    """The Shapley value of each of these tokens, masked where it is hidden; how far a text's values are expected to be from
    those of endless samples, as a Euclidean distance; and how many passes were made.

    Where a text has so few tokens that all subsets are no more than `samples`, all are asked, and the values are exact. A text
    has the same draws alone as among others.
    """
    values, errors, passes = torch.zeros(which.shape), torch.zeros(len(which)), 0
    for row, able in enumerate(which):
        places = able.nonzero()[:, 0]
        if not len(places):
            continue
        group = Coalitions(len(places), [row], samples, seed)
        while len(visible := group.draw(AT_ONCE)):
            removed = torch.zeros(len(visible), which.shape[1], dtype=torch.bool)
            removed[:, places] = ~visible
            logits, _ = asked_without(encoder, tokens, target, torch.full((len(visible),), row), removed)
            group.add(visible, logits[:, None])
            passes += len(visible)
            if progress is not None:
                progress((row + group.done) / len(which))
        found = group.shapley()
        values[row, places] = found.values[:, 0].float()
        errors[row] = (found.error * found.values.norm(dim=0)).float()
    return values, errors, passes
