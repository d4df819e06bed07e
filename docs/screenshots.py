"""Makes docs/images/lab-*.png: the rooms of the lab as a person finds them, each finished. Takes some minutes.

The page has to be built (cd frontend && npm ci && npm run build), and Chromium to be there (CHROMIUM names another place).
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or which("chromium-headless-shell") or "/usr/bin/chromium"
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
WIDE = 1280
PATIENCE = 600_000
"""Milliseconds: a dossier of filters takes minutes on a small machine."""
LARGEST = 250_000
"""Bytes of a picture."""
FLAT = 40
"""Of the most frequent colours, so many stay as they are."""
NEAR = 8
"""Steps of a channel within which there is no second colour beside one of these."""
GOING = ", ".join(f"[data-phase={phase}]" for phase in ("asking", "waiting", "queued", "running", "weighing"))
CORPUS = {"kind": "corpus", "name": "shipped", "model": "minilm", "shipped": True, "limit_characters": 150_000}


@dataclass(frozen=True)
class Room:
    name: str
    query: str
    ready: str
    """What is there once there is something to see; that nothing is going on is seen to besides."""
    schemes: tuple[str, ...] = ("light",)
    tall: int = 800


ROOMS = (
    Room("images", "?method=grad_cam&method=integrated_gradients", "[data-phase=done] .verdict", ("light", "dark"), 1060),
    Room("filters", "?view=filters&layer=_blocks.10._expand_conv&filter=3", ".grid [data-phase=done]"),
    Room("attention", "?view=attention", "[data-phase=done]"),
    Room("corpus", "?view=corpus&corpusName=shipped", "[data-answered=true]"),
    Room("layers", "?view=layers", "[data-phase=done]"),
    Room("words", "?view=words", "[data-phase=done]"),
)


def main() -> None:
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:]) or {room.name for room in ROOMS}
    with lab() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        for room in ROOMS:
            for scheme in room.schemes if room.name in wanted else ():
                path = folder / f"lab-{room.name}{'' if scheme == 'light' else f'-{scheme}'}.png"
                path.write_bytes(small(shot(browser, address, room, scheme)))
                print(f"wrote docs/images/{path.name}, {path.stat().st_size / 1000:.0f} kB")
        browser.close()


@contextmanager
def lab() -> Iterator[str]:
    """The address of a lab with an empty store."""
    command = [str(Path(sys.executable).with_name("pellucid")), "lab", "--no-browser", "--port", "0", "--queue", "100"]
    with (
        tempfile.TemporaryDirectory() as store,
        subprocess.Popen(
            [*command, "--store", store], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        ) as server,
    ):
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found, "the lab does not say where it is"
        yield found[0].rstrip("/")
        server.terminate()
        server.wait(20)


def shot(browser: Browser, address: str, room: Room, scheme: str) -> bytes:
    size: ViewportSize = {"width": WIDE, "height": room.tall}
    context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    if room.name == "corpus":
        build(page, address)
    page.goto(address + "/" + room.query)
    page.locator(room.ready).first.wait_for()
    page.wait_for_function("going => document.querySelector(going) === null", arg=GOING)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)  # what is drawn after the last answer
    picture = page.screenshot()
    context.close()
    return picture


def build(page: Page, address: str) -> None:
    """A corpus to search."""
    job = page.request.post(f"{address}/api/jobs", data=CORPUS).json()
    while (found := page.request.get(address + job["url"]).json())["state"] in ("queued", "running"):
        time.sleep(1)
    assert found["state"] == "done", found["error"]


def small(picture: bytes) -> bytes:
    """In a palette: the flat colours of the page as they are; photographs by dithering or, if that is too much, without."""
    with Image.open(BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    colours: Any = image.getcolors(image.width * image.height)
    found = image.quantize(256 - FLAT).getpalette() or []
    kept: list[tuple[int, ...]] = []
    flat = [colour for _, colour in sorted(colours, reverse=True)[:FLAT]]
    for one in [*flat, *(tuple(found[at : at + 3]) for at in range(0, len(found), 3))]:
        # subtle: Pillow takes the nearest colour of the palette only nearly, so that white would become almost white
        if all(max(abs(a - b) for a, b in zip(one, other, strict=True)) > NEAR for other in kept[:FLAT]):
            kept.append(one)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in kept for part in colour])
    made = BytesIO()
    for dither in (Image.Dither.FLOYDSTEINBERG, Image.Dither.NONE):
        made = BytesIO()
        image.quantize(palette=palette, dither=dither).save(made, "PNG", optimize=True)
        if made.tell() <= LARGEST:
            break
    return made.getvalue()


if __name__ == "__main__":
    main()
