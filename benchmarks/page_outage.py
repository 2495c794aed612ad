"""Whether every page comes back by itself when the server was away: 10 minutes dead, nobody touches a key.

    python -m benchmarks.page_outage [--seconds 600] [--only / /andon ...] [--seed 1]

A small factory is written live on a real database. Every page of the navigation, the board included, stands in Chromium in a profile of its
own; the real dashboard process is killed (SIGKILL) and started again at the same address after ``--seconds``. Measured for each page:
whether it said that the connection is lost, and how long after the server was ready it showed content with the new server's clock again.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

import psutil
from playwright.sync_api import Error, Page

from benchmarks.browsing import CONTENT, open_ms, unheard, watch_for
from benchmarks.promises import Promises, spread
from benchmarks.small_plant import ROBOT, small_plant
from dashboard.navigation import ENTRIES
from protocols.ports import free_port
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.stage import Stage, dashboard_before

LIMIT_SECONDS = 30.0
_LOST = """() => document.documentElement.classList.contains("stream-lost")
    || (document.querySelector("#board-lost") !== null && !document.querySelector("#board-lost").hidden)"""
_BACK = f"""(since) => window.leadhand && window.leadhand.serverMs > since && document.querySelector("{CONTENT}") !== null
    && !({_LOST})() && document.querySelector("#page > .loading") === null"""


def says(page: Page, expression: str, argument: float | None = None) -> bool:
    """Return what a page answers; False while it cannot."""
    try:
        return bool(page.evaluate(expression, argument))
    except Error:
        return False


def kill(port: int) -> None:
    """End the dashboard at a port at once, as a power cut does."""
    (server,) = (child for child in psutil.Process().children() if child.cmdline()[-2:] == ["--port", str(port)])
    server.kill()


def measure(stage: Stage, seconds: float, paths: list[str], promises: Promises) -> None:
    """Open all pages, take the server away, bring it back, and look at each page until it is back."""
    port, session = free_port(), stage.session("admin")
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium())
        pages: dict[str, Page] = {}
        with dashboard_before(stage, port) as address:
            for path in paths:
                page, watch = stack.enter_context(visitor(browser, address, session))
                unheard(watch)
                watch_for(page, CONTENT)
                open_ms(page, address + path, seconds=180)
                pages[path] = page
            promises.head(f"{len(pages)} pages stand")
            kill(port)
            gone = time.monotonic()
        said = {path: says(page, _LOST) for path, page in pages.items() if _wait(page, gone + 20)}
        next(iter(pages.values())).wait_for_timeout(max(0.0, seconds - (time.monotonic() - gone)) * 1000)
        silent = [path for path, page in pages.items() if not (says(page, _LOST) or said.get(path))]
        promises.kept(f"{len(pages) - len(silent)} of {len(pages)} pages said that the connection is lost {silent or ''}", not silent)
        since = time.time() * 1000
        with dashboard_before(stage, port):
            ready, back = time.monotonic(), dict[str, float]()
            while len(back) < len(pages) and time.monotonic() - ready < 4 * LIMIT_SECONDS:
                for path, page in pages.items():
                    if path not in back and says(page, _BACK, since):
                        back[path] = time.monotonic() - ready
                next(iter(pages.values())).wait_for_timeout(100)
            print(f"    away for {seconds:g} s: {spread([1000 * s for s in back.values()] or [0.0])}")
            missing = sorted(set(pages) - set(back))
            promises.kept(f"all {len(pages)} pages came back unattended {missing or ''}", not missing)
            promises.most("the last page came back after", max(back.values(), default=float("inf")), LIMIT_SECONDS, "s")


def _wait(page: Page, until: float) -> bool:
    while time.monotonic() < until and not says(page, _LOST):
        page.wait_for_timeout(100)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the server is away")
    parser.add_argument("--only", nargs="*", default=[*ENTRIES, ROBOT])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    promises = Promises(options.seed)
    with small_plant(120) as stage:
        measure(stage, options.seconds, options.only, promises)
    return promises.end()


if __name__ == "__main__":
    sys.exit(main())
