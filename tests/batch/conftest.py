"""Pictures whose maps are known, and a network that explains them in closed form."""

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from tests import networks


@pytest.fixture
def pictures(tmp_path):
    """A folder of five pictures of 8 x 8, which the linear network reads as they are, of other colours each."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    for number, value in enumerate(values):
        Image.fromarray(value).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def network() -> pl.ImageClassifier:
    return pl.ImageClassifier(networks.seeded(networks.Linear(8)), size=(8, 8), labels=["cat", "dog", "emu"], name="line")


def saliency(network: pl.ImageClassifier, target: int, against: int | None = None) -> np.ndarray:
    """The map of a linear network, whatever the picture: the largest magnitude of the three channels' weights."""
    weights = network.module.weight(torch.arange(3))  # pyright: ignore[reportCallIssue]
    asked = weights[target] if against is None else weights[target] - weights[against]
    return asked.abs().amax(0).numpy()
