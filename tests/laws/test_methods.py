"""Laws that hold for every registered method, whatever it computes. A new method is under them the moment its file exists."""

import hashlib
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import pellucid as pl
from pellucid.stream import bounded, drain
from tests import networks
from tests.conftest import pictures, wrapped

NAMES = list(pl.methods)
CONTROLS = ("random", "edges")
"""They must look wrong: they do not depend on the model, or on anything."""


def quick(name: str) -> dict[str, Any]:
    """Options that keep a law quick: the option that bounds the work is set low; the rest are defaults."""
    few = {"samples": 60, "steps": 12, "window": 4, "stride": 2, "segments": 12}
    return {option: few[option] for option in pl.methods[name].options.model_fields if option in few}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def run(name: str, model: pl.ImageClassifier, images: pl.Images, **options: Any) -> pl.Attribution:
    return pl.explain(model, images, method=name, **{**quick(name), **options})


def assert_same(a: pl.Attribution, b: pl.Attribution) -> None:
    assert torch.equal(a.scores, b.scores)
    assert torch.equal(a.error, b.error)
    assert a.extras.keys() == b.extras.keys()
    assert all(torch.equal(a.extras[k], b.extras[k]) for k in a.extras)


def test_gives_finite_scores_in_the_inputs_shape(name: str, small_network: pl.ImageClassifier) -> None:
    images = pictures(small_network)
    a = run(name, small_network, images)
    batch, channels, height, width = images.features.shape
    assert a.scores.shape in ((batch, channels, height, width), (batch, 1, height, width))
    assert a.map().shape == (batch, height, width)
    assert torch.isfinite(a.scores).all()
    assert torch.isfinite(a.error).all()
    assert (a.error >= 0).all()
    assert a.error.shape == (batch,)
    assert torch.equal(a.target, small_network.logits(images.features).argmax(1))
    assert a.unit
    assert a.method == name
    assert set(a.options) == set(pl.methods[name].options.model_fields)
    assert a.work.fraction == 1


def test_scores_are_not_all_alike(name: str, small_network: pl.ImageClassifier) -> None:
    assert (run(name, small_network, pictures(small_network)).map().flatten(1).std(1) > 0).all()


def test_same_seed_same_bits(name: str, relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    assert_same(run(name, relu, images), run(name, relu, images))


def test_another_seed_another_answer_where_there_is_a_seed(name: str, relu: pl.ImageClassifier) -> None:
    if "seed" not in pl.methods[name].options.model_fields:
        pytest.skip("deterministic")
    random_baseline = {"baseline": "uniform"} if name == "integrated_gradients" else {}
    images = pictures(relu)
    one, other = (run(name, relu, images, seed=seed, **random_baseline) for seed in (0, 1))
    assert not torch.equal(one.scores, other.scores)


def test_an_image_is_explained_alike_alone_and_in_company(name: str, relu: pl.ImageClassifier) -> None:
    images = pictures(relu, 3)
    together = run(name, relu, images)
    for i in range(len(images)):
        alone = run(name, relu, images[i])
        largest = float(together[i].scores.abs().max())
        torch.testing.assert_close(alone.scores, together[i].scores, rtol=1e-4, atol=1e-5 * largest)


def test_the_last_of_the_stream_is_the_call(name: str, relu: pl.ImageClassifier) -> None:
    images, target = pictures(relu), torch.tensor([0, 1, 2])
    answers = list(pl.methods[name].stream(relu, images, target, **quick(name)))
    assert_same(answers[-1], pl.methods[name](relu, images, target, **quick(name)))
    assert [a.step for a in answers] == list(range(1, len(answers) + 1))
    for before, after in itertools.pairwise(answers):
        assert after.work.fraction > before.work.fraction
        assert after.work.forwards >= before.work.forwards
        assert after.work.backwards >= before.work.backwards
    assert all(torch.isfinite(a.scores).all() and a.scores.shape == answers[-1].scores.shape for a in answers)


def test_every_answer_of_the_stream_stays_as_it_was(name: str, relu: pl.ImageClassifier) -> None:
    """A frozen answer may not change when the next one is computed: no shared running sums."""
    kept, copies = [], []
    for a in pl.methods[name].stream(relu, pictures(relu), torch.tensor([0, 1, 2]), **quick(name)):
        kept.append(a)
        copies.append((a.scores.clone(), a.error.clone(), {k: v.clone() for k, v in a.extras.items()}))
    for a, (scores, error, extras) in zip(kept, copies, strict=True):
        assert torch.equal(a.scores, scores)
        assert torch.equal(a.error, error)
        assert all(torch.equal(a.extras[k], extras[k]) for k in extras)


def state(module: torch.nn.Module) -> dict[str, Any]:
    """Everything of a module that a method might touch."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {k: v.clone() for k, v in module.state_dict().items()},
        "grad": {k: None if p.grad is None else p.grad.clone() for k, p in module.named_parameters()},
        "requires_grad": {k: p.requires_grad for k, p in module.named_parameters()},
        "training": {k: m.training for k, m in module.named_modules()},
        "hooks": {k: [len(getattr(m, h)) for h in hooks] for k, m in module.named_modules()},
        "forward": {k: getattr(m.forward, "__func__", None) for k, m in module.named_modules()},
        "types": {k: type(m) for k, m in module.named_modules()},
    }


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    for key in ("requires_grad", "training", "hooks", "forward", "types"):
        assert before[key] == after[key], key
    for key in ("weights", "grad"):
        for k, v in before[key].items():
            assert after[key][k] is None if v is None else torch.equal(v, after[key][k]), f"{key} of {k}"


@pytest.mark.parametrize("ending", ["drained", "closed after the first answer", "the network fails"])
def test_leaves_network_inputs_and_torch_as_they_were(name: str, ending: str) -> None:
    module = networks.seeded(networks.relu_cnn())
    for i, parameter in enumerate(module.parameters()):  # a caller in the middle of something of their own
        parameter.requires_grad_(i % 2 == 0)
        parameter.grad = torch.full_like(parameter, 0.5) if i % 2 == 0 else None
    model = pl.ImageClassifier(module, size=(16, 16))
    images = pictures(model)
    features, pixels, rng, grad_mode = (
        images.features.clone(),
        images.pixels.clone(),
        torch.get_rng_state(),
        torch.is_grad_enabled(),
    )
    before = state(module)
    target = torch.tensor([0, 1, 2])
    stream = pl.methods[name].stream(model, images, target, **quick(name))
    if ending == "drained":
        drain(stream)
    elif ending == "closed after the first answer":
        next(stream)
        assert torch.is_grad_enabled() == grad_mode
        stream.close()
    else:
        handle = module.get_submodule("9").register_forward_pre_hook(_fail)
        if name in CONTROLS:
            drain(stream)
        else:
            with pytest.raises(RuntimeError, match="the network is broken"):
                drain(stream)
        handle.remove()
    assert_unchanged(before, state(module))
    assert torch.equal(images.features, features)
    assert torch.equal(images.pixels, pixels)
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.is_grad_enabled() == grad_mode


def _fail(*_: object) -> None:
    raise RuntimeError("the network is broken")


class Counting(torch.nn.Module):
    """Counts the images that go through."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.images = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.images += len(x)
        return self.inner(x)


def test_cancels_within_one_batch(name: str) -> None:
    counting = Counting(networks.seeded(networks.relu_cnn())).eval()
    model = pl.ImageClassifier(counting, size=(16, 16))
    images = pictures(model, 2)
    counting.images = 0
    seen = []
    target = torch.tensor([0, 1])
    for a in pl.methods[name].stream(model, images, target, **{**quick(name), **most(name)}):
        seen.append((counting.images, a.work.forwards))
        if len(seen) == 4:
            break
    between = [b[0] - a[0] for a, b in itertools.pairwise([(0, 0), *seen])]
    assert max(between) <= 120 * len(images), "too long without an answer: a cancel would have to wait"
    after = counting.images
    assert after == counting.images
    assert seen[-1][1] == pytest.approx(seen[-1][0], abs=len(images)), "the work on record is the work that was done"


def most(name: str) -> dict[str, Any]:
    return {k: 500 for k in ("samples", "steps") if k in pl.methods[name].options.model_fields}


def test_record_round_trip_is_lossless(name: str, relu: pl.ImageClassifier) -> None:
    a = run(name, relu, pictures(relu))
    b = pl.Attribution.from_record(a.to_record())
    assert_same(a, b)
    assert torch.equal(a.target, b.target)
    for field in ("work", "unit", "reduction", "signed", "method", "options", "view", "step", "against", "seed"):
        assert getattr(a, field) == getattr(b, field), field


def test_replay_of_a_record_reproduces_it_wherever_the_stream_was_left(name: str, relu: pl.ImageClassifier) -> None:
    images = pictures(relu)
    stream = pl.explain_stream(relu, images, method=name, target=[0, 1, 2], **quick(name))
    first = drain(bounded(stream, steps=1))
    record = pl.Record.from_bytes(pl.record(relu, images, first).to_bytes())
    again = pl.replay(record, relu)
    assert again.identical
    assert again.verdict == "Reproduced: every score has the same bits."


def test_against_explains_the_difference_of_two_logits(name: str, relu: pl.ImageClassifier) -> None:
    a = run(name, relu, pictures(relu), target=0, against=1)
    assert a.against == 1
    if name not in CONTROLS:
        plain = run(name, relu, pictures(relu), target=0, **({"output": "logit"} if "output" in a.options else {}))
        assert not torch.equal(a.scores, plain.scores)


def test_presets_are_valid_and_run(name: str, relu: pl.ImageClassifier) -> None:
    for preset, meaning in pl.methods[name].presets.items():
        few: dict[str, Any] = {"samples": 20} if "samples" in pl.methods[name].options.model_fields else {}
        a = pl.explain(relu, pictures(relu), method=name, preset=preset, **few)
        assert torch.isfinite(a.scores).all()
        assert a.view == dict(meaning.view)
        assert meaning.description


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_switched_off(name: str, mode: Any, relu: pl.ImageClassifier) -> None:
    usual = run(name, relu, pictures(relu))
    with mode():
        a = run(name, relu, pictures(relu))
    assert torch.equal(a.scores, usual.scores)


def unusual_networks() -> Iterator[Any]:
    one_channel = torch.nn.Sequential(
        torch.nn.ReLU(inplace=True),
        torch.nn.Conv2d(1, 6, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 14 * 22, 3),
    )
    yield pytest.param(
        one_channel, {"size": (16, 24), "mean": (0.4,), "std": (0.3,)}, id="one channel, not square, begins in place"
    )
    yield pytest.param(networks.relu_cnn().double(), {"size": (16, 16)}, id="float64")
    yield pytest.param(networks.Residual(), {"size": (16, 16)}, id="reused activation")


@pytest.mark.parametrize(("module", "reading"), list(unusual_networks()))
def test_works_on_unusual_networks(name: str, module: torch.nn.Module, reading: dict[str, Any]) -> None:
    model = pl.ImageClassifier(networks.seeded(module), **reading)
    images = model.read(pictures(wrapped(networks.relu_cnn()), 2).pixels.numpy())
    a = run(name, model, images)
    assert a.scores.shape[2:] == model.size
    assert torch.isfinite(a.scores).all()


def test_refuses_a_network_in_training_mode(name: str) -> None:
    module = networks.seeded(networks.relu_cnn())
    model = pl.ImageClassifier(module, size=(16, 16))
    module.get_submodule("1").train()
    with pytest.raises(ValueError, match=r"the network is in training mode \(1\): call module\.eval\(\) first"):
        run(name, model, pictures(model))


def test_names_the_option_it_does_not_have(name: str, relu: pl.ImageClassifier) -> None:
    with pytest.raises(TypeError, match="smaples"):
        run(name, relu, pictures(relu), smaples=3)


def test_is_documented(name: str) -> None:
    method = pl.methods[name]
    doc = sys.modules[method.__module__].__doc__ or ""
    assert re.search(r"https://(arxiv\.org|doi\.org|proceedings\.)", doc), (
        "the file's first lines name the paper and its address"
    )
    assert (method.__doc__ or "").strip()
    for option, field in method.options.model_fields.items():
        assert field.description, option


IN_ANOTHER_PROCESS = """
import hashlib, sys, pellucid as pl
from tests.laws.test_methods import digest
print(*(digest(name) for name in sys.argv[1:]))
"""


def digest(name: str) -> str:
    model = wrapped(networks.relu_cnn())
    return hashlib.sha256(run(name, model, pictures(model)).scores.numpy().tobytes()).hexdigest()


def test_same_bits_in_another_process() -> None:
    command = [sys.executable, "-c", "import tests.conftest\n" + IN_ANOTHER_PROCESS, *NAMES]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(NAMES, out, strict=True)) == {name: digest(name) for name in NAMES}


def test_completeness_where_it_is_claimed(name: str, small_network: pl.ImageClassifier) -> None:
    """A method that tells the change of the output accounts for it by the sum of its scores, up to the gap that it reports."""
    a = run(name, small_network, pictures(small_network))
    if "change" not in a.extras:
        pytest.skip("claims no completeness")
    gap = (a.scores.flatten(1).sum(1) - a.extras["change"]).abs()
    torch.testing.assert_close(gap, a.error * a.extras["change"].abs(), rtol=1e-2, atol=1e-5)


def test_the_error_estimate_is_honest(name: str, small_network: pl.ImageClassifier) -> None:
    """An estimate from samples is that of the distance to many more; what needs none is finished, and says 0 or its gap."""
    images = pictures(small_network)
    if "samples" not in pl.methods[name].options.model_fields:
        a = run(name, small_network, images)
        assert (a.error == 0).all() or "change" in a.extras
        return
    many = run(name, small_network, images, samples=4000, seed=1).scores.flatten(1)
    few = [run(name, small_network, images, samples=100, seed=seed) for seed in (2, 3, 4)]
    apart = torch.stack([(a.scores.flatten(1) - many).norm(dim=1) / many.norm(dim=1) for a in few])
    said = torch.stack([a.error for a in few])
    ratio = said.pow(2).mean().sqrt() / apart.pow(2).mean().sqrt()
    assert 0.5 < ratio < 2
