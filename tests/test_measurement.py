"""Measurements and their intervals, and what `measure` refuses."""

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.attribution import Work
from pellucid.measurement import bootstrap
from tests.conftest import pictures


def test_the_interval_of_a_mean_is_about_the_normal_one():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = bootstrap(values)
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_images_without_a_value_do_not_count():
    values = torch.tensor([1.0, torch.nan, 3.0])
    m = pl.Measurement(values, values - 1, values + torch.tensor([1.0, 1.0, 3.0]), Work(0, 0, 1.0))
    assert m.mean().value == 2
    assert m.worst_error == 2
    none = torch.full((2,), torch.nan)
    assert np.isnan(pl.Measurement(none, none, none, Work(0, 0, 1.0)).mean().value)


def test_images_and_attribution_must_belong_together(relu, linear):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    with pytest.raises(ValueError, match="2 images, and an attribution of 3"):
        pl.measure(relu, images[:2], a, metric="sparseness")
    with pytest.raises(ValueError, match="the attribution is of 16 x 16 px, and the network reads 8 x 8"):
        pl.measure(linear, pictures(linear), a, metric="sparseness")
    with pytest.raises(KeyError, match=r"no metric named 'sparsness' .did you mean 'sparseness'"):
        pl.measure(relu, images, a, metric="sparsness")
    with pytest.raises(TypeError, match="completeness: no option named 'base'"):
        pl.measure(relu, images, a, metric="completeness", base="black")


def test_the_contrast_of_an_attribution_is_that_of_its_measurement(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="integrated_gradients", target=0, against=1, steps=2)
    assert pl.measure(linear, images, a, metric="completeness").values.max() < 1e-4
