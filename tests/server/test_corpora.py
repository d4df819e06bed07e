"""Corpora of the lab: what is said of them names no folder, and one that cannot be opened does not hide the others."""

import json

import pytest

import pellucid as pl
from pellucid.server.corpora import AROUND
from tests.encoders import SENTENCES
from tests.server.conftest import finished, models

BOOK = " ".join(SENTENCES * 3)
QUERY = {"text": "The bank of the river was steep.", "token": 2, "layer": 2}


def build(client, **change):
    body = {"kind": "corpus", "name": "book", "model": "tiny bert", "text": BOOK, "layers": [1, 2], **change}
    return finished(client, client.post("/api/jobs", json=body).json()["id"])


def test_a_name_in_use_is_refused_without_telling_where_corpora_are(client, tmp_path):
    build(client)
    said = build(client, layers=[1])
    assert said["state"] == "failed"
    assert said["error"] == "a corpus named 'book' exists already; remove it first, or give this one another name"


def test_what_is_said_of_a_corpus_names_no_folder(client, tmp_path):
    build(client)
    said = client.post("/api/corpora/book/search", json={**QUERY, "layer": 3}).json()["detail"]
    assert said.startswith("the corpus 'book' has no hidden states of layer 3")
    assert str(tmp_path) not in said


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda header: header | {"fingerprint": "none"}, "the corpus 'book' was built with another encoder than tiny bert"),
        (lambda header: header | {"encoder": "lost"}, "no model named 'lost'"),
        (lambda header: header | {"format": "pellucid corpus 1"}, "the corpus 'book' is not of the format"),
        (lambda header: [], "no model named ''"),
    ],
)
def test_one_that_cannot_be_opened_says_why_and_can_be_removed(client, tmp_path, harm, words):
    build(client, name="good")
    build(client)
    file = tmp_path / "corpora" / "book" / "corpus.json"
    file.write_text(json.dumps(harm(json.loads(file.read_text()))))
    book, good = client.get("/api/corpora").json()["corpora"]
    assert words in book["why_not"]
    assert str(tmp_path) not in book["why_not"]
    assert (good["name"], good["layers"], good.get("why_not")) == ("good", [1, 2], None)
    answer = client.post("/api/corpora/book/search", json=QUERY)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert client.delete("/api/corpora/book").status_code == 204
    assert [one["name"] for one in client.get("/api/corpora").json()["corpora"]] == ["good"]


def test_a_header_that_is_no_json_is_damage(client, tmp_path):
    build(client)
    (tmp_path / "corpora" / "book" / "corpus.json").write_text("{")
    (book,) = client.get("/api/corpora").json()["corpora"]
    assert "the corpus 'book' is damaged" in book["why_not"]


def test_hits_come_with_the_words_around_them(client, tmp_path):
    build(client)
    enc = next(model for model in models() if model.name == "tiny bert")
    corpus = pl.open_corpus(tmp_path / "corpora" / "book", enc)
    for hit in client.post("/api/corpora/book/search", json=QUERY).json()["hits"]:
        words = corpus.words_of(hit["row"])
        at = next(n for n, word in enumerate(words) if word.start == hit["word"]["start"])
        assert hit["around"] == [vars(words[at + n]) if 0 <= at + n < len(words) else None for n in range(-AROUND, AROUND + 1)]
        assert hit["around"][AROUND] == hit["word"]
        assert hit["around"][AROUND + 1] == hit["next"]


def test_a_corpus_of_few_sentences_tells_how_far_it_is_more_than_once(client, monkeypatch):
    from pellucid.server.jobs import Run

    steps = []
    told = Run.step
    monkeypatch.setattr(Run, "step", lambda self, make: (steps.append(make()), told(self, make)))
    build(client, text=BOOK * 20, layers=[1], heads=False)
    for what in ("sentences and tags", "codes", "vectors"):
        assert len([step for step in steps if step["what"] == what]) > 1
    assert steps[-1]["fraction"] == 1.0
