"""Texts in a batch: the scores of their tokens are those of `token_scores`, and the evidence that of `token_trust`."""

import importlib
import json
from typing import get_args

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.analysis.token_scores import TokenMethod
from pellucid.batch.texts import OPTIONS, read_texts
from tests.encoders import tiny

PAIRS = [("Who wrote it?", "The letter was written by Emma."), ("What is red?", "The cat sat on a red mat.")]
MASKED = ["Paris is the [MASK] of France.", "The cat sat on the [MASK] and slept."]


@pytest.fixture(scope="module")
def qa() -> pl.TextEncoder:
    return pl.load("minilm-qa")


@pytest.fixture(scope="module")
def mlm() -> pl.TextEncoder:
    return pl.load("minilm-mlm")


def rows(batch: pl.Batch) -> dict[tuple[str, str], dict]:
    return {(row["source"], row["method"]): row for row in batch.table().to_pylist()}


def same(row: dict, scores: pl.TokenScores) -> None:
    assert row["tokens"] == list(scores.tokens.surfaces(0))
    np.testing.assert_allclose(np.array(row["map"]), scores.scores.numpy(), rtol=1e-3, atol=1e-4)
    assert (row["unit"], row["error_name"], row["label"]) == (scores.unit, scores.error_name, scores.target.names[0])
    assert row["error"] == pytest.approx(float(scores.error[0]), rel=1e-2, abs=1e-4)


def test_answers_are_explained_as_token_scores_explains_them(qa, tmp_path):
    methods: list[TokenMethod] = ["erasure", "rollout"]
    found = rows(pl.batch(PAIRS, tmp_path, model=qa, methods=methods, options={}))
    assert len(found) == 4
    for question, context in PAIRS:
        for method in methods:
            row = found[question, method]
            scores = pl.token_scores(qa, question, context, method=method)
            same(row, scores)
            assert (row["context"], row["target"]) == (context, None)
            assert row["verdict"] == pl.token_trust(qa, scores).verdict
            assert pl.answer(qa, qa.read(question, context))[0].text in row["label"]


def test_options_and_a_word_that_is_asked_about(mlm, tmp_path):
    ask = {"integrated_gradients": {"steps": "5", "baseline": "zero"}, "random": {"seed": 3}}
    found = rows(
        pl.batch(
            MASKED, tmp_path, model=mlm, methods=["integrated_gradients", "random"], options=ask, target="city", trust=False
        )
    )
    for text in MASKED:
        same(
            found[text, "integrated_gradients"],
            pl.token_scores(mlm, text, method="integrated_gradients", steps=5, baseline="zero", target="city"),
        )
        same(found[text, "random"], pl.token_scores(mlm, text, method="random", seed=3, target="city"))
        row = found[text, "random"]
        assert row["target"] == mlm.tokenizer.convert_tokens_to_ids("city")
        assert (row["seed"], row["verdict"]) == (3, None)
        assert 0 < row["probability"] < 1
        request = pl.Request.model_validate_json(row["request"])
        assert (request.key, request.source, request.target) == (row["key"], (text,), (row["target"],))


def test_every_method_has_its_options_declared():
    assert list(OPTIONS) == list(get_args(TokenMethod))


def test_a_text_that_cannot_be_asked_about_spoils_none_of_the_others(mlm, tmp_path):
    found = pl.batch([*MASKED, "No mask here.", ""], tmp_path, model=mlm, methods="erasure", trust=False)
    assert found.made == 2
    told = {f.request.source[0]: f.error for f in found.failed}
    assert told.keys() == {"No mask here.", ""}
    assert told["No mask here."].startswith("no tokens of 'No mask here.' are masked")
    assert "empty" in told[""]
    again = pl.batch(MASKED, tmp_path, model=mlm, methods="erasure", trust=False)
    assert (again.made, again.there) == (0, 2)


def test_evidence_that_one_text_cannot_have_is_lacking_there_alone(mlm, tmp_path, monkeypatch):
    def some(encoder, scores):
        if any(texts[0] == MASKED[1] for texts in scores.tokens.texts):
            raise RuntimeError("no weights to draw")
        return pl.token_trust(encoder, scores)

    monkeypatch.setattr(importlib.import_module("pellucid.batch.texts"), "token_trust", some)
    found = rows(pl.batch(MASKED, tmp_path, model=mlm, methods="erasure"))
    assert found[MASKED[0], "erasure"]["verdict"] is not None
    assert found[MASKED[1], "erasure"]["verdict"] is None
    assert json.loads(found[MASKED[1], "erasure"]["notes"]) == {"no evidence": "no weights to draw"}


def test_what_the_vocabulary_lacks_is_in_the_row(mlm, tmp_path):
    found = rows(pl.batch(["The \U0001f431 sat on the [MASK]."], tmp_path, model=mlm, methods="random", trust=False))
    (row,) = found.values()
    assert "vocabulary" in json.loads(row["notes"])["read"]


def test_requests_of_texts_and_pictures_go_together(mlm, network, pictures, tmp_path):
    asked = [
        pl.Request(model="minilm-mlm", source=(MASKED[0],), method="random"),
        pl.Request(model="line", source=(str(pictures / "0.png"),), method="random"),
    ]
    found = pl.batch(asked, tmp_path / "out", model=network, trust=False)
    table = {row["model"]: row for row in found.table().to_pylist()}
    assert np.array(table["line"]["map"]).shape == (8, 8)
    assert table["line"]["tokens"] is None
    assert np.array(table["minilm-mlm"]["map"]).shape == (1, len(table["minilm-mlm"]["tokens"]))


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"methods": "lime"}, KeyError, "no method for text named 'lime'"),
        ({"methods": "erasure", "options": {"erasure": {"steps": 3}}}, TypeError, "erasure takes no options, got 'steps'"),
        ({"methods": "random", "options": {"random": {"seed": -1}}}, ValueError, "random: seed=-1"),
        ({"methods": "erasure", "tolerance": 0.1}, ValueError, "tolerance, deadline and records are for pictures"),
        ({"methods": "erasure", "against": 3}, ValueError, "against and preset are for pictures"),
        ({"methods": "erasure", "network_engine": "openvino"}, ValueError, "is for networks that read pictures"),
        ({"methods": "erasure", "target": "cat cat"}, ValueError, "cat cat"),
    ],
)
def test_a_wrong_question_of_texts_is_refused(mlm, tmp_path, asked, kind, said):
    with pytest.raises(kind, match=said):
        pl.batch(MASKED, tmp_path / "out", model=mlm, **asked)
    assert not (tmp_path / "out").exists()


def test_an_answer_is_the_encoders_own(qa, tmp_path):
    with pytest.raises(ValueError, match="the encoder's own answer; leave the target out"):
        pl.batch(PAIRS, tmp_path, model=qa, methods="erasure", target="Emma")


def test_texts_are_read_from_files(tmp_path):
    (tmp_path / "a.txt").write_text("One.\n\n  Zwei é.  \n", encoding="utf-8")
    assert read_texts(tmp_path / "a.txt") == [("One.",), ("Zwei é.",)]
    (tmp_path / "a.csv").write_text('﻿id,Context\n"Who, then?","Emma,\nwho else"\nAlone?,\n,lost\n', encoding="utf-8")
    assert read_texts(tmp_path / "a.csv") == [("Who, then?", "Emma,\nwho else"), ("Alone?",)]
    (tmp_path / "a.tsv").write_text("text\tlabel\nGood, it was.\t1\n")
    assert read_texts(tmp_path / "a.tsv") == [("Good, it was.",)]
    (tmp_path / "b.csv").write_text("context\nonly\n")
    with pytest.raises(ValueError, match="has no column of texts"):
        read_texts(tmp_path / "b.csv")
    (tmp_path / "b.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no text"):
        read_texts(tmp_path / "b.txt")


def test_a_file_is_no_text(mlm, tmp_path, pictures):
    (tmp_path / "a.txt").write_text("\n".join(MASKED))
    for source in (tmp_path / "a.txt", str(tmp_path / "a.txt")):
        found = pl.batch(source, tmp_path / "out", model=mlm, methods="random", trust=False, limit=1)
        assert found.made + found.there == 1
    with pytest.raises(ValueError, match=r"an encoder reads text; a file of texts ends in \.txt, \.csv, \.tsv"):
        pl.batch(str(pictures), tmp_path / "out", model=mlm, methods="random")
    with pytest.raises(FileNotFoundError, match=r"no file of texts at 'no\.txt'"):
        pl.batch("no.txt", tmp_path / "out", model=mlm, methods="random")


def test_a_class_is_explained(tmp_path):
    encoder = tiny(head="ForSequenceClassification")
    found = pl.batch(["a good film", "a bad one"], tmp_path, model=encoder, methods="erasure", trust=False)
    for row in found.table().to_pylist():
        scores = pl.token_scores(encoder, row["source"])
        assert row["target"] == int(scores.target.words[0])
        np.testing.assert_allclose(np.array(row["map"]), scores.scores.numpy(), rtol=1e-3, atol=1e-5)
        assert torch.isnan(scores.scores[0, 0])
