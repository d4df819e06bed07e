"""Models of the user's own beside those that ship, under the names that the shell takes: paths too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.models.load import load_classifier
from tests import encoders
from tests.models.test_load_pictures import processor, written
from tests.server.conftest import finished, opened, question

TEXT = "The bank lent her no money."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    pictures = pl.load(written(folder / "net", processor=processor("ViT", size={"height": 32, "width": 32})))
    sorter = pl.load(encoders.written(folder / "sorter", "bert", "ForSequenceClassification"))
    with opened(folder / "store", models=[pictures, sorter, encoders.rater("warmth", "length")]) as made:
        yield made


def test_a_path_is_a_name(client: TestClient, folder: Path) -> None:
    name = str(folder / "net")
    entries = {one["name"]: one for one in client.get("/api/catalog").json()["models"]}
    assert (entries[name]["kind"], entries[name]["size"], entries[name]["classes"]) == ("image", [32, 32], 3)
    quoted = name.replace("/", "%2F")
    assert client.get(f"/api/models/{quoted}/labels").json() == {"labels": ["cat", "dog", "neither"]}
    layers = [one["name"] for one in client.get(f"/api/models/{quoted}/layers").json()["layers"]]
    assert layers == [layer.name for layer in load_classifier(name).layers]
    asked: dict[str, Any] = question("saliency", target=[1])
    asked["request"]["model"] = name
    job = finished(client, client.post("/api/jobs", json=asked).json()["id"])
    assert job["state"] == "done", job
    unknown = client.get("/api/models/%2Fetc%2Fpasswd/labels")
    assert unknown.status_code == 404
    assert "no model named '/etc/passwd'" in unknown.json()["detail"]


def test_a_classifier_of_texts_is_asked_why(client: TestClient, folder: Path) -> None:
    name = str(folder / "sorter")
    entries = {one["name"]: one for one in client.get("/api/catalog").json()["models"]}
    assert (entries[name]["heads_for"], entries[name]["labels"]) == (["classification"], ["LABEL_0", "LABEL_1"])
    scores = client.post("/api/text/token-scores", json={"model": name, "text": TEXT, "methods": ["erasure"], "target": "1"})
    assert scores.status_code == 200, scores.text
    assert (scores.json()["task"], scores.json()["target"]) == ("classification", "the class 'LABEL_1'")
    assert len(scores.json()["methods"][0]["scores"]) == len(scores.json()["tokens"])
    effect = client.post("/api/text/effect", json={"model": name, "text": TEXT})
    assert effect.status_code == 200, effect.text
    assert effect.json()["task"] == "classification"
    assert effect.json()["choices"][0]["text"] in ("LABEL_0", "LABEL_1")


def test_of_numbers_is_offered_what_can_be_answered(client: TestClient) -> None:
    entry = next(one for one in client.get("/api/catalog").json()["models"] if one["name"] == "rater")
    assert (entry["heads_for"], entry["labels"]) == (["regression"], ["warmth", "length"])
    asked = {"model": "rater", "text": TEXT, "methods": ["erasure"], "evidence": False}
    scores = client.post("/api/text/token-scores", json={**asked, "target": "length"})
    assert (scores.json()["task"], scores.json()["target"]) == ("regression", "the number 'length'")
    wrong = client.post("/api/text/token-scores", json={**asked, "target": "size"})
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "no number named 'size'; known: warmth, length")
