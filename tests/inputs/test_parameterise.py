import pytest
import torch

import pellucid as pl
from pellucid.inputs.parameterise import (
    COLOUR_AXES,
    FAINTEST,
    amplitudes,
    colour_axes,
    coloured,
    decoloured,
    from_spectrum,
    squash,
    to_spectrum,
    unsquash,
)
from pellucid.inputs.photograph import photographs

SIZES = [(16, 16), (15, 16), (16, 15), (9, 21)]


def reader(side: int) -> pl.ImageClassifier:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * side * side, 2)).eval()
    return pl.ImageClassifier(module, size=(side, side))


def test_colour_axes_are_those_of_the_shipped_photographs():
    images = reader(64).read([row["path"] for row in photographs()])
    torch.testing.assert_close(colour_axes(list(images.features)), COLOUR_AXES, rtol=0, atol=1e-5)


def test_colour_axes_of_known_colours_are_found():
    generator = torch.Generator().manual_seed(0)
    along = torch.randn(3, 200, 200, generator=generator) * torch.tensor([0.1, 0.3, 0.2])[:, None, None]
    expected = torch.tensor([[0.0, 0.0, 0.1], [0.3, 0.0, 0.0], [0.0, 0.2, 0.0]]) * (3 / 0.14) ** 0.5
    torch.testing.assert_close(colour_axes([along]), expected, rtol=0, atol=0.02)


def test_coordinates_along_the_axes_have_the_colours_covariance():
    generator = torch.Generator().manual_seed(0)
    made = coloured(torch.randn(1, 3, 300, 300, generator=generator))
    torch.testing.assert_close(torch.cov(made[0].flatten(1)), COLOUR_AXES @ COLOUR_AXES.T, rtol=0, atol=0.02)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_pure_wave_has_one_coordinate_as_large_as_photographs_have_it_small(height: int, width: int):
    across = torch.arange(width) * 2 * torch.pi * 3 / width
    wave = across.cos().expand(height, width)
    spectrum = to_spectrum(wave)
    expected = torch.zeros(height, width // 2 + 1, 2)
    expected[0, 3, 0] = (height * width) ** 0.5 / 2 / amplitudes(height, width)[0, 3]
    torch.testing.assert_close(spectrum, expected, rtol=1e-5, atol=1e-3)


def test_amplitudes_fall_as_one_over_the_frequency():
    found = amplitudes(32, 32)
    torch.testing.assert_close(found[0, 1] / found[0, 4], torch.tensor(4.0))
    torch.testing.assert_close(found[3, 4], found[0, 5])
    assert found[0, 0] == found[0, 1]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_independent_coordinates_make_an_image_of_variance_one(height: int, width: int):
    spectrum = torch.randn(2000, height, width // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
    assert float(from_spectrum(spectrum, width).square().mean()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_way_there_has_its_way_back(height: int, width: int):
    values = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(from_spectrum(to_spectrum(values), width), values, rtol=0, atol=1e-5)
    torch.testing.assert_close(coloured(decoloured(values)), values, rtol=0, atol=1e-5)
    torch.testing.assert_close(squash(unsquash(values)), values.clamp(FAINTEST, 1 - FAINTEST), rtol=0, atol=1e-5)
