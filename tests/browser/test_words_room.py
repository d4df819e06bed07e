"""The Words room in Chromium: one word in many sentences, against the lab itself and the library."""

import csv
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import pellucid as pl
from pellucid.analysis.senses import example
from pellucid.analysis.similarity import Comparison
from tests.browser.conftest import PATIENCE
from tests.browser.pages import PHONE, dressed, exported, fits_a_phone, nothing_serious, uncut, unplugged

expect.set_options(timeout=PATIENCE)
APPLE = example("apple")
BANKS = ["The bank of the river was steep.", "Her bank gave her a loan.", "Reeds grow on the bank.", "A bank keeps money."]
PASTE = """(field, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


@cache
def compared(**options: str) -> Comparison:
    return pl.compare(pl.load("minilm"), list(APPLE.sentences), APPLE.word, layer="all", **options)  # type: ignore[arg-type]


def opened(page: Page, lab: str, **state: object) -> Page:
    page.goto(f"{lab}?{urlencode({'view': 'words', **state}, doseq=True)}")
    finished(page)
    return page


def finished(page: Page) -> None:
    expect(page.locator(".room")).to_have_attribute("data-phase", "done")


def cell(page: Page, row: int, column: int) -> Locator:
    """Of the sentences with these numbers, from 1."""
    return page.locator(f'[data-cell="{row - 1},{column - 1}"]')


def value(page: Page) -> float:
    """That of the chosen pair; fails unless it is written as Python prints it where a pointer rests, and in brief elsewhere."""
    said = page.locator("[data-value]").get_attribute("title") or ""
    assert said == repr(float(said))
    short = page.locator("[data-value]").inner_text().split()[0]
    assert len(re.sub(r"e.*|^-?0\.0*|[-.]", "", short)) <= 4
    assert float(short) == pytest.approx(float(said), rel=6e-4)
    return float(said)


def test_on_opening_an_example_is_compared_and_nothing_jumps(page: Page, lab: str):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    opened(page, lab)
    apart = pl.separation(compared(), list(APPLE.labels))
    expect(page.get_by_role("heading", level=2)).to_have_text("Does minilm tell “apple” (fruit) from “apple” (company)?")
    expect(page.locator(".verdict")).to_contain_text(f"Yes, most clearly in layer {apart.best}: ")
    layers = page.get_by_role("toolbar").get_by_role("button")
    expect(layers).to_have_count(7)
    expect(page.get_by_role("button", name=re.compile(rf"^layer {apart.best} ★ best"))).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_role("complementary").locator("mark")).to_have_text([c.word for c in compared().chosen])
    assert page.evaluate("window.shift") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_cell_shows_its_two_sentences_and_the_digits_that_python_prints(page: Page, lab: str):
    opened(page, lab, wordsLayer=3)
    cell(page, 2, 6).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(cell(page, 3, 7)).to_be_focused()
    chosen = page.get_by_role("region", name="The chosen pair")
    expect(chosen.get_by_role("heading")).to_have_text("Sentences 3 and 7")
    for sentence in (3, 7):
        expect(chosen).to_contain_text(APPLE.sentences[sentence - 1])
    expect(chosen.locator("mark")).to_have_text(["apple", "Apple"])
    assert value(page) == pytest.approx(float(compared().at(3)[2, 6]), abs=1e-5)
    expect(cell(page, 3, 7)).to_have_text(f"{compared().at(3)[2, 6]:.2f}")
    expect(chosen.get_by_role("img")).to_have_attribute("aria-label", re.compile("random words"))
    cell(page, 1, 2).hover()
    expect(page.locator(".reading")).to_contain_text("sentences 1 and 2: ")


def test_layers_by_slider_thumbnails_and_table(page: Page, lab: str):
    opened(page, lab, wordsLayer=3)
    page.get_by_role("slider", name=re.compile("^Layer")).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Layer 4: each sentence with each other")).to_be_visible()
    assert value(page) == pytest.approx(float(compared().at(4)[0, 5]), abs=1e-5)
    page.get_by_role("button", name=re.compile("^layer 4 ")).focus()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name=re.compile("^layer 6 "))).to_be_focused()
    expect(page).to_have_url(re.compile("wordsLayer=6"))
    page.get_by_role("button", name="Look at layer 0").click()
    expect(page.get_by_role("heading", name="Layer 0: each sentence with each other")).to_be_visible()
    row = page.get_by_role("region", name="Layer by layer").get_by_role("row").nth(1)
    expect(row).to_contain_text(f"{pl.separation(compared(), list(APPLE.labels)).within[0]:.3f}")


def test_distances_corrections_scales_and_the_order_of_senses(page: Page, lab: str):
    opened(page, lab)
    page.get_by_label("Measure").select_option("euclidean")
    page.get_by_label("Correction for anisotropy").select_option("standardised")
    finished(page)
    expect(page.locator(".says")).to_contain_text("divided by its standard deviation")
    legend = page.get_by_role("img", name=re.compile("^Colours from 0 to .* Euclidean distance in standard deviations"))
    expect(legend).to_have_attribute("aria-label", re.compile("darker is nearer; one scale for all layers"))
    made = compared(metric="euclidean", correction="standardised")
    page.get_by_role("button", name="Look at layer 2").click()
    assert value(page) == pytest.approx(float(made.at(2)[0, 5]), rel=1e-4)
    page.get_by_label("Colour scale").select_option("each")
    expect(legend).to_have_attribute("aria-label", re.compile("each layer has its own scale"))
    opened(page, lab, wordsExample="", wordsWord="bank", wordsSentence=BANKS, wordsSense=["river", "money"] * 2)
    numbers = page.get_by_role("rowheader").filter(has_text=re.compile("river|money"))
    expect(numbers).to_have_text([re.compile(f"{n}.*{sense}", re.DOTALL) for n, sense in enumerate(["river", "money"] * 2, 1)])
    page.get_by_label("Order").select_option("sense")
    expect(numbers).to_have_text([re.compile(f"{n}.*", re.DOTALL) for n in (1, 3, 2, 4)])


def test_sentences_of_ones_own_are_pasted_ordered_compared_and_kept_in_the_link(page: Page, lab: str):
    opened(page, lab)
    page.get_by_role("button", name="Edit").click()
    form = page.get_by_role("form", name="Word and sentences")
    expect(form.get_by_label("Word, the same in every sentence")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit")).to_be_focused()
    page.keyboard.press("Enter")
    form.get_by_label("Word, the same in every sentence").fill("bank")
    form.get_by_role("button", name="Empty all").click()
    lines = "\n".join(f"s{n % 2}\t{sentence}" for n, sentence in enumerate(BANKS))
    form.get_by_role("textbox", name="Sentence 1", exact=True).evaluate(PASTE, lines)
    expect(form.get_by_role("textbox", name=re.compile(r"^Sentence \d$"))).to_have_count(5)
    form.get_by_role("textbox", name="Sentence 5", exact=True).fill("No such word.")
    form.get_by_role("button", name="Sentence 4 up").click()
    expect(form.get_by_role("textbox", name="Sentence 3", exact=True)).to_have_value(BANKS[3])
    expect(form.get_by_text("Not compared yet.")).to_be_visible()
    form.get_by_role("textbox", name="Sentence 5", exact=True).press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("no word 'bank' in sentence 5 ('No such word.')")
    page.get_by_role("button", name="Edit sentence 5").click()
    expect(form.get_by_role("textbox", name="Sentence 5", exact=True)).to_be_focused()
    form.get_by_role("button", name="Remove sentence 5").click()
    form.get_by_role("button", name="Compare").click()
    finished(page)
    expect(page.get_by_role("heading", level=2)).to_have_text("Does minilm tell “bank” (s0) from “bank” (s1)?")
    told = [BANKS[n] for n in (0, 1, 3, 2)]
    made = pl.compare(pl.load("minilm"), told, "bank", layer=6)
    page.get_by_role("button", name="Look at layer 6").click()
    cell(page, 1, 4).click()
    assert value(page) == pytest.approx(float(made.matrix[0, 3]), abs=1e-5)
    seen, address = page.locator("table[role=grid]").inner_text(), page.url
    page.reload()
    finished(page)
    assert (page.locator("table[role=grid]").inner_text(), page.url) == (seen, address)
    page.get_by_label("Worked example").select_option("apple")
    finished(page)
    page.go_back()
    expect(page.get_by_role("heading", level=2)).to_contain_text("bank")


def test_what_was_typed_is_there_again_after_a_look_at_an_example(page: Page, lab: str):
    opened(page, lab)
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Sentence 2", exact=True).fill("An apple a day.")
    page.get_by_label("Worked example").select_option("chinese")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Worked example").select_option("")
    expect(page.get_by_role("textbox", name="Sentence 2", exact=True)).to_have_value("An apple a day.")
    finished(page)


def test_senses_may_be_left_out_or_be_too_few(page: Page, lab: str):
    opened(page, lab, wordsExample="", wordsWord="bank", wordsSentence=BANKS)
    expect(page.get_by_role("heading", level=2)).to_have_text("How alike is “bank” in these 4 sentences to minilm?")
    expect(page.get_by_role("heading", name="How far the senses lie apart")).to_have_count(0)
    opened(page, lab, wordsExample="", wordsWord="bank", wordsSentence=BANKS, wordsSense=["river", "money", "river", ""])
    expect(page.get_by_text("Senses are not told apart: sentence 4 has no sense.")).to_be_visible()


def test_what_cannot_be_compared_is_said_with_a_way_on(page: Page, lab: str):
    many = {"wordsExample": "", "wordsWord": "bank", "wordsSentence": [f"{n} bank" for n in range(65)]}
    page.goto(f"{lab}?{urlencode({'view': 'words', **many}, doseq=True)}")
    expect(page.get_by_role("alert")).to_contain_text("at most 64 items")
    page.get_by_role("button", name="Edit word and sentences").click()
    expect(page.get_by_role("form", name="Word and sentences")).to_be_visible()
    page.goto(f"{lab}?view=words&wordsExample=pear")
    expect(page.get_by_role("alert")).to_contain_text("There is no example named “pear”")
    page.goto(f"{lab}?view=words&wordsExample=chinese")
    expect(page.get_by_role("alert")).to_contain_text("This example is for an encoder that reads Chinese, and minilm does not.")
    expect(page.get_by_role("alert")).to_contain_text("a Chinese checkpoint is needed")
    expect(page.get_by_role("complementary").locator("mark")).to_have_text(["蘋果"] * 10)
    page.get_by_role("button", name="Look at the English example").click()
    finished(page)


def test_exports_hold_what_is_seen(page: Page, lab: str, tmp_path: Path):
    opened(page, lab, wordsLayer=3, wordsRow=2, wordsColumn=6)
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    drawn = ET.parse(exported(page, "SVG", tmp_path)).getroot()
    texts = ["".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "layer 3 ★ best" in texts
    assert f"{compared().at(3)[0, 1]:.2f}" in texts
    assert any("minilm" in text and "60 English sentences" in text for text in texts)
    with exported(page, "CSV", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    matrices = {(r["layer"], r["row"], r["column"]): float(r["value"]) for r in rows if r["quantity"] == "cosine similarity"}
    assert len(matrices) == 7 * 10 * 10
    for layer in range(7):
        assert matrices[str(layer), "3", "7"] == pytest.approx(float(compared().at(layer)[2, 6]), abs=1e-5)
    assert matrices["3", "3", "7"] == value(page)
    assert {"random words", "anisotropy", "difference", "low", "high", "p", "accuracy"} <= {r["quantity"] for r in rows}


def test_an_exported_page_opens_by_itself_with_the_network_off(page: Page, lab: str, tmp_path: Path, browser: Browser):
    opened(page, lab, wordsRow=2, wordsColumn=6)
    file = exported(page, "HTML", tmp_path)
    with unplugged(browser, file) as copy:
        finished(copy)
        assert value(copy) == value(page)
        copy.get_by_role("button", name="Look at layer 6").click()
        cell(copy, 1, 2).click()
        copy.keyboard.press("ArrowDown")
        expect(copy.get_by_role("heading", name="Sentence 2 with itself")).to_be_visible()
        copy.keyboard.press("ArrowRight")
        assert value(copy) == pytest.approx(float(compared().at(6)[1, 2]), abs=1e-5)
        expect(copy.get_by_role("button", name="Edit")).to_be_disabled()
        expect(copy.get_by_label("Worked example")).to_be_disabled()
        expect(copy.get_by_label("Correction for anisotropy").locator("option")).to_have_text(["raw"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, lab: str, scheme: str):
    dressed(page, scheme)
    opened(page, lab)
    nothing_serious(page)
    page.get_by_role("button", name="Edit").click()
    nothing_serious(page)
    page.get_by_label("Worked example").select_option("chinese")
    expect(page.get_by_role("alert")).to_be_visible()
    nothing_serious(page)


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, lab: str):
    page.set_viewport_size(PHONE)
    opened(page, lab, wordsMetric="euclidean", wordsCorrection="standardised")
    fits_a_phone(page)
    uncut(page.locator(".layers .small"))
    page.get_by_role("button", name="Edit").click()
    fits_a_phone(page)
