import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.methods.filter_image import TENSORS
from pellucid.methods.filters import filters as method
from pellucid.methods.filters import late_share
from pellucid.stream import bounded
from tests.conftest import MEAN, STD, pictures, wrapped
from tests.networks import relu_cnn, seeded

PLAIN: dict[str, Any] = {"parameterisation": "pixel", "bound": "none", "transforms": "none", "noise": 0.1}


def convolution(model: pl.ImageClassifier) -> str:
    """The network's last convolution."""
    return next(layer.name for layer in reversed(model.layers) if layer.kind == "Conv2d")


# ------------------------------------------------------------------------------------------------ closed forms


def test_first_step_on_a_convolution_goes_along_the_sign_of_its_summed_weights():
    model = wrapped(nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    made = pl.filters(model, "0", [0, 1], **PLAIN, steps=1, rate=0.25)
    weight = model.module.get_parameter("0.weight").detach()
    for filter in (0, 1):
        # the weights that each input value meets: a map of ones, run backwards through the convolution
        gradient = nn.functional.conv_transpose2d(torch.ones(1, 1, 16, 16), weight[filter][None], padding=1) / 256
        moved = made.features[filter] - start_of(model)[0]
        torch.testing.assert_close(moved, 0.25 * gradient[0].sign(), rtol=0, atol=1e-4)


def test_ascent_on_a_linear_unit_rises_by_the_sum_of_its_weights_each_step(linear: pl.ImageClassifier):
    made = pl.filters(linear, "fc", 1, **PLAIN, steps=40, rate=0.05)
    weight = linear.module.get_parameter("fc.weight").detach()[1]
    rise = 0.05 * weight.abs().sum() * torch.arange(41)
    torch.testing.assert_close(made.objective[:, 0], made.start_objective + rise, rtol=1e-4, atol=1e-4)
    moved = (made.features - start_of(linear))[0].flatten()
    torch.testing.assert_close(moved, 2 * weight.sign(), rtol=0, atol=1e-3)
    assert float(torch.corrcoef(torch.stack([moved, weight]))[0, 1]) > 0.75  # the sign of a Gaussian: sqrt(2 / pi) = 0.80


def start_of(model: pl.ImageClassifier) -> torch.Tensor:
    """White noise of standard deviation 0.1 about grey, as seed 0 gives it."""
    noise = torch.randn(1, 3, *model.size, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return ((0.5 + 0.1 * noise).clamp(0, 1) - mean) / std


def test_error_is_the_share_of_the_rise_in_the_last_tenth(linear: pl.ImageClassifier):
    steady = pl.filters(linear, "fc", 0, **PLAIN, steps=40)
    assert float(steady.error) == pytest.approx(0.1, abs=1e-3)
    alive = torch.tensor([False])
    level = [torch.tensor([value]) for value in (0.0, 4.0, 5.0, 5.0)]
    assert late_share([0, 5, 45, 50], level, alive).tolist() == [0.0]
    assert late_share([0, 5, 10, 20], level, alive).tolist() == [0.0]
    assert late_share([0, 5], level[:2], alive).tolist() == [1.0]
    assert late_share([0], level[:1], alive).tolist() == [1.0]


# ------------------------------------------------------------------------------------------------ slow replicas


def ascended(
    model: pl.ImageClassifier, layer: str, filter: int, start: torch.Tensor, steps: int, rate: float
) -> tuple[torch.Tensor, list[float]]:
    """One picture after plain ascent: the whole forward pass, a hook, Adam going down on the negated sum."""
    seen: list[torch.Tensor] = []
    handle = model.module.get_submodule(layer).register_forward_hook(lambda *call: seen.append(call[-1].clone()))
    picture = start.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=rate)
    means = []
    for _ in range(steps):
        model.module(picture.clone())
        activation = seen.pop()[:, filter]
        means.append(float(activation.detach().mean()))
        (picture.grad,) = torch.autograd.grad(-activation.sum(), picture)
        adam.step()
    handle.remove()
    return picture.detach(), means


def test_equals_a_plain_loop_over_the_whole_network(small_network: pl.ImageClassifier):
    layer = convolution(small_network)
    made = pl.filters(small_network, layer, [3, 5], **PLAIN, steps=12, rate=0.1, objective="sum")
    for number, filter in enumerate((3, 5)):
        expected, means = ascended(small_network, layer, filter, start_of(small_network), 12, 0.1)
        torch.testing.assert_close(made.features[number : number + 1], expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(made.objective[:-1, number], torch.tensor(means), rtol=1e-4, atol=1e-4)


def test_course_preset_equals_the_course_loop_on_every_image(smooth: pl.ImageClassifier):
    images = pictures(smooth, 2)
    made = pl.filters(smooth, "3", 0, images, **pl.filters.preset("course").options)
    assert made.starts == images.names
    for number in range(2):
        start = images.features[number : number + 1]
        expected, means = ascended(smooth, "3", 0, start, 100, 0.1)
        torch.testing.assert_close(made.features[number : number + 1], expected, rtol=0, atol=1e-3)
        torch.testing.assert_close(made.objective[:-1, number], torch.tensor(means), rtol=1e-3, atol=1e-3)
    assert made.values.max() > 1  # nothing keeps it between black and white


# ------------------------------------------------------------------------------------------------ behaviour


@pytest.mark.parametrize(
    ("parameterisation", "bound", "transforms"),
    [*itertools.product(("fourier", "pixel"), ("logistic", "clip", "none"), ("none",)), ("fourier", "logistic", "jitter"),
     ("fourier", "logistic", "standard"), ("pixel", "clip", "standard")],
)  # fmt: skip
def test_objective_rises_and_bounds_hold(relu: pl.ImageClassifier, parameterisation: str, bound: str, transforms: str):
    options: dict[str, Any] = {"parameterisation": parameterisation, "bound": bound, "transforms": transforms}
    made = pl.filters(relu, "4", [0, 1, 2], steps=30, **options)
    assert (made.final_objective > made.start_objective + 0.05).all()
    if bound != "none":
        assert made.values.min() >= -1e-5
        assert made.values.max() <= 1 + 1e-5
    assert not made.dead.any()
    # the last row of the curve is the activation of the very pictures that are handed back
    images = relu.from_features(made.features)
    maps = pl.filter_maps(relu, images, "4", [0, 1, 2])
    torch.testing.assert_close(maps.mean.diagonal(), made.final_objective, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", ["mean", "sum", "neuron"])
def test_objective_rises_on_every_small_network(small_network: pl.ImageClassifier, objective: Any):
    made = pl.filters(small_network, convolution(small_network), [0, 1], steps=20, objective=objective)
    assert (made.final_objective > made.start_objective).all()


def test_neuron_raises_the_middle_of_the_map_alone(relu: pl.ImageClassifier):
    made = pl.filters(relu, "4", 0, **PLAIN, steps=1, rate=0.1, objective="neuron")
    changed = ((made.features - start_of(relu)).abs() > 0.01).any(1)[0].nonzero()
    # 3 x 3 after 2 x 2 pooling after 3 x 3: 8 pixels about the place (4, 4) of an 8 x 8 map
    assert changed.amin(0).tolist() >= [5, 5]
    assert changed.amax(0).tolist() <= [12, 12]


def test_both_parameterisations_start_from_the_same_white_noise(relu: pl.ImageClassifier):
    for bound in ("logistic", "clip", "none"):
        for parameterisation in ("pixel", "fourier"):
            made = pl.filters(relu, "4", 0, steps=1, rate=1e-9, bound=bound, parameterisation=parameterisation, noise=0.1)
            torch.testing.assert_close(made.features, start_of(relu), rtol=0, atol=1e-4)


@pytest.mark.parametrize("options", [{}, PLAIN])
def test_a_filter_comes_out_in_company_as_it_does_alone(relu: pl.ImageClassifier, options: dict):
    company = pl.filters(relu, "4", range(10), steps=10, **options)
    alone = pl.filters(relu, "4", 7, steps=10, **options)
    torch.testing.assert_close(alone.features[0], company.features[7], rtol=0, atol=1e-3)
    torch.testing.assert_close(alone.objective[:, 0], company.objective[:, 7], rtol=0, atol=1e-3)


def test_more_than_a_batch_comes_back_in_order_and_every_answer_is_whole(relu: pl.ImageClassifier):
    images = pictures(relu, 4)
    answers = list(pl.filters.stream(relu, "4", [2, 0, 5], images, start="images", steps=7, transforms="none"))
    assert len(answers) == 14  # two batches, of ten pictures and of two, after each of the steps
    for answer in answers:
        assert answer.filters.tolist() == [2] * 4 + [0] * 4 + [5] * 4
        assert answer.starts == images.names * 3
        assert answer.images.shape == (12, 16, 16, 3)
        assert answer.objective.shape == (len(answer.points), 12)
    first, *_, last = answers
    assert first.objective[:, 10:].isnan().all()
    assert first.error.tolist()[10:] == [1.0, 1.0]
    assert not first.dead.any()
    assert [a.work.fraction for a in answers] == pytest.approx([
        (12 * step + done) / 84 for step in range(7) for done in (10, 12)
    ])  # fmt: skip
    assert not last.objective.isnan().any()
    assert last.points.tolist() == list(range(8))
    assert last.work.forwards == 8 * 12
    assert last.work.backwards == 7 * 12
    alone = pl.filters(relu, "4", [5], images[3], start="images", steps=7, transforms="none")
    torch.testing.assert_close(alone.features[0], last.features[11], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("pictures_at_once", "after"), [(1, [5, 10, 12]), (3, [3, 6, 9, 12]), (8, list(range(1, 13)))])
def test_the_more_pictures_rise_together_the_fewer_steps_an_answer_takes(
    pictures_at_once: int, after: list[int], relu: pl.ImageClassifier
):
    answers = pl.filters.stream(relu, "4", list(range(pictures_at_once)), steps=12, transforms="none")
    assert [int(one.points[-1]) for one in answers] == after


def test_a_curve_under_transforms_is_that_of_the_standing_picture(relu: pl.ImageClassifier):
    made = pl.filters(relu, "4", [1], steps=12)
    assert made.points.tolist() == [0, 5, 10, 12]
    still = pl.filters(relu, "4", [1], steps=12, transforms="none")
    assert made.start_objective == still.start_objective


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(relu: pl.ImageClassifier):
    one, two, other = (pl.filters(relu, "4", [0, 1], steps=6, seed=seed) for seed in (5, 5, 6))
    assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in TENSORS)
    assert not torch.equal(one.features, other.features)
    assert one.seed == 5


class Armed(nn.Module):
    """Lets everything through until it is armed, then nothing."""

    armed = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.armed:
            raise RuntimeError("the forward pass went past the layer")
        return x


def test_the_forward_pass_ends_at_the_layer():
    armed = Armed()
    model = wrapped(nn.Sequential(nn.Conv2d(3, 4, 3), armed, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert model.layers  # a full pass, once for a model
    armed.armed = True
    pl.filters(model, "0", [0], steps=2)
    pl.filter_maps(model, pictures(model), "0", 0)
    with pytest.raises(RuntimeError, match="past the layer"):
        pl.filters(model, "2", [0], steps=2)


def test_a_filter_without_gradient_is_reported_dead_and_left_as_it_was():
    module = relu_cnn()
    model = wrapped(module)
    with torch.no_grad():
        module.get_parameter("5.bias")[3:5] = torch.tensor([2.0, -1000.0])
    images = pictures(model, 1)
    made = pl.filters(model, "6", [3, 4], images, start="images", steps=10, transforms="standard", bound="none")
    assert made.dead.tolist() == [False, True]
    assert made.error[1] == 0
    assert made.final_objective[1] == 0
    torch.testing.assert_close(made.features[1], images.features[0], rtol=0, atol=1e-5)


def test_a_cancelled_stream_leaves_the_network_as_it_was(relu: pl.ImageClassifier):
    before = {name: tensor.clone() for name, tensor in relu.module.state_dict().items()}
    stream = pl.filters.stream(relu, "4", range(10), steps=50)
    next(stream)
    assert torch.is_grad_enabled()
    assert not any(sub._forward_hooks or sub._forward_pre_hooks for sub in relu.module.modules())
    stream.close()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in relu.module.parameters())
    assert not any(sub.training for sub in relu.module.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in relu.module.state_dict().items())


def test_tolerance_stops_a_curve_that_has_levelled_off(smooth: pl.ImageClassifier):
    taken = list(bounded(pl.filters.stream(smooth, "3", 0, steps=1000, transforms="none"), tolerance=0.02))
    assert taken[-1].worst_error <= 0.02
    assert taken[-1].points[-1] < 1000
    assert pl.filters.budget() == {"steps": 2000}


def test_works_without_gradients_in_inference_mode_and_on_inference_images(relu: pl.ImageClassifier):
    expected = pl.filters(relu, "4", 0, pictures(relu, 1), start="images", steps=6)
    with torch.inference_mode():
        inside = pl.filters(relu, "4", 0, pictures(relu, 1), start="images", steps=6)
    assert torch.equal(inside.features, expected.features)


def test_one_channel_odd_sizes_and_double_precision():
    module = seeded(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())).double()
    model = pl.ImageClassifier(module, size=(17, 12), mean=[0.5], std=[0.5])
    made = pl.filters(model, "1", range(3), steps=5)
    assert made.features.shape == (3, 1, 17, 12)
    assert made.images.shape == (3, 17, 12, 3)
    for parameterisation in ("pixel", "fourier"):
        pl.filters(model, "1", 0, steps=2, bound="none", parameterisation=parameterisation)


def test_a_network_that_begins_in_place_leaves_the_images_alone():
    model = wrapped(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    images = pictures(model)
    before = images.features.clone()
    for parameterisation in ("pixel", "fourier"):
        options: dict[str, Any] = {**PLAIN, "parameterisation": parameterisation}
        pl.filters(model, "1", 0, images, start="images", steps=2, **options)
    pl.strongest_patches(model, images, "1", 0)
    assert torch.equal(images.features, before)


def test_a_record_gives_everything_back(relu: pl.ImageClassifier):
    made = pl.filters(relu, "4", [2, 3], steps=6)
    again = pl.FilterImage.from_record(made.to_record())
    for name in TENSORS:
        assert torch.equal(getattr(again, name), getattr(made, name))
    assert (again.layer, again.starts, again.options, again.work) == (made.layer, made.starts, made.options, made.work)
    assert (again.mean, again.std, again.step, again.method) == (made.mean, made.std, made.step, "filters")
    assert torch.equal(again.images, made.images)


def test_a_picture_of_many_is_a_batch_of_one_and_a_view_stretches_it(relu: pl.ImageClassifier):
    made = pl.filters(relu, "4", [2, 3], steps=6)
    one = made[-1]
    assert len(one) == 1
    assert one.filters.tolist() == [3]
    assert torch.equal(one.images[0], made.images[1])
    assert torch.equal(one.objective[:, 0], made.objective[:, 1])
    stretched = pl.FilterImage(**{**vars(one), "view": pl.filters.preset("course").view}).images
    assert (int(stretched.min()), int(stretched.max())) == (0, 255)
    with pytest.raises(IndexError, match="no picture 2 among 2"):
        made[2]


def test_photographs_are_beaten_on_the_shipped_network(imagenet: pl.ImageClassifier):
    photographs = imagenet.read([f"observation:{n}" for n in (0, 3, 5)])
    made = pl.filters(imagenet, "_blocks.3._project_conv", [0, 7], steps=15, transforms="none")
    assert pl.beats_images(imagenet, made, photographs).tolist() == [True, True]
    start = pl.filters(imagenet, "_blocks.3._project_conv", [7], steps=1, rate=1e-6)
    assert pl.beats_images(imagenet, start, photographs).tolist() == [False]


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("layer", "filters", "options", "kind", "message"),
    [
        ("44", [0], {}, KeyError, r"no layer named '44' \(did you mean '4'\?\)"),
        ("4", [500], {}, IndexError, "layer 4 has filters 0 to 9, got 500"),
        ("4", [], {}, ValueError, "no filter was asked for"),
        ("4", [0], {"start": "images"}, ValueError, "start='images' needs images to start from"),
        ("4", [0], {"steps": 0}, ValueError, "filters: steps=0"),
        ("4", [0], {"rates": 1}, TypeError, r"filters: no option named 'rates' \(did you mean 'rate'"),
        ("4", [0], {"bound": "tanh"}, ValueError, "filters: bound='tanh'"),
    ],
)
def test_bad_input(
    relu: pl.ImageClassifier, layer: str, filters: Sequence[int], options: dict, kind: type[Exception], message: str
):
    with pytest.raises(kind, match=message):
        pl.filters(relu, layer, filters, **options)


def test_images_where_none_belong_are_refused(relu: pl.ImageClassifier):
    with pytest.raises(ValueError, match="images were given, but start='noise' uses none"):
        pl.filters(relu, "4", 0, pictures(relu))


def test_a_network_in_training_mode_is_refused():
    model = wrapped(relu_cnn())
    model.module.train()
    with pytest.raises(ValueError, match="the network is in training mode"):
        pl.filters(model, "4", 0)


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sub(0.5).sqrt().nan_to_num()


def test_a_gradient_that_is_not_finite_names_its_filter():
    module = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), Root(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = pl.ImageClassifier(seeded(module), size=(8, 8))
    with pytest.raises(ValueError, match="the gradient of filter 1 of layer '1' is NaN or infinite after 0 steps"):
        pl.filters(model, "1", [1], **PLAIN, steps=3)


def test_a_record_of_another_kind_is_refused(relu: pl.ImageClassifier):
    made = pl.filters(relu, "4", 0, steps=1)
    with pytest.raises(ValueError, match="of no attribution; it holds: format, filter_image"):
        pl.Attribution.from_record(made.to_record())


def test_the_function_is_a_method_with_its_options_schema():
    assert pl.filters is method
    assert isinstance(pl.filters, pl.Method)
    assert list(pl.filters.options.model_fields)[:3] == ["steps", "rate", "parameterisation"]
