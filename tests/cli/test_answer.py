"""`pellucid answer` and `pellucid fill-mask`, as a person types them."""

import io
import json
from pathlib import Path

import pytest

from tests import encoders
from tests.cli.command import shell

CONTEXT = "The queen of France wrote a long letter in 1905."


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoders.written(tmp_path_factory.mktemp("reader") / "checkpoint", "bert", "ForQuestionAnswering")


@pytest.fixture(scope="module")
def guesser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoders.written(tmp_path_factory.mktemp("guesser") / "checkpoint", "roberta", "ForMaskedLM")


def test_an_answer_with_its_runners_up(reader: Path) -> None:
    done = shell("answer", "Who wrote?", CONTEXT, "--model", str(reader), "--top", "2", "--threshold", "1000", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["answered"]
    assert document["answer"] in CONTEXT
    assert [CONTEXT[s["start"] : s["end"]] for s in document["spans"]] == [s["text"] for s in document["spans"]]
    plain = shell("answer", "Who wrote?", CONTEXT, "--model", str(reader), "--threshold", "1000").stdout
    assert plain.splitlines()[0] == document["answer"]
    assert "(no answer)" in plain


def test_no_answer_is_said_in_words(reader: Path) -> None:
    done = shell("answer", "Who wrote?", CONTEXT, "--model", str(reader), "--threshold", "-1000")
    assert done.stdout.startswith("The context does not answer this question.\n")
    assert "it is taken above -1000.00, as --threshold says" in done.stdout


def test_ten_thousand_words_from_standard_input(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CONTEXT * 40))
    done = shell("answer", "Who wrote?", "-", "--model", str(reader), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["windows"] > 10


def test_a_text_that_is_the_name_of_a_file_is_said_to_be_read_as_it_stands(reader: Path, tmp_path: Path) -> None:
    (tmp_path / "my letter.txt").write_text(CONTEXT)
    done = shell("answer", "Who wrote?", "my letter.txt", "--model", str(reader), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "'my letter.txt' is read as a text, not as the file of that name; to read that, give - and < 'my letter.txt'"
        in done.stderr
    )


@pytest.mark.parametrize("errors", ["surrogateescape", "strict"])  # as Python reads it in one locale and in another
@pytest.mark.parametrize("command", [("answer", "who?", "-"), ("fill-mask", "-"), ("attention", "-"), ("token-scores", "-")])
def test_standard_input_that_is_no_text(
    guesser: Path, reader: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], errors: str
) -> None:
    given = io.TextIOWrapper(io.BytesIO("the café".encode("latin1")), "utf-8", errors)
    monkeypatch.setattr("sys.stdin", given)
    done = shell(*command, "--model", str(reader if command[0] == "answer" else guesser))
    assert done.returncode in (1, 2)
    assert "Error: standard input is not utf-8" in done.stderr
    assert "iconv -f latin1 -t utf-8" in done.stderr


def test_masked_words_and_a_text_without_a_mask(guesser: Path) -> None:
    done = shell("fill-mask", "who <mask> it", "the letter", "a <mask>", "--model", str(guesser), "--top", "2", "--json")
    assert done.returncode == 1
    assert "nothing is masked in 'the letter'; write <mask> in the place of a word" in done.stderr
    document = json.loads(done.stdout)
    assert [r["text"] for r in document["results"]] == ["who <mask> it", "a <mask>"]
    assert [len(b["guesses"]) for r in document["results"] for b in r["blanks"]] == [2, 2]
    assert [f["text"] for f in document["failed"]] == ["the letter"]


def test_a_model_without_the_head(reader: Path, guesser: Path) -> None:
    done = shell("answer", "Who?", "a", "--model", str(guesser))
    assert done.returncode == 2
    assert "has no question-answering head; load one that has, such as 'minilm-qa'" in done.stderr
    done = shell("fill-mask", "a [MASK]", "--model", str(reader))
    assert done.returncode == 2
    assert "has no masked-word head" in done.stderr


def test_a_model_of_pictures_cannot_read(reader: Path) -> None:
    done = shell("answer", "Who?", "a", "--model", "imagenet")
    assert done.returncode == 2
    assert "'imagenet' classifies pictures; here an encoder of text is wanted" in done.stderr


def test_an_encoder_is_listed_and_shown(reader: Path) -> None:
    assert "minilm-qa" in shell("models").stdout
    shown = json.loads(shell("models", str(reader), "--json").stdout)
    assert (shown["layers"], shown["heads"], shown["answers_questions"]) == (3, 4, True)
    assert "answers questions" in shell("models", str(reader)).stdout
