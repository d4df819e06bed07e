"""Masks of the subject: what ships is sound, they go through the picture's own crop, and the user's own are read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_fill_holes, distance_transform_edt

import pellucid as pl
from pellucid.inputs.masks import as_read, moved, outlines, rasterised, subject_mask
from pellucid.inputs.photograph import photographs, remember
from tests import networks

LEFT = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]
PLAIN = ["dessert_candy_cane", "dessert_mince_pie", "meat_roast_turkey", "other_hammer", "seafood_spiny_lobster"]
"""Photographs of a subject on a plain ground."""
WHOLE = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]


def reader(side: int = 16, **how: Any) -> pl.ImageClassifier:
    """A network of that side, with how it reads a picture."""
    return pl.ImageClassifier(networks.seeded(networks.Linear(side)), size=(side, side), **how)


def photograph(path: Path, width: int = 60, height: int = 40) -> Path:
    values = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


# ---------------------------------------------------------------------------------------------------- what ships


def test_every_photograph_has_an_outline_or_a_reason_why_not():
    assert set(outlines()) == {row["file"] for row in photographs()}
    for outline in outlines().values():
        assert outline.get("reason") or (1 <= len(outline["subject"].split()) <= 3 and outline["polygons"])
    assert [name for name, outline in outlines().items() if "reason" in outline] == ["vegfruit_citrus_slices.jpg"]


@pytest.mark.parametrize("row", [r for r in photographs() if "polygons" in outlines()[r["file"]]], ids=lambda row: row["file"])
def test_an_outline_lies_inside_the_picture_and_covers_a_part_of_it(row):
    polygons = outlines()[row["file"]]["polygons"]
    for polygon in polygons:
        assert len(polygon) >= 4
        assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in polygon)
    with Image.open(row["path"]) as picture:
        assert picture.getexif().get(0x0112, 1) == 1  # stored upright, so that shares are of what one sees
        assert 0.01 < rasterised(polygons, *picture.size).mean() < 0.95


@pytest.mark.parametrize("name", PLAIN)
def test_outlines_on_a_plain_ground_follow_what_is_not_ground(name):
    with Image.open(next(row["path"] for row in photographs() if row["file"] == f"{name}.jpg")) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    subject = np.asarray(binary_fill_holes(np.abs(pixels - pixels[2, 2]).max(2) > 30))
    drawn = rasterised(outlines()[f"{name}.jpg"]["polygons"], pixels.shape[1], pixels.shape[0])
    near = 0.02 * min(subject.shape)
    from_subject, from_drawn = (np.asarray(distance_transform_edt(~one)) for one in (subject, drawn))
    assert drawn[from_subject > near].sum() < 0.01 * drawn.sum()
    assert subject[from_drawn > near].sum() < 0.03 * subject.sum()  # a lobster's thinnest feelers


def test_the_shipped_masks_come_by_source_and_not_by_name_alone(tmp_path):
    model = reader(32)
    row = next(row for row in photographs() if row["file"] == "other_dog.jpg")
    copy = Path(shutil.copy(row["path"], tmp_path / "other_dog.jpg"))
    (tmp_path / "elsewhere").mkdir()
    namesake = photograph(tmp_path / "elsewhere" / "other_dog.jpg")
    array = np.asarray(Image.open(row["path"]))
    found = subject_mask(model.read([row["path"], copy, namesake, array, "observation:0", "observation:2"]), model._box)
    assert found.known.tolist() == [True, True, False, False, True, False]
    assert torch.equal(found.values[0], found.values[1])
    assert 0.2 < found.values[0].float().mean() < 0.5
    assert not found.values[~found.known].any()
    assert "called like the shipped photograph" in found.missing[2]
    assert "mask=" in found.missing[3]
    assert "fill the picture" in found.missing[5]
    note = found.notes([""] * 6)["no value"]
    assert "other_dog.jpg: it is called" in note
    assert "vegfruit_citrus_slices.jpg: slices" in note
    assert found.notes(["its map is odd"] + [""] * 5)["no value"].startswith("other_dog.jpg: its map is odd")


# ------------------------------------------------------------------------------------------------- crop and resize


def test_pixels_count_by_their_centres():
    assert rasterised(WHOLE, 5, 3).all()
    left = rasterised(LEFT, 8, 4)
    assert left[:, :4].all()
    assert not left[:, 4:].any()
    quarter = [[[x / 2, y] for x, y in polygon] for polygon in LEFT]
    two = rasterised([*quarter, *[[[1 - x, y] for x, y in polygon] for polygon in quarter]], 8, 4)
    assert two[0].tolist() == [True, True, False, False, False, False, True, True]


@pytest.mark.parametrize("how", [{}, {"crop": 0.5}, {"crop": 0.875}, {"fit": "squash"}, {"interpolation": "bilinear"}])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (16, 16), (200, 10)])
def test_the_whole_stays_whole_and_the_left_half_left(how, shape):
    box = reader(16, **how)._box
    assert as_read(rasterised(WHOLE, *shape), box, (16, 16)).all()
    left = as_read(rasterised(LEFT, *shape), box, (16, 16))
    assert left[:, :8].all()
    assert not left[:, 8:].any()


@pytest.mark.parametrize("how", [{}, {"crop": 0.6}, {"fit": "squash"}])
def test_a_mask_goes_where_the_picture_of_it_goes(tmp_path, how):
    """The photograph is white where the mask is: what the network reads must be bright just where the mask it gets is."""
    mask = rasterised([[[0.3, 0.2], [0.8, 0.3], [0.6, 0.9], [0.2, 0.7]]], 90, 50)
    Image.fromarray(mask).convert("RGB").save(tmp_path / "a.png")
    model = reader(24, interpolation="bilinear", **how)
    images = model.read(tmp_path / "a.png")
    found = subject_mask(images, model._box, str(tmp_path / "a.png"))
    assert torch.equal(found.values[0], images.pixels[0, ..., 0] >= 128)


@pytest.mark.filterwarnings("ignore:of 'a.png':pellucid.ImageWarning")
def test_a_subject_outside_the_crop_is_none(tmp_path):
    path = photograph(tmp_path / "a.png", 100, 20)
    mask = np.zeros((20, 100), dtype=bool)
    mask[:, :10] = True
    model = reader(16)
    found = subject_mask(model.read(path), model._box, remember(mask))
    assert not found.known.any()
    assert "nothing of the subject is left" in found.missing[0]


# ---------------------------------------------------------------------------------------------- the user's own masks


def test_a_picture_an_array_and_a_folder_say_the_same(tmp_path):
    path = photograph(tmp_path / "cat.jpg")
    mask = rasterised(LEFT, 60, 40)
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.where(mask, 200, 90).astype(np.uint8)).save(tmp_path / "masks" / "cat.png")
    model = reader(16)
    images = model.read([path, photograph(tmp_path / "dog.jpg", 50, 40)])
    ways = [
        str(tmp_path / "masks" / "cat.png"), str(tmp_path / "masks"), remember(mask), remember(torch.from_numpy(mask)),
        remember(mask * 0.5), remember(mask * np.uint8(255)), remember(Image.fromarray(mask)),
    ]  # fmt: skip
    for way in ways:
        found = subject_mask(images, model._box, way)
        assert found.known.tolist() == [True, False]
        assert found.values[0, :, :8].all()
        assert not found.values[0, :, 8:].any()
        assert ("of that name" if way.endswith("masks") else "50 x 40 px") in found.missing[1]


def test_a_mask_of_what_the_network_reads_is_taken_as_it_is(tmp_path):
    mask = np.zeros((16, 16), dtype=bool)
    mask[3:5, 7:9] = True
    model = reader(16, crop=0.5)
    features = model.from_features(torch.randn(1, 3, 16, 16))
    for images in (model.read(photograph(tmp_path / "a.png")), model.read(torch.rand(3, 16, 16)), features):
        assert np.array_equal(subject_mask(images, model._box, remember(mask)).values[0], mask)
    same_size = model.read(photograph(tmp_path / "b.png", 16, 16))  # is cut, so its mask is too
    assert subject_mask(same_size, model._box, remember(mask)).values[0].sum() > mask.sum()


def test_a_photograph_that_is_gone_takes_only_what_the_network_reads(tmp_path):
    model = reader(16)
    images = model.read(photograph(tmp_path / "a.png"))
    (tmp_path / "a.png").unlink()
    found = subject_mask(images, model._box, remember(rasterised(LEFT, 60, 40)))
    assert found.missing == ("the mask is 60 x 40 px, the photograph is not at hand, and the network reads 16 x 16 px",)
    assert subject_mask(images, model._box, remember(rasterised(LEFT, 16, 16))).known.all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((40, 60), dtype=bool), "nowhere"),
        (np.ones((40, 60), dtype=np.uint8), "nowhere 128 or more, its highest value is 1;"),
        (np.ones((40, 60, 3), dtype=bool), "expected height x width"),
        (np.full((40, 60), "a"), "expected height x width"),
    ],
)
def test_a_mask_that_is_none_is_refused(tmp_path, mask, message):
    model = reader(16)
    images = model.read(photograph(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=message):
        subject_mask(images, model._box, remember(mask))


def test_a_file_that_is_no_mask_is_refused(tmp_path):
    model = reader(16)
    images = model.read(photograph(tmp_path / "a.png"))
    with pytest.raises(FileNotFoundError, match="no mask at"):
        subject_mask(images, model._box, str(tmp_path / "b.png"))
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"b\.png"):
        subject_mask(images, model._box, str(tmp_path / "b.png"))


# -------------------------------------------------------------------------------------------------------- chance


def test_moving_a_map_to_every_place_is_done_at_once():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(5, 6, generator=generator, dtype=torch.float64) ** 4
    mask = torch.rand(5, 6, generator=generator) < 0.3
    shares = [float(weights.roll((down, right), (0, 1))[mask].sum() / weights.sum()) for down in range(5) for right in range(6)]
    mean, low, high = moved(weights, mask)
    assert mean == pytest.approx(float(mask.double().mean()))
    assert mean == pytest.approx(np.mean(shares))
    assert (low, high) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))
