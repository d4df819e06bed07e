"""random and edges, which must look wrong."""

import pytest
import torch

import pellucid as pl
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures

TARGET = torch.tensor([2, 0, 1])


@pytest.fixture
def step(linear: ImageClassifier) -> pl.Images:
    """Black on the left, white on the right, the border after column 3."""
    values = torch.zeros(3, 8, 8)
    values[:, :, 4:] = 1
    return linear.read([values])


def test_random_is_standard_normal(relu: ImageClassifier) -> None:
    scores = torch.cat([pl.methods["random"](relu, pictures(relu, 1), TARGET[:1], seed=s).scores for s in range(40)])
    assert scores.shape == (40, 1, 16, 16)  # 10240 numbers: standard errors 0.010 and 0.007
    assert abs(float(scores.mean())) < 0.04
    assert abs(float(scores.std()) - 1) < 0.03


def test_edges_of_a_step_are_its_slope(linear: ImageClassifier, step: pl.Images) -> None:
    """From 0 to 1 over the two columns at the border, seen by a central difference: one half."""
    expected = torch.zeros(8, 8)
    expected[:, 3:5] = 0.5
    torch.testing.assert_close(pl.methods["edges"](linear, step, TARGET[:1]).map()[0], expected)


def test_edges_weighs_the_colours_by_luminance(linear: ImageClassifier) -> None:
    values = torch.zeros(3, 3, 8, 8)
    for channel in range(3):
        values[channel, channel, :, 4:] = 1
    strongest = pl.methods["edges"](linear, linear.read(list(values)), TARGET).map().amax((1, 2))
    torch.testing.assert_close(strongest, torch.tensor([0.2126, 0.7152, 0.0722]) / 2)


def test_edges_by_a_slow_replica(relu: ImageClassifier) -> None:
    images = pictures(relu, 1)
    luma = (images.pixels[0].double() / 255 * torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)).sum(-1)
    side = len(luma)
    scores = pl.methods["edges"](relu, images, TARGET[:1]).map()[0]

    def at(y: int, x: int) -> float:
        return float(luma[min(max(y, 0), side - 1), min(max(x, 0), side - 1)])

    for y in range(side):
        for x in range(side):
            across = sum(w * (at(y + d, x + 1) - at(y + d, x - 1)) for d, w in ((-1, 1), (0, 2), (1, 1))) / 8
            down = sum(w * (at(y + 1, x + d) - at(y - 1, x + d)) for d, w in ((-1, 1), (0, 2), (1, 1))) / 8
            assert float(scores[y, x]) == pytest.approx((across**2 + down**2) ** 0.5, abs=1e-6)


@pytest.mark.parametrize("name", ["random", "edges"])
def test_depends_on_neither_model_nor_target(name: str, smooth: ImageClassifier, relu: ImageClassifier) -> None:
    images = pictures(smooth)
    one, other = pl.methods[name](smooth, images, TARGET), pl.methods[name](relu, images, TARGET.flip(0))
    assert torch.equal(one.scores, other.scores)
    assert one.unit == "arbitrary"
    assert one.work == pl.methods[name](relu, images, TARGET).work
    assert (one.work.forwards, one.work.backwards) == (0, 0)


def test_random_does_not_depend_on_the_image_and_edges_do(smooth: ImageClassifier) -> None:
    images = pictures(smooth)
    noise, lines = (pl.methods[name](smooth, images, TARGET) for name in ("random", "edges"))
    assert torch.equal(noise.scores[0], noise.scores[1])
    assert not torch.equal(lines.scores[0], lines.scores[1])
    assert noise.signed
    assert not lines.signed
    assert (lines.scores >= 0).all()


@pytest.mark.parametrize("name", ["random", "edges"])
def test_says_that_it_is_a_control(name: str) -> None:
    assert "a control that explains nothing" in " ".join((pl.methods[name].__doc__ or "").split())


def test_refuses_options_it_has_no_use_for(smooth: ImageClassifier) -> None:
    with pytest.raises(TypeError, match="edges takes no options, got 'seed'"):
        pl.methods["edges"](smooth, pictures(smooth), TARGET, seed=1)
    with pytest.raises(ValueError, match="random: seed=-1: Input should be greater than or equal to 0"):
        pl.methods["random"](smooth, pictures(smooth), TARGET, seed=-1)
