from typing import get_args

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.inputs.baselines import RANDOM, Baseline, blurred, draw_seed, make_baseline
from tests.conftest import pictures


@pytest.fixture(scope="module")
def images(relu: pl.ImageClassifier) -> pl.Images:
    return pictures(relu)


def test_black_and_white_are_pixel_values(images: pl.Images) -> None:
    for kind, value in (("black", 0.0), ("white", 1.0)):
        features = make_baseline(images, kind)  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(images.displayed(features), torch.full_like(features, value), atol=1e-6, rtol=0)
    torch.testing.assert_close(make_baseline(images, "black")[1, :, 3, 5], torch.tensor([-0.4 / 0.2, -0.5 / 0.25, -0.6 / 0.3]))


def test_zero_is_the_grey_that_normalisation_subtracts(images: pl.Images) -> None:
    zero = make_baseline(images, "zero")
    assert torch.equal(zero, torch.zeros_like(images.features))
    torch.testing.assert_close(images.displayed(zero)[2, :, 0, 0], torch.tensor([0.4, 0.5, 0.6]))


def test_mean_is_the_images_own_mean_colour(images: pl.Images) -> None:
    mean = images.displayed(make_baseline(images, "mean"))
    expected = torch.from_numpy(images.pixels.numpy().mean((1, 2)) / 255).float()[:, :, None, None].expand_as(mean)
    torch.testing.assert_close(mean, expected, atol=1e-6, rtol=0)


def test_blur_equals_a_slow_convolution_with_a_gaussian() -> None:
    image = torch.rand(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))
    sigma, reach = 0.8, 3  # four standard deviations, rounded
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    expected = torch.zeros_like(image)
    for row in range(7):
        for column in range(6):
            for i, a in enumerate(kernel):
                for j, b in enumerate(kernel):
                    y, x = min(max(row + i - reach, 0), 6), min(max(column + j - reach, 0), 5)
                    expected[:, :, row, column] += float(a * b) * image[:, :, y, x]
    torch.testing.assert_close(blurred(image, sigma), expected)


def test_blur_takes_its_width_from_the_option(images: pl.Images) -> None:
    little, much = (make_baseline(images, "blur", blur=sigma) for sigma in (0.5, 5.0))
    assert (much.var((2, 3)) < little.var((2, 3))).all()
    assert (little.var((2, 3)) < images.features.var((2, 3))).all()
    assert torch.equal(little, blurred(images.features, 0.5))


def test_uniform_covers_the_pixel_values(images: pl.Images) -> None:
    values = images.displayed(make_baseline(images, "uniform", seed=3))
    assert values.min() >= -1e-6
    assert values.max() <= 1 + 1e-6
    assert values.mean() == pytest.approx(0.5, abs=0.05)
    assert values.std() == pytest.approx(12**-0.5, abs=0.02)


def test_gaussian_is_noise_around_the_image_in_shares_of_its_range(images: pl.Images) -> None:
    noise = make_baseline(images, "gaussian", seed=3, noise=0.2) - images.features
    standard = noise / images.value_range[:, None, None, None] / 0.2
    assert standard[0].mean() == pytest.approx(0, abs=0.1)
    assert standard[0].std() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(standard[0], standard[1], atol=1e-5, rtol=1e-4)


def test_an_image_of_ones_own_is_the_baseline_of_every_image(images: pl.Images) -> None:
    own = images.features[1:2]
    made = make_baseline(images, "image", image=own)
    assert torch.equal(made, own.expand(3, -1, -1, -1))


@pytest.mark.parametrize("kind", RANDOM)
def test_a_draw_depends_on_the_seed_and_its_number_alone(kind: Baseline, images: pl.Images) -> None:
    one = make_baseline(images, kind, seed=1, draw=2)
    torch.manual_seed(99)  # the global generator plays no part, and is left alone
    state = torch.get_rng_state()
    assert torch.equal(one, make_baseline(images, kind, seed=1, draw=2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one[2:], make_baseline(images[2], kind, seed=1, draw=2))
    for seed, draw in ((1, 3), (2, 2), (2, 1)):
        assert not torch.equal(one, make_baseline(images, kind, seed=seed, draw=draw))


def test_seeds_share_no_draw() -> None:
    seeds = [draw_seed(seed, draw) for seed in range(30) for draw in range(30)]
    assert len(set(seeds)) == 900


@pytest.mark.parametrize("kind", get_args(Baseline))
def test_no_baseline_shares_memory_with_the_image(kind: Baseline, images: pl.Images) -> None:
    own = images.features[:1].clone()
    before = images.features.clone(), own.clone()
    made = make_baseline(images, kind, image=own)
    assert made.shape == images.features.shape
    made += 1
    assert torch.equal(images.features, before[0])
    assert torch.equal(own, before[1])


def test_a_baseline_image_is_asked_for(images: pl.Images) -> None:
    with pytest.raises(ValueError, match="baseline='image' needs an image"):
        make_baseline(images, "image")
