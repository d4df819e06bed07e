import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

import pellucid as pl
from pellucid.analysis.attention import attend
from tests import encoders
from tests.cli.command import shell

TEXT = "The bank of the river was steep; the bank lent her no money."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny encoders as folders: without a head, answering, and guessing words."""
    heads = {"plain": "Model", "reader": "ForQuestionAnswering", "guesser": "ForMaskedLM"}
    return {name: str(encoders.written(tmp_path_factory.mktemp(name), "bert", head)) for name, head in heads.items()}


def test_the_document_holds_what_python_computes(tmp_path: Path, minilm: pl.TextEncoder):
    done = shell(
        "attention", TEXT, "--layer", "4", "--heads", "0,3-5", "--hide-special", "--mass", "0.7", "--json", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    expected = attend(minilm.activations(TEXT), 4, [0, 3, 4, 5], hide_special=True, mass=0.7)
    (found,) = document["attentions"]
    assert found["layer"] == 4
    assert document["heads"] == [0, 3, 4, 5]
    assert [(e["query"], e["key"]) for e in found["edges"]] == [(e.query, e.key) for e in expected.edges]
    for edge, there in zip(found["edges"], expected.edges, strict=True):
        assert edge["weight"] == pytest.approx(there.weight, abs=1e-5)
        assert edge["heads"] == pytest.approx(list(there.heads), abs=1e-5)
    assert [TEXT[t["start"] : t["end"]] for t in document["tokens"][1:-1]] == [t["surface"] for t in document["tokens"][1:-1]]
    assert [t["role"] for t in document["tokens"]] == ["special", *["text"] * (len(document["tokens"]) - 2), "special"]
    assert document["rule"] == expected.rule
    (picture,) = document["pictures"]
    assert picture.endswith(".layer-4.arcs.png")
    with Image.open(tmp_path / picture) as drawn:
        assert drawn.width > 600


@pytest.mark.parametrize("view", ["arcs", "heat", "overview", "statistics", "rollout", "flow"])
def test_every_view_is_drawn_and_printed(tmp_path: Path, folder: dict[str, str], view: str):
    done = shell("attention", "who wrote?", "the queen wrote the letter 😀.", "--model", folder["plain"], "--view", view,
                 "--layer", "all", "--by-word", "mean", "--format", "svg", "--out", "here", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    pictures = list((tmp_path / "here").iterdir())
    assert len(pictures) == (1 if view in ("overview", "statistics") else 3)
    assert all(p.name.endswith(f"{view}.svg") and p.stat().st_size > 1000 for p in pictures)
    assert all(f"picture: here/{p.name}" in done.stdout for p in pictures)


def test_the_default_layer_is_the_last_and_for_overviews_all(tmp_path: Path, folder: dict[str, str]):
    for view, layers in (("heat", [3]), ("rollout", [3]), ("statistics", [1, 2, 3])):
        done = shell("attention", "the queen", "-m", folder["plain"], "--view", view, "--json", cwd=tmp_path)
        document = json.loads(done.stdout)
        assert document["layers"] == layers
        if view == "rollout":
            assert sum(document["rollout"][0]["weights"][1]) == pytest.approx(1, abs=1e-4)
    assert len(document["statistics"]["entropy"]) == 3
    assert "to [CLS]" in document["statistics"]


def test_a_masked_token_is_told_and_named_in_another_file(tmp_path: Path, folder: dict[str, str]):
    plain = shell("attention", "the queen wrote", "-m", folder["plain"], "--json", cwd=tmp_path)
    masked = shell("attention", "the queen wrote", "-m", folder["plain"], "--mask", "3", "--json", cwd=tmp_path)
    tokens = json.loads(masked.stdout)["tokens"]
    assert [t["masked"] for t in tokens] == [t["index"] == 3 for t in tokens]
    assert tokens[3]["surface"] == "wrote"
    assert json.loads(plain.stdout)["pictures"] != json.loads(masked.stdout)["pictures"]
    for index, why in (("99", "no token 99; the text has"), ("0", r"token 0 is [CLS], a special token")):
        done = shell("attention", "the queen wrote", "-m", folder["plain"], "--mask", index, cwd=tmp_path)
        assert done.returncode == 2
        assert why in done.stderr


def test_the_effect_of_heads_on_an_answer_and_on_masked_words(tmp_path: Path, folder: dict[str, str]):
    asked = ("attention", "who wrote the letter?", "the young queen wrote the letter.", "--view", "effect")
    done = shell(*asked, "--model", folder["reader"], "--json", cwd=tmp_path)
    effect = json.loads(done.stdout)["effect"]
    assert effect["task"] == "question_answering"
    assert len(effect["positions"]) == 2
    assert [len(effect["effect"]), len(effect["effect"][0])] == [3, 4]
    assert -1 <= effect["spearman"] <= 1
    done = shell("attention", "the queen [MASK] it", "-m", folder["guesser"], "--view", "effect", "--layer", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rank correlation of effect and attention over 4 heads" in done.stdout
    assert done.stdout.splitlines()[0].split()[:4] == ["LAYER", "HEAD", "EFFECT", "(BITS)"]
    done = shell(*asked, "--model", folder["plain"], cwd=tmp_path)
    assert done.returncode == 2
    assert "has no head for question answering, masked words or classes of texts" in done.stderr
    done = shell(*asked, "--model", folder["reader"], "--by-word", "mean", cwd=tmp_path)
    assert "measured on wordpieces" in done.stderr


@pytest.mark.parametrize("before", [[], ["who"]])
def test_standard_input_is_read(tmp_path: Path, folder: dict[str, str], monkeypatch: pytest.MonkeyPatch, before: list[str]):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the bank\n"))
    done = shell("attention", *before, "-", "-m", folder["plain"], "--json", cwd=tmp_path)
    read = ["[CLS]", *(word for one in before for word in (one, "[SEP]")), "the", "bank", "[SEP]"]
    assert [t["surface"] for t in json.loads(done.stdout)["tokens"]] == read


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--layer", "9"], "no layer 9; attention goes from layer 1 to 3"),
        (["--layer", "0"], "layer 0 is the embedding layer"),
        (["--layer", "two"], "'two' is no layer; give a number from 1"),
        (["--heads", "4"], "no head 4; a layer has 4, from 0"),
        (["--heads", "3-1"], "'3-1' is no head"),
        (["--heads", "x"], "'x' is no head; give numbers or ranges, such as 0,3-5, or all"),
        (["--mass", "0"], "0 is not in the range"),
        (["--view", "graph"], "'graph' is not one of"),
    ],
)
def test_wrong_usage_is_said(tmp_path: Path, folder: dict[str, str], arguments: list[str], why: str):
    done = shell("attention", "the bank", "-m", folder["plain"], *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (tmp_path / "pellucid-out").exists()


def test_a_text_that_is_empty_or_too_long_for_arcs_is_refused(tmp_path: Path):
    done = shell("attention", " ", cwd=tmp_path)
    assert (done.returncode, "the text is empty" in done.stderr) == (2, True)
    long = "the bank of the river " * 30
    done = shell("attention", long, cwd=tmp_path)
    assert done.returncode == 2
    assert "152 tokens; arcs can be told apart up to 120. Draw a heat map instead" in done.stderr
    assert shell("attention", long, "--view", "heat", "--mass", "0.05", cwd=tmp_path).returncode == 0
