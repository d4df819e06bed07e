import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.store import write_whole
from pellucid.stream import bounded, drain
from tests import networks
from tests.conftest import pictures, wrapped


@pytest.fixture
def record(relu: pl.ImageClassifier) -> pl.Record:
    images = pictures(relu, 2)
    return pl.record(relu, images, pl.explain(relu, images, method="saliency", target=[1, 2]))


def test_equal_requests_have_equal_keys() -> None:
    one = pl.Request(model="imagenet", source=("a.jpg",), method="lime", options={"samples": 10, "hide": "mean"}, seed=1)
    other = pl.Request(seed=1, options={"hide": "mean", "samples": 10}, method="lime", source=("a.jpg",), model="imagenet")
    assert one.key == other.key
    assert one.key != one.model_copy(update={"seed": 2}).key
    assert pl.Request.model_validate_json(one.model_dump_json()) == one


def test_the_key_stays_the_same_from_version_to_version() -> None:
    """Stored results are found by it: whoever changes it loses them."""
    request = pl.Request(
        model="imagenet", source=("observation:0",), target=(967,), method="saliency", options={"output": "logit"}
    )
    assert request.key == "8d1bcb7d96217bcd3e19bbdd46fc5d690268699248feaf3977176852f25ebd59"


def test_round_trip_gives_back_pixels_and_features_bit_by_bit(record: pl.Record) -> None:
    again = pl.Record.from_bytes(record.to_bytes())
    assert torch.equal(again.inputs.features, record.inputs.features)
    assert torch.equal(again.inputs.pixels, record.inputs.pixels)
    assert torch.equal(again.attribution.scores, record.attribution.scores)
    assert (again.request, again.fingerprint, again.inputs.names) == (record.request, record.fingerprint, record.inputs.names)


def test_features_that_no_pixels_give_are_kept(relu: pl.ImageClassifier) -> None:
    images = relu.from_features(torch.randn(1, 3, 16, 16) * 3)
    record = pl.record(relu, images, pl.explain(relu, images, method="saliency"))
    assert torch.equal(pl.Record.from_bytes(record.to_bytes()).inputs.features, images.features)


def test_a_record_of_an_attribution_alone_says_what_it_lacks(record: pl.Record) -> None:
    with pytest.raises(ValueError, match="without the request and the pixels"):
        pl.Record.from_bytes(record.attribution.to_record())
    assert torch.equal(pl.Attribution.from_record(record.to_bytes()).scores, record.attribution.scores)


def test_a_store_finds_the_record_of_an_equal_request(record: pl.Record, tmp_path: Path) -> None:
    store = pl.Store(tmp_path / "new" / "folder")
    assert store.get(record.request) is None
    path = store.put(record)
    assert list(store) == [path]
    found = store.get(pl.Request.model_validate_json(record.request.model_dump_json()))
    assert found is not None
    assert torch.equal(found.attribution.scores, record.attribution.scores)


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    write_whole(path, b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write '.*a\.safetensors': the disk is full; 3\.0 MB are needed. What was there"):
        write_whole(path, b"x" * 3_000_000)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left behind"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write"):
        write_whole(tmp_path / "file" / "a", b"x")


def test_what_was_handed_in_as_an_option_travels_with_the_record(relu: pl.ImageClassifier) -> None:
    from pellucid.inputs import photograph

    baseline = np.full((16, 16, 3), 30, dtype=np.uint8)
    images = pictures(relu, 1)
    a = pl.explain(relu, images, method="integrated_gradients", baseline="image", baseline_image=baseline, steps=4)
    data = pl.record(relu, images, a).to_bytes()
    photograph._remembered.clear()  # as in another process
    assert pl.replay(data, relu).identical


@pytest.mark.parametrize(("made_on", "handed"), [("openvino", "torch"), ("torch", "openvino")])
def test_replay_is_on_the_engine_of_the_record(relu: pl.ImageClassifier, made_on: str, handed: str) -> None:
    model, images = relu.on(made_on), pictures(relu, 1)
    a = pl.explain(model, images, method="occlusion")
    assert ("engine" in a.notes) == (made_on == "openvino")
    assert pl.replay(pl.record(model, images, a), relu.on(handed)).identical


def test_without_the_engine_of_the_record_torch_replays_what_was_handed_in(
    relu: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = relu.on("openvino"), pictures(relu, 3)
    record = pl.record(model, images, pl.explain(model, images, method="occlusion"))
    plain = replace(relu, prepare=False)
    again = pl.replay(record, plain)
    assert again.reproduced
    assert "engine was openvino, is torch: engine='openvino' runs a copy of the network" in again.notes[-1]
    monkeypatch.setattr("pellucid.models.engine.find_spec", lambda name: None)
    again = pl.replay(record, relu)
    assert again.reproduced
    assert "engine was openvino, is torch: engine='openvino' needs OpenVINO" in again.notes[-1]


def test_replay_wants_the_network_that_was_made_in_python(record: pl.Record) -> None:
    with pytest.raises(ValueError, match=r"made in Python; hand it in: replay\(record, model=\.\.\.\)"):
        pl.replay(record)


def test_replay_says_when_the_network_is_another_one(record: pl.Record, smooth: pl.ImageClassifier) -> None:
    again = pl.replay(record, smooth)
    assert not again.identical
    assert again.verdict.startswith("Not reproduced: scores differ by up to ")
    assert again.notes == ("the network has other weights or reads pictures differently",)


def test_replay_on_a_network_that_cannot_have_made_the_record_says_so(record: pl.Record, relu: pl.ImageClassifier) -> None:
    of_filters = pl.filters(relu, "0", [1], steps=2)
    larger, grey = wrapped(networks.relu_cnn(), 20), replace(relu, module=Grey().eval(), mean=(0.5,), std=(0.5,), name="")
    for made in (record, of_filters):
        for other, reads in ((larger, "3 x 20 x 20"), (grey, "1 x 16 x 16")):
            with pytest.raises(
                ValueError, match=f"of pictures of 3 x 16 x 16, which .*{reads}.* does not read; give the network"
            ):
                pl.replay(made, other)
    for question in (record, replace(record, request=record.request.model_copy(update={"target": (0, 0), "against": 2}))):
        with pytest.raises(ValueError, match=r"is of class 2, which .* to 2 classes> does not have; give the network"):
            pl.replay(question, wrapped(networks.relu_cnn(2)))


class Grey(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5]


# -------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize("taken", [None, 2])
def test_a_record_of_filters_replays_wherever_the_stream_was_left(relu: pl.ImageClassifier, taken: int | None) -> None:
    stream = pl.filters.stream(relu, "0", [4, 1], steps=24, seed=3)
    made = drain(bounded(stream, steps=taken))
    again = pl.replay(made.to_record(), relu)
    assert again.identical
    assert again.verdict == "Reproduced: every value has the same bits."
    assert again.notes == ()
    assert again.attribution.step == made.step


def test_a_record_of_filters_that_began_with_images_holds_them(relu: pl.ImageClassifier, smooth: pl.ImageClassifier) -> None:
    images = pictures(relu, 2)
    made = pl.filters(relu, "0", [1, 0], images, start="images", steps=6)
    again = pl.replay(made.to_record(), relu)
    assert again.identical
    assert isinstance(again.attribution, pl.FilterImage)
    assert again.attribution.starts == made.starts
    (note,) = pl.replay(made, smooth).notes
    assert "other weights" in note


def test_a_record_of_filters_wants_its_network(relu: pl.ImageClassifier) -> None:
    made = pl.filters(relu, "0", [1], steps=2)
    with pytest.raises(ValueError, match="made in Python"):
        pl.replay(made.to_record())
    with pytest.raises(ValueError, match="does not say of which network"):
        pl.replay(replace(made, model=""))
