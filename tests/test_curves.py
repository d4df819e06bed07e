"""Curves: images against a slow loop, areas and limits in closed form, random orders that lose the place and nothing else."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import pellucid as pl
from pellucid.attribution import Work
from pellucid.curves import Curves, area, counts_of, elsewhere, random_order, reading, removed, supportive_first
from pellucid.metrics.deletion import deletion
from pellucid.models.batches import BATCH
from tests.conftest import MEAN, STD, in_tens, pictures
from tests.networks import Linear, seeded


def by_hand(maps: torch.Tensor, *, signed: bool = True, target: int = 0) -> pl.Attribution:
    zeros = torch.zeros(len(maps))
    return pl.Attribution(
        maps[:, None].float(), torch.full((len(maps),), target), zeros, Work(0, 0, 1.0), "logit", signed=signed
    )


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_removed_equals_a_slow_loop():
    image, fill = noise(3, 5, 7), noise(3, 5, 7, seed=1)
    order, counts = torch.randperm(35, generator=draws(2)), torch.tensor([0, 1, 17, 34, 35, 4])
    made = removed(image, fill, order, counts)
    for n, count in enumerate(counts.tolist()):
        expected = image.clone()
        for pixel in order[:count].tolist():
            row, column = divmod(pixel, 7)
            expected[:, row, column] = fill[:, row, column]
        assert torch.equal(made[n], expected)


def test_counts_are_equal_shares_and_never_nothing_at_the_end():
    assert counts_of(64, 4, 1.0).tolist() == [0, 16, 32, 48, 64]
    assert counts_of(64, 4, 0.5).tolist() == [0, 8, 16, 24, 32]
    assert counts_of(10, 4, 1.0).tolist() == [0, 2, 5, 8, 10]
    assert counts_of(3, 5, 1.0).tolist() == [0, 1, 1, 2, 2, 3]
    assert counts_of(16, 3, 1e-6).tolist() == [0, 0, 0, 1]


def test_area_of_lines_and_of_uneven_steps():
    counts = counts_of(64, 8, 0.5)
    line = torch.linspace(1, 3, 9)
    torch.testing.assert_close(area(torch.stack([line, torch.full((9,), 7.0)]), counts), torch.tensor([2.0, 7.0]))
    uneven = torch.tensor([0, 1, 5, 10])
    values = torch.tensor([4.0, 1.0, 0.5, 0.25])
    torch.testing.assert_close(area(values, uneven), torch.tensor(np.trapezoid(values, uneven) / 10).float())


def test_the_highest_score_goes_first_and_ties_go_by_chance():
    scores = torch.tensor([[0.5, -2.0, 3.0], [0.5, 0.5, -7.0]])
    orders = torch.stack([supportive_first(scores, draws(seed)) for seed in range(600)])
    assert (orders[:, 0] == 2).all()
    assert (orders[:, 4:] == torch.tensor([1, 5])).all()
    for pixel in (0, 3, 4):
        assert float((orders[:, 1] == pixel).float().mean()) == pytest.approx(1 / 3, abs=0.08)


@pytest.mark.parametrize("sides", [(16, 16), (9, 30), (2, 3), (1, 8)])
def test_a_map_elsewhere_is_the_same_map_flipped_and_moved_by_an_eighth_at_least(sides):
    scores = torch.arange(float(sides[0] * sides[1])).view(sides)
    seen: set[tuple[int, ...]] = set()
    for seed in range(25):
        moved = elsewhere(scores, draws(seed))
        found = [
            (flips, offsets)
            for flips in ([], [0], [1], [0, 1])
            for offsets in itertools.product(*(range(side) for side in sides))
            if torch.equal(scores.flip(flips).roll(offsets, (0, 1)), moved)
        ]
        assert found
        assert any(
            all(side == 1 or side / 8 <= offset <= side - side / 8 for side, offset in zip(sides, offsets, strict=True))
            for _, offsets in found
        )
        seen.add(tuple(moved.flatten().int().tolist()))
    assert len(seen) > (18 if min(sides) > 8 else 1)


def test_shuffled_pixels_ignore_the_map_and_moved_maps_do_not():
    scores = noise(6, 6)
    assert torch.equal(random_order(scores, "pixels", draws(3)), random_order(-scores, "pixels", draws(3)))
    moved = random_order(scores, "shifted", draws(3))
    assert not torch.equal(moved, random_order(-scores, "shifted", draws(3)))
    assert moved.sort().values.tolist() == list(range(36))


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_limits_and_p_are_those_of_the_textbook(higher_is_better):
    nulls = torch.tensor([[0.2, 0.5, 0.3, 0.6, 0.4]]).double()
    curves = Curves(torch.tensor([[0.3, 0.3]]), nulls.float()[..., None].expand(1, 5, 2), Work(1, 0, 1.0), {})
    m = reading(curves, lambda c: c.mean(-1), higher_is_better=higher_is_better)
    deviation = float(nulls.std())
    assert m.chance is not None
    assert m.chance_low is not None
    assert float(m.chance) == pytest.approx(0.4)
    assert float(m.chance_low) == pytest.approx(0.4 - 1.959964 * deviation, abs=1e-5)
    better = -0.1 if higher_is_better else 0.1
    margin = float(stats.t.ppf(0.975, 4)) * deviation * (1 + 1 / 5) ** 0.5
    found = [float(m.extras[name]) for name in ("advantage_low", "advantage", "advantage_high")]
    assert found == pytest.approx([better - margin, better, better + margin], abs=1e-5)
    assert float(m.extras["p"]) == pytest.approx(5 / 6 if higher_is_better else 3 / 6)  # 0.3 itself counts as good


@pytest.mark.parametrize("null", ["shifted", "pixels"])
def test_maps_that_know_nothing_lie_within_their_limits_as_often_as_these_say(linear, null):
    images, names = pictures(linear, 5), ("advantage_low", "advantage", "advantage_high", "p")
    runs = [  # many seeds of few images, as the images of a batch meet the same random orders
        deletion(
            linear, images, by_hand(noise(5, 8, 8, seed=seed)), output="logit", steps=4, orders=5, null=null, seed=seed
        ).extras
        for seed in range(32)
    ]
    low, advantage, high, p = (torch.cat([run[name] for run in runs]) for name in names)
    assert float(((low <= 0) & (high >= 0)).float().mean()) == pytest.approx(0.95, abs=0.04)
    assert abs(float(advantage.mean())) < 3 * float(advantage.std()) / 160**0.5
    assert float(p.mean()) == pytest.approx(3.5 / 6, abs=0.07)  # 1/6 to 6/6, each as likely
    assert float((p < 1.5 / 6).float().mean()) == pytest.approx(1 / 6, abs=0.08)


class Watched(nn.Module):
    """Remembers how many images each pass takes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Linear(8)
        self.passes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes.append(len(x))
        return self.inner(x)


def test_passes_are_full_few_and_counted():
    module = Watched()
    model = pl.ImageClassifier(seeded(module), size=(8, 8), mean=MEAN, std=STD, prepare=False)
    images = pictures(model, 5)
    assert model.batches.images == 50
    module.passes.clear()
    m = deletion(model, images, by_hand(noise(5, 8, 8)), steps=15, orders=3)
    # the ends once an image, whatever the number of orders; fourteen points an image in between
    assert m.work.forwards == sum(module.passes) == 5 * 2 + 5 * 14 * 4
    assert module.passes == [5, 5, *[50, 20] * 4]
    module.passes.clear()
    assert deletion(model, images, by_hand(noise(5, 8, 8)), steps=9, orders=3, share=0.5).work.forwards == 5 + 5 * 9 * 4
    assert sum(module.passes) == 5 + 5 * 9 * 4
    module.passes.clear()
    assert deletion(model, images, by_hand(noise(5, 8, 8)), steps=300, orders=0).work.forwards == 5 * 65  # of 64 pixels


def test_every_pass_of_the_network_is_a_step_and_nothing_is_told_before_a_curve_ends(linear):
    images, maps = pictures(linear, 2), noise(2, 8, 8)
    steps = list(deletion.stream(in_tens(linear), images, by_hand(maps), steps=17, orders=1))
    assert list(dict.fromkeys(step.work.forwards for step in steps)) == [14, 24, 34, 36, 46, 56, 66, 68]
    first, second, third = steps[0], steps[2], steps[4]
    assert first.values.isnan().all()
    assert (first.notes["unanswered"], second.notes["unanswered"]) == ("2 of 2 images", "1 of 2 images")
    assert first.extras["curve"].isnan().sum(1).tolist() == [6, 16]
    assert "unanswered" not in third.notes
    assert torch.equal(third.values, steps[-1].values)
    assert second.values[0] == steps[-1].values[0]
    assert all(step.worst_error == torch.inf for step in steps[:-1])


def test_no_more_than_a_few_dozen_images_are_built_at_once(linear, monkeypatch):
    built: list[int] = []
    values = pl.ImageClassifier.values
    monkeypatch.setattr(
        pl.ImageClassifier, "values", lambda self, images, *rest: built.append(len(images)) or values(self, images, *rest)
    )
    deletion(in_tens(linear), pictures(linear, 4), by_hand(noise(4, 8, 8)), steps=50, orders=1)
    assert max(built) == BATCH
    built.clear()
    deletion(linear, pictures(linear, 4), by_hand(noise(4, 8, 8)), steps=50, orders=1)
    assert max(built) == linear.batches.images
