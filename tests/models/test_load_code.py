"""Models that a Python file makes: `net.py:make`, in Python, in the shell and from records."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

import pellucid as pl
from pellucid.cli.course.build import named
from pellucid.course.workshop import course_model
from pellucid.models.load import load_classifier, load_encoder
from pellucid.replay import replay
from pellucid.server.loaded import Models
from pellucid.server.views import ask_again, read_view
from tests import encoders
from tests.cli.command import shell

PHOTOGRAPH = Path(pl.__file__).parent / "data/images/other_goldfish.jpg"
NET = """
import torch
from torch import nn

import pellucid as pl
from layers import WIDTH  # a module beside it

with open("runs.txt", "a") as file:
    file.write("run\\n")


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, WIDTH, 3, 2), nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.head(self.stem(x).relu().mean((2, 3)))


def make():
    torch.manual_seed(5)
    return pl.ImageClassifier(Small().eval(), size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, labels=["a", "b", "c"])


ready = make()
bare = Small()
number = 7


def broken():
    return undefined


def wants(size):
    return size
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "layers.py").write_text("WIDTH = 6\n")
    shutil.copy(PHOTOGRAPH, tmp_path / "fish.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(folder: Path) -> int:
    file = folder / "runs.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("name", ["make", "ready"])
def test_a_function_or_a_ready_model_of_a_file_is_loaded_by_its_name(folder: Path, name: str):
    before = list(sys.path)
    model = load_classifier(f"net.py:{name}")
    assert (model.name, model.labels, model.size) == (f"net.py:{name}", ("a", "b", "c"), (32, 32))
    assert sys.path == before
    other = load_classifier(str(folder / "net.py:make"))
    assert other.fingerprint == model.fingerprint
    x = model.read("fish.jpg")
    torch.testing.assert_close(model.logits(x.features), other.logits(other.read("fish.jpg").features))


def test_an_encoder_as_well(folder: Path):
    place = encoders.written(folder / "bert", "bert", "ForMaskedLM")
    (folder / "enc.py").write_text(
        f"import pellucid as pl\n\ndef make():\n    open('runs.txt', 'a').close()\n    return pl.load({str(place)!r})\n"
    )
    assert load_encoder("enc.py:make").fingerprint == load_encoder(str(place)).fingerprint
    done = shell("token-scores", "the queen [MASK] a letter", "-m", "enc.py:make", "--no-trust", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["record"]
    (folder / "runs.txt").unlink()
    refused = shell("replay", record)
    assert refused.returncode == 1
    assert "'enc.py:make', and no code is run on the word of a file; if it is yours: --model enc.py:make" in refused.stderr
    assert not (folder / "runs.txt").exists()
    again = shell("replay", record, "--model", "enc.py:make")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Reproduced" in again.stdout


def test_a_report_of_it_on_another_engine(folder: Path):
    done = shell("report", "fish.jpg", "-m", "net.py:make", "--engine", "openvino", "--layer", "stem", "--json")
    assert done.returncode == 0, done.stderr
    made = {Path(path).stem: pl.Attribution.from_record(Path(path).read_bytes()) for path in json.loads(done.stdout)["records"]}
    assert all("openvino" in made[name].notes["engine"] for name in ("lime", "smoothgrad"))


@pytest.mark.parametrize(("name", "flags", "engine"), [
    ("net.py:make", (), False), ("net.py:make", ("--engine", "openvino"), True),
    ("own.py:quick", (), True), ("own.py:quick", ("--engine", "torch"), False),
])  # fmt: skip
def test_an_engine_of_its_own_is_kept_unless_another_is_named(folder: Path, name: str, flags: tuple[str, ...], engine: bool):
    (folder / "own.py").write_text("import net\n\nquick = net.make().on('openvino')\n")
    done = shell("explain", "occlusion", "fish.jpg", "-m", name, "--no-trust", *flags)
    assert done.returncode == 0, done.stderr
    (record,) = (folder / "pellucid-out").glob("*.safetensors")
    assert ("engine" in pl.Attribution.from_record(record.read_bytes()).notes) == engine


def test_the_shell_explains_it_and_no_record_runs_it(folder: Path):
    done = shell("explain", "occlusion", "fish.jpg", "-m", "net.py:make", "--json")
    assert done.returncode == 0, done.stderr
    record = str(next((folder / "pellucid-out").glob("*.safetensors")))
    a = pl.Attribution.from_record(Path(record).read_bytes())
    expected = pl.explain("net.py:make", "fish.jpg", method="occlusion")
    torch.testing.assert_close(a.scores, expected.scores)
    before = runs(folder)
    for command in (("replay",), ("measure", "sparseness"), ("measure", "trust")):
        refused = shell(*command, record)
        assert refused.returncode == 1
        assert "its model is Python code, 'net.py:make', and no code is run on the word of a file" in refused.stderr
        assert "--model net.py:make" in refused.stderr
    with pytest.raises(ValueError, match="its model is Python code"):
        replay(record)
    assert runs(folder) == before, "nothing of it was run"
    again = shell("replay", record, record, "--model", "net.py:make")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.count("Reproduced") == 2
    assert runs(folder) == before + 1, "once for all records"
    assert replay(record, "net.py:ready").identical
    other = shell("replay", record, "missing.safetensors", "--model", "minilm")
    assert other.returncode == 1
    assert "'minilm' is an encoder and reads text; here a classifier" in other.stderr
    assert "missing.safetensors: " in other.stderr
    assert other.stderr.count("'minilm'") == 1
    for command in (("measure", "sparseness"), ("measure", "trust")):
        assert shell(*command, record, "--model", "net.py:make").returncode == 0
    made = shell("filters", "stem", "1", "-m", "net.py:make", "--steps", "3")
    assert made.returncode == 0, made.stderr
    ascended = str(next((folder / "pellucid-out").glob("*filter*.safetensors")))
    assert shell("replay", ascended).returncode == 1
    assert shell("replay", ascended, "-m", "net.py:make").returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("net.py:", "say what in 'net.py' makes the model: net.py:NAME, a function"),
        ("net.py", "say what in 'net.py' makes the model: net.py:NAME, a function without arguments or a ready model"),
        ("nets.py:make", "there is no file 'nets.py'"),
        ("net.py:build", "'net.py' has no 'build'; it has: make, ready, broken, wants"),
        ("net.py:bare", "net.py:bare is of type Small, and no model that can be explained; wrap it: pl.ImageClassifier("),
        ("net.py:number", "net.py:number is of type int, and no model that can be explained; return pl.ImageClassifier("),
        ("net.py:broken", "net.py:broken failed at line 32 of net.py: NameError: name 'undefined' is not defined"),
        ("net.py:wants", "net.py:wants failed: TypeError: wants() missing 1 required positional argument: 'size'"),
        ("ended.py:make", "ended.py:make failed at line 3 of ended.py: SystemExit: 1; what makes no model belongs under if"),
        ("deep/../torn.py:make", "deep/../torn.py:make failed at line 2 of deep/../torn.py: SyntaxError"),
        ("leans.py:make", "leans.py:make failed at line 1 of leans.py: SyntaxError"),
        ("torn.py:make", "torn.py:make failed at line 2 of torn.py: SyntaxError"),
        ("lone.py:make", "lone.py:make failed at line 1 of lone.py: ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_what_makes_no_model_says_why_and_where(folder: Path, name: str, said: str):
    (folder / "deep").mkdir()
    (folder / "torn.py").write_text("a = 1\ndef make(:\n")
    (folder / "leans.py").write_text("import torn\n")  # the line is its own, though the mistake is another's
    (folder / "ended.py").write_text("import sys\n\nsys.exit(1)\n")
    modules = set(sys.modules)
    (folder / "lone.py").write_text("import nowhere_at_all\n")
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        pl.load(name)
    assert not [m for m in set(sys.modules) - modules if m.startswith(("ended_", "torn_", "leans_", "lone_"))]
    done = shell("explain", "lime", "fish.jpg", "-m", name)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_lab_and_a_course_do_not_run_what_they_are_asked_for(folder: Path):
    with pytest.raises(ValueError, match=r"code, 'net\.py:make'.*; a course takes a network from a folder"):
        course_model("net.py:make")
    with pytest.raises(ValueError, match=r"code, 'net\.py:make'.*; a course takes a network from a folder"):
        named("cnn=net.py:make", {"cnn": "imagenet"})
    with pytest.raises(ValueError, match=r"code, 'net\.py:make'"):
        named("net.py:make", {"cnn": "imagenet"})
    with pytest.raises(KeyError, match=r"net\.py:make"):
        Models().image("net.py:make")
    assert Models([load_classifier("net.py:make")]).image("net.py:make").labels == ("a", "b", "c")
    assert runs(folder) == 1


def width(model: pl.ImageClassifier) -> int:
    return len(model.module.state_dict()["stem.weight"])


def test_modules_beside_it_are_its_own_and_read_anew(folder: Path):
    other = folder / "other"
    other.mkdir()
    shutil.copy(folder / "net.py", other / "net.py")
    (other / "layers.py").write_text("WIDTH = 9\n")
    mine, theirs = load_classifier("net.py:make"), load_classifier("other/net.py:make")
    assert (width(mine), width(theirs)) == (6, 9)
    (folder / "layers.py").write_text("WIDTH = 4  # edited\n")
    assert width(load_classifier("net.py:make")) == 4
    assert mine.logits(mine.read("fish.jpg").features).shape == (1, 3)


def test_a_corpus_of_an_encoder_that_code_makes_is_searched_with_it(folder: Path):
    place = encoders.written(folder / "bert", "bert")
    (folder / "enc.py").write_text(f"import pellucid as pl\n\nopen('runs.txt', 'a').close()\nmade = pl.load({str(place)!r})\n")
    (folder / "text.txt").write_text("The queen wrote a letter. The keeper reads the letter. The lamp was old.\n" * 3)
    built = shell("corpus", "build", "text.txt", "--out", "c.corpus", "-m", "enc.py:made", "--no-heads")
    assert built.returncode == 0, built.stderr
    (folder / "runs.txt").unlink()
    asked = ("corpus", "search", "c.corpus", "the letter", "--token", "letter", "--layer", "1", "--by", "hidden")
    refused = shell(*asked)
    assert refused.returncode == 2
    assert "its model is Python code, 'enc.py:made'" in refused.stderr
    assert not (folder / "runs.txt").exists()
    found = shell(*asked, "--model", "enc.py:made")
    assert found.returncode == 0, found.stderr
    assert "letter" in found.stdout


def test_a_model_of_ones_own_stands_for_one_that_does_not_ship(folder: Path):
    def view(**body: object) -> bytes:
        asked = {"path": "/api/text/layers", "body": body, "answer": {}}
        return json.dumps({"kind": "pellucid view", "pellucid": "0", "questions": [asked]}).encode()

    store, given = folder / "store", encoders.tiny("bert")
    with pytest.raises(ValueError, match="all of its models ship"):
        list(ask_again(read_view(view(models=["minilm"])), store, given))
    with pytest.raises(ValueError, match=r"these do not: a\.py:make, b\.py:make"):
        list(ask_again(read_view(view(models=["a.py:make", "b.py:make"])), store, given))
    with pytest.raises(ValueError, match=r"code, 'a\.py:make; rm -r x'.*--model 'a\.py:make; rm -r x'"):
        list(ask_again(read_view(view(models=["minilm", "a.py:make; rm -r x"])), store))


@pytest.mark.parametrize("kind", ["configuration", "classifier"])
def test_code_that_comes_with_a_folder_is_neither_run_nor_asked_about(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    sent = folder / "sent"
    sent.mkdir()
    (sent / "theirs.py").write_text("open('runs.txt', 'a').close()\n")
    auto = {"AutoConfig": "theirs.Config", "AutoModelForImageClassification": "theirs.Net"}
    about = {"model_type": "unheard_of", "architectures": ["NetForImageClassification"], "auto_map": auto}
    if kind == "classifier":
        about |= {"model_type": "resnet", "architectures": ["ResNetForImageClassification"]}
    (sent / "config.json").write_text(json.dumps(about))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    with pytest.raises(ValueError, match=r"cannot (load|tell)"):
        pl.load(sent)
    assert not (folder / "runs.txt").exists()


def test_what_making_the_model_warns_of_is_told_once(tmp_path: Path) -> None:
    made = "pl.ImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(768, 3), nn.Sigmoid()).eval(), size=(16, 16))"
    (tmp_path / "sigmoid.py").write_text(f"import pellucid as pl\nfrom torch import nn\n\nmodel = {made}\n")
    with pytest.warns(UserWarning, match="ends in a sigmoid") as told:
        pl.load(f"{tmp_path / 'sigmoid.py'}:model")
    assert len(told) == 1
