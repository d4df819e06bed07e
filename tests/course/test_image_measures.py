"""Measures of maps, superpixels, answers and filters on toys whose numbers can be worked out by hand."""

import numpy as np
import pytest

from pellucid.course.artefacts.images import AttributionEntry, drawing, drawn
from pellucid.course.artefacts.perturbed import deleting, visible
from pellucid.course.artefacts.regions import moved, shaped
from pellucid.course.measures import NotComputable, measures

LEFT = np.tile([True, True, False, False], (4, 1))
"""The left half of 4 x 4 pixels."""


def quarter(value: float, rest: float = 0.0) -> np.ndarray:
    """4 x 4, with the value in the upper left 2 x 2."""
    scores = np.full((4, 4), rest)
    scores[:2, :2] = value
    return scores


# ------------------------------------------------------------------------------------------------ where a map lies


def test_share_counts_the_positive_part_only() -> None:
    scores = np.zeros((4, 4))
    scores[0, 0], scores[0, 3], scores[3, 0] = 3.0, 1.0, -5.0
    assert measures["share"](scores, LEFT) == pytest.approx(0.75)
    assert measures["magnitude_share"](scores, LEFT) == pytest.approx(8 / 9)


@pytest.mark.parametrize("scores", [np.full((4, 4), -1.0), np.zeros((4, 4)), quarter(1.0, -30.0)])
def test_no_share_is_taken_where_nothing_speaks_for_the_class(scores: np.ndarray) -> None:
    with pytest.raises(NotComputable):
        measures["share"](scores, LEFT)


def test_a_signed_total_near_zero_does_not_blow_a_share_up() -> None:
    scores = np.where(LEFT, 1.0, -1.0 + 1e-9)
    assert measures["share"](scores, LEFT) == 1.0


def test_enrichment_of_an_even_map_is_one_and_of_a_quarter_that_holds_everything_four() -> None:
    assert measures["enrichment"](np.ones((4, 4)), LEFT) == pytest.approx(1)
    assert measures["enrichment"](quarter(1.0), quarter(1.0) > 0) == pytest.approx(4)
    with pytest.raises(NotComputable, match="no pixel"):
        measures["enrichment"](np.ones((4, 4)), np.zeros((4, 4), bool))


def test_the_strongest_pixels_share_their_last_places() -> None:
    scores = quarter(1.0)
    scores[0, 0] = 2.0
    assert measures["top_share"](scores, scores == 2, 12.5) == pytest.approx(0.5)  # of two places, the peak has one
    column = np.zeros((4, 4), bool)
    column[:, 0] = True
    assert measures["top_share"](scores, column, 12.5) == pytest.approx((1 + 1 / 3) / 2)
    with pytest.raises(ValueError, match="percent=0"):
        measures["top_share"](scores, column, 0)


def test_half_area_is_one_pixel_for_a_spike_and_half_the_picture_for_an_even_map() -> None:
    spike = np.zeros((10, 10))
    spike[3, 4] = -2.0
    assert measures["half_area"](spike) == pytest.approx(0.01)
    assert measures["half_area"](np.ones((10, 10))) == pytest.approx(0.5)


def test_area_is_that_of_the_mask() -> None:
    assert measures["area"](LEFT) == 0.5


# ------------------------------------------------------------------------------------------------ how it looks


def test_roughness_of_an_even_map_a_chequerboard_and_a_ramp() -> None:
    board = np.indices((6, 6)).sum(0) % 2
    assert measures["roughness"](np.full((6, 6), 3.0)) == 0
    assert measures["roughness"](board.astype(float)) == pytest.approx(4)
    ramp = np.tile(np.arange(5.0), (5, 1))
    assert measures["roughness"](ramp) == pytest.approx(1 / 2)  # one a step across, none down, two on average
    assert measures["roughness"](7 * ramp) == pytest.approx(measures["roughness"](ramp))


def test_rank_correlation_sees_the_order_alone() -> None:
    scores = np.random.default_rng(0).normal(size=(8, 8))
    assert measures["rank_correlation"](scores, np.exp(scores)) == pytest.approx(1)
    assert measures["rank_correlation"](scores, -scores) == pytest.approx(-1)
    with pytest.raises(NotComputable, match="same everywhere"):
        measures["rank_correlation"](scores, np.ones((8, 8)))
    with pytest.raises(ValueError, match="no pixels in common"):
        measures["rank_correlation"](scores, np.ones((4, 4)))


def test_from_a_distance_fine_noise_is_forgiven() -> None:
    generator = np.random.default_rng(0)
    shape = np.kron(generator.normal(size=(4, 4)), np.ones((50, 50)))
    noisy = shape + 2 * generator.normal(size=shape.shape)
    assert measures["distant_correlation"](shape, 3 * shape + 1) == pytest.approx(1, abs=1e-5)
    assert measures["distant_correlation"](shape, noisy) > 0.9 > measures["rank_correlation"](shape, noisy)


def test_colours_end_at_a_percentile_of_the_magnitudes() -> None:
    scores = np.linspace(-100, 100, 201).reshape(3, 67)
    assert np.abs(drawn(scores, 99)).max() == pytest.approx(99)
    np.testing.assert_array_equal(drawn(scores, 100), scores)
    spike = np.zeros((10, 10))
    spike[0, 0] = 5
    np.testing.assert_array_equal(drawn(spike, 99), spike)  # nearly all are zero: nothing is cut off


# ------------------------------------------------------------------------------------------------ superpixels and answers

PARTS = {"segments": np.repeat([[0, 0, 1, 2]], 4, 0), "weights": np.array([0.5, -0.9, 0.2, 0.0])}
"""Three superpixels: the left half, and a column each; a fourth weight stands beyond the image's own."""


def test_the_strongest_superpixel_is_the_one_with_the_largest_positive_weight() -> None:
    assert measures["strongest_overlap"](PARTS, LEFT) == 1
    assert measures["strongest_overlap"](PARTS, LEFT, 2) == pytest.approx(2 / 3)
    assert measures["strongest_lead"](PARTS, LEFT) == pytest.approx(2.5)
    assert measures["strongest_lead"](PARTS, ~LEFT) == pytest.approx(0.4)
    with pytest.raises(NotComputable, match="no 3 superpixels"):
        measures["strongest_overlap"](PARTS, LEFT, 3)
    with pytest.raises(NotComputable, match="all superpixels or none"):
        measures["strongest_lead"](PARTS, np.ones((4, 4), bool))


def test_weights_of_two_runs_are_compared_superpixel_by_superpixel() -> None:
    other = PARTS | {"weights": np.array([1.5, -1.3, 0.9, 70.0])}
    assert measures["weight_correlation"](PARTS, other) == pytest.approx(1, abs=0.01)
    with pytest.raises(ValueError, match="cut the picture differently"):
        measures["weight_correlation"](PARTS, PARTS | {"segments": PARTS["segments"].T})
    with pytest.raises(NotComputable):
        measures["weight_correlation"](PARTS, PARTS | {"weights": np.ones(4)})


def test_superpixels_go_or_stay_by_weight() -> None:
    weights = np.array([0.5, -0.9, 0.2, 0.0])
    assert visible(weights, 3, "positive", "remove", 3).tolist() == [
        [True, True, True], [False, True, True], [False, True, False], [False, True, False],
    ]  # fmt: skip
    assert visible(weights, 3, "both", "keep", 2).tolist() == [[False] * 3, [False, True, False], [True, True, False]]


def test_answers_without_superpixels() -> None:
    curves = {"target": np.array([0.9, 0.5, 0.1]), "other": np.array([0.05, 0.2, 0.6])}
    assert measures["drop"](curves, 1) == pytest.approx(0.4)
    assert measures["probability_left"](curves, 2) == pytest.approx(0.1)
    assert measures["prediction_lead"](curves, 1) == pytest.approx(0.3)
    assert measures["prediction_lead"](curves, 2) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="from 0 to 2"):
        measures["drop"](curves, 3)


def test_numbers_that_are_read_off_as_they_are() -> None:
    assert measures["advantage"]({"advantage": -0.25}) == -0.25
    assert measures["changed"]({"changed": 0.4, "probability": 0.1}) == 0.4
    assert measures["completeness_gap"](0.07) == 0.07
    with pytest.raises(NotComputable):
        measures["changed"]({"changed": float("nan")})


# ------------------------------------------------------------------------------------------------ filters

FIRING = {"a": {"peak": 6.0, "mean": 1.0}, "b": {"peak": 3.0, "mean": 2.0}, "c": {"peak": 2.0, "mean": 0.5}}


def test_peak_lead_compares_with_the_picture_that_bars_the_way() -> None:
    assert measures["peak_lead"](FIRING, "a") == pytest.approx(2)  # first, twice the second
    assert measures["peak_lead"](FIRING, "b") == pytest.approx(0.5)
    assert measures["peak_lead"](FIRING, "b", 2) == pytest.approx(1.5)  # among two, by half over the third
    assert measures["peak_lead"](FIRING, "c", 2) == pytest.approx(2 / 3)
    assert [measures["peak_rank"](FIRING, id) for id in FIRING] == [1, 2, 3]
    with pytest.raises(ValueError, match="from 1 to 2"):
        measures["peak_lead"](FIRING, "a", 3)
    with pytest.raises(NotComputable, match="silent"):
        measures["peak_lead"]({"a": {"peak": 0.0}, "b": {"peak": 0.0}}, "a")


def test_firing_below_zero_does_not_count() -> None:
    assert measures["firing_share"]({"map": np.where(LEFT, 1.0, -9.0)}, LEFT) == 1
    with pytest.raises(NotComputable, match="silent"):
        measures["firing_share"]({"map": np.full((4, 4), -1.0)}, LEFT)


@pytest.mark.parametrize("cycles", [1, 7, 20])
def test_stripes_are_as_fine_as_they_are_many(cycles: int) -> None:
    stripes = 0.5 + 0.3 * np.sin(2 * np.pi * cycles * np.arange(64) / 64)
    picture = np.tile(stripes[None, :, None], (64, 1, 3))
    assert measures["fineness"]({"picture": picture}) == pytest.approx(cycles, abs=1e-6)
    assert measures["fineness"]({"picture": picture.swapaxes(0, 1)}) == pytest.approx(cycles, abs=1e-6)


def test_an_even_picture_has_no_fineness() -> None:
    with pytest.raises(NotComputable, match="same everywhere"):
        measures["fineness"]({"picture": np.full((8, 8, 3), 0.5)})


def test_rise_is_over_the_best_photograph() -> None:
    assert measures["rise"]({"activation": 8.0}, FIRING) == 4
    with pytest.raises(NotComputable):
        measures["rise"]({"activation": 8.0}, {"a": {"mean": 0.0}})


# ------------------------------------------------------------------------------------------------ regions and axes


def test_a_box_holds_the_pixels_whose_centres_lie_in_it() -> None:
    assert shaped((0.0, 0.0, 0.5, 0.25), "rectangle", 4, 4).sum() == 2
    ellipse = shaped((0.0, 0.0, 1.0, 1.0), "ellipse", 200, 100)
    assert ellipse.mean() == pytest.approx(np.pi / 4, abs=0.01)


def test_an_edge_moves_by_whole_pixels_and_never_to_nothing() -> None:
    square = np.zeros((20, 20), bool)
    square[8:12, 8:12] = True
    assert moved(square, 2)[10].sum() == 8
    assert moved(square, -1).sum() == 4
    np.testing.assert_array_equal(moved(square, -2), square)
    np.testing.assert_array_equal(moved(square, 0), square)


def test_what_draws_has_seeds_and_what_does_not_has_another_precision() -> None:
    def names(**said: object) -> list[str]:
        return [axis.name for axis in drawing(AttributionEntry(kind="attribution", seeds=3, **said))]  # type: ignore[arg-type]

    exact = ["precision float64", "resize bilinear", "clip -1 percentile", "clip +1 percentile"]
    assert names(method="saliency") == exact
    assert names(method="integrated_gradients", config={"steps": 20}) == ["steps -25 %", "steps +25 %", *exact]
    assert names(method="lime") == ["seed 1", "seed 2", "samples -25 %", "samples +25 %", *exact[1:]]
    assert names(method="saliency", weights="random") == ["seed 1", "seed 2", *exact[1:]]
    assert "seed 1" in names(method="integrated_gradients", config={"baseline": "uniform"})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"method": "ig"}, "no method named 'ig'"),
        ({"method": "lime", "config": {"sample": 3}}, "did you mean 'samples'"),
        ({"method": "lime", "config": {"samples": 3}}, "samples=3"),
        ({"method": "lime", "config": {"seed": 3}}, "first_seed"),
    ],
)
def test_an_entry_that_no_method_understands_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AttributionEntry(kind="attribution", **said)  # type: ignore[arg-type]


def test_random_orders_have_a_seed_even_where_the_method_has_none() -> None:
    from pellucid.course.artefacts.perturbed import DeletionEntry

    axes = [axis.name for axis in deleting(DeletionEntry(kind="deletion", method="saliency", seeds=3))]
    assert axes == ["seed 1", "seed 2", "precision float64", "resize bilinear"]
