"""An instructor's own pictures, masks and network: one command keys the course on them."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.cli.course.build import absolute, named, placed
from pellucid.course.outlines import masks_of
from tests.cli.command import shell

COURSE = """\
assignment: {id: own, title: {en: Own}}
points: {total: "1"}
groups: {where: {en: Where}}
models: {cnn: imagenet}  # the network
images: observation
artefacts:
  bright: {kind: brightness, model: cnn, images: all, above: 0.5}
regions:
  subject: {model: cnn, images: all}
questions:
  - id: bright
    group: where
    points: "0.5"
    prompt: {en: Which pictures are bright?}
    candidates: [{id: "on-{image}", each: image, text: {en: "{image_name}"}, when: "area(bright[image]) >= 0.5"}]
    show: {options: 2, true: [1, 1]}
  - id: large
    group: where
    points: "0.5"
    prompt: {en: Which subjects are large?}
    candidates: [{id: "on-{image}", each: image, text: {en: "{image_name}"}, when: "area(subject[image]) >= 0.4"}]
    show: {options: 2, true: [1, 1]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A course beside four pictures of one grey each, named by it, and outlines of two of them."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "course.yaml").write_text(COURSE, encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for grey in (10, 60, 190, 240):
        Image.fromarray(np.full((80, 80, 3), grey, np.uint8)).save(tmp_path / "photos" / f"g{grey:03d}.png")
    half = {"polygons": [[[0, 0], [1, 0], [1, 0.8], [0, 0.8]]]}
    corner = {"polygons": [[[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]]}
    (tmp_path / "outlines.json").write_text(json.dumps({"g010.png": half, "g240.png": corner}), encoding="utf-8")
    return tmp_path


def options(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "own" / "keys" / "0001.json").read_text(encoding="utf-8"))
    return {q["id"]: {o["text"]["en"]: o for o in q["options"]} for q in document["evidence"]["questions"]}


def test_own_pictures_and_outlines_in_one_command(folder: Path) -> None:
    built = shell("course", "build", "own", "--images", "photos", "--masks", "outlines.json", cwd=folder)
    assert built.returncode == 0, built.stderr
    found = options(folder)
    assert {name: (o["correct"], o["verdict"]) for name, o in found["bright"].items()} == {
        "g010": (False, "SAFE"), "g060": (False, "SAFE"), "g190": (True, "SAFE"), "g240": (True, "SAFE"),
    }  # fmt: skip
    assert (found["large"]["g010"]["correct"], found["large"]["g240"]["correct"]) == (True, False)
    assert found["large"]["g060"]["verdict"] == "INVALID"
    assert "'outlines.json' has no outline of it" in found["large"]["g060"]["reasons"][-1]
    source = (folder / "own" / "course.yaml").read_text(encoding="utf-8")
    assert f"images: {folder / 'photos'}\n" in source
    assert "# the network" in source
    assert shell("course", "check", "own", cwd=folder).returncode == 0

    assert shell("course", "freeze", "own", "--by", "T", cwd=folder).returncode == 0
    again = shell("course", "build", "own", "--images", "photos", cwd=folder)
    assert "0002.json" in again.stdout, again.stderr  # a frozen key is followed, with a reason of its own
    second = json.loads((folder / "own" / "keys" / "0002.json").read_text(encoding="utf-8"))
    assert second["key"]["reason"] == f"keyed on {folder / 'photos'}"

    Image.fromarray(np.full((80, 80, 3), 5, np.uint8)).save(folder / "photos" / "g240.png")
    stale = shell("course", "check", "own", cwd=folder)
    assert stale.returncode == 1
    assert "not computed for this source: bright, large" in stale.stdout


def test_polygons_in_a_file_are_the_outlines_that_ship(imagenet: pl.ImageClassifier, tmp_path: Path) -> None:
    inputs = imagenet.read(["observation:0", "observation:3"])
    shipped = masks_of(inputs, imagenet)
    given = masks_of(inputs, imagenet, str(files("pellucid") / "data" / "masks.json"))
    assert given.missing == shipped.missing == ("", "")
    assert torch.equal(given.values, shipped.values)
    (tmp_path / "m.json").write_text('{"a": {"polygons": [[1, 2]]}}', encoding="utf-8")
    with pytest.raises(ValueError, match="no JSON of outlines"):
        masks_of(inputs, imagenet, str(tmp_path / "m.json"))
    with pytest.raises(FileNotFoundError, match="no file of outlines"):
        masks_of(inputs, imagenet, str(tmp_path / "n.json"))


def test_which_network_is_replaced(tmp_path: Path) -> None:
    assert named("bert=minilm", {"cnn": "imagenet", "bert": "minilm-qa"}) == {"bert": "minilm"}
    assert named("food11", {"cnn": "imagenet"}) == {"cnn": "food11"}
    (tmp_path / "w.pth").touch()
    assert absolute(f"food11-cnn:{tmp_path / 'w.pth'}") == f"food11-cnn:{tmp_path / 'w.pth'}"
    assert absolute("imagenet") == "imagenet"
    assert placed(tmp_path / "course" / "photos", tmp_path / "course") == "photos"
    assert placed(tmp_path / "photos", tmp_path / "course") == str(tmp_path / "photos")
