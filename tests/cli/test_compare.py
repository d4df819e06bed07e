"""`pellucid compare`, as a person types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.analysis.similarity import compare
from pellucid.models.load import load_encoder
from tests import chinese
from tests.cli.command import Answer, shell


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def apple(here: Path) -> Answer:
    return shell("compare", "--example", "apple", "--out", "apples", cwd=here)


def test_the_example_prints_sentences_matrix_and_separation(apple: Answer, here: Path) -> None:
    assert apple.returncode == 0, apple.stderr
    lines = apple.stdout.splitlines()
    assert "  6  company  «Apple» announced a new phone with a faster processor on Tuesday." in lines
    assert any(line.startswith("Layer 3, cosine similarity; two random words: 0.16") for line in lines)
    assert any(line.startswith("1   1.00  0.92  0.92") for line in lines)
    assert any(line.startswith("3      0.16          0.145         0.081 to 0.208   0.008") for line in lines)
    assert "60 English sentences" in apple.stdout
    assert "all 252 ways to deal out the senses" in apple.stdout
    for kind in ("matrix", "layers", "separation"):
        with Image.open(here / "apples" / f"apple.{kind}.png") as picture:
            assert min(picture.size) > 300


def test_another_question_about_the_example_overwrites_nothing(apple: Answer, here: Path) -> None:
    before = {path: path.read_bytes() for path in (here / "apples").iterdir()}
    other = shell("compare", "--example", "apple", "--metric", "euclidean", "--out", "apples", "--json", cwd=here)
    assert other.returncode == 0, other.stderr
    assert not {here / path for path in json.loads(other.stdout)["pictures"].values()} & before.keys()
    assert all(path.read_bytes() == kept for path, kept in before.items())


def test_json_holds_what_python_gives(here: Path) -> None:
    sentences = ["The bank of the river was steep.", "The bank lent her money, the bank said."]
    flags = ["--metric", "euclidean", "--layer", "2", "--pooling", "max", "--correction", "standardised", "--format", "svg"]
    answer = json.loads(shell("compare", "bank", *sentences, *flags, "--json", cwd=here).stdout)
    wanted = compare(
        load_encoder("minilm"), sentences, "bank", metric="euclidean", layer=2, pooling="max", correction="standardised"
    )
    np.testing.assert_allclose(answer["matrices"], wanted.matrices.numpy(), rtol=1e-5, atol=1e-6)
    assert (answer["layers"], answer["shown"], answer["separation"]) == ([2], 2, {})
    assert answer["reference"] == {"source": "60 English sentences", "tokens": wanted.reference_tokens}
    second = answer["sentences"][1]
    assert (second["start"], second["end"], second["occurrence"], second["occurrences"]) == (4, 8, 1, 2)
    assert (second["surfaces"], second["spans"], second["sense"]) == (["bank"], [[4, 8]], None)
    assert (here / answer["pictures"]["matrix"]).read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_a_word_is_chosen_by_occurrence_or_character(here: Path) -> None:
    text = "the bank by the bank"
    second = json.loads(
        shell("compare", "bank", text, text, "--occurrence", "1", "--occurrence", "2", "--json", cwd=here).stdout
    )
    assert [s["start"] for s in second["sentences"]] == [4, 16]
    placed = json.loads(shell("compare", text, text, "--at", "17", "--at", "5", "--json", cwd=here).stdout)
    assert [s["start"] for s in placed["sentences"]] == [16, 4]
    printed = shell("compare", "bank", text, text, "--occurrence", "2", "--layer", "0", cwd=here).stdout
    assert "the bank by the «bank»   (occurrence 2 of 2)" in printed


def test_a_file_tells_the_senses_by_its_empty_lines(here: Path) -> None:
    (here / "banks.txt").write_text(
        "The bank of the river was steep.\nWe sat on the bank of the stream.\n\nThe bank lent her money.\nHis bank closed.\n",
        encoding="utf-8",
    )
    answer = json.loads(shell("compare", "bank", "--file", "banks.txt", "--json", cwd=here).stdout)
    assert [s["sense"] for s in answer["sentences"]] == ["A", "A", "B", "B"]
    assert list(answer["separation"]) == ["none", "centred"]
    named = json.loads(shell("compare", "bank", "--file", "banks.txt", "--groups", "a,b,a,b", "--json", cwd=here).stdout)
    assert [s["sense"] for s in named["sentences"]] == ["a", "b", "a", "b"]


def test_chinese_needs_a_chinese_checkpoint_and_runs_with_one(here: Path) -> None:
    refused = shell("compare", "--example", "chinese", cwd=here)
    assert refused.returncode == 2
    assert "such as bert-base-chinese: the folder it was saved in, or 'hf:google-bert/bert-base-chinese'" in refused.stderr
    assert "pellucid compare --example chinese --model FOLDER" in refused.stderr
    chinese.written(here / "zh")
    answer = shell("compare", "--example", "chinese", "--model", "zh", "--out", "zh-out", cwd=here)
    assert answer.returncode == 0, answer.stderr
    assert "  4  fruit  這種«蘋果»又甜又脆,很適合做果汁。   [蘋 + 果]" in answer.stdout
    assert "tokens of the 10 sentences themselves" in answer.stdout
    assert len([*(here / "zh-out").glob("蘋果-????????.separation.png")]) == 1


def test_what_is_to_be_said_of_a_text_is_said_once(here: Path) -> None:
    answer = shell("compare", "bank", *["The bank 🍎 opens."] * 4, "--groups", "2,2", cwd=here)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("no piece for '🍎'") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give WORD and two or more sentences, or --example apple"),
        (["bank", "The bank."], "1 sentences to compare; give two or more, each in quotes"),
        (["bank", "The bank.", "A banker."], "no word 'bank' in sentence 2 ('A banker.'); near it: 'banker'"),
        (["bank", "The bank.", "A bank.", "--layer", "9"], "no layer 9; hidden states go from 0, the embedding layer, to 6"),
        (["bank", "The bank.", "A bank.", "--layer", "last"], "'last' is neither a number nor all"),
        (["bank", "The bank.", "A bank.", "My bank.", "--groups", "1,2"], "sense 'A' has one sentence"),
        (["bank", "The bank.", "A bank.", "My bank.", "--groups", "2,2"], "groups 2, 2 for 3 sentences"),
        (["bank", "The bank.", "A bank.", "--occurrence", "2"], "no occurrence 2 of 'bank' in sentence 1"),
        (["The bank.", "A bank.", "--at", "99"], "no character 99 in sentence 1 ('The bank.'): it has 9, from 0 to 8"),
        (["The bank.", "A bank.", "--at", "1", "--occurrence", "1"], "--occurrence and --at both say which word"),
        (["The bank.", "A bank.", "--at", "1", "--at", "1", "--at", "1"], "--at is given 3 times for 2 sentences"),
        (["--example", "apple", "pear"], "--example apple brings its own word and sentences"),
        (["--example", "pear"], "'pear' is not one of 'apple', 'chinese'"),
        (["bank", "The bank.", "--file", "x.txt"], "sentences come from 'x.txt', or from the command line"),
        (["bank", "--file", "nowhere.txt"], "nowhere.txt"),
        (["bank", "The bank.", "A bank.", "--model", "imagenet"], "'imagenet' classifies pictures"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_reason(arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = shell("compare", *arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
    assert not list(tmp_path.iterdir())
