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
        assert g.asked == {"method": "smoothgrad", "samples": samples}
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
    assert asked["c"]["baseline_image"].startswith("sha256:")
    assert list(asked_for(None)) == list(pl.methods)


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["limes"], r"no method named 'limes' \(did you mean 'lime'\?\)"),
        (["limes:samples=2"], "no method named 'limes'"),
        (["lime:100"], r"'lime:100': after lime: stand options with their values, such as lime:samples=\.\.\.,tolerance=0\.1"),
        (["lime:samples="], "stand options with their values"),
        (["lime:sample=100"], r"lime: no option named 'sample' \(did you mean 'samples'"),
        (["lime:samples=many"], "samples='many'"),
        (['lime:{"samples": 100'], "what follows 'lime' is no JSON"),
        (["lime:preset=fast"], "no preset of lime named 'fast'; known: course"),
        (["lime:deadline=soon"], "deadline='soon': it is a number above 0"),
        ({"mine": {"samples": 100}}, "no method named 'mine'"),
        ({"mine": {"method": "lime", "target": 3}}, "lime: no option named 'target'"),
        ([], "methods is empty; name one at least, or leave it out for all"),
        ("lime", r"methods is the text 'lime'; give a list"),
    ],
)
def test_what_will_not_do_is_said_before_any_work(methods: Any, says: str) -> None:
    def work(share: float, what: str) -> None:
        raise AssertionError(what)

    with pytest.raises((ValueError, TypeError, KeyError), match=says):
        pl.benchmark(methods, on=["no such picture"], progress=work)


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
