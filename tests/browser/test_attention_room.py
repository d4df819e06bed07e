"""The Attention room in Chromium: what it shows is what the library says."""

import base64
import csv
import itertools
import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

import pellucid as pl
from pellucid.render.numbers import number, percent
from tests.browser.conftest import PATIENCE
from tests.browser.pages import PHONE, asked_once, dressed, exported, fits_a_phone, nothing_serious, unplugged

expect.set_options(timeout=PATIENCE)
TEXT = "The trophy did not fit in the suitcase because it was too big."
QUESTION, PASSAGE = "Who wrote the letter?", "Mary wrote the letter in Paris."
ASKED = f"&attentionEncoder=minilm-qa&attentionText={quote(QUESTION)}&attentionPair={quote(PASSAGE)}"
TROPHY = 2
"""The token `trophy` of `TEXT`."""
VIEWS = {
    "masked": "&attentionMasked=0:4-10&attentionLock=from:10",
    "beside": f"&attentionTool=statistics&attentionHeads=3&attentionBeside=yes&attentionText2={quote(PASSAGE)}",
    "effect": f"{ASKED}&attentionTool=effect&attentionEffect=yes",
    "tokens": f"{ASKED}&attentionTool=tokens&attentionScores=yes",
}


@cache
def encoder(name: str) -> pl.TextEncoder:
    found = pl.load(name)
    assert isinstance(found, pl.TextEncoder)
    return found


def opened(page: Page, lab: str, query: str = "", which: str = "attention") -> Locator:
    page.goto(f"{lab}?view=attention{query}")
    return shown(page, which)


def shown(page: Page, which: str = "attention") -> Locator:
    """The panel, once it answers what is asked."""
    panel = page.get_by_role("region", name=which, exact=True)
    expect(panel).to_have_attribute("data-phase", "done")
    return panel


def settled(page: Page, view: str) -> None:
    """The tool beside the arcs answers, too."""
    if view == "tokens":
        expect(page.locator("[data-method] .verdict")).to_have_count(3)
    else:
        expect(page.get_by_role("table").last).to_be_visible()


def has_arcs(panel: Locator, seen: pl.Attention) -> None:
    expect(panel.locator("svg[data-arcs]")).to_have_attribute("data-arcs", str(int(seen.kept.sum())))


def token(panel: Locator, side: str, index: int) -> Locator:
    return panel.locator(f'[data-token="{side}:{index}"]')


def said(seen: pl.Attention, query: int) -> str:
    edges = [edge for edge in seen.edges if edge.query == query]
    listed = ", ".join(f"“{seen.labels[edge.key]}” {number(edge.weight)}" for edge in edges[:5])
    rest = f", and {len(edges) - 5} more" if len(edges) > 5 else ""
    return f"“{seen.labels[query]}” attends to {listed}{rest} (sum of {len(seen.heads)} heads)."


def test_on_opening_there_are_arcs_at_once_and_nothing_jumps(page: Page, lab: str):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    panel = opened(page, lab)
    expect(page.get_by_role("heading", level=2)).to_have_text("Where does each word look?")
    seen = pl.attend(encoder("minilm-mlm").activations(TEXT), 3, hide_special=True, mass=0.5)
    has_arcs(panel, seen)
    expect(panel.locator(".legend")).to_contain_text(f"{seen.rule}; {int(seen.kept.sum())} of 256.")
    expect(panel.get_by_role("button", name=re.compile(r"^Layer \d, head \d+$"))).to_have_count(72)
    assert page.evaluate("window.shift") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_token_shows_its_own_arcs_and_is_locked_by_mouse_or_keyboard(page: Page, lab: str):
    panel = opened(page, lab)
    seen = pl.attend(encoder("minilm-mlm").activations(TEXT), 3, hide_special=True, mass=0.5)
    token(panel, "from", 10).hover()
    expect(panel.locator(".said")).to_have_text(said(seen, 10))
    expect(panel.locator("svg[data-arcs]")).to_have_attribute("data-arcs", str(int(seen.kept[10].sum())))
    page.mouse.move(0, 0)
    has_arcs(panel, seen)
    token(panel, "from", 0).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(token(panel, "to", 2)).to_be_focused()
    expect(panel.locator(".said")).to_contain_text("“trophy” is attended to by ")
    page.keyboard.press("Enter")
    expect(token(panel, "to", 2)).to_have_attribute("aria-pressed", "true")
    assert "attentionLock=to:2" in page.url
    arcs = str(int(seen.kept[:, 2].sum()))
    page.keyboard.press("ArrowDown")
    expect(panel.locator("svg[data-arcs]")).to_have_attribute("data-arcs", arcs)
    page.keyboard.press("Escape")
    assert "attentionLock" not in page.url
    token(panel, "from", 4).click()
    expect(token(panel, "from", 4)).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(token(shown(page), "from", 4)).to_have_attribute("aria-pressed", "true")
    token(panel, "from", 4).click()
    expect(token(panel, "from", 4)).to_have_attribute("aria-pressed", "false")


def test_numbers_of_heads_and_pieces_of_words_are_told_apart(page: Page, lab: str):
    panel = opened(page, lab)
    for side in ("given", "received"):
        numbers = panel.get_by_role("toolbar", name=f"Heads, by attention {side}").get_by_role("button")
        ends = numbers.evaluate_all(
            "all => all.filter(one => one.textContent).map(one => { const r = document.createRange(); "
            "r.selectNodeContents(one); const { left, right } = r.getBoundingClientRect(); return [left, right] })"
        )
        assert len(ends) > 3
        assert all(after - before >= 3 for (_, before), (after, _) in itertools.pairwise(ends))
    panel = opened(page, lab, f"&attentionText={quote('An emoji tells otherwise.')}")
    pieces = encoder("minilm-mlm").read("An emoji tells otherwise.").pieces[0]
    expect(token(panel, "from", len(pieces) - 1)).to_be_visible()
    texts = [token(panel, "from", at).inner_text().strip() for at in range(len(pieces))]
    assert [text.startswith("##") for text in texts] == [piece.startswith("##") for piece in pieces]
    assert any(text.startswith("##") for text in texts)


def test_heads_preview_and_toggle(page: Page, lab: str):
    panel = opened(page, lab)
    act = encoder("minilm-mlm").activations(TEXT)
    panel.get_by_role("button", name="Head 3, attention given", exact=True).hover(position={"x": 4, "y": 8})
    has_arcs(panel, pl.attend(act, 3, [3], hide_special=True, mass=0.5))
    entropy = float(pl.head_statistics(act).entropy[2, 3])
    expect(panel.locator(".said")).to_contain_text(f"Head 3 alone, layer 3: entropy {number(entropy)} bits, ")
    page.mouse.move(0, 0)
    has_arcs(panel, pl.attend(act, 3, hide_special=True, mass=0.5))
    panel.get_by_role("button", name="Head 0, attention received", exact=True).focus()
    page.keyboard.press("ArrowRight")
    has_arcs(panel, pl.attend(act, 3, [1], hide_special=True, mass=0.5))
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name="Head 1, attention given", exact=True)).to_have_attribute("aria-pressed", "false")
    token(panel, "from", 3).focus()
    page.get_by_role("button", name="None", exact=True).click()
    expect(panel.locator(".legend")).to_contain_text("no head is chosen, so none is drawn")
    panel.get_by_role("button", name="Head 7, attention given", exact=True).click(position={"x": 4, "y": 8})
    page.mouse.move(0, 0)
    has_arcs(panel, pl.attend(act, 3, [7], hide_special=True, mass=0.5))
    assert "attentionHeads=7" in page.url
    page.get_by_role("button", name="All", exact=True).click()
    assert "attentionHeads" not in page.url


def test_a_masked_word_is_guessed_and_another_encoder_is_offered_where_none_guesses(page: Page, lab: str):
    panel = opened(page, lab)
    token(panel, "from", TROPHY).dblclick()
    expect(token(panel, "from", TROPHY)).to_have_attribute("aria-label", re.compile(r"^trophy \(masked\), "))
    expect(token(panel, "from", TROPHY)).to_have_attribute("aria-pressed", "false")
    enc = encoder("minilm-mlm")
    hidden = enc.hide(enc.read(TEXT), [TROPHY])
    guesses = pl.fill_mask(enc, hidden, top=5)[0][0].guesses
    rows = panel.get_by_role("group", name="Masked words").locator("li")
    expect(rows).to_have_text([re.compile(rf"{re.escape(g.token)}.*{re.escape(percent(g.probability))}") for g in guesses])
    page.mouse.move(0, 0)
    has_arcs(shown(page), pl.attend(enc.activations(hidden), 3, hide_special=True, mass=0.5))
    token(panel, "to", 4).focus()
    page.keyboard.press("m")
    expect(rows).to_have_count(10)
    page.get_by_label("Encoder").select_option("minilm")
    expect(panel.get_by_text("minilm sees [MASK] there, but does not guess words. minilm-mlm does.")).to_be_visible()
    panel.get_by_role("button", name="Switch to minilm-mlm").first.click()
    expect(rows).to_have_count(10)
    page.reload()
    expect(rows).to_have_count(10)
    token(shown(page), "from", 4).focus()
    page.keyboard.press("m")
    expect(rows).to_have_count(5)
    page.get_by_label("Sentence", exact=True).fill("Another sentence.")
    page.get_by_label("Sentence", exact=True).press("Enter")
    expect(panel.get_by_text("None. Double-click a word")).to_be_visible()
    assert "attentionMasked" not in page.url


def test_a_mask_in_the_text_itself_is_guessed_too(page: Page, lab: str):
    text = "She [MASK] a long letter."
    panel = opened(page, lab, f"&attentionTool=effect&attentionText={quote(text)}")
    guesses = pl.fill_mask(encoder("minilm-mlm"), text, top=5)[0][0].guesses
    rows = panel.get_by_role("group", name="Masked words").locator("li")
    expect(rows).to_have_text([re.compile(rf"{re.escape(g.token)}.*{re.escape(percent(g.probability))}") for g in guesses])
    expect(panel.get_by_role("button", name="Take out each head in turn")).to_be_enabled()


def test_threshold_specials_whole_words_and_layers_are_the_librarys(page: Page, lab: str):
    text = "She was unimpressed by the photosynthesis lectures."
    panel = opened(page, lab, f"&attentionText={quote(text)}")
    act = encoder("minilm-mlm").activations(text)
    page.get_by_label("Arcs that carry").fill("83")
    has_arcs(panel, pl.attend(act, 3, hide_special=True, mass=0.83))
    page.get_by_label("Hide special tokens").uncheck()
    has_arcs(panel, pl.attend(act, 3, mass=0.83))
    page.get_by_role("radio", name="5").check(force=True)
    has_arcs(shown(page), pl.attend(act, 5, mass=0.83))
    page.get_by_role("radio", name="5").focus()
    page.keyboard.press("ArrowRight")
    has_arcs(shown(page), pl.attend(act, 6, mass=0.83))
    page.get_by_label("Whole words").check()
    words = pl.attend(act.by_word(), 6, mass=0.83)
    expect(panel.locator('[data-token^="from:"]')).to_have_text(list(words.labels))
    assert len(words.labels) < len(act.tokens.pieces[0])
    has_arcs(shown(page), words)
    expect(panel.locator(".legend")).to_contain_text(words.rule)
    at = words.labels.index("photosynthesis")
    token(panel, "from", at).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    pieces = act.tokens.words[0].tolist()
    hidden = [n for n, word in enumerate(pieces) if word == act.tokens.words[0].unique().tolist()[1:][at - 1]]
    expect(panel.get_by_role("group", name="Masked words").locator("li")).to_have_count(5 * len(hidden))
    page.get_by_label("Whole words").uncheck()
    shown(page)
    expect(token(panel, "from", hidden[0])).to_have_attribute("aria-pressed", "true")
    expect(panel.locator('[data-token^="from:"].masked')).to_have_count(len(hidden))


def test_a_head_is_chosen_among_all_and_its_kind_is_told(page: Page, lab: str):
    panel = opened(page, lab)
    act = encoder("minilm-mlm").activations(TEXT)
    cell = panel.get_by_role("button", name="Layer 2, head 8", exact=True)
    cell.click()
    has_arcs(shown(page), pl.attend(act, 2, [8], hide_special=True, mass=0.5))
    expect(page.get_by_role("radio", name="2")).to_be_checked()
    table = pl.head_statistics(act)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(panel.get_by_role("button", name="Layer 3, head 9", exact=True)).to_be_focused()
    expect(panel.locator(".look")).to_contain_text(f"entropy {number(float(table.entropy[2, 9]))} bits")
    page.keyboard.press("Enter")
    has_arcs(shown(page), pl.attend(act, 3, [9], hide_special=True, mass=0.5))
    panel.get_by_role("button", name="Kinds of heads").click()
    panel.get_by_label("Which number").select_option("next")
    share = percent(float(table.to_next[1, 8]))
    expect(panel.get_by_role("button", name=f"Layer 2, head 8: to the next {share}", exact=True)).to_be_visible()


def test_the_effect_of_heads_stands_beside_what_attention_suggests(page: Page, lab: str):
    panel = opened(page, lab, "&attentionTool=effect")
    expect(panel.get_by_text("minilm-mlm guesses masked words: mask one first")).to_be_visible()
    token(panel, "from", TROPHY).focus()
    page.keyboard.press("m")
    panel.get_by_role("button", name="Take out each head in turn").click()
    enc = encoder("minilm-mlm")
    found = pl.head_effect(enc, enc.hide(enc.read(TEXT), [TROPHY]))
    bits, share = number(float(found.effect[4, 2])), percent(float(found.attention[4, 2]))
    expect(
        panel.get_by_role("button", name=f"Layer 5, head 2: effect {bits} bits, attention {share}", exact=True)
    ).to_be_visible()
    expect(panel.locator(".look")).to_contain_text(f"Rank correlation of the two over all heads: {number(found.spearman, 2)} ")
    expect(panel.get_by_text("The masked word, as the whole encoder has it:")).to_be_visible()
    page.get_by_label("Encoder").select_option("minilm")
    expect(panel.get_by_text("minilm gives no answer that could change. These do:")).to_be_visible()
    panel.get_by_role("button", name="Switch to minilm-qa").last.click()
    expect(panel.get_by_text(re.compile("^minilm-qa answers questions: write a question"))).to_be_visible()
    opened(page, lab, VIEWS["effect"])
    found = pl.head_effect(encoder("minilm-qa"), QUESTION, PASSAGE)
    expect(panel.locator(".look")).to_contain_text(f"over all heads: {number(found.spearman, 2)} ")
    expect(panel.get_by_text(f"“{found.choices[0]}” ({percent(float(found.probability[0]))})")).to_be_visible()


def test_tokens_are_on_the_colours_of_their_scores_with_the_evidence_below(
    page: Page, lab: str, tmp_path: Path, browser: Browser
):
    panel = opened(page, lab, f"{ASKED}&attentionTool=tokens")
    panel.get_by_role("button", name="Measure what each token does").click()
    settled(page, "tokens")
    enc = encoder("minilm-qa")
    read = enc.read(QUESTION, PASSAGE)
    plain = int((read.parts[0] >= 0).sum())
    kept = {}
    for method in ("erasure", "integrated_gradients", "attention"):
        scores = pl.token_scores(enc, read, method=method)
        found = pl.token_trust(enc, scores)[0]
        block = panel.locator(f'[data-method="{method}"]')
        chips = block.locator("[data-token-score]")
        expect(chips).to_have_count(plain)
        (top,) = scores.top(1)
        titles = {int(one.get_attribute("data-token-score") or -1): one.get_attribute("title") or "" for one in chips.all()}
        kept[method] = {at: float(title.split(": ")[1].split(" ")[0]) for at, title in titles.items()}
        assert max(kept[method], key=kept[method].__getitem__) == top.token
        assert kept[method] == pytest.approx({at: float(scores.scores[0, at]) for at in kept[method]}, abs=1e-4)
        expect(block.locator(f'[data-token-score="{top.token}"]')).to_have_text(top.text)
        expect(block.locator(".verdict")).to_contain_text(found.verdict)
        expect(block.get_by_text(found.sentence)).to_be_visible()
        expect(block.locator(".marked")).to_have_text(["Mary"])
    with exported(page, "CSV", tmp_path).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] == "score: erasure, logit"]
    assert {int(row["key"]): float(row["value"]) for row in rows} == pytest.approx(kept["erasure"])
    drawn = ET.parse(exported(page, "SVG", tmp_path)).getroot()
    assert "What the answer 'Mary' rests on" in " ".join(drawn.itertext())
    asked = json.loads(exported(page, "Record", tmp_path).read_text())["questions"]
    assert [one["body"]["methods"] for one in asked if one["path"] == "/api/text/token-scores"] == [list(kept)]
    with unplugged(browser, exported(page, "HTML", tmp_path)) as copy:
        settled(copy, "tokens")
    assert "attentionScores=yes" in page.url
    page.reload()
    settled(page, "tokens")
    expect(panel.locator('[data-method="erasure"] [data-token-score]')).to_have_count(plain)
    page.get_by_label("Passage to answer it from").fill("John wrote the letter in Rome.")
    page.get_by_label("Passage to answer it from").press("Enter")
    expect(panel.get_by_role("button", name="Measure what each token does")).to_be_enabled()
    assert "attentionScores" not in page.url


def test_one_masked_word_rests_on_the_others_and_a_failure_has_a_way_on(page: Page, lab: str):
    panel = opened(page, lab, "&attentionTool=tokens")
    expect(panel.get_by_text("minilm-mlm guesses masked words: mask one first")).to_be_visible()
    for at in (TROPHY, 4):
        token(panel, "from", at).focus()
        page.keyboard.press("m")
    expect(panel.get_by_text("2 tokens are masked, and one is asked about")).to_be_visible()
    page.keyboard.press("m")
    page.route("**/api/text/token-scores", lambda route: route.abort())
    panel.get_by_role("button", name="Measure what each token does").click()
    expect(panel.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute("**/api/text/token-scores")
    panel.get_by_role("button", name="Ask again").click()
    settled(page, "tokens")
    enc = encoder("minilm-mlm")
    scores = pl.token_scores(enc, enc.hide(enc.read(TEXT), [TROPHY]))
    block = panel.locator('[data-method="erasure"]')
    expect(block.locator(".marked")).to_have_text(["[MASK]"])
    expect(block.locator("[data-token-score]")).to_have_count(int((~scores.scores.isnan()).sum()))
    expect(panel.get_by_text(f"Asked about {scores.target.names[0]}: ")).to_be_visible()


def test_two_encoders_or_two_sentences_side_by_side(page: Page, lab: str):
    opened(page, lab)
    page.get_by_role("button", name="Side by side").click()
    first, second = shown(page, "first"), shown(page, "second")
    expect(second.get_by_label("Sentence", exact=True)).to_have_value(TEXT)
    second.get_by_label("Encoder").select_option("minilm")
    for panel, name in ((shown(page, "first"), "minilm-mlm"), (shown(page, "second"), "minilm")):
        has_arcs(panel, pl.attend(encoder(name).activations(TEXT), 3, hide_special=True, mass=0.5))
    token(first, "from", 10).hover()
    for panel in (first, second):
        expect(panel.locator(".said")).to_contain_text("“it” attends to ")
    second.get_by_label("Sentence", exact=True).fill(PASSAGE)
    second.get_by_role("button", name="Show", exact=True).click()
    has_arcs(shown(page, "second"), pl.attend(encoder("minilm").activations(PASSAGE), 3, hide_special=True, mass=0.5))
    has_arcs(shown(page, "first"), pl.attend(encoder("minilm-mlm").activations(TEXT), 3, hide_special=True, mass=0.5))
    page.reload()
    expect(shown(page, "second").get_by_label("Sentence", exact=True)).to_have_value(PASSAGE)
    page.get_by_role("button", name="Side by side").click()
    shown(page)
    expect(second).to_have_count(0)


def test_an_encoder_with_fewer_layers_shows_its_last(page: Page, lab: str):
    def fewer(route):
        catalog = route.fetch().json()
        for model in catalog["models"]:
            if model["name"] == "minilm":
                model["layers"] = 2
        route.fulfill(json=catalog)

    page.route("**/api/catalog", fewer)
    opened(page, lab, "&attentionLayer=6")
    page.get_by_label("Encoder").select_option("minilm")
    expect(page.get_by_role("radio")).to_have_count(2)
    expect(page.get_by_role("radio", name="2")).to_be_checked()
    has_arcs(shown(page), pl.attend(encoder("minilm").activations(TEXT), 2, hide_special=True, mass=0.5))
    assert "attentionLayer=2" in page.url
    panel = opened(page, lab, "&attentionLayer=40&attentionHeads=2&attentionHeads=99")
    expect(panel.get_by_text("minilm-mlm has 6 layers; layer 6 is shown.")).to_be_visible()
    expect(panel.get_by_text("minilm-mlm has heads 0 to 11, and no head 99.")).to_be_visible()
    has_arcs(panel, pl.attend(encoder("minilm-mlm").activations(TEXT), 6, [2], hide_special=True, mass=0.5))


def test_a_link_brings_back_exactly_what_was_seen(page: Page, lab: str):
    text = 'R&D = #1? "No" & <b>100 %</b>'
    panel = opened(page, lab)
    page.get_by_label("Sentence", exact=True).fill(text)
    page.get_by_label("Second sentence, if you like").fill("a&b=c")
    assert "attentionText" not in page.url
    page.get_by_role("button", name="Show", exact=True).click()
    shown(page)
    page.get_by_label("Hide special tokens").uncheck()
    page.get_by_role("radio", name="6").check(force=True)
    page.get_by_label("Arcs that carry").fill("1")
    shown(page)
    token(panel, "to", 0).click()
    page.mouse.move(0, 0)
    expect(token(panel, "to", 0)).to_have_attribute("aria-pressed", "true")
    drawn, address = panel.locator("svg[data-arcs]").inner_html(), page.url
    page.reload()
    panel = shown(page)
    assert page.url == address
    expect(page.get_by_label("Sentence", exact=True)).to_have_value(text)
    expect(page.get_by_label("Hide special tokens")).not_to_be_checked()
    expect(token(panel, "to", 0)).to_have_attribute("aria-pressed", "true")
    assert panel.locator("svg[data-arcs]").inner_html() == drawn
    page.go_back()
    expect(page.get_by_role("radio", name="3")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Sentence", exact=True)).to_have_value(TEXT)


def test_exports_hold_what_is_seen(page: Page, lab: str, tmp_path: Path):
    opened(page, lab, "&attentionHeads=2&attentionHeads=9&attentionMasked=0:4-10")
    expect(page.get_by_role("button", name=re.compile(r"^Layer \d, head \d+$"))).to_have_count(72)
    enc = encoder("minilm-mlm")
    seen = pl.attend(enc.activations(enc.hide(enc.read(TEXT), [TROPHY])), 3, [2, 9], hide_special=True, mass=0.5)
    with exported(page, "CSV", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    sums = {(int(row["query"]), int(row["key"])): float(row["value"]) for row in rows if row["what"] == "sum"}
    assert sums == pytest.approx({(edge.query, edge.key): edge.weight for edge in seen.edges}, abs=1e-5)
    given = {int(row["query"]): float(row["value"]) for row in rows if row["what"] == "given" and row["head"] == "9"}
    assert [given[n] for n in range(16)] == pytest.approx(seen.given[1].tolist(), abs=1e-5)
    received = {int(row["key"]): float(row["value"]) for row in rows if row["what"] == "received" and row["head"] == "2"}
    assert [received[n] for n in range(16)] == pytest.approx(seen.received[0].tolist(), abs=1e-5)
    assert {row["query token"] for row in rows} >= {"trophy (masked)", "suitcase"}
    drawn = ET.parse(exported(page, "SVG", tmp_path)).getroot()
    texts = " ".join(element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text"))
    assert seen.rule in texts
    assert "minilm-mlm; 2, 9 heads of 12" in texts
    arcs = sum(path.attrib["d"].count("M") for path in drawn.iter("{http://www.w3.org/2000/svg}path"))
    assert arcs == int(seen.kept.sum())
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    kept = json.loads(exported(page, "Record", tmp_path).read_text())["questions"]
    layer = next(one["answer"] for one in kept if one["path"] == "/api/text/attention" and one["body"]["layer"] == 3)
    sent = torch.frombuffer(bytearray(base64.b64decode(layer["attention"])), dtype=torch.float32).reshape(12, 16, 16)
    torch.testing.assert_close(sent, pl.attend(enc.activations(enc.hide(enc.read(TEXT), [TROPHY])), 3).per_head)


def test_an_exported_page_opens_by_itself_with_the_network_off(page: Page, lab: str, tmp_path: Path, browser: Browser):
    opened(page, lab, "&attentionMasked=0:4-10")
    expect(page.get_by_role("button", name=re.compile(r"^Layer \d, head \d+$"))).to_have_count(72)
    file = exported(page, "HTML", tmp_path)
    with unplugged(browser, file) as copy:
        panel = shown(copy)
        expect(copy.get_by_text(re.compile("^A saved copy"))).to_be_visible()
        enc = encoder("minilm-mlm")
        act = enc.activations(enc.hide(enc.read(TEXT), [TROPHY]))
        has_arcs(panel, pl.attend(act, 3, hide_special=True, mass=0.5))
        expect(panel.get_by_role("group", name="Masked words").locator("li")).to_have_count(5)
        expect(copy.get_by_label("Encoder")).to_be_disabled()
        expect(copy.get_by_label("Whole words")).to_be_disabled()
        copy.get_by_label("Arcs that carry").fill("90")
        panel.get_by_role("button", name="Layer 3, head 9", exact=True).click()
        has_arcs(shown(copy), pl.attend(act, 3, [9], hide_special=True, mass=0.9))
        token(panel, "from", 4).click()
        expect(panel.locator(".said")).to_contain_text("“not” attends to ")


def test_failures_have_the_servers_words_and_a_way_on(page: Page, lab: str):
    panel = opened(page, lab)
    page.get_by_label("Sentence", exact=True).fill("word " * 600)
    page.get_by_label("Sentence", exact=True).press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("602 tokens")
    expect(panel.get_by_role("group", name="The heads of all layers")).to_have_count(0)  # nothing comes of an unread text
    page.route("**/api/text/**", lambda route: route.abort())
    page.get_by_label("Sentence", exact=True).fill("A short one.")
    page.get_by_label("Sentence", exact=True).press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute("**/api/text/**")
    panel.get_by_role("button", name="Ask again").click()
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(token(shown(page), "from", 2)).to_have_text("short")


def test_a_word_that_no_piece_is_for_is_named_within_its_panel(page: Page, lab: str):
    panel = opened(page, lab, f"&attentionText={'Kapitän' * 40}")
    expect(panel.get_by_text("has no piece for")).to_contain_text(" tokens of at most 512. The vocabulary of minilm-mlm has")
    assert panel.locator(".main").evaluate("part => part.scrollWidth <= part.clientWidth")


def test_a_long_text_is_drawn_in_few_strokes(page: Page, lab: str):
    text = ("The old harbour was quiet, and the boats that came home late lay along the wall. " * 7).strip()
    panel = opened(page, lab, f"&attentionText={quote(text)}&attentionMass=70")
    act = encoder("minilm-mlm").activations(text)
    seen = pl.attend(act, 3, hide_special=True, mass=0.7)
    assert len(seen.labels) > 110
    drawn = int(panel.locator("svg[data-arcs]").get_attribute("data-arcs") or 0)
    assert drawn == pytest.approx(int(seen.kept.sum()), abs=2)  # of nearly equal weights, sums in another order keep another
    assert panel.locator("svg[data-arcs] path").count() <= 24
    token(panel, "from", 100).hover()
    expect(panel.locator(".said")).to_contain_text(f"“{seen.labels[100]}” attends to ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(page: Page, lab: str, view: str, scheme: str):
    dressed(page, scheme)
    asked_once(page, "**/api/text/**")
    opened(page, lab, VIEWS[view], "second" if view == "beside" else "attention")
    settled(page, view)
    nothing_serious(page)


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, lab: str, view: str):
    page.set_viewport_size(PHONE)
    asked_once(page, "**/api/text/**")
    opened(page, lab, VIEWS[view], "second" if view == "beside" else "attention")
    settled(page, view)
    fits_a_phone(page)
