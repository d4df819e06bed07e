"""The report's wide figures fit the page's column, and open in full by a link."""

import numpy as np
from playwright.sync_api import Browser

from pellucid.render.figures import png_bytes
from pellucid.render.heads import Panel, head_grids
from pellucid.render.page import Picture, Report, Section, page


def test_a_wide_figure_is_scaled_to_its_column_and_can_be_enlarged(browser: Browser, tmp_path) -> None:
    panels = [Panel(name, np.full((2, 12), 0.5), "bits") for name in ("entropy", "distance")]
    picture = Picture(png_bytes(head_grids(panels, [1, 2], range(12))), "Two grids")
    path = tmp_path / "report.html"
    path.write_text(page(Report("Text", (), (Section("heads", "Heads", blocks=(picture,)),))), encoding="utf-8")
    window = browser.new_page(viewport={"width": 1280, "height": 800})
    window.goto(path.as_uri())
    image = window.get_by_alt_text("Two grids")
    frame = "e => { const f = e.closest('.picture > div'); return f.scrollWidth - f.clientWidth }"
    assert image.evaluate("e => e.naturalWidth > e.clientWidth")
    assert image.evaluate(frame) == 0
    image.click()
    assert image.evaluate("e => e.naturalWidth === e.clientWidth")
    window.get_by_text("Close").click()
    assert image.evaluate(frame) == 0
    window.close()
