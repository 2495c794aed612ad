"""How long a page takes in Chromium until it shows what it is for, told by the page itself: no time of the driver is in it."""

from __future__ import annotations

import json
import time

from playwright.sync_api import Error, Page

from tests.dashboard.browser import Watch

_LOOK = """
(() => {
  const selector = %s;
  window.leadhandShown = null;
  const look = () => {
    const page = document.querySelector(selector), loading = document.querySelector("#page > .loading");
    if (page && !loading && document.fonts.status === "loaded") window.leadhandShown = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""
CONTENT = "#page h1, #board-name"
"""What every page has once it shows content."""


class _Unheard(list[str]):
    def append(self, _said: str) -> None:
        """Keep nothing."""


def unheard(watch: Watch) -> None:
    """Have what goes wrong on a page not end the benchmark: other tests tell of it."""
    watch.found = _Unheard()


def watch_for(page: Page, selector: str) -> None:
    """Have each document that the page opens from now on note when it shows the selector; the first one asked for counts."""
    page.add_init_script(_LOOK % json.dumps(selector))


def open_ms(page: Page, url: str, *, seconds: float = 60) -> float:
    """Open an address and return the milliseconds from the navigation's begin until it showed what ``watch_for`` named."""
    page.goto(url, wait_until="commit")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            shown = page.evaluate("() => window.leadhandShown")
        except Error:  # the document has just changed
            shown = None
        if shown is not None:
            return float(shown)
        page.wait_for_timeout(20)
    raise AssertionError(f"{url} shows nothing after {seconds:.0f} s")
