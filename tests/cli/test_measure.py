"""`pellucid measure` on records: a table, JSON, evidence, and what is wrong with a record."""

import json

import pytest

from tests.cli.command import shell


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    for method in ("saliency", "random"):
        done = shell("explain", method, "observation:0", "--out", "maps", "--no-trust", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def paths(folder):
    return sorted(str(p.relative_to(folder)) for p in (folder / "maps").glob("*.safetensors"))


def test_a_table_has_a_row_a_record(records):
    done = shell("measure", "sparseness", *paths(records), cwd=records)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "sparseness: Gini index; neither direction is better"
    assert lines[1].split() == ["IMAGE", "METHOD", "VALUE", "95", "%", "BETWEEN", "CHANCE"]
    assert {line.split()[1] for line in lines[2:4]} == {"saliency", "random"}


def test_options_are_flags_and_json_has_every_number(records):
    done = shell("measure", "deletion", paths(records)[1], "--steps", "4", "--orders", "3", "--json", cwd=records)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["metric"], said["higher_is_better"]) == ("deletion", False)
    (result,) = said["results"]
    assert result["options"]["steps"] == 4
    assert result["chance_low"] <= result["chance"] <= result["chance_high"]
    assert 0 <= result["value"] <= 1


def test_evidence_ends_in_plain_words(records):
    done = shell("measure", "trust", *paths(records), cwd=records)
    assert done.returncode == 0, done.stderr
    assert "no better than random: Another seed draws a map that has next to nothing in common with it" in done.stdout
    said = json.loads(shell("measure", "trust", paths(records)[0], "--json", cwd=records).stdout)
    assert said["results"][0]["verdict"] == "no better than random"
    assert " probability " in done.stdout.splitlines()[1]
    assert said["results"][0]["advantage_unit"] == "probability"
    assert {"advantage", "randomised", "seeds", "sentence", "advice", "cost"} <= set(said["results"][0])


def test_a_note_says_which_record_it_is_on(records):
    done = shell("measure", "completeness", *paths(records), cwd=records)
    noted = [line for line in done.stdout.splitlines() if line.startswith("no value: ")]
    assert len(noted) == 2
    assert all(line.endswith(f"(observation_0.{m}.safetensors)") for line, m in zip(noted, ("random", "saliency"), strict=True))


def test_a_bad_record_is_named_and_the_others_go_on(records):
    (records / "no.safetensors").write_bytes(b"nothing")
    done = shell("measure", "sparseness", "no.safetensors", paths(records)[0], cwd=records)
    assert done.returncode == 1
    assert "no.safetensors" in done.stderr
    assert "random" in done.stdout
    unknown = shell("measure", "faithfulness", paths(records)[0], cwd=records)
    assert unknown.returncode == 2
    assert "no metric named 'faithfulness'" in unknown.stderr


def test_a_contrast_is_said_with_both_classes_and_measured_in_logits(tmp_path):
    asked = (
        "explain",
        "saliency",
        "observation:0",
        "--target",
        "espresso",
        "--against",
        "eggnog",
        "--no-trust",
        "--out",
        "maps",
    )
    assert "espresso rather than eggnog" in shell(*asked, cwd=tmp_path).stdout
    (result,) = json.loads(shell(*asked, "--json", cwd=tmp_path).stdout)["results"]
    assert (result["label"], result["against_label"]) == ("espresso", "eggnog")
    assert result["against"] == 969
    record = "maps/observation_0.saliency.safetensors"
    assert " logit " in shell("measure", "trust", record, cwd=tmp_path).stdout.splitlines()[1]
