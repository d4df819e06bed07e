"""Parameter randomization: edges do not notice, noise keeps nothing, and a map of a linear network falls to nothing."""

from dataclasses import replace
from itertools import groupby

import pytest
import torch

import pellucid as pl
from pellucid.inputs.baselines import draw_seed
from pellucid.models.randomized import PICTURES, randomized
from pellucid.ranks import spearman
from tests import networks
from tests.conftest import pictures, wrapped


@pytest.mark.parametrize("mode", ["full", "cascading", "independent"])
def test_edges_do_not_notice_the_weights(relu, mode):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="edges"), metric="parameter_randomization", mode=mode)
    assert m.values.tolist() == [1, 1, 1]


def test_noise_of_another_seed_keeps_nothing(relu):
    """With the same seed it would be the same, as if it depended on the picture alone."""
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="random"), metric="parameter_randomization")
    assert m.values.abs().max() < 0.2  # three standard errors of 256 pixels


def test_a_gradient_of_a_linear_network_falls_to_nothing():
    model = wrapped(networks.Linear(32), 32)
    images = pictures(model)
    a = pl.explain(model, images, method="saliency")
    m = pl.measure(model, images, a, metric="parameter_randomization", draws=6)
    assert m.values.abs().max() < 0.05  # six draws of 1024 pixels: a standard error of 0.013
    assert (m.low < m.values).all()
    shares = pl.explain(model, images, method="input_x_gradient")
    kept = pl.measure(model, images, shares, metric="parameter_randomization", draws=6)
    assert kept.values.min() > 0.1  # the picture is a factor of these, whatever the weights
    assert kept.extras["signed"].mean(1).abs().max() < 0.1


def test_is_the_correlation_with_the_map_on_the_random_network(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="integrated_gradients", steps=3, target=2)
    m = pl.measure(relu, images, a, metric="parameter_randomization", draws=2, seed=9)
    for draw in range(2):
        other = pl.explain(randomized(relu, draw_seed(9, draw)), images, method="integrated_gradients", steps=3, target=2)
        torch.testing.assert_close(m.extras["correlations"][:, draw], spearman(a.map().abs(), other.map().abs()))
        torch.testing.assert_close(m.extras["signed"][:, draw], spearman(a.map(), other.map()))
    torch.testing.assert_close(m.values, m.extras["correlations"].mean(1))
    assert m.work.forwards == 2 * (2 * PICTURES + a.work.forwards)


def test_a_cascade_ends_where_all_is_random(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    full = pl.measure(relu, images, a, metric="parameter_randomization", draws=2)
    m = pl.measure(relu, images, a, metric="parameter_randomization", mode="cascading", draws=2)
    assert m.extras["curve"].shape == (3, 3)
    assert m.notes["layers"] == "9, 4, 0"
    torch.testing.assert_close(m.values, full.values)
    torch.testing.assert_close(m.extras["curve"][:, -1], full.values)
    top = spearman(
        a.map(), pl.explain(randomized(relu, draw_seed(0, 0), ["9"]), images, method="saliency", target=a.target).map()
    )
    one = pl.measure(relu, images, a, metric="parameter_randomization", mode="cascading")
    torch.testing.assert_close(one.extras["curve"][:, 0], top)


def test_independent_draws_one_group_after_the_other(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    m = pl.measure(relu, images, a, metric="parameter_randomization", mode="independent", stages=2)
    assert m.notes["layers"] == "4, 0"
    bottom = randomized(relu, draw_seed(0, 0), ["0", "1"])
    expected = spearman(a.map(), pl.explain(bottom, images, method="saliency", target=a.target).map())
    torch.testing.assert_close(m.extras["curve"][:, 1], expected)
    torch.testing.assert_close(m.values, m.extras["curve"].mean(1))


def test_a_cascade_grows_and_knows_its_value_from_the_first_network_on(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    every = list(pl.metrics["parameter_randomization"].stream(relu, images, a, mode="cascading"))
    begun = sum("unanswered" in step.notes for step in every)
    assert begun == 4  # while the first network is made, and once it is
    assert all(step.worst_error == torch.inf for step in every[: begun + 1])
    steps = every[begun:]
    missing = [step.extras["curve"].isnan().sum(1).tolist() for step in steps]
    assert [one for one, _ in groupby(missing)] == [[2] * 3, [1] * 3, [0] * 3]
    assert all(torch.equal(step.values, steps[-1].values) for step in steps)


def test_a_contrast_stays_one(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency", target=1, against=3)
    m = pl.measure(relu, images, a, metric="parameter_randomization")
    other = pl.explain(randomized(relu, draw_seed(0, 0)), images, method="saliency", target=1, against=3)
    torch.testing.assert_close(m.values, spearman(a.map(), other.map()))


def test_what_cannot_be_made_again_has_no_value(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    m = pl.measure(relu, images, replace(a, method=""), metric="parameter_randomization")
    assert m.values.isnan().all()
    assert "made by hand" in m.notes["no value"]
    constant = pl.measure(relu, images, replace(a, scores=torch.zeros_like(a.scores)), metric="parameter_randomization")
    assert constant.values.isnan().all()
    assert "constant" in constant.notes["no value"]
    stream = pl.metrics["parameter_randomization"].stream(relu, images, a, draws=2)
    first = next(step for step in stream if "unanswered" not in step.notes)
    assert (first.low.tolist(), first.high.tolist()) == ([-1] * 3, [1] * 3)
