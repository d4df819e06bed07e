from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.segmentation import slic
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

import pellucid as pl
from pellucid.inputs.designs import drawing
from pellucid.inputs.perturb import Hide, fill
from pellucid.inputs.superpixels import grid
from pellucid.methods.lime import cosine_kernel, lime
from pellucid.methods.superpixel_samples import enough
from pellucid.registry import Contradiction
from tests import networks
from tests.conftest import pictures, wrapped

COARSE: dict[str, Any] = {"segmentation": "grid", "segments": 16}


# ------------------------------------------------------------------------------------------------------- closed form


@pytest.mark.parametrize("hide", ["mean", "black", "blur"])
@pytest.mark.parametrize("design", ["coin", "uniform"])
def test_equals_the_closed_form_on_a_linear_model(linear: pl.ImageClassifier, hide: Hide, design: Any) -> None:
    images, target = pictures(linear), torch.tensor([0, 1, 2])
    a = lime(linear, images, target, output="logit", hide=hide, design=design, alpha=1e-6, samples=200, **COARSE)
    for i in range(len(images)):
        lost = images.features[i] - fill(images[i], a.segments[i], hide)
        effect = (linear.module.weight(target[i : i + 1])[0] * lost).sum(0)  # pyright: ignore[reportCallIssue]
        expected = torch.zeros(16).index_add(0, a.segments[i].flatten(), effect.flatten())
        torch.testing.assert_close(a.segment_weights[i], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.scores[i, 0], expected[a.segments[i]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a.fit, torch.ones(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(a.extras["adjusted_fit"], torch.ones(3), rtol=0, atol=1e-6)
    assert a.extras["segment_errors"].max() < 1e-4 * a.segment_weights.abs().max()
    assert a.error.max() < 1e-4
    torch.testing.assert_close(a.extras["prediction"], linear.values(images.features, target))
    torch.testing.assert_close(a.extras["local_prediction"], a.extras["prediction"], rtol=1e-4, atol=1e-5)
    everything_hidden = torch.stack([fill(images[i], a.segments[i], hide) for i in range(3)])
    torch.testing.assert_close(a.extras["intercept"], linear.values(everything_hidden, target), rtol=1e-4, atol=1e-4)


def test_a_network_that_answers_always_the_same_gets_no_weights_and_no_error() -> None:
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 2.0]]).expand(len(x), 2)

    model = pl.ImageClassifier(Same().eval(), size=(16, 16))
    a = pl.explain(model, pictures(model), method="lime", samples=100)
    for values in (a.scores, a.error, a.fit, a.extras["segment_errors"]):
        assert torch.equal(values, torch.zeros_like(values))


# ------------------------------------------------------------------------------------------------------- slow replica


def replica(
    model: pl.ImageClassifier,
    image: pl.Images,
    segments: torch.Tensor,
    target: int,
    output: Any,
    samples: int,
    design: Any,
    keep: float = 0.7,
) -> tuple[Ridge, float, np.ndarray]:
    """Section 3.3 written out: every mask and image held at once, scikit-learn's ridge."""
    number = int(segments.max()) + 1
    visible = drawing(design, number, keep, 0)(samples)
    visible[0] = True
    hidden = torch.stack([image.features[0, :, segments == s].mean(1) for s in range(number)], 1)[:, segments]
    batch = torch.stack([torch.where(row[segments], image.features[0], hidden) for row in visible])
    values = model.values(batch, torch.full((samples,), target), output).double().numpy()
    masks = visible.double().numpy()
    distance = pairwise_distances(masks, masks[:1], metric="cosine")[:, 0]
    weights = np.sqrt(np.exp(-(distance**2) / 0.25**2))
    fitted = weights * np.r_[float(design != "hadamard"), np.ones(samples - 1)]
    ridge = Ridge(alpha=1.0).fit(masks, values, sample_weight=fitted)
    return ridge, float(ridge.score(masks, values, sample_weight=fitted)), weights


@pytest.mark.parametrize("output", ["probability", "logit"])
@pytest.mark.parametrize(("design", "keep"), [("coin", 0.7), ("uniform", 0.7), ("hadamard", 0.5)])
def test_equals_the_slow_replica(small_network: pl.ImageClassifier, output: Any, design: Any, keep: float) -> None:
    images, target = pictures(small_network, 2), torch.tensor([1, 3])
    a = lime(small_network, images, target, output=output, design=design, keep=keep, samples=130, **COARSE)
    for i in range(2):
        ridge, score, weights = replica(small_network, images[i], a.segments[i], int(target[i]), output, 130, design, keep)
        largest = float(np.abs(ridge.coef_).max())
        np.testing.assert_allclose(a.segment_weights[i].numpy(), ridge.coef_, rtol=1e-4, atol=1e-4 * largest)
        assert float(a.extras["intercept"][i]) == pytest.approx(float(ridge.intercept_), rel=1e-4, abs=1e-4 * largest)
        assert float(a.fit[i]) == pytest.approx(score, abs=1e-4)
        assert float(a.extras["local_prediction"][i]) == pytest.approx(ridge.intercept_ + ridge.coef_.sum(), rel=1e-4)
        low, high = a.extras["kernel_range"][i].tolist()
        assert low == pytest.approx(np.quantile(weights, 0.05, method="inverted_cdf"), rel=1e-5)
        assert high == pytest.approx(np.quantile(weights, 0.95, method="inverted_cdf"), rel=1e-5)


def test_the_course_preset_is_the_classic_settings_written_out() -> None:
    relu = wrapped(networks.relu_cnn(), 40)
    images, target = relu.read("observation:2"), torch.tensor([2])
    a = pl.explain(relu, images, method="lime", preset="course", target=2)
    segments = torch.from_numpy(slic(images.pixels[0].numpy() / 255, n_segments=200, compactness=1, sigma=1, start_label=0))
    assert torch.equal(a.segments[0], segments)
    ridge, score, _ = replica(relu, images, segments, int(target), "logit", 1000, "coin", 0.5)
    np.testing.assert_allclose(a.segment_weights[0].numpy(), ridge.coef_, atol=1e-4 * float(np.abs(ridge.coef_).max()))
    assert float(a.fit) == pytest.approx(score, abs=1e-4)
    assert a.view == {"top": 11, "min_weight": 0.05}
    assert a.unit == "logit per superpixel shown"
    assert a.work.forwards == 1000


def test_standard_errors_equal_the_textbook_formula(relu: pl.ImageClassifier) -> None:
    images = pictures(relu, 1)
    a = lime(relu, images, torch.tensor([0]), samples=80, design="coin", **COARSE)
    visible = drawing("coin", 16, 0.5, 0)(80)
    visible[0] = True
    x = np.hstack([np.ones((80, 1)), visible.numpy()])
    w = np.diag(cosine_kernel(visible.sum(1), 16, 0.25).numpy())
    solve = np.linalg.inv(x.T @ w @ x + np.diag([0.0] + [1.0] * 16)) @ x.T @ w
    hidden = fill(images, a.segments[0], "mean")
    batch = torch.stack([torch.where(row[a.segments[0]], images.features[0], hidden) for row in visible])
    y = relu.values(batch, torch.zeros(80, dtype=torch.int64), "probability").double().numpy()
    rest = np.eye(80) - x @ solve
    noise = (rest @ y) @ w @ (rest @ y) / np.trace(rest.T @ w @ rest)
    expected = np.sqrt(noise * np.diag(solve @ solve.T))[1:]
    np.testing.assert_allclose(a.extras["segment_errors"][0].numpy(), expected, rtol=1e-3)
    variance = np.average((y - np.average(y, weights=np.diag(w))) ** 2, weights=np.diag(w))
    variance /= 1 - (w**2).sum() / w.sum() ** 2
    assert float(a.extras["adjusted_fit"]) == pytest.approx(1 - noise / variance, abs=1e-3)


# ------------------------------------------------------------------------------------------------------- honest errors


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (networks.smooth_cnn, {"design": "coin"}),
        (networks.relu_cnn, {"design": "coin"}),
        (networks.Residual, {"design": "coin", "keep": 0.8, "output": "logit"}),
        (networks.smooth_cnn, {"design": "uniform"}),
    ],
)
def test_error_estimates_are_honest(made: Any, options: dict[str, Any]) -> None:
    """Over 20 seeds: the spread of each weight is its standard error, the distance to the weights of a long run is `error`."""
    model = wrapped(made())
    images = pictures(model, 1)
    target = model.targets(images)
    runs: dict[int, list[pl.Attribution]] = {50: [], 150: []}
    for seed in range(20):
        for a in lime.stream(model, images, target, samples=150, seed=seed, **COARSE, **options):
            if a.work.forwards in runs:
                runs[a.work.forwards].append(a)
    settled = lime(model, images, target, samples=3000, seed=99, **COARSE, **options).segment_weights[0]
    for answers in runs.values():
        weights = torch.stack([a.segment_weights[0] for a in answers])
        said = torch.stack([a.extras["segment_errors"][0] for a in answers]).square().mean(0).sqrt()
        assert 1 / 1.5 < float((said / weights.std(0)).median()) < 1.5
        missed = ((weights - settled).norm(dim=1) / weights.norm(dim=1)).median()
        assert 1 / 1.5 < float(torch.cat([a.error for a in answers]).median() / missed) < 1.5


def test_a_hadamard_design_needs_half_the_samples(relu: pl.ImageClassifier) -> None:
    """Over 12 seeds, with as many samples as a full design has, and its error is no less than it says."""
    images = pictures(relu, 1)
    target = relu.targets(images)
    options: dict[str, Any] = {"segmentation": "grid", "segments": 49, "alpha": 1e-3}
    settled = lime(relu, images, target, samples=20_000, seed=99, **options).segment_weights[0]
    missed: dict[tuple[str, int], float] = {}
    for design, samples in (("hadamard", 128), ("coin", 256)):
        runs = [lime(relu, images, target, samples=samples, design=design, seed=seed, **options) for seed in range(12)]  # pyright: ignore[reportArgumentType]
        off = torch.stack([(a.segment_weights[0] - settled).norm() / settled.norm() for a in runs])
        missed[design, samples] = float(off.median())
        assert missed[design, samples] < 1.2 * float(torch.cat([a.error for a in runs]).median())
    assert missed["hadamard", 128] <= missed["coin", 256]


@pytest.mark.parametrize(("design", "pulled"), [("hadamard", False), ("coin", True)])
def test_a_whole_image_unlike_all_others_does_not_pull_at_the_weights_of_a_design(design: Any, pulled: bool) -> None:
    """A network linear in what is shown, but for the whole image, of which it says something quite else."""
    effects = torch.arange(16.0).sqrt()

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            shown = x[:, 0, ::4, ::4].flatten(1)
            value = shown @ effects + 100 * (shown.min(1).values == 1)
            return torch.stack([value, -value], 1)

    model = pl.ImageClassifier(Odd().eval(), size=(16, 16))
    white = model.read(torch.ones(3, 16, 16))
    a = lime(model, white, torch.tensor([0]), output="logit", hide="black", design=design, alpha=1e-6, samples=60, **COARSE)
    assert (float((a.segment_weights[0] - effects).abs().max()) > 1) == pulled
    assert float(a.extras["prediction"]) == pytest.approx(float(effects.sum()) + 100)


def test_a_tolerance_is_kept(relu: pl.ImageClassifier) -> None:
    a = pl.explain(relu, pictures(relu), method="lime", tolerance=0.1, **COARSE)
    assert a.worst_error <= 0.1
    assert a.work.forwards < 3 * 20_000
    assert a.options["samples"] == 20_000


# ------------------------------------------------------------------------------------------------------- the kernel


@pytest.mark.parametrize(("segments", "low", "high"), [(49, 0.31, 0.70), (196, 0.41, 0.59)])
def test_with_a_fair_coin_the_kernel_fades_as_superpixels_get_finer(
    relu: pl.ImageClassifier, segments: int, low: float, high: float
) -> None:
    a = pl.explain(relu, pictures(relu, 1), method="lime", segmentation="grid", segments=segments)
    assert a.extras["kernel_range"][0].tolist() == pytest.approx([low, high], abs=0.02)


def test_what_we_do_about_it_looks_nearer_the_image(smooth: pl.ImageClassifier) -> None:
    images = pictures(smooth)
    settings: list[dict[str, Any]] = [{}, {"design": "uniform"}, {"design": "coin", "keep": 0.9}]
    usual, uniform, near = (
        pl.explain(smooth, images, method="lime", segmentation="grid", segments=64, **more) for more in settings
    )
    assert uniform.extras["kernel_range"][0].tolist() == pytest.approx([0.01, 1.0], abs=0.02)
    assert near.extras["kernel_range"][0, 0] > 0.9
    off = [(a.extras["local_prediction"] - a.extras["prediction"]).abs().mean() for a in (usual, uniform, near)]
    assert off[1] < off[0]
    assert off[2] < off[0]


def test_cosine_kernel_of_the_paper() -> None:
    kernel = cosine_kernel(torch.tensor([0, 1, 4]), 4, 0.25).tolist()
    assert kernel == pytest.approx([np.exp(-8), np.exp(-2), 1.0])


# ------------------------------------------------------------------------------------------------------- behaviour


def test_images_of_different_numbers_of_superpixels_are_explained_as_each_alone(relu: pl.ImageClassifier) -> None:
    coarse = pictures(relu, 2).pixels.numpy()
    fine = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(5))
    images = relu.read([*coarse, (fine[0] * 255).byte().numpy()])
    options: dict[str, Any] = {"segmentation": "felzenszwalb", "scale": 2.0, "min_size": 4, "sigma": 0.0, "samples": 120}
    together = pl.explain(relu, images, method="lime", **options)
    counts = (together.segments.flatten(1).amax(1) + 1).tolist()
    assert len(set(counts)) > 1
    for i, count in enumerate(counts):
        alone = pl.explain(relu, images[i], method="lime", **options)
        assert alone.segment_weights.shape == (1, count)
        torch.testing.assert_close(together.segment_weights[i, :count], alone.segment_weights[0], rtol=1e-4, atol=1e-6)
        for name in ("segment_weights", "segment_errors"):
            assert not together.extras[name][i, count:].any()
        for name in ("fit", "adjusted_fit", "intercept", "prediction", "local_prediction", "kernel_range"):
            torch.testing.assert_close(together.extras[name][i], alone.extras[name][0], rtol=1e-4, atol=1e-5)


def test_every_fifty_samples_an_answer_that_holds_all_of_them(relu: pl.ImageClassifier) -> None:
    images, target = pictures(relu, 1), torch.tensor([0])
    answers = list(lime.stream(relu, images, target, samples=120, **COARSE))
    assert [a.work.forwards for a in answers] == [50, 100, 120]
    assert [a.work.fraction for a in answers] == pytest.approx([50 / 120, 100 / 120, 1])
    shorter = lime(relu, images, target, samples=100, **COARSE)
    torch.testing.assert_close(answers[1].scores, shorter.scores)
    torch.testing.assert_close(answers[1].error, shorter.error)


@pytest.mark.parametrize(("count", "rows"), [(2, 20), (3, 10), (12, 10)])
def test_several_images_get_their_answers_after_fewer_samples_each(relu: pl.ImageClassifier, count: int, rows: int) -> None:
    images = pictures(relu, count)
    answers = list(lime.stream(relu, images, torch.zeros(count, dtype=torch.long), samples=45, **COARSE))
    assert [a.work.forwards for a in answers] == [count * min(n + rows, 45) for n in range(0, 45, rows)]
    alone = lime(relu, images[1], torch.tensor([0]), samples=45, **COARSE)
    torch.testing.assert_close(answers[-1].scores[1], alone.scores[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("segmentation", ["slic", "quickshift", "felzenszwalb", "grid"])
def test_every_segmentation_gives_a_map_that_is_constant_on_its_superpixels(
    relu: pl.ImageClassifier, segmentation: Any
) -> None:
    finer = {"scale": 5.0, "min_size": 5, "kernel_size": 1.0, "max_dist": 5.0, "sigma": 0.5}
    images = relu.read(pl.observation_paths()[1])
    a = pl.explain(relu, images, method="lime", segmentation=segmentation, samples=50, **finer)
    number = int(a.segments.max()) + 1
    assert a.segment_weights.shape == (1, number)
    assert torch.equal(a.map()[0], a.segment_weights[0][a.segments[0]])


def test_own_label_map_as_a_file_and_from_python(relu: pl.ImageClassifier, tmp_path: Any) -> None:
    labels = grid(16, 16, 9) * 20 + 3
    Image.fromarray(labels.numpy().astype(np.uint8)).save(tmp_path / "map.png")
    images = pictures(relu)
    given = [labels, labels.numpy(), str(tmp_path / "map.png")]
    own = [pl.explain(relu, images, method="lime", segmentation="labels", label_map=m, samples=60) for m in given]
    plain = pl.explain(relu, images, method="lime", segmentation="grid", segments=9, samples=60)
    for a in own:
        assert torch.equal(a.segments, plain.segments)
        assert torch.equal(a.scores, plain.scores)


def test_against_explains_logits(relu: pl.ImageClassifier) -> None:
    assert (
        pl.explain(relu, pictures(relu, 1), method="lime", samples=50, target=0, against=1).unit == "logit per superpixel shown"
    )
    with pytest.raises(ValueError, match="against explains the difference of two logits; output='probability'"):
        pl.explain(relu, pictures(relu, 1), method="lime", output="probability", against=1)


def test_more_superpixels_than_samples_still_gives_finite_answers(relu: pl.ImageClassifier) -> None:
    for alpha in (1e-6, 1.0, 1e6):
        a = pl.explain(
            relu, pictures(relu, 1), method="lime", segmentation="grid", segments=256, samples=10, alpha=alpha, hide="black"
        )
        assert all(torch.isfinite(v).all() for v in (a.scores, a.error, *a.extras.values()))
        assert a.worst_error > 0.9, "ten samples cannot have settled 256 weights"


# ------------------------------------------------------------------------------------------------------- bad input


def test_one_superpixel_names_the_picture_and_the_remedy(relu: pl.ImageClassifier) -> None:
    flat = relu.read(np.full((16, 16, 3), 90, np.uint8))
    with pytest.raises(ValueError, match="felzenszwalb finds 1 superpixel in array; at least 2 are needed: lower scale or min"):
        pl.explain(relu, flat, method="lime", segmentation="felzenszwalb")


def test_label_map_of_another_size_says_both(relu: pl.ImageClassifier) -> None:
    labels = np.arange(16 * 12).reshape(16, 12)
    with pytest.raises(ValueError, match=r"the label map is 16 x 12; expected the network's 16 x 16 \(height x width\)"):
        pl.explain(relu, pictures(relu, 1), method="lime", segmentation="labels", label_map=labels)


def test_label_map_without_its_segmentation(relu: pl.ImageClassifier) -> None:
    with pytest.raises(ValueError, match="label_map is given but segmentation='slic' does not read it"):
        pl.explain(relu, pictures(relu, 1), method="lime", label_map="map.npy")


def test_a_kernel_that_leaves_nothing_to_fit(relu: pl.ImageClassifier) -> None:
    message = (
        "kernel_width=0.05: a sample that shows 50% of the superpixels would weigh 4e-08 and the whole image 1, "
        "so nothing is left to fit; widen the kernel, or set design='uniform', or design='coin' and a higher keep"
    )
    with pytest.raises(ValueError, match=message):
        pl.explain(relu, pictures(relu, 1), method="lime", kernel_width=0.05)
    ways_out: list[dict[str, Any]] = [{"design": "coin", "keep": 0.9}, {"design": "uniform"}]
    for way_out in ways_out:
        a = pl.explain(relu, pictures(relu, 1), method="lime", kernel_width=0.05, samples=100, **COARSE, **way_out)
        assert torch.isfinite(a.scores).all()
        assert torch.isfinite(a.error).all()


@pytest.mark.parametrize(("side", "count"), [(8, 4), (16, 7), (28, 21), (84, 196), (85, 200), (224, 200)])
def test_small_images_are_cut_into_fewer(side: int, count: int) -> None:
    """A superpixel of a few pixels, hidden in its own mean colour, changes next to nothing."""
    assert enough((side, side)) == count
    if side > 28:
        return
    model = wrapped(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * side**2, 2)), side)
    for segmentation in ("grid", "slic"):
        a = pl.explain(model, pictures(model, 1), method="lime", samples=20, segmentation=segmentation)
        assert count / 2 <= int(a.segments.max()) + 1 <= 2 * count
        assert a.notes["segments"] == str(int(a.segments.max()) + 1)
    said = pl.explain(model, pictures(model, 1), method="lime", samples=20, segmentation="grid", segments=12)
    assert int(said.segments.max()) + 1 == 12
    assert "segments" not in said.notes


def test_one_superpixel_is_wrong_for_every_picture(relu: pl.ImageClassifier) -> None:
    with pytest.raises(
        Contradiction, match="segments=1: with one superpixel there is nothing to compare; give 2 or more, or 0"
    ):
        pl.explain(relu, pictures(relu, 1), method="lime", segments=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [("samples", 9), ("segments", 1), ("keep", 1.0), ("alpha", 0.0), ("kernel_width", 0.01), ("hide", "red")],
)
def test_refuses_options_out_of_range(relu: pl.ImageClassifier, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"lime: {option}="):
        pl.explain(relu, pictures(relu, 1), method="lime", **{option: value})


def test_wrong_size_canary() -> None:
    """The suite runs with shapes checked: a mask for another number of pixels does not pass."""
    model = wrapped(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 2)), 8)
    with pytest.raises(Exception, match="segments"):
        fill(pictures(model, 1), torch.zeros(1, 8, 8, dtype=torch.int64), "mean")
