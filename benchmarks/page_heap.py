"""Whether a page that is left open all day grows: its JavaScript heap after forced collections, live at 1 Hz, and over 50 navigations.

    python -m benchmarks.page_heap [--minutes 60] [--navigations 50] [--seed 1]

A small factory is written live on a real database before the real dashboard process. In Chromium stand, at once and each in a page of its
own, the overview, a work unit with live trends, the alarms and the andon board; the heap is read after three collections, first when the
live trends are full, then each minute. Before that 50 navigations through all pages in one tab: heap, nodes and listeners.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

import numpy as np
from playwright.sync_api import CDPSession, Page

from benchmarks.browsing import unheard
from benchmarks.promises import Promises
from benchmarks.small_plant import ROBOT, small_plant
from dashboard.navigation import ENTRIES
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.stage import dashboard_before

GROWTH_MB = 10.0
_HISTORY_SECONDS = 300
_WATCHED = ("/", ROBOT, "/alarms", "/andon")
_WARM_SECONDS = 150.0
"""The live trend holds two minutes: before that it only fills."""


def heap_mb(page: Page, cdp: CDPSession) -> tuple[float, int, int]:
    """Return MB used, nodes and listeners of a page, after collections."""
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(200)
    used = cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    counters = cdp.send("Memory.getDOMCounters")
    return used, int(counters["nodes"]), int(counters["jsEventListeners"])


def stand(address: str, session: str, minutes: float, promises: Promises) -> None:
    """Leave pages open and see how much they grow."""
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium())
        open_pages = []
        for path in _WATCHED:
            page, watch = stack.enter_context(visitor(browser, address, session))
            unheard(watch)
            page.goto(address + path)
            open_pages.append((path, page, page.context.new_cdp_session(page)))
        time.sleep(min(_WARM_SECONDS, 60 * minutes))
        first = {path: heap_mb(page, cdp) for path, page, cdp in open_pages}
        began, between = time.monotonic(), {path: [first[path][0]] for path in _WATCHED}
        while time.monotonic() - began < 60 * minutes:
            open_pages[0][1].wait_for_timeout(min(60_000, 15_000 * minutes))
            for path, page, cdp in open_pages:
                between[path].append(heap_mb(page, cdp)[0])
        for path, page, cdp in open_pages:
            used, nodes, listeners = heap_mb(page, cdp)
            moved = (
                f"{first[path][0]:.1f} -> {used:.1f} MB, nodes {first[path][1]:,} -> {nodes:,}, listeners {first[path][2]} -> {listeners}"
            )
            slope = np.polyfit(np.arange(len(between[path])), between[path], 1)[0] * len(between[path])
            print(f"    {path}: {moved}; a line through {len(between[path])} looks rises {slope:+.2f} MB")
            promises.most(f"{path} after {minutes:g} min at 1 Hz, growth", used - first[path][0], GROWTH_MB, "MB")


def navigate(address: str, session: str, times: int, promises: Promises) -> None:
    """Go from page to page in one tab, as a person does, and see what is left behind."""
    with chromium() as browser, visitor(browser, address, session) as (page, watch):
        unheard(watch)
        cdp = page.context.new_cdp_session(page)
        page.goto(address + "/")
        paths = [path for path in ENTRIES if path != "/andon" and _stays(page, address, path)]  # what it loads for good is loaded then
        before = _at_home(page, cdp)
        for number in range(times):
            _go(page, paths[number % len(paths)])
        after = _at_home(page, cdp)
        moved = ", ".join(f"{name} {a:,.1f} -> {b:,.1f}" for name, a, b in zip(("MB", "nodes", "listeners"), before, after, strict=True))
        print(f"    {times} navigations over {len(paths)} pages: {moved}")
        promises.most(f"{times} navigations, growth of the heap", after[0] - before[0], GROWTH_MB, "MB")
        promises.most(f"{times} navigations, nodes more than before", after[1] - before[1], max(500, 0.2 * before[1]), "nodes")
        promises.most(f"{times} navigations, listeners more than before", after[2] - before[2], max(50, 0.2 * before[2]), "listeners")


def _go(page: Page, path: str) -> None:
    page.locator("#nav").evaluate("(nav, path) => nav.querySelector(`a[href='${path}']`).click()", path)
    page.wait_for_timeout(700)


def _stays(page: Page, address: str, path: str) -> bool:
    """Go to a page and return whether it was drawn in place; pages with forms are loaded whole, and leave nothing behind."""
    page.evaluate("() => { window.leadhandStayed = true; }")
    _go(page, path)
    page.locator("#page h1").wait_for()
    stays = bool(page.evaluate("() => window.leadhandStayed === true"))
    if not stays:
        page.goto(address + "/")
    return stays


def _at_home(page: Page, cdp: CDPSession) -> tuple[float, int, int]:
    _go(page, "/")
    page.wait_for_timeout(1500)
    return heap_mb(page, cdp)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--navigations", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    promises = Promises(options.seed)
    with small_plant(_HISTORY_SECONDS) as stage, dashboard_before(stage) as address:
        session = stage.session("admin")
        navigate(address, session, options.navigations, promises)
        stand(address, session, options.minutes, promises)
    return promises.end()


if __name__ == "__main__":
    sys.exit(main())
