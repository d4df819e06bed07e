from typing import Any

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.inputs.perturb import BLUR, Hide, fill, perturbed
from tests.conftest import pictures

HALVES = (torch.arange(8) >= 3).long().expand(8, 8)


def test_mean_is_each_superpixels_own_colour(linear: pl.ImageClassifier) -> None:
    image = pictures(linear, 1)
    filled = fill(image, HALVES, "mean")
    for half in (slice(0, 3), slice(3, 8)):
        expected = image.features[0, :, :, half].mean((1, 2))
        torch.testing.assert_close(filled[:, :, half], expected[:, None, None].expand(3, 8, filled[:, :, half].shape[2]))


def test_black_is_what_the_network_reads_of_a_black_picture(linear: pl.ImageClassifier) -> None:
    black = linear.read(np.zeros((8, 8, 3), np.uint8))
    assert torch.equal(fill(pictures(linear, 1), HALVES, "black"), black.features[0])


def test_blur_keeps_a_flat_picture_and_takes_the_texture_of_another() -> None:
    model = pl.ImageClassifier(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval(), size=(40, 40))
    segments = torch.zeros(40, 40, dtype=torch.int64)
    flat = model.read(np.full((40, 40, 3), 90, np.uint8))
    torch.testing.assert_close(fill(flat, segments, "blur"), flat.features[0])
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 200
    filled = fill(model.read(stripes), segments, "blur")
    assert filled[:, :, 12:-12].std() < 0.01  # clear of the edges, which reach 4 standard deviations of 0.1 x 40 in
    assert BLUR == 0.1
    torch.testing.assert_close(filled.mean(), torch.tensor(100 / 255), rtol=0.01, atol=0)


def test_unknown_fill(linear: pl.ImageClassifier) -> None:
    wrong: Any = "pink"
    hide = getattr(fill, "__wrapped__", fill)  # below the type check that the test suite adds
    with pytest.raises(ValueError, match="no fill named 'pink'; known: mean, black, blur"):
        hide(pictures(linear, 1), HALVES, wrong)


@pytest.mark.parametrize("hide", ["mean", "black", "blur"])
def test_equals_pixel_by_pixel_substitution_exactly(smooth: pl.ImageClassifier, hide: Hide) -> None:
    image = pictures(smooth, 1)
    generator = torch.Generator().manual_seed(1)
    segments = torch.randint(0, 5, (16, 16), generator=generator)
    visible = torch.rand(7, 5, generator=generator) < 0.5
    visible[0], visible[1] = True, False
    stand_in = fill(image, segments, hide)
    batch = perturbed(image.features[0], stand_in, segments, visible)
    for row, picture in zip(visible, batch, strict=True):
        for y in range(16):
            for x in range(16):
                source = image.features[0] if row[segments[y, x]] else stand_in
                assert torch.equal(picture[:, y, x], source[:, y, x])
    assert torch.equal(batch[0], image.features[0])
