import pytest
import torch

import pellucid as pl
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures
from tests.networks import Linear

input_x_gradient = pl.methods["input_x_gradient"]
TARGET = torch.tensor([2, 0, 1])


def test_is_weight_times_input_on_a_linear_model(linear: ImageClassifier) -> None:
    assert isinstance(linear.module, Linear)
    images = pictures(linear)
    a = input_x_gradient(linear, images, TARGET)
    torch.testing.assert_close(a.scores, images.features * linear.module.weight(TARGET))
    torch.testing.assert_close(a.map().sum((1, 2)), linear.values(images.features, TARGET) - linear.module.fc.bias[TARGET])
    assert (a.unit, a.signed, a.error.tolist()) == ("logit", True, [0, 0, 0])


@pytest.mark.parametrize("output", ["logit", "probability", "loss"])
def test_is_the_input_times_the_saliency(small_network: ImageClassifier, output: str) -> None:
    images = pictures(small_network)
    gradient = pl.methods["saliency"](small_network, images, TARGET, output=output).scores
    a = input_x_gradient(small_network, images, TARGET, output=output)
    assert torch.equal(a.scores, images.features * gradient)
    assert a.unit == output


def test_mean_colour_scores_nothing(smooth: ImageClassifier) -> None:
    features = pictures(smooth, 1).features.clone()
    features[:, :, 4:8] = 0
    a = input_x_gradient(smooth, smooth.from_features(features), torch.tensor([0]))
    assert (a.scores[:, :, 4:8] == 0).all()
    assert (a.scores[:, :, 8:] != 0).any()


def test_refuses_an_output_that_does_not_exist(linear: ImageClassifier) -> None:
    with pytest.raises(ValueError, match=r"input_x_gradient: output='logits': Input should be 'logit'"):
        input_x_gradient(linear, pictures(linear), TARGET, output="logits")
