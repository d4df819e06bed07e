"""Whether a network has learned anything: whether its weights have an order that weights drawn at random lack.

Learning makes the filters of a layer alike, each other's and from place to place, so that a few directions carry much of it; in
a matrix of independent entries all carry about as much. Martin and Mahoney, JMLR 22, 2021,
https://arxiv.org/abs/1810.01075, survey what spectra of weights tell of training.
"""

import torch
from torch import Tensor, nn

ROWS, COLUMNS = 48, 288
"""Of a layer's weights, as a matrix of a row for each output, as many are looked at, spread over all of it."""
SHUFFLES = 16, 128
"""At least and at most: of small layers more, which are few in a small network, so that each counts."""
ENTRIES = 200_000
"""Of a layer's shuffles together, about."""


def order(module: nn.Module) -> float:
    """How much more order its weights have than the same weights shuffled, in standard errors over all layers.

    The order of a layer is the sum of its singular values to the fourth, and its shuffles are the layer's own entries in random
    places, always the same. Weights as they were drawn give about 0, whatever distribution they come from; infinite where no
    parameter has two axes, so that nothing can be told.
    """
    generator = torch.Generator().manual_seed(0)
    above = [_above(block, generator) for block in _blocks(module)]
    return sum(above) / len(above) ** 0.5 if above else float("inf")


def _blocks(module: nn.Module) -> list[Tensor]:
    found = []
    for parameter in module.parameters():
        if parameter.ndim < 2 or not parameter.is_floating_point():
            continue
        matrix = parameter.detach().flatten(1)
        rows, columns = (_spread(side, most) for side, most in zip(matrix.shape, (ROWS, COLUMNS), strict=True))
        block = matrix[rows.to(matrix.device)][:, columns.to(matrix.device)].double().cpu()
        if min(block.shape) > 1 and bool(block.isfinite().all()) and float(block.std()) > 0:
            found.append(block)
    return found


def _spread(side: int, most: int) -> Tensor:
    return torch.linspace(0, side - 1, min(side, most)).round().long()


def _above(block: Tensor, generator: torch.Generator) -> float:
    """Of one layer, in standard deviations over its shuffles."""
    flat = block.flatten()
    least, most = SHUFFLES
    count = min(most, max(least, ENTRIES // len(flat)))
    shuffled = torch.stack([flat[torch.randperm(len(flat), generator=generator)] for _ in range(count)])
    null = _fourth_powers(shuffled.view(-1, *block.shape))
    # of so few shuffles the next one is a little further off than their deviation says
    deviation = float(null.std()) * (1 + 1 / count) ** 0.5
    return float(_fourth_powers(block) - null.mean()) / max(deviation, 1e-9 * float(null.mean()))


def _fourth_powers(matrices: Tensor) -> Tensor:
    """The sum of the singular values to the fourth."""
    return (matrices @ matrices.mT).square().sum((-2, -1))
