"""Insertion: the other way from deletion, to the same ends; a perfect map comes at once, one upside down last."""

import pytest
import torch

import pellucid as pl
from pellucid.metrics.deletion import deletion
from pellucid.metrics.insertion import insertion
from tests.conftest import pictures, wrapped
from tests.metrics.test_deletion import BLOCK, ReadsOneBlock, bright_block
from tests.test_curves import by_hand, noise


@pytest.fixture(scope="module")
def block() -> pl.ImageClassifier:
    return wrapped(ReadsOneBlock())


@pytest.mark.parametrize("fill", ["black", "mean", "blur"])
def test_on_a_linear_network_what_is_inserted_is_what_deletion_has_removed(linear, fill):
    images, a = pictures(linear), by_hand(noise(3, 8, 8))
    gone, come = (metric(linear, images, a, output="logit", steps=7, fill=fill) for metric in (deletion, insertion))
    ends = gone.extras["curve"][:, 0] + gone.extras["curve"][:, -1]
    torch.testing.assert_close(gone.extras["curve"] + come.extras["curve"], ends[:, None].expand(-1, 8))
    torch.testing.assert_close(gone.values + come.values, ends)
    for name in ("advantage", "advantage_low", "advantage_high", "p"):  # so whatever is good there is as good here
        torch.testing.assert_close(gone.extras[name], come.extras[name], rtol=1e-3, atol=1e-5)
    assert come.higher_is_better is True


def test_a_perfect_map_inserts_at_the_first_step(block):
    m = insertion(block, bright_block(block), by_hand(BLOCK[None]), steps=16, fill="black")
    curve = m.extras["curve"][0]
    torch.testing.assert_close(curve[1:], curve[-1].expand(16))
    assert curve[1] > curve[0] + 0.5
    assert m.chance_high is not None
    assert m.values > m.chance_high
    assert float(m.extras["advantage_low"]) > 0
    assert float(m.extras["p"]) == pytest.approx(1 / 11)


def test_a_map_upside_down_is_worse_than_chance(block):
    m = insertion(block, bright_block(block), by_hand(-BLOCK[None]), steps=16, fill="black")
    assert m.chance_low is not None
    assert m.values < m.chance_low
    assert float(m.extras["advantage_high"]) < 0
    assert float(m.extras["p"]) == 1


def test_a_share_stops_on_the_way(block):
    images, a = bright_block(block), by_hand(noise(1, 16, 16))
    whole = insertion(block, images, a, steps=16, orders=0)
    part = insertion(block, images, a, steps=4, orders=0, share=0.25)
    torch.testing.assert_close(part.extras["curve"], whole.extras["curve"][:, :5])
    assert part.work.forwards == 5
