"""`pl.benchmark`: methods and settings beside each other on pictures and passages of one's own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.benchmark import asked_for
from tests import encoders
from tests.conftest import pictures


@pytest.fixture
def folder(tmp_path: Path, smooth: pl.ImageClassifier) -> Path:
    for name, one in zip(("b.png", "a.png"), pictures(smooth, 2).pixels, strict=True):
        Image.fromarray(one.numpy()).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_settings_of_one_method_side_by_side_on_a_folder(smooth: pl.ImageClassifier, folder: Path) -> None:
    said: list[float] = []
    settings = {"few": "smoothgrad:samples=4", "many": {"method": "smoothgrad", "samples": 40}, "saliency": {}}
    made = pl.benchmark(settings, model=smooth, on=folder, plants=False, progress=lambda share, what: said.append(share))
    assert made.images == ("a.png", "b.png")
    assert not made.plants
    assert {g.method for g in made} == set(settings)
    assert said == sorted(said)
    assert said[-1] == 1
    for label, samples in (("few", 4), ("many", 40)):
        g = made[label]
        a = pl.explain(smooth, [str(folder / "a.png"), str(folder / "b.png")], method="smoothgrad", samples=samples)
        found = pl.trust(smooth, smooth.read([str(folder / "a.png"), str(folder / "b.png")]), a).evidence
        assert g.asked == {"method": "smoothgrad", "samples": samples, "seed": 0}
        assert g.found is None
        assert g.randomised is not None
        assert g.advantage is not None
        assert g.randomised.value == pytest.approx(sum(e.randomised for e in found) / 2)
        assert g.advantage.value == pytest.approx(sum(e.advantage.value for e in found) / 2)
        assert g.passes == 3 * samples
    with pytest.raises(KeyError, match=r"no method graded named 'fw' \(did you mean 'few'\?\); known: "):
        made["fw"]


def test_is_a_table_where_it_is_shown(smooth: pl.ImageClassifier) -> None:
    image = pictures(smooth, 1)
    made = pl.benchmark(["random", "saliency"], model=smooth, on=image, plants=False)
    header, rows = made.table()
    assert header[0] == "METHOD"
    assert [row[0] for row in rows] == [g.method for g in made] == [made[0].method, made[1].method]
    lines = str(made).splitlines()
    assert lines[0] == "| METHOD | OVER RANDOM | RANDOM WEIGHTS | HOLDS UP | PASSES | TIME |"  # nothing of plants, or of places
    assert lines[1] == "| " + " | ".join(["---"] * len(header)) + " |"
    assert len(lines) == 4
    assert repr(made) == made.markdown() == made._repr_markdown_()
    assert made.images == tuple(image.names)
    assert len(made[:1]) == 1


def test_passages_of_ones_own() -> None:
    reader = encoders.tiny("bert", "ForQuestionAnswering", longest=512)
    pair = ("Who keeps the light?", "The young keeper has kept the light for years.")
    made = pl.benchmark_text(["attention", "random"], encoder=reader, on=[pair], plants=False)
    assert made.images == (pair[0],)
    scores = pl.token_scores(reader, [pair], method="attention")
    m = pl.comprehensiveness(reader, scores, orders=20)
    assert m.chance is not None
    lost = made["attention"].comprehensiveness
    assert lost is not None
    assert lost.value == pytest.approx(float(m.values - m.chance), abs=1e-6)
    assert "COMPREHENSIVE" in made.markdown()


def test_options_are_of_their_type_and_pictures_are_taken_too() -> None:
    photo = Image.new("RGB", (8, 8), (1, 2, 3))
    asked = asked_for({
        "a": "lime:samples=100,kernel-width=0.5,tolerance=0.2,preset=course",
        "b": 'smoothgrad:{"samples": 30, "antithetic": false}',
        "c": {"method": "integrated_gradients", "baseline": "image", "baseline_image": photo},
    })  # fmt: skip
    a = {"method": "lime", "samples": 100, "kernel_width": 0.5, "tolerance": 0.2, "preset": "course"}
    assert asked["a"] == a
    assert {name: type(value) for name, value in asked["a"].items()} == {name: type(value) for name, value in a.items()}
    assert asked["b"] == {"method": "smoothgrad", "samples": 30, "antithetic": False}
    assert asked["c"]["baseline_image"] is photo
    assert list(asked_for(None)) == list(pl.methods)


@pytest.mark.usefixtures("unchecked")  # wrong types are among them
@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["limes"], r"no method named 'limes' \(did you mean 'lime'\?\)"),
        (["limes:samples=2"], "no method named 'limes'"),
        (["lime:100"], r"'lime:100': after lime: stand options and their values, such as lime:samples=\.\.\.,tolerance=0\.1"),
        (["lime:samples="], "stand options and their values"),
        (["lime:sample=100"], r"lime: no option named 'sample' \(did you mean 'samples'"),
        (["lime:samples=many"], "samples='many'"),
        (['lime:{"samples": 100'], "what follows 'lime' is no JSON"),
        (["lime:preset=fast"], "no preset of lime named 'fast'; known: course"),
        (["lime:deadline=soon"], "deadline='soon': it is a number above 0"),
        ({"mine": {"samples": 100}}, "no method named 'mine'"),
        ({"mine": {"method": "lime", "target": 3}}, "lime: no option named 'target'"),
        ([], "methods is empty; name one at least, or leave it out for all"),
        ({}, "methods is empty"),
        ("lime", r"methods is 'lime'; give a list of texts"),
        ([{"method": "lime"}], r"methods is \[\{'method': 'lime'\}\]; give a list of texts"),
        ({20: "lime"}, "'lime' for 20 is no method; write 'lime:samples=100', or a mapping, labelled by a text"),
        ({"mine": 20}, "20 for 'mine' is no method"),
        (["lime:samples=20,samples=40"], "says twice what 'samples' is"),
        (['saliency:{"method": "random"}'], "says twice what 'method' is"),
        (["integrated_gradients:baseline=image"], "baseline='image' needs baseline_image"),
        (["saliency", "lime:segments=1"], "with one superpixel there is nothing to compare"),
    ],
)
def test_what_will_not_do_is_said_before_any_work(methods: Any, says: str) -> None:
    def work(share: float, what: str) -> None:
        raise AssertionError(what)

    with pytest.raises((ValueError, TypeError, KeyError), match=says):
        pl.benchmark(methods, on=["no such picture"], progress=work)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"plants": "watermark"}, "plants is 'watermark'; give a list of texts"),
        ({"plants": ["water"]}, r"no plant named 'water' \(did you mean 'watermark'"),
        ({"seed": -1}, "seed is -1; at least 0"),
    ],
)
def test_what_else_will_not_do(how: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=says):
        pl.benchmark(["saliency"], **{"on": None, "plants": ["watermark"], **how})


LONG = ("Who keeps the light?", "The young keeper has kept the light for years. " * 80)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"on": [LONG]}, "longer|tokens"),
        ({"on": ("Who?", "The keeper.")}, "'Who\\?' is no pair of a question and a passage"),
        ({"on": [("Who?", "The keeper.", "again")]}, "is no pair"),
        ({"methods": "random"}, "methods is 'random'; give a list of texts"),
        ({"methods": []}, "methods is empty"),
    ],
)
def test_passages_that_will_not_do_are_said_before_any_work(how: dict[str, Any], says: str) -> None:
    def work(share: float, what: str) -> None:
        raise AssertionError(what)

    reader = encoders.tiny("bert", "ForQuestionAnswering", longest=64)
    with pytest.raises((ValueError, TypeError), match=says):
        pl.benchmark_text(**{"encoder": reader, "progress": work, **how})
    with pytest.raises(ValueError, match="question"):
        pl.benchmark_text(encoder=encoders.tiny("bert", "ForMaskedLM"), progress=work)


def test_options_that_do_not_suit_a_network_are_told_and_the_others_go_on(smooth: pl.ImageClassifier) -> None:
    settings = ["grad_cam:layer=nowhere", "integrated_gradients:baseline=image,baseline_image=none.png", "saliency"]
    made = pl.benchmark(settings, model=smooth, on=pictures(smooth, 2), plants=False)
    assert made["saliency"].rank == (1, 1)
    assert "no layer named 'nowhere'" in made[settings[0]].failed
    assert "none.png" in made[settings[1]].failed
    lines = made.markdown().splitlines()
    assert [cell.strip() for cell in lines[-5].split("|")][-3:-1] == ["-", "-"]  # no passes and no time
    assert all(f"{g.method}: {g.failed}" in lines for g in made if g.failed)


def test_a_picture_as_an_option_is_found_however_many_pictures_there_are(smooth: pl.ImageClassifier) -> None:
    random = torch.Generator().manual_seed(0)
    photos = [Image.fromarray(torch.randint(0, 256, (16, 16, 3), generator=random).byte().numpy()) for _ in range(70)]
    how = {"method": "integrated_gradients", "baseline": "image", "baseline_image": photos[0], "steps": 2}
    made = pl.benchmark({"mine": how}, model=smooth, on=photos, plants=False)
    assert not made["mine"].failed
    assert made["mine"].holds_up is not None


def test_a_map_without_an_order_leaves_no_hole_in_the_table(smooth: pl.ImageClassifier) -> None:
    black = torch.zeros(1, 3, 16, 16)
    some = pictures(smooth, 3)
    photos = [*[Image.fromarray(one.numpy()) for one in some.pixels], Image.fromarray(black[0].byte().movedim(0, -1).numpy())]
    made = pl.benchmark(["edges", "saliency", "random"], model=smooth, on=photos, plants=False)
    assert "nan" not in made.markdown()
    edges = made["edges"]
    assert edges.randomised is not None
    assert edges.advantage is not None
    assert edges.randomised.value == pytest.approx(1)
    alone = pl.benchmark(["edges"], model=smooth, on=photos[:3], plants=False)["edges"].advantage
    assert alone is not None
    assert edges.advantage.value == pytest.approx(alone.value * 3 / 4)
    flat = pl.benchmark(["edges"], model=smooth, on=[photos[3]] * 2, plants=False)["edges"]
    assert flat.randomised is None
    assert flat.advantage == pl.Interval(0.0, 0.0, 0.0)


def test_a_map_that_holds_nan_is_worth_nothing_and_leaves_no_hole(
    smooth: pl.ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def holed(*asked: Any, **options: Any) -> pl.Attribution:
        a = pl.explain(*asked, **options)
        a.scores[0, :, 3, 3] = torch.nan
        return a

    images = pictures(smooth, 2)
    whole = pl.benchmark(["saliency"], model=smooth, on=images[1:], plants=False)["saliency"].advantage
    monkeypatch.setattr("pellucid.grades.explain", holed)
    made = pl.benchmark(["saliency"], model=smooth, on=images, plants=False)
    assert "nan" not in made.markdown()
    advantage = made["saliency"].advantage
    assert whole is not None
    assert advantage is not None
    assert advantage.value == pytest.approx(whole.value / 2, rel=0.2)


def test_one_seed_is_for_all_that_is_drawn(smooth: pl.ImageClassifier) -> None:
    image = pictures(smooth, 2)
    settings = {"given": "smoothgrad:samples=2,seed=5", "drawn": "smoothgrad:samples=2", "none": "saliency"}
    made = pl.benchmark(settings, model=smooth, on=image, plants=False, seed=3)
    assert {g.method: g.asked.get("seed") for g in made} == {"given": 5, "drawn": 3, "none": None}


def test_nothing_to_grade_on_and_pictures_that_are_none(smooth: pl.ImageClassifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to grade on; give pictures as `on`"):
        pl.benchmark(["lime"], on=None, plants=False)
    with pytest.raises(ValueError, match="nothing to grade on; give pairs of texts as `on`"):
        pl.benchmark_text(on=[], plants=False)
    with pytest.raises(ValueError, match="holds no picture"):
        pl.benchmark(["lime"], model=smooth, on=tmp_path)
    with pytest.raises(KeyError, match=r"no method for text named 'erasur' \(did you mean 'erasure'\?\)"):
        pl.benchmark_text(["erasur"])


def test_a_model_that_cannot_be_asked_is_refused_before_plants_are_trained(smooth: pl.ImageClassifier) -> None:
    smooth.module.train()
    try:
        with pytest.raises(ValueError, match="eval"):
            pl.benchmark(["saliency"], model=smooth, on=torch.zeros(1, 3, 16, 16))
    finally:
        smooth.module.eval()
