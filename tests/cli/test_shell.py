"""The command itself, as a person types it."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.cli import COMMANDS
from tests.cli.command import Answer, process, shell


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good picture, a damaged one and a note; and a run of saliency over it."""
    here = tmp_path_factory.mktemp("shell")
    (here / "pictures").mkdir()
    with Image.open(pl.observation_paths()[0]) as picture:
        picture.save(here / "pictures" / "cup.png")
    (here / "pictures" / "damaged.jpg").write_bytes(pl.observation_paths()[0].read_bytes()[:3000])
    (here / "pictures" / "notes.txt").write_text("no picture")
    return here


def test_help_needs_neither_torch_nor_anything_slow() -> None:
    code = (
        "import sys, pellucid.cli as c\n"
        "try: c.group(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in ('torch', 'numpy', 'pydantic', 'matplotlib', 'PIL', 'rich', 'skimage') if m in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
    assert all(command in out for command in COMMANDS)


def test_every_command_has_help_with_an_example() -> None:
    for command in COMMANDS:
        answer = shell(command, "--help")
        assert answer.returncode == 0, answer.stderr
        assert f"Example: pellucid {command}" in " ".join(answer.stdout.split())


def test_a_method_has_its_own_options_as_flags() -> None:
    text = " ".join(shell("explain", "smoothgrad", "--help").stdout.split())
    assert "--samples INTEGER RANGE" in text
    assert "[default: 64; 2<=x<=100000]" in text or "[default: 64]" in text
    assert "--statistic [mean|magnitude|square|variance]" in text
    assert "--preset [course]" in text


@pytest.fixture(scope="module")
def run(folder: Path) -> Answer:
    return process("explain", "saliency", "pictures", "observation:9", "--out", "maps", "--json", cwd=folder)


def test_one_bad_file_is_reported_and_the_rest_go_on(run: Answer, folder: Path) -> None:
    assert run.returncode == 1
    answer = json.loads(run.stdout)
    assert [Path(r["source"]).name for r in answer["results"]] == ["cup.png", "observation:9"]
    assert "damaged.jpg' cannot be decoded, it is truncated or damaged" in answer["failed"][0]["error"]
    assert "damaged.jpg' cannot be decoded" in run.stderr
    cup = answer["results"][0]
    assert (cup["label"], cup["target"]) == ("espresso", 967)
    assert cup["probability"] == pytest.approx(0.950, abs=2e-3)
    assert cup["greatest"] > cup["least"] >= 0
    for result in answer["results"]:
        (evidence,) = pl.Record.from_bytes(folder / result["record"]).evidence
        assert result["verdict"] == evidence["verdict"]
    assert cup["work"] == {"forwards": 1, "backwards": 1, "fraction": 1.0}


def test_the_picture_and_the_record_are_there_and_hold_what_python_gives(run: Answer, folder: Path) -> None:
    answer = json.loads(run.stdout)["results"][1]
    with Image.open(folder / answer["picture"]) as picture:
        assert min(picture.size) > 400
    record = pl.Record.from_bytes(folder / answer["record"])
    a = pl.explain("imagenet", "observation:9", method="saliency")
    scale = float(a.scores.abs().max())
    torch.testing.assert_close(record.attribution.scores, a.scores, rtol=1e-3, atol=1e-3 * scale)
    assert record.request.source == ("observation:9",)
    assert record.request.target == (309,)


def test_replay_reproduces_and_says_so(run: Answer, folder: Path) -> None:
    record = json.loads(run.stdout)["results"][0]["record"]
    answer = process("replay", record, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    assert f"{record}: Reproduced: every score has the same bits." in answer.stdout
    document = json.loads(process("replay", record, "--json", cwd=folder).stdout)
    assert document["results"][0]["identical"] is True


@pytest.mark.parametrize(("engine", "said"), [("openvino", "openvino; in "), ("openvino-int8", "openvino; in int8, once")])
def test_another_engine_is_asked_for_by_name_and_its_record_replays_on_it(folder: Path, engine: str, said: str) -> None:
    asked = ("lime", "observation:0", "--engine", engine, "--samples", "60", "--no-trust", "--out", engine, "--json")
    document = json.loads(shell("explain", *asked, cwd=folder).stdout)
    record = document["results"][0]["record"]
    assert pl.Attribution.from_record(folder / record).notes["engine"].startswith(said)
    assert "Reproduced" in shell("replay", record, cwd=folder).stdout
    assert (
        "'tensorrt' is not one of 'torch', 'openvino'"
        in shell("explain", "lime", "observation:0", "--engine", "tensorrt").stderr
    )


def test_replay_of_what_is_no_record_says_so(folder: Path) -> None:
    answer = shell("replay", "pictures/notes.txt", "nowhere", cwd=folder)
    assert answer.returncode == 1
    assert "notes.txt' is not a record" in answer.stderr
    assert "no record at 'nowhere'" in answer.stderr


def test_flags_are_options(folder: Path) -> None:
    arguments = ["explain", "smoothgrad", "observation:0", "--samples", "10", "--statistic", "square", "--seed", "3"]
    answer = shell(*arguments, "--format", "svg", "--target", "tea cup", "--no-trust", "--json", cwd=folder)
    result = json.loads(answer.stdout)["results"][0]
    assert result["options"] == {
        "samples": 10, "noise": 0.15, "noise_rule": "share", "statistic": "square", "output": "logit",
        "antithetic": False, "seed": 3,
    }  # fmt: skip
    assert result["label"] == "tea cup"
    assert (folder / result["picture"]).read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_a_preset_a_tolerance_and_a_contrast(folder: Path) -> None:
    asked = ("explain", "saliency", "observation:0", "--preset", "course", "--no-trust", "--json")
    preset = json.loads(shell(*asked, cwd=folder).stdout)
    assert preset["results"][0]["options"] == {"output": "loss", "magnitude": True}
    tolerance = [
        "explain",
        "integrated_gradients",
        "observation:9",
        "--tolerance",
        "0.2",
        "--target",
        "bee",
        "--against",
        "fly",
        "--no-trust",
    ]
    result = json.loads(shell(*tolerance, "--json", cwd=folder).stdout)["results"][0]
    assert result["tolerance_reached"] is True
    assert result["error"] <= 0.2


def test_a_tolerance_that_was_not_reached_is_noted(folder: Path) -> None:
    asked = ("explain", "smoothgrad", "observation:0", "--tolerance", "0.001", "--no-trust")
    done = shell(*asked, "--samples", "2", cwd=folder)
    assert done.returncode == 0
    assert "above --tolerance 0.001; a higher --samples than 2 may lower it\n" in done.stderr
    assert "note: the relative error of observation:0 is " in done.stderr
    hurried = shell(*asked, "--deadline", "0.5", cwd=folder)
    assert "above --tolerance 0.001; a higher --deadline than 0.5 may lower it\n" in hurried.stderr
    assert shell(*asked[:3], "--tolerance", "90", "--no-trust", cwd=folder).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explan"], "no command named 'explan' (did you mean 'explain' or 'replay'?)"),
        (["explain", "limee", "x.jpg"], "no method named 'limee' (did you mean 'lime'?)"),
        (["explain", "saliency"], "Missing argument 'SOURCE...'"),
        (["explain", "saliency", "observation:0", "--target", "expresso"], "no class named 'expresso' (did you mean 'espresso"),
        (["explain", "smoothgrad", "observation:0", "--samples", "1"], "1 is not in the range 2<=x<=100000"),
        (["explain", "saliency", "observation:0", "--output", "logits"], "'logits' is not one of 'logit', 'log_probability'"),
        (["explain", "saliency", "observation:0", "--samples", "5"], "No such option"),
        (["explain", "integrated_gradients", "observation:0", "--baseline", "image"], "baseline='image' needs baseline_image"),
        (["explain", "saliency", "observation:0", "--model", "resnet"], "no model named 'resnet'"),
        (
            ["explain", "saliency", "observation:0", "--target", "espresso", "--against", "967"],
            "--target and --against are both 'espresso': their difference is 0 everywhere",
        ),
        (["explain", "saliency", "observation:0", "--tolerance", "0"], "0.0 is not in the range x>0"),
        (["explain", "smoothgrad", "observation:0", "--antithetic", "--statistic", "variance"], "use another statistic"),
        (["explain", "smoothgrad", "observation:0", "--antithetic", "--samples", "5"], "samples=5 must be 4, 6, 8, ..."),
        (["explain", "occlusion", "observation:0", "--window", "4", "--stride", "5"], "leaves gaps between squares of 4"),
        (["explain", "saliency", "observation:0", "--output", "probability", "--against", "5"], "does not go with it"),
        (["explain", "lime", "observation:0", "--segmentation", "labels"], "segmentation='labels' needs label_map"),
        (["explain", "lime", "observation:0", "--label-map", "x.npy"], "label_map is given but segmentation='slic'"),
        (["explain", "lime", "observation:0", "--kernel-width", "0.02"], "nothing is left to fit; widen the kernel"),
        (["explain", "occlusion", "observation:0", "--window", "900"], "larger than the image, 224 x 224; give at most 224"),
        (["explain", "grad_cam", "observation:0", "--layer", "none"], "no layer named 'none'"),
        (["explain", "grad_cam", "observation:0", "--layer", "_fc"], "its output is 1000; layers that would do: "),
        (["methods", "limes"], "no method named 'limes' (did you mean 'lime'?)"),
        (["replay", "x.safetensors", "--model", "resnet"], "no model named 'resnet'"),
        (["measure", "trust", "x.safetensors", "--model", "resnet"], "no model named 'resnet'"),
        (["models", "imagnet"], "no model named 'imagnet' (did you mean 'imagenet'?)"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_reason(arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = shell(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_label_of_several_lines_is_one_line_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("""
import pellucid as pl, torch

layers = torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
model = pl.ImageClassifier(torch.nn.Sequential(*layers).eval(), size=(16, 16), labels=["tea\\ncup", "pot"])
""")
    answer = shell(
        "explain", "saliency", "observation:0", "--model", "own.py:model", "--target", "0", "--no-trust", cwd=tmp_path
    )
    header, row = answer.stdout.splitlines()
    assert "observation:0  tea cup  " in row
    assert header.index("PROBABILITY") == row.index("tea cup") + len("tea cup  ")


def test_a_warning_of_a_picture_is_a_note(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:32] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    answer = shell("explain", "edges", "a.png", "--no-trust", cwd=tmp_path)
    assert answer.returncode == 0
    assert "note: 'a.png' has transparent parts; they are laid on white" in answer.stderr


def test_an_unwritable_folder_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("a file")
    answer = shell("explain", "edges", "observation:0", "--out", "maps", cwd=tmp_path)
    assert answer.returncode == 1
    assert "cannot write 'maps/observation_0.edges.safetensors'" in answer.stderr


def test_a_map_is_kept_where_the_evidence_fails_and_it_is_said_why(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("""
import pellucid as pl, torch

class Guarded(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4, 3, 1, 1))

    def forward(self, x):
        if not (self.weight == 1).all():
            raise RuntimeError("these are not the weights it was trained with")
        return torch.nn.functional.conv2d(x, self.weight)[:, :, 0, :1].flatten(1)

model = pl.ImageClassifier(Guarded().eval(), size=(16, 16), prepare=False)
""")
    asked = ("explain", "saliency", "observation:0", "observation:1", "--model", "own.py:model", "--target", "1")
    answer = shell(*asked, "--json", cwd=tmp_path)
    document = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert [one["verdict"] for one in document["results"]] == [None, None]
    for one, failed in zip(document["results"], document["failed"], strict=True):
        assert pl.Record.from_bytes(tmp_path / one["record"]).evidence == ()
        assert (tmp_path / one["picture"]).is_file()
        why = f"the map of {one['source']} is kept, and there is no evidence on it: these are not the weights"
        assert failed["error"].startswith(why)
        assert why in answer.stderr
    assert "no evidence" in shell(*asked, cwd=tmp_path).stdout


def test_pictures_of_one_name_keep_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(pl.observation_paths()[0], tmp_path / name / "cup.jpg")
    answer = shell("explain", "edges", "a", "b", "--no-trust", "--json", cwd=tmp_path)
    pictures = [r["picture"] for r in json.loads(answer.stdout)["results"]]
    assert pictures[0] == "pellucid-out/cup.edges.png"
    assert re.fullmatch(r"pellucid-out/cup-[0-9a-f]{8}\.edges\.png", pictures[1])


def test_an_explanation_overwrites_no_other(tmp_path: Path) -> None:
    def explained(*more: str) -> Path:
        done = shell("explain", "saliency", "observation:0", "--no-trust", "--json", *more, cwd=tmp_path)
        return tmp_path / json.loads(done.stdout)["results"][0]["record"]

    plain = explained()
    before = plain.read_bytes()
    assert plain.name == "observation_0.saliency.safetensors"
    others = [explained("--target", "tea cup"), explained("--against", "tea cup"), explained("--preset", "course")]
    assert len({plain, *others}) == 4
    assert plain.read_bytes() == before
    assert explained("--target", "tea cup") == others[0], "the same question has the same name"
    assert explained() == plain
    plain.write_bytes(b"the user's own")
    assert explained() != plain
    assert plain.read_bytes() == b"the user's own"


def test_a_picture_that_filters_cannot_read_is_reported_and_the_rest_go_on(folder: Path) -> None:
    done = shell("filters", "_conv_stem", "0", "--steps", "2", "--json", "--on", "pictures", cwd=folder)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert [one["source"] for one in answer["failed"]] == ["pictures/damaged.jpg"]
    assert (folder / answer["pictures"]["where"]).is_file()
    assert "Error: 'pictures/damaged.jpg' cannot be decoded" in done.stderr


def test_filters_overwrite_no_others(tmp_path: Path) -> None:
    def made(*more: str) -> str:
        done = shell("filters", "_conv_stem", "0", "--steps", "2", "--json", *more, cwd=tmp_path)
        return json.loads(done.stdout)["record"]

    plain, other = made(), made("3")
    assert plain == "pellucid-out/_conv_stem.filters.safetensors"
    assert (made(), made("3")) == (plain, other)
    assert other != plain


def test_models_and_methods_are_listed(tmp_path: Path) -> None:
    listed = shell("models")
    assert "imagenet" in listed.stdout
    assert "food11-cnn" in listed.stdout
    layers = json.loads(shell("models", "imagenet", "--json").stdout)["layers"]
    assert layers[-1] == {"name": "_fc", "kind": "Linear", "shape": [1000], "calls": 1}
    methods = json.loads(shell("methods", "--json").stdout)["methods"]
    assert [m["name"] for m in methods] == list(pl.methods)
    assert "https://arxiv.org/abs/1602.04938" in shell("methods").stdout
    assert "preset course" in shell("methods", "lime").stdout


def test_a_deadline_ends_the_ascent_and_keeps_what_it_reached(tmp_path):
    started = time.monotonic()
    done = shell("filters", "_conv_stem", "0", "--steps", "10000", "--deadline", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 120  # ten thousand steps take many minutes
    (result,) = json.loads(done.stdout)["results"]
    assert result["after"] > result["before"]
    assert shell("filters", "_conv_stem", "0", "--deadline", "0", cwd=tmp_path).returncode == 2


def test_a_record_of_filters_replays(tmp_path):
    made = shell("filters", "_conv_stem", "0", "3", "--steps", "12", "--json", cwd=tmp_path)
    record = json.loads(made.stdout)["record"]
    again = shell("replay", record, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{record}: Reproduced" in again.stdout


def test_a_replay_that_cannot_be_is_said_and_the_rest_go_on(tmp_path):
    (tmp_path / "own.py").write_text("""
import pellucid as pl, torch

def made(filters, side):
    layers = torch.nn.Conv2d(3, filters, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return pl.ImageClassifier(torch.nn.Sequential(*layers).eval(), size=(side, side))

wide, narrow, large = made(4, 16), made(2, 16), made(4, 20)
""")
    paths = []
    for layer in ("0", "1"):
        done = shell(
            "filters", layer, "3" if layer == "0" else "1", "--steps", "2", "--json", "--model", "own.py:wide", cwd=tmp_path
        )
        paths.append(json.loads(done.stdout)["record"])
    few = shell("replay", *paths, "--model", "own.py:narrow", cwd=tmp_path)
    assert few.returncode == 1
    assert f"{paths[0]}: layer 0 has filters 0 to 1, got 3" in few.stderr
    assert f"{paths[1]}: " in few.stdout
    large = shell("replay", *paths, "--model", "own.py:large", cwd=tmp_path)
    assert large.returncode == 1
    assert all(f"{path}: the record is of pictures of 3 x 16 x 16" in large.stderr for path in paths)
