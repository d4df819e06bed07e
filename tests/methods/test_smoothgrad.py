import pytest
import torch
from torch.nn.functional import cross_entropy

import pellucid as pl
from pellucid.attribution import Work
from pellucid.methods.smoothgrad import NO_SIGNAL, Moments, noise_deviation, noisy_copies, relative_error
from pellucid.models.batches import BATCH, GRADIENT_BATCH
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures, wrapped
from tests.networks import Linear, Residual, seeded, smooth_cnn

smoothgrad = pl.methods["smoothgrad"]
TARGET = torch.tensor([2, 0, 1])
STATISTICS = ["mean", "magnitude", "square", "variance"]


@pytest.mark.parametrize("noise", [0.01, 0.15, 1.0])
def test_noise_changes_nothing_on_a_linear_model(linear: ImageClassifier, noise: float) -> None:
    assert isinstance(linear.module, Linear)
    weight = linear.module.weight(TARGET)
    expected = {"mean": weight, "magnitude": weight.abs(), "square": weight**2, "variance": torch.zeros_like(weight)}
    for statistic, value in expected.items():
        a = smoothgrad(linear, pictures(linear), TARGET, samples=12, noise=noise, statistic=statistic)
        torch.testing.assert_close(a.scores, value)
        assert a.error.tolist() == [0, 0, 0], statistic


class Squares(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x**2)


@pytest.mark.parametrize("count", [1, 3])
def test_antithetic_copies_cancel_what_is_linear_in_the_noise(count: int) -> None:
    """The gradient of w . x**2 is linear, so that every pair has the mean 2 w x."""
    module = Squares(8)
    model = wrapped(module, 8)
    images = pictures(model, count)
    steps = list(smoothgrad.stream(model, images, TARGET[:count], samples=14, antithetic=True))
    for a in steps:
        torch.testing.assert_close(a.scores, 2 * module.weight(TARGET[:count]) * images.features)
        assert a.error.max() < 1e-5
    assert steps[-1].work == Work(14 * count, 14 * count, 1.0)


@pytest.mark.parametrize("statistic", ["mean", "magnitude", "square"])
def test_antithetic_copies_equal_a_slow_replica(small_network: ImageClassifier, statistic: str) -> None:
    images = pictures(small_network, 1)
    deviation = 0.3 * float(images.value_range)
    a = smoothgrad(small_network, images, TARGET[:1], samples=22, noise=0.3, antithetic=True, statistic=statistic, seed=4)
    up, down = (replica(small_network, images.features[0], 2, 11, s * deviation, 4) for s in (1, -1))
    shape = {"mean": lambda g: g, "magnitude": torch.abs, "square": torch.square}[statistic]
    expected = (shape(up) + shape(down)) / 2
    assert float((a.scores[0] - expected.mean(0)).norm() / expected.mean(0).norm()) < 1e-3
    variance = expected.var(0) / 11
    signal = expected.mean(0).square().sum() - variance.sum()
    assert float(a.error[0]) == pytest.approx(float((variance.sum() / signal).sqrt()), rel=2e-3)


def test_antithetic_copies_come_in_pairs_and_have_no_variance(linear: ImageClassifier) -> None:
    for samples in (2, 7):
        with pytest.raises(ValueError, match=f"samples={samples} must be 4, 6, 8, "):
            smoothgrad(linear, pictures(linear), TARGET, samples=samples, antithetic=True)
    with pytest.raises(ValueError, match="no variance of single draws"):
        smoothgrad(linear, pictures(linear), TARGET, samples=8, antithetic=True, statistic="variance")


def test_smooths_a_square_as_calculus_says() -> None:
    """The logit w . x**2 has the gradient 2 w x; under noise of deviation s its mean is 2 w x, its variance 4 w**2 s**2."""
    module = Squares(8)
    model = wrapped(module, 8)
    images = pictures(model, 1)
    weight, deviation = module.weight(TARGET[:1]), 0.2 * float(images.value_range)
    mean, variance = (
        smoothgrad(model, images, TARGET[:1], samples=2000, noise=0.2, statistic=s).scores for s in ("mean", "variance")
    )
    expected = 2 * weight * images.features
    assert float((mean - expected).norm() / expected.norm()) < 0.03
    expected = 4 * weight**2 * deviation**2
    assert float((variance - expected).norm() / expected.norm()) < 0.05


def replica(
    model: ImageClassifier, image: torch.Tensor, target: int, samples: int, deviation: float, seed: int, loss: bool = False
) -> torch.Tensor:
    """The gradient at each noisy copy, one pass a copy."""
    generator = torch.Generator().manual_seed(seed)
    gradients = []
    for _ in range(samples):
        copy = (image + deviation * torch.randn(image.shape, generator=generator))[None].requires_grad_()
        logits = model.module(copy.clone())
        value = cross_entropy(logits, torch.tensor([target])) if loss else logits[0, target]
        gradients.append(torch.autograd.grad(value, copy)[0][0].double())
    return torch.stack(gradients)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_equals_a_slow_replica(small_network: ImageClassifier, statistic: str) -> None:
    images = pictures(small_network)
    a = smoothgrad(small_network, images, TARGET, samples=17, noise=0.2, statistic=statistic, seed=5)
    for i in range(len(images)):
        image = images.features[i]
        g = replica(small_network, image, int(TARGET[i]), 17, 0.2 * float(image.max() - image.min()), 5)
        expected = {
            "mean": g.mean(0),
            "magnitude": g.abs().mean(0),
            "square": (g**2).mean(0),
            "variance": g.var(0, correction=0),
        }
        scale = float(expected[statistic].abs().max())
        torch.testing.assert_close(a.scores[i].double(), expected[statistic], rtol=1e-4, atol=1e-5 * scale)


def test_course_preset_is_the_mean_magnitude_of_the_loss_gradient(small_network: ImageClassifier) -> None:
    images = pictures(small_network, 1)
    a = pl.explain(small_network, images, method="smoothgrad", target=1, preset="course", seed=3)
    image = images.features[0]
    sigma = 0.4 / float(image.max() - image.min())
    expected = replica(small_network, image, 1, 500, sigma**2, 3, loss=True).abs().mean(0)
    torch.testing.assert_close(a.scores[0].double(), expected, rtol=1e-4, atol=1e-5 * float(expected.max()))
    torch.testing.assert_close(a.map()[0].double(), expected.amax(0), rtol=1e-4, atol=1e-6)
    assert a.view == {"scale": "minmax"}
    assert a.options["samples"] == 500
    assert not a.signed


def test_error_foretells_the_distance_to_many_samples(small_network: ImageClassifier) -> None:
    images = pictures(small_network)
    copies = noisy_copies(images.features, noise_deviation(images.value_range, 0.3, "share"), 600, seed=99)
    gradients = torch.cat([small_network.gradients(c, TARGET[owners])[1] for c, owners in copies])
    gradients = gradients.view(600, 3, -1).double()  # sample by sample, the images in their order
    references = {
        "mean": gradients.mean(0),
        "magnitude": gradients.abs().mean(0),
        "square": (gradients**2).mean(0),
        "variance": gradients.var(0),
    }
    for statistic, reference in references.items():
        for samples in (10, 40):
            ratios = []
            for seed in range(3):
                a = smoothgrad(small_network, images, TARGET, samples=samples, noise=0.3, statistic=statistic, seed=seed)
                ratios.append(a.error / ((a.scores.flatten(1) - reference).norm(dim=1) / reference.norm(dim=1)))
            ratio = torch.stack(ratios)
            assert ratio.min() > 0.5, (statistic, samples)
            assert ratio.max() < 2, (statistic, samples)
            assert 0.75 < ratio.mean() < 1.35, (statistic, samples)


def test_error_is_honest_where_the_noise_hides_the_signal() -> None:
    """Without taking its own variance off the norm, the error of 4 numbers of mean 1 and deviation 10 would read under 1."""
    generator = torch.Generator().manual_seed(0)
    running = Moments(torch.zeros(1, 1, 300, 300), highest=2)
    for _ in range(4):
        running.add(1 + 10 * torch.randn(1, 1, 300, 300, generator=generator), torch.tensor([0]))
    mean, error = running.mean()
    real = float((mean - 1).norm() / 300)
    assert real == pytest.approx(5, rel=0.05)
    assert float(error) == pytest.approx(real, rel=0.3)


@pytest.mark.parametrize("size", [1e-25, 1e12])
def test_moments_do_not_depend_on_the_unit(size: float) -> None:
    """Fourth powers of such numbers are none that float32 has; the first tensor is 0, as where a softmax is saturated."""
    drawn = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    drawn[0] = 0
    plain, scaled = Moments(drawn[:1], highest=4), Moments(drawn[:1], highest=4)
    for part in drawn.split(1 if size < 1 else 4):
        owners = torch.zeros(len(part), dtype=torch.int64)
        plain.add(part, owners)
        scaled.add(part * size, owners)
    (mean, off), (expected_mean, expected_off) = scaled.mean(), plain.mean()
    torch.testing.assert_close(mean / size, expected_mean)
    torch.testing.assert_close(off, expected_off)
    torch.testing.assert_close(scaled.variance()[1], plain.variance()[1])
    torch.testing.assert_close(plain.variance()[0][0], drawn.var(0, correction=0))


def test_error_of_nothing_but_noise_is_finite() -> None:
    statistic, variance = torch.tensor([1.0, 0.0]).double(), torch.tensor([4.0, 0.0]).double()
    error = relative_error(statistic.view(2, 1, 1, 1), variance.view(2, 1, 1, 1))
    assert error.tolist() == [NO_SIGNAL, 0.0]


def test_variance_is_square_less_mean_squared(smooth: ImageClassifier) -> None:
    images = pictures(smooth)
    got = {s: smoothgrad(smooth, images, TARGET, samples=20, statistic=s).scores.double() for s in STATISTICS}
    torch.testing.assert_close(got["variance"], got["square"] - got["mean"] ** 2, rtol=1e-3, atol=1e-7)


def passes(side: int, count: int) -> tuple[ImageClassifier, list[int], list[pl.Attribution]]:
    """The network, how many images each of its passes took, and the answers, for 25 copies of so many images."""
    sizes: list[int] = []
    module = seeded(smooth_cnn())
    model = pl.ImageClassifier(module, size=(side, side))
    images = pictures(model, count)
    handle = module.register_forward_pre_hook(lambda _module, args: sizes.append(len(args[0])))
    answers = list(smoothgrad.stream(model, images, torch.zeros(count, dtype=torch.int64), samples=25))
    handle.remove()
    assert sum(sizes) == 25 * count == answers[-1].work.backwards
    return model, sizes, answers


@pytest.mark.parametrize("count", [1, 3, 12])
def test_every_pass_but_the_last_is_full(count: int) -> None:
    """Whether one image or many: a lone image fills its passes with samples."""
    model, sizes, answers = passes(16, count)
    full = model.batches.gradients
    assert full == model.batches.images > 25, "one image fills no pass"
    assert sizes == [full] * (25 * count // full) + [25 * count % full] * (25 * count % full > 0)
    assert len(answers) == len(sizes)


@pytest.mark.parametrize("count", [1, 3, 12])
def test_so_is_every_pass_over_large_images(count: int) -> None:
    _, sizes, answers = passes(112, count)
    assert set(sizes) == {GRADIENT_BATCH}, "all divide 25"
    assert len(answers) >= (25 if count == 12 else 25 * count // BATCH) - 1


def test_copies_are_made_as_they_are_used() -> None:
    """Memory does not grow with the samples: nobody could hold a hundred thousand copies."""
    stream = noisy_copies(torch.zeros(1, 3, 200, 200), torch.ones(1), 100_000, seed=0)
    copies, owners = next(stream)
    assert copies.shape == (BATCH, 3, 200, 200)
    assert owners.tolist() == [0] * BATCH


def test_all_images_meet_the_same_noise_at_their_own_scale() -> None:
    features = torch.rand(3, 1, 4, 4)
    deviation = torch.tensor([1.0, 2.0, 0.5])
    (copies, owners), *_ = noisy_copies(features, deviation, 3, seed=1)
    drawn = (copies - features[owners]) / deviation[owners].view(-1, 1, 1, 1)
    torch.testing.assert_close(drawn[0], drawn[1])
    torch.testing.assert_close(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], drawn[3])


def test_noise_rules() -> None:
    value_range = torch.tensor([0.5, 2.0])
    torch.testing.assert_close(noise_deviation(value_range, 0.4, "share"), torch.tensor([0.2, 0.8]))
    torch.testing.assert_close(noise_deviation(value_range, 0.4, "inverse_square"), torch.tensor([0.64, 0.04]))


def test_units_and_reductions(smooth: ImageClassifier) -> None:
    said = {}
    for statistic in STATISTICS:
        a = smoothgrad(smooth, pictures(smooth), TARGET, samples=2, statistic=statistic, output="probability")
        said[statistic] = (a.unit, a.reduction, a.signed)
    slope = "probability per input unit"
    assert said == {
        "mean": (slope, "sum", True),
        "magnitude": (slope, "max_abs", False),
        "square": (f"({slope}) squared", "mean_abs", False),
        "variance": (f"({slope}) squared", "mean_abs", False),
    }


def test_tolerance_stops_when_the_error_is_small_enough() -> None:
    model = wrapped(Residual())
    a = pl.explain(model, pictures(model), method="smoothgrad", tolerance=0.1, noise=0.3)
    assert a.worst_error <= 0.1
    assert a.options["samples"] == 4096
    assert 64 < a.work.forwards / 3 < 1000
    assert a.work.fraction == pytest.approx(a.work.forwards / (3 * 4096))


def test_an_image_of_one_value_has_no_inverse_square_noise(linear: ImageClassifier) -> None:
    features = torch.cat([pictures(linear, 1).features, torch.full((1, 3, 8, 8), 0.25)])
    images = linear.from_features(features)
    with pytest.raises(
        ValueError, match=r"features 1 has one value only, and noise_rule='inverse_square' divides by its range"
    ):
        smoothgrad(linear, images, TARGET[:2], noise_rule="inverse_square")
    a = smoothgrad(linear, images, TARGET[:2], samples=4)  # a share of nothing is nothing
    assert torch.isfinite(a.scores).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "smoothgrad: samples=1: Input should be greater than or equal to 2"),
        ({"noise": 0}, "smoothgrad: noise=0: Input should be greater than 0"),
        ({"noise": 2.5}, "smoothgrad: noise=2.5: Input should be less than or equal to 1"),
        (
            {"statistic": "median"},
            "smoothgrad: statistic='median': Input should be 'mean', 'magnitude', 'square' or 'variance'",
        ),
    ],
)
def test_refuses_options_out_of_range(linear: ImageClassifier, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smoothgrad(linear, pictures(linear), TARGET, **options)
