"""How soon a click in the lab shows a map, and whether the page stands still while it sharpens.

`python benchmarks/lab_first_map.py [METHOD...]` starts a lab of its own and Chromium, clicks from picture to picture, and
prints for each method: milliseconds from the click to the frame that shows the first partial map, the same until the end with
its evidence, and the longest time between two frames from the first map on. The model is loaded before the first click.
"""

import argparse
import json
import os
import re
from collections.abc import Sequence
from shutil import which
from typing import Any

from lab_running import running
from playwright.sync_api import Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or which("chromium-headless-shell") or "/usr/bin/chromium"
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --no-first-run"
METHODS = ("saliency", "grad_cam", "smoothgrad", "integrated_gradients", "lime", "occlusion")
PICTURES = (3, 6, 9)
PATIENCE = 300_000
WATCH = """() => {
    const seen = { start: performance.now(), first: null, end: null, longest: 0 };
    let before = null;
    const look = (now) => {
        const cell = document.querySelector("article.cell");
        const step = Number(cell?.dataset.step ?? 0);
        if (seen.first === null && step > 0) seen.first = performance.now() - seen.start;
        else if (seen.first !== null && before !== null) seen.longest = Math.max(seen.longest, now - before);
        before = now;
        if (cell?.dataset.phase === "done") seen.end = performance.now() - seen.start;
        else requestAnimationFrame(look);
    };
    window.seen = seen;
    // subtle: two frames on, so that the map of the picture before is gone
    requestAnimationFrame(() => requestAnimationFrame(look));
}"""


def clicked(page: Page, picture: int) -> dict[str, float]:
    """What a click on a picture of the strip brought, in milliseconds."""
    button = page.get_by_role("button", name=re.compile(f"^Picture {picture}"))
    button.evaluate(
        f"(button) => {{ const watch = {WATCH}; button.addEventListener('click', watch, {{ once: true, capture: true }}); }}"
    )
    button.click()
    page.wait_for_function(
        "() => window.seen && window.seen.end !== null"
    )  # subtle: a bare expression is against the page's policy
    return page.evaluate("window.seen")


def measured(page: Page, address: str, method: str, pictures: Sequence[int]) -> dict[str, Any]:
    page.goto(f"{address}?method={method}&image=observation:0")
    page.locator("article.cell[data-phase=done]").wait_for()
    found = [clicked(page, picture) for picture in pictures]
    return {key: [round(one[key]) for one in found] for key in ("first", "end", "longest")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=METHODS)
    methods = parser.parse_args().methods
    with running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(PATIENCE)
        print(json.dumps({method: measured(page, address, method, PICTURES) for method in methods}, indent=1))
        browser.close()


if __name__ == "__main__":
    main()
