"""Every tab of an instructor, in Chromium, after a whole class has answered."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import keyed
from tests.browser.classroom import PASSWORD, Classroom
from tests.browser.conftest import PATIENCE
from tests.browser.pages import PHONE, dressed, fits_a_phone, nothing_serious

expect.set_options(timeout=PATIENCE)
TABS = ("roster", "state", "key/peak", "regrade/peak", "items/peak", "exports")


@pytest.fixture(scope="module")
def class_of_forty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A course that is over: forty have answered, the better half of them against the key of `peak`, and a key was replaced."""
    room = Classroom(tmp_path_factory.mktemp("course") / "whole40", 40, keyed.document())
    hash, saving = keyed.assignment().hash, []
    for n, member in enumerate(m for m in room.course.members() if m.role == "student"):
        right = {"inside": n >= 10, "offset": n >= 16, "apart": n >= 22}  # the later in the list, the better
        chosen = {id: keyed.RIGHT[id] if good else ["c"] for id, good in right.items()}
        chosen["peak"] = ["b"] if n >= 14 else ["c"]
        saving += [room.course.saving(member.id, id, ids, f"{member.id}-{id}", 0, hash) for id, ids in chosen.items()]
    for one in saving:
        one.result()
    room.course.set_state("closed")
    room.course.regrade({"offset": {"disregard": ["d"]}}, "either", "option d was worded badly")
    room.start()
    yield room
    room.close()


def enter(page: Page, room: Classroom, place: str) -> None:
    """The instructor's page, and all of the tab that is there."""
    assert page.request.post(f"{room.address}api/course/sessions", data={"login": "ada", "password": PASSWORD}).ok
    page.goto(f"{room.address}?view=course&courseTab={place}")
    shown = {
        "roster": page.get_by_role("row").filter(has_text="Student 39"), "state": page.get_by_role("button", name="Change it…"),
        "key": page.get_by_role("article", name="Option d"), "regrade": page.get_by_role("button", name="Preview"),
        "items": page.get_by_role("table", name="Options of peak"), "exports": page.get_by_role("cell", name="regrade"),
    }  # fmt: skip
    expect(shown[place.partition("/")[0]].first).to_be_visible()


def test_every_tab_stands_still_is_free_of_serious_violations_and_fits_a_phone(page: Page, class_of_forty: Classroom):
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
        "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    for place in TABS:
        page.set_viewport_size({"width": 1280, "height": 720})
        enter(page, class_of_forty, place)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
        assert page.evaluate("window.shift") < 0.05, place
        for scheme in ("light", "dark"):
            dressed(page, scheme)
            expect(page.locator(f"html[data-theme={scheme}]")).to_have_count(1)
            nothing_serious(page)
        page.set_viewport_size(PHONE)
        fits_a_phone(page)
        nothing_serious(page)


def test_the_better_third_is_a_witness_against_the_key(page: Page, class_of_forty: Classroom):
    enter(page, class_of_forty, "items/peak")
    analysis = class_of_forty.course.items()
    assert ("peak", "b") in analysis.disagreements
    peak = next(one for one in analysis.questions if one.id == "peak")
    panel = page.get_by_role("tabpanel", name="Items")
    expect(panel.locator("p", has_text="The top third disagrees with the key").first).to_contain_text("2. peak: b")
    row = panel.get_by_role("row").filter(has_text="2. peak").first
    assert peak.item_rest is not None
    assert peak.item_rest_interval is not None
    low, high = peak.item_rest_interval
    expect(row).to_contain_text(f"{peak.item_rest:.2f} ({low:.2f} to {high:.2f})")
    expect(panel.get_by_text("too few")).to_have_count(0)
    expect(panel.locator("dl")).to_contain_text(f"{analysis.kr20:.2f}")
    table = panel.get_by_role("region", name="Item analysis")
    assert table.evaluate("wrap => wrap.scrollWidth <= wrap.clientWidth"), "every column is within 1280 px"
    panel.get_by_label("Order").select_option("flagged")
    expect(panel.get_by_role("region", name="Item analysis").get_by_role("row").nth(1)).to_contain_text("peak")
    panel.get_by_role("button", name="To its key").click()
    expect(page.get_by_role("tabpanel", name="Key")).to_contain_text("Which hold for peak?")


def test_tabs_and_questions_by_keyboard_and_by_link(page: Page, class_of_forty: Classroom):
    enter(page, class_of_forty, "key/peak")
    address = page.url
    page.get_by_role("tab", name="Key").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Regrade")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Regrade")).to_be_visible()
    page.keyboard.press("Home")
    expect(page.get_by_role("tab", name="Roster")).to_have_attribute("aria-selected", "true")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(address)
    expect(page.get_by_role("heading", name=re.compile("^2. peak"))).to_be_visible()


def test_who_reviews_a_key_sees_hints_and_all_languages(page: Page, class_of_forty: Classroom):
    enter(page, class_of_forty, "key/peak")
    panel = page.get_by_role("tabpanel", name="Key")
    for text in ("Which hold for peak?", "peak 的敘述何者正確？", "Look at the largest.", "請看最大的。"):
        expect(panel.get_by_text(text, exact=True)).to_be_visible()
    option = panel.get_by_role("article", name="Option b")
    expect(option.locator("[lang=zh-TW]")).to_have_text("peak 選項 b")
    expect(option.locator("[lang=en]").first).to_have_text("peak option b")


def test_a_student_gets_nothing_of_it(page: Page, class_of_forty: Classroom):
    class_of_forty.enter(page, class_of_forty.student(), "view=course&courseTab=key/peak")
    expect(page.get_by_role("heading", name=re.compile("Question 1 of 4"))).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(0)
    for path in ("members", "keys", "keys/1", "scores", "items", "audit", "exports/gradescope.csv", "exports/grades.json"):
        refused = page.request.get(f"{class_of_forty.address}api/course/{path}")
        assert (refused.status, "threshold" in refused.text()) == (403, False), path
