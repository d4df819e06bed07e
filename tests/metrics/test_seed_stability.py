"""Seed stability: noise owes everything to its seed, a gradient nothing, and more samples owe less."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch

import pellucid as pl
from pellucid.metrics.seed_stability import other_seed
from pellucid.ranks import spearman
from tests.conftest import pictures


def test_noise_owes_everything_to_its_seed(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="random"), metric="seed_stability", draws=10)
    assert m.values.abs().max() < 0.05  # 55 pairs of 256 pixels: a standard error of 0.01
    assert (m.low < 0).all()
    assert (m.high > 0).all()


@pytest.mark.parametrize("method", ["saliency", "edges", "grad_cam"])
def test_without_a_seed_nothing_is_owed_to_it(relu, method):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method=method), metric="seed_stability")
    assert m.values.tolist() == m.low.tolist() == m.high.tolist() == [1, 1, 1]
    assert m.notes["deterministic"] == f"{method} has no seed"
    assert (m.work.forwards, m.work.fraction) == (0, 1)


def test_a_seed_that_is_not_used_changes_nothing(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="integrated_gradients", steps=2)
    assert pl.measure(relu, images, a, metric="seed_stability").values.tolist() == [1, 1, 1]


def test_more_samples_owe_less_to_chance(relu):
    images = pictures(relu)
    few, many = (
        pl.measure(relu, images, pl.explain(relu, images, method="smoothgrad", samples=n), metric="seed_stability").values
        for n in (2, 80)
    )
    assert (few < many).all()
    assert many.min() > 0.8


def test_is_the_mean_over_all_pairs_and_its_jackknife(relu):
    from scipy.stats import t

    images = pictures(relu)
    a = pl.explain(relu, images, method="smoothgrad", samples=4, seed=11)
    m = pl.measure(relu, images, a, metric="seed_stability", draws=3)
    maps = [a.map()] + [
        pl.explain(relu, images, method="smoothgrad", samples=4, seed=other_seed(11, n)).map() for n in (1, 2, 3)
    ]
    pairs = {pair: float(spearman(maps[pair[0]], maps[pair[1]])[1]) for pair in combinations(range(4), 2)}
    assert m.extras["pairs"][1].tolist() == pytest.approx(list(pairs.values()))
    value = sum(pairs.values()) / 6
    left_out = [sum(v for pair, v in pairs.items() if n not in pair) / 3 for n in range(4)]
    middle = sum(left_out) / 4
    half = t.ppf(0.975, 3) * (3 / 4 * sum((one - middle) ** 2 for one in left_out)) ** 0.5
    assert float(m.values[1]) == pytest.approx(value, abs=1e-6)
    assert float(m.low[1]) == pytest.approx(value - half, abs=1e-5)
    assert float(m.high[1]) == pytest.approx(min(1, value + half), abs=1e-5)
    assert m.work.backwards == 3 * 3 * 4


def test_one_other_seed_has_no_interval_but_the_first_of_several_knows_nothing(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="random")
    m = pl.measure(relu, images, a, metric="seed_stability", draws=1)
    assert torch.equal(m.low, m.values)
    assert torch.equal(m.high, m.values)
    first = next(iter(pl.metrics["seed_stability"].stream(relu, images, a, draws=2)))
    assert (first.low.tolist(), first.high.tolist()) == ([-1] * 3, [1] * 3)


def test_seeds_are_others():
    assert len({7} | {other_seed(7, draw) for draw in range(200)}) == 201


def test_scores_made_by_hand_have_no_value(relu):
    images = pictures(relu)
    a = replace(pl.explain(relu, images, method="random"), method="", options={})
    m = pl.measure(relu, images, a, metric="seed_stability")
    assert m.values.isnan().all()
    assert "made by hand" in m.notes["no value"]
