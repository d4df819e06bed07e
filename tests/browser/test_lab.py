"""Images and filters in Chromium, against the lab itself."""

import csv
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, Route, expect

import pellucid as pl
from tests.browser.conftest import PATIENCE, ROOT
from tests.browser.pages import PHONE, dressed, exported, fits_a_phone, nothing_serious, unplugged

expect.set_options(timeout=PATIENCE)
MANY = 'smoothgrad:{"samples":20000}'
"""More samples than any test waits for."""
VIEWS = {
    "images": "?image=observation:0&image=observation:3&scale=shared&method=grad_cam&method=saliency",
    "baselines": '?panel=baselines&method=integrated_gradients:{"steps":2}',
    "superpixels": '?panel=superpixels&method=lime:{"samples":50}',
    "filters": '?view=filters&layer=_conv_stem&filter=1&ascent=filters:{"steps":5}',
}


def cell(page: Page, title: str) -> Locator:
    return page.get_by_role("article", name=re.compile(rf"^{title}, "))


def mapped(page: Page, title: str) -> Locator:
    """The cell, once its map is there and nothing is going on in it."""
    found = cell(page, title)
    expect(found).to_have_attribute("data-phase", "done")
    return found


def pixels(found: Locator) -> list[int]:
    """A tenth of the colours that are drawn."""
    return found.locator("canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 10 === 0)"
    )


def recorded(page: Page, lab: str) -> pl.Attribution:
    """What the lab keeps of the first map: another process may differ from it in the last digit."""
    page.get_by_role("button", name="Export").click()
    href = page.get_by_role("group", name="Export").get_by_role("link").first.get_attribute("href") or ""
    page.keyboard.press("Escape")
    return pl.Attribution.from_record(page.request.get(lab.rstrip("/") + href).body())


def test_on_opening_image_0_is_explained_at_once_and_nothing_jumps(page: Page, lab: str):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(lab)
    found = mapped(page, "grad cam")
    label = pl.load("imagenet").predict(pl.load("imagenet").read("observation:0"), top=1)[0][0].label
    expect(page.get_by_role("heading", level=2)).to_have_text(f"What in the picture speaks for {label}?")
    expect(page.get_by_role("button", name=re.compile("^Picture 0"))).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("region", name="Predictions").get_by_role("button", name=re.compile("^Explain "))).to_have_count(5)
    expect(found.locator(".trust .verdict")).to_have_text(re.compile("holds up|no better|does not depend|little to|has not"))
    assert page.evaluate("window.shift") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not errors


def test_a_value_under_the_cross_is_brief_and_where_a_pointer_rests_has_the_digits_that_python_prints(page: Page, lab: str):
    page.goto(f"{lab}?method=saliency")
    found = mapped(page, "saliency")
    found.locator("button.reader").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(found.locator(".reading")).to_contain_text("row 113, column 122: ")
    said = found.locator(".reading").inner_text()
    exact = found.locator(".reading").get_attribute("title")
    assert found.locator("button.reader").get_attribute("title") == exact
    a = recorded(page, lab)
    value = float(a.map()[0, 113, 122])
    assert exact == f"row 113, column 122: {value!r} {a.unit}"
    short = said.removeprefix("row 113, column 122: ").removesuffix(f" {a.unit}")
    assert len(short) <= 10
    assert float(short) == pytest.approx(value, rel=6e-4)


def test_a_map_sharpens_live_and_is_cancelled_in_mid_stream(page: Page, lab: str):
    page.goto(f"{lab}?method={MANY}")
    found = cell(page, "smoothgrad")
    expect(found).not_to_have_attribute("data-step", "0")
    first, drawn = int(found.get_attribute("data-step") or 0), pixels(found)
    expect(found).not_to_have_attribute("data-step", str(first))
    assert int(found.get_attribute("data-step") or 0) > first
    for _ in range(100):  # a picture is drawn a little after its step is told
        if pixels(found) != drawn:
            break
        page.wait_for_timeout(100)
    assert pixels(found) != drawn
    found.get_by_role("button", name="Cancel smoothgrad").click()
    expect(found).to_have_attribute("data-phase", "cancelled")
    expect(found.locator(".verdict")).to_contain_text("Cancelled: the best answer so far")
    stopped = found.get_attribute("data-step")
    page.wait_for_timeout(1500)
    assert found.get_attribute("data-step") == stopped
    found.get_by_role("button", name="Run smoothgrad again").click()
    expect(found).to_have_attribute("data-phase", "running")
    found.get_by_role("button", name="Cancel smoothgrad").click()
    expect(found).to_have_attribute("data-phase", "cancelled")


def test_a_place_in_line_is_told_only_while_it_is_kept_up_to_date(page: Page, lab: str):
    others = ['occlusion:{"window":31}', 'integrated_gradients:{"steps":77}', 'lime:{"samples":777}']  # in no other test
    page.goto(f"{lab}?method={MANY}" + "".join(f"&method={one}" for one in others))
    expect(cell(page, "occlusion").locator(".phase")).to_have_text("in line, place 1")
    expect(cell(page, "integrated gradients").locator(".phase")).to_have_text("in line")
    expect(cell(page, "lime").locator(".phase")).to_have_text("in line")
    cell(page, "smoothgrad").get_by_role("button", name="Cancel smoothgrad").click()
    expect(cell(page, "smoothgrad")).to_have_attribute("data-phase", "cancelled")  # else it would be in everybody's way


def test_a_link_brings_back_exactly_what_was_seen(page: Page, lab: str):
    page.goto(f"{lab}?method=saliency")
    mapped(page, "saliency")
    page.keyboard.press("4")
    expect(page.get_by_role("button", name=re.compile("^Picture 4"))).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Map", exact=True).click()
    page.get_by_label("Hide below").fill("0.3")
    page.get_by_role("button", name=re.compile("^vs ")).nth(1).click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("rather than")
    mapped(page, "saliency")
    page.mouse.move(0, 0)
    before, question, address = pixels(cell(page, "saliency")), page.get_by_role("heading", level=2).inner_text(), page.url
    page.reload()
    mapped(page, "saliency")
    assert page.url == address
    expect(page.get_by_role("heading", level=2)).to_have_text(question)
    expect(page.get_by_label("Hide below")).to_have_value("0.3")
    assert pixels(cell(page, "saliency")) == before
    page.go_back()
    expect(page.get_by_role("heading", level=2)).not_to_contain_text("rather than")


def test_any_class_can_be_the_target(page: Page, lab: str):
    page.goto(lab)
    mapped(page, "grad cam")
    page.get_by_label("Another class").fill("goldfish")
    page.get_by_label("Another class").press("Enter")
    expect(page.get_by_role("heading", level=2)).to_have_text("What in the picture speaks for goldfish?")
    page.get_by_label("Another class").fill("unicorn")
    page.get_by_label("Another class").press("Tab")
    expect(page.get_by_text("No class “unicorn”; choose one from the list.")).to_be_visible()
    assert "target=1" in page.url


def test_with_forced_colours_one_still_sees_what_is_chosen_and_what_colours_mean(browser: Browser, lab: str):
    context = browser.new_context(forced_colors="active")
    try:
        page = context.new_page()
        page.goto(f"{lab}?method=saliency")
        mapped(page, "saliency")
        chosen, other = (page.get_by_role("button", name=name, exact=True) for name in ("saliency", "occlusion"))
        here, there = (page.get_by_role("link", name=name, exact=True) for name in ("Images", "Words"))
        full = page.get_by_role("progressbar", name="saliency progress")
        ground = "one => getComputedStyle(one).backgroundColor"
        for one, two in ((chosen, other), (here, there), (full.locator("div"), full)):
            assert one.evaluate(ground) != two.evaluate(ground)
        assert "gradient" in page.locator(".legend .bar").evaluate("one => getComputedStyle(one).backgroundImage")
        page.goto(f"{lab}?view=words")
        expect(page.get_by_role("gridcell", name="0.71").first).to_be_visible()
        assert len(set(page.get_by_role("gridcell").evaluate_all(f"cells => cells.map({ground})"))) > 10
    finally:
        context.close()


def test_several_methods_on_several_pictures_between_the_same_limits(page: Page, lab: str):
    page.goto(f"{lab}?method=input_x_gradient")
    mapped(page, "input x gradient")
    page.keyboard.press("Shift+Digit3")
    expect(page.get_by_role("article")).to_have_count(2)
    for number in range(2):
        expect(page.get_by_role("article").nth(number)).to_have_attribute("data-phase", "done")
    legends = page.locator(".legend")
    apart = [legends.nth(n).get_attribute("aria-label") for n in range(2)]
    assert apart[0] != apart[1]
    assert "each map its own scale" in (apart[0] or "")
    page.get_by_label("Colour scale").select_option("shared")
    expect(legends.nth(0)).to_have_attribute("aria-label", re.compile("one scale for all maps"))
    ends = [re.sub("; .*", "", legends.nth(n).get_attribute("aria-label") or "") for n in range(2)]
    assert ends[0] == ends[1]


def test_exports_hold_what_is_seen(page: Page, lab: str, tmp_path: Path):
    page.goto(f"{lab}?method=saliency")
    mapped(page, "saliency")
    files = {name: exported(page, name, tmp_path) for name in ("PNG", "SVG", "CSV", "Record")}
    kept = pl.Attribution.from_record(files["Record"])
    assert files["PNG"].read_bytes().startswith(b"\x89PNG")
    drawn = ET.parse(files["SVG"]).getroot()
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "saliency" in texts
    assert any(kept.unit in text for text in texts)
    head, *rows = files["CSV"].read_text().splitlines()
    assert head == "picture,method,target,unit,row,column,score"
    assert len(rows) == 224 * 224
    assert float(rows[224 * 5 + 7].split(",")[-1]) == float(kept.map()[0, 5, 7])
    model = pl.load("imagenet")
    again = pl.explain(model, "observation:0", method="saliency")
    torch.testing.assert_close(kept.map(), again.map(), rtol=1e-3, atol=1e-5)


def test_an_exported_page_opens_by_itself_with_the_network_off(page: Page, lab: str, tmp_path: Path, browser: Browser):
    page.goto(f"{lab}?method=saliency&method=grad_cam&threshold=0.2")
    mapped(page, "saliency")
    mapped(page, "grad cam")
    seen = pixels(cell(page, "saliency"))
    with unplugged(browser, exported(page, "HTML", tmp_path)) as saved:
        mapped(saved, "saliency")
        expect(saved.get_by_text(re.compile("^A saved copy"))).to_be_visible()
        assert pixels(cell(saved, "saliency")) == seen
        saved.get_by_label("Hide below").fill("0.6")
        expect(cell(saved, "saliency")).to_be_visible()
        saved.wait_for_timeout(200)
        assert pixels(cell(saved, "saliency")) != seen
        cell(saved, "saliency").locator("button.reader").focus()
        saved.keyboard.press("ArrowUp")
        expect(cell(saved, "saliency").locator(".reading")).to_contain_text("row 111, column 112: ")
        saved.keyboard.press("7")
        expect(cell(saved, "saliency")).to_have_attribute("data-phase", "absent")
        expect(saved.get_by_role("alert").first).to_contain_text("This saved page does not hold that")
        expect(saved.locator("figure")).to_contain_text("This saved page does not hold it as imagenet reads it.")
        expect(saved.locator("figcaption")).not_to_contain_text(" × ")
        saved.keyboard.press("0")
        expect(saved.locator("figcaption")).to_contain_text("224 × 224")


def test_six_baselines_at_once_with_their_gaps_and_where_they_disagree(page: Page, lab: str):
    page.goto(lab + VIEWS["baselines"])
    room = page.get_by_role("region", name=re.compile("^Baseline lab"))
    for baseline in ("black", "white", "mean", "blur", "uniform", "gaussian"):
        mapped(page, baseline)
    gaps = room.get_by_text(re.compile(r"^\s*the completeness gap is -?[\d.e-]+ of a change of "))
    expect(gaps).to_have_count(6)
    for gap in gaps.all():  # the share that is said here is the one that stands above it
        share = gap.inner_text().split()[-1]
        strip = gap.locator("xpath=ancestor::div[2]").locator(".trust")
        expect(strip.get_by_text("completeness gap").locator("xpath=following-sibling::dd")).to_have_text(share)
    for number in room.locator(".trust dd.whole").all():
        assert (number.bounding_box() or {"height": 99})["height"] < 25  # on one line
    expect(room.get_by_role("article", name="Disagreement")).to_contain_text("of 6 maps")


def test_superpixels_kept_or_removed_change_what_the_network_says(page: Page, lab: str, tmp_path: Path):
    page.goto(lab + VIEWS["superpixels"])
    mapped(page, "lime")
    room = page.get_by_role("region", name=re.compile("^Superpixels"))
    expect(room.get_by_role("img", name=re.compile("^What the network is shown: only the 5"))).to_be_visible()
    change = room.locator(".change")
    expect(change).to_have_text(re.compile(r"%.*→.*%"))
    kept = change.inner_text()
    room.get_by_role("button", name="Remove").click()
    expect(room.get_by_role("img", name=re.compile("^What the network is shown: all but the 5"))).to_be_visible()
    expect(change).not_to_have_text(kept)
    a = pl.explain(pl.load("imagenet"), "observation:0", method="lime", samples=50)
    strongest = int(a.segment_weights[0].abs().argmax())
    row = room.get_by_role("button", name=re.compile(f"^1. superpixel {strongest}, removed"))
    mark = room.locator("canvas[data-superpixel]")
    expect(mark).to_have_count(0)
    row.hover()
    expect(mark).to_have_attribute("data-superpixel", str(strongest))
    painted = mark.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 3)"
    )
    assert [one > 0 for one in painted] == (a.segments[0] == strongest).flatten().tolist()
    box = room.get_by_role("group", name="Superpixels by weight").bounding_box() or {"height": 0}
    tall = (room.locator(".scroll li").first.bounding_box() or {"height": 1})["height"]
    assert box["height"] / tall == pytest.approx(round(box["height"] / tall), abs=0.02)  # no row is cut
    texts = [
        one.text or "" for one in ET.parse(exported(page, "SVG", tmp_path)).getroot().iter("{http://www.w3.org/2000/svg}text")
    ]
    assert change.inner_text() in texts
    assert any(text.startswith(f"1. superpixel {strongest}, removed: ") for text in texts)
    rows = list(csv.reader(exported(page, "CSV", tmp_path).read_text().splitlines()))
    told = {(row[1], row[2]): row[6] for row in rows}
    label = change.inner_text().split(":")[0]
    assert float(told[f"weight of superpixel {strongest}", label]) == pytest.approx(
        float(a.segment_weights[0][strongest]), rel=1e-4
    )
    assert (
        0 < float(told["shown all but the 5 strongest superpixels", label]) < float(told["shown the whole picture", label]) < 1
    )


def test_a_link_to_a_class_that_the_network_has_not_says_so(page: Page, lab: str):
    page.goto(f"{lab}?target=99999&method=edges")
    question = page.get_by_role("heading", level=2)
    expect(question).to_have_text("What in the picture speaks for class 99999, which imagenet does not have?")
    expect(cell(page, "edges")).to_contain_text("no class 99999; the network has 1000, from 0")
    page.goto(f"{lab}?target=967&against=99999&method=edges")
    expect(question).to_have_text("Why espresso rather than class 99999, which imagenet does not have?")


def test_ones_own_picture_and_what_is_none(page: Page, lab: str, tmp_path: Path):
    page.goto(lab)
    mapped(page, "grad cam")
    broken = tmp_path / "notes.png"
    broken.write_text("no picture at all")
    page.get_by_label("Your own pictures").set_input_files(broken)
    expect(page.get_by_text(re.compile("^notes.png could not be taken: "))).to_be_visible()
    page.get_by_label("Your own pictures").set_input_files(ROOT / "src/pellucid/data/images/other_goldfish.jpg")
    expect(page.get_by_role("button", name="Yours: other_goldfish.jpg")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("heading", level=2)).to_contain_text("goldfish")
    mapped(page, "grad cam")
    page.reload()
    expect(page.get_by_role("heading", level=2)).to_contain_text("goldfish")
    mine = page.get_by_role("button", name="Yours: other_goldfish.jpg")
    expect(mine).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("3")
    expect(page.get_by_role("button", name=re.compile("^Picture 3"))).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(mine).to_have_attribute("aria-pressed", "false")  # still here, though no link names it
    mine.click()
    expect(mine).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Remove other_goldfish.jpg").click()
    expect(mine).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Picture 0"))).to_have_attribute("aria-pressed", "true")
    page.reload()
    mapped(page, "grad cam")
    expect(mine).to_have_count(0)


def test_what_the_network_says_comes_without_moving_anything(page: Page, lab: str):
    """Where it will stand, a place of the same height is kept."""
    waiting: list[Route] = []
    page.route("**/api/predict", lambda route: waiting.append(route))
    page.goto(lab)
    place = page.get_by_role("region", name="Predictions")
    expect(place.get_by_text("Predictions are being computed")).to_be_visible()
    mapped(page, "grad cam")
    before = place.bounding_box()
    for route in waiting:
        route.continue_()
    expect(place.get_by_role("button", name=re.compile("^Explain "))).to_have_count(5)
    assert place.bounding_box() == before


def test_a_notice_moves_nothing(page: Page, lab: str):
    page.goto(lab)
    mapped(page, "grad cam")
    before = page.get_by_role("main").bounding_box()
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_text(re.compile("^The link to exactly this view is"))).to_be_visible()
    assert page.get_by_role("main").bounding_box() == before
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text(re.compile("^The link to exactly this view is"))).to_have_count(0)


def test_failures_have_a_face_and_a_way_on(page: Page, lab: str):
    page.route("**/api/catalog", lambda route: route.abort())
    page.goto(lab)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Is `pellucid lab` still running?")
    page.unroute("**/api/catalog")
    page.get_by_role("button", name="Ask again").click()
    mapped(page, "grad cam")
    page.goto(f'{lab}?method=smoothgrad:{{"samples":1}}')
    expect(cell(page, "smoothgrad")).to_have_attribute("data-phase", "failed")
    expect(cell(page, "smoothgrad").get_by_role("alert")).to_contain_text("samples")
    page.goto(f"{lab}?mode=sideways")
    expect(page.get_by_text(re.compile("^This link holds what the lab cannot read.*mode=sideways"))).to_be_visible()


def test_a_single_maps_title_is_whole_and_its_picture_in_sight(page: Page, lab: str):
    inside = (
        "button => { const [b, u] = [button, button.closest('ul')].map(e => e.getBoundingClientRect());"
        " return u.left <= b.left && b.right <= u.right }"
    )
    page.goto(f"{lab}?method=integrated_gradients&image=observation:9")
    title = cell(page, "integrated gradients").get_by_role("heading", level=3)
    expect(cell(page, "integrated gradients")).to_have_attribute("data-phase", "done")
    assert title.evaluate("h => h.scrollWidth <= h.clientWidth")
    page.set_viewport_size(PHONE)
    page.reload()
    ninth = page.get_by_role("button", name=re.compile("^Picture 9"))
    expect(ninth).to_have_attribute("aria-pressed", "true")
    assert ninth.evaluate(inside)
    page.keyboard.press("0")
    expect(page.get_by_role("button", name=re.compile("^Picture 0"))).to_have_attribute("aria-pressed", "true")
    assert page.get_by_role("button", name=re.compile("^Picture 0")).evaluate(inside)


def test_what_an_interruption_kept_from_the_network_is_asked_again(page: Page, lab: str):
    page.goto(f"{lab}?method=saliency&image=observation:3")
    mapped(page, "saliency")
    page.context.set_offline(True)
    page.get_by_role("button", name=re.compile("^Picture 5")).click()
    predictions = page.get_by_role("region", name="Predictions")
    expect(predictions.get_by_role("alert")).to_contain_text("The server does not answer.")
    expect(predictions.get_by_role("button", name="Ask again")).to_be_visible()
    expect(cell(page, "saliency")).to_have_attribute("data-phase", "waiting")
    page.context.set_offline(False)  # nobody has to do anything
    expect(predictions.get_by_role("alert")).to_have_count(0)
    expect(predictions.get_by_role("button", name=re.compile("^Explain "))).to_have_count(5)
    mapped(page, "saliency")
    page.route("**/api/predict", lambda route: route.abort())
    page.route("**/api/pictures/**", lambda route: route.abort())
    page.get_by_role("button", name=re.compile("^Picture 4")).click()
    expect(predictions.get_by_role("alert")).to_be_visible()
    expect(page.locator("figure").get_by_role("status")).to_have_text("The picture did not load.")
    page.unroute("**/api/predict")
    page.unroute("**/api/pictures/**")
    predictions.get_by_role("button", name="Ask again").click()
    expect(predictions.get_by_role("button", name=re.compile("^Explain "))).to_have_count(5)
    expect(page.get_by_role("img", name=re.compile("^The picture as the network reads it: "))).to_be_visible()


def test_options_of_a_method_come_from_its_schema_and_are_checked_before_they_are_asked(page: Page, lab: str):
    page.goto(f"{lab}?method=integrated_gradients")
    cell(page, "integrated gradients").get_by_role("button", name="Options of integrated gradients").click()
    form = page.get_by_role("region", name="Options of integrated gradients")
    for option in pl.methods["integrated_gradients"].options.model_fields:
        expect(form.get_by_label(re.compile(rf"^\s*{option.replace('_', ' ')}\b")).first).to_be_visible()
    looks = form.locator(".form label").evaluate_all(
        "all => all.map(label => getComputedStyle(label))"
        ".map(({ fontSize, fontWeight, color }) => [fontSize, fontWeight, color].join())"
    )
    assert len(looks) == len(pl.methods["integrated_gradients"].options.model_fields)
    assert len(set(looks)) == 1  # a choice is named as a number is
    form.get_by_label(re.compile("^steps")).fill("0")
    expect(form.get_by_text("steps is at least 1, not 0")).to_be_visible()
    form.get_by_label(re.compile("^steps")).fill("3")
    form.get_by_label(re.compile("^steps")).press("Enter")
    expect(page).to_have_url(re.compile("steps%22:3"))
    form.get_by_role("button", name="course").click()
    expect(page.locator(".legend").first).to_have_attribute("aria-label", re.compile("smallest to largest score"))


def test_filters_fill_the_grid_and_one_has_a_dossier(page: Page, lab: str):
    page.goto(f'{lab}?view=filters&layer=_conv_stem&ascent=filters:{{"steps":5}}')
    tiles = page.locator(".grid .tile")
    expect(tiles).to_have_count(12)
    expect(tiles.first.get_by_role("img")).to_be_visible()
    tiles.nth(1).get_by_role("button").click()
    dossier = page.get_by_role("region", name="Filter 1 of _conv_stem")
    expect(dossier.get_by_role("img", name=re.compile("^Activation over steps. seed 0: "))).to_be_visible()
    expect(dossier.locator(".reading").first).to_contain_text("112 × 112, ")
    expect(dossier.get_by_text(re.compile("photograph"))).not_to_have_count(0)
    model = pl.load("imagenet")
    peak = float(pl.filter_maps(model, model.read("observation:0"), "_conv_stem", 1).activations.max())
    assert f"to {peak:.2f}"[:6] in dossier.locator(".reading").first.inner_text()
    table = dossier.get_by_role("table")
    shown = [float(one) for one in table.locator("td").all_inner_texts() if re.match(r"-?\d", one)]
    images = model.read([f"observation:{n}" for n in range(10)])
    maps = pl.filter_maps(model, images, "_conv_stem", 1)
    assert shown[2:] == [pytest.approx(float(of.max()), rel=0.01) for of in (maps.mean, maps.peak)]
    said = dossier.get_by_text(re.compile("^By its map's mean, which ascent raised, ")).inner_text()
    assert ("a photograph excites it more than the made picture" in said) == (shown[0] < shown[2])
    assert ("At its strongest place, a photograph excites it more" in said) == (shown[1] < shown[3])
    expect(tiles.nth(1)).to_contain_text(f"map's mean {table.locator('td').nth(1).inner_text()}")
    expect(dossier.locator(".legend")).to_contain_text("lie beyond")
    dossier.get_by_role("slider", name="Seeds").fill("2")
    expect(dossier.locator(".seeds .tile")).to_have_count(2)
    expect(dossier.locator(".seeds .tile").nth(1).get_by_role("img")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^_conv_stem ")).locator("canvas")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^_fc ")).locator("canvas")).to_have_count(0)  # it has no places
    page.get_by_label("Go to filter").fill("500")
    page.get_by_label("Go to filter").press("Enter")
    expect(page.get_by_text("No filter 500: they are 0 to 31.")).to_be_visible()
    page.get_by_label("Go to filter").fill("13")
    page.get_by_label("Go to filter").press("Enter")
    expect(page.get_by_role("region", name="Filter 13 of _conv_stem")).to_be_visible()
    expect(page.get_by_text("No filter 500")).to_have_count(0)
    page.get_by_label("Find a layer").fill("head")
    page.get_by_role("button", name=re.compile("^_conv_head Conv")).click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("_conv_head")


def test_an_ascent_is_cancelled_in_mid_stream_and_begun_again(page: Page, lab: str):
    page.goto(f'{lab}?view=filters&layer=_conv_stem&ascent=filters:{{"steps":10000}}')
    tiles = page.locator(".grid .tile")
    expect(tiles.first.get_by_role("img")).to_be_visible()
    expect(tiles.first).to_have_attribute("data-phase", "running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    for number in range(12):
        expect(tiles.nth(number)).to_have_attribute("data-phase", "cancelled")
    expect(tiles.first.get_by_role("img")).to_be_visible()  # as far as it came
    tiles.first.get_by_role("button", name="cancelled: again").click()
    expect(tiles.first).to_have_attribute("data-phase", "running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(tiles.first).to_have_attribute("data-phase", "cancelled")


def test_a_closed_page_leaves_the_lab_to_the_next_one(page: Page, lab: str):
    def going() -> list[int]:
        jobs = page.request.get(f"{lab}api/jobs").json()["jobs"]
        return [job["body"]["filters"][0] for job in reversed(jobs) if job["state"] in ("queued", "running")]

    page.goto(f'{lab}?view=filters&layer=_conv_stem&ascent=filters:{{"steps":10000}}')
    expect(page.locator(".grid .tile").nth(11)).to_have_attribute("data-phase", "queued")
    assert going() == list(range(12))  # as the page shows them
    page.goto("about:blank")
    for _ in range(100):
        if not going():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{len(going())} jobs of a page that is gone go on")


def test_filters_come_back_from_a_link_and_out_of_the_lab(page: Page, lab: str, tmp_path: Path, browser: Browser):
    def curve(on: Page) -> str:
        return on.get_by_role("img", name=re.compile("^Activation over steps. seed 0: ")).get_attribute("aria-label") or ""

    def there(on: Page) -> None:
        expect(on.locator(".tile[data-phase=done]")).to_have_count(13)  # a page of the grid, and the dossier's
        expect(on.locator(".reading").first).to_contain_text("112 × 112, ")

    page.goto(lab + VIEWS["filters"])
    there(page)
    before, address = curve(page), page.url
    page.reload()
    there(page)
    assert (curve(page), page.url) == (before, address)
    record = exported(page, "Record", tmp_path)
    assert pl.replay(record).reproduced
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    texts = [one.text for one in ET.parse(exported(page, "SVG", tmp_path)).getroot().iter("{http://www.w3.org/2000/svg}text")]
    assert "Filters of _conv_stem" in texts
    head, *rows = exported(page, "CSV", tmp_path).read_text().splitlines()
    assert head == "layer,picture,step,activation"
    ends = [float(row.split(",")[3]) for row in rows if row.startswith("_conv_stem,") and row.split(",")[2] == "5"]
    assert any(end == pytest.approx(float(pl.FilterImage.from_record(record).final_objective[0])) for end in ends)
    with unplugged(browser, exported(page, "HTML", tmp_path)) as saved:
        there(saved)
        assert curve(saved) == before
        expect(saved.locator("aside li canvas")).not_to_have_count(0)
        saved.get_by_role("button", name="filter 2, ").click()
        expect(saved.get_by_text("This saved page does not hold that").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(page: Page, lab: str, view: str, scheme: str):
    dressed(page, scheme)
    page.goto(lab + VIEWS[view])
    expect(page.locator("[data-phase=done]").first).to_be_visible()
    nothing_serious(page)


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, lab: str, view: str):
    page.set_viewport_size(PHONE)
    page.goto(lab + VIEWS[view])
    expect(page.locator("[data-phase=done]").first).to_be_visible()
    fits_a_phone(page)
