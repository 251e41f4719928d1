"""Take the pictures of docs/studio.md: python docs/figures/studio.py [DEMO].

The studio shows the run of the folder that `make demo` writes, in Debian's Chromium by Playwright;
each picture is docs/figures/studio-PAGE.webp.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 800
QUALITY = 78


def network(tab: Any, demo: Path) -> None:
    """Show what the third layer makes of a test picture, in 8 bits too, and what it sees."""
    names = (demo / "digits" / "ImageSets" / "Main" / "test.txt").read_text().split()
    tab.locator("#file").set_input_files(demo / "digits" / "JPEGImages" / f"{names[1]}.png")
    tab.wait_for_selector("#drawn figure:nth-of-type(3)", state="attached", timeout=120_000)
    tab.wait_for_selector("#graph .loss", timeout=120_000)
    tab.locator("#graph g >> nth=5").click()
    tab.wait_for_selector("#field[src]", timeout=60_000)
    tab.locator("#field").click(position={"x": 200, "y": 180})
    tab.wait_for_timeout(3000)
    tab.evaluate("scrollTo(0, 0)")


def picture(tab: Any, demo: Path) -> None:
    """Show what every stage answers."""
    go(tab, "picture")
    tab.wait_for_selector("#drawn figure:nth-of-type(3)", timeout=120_000)
    tab.wait_for_timeout(3000)
    tab.evaluate("scrollTo(0, 0)")


def errors(tab: Any, demo: Path) -> None:
    """Compare torch with 8 bits."""
    go(tab, "errors")
    tab.locator("#second").select_option(index=3)
    tab.locator("#compare").click()
    tab.wait_for_selector("#points tbody tr:nth-child(2)", timeout=300_000)
    tab.wait_for_selector("#pairs article:nth-of-type(2) figure:nth-of-type(3) img", timeout=60_000)
    tab.locator("#errors").scroll_into_view_if_needed()


def data(tab: Any, demo: Path) -> None:
    """Show the map of the pictures by a late layer."""
    go(tab, "data")
    tab.locator("#survey").click()
    tab.wait_for_selector("#misfits figure img", timeout=300_000)
    tab.locator("#embed").click()
    tab.wait_for_selector("#map .mark", timeout=300_000)
    tab.locator("#map svg.scatter").focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("#map .seen img")
    tab.locator("#variations").evaluate("one => one.previousElementSibling.scrollIntoView()")


def lessons(tab: Any, demo: Path) -> None:
    """Show a convolution of a drawn 7."""
    go(tab, "lessons")
    tab.wait_for_selector("#out")
    tab.locator("#step").fill("19")


SHOWN: tuple[Callable[[Any, Path], None], ...] = (network, picture, errors, data, lessons)


def go(tab: Any, page: str) -> None:
    """Open a page of the studio."""
    tab.locator(f"nav a[data-page={page}]").click()
    tab.wait_for_selector(f"#{page}:not([hidden])")


def draw(demo: Path) -> None:
    """Take all pictures.

    Args:
        demo: The folder that `make demo` wrote.
    """
    command = [sys.executable, "-m", "tatami", "studio", demo / "run"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with sync_playwright() as started:
        studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert studio.stdout is not None
        browser = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        try:
            size = {"width": WIDTH, "height": HEIGHT}
            tab = browser.new_page(locale="en-US", viewport=size, color_scheme="light")
            tab.goto(studio.stdout.readline().strip())
            tab.wait_for_selector("#graph g")
            for show in SHOWN:
                show(tab, demo)
                taken = Image.open(io.BytesIO(tab.screenshot()))
                output = FOLDER / f"studio-{show.__name__}.webp"
                taken.convert("RGB").save(output, quality=QUALITY, method=6)
        finally:
            browser.close()
            studio.terminate()


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
