"""Designs: the shares that coins promise, and the orthogonality that a Hadamard matrix does."""

from typing import Any

import pytest
import torch

from pellucid.inputs.designs import drawing, hadamard


def test_uniform_draws_show_every_number_equally_often_and_every_superpixel_alike() -> None:
    visible = drawing("uniform", 4, 0.5, 0)(20_000)
    shares = torch.bincount(visible.sum(1)) / 20_000
    torch.testing.assert_close(shares, torch.full((5,), 0.2), rtol=0, atol=0.012)
    torch.testing.assert_close(visible.float().mean(0), torch.full((4,), 0.5), rtol=0, atol=0.015)
    coin = drawing("coin", 4, 0.8, 0)(20_000)
    torch.testing.assert_close(coin.float().mean(0), torch.full((4,), 0.8), rtol=0, atol=0.012)


@pytest.mark.parametrize(("segments", "size"), [(1, 2), (2, 4), (3, 4), (4, 8), (200, 204), (255, 256), (256, 264)])
def test_a_full_hadamard_design_is_orthogonal_and_folded_over(segments: int, size: int) -> None:
    signs = 2.0 * drawing("hadamard", segments, 0.5, 3)(2 * size).double() - 1
    gram = signs.T @ signs
    torch.testing.assert_close(gram, 2.0 * size * torch.eye(segments, dtype=torch.float64))
    assert torch.equal(signs[0::2], -signs[1::2])
    assert (signs.sum(0) == 0).all()
    pairs = torch.einsum("ni,nj,nk->ijk", signs[:, :8], signs[:, :8], signs[:, :8])  # a weight and an interaction of two
    assert (pairs == 0).all()


def test_matrices_are_hadamards_and_hardly_larger_than_asked() -> None:
    for least in (*range(1, 160), 777, 1001):
        matrix = hadamard(least).double()
        torch.testing.assert_close(matrix @ matrix.T, len(matrix) * torch.eye(len(matrix), dtype=torch.float64))
        assert set(matrix.unique().tolist()) <= {-1.0, 1.0}
        assert (matrix[:, 0] == 1).all()
        assert least <= len(matrix) <= least + 11


@pytest.mark.parametrize("design", ["coin", "uniform", "hadamard"])
def test_drawing_in_parts_is_drawing_at_once_and_a_seed_is_all(design: Any) -> None:
    whole = drawing(design, 9, 0.5, 1)(70)
    parts = drawing(design, 9, 0.5, 1)
    assert torch.equal(torch.cat([parts(10), parts(25), parts(35)]), whole)
    assert not torch.equal(drawing(design, 9, 0.5, 2)(70), whole)


def test_a_second_design_is_another_one() -> None:
    drawn = drawing("hadamard", 10, 0.5, 0)(48)
    assert not torch.equal(drawn[:24], drawn[24:])


@pytest.mark.usefixtures("unchecked")
def test_designs_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"keep=0.8: design='hadamard' shows just half .* take design='coin'"):
        drawing("hadamard", 9, 0.8, 0)
    with pytest.raises(ValueError, match="no design named 'sobol'; known: coin, uniform, hadamard"):
        drawing("sobol", 9, 0.5, 0)  # pyright: ignore[reportArgumentType]
