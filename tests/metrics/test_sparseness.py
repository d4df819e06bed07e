"""The Gini index: closed forms, and the definition by pairs as a slow replica."""

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.metrics.sparseness import gini
from tests.conftest import pictures


def test_all_alike_is_nothing_and_one_alone_is_nearly_everything():
    n = 50
    one = torch.zeros(1, n)
    one[0, 7] = 3
    assert float(gini(torch.ones(1, n))) == pytest.approx(0, abs=1e-6)
    assert float(gini(one)) == pytest.approx(1 - 1 / n, abs=1e-6)
    assert gini(torch.zeros(1, n)).isnan().all()


def test_is_half_the_relative_mean_difference():
    values = np.random.default_rng(0).gamma(0.5, size=40)
    pairs = np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())
    assert float(gini(torch.tensor(values, dtype=torch.float32)[None])) == pytest.approx(pairs, abs=1e-6)


def test_is_of_the_folded_map_and_not_of_its_scale(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    m = pl.measure(relu, images, a, metric="sparseness")
    torch.testing.assert_close(m.values, gini(a.map().abs().flatten(1)))
    larger = pl.Attribution(
        scores=a.scores * 9, target=a.target, error=a.error, work=a.work, unit=a.unit, reduction=a.reduction
    )
    torch.testing.assert_close(pl.measure(relu, images, larger, metric="sparseness").values, m.values)
