"""Infidelity: zero for exact predictions, known for wrong ones, and no number where nothing is predicted."""

from dataclasses import replace

import pytest
import torch

import pellucid as pl
from pellucid.metrics.infidelity import best_factor, squares
from tests.conftest import pictures
from tests.networks import Linear


@pytest.mark.parametrize("perturbation", ["gaussian", "square"])
def test_the_gradient_of_a_linear_network_predicts_every_change(linear, perturbation):
    images = pictures(linear)
    a = pl.explain(linear, images, method="saliency")
    m = pl.measure(linear, images, a, metric="infidelity", perturbation=perturbation)
    assert m.values.max() < 1e-9
    torch.testing.assert_close(m.extras["predicted"], m.extras["changes"], rtol=1e-3, atol=1e-4)
    assert m.extras["changes"].abs().max() > 0.1
    assert (m.work.forwards, m.work.fraction) == (3 * 61, 1)


def test_shares_of_a_linear_network_from_the_mean_colour_predict_every_square(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="integrated_gradients", baseline="mean", steps=1)
    assert pl.measure(linear, images, a, metric="infidelity").values.max() < 1e-9
    black = pl.explain(linear, images, method="integrated_gradients", baseline="black", steps=1)
    assert pl.measure(linear, images, black, metric="infidelity").values.min() > 1e-3  # predicts the fall to another colour


def test_of_noise_and_a_wrong_map_it_is_the_noise_times_what_is_wrong(linear):
    """E[(I . (map - gradient))^2] = (scale * range)^2 |map - gradient|^2."""
    assert isinstance(linear.module, Linear)
    images = pictures(linear)
    a = pl.explain(linear, images, method="saliency")
    wrong = replace(a, scores=torch.randn(a.scores.shape, generator=torch.Generator().manual_seed(1)))
    m = pl.measure(linear, images, wrong, metric="infidelity", perturbation="gaussian", scale=0.1, samples=1000)
    off = (wrong.scores - linear.module.weight(a.target)).flatten(1).norm(dim=1)
    expected = (0.1 * images.value_range * off) ** 2
    torch.testing.assert_close(m.values, expected, rtol=0.15, atol=0)  # its standard error is sqrt(2 / 1000)
    assert ((m.low < expected) & (expected < m.high)).sum() >= 2


def test_is_the_definition_by_a_slow_replica(relu):
    images = pictures(relu, 2)
    a = pl.explain(relu, images, method="input_x_gradient", output="probability")
    m = pl.measure(relu, images, a, metric="infidelity", samples=14, seed=5)
    generator = torch.Generator().manual_seed(5)
    draws = torch.cat([torch.rand(10, 3, generator=generator), torch.rand(4, 3, generator=generator)])
    for image in range(2):
        x, total = images.features[image], 0.0
        mean = x.mean((1, 2))
        for side_draw, row_draw, column_draw in draws.tolist():
            side = max(1, round((1 / 8 + (3 / 8) * side_draw) * 16))
            top, left = int(row_draw * (17 - side)), int(column_draw * (17 - side))
            removed = x.clone()
            for channel in range(3):
                removed[channel, top : top + side, left : left + side] = mean[channel]
            f = [float(relu.logits(one[None]).softmax(1)[0, a.target[image]]) for one in (x, removed)]
            predicted = float(a.scores[image, :, top : top + side, left : left + side].sum())
            total += (predicted - (f[0] - f[1])) ** 2
        assert float(m.values[image]) == pytest.approx(total / 14, rel=1e-3)


def test_normalised_it_does_not_depend_on_the_unit(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    one, other = (
        pl.measure(relu, images, replace(a, scores=a.scores * factor), metric="infidelity", normalise=True)
        for factor in (1, -7)
    )
    torch.testing.assert_close(one.values, other.values, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(one.extras["factor"], -7 * other.extras["factor"], rtol=1e-4, atol=0)
    plain = pl.measure(relu, images, a, metric="infidelity")
    assert (one.values <= plain.values + 1e-7).all()


def test_the_best_factor_is_that_of_least_squares():
    predicted, changes = torch.randn(2, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    least = torch.linalg.lstsq(predicted.T, changes.T).solution[0]
    torch.testing.assert_close(best_factor(predicted, changes), least)
    assert float(best_factor(torch.zeros_like(predicted), changes)) == 0


def test_superpixels_count_by_the_share_that_is_removed(linear):
    """On a linear network, the weights of hiding superpixels by their mean colour; a square takes shares of several."""
    images = pictures(linear, 1)
    a = pl.explain(linear, images, method="lime", segmentation="grid", segments=4, samples=200, output="logit")
    m = pl.measure(linear, images, a, metric="infidelity", normalise=True, samples=2)
    masks = squares(torch.rand(2, 3, generator=torch.Generator().manual_seed(0)), (8, 8))
    for sample in range(2):
        inside = [(masks[sample] & (a.segments[0] == s)).sum() / 16 for s in range(4)]
        expected = sum(float(w) * float(i) for w, i in zip(a.segment_weights[0], inside, strict=True))
        assert float(m.extras["predicted"][0, sample]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("random", {}, "scores of random are in arbitrary, which predicts no logit"),
        ("lime", {}, "scores of lime are in probability per superpixel shown, which predicts no probability"),
        ("integrated_gradients", {"perturbation": "gaussian"}, "integrated_gradients are in logit, not per input unit"),
        ("random", {"perturbation": "gaussian", "normalise": True}, "scores of random are in arbitrary, not per input unit"),
    ],
)
def test_what_predicts_nothing_has_no_value(relu, method, options, reason):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method=method), metric="infidelity", **options)
    assert m.values.isnan().all()
    assert reason in m.notes["no value"]


def test_noise_for_a_map_comes_out_bad(smooth):
    images = pictures(smooth)
    good = pl.explain(smooth, images, method="integrated_gradients", baseline="mean")
    bad = pl.explain(smooth, images, method="random")
    values = [pl.measure(smooth, images, a, metric="infidelity", normalise=True).values for a in (good, bad)]
    assert (10 * values[0] < values[1]).all()


def test_squares_are_whole_inside_and_of_every_size():
    masks = squares(torch.rand(500, 3, generator=torch.Generator().manual_seed(0)), (16, 40))
    sides = masks.any(2).sum(1)
    assert torch.equal(sides, masks.any(1).sum(1))
    assert torch.equal(sides**2, masks.flatten(1).sum(1))
    assert set(sides.tolist()) == set(range(2, 9))
    assert masks.any(0).float().mean() > 0.98
    assert squares(torch.ones(1, 3) - 2**-24, (8, 8))[0, 4:, 4:].all()
