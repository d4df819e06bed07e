import itertools

import pytest
import torch

import pellucid as pl
from pellucid.methods.occlusion import coarse_first, square
from pellucid.models.image import ImageClassifier
from tests.conftest import in_tens, pictures, wrapped
from tests.networks import Linear, relu_cnn, seeded

occlusion = pl.methods["occlusion"]
TARGET = torch.tensor([2, 0, 1])


def test_is_weight_times_what_was_hidden_on_a_linear_model(linear: ImageClassifier) -> None:
    """Squares side by side: hiding one takes w . (x - fill) away, and that is the score of all its pixels."""
    assert isinstance(linear.module, Linear)
    images = pictures(linear)
    a = occlusion(linear, images, TARGET, window=2, stride=2, fill="zero")
    product = (images.features * linear.module.weight(TARGET)).sum(1)
    expected = product.unfold(1, 2, 2).unfold(2, 2, 2).sum((3, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(a.map(), expected, rtol=1e-4, atol=1e-5)
    assert (a.unit, a.signed, a.error.tolist()) == ("logit", True, [0, 0, 0])
    assert (a.work.forwards, a.work.backwards, a.work.fraction) == (3 + 3 * 16, 0, 1)


def test_a_pixel_takes_the_mean_of_the_squares_that_cover_it(linear: ImageClassifier) -> None:
    """Windows of 3 every 2 pixels on 8 start at 0, 2, 4 and 6; the last is cut off at the border."""
    assert isinstance(linear.module, Linear)
    images = pictures(linear, 1)
    scores = occlusion(linear, images, TARGET[:1], window=3, stride=2, fill="zero").map()[0]
    product = (images.features * linear.module.weight(TARGET[:1])).sum(1)[0]
    fall = {(y, x): product[y : y + 3, x : x + 3].sum() for y in (0, 2, 4, 6) for x in (0, 2, 4, 6)}
    torch.testing.assert_close(scores[0, 0], fall[0, 0])
    torch.testing.assert_close(scores[2, 1], (fall[0, 0] + fall[2, 0]) / 2)
    torch.testing.assert_close(scores[2, 4], (fall[0, 2] + fall[0, 4] + fall[2, 2] + fall[2, 4]) / 4)
    torch.testing.assert_close(scores[7, 7], fall[6, 6])


def replica(
    model: ImageClassifier, image: torch.Tensor, target: int, window: int, stride: int, fill: torch.Tensor
) -> torch.Tensor:
    """One pass a square, written out."""
    height, width = image.shape[1:]
    total, covering = torch.zeros(height, width), torch.zeros(height, width)
    with torch.no_grad():
        whole = model.module(image[None].clone())[0, target]
        for top, left in itertools.product(*(range(0, side - window + stride, stride) for side in (height, width))):
            hidden = image.clone()
            rows, columns = slice(top, top + window), slice(left, left + window)
            hidden[:, rows, columns] = fill[:, rows, columns]
            total[rows, columns] += whole - model.module(hidden[None])[0, target]
            covering[rows, columns] += 1
    assert covering.min() >= 1
    return total / covering


@pytest.mark.parametrize("fill", ["mean", "black", "zero"])
@pytest.mark.parametrize(("window", "stride"), [(4, 2), (5, 3), (16, 8)])
def test_equals_a_slow_replica(small_network: ImageClassifier, fill: str, window: int, stride: int) -> None:
    images = pictures(small_network, 2)
    a = occlusion(small_network, images, TARGET[:2], window=window, stride=stride, fill=fill)
    for i, image in enumerate(images.features):
        shown = {
            "mean": image.mean((1, 2), keepdim=True).expand_as(image),
            "black": (-torch.tensor(small_network.mean) / torch.tensor(small_network.std))[:, None, None].expand_as(image),
            "zero": torch.zeros_like(image),
        }[fill]
        expected = replica(small_network, image, int(TARGET[i]), window, stride, shown)
        torch.testing.assert_close(a.map()[i], expected, rtol=1e-4, atol=1e-5)


def test_blur_leaves_broad_colour(smooth: ImageClassifier) -> None:
    """An even image is its own blur, so hiding any of it changes nothing; a varied one loses something."""
    even = smooth.from_features(torch.full((1, 3, 16, 16), 0.7))
    assert occlusion(smooth, even, TARGET[:1], window=4, fill="blur").scores.abs().max() < 1e-5
    assert occlusion(smooth, pictures(smooth, 1), TARGET[:1], window=4, fill="blur").scores.abs().max() > 1e-3


def covered(corners: torch.Tensor, size: tuple[int, int], window: int) -> torch.Tensor:
    found = torch.zeros(1, *size, dtype=torch.bool)
    for corner in corners:
        found[square(0, corner, window)] = True
    return found


@pytest.mark.parametrize(("size", "window", "stride"), [((16, 16), 4, 2), ((16, 24), 5, 3), ((7, 9), 7, 7), ((8, 8), 1, 1)])
def test_squares_cover_everything_once_each(size: tuple[int, int], window: int, stride: int) -> None:
    corners = coarse_first(size, window, stride)
    assert len(set(map(tuple, corners.tolist()))) == len(corners)
    starts = [-(-(side - window) // stride) + 1 for side in size]
    assert len(corners) == starts[0] * starts[1]
    assert covered(corners, size, window).all()


def test_the_first_quarter_tiles_the_image() -> None:
    corners = coarse_first((224, 224), 32, 16)
    assert len(corners) == 169
    assert covered(corners[:49], (224, 224), 32).all()


def test_early_answers_average_what_was_seen_so_far() -> None:
    model = in_tens(wrapped(relu_cnn()))
    images = pictures(model, 2)
    answers = list(occlusion.stream(model, images, TARGET[:2], window=4, stride=2))
    missing = [float(a.worst_error) for a in answers]
    assert missing == sorted(missing, reverse=True)
    assert missing[-1] == 0
    assert float(answers[0].error[0]) == pytest.approx(1 - 10 / 49)
    final, tiled = answers[-1].map().flatten(1), answers[1].map().flatten(1)  # 20 of 49 squares: the first 16 tile
    assert all(torch.corrcoef(torch.stack([final[i], tiled[i]]))[0, 1] > 0.6 for i in range(2))


def test_passes_are_full_and_never_larger() -> None:
    sizes: list[int] = []
    module = seeded(relu_cnn())
    model = pl.ImageClassifier(module, size=(16, 16))
    images = pictures(model, 3)
    handle = module.register_forward_pre_hook(lambda _module, args: sizes.append(len(args[0])))
    occlusion(model, images, TARGET, window=4, stride=3)
    handle.remove()
    assert model.batches.images == 50
    assert sizes == [3, 50, 25]


def test_chooses_a_seventh_and_a_half(linear: ImageClassifier, smooth: ImageClassifier) -> None:
    assert occlusion(smooth, pictures(smooth, 1), TARGET[:1]).notes == {"window": "2", "stride": "1"}
    assert occlusion(linear, pictures(linear, 1), TARGET[:1]).notes == {"window": "1", "stride": "1"}
    assert occlusion(smooth, pictures(smooth, 1), TARGET[:1], window=9).notes == {"window": "9", "stride": "4"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 17}, "window=17 is larger than the image, 16 x 16; give at most 16"),
        ({"window": 4, "stride": 5}, "stride=5 leaves gaps between squares of 4; give at most 4"),
        ({"window": -1}, "occlusion: window=-1: Input should be greater than or equal to 0"),
        ({"fill": "white"}, "occlusion: fill='white': Input should be 'mean', 'black', 'blur' or 'zero'"),
    ],
)
def test_refuses_squares_that_do_not_fit(smooth: ImageClassifier, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        occlusion(smooth, pictures(smooth), TARGET, **options)
