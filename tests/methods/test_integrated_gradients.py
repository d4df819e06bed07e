import itertools
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.inputs.baselines import Baseline, make_baseline
from pellucid.inputs.paths import Rule
from pellucid.models.image import ImageClassifier
from tests import networks
from tests.conftest import in_tens, pictures, wrapped

TARGET = torch.tensor([2, 0, 1])
integrated_gradients = pl.methods["integrated_gradients"]


def true_gap(model: pl.ImageClassifier, images: pl.Images, a: pl.Attribution) -> torch.Tensor:
    """The error, computed anew from the scores and the network."""
    start = a.extras["baseline"]
    change = model.values(images.features, a.target) - model.values(start, a.target)
    return (a.scores.double().sum((1, 2, 3)) - change).abs() / change.abs()


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """Every input and class for which a gradient was computed."""
    seen: list[tuple[bytes, int]] = []
    compute = ImageClassifier.gradients

    def noted(self: ImageClassifier, features: torch.Tensor, target: torch.Tensor, *rest: Any) -> Any:
        seen.extend((one.numpy().tobytes(), int(t)) for one, t in zip(features, target, strict=True))
        return compute(self, features, target, *rest)

    monkeypatch.setattr(ImageClassifier, "gradients", noted)
    return seen


# -------------------------------------------------------------------------------------------------------- closed form


@pytest.mark.parametrize("rule", get_args(Rule))
@pytest.mark.parametrize("baseline", ["black", "blur", "gaussian"])
def test_every_rule_is_exact_on_a_linear_model(linear: pl.ImageClassifier, rule: Rule, baseline: Baseline) -> None:
    images = pictures(linear)
    weight = linear.module.weight(TARGET)  # pyright: ignore[reportCallIssue]
    for steps in (2, 7, 25):
        a = integrated_gradients(linear, images, TARGET, steps=steps, rule=rule, baseline=baseline)
        start = make_baseline(images, baseline)
        torch.testing.assert_close(a.scores, (images.features - start) * weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(a.extras["baseline"], start)
        ends = torch.stack([linear.values(one, TARGET) for one in (start, images.features)]).abs().amax(0)
        gap = a.extras["completeness_gap"].abs()
        assert (gap <= 4 * torch.finfo(torch.float32).eps * ends).all(), "no more than the logits themselves are rounded"
        torch.testing.assert_close(a.error, gap / a.extras["change"].abs())
        mean = integrated_gradients(linear, images, TARGET, steps=steps, rule=rule, baseline=baseline, multiply=False)
        torch.testing.assert_close(mean.scores, weight, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mean.error, a.error, atol=1e-6, rtol=0)


def test_averaged_draws_on_a_linear_model_are_the_mean_baselines(linear: pl.ImageClassifier) -> None:
    images = pictures(linear)
    a = integrated_gradients(linear, images, TARGET, baseline="uniform", draws=4, steps=3, seed=5)
    starts = torch.stack([make_baseline(images, "uniform", seed=5, draw=d) for d in range(4)]).mean(0)
    weight = linear.module.weight(TARGET)  # pyright: ignore[reportCallIssue]
    torch.testing.assert_close(a.scores, (images.features - starts) * weight, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(a.extras["baseline"], starts)
    change = linear.values(images.features, TARGET) - linear.values(starts, TARGET)
    torch.testing.assert_close(a.extras["change"], change, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- slow replica


def slowly(model: pl.ImageClassifier, image: torch.Tensor, start: torch.Tensor, target: int, steps: int) -> torch.Tensor:
    """Equation 3, point by point: (x - x') * sum over k = 1 .. m of dF/dx (x' + k/m (x - x')) / m."""
    total = torch.zeros_like(image)
    for k in range(1, steps + 1):
        point = (start + k / steps * (image - start)).requires_grad_()
        logit = model.module(point[None].clone())[0, target]
        total += torch.autograd.grad(logit, point)[0]
    return (image - start) * total / steps


@pytest.mark.parametrize("baseline", ["white", "zero"])
def test_equals_equation_3(small_network: pl.ImageClassifier, baseline: Baseline) -> None:
    images = pictures(small_network)
    a = integrated_gradients(small_network, images, TARGET, steps=23, rule="right", baseline=baseline)
    starts = make_baseline(images, baseline)
    for i in range(3):
        expected = slowly(small_network, images.features[i], starts[i], int(TARGET[i]), 23)
        torch.testing.assert_close(a.scores[i], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_averaged_draws_equal_equation_3_draw_by_draw(relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    a = integrated_gradients(relu, images, TARGET, steps=11, rule="right", baseline="gaussian", draws=3, seed=8)
    starts = [make_baseline(images, "gaussian", seed=8, draw=d) for d in range(3)]
    for i in range(3):
        expected = torch.stack([slowly(relu, images.features[i], s[i], int(TARGET[i]), 11) for s in starts]).mean(0)
        torch.testing.assert_close(a.scores[i], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_course_is_the_mean_gradient_at_tenths_of_the_image(relu: pl.ImageClassifier) -> None:
    model = pl.ImageClassifier(relu.module, size=(16, 16))  # in [0, 1], as the course's network
    images = pictures(model)
    a = pl.explain(model, images, method="integrated_gradients", preset="course", target=TARGET)
    expected = torch.stack([model.gradients(images.features * k / 10, TARGET)[1] for k in range(10)]).mean(0)
    torch.testing.assert_close(a.scores, expected)
    assert a.unit == "logit per input unit"
    assert a.view == {"scale": "minmax"}


# ---------------------------------------------------------------------------------------------------------- behaviour


def test_completeness_to_a_thousandth_on_a_smooth_network(smooth: pl.ImageClassifier) -> None:
    images = pictures(smooth)
    a = integrated_gradients(smooth, images, TARGET)
    assert a.worst_error <= 1e-3
    assert (true_gap(smooth, images, a) <= 1e-3).all()
    assert a.options["rule"] == "gauss_legendre"
    assert a.options["steps"] == 50


@pytest.mark.parametrize(("rule", "order"), [("left", 1), ("right", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_rules_converge_at_their_orders(smooth: pl.ImageClassifier, rule: Rule, order: int) -> None:
    images = pictures(smooth)
    exact = integrated_gradients(smooth, images, TARGET, steps=40).scores
    coarse, fine = 8, 32
    errors = [
        float((integrated_gradients(smooth, images, TARGET, steps=n + (rule == "trapezoid"), rule=rule).scores - exact).norm())
        for n in (coarse, fine)
    ]
    assert np.log(errors[0] / errors[1]) / np.log(fine / coarse) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_the_error_is_the_gap_and_comes_with_its_parts(relu: pl.ImageClassifier, rule: Rule) -> None:
    images = pictures(relu)
    a = integrated_gradients(relu, images, TARGET, steps=6, rule=rule, baseline="white")
    torch.testing.assert_close(a.error.double(), true_gap(relu, images, a), rtol=1e-3, atol=1e-5)
    assert a.worst_error > 1e-4, "coarse enough for the error to show"
    change = relu.values(images.features, TARGET) - relu.values(a.extras["baseline"], TARGET)
    torch.testing.assert_close(a.extras["change"], change, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(a.extras["completeness_gap"], a.scores.sum((1, 2, 3)) - change, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("output", ["log_probability", "probability", "loss"])
def test_other_outputs_are_complete_too(smooth: pl.ImageClassifier, output: str) -> None:
    images = pictures(smooth)
    a = integrated_gradients(smooth, images, TARGET, output=output)
    start = make_baseline(images, "black")
    change = smooth.values(images.features, TARGET, output) - smooth.values(start, TARGET, output)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(a.scores.sum((1, 2, 3)), change, rtol=1e-3, atol=1e-5)
    assert a.unit == output


def test_every_answer_on_the_way_is_usable_and_the_last_is_the_rule(smooth: pl.ImageClassifier) -> None:
    images = pictures(smooth)
    answers = list(integrated_gradients.stream(in_tens(smooth), images, TARGET, steps=55, rule="midpoint"))
    assert len(answers) == 11
    for a in answers[:-1]:
        assert a.worst_error < 0.2
        torch.testing.assert_close(a.error.double(), true_gap(smooth, images, a), rtol=1e-2, atol=1e-5)
    assert answers[-1].work.backwards == 3 * 55
    assert answers[-1].work.forwards == 3 * 57
    assert answers[-1].work.fraction == 1


@pytest.mark.parametrize("options", [{}, {"rule": "left", "steps": 4}, {"baseline": "uniform", "draws": 3, "steps": 10}])
def test_a_tolerance_is_reached_in_truth(relu: pl.ImageClassifier, options: dict[str, Any]) -> None:
    images = pictures(relu)
    a = pl.explain(relu, images, method="integrated_gradients", target=TARGET, tolerance=1e-3, **options)
    assert a.worst_error <= 1e-3
    total = a.scores.double().sum((1, 2, 3))
    assert ((total - a.extras["change"]).abs() / a.extras["change"].abs() <= 1.1e-3).all()
    if "draws" not in options:
        assert (true_gap(relu, images, a) <= 1.1e-3).all()
    assert a.options["refinements"] == 2000
    assert a.work.backwards < 3 * 600


def test_a_tolerance_is_reached_on_imagenet(imagenet: pl.ImageClassifier) -> None:
    images = imagenet.read("observation:0")
    a = pl.explain(imagenet, images, method="integrated_gradients", steps=20, tolerance=1e-2)
    assert a.worst_error <= 1e-2
    assert true_gap(imagenet, images, a) <= 1.01e-2
    assert a.work.backwards <= 80


def test_no_gradient_is_paid_for_twice(relu: pl.ImageClassifier, points: list[tuple[bytes, int]]) -> None:
    images = pictures(relu)
    a = integrated_gradients(relu, images, TARGET, steps=12, rule="left", refinements=75)
    assert len(points) == len(set(points)) == a.work.backwards
    assert 3 * 12 < a.work.backwards <= 3 * (12 + 75)


def test_refinement_is_the_trapezoid_rule_over_all_the_points_there_are(smooth: pl.ImageClassifier) -> None:
    """Two points, then the two ends and their middle intervals: paid for once, all of them in the answer."""
    images, steps = pictures(smooth)[0], 2
    *_, a = integrated_gradients.stream(smooth, images, TARGET[:1], steps=steps, rule="left", refinements=2)
    start = make_baseline(images, "black")
    # the left rule's points 0 and 1/2, and of the two intervals both worst points: 1/4, and 1, the end that had no gradient
    positions = np.array([0, 0.25, 0.5, 1])
    gradients = [smooth.gradients(start + float(p) * (images.features - start), TARGET[:1])[1] for p in positions]
    expected = sum(
        (b - a) / 2 * (left + right)
        for a, b, left, right in zip(positions, positions[1:], gradients, gradients[1:], strict=False)
    )
    assert a.work.backwards == 4
    torch.testing.assert_close(a.scores, (images.features - start) * expected, rtol=1e-4, atol=1e-7)


def test_refinement_never_answers_worse_than_the_rule_or_than_before(relu: pl.ImageClassifier) -> None:
    answers = list(integrated_gradients.stream(relu, pictures(relu), TARGET, steps=10, refinements=60))
    rule = next(n for n, a in enumerate(answers) if a.work.backwards == 30)
    for before, after in zip(answers[rule:], answers[rule + 1 :], strict=False):
        assert (after.error <= before.error).all()
        assert after.work.backwards > before.work.backwards
    assert answers[-1].work.fraction == 1


def test_refinement_closes_the_gap_better_than_as_many_points_of_a_rule(small_network: pl.ImageClassifier) -> None:
    images = pictures(small_network)
    even = integrated_gradients(small_network, images, TARGET, steps=60, rule="left")
    placed = integrated_gradients(small_network, images, TARGET, steps=10, rule="left", refinements=50)
    assert placed.error.mean() < even.error.mean() / 2


def test_refinement_turns_first_to_the_images_with_the_largest_gaps(relu: pl.ImageClassifier) -> None:
    answers = list(integrated_gradients.stream(relu, pictures(relu), TARGET, steps=10, rule="left", refinements=60))
    left_for_later = False
    for before, after in itertools.pairwise(answers[1:5]):
        large = before.error >= before.error.max() / 2
        assert after.work.backwards - before.work.backwards == 5 * int(large.sum())
        assert torch.equal(after.scores[~large], before.scores[~large])
        left_for_later |= not large.all()
    assert left_for_later, "the case has no image whose gap is small beside another'"


@pytest.mark.parametrize("baseline", ["black", "gaussian"])
def test_refined_alike_alone_and_in_company(relu: pl.ImageClassifier, baseline: Baseline) -> None:
    images = pictures(relu)
    options: dict[str, Any] = {"steps": 8, "refinements": 45, "baseline": baseline, "draws": 2}
    together = integrated_gradients(relu, images, TARGET, **options)
    for i in range(3):
        alone = integrated_gradients(relu, images[i], TARGET[i : i + 1], **options)
        assert torch.equal(alone.scores[0], together.scores[i])


def test_refinement_holds_a_bounded_number_of_gradients(relu: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["pellucid.methods.integrated_gradients"], "HELD", 4)
    images = pictures(relu)
    a = integrated_gradients(relu, images, TARGET, steps=10, refinements=80)
    torch.testing.assert_close(a.error.double(), true_gap(relu, images, a), rtol=1e-2, atol=2e-5)
    assert (a.error <= integrated_gradients(relu, images, TARGET, steps=10).error).all()


def test_a_linear_path_asks_for_no_more_points(linear: pl.ImageClassifier) -> None:
    *_, a = integrated_gradients.stream(linear, pictures(linear), TARGET, steps=5, refinements=1000)
    assert a.work.backwards == 15
    assert a.work.fraction == 1


def test_the_error_counts_the_draws_that_are_missing(smooth: pl.ImageClassifier) -> None:
    images = pictures(smooth)
    answers = list(integrated_gradients.stream(in_tens(smooth), images, TARGET, baseline="uniform", draws=4, steps=10))
    assert [a.worst_error for a in answers[1:6:2]] == pytest.approx([0.75, 0.5, 0.25])  # each draw takes two steps
    assert answers[-1].worst_error < 1e-3
    a = pl.explain(smooth, images, method="integrated_gradients", baseline="uniform", draws=4, tolerance=0.01, target=TARGET)
    torch.testing.assert_close(
        a.extras["baseline"], torch.stack([make_baseline(images, "uniform", draw=d) for d in range(4)]).mean(0)
    )


def test_an_image_like_its_baseline_has_no_scores_and_no_error(relu: pl.ImageClassifier) -> None:
    black = relu.read(np.zeros((16, 16, 3), np.uint8))
    a = integrated_gradients(relu, black, TARGET[:1], steps=5, refinements=20)
    assert torch.equal(a.scores, torch.zeros_like(a.scores))
    assert a.worst_error == 0


def test_a_change_lost_in_rounding_is_measured_against_a_ten_thousandth_of_the_output(relu: pl.ImageClassifier) -> None:
    own = pictures(relu).pixels[0].numpy().copy()
    other = own.copy()
    other[8, 8, 1] += 1
    a = pl.explain(
        relu, other, method="integrated_gradients", target=2, baseline="image", baseline_image=own, steps=3, rule="left"
    )
    logit = relu.logits(relu.read(other).features)[0, 2]
    assert a.extras["change"].abs() < 1e-4 * logit.abs()
    torch.testing.assert_close(a.error, a.extras["completeness_gap"].abs() / (1e-4 * logit.abs()), rtol=1e-3, atol=0)


def test_draws_of_a_fixed_baseline_are_all_the_same_and_not_repeated(relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    a = integrated_gradients(relu, images, TARGET, steps=10, draws=7)
    assert a.work.backwards == 30


def test_against_integrates_the_difference_of_two_logits(smooth: pl.ImageClassifier) -> None:
    images = pictures(smooth)
    a = pl.explain(smooth, images, method="integrated_gradients", target=2, against=0)
    logits = smooth.logits(images.features) - smooth.logits(make_baseline(images, "black"))
    torch.testing.assert_close(a.scores.sum((1, 2, 3)), logits[:, 2] - logits[:, 0], rtol=1e-3, atol=1e-5)


# ------------------------------------------------------------------------------------------------- an image of one's own


def test_ones_own_image_from_a_path_or_in_any_form(relu: pl.ImageClassifier, tmp_path: Path) -> None:
    images = pictures(relu)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    path = tmp_path / "own.png"
    Image.fromarray(pixels).save(path)
    start = relu.read(path).features
    forms = [str(path), path, pixels, Image.fromarray(pixels), torch.from_numpy(pixels).movedim(-1, 0)]
    for form in forms:
        a = pl.explain(
            relu, images, method="integrated_gradients", target=TARGET, baseline="image", baseline_image=form, steps=5
        )
        torch.testing.assert_close(a.extras["baseline"], start.expand(3, -1, -1, -1), atol=1e-6, rtol=0)
        assert isinstance(a.options["baseline_image"], str)
        pl.record(relu, images, a).to_bytes()


def test_a_tensor_of_the_networks_size_is_not_cut(imagenet: pl.ImageClassifier) -> None:
    own = torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(0))
    stream = pl.explain_stream(
        imagenet, "observation:1", method="integrated_gradients", baseline="image", baseline_image=own, steps=1
    )
    start = next(stream).extras["baseline"]
    assert torch.equal(start, imagenet.read(own).features)


def test_a_record_with_ones_own_image_replays(relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    own = np.full((16, 16, 3), 90, np.uint8)
    a = pl.explain(relu, images, method="integrated_gradients", baseline="image", baseline_image=own, steps=5)
    record = pl.Record.from_bytes(pl.record(relu, images, a).to_bytes())
    assert pl.replay(record, relu).identical


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "image"}, "baseline='image' needs baseline_image: a path, observation:N, or a picture"),
        ({"baseline_image": "a.png"}, "baseline_image='a.png' goes with baseline='image', not with baseline='black'"),
        ({"rule": "trapezoid", "steps": 1}, "a point at each end, so at least 2; got steps=1"),
        ({"steps": 0}, "steps=0: Input should be greater than or equal to 1"),
        ({"rule": "simpson"}, "rule='simpson': Input should be 'left', 'right', 'midpoint', 'trapezoid' or 'gauss_legendre'"),
        ({"baseline": "image", "baseline_image": "observation:10"}, "no observation image '10'"),
    ],
)
def test_bad_options_say_what_would_do(relu: pl.ImageClassifier, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pl.explain(relu, pictures(relu), method="integrated_gradients", **options)


def test_an_unreadable_baseline_image_says_so(relu: pl.ImageClassifier, tmp_path: Path) -> None:
    images = pictures(relu)
    text = tmp_path / "notes.png"
    text.write_text("no picture")

    def explain(own: Any) -> pl.Attribution:
        return pl.explain(relu, images, method="integrated_gradients", baseline="image", baseline_image=own)

    with pytest.raises(ValueError, match=r"notes\.png' is not a picture in a known format"):
        explain(text)
    with pytest.raises(FileNotFoundError, match=r"no image at 'missing\.png'"):
        explain("missing.png")
    with pytest.raises(IsADirectoryError, match="is a folder; name the pictures in it"):
        explain(tmp_path)
    with pytest.raises(ValueError, match="the array has values from 255 to 255; floats are pixel"):
        explain(np.full((16, 16, 3), 255.0))


def test_a_network_with_one_channel_has_every_baseline() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(3 * 36, 2))
    model = pl.ImageClassifier(networks.seeded(module), size=(8, 8), mean=(0.3,), std=(0.5,))
    images = model.read(pictures(wrapped(networks.relu_cnn()), 2).pixels.numpy())
    for baseline in get_args(Baseline):
        own: dict[str, Any] = {"baseline_image": "observation:0"} if baseline == "image" else {}
        a = pl.explain(model, images, method="integrated_gradients", baseline=baseline, **own)
        assert a.scores.shape == (2, 1, 8, 8)
        assert a.worst_error < 1e-2
