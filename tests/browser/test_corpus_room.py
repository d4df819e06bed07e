"""The Corpus room in Chromium: building, searching, following hits, and taking along what was found."""

import csv
import io
import json
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import pellucid as pl
from pellucid.analysis.corpus.build import shipped_texts
from pellucid.analysis.corpus.histograms import Of
from tests.browser.conftest import PATIENCE, ROOT
from tests.browser.pages import PHONE, dressed, exported, fits_a_phone, nothing_serious, unplugged

expect.set_options(timeout=PATIENCE)
CHARACTERS = 5000
QUERY = "I like him, but he is not like his brother."
LAYERS = [0, 4]
TABLES: dict[Of, str] = {
    "match": "The matching words", "next": "The words after them", "attended": "The words they attend to most"
}  # fmt: skip
NOTES = "The bank of the river was steep. He went to the bank for money. She sat down on a bench by the river."


@pytest.fixture
def book(page: Page, lab: str) -> str:
    """The name of a corpus of the beginning of the shipped text, built if it is not there."""
    names = [one["name"] for one in page.request.get(f"{lab}api/corpora").json()["corpora"]]
    if "book" not in names:
        body = {
            "kind": "corpus",
            "name": "book",
            "model": "minilm",
            "shipped": True,
            "layers": LAYERS,
            "limit_characters": CHARACTERS,
        }
        id = page.request.post(f"{lab}api/jobs", data=body).json()["id"]
        end = time.monotonic() + PATIENCE / 1000
        while (said := page.request.get(f"{lab}api/jobs/{id}").json())["state"] != "done":
            assert said["state"] in ("queued", "running"), said
            assert time.monotonic() < end
            time.sleep(0.1)
    return "book"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pl.Corpus:
    """The same, by the library."""
    folder = tmp_path_factory.mktemp("made") / "book"
    return pl.build_corpus(pl.load("minilm"), shipped_texts(), folder, layers=LAYERS, limit_characters=CHARACTERS)


def at(lab: str, **more: str) -> str:
    return f"{lab}?view=corpus&corpusName=book" + "".join(f"&{key}={value}" for key, value in more.items())


def answered(page: Page) -> Locator:
    found = page.locator("[data-answered=true]")
    expect(found).to_be_visible()
    return found


def tokens(page: Page) -> Locator:
    return page.get_by_role("radiogroup", name="The word that is searched for").get_by_role("radio")


def chosen(page: Page) -> Locator:
    return page.get_by_role("radiogroup", name="The word that is searched for").get_by_role("radio", checked=True)


def sentences(page: Page) -> Locator:
    return page.get_by_role("region", name="Hits").locator("button.sentence")


def similarities(page: Page) -> list[float]:
    return [float(text) for text in page.get_by_role("region", name="Hits").locator("td.number").all_inner_texts()]


def matches(page: Page) -> list[str]:
    return ["".join(row.locator(".match").all_inner_texts()) for row in sentences(page).all()]


def test_one_click_builds_a_corpus_and_shows_what_it_is_for(page: Page, lab: str):
    for one in page.request.get(f"{lab}api/corpora").json()["corpora"]:
        page.request.delete(f"{lab}api/corpora/{one['name']}")

    def shorter(route):
        body = route.request.post_data_json
        assert body == {
            "kind": "corpus",
            "name": "persuasion-beginning",
            "model": "minilm",
            "shipped": True,
            "heads": True,
            "limit_characters": 60_000,
        }
        route.continue_(post_data=json.dumps({**body, "limit_characters": 5000, "layers": [4]}))

    page.route("**/api/jobs", shorter)
    page.goto(f"{lab}?view=corpus")
    expect(page.get_by_role("heading", level=2)).to_have_text("Where else is a word used as it is in your sentence?")
    expect(page.get_by_role("radio", name=re.compile("^The first chapters of a novel"))).to_be_checked()
    expect(page.get_by_text(re.compile(r"about \d+ s, \d+ MB"))).to_be_visible()
    page.get_by_role("button", name="Build this small corpus").click()
    expect(page.get_by_role("progressbar", name="Building persuasion-beginning")).to_be_visible()
    answered(page)
    expect(page.get_by_role("heading", level=2)).to_have_text("Where in persuasion-beginning is a word used like “like” here?")
    expect(sentences(page)).to_have_count(50)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_ships_is_as_long_as_the_form_says(page: Page):
    lengths = [len(path.read_bytes().decode()) for path in shipped_texts()]
    said = re.findall(r"characters: ([\d_]+)", (ROOT / "frontend/src/lib/corpus.ts").read_text())
    assert [int(one.replace("_", "")) for one in said[:2]] == [60_000, lengths[0]]
    assert abs(int(said[2].replace("_", "")) - sum(lengths)) < 10_000


def test_progress_moves_and_a_build_is_cancelled(page: Page, lab: str, book: str):
    page.goto(at(lab, corpusBuild="yes"))
    page.get_by_role("radio", name=re.compile("^The whole novel")).check()
    page.get_by_label("Name of the corpus").fill("novel")
    page.get_by_role("button", name="Build this corpus").click()
    bar = page.get_by_role("progressbar", name="Building novel")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    before = bar.get_attribute("aria-valuenow") or ""
    expect(bar).not_to_have_attribute("aria-valuenow", before)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Building novel was cancelled, and nothing of it was kept.")).to_be_visible()
    assert "novel" not in [one["name"] for one in page.request.get(f"{lab}api/corpora").json()["corpora"]]
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("was cancelled")).to_have_count(0)


def test_a_build_goes_on_beside_other_texts_and_stops_for_pictures(page: Page, lab: str, book: str):
    page.goto(at(lab, corpusBuild="yes"))
    page.get_by_role("radio", name=re.compile("^The whole novel")).check()
    page.get_by_role("button", name="Build this corpus").click()
    bar = page.get_by_role("progressbar", name="Building persuasion")
    expect(bar).to_be_visible()
    rooms = page.get_by_role("navigation", name="Rooms")
    rooms.get_by_role("link", name="Attention").click()
    expect(bar).to_have_count(0)
    rooms.get_by_role("link", name="Corpus").click()
    expect(bar).to_be_visible()
    rooms.get_by_role("link", name="Images").click()
    expect(bar).to_have_count(0)
    rooms.get_by_role("link", name="Corpus").click()
    expect(
        page.get_by_text("Building persuasion was stopped when you left the room, and nothing of it was kept.")
    ).to_be_visible()
    answered(page)


def test_hits_are_the_librarys_and_nothing_jumps_when_they_come(page: Page, lab: str, book: str, made: pl.Corpus):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(at(lab, corpusHits="20"))
    answered(page)
    assert page.evaluate("window.shift") < 0.05
    act = made.encoder.activations(QUERY)
    hits = made.search(act, 0, 9, layer=4, count=20)
    assert similarities(page) == pytest.approx([hit.similarity for hit in hits], abs=0.002)
    assert matches(page) == [hit.match for hit in hits]
    first, next_word = sentences(page).first, sentences(page).first.locator(".next:not(.match)")
    if hits.hits[0].next is not None:
        assert "".join(next_word.all_inner_texts()) == hits.hits[0].next.text
    assert hits.hits[0].attended is not None
    assert "".join(first.locator(".attended").all_inner_texts()) == hits.hits[0].attended.text
    tags = page.get_by_role("region", name="Hits").get_by_role("row").nth(1).locator("td.tag").all_inner_texts()
    assert tags[1] == hits.hits[0].word.pos
    for of, title in TABLES.items():
        made_of = pl.histogram(hits, of, "pos")
        row = page.get_by_role("table", name=re.compile(f"^{title}")).get_by_role("row").nth(1)
        expect(row.get_by_role("rowheader")).to_have_text(re.compile(f"^{made_of.names[0]}"))
        expect(row.get_by_text(re.compile(f"^{made_of.counts[0]} of {made_of.total}, 95 % interval"))).to_be_attached()
        assert made_of.p is not None
        expect(row.get_by_role("cell").last).to_have_text("<0.001" if made_of.p[0] < 0.001 else f"{made_of.p[0]:.3f}")


def test_chosen_heads_and_layers_are_searched(page: Page, lab: str, book: str, made: pl.Corpus):
    page.goto(at(lab, corpusHits="10"))
    answered(page)
    page.get_by_role("group", name="Alike by").get_by_role("button", name="heads").click()
    page.get_by_role("button", name="None", exact=True).click()
    expect(page.get_by_text("Choose at least one head.")).to_be_visible()
    page.get_by_label("3", exact=True).check()
    page.get_by_label("7", exact=True).check()
    answered(page)
    act = made.encoder.activations(QUERY)
    hits = made.search(act, 0, 9, layer=4, by="heads", heads=[3, 7], count=10)
    expect(page.get_by_text(re.compile("mean cosine of what heads 3, 7 put out"))).to_be_visible()
    assert similarities(page) == pytest.approx([hit.similarity for hit in hits], abs=0.002)
    page.get_by_role("group", name="Alike by").get_by_role("button", name="hidden state").click()
    page.get_by_role("group", name="Layer").get_by_role("button", name="0").click()
    expect(page.get_by_text(re.compile("^Layer 0, cosine of the hidden states"))).to_be_visible()
    answered(page)
    hits = made.search(act, 0, 9, layer=0, count=10)
    assert similarities(page) == pytest.approx([hit.similarity for hit in hits], abs=0.002)


def test_arrow_keys_choose_the_word_and_enter_makes_a_hit_the_next_query(page: Page, lab: str, book: str):
    page.goto(at(lab))
    answered(page)
    chosen(page).focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(chosen(page)).to_have_text("like")
    expect(page).to_have_url(re.compile("corpusToken=2"))
    answered(page)
    sentences(page).first.focus()
    page.keyboard.press("ArrowDown")
    expect(sentences(page).nth(1)).to_be_focused()
    match = sentences(page).nth(1).locator(".match").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_label("A sentence with the word")).not_to_have_value(QUERY)
    expect(chosen(page)).to_have_text(match)
    expect(chosen(page)).to_be_focused()
    answered(page)
    assert similarities(page)[0] > 0.9
    assert matches(page)[0] == match
    address, hits = page.url, matches(page)
    page.reload()
    answered(page)
    assert page.url == address
    assert matches(page) == hits
    page.go_back()
    expect(page.get_by_label("A sentence with the word")).to_have_value(QUERY)
    expect(chosen(page)).to_have_text("like")
    answered(page)


def test_a_new_sentence_is_read_and_hits_are_sorted(page: Page, lab: str, book: str):
    page.goto(at(lab))
    answered(page)
    page.get_by_label("A sentence with the word").fill("An unbelievable thing.")
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text("unbelievable")
    answered(page)
    best = matches(page)
    page.get_by_label("Order").select_option("match")
    expect(page).to_have_url(re.compile("corpusOrder=match"))
    assert matches(page) == sorted(best, key=str.lower)
    page.get_by_label("Tags of words around").fill("3")
    expect(page.get_by_role("region", name="Hits").get_by_role("columnheader")).to_have_count(2 + 7)


def test_ones_own_text_is_built_and_removed(page: Page, lab: str, book: str, tmp_path: Path):
    page.goto(at(lab, corpusBuild="yes"))
    page.get_by_role("radio", name=re.compile("^A text of your own")).check()
    expect(page.get_by_role("button", name="Build this corpus")).to_be_disabled()
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Füße".encode("latin-1"))
    page.get_by_label("Or choose a file").set_input_files(latin)
    expect(page.get_by_role("alert")).to_contain_text("latin.txt is no text in UTF-8")
    notes = tmp_path / "My notes.txt"
    notes.write_text(NOTES)
    page.get_by_label("Or choose a file").set_input_files(notes)
    expect(page.get_by_label(re.compile("^Your text"))).to_have_value(NOTES)
    expect(page.get_by_label("Name of the corpus")).to_have_value("my-notes")
    dropped = "new File(['A dropped text.'], 'dropped.txt', { type: 'text/plain' })"
    data = page.evaluate_handle(f"(() => {{ const data = new DataTransfer(); data.items.add({dropped}); return data; }})()")
    page.dispatch_event("h2", "dragenter", {"dataTransfer": data})
    expect(page.get_by_text("Drop the text to build a corpus of it")).to_be_visible()
    page.dispatch_event("h2", "drop", {"dataTransfer": data})
    expect(page.get_by_label(re.compile("^Your text"))).to_have_value("A dropped text.")
    page.get_by_label(re.compile("^Your text")).fill(NOTES)
    name = page.get_by_label("Name of the corpus")
    expect(name).to_have_value("dropped")
    name.fill("book")
    expect(page.get_by_text(re.compile("^There is a corpus “book” already"))).to_be_visible()
    name.fill("my-notes")
    page.get_by_text("Layers and heads:").click()
    page.get_by_label("and what each layer's heads put out").uncheck()
    page.get_by_role("button", name="Build this corpus").click()
    answered(page)
    expect(page.get_by_role("heading", level=2)).to_contain_text("my-notes")
    expect(page.get_by_text(re.compile("^3 sentences, read by minilm; layers 0 to 6 without heads"))).to_be_visible()
    expect(page.get_by_role("group", name="Alike by").get_by_role("button", name="heads")).to_be_disabled()
    page.get_by_role("button", name="Remove…").click()
    expect(page.get_by_role("alertdialog").get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Remove…")).to_be_focused()
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("my-notes was removed.")).to_be_visible()
    assert "my-notes" not in [one["name"] for one in page.request.get(f"{lab}api/corpora").json()["corpora"]]
    answered(page)


def test_failures_have_a_face_and_a_way_on(page: Page, lab: str, book: str):
    page.goto(at(lab))
    answered(page)
    page.get_by_label("A sentence with the word").fill("like " * 600)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("minilm reads at most 512")
    sentences(page).first.click()
    expect(page.get_by_role("alert")).to_have_count(0)
    answered(page)
    page.route("**/api/corpora/book/search", lambda route: route.abort())
    page.get_by_role("group", name="Layer").get_by_role("button", name="0").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.unroute("**/api/corpora/book/search")
    page.get_by_role("button", name="Ask again").click()
    answered(page)
    page.goto(f"{lab}?view=corpus&corpusName=lost")
    expect(page.get_by_role("alert")).to_contain_text("There is no corpus “lost” here")
    page.get_by_label("Corpus", exact=True).select_option("book")
    answered(page)
    gone = {"detail": "no corpus named 'book'; none was built yet"}
    page.route("**/api/corpora/book/search", lambda route: route.fulfill(status=404, json=gone))
    page.route("**/api/corpora", lambda route: route.fulfill(json={"corpora": []}))
    tokens(page).nth(2).click()
    expect(page.get_by_role("button", name="Build this small corpus")).to_be_visible()
    page.unroute("**/api/corpora")
    alien = {
        "name": "old",
        "encoder": "",
        "layers": [],
        "head_layers": [],
        "tokens": 0,
        "sentences": 0,
        "text_bytes": 0,
        "disk_bytes": 0,
        "why_not": "the corpus 'old' was built with another encoder.",
    }
    page.route("**/api/corpora", lambda route: route.fulfill(json={"corpora": [alien]}))
    page.goto(f"{lab}?view=corpus")
    expect(page.get_by_role("alert")).to_contain_text(
        "old cannot be searched: the corpus 'old' was built with another encoder."
    )
    expect(page.get_by_role("button", name="Remove…")).to_be_enabled()


def test_exports_hold_what_is_seen(page: Page, lab: str, book: str, made: pl.Corpus, tmp_path: Path, browser: Browser):
    page.goto(at(lab, corpusHits="10", corpusTag="dep"))
    answered(page)
    shown, alike = matches(page), similarities(page)
    hits = made.search(made.encoder.activations(QUERY), 0, 9, layer=4, count=10)
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    drawn = ET.parse(exported(page, "SVG", tmp_path)).getroot()
    texts = ["".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any("a word used like “like”" in text for text in texts)
    assert any("minilm, layer 4, cosine of the hidden states" in text for text in texts)
    assert f"{alike[0]:.3f}" in texts
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV", tmp_path).read_text())))
    found = [row for row in rows if row["table"] == "hit"]
    assert [row["match"] for row in found] == [hit.match for hit in hits]
    assert [float(row["similarity"]) for row in found] == pytest.approx([hit.similarity for hit in hits], abs=1e-3)
    bars = [row for row in rows if row["table"] == "tag" and (row["tag_of"], row["tag_kind"]) == ("next", "dep")]
    of = pl.histogram(hits, "next", "dep")
    assert of.base is not None
    assert [(row["tag_name"], int(row["tag_count"])) for row in bars] == list(zip(of.names, of.counts.tolist(), strict=True))
    assert [float(row["tag_base"]) for row in bars] == pytest.approx(of.base.tolist())

    tokens(page).nth(1).click()
    expect(page).to_have_url(re.compile("corpusToken=2"))
    answered(page)
    file = exported(page, "HTML", tmp_path)
    with unplugged(browser, file) as saved:
        answered(saved)
        assert matches(saved) == matches(page)
        expect(saved.get_by_role("button", name="Build another")).to_be_disabled()
        saved.get_by_label("Order").select_option("match")
        assert matches(saved) == sorted(matches(page), key=str.lower)
        saved.get_by_label("Order").select_option("similarity")
        tokens(saved).nth(8).click()  # what was asked before is held too
        answered(saved)
        assert matches(saved) == shown
        tokens(saved).nth(0).click()
        expect(saved.get_by_role("alert")).to_contain_text("This saved page does not hold that")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, lab: str, book: str, scheme: str):
    dressed(page, scheme)
    page.goto(at(lab, corpusBuild="yes", corpusBy="heads"))
    answered(page)
    page.get_by_text("Layers and heads:").click()
    nothing_serious(page)


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, lab: str, book: str):
    page.set_viewport_size(PHONE)
    page.goto(at(lab, corpusBuild="yes", corpusBy="heads", corpusSides="3"))
    answered(page)
    fits_a_phone(page)
