import gc
import os
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve whatever runs beside them

import jaxtyping
import pytest
import torch

from tests import shapes

shapes.install()  # before the first module of pellucid

import pellucid as pl  # noqa: E402
from pellucid.cli import keep_freed_memory  # noqa: E402
from pellucid.models.batches import Batches  # noqa: E402
from tests import encoders, networks  # noqa: E402

torch.set_num_threads(1)  # the suite runs one process a core
keep_freed_memory()  # as the commands do: a fifth of the time of large networks' passes went into faulting pages in again
gc.set_threshold(*gc.get_threshold()[:2], 1000)  # a look through all that is imported took a twentieth of the time
for limit in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
    os.environ.setdefault(limit, str(1 << 30))  # the same for notebooks' kernels

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def wrapped(module: torch.nn.Module, side: int = 16) -> pl.ImageClassifier:
    return pl.ImageClassifier(networks.seeded(module), size=(side, side), mean=MEAN, std=STD)


def quick(module: torch.nn.Module) -> pl.ImageClassifier:
    """The same by OpenVINO."""
    return wrapped(module).on("openvino")


def in_tens(model: pl.ImageClassifier, batches: Batches = Batches()) -> pl.ImageClassifier:  # noqa: B008  it is frozen
    """The model with passes of ten images, as large ones are taken; those of these small networks take more."""
    ten = replace(model)
    vars(ten)["batches"] = batches
    assert model.batches.images > Batches().images
    return ten


@pytest.fixture(scope="session")
def linear() -> pl.ImageClassifier:
    return wrapped(networks.Linear(8), 8)


@pytest.fixture(scope="session", params=["smooth", "relu", "residual"])
def small_network(request: pytest.FixtureRequest) -> pl.ImageClassifier:
    """Each of three small networks in turn, 16 x 16."""
    made = {"smooth": networks.smooth_cnn, "relu": networks.relu_cnn, "residual": networks.Residual}
    return wrapped(made[request.param]())


@pytest.fixture(scope="session")
def smooth() -> pl.ImageClassifier:
    return wrapped(networks.smooth_cnn())


@pytest.fixture(scope="session")
def relu() -> pl.ImageClassifier:
    return wrapped(networks.relu_cnn())


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are not checked, as in a user's process: what a wrong type meets there is our own message."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def pictures(model: pl.ImageClassifier, count: int = 3, seed: int = 0) -> pl.Images:
    """Smooth random pictures of the model's size: coarse noise, enlarged."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    values = torch.nn.functional.interpolate(coarse, size=model.size, mode="bilinear", align_corners=True)
    return model.read(list(values.clamp(0, 1)))


@pytest.fixture(scope="session")
def imagenet() -> pl.ImageClassifier:
    return pl.load("imagenet")


@pytest.fixture(scope="session")
def minilm() -> pl.TextEncoder:
    return pl.load("minilm")


@pytest.fixture(scope="session")
def tiny() -> pl.TextEncoder:
    """A BERT of three layers of four heads with random weights, without a head."""
    return encoders.tiny("bert")


@pytest.fixture(scope="session")
def tiny_reader() -> pl.TextEncoder:
    """The same with a question-answering head."""
    return encoders.tiny("bert", "ForQuestionAnswering")


@pytest.fixture(scope="session")
def tiny_guesser() -> pl.TextEncoder:
    """The same with a masked-word head."""
    return encoders.tiny("bert", "ForMaskedLM")
