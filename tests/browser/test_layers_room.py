"""Question and passage moving through the layers, in Chromium, against the lab itself."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import pellucid as pl
from pellucid.analysis.passages import example
from pellucid.analysis.readings import measured, read_marked
from pellucid.models.load import load_encoder
from tests.browser.conftest import PATIENCE
from tests.browser.pages import PHONE, asked_once, dressed, exported, fits_a_phone, nothing_serious, uncut, unplugged

expect.set_options(timeout=PATIENCE)
ROOM = "?view=layers"
ALL = "&layersModels=minilm&layersModels=minilm-mlm&layersModels=minilm-qa"
QUESTION, PASSAGE = "Who wrote the letter?", "A <b>storm</b> was coming. Clara wrote the letter & Paul read it. The dog slept."


def opened(page: Page, address: str) -> Locator:
    """The room, once what was asked for is there."""
    page.goto(address)
    return there(page)


def there(page: Page) -> Locator:
    room = page.locator(".room")
    expect(room).to_have_attribute("data-phase", "done")
    return room


def panel(page: Page, model: str) -> Locator:
    return page.get_by_role("article", name=re.compile(rf"^{model}, layer"))


def spots(found: Locator) -> list[list[float]]:
    """Where the marks are drawn, in pixels."""
    return found.locator(".dot").evaluate_all(
        "all => all.map(one => one.getAttribute('transform').match(/-?[\\d.]+/g).map(Number))"
    )


@cache
def said(name: str) -> pl.Answer:
    """What the model answers in a worked example."""
    return pl.answer(pl.load("minilm-qa"), example(name).question, example(name).context)[0]


@cache
def passed(model: str) -> tuple[Any, Any]:
    """The model's forward pass over the lighthouse, and what is marked in it."""
    one, enc, found = example("lighthouse"), load_encoder(model), said("lighthouse")
    marks = one.passage((found.start, found.end) if found.start is not None and found.end is not None else None)
    return read_marked(enc, enc.read(one.question, one.context), marks), marks


@cache
def projected(model: str, basis: Any = "layer") -> Any:
    return pl.project(passed(model)[0], basis=basis, align=True)


@cache
def phased(model: str) -> Any:
    return measured(*passed(model), 1000, 0)


def test_on_opening_an_example_is_shown_with_its_answer_and_nothing_jumps(page: Page, lab: str):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    room = opened(page, lab + ROOM)
    expect(page.get_by_role("heading", level=2).first).to_have_text(re.compile(r"\?$"))
    expect(room.get_by_role("button", name="A lighthouse and its keeper")).to_have_attribute("aria-pressed", "true")
    one = example("lighthouse")
    asked = page.get_by_role("region", name="Question and passage")
    expect(asked.locator("p.question .text")).to_have_text(one.question)
    expect(asked.locator("p.passage .text")).to_have_text(one.context)
    found = said("lighthouse")
    answer = found.text if found.answered else one.answer
    expect(asked.get_by_role("status")).to_contain_text(
        f"{answer}. {'minilm-qa answers this' if found.answered else 'Marked is'}"
    )
    assert "".join(asked.locator("p.passage .text .answer").all_inner_texts()) == answer
    facts = asked.locator("p.passage .text .answer, p.passage .text .support").all_inner_texts()
    assert "".join(facts).replace(" ", "") == one.support[0].replace(" ", "")
    roles = projected("minilm").roles
    for model in ("minilm", "minilm-qa"):
        expect(panel(page, model)).to_have_attribute("data-layer", "6")
        expect(panel(page, model).locator(".dot")).to_have_count(len(roles))
        expect(panel(page, model).locator(".dot.answer")).to_have_count(roles.count("answer"))
        expect(panel(page, model).locator("text.word.answer")).to_have_text(answer.split())
    assert page.evaluate("window.shift") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("basis", ["layer", "shared"])
def test_what_is_drawn_and_exported_is_what_the_library_says(page: Page, lab: str, basis: str, tmp_path: Path):
    page.emulate_media(reduced_motion="reduce")
    opened(page, f"{lab}{ROOM}{ALL}&layersAt=4&layersBasis={basis}")
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV", tmp_path).read_text())))
    for model in ("minilm", "minilm-mlm", "minilm-qa"):
        made, phases = projected(model, basis), phased(model)
        mine = [row for row in rows if row["model"] == model]
        tokens = [row for row in mine if row["what"] == "token"]
        assert [row["text"] for row in tokens[:72]] == list(made.labels)
        found = [[float(row["axis_1"]), float(row["axis_2"])] for row in tokens]
        for told, own in zip(found, made.coordinates.flatten(0, 1).tolist(), strict=True):
            assert told == pytest.approx(own, abs=1e-4)
        layers = [row for row in mine if row["what"] == "layer"]
        assert [float(row["trustworthiness"]) for row in layers] == pytest.approx(made.trustworthiness.tolist(), abs=1e-3)
        assert [float(row["explained_1"]) for row in layers] == pytest.approx(
            made.explained_variance_ratio[:, 0].tolist(), abs=1e-6
        )
        for phase in phases.all:
            told = [row for row in mine if row["phase"] == phase.name]
            for column, values in (("value", phase.value), ("low", phase.low), ("high", phase.high)):
                assert [float(row[column]) for row in told] == pytest.approx(values.tolist(), abs=1e-4)
        shown = panel(page, model)
        expect(shown).to_contain_text(f"Trustworthiness {made.trustworthiness[4]:.2f}.")
        share = float(made.explained_variance_ratio[4, 0])
        expect(shown).to_contain_text(f"axis 1: {100 * share:.{0 if share >= 0.0995 else 1}f} % of this layer’s variance")
        # marks are drawn by kind; across and up, pixels are the same multiple of the library's coordinates
        drawn, own = sorted(spots(shown)), sorted(made.coordinates[4, :, :2].tolist())
        unit = (drawn[-1][0] - drawn[0][0]) / (own[-1][0] - own[0][0])
        assert [x - drawn[0][0] for x, _ in drawn] == pytest.approx([unit * (x - own[0][0]) for x, _ in own], abs=0.05)
        heights = sorted(-y for _, y in drawn), sorted(y for _, y in own)
        assert [y - heights[0][0] for y in heights[0]] == pytest.approx(
            [unit * (y - heights[1][0]) for y in heights[1]], abs=0.05
        )


def test_the_slider_the_keys_and_play_move_through_the_layers_smoothly(page: Page, lab: str):
    opened(page, f"{lab}{ROOM}&layersAt=3")
    slider = page.get_by_role("slider", name=re.compile("^layer 3"))
    shown = panel(page, "minilm-qa")
    before = spots(shown)
    page.evaluate(
        "window.ways = []; const dot = document.querySelectorAll('.panel')[1].querySelector('.dot.answer'); "
        "window.moved = new Promise((done) => new MutationObserver(() => "
        "window.ways.push(dot.getAttribute('transform')) > 2 && done()).observe(dot, { attributes: true })); null"
    )
    slider.press("ArrowRight")
    expect(shown).to_have_attribute("data-layer", "4")
    expect(page).to_have_url(re.compile("layersAt=4"))
    # not wait_for_function: its second look is an eval of the page's own, which the page forbids
    page.evaluate("() => window.moved")
    expect(page.locator(".panel")).to_have_count(2)
    assert len(set(page.evaluate("window.ways"))) > 2, "it jumped instead of moving"
    assert spots(shown) != before
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(shown).to_have_attribute("data-layer", "6")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(shown).to_have_attribute("data-layer", "0")
    expect(page.get_by_label(re.compile("^layer 0, the embeddings"))).to_have_value("0")
    page.get_by_role("button", name="Pause").click()


def test_with_less_motion_it_plays_in_steps(page: Page, lab: str):
    page.emulate_media(reduced_motion="reduce")
    opened(page, f"{lab}{ROOM}&layersAt=5")
    page.evaluate(
        "window.ways = []; const dot = document.querySelector('.panel .dot.answer'); "
        "new MutationObserver(() => window.ways.push(dot.getAttribute('transform'))).observe(dot, { attributes: true })"
    )
    page.get_by_role("button", name="Play").click()
    expect(panel(page, "minilm")).to_have_attribute("data-layer", "6")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert len(page.evaluate("window.ways")) == 1


def test_a_chart_of_a_phase_chooses_the_layer(page: Page, lab: str):
    page.emulate_media(reduced_motion="reduce")
    opened(page, lab + ROOM + ALL)
    chart = page.get_by_role("slider", name="Layer, in: 4 The answer stands apart")
    for model in ("minilm", "minilm-mlm", "minilm-qa"):
        phase = phased(model).answer
        value, low, high = (float(v[6]) for v in (phase.value, phase.low, phase.high))
        said = f"{model} {value:.2f} ({low:.2f} to {high:.2f})".replace("-0.00", "0.00").replace(" -", " −").replace("(-", "(−")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(re.escape(said)))
    for line in ("2 3", "8 3", ""):
        expect(page.get_by_role("article", name="4 The answer").locator(f'ul path[stroke-dasharray="{line}"]')).to_have_count(1)
    chart.press("Home")
    expect(panel(page, "minilm-qa")).to_have_attribute("data-layer", "0")
    chart.press("ArrowUp")
    expect(panel(page, "minilm-qa")).to_have_attribute("data-layer", "1")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    expect(panel(page, "minilm-qa")).to_have_attribute("data-layer", "0")
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(panel(page, "minilm-qa")).to_have_attribute("data-layer", "6")


def test_a_token_is_highlighted_in_the_text_and_in_every_panel(page: Page, lab: str):
    opened(page, lab + ROOM)
    asked = page.get_by_role("region", name="Question and passage")
    over = page.locator(".panel text.over")
    asked.get_by_role("button", name="lighthouse").hover()
    expect(over).to_have_text(["lighthouse", "lighthouse"])
    page.mouse.move(0, 0)
    expect(over).to_have_count(0)
    asked.get_by_role("button", name="Who", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(over).to_have_text(["repaired", "repaired"])
    page.keyboard.press("Enter")
    expect(asked.get_by_role("button", name="repaired").first).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("layersPinned=0:4:12"))
    page.get_by_role("button", name=re.compile("^72 tokens of minilm-qa")).focus()
    page.keyboard.press("End")
    expect(over).to_have_text(["[SEP]", "[SEP]"])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(over).to_have_text(["sailors", "sailors"])
    expect(asked.locator(".lit")).to_have_text("sailors")
    place = projected("minilm-qa").coordinates[6, 69, :2].tolist()
    said = panel(page, "minilm-qa").locator(".reading").inner_text()
    assert [float(n) for n in re.findall(r"-?\d+\.\d+", said)] == pytest.approx(place, rel=0.01)
    page.keyboard.press("Escape")
    expect(over).to_have_count(0)
    assert "layersPinned" not in page.url


def test_words_beside_the_marks_do_not_lie_on_each_other_and_can_be_fewer(page: Page, lab: str):
    page.emulate_media(reduced_motion="reduce")
    opened(page, lab + ROOM + "&layersAt=4")
    words = panel(page, "minilm-qa").locator("text.word")
    boxes = [one.bounding_box() for one in words.all()]
    assert len(boxes) > 15
    covered = [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[n + 1 :]
        if a and b and min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"]) > 8
        and min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"]) > 10
    ]  # fmt: skip
    assert not covered
    page.get_by_label("Words beside the marks").select_option("key")
    expect(panel(page, "minilm-qa").locator("text.word.context")).to_have_count(0)
    expect(panel(page, "minilm-qa").locator("text.word.answer")).to_have_count(projected("minilm").roles.count("answer"))
    page.get_by_label("Words beside the marks").select_option("hover")
    expect(words).to_have_count(0)


def test_ones_own_question_is_answered_and_what_is_refused_can_be_changed(page: Page, lab: str):
    opened(page, lab + ROOM)
    page.get_by_role("button", name="Your own").click()
    form = page.get_by_role("region", name="Your own question and passage")
    form.get_by_role("textbox", name="Question").fill(" ")
    expect(form.get_by_role("button", name="Look into it")).to_be_disabled()
    form.get_by_role("textbox", name="Question").fill(QUESTION)
    form.get_by_role("textbox", name="Passage").fill("word " * 600)
    form.get_by_role("button", name="Look into it").click()
    expect(page.get_by_role("alert")).to_contain_text("tokens long and minilm reads at most 512")
    form.get_by_role("textbox", name="Passage").fill(PASSAGE)
    form.get_by_role("textbox", name="Passage").press("Control+Enter")
    there(page)
    found = pl.answer(pl.load("minilm-qa"), QUESTION, PASSAGE)[0]
    asked = page.get_by_role("region", name="Question and passage", exact=True)
    status = asked.get_by_role("status")
    expect(status).to_contain_text(f"{found.text}. minilm-qa answers" if found.answered else "minilm-qa finds no answer")
    expect(asked.locator("p.passage .text")).to_have_text(PASSAGE)
    expect(asked.locator("b")).to_have_count(0)
    address = page.url
    page.reload()
    there(page)
    assert page.url == address
    expect(asked.locator("p.passage .text")).to_have_text(PASSAGE)
    page.get_by_role("button", name="Names and dates").click()
    expect(asked.locator("p.question .text")).to_have_text(example("observatory").question)
    page.go_back()
    expect(asked.locator("p.question .text")).to_have_text(QUESTION)


def test_one_two_or_three_models_without_asking_again(page: Page, lab: str):
    opened(page, lab + ROOM)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    group = page.get_by_role("group", name="Models beside each other")
    group.get_by_role("button", name="minilm-mlm").click()
    expect(page.locator(".panel")).to_have_count(3)
    group.get_by_role("button", name="minilm", exact=True).click()
    group.get_by_role("button", name="minilm-mlm").click()
    group.get_by_role("button", name="minilm-qa").click()  # the last one stays
    expect(page.locator(".panel")).to_have_count(1)
    expect(panel(page, "minilm-qa")).to_be_visible()
    assert not asked
    page.goto(f"{lab}{ROOM}&layersModels=minilm-qa&layersModels=gpt")
    expect(page.get_by_role("alert")).to_contain_text(
        "No text model is called “gpt”; choose among minilm, minilm-mlm, minilm-qa."
    )
    expect(panel(page, "minilm-qa")).to_be_visible()


def test_what_a_vocabulary_lacks_is_said_of_the_models_that_are_shown(page: Page, lab: str):
    text = urlencode({"layersExample": "", "layersQuestion": "Who sat?", "layersPassage": "🐱 sat."})
    room = opened(page, f"{lab}{ROOM}&{text}&layersModels=minilm-qa")
    expect(room.get_by_text("has no piece for")).to_have_text(re.compile("of minilm-qa has"))


def test_where_no_model_answers_the_examples_answer_is_marked_and_that_is_said(page: Page, lab: str):
    opened(page, lab + ROOM + "&layersExample=errand")
    found = said("errand")
    status = page.get_by_role("region", name="Question and passage").get_by_role("status")
    if found.answered:
        expect(status).to_contain_text(f"{found.text}. minilm-qa answers this")
    else:
        expect(status).to_contain_text("the greenhouse. Marked is the example’s own answer")
        expect(status).to_contain_text("minilm-qa finds no answer")


def test_exports_are_vectors_of_the_layer_and_a_page_that_still_slides_and_plays(
    page: Page, lab: str, tmp_path: Path, browser: Browser
):
    page.emulate_media(reduced_motion="reduce")
    opened(page, f"{lab}{ROOM}&layersAt=4&layersPinned=1:169:175")
    page.get_by_label("Axes").select_option("shared")
    there(page)
    expect(page.get_by_text("One PCA of all layers together")).to_be_visible()
    page.get_by_label("Axes").select_option("layer")
    there(page)
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    drawing = ET.parse(exported(page, "SVG", tmp_path)).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    texts = [element.text or "" for element in drawing.iter(f"{svg}text")]
    for words in ("minilm, layer 4", "minilm-qa, layer 4", "4 The answer stands apart", "keeper"):
        assert words in texts
    assert any("Procrustes" in text for text in texts)
    assert not list(drawing.iter(f"{svg}image"))
    file = exported(page, "HTML", tmp_path)
    seen = spots(panel(page, "minilm-qa"))
    with unplugged(browser, file) as saved:
        there(saved)
        expect(panel(saved, "minilm-qa")).to_have_attribute("data-layer", "4")
        assert spots(panel(saved, "minilm-qa")) == seen
        expect(saved.locator(".panel text.over")).to_have_text(["keeper", "keeper"])
        saved.get_by_role("slider", name=re.compile("^layer 4")).press("ArrowRight")
        expect(panel(saved, "minilm-qa")).to_have_attribute("data-layer", "5")
        saved.get_by_role("button", name="Play").click()
        expect(panel(saved, "minilm-qa")).to_have_attribute("data-layer", "6")
        saved.get_by_label("Axes").select_option("shared")
        there(saved)
        expect(saved.get_by_text("One PCA of all layers together")).to_be_visible()
        saved.get_by_role("group", name="Models beside each other").get_by_role("button", name="minilm-mlm").click()
        expect(saved.locator(".panel")).to_have_count(3)
        expect(saved.get_by_role("button", name="Names and dates")).to_be_disabled()
        expect(saved.get_by_role("button", name="Your own")).to_be_disabled()
        expect(saved.get_by_text("A saved page holds one text; for another one, open the lab.")).to_be_visible()


def test_a_failure_has_the_servers_words_and_a_way_on(page: Page, lab: str):
    page.route("**/api/text/layers", lambda route: route.abort())
    page.goto(lab + ROOM)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Is `pellucid lab` still running?")
    page.unroute("**/api/text/layers")
    page.get_by_role("button", name="Ask again").click()
    there(page)
    page.goto(f"{lab}{ROOM}&layersExample=nowhere")
    expect(page.get_by_role("alert")).to_contain_text("no example named 'nowhere'")
    page.get_by_role("button", name="Names and dates").click()
    there(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, lab: str, scheme: str):
    dressed(page, scheme)
    asked_once(page, "**/api/text/**")
    query = urlencode({"layersExample": "", "layersQuestion": QUESTION, "layersPassage": PASSAGE + " The night was long." * 40})
    for address in (f"{lab}{ROOM}{ALL}&layersPinned=1:169:175", f"{lab}{ROOM}&{query}"):
        opened(page, address)
        page.get_by_role("button", name="Your own").click()
        nothing_serious(page)


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, lab: str):
    page.set_viewport_size(PHONE)
    opened(page, lab + ROOM + ALL)
    fits_a_phone(page)
    uncut(page.locator(".panel h3, .panel .reading"))
