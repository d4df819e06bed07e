import math

import torch

from pellucid.inputs.wobble import SHIFT, TURN, ZOOM, moved, movements


def still(down: float = 0.0, right: float = 0.0, factor: float = 1.0, angle: float = 0.0) -> torch.Tensor:
    return torch.tensor([down, right, factor, angle])


def a_dot(height: int, width: int, row: int, column: int) -> torch.Tensor:
    image = torch.zeros(1, 1, height, width)
    image[..., row, column] = 1
    return image


def centre_of(image: torch.Tensor) -> tuple[float, float]:
    """Row and column of the centre of mass, from the middle of the image."""
    height, width = image.shape[-2:]
    share = image[0, 0] / image.sum()
    rows, columns = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    return float((share.sum(1) * rows).sum()), float((share.sum(0) * columns).sum())


def test_shifts_are_whole_pixels_round_the_edge():
    image = torch.arange(40.0).view(1, 1, 5, 8)
    torch.testing.assert_close(moved(image, still(0.2, -0.25)), torch.roll(image, (1, -2), (2, 3)))


def test_a_quarter_turn_of_a_wide_image_turns_its_pixels_and_does_not_squeeze_them():
    dot = a_dot(21, 41, 10, 24)  # 4 to the right of the middle
    row, column = centre_of(moved(dot, still(angle=math.pi / 2)))
    assert abs(column) < 1e-4
    assert abs(abs(row) - 4) < 1e-4


def test_the_factor_scales_about_the_middle():
    row, column = centre_of(moved(a_dot(41, 41, 20, 24), still(factor=1.5)))
    assert abs(row) < 1e-4
    assert abs(column - 6) < 0.2


def test_draws_stay_in_bounds_and_fill_them():
    draws = movements("standard", 4000, seed=0)
    middle, furthest = torch.tensor([0, 0, 1, 0]), torch.tensor([SHIFT, SHIFT, ZOOM, TURN])
    reached = (draws - middle).abs().amax(0) / furthest
    assert (reached <= 1 + 1e-5).all()
    assert (reached > 0.99).all()
    assert (movements("jitter", 10, seed=0)[:, 2:] == torch.tensor([1.0, 0.0])).all()
    assert (movements("none", 10, seed=0) == still()).all()


def test_draws_depend_on_the_seed_and_not_on_how_many_steps_follow():
    assert torch.equal(movements("standard", 5, seed=3), movements("standard", 50, seed=3)[:5])
    assert not torch.equal(movements("standard", 5, seed=3), movements("standard", 5, seed=4))


def test_an_image_moves_in_company_as_it_does_alone():
    images = torch.rand(3, 3, 12, 15, generator=torch.Generator().manual_seed(0))
    movement = movements("standard", 1, seed=0)[0]
    torch.testing.assert_close(moved(images, movement)[1:2], moved(images[1:2], movement))
