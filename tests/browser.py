"""A page in Debian's Chromium, which must not complain and ask nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextmanager
def tab_of(root: str, address: str, ready: str) -> Iterator[Any]:
    """Open a page with a camera that is made up, and check at the end what it said and asked.

    Args:
        root: What every address it asks begins with.
        address: The page's own.
        ready: A selector of what is there once it can be used.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *CAMERA])
        tab = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 900})
        complaints: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda one: complaints.append(one.text))
        tab.on("pageerror", lambda one: complaints.append(str(one)))
        tab.on("request", lambda one: asked.append(one.url))
        tab.goto(address)
        tab.wait_for_selector(ready)
        yield tab
        browser.close()
    assert complaints == []
    assert all(url.startswith((root, "data:", "blob:")) for url in asked)


def check_reach(tab: Any) -> None:
    """Ask axe what a screen reader would miss, in light and dark, and that nothing is cut."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for scheme, width in (("light", 1280), ("dark", 360)):
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 800})
        found = axe.Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
