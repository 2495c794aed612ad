"""Take the pictures of docs/tour.md from a demo that runs its story: ``python docs/make_tour.py [FOLDER]``, some six minutes.

Each picture is of the page that the tour itself leads to, taken when its chapter has come true. It prints after how many seconds that was.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from playwright.sync_api import Page

from tests.dashboard.browser import chromium, visitor
from tests.dashboard.demo_stage import demo

PICTURES = {
    "runs": ("", "[data-unit] .state"),
    "alarm": ("/equipment", "[data-trend][data-drawn]"),
    "picture": ("/welds", "#welds-list td"),
    "chart": ("/charts", "[data-control-chart][data-drawn] svg"),
    "loss": ("/losses", ".waterfall .fall"),
    "proposed": ("/tuning", "#tuning-list td button"),
    "executed": ("/deliveries", "#delivery-shown h2, #delivery-shown h3"),
    "gain": ("/tour", ".tour-figures"),
}
"""By chapter: how the address of the page begins, of those that the chapter leads to, and what it shows when it is drawn."""
_BROUGHT_UP = {"alarm": "[data-trend]", "chart": "[data-control-chart]", "loss": ".waterfall", "executed": "#delivery-shown"}
"""What of a long page is to be seen, by chapter."""
_SHOWN = {"picture": "#welds-list tr:has-text('Not OK') [data-open]"}
"""What is clicked first, by chapter."""
_LONGEST_MS = 480_000
_SETTLES_MS = 2_500
_WIDTH, _HEIGHT = 1440, 900
_MOST_BYTES = 150_000


def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="leadhand-tour-") as home, chromium() as browser, demo(browser, Path(home)) as found:
        address = found.address
        with visitor(browser, address, found.session, width=_WIDTH, height=_HEIGHT) as (page, _):
            for number, (chapter, (begins, content)) in enumerate(PICTURES.items(), 1):
                page.goto(f"{address}/tour", wait_until="domcontentloaded")
                page.locator(f"[data-chapter={chapter}][data-seen='1']").wait_for(timeout=_LONGEST_MS)
                print(f"{time.monotonic() - begun:6.1f} s  {chapter}", flush=True)  # noqa: T201 - what this script is for
                _go(page, address, chapter, begins)
                page.locator(content).first.wait_for()
                if chapter in _SHOWN:
                    page.locator(_SHOWN[chapter]).last.dispatch_event("click")  # the list is drawn again all the time
                if chapter in _BROUGHT_UP:
                    page.locator(_BROUGHT_UP[chapter]).first.evaluate(
                        "each => each.scrollIntoView({block: each.offsetHeight < 700 ? 'center' : 'start'})"
                    )
                page.wait_for_timeout(_SETTLES_MS)
                _take(page, folder / f"tour-{number}-{chapter}.png", whole=chapter == "gain")


def _go(page: Page, address: str, chapter: str, begins: str) -> None:
    """Go where the chapter leads."""
    if begins == "/tour":
        return
    hrefs = [each.get_attribute("href") or "" for each in page.locator(f"[data-chapter={chapter}] a").all()]
    page.goto(address + next(href for href in hrefs if (href.startswith(begins) if begins else href == "/")), wait_until="domcontentloaded")


def _take(page: Page, file: Path, *, whole: bool) -> None:
    """Keep a picture in as few shades as its size asks for: pages have few, photographs in them more."""
    taken = np.asarray(cv2.imdecode(np.frombuffer(page.screenshot(full_page=whole), np.uint8), cv2.IMREAD_COLOR), np.uint8)
    for step in (8, 16, 32):
        cv2.imwrite(str(file), taken // step * step + (step - 1), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if file.stat().st_size <= _MOST_BYTES:
            break
    print(f"{'':9} {file.name}: {file.stat().st_size / 1000:.0f} kB in steps of {step}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "screenshots")
