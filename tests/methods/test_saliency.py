import pytest
import torch
from torch.nn.functional import cross_entropy

import pellucid as pl
from pellucid.models.image import ImageClassifier
from tests.conftest import pictures, wrapped
from tests.networks import Linear, smooth_cnn

saliency = pl.methods["saliency"]
TARGET = torch.tensor([2, 0, 1])


def test_is_the_weight_of_a_linear_model(linear: ImageClassifier) -> None:
    assert isinstance(linear.module, Linear)
    images = pictures(linear)
    a = saliency(linear, images, TARGET)
    torch.testing.assert_close(a.scores, linear.module.weight(TARGET))
    torch.testing.assert_close(a.map(), linear.module.weight(TARGET).abs().amax(1))
    assert a.unit == "logit per input unit"
    assert a.signed
    assert a.error.tolist() == [0, 0, 0]
    assert (a.work.forwards, a.work.backwards, a.work.fraction) == (3, 3, 1)


@pytest.mark.parametrize(
    ("output", "sign"), [("log_probability", 1.0), ("loss", -1.0)], ids=["log-probability", "cross-entropy loss"]
)
def test_softmax_subtracts_the_expected_weight(linear: ImageClassifier, output: str, sign: float) -> None:
    """d log p_t / dx = w_t - sum_c p_c w_c."""
    assert isinstance(linear.module, Linear)
    images = pictures(linear)
    probabilities = linear.logits(images.features).softmax(1)
    weights = torch.stack([linear.module.weight(torch.tensor(c)) for c in range(3)], 1)[0]
    expected = sign * (weights[TARGET] - torch.einsum("bc,cxyz->bxyz", probabilities, weights))
    torch.testing.assert_close(saliency(linear, images, TARGET, output=output).scores, expected)


def test_course_preset_is_the_magnitude_of_the_loss_gradient(small_network: ImageClassifier) -> None:
    images = pictures(small_network)
    a = pl.explain(small_network, images, method="saliency", target=TARGET, preset="course")
    for i in range(len(images)):
        x = images.features[i : i + 1].clone().requires_grad_()
        cross_entropy(small_network.module(x.clone()), TARGET[i : i + 1]).backward(inputs=[x])
        assert x.grad is not None
        torch.testing.assert_close(a.scores[i], x.grad[0].abs(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(a.map()[i], x.grad[0].abs().max(0).values, rtol=1e-4, atol=1e-6)
    assert a.view == {"scale": "minmax"}
    assert not a.signed


def test_is_the_slope_met_by_small_steps(smooth: ImageClassifier) -> None:
    images = pictures(smooth, 1)
    gradient = saliency(smooth, images, torch.tensor([1])).scores[0]
    module = smooth_cnn().double()
    module.load_state_dict(smooth.module.state_dict())
    for index in [(0, 0, 0), (1, 7, 9), (2, 15, 15)]:
        step = torch.zeros_like(images.features, dtype=torch.float64)
        step[0][index] = 1e-5
        x = images.features.double()
        with torch.no_grad():
            slope = (module(x + step) - module(x - step))[0, 1] / 2e-5
        assert float(gradient[index]) == pytest.approx(float(slope), rel=1e-4)


def test_sees_the_image_it_is_given() -> None:
    model = wrapped(smooth_cnn())
    a = saliency(model, pictures(model, 2), torch.tensor([0, 0]))
    assert not torch.allclose(a.scores[0], a.scores[1], rtol=0.01)


def test_refuses_an_output_that_does_not_exist(linear: ImageClassifier) -> None:
    with pytest.raises(ValueError, match=r"saliency: output='score': Input should be 'logit', 'log_probability'"):
        saliency(linear, pictures(linear), TARGET, output="score")
