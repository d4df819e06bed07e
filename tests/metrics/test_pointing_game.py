"""The pointing game: hits, misses, margin and ties counted by hand, and chance by the mask's own share."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.attribution import Work
from pellucid.inputs.photograph import photographs, remember
from pellucid.metrics.pointing_game import played, widened
from tests import networks
from tests.conftest import pictures

SQUARE = np.zeros((16, 16), dtype=bool)
SQUARE[4:8, 2:6] = True
"""Rows 4 to 7, columns 2 to 5: 16 of 256 pixels."""


def by_hand(maps: torch.Tensor, *, signed: bool = True) -> pl.Attribution:
    zeros = torch.zeros(len(maps))
    return pl.Attribution(maps[:, None].float(), zeros.long(), zeros, Work(0, 0, 1.0), "logit", signed=signed)


def peaks(*where: tuple[int, int], height: float = 1.0) -> torch.Tensor:
    map_ = torch.zeros(16, 16)
    for row, column in where:
        map_[row, column] = height
    return map_


def play(model: pl.ImageClassifier, maps: torch.Tensor, *, signed: bool = True, margin: float = 0.0) -> pl.Measurement:
    images = pictures(model, len(maps))
    return pl.measure(model, images, by_hand(maps, signed=signed), metric="pointing_game", mask=remember(SQUARE), margin=margin)


def test_the_highest_point_hits_or_misses(relu):
    m = play(relu, torch.stack([peaks((4, 2)), peaks((7, 5)), peaks((8, 5)), peaks((0, 15)), peaks((5, 3), height=1e-30)]))
    assert m.values.tolist() == [1, 1, 0, 0, 1]
    assert m.chance is not None
    assert m.chance.tolist() == pytest.approx([1 / 16] * 5)
    assert m.notes == {}
    assert m.higher_is_better is True


def test_what_lies_within_the_margin_hits(relu):
    maps = torch.stack([peaks((8, 5)), peaks((9, 5)), peaks((10, 5)), peaks((8, 6)), peaks((9, 7))])
    assert play(relu, maps, margin=2 / 16).values.tolist() == [1, 1, 0, 1, 0]  # the last is 2 * sqrt(2) away
    assert play(relu, maps, margin=1 / 16).values.tolist() == [1, 0, 0, 0, 0]
    assert play(relu, maps, margin=1.0).values.tolist() == [1] * 5


def test_the_default_is_the_papers_15_pixels_of_224():
    subject = torch.zeros(224, 224, dtype=torch.bool)
    subject[100, 100] = True
    default = pl.metrics["pointing_game"].options.model_fields["margin"].default
    row = widened(subject, default * 224)[100]
    assert row.nonzero().flatten().tolist() == list(range(85, 116))


def test_pixels_that_share_the_highest_value_share_the_hit(relu):
    half = peaks((4, 2), (0, 0))
    block = torch.zeros(16, 16)
    block[4:8, 0:6] = 2.0  # a superpixel of 24 pixels, 16 of them on the subject
    m = play(relu, torch.stack([half, block, torch.zeros(16, 16), torch.full((16, 16), -3.0)]))
    assert m.values.tolist() == pytest.approx([1 / 2, 2 / 3, 1 / 16, 1 / 16])


def test_signed_maps_are_read_by_sign_and_unsigned_ones_by_magnitude(relu):
    map_ = peaks((5, 3), height=-5.0) + peaks((0, 0), height=1.0)
    assert play(relu, map_[None]).values.tolist() == [0]
    assert play(relu, map_[None], signed=False).values.tolist() == [1]


def test_chance_is_the_share_that_hits_and_its_interval_that_of_one_throw(relu):
    m = play(relu, peaks((5, 3))[None], margin=1 / 16)
    assert m.chance is not None
    assert m.chance_low is not None
    assert m.chance_high is not None
    assert float(m.chance) == pytest.approx((16 + 4 * 4) / 256)
    assert (round(float(m.chance_low), 6), round(float(m.chance_high), 6)) == (0, 1)


def test_random_peaks_hit_as_often_as_chance_says():
    subject = torch.from_numpy(SQUARE)
    generator = torch.Generator().manual_seed(1)
    games = [played(torch.rand(16, 16, generator=generator), subject, 3 / 16)[:2] for _ in range(600)]
    hits, chance = np.mean([hit for hit, _ in games]), games[0][1]
    assert hits == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 600) ** 0.5)


def test_without_a_mask_there_is_no_value_but_a_reason(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="saliency"), metric="pointing_game")
    assert m.values.isnan().all()
    assert m.chance is None
    assert "no mask is shipped" in m.notes["no value"]


def test_a_map_of_nan_has_no_value_but_a_reason(relu):
    maps = torch.stack([peaks((4, 2)), torch.full((16, 16), torch.nan)])
    m = play(relu, maps)
    assert m.values[0] == 1
    assert m.values[1].isnan()
    assert "NaN" in m.notes["no value"]


def test_shipped_photographs_bring_their_own_masks(relu, tmp_path: Path):
    Image.fromarray(np.zeros((30, 30, 3), dtype=np.uint8)).save(tmp_path / "mine.png")
    images = relu.read(["observation:4", str(tmp_path / "mine.png"), "observation:2"])
    middle = torch.zeros(3, 16, 16)
    middle[:, 8, 8] = 1
    corner = torch.zeros(3, 16, 16)
    corner[:, 0, 0] = 1
    for maps, expected in ((middle, 1), (corner, 0)):  # the mince pie lies in the middle
        m = pl.measure(relu, images, by_hand(maps), metric="pointing_game")
        assert m.values[0] == expected
        assert m.values[1:].isnan().all()
        assert "mine.png" in m.notes["no value"]
        assert "fill the picture" in m.notes["no value"]


def test_edges_hit_every_subject_without_a_network():
    """Why a hit proves nothing, as the docstring says."""
    model = pl.ImageClassifier(networks.seeded(networks.Linear(224)), crop=0.875)
    images = model.read([row["path"] for row in photographs()])
    m = pl.measure(model, images, pl.explain(model, images, method="edges", target=0), metric="pointing_game")
    assert m.values[~m.values.isnan()].tolist() == [1] * 42
