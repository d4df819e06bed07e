"""Grades: exact toys for the ranking, and a method that looks at the cause ahead of one that guesses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

import pellucid as pl
from pellucid.grades import grade, places, ranked_above
from pellucid.planted import plants
from tests.cli.command import shell

ALONE = {name: {"method": name} for name in ("random", "occlusion")}


def test_is_the_area_under_the_roc_curve_with_ties():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 6, (4, 9, 9), generator=generator).float()
    mask = torch.rand(4, 9, 9, generator=generator) < 0.2
    wanted = [roc_auc_score(m.flatten(), s.flatten()) for m, s in zip(mask, maps, strict=True)]
    assert ranked_above(maps, mask).tolist() == pytest.approx(wanted, abs=1e-6)
    assert ranked_above(mask.float(), mask).tolist() == [1.0] * 4
    assert ranked_above(torch.zeros(4, 9, 9), mask).tolist() == [0.5] * 4


def test_ranks_are_sure_where_methods_differ_and_wide_where_they_do_not():
    draw = np.random.default_rng(0)
    noise = draw.normal(size=60)
    ranks = places({"best": 5 + noise, "one": noise, "other": noise[::-1].copy(), "none": np.array([])}, 0)
    assert ranks["best"] == (1, 1)
    assert ranks["one"][0] == ranks["other"][0] == 2
    assert ranks["one"][1] == ranks["other"][1] == 3
    assert "none" not in ranks


def test_what_finds_the_cause_ranks_above_noise():
    plant = plants["watermark"](0)
    said: list[float] = []
    grades = grade(ALONE, {"watermark": plant}, progress=lambda share, what: said.append(share))
    assert [g.method for g in grades] == ["occlusion", "random"]
    occlusion, random = grades
    assert occlusion.found is not None
    assert random.found is not None
    assert occlusion.found.low > 0.8
    assert random.found.value == pytest.approx(0.5, abs=0.1)  # it draws one map for all images
    assert (occlusion.rank, random.rank) == ((1, 1), (2, 2))
    assert occlusion.passes > 10
    a = pl.explain(plant.model, plant.images, method="occlusion", target=plant.target)
    assert occlusion.magnitude is not None
    assert occlusion.found.value == pytest.approx(float(ranked_above(a.map(), plant.mask).mean()))
    assert occlusion.magnitude.value == pytest.approx(float(ranked_above(a.map().abs(), plant.mask).mean()))
    assert random.passes == 0
    assert occlusion.advantage is None
    assert said == sorted(said)
    assert said[-1] == 1


def test_photographs_alone_and_a_method_that_cannot():
    plant = plants["watermark"](0)
    asked = {"saliency": {"method": "saliency"}, "apart": {"method": "integrated_gradients", "baseline": "image"}}
    grades = grade(asked, {}, plant.model, plant.images[:2])
    saliency = next(g for g in grades if g.method == "saliency")
    assert saliency.holds_up == pl.Interval(1.0, 1.0, 1.0)
    assert saliency.found is None
    failed = next(g for g in grades if g.method == "apart")
    assert failed.asked == asked["apart"]
    assert failed.rank is None
    assert "baseline='image' needs baseline_image" in failed.failed


def test_plants_and_pictures_in_one_table():
    plant = plants["watermark"](0)
    made = pl.benchmark(["saliency", "random"], model=plant.model, on=plant.images[:2], plants=["watermark"])
    assert made.plants == {"watermark": {"description": plant.description, "accuracy": plant.accuracy}}
    assert made["saliency"].found is not None
    assert made["saliency"].advantage is not None
    assert made["saliency"].found.value > 0.7
    assert pl.benchmark(["saliency"], on=None, plants=["watermark"])["saliency"].advantage is None
    with pytest.raises(KeyError, match=r"'water' \(did you mean 'watermark'"):
        pl.benchmark(["saliency"], on=None, plants=["water"])


def test_only_what_answered_for_every_plant_is_ranked_by_them():
    plant = plants["watermark"](0)
    asked = {"apart": {"method": "grad_cam", "layer": "nowhere"}, **ALONE}
    grades = grade(asked, {"watermark": plant}, plant.model, plant.images)  # as many photographs as images of the plant
    ranks = {g.method: g.rank for g in grades}
    assert ranks["apart"] is None
    assert ranks["occlusion"] == (1, 1)


def test_the_command(tmp_path):
    done = shell("benchmark", "random", "saliency", "--no-plants", "--photographs", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {g["method"] for g in said["grades"]} == {"random", "saliency"}
    assert said["plants"] == {}
    assert all(g["advantage"]["low"] is None and g["rank"] is None for g in said["grades"])  # of one image
    markdown = shell("benchmark", "random", "--no-plants", "--photographs", "1", "--markdown", cwd=tmp_path)
    assert markdown.stdout.startswith("| METHOD | OVER RANDOM | RANDOM WEIGHTS | HOLDS UP | PASSES | TIME |\n")
    assert markdown.stdout.count("(-)") == 3
    assert " to " not in markdown.stdout
    nothing = shell("benchmark", "--no-plants", "--photographs", "0", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "nothing to grade on" in nothing.stderr
    unknown = shell("benchmark", "limee", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "did you mean 'lime'" in unknown.stderr


def test_the_command_on_ones_own_pictures(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(2):
        Image.open(pl.observation_paths()[n]).save(tmp_path / "photos" / f"{n}.png")
    told = ["saliency", "smoothgrad:samples=2,antithetic=false", "--on", "photos", "--no-plants"]
    done = shell("benchmark", *told, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["images"] == ["0.png", "1.png"]
    asked = {g["method"]: g["asked"] for g in said["grades"]}
    assert asked[told[1]] == {"method": "smoothgrad", "samples": 2, "antithetic": False, "seed": 0}
    assert all(g["found"] is None and g["holds_up"] is not None for g in said["grades"])
    (tmp_path / "photos" / "9.jpg").write_bytes(b"cut off")
    mixed = shell("benchmark", "saliency", "grad_cam:layer=nowhere", "--on", "photos", "--no-plants", "--json", cwd=tmp_path)
    assert mixed.returncode == 1
    assert "9.jpg" in mixed.stderr
    said = json.loads(mixed.stdout)
    assert said["images"] == ["0.png", "1.png"]
    assert [one["source"] for one in said["failed"]] == [str(Path("photos") / "9.jpg")]
    assert {g["method"]: bool(g["failed"]) for g in said["grades"]} == {"saliency": False, "grad_cam:layer=nowhere": True}
    for wrong, says in (
        (["lime:segments=1"], "with one superpixel there is nothing to compare"),
        (["--photographs", "0", "--engine", "torch"], "--engine does not go with no photographs"),
        (["--json", "--markdown"], "leave one of them out"),
        (["--on", str(Path("photos") / "9.jpg")], "none of the pictures can be read"),
        (["lime:samples"], "after lime: stand options and their values"),
        (["--on", "photos", "--photographs", "2"], "leave one of them out"),
        (["--text", "--on", "photos"], "--on does not go with --text"),
        (["lime", "--on", "nowhere", "--no-plants"], "nowhere"),
    ):
        failed = shell("benchmark", *wrong, cwd=tmp_path)
        assert failed.returncode == 2
        assert says in failed.stderr
