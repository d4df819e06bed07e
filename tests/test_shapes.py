"""The checks that the whole suite runs under can fail, in every place where an array is named."""

from typing import Any

import beartype
import pytest
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tests.shapes import checked


@checked(typechecker=beartype.beartype)
def shortened(a: Float[Tensor, "row column"], b: Float[Tensor, " row"], *, by: int = 0) -> Float[Tensor, " row"]:
    return b[by:]


@checked(typechecker=beartype.beartype)
def several(first: Float[Tensor, " row"] | None, others: list[Float[Tensor, " row"]]) -> None:
    shortened(torch.zeros(9, 2), torch.zeros(9))  # whose rows are its own


@checked(typechecker=beartype.beartype)
def filled(size: int) -> Int64[Tensor, " {size}"]:
    return torch.zeros(3).long()


def test_what_fits_passes() -> None:
    shortened(torch.zeros(3, 2), torch.zeros(3))
    several(torch.zeros(2), [torch.zeros(2), torch.zeros(2)])
    several(None, [])
    filled(3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: shortened(torch.zeros(3, 2), torch.zeros(4)),
        lambda: shortened(torch.zeros(3), torch.zeros(3)),
        lambda: shortened(torch.zeros(3, 2).long(), torch.zeros(3)),
        lambda: shortened(torch.zeros(3, 2), torch.zeros(3), by=1),
        lambda: several(torch.zeros(2), [torch.zeros(3)]),
        lambda: filled(4),
    ],
)
def test_what_does_not_fit_raises(call: Any) -> None:
    with pytest.raises(Exception, match=r"violates type hint|Type-check error"):
        call()
