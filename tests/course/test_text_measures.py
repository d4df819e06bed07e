"""Measures of heads, guesses, layers and words on toys whose numbers can be worked out by hand; and their artefacts."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.course.artefacts import BASE, Axis, artefacts
from pellucid.course.artefacts.text import HABITS, words_of
from pellucid.course.measures import NotComputable, measures

GRID = np.arange(6.0).reshape(2, 3) / 10
"""Of two layers of three heads: 0 to 0.5."""
HEADS = {"special": GRID, "previous": GRID[::-1], "entropy": 4 * GRID}
EFFECTS = {"effect": GRID, "attention": GRID[:, ::-1]}


def value(name: str, *given: Any) -> float:
    return measures[name](*given)


# ------------------------------------------------------------------------------------------------ heads


def test_heads_are_counted_as_the_lab_counts_them() -> None:
    assert value("head_share", HEADS, "special", 2, 0) == pytest.approx(0.3)
    assert value("head_share", HEADS, "previous", 2, 0) == 0
    assert value("layer_share", HEADS, "special", 1) == pytest.approx(0.1)
    assert value("head_entropy", HEADS, 2, 2) == pytest.approx(2.0)


@pytest.mark.parametrize("layer", [0, 3, -1])
def test_layer_nought_attends_to_nothing(layer: int) -> None:
    with pytest.raises(ValueError, match="attention goes from layer 1 to 2"):
        value("head_share", HEADS, "special", layer, 0)


def test_only_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match="no habit 'entropy'; there are: 'special', 'previous'"):
        value("head_share", HEADS, "entropy", 1, 0)
    with pytest.raises(ValueError, match="no head 3; a layer has 3, from 0"):
        value("head_share", HEADS, "special", 1, 3)


def test_places_begin_with_the_greatest() -> None:
    assert [value("effect_place", EFFECTS, 2, head) for head in range(3)] == [3, 2, 1]
    assert [value("attention_place", EFFECTS, 2, head) for head in range(3)] == [1, 2, 3]


def test_rank_correlation_is_that_of_the_ranks() -> None:
    # ranks 1..6 against 3 2 1 6 5 4: sum of squared differences 16, 1 - 6 * 16 / (6 * 35)
    assert value("effect_correlation", EFFECTS) == pytest.approx(1 - 96 / 210)
    assert value("effect_correlation", {"effect": GRID**3, "attention": GRID}) == pytest.approx(1)
    with pytest.raises(NotComputable):
        value("effect_correlation", {"effect": GRID, "attention": 0 * GRID})


# ------------------------------------------------------------------------------------------------ guesses


def test_a_guess_loses_what_another_mask_takes() -> None:
    guesses = {"probability": {"": 0.75, "king": 0.25, "and": 0.875}}
    assert value("guess_probability", guesses) == 0.75
    assert value("guess_loss", guesses, "king") == 0.5
    assert value("guess_loss", guesses, "and") == -0.125
    with pytest.raises(ValueError, match="no word 'queen'"):
        value("guess_loss", guesses, "queen")


# ------------------------------------------------------------------------------------------------ layers

ROLES = ["special", "question", "question", "context", "context", "answer", "answer"]
POINTS = np.array([[9.0, 9.0], [0, 0], [1, 0], [0, 0], [1, 0], [6.5, 0], [6.5, 0]])
LAYERS = {
    "picture": np.stack([POINTS, POINTS * [1, 0]]), "vectors": np.stack([POINTS[::-1], POINTS]),
    "explained": np.array([[0.5, 0.25], [0.1, 0.1]]), "trust": np.array([0.9, 0.6]),
    "phases": {"answer": np.array([0.0, 1.0]), "topics": np.array([0.25, math.nan])},
    "words": np.array(["[cls]", "a", "b", "a", "c", "x", "y"]), "roles": np.array(ROLES),
}  # fmt: skip


def test_what_stands_in_the_picture_is_read_off() -> None:
    assert value("explained", LAYERS, 0) == 0.75
    assert value("picture_trust", LAYERS, 1) == 0.6
    assert value("answer_apart", LAYERS, 1) == 1
    assert value("phase", LAYERS, "topics", 0) == 0.25
    with pytest.raises(NotComputable):
        value("phase", LAYERS, "topics", 1)
    with pytest.raises(ValueError, match="answer_apart"):
        value("phase", LAYERS, "answer", 0)
    with pytest.raises(ValueError, match="from 0, the embeddings, to 1"):
        value("explained", LAYERS, 2)


def test_far_out_is_a_ratio_of_distances() -> None:
    assert value("far_out", LAYERS, 0, "answer") == pytest.approx(6)  # 6.5 and 5.5 to the rest, which is 1 apart
    assert value("far_out", LAYERS, 0, "question") == pytest.approx(0.5)
    with pytest.raises(NotComputable, match="compared"):
        value("far_out", LAYERS, 0, "context")
    with pytest.raises(NotComputable, match="'title'"):
        value("far_out", LAYERS, 0, "title")


def test_two_heaps_have_a_silhouette_near_one_and_mixed_ones_none() -> None:
    context = np.mean([1 - 1 / 6.5, 1 - 1 / 5.5])  # 1 inside, 6.5 or 5.5 across; the answer has 0 inside
    assert value("roles_apart", LAYERS, 0, "context", "answer") == pytest.approx((context + 1) / 2)
    assert value("roles_apart", LAYERS, 0, "question", "context") == pytest.approx(-0.5)  # 0.5 across, 1 inside
    with pytest.raises(NotComputable, match="fewer than two"):
        value("roles_apart", LAYERS, 0, "special", "passage")


def test_the_silhouette_is_scikit_learns_where_both_roles_are_as_large() -> None:
    from sklearn.metrics import silhouette_score

    points = np.random.default_rng(0).normal(size=(10, 2))
    layers = {"picture": points[None], "roles": np.array(["question"] * 5 + ["context"] * 3 + ["answer"] * 2)}
    expected = silhouette_score(points, [0] * 5 + [1] * 5)
    assert value("roles_apart", layers, 0, "question", "passage") == pytest.approx(expected)


def test_nothing_depends_on_the_sign_of_an_axis_or_on_turning() -> None:
    turned = LAYERS | {"picture": LAYERS["picture"] @ np.array([[0.6, 0.8], [0.8, -0.6]])}
    for measure, *given in [("far_out", "answer"), ("roles_apart", "question", "passage")]:
        assert value(measure, turned, 0, *given) == pytest.approx(value(measure, LAYERS, 0, *given))
    assert value("neighbour_place", turned, 0, "a", "question", "c", "context") == 2


def test_neighbours_are_counted_from_the_nearest() -> None:
    assert value("neighbour_place", LAYERS, 0, "a", "question", "a", "context") == 1
    assert value("neighbour_place", LAYERS, 0, "a", "question", "c", "context") == 2  # b is as far, which counts for neither
    assert value("neighbour_place", LAYERS, 0, "a", "question", "x", "answer") == 4
    with pytest.raises(ValueError, match="no token of the question reads 'z'"):
        value("neighbour_place", LAYERS, 0, "z", "question", "a", "context")


# ------------------------------------------------------------------------------------------------ words

FOUR = np.array([[1, 0.9, 0.5, 0.4], [0.9, 1, 0.3, 0.2], [0.5, 0.3, 1, 0.8], [0.4, 0.2, 0.8, 1]])
WORDS = {
    "senses": np.array(["a", "a", "b", "b"]),
    "none": {
        "cosine": np.stack([np.ones((4, 4)), FOUR]), "euclidean": np.stack([np.ones((4, 4)), 1 - FOUR]),
        "random cosine": np.array([0.1, 0.4]), "random euclidean": np.array([2.0, 5.0]),
    },
}  # fmt: skip


def test_sentences_are_counted_from_one() -> None:
    assert value("similarity", WORDS, 1, 1, 3) == 0.5
    with pytest.raises(ValueError, match="counted from 1"):
        value("similarity", WORDS, 1, 0, 3)
    with pytest.raises(ValueError, match="no correction 'centred'; there are: 'none'"):
        value("similarity", WORDS, 1, 1, 3, "centred")


def test_random_words_are_compared_within_and_between_layers() -> None:
    assert value("random_similarity", WORDS, 1) == 0.4
    assert value("random_distance_times", WORDS, 1, 0) == 2.5


def test_senses_are_apart_by_within_minus_between() -> None:
    assert value("senses_apart", WORDS, 1) == pytest.approx(0.85 - 0.35)
    assert value("senses_apart", WORDS, 0) == pytest.approx(0)
    assert value("senses_silhouette", WORDS, 1, "cosine") == pytest.approx(value("senses_silhouette", WORDS, 1, "euclidean"))
    # of each: across 0.55, 0.75, 0.6, 0.7; inside 0.1, 0.1, 0.2, 0.2
    expected = np.mean([1 - 0.1 / 0.55, 1 - 0.1 / 0.75, 1 - 0.2 / 0.6, 1 - 0.2 / 0.7])
    assert value("senses_silhouette", WORDS, 1, "cosine") == pytest.approx(expected)
    with pytest.raises(NotComputable, match="two or more"):
        value("senses_apart", WORDS | {"senses": np.array(["a", "a", "a", "b"])}, 1)


def test_two_measures_agree_where_they_put_the_pairs_in_one_order() -> None:
    assert value("metrics_agree", WORDS, 1) == pytest.approx(1)
    turned = WORDS | {"none": WORDS["none"] | {"euclidean": np.stack([FOUR, FOUR])}}
    assert value("metrics_agree", turned, 1) == pytest.approx(-1)
    with pytest.raises(NotComputable):
        value("metrics_agree", WORDS, 0)


# ------------------------------------------------------------------------------------------------ artefacts


def workshop(**models: pl.TextEncoder) -> Any:
    return SimpleNamespace(model=models.__getitem__)


def made(kind: str, axis: Axis = BASE, models: dict[str, Any] | None = None, **entry: Any) -> Any:
    given = artefacts[kind].entry(kind=kind, model="m", **entry)
    return artefacts[kind].make(given, axis, workshop(**(models or {})))


DOUBLE, BESIDE = Axis("precision float64", {"precision": "float64"}), Axis("beside a longer text", {"beside": 1})
TEXT = "the young queen wrote the letter in france ."


@pytest.mark.parametrize("axis", [DOUBLE, BESIDE, Axis("threads 3", {"threads": 3})], ids=lambda axis: axis.name)
def test_what_should_not_matter_does_not(tiny: pl.TextEncoder, axis: Axis) -> None:
    models, threads = {"m": pl.TextEncoder(tiny.module, tiny.tokenizer, "longer")}, torch.get_num_threads()
    tiny.tokenizer.model_max_length, before = 512, tiny.tokenizer.model_max_length
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pellucid.course.artefacts.text.NEIGHBOUR", "the queen wrote a letter to the river bank .")
            base, other = (made("heads", a, models, text=TEXT) for a in (BASE, axis))
    finally:
        tiny.tokenizer.model_max_length = before
    assert set(base) == set(HABITS)
    for name in HABITS:
        np.testing.assert_allclose(other[name], base[name], atol=1e-5)
    assert torch.get_num_threads() == threads
    assert next(tiny.module.parameters()).dtype == torch.float32


def test_another_text_is_another_text(tiny: pl.TextEncoder) -> None:
    entry: dict[str, Any] = {"text": TEXT, "also": ("she read it .",)}
    (second,) = [axis for axis in artefacts["heads"].axes(artefacts["heads"].entry(kind="heads", **entry)) if axis.get("text")]
    other = made("heads", second, {"m": tiny}, **entry)
    np.testing.assert_array_equal(other["special"], made("heads", BASE, {"m": tiny}, text="she read it .")["special"])


def test_a_guess_is_followed_through_each_other_mask(tiny_guesser: pl.TextEncoder) -> None:
    found = made("guesses", BASE, {"m": tiny_guesser}, text=TEXT, hidden="queen", guess="river")
    assert set(found["probability"]) == {"", "the", "young", "wrote", "the 2", "letter", "in", "france"}
    tokens = tiny_guesser.read("the young [MASK] wrote [MASK] letter in france .")
    words = tiny_guesser.outputs(tokens)["words"][0, 3].softmax(-1)
    expected = float(words[tiny_guesser.tokenizer.convert_tokens_to_ids("river")])
    assert found["probability"]["the 2"] == pytest.approx(expected, rel=1e-5)
    assert all(0 <= share.min() <= share.max() <= 1 for share in found["attention"].values())
    with pytest.raises(ValueError, match="'rivers' is no wordpiece"):
        made("guesses", BASE, {"m": tiny_guesser}, text=TEXT, hidden="queen", guess="rivers")


def test_words_are_named_as_they_stand(tiny: pl.TextEncoder) -> None:
    assert words_of(tiny.read("The queen, the rereading reader.")) == {
        "the": [1], "queen": [2], "the 2": [4], "rereading": [5, 6, 7, 8, 9, 10], "reader": [11, 12, 13],
    }  # fmt: skip


def test_effects_are_those_of_the_library(tiny_guesser: pl.TextEncoder) -> None:
    found = made("head-effects", BASE, {"m": tiny_guesser}, text=TEXT, hidden=("queen",))
    expected = pl.head_effect(tiny_guesser, tiny_guesser.read(TEXT.replace("queen", "[MASK]")))
    np.testing.assert_allclose(found["effect"], expected.effect, rtol=1e-4, atol=1e-9)
    five = made("head-effects", Axis("", {"at_once": 5}), {"m": tiny_guesser}, text=TEXT, hidden=("queen",))
    np.testing.assert_allclose(five["effect"], found["effect"], atol=1e-6)


def test_layers_are_the_pictures_of_the_lab(tiny: pl.TextEncoder) -> None:
    entry: dict[str, Any] = {
        "question": "who wrote it", "passage": "the queen wrote it . he was young .", "answer": "the queen",
        "more": "she read .",
    }  # fmt: skip
    found = made("layers", BASE, {"m": tiny}, **entry)
    assert found["words"][found["roles"] == "answer"].tolist() == ["the", "queen"]
    assert found["words"][found["support"]].tolist() == ["the", "queen", "wrote", "it", "."]
    act = tiny.activations(tiny.read(entry["question"], entry["passage"]))
    np.testing.assert_array_equal(found["vectors"], act.hidden_states[:, 0])
    np.testing.assert_allclose(found["picture"], pl.project(act, align=True).coordinates)
    longer = made("layers", Axis("one sentence more", {"more": 1}), {"m": tiny}, **entry)
    assert longer["words"].tolist()[-4:] == ["she", "read", ".", "[sep]"]


def test_a_word_is_compared_with_a_sentence_left_out_and_with_other_random_words(tiny: pl.TextEncoder) -> None:
    sentences = ("the queen wrote .", "he was the young queen .", "no queen read it .", "she was queen .")
    entry: dict[str, Any] = {"word": "queen", "sentences": sentences, "senses": ("a", "a", "b", "b"), "about": "senses"}
    axes = {axis.name: axis for axis in artefacts["word"].axes(artefacts["word"].entry(kind="word", **entry))}
    base, without = (made("word", axis, {"m": tiny}, **entry) for axis in (BASE, axes["without sentence 2"]))
    assert base["none"]["cosine"].shape == (4, 4, 4)
    np.testing.assert_allclose(without["none"]["cosine"], base["none"]["cosine"][:, [0, 2, 3]][:, :, [0, 2, 3]], atol=1e-6)
    assert without["senses"].tolist() == ["a", "b", "b"]
    bare = made("word", axes["without full stops"], {"m": tiny}, **entry)
    assert 0 < np.abs(bare["none"]["cosine"] - base["none"]["cosine"]).max() < 0.5
    assert "random cosine" not in base["none"]


def test_an_encoder_is_needed(imagenet: pl.ImageClassifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'m' is a ImageClassifier; heads needs a text encoder"):
        made("heads", BASE, {"m": imagenet}, text=TEXT)
