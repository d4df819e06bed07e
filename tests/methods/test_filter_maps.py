from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.methods.filter_maps import excitements
from tests.conftest import MEAN, STD, pictures, wrapped


def red_seeker(bias: float = 0.0) -> pl.ImageClassifier:
    """Layer 0 puts out the red and the green of each pixel, and `bias`; layer 1 cuts them off at 0."""
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = wrapped(module, 12)
    convolution = model.module.get_submodule("0")
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0], convolution.weight[1, 1] = STD[0], STD[1]
        assert convolution.bias is not None
        convolution.bias.copy_(torch.tensor([MEAN[0] + bias, MEAN[1] + bias]))
    return model


def dotted(*dots: tuple[int, int, float], channel: int = 0) -> torch.Tensor:
    """A black picture with dots of red (or another channel): row, column, value."""
    picture = torch.zeros(3, 12, 12)
    for row, column, value in dots:
        picture[channel, row, column] = value
    return picture


# ------------------------------------------------------------------------------------------------ maps


def test_maps_of_a_filter_that_sees_red_are_the_red_of_the_picture():
    model = red_seeker()
    maps = pl.filter_maps(model, model.read([dotted((2, 9, 1.0)), dotted((4, 4, 1.0), channel=1)]), "0", [0, 1])
    torch.testing.assert_close(maps.activations[0, 0], dotted((2, 9, 1.0))[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(maps.activations[1, 1], dotted((4, 4, 1.0))[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(maps.peak, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), rtol=0, atol=1e-6)
    torch.testing.assert_close(maps.mean, maps.peak / 144, rtol=0, atol=1e-6)
    assert maps.peak_place[0, 0].tolist() == [2, 9]


def test_equals_a_hooks_output_over_several_batches(small_network: pl.ImageClassifier):
    images = pictures(small_network, 13)
    layer = next(layer.name for layer in reversed(small_network.layers) if layer.kind == "Conv2d")
    seen: list[torch.Tensor] = []
    handle = small_network.module.get_submodule(layer).register_forward_hook(lambda *call: seen.append(call[-1].clone()))
    with torch.no_grad():
        small_network.module(images.features.clone())
    handle.remove()
    maps = pl.filter_maps(small_network, images, layer, [4, 0])
    torch.testing.assert_close(maps.activations, seen[0][:, [4, 0]], rtol=1e-4, atol=1e-5)
    assert (maps.names, maps.layer, maps.filters.tolist()) == (images.names, layer, [4, 0])


def test_upsampled_maps_have_the_inputs_size_and_keep_constants(relu: pl.ImageClassifier):
    maps = pl.filter_maps(relu, pictures(relu, 2), "4", range(3))
    assert maps.activations.shape == (2, 3, 8, 8)
    assert maps.upsampled().shape == (2, 3, 16, 16)
    flat = replace(maps, activations=torch.full((2, 3, 8, 8), 1.5))
    torch.testing.assert_close(flat.upsampled(), torch.full((2, 3, 16, 16), 1.5))


def test_of_several_equal_peaks_the_first_in_reading_order_counts():
    model = red_seeker()
    maps = pl.filter_maps(model, model.read([dotted((7, 1, 1.0), (2, 9, 1.0), (2, 10, 1.0))]), "0", 0)
    assert maps.peak_place[0, 0].tolist() == [2, 9]


# ------------------------------------------------------------------------------------------------ patches


def test_patches_come_strongest_first_and_show_the_pixels_that_count():
    model = red_seeker()
    weak, none, strong = dotted((1, 2, 0.4), (3, 3, 0.2)), dotted((5, 5, 1.0), channel=2), dotted((8, 11, 0.8))
    (red,) = pl.strongest_patches(model, model.read([weak, none, strong]), "1", [0])
    assert [(p.image, p.place, p.box, p.filter) for p in red] == [(2, (8, 11), (11, 8, 12, 9), 0), (0, (1, 2), (2, 1, 3, 2), 0)]
    assert [p.value for p in red] == pytest.approx([204 / 255, 102 / 255], abs=1e-6)
    assert red[0].crop.tolist() == [[[204, 0, 0]]]


def test_there_are_at_most_as_many_patches_as_asked_for_and_equal_ones_keep_their_order():
    model = red_seeker()
    images = model.read([dotted((n % 12, n % 7, 1.0)) for n in range(60)])
    (red,) = pl.strongest_patches(model, images, "1", 0, count=25)
    assert [p.image for p in red] == list(range(25))
    assert [p.place for p in red] == [(n % 12, n % 7) for n in range(25)]


def test_a_filter_that_never_fires_has_no_patch():
    model = red_seeker(bias=-2.0)
    images = model.read([dotted((1, 1, 1.0)), dotted((2, 2, 1.0))])
    assert pl.strongest_patches(model, images, "1", [0, 1]) == [[], []]
    # before the ReLU the same filter has values below 0, and the largest of them is its strongest
    (red,) = pl.strongest_patches(model, images, "0", [0], count=1)
    assert red[0].value == pytest.approx(-1.0, abs=1e-6)


def test_patches_of_a_deep_layer_lie_inside_the_picture(small_network: pl.ImageClassifier):
    images = pictures(small_network, 5)
    layer = next(layer.name for layer in reversed(small_network.layers) if layer.kind == "Conv2d")
    patches = pl.strongest_patches(small_network, images, layer, [0, 1, 2], count=3)
    for number, filter in enumerate((0, 1, 2)):
        assert [p.value for p in patches[number]] == sorted((p.value for p in patches[number]), reverse=True)
        assert len({p.image for p in patches[number]}) == 3
        for patch in patches[number]:
            left, top, right, bottom = patch.box
            assert 0 <= left < right <= 16
            assert 0 <= top < bottom <= 16
            assert torch.equal(patch.crop, images.pixels[patch.image, top:bottom, left:right])
            assert patch.filter == filter
            assert patch.name == images.names[patch.image]


def test_units_of_a_linear_layer_have_the_whole_picture_as_patch(linear: pl.ImageClassifier):
    (unit,) = pl.strongest_patches(linear, pictures(linear), "fc", [1])
    assert {p.box for p in unit} == {(0, 0, 8, 8)}
    assert unit[0].place == (0, 0)


# ------------------------------------------------------------------------------------------------ against made pictures


def test_only_what_excites_more_than_every_image_beats_them():
    model = red_seeker()
    images = model.read([torch.full((3, 12, 12), 0.5), torch.full((3, 12, 12), 0.2)])
    made = pl.filters(model, "0", [0, 1], images[0], start="images", steps=1, rate=1e-9, bound="none", transforms="none")
    assert pl.beats_images(model, made, images).tolist() == [False, False]
    assert pl.beats_images(model, made, images[1]).tolist() == [True, True]
    raised = pl.filters(model, "0", [0, 1], images[0], start="images", steps=20, parameterisation="pixel", transforms="none")
    assert pl.beats_images(model, raised, images).tolist() == [True, True]


def test_a_made_picture_counts_as_it_can_be_shown():
    model = red_seeker()
    white = model.read([torch.ones(3, 12, 12)])
    free = pl.filters(
        model, "0", [0], white, start="images", steps=5, parameterisation="pixel", bound="none", transforms="none"
    )
    assert free.final_objective > 1.05  # redder than any screen
    assert pl.beats_images(model, free, white).tolist() == [False]


def test_means_and_peaks_are_told_apart():
    model = red_seeker()
    images = model.read([dotted((0, 0, 1.0)), torch.full((3, 12, 12), 0.5)])
    made = pl.filters(model, "0", [0, 1, 0], images, start="images", steps=1, rate=1e-9, bound="none", transforms="none")
    of_made, of_images = excitements(model, made, images)
    maps = pl.filter_maps(model, images, "0", made.filters.tolist())
    torch.testing.assert_close(of_images.raised, maps.activations.mean((2, 3)))
    torch.testing.assert_close(of_images.peak, maps.peak)
    assert of_made.raised.shape == of_made.peak.shape == (len(made),)
    assert (of_made.peak >= of_made.raised).all()


def test_a_picture_made_for_the_middle_is_measured_there():
    model = red_seeker()
    images = model.read([dotted((0, 0, 1.0))])
    options: dict[str, Any] = {"steps": 20, "parameterisation": "pixel", "transforms": "none", "objective": "neuron"}
    made = pl.filters(model, "0", [0], images, start="images", **options)
    assert pl.beats_images(model, made, images).tolist() == [True]
    assert pl.beats_images(model, made, model.read([dotted((6, 6, 1.0))])).tolist() == [False]


# ------------------------------------------------------------------------------------------------ bad input


def test_bad_input(relu: pl.ImageClassifier):
    images = pictures(relu)
    with pytest.raises(KeyError, match="no layer named 'conv'"):
        pl.filter_maps(relu, images, "conv", 0)
    with pytest.raises(IndexError, match="layer 4 has filters 0 to 9, got 10"):
        pl.strongest_patches(relu, images, "4", [10])
    with pytest.raises(ValueError, match="count=0; ask for at least one patch"):
        pl.strongest_patches(relu, images, "4", [0], count=0)


def test_activations_that_are_not_finite_are_refused():
    class Logarithm(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.log()

    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), Logarithm(), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = wrapped(module, 12)
    with pytest.raises(ValueError, match="layer '2' gives NaN or infinite activations"):
        pl.filter_maps(model, pictures(model), "2", 0)
