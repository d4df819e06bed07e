"""The adapter: reading, asking, naming classes and layers, and every network that does not fit."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.inputs.photograph import photographs
from pellucid.models.hooks import captured, find_module, run_to
from tests import networks
from tests.conftest import pictures, wrapped


def test_reads_and_gives_back_the_pixels() -> None:
    model = wrapped(networks.relu_cnn())
    images = pictures(model, 2)
    values = images.displayed(images.features)
    torch.testing.assert_close(values, images.pixels.movedim(-1, 1) / 255)
    torch.testing.assert_close(images.normalise(values), images.features)
    assert images.names == ("tensor", "tensor")
    assert len(images[0]) == len(images[-1]) == 1
    with pytest.raises(IndexError, match="no image 2 in a batch of 2"):
        images[2]


def test_the_central_crop_is_cut_before_resizing() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 50:150] = 255  # just what a crop of the whole short side keeps
    module = networks.seeded(networks.relu_cnn())
    assert pl.ImageClassifier(module, size=(16, 16)).read(picture).pixels[:, 1:-1, 1:-1].min() > 250
    assert pl.ImageClassifier(module, size=(16, 16), fit="squash").read(picture).pixels.min() == 0
    half = np.zeros((100, 100, 3), np.uint8)
    half[25:75, 25:75] = 255
    assert pl.ImageClassifier(module, size=(16, 16), crop=0.5).read(half).pixels[:, 1:-1, 1:-1].min() > 250


def test_a_picture_of_which_little_is_seen_is_noted() -> None:
    module = networks.seeded(networks.relu_cnn())
    panorama = np.zeros((80, 3000, 3), np.uint8)
    with pytest.warns(pl.ImageWarning, match=r"\(3000 x 80 px\) the network sees the central 80 x 80, 3% of it; .*squash"):
        pl.ImageClassifier(module, size=(16, 16)).read(panorama)
    pl.ImageClassifier(module, size=(16, 16), fit="squash").read(panorama)  # a warning is an error here
    pl.ImageClassifier(module, size=(16, 16), crop=0.875).read(np.zeros((90, 160, 3), np.uint8))


def test_a_tensor_of_the_networks_size_is_taken_as_it_is() -> None:
    model = pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16), crop=0.5)
    values = torch.rand(3, 16, 16)
    torch.testing.assert_close(model.read(values).features[0], (values * 255).round() / 255)


def test_imagenet_names_at_least_36_of_the_photographs_at_first_place(imagenet: pl.ImageClassifier) -> None:
    rows = [row for row in photographs() if row["imagenet_ok"]]
    predicted = imagenet.predict(imagenet.read([row["path"] for row in rows]), top=1)
    right = [p[0].label in row["imagenet_ok"].split("|") for p, row in zip(predicted, rows, strict=True)]
    assert len(rows) == 39
    assert sum(right) >= 36


def test_imagenet_gives_the_probabilities_of_the_manifest(imagenet: pl.ImageClassifier) -> None:
    rows = photographs()[:10]
    for row, predictions in zip(rows, imagenet.predict(imagenet.read([row["path"] for row in rows])), strict=True):
        assert predictions[0].label == row["top1"]
        assert predictions[0].probability == pytest.approx(float(row["top1_p"]), abs=2e-3)
        assert [p.probability for p in predictions] == sorted((p.probability for p in predictions), reverse=True)


def test_values_are_what_their_names_say(relu: pl.ImageClassifier) -> None:
    images, target = pictures(relu), torch.tensor([0, 1, 2])
    logits = relu.logits(images.features)
    rows = torch.arange(3)
    torch.testing.assert_close(relu.values(images.features, target), logits[rows, target])
    torch.testing.assert_close(relu.values(images.features, target, "probability"), logits.softmax(1)[rows, target])
    torch.testing.assert_close(relu.values(images.features, target, "log_probability"), logits.log_softmax(1)[rows, target])
    torch.testing.assert_close(
        relu.values(images.features, target, "loss"), nn.functional.cross_entropy(logits, target, reduction="none")
    )


@pytest.mark.parametrize("of", ["logit", "log_probability", "probability", "loss"])
def test_gradients_are_autograds_own(relu: pl.ImageClassifier, of: str) -> None:
    images, target = pictures(relu, 13), torch.arange(13) % 5
    leaf = images.features.clone().requires_grad_()
    logits = relu.module(leaf.clone())
    value = {
        "logit": logits, "log_probability": logits.log_softmax(1), "probability": logits.softmax(1),
        "loss": -logits.log_softmax(1),
    }[of][torch.arange(13), target]  # fmt: skip
    (expected,) = torch.autograd.grad(value.sum(), leaf)
    values, gradients = relu.gradients(images.features, target, of)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(values, value.detach())
    torch.testing.assert_close(gradients, expected)


def test_rather_than_measures_every_logit_against_a_class(relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    logits = relu.logits(images.features)
    torch.testing.assert_close(relu.rather_than("3").logits(images.features), logits - logits[:, 3:4])
    assert relu.rather_than(None) is relu
    assert relu.rather_than(3).predict(images)[0][0] == relu.predict(images)[0][0], "the prediction itself is not a contrast"


def test_targets_by_label_number_list_or_prediction() -> None:
    model = pl.ImageClassifier(networks.seeded(networks.relu_cnn(3)), size=(16, 16), labels=["cat", "Dog", "dog house"])
    images = model.read([torch.rand(3, 16, 16)] * 2)
    assert model.targets(images, "dog").tolist() == [1, 1]
    assert model.targets(images, 2).tolist() == [2, 2]
    assert model.targets(images, ["cat", 1]).tolist() == [0, 1]
    assert model.targets(images, torch.tensor([2, 0])).tolist() == [2, 0]
    assert torch.equal(model.targets(images), model.logits(images.features).argmax(1))


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("dig", KeyError, r"no class named 'dig' \(did you mean 'Dog'\?\); known: cat, Dog, crane, crane"),
        ("crane", KeyError, "2 classes are called 'crane': give the number, 2 or 3"),
        (4, IndexError, "no class 4; the network has 4, from 0"),
        (-1, IndexError, "no class -1"),
        (["cat"], ValueError, "1 targets for 2 images; give one, or one an image"),
    ],
)
def test_a_class_that_does_not_exist_is_named(target: str, error: type[Exception], message: str) -> None:
    model = pl.ImageClassifier(networks.seeded(networks.relu_cnn(4)), size=(16, 16), labels=["cat", "Dog", "crane", "crane"])
    with pytest.raises(error, match=message):
        model.targets(model.read([torch.rand(3, 16, 16)] * 2), target)


@pytest.mark.usefixtures("unchecked")
def test_a_dictionary_of_labels_is_read_by_its_numbers() -> None:
    module = networks.seeded(networks.relu_cnn(3))
    for keys in ((2, 0, 1), ("2", "0", "1")):  # as transformers has them, and as JSON keeps them
        labels: Any = dict(zip(keys, ("cow", "cat", "dog"), strict=True))
        assert pl.ImageClassifier(module, size=(16, 16), labels=labels).labels == ("cat", "dog", "cow")


class Always(nn.Module):
    """Answers the same, whatever it sees."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: torch.Tensor) -> object:
        return self.answer(x) if callable(self.answer) else self.answer


REFUSED = {
    "not a module": (lambda x: x, {}, TypeError, "module is a function; expected a torch.nn.Module from images to logits"),
    "a feature map": (
        Always(lambda x: x),
        {},
        ValueError,
        r"the network gave shape \(1, 3, 16, 16\); expected logits with the axes batch",
    ),
    "a tuple": (Always((1, 2)), {}, ValueError, "the network gave a tuple; expected logits"),
    "a dictionary": (
        Always(lambda x: {"out": x.flatten(1)}),
        {},
        ValueError,
        "the network gave a dict; expected logits .* wrap the network in a module that returns them alone",
    ),
    "NaN": (
        Always(lambda x: torch.full((len(x), 3), torch.nan)),
        {},
        ValueError,
        "NaN or infinite logits for image 0 of its batch",
    ),
    "infinite": (Always(lambda x: torch.full((len(x), 3), torch.inf)), {}, ValueError, "NaN or infinite logits"),
    "too few labels": (networks.relu_cnn(3), {"labels": ["a"]}, ValueError, "1 labels for a network with 3 logits"),
    "a size of one": (networks.relu_cnn(), {"size": (16,)}, ValueError, r"size=\(16,\); expected \(height, width\)"),
    "std of zero": (networks.relu_cnn(), {"std": (0.0, 1.0, 1.0)}, ValueError, "and std above 0"),
    "bytes": (
        networks.relu_cnn(),
        {"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)},
        ValueError,
        r"mean=\(123\.7, 116\.3, 103\.5\), but pixels go from 0 to 1, not to 255; divide mean and std by 255",
    ),
    "four channels": (networks.relu_cnn(), {"mean": (0.0,) * 4, "std": (1.0,) * 4}, ValueError, "one per channel, 1 or 3"),
    "one logit": (networks.relu_cnn(1), {}, ValueError, r"one logit an image, .* returns torch\.cat\(\[-z, z\], 1\) / 2"),
    "one side": (networks.relu_cnn(), {"size": 16}, TypeError, r"size=16 is one int; expected \(height, width\)"),
    "one mean": (networks.relu_cnn(), {"mean": 0.5}, TypeError, r"mean=0\.5 is one float; expected one value per channel"),
    "another size": (networks.Linear(8), {}, ValueError, "the network cannot read 1 x 3 x 16 x 16 .* give size="),
    "another depth": (
        networks.relu_cnn(),
        {"mean": (0.0,), "std": (1.0,)},
        ValueError,
        "cannot read 1 x 1 x 16 x 16 .* 1 value of mean .* RuntimeError",
    ),
    "labels of names": (networks.relu_cnn(2), {"labels": {"a": 0, "b": 1}}, TypeError, "a dictionary without 0 among its keys"),
    "labels of numbers": (networks.relu_cnn(2), {"labels": [0, 1]}, TypeError, r"labels\[0\] is 0; expected a name"),
    "labels of nothing": (networks.relu_cnn(2), {"labels": None}, TypeError, "labels=None is one NoneType; expected a list of"),
    "size of nothing": (
        networks.relu_cnn(2),
        {"size": None},
        TypeError,
        r"size=None is one NoneType; expected \(height, width\)",
    ),
    "labels in one": (networks.relu_cnn(2), {"labels": "ab"}, TypeError, "labels='ab' is one str; expected a list"),
    "crop of zero": (networks.relu_cnn(), {"crop": 0.0}, ValueError, r"crop=0\.0; it is the share of the short side"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", REFUSED)
def test_a_network_that_does_not_fit_is_refused(case: str) -> None:
    module, reading, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        pl.ImageClassifier(module.eval() if isinstance(module, nn.Module) else module, **{"size": (16, 16), **reading})


def test_images_that_were_read_for_another_network_are_refused() -> None:
    module = networks.seeded(networks.relu_cnn())
    model = pl.ImageClassifier(module, size=(16, 16))
    images = model.read(torch.rand(3, 16, 16))
    pl.explain(pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16)), images, method="saliency")
    for other in (pl.ImageClassifier(module, size=(24, 24)), pl.ImageClassifier(module, size=(16, 16), std=(0.5,) * 3)):
        with pytest.raises(ValueError, match=r"^these images were read for another network: size=\(16, 16\), mean=\(0\.0"):
            pl.explain(other, images, method="saliency")


def test_a_network_made_in_inference_mode_is_refused_with_what_would_do() -> None:
    how: Any = {"size": (16, 16), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    with torch.inference_mode():
        made = networks.Linear(16).eval()
        pl.ImageClassifier(made, **how)  # which answers there
    with pytest.raises(ValueError, match=r"^the network was made within torch\.inference_mode\(\).* copy\.deepcopy\(module\)"):
        pl.ImageClassifier(made, **how)
    pl.ImageClassifier(copy.deepcopy(made), **how)


def test_a_network_made_in_inference_mode_answers_there_to_all_that_needs_no_gradient() -> None:
    with torch.inference_mode():
        model = pl.ImageClassifier(networks.seeded(networks.relu_cnn()), size=(16, 16))
        images = model.read(torch.rand(3, 16, 16))
        assert pl.trust(model, images, pl.explain(model, images, method="occlusion")).verdict
        for method in ("saliency", "integrated_gradients", "smoothgrad", "grad_cam"):
            with pytest.raises(ValueError, match=r"^the network was made within torch\.inference_mode\(\)"):
                pl.explain(model, images, method=method)
        with pytest.raises(ValueError, match=r"^the network was made within torch\.inference_mode\(\)"):
            pl.filters(model, model.layers[0].name, [0])


@pytest.mark.usefixtures("unchecked")
def test_what_torch_export_made_is_refused_with_what_would_do() -> None:
    made = torch.export.export(networks.seeded(networks.relu_cnn()), (torch.rand(1, 3, 16, 16),))
    for module in (made, made.module(), nn.Sequential(made.module())):
        with pytest.raises(TypeError, match=r"what torch\.export made .* give the torch\.nn\.Module that it was made of"):
            pl.ImageClassifier(module, size=(16, 16))  # pyright: ignore[reportArgumentType]


def test_a_network_that_ends_in_a_softmax_is_warned_of() -> None:
    module = nn.Sequential(networks.seeded(networks.relu_cnn()), nn.Softmax(1)).eval()
    with pytest.warns(UserWarning, match="seems to end in a softmax; they are taken for logits"):
        pl.ImageClassifier(module, size=(16, 16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_that_ends_in_a_sigmoid_is_warned_of(dtype: torch.dtype) -> None:
    module = nn.Sequential(networks.seeded(networks.relu_cnn()), nn.Sigmoid()).eval().to(dtype).requires_grad_(False)
    with pytest.warns(UserWarning, match=r"ends in a sigmoid; .* return torch\.stack\(\[-z, z\], 1\) / 2"):
        pl.ImageClassifier(module, size=(16, 16))


def test_logits_that_look_like_probabilities_of_an_empty_picture_alone_are_not_warned_of() -> None:
    inner = networks.seeded(networks.relu_cnn(2))
    module = Always(
        lambda x: torch.where(x.abs().amax((1, 2, 3), keepdim=True)[:, 0, 0] > 0, inner(x), torch.tensor([0.0, 1.0]))
    )
    pl.ImageClassifier(module.eval(), size=(16, 16))  # a warning is an error here


class Detached(nn.Module):
    """Runs without gradients, as many an exported network does."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = networks.seeded(networks.relu_cnn())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.inner(x)


def test_a_network_without_gradients_is_explained_by_what_needs_none() -> None:
    model = pl.ImageClassifier(Detached().eval(), size=(16, 16))
    with pytest.raises(ValueError, match=r"gives no gradient: .* torch\.no_grad\(\) .* lime or occlusion"):
        pl.explain(model, torch.rand(3, 16, 16), method="saliency")
    assert pl.explain(model, torch.rand(3, 16, 16), method="occlusion", window=8).scores.any()


class Both(torch.nn.Module):
    """The logits of a network, and those of its quantized twin."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.quantized = networks.relu_cnn(), networks.quantized(networks.relu_cnn().eval())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.plain(x) + self.quantized(x)


@pytest.mark.parametrize("make", [lambda: networks.quantized(networks.relu_cnn().eval()), Both])
@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "grad_cam"])
def test_quantized_layers_have_no_gradient_and_it_is_said_instead_of_a_map_without_their_part(make, prepare, method) -> None:
    model = pl.ImageClassifier(make().eval(), size=(16, 16), prepare=prepare)
    with pytest.raises(
        ValueError, match=r"gives no gradient: .* quantized layers\. .* before it was quantized, .* lime or occlusion"
    ):
        pl.explain(model, torch.rand(3, 16, 16), method=method)
    assert pl.explain(model, torch.rand(3, 16, 16), method="occlusion", window=8).scores.any()


class Nothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> None:
        return None


class Cut(torch.nn.Module):
    """Says how to compute its gradient, and gives none."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = networks.relu_cnn()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = Nothing.apply(self.inner(x))
        assert isinstance(logits, torch.Tensor)
        return logits


class Dead(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5].clamp(max=-100) * 0.5


@pytest.mark.parametrize("prepare", [True, False])
def test_no_gradient_is_not_a_gradient_of_zero(prepare: bool) -> None:
    model = pl.ImageClassifier(Cut().eval(), size=(16, 16), prepare=prepare)
    with pytest.raises(ValueError, match=r"gives no gradient: .* lime or occlusion"):
        pl.explain(model, torch.rand(3, 16, 16), method="saliency")
    flat = pl.ImageClassifier(Dead().eval(), size=(16, 16), prepare=prepare)
    assert not pl.explain(flat, torch.rand(3, 16, 16), method="saliency").scores.any()


@pytest.mark.usefixtures("unchecked")
def test_a_bare_module_or_an_encoder_is_no_model_and_the_message_says_what_is(tiny: pl.TextEncoder) -> None:
    module: Any = networks.seeded(networks.relu_cnn())
    with pytest.raises(TypeError, match=r"a Sequential is no name of a model; wrap .*pl\.ImageClassifier\(module"):
        pl.explain(module, torch.rand(3, 16, 16), method="saliency")
    encoder: Any = tiny
    with pytest.raises(TypeError, match=r"a TextEncoder is no name .*pl\.token_scores"):
        pl.explain(encoder, torch.rand(3, 16, 16), method="saliency")


def test_what_explain_reads_its_siblings_read(relu: pl.ImageClassifier) -> None:
    path = pl.observation_paths()[0]
    a = pl.explain(relu, path, method="saliency")
    images = relu.read(path)
    assert relu.predict(path) == relu.predict(images)
    assert pl.record(relu, path, a).to_bytes() == pl.record(relu, images, a).to_bytes()
    assert len(pl.draw(relu, str(path), a).axes) == len(pl.draw(relu, images, a).axes)
    with pytest.raises(ValueError, match="2 images, and an attribution of 1"):
        pl.record(relu, [path, path], a)


def test_a_class_rather_than_itself_is_refused(relu: pl.ImageClassifier) -> None:
    images = pictures(relu, 2)
    with pytest.raises(ValueError, match="target and against are both '3' for image 1: the difference of the two is 0"):
        pl.explain(relu, images, method="saliency", target=[2, 3], against=3)


def test_it_is_shown_in_a_line(relu: pl.ImageClassifier) -> None:
    assert repr(relu) == f"<ImageClassifier {relu.name[:15]}: Sequential, 3 x 16 x 16 to 5 classes>"


def test_a_network_in_training_mode_is_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(768, 2))
    with pytest.raises(ValueError, match=r"in training mode \(Sequential, 0, 1, \.\.\.\): call module\.eval\(\) first"):
        pl.ImageClassifier(module, size=(16, 16))
    assert module.training, "it is the caller's: refused, not changed"


def test_an_object_with_logits_is_welcome() -> None:
    inner = networks.seeded(networks.relu_cnn())
    model = pl.ImageClassifier(Always(lambda x: SimpleNamespace(logits=inner(x))).eval(), size=(16, 16))
    assert len(model.labels) == 5


def test_nan_that_comes_only_with_some_input_is_still_named(relu: pl.ImageClassifier) -> None:
    module = Always(lambda x: torch.where(x.mean((1, 2, 3)) > 0.4, torch.nan, 1.0)[:, None].expand(-1, 2))
    model = pl.ImageClassifier(module.eval(), size=(16, 16))
    with pytest.raises(ValueError, match="for image 1 of its batch; nothing can be explained"):
        pl.explain(model, [torch.zeros(3, 16, 16), torch.ones(3, 16, 16)], method="saliency")


def test_a_gradient_that_is_nan_is_named() -> None:
    model = pl.ImageClassifier(nn.Sequential(nn.Flatten(), Always(lambda x: x[:, :2].sqrt())).eval(), size=(16, 16))
    with pytest.raises(ValueError, match="the gradient of the logit is NaN or infinite"):
        pl.explain(model, torch.zeros(3, 16, 16), method="saliency")


def test_features_of_another_size_or_with_nan_are_refused(relu: pl.ImageClassifier) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3, 8, 8\); expected batch x 3 x 16 x 16"):
        relu.from_features(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="NaN"):
        relu.from_features(torch.full((1, 3, 16, 16), torch.nan))


def test_an_empty_list_is_refused(relu: pl.ImageClassifier) -> None:
    with pytest.raises(ValueError, match="no image to read"):
        relu.read([])


def test_layers_in_the_order_they_finish_with_their_shapes() -> None:
    model = wrapped(networks.Residual())
    layers = {layer.name: layer for layer in model.layers}
    assert list(layers) == ["stem", "act", "depthwise", "norm", "down", "head"]
    assert layers["stem"].shape == (8, 16, 16)
    assert layers["act"].calls == 3
    assert layers["head"].shape == (5,)


def test_an_unknown_layer_is_answered_with_the_near_ones(relu: pl.ImageClassifier) -> None:
    with pytest.raises(KeyError, match=r"no layer named 'stam' \(did you mean 'stem'\?\); known: stem, depthwise"):
        find_module(networks.Residual(), "stam")


def test_the_forward_pass_ends_at_the_layer() -> None:
    module = networks.seeded(networks.relu_cnn())
    module.get_submodule("3").register_forward_pre_hook(lambda *_: pytest.fail("went on"))
    x = torch.rand(2, 3, 16, 16)
    conv, norm = module.get_submodule("0"), module.get_submodule("1")
    torch.testing.assert_close(run_to(module, "1", x), norm(conv(x)))


def test_what_was_captured_survives_an_in_place_relu() -> None:
    module = networks.seeded(networks.relu_cnn())
    x = torch.rand(2, 3, 16, 16)
    with captured(module, ["1"]) as outputs:
        logits = module(x)
    assert outputs["1"].min() < 0
    torch.testing.assert_close(logits, module(x))


def test_a_layer_that_runs_more_than_once_is_not_captured() -> None:
    module = networks.seeded(networks.Residual())
    with captured(module, ["act"]), pytest.raises(ValueError, match="layer 'act' runs more than once in a forward pass"):
        module(torch.rand(1, 3, 16, 16))


def test_the_fingerprint_is_of_weights_and_reading() -> None:
    def made(seed: int = 0, crop: float = 1.0) -> str:
        return pl.ImageClassifier(networks.seeded(networks.relu_cnn(), seed), size=(16, 16), crop=crop).fingerprint

    assert made() == made()
    assert len({made(), made(1), made(0, 0.5)}) == 3
