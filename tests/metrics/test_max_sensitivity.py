"""Max-sensitivity: nothing where the scores do not move, and the largest of what a slow replica sees where they do."""

from dataclasses import replace

import pytest
import torch

import pellucid as pl
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import from_pixels
from pellucid.metrics.max_sensitivity import neighbours
from tests.conftest import pictures


def test_the_gradient_of_a_linear_network_does_not_move(linear):
    images = pictures(linear)
    m = pl.measure(linear, images, pl.explain(linear, images, method="saliency"), metric="max_sensitivity")
    assert m.values.max() < 1e-6
    assert m.work.backwards == 10 * 3


def test_shares_of_a_linear_network_move_as_the_image_does(linear):
    """Scores w * x become w * (x + d): a change of |w * d| / |w * x|."""
    images = pictures(linear)
    a = pl.explain(linear, images, method="input_x_gradient")
    m = pl.measure(linear, images, a, metric="max_sensitivity", radius=0.1, samples=3, seed=4)
    weight = linear.module.weight(a.target)  # pyright: ignore[reportCallIssue]
    found = []
    for draw in range(3):
        noise = 2 * torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(draw_seed(4, draw))) - 1
        moved = 0.1 * images.value_range[:, None, None, None] * noise
        found.append((weight * moved).flatten(1).norm(dim=1) / (weight * images.features).flatten(1).norm(dim=1))
    changes = torch.stack(found, 1)
    torch.testing.assert_close(m.extras["changes"], changes, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(m.values, changes.amax(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(m.extras["mean"], changes.mean(1), rtol=1e-4, atol=1e-6)


def test_grows_with_the_radius_and_the_samples(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    near, far = (pl.measure(relu, images, a, metric="max_sensitivity", radius=r).values for r in (1e-4, 0.2))
    assert (near < far).all()
    assert far.min() > 0.1
    few, many = (pl.measure(relu, images, a, metric="max_sensitivity", samples=n).values for n in (2, 6))
    assert (few <= many).all()


def test_neighbours_show_a_person_what_the_network_reads(relu):
    images = pictures(relu)
    near = neighbours(images, 0.1, 0)
    step = (near.features - images.features).flatten(1).abs().amax(1) / images.value_range
    assert ((step > 0.099) & (step <= 0.1 + 1e-6)).all()
    shown = from_pixels(near.pixels, images.mean, images.std)
    inside = (images.displayed(near.features) >= 0) & (images.displayed(near.features) <= 1)
    assert (shown - near.features)[inside].abs().max() < 0.51 / 255 / 0.2
    assert not torch.equal(near.pixels, images.pixels)


def test_methods_that_read_pixels_see_the_neighbours(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="edges"), metric="max_sensitivity", radius=0.1)
    assert m.values.min() > 0.01


def test_noise_ignores_the_image_and_is_perfectly_stable(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="random", seed=3), metric="max_sensitivity")
    assert m.values.tolist() == [0, 0, 0]


def test_without_scores_or_method_there_is_no_value(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    nothing = replace(a, scores=torch.cat([a.scores[:2], torch.zeros_like(a.scores[:1])]))
    m = pl.measure(relu, images, nothing, metric="max_sensitivity", samples=2)
    assert m.values.isnan().tolist() == [False, False, True]
    assert "0 everywhere" in m.notes["no value"]
    m = pl.measure(relu, images, replace(a, method=""), metric="max_sensitivity")
    assert m.values.isnan().all()
    assert "made by hand" in m.notes["no value"]


def test_what_the_caller_handed_in_is_not_forgotten(relu):
    """A baseline handed in as a picture is kept under a name beside the last 64 others."""
    images = pictures(relu)
    a = pl.explain(relu, images, method="integrated_gradients", baseline="image", baseline_image=torch.rand(3, 16, 16), steps=2)
    m = pl.measure(relu, images, a, metric="max_sensitivity", samples=30)
    assert m.values.isfinite().all()


@pytest.mark.parametrize("method", ["lime", "smoothgrad"])
def test_the_seed_stays_the_same(linear, method):
    """On a linear network these maps move with the image alone, and hardly; another seed would move them much more."""
    images = pictures(linear, 1)
    options = {"segmentation": "grid", "segments": 9} if method == "lime" else {}
    a = pl.explain(linear, images, method=method, samples=30, output="logit", **options)
    assert pl.measure(linear, images, a, metric="max_sensitivity", samples=2, radius=0.001).values.max() < 0.01
