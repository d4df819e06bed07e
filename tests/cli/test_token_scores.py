"""`pellucid token-scores`, as a person types it."""

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.analysis.token_scores import TokenMethod
from pellucid.cli.token_scores import METHODS
from tests import encoders
from tests.cli.command import shell

QUESTION, CONTEXT = "who wrote the letter?", "the young queen wrote the letter in 1905 unwillingly."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("encoders")
    heads = ("ForQuestionAnswering", "ForMaskedLM", "ForSequenceClassification")
    return {head: str(encoders.written(place / head, "bert", head)) for head in heads}


def test_an_answer_is_explained_with_its_evidence_a_picture_and_a_record(models: dict[str, str], tmp_path: Path) -> None:
    asked = ("token-scores", QUESTION, CONTEXT, "-m", models["ForQuestionAnswering"], "-x", "erasure", "-x", "rollout")
    done = shell(*asked, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    encoder = pl.load(models["ForQuestionAnswering"])
    assert isinstance(encoder, pl.TextEncoder)
    for method, said in zip(("erasure", "rollout"), document["methods"], strict=True):
        scores = pl.token_scores(encoder, QUESTION, CONTEXT, method=method)
        expected = [None if v != v else pytest.approx(v, abs=1e-6) for v in scores.scores[0].tolist()]
        assert said["scores"] == expected
        assert said["unit"] == scores.unit
        found = pl.token_trust(encoder, scores)[0]
        assert (said["trust"]["verdict"], said["trust"]["sentence"]) == (found.verdict, found.sentence)
    assert [one["text"] for one in document["tokens"]] == list(encoder.read(QUESTION, CONTEXT).surfaces(0))
    with Image.open(tmp_path / document["picture"]) as picture:
        assert picture.width > 900
    assert document["fingerprint"] == encoder.fingerprint
    again = shell("replay", document["record"], cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Reproduced: every number is the same." in again.stdout
    record = json.loads((tmp_path / document["record"]).read_text(encoding="utf-8"))
    record["questions"][0]["answer"]["methods"][0]["scores"][2] += 1
    (tmp_path / "other.json").write_text(json.dumps(record), encoding="utf-8")
    assert shell("replay", "other.json", cwd=tmp_path).returncode == 1
    assert "other weights" not in again.stdout
    plain = shell(*asked, cwd=tmp_path).stdout
    assert plain.startswith(f"{document['target']}, by ")
    scored = zip(document["methods"][0]["scores"], document["tokens"], strict=True)
    ranked = sorted(((v, one["text"]) for v, one in scored if v), key=lambda one: -abs(one[0]))[:10]
    rows = plain.split("ERASURE")[1].splitlines()[1 : 1 + len(ranked)]
    for (score, text), row in zip(ranked, rows, strict=True):
        assert text in row
        assert ("█" in row, "░" in row)[score < 0]
    assert min(ranked)[0] < 0 < max(ranked)[0]
    assert f"█ speaks for {document['target']}, ░ against it" in plain
    assert document["methods"][1]["trust"]["advice"] in plain


def test_a_replay_says_that_the_weights_have_changed_since(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "sorter", "bert", "ForSequenceClassification")
    done = shell("token-scores", "the queen wrote", "-m", "sorter", "-x", "random", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["record"]
    module = encoders.module("bert", "ForSequenceClassification")
    with torch.no_grad():
        module.classifier.bias += 1
    module.save_pretrained(folder)
    (result,) = json.loads(shell("replay", record, "--json", cwd=tmp_path).stdout)["results"]
    assert result["notes"] == ["the encoder 'sorter' has other weights or another vocabulary"]
    kept = json.loads((tmp_path / record).read_text(encoding="utf-8"))
    del kept["weights"]  # as records were before they had them
    (tmp_path / record).write_text(json.dumps(kept), encoding="utf-8")
    (result,) = json.loads(shell("replay", record, "--json", cwd=tmp_path).stdout)["results"]
    assert result["notes"] == []


def test_a_masked_word_and_a_class_by_name_and_by_whole_words(models: dict[str, str], tmp_path: Path) -> None:
    text = "the queen [MASK] rereading the letter"
    done = shell(
        "token-scores", text, "-m", models["ForMaskedLM"], "-t", "wrote", "--by-word", "--no-trust", "--json", cwd=tmp_path
    )
    document = json.loads(done.stdout)
    assert (document["task"], document["target"]) == ("masked_words", "the word 'wrote'")
    assert document["by_word"]
    assert "rereading" in [one["text"] for one in document["tokens"]]
    assert document["methods"][0]["trust"] is None
    for label in ("LABEL_1", "1"):
        done = shell("token-scores", "the queen wrote", "-m", models["ForSequenceClassification"], "-t", label, cwd=tmp_path)
        assert done.stdout.startswith("the class 'LABEL_1', by "), done.stderr


def test_of_a_regression_the_number_is_explained(tmp_path: Path) -> None:
    encoder = encoders.rater("warmth")
    for part in (encoder.module, encoder.tokenizer):
        part.save_pretrained(tmp_path / "rater")  # pyright: ignore[reportCallIssue]
    done = shell("token-scores", "the queen wrote the letter", "-m", "rater", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (document["task"], document["target"], document["value_unit"]) == (
        "regression",
        "the number 'warmth'",
        "in its own unit",
    )
    assert document["methods"][0]["unit"] == "the number's unit"
    assert "of the number over random orders" in document["methods"][0]["about"]
    plain = shell("token-scores", "the queen wrote the letter", "-m", "rater", cwd=tmp_path).stdout
    assert plain.startswith("the number 'warmth', by ")
    assert "of the number over random orders" in plain


def test_words_of_the_context_are_a_target_and_the_text_may_come_from_elsewhere(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CONTEXT))
    asked = ("token-scores", QUESTION, "-", "-m", models["ForQuestionAnswering"], "--no-trust", "--format", "svg")
    done = shell(*asked, "-t", "young queen", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["target"] == "the answer 'young queen'"
    assert document["tokens"][document["places"][0]]["text"] == "young"
    drawn = (tmp_path / document["picture"]).read_text(encoding="utf-8")
    assert "young queen" in drawn
    assert ">wrote<" in drawn


def test_an_answer_that_the_model_would_not_give_is_said_to_be_none(tmp_path: Path) -> None:
    asked = ("What did the baker pay for the flour?", "Ann lives by the sea. The young keeper repaired the lamp.")
    done = shell("token-scores", *asked, "--no-trust", cwd=tmp_path)
    assert "note: minilm-qa would say that the passage does not answer this; explained is the answer " in done.stderr
    assert "note" not in shell("token-scores", "Who repaired the lamp?", asked[1], "--no-trust", cwd=tmp_path).stderr


def test_of_a_single_token_no_number_is_made_up(models: dict[str, str], tmp_path: Path) -> None:
    done = shell("token-scores", "[MASK]", "-m", models["ForMaskedLM"], cwd=tmp_path)
    assert "there is but one token to rank: it tells no token from another. Try another method" in done.stdout
    assert "nan" not in done.stdout


@pytest.mark.parametrize(
    ("asked", "said", "code"),
    [
        (("nothing to ask",), "what shall be explained? Give a CONTEXT", 2),
        (("who?", CONTEXT, "-m", "{ForQuestionAnswering}", "-t", "the king"), "does not stand in the context", 1),
        (("a [MASK] letter", "-m", "{ForMaskedLM}", "-t", "unwilling"), "is no single wordpiece", 1),
        (("a letter", "-m", "{ForMaskedLM}"), "no tokens of 'a letter' are masked", 1),
        (("a letter", "-m", "{ForSequenceClassification}", "-t", "happy"), "no class named 'happy'", 1),
        (("a letter", CONTEXT, "-x", "lime"), "Invalid value for '--method'", 2),
    ],
)
def test_what_cannot_be_explained_is_said(
    asked: tuple[str, ...], said: str, code: int, models: dict[str, str], tmp_path: Path
) -> None:
    done = shell("token-scores", *(one.format(**models) for one in asked), cwd=tmp_path)
    assert said in done.stderr
    assert done.returncode in (code, 2)
    assert not list(tmp_path.glob("pellucid-out/*"))


def test_the_shell_knows_every_method() -> None:
    from typing import get_args

    assert get_args(TokenMethod) == METHODS


def test_scores_are_kept_where_the_evidence_fails_and_it_is_said_why(models: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"""
import pellucid as pl

model = pl.load({models["ForQuestionAnswering"]!r})
learned = next(model.module.parameters()).clone()

def guarded(module, given):
    if not next(module.parameters()).equal(learned):
        raise RuntimeError("these are not the weights it was trained with")

model.module.register_forward_pre_hook(guarded)
""")
    asked = ("token-scores", QUESTION, CONTEXT, "-m", "own.py:model", "-x", "erasure", "-x", "rollout")
    done = shell(*asked, "--json", cwd=tmp_path)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    for method, one in zip(("erasure", "rollout"), document["methods"], strict=True):
        why = (
            f"the scores of {method} are kept, and there is no evidence on them: these are not the weights it was trained with"
        )
        assert one["trust"] is None
        assert f"note: {why}" in done.stderr
        assert why in document["notes"]
    plain = shell(*asked, "--no-trust", "--json", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert [one["scores"] for one in json.loads(plain.stdout)["methods"]] == [one["scores"] for one in document["methods"]]
    with Image.open(tmp_path / document["picture"]) as picture:
        assert picture.width > 900
    assert (tmp_path / document["record"]).is_file()


def test_bytes_that_are_no_text_are_named(models: dict[str, str], tmp_path: Path) -> None:
    done = shell("token-scores", "the caf\udce9 wrote", "-m", models["ForMaskedLM"], "-t", "wrote", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the text has '\\udce9' at character 7, which is half of a surrogate pair")
