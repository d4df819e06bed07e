import io
import json
import math
import re
from pathlib import Path

import pytest
from PIL import Image

from pellucid.cli.layers import layers as command
from tests.cli.command import shell
from tests.encoders import SENTENCES, written

QUESTION, CONTEXT = SENTENCES[0], SENTENCES[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(written(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return str(written(tmp_path_factory.mktemp("reader"), head="ForQuestionAnswering"))


def run(out, *arguments):
    done = shell("layers", *arguments, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_example_with_the_shipped_encoder(tmp_path):
    said = run(tmp_path, "--example", "errand", "--model", "minilm")
    assert (said["answer"], said["topics_from"]) == ("the greenhouse", "example")
    made = said["projection"]
    tokens = len(made["tokens"])
    assert [len(layer) for layer in made["coordinates"]] == [tokens] * 7
    assert {len(point) for layer in made["coordinates"] for point in layer} == {2}
    assert made["roles"].count("answer") == 2
    assert sum(made["supporting"]) == 8 + 14
    assert all(0 < sum(shares) <= 1 for shares in made["explained_variance_ratio"])
    assert all(0.4 < t <= 1 for t in made["trustworthiness"])
    assert list(said["phases"]) == ["minilm"]  # beside itself there is nothing to draw
    for name in ("topics", "attributes", "support", "answer"):
        phase = said["phases"]["minilm"][name]
        assert len(phase["value"]) == 7
        assert all(low <= value <= high for low, value, high in zip(phase["low"], phase["value"], phase["high"], strict=True))
    here = sorted(p.name for p in tmp_path.iterdir())
    assert here == sorted(Path(p).name for p in said["pictures"].values())
    assert [re.sub(r"-[0-9a-f]{8}\.", "-HASH.", name) for name in here] == ["errand-HASH.layers.png", "errand-HASH.phases.png"]
    with Image.open(said["pictures"]["layers"]) as picture:
        assert picture.width > 1500


def test_an_example_asked_for_by_itself_has_its_name(tmp_path):
    said = run(tmp_path, "--example", "errand")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["errand.layers.png", "errand.phases.png"]
    assert list(said["phases"]) == ["minilm-qa", "minilm"]


def test_a_dash_reads_standard_input_and_what_is_to_be_known_of_it_is_said_once(tmp_path, folder, monkeypatch):
    asked = ("-m", folder, "--against", "none", "--out", str(tmp_path), "--samples", "20")
    monkeypatch.setattr("sys.stdin", io.StringIO(CONTEXT + " \N{CAT}"))
    piped = shell("layers", QUESTION, "-", *asked)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout == shell("layers", QUESTION, CONTEXT + " \N{CAT}", *asked).stdout
    assert piped.stderr.count("has no piece for") == 1


def test_two_models_by_word_in_a_shared_basis(tmp_path, folder):
    arguments = ("--model", folder, "--against", "minilm", "--answer", "physicist", "--by-word", "mean", "--basis", "shared")
    said = run(tmp_path, QUESTION, CONTEXT, *arguments, "--trails", "--no-specials", "--components", "3", "--format", "svg")
    made = said["projection"]
    assert (made["basis"], made["pooled"], made["aligned"]) == ("shared", "mean", False)
    assert "physicist" in made["tokens"]
    assert "[CLS]" not in made["tokens"]
    assert len(made["coordinates"][0][0]) == 3
    assert said["topics_from"] == "clusters of the embedding layer"
    assert [len(p["answer"]["value"]) for p in said["phases"].values()] == [4, 7]
    (drawn,) = tmp_path.glob("who-wrote-the-long-letter-to-the-????????.layers.svg")
    svg = drawn.read_text()
    assert "pooled by mean" in svg
    assert "the first 2 of 3 components" in svg


def test_the_answer_is_the_model_s_own_or_the_one_given(tmp_path, reader):
    said = run(tmp_path, QUESTION, CONTEXT, "--model", reader, "--against", "none")
    start, end = said["answer_span"]
    assert said["answer_from"] == "model"
    assert said["answer"] == CONTEXT[start:end]
    given = run(tmp_path, QUESTION, CONTEXT, "--model", reader, "--against", "none", "--answer", "1905")
    assert (given["answer"], given["answer_from"]) == ("1905", "given")
    assert given["marks"]["support"] == [CONTEXT]


def test_without_an_answer_it_says_what_is_not_measured(tmp_path, folder):
    done = shell("layers", QUESTION, CONTEXT, "-m", folder, "--against", "none", "--out", str(tmp_path), "--json")
    assert "no answer is marked" in done.stderr
    assert "no question-answering head); give one with --answer" in done.stderr
    answer = next(iter(json.loads(done.stdout)["phases"].values()))["answer"]
    assert answer["value"] == [None] * 4
    assert "needs an answer" in answer["not_measured"]


def test_the_table_shows_each_layer(tmp_path):
    done = shell("layers", "-e", "lighthouse", "-m", "minilm", "--against", "none", "--out", str(tmp_path), "--samples", "20")
    assert done.returncode == 0, done.stderr
    rows = [row for row in done.stdout.splitlines() if row[:1].isdigit()]
    assert [row.split()[0] for row in rows] == [str(n) for n in range(7)]
    assert "answer: The young keeper (from: example" in done.stdout
    assert "phases: " in done.stdout
    assert not any(math.isnan(float(word)) for word in rows[0].split() if word.replace(".", "").isdigit())


def test_pictures_asked_for_in_another_way_overwrite_none(tmp_path, folder):
    for asked in ((QUESTION, CONTEXT, "-m", folder), ("--example", "errand", "-m", "minilm")):
        plain, shared = (
            run(tmp_path, *asked, "--against", "none", "--basis", basis)["pictures"] for basis in ("layer", "shared")
        )
        assert not {*plain.values()} & {*shared.values()}


def test_of_one_pair_the_table_has_no_interval(tmp_path, folder):
    asked = ("Who wrote?", "Ann lives by the sea. The young keeper wrote the letter.")
    done = shell("layers", *asked, "-m", folder, "--against", "none", "--out", str(tmp_path), "--samples", "20")
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout
    assert any("[" in row for row in done.stdout.splitlines() if row[:1].isdigit())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("only a question",), "give a QUESTION and a CONTEXT, or --example with one of: lighthouse, errand, observatory"),
        (("q", "c", "--example", "errand"), "or --example, not both"),
        (("--example", "erand", "-m", "minilm"), "no example named 'erand' (did you mean 'errand'?)"),
        (("q", "c", "--trails"), "--trails needs --basis shared"),
        (("who?", "she reads.", "-m", "minilm", "--answer", "he"), "'he' does not stand in the context"),
        (("who?", " ", "-m", "minilm"), "the context is empty"),
        (("who?", "she reads", "-m", "imagenet"), "classifies pictures"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, message):
    done = shell("layers", *arguments, "--out", str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr


def test_help_shows_an_example_and_names_those_that_ship():
    from pellucid.analysis.passages import examples

    done = shell("layers", "--help")
    assert done.returncode == 0
    assert "Example: pellucid layers --example errand" in done.stdout
    option = next(p for p in command.params if p.name == "example_id")
    assert all(name in (getattr(option, "help", "") or "") for name in examples())
