"""Many images in groups: each is explained as it would be alone, and what was cut short is run again as it was."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest
import torch

import pellucid as pl
from pellucid import groups
from pellucid.again import again
from pellucid.attribution import STEPS, TOGETHER, UNKNOWN
from pellucid.explain import record
from pellucid.pictures.images import columns
from pellucid.replay import replay
from pellucid.stream import drain
from tests.conftest import in_tens, pictures

COUNT, SIZE = 7, 3
QUICK: dict[str, dict[str, Any]] = {
    "lime": {"samples": 120, "segments": 12},
    "kernel_shap": {"samples": 120, "segmentation": "grid", "segments": 16},
    "smoothgrad": {"samples": 24},
    "integrated_gradients": {"steps": 12},
    "occlusion": {"window": 4, "stride": 2},
}


@pytest.fixture
def images(relu: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch) -> pl.Images:
    """Seven, of which three are a group."""
    images = pictures(relu, COUNT)
    monkeypatch.setattr(groups, "BUDGET", groups.SUMS * images.features[:SIZE].nbytes)
    assert groups.group_size(images) == SIZE
    return images


def test_the_size_of_a_group_is_what_the_documentation_says(imagenet: pl.ImageClassifier) -> None:
    assert groups.group_size(pictures(imagenet, 1)) == 22


@pytest.mark.parametrize("name", list(pl.methods))
def test_every_image_is_explained_as_it_would_be_alone(name: str, relu: pl.ImageClassifier, images: pl.Images) -> None:
    options = QUICK.get(name, {})
    joined = pl.explain(relu, images, method=name, **options)
    together = pl.methods[name](relu, images, joined.target, **options)
    assert joined.work == together.work
    assert joined.options == together.options
    assert joined.notes == together.notes
    assert torch.equal(joined.target, relu.logits(images.features).argmax(1))
    assert joined.extras.keys() == together.extras.keys() | {STEPS, TOGETHER}
    for i in range(COUNT):
        alone = pl.explain(relu, images[i], method=name, **options)
        torch.testing.assert_close(joined[i].scores, alone.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(joined[i].error, alone.error, rtol=1e-3, atol=1e-5)
        assert not {STEPS, TOGETHER} & joined[i].extras.keys()
        for key, value in alone.extras.items():
            wide = joined[i].extras[key]
            kept = wide[tuple(slice(side) for side in value.shape)]
            torch.testing.assert_close(kept, value, rtol=1e-3, atol=1e-4)
            assert wide.count_nonzero() == kept.count_nonzero(), "what others have more of is 0"


def test_an_answer_is_about_all_images_and_says_which_have_not_had_their_turn(
    relu: pl.ImageClassifier, images: pl.Images
) -> None:
    fractions = []
    for a in pl.explain_stream(relu, images, method="smoothgrad", samples=40):
        assert a.scores.shape == images.features.shape
        waiting = a.extras[STEPS] == 0
        assert torch.equal(a.error == inf, waiting)
        assert not a.scores[waiting].any()
        assert a.notes.get("unanswered") == (f"{int(waiting.sum())} of {COUNT} images" if waiting.any() else None)
        fractions.append(a.work.fraction)
        assert a.step == len(fractions)
    assert fractions == sorted(fractions)
    assert fractions[0] < SIZE / COUNT
    assert fractions[-1] == pytest.approx(1)


def test_a_tolerance_is_each_groups_own(relu: pl.ImageClassifier, images: pl.Images) -> None:
    a = pl.explain(relu, images, method="smoothgrad", tolerance=0.3)
    assert a.worst_error <= 0.3
    assert len(set(a.extras[STEPS].tolist())) > 1, "the case does not tell groups from the whole"
    for i in range(COUNT):
        assert a[i].step == a.extras[STEPS][i]


def test_a_tolerance_that_was_not_reached_is_noted(relu: pl.ImageClassifier) -> None:
    images = pictures(relu, 2)
    wanted = float(pl.explain(relu, images, method="smoothgrad", samples=10).error.mean())
    a = pl.explain(relu, images, method="smoothgrad", samples=10, tolerance=wanted)
    assert a.error.min() < wanted < a.error.max()
    assert a.notes["tolerance"] == f"{wanted:g} is not reached by the {a.error_name} of 1 of 2 images"
    reached, missed = (a[i] for i in a.error.argsort().tolist())
    assert "tolerance" not in reached.notes
    assert missed.notes["tolerance"] == f"{wanted:g} is not reached by the {a.error_name}"
    assert pl.replay(pl.record(relu, images, a), relu).identical
    one = pl.explain(relu, images[0], method="smoothgrad", samples=2, tolerance=1e-9)
    assert one.notes["tolerance"] == f"1e-09 is not reached by the {one.error_name}"
    assert "tolerance" not in pl.explain(relu, images, method="smoothgrad", tolerance=90.0).notes


@pytest.mark.parametrize("name", ["smoothgrad", "integrated_gradients", "occlusion", "saliency"])
def test_what_was_cut_short_is_run_again_as_it_was(name: str, relu: pl.ImageClassifier, images: pl.Images) -> None:
    a = pl.explain(relu, images, method=name, deadline=1e-9, **QUICK.get(name, {}))
    assert a.extras[STEPS].tolist() == [1] * SIZE + [0] * (COUNT - SIZE), "only the very first answer is waited for"
    assert drain(again(relu, images, a)).scores.equal(a.scores)
    run = replay(record(relu, images, a), model=relu)
    assert run.identical
    assert isinstance(run.attribution, pl.Attribution)
    assert run.attribution.extras[STEPS].equal(a.extras[STEPS])
    assert run.attribution.work == a.work
    never = replay(record(relu, images[COUNT - 1], a[COUNT - 1]), model=relu)
    assert isinstance(never.attribution, pl.Attribution)
    assert never.identical
    assert (never.attribution.step, never.attribution.error.tolist()) == (0, [inf])


def test_of_images_whose_class_was_never_predicted_all_can_be_asked_that_others_can(
    relu: pl.ImageClassifier, images: pl.Images
) -> None:
    a = pl.explain(relu, images, method="saliency", deadline=1e-9)
    predicted = relu.logits(images.features).argmax(1)
    assert a.target.tolist() == [*predicted[:SIZE].tolist(), *[UNKNOWN] * (COUNT - SIZE)]
    last = a[COUNT - 1]
    assert pl.draw(relu, images, a).axes
    assert pl.draw(relu, images[COUNT - 1], last).axes
    assert columns(relu, images, a)[-1].target == relu.labels[int(predicted[-1])]
    assert pl.trust(relu, images, a).evidence[-1].verdict == "has not settled"
    known = replace(a, target=predicted)
    for metric in ("infidelity", "road"):
        found, expected = (pl.measure(relu, images, one, metric=metric) for one in (a, known))
        assert found.values.equal(expected.values)
    with pytest.raises(ValueError, match="target and against are both"):
        pl.explain(relu, images, method="saliency", deadline=1e-9, against=int(predicted[-1]))


@pytest.mark.parametrize("name", list(pl.methods))
def test_under_a_deadline_images_take_turns_and_get_what_they_would_alone(
    name: str, relu: pl.ImageClassifier, images: pl.Images
) -> None:
    model, options = in_tens(relu), QUICK.get(name, {})
    turns: list[list[int]] = []

    def note(a: pl.Attribution) -> None:
        turns.append(a.extras[STEPS][:SIZE].tolist())

    a = pl.explain(model, images, method=name, deadline=1e9, progress=note, **options)
    assert all(max(turn) - min(turn) <= 1 for turn in turns[: max(turns[-1])]), "the images of a group improve together"
    together = [1] * COUNT if pl.methods[name].first > 1 else [SIZE] * (COUNT - 1) + [1]
    assert a.extras[TOGETHER].tolist() == together
    for i in range(COUNT):
        alone = pl.explain(model, images[i], method=name, target=a.target[i : i + 1], **options)
        torch.testing.assert_close(a[i].scores, alone.scores, rtol=1e-4, atol=1e-5)
        assert a[i].step == alone.step
    assert replay(record(model, images, a), model=model).identical


def test_a_tolerance_under_a_deadline_is_each_images_own(relu: pl.ImageClassifier, images: pl.Images) -> None:
    model = in_tens(relu)
    a = pl.explain(model, images, method="smoothgrad", tolerance=0.3, deadline=1e9)
    for i in range(COUNT):
        alone = pl.explain(model, images[i], method="smoothgrad", target=a.target[i : i + 1], tolerance=0.3)
        assert a[i].step == alone.step
        assert a[i].scores.equal(alone.scores)


def test_cancelling_leaves_the_rest_unbegun(relu: pl.ImageClassifier, images: pl.Images) -> None:
    asked = iter([False] * 2 + [True] * 9)
    a = pl.explain(relu, images, method="smoothgrad", samples=64, cancelled=lambda: next(asked))
    assert a.step == 3
    assert a.extras[STEPS].tolist() == [3] * SIZE + [0] * (COUNT - SIZE)
    assert replay(record(relu, images, a), model=relu).identical


def test_options_are_checked_before_any_work(relu: pl.ImageClassifier, images: pl.Images) -> None:
    with pytest.raises(ValueError, match="samples"):
        pl.explain_stream(relu, images, method="smoothgrad", samples=1)


def test_an_error_names_the_picture(relu: pl.ImageClassifier, images: pl.Images) -> None:
    features = images.features.clone()
    features[5] = 0.5
    flat = replace(images, features=features)
    with pytest.raises(ValueError, match=images.names[5]):
        pl.explain(relu, flat, method="smoothgrad", noise_rule="inverse_square")
