"""The lab as a person meets it: `pellucid lab` in a process of its own, and Chromium."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or which("chromium-headless-shell") or "/usr/bin/chromium"
"""Debian's. The shell draws the same pages without a browser's own windows, for a third of the price of each."""
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
PATIENCE = 120_000
"""Milliseconds for an answer: a machine with other work is slow, and none of these tests is about speed."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a lab with an empty store."""
    built = ROOT / "src/pellucid/server/static/index.html"
    assert built.is_file(), "the front end is not built; run: cd frontend && npm ci && npm run build"
    command = [str(Path(sys.executable).with_name("pellucid")), "lab", "--no-browser", "--port", "0", "--queue", "100"]
    store = tmp_path_factory.mktemp("lab")
    with subprocess.Popen(
        [*command, "--store", str(store)], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, f"the lab said {said!r} instead of where it is"
        yield found[0].replace("localhost", "127.0.0.1")
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of 1280 x 720. Afterwards: nothing was thrown, nothing was against the Content-Security-Policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "Content Security" in m.text else None)
    yield opened
    opened.unroute_all(behavior="wait")  # a question that a test left unanswered would otherwise fail the next one
    context.close()
    assert not complaints
