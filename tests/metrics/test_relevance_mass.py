"""Relevance mass and rank accuracy: sums counted by hand, a slow replica of the ranks, and maps that look elsewhere."""

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.inputs.photograph import remember
from pellucid.metrics.relevance_mass import rank_accuracy
from tests.conftest import pictures
from tests.metrics.test_pointing_game import SQUARE, by_hand


def weigh(model: pl.ImageClassifier, maps: torch.Tensor, *, signed: bool = True) -> pl.Measurement:
    images = pictures(model, len(maps))
    return pl.measure(model, images, by_hand(maps, signed=signed), metric="relevance_mass", mask=remember(SQUARE))


def inside(value: float, outside: float) -> torch.Tensor:
    return torch.where(torch.from_numpy(SQUARE), value, outside)


def test_is_the_share_of_the_mass_on_the_subject(relu):
    m = weigh(relu, torch.stack([inside(2, 0), inside(0, 2), inside(3, 1), inside(1, 1), inside(15, 1)]))
    assert m.values.tolist() == pytest.approx([1, 0, 48 / (48 + 240), 1 / 16, 1 / 2])
    assert m.extras["rank_accuracy"].tolist() == pytest.approx([1, 0, 1, 1 / 16, 1])
    assert m.chance is not None
    assert m.chance.tolist() == pytest.approx([1 / 16] * 5)
    assert m.higher_is_better is True


def test_only_what_speaks_for_the_target_counts(relu):
    map_ = inside(-4, 0)
    map_[4, 2], map_[0, 0] = 1, 3
    assert weigh(relu, map_[None]).values.tolist() == pytest.approx([1 / 4])
    assert weigh(relu, map_[None], signed=False).values.tolist() == pytest.approx([61 / 64])


def test_scale_does_not_matter(relu):
    maps = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(weigh(relu, maps * 1e-6).values, weigh(relu, maps).values)


def test_a_map_that_looks_away_is_worse_than_chance_and_one_that_looks_there_better(relu):
    rows = torch.arange(16)
    blob = torch.exp(-((rows[:, None] - 5.5) ** 2 + (rows[None] - 3.5) ** 2) / 8)
    m = weigh(relu, torch.stack([blob, blob.roll((7, 9), (0, 1))]))
    assert m.chance is not None
    assert m.chance_low is not None
    assert m.chance_high is not None
    assert m.values[0] > m.chance_high[0]
    assert m.values[1] < m.chance[1]
    torch.testing.assert_close(m.chance_high[0], m.chance_high[1])  # moved about, both are the same map


def test_ties_for_the_last_places_take_their_share():
    subject = torch.tensor([[True, True, False, False]])
    assert rank_accuracy(torch.tensor([[9.0, 5.0, 5.0, 5.0]]), subject) == pytest.approx((1 + 1 / 3) / 2)
    assert rank_accuracy(torch.tensor([[5.0, 0.0, 9.0, 5.0]]), subject) == pytest.approx(1 / 4)


def test_ranks_equal_a_slow_replica_that_breaks_ties_at_random():
    random = np.random.default_rng(1)
    scores, subject = random.integers(0, 6, (6, 7)).astype(np.float32), random.random((6, 7)) < 0.3
    count = subject.sum()
    shares = []
    for _ in range(4000):
        order = np.lexsort((random.random(scores.size), -scores.ravel()))
        shares.append(subject.ravel()[order[:count]].mean())
    assert np.std(shares) > 0
    exact = rank_accuracy(torch.from_numpy(scores), torch.from_numpy(subject))
    assert exact == pytest.approx(np.mean(shares), abs=5 * np.std(shares) / 4000**0.5)


def test_a_map_with_nothing_positive_has_no_mass_but_ranks(relu):
    m = weigh(relu, torch.stack([inside(-1, -2), inside(1, 0), torch.full((16, 16), torch.inf)]))
    assert m.values.isnan().tolist() == [True, False, True]
    assert m.extras["rank_accuracy"].nan_to_num(-1).tolist() == [1, 1, -1]
    assert "nothing in its map speaks for the target" in m.notes["no value"]
    assert "NaN or infinite" in m.notes["no value"]


def test_without_a_mask_there_is_no_value_but_a_reason(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="saliency"), metric="relevance_mass")
    assert m.values.isnan().all()
    assert m.extras["rank_accuracy"].isnan().all()
    assert m.chance is None
    assert "no mask is shipped" in m.notes["no value"]


def test_shipped_photographs_bring_their_own_masks(relu):
    images = relu.read(["observation:4", "observation:0"])
    m = pl.measure(relu, images, by_hand(torch.ones(2, 16, 16)), metric="relevance_mass")
    assert m.chance is not None
    torch.testing.assert_close(m.values, m.chance)  # a map that is the same everywhere is worth the mask's own share
    assert 0.5 < m.values[0] < 0.8
    assert 0.5 < m.values[1] < 0.8
