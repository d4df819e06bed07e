"""A view of texts can be asked again, and says where it came out otherwise."""

import base64
import json

import numpy as np
import pytest

from pellucid import __version__
from pellucid.server import make_app
from pellucid.server.views import QUESTIONS, ask_again, differences, read_view
from tests.cli.command import shell
from tests.server.conftest import opened

TEXT = "The cat sat on the mat because it was tired."
BODIES = {
    "/api/text/tokens": {"model": "minilm", "text": TEXT},
    "/api/text/attention": {"model": "minilm-mlm", "text": TEXT, "layer": -1, "masked": [2]},
    "/api/text/attention/overview": {"model": "minilm", "text": TEXT, "by_word": True},
    "/api/text/effect": {"model": "minilm-mlm", "text": "A cat sat.", "masked": [2]},
    "/api/text/answer": {"model": "minilm-qa", "question": "Where did the cat sit?", "passage": TEXT},
    "/api/text/layers": {"models": ["minilm"], "question": "Where did the cat sit?", "passage": TEXT, "samples": 20},
    "/api/text/compare": {"model": "minilm", "sentences": [TEXT, "A cat ran."], "word": "cat"},
    "/api/text/token-scores": {"model": "minilm-mlm", "text": "A cat [MASK].", "methods": ["erasure", "random"]},
}


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """What the lab answers to every question, as it exports it."""
    with opened(tmp_path_factory.mktemp("lab"), models=[]) as client:
        asked = []
        for path, body in BODIES.items():
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            asked.append({"path": path, "body": body, "answer": answer.json()})
    return {"kind": "pellucid view", "pellucid": __version__, "questions": asked}


def test_every_question_about_texts_can_be_asked_again(view, tmp_path):
    asked = {path for path, methods in make_app(store=tmp_path).openapi()["paths"].items() if "post" in methods}
    assert BODIES.keys() == QUESTIONS.keys() == {path for path in asked if path.startswith("/api/text/")}
    again = list(ask_again(read_view(json.dumps(view).encode()), tmp_path))
    assert [one.path for one in again] == list(BODIES)
    assert all(one.reproduced for one in again), again


def test_the_command_says_so(view, tmp_path):
    (tmp_path / "view.json").write_text(json.dumps(view))
    done = shell("replay", "view.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("view.json: Reproduced")
    other = json.loads(json.dumps(view))
    other["pellucid"] = "0.0.1"
    other["questions"][4]["answer"]["answers"][0]["score"] *= 1.5
    other["questions"] = other["questions"][3:5]
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = shell("replay", "other.json", "--json", cwd=tmp_path)
    assert done.returncode == 1
    (result,) = json.loads(done.stdout)["results"]
    assert result["verdict"].startswith("Not reproduced: 'answers' differs by up to ")
    assert result["notes"] == [f"pellucid was 0.0.1, is {__version__}"]
    assert [one["verdict"][:3] for one in result["questions"]] == ["Rep", "Not"]


def view_of(path, body):
    asked = {"path": path, "body": body, "answer": {}}
    return json.dumps({"kind": "pellucid view", "pellucid": "1", "questions": [asked]})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "not a view that the lab exported: kind"),
        ('{"kind": "pellucid view", "pellucid": "1", "questions": []}', "questions"),
        (view_of("/etc", {}), "'/etc' is no question"),
        (view_of("/api/corpora/none/search", {"text": "a", "token": 1, "layer": 1}), "no corpus named 'none'"),
        ("{", "not a view that the lab exported"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_named(content, said, tmp_path):
    (tmp_path / "view.json").write_text(content)
    done = shell("replay", "view.json", cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


def packed(*values):
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("before", "after", "far"),
    [
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.0]}, 0.0),
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.1]}, 0.05),
        ({"a": [1.0, {"b": -4.0}]}, {"a": [1.0, {"b": -3.0}]}, 0.25),
        ({"a": "one"}, {"a": "two"}, float("inf")),
        ({"a": [1.0]}, {"a": [1.0, 1.0]}, float("inf")),
        ({"a": None}, {"a": 0.0}, float("inf")),
        ({"a": True}, {"a": False}, float("inf")),
        ({"a": 1}, {"b": 1}, float("inf")),
        ({"attention": packed(0.5, 1.0)}, {"attention": packed(0.25, 1.0)}, 0.25),
        ({"thumbnails": base64.b64encode(b"\x64\x00").decode()}, {"thumbnails": base64.b64encode(b"\x65\x01").decode()}, 0.0),
        ({"thumbnails": base64.b64encode(b"\x64\x00").decode()}, {"thumbnails": base64.b64encode(b"\x64\x02").decode()}, 0.01),
    ],
)  # fmt: skip
def test_differences_are_shares_of_the_largest_number_beside_them(before, after, far):
    assert max(value for _, value in differences(before, after)) == pytest.approx(far, abs=1e-6)
