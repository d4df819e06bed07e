"""`pellucid batch`: a folder becomes a table, on this machine or on Ray; what is there already is not made again."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import pellucid as pl
from tests.cli.command import process, shell

CODE = """
import torch

import pellucid as pl


def make():
    torch.manual_seed(0)
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)).eval()
    return pl.ImageClassifier(linear, size=(8, 8), labels=["cat", "dog", "emu"])
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a network and three pictures, one of them broken."""
    (tmp_path / "net.py").write_text(CODE)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 20, 200)).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "2.png").write_bytes(b"no picture")
    return tmp_path


ASK = ("photos", "-m", "net.py:make", "--no-trust", "--out", "maps")


def test_a_folder_becomes_a_table(place):
    done = shell("batch", *ASK, "--method", "saliency", "-x", "input_x_gradient", cwd=place)
    assert done.returncode == 1
    assert done.stderr.count("Error: saliency: 'photos/2.png' is not a picture in a known format") == 1
    assert "4 maps made in " in done.stdout
    assert ", 2 failed\n" in done.stdout
    rows = pq.read_table(place / "maps").to_pylist()
    assert sorted((r["source"], r["method"]) for r in rows) == [
        (f"photos/{n}.png", m) for n in range(2) for m in ("input_x_gradient", "saliency")
    ]
    network = pl.load(f"{place / 'net.py'}:make")
    assert isinstance(network, pl.ImageClassifier)
    for row in rows:
        a = pl.explain(network, str(place / row["source"]), method=row["method"])
        np.testing.assert_allclose(np.array(row["map"]), a.map()[0].numpy(), rtol=1e-4, atol=1e-7)


def test_the_same_command_goes_on_and_json_says_so(place):
    first = json.loads(shell("batch", *ASK, "-x", "saliency", "--limit", "1", "--json", cwd=place).stdout)
    assert (first["made"], first["there"], first["failed"]) == (1, 0, [])
    again = shell("batch", *ASK, "-x", "saliency", "--json", cwd=place)
    said = json.loads(again.stdout)
    assert (said["made"], said["there"], said["out"]) == (1, 1, "maps")
    assert [(f["source"], f["method"]) for f in said["failed"]] == [("photos/2.png", "saliency")]
    assert again.returncode == 1


def test_evidence_is_counted_by_method(place):
    done = shell("batch", *ASK[:3], "photos/0.png", "--out", "maps", "-x", "edges", cwd=place)
    assert done.returncode == 1  # 2.png
    assert done.stdout.splitlines()[0].split() == ["METHOD", "VERDICT", "MAPS"]
    assert done.stdout.splitlines()[1].startswith("edges ")
    assert set(pq.read_table(place / "maps")["verdict"].to_pylist()) == {done.stdout.splitlines()[1][7:-1].strip()}


def test_a_plan_is_asked_as_it_was_printed(place):
    planned = shell("batch", *ASK, "-x", "lime", "-O", "lime.samples=30", "--target", "dog", "--plan", cwd=place)
    assert planned.returncode == 0, planned.stderr
    lines = [json.loads(line) for line in planned.stdout.splitlines()]
    assert [(one["source"], one["target"], one["options"]["samples"]) for one in lines] == [
        ([f"photos/{n}.png"], [1], 30) for n in range(3)
    ]
    assert not (place / "maps").exists()
    (place / "asked.jsonl").write_text("".join(planned.stdout.splitlines(keepends=True)[:2]).replace('"lime"', '"random"', 1))
    refused = shell("batch", "asked.jsonl", "-m", "net.py:make", "--out", "maps", cwd=place)
    assert refused.returncode == 2
    assert "request 1: random" in refused.stderr
    (place / "asked.jsonl").write_text("".join(planned.stdout.splitlines(keepends=True)[:1]))
    code = shell("batch", "asked.jsonl", "--out", "maps", cwd=place)
    assert code.returncode == 2
    assert "no code is run on the word of a file" in code.stderr
    done = shell("batch", "asked.jsonl", "-m", "net.py:make", "--no-trust", "--out", "maps", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(place / "maps")["key"].to_pylist() == [pl.Request.model_validate(lines[0]).key]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "which method? Name some"),
        (("-x", "salience"), "did you mean 'saliency'"),
        (("-x", "lime", "-O", "samples=3"), "'samples=3' is not METHOD.NAME=VALUE, such as lime.samples=3"),
        (("-x", "lime", "-O", "saliency.output=loss"), "not among the methods that are asked: lime"),
        (("-x", "integrated_gradients", "-O", "integrated_gradients.baseline=image"), "needs baseline_image"),
        (("-x", "lime", "asked.jsonl"), "some sources are files of requests"),
    ],
)
def test_a_wrong_question_is_a_usage_error(place, more, said):
    done = shell("batch", *ASK, *more, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_table_of_texts_becomes_a_table_of_their_tokens(tmp_path):
    (tmp_path / "asked.csv").write_text(
        "question,context\nWho wrote it?,The letter was written by Emma.\nWho?,\n", encoding="utf-8"
    )
    ask = ("asked.csv", "-m", "minilm-qa", "-x", "erasure", "-x", "rollout", "--no-trust", "--out", "scores")
    done = shell("batch", *ask, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"Error: {method}: 'Who?' has no context; a question is answered from a context: "
                                        "read(question, context)" for method in ("erasure", "rollout")]  # fmt: skip
    first, second = pq.read_table(tmp_path / "scores").to_pylist()
    assert (first["source"], first["context"]) == ("Who wrote it?", "The letter was written by Emma.")
    assert first["label"] == "the answer 'Emma'"
    assert len(first["tokens"]) == len(first["map"][0]) == len(second["map"][0])


def test_many_failures_are_in_a_file_and_few_on_the_screen(place):
    for number in range(20):
        (place / "photos" / f"bad{number}.png").write_bytes(b"")
    done = shell("batch", *ASK, "-x", "saliency", cwd=place)
    assert done.stderr.count("Error: ") == 10
    assert "... and 11 more: maps/_failed.jsonl" in done.stderr
    assert len((place / "maps" / "_failed.jsonl").read_text().splitlines()) == 21


WAITS = '''
import pathlib
import time

import torch

import pellucid as pl


class Waits(torch.nn.Module):
    """At a red picture it says that it is there, and waits."""

    def forward(self, x):
        if bool((x[:, 0].mean((1, 2)) > 0.9).any()):
            pathlib.Path("there").touch()
            time.sleep(60)
        return x.mean((2, 3))


def make():
    return pl.ImageClassifier(Waits().eval(), size=(8, 8), prepare=False)
'''


def test_a_run_that_is_ended_keeps_what_it_finished(place):
    """As a scheduler ends it, in the midst of the ninth picture; eight are explained together."""
    (place / "net.py").write_text(WAITS)
    for number in range(8):
        Image.new("RGB", (8, 8), (10, 30 * number, 0)).save(place / "photos" / f"{number}.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(place / "photos" / "8.png")
    command = [str(Path(sys.executable).with_name("pellucid")), "batch", *ASK, "-x", "saliency"]
    with subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        for _ in range(600):
            if (place / "there").exists() or running.poll() is not None:
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "interrupted; what was finished has been kept" in said
    assert len(pq.read_table(place / "maps")) == 8


def test_on_ray_a_cluster_is_made_and_ended(place):
    done = process("batch", *ASK, "-x", "saliency", "--engine", "ray", "--json", cwd=place)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["made"], len(said["failed"])) == (2, 1)
    assert done.stderr.splitlines() == ["Error: saliency: 'photos/2.png' is not a picture in a known format ("
                                        "jpg, jpeg, png, webp, bmp, gif, tif, tiff, avif, jp2)"]  # fmt: skip
    here = shell("batch", *ASK[:-1], "here", "-x", "saliency", cwd=place)
    assert here.returncode == 1
    maps = {name: {r["key"]: r["map"] for r in pq.read_table(place / name).to_pylist()} for name in ("maps", "here")}
    assert maps["maps"].keys() == maps["here"].keys()
    for key, found in maps["maps"].items():
        np.testing.assert_allclose(np.array(found), np.array(maps["here"][key]), rtol=1e-4, atol=1e-7)
