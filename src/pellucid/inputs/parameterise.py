"""Images written in other coordinates, in which gradient ascent finds patterns rather than grain.

Ascent changes every coordinate by about the same amount a step, so the coordinates decide what an image is made of. Pixels make
it of grain. In the coordinates of Fourier, scaled as photographs are (the amplitude of a photograph falls as 1 / frequency) and
along the axes in which the colours of photographs vary, the same step makes an image that varies as photographs do. The idea of
such coordinates: Olah, Mordvintsev and Schubert, Distill 2017, https://doi.org/10.23915/distill.00007

Every function here has its inverse beside it.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Float32
from torch import Tensor

COLOUR_AXES = torch.tensor([[0.899193, 0.451467, -0.099152], [0.924952, -0.011857, 0.211446], [0.942988, -0.418870, -0.112854]])
"""Rows red, green, blue; columns the axes of lightness, of red against blue and of green against both.

`colour_axes` of all the shipped photographs, each cut to its central square and read at 64 x 64.
"""
FAINTEST = 0.01
"""`unsquash` takes values within this far of black and white as that far: the logit of 0 and of 1 is infinite."""


def colour_axes(pictures: Iterable[Float[Tensor, "3 height width"]]) -> Float32[Tensor, "3 3"]:
    """The columns V sqrt(L) of the covariance V L V' of the pixels' colours, strongest first, scaled to a mean variance of 1.

    The sign of each column makes its largest entry positive.
    """
    colours = torch.cat([picture.flatten(1) for picture in pictures], dim=1).double()
    variances, axes = torch.linalg.eigh(torch.cov(colours))
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    columns = (axes * (variances * 3 / variances.sum()).sqrt()).flip(1)
    return columns.float()


def coloured(values: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Red, green and blue from coordinates along the colour axes."""
    return torch.einsum("ca,...ahw->...chw", COLOUR_AXES, values)


def decoloured(values: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """The coordinates along the colour axes of red, green and blue."""
    return torch.einsum("ac,...chw->...ahw", torch.linalg.inv(COLOUR_AXES), values)


def amplitudes(height: int, width: int) -> Float32[Tensor, "height half"]:
    """How much of each frequency one unit of its coordinate stands for: 1 / frequency, as in photographs.

    Frequency 0 counts as the lowest one that is not. Scaled so that independent coordinates of variance 1, real and imaginary,
    make an image of variance 1.
    """
    lowest = 1 / max(height, width)
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None, :])
    falling = 1 / frequency.clamp(min=lowest)
    twice = torch.full_like(falling, 2.0)  # a real image has each column but the first, and the middle one, twice
    twice[:, 0] = 1.0
    if width % 2 == 0:
        twice[:, -1] = 1.0
    # subtle: a coefficient has the variance of two coordinates, and those with a mirror image count twice, but of the columns
    # without one only the real part survives the transform back
    power = (falling.square() * torch.where(twice == 2, 4.0, 1.0)).sum() / (height * width)
    return falling / power.sqrt()


def from_spectrum(spectrum: Float[Tensor, "*batch height half 2"], width: int) -> Float[Tensor, "*batch height width"]:
    """The image with these Fourier coordinates (real and imaginary parts, of the half that a real image needs)."""
    height = spectrum.shape[-3]
    coefficients = torch.view_as_complex(spectrum) * amplitudes(height, width)
    return torch.fft.irfft2(coefficients, s=(height, width), norm="ortho")


def to_spectrum(values: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height half 2"]:
    """The Fourier coordinates of an image."""
    coefficients = torch.fft.rfft2(values, norm="ortho") / amplitudes(*values.shape[-2:])
    return torch.view_as_real(coefficients).contiguous()


def squash(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixel values between 0 and 1 from any numbers, by the logistic function."""
    return values.sigmoid()


def unsquash(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The numbers whose logistic function these pixel values are, black and white being taken as `FAINTEST` off."""
    return values.clamp(FAINTEST, 1 - FAINTEST).logit()
