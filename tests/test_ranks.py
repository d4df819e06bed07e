"""Rank correlation, overlap of the highest, and the jackknife: closed forms, SciPy, and what has no answer."""

import numpy as np
import pytest
import torch

from pellucid.ranks import margin, spearman, top_overlap


def test_order_is_all_that_counts():
    ascending = torch.arange(12.0).view(1, 3, 4)
    assert spearman(ascending, (ascending / 4).exp()).tolist() == [1.0]
    assert spearman(ascending, -ascending).tolist() == [-1.0]
    one_swapped = torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[1.0, 2, 4, 3]])
    assert float(spearman(*one_swapped)) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum d^2 / n (n^2 - 1)


@pytest.mark.parametrize("levels", [2, 7, 1000])
def test_is_that_of_scipy_with_ties(levels):
    from scipy.stats import spearmanr

    generator = torch.Generator().manual_seed(levels)
    one, other = torch.randint(levels, (2, 5, 9, 11), generator=generator).float()
    other = other + one / 2
    expected = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(one, other, strict=True)]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(spearman(one, other).numpy(), expected, rtol=1e-6)


def test_a_map_and_itself_give_exactly_one():
    maps = torch.randn(3, 224, 224, generator=torch.Generator().manual_seed(0)).round(decimals=2)
    assert spearman(maps, maps).tolist() == [1.0, 1.0, 1.0]


def test_maps_without_an_order_have_no_correlation():
    constant, nan = torch.zeros(1, 6), torch.tensor([[0.0, 1, torch.nan, 2, 3, 4]])
    some = torch.arange(6.0)[None]
    for other in (constant, nan):
        assert spearman(some, other).isnan().all()
        assert spearman(other, some).isnan().all()
        assert top_overlap(some, other, 0.5).isnan().all()


def test_overlap_counts_the_highest_in_both():
    one = torch.tensor([[9.0, 8, 7, 6, 0, 0, 0, 0], [9, 8, 7, 6, 0, 0, 0, 0]])
    other = torch.tensor([[9.0, 8, 0, 0, 7, 6, 0, 0], [0, 0, 0, 0, 9, 8, 7, 6]])
    assert top_overlap(one, other, 0.5).tolist() == [0.5, 0.0]
    assert top_overlap(one, one, 0.5).tolist() == [1.0, 1.0]
    assert top_overlap(one, other, 0.01).tolist() == [1.0, 0.0]  # one pixel at least


def test_overlap_of_noise_is_the_share():
    one, other = torch.randn(2, 4, 100, 100, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(top_overlap(one, other, 0.2), torch.full((4,), 0.2), rtol=0, atol=0.03)


def test_the_margin_of_a_mean_is_students():
    from scipy.stats import t

    values = torch.tensor([[0.1, 5.0], [0.4, 5.0], [0.6, 5.0], [0.3, 5.0]])
    left_out = (values.sum(0) - values) / 3
    expected = t.ppf(0.975, 3) * values[:, 0].std() / 2  # s / sqrt(4)
    assert margin(left_out).tolist() == pytest.approx([float(expected), 0.0])
    assert margin(left_out[:1]).tolist() == [0.0, 0.0]
