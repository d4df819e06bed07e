"""Against the authors' own package, on the same superpixels."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

import pellucid as pl
from pellucid.inputs.superpixels import Segmentation, superpixels
from pellucid.methods.lime import lime
from tests import networks
from tests.conftest import pictures, wrapped

pytestmark = pytest.mark.filterwarnings("ignore")  # the package is of 2021


def theirs(
    model: pl.ImageClassifier,
    image: pl.Images,
    segments: torch.Tensor,
    target: int,
    samples: int,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[np.ndarray, float]:
    """Weights in the order of the labels, and R2. Labels from 0, without which the package never hides the last superpixel."""
    from lime import lime_image

    monkeypatch.setattr(lime_image, "tqdm", lambda rows: rows)
    explainer: Any = lime_image.LimeImageExplainer(random_state=1)

    def classify(pictures: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(pictures).float().movedim(-1, 1)
        return model.logits(image.normalise(values)).softmax(1).numpy()

    explanation = explainer.explain_instance(
        image.pixels[0].numpy() / 255, classify, labels=(target,), top_labels=None, num_samples=samples,
        segmentation_fn=lambda _: segments.numpy(),
    )  # fmt: skip
    weights = dict(explanation.local_exp[target])
    return np.array([weights[s] for s in range(int(segments.max()) + 1)]), explanation.score


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


@pytest.mark.parametrize("picture", ["small", "photograph"])
def test_agrees_with_the_package_at_5000_samples(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if picture == "small":
        model = wrapped(networks.relu_cnn(), 32)
        image = pictures(model, 1)
    else:
        model = wrapped(networks.Residual(), 48)
        image = model.read("observation:0")
    segments = superpixels(image.pixels, Segmentation(segments=60), image.names)[0]
    target = int(model.targets(image))
    weights, score = theirs(model, image, segments, target, 5000, monkeypatch)
    a = lime(model, image, torch.tensor([target]), segments=60, samples=5000)
    assert torch.equal(a.segments[0], segments)
    ours = a.segment_weights[0].numpy()
    assert len(ours) > 40
    assert rank_correlation(ours, weights) >= 0.9
    assert float(a.fit) == pytest.approx(score, abs=0.02)
    # two runs of different seeds: apart by what our own standard errors say
    apart = np.abs(ours - weights) / (2**0.5 * a.extras["segment_errors"][0].numpy())
    assert 0.4 < np.median(apart) < 1.0  # 0.67 for a normal distribution
