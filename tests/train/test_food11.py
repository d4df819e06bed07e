"""Training on a folder of painted pictures that is named like Food-11."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageDraw

import pellucid as pl
from pellucid.cli.train import train
from pellucid.inputs.food11 import CATEGORIES, read_food11
from pellucid.models.load import state_dict
from pellucid.train.data import Photographs
from pellucid.train.features import FILE, FeatureStore
from pellucid.train.food11 import recipe_for, train_food11
from tests.networks import relu_cnn, seeded

COLOURS = ("red", "green", "blue", "white", "yellow", "magenta", "cyan", "orange", "brown", "pink", "black")


def paint(folder: Path, labels: range, count: int, side: int = 64) -> Path:
    """Discs and squares in the colour of the label, on noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in labels:
        for number in range(count):
            noise = np.random.default_rng((label, number)).integers(60, 190, (side, side, 3), dtype=np.uint8)
            picture = Image.fromarray(noise)
            shape = ImageDraw.Draw(picture).ellipse if label % 2 else ImageDraw.Draw(picture).rectangle
            shape((6 + number, 4, side - 6, side - 8 - number), fill=COLOURS[label])
            picture.save(folder / f"{label}_{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two of each category to train on, one to validate on, and an evaluation photograph of two; one file is broken."""
    root = tmp_path_factory.mktemp("food11")
    paint(root / "training", range(11), 2)
    paint(root / "validation", range(11), 1)
    paint(root / "evaluation", range(2), 1)
    whole = (root / "training" / "5_0.jpg").read_bytes()
    (root / "training" / "5_9.jpg").write_bytes(whole[: len(whole) // 2])
    return root


@pytest.fixture(scope="module")
def head(folder, tmp_path_factory):
    """A trained head: the folder it is in, and its progress."""
    out = tmp_path_factory.mktemp("head")
    return out, list(train_food11(folder, out, recipe_for("food11-head", epochs=12, batch=8)))


def test_the_head_learns_and_its_checkpoint_loads_back(folder, head):
    _, steps = head
    result = steps[-1].result
    assert result.best.validation.accuracy > 0.7
    model = pl.load(result.checkpoint, architecture="food11-head")
    photos = read_food11(folder).validation
    images = model.read([photo.path for photo in photos])
    right = (model.logits(images.features).argmax(1) == torch.tensor([photo.label for photo in photos])).sum()
    assert int(right) == sum(result.best.validation.right)  # what was reported on features is what the network does
    assert not model.module.training
    assert model.labels == CATEGORIES


def test_every_weight_but_the_head_is_imagenet_s(head, imagenet):
    saved = state_dict(head[0] / "checkpoint.pth")
    frozen = {name: tensor for name, tensor in imagenet.module.state_dict().items() if not name.startswith("_fc.")}
    assert all(torch.equal(saved[name], tensor) for name, tensor in frozen.items())
    assert set(saved) - set(frozen) == {"_fc.weight", "_fc.bias"}
    assert saved["_fc.weight"].shape == (11, 1280)


def test_the_head_can_be_explained(head):
    model = pl.load(f"food11-head:{head[0] / 'checkpoint.pth'}")
    assert isinstance(model, pl.ImageClassifier)
    answer = pl.explain(model, "observation:1", method="saliency", target="Rice")
    assert answer.map().max() > 0


def test_it_says_what_was_skipped_and_how_it_does(folder, head):
    _, steps = head
    result = steps[-1].result
    assert [one.path.name for one in result.skipped] == ["5_9.jpg"]
    assert result.skipped[0].reason.startswith("cannot be decoded, it is truncated or damaged")
    assert result.absent == ()
    assert sum(result.evaluation.count) == 2
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == ["reading", "features", "training", "validation", "epoch", "evaluation", "done"]
    for stage in ("reading", "features", "training"):
        last = [step for step in steps if step.stage == stage][-1]
        assert last.done == last.total > 0


def test_features_are_computed_once_and_belong_to_the_picture_and_the_network(folder, head, imagenet, tmp_path):
    out, _ = head
    shutil.copy(out / FILE, tmp_path)
    photos = read_food11(folder).validation
    assert list(FeatureStore(tmp_path, imagenet).compute(photos)) == []
    renamed = tmp_path / "3_77.jpg"
    shutil.copy(photos[0].path, renamed)
    assert list(FeatureStore(tmp_path, imagenet).compute([type(photos[0])(renamed, 3)])) == []
    (tmp_path / FILE).write_bytes(b"damaged")
    assert len(list(FeatureStore(tmp_path, imagenet).compute(photos[:1]))) == 1
    other = pl.load(out / "checkpoint.pth", architecture="food11-head")
    assert len(list(FeatureStore(tmp_path, other).compute(photos[:1]))) == 1


def test_the_features_are_what_the_last_layer_reads(folder, imagenet, tmp_path):
    photos = read_food11(folder).validation[:2]
    steps = FeatureStore(tmp_path, imagenet).compute(photos)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        features = end.value
    model = replace(imagenet, prepare=False)  # the store runs the module itself
    logits = model.logits(model.read([photo.path for photo in photos]).features)
    torch.testing.assert_close(imagenet.module.get_submodule("_fc")(features).detach(), logits)


def test_the_course_s_network_takes_a_step_and_loads_back(tmp_path):
    paint(tmp_path / "data", range(1), 2, side=32)
    steps = list(train_food11(tmp_path / "data", tmp_path / "out", recipe_for("food11-cnn", epochs=1)))
    result = steps[-1].result
    assert result is not None
    assert result.absent == CATEGORIES[1:]
    model = pl.load(tmp_path / "out" / "checkpoint.pth", architecture="food11-cnn")
    saved = state_dict(tmp_path / "out" / "last.pth")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.module.state_dict().items())
    assert int(saved["cnn.1.num_batches_tracked"]) == 1  # it has seen one batch
    assert result.best.validation.count[0] == 1


def test_photographs_are_read_as_the_network_will_read_them(folder):
    reader = pl.ImageClassifier(seeded(relu_cnn(11)), size=(16, 24), mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0), fit="squash")
    photos = read_food11(folder).validation
    data = Photographs(photos, reader)
    assert torch.equal(data.batch([3, 0]), reader.read([photos[3].path, photos[0].path]).features)
    one, same, other = data.batch([3, 0], (5, 1)), data.batch([3], (5, 1)), data.batch([3], (5, 2))
    assert torch.equal(one[:1], same)  # whatever it is in a batch with
    assert not torch.equal(same, other)
    shown = one * torch.tensor(reader.std)[:, None, None] + torch.tensor(reader.mean)[:, None, None]
    assert -1e-6 <= float(shown.min()) <= float(shown.max()) <= 1 + 1e-6


def test_nothing_readable_is_an_error(tmp_path):
    for name in ("0_0.jpg", "0_1.jpg", "0_2.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"none of the training photographs in .* can be read; the first: .*not a picture"):
        list(train_food11(tmp_path, tmp_path / "out", recipe_for("food11-head")))


def test_a_device_or_architecture_that_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="there is no device 'abacus' here"):
        next(train_food11(folder, tmp_path, recipe_for("food11-cnn"), device="abacus"))
    with pytest.raises(KeyError, match="no architecture to train named 'food11'"):
        recipe_for("food11")


# ------------------------------------------------------------------------------------------------ the command


def command(*words: object):
    return CliRunner().invoke(train, ["food11", *map(str, words)], standalone_mode=False)


def test_the_command_trains_and_reports_as_json(folder, head, tmp_path):
    shutil.copy(head[0] / FILE, tmp_path)
    options = ("--architecture", "food11-head", "--epochs", 12, "--batch", 8, "--out", tmp_path, "--json")
    done = command(folder, *options)
    assert done.exception is None, done.exception
    assert done.return_value == 1  # a file was skipped
    report = json.loads(done.stdout)
    expected = head[1][-1].result
    assert report["best"]["validation"]["accuracy"] == expected.best.validation.accuracy
    assert report["best"]["validation"]["by_class"].keys() == set(CATEGORIES)
    assert report["skipped"][0]["file"].endswith("5_9.jpg")
    assert len(report["history"]) == 12
    assert same_weights(report["checkpoint"], expected.checkpoint)
    resumed = command(folder, "--out", tmp_path, "--resume", "--json")  # with the options it was started with
    assert json.loads(resumed.stdout) == report
    assert "started with epochs 12, not 13" in str(command(folder, "--out", tmp_path, "--resume", "--epochs", 13).exception)
    assert "already holds a training run" in str(command(folder, *options).exception)


def test_the_command_in_words(folder, head, tmp_path):
    shutil.copy(head[0] / FILE, tmp_path)
    (tmp_path / "whole").mkdir()
    for split in ("training", "validation"):
        (tmp_path / "whole" / split).symlink_to(folder / split)
    done = command(tmp_path / "whole", "-a", "food11-head", "--epochs", 2, "--out", tmp_path)
    assert "epoch   1 of 2   training loss" in done.stdout
    assert "of 11 validation photographs right" in done.stdout
    assert f"--model food11-head:{tmp_path / 'checkpoint.pth'}" in done.stdout
    assert "1 file was skipped:" in done.stderr
    assert "\x1b" not in done.stderr  # no bar where nobody looks


def test_the_command_refuses_what_cannot_begin(folder, tmp_path):
    assert "holds no picture" in str(command(tmp_path, "--out", tmp_path / "out").exception)
    assert "no run to resume" in str(command(folder, "-a", "food11-head", "--out", tmp_path, "--resume").exception)
    assert "no such option" in str(command(folder, "--epoch-count", 3).exception).lower()
    (tmp_path / "file").touch()
    unwritable = command(folder, "-a", "food11-head", "--out", tmp_path / "file" / "out").exception
    assert "cannot make the folder" in str(unwritable)
    assert getattr(unwritable, "exit_code", None) == 2


def same_weights(one: str | Path, other: str | Path) -> bool:
    a, b = state_dict(Path(one)), state_dict(Path(other))
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)
