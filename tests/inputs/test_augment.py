import numpy as np
import torch
from PIL import Image

from pellucid.inputs.augment import augmented, generator


def ramp(width: int = 60, height: int = 40) -> Image.Image:
    """Red grows to the right, green downwards."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 128)], -1).astype(np.uint8))


def views(count: int = 200) -> torch.Tensor:
    return torch.stack([augmented(ramp(), (16, 24), generator(0, n)) for n in range(count)])


def test_a_view_depends_on_all_of_its_numbers():
    same = augmented(ramp(), (16, 24), generator(3, 1, 4))
    assert torch.equal(same, augmented(ramp(), (16, 24), generator(3, 1, 4)))
    assert not torch.equal(same, augmented(ramp(), (16, 24), generator(3, 4, 1)))


def test_half_of_the_views_are_mirrored_and_none_is_upside_down():
    values = views()
    to_the_right = (values[:, 0, :, -1] > values[:, 0, :, 0]).all(1)
    assert 80 < int(to_the_right.sum()) < 120
    assert (values[:, 1, -1] > values[:, 1, 0]).all()


def test_a_view_shows_at_least_the_smallest_part():
    steep = (views()[:, 1, -1, 0] - views()[:, 1, 0, 0]).clamp(0, 1)
    # the height kept is at least sqrt(0.5 * 3/4) of the whole; contrast may take a fifth and clipping some of what is left
    assert 0.35 < float(steep.min()) < float(steep.max()) <= 1


def test_values_stay_between_black_and_white():
    for colour in ("black", "white"):
        values = augmented(Image.new("RGB", (20, 20), colour), (8, 8), generator(1))
        assert 0 <= float(values.min()) <= float(values.max()) <= 1
    assert values.shape == (3, 8, 8)
