import base64
import io
import itertools
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pellucid.render.figures import svg_bytes
from pellucid.render.page import Cite, Grid, Observation, Picture, Report, Section, Table, page, webp_uri
from pellucid.render.plots import curves
from pellucid.render.rows import Column
from tests.render.toy import COLUMNS, PIXELS, rows

VOID = {"meta", "link", "img", "br", "hr", "input", "source", "wbr"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;.jpg"


class Tree(HTMLParser):
    """Every element with its attributes and the elements around it; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def toy_report(name: str = "cup.jpg") -> Report:
    lines = {"saliency": np.array([3.0, 2.0, 1.0])}
    light, dark = (svg_bytes(curves(lines, "passes", "logit", paper=paper)) for paper in ("light", "dark"))
    columns = (Column(name, "espresso", 0.95), *COLUMNS[1:])
    saliency = Section(
        "saliency",
        "Saliency map",
        what=("The gradient of the target's logit.",),
        reading=("Red speaks for the target.",),
        cite=Cite("Simonyan, Vedaldi and Zisserman 2014", "https://arxiv.org/abs/1312.6034"),
        blocks=(Grid(columns, rows(), caption="Saliency"), Table(("image", "error"), (("0", "0.1"), ("1", "0.2")), "Errors")),
        options=Table(("option", "value"), (("magnitude", "no"),)),
        notes=("Steep is not important.",),
    )
    filters = Section("filters", "Filters", blocks=(Picture(light, "A falling curve", "Objective", dark),))
    overview = Section("overview", "Overview", blocks=(Grid(columns, rows(), links=("", "saliency", ""), thumbnail=8),))
    return Report(
        f"Why did imagenet answer as it did about {name}?",
        ("Three pictures.",),
        (overview, saliency, filters),
        tuple(
            Observation(p, c, ((c.target or "none", 0.95), ("cup", 0.01)), "by somebody, CC0")
            for p, c in zip(PIXELS, columns, strict=True)
        ),
        {"name": name, "classes": "1,000"},
        {"made": "2025-01-01", "Pellucid": "0.1.0"},
    )


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(page(toy_report()))


def test_the_page_is_well_formed_and_says_everything(tree):
    said = " ".join("".join(tree.text).split())
    texts = ("The gradient of the target's logit.", "How to read it", "espresso 95 %", "by somebody, CC0", "Pellucid", "1,000")
    for words in (*texts, "Steep is not important.", "logit per input unit", "red for, blue against", "error 0.2", "Objective"):
        assert words in said
    assert tree.all("html") == [{"lang": "en"}]
    assert len(tree.all("h1")) == len(tree.all("main")) == len(tree.all("title")) == 1


def test_the_page_loads_nothing_from_anywhere_and_runs_nothing(tree):
    for tag, attributes in tree.elements:
        assert tag not in {"script", "iframe", "object", "embed", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "srcset", "data", "poster"}:
                assert value is not None
                assert value.startswith("data:image/")
            if name == "href":
                assert value is not None
                assert value.startswith(("#", "data:")) or (tag == "a" and value.startswith("https://"))
    text = page(toy_report())
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'; img-src data:" in text


def test_every_picture_has_a_text_and_every_link_a_place(tree):
    assert all((attributes.get("alt") or "").strip() for attributes in tree.all("img"))
    ids = [a["id"] for _, a in tree.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = {str(a["href"])[1:] for a in tree.all("a") if str(a["href"]).startswith("#")}
    assert links <= set(ids)
    assert {"photographs", "overview", "saliency", "filters"} <= links


def test_every_heading_of_a_table_says_what_it_heads(tree):
    assert {a.get("scope") for a in tree.all("th")} == {"col", "row", "rowgroup"}


def test_headings_go_down_by_one(tree):
    levels = [int(tag[1]) for tag, _ in tree.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_name_cannot_become_part_of_the_page():
    evil = replace(toy_report(EVIL), title=EVIL)
    tree = Tree(page(evil))
    assert not tree.all("script")
    assert all("onerror" not in attributes for _, attributes in tree.elements)
    assert len(tree.elements) == len(Tree(page(replace(toy_report("a_jpg"), title="x"))).elements) - sum(
        1 for tag, _ in Tree(page(replace(toy_report("a_jpg"), title="x"))).elements if tag == "wbr"
    ) + sum(1 for tag, _ in tree.elements if tag == "wbr")
    assert EVIL in "".join(tree.text)


def test_heat_maps_are_kept_to_the_bit_and_thumbnails_are_small():
    exact = rows()[1].images[0]

    def decoded(uri: str) -> np.ndarray:
        assert uri.startswith("data:image/webp;base64,")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))

    assert (decoded(webp_uri(exact, exact=True)) == exact).all()
    assert decoded(webp_uri(exact, exact=True, thumbnail=8)).shape == (8, 8, 3)


def test_the_same_report_gives_the_same_page():
    assert page(toy_report()) == page(toy_report())


def test_a_dark_screen_has_a_picture_of_its_own(tree):
    (source,) = tree.all("source")
    assert source["media"] == "(prefers-color-scheme: dark)"
    assert str(source["srcset"]).startswith("data:image/svg+xml;base64,")


def test_bad_input_is_named():
    report, section = toy_report(), toy_report().sections[1]

    def told(**changes: object) -> Report:
        return replace(report, sections=(replace(section, **changes),))  # pyright: ignore[reportArgumentType]

    with pytest.raises(ValueError, match="section id 'Two words' is not a plain lower-case word"):
        page(told(id="Two words"))
    with pytest.raises(ValueError, match="section id 'saliency' is taken"):
        page(replace(report, sections=(section, section)))
    with pytest.raises(ValueError, match=r"the address of 'x' is 'javascript:alert\(1\)'; expected https://"):
        page(told(cite=Cite("x", "javascript:alert(1)")))
    with pytest.raises(ValueError, match=r"the address of 'x' is 'http://a\.org'"):
        page(told(cite=Cite("x", "http://a.org")))
    with pytest.raises(ValueError, match="a picture in section 'saliency' has no description"):
        page(told(blocks=(Picture(b"\x89PNG", " "),)))
    with pytest.raises(ValueError, match=r"a picture begins with b'GIF89a'; expected PNG"):
        page(told(blocks=(Picture(b"GIF89a", "x"),)))
    with pytest.raises(ValueError, match="rows without one picture a column"):
        page(told(blocks=(Grid(COLUMNS[:2], rows()),)))
