import pytest
import torch

from pellucid.models.finite import all_finite


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_value_among_many_is_seen(bad: float) -> None:
    values = torch.randn(3, 50, 50)
    assert all_finite(values)
    values[1, 7, 9] = bad
    assert not all_finite(values)


def test_infinities_that_cancel_and_sums_that_overflow() -> None:
    assert not all_finite(torch.tensor([float("inf"), -float("inf")]))
    assert all_finite(torch.full((10,), 3e38))
    assert all_finite(torch.full((10,), 6e4, dtype=torch.float16))
    assert all_finite(torch.zeros(0))
