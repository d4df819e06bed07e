"""A batch on Ray: the rows of this machine, whatever happens to a process of the cluster."""

import importlib
import os
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

import pellucid as pl
from pellucid.registry import Contradiction
from tests.encoders import tiny

cluster = importlib.import_module("pellucid.batch.cluster")

CODE = '''
import os

import torch

import pellucid as pl


class Deadly(torch.nn.Module):
    """Ends its process where a picture is red."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)

    def forward(self, x):
        means = x.mean((2, 3))
        if bool(((means[:, 0] > 0.9) & (means[:, 1] < 0.1)).any()):
            os._exit(3)
        return self.fc(means)


def make():
    torch.manual_seed(0)
    return pl.ImageClassifier(Deadly().eval(), size=(8, 8), prepare=False)
'''


@pytest.fixture(scope="module", autouse=True)
def connected():
    """One cluster for these tests, to which this process is connected when a batch looks for one.

    Ray finds the address of another there, which ended without a word.
    """
    assert not ray.is_initialized()
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", place)
        (Path(place) / "ray").mkdir()
        (Path(place) / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
        assert cluster._connect(ray)
        yield
        ray.shutdown()


def rows(batch: pl.Batch) -> dict[str, dict]:
    return {row["key"]: row for row in batch.table().to_pylist()}


def test_its_rows_are_those_of_this_machine(pictures, network, tmp_path):
    (pictures / "5.png").write_bytes(b"no picture")
    asked = {
        "model": network,
        "methods": ["lime", "smoothgrad", "edges"],
        "records": True,
        "options": {"lime": {"samples": 60, "segments": 9}},
    }
    told = []
    far = pl.batch(
        [pictures, tmp_path / "no.png"], tmp_path / "far", engine="ray", progress=lambda *step: told.append(step), **asked
    )
    here = pl.batch([pictures, tmp_path / "no.png"], tmp_path / "here", **asked)
    assert (far.made, here.made) == (15, 15)
    assert {(f.request.key, f.error) for f in far.failed} == {(f.request.key, f.error) for f in here.failed}
    assert len(far.failed) == 6
    assert [done for done, *_ in told] == list(range(1, 22))
    assert far.verdicts == here.verdicts
    for key, row in rows(here).items():
        other = rows(far)[key]
        np.testing.assert_allclose(np.array(other["map"]), np.array(row["map"]), rtol=1e-3, atol=1e-5)
        same = row.keys() - {
            "map",
            "seconds",
            "error",
            "advantage",
            "advantage_low",
            "advantage_high",
            "randomised",
            "evidence",
        }
        assert {k: other[k] for k in same - {"probability"}} == {k: row[k] for k in same - {"probability"}}
        assert (tmp_path / "far" / "_records" / f"{key}.safetensors").is_file()
    again = pl.batch(pictures, tmp_path / "far", engine="ray", **asked)
    assert (again.made, again.there, len(again.failed)) == (0, 15, 3)
    assert ray.is_initialized()  # it is not ours to end


def test_texts_go_there_with_their_encoder(tmp_path):
    encoder = tiny(head="ForSequenceClassification")
    encoder.activations("a film")  # which leaves hooks of transformers' own behind
    asked = {"model": encoder, "methods": ["erasure", "rollout"]}
    far = pl.batch(["a good film", "a bad one"], tmp_path / "far", engine="ray", **asked)
    here = pl.batch(["a good film", "a bad one"], tmp_path / "here", **asked)
    assert (far.made, far.failed, far.verdicts) == (4, (), here.verdicts)
    for key, row in rows(here).items():
        assert rows(far)[key]["tokens"] == row["tokens"]
        np.testing.assert_allclose(np.array(rows(far)[key]["map"]), np.array(row["map"]), rtol=1e-3, atol=1e-5)


def test_a_picture_that_ends_its_process_costs_none_of_the_others(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(pictures / "3.png")
    (tmp_path / "net.py").write_text(CODE)
    found = pl.batch(
        pictures,
        tmp_path / "out",
        model=f"{tmp_path / 'net.py'}:make",
        methods=["saliency", "edges"],
        trust=False,
        engine="ray",
    )
    assert found.made == 8
    assert [Path(f.request.source[0]).name for f in found.failed] == ["3.png"] * 2
    assert all(f.error.startswith("the process that explained it ended: ") for f in found.failed)


def test_a_wrong_question_is_raised_as_on_this_machine(pictures, network, tmp_path):
    asked = {"methods": "integrated_gradients", "options": {"integrated_gradients": {"baseline": "image"}}}
    with pytest.raises(Contradiction, match=r"^baseline='image' needs baseline_image"):
        pl.batch(pictures, tmp_path / "out", model=network, engine="ray", **asked)


def test_a_network_that_the_cluster_cannot_make_is_said(pictures, tmp_path):
    (tmp_path / "net.py").write_text(
        CODE.replace("def make():", f"def make():\n    assert os.getpid() == {os.getpid()}, 'not here'")
    )
    with pytest.raises(ValueError, match=r"a process of the cluster cannot have the network: ValueError: .*not here"):
        pl.batch(pictures, tmp_path / "out", model=f"{tmp_path / 'net.py'}:make", methods="saliency", engine="ray")


def test_a_process_explains_with_as_many_threads_as_it_has_processors():
    @ray.remote(num_cpus=1, runtime_env={"env_vars": cluster.ENVIRONMENT})
    def about():
        import torch

        return torch.get_num_threads(), {name: os.environ.get(name) for name in cluster.ENVIRONMENT}

    assert ray.get(about.remote()) == (1, cluster.ENVIRONMENT)


def test_an_address_where_nobody_answers_is_said_at_once(pictures, network, tmp_path, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with pytest.raises(
            ConnectionError, match=r"no Ray cluster answers at 127.0.0.1:\d+, which RAY_ADDRESS names .*refused"
        ):
            pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", engine="ray")


def test_without_ray_it_is_said_what_would_do(pictures, network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"engine='ray' needs Ray, which is not installed: pip install 'pellucid\[ray\]'"):
        pl.batch(pictures, tmp_path / "out", model=network, methods="saliency", engine="ray")
