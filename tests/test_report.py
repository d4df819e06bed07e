"""The report, made of few and cheap things: what the main job makes of ten images is tried by hand and by its own command."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

import pellucid as pl
from pellucid import report
from pellucid.report import Plan, approaches, default_layers, write_report
from tests import networks
from tests.conftest import wrapped


class Page(HTMLParser):
    """Ids, texts and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.loaded += [given["src"] or ""] if "src" in given else []
        self.loaded += [given["href"] or ""] if tag == "link" else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[report.Written, list[tuple[float, str]]]:
    folder = tmp_path_factory.mktemp("report")
    (folder / "broken.jpg").write_text("no picture")
    model = wrapped(networks.relu_cnn(), 32)
    told: list[tuple[float, str]] = []
    sources = ["observation:0", str(folder / "broken.jpg"), "observation:9"]
    done = write_report(model, sources, folder / "out", filter_count=2, layers=["4"], progress=lambda d, t: told.append((d, t)))
    return done, told


def test_the_page_has_every_approach_and_loads_nothing(written: tuple[report.Written, list[tuple[float, str]]]) -> None:
    page = Page(written[0].path.read_text(encoding="utf-8"))
    assert {"lime", "saliency", "smoothgrad", "filters", "integrated_gradients", "edges", "random"} <= set(page.ids)
    assert page.loaded
    assert all(address.startswith("data:") for address in page.loaded)
    text = " ".join(page.texts)
    for shown in ("other_coffee_cup.jpg", "other_honey_bee.jpg", "Rachel Michetti, CC0-1.0", "Sundararajan, Taly and Yan"):
        assert shown in text


def test_a_picture_that_cannot_be_read_is_named_and_left_out(written: tuple[report.Written, list[tuple[float, str]]]) -> None:
    assert [Path(name).name for name in written[0].failed] == ["broken.jpg"]
    assert "broken.jpg" in written[0].path.read_text(encoding="utf-8")


def test_the_page_says_which_engine_was_asked_for(
    written: tuple[report.Written, list[tuple[float, str]]], relu: pl.ImageClassifier
) -> None:
    assert report._card(relu.on("openvino"))["engine"].startswith("openvino, where it takes the network")
    assert "torch for all else" not in written[0].path.read_text(encoding="utf-8")


def test_progress_rises_to_one(written: tuple[report.Written, list[tuple[float, str]]]) -> None:
    shares = [share for share, _ in written[1]]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert len(shares) > 10


def test_every_record_replays(written: tuple[report.Written, list[tuple[float, str]]]) -> None:
    model = wrapped(networks.relu_cnn(), 32)
    assert len(written[0].records) == len(approaches()["approach"])
    for path in written[0].records:
        assert pl.replay(path, model).identical, path.name


def test_nothing_readable_is_an_error(tmp_path: Path, relu: pl.ImageClassifier) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"none of the 1 pictures can be read: .* is not a picture in a known format"):
        write_report(relu, [tmp_path / "a.jpg"], tmp_path / "out")
    with pytest.raises(ValueError, match="31 pictures; a report shows at most 30"):
        write_report(relu, ["observation:0"] * 31, tmp_path / "out")


def test_the_texts_name_registered_methods_and_valid_options() -> None:
    for approach in approaches()["approach"]:
        options = pl.methods[approach["method"]].options
        options.model_validate(approach["options"])
        assert approach["address"].startswith("https://")
        assert approach["what"]
        assert approach["reading"]


def test_default_layers_are_convolutions_from_early_to_late(imagenet: pl.ImageClassifier) -> None:
    order = [layer.name for layer in imagenet.layers]
    layers = default_layers(imagenet)
    assert len(layers) == 3
    assert [order.index(name) for name in layers] == sorted(order.index(name) for name in layers)
    assert default_layers(wrapped(networks.Linear(8), 8)) == []


def test_a_plan_is_made_of_costs() -> None:
    told: list[float] = []
    plan = Plan(lambda share, _: told.append(share), {"a": 1.0, "b": 3.0})
    plan.part("a", "A")(1.0)
    plan.part("b", "B")(0.5)
    assert told == pytest.approx([0, 0.25, 0.25, 0.625])


def test_a_map_is_not_lost_where_its_evidence_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no evidence today")

    monkeypatch.setattr(report, "trust", fails)
    model = wrapped(networks.relu_cnn(), 32)
    with pytest.raises(ValueError, match="no evidence today"):
        write_report(model, ["observation:0"], tmp_path, layers=["4"])
    (kept,) = (tmp_path / "records").iterdir()
    assert pl.replay(kept, model).identical
