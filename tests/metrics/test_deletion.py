"""Deletion: closed forms on a linear network, a network that reads one block, and maps that are wrong or know nothing."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.inputs.baselines import make_baseline
from pellucid.inputs.perturb import BLUR
from pellucid.metrics.deletion import deletion
from tests.conftest import pictures, wrapped
from tests.test_curves import by_hand, noise

BLOCK = torch.zeros(16, 16)
BLOCK[4:8, 8:12] = 1
"""16 of 256 pixels."""


class ReadsOneBlock(nn.Module):
    """The first logit is the mean over the block, the second is 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x[:, :, 4:8, 8:12].mean((1, 2, 3))
        return torch.stack([mean, torch.zeros_like(mean)], 1)


@pytest.fixture(scope="module")
def block() -> pl.ImageClassifier:
    return wrapped(ReadsOneBlock())


def bright_block(model: pl.ImageClassifier, count: int = 1) -> pl.Images:
    return model.read(list((0.1 + 0.8 * BLOCK).expand(count, 3, 16, 16)))


def worth(linear: pl.ImageClassifier, images: pl.Images, fill: torch.Tensor) -> torch.Tensor:
    """What each pixel of the linear network adds to the first logit, over the fill."""
    weight = linear.module.weight(torch.zeros(1, dtype=torch.long))  # pyright: ignore[reportCallIssue]
    return (weight * (images.features - fill)).sum(1)


def test_equals_the_closed_form_on_a_linear_network(linear):
    images = pictures(linear)
    fill = make_baseline(images, "black")
    shares = worth(linear, images, fill)
    end = linear.values(fill, torch.zeros(3, dtype=torch.long))
    m = deletion(linear, images, by_hand(shares), steps=64, output="logit", fill="black")
    # the j-th pixel to go stands whole for j - 1 steps, and by half on average during its own
    place = (torch.arange(64) + 0.5) / 64
    torch.testing.assert_close(m.values, end + shares.flatten(1).sort(1, descending=True).values @ place)
    assert m.higher_is_better is False
    assert torch.equal(m.low, m.values)
    # no order can do better than that of the shares themselves
    assert m.chance is not None
    assert (m.extras["chance_curves"] >= m.extras["curve"][:, None] - 1e-4).all()
    assert (m.extras["advantage"] > 0).all()
    torch.testing.assert_close(m.extras["p"], torch.full((3,), 1 / 11))


def test_the_order_is_by_sign_or_by_magnitude_as_the_map_is(linear):
    images = pictures(linear)
    fill = make_baseline(images, "black")
    shares = worth(linear, images, fill).flatten(1)
    end = linear.values(fill, torch.zeros(3, dtype=torch.long))
    place = (torch.arange(64) + 0.5) / 64
    maps = noise(3, 8, 8)
    for signed in (True, False):
        m = deletion(linear, images, by_hand(maps, signed=signed), steps=64, output="logit", fill="black", orders=0)
        keys = maps.flatten(1) if signed else maps.flatten(1).abs()
        torch.testing.assert_close(m.values, end + shares.gather(1, keys.argsort(1, descending=True)) @ place)


def test_a_share_is_the_mean_over_that_part_of_the_curve(linear):
    images = pictures(linear)
    maps = noise(3, 8, 8)
    whole = deletion(linear, images, by_hand(maps), steps=64, orders=0)
    half = deletion(linear, images, by_hand(maps), steps=32, orders=0, share=0.5)
    torch.testing.assert_close(half.extras["curve"], whole.extras["curve"][:, :33])
    curve = half.extras["curve"]
    torch.testing.assert_close(half.values, ((curve[:, 1:] + curve[:, :-1]) / 2).mean(1))


@pytest.mark.parametrize("fill", ["black", "mean", "blur"])
def test_a_curve_goes_from_the_image_to_the_fill(linear, fill):
    images = pictures(linear)
    target = torch.zeros(3, dtype=torch.long)
    curve = deletion(linear, images, by_hand(noise(3, 8, 8)), steps=4, fill=fill, orders=0).extras["curve"]
    assert curve.shape == (3, 5)
    torch.testing.assert_close(curve[:, 0], linear.values(images.features, target, "probability"))
    baseline = make_baseline(images, fill, blur=BLUR * 8)
    torch.testing.assert_close(curve[:, -1], linear.values(baseline, target, "probability"))


def test_a_perfect_map_deletes_at_the_first_step(block):
    m = deletion(block, bright_block(block), by_hand(BLOCK[None]), steps=16, fill="black")
    curve = m.extras["curve"][0]
    torch.testing.assert_close(curve[1:], curve[-1].expand(16))
    assert curve[0] > curve[1] + 0.5
    assert m.chance_low is not None
    assert m.values < m.chance_low
    assert float(m.extras["advantage_low"]) > 0
    assert float(m.extras["p"]) == pytest.approx(1 / 11)


@pytest.mark.parametrize("null", ["shifted", "pixels"])
def test_a_map_upside_down_is_worse_than_chance(block, null):
    m = deletion(block, bright_block(block), by_hand(-BLOCK[None]), steps=16, fill="black", null=null)
    curve = m.extras["curve"][0]
    torch.testing.assert_close(curve[:-1], curve[0].expand(16))
    assert m.chance_high is not None
    assert m.values > m.chance_high
    assert float(m.extras["advantage_high"]) < 0
    assert float(m.extras["p"]) == 1


def test_a_random_map_is_within_chance(block):
    m = deletion(block, bright_block(block, 40), by_hand(noise(40, 16, 16)), steps=8, fill="black")
    assert m.chance_low is not None
    assert m.chance_high is not None
    within = (m.chance_low <= m.values) & (m.values <= m.chance_high)
    assert within.float().mean() >= 0.8
    assert float(m.extras["p"].mean()) == pytest.approx(0.5, abs=0.15)


def test_a_map_of_one_value_is_one_more_random_order(block):
    images = bright_block(block)
    runs = [deletion(block, images, by_hand(torch.ones(1, 16, 16)), steps=8, fill="black", seed=seed) for seed in range(12)]
    assert len({float(m.values) for m in runs}) == 12
    assert all(float(m.chance_high - m.chance_low) > 0 for m in runs if m.chance_high is not None and m.chance_low is not None)
    assert sum(float(m.extras["advantage_low"]) > 0 for m in runs) <= 2


def test_the_stream_gives_the_value_first_and_then_better_chance(block):
    a = by_hand(BLOCK[None])
    steps = list(deletion.stream(block, bright_block(block), a, steps=8, orders=4))
    assert len(steps) == 5
    assert all(torch.equal(step.values, steps[0].values) for step in steps)
    assert steps[0].chance is None
    assert set(steps[0].extras) == {"curve"}
    assert [step.extras["chance_curves"].shape for step in steps[1:]] == [(1, n, 9) for n in (1, 2, 3, 4)]
    assert [step.work.forwards for step in steps] == [9, 16, 23, 30, 37]
    assert steps[-1].work.fraction == 1
    shorter = deletion(block, bright_block(block), a, steps=8, orders=2)
    assert torch.equal(shorter.extras["chance_curves"], steps[2].extras["chance_curves"])


def test_without_orders_there_is_no_chance_and_one_order_has_no_spread(block):
    images, a = bright_block(block), by_hand(BLOCK[None])
    none = deletion(block, images, a, orders=0)
    assert none.chance is none.chance_low is none.chance_high is None
    assert none.work.fraction == 1
    one = deletion(block, images, a, orders=1)
    assert one.chance is not None
    assert one.chance_low is not None
    assert one.chance.isfinite().all()
    assert one.chance_low.isnan().all()
    assert one.extras["advantage_low"].isnan().all()
    assert float(one.extras["p"]) == 0.5


def test_a_map_of_nan_has_no_value_but_a_reason_and_spoils_no_other(linear):
    images = pictures(linear)
    maps = noise(3, 8, 8)
    clean = deletion(linear, images, by_hand(maps), steps=6, orders=3)
    maps[1, 2, 3] = torch.nan
    m = deletion(linear, images, by_hand(maps), steps=6, orders=3)
    assert m.values.isnan().tolist() == [False, True, False]
    assert images.names[1] in m.notes["no value"]
    assert "NaN" in m.notes["no value"]
    assert m.chance is not None
    assert clean.chance is not None
    torch.testing.assert_close(m.chance[[0, 2]], clean.chance[[0, 2]])
    torch.testing.assert_close(m.values[[0, 2]], clean.values[[0, 2]])
    assert m.extras["p"].isnan().tolist() == [False, True, False]
    assert m.work.fraction == 1
    alone = deletion(linear, images[1], by_hand(maps[1:2]), steps=6, orders=3)
    assert alone.values.isnan().all()
    assert alone.work.fraction == 1


def test_infinite_scores_go_first_and_last(block):
    scores = torch.where(BLOCK > 0, torch.inf, -torch.inf)
    m = deletion(block, bright_block(block), by_hand(scores[None]), steps=16, fill="black")
    torch.testing.assert_close(m.extras["curve"][0, 1:], m.extras["curve"][0, -1].expand(16))


def test_a_contrast_is_read_off_the_logits(linear):
    images = pictures(linear)
    a = replace(by_hand(noise(3, 8, 8)), against=2)
    m = pl.measure(linear, images, a, metric="deletion", output="logit", steps=4, orders=0)
    logits = linear.logits(images.features)
    torch.testing.assert_close(m.extras["curve"][:, 0], logits[:, 0] - logits[:, 2])
