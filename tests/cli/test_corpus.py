import json
import re

import pytest
from PIL import Image

from tests.cli.command import shell
from tests.encoders import SENTENCES, written


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an encoder, a text and its corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    written(folder / "tiny")
    (folder / "text.txt").write_text("\n".join([*SENTENCES, "No."]), encoding="utf-8")
    done = shell("corpus", "build", "text.txt", "--out", "made", "--model", "tiny", "--layers", "0,2-3", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["layers"], said["head_layers"]) == ([0, 2, 3], [2, 3])
    assert said["counts"]["tokens"] > 60
    return folder


def test_a_table_marks_the_match_in_its_sentence(place):
    done = shell("corpus", "search", "made", SENTENCES[2], "--token", "bank", "--occurrence", "2", "--layer", "2", cwd=place)
    assert done.returncode == 0, done.stderr
    assert re.match(r"(0\.9\d|1\.00) ", done.stdout.splitlines()[1])
    done = shell(
        "corpus", "search", "made", SENTENCES[2], "--token", "bank", "--occurrence", "2", "--layer", "2", "--reread", cwd=place
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["SIMILARITY", "POS", "NEXT", "WORD", "ATTENDS", "MOST", "TO", "SENTENCE"]
    assert lines[1].startswith("1.000")
    assert "; the [bank] lent her no money." in lines[1]
    assert len(lines) == 51


def test_json_has_every_part_of_a_hit_and_a_picture(place):
    done = shell(
        "corpus", "search", "made", SENTENCES[2], "--token", "2", "--layer", "3", "--by", "heads", "--heads", "0,2-3",
        "--count", "60", "--out", "pictures", "--json", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["query"] == {"sentence": SENTENCES[2], "token": 2, "match": "bank"}
    assert (said["heads"], len(said["hits"])) == ([0, 2, 3], 60)
    first = next(hit for hit in said["hits"] if hit["sentence"] == SENTENCES[2] and hit["token"] == 2)
    assert (first["match"], first["word"]["text"], first["next"]["text"]) == ("bank", "bank", "of")
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    assert {"row", "token", "start", "end", "place", "attended", "attention", "offset"} <= set(first)
    with Image.open(place / said["picture"]) as picture:
        assert picture.size[0] > 1000


def test_exact_finds_the_same_in_a_small_corpus(place):
    plain, exact = (
        shell("corpus", "search", "made", SENTENCES[3], "-t", "Paris", "-l", "0", "--count", "3", *more, cwd=place)
        for more in (("--reread",), ("--exact",))
    )
    assert plain.stdout == exact.stdout != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--token", "fish", "--layer", "2"), "'fish' is found not in the sentence; its tokens are 0:[CLS] 1:T"),
        (("--token", "bank", "--occurrence", "3", "--layer", "2"), "'bank' is found 2 times in the sentence"),
        (("--token", "99", "--layer", "2"), "no token 99; the sentence has"),
        (("--token", "bank", "--layer", "1"), "has no hidden states of layer 1; it was built with those of layer 0, 2, 3"),
        (("--token", "bank", "--layer", "2", "--by", "heads", "--heads", "7"), "no head 7; a layer has 4"),
        (("--token", "bank", "--layer", "2", "--heads", "x"), "'x' is no head; give numbers or ranges"),
    ],
)  # fmt: skip
def test_wrong_requests_say_what_would_do(place, arguments, message):
    done = shell("corpus", "search", "made", SENTENCES[2], *arguments, cwd=place)
    assert done.returncode == 2
    assert message in done.stderr


def test_builds_that_cannot_be(place):
    for arguments, message in (
        (("none.txt", "--out", "x", "--model", "tiny"), "No such file"),
        (("text.txt", "--out", "made", "--model", "tiny"), "exists already"),
        (("text.txt", "--out", "x", "--model", "tiny", "--layers", "9"), "no layer 9"),
        (("text.txt", "--out", "x", "--model", "imagenet"), "an encoder of text is wanted"),
    ):
        done = shell("corpus", "build", *arguments, cwd=place)
        assert done.returncode == 2
        assert message in done.stderr
    assert shell("corpus", "search", "nowhere", "a b", "-t", "a", "-l", "1", cwd=place).returncode == 2


def test_the_shipped_text_by_its_word(place):
    done = shell(
        "corpus", "build", "shipped", "--out", "shipped", "--model", "tiny", "--layers", "1", "--no-heads",
        "--limit-characters", "2000", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out: " in done.stdout
    assert "times the text" in done.stdout


@pytest.mark.parametrize("command", [(), ("build",), ("search",)])
def test_help_has_an_example(command):
    done = shell("corpus", *command, "--help")
    assert done.returncode == 0
    assert "Example: pellucid corpus" in done.stdout
