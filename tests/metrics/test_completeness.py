"""The completeness gap: zero where scores are exact shares, known where they are not, and no number where there is none."""

import pytest
import torch

import pellucid as pl
from tests.conftest import pictures


@pytest.mark.parametrize("baseline", ["black", "white", "mean", "zero", "blur"])
def test_exact_shares_leave_no_gap(linear, baseline):
    images = pictures(linear)
    a = pl.explain(linear, images, method="integrated_gradients", baseline=baseline, steps=2)
    m = pl.measure(linear, images, a, metric="completeness")
    assert m.values.max() < 1e-4
    assert m.notes["baseline"] == "the attribution's own"
    assert torch.equal(m.low, m.values)
    assert m.work.forwards == 6


def test_a_gap_put_in_comes_out(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="integrated_gradients", steps=2)
    change = a.scores.sum((1, 2, 3))
    worse = pl.Attribution(
        scores=a.scores * 1.25, target=a.target, error=a.error, work=a.work, unit=a.unit, extras=a.extras, method=a.method
    )
    m = pl.measure(linear, images, worse, metric="completeness")
    torch.testing.assert_close(m.values, torch.full((3,), 0.25), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(m.extras["gap"], 0.25 * change, rtol=1e-3, atol=1e-4)
    assert m.higher_is_better is False


def test_without_a_baseline_of_its_own_the_asked_one_counts(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="input_x_gradient")  # from zero in the network's own input space, exactly
    assert pl.measure(linear, images, a, metric="completeness", baseline="zero").values.max() < 1e-4
    assert pl.measure(linear, images, a, metric="completeness", baseline="white").values.min() > 1e-2


@pytest.mark.parametrize("method", ["saliency", "random", "edges", "lime", "grad_cam"])
def test_scores_that_are_no_shares_have_no_gap(relu, method):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method=method), metric="completeness")
    assert m.values.isnan().all()
    assert method in m.notes["no value"]
    assert m.worst_error == 0


def test_an_output_that_does_not_change_has_no_gap(linear):
    images = linear.from_features(linear.read(torch.zeros(3, 8, 8)).features)
    a = pl.explain(linear, images, method="integrated_gradients", baseline="black", steps=2)
    assert pl.measure(linear, images, a, metric="completeness").values.isnan().all()
