"""ROAD: imputation exact on planes and equal to a dense solver, the metric equal to a slow replica, and never just 0."""

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.metrics.road import imputed, road
from tests.conftest import pictures, wrapped
from tests.metrics.test_deletion import BLOCK, ReadsOneBlock, bright_block
from tests.test_curves import by_hand, noise


@pytest.fixture(scope="module")
def block() -> pl.ImageClassifier:
    return wrapped(ReadsOneBlock())


def slowly_imputed(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """One equation a pixel of the image, in a dense system; those of known pixels say that they are what they are."""
    height, width = missing.shape
    system, right_side = np.eye(height * width), image.reshape(len(image), -1).T.copy()
    for row in range(height):
        for column in range(width):
            if not missing[row, column]:
                continue
            around = {
                (r, c): 1 / 6 if r == row or c == column else 1 / 12
                for r in (row - 1, row, row + 1)
                for c in (column - 1, column, column + 1)
                if (r, c) != (row, column) and 0 <= r < height and 0 <= c < width
            }
            here = row * width + column
            right_side[here] = 0
            for (r, c), weight in around.items():
                system[here, r * width + c] = -weight / sum(around.values())
    return np.linalg.solve(system, right_side).T.reshape(image.shape)


def test_a_plane_comes_back_as_it_was():
    rows, columns = torch.arange(12.0)[:, None], torch.arange(9.0)[None]
    image = torch.stack([2 * rows - 3 * columns + 1, rows * 0 + 0.5 * columns, 0 * rows + 0 * columns - 4])
    missing = torch.zeros(12, 9, dtype=torch.bool)
    missing[1:-1, 1:-1] = torch.rand(10, 7, generator=torch.Generator().manual_seed(0)) < 0.8
    torch.testing.assert_close(imputed(image, missing), image, rtol=1e-5, atol=1e-5)
    missing[1:-1, 1:-1] = True
    torch.testing.assert_close(imputed(image, missing), image, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
def test_imputation_equals_a_dense_solver(share):
    image = noise(3, 7, 9)
    missing = torch.rand(7, 9, generator=torch.Generator().manual_seed(3)) < share
    missing[0, :3], missing[3, 4] = True, False  # an edge and a corner; and something to impute from
    made = imputed(image, missing)
    expected = slowly_imputed(image.double().numpy(), missing.numpy())
    torch.testing.assert_close(made, torch.from_numpy(expected).float(), rtol=1e-5, atol=1e-5)
    assert torch.equal(made[:, ~missing], image[:, ~missing])


def test_one_known_pixel_colours_all_and_no_missing_pixel_changes_nothing():
    image = noise(3, 5, 5)
    missing = torch.ones(5, 5, dtype=torch.bool)
    missing[2, 1] = False
    torch.testing.assert_close(imputed(image, missing), image[:, 2, 1, None, None].expand(3, 5, 5))
    assert torch.equal(imputed(image, ~torch.ones(5, 5, dtype=torch.bool)), image)


@pytest.mark.parametrize("order", ["most", "least"])
@pytest.mark.parametrize("signed", [True, False])
def test_equals_a_slow_replica(linear, order, signed):
    images, maps = pictures(linear), noise(3, 8, 8)
    m = road(linear, images, by_hand(maps, signed=signed), steps=5, order=order, noise=0, output="logit", orders=2)
    for n in range(3):
        keys = (maps[n] if signed else maps[n].abs()).flatten().numpy()
        ranked = np.argsort(-keys if order == "most" else keys)
        outputs = []
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            missing = np.zeros(64, dtype=bool)
            missing[ranked[: round(share * 64)]] = True
            image = slowly_imputed(images.features[n].double().numpy(), missing.reshape(8, 8))
            outputs.append(float(linear.logits(torch.from_numpy(image).float()[None])[0, 0]))
        intact = float(linear.logits(images.features[n : n + 1])[0, 0])
        assert m.extras["curve"][n].tolist() == pytest.approx([intact, *outputs], abs=1e-4)
        expected = np.mean(outputs) if order == "most" else intact - np.mean(outputs)
        assert float(m.values[n]) == pytest.approx(float(expected), abs=1e-4)


def test_is_not_just_zero_where_nothing_can_change(block):
    images = block.read(list(torch.full((1, 3, 16, 16), 0.7)))
    intact = block.values(images.features, torch.zeros(1, dtype=torch.long), "probability")
    m = road(block, images, by_hand(noise(1, 16, 16)), noise=0, orders=2)
    torch.testing.assert_close(m.values, intact)  # one colour is imputed as itself
    assert float(m.values) > 0.5


def test_a_perfect_map_is_better_than_chance_and_one_upside_down_is_worse(block):
    images = bright_block(block, 2)
    blob = torch.nn.functional.avg_pool2d(BLOCK[None, None], 3, 1, 1)[0, 0]
    a = by_hand(torch.stack([blob, -blob]))
    for order in ("most", "least"):
        m = road(block, images, a, order=order)
        assert m.higher_is_better is False
        assert m.values[0] < m.values[1]
        assert (m.values != 0).all()
        assert m.extras["advantage"][0] > 0 > m.extras["advantage"][1]
    most = road(block, images, a)
    assert most.chance_low is not None
    assert most.values[0] < most.chance_low[0]
    assert float(most.extras["p"][0]) == pytest.approx(1 / 11)
    assert float(most.extras["p"][1]) == 1
    curve = most.extras["curve"]
    target = torch.zeros(1, dtype=torch.long)
    without = block.values(block.read(list(torch.full((1, 3, 16, 16), 0.1))).features, target, "probability")
    torch.testing.assert_close(curve[0, 2:-2], without.expand(6), rtol=0, atol=0.02)  # nothing of the block is left to see
    torch.testing.assert_close(curve[1, :-2], curve[1, :1].expand(8), rtol=0, atol=1e-6)  # untouched until the end


def test_random_maps_are_within_chance(block):
    m = road(block, bright_block(block, 12), by_hand(noise(12, 16, 16)), steps=3)
    inside = (m.extras["advantage_low"] <= 0) & (m.extras["advantage_high"] >= 0)
    assert inside.float().mean() >= 0.8
    assert float(m.extras["p"].mean()) == pytest.approx(0.5, abs=0.2)


def test_noise_has_the_share_of_the_range_that_was_asked_for():
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = x.flatten(1)
            return torch.stack([flat.var(1), flat.mean(1)], 1)

    model = wrapped(Mean(), 32)
    values = torch.full((1, 3, 32, 32), 0.5)
    values[:, :, 0, 0], values[:, :, 0, 1] = 0.0, 1.0
    images = model.read(list(values))
    last = torch.zeros(1, 32, 32)
    last[0, 0, :2] = -1  # the two pixels that make the range stay to the end; what is imputed is grey and noise
    loud, silent = (
        road(model, images, by_hand(last), noise=noise, output="logit", steps=2, orders=0).extras["curve"][0]
        for noise in (0.1, 0.0)
    )
    extra = (loud - silent)[1:] / torch.tensor([0.1, 0.9])
    assert extra.sqrt().tolist() == pytest.approx([0.1 * float(images.value_range)] * 2, rel=0.15)
    again, other = (
        road(model, images, by_hand(last), noise=0.1, output="logit", steps=2, orders=0, seed=seed).extras["curve"][0]
        for seed in (0, 1)
    )
    assert torch.equal(again, loud)
    assert not torch.equal(other[1:], loud[1:])


def test_the_work_and_the_stream_are_those_of_deletion(block):
    steps = list(road.stream(block, bright_block(block), by_hand(noise(1, 16, 16)), steps=4, orders=2))
    assert list(dict.fromkeys(step.work.forwards for step in steps)) == [1, 5, 9, 13]
    assert list(dict.fromkeys(step.work.fraction for step in steps)) == pytest.approx([1 / 13, 5 / 13, 9 / 13, 1])
    assert [step.values.isnan().item() for step in steps[:4]] == [True, True, True, False]  # a point is imputed at a step
    assert steps[3].chance is None
    assert steps[-1].extras["chance_curves"].shape == (1, 2, 5)


def test_a_map_of_nan_has_no_value_but_a_reason(block):
    maps = noise(2, 16, 16)
    maps[0] = torch.nan
    m = road(block, bright_block(block, 2), by_hand(maps), steps=3, orders=2)
    assert m.values.isnan().tolist() == [True, False]
    assert "NaN" in m.notes["no value"]
