from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.inputs.perturb import Hide, fill
from pellucid.methods.kernel_shap import kernel_shap
from pellucid.registry import Contradiction
from pellucid.shapley import Sums, dealt, shapley_kernel
from tests.conftest import pictures

COARSE: dict[str, Any] = {"segmentation": "grid", "segments": 16}
FEW: dict[str, Any] = {"segmentation": "grid", "segments": 6}


# ------------------------------------------------------------------------------------------------------- closed form


@pytest.mark.parametrize("hide", ["mean", "black", "blur"])
@pytest.mark.parametrize("grid", [FEW, COARSE], ids=["every subset", "drawn"])
def test_equals_the_closed_form_on_a_linear_model(linear: pl.ImageClassifier, hide: Hide, grid: dict[str, Any]) -> None:
    images, target = pictures(linear), torch.tensor([0, 1, 2])
    a = kernel_shap(linear, images, target, output="logit", hide=hide, samples=300, **grid)
    for i in range(len(images)):
        lost = images.features[i] - fill(images[i], a.segments[i], hide)
        effect = (linear.module.weight(target[i : i + 1])[0] * lost).sum(0)  # pyright: ignore[reportCallIssue]
        expected = torch.zeros(grid["segments"]).index_add(0, a.segments[i].flatten(), effect.flatten())
        torch.testing.assert_close(a.segment_weights[i], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.scores[i, 0], expected[a.segments[i]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a.fit, torch.ones(3), rtol=0, atol=1e-6)
    assert a.error.max() < 1e-3
    assert a.extras["segment_errors"].max() < 1e-3 * a.segment_weights.abs().max()


def test_a_network_that_answers_always_the_same_gets_no_values_and_no_error() -> None:
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 2.0]]).expand(len(x), 2)

    model = pl.ImageClassifier(Same().eval(), size=(16, 16))
    a = pl.explain(model, pictures(model), method="kernel_shap", samples=100, **COARSE)
    for values in (a.scores, a.error, a.fit, a.extras["segment_errors"], a.extras["total"]):
        assert torch.equal(values, torch.zeros_like(values))


def test_the_kernel_is_that_of_theorem_2() -> None:
    n = 7
    expected = [0.0, *((n - 1) / (comb(n, s) * s * (n - s)) for s in range(1, n)), 0.0]
    np.testing.assert_allclose(shapley_kernel(n).numpy(), expected)


# ------------------------------------------------------------------------------------------------------- slow replica


def shapley_by_definition(value: dict[frozenset[int], np.ndarray], players: int) -> np.ndarray:
    """The mean of what each adds, over all orders: equation 4."""
    everybody = set(range(players))
    found = []
    for one in range(players):
        others = sorted(everybody - {one})
        shares = [
            (value[frozenset(some) | {one}] - value[frozenset(some)]) / (players * comb(players - 1, size))
            for size in range(players) for some in combinations(others, size)
        ]  # fmt: skip
        found.append(np.sum(shares, 0))
    return np.stack(found, -1)


def asked(model: pl.ImageClassifier, image: pl.Images, segments: torch.Tensor, target: int, output: Any) -> dict[Any, Any]:
    """What the network says of every subset, each copy made by hand."""
    players = int(segments.max()) + 1
    hidden = torch.stack([image.features[0, :, segments == s].mean(1) for s in range(players)], 1)[:, segments]
    subsets = [frozenset(some) for size in range(players + 1) for some in combinations(range(players), size)]
    shown = [torch.tensor([s in some for s in range(players)]) for some in subsets]
    batch = torch.stack([torch.where(row[segments], image.features[0], hidden) for row in shown])
    values = model.values(batch, torch.full((len(batch),), target), output).double().numpy()
    return dict(zip(subsets, values, strict=True))


@pytest.mark.parametrize("output", ["probability", "logit"])
def test_of_few_superpixels_the_values_are_those_of_the_definition(small_network: pl.ImageClassifier, output: Any) -> None:
    images, target = pictures(small_network, 2), torch.tensor([1, 3])
    a = kernel_shap(small_network, images, target, output=output, samples=64, **FEW)
    for i in range(2):
        value = asked(small_network, images[i], a.segments[i], int(target[i]), output)
        expected = shapley_by_definition(value, 6)
        np.testing.assert_allclose(a.segment_weights[i].numpy(), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        total = value[frozenset(range(6))] - value[frozenset()]
        assert float(a.extras["total"][i]) == pytest.approx(total, rel=1e-4, abs=1e-6)
    assert torch.equal(a.error, torch.zeros(2))
    assert a.work.forwards == 2 * 64


def test_drawn_subsets_come_near_them_and_say_how_near(small_network: pl.ImageClassifier) -> None:
    """Of six superpixels, as if there were too many to ask about all subsets."""
    image = pictures(small_network, 1)
    exact = kernel_shap(small_network, image, torch.tensor([1]), output="logit", samples=64, **FEW)
    value = asked(small_network, image, exact.segments[0], 1, "logit")
    off, claimed = [], []
    for seed in range(60):
        signs = torch.stack([*islice(dealt(6, torch.Generator().manual_seed(seed)), 100)])
        one, other = (np.array([value[frozenset(row.nonzero()[:, 0].tolist())] for row in rows]) for rows in (signs, ~signs))
        sums = Sums(6, 1)
        difference = torch.from_numpy(one - other)[:, None]
        sums.add(2 * signs.double() - 1, difference, torch.ones(100, dtype=torch.float64))
        found = sums.values(exact.extras["total"].double())
        assert float(found.values.sum()) == pytest.approx(float(exact.extras["total"]), rel=1e-6)
        off.append(float((found.values[:, 0] - exact.segment_weights[0]).norm() / exact.segment_weights[0].norm()))
        claimed.append(float(found.error))
    assert np.mean(np.array(off) <= 1.25 * np.array(claimed)) >= 0.9
    assert np.median(claimed) < 2 * np.median(off)


def test_subsets_come_as_often_as_the_kernel_weighs_them() -> None:
    n, count = 5, 20_000
    drawn = torch.stack([*islice(dealt(n, torch.Generator().manual_seed(0)), count)])
    assert drawn.any(1).all()
    sizes = torch.bincount(drawn.sum(1), minlength=n)[1:]
    share = torch.tensor([comb(n, s) * float(shapley_kernel(n)[s]) for s in range(1, n)])
    pairs = torch.tensor([share[0] + share[3], share[1] + share[2]]) / share.sum()
    torch.testing.assert_close(sizes[:2] / count, pairs, rtol=0, atol=0.002)
    assert sizes[2:].sum() == 0
    # of one size, each subset as often as another
    kinds = torch.unique(drawn[drawn.sum(1) == 2], dim=0, return_counts=True)[1]
    assert len(kinds) == comb(n, 2)
    assert kinds.max() < 1.2 * kinds.min()


# --------------------------------------------------------------------------------------------------------- as a method


def test_at_every_answer_the_values_add_up_to_what_showing_the_image_does(relu: pl.ImageClassifier) -> None:
    images, target = pictures(relu), torch.tensor([0, 1, 2])
    answers = list(kernel_shap.stream(relu, images, target, output="logit", samples=60, **COARSE))
    assert len(answers) > 1
    for a in answers:
        hidden = torch.stack([fill(images[i], a.segments[i], "mean") for i in range(3)])
        total = relu.values(images.features, target) - relu.values(hidden, target)
        torch.testing.assert_close(a.extras["total"], total, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.segment_weights.sum(1), total, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.extras["prediction"], relu.values(images.features, target))


def test_a_superpixel_that_changes_nothing_gets_nothing_of_every_subset(relu: pl.ImageClassifier) -> None:
    """The dummy axiom: where hiding shows the same, nothing can have come of it."""
    image = pictures(relu, 1)
    flat = image.features.clone()
    flat[0, :, :8, :6] = 0.25
    a = kernel_shap(relu, pl.Images(flat, image.pixels, image.names, image.sources, image.mean, image.std),
                    torch.tensor([1]), samples=64, **FEW)  # fmt: skip
    same = int(a.segments[0, 0, 0])
    assert torch.equal(a.segments[0] == same, torch.arange(16)[:, None].lt(8) & torch.arange(16).lt(6))
    assert abs(float(a.segment_weights[0, same])) < 1e-6


def test_images_with_different_numbers_of_superpixels_are_as_they_are_alone(relu: pl.ImageClassifier) -> None:
    """Of one all subsets are asked, which is over before the other's are drawn."""
    images = pictures(relu, 2)
    images.pixels[0, :, :8], images.pixels[0, :, 8:] = 0, 255
    options: dict[str, Any] = {"segmentation": "felzenszwalb", "min_size": 4, "scale": 1.0, "sigma": 0.0, "samples": 60}
    together = pl.explain(relu, images, method="kernel_shap", **options)
    counts = [int(labels.max()) + 1 for labels in together.segments]
    assert counts[0] == 2
    assert counts[1] > 8
    for i in range(2):
        alone = pl.explain(relu, images[i], method="kernel_shap", **options)
        torch.testing.assert_close(alone.scores, together[i].scores, rtol=1e-4, atol=1e-6)
        assert bool(alone.error == 0) == (i == 0)
    assert together.work.fraction == 1


def test_of_more_samples_than_there_are_subsets_only_those_are_asked(relu: pl.ImageClassifier) -> None:
    a = pl.explain(relu, pictures(relu, 1), method="kernel_shap", samples=5000, **FEW)
    assert a.work.forwards == 64
    assert a.work.fraction == 1


def test_a_tolerance_stops_it(relu: pl.ImageClassifier) -> None:
    a = pl.explain(relu, pictures(relu), method="kernel_shap", tolerance=0.2, **COARSE)
    assert a.worst_error < 0.2
    assert a.work.fraction < 1


def test_its_unit_is_that_of_what_is_watched_and_against_another_class_logits(relu: pl.ImageClassifier) -> None:
    image = pictures(relu, 1)
    assert pl.explain(relu, image, method="kernel_shap", samples=20, **COARSE).unit == "probability per superpixel"
    rather = pl.explain(relu, image, method="kernel_shap", samples=256, target=0, against=1, **FEW)
    assert rather.unit == "logit per superpixel"
    one, other = (pl.explain(relu, image, method="kernel_shap", samples=256, target=t, output="logit", **FEW) for t in (0, 1))
    torch.testing.assert_close(rather.scores, one.scores - other.scores, rtol=1e-4, atol=1e-5)


def test_one_superpixel_is_refused(relu: pl.ImageClassifier) -> None:
    with pytest.raises(Contradiction, match=r"kernel_shap: segments=1: with one superpixel there is nothing to compare"):
        pl.explain(relu, pictures(relu, 1), method="kernel_shap", segments=1)


def test_of_few_superpixels_early_values_are_of_all_alike(relu: pl.ImageClassifier) -> None:
    first, *_, last = kernel_shap.stream(
        relu, pictures(relu, 1), torch.tensor([1]), samples=600, segmentation="grid", segments=9
    )
    assert first.work.fraction < 0.1
    assert float(first.error) > 0
    assert float(last.error) == 0
    shares = (first.segment_weights[0] - first.extras["total"] / 9).abs()
    assert shares.min() > 0, "the subsets that were asked first are not of the first superpixels alone"


def test_exact_values_are_asked_in_float32(relu: pl.ImageClassifier) -> None:
    pytest.importorskip("openvino")
    image = pictures(relu, 1)
    plain, quick = (
        pl.explain(model, image, method="kernel_shap", samples=600, segmentation="grid", segments=9, output="logit")
        for model in (relu, relu.on("openvino"))
    )
    assert "bfloat16" not in quick.notes["engine"]
    torch.testing.assert_close(quick.scores, plain.scores, rtol=1e-3, atol=1e-5)
