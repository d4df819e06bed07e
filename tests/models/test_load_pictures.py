"""Classifiers of pictures from folders as `transformers` saves them: what they read is what their own processors make."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import pellucid as pl
from pellucid.models.folders import quiet
from pellucid.models.load_pictures import measured
from tests import networks
from tests.cli.command import shell

RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 16}
LABELS = {0: "cat", 1: "dog", 2: "neither"}


def written(folder: Path, kind: str = "ResNet", processor: Any = None, **config: Any) -> Path:
    """A tiny network with random weights as a folder, with its processor where one is given."""
    own: dict[str, Any] = {"ResNet": RESNET, "ViT": VIT}[kind]
    about = getattr(transformers, f"{kind}Config")(**own, **{"id2label": LABELS, **config})
    with quiet():
        module: Any = networks.seeded(getattr(transformers, f"{kind}ForImageClassification")(about))
        module.save_pretrained(folder)
        if processor is not None:
            processor.save_pretrained(folder)
    return folder


def processor(name: str, **settings: Any) -> Any:
    return getattr(transformers, f"{name}ImageProcessorPil")(**settings)


READ: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "the middle": (
        lambda: processor("MobileNetV2", size={"shortest_edge": 128}, crop_size={"height": 96, "width": 96}),
        {"size": (96, 96), "fit": "crop", "crop": 0.75, "interpolation": "bilinear"},
    ),
    "all of it, its sides scaled apart": (
        lambda: processor("ViT", size={"height": 96, "width": 64}),
        {"size": (96, 64), "fit": "squash", "crop": 1.0, "interpolation": "bilinear"},
    ),
    "a share of each side": (
        lambda: processor("DeiT", size={"height": 128, "width": 128}, crop_size={"height": 112, "width": 112}),
        {"size": (112, 112), "fit": "squash", "crop": 0.875, "interpolation": "bicubic"},
    ),
    "by a share that the processor has of its own": (
        lambda: processor("ConvNext", size={"shortest_edge": 112}, crop_pct=0.7),
        {"size": (112, 112), "fit": "crop", "crop": 0.7, "interpolation": "bicubic"},
    ),
    "from -1 to 1 by a factor and an offset": (
        lambda: processor(
            "EfficientNet", size={"height": 64, "width": 64}, rescale_factor=1 / 127.5, rescale_offset=True, resample=1,
            do_normalize=False, include_top=False,
        ),
        {"size": (64, 64), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "lanczos"},
    ),
    "the middle, to half a pixel of a few": (
        lambda: processor("MobileNetV2", size={"shortest_edge": 72}, crop_size={"height": 64, "width": 64}),
        {"size": (64, 64), "fit": "crop", "crop": 64 / 72, "interpolation": "bilinear"},
    ),
    "by a window of Hamming's": (
        lambda: processor("ViT", size={"height": 32, "width": 32}, resample=5), {"size": (32, 32), "interpolation": "hamming"}
    ),
    "by means of boxes": (
        lambda: processor("ViT", size={"height": 32, "width": 32}, resample=4), {"size": (32, 32), "interpolation": "box"}
    ),
    "as it is": (
        lambda: processor("ViT", size={"height": 64, "width": 64}, do_normalize=False, resample=0),
        {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "interpolation": "nearest"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_a_folder_reads_a_picture_as_its_processor_does(case: str, tmp_path: Path) -> None:
    make, expected = READ[case]
    asked = make()
    model = pl.load(written(tmp_path / "net", processor=asked))
    assert isinstance(model, pl.ImageClassifier)
    assert {key: getattr(model, key) for key in expected} == expected
    assert (model.labels, model.name) == (("cat", "dog", "neither"), str(tmp_path / "net"))
    coarse = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    for size in ((500, 300), (300, 420)):
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        theirs = asked(images=picture, return_tensors="pt")["pixel_values"][0]
        ours = model.read(picture).features[0]
        assert ours.shape == theirs.shape
        off = (ours - theirs).abs() * torch.tensor(model.std)[:, None, None]
        assert float(off.mean()) < 0.01
        with torch.no_grad():
            torch.testing.assert_close(model.logits(theirs[None].float()), model.module(theirs[None].float()).logits)


@pytest.fixture(scope="module", params=["ResNet", "ViT"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = {"image_size": 32} if request.param == "ViT" else {}
    reads = processor("ViT", size={"height": 32, "width": 32})
    return written(tmp_path_factory.mktemp("own") / "net", request.param, reads, **own)


@pytest.mark.parametrize("method", list(pl.methods))
def test_every_method_explains_it_and_leaves_it_as_it_was(folder: Path, method: str) -> None:
    few = {"samples": 10, "steps": 5, "window": 16, "stride": 16, "segments": 6}
    options: dict[str, Any] = {key: few[key] for key in pl.methods[method].options.model_fields if key in few}
    model = pl.load(folder)
    assert isinstance(model, pl.ImageClassifier)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    a = pl.explain(model, "observation:0", method=method, target="dog", **options)
    assert torch.isfinite(a.scores).all()
    assert a.target.tolist() == [1]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.state_dict().items())
    assert not any(p.grad is not None for p in model.module.parameters())


def test_the_shell_takes_it_and_its_record_runs_again(folder: Path, tmp_path: Path) -> None:
    done = shell("explain", "saliency", "observation:0", "--model", str(folder), "--no-trust", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "pellucid-out").glob("*.safetensors")
    again = shell("replay", str(record), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "Reproduced: every score has the same bits." in again.stdout
    listed = shell("models", str(folder), cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "3 classes, reads 32 x 32 px" in listed.stdout


def test_what_a_folder_lacks_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot tell how '.*bare' reads a picture: .*A folder needs config.json, preproc.*"):
        pl.load(written(tmp_path / "bare"))
    cut = written(tmp_path / "cut", processor=processor("ViT"))
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot load the weights of"):
        pl.load(cut)
    other = written(tmp_path / "other", processor=processor("ViT"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "depths": [2, 1]}))
    with pytest.raises(ValueError, match=r"\d+ of its weights are missing \(such as resnet.*\); they would be random numbers"):
        pl.load(other)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            lambda: processor("MobileViT", size={"shortest_edge": 96}, crop_size={"height": 96, "width": 96}),
            "order of the channels",
        ),
        (lambda: processor("MobileNetV2", size={"shortest_edge": 64}, crop_size={"height": 96, "width": 96}), "it pads"),
        (  # half a pixel of 32 aside
            lambda: processor("MobileNetV2", size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
            r"makes of a picture what is 0\.03 from the same picture cut, resized and normalised",
        ),
        (
            lambda: processor("CLIP", do_center_crop=False, size={"shortest_edge": 96}),
            "another size for a picture of another shape",
        ),
    ],
)
def test_a_processor_that_does_more_is_refused(asked: Callable[[], Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"its \w+Pil .*{said}.*Load the module yourself"):
        pl.load(written(tmp_path / "net", processor=asked()))


def test_a_window_that_is_not_the_middle_is_refused() -> None:
    def corner(pixels: Any) -> Any:
        return np.moveaxis(np.asarray(pixels[:128, :128], dtype=np.float64) / 255, -1, 0)

    with pytest.raises(ValueError, match=r"keeps 12. x 12. from \(-?0, -?0\) of 640 x 400 pixels .*neither the middle"):
        measured(corner)


def test_several_classes_at_once_are_warned_of(tmp_path: Path) -> None:
    folder = written(tmp_path / "net", processor=processor("ViT"), problem_type="multi_label_classification")
    with pytest.warns(UserWarning, match="answers for each class by itself"):
        pl.load(folder)
