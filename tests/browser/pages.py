"""What the tests of every room do with a page: take its exports along, open them unplugged, ask axe, hold it as a phone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.browser.conftest import PATIENCE, ROOT

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
PHONE: ViewportSize = {"width": 390, "height": 844}
_answers: dict[tuple[str, str | None], dict[str, Any]] = {}


def exported(page: Page, kind: str, folder: Path) -> Path:
    """The file that the menu gives for PNG, SVG, CSV, HTML or the first Record."""
    page.get_by_role("button", name="Export").click()
    menu = page.get_by_role("group", name="Export")
    item = menu.get_by_text(kind, exact=True).first
    stays = item.evaluate("item => item.closest('a') !== null")  # a link leaves the menu open
    with page.expect_download() as download:
        item.click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    if stays:
        page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    return file


@contextmanager
def unplugged(browser: Browser, file: Path) -> Iterator[Page]:
    """An exported page, opened with the network off. Afterwards: it asked for nothing but itself, and complained of nothing."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(("data:", "blob:")) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(file.as_uri())
    yield page
    context.close()
    assert asked == [file.as_uri()]
    assert not complaints


def dressed(page: Page, scheme: str) -> None:
    """Light or dark, and without movement."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")


def asked_once(page: Page, path: str) -> None:
    """What the server said to such a question is kept: another look at the same view need not compute it again."""

    def answer(route: Route) -> None:
        asked = route.request.url, route.request.post_data
        if asked not in _answers:
            said = route.fetch(timeout=PATIENCE)
            _answers[asked] = {"status": said.status, "content_type": said.headers["content-type"], "body": said.body()}
        route.fulfill(**_answers[asked])

    page.route(path, answer)


def nothing_serious(page: Page) -> None:
    """axe finds no serious violation, and headings are in order: a reader of the screen goes by them."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        {"rule": v["id"], "where": [n["target"] for n in v["nodes"]], "why": v["nodes"][0]["failureSummary"]}
        for v in found["violations"]
        if v["impact"] in ("serious", "critical") or v["id"] == "heading-order"
    ]
    assert not serious, json.dumps(serious, indent=1)


def uncut(found: Locator) -> None:
    """Every one of these shows all of its text."""
    assert found.count() > 0
    cut = found.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)")
    assert not cut


def fits_a_phone(page: Page) -> None:
    """Nothing makes the page wider than a phone, which it is shown on."""
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
