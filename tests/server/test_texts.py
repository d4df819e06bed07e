"""What the lab says of texts is what the library says."""

import base64

import numpy as np
import pytest

import pellucid as pl
from pellucid.analysis.readings import measured, read_marked, with_topics
from tests.encoders import SENTENCES
from tests.server.conftest import ENDLESS, finished, models

QUESTION, PASSAGE = SENTENCES[0], SENTENCES[1]
MASKED = "She wrote the [MASK] letter."


def encoder(name):
    return next(model for model in models() if model.name == name)


def told(client, path, **body):
    answer = client.post(f"/api/text/{path}", json={"model": "tiny bert", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def unpacked(data, kind, shape):
    return np.frombuffer(base64.b64decode(data), kind).reshape(shape)


def test_tokens_know_their_characters(client):
    said = told(client, "tokens", text=QUESTION, pair=PASSAGE)
    read = encoder("tiny bert").read(QUESTION, PASSAGE)
    assert [t["text"] for t in said["tokens"]] == list(read.surfaces(0))
    assert [t["role"] for t in said["tokens"]] == list(read.roles[0])
    texts = {0: QUESTION, 1: PASSAGE}
    for token in said["tokens"]:
        if token["part"] >= 0:
            assert texts[token["part"]][token["start"] : token["end"]] == token["text"]
    assert said["limit"] == 64


def test_what_the_vocabulary_lacks_is_said(client):
    assert "no piece for '☃'" in told(client, "tokens", text="the ☃ letter")["notes"][0]


@pytest.mark.parametrize("by_word", [False, True])
def test_attention_is_the_librarys(client, by_word):
    said = told(client, "attention", text=SENTENCES[2], layer=-1, by_word=by_word)
    act = encoder("tiny bert").activations(SENTENCES[2])
    act = act.by_word() if by_word else act
    seen, table = pl.attend(act, -1), pl.head_statistics(act)
    count = len(said["tokens"])
    np.testing.assert_array_equal(unpacked(said["attention"], "<f4", (4, count, count)), seen.per_head)
    assert (said["layers"], said["heads"], said["layer"]) == (3, 4, 3)
    assert [one["entropy"] for one in said["statistics"]] == table.entropy[-1].tolist()
    assert [one["special"] for one in said["statistics"]] == table.to_special[-1].tolist()
    assert said["predictions"] == []


def test_masked_tokens_are_guessed(client):
    text = "She wrote the long letter."
    said = told(client, "attention", model="guesser", text=text, layer=1, masked=[4])
    enc = encoder("guesser")
    (blank,) = pl.fill_mask(enc, enc.hide(enc.read(text), [4]))[0]
    assert said["tokens"][4]["masked"]
    assert said["tokens"][4]["text"] == blank.hidden
    assert said["predictions"] == [
        {"token": 4, "top": [{"word": g.token, "probability": g.probability} for g in blank.guesses]}
    ]


def test_the_overview_has_every_head_in_little(client):
    said = told(client, "attention/overview", text=SENTENCES[2])
    act = encoder("tiny bert").activations(SENTENCES[2])
    count = len(said["tokens"])
    found = unpacked(said["thumbnails"], "u1", (3, 4, count, count))
    assert np.abs(found / 255 - act.attentions[:, 0].numpy()).max() <= 0.5 / 255 + 1e-6
    assert said["statistics"]["distance"] == pl.head_statistics(act).distance.tolist()


@pytest.mark.parametrize(("name", "body"), [("reader", {"pair": PASSAGE}), ("guesser", {"text": MASKED, "by_word": True})])
def test_scores_of_tokens_and_their_evidence_are_the_librarys(client, name, body):
    asked = {"text": QUESTION, "methods": ["erasure", "integrated_gradients", "random"], "steps": 8, "seed": 3, **body}
    said = told(client, "token-scores", model=name, **asked)
    texts = (asked["text"], asked.get("pair"))
    for one in said["methods"]:
        scores = pl.token_scores(encoder(name), *texts, method=one["method"], steps=8, seed=3)
        found = pl.token_trust(encoder(name), scores, seed=3)[0]
        scores = scores.by_word() if body.get("by_word") else scores
        assert [v for v in one["scores"] if v is not None] == scores.scores[0][~scores.scores[0].isnan()].tolist()
        assert (one["trust"]["verdict"], one["trust"]["advice"]) == (found.verdict, found.advice)
        assert one["about"].startswith(f"{found.verdict}: {found.sentence} ")
    plain = pl.token_scores(encoder(name), *texts, method="random")
    assert [t["text"] for t in said["tokens"]] == list((plain.by_word() if body.get("by_word") else plain).tokens.surfaces(0))
    assert said["target"] == plain.target.names[0]
    quick = told(client, "token-scores", model=name, **asked | {"evidence": False})
    assert [one["scores"] for one in quick["methods"]] == [one["scores"] for one in said["methods"]]
    assert quick["methods"][0]["trust"] is None


@pytest.mark.parametrize(("name", "body"), [("reader", {"text": QUESTION, "pair": PASSAGE}), ("guesser", {"text": MASKED})])
def test_the_effect_of_heads_is_the_librarys(client, name, body):
    said = told(client, "effect", model=name, **body)
    found = pl.head_effect(encoder(name), body["text"], body.get("pair"))
    assert said["effect"] == found.effect.tolist()
    assert (said["unit"], said["task"], said["passes"]) == (found.unit, found.task, found.passes)
    assert [c["text"] for c in said["choices"]] == list(found.choices)


def test_no_question_holds_the_others_up_for_long(client, monkeypatch):
    from pellucid.server import texts

    monkeypatch.setattr(texts, "LONGEST", 0.0)
    answer = client.post("/api/text/effect", json={"model": "guesser", "text": MASKED})
    assert answer.status_code == 422
    assert "a shorter text" in answer.json()["detail"]


def test_answers_are_the_librarys(client):
    said = told(client, "answer", model="reader", question=QUESTION, passage=PASSAGE * 3)
    (found,) = pl.answer(encoder("reader"), QUESTION, PASSAGE * 3)
    assert said["answered"] is found.answered
    assert said["windows"] == len(found.tokens) > 1
    assert (said["answers"][0]["text"], said["answers"][0]["score"]) == (found.best.text, found.best.score)
    assert said["null_score"] == found.null_score


def test_layers_of_several_models_by_the_same_marks(client):
    body = {"models": ["reader", "guesser"], "question": QUESTION, "passage": PASSAGE, "samples": 50}
    answer = client.post("/api/text/layers", json=body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert [one["name"] for one in said["models"]] == ["reader", "guesser"]
    (found,) = pl.answer(encoder("reader"), QUESTION, PASSAGE)
    span = (found.best.start, found.best.end) if found.answered else None
    assert said["answer"] == (None if span is None else {"text": found.text, "start": span[0], "end": span[1]})
    marks = pl.passage(QUESTION, PASSAGE, answer=span)
    for name, one in zip(("reader", "guesser"), said["models"], strict=True):
        enc = encoder(name)
        act = read_marked(enc, enc.read(QUESTION, PASSAGE), marks)
        marks, _ = with_topics(marks, act)
        made, phases = pl.project(act, components=3, align=True), measured(act, marks, 50, 0)
        assert [layer["coordinates"] for layer in one["layers"]] == made.coordinates.tolist()
        assert [layer["explained"] for layer in one["layers"]] == made.explained_variance_ratio.tolist()
        assert one["trustworthiness"] == made.trustworthiness.tolist()
        for phase in phases.all:
            value = [None if v != v else v for v in phase.value.tolist()]
            assert one["phases"][phase.name]["value"] == value


def test_each_model_of_the_layers_has_its_own_notes(client):
    body = {"models": ["reader", "guesser"], "question": QUESTION, "passage": f"{PASSAGE} ☃", "samples": 5}
    for one in client.post("/api/text/layers", json=body).json()["models"]:
        (note,) = one["notes"]
        assert note.startswith(f"the vocabulary of {one['name']} has no piece for '☃'")


def test_layers_are_drawn_flat_when_two_components_are_asked_for_and_tokens_know_their_characters(client):
    body = {"models": ["reader"], "question": QUESTION, "passage": PASSAGE, "samples": 5, "components": 2}
    said = client.post("/api/text/layers", json=body).json()
    enc = encoder("reader")
    made = pl.project(enc.activations(enc.read(QUESTION, PASSAGE)), components=2, align=True)
    (one,) = said["models"]
    assert [layer["coordinates"] for layer in one["layers"]] == made.coordinates.tolist()
    assert one["trustworthiness"] == made.trustworthiness.tolist()
    texts = (QUESTION, PASSAGE)
    placed = [token for token in one["tokens"] if token["part"] >= 0]
    assert {token["part"] for token in placed} == {0, 1}
    assert all(texts[token["part"]][token["start"] : token["end"]] == token["text"] for token in placed)


def test_a_worked_example_needs_no_text(client):
    examples = client.get("/api/text/examples").json()
    ids = [one["id"] for one in examples["layers"]]
    assert "errand" in ids
    assert [one["name"] for one in examples["compare"]] == ["apple", "chinese"]
    body = {"models": ["tiny bert"], "example": "nowhere"}
    answer = client.post("/api/text/layers", json=body)
    assert answer.status_code == 422
    assert "no example named 'nowhere'" in answer.json()["detail"]


def test_words_are_compared_as_the_library_does(client):
    sentences = ["The bank was steep.", "The river bank was long.", "The bank was no money.", "A bank in France."]
    said = told(client, "compare", sentences=sentences, word="bank", metric="euclidean", groups=["a", "a", "b", "b"])
    made = pl.compare(encoder("tiny bert"), sentences, "bank", metric="euclidean")
    assert [one["matrix"] for one in said["layers"]] == made.matrices.tolist()
    assert [one["random_words"] for one in said["layers"]] == made.baseline.tolist()
    apart = pl.separation(made, ["a", "a", "b", "b"])
    assert [one["separation"]["difference"] for one in said["layers"]] == apart.difference.tolist()
    assert (said["best"], said["p_best"], said["chance"]) == (apart.best, apart.p_best, apart.chance)
    assert (said["reference"], said["reference_tokens"]) == (made.reference, made.reference_tokens)
    assert said["spans"][0] == [4, 8]
    assert said["unit"] == "Euclidean distance"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("tokens", {"text": "  "}, "is empty"),
        ("tokens", {"text": "the " * 100}, "reads at most 64"),
        ("tokens", {"text": "the", "model": "none"}, "no model named 'none'"),
        ("tokens", {"text": "the", "model": "small"}, "classifies pictures"),
        ("tokens", {"text": "x" * 20_001}, "text"),
        ("attention", {"text": "the", "layer": 9}, "no layer 9"),
        ("attention", {"text": "the", "layer": 1, "masked": [0]}, "a special token"),
        ("attention", {"text": "the", "layer": 1, "masked": [77]}, "no token 77"),
        ("token-scores", {"text": "the letter"}, "has no head for question answering"),
        ("token-scores", {"text": "the letter", "model": "guesser"}, "no tokens of 'the letter' are masked"),
        ("token-scores", {"text": MASKED, "model": "guesser", "target": "rereading"}, "is no single wordpiece"),
        ("effect", {"text": "the letter"}, "has no head for question answering, masked words or classes"),
        ("effect", {"text": "the letter", "model": "guesser"}, "no token of the text is masked"),
        ("answer", {"question": "who?", "passage": "she"}, "no question-answering head"),
        ("compare", {"sentences": ["the bank"], "word": "bank"}, "1 sentences to compare"),
        ("compare", {"sentences": ["the bank", "a river"], "word": "bank"}, "'bank'"),
        ("compare", {"sentences": ["the bank", "a bank"], "word": "bank", "groups": ["a", "b"]}, "two or more sentences each"),
        ("compare", {"sentences": ["the bank", "a bank"], "word": "bank", "metric": "dot"}, "metric"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_librarys_words(client, path, body, words):
    answer = client.post(f"/api/text/{path}", json={"model": "tiny bert", **body})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_of_a_model_that_is_not_there_those_are_named_that_read_the_same(client):
    told = {
        kind: client.post(path, json=body).json()["detail"]
        for kind, path, body in (
            ("text", "/api/text/tokens", {"text": "the", "model": "nothere"}),
            ("image", "/api/predict", {"source": "observation:0", "model": "nothere"}),
        )
    }
    assert ("tiny bert" in told["text"], "imagenet" in told["text"]) == (True, False)
    assert ("tiny bert" in told["image"], "imagenet" in told["image"]) == (False, True)


@pytest.mark.parametrize("body", [{}, {"question": "who?"}, {"question": "who?", "passage": "she", "example": "errand"}])
def test_layers_want_a_text_or_an_example(client, body):
    answer = client.post("/api/text/layers", json={"models": ["reader"], **body})
    assert answer.status_code == 422
    assert "one of the two" in answer.json()["detail"]


def test_texts_come_before_jobs(client):
    id = client.post("/api/jobs", json=ENDLESS).json()["id"]
    assert told(client, "tokens", text="the letter")["tokens"]
    assert client.get(f"/api/jobs/{id}").json()["state"] in ("queued", "running")
    client.delete(f"/api/jobs/{id}")


# ------------------------------------------------------------------------------------------------------------------ corpora


BOOK = " ".join(SENTENCES * 3)


def build(client, **change):
    body = {"kind": "corpus", "name": "book", "model": "tiny bert", "text": BOOK, "layers": [1, 2], **change}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code in (200, 201), answer.text
    return finished(client, answer.json()["id"])


def test_a_corpus_is_built_searched_and_removed(client, tmp_path):
    said = build(client)
    assert said["state"] == "done", said
    assert said["result"]["fraction"] == 1.0
    (entry,) = client.get("/api/corpora").json()["corpora"]
    assert (entry["name"], entry["encoder"], entry["layers"], entry["head_layers"]) == ("book", "tiny bert", [1, 2], [1, 2])
    body = {"text": "The bank of the river was steep.", "token": 2, "layer": 2, "k": 5}
    answer = client.post("/api/corpora/book/search", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    enc = encoder("tiny bert")
    hits = pl.open_corpus(tmp_path / "corpora" / "book", enc).search(enc.activations(body["text"]), 0, 2, layer=2, count=5)
    assert [h["similarity"] for h in found["hits"]] == [h.similarity for h in hits]
    assert [h["match"] for h in found["hits"]] == [h.match for h in hits]
    match = pl.histogram(hits, "match", "pos")
    assert found["histograms"][0]["names"] == list(match.names)
    assert found["histograms"][0]["counts"] == match.counts.tolist()
    hit = found["hits"][1]
    again = {"text": hit["sentence"], "token": hit["token"], "layer": 2, "k": 1}
    first = client.post("/api/corpora/book/search", json=again).json()["hits"][0]
    assert first["match"] == hit["match"]
    by_heads = client.post("/api/corpora/book/search", json={**body, "by": "heads", "heads": [0, 2]})
    assert by_heads.json()["heads"] == [0, 2]
    assert build(client)["id"] == said["id"]  # it stands, and is not built again
    assert client.delete("/api/corpora/book").status_code == 204
    assert client.get("/api/corpora").json() == {"corpora": []}
    assert build(client)["state"] == "done"  # anew


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../book"}, "name"), ({"name": ""}, "name"), ({"shipped": True}, "one of the two"),
        ({"text": None}, "one of the two"), ({"model": "small"}, "classifies pictures"),
    ],
)  # fmt: skip
def test_a_corpus_that_does_not_fit_is_refused(client, change, words):
    body = {"kind": "corpus", "name": "book", "model": "tiny bert", "text": BOOK, **change}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_a_cancelled_corpus_leaves_nothing(client, tmp_path, monkeypatch):
    from pellucid.server.jobs import Run

    steps = []

    def cancelling(self, make):
        steps.append(make())
        if steps[-1]["what"] == "vectors":
            self._jobs.cancel(self._job)

    monkeypatch.setattr(Run, "step", cancelling)
    assert build(client)["state"] == "cancelled"
    assert [p.name for p in (tmp_path / "corpora").iterdir()] == []


def test_another_corpus_of_the_same_name_is_refused(client):
    build(client)
    said = build(client, layers=[1])
    assert said["state"] == "failed"
    assert "exists already" in said["error"]


@pytest.mark.parametrize(
    ("name", "change", "status", "words"),
    [("none", {}, 404, "no corpus named 'none'"), ("book", {"layer": 3}, 422, "no hidden states of layer 3"),
     ("book", {"token": 99}, 422, "no token 99"), ("book", {"text": " "}, 422, "is empty"),
     ("book", {"by": "heads", "heads": [9]}, 422, "no head 9")],
)  # fmt: skip
def test_a_search_that_does_not_fit_is_refused(client, name, change, status, words):
    if name == "book":
        build(client)
    body = {"text": "The bank of the river was steep.", "token": 2, "layer": 2, **change}
    answer = client.post(f"/api/corpora/{name}/search", json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
