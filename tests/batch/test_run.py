"""A batch on this machine: its rows are what `explain` gives, and a run that ended goes on where it was."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.batch.pictures import picture_rows
from pellucid.batch.work import Chunk
from pellucid.registry import Contradiction
from tests.batch.conftest import saliency

work = importlib.import_module("pellucid.batch.work")


def rows(batch: pl.Batch) -> dict[tuple[str, str], dict]:
    return {(Path(row["source"]).name, row["method"]): row for row in batch.table().to_pylist()}


def test_equals_the_closed_form_on_a_linear_network(pictures, network, tmp_path):
    found = pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", target="dog", trust=False)
    assert (found.made, found.there, found.failed) == (5, 0, ())
    for row in rows(found).values():
        np.testing.assert_allclose(np.array(row["map"]), saliency(network, 1), rtol=1e-6)
        assert (row["target"], row["label"], row["against"]) == (1, "dog", None)


def test_a_row_is_what_explain_and_trust_say(pictures, network, tmp_path):
    found = rows(pl.batch(pictures, tmp_path / "out", model=network, methods=["lime", "integrated_gradients"]))
    for (name, method), row in found.items():
        images = network.read(pictures / name)
        a = pl.explain(network, images, method=method)
        evidence = pl.trust(network, images, a)[0]
        np.testing.assert_allclose(np.array(row["map"]), a.map()[0].numpy(), rtol=1e-4, atol=1e-6)
        said = network.predict(images)[0][0]
        assert (row["target"], row["label"]) == (said.index, said.label)
        assert row["probability"] == pytest.approx(said.probability, rel=1e-5)
        assert row["error"] == pytest.approx(float(a.error), rel=1e-3, abs=1e-6)
        assert (row["unit"], row["error_name"], row["verdict"]) == (a.unit, a.error_name, evidence.verdict)
        assert row["advantage"] == pytest.approx(evidence.advantage.value, rel=1e-3, abs=1e-6)
        assert json.loads(row["evidence"])["verdict"] == evidence.verdict
        assert json.loads(row["options"]) | ({} if row["seed"] is None else {"seed": row["seed"]}) == dict(a.options)
        assert (row["forwards"], row["backwards"]) == (a.work.forwards, a.work.backwards)
        request = pl.Request.model_validate_json(row["request"])
        assert (request.key, request.method, request.source) == (row["key"], method, (str(pictures / name),))
        assert row["fingerprint"] == network.fingerprint


def test_why_this_rather_than_that(pictures, network, tmp_path):
    found = rows(
        pl.batch(pictures, tmp_path / "o", model=network, methods="saliency", target="dog", against="emu", trust=False)
    )
    for row in found.values():
        np.testing.assert_allclose(np.array(row["map"]), saliency(network, 1, 2), rtol=1e-5)
        assert row["against"] == 2


def counted(monkeypatch) -> list[str]:
    """The pictures that are explained from now on."""
    seen: list[str] = []

    def together(model, part, settings, records):
        seen.extend(Path(one.request.source[0]).name for one in part)
        return picture_rows(model, part, settings, records)

    monkeypatch.setattr(work, "picture_rows", together)
    return seen


def test_what_is_there_is_not_made_again(pictures, network, tmp_path, monkeypatch):
    seen = counted(monkeypatch)
    first = pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", limit=2, trust=False)
    again = pl.batch(pictures, tmp_path / "out", model=network, methods=["saliency", "edges"], trust=False)
    assert (first.made, again.made, again.there) == (2, 8, 2)
    assert sorted(seen) == sorted(["0.png", "1.png"] + [f"{n}.png" for n in (2, 3, 4)] + [f"{n}.png" for n in range(5)])
    assert len(again.table(["key"])) == 10
    assert len(set(again.table(["key"])["key"].to_pylist())) == 10


def test_a_picture_that_has_changed_is_explained_anew(pictures, network, tmp_path):
    ask = {"model": network, "methods": "input_x_gradient", "target": 0, "trust": False}
    before = rows(pl.batch(pictures, tmp_path / "out", **ask))
    Image.new("RGB", (8, 8), (255, 0, 0)).save(pictures / "3.png")
    found = pl.batch(pictures, tmp_path / "out", **ask)
    after = rows(found)
    assert (found.made, found.there) == (1, 4)
    assert len(found.table(["key"])) == 5
    assert after["3.png", "input_x_gradient"]["map"] != before["3.png", "input_x_gradient"]["map"]
    assert after["2.png", "input_x_gradient"] == before["2.png", "input_x_gradient"]


def test_the_row_of_a_picture_that_is_gone_stays(pictures, network, tmp_path):
    named = sorted(pictures.iterdir())
    pl.batch(named, tmp_path / "out", model=network, methods="saliency", trust=False)
    named[0].unlink()
    found = pl.batch(named, tmp_path / "out", model=network, methods="saliency", trust=False)
    assert (found.made, found.there, len(found.table(["key"]))) == (0, 5, 5)


def test_a_broken_picture_is_told_and_tried_again_when_it_is_mended(pictures, network, tmp_path):
    broken = pictures / "1.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-40])
    found = pl.batch([pictures, tmp_path / "no.png"], tmp_path / "out", model=network, methods="saliency", trust=False)
    assert found.made == 4
    assert {Path(f.request.source[0]).name for f in found.failed} == {"no.png", "1.png"}
    told = {Path(json.loads(line)["source"]).name: json.loads(line)["error"]
            for line in (tmp_path / "out" / "_failed.jsonl").read_text().splitlines()}  # fmt: skip
    assert "no image at" in told["no.png"]
    assert "1.png' cannot be decoded, it is truncated or damaged" in told["1.png"]
    broken.write_bytes(whole)
    mended = pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", trust=False)
    assert (mended.made, mended.there, mended.failed) == (1, 4, ())
    assert not (tmp_path / "out" / "_failed.jsonl").exists()


class Picky(torch.nn.Module):
    """Fails where a picture is red."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)

    def forward(self, x):
        means = x.mean((2, 3))
        if bool(((means[:, 0] > 0.9) & (means[:, 1] < 0.1)).any()):
            raise RuntimeError("I do not look at red\nnor at blood")
        return self.fc(means)


def test_a_network_that_fails_at_one_picture_spoils_none_of_the_others(pictures, tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(pictures / "3.png")
    picky = pl.ImageClassifier(Picky().eval(), size=(8, 8), prepare=False)
    found = pl.batch(pictures, tmp_path / "out", model=picky, methods="saliency", trust=False)
    assert found.made == 4
    (failure,) = found.failed
    assert Path(failure.request.source[0]).name == "3.png"
    assert failure.error == "RuntimeError: I do not look at red"


def test_a_layer_that_is_not_there_is_said_in_its_own_words(pictures, network, tmp_path):
    found = pl.batch(pictures, tmp_path / "o", model=network, methods="grad_cam", options={"grad_cam": {"layer": "x"}})
    assert found.made == 0
    assert {f.error.split(";")[0].split(" (")[0] for f in found.failed} == {"no layer named 'x'"}


def test_a_contradiction_ends_the_run(pictures, network, tmp_path):
    ask = {"methods": "integrated_gradients", "options": {"integrated_gradients": {"baseline": "image"}}}
    with pytest.raises(Contradiction, match="needs baseline_image"):
        pl.batch(pictures, tmp_path / "out", model=network, trust=False, **ask)


def test_a_limit_is_kept_picture_by_picture(pictures, network, tmp_path, monkeypatch):
    sizes = []

    def together(model, part, settings, records):
        sizes.append(len(part))
        return picture_rows(model, part, settings, records)

    monkeypatch.setattr(work, "picture_rows", together)
    found = pl.batch(pictures, tmp_path / "out", model=network, methods="smoothgrad", tolerance=0.5, trust=False)
    assert sizes == [1] * 5
    assert all(row["error"] <= 0.5 for row in rows(found).values())


def test_records_are_replayed(pictures, network, tmp_path):
    found = pl.batch(pictures, tmp_path / "out", model=network, methods=["lime", "smoothgrad"], records=True)
    for row in rows(found).values():
        kept = tmp_path / "out" / "_records" / f"{row['key']}.safetensors"
        again = pl.replay(kept, network)
        assert again.reproduced
        record = pl.Record.from_bytes(kept)
        np.testing.assert_array_equal(record.attribution.map()[0].numpy(), np.array(row["map"], dtype=np.float32))
        assert record.evidence[0]["verdict"] == row["verdict"]
        assert record.request.source == (row["source"],)


def test_evidence_that_cannot_be_had_leaves_the_map(pictures, network, tmp_path, monkeypatch):
    def none(*args, **kwargs):
        raise RuntimeError("no weights to draw")

    monkeypatch.setattr(importlib.import_module("pellucid.batch.pictures"), "trust", none)
    found = pl.batch(pictures, tmp_path / "out", model=network, methods="saliency")
    assert found.made == 5
    for row in rows(found).values():
        assert row["verdict"] is None
        assert json.loads(row["notes"]) == {"no evidence": "no weights to draw"}


def test_what_of_a_picture_was_changed_is_in_its_row(pictures, network, tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 20)).save(pictures / "0.png")
    found = rows(pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", trust=False))
    assert "transparent parts" in json.loads(found["0.png", "saliency"]["notes"])["read"]
    assert json.loads(found["1.png", "saliency"]["notes"]) == {}


def test_what_was_finished_is_kept_when_it_is_interrupted(pictures, network, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("pellucid.batch.run"), "TOGETHER", 1)

    def interrupt(done, of, source):
        assert of == 5
        if done == 3:
            raise KeyboardInterrupt

    ask = {"model": network, "methods": "saliency", "trust": False}
    with pytest.raises(KeyboardInterrupt):
        pl.batch(pictures, tmp_path / "out", progress=interrupt, **ask)
    found = pl.batch(pictures, tmp_path / "out", **ask)
    assert (found.made, found.there) == (2, 3)


def test_is_cancelled_between_answers(pictures, network, tmp_path):
    found = pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", trust=False, cancelled=lambda: True)
    assert (found.made, found.failed) == (1, ())


def test_requests_say_themselves_what_is_asked(pictures, network, tmp_path):
    asked = [
        pl.Request(model="line", source=(str(pictures / f"{n}.png"),), target=(n % 3,), method="saliency") for n in range(5)
    ]
    found = pl.batch(asked, tmp_path / "out", model=network, trust=False)
    for n, row in enumerate(sorted(found.table().to_pylist(), key=lambda row: row["source"])):
        np.testing.assert_allclose(np.array(row["map"]), saliency(network, n % 3), rtol=1e-6)


def test_requests_of_networks_that_cannot_be_had_are_refused(pictures, network, tmp_path):
    one = pl.Request(model="line", source=(str(pictures / "0.png"),), method="saliency")
    for name, said in [("sha256:00", "made in Python"), ("net.py:make", "no code is run on the word of a file")]:
        with pytest.raises(ValueError, match=said):
            pl.batch([one.model_copy(update={"model": name})], tmp_path / "out", model=network)
    with pytest.raises(IndexError, match="no class 7"):
        pl.batch([one.model_copy(update={"target": (7,)})], tmp_path / "out", model=network)
    assert not (tmp_path / "out").exists()


def test_other_weights_are_not_mixed_in(pictures, network, tmp_path):
    pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", limit=1, trust=False)
    other = replace(network, mean=(0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="of other weights than 'line' has now"):
        pl.batch(pictures, tmp_path / "out", model=other, methods="saliency", trust=False)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_engine_is_said(pictures, network, tmp_path):
    with pytest.raises(ValueError, match="no engine named 'spark' for a batch; known: local, ray"):
        pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", engine="spark")  # pyright: ignore


def test_a_chunk_goes_picture_by_picture(pictures, network):
    asked = [
        pl.Request(model="line", source=(str(pictures / f"{n}.png"),), method=m) for n in (0, 1) for m in ("lime", "edges")
    ]
    chunk, unread = Chunk.read(asked, {"line": network})
    assert not unread
    assert [list(one.requests) for one in chunk.one_by_one()] == [asked[:2], asked[2:]]
