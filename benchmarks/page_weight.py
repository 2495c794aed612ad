"""What each page of the dashboard weighs and how long it takes until it shows content, for who comes new and for who was there.

    python -m benchmarks.page_weight [--times 5] [--only /alarms ...] [--link URL]

Starts the demo, waits until its story is told, and opens every page of the navigation in Chromium as its administrator: once with an empty
cache, then again and again with a full one. Bytes are those that passed the wire, compressed as they were, until the page stood still.
Promised: content within 3 s and 1.5 s; 1 MB, or 1.5 MB on pages with charts. ``--link``: a dashboard that runs already.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright.sync_api import Browser, CDPSession

from benchmarks.browsing import CONTENT, open_ms, unheard, watch_for
from benchmarks.promises import Promises
from dashboard.navigation import ENTRIES
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.demo_stage import PLACES, dashboard_by

COLD_MS, WARM_MS = 3000.0, 1500.0
PLAIN_MB, CHART_MB = 1.0, 1.5
_CHARTS = "() => document.querySelector('canvas, [data-trend], .uplot, .js-plotly-plot, svg.chart') !== null"
_STILL_MS = 1500


@dataclass(frozen=True, slots=True)
class Seen:
    """What one page took."""

    path: str
    charts: bool
    cold_ms: float
    warm_ms: float
    cold_mb: float
    warm_mb: float
    heaviest: str


class Wire:
    """Counts what passes the wire of one page, but for the endless stream of live values."""

    def __init__(self, cdp: CDPSession) -> None:
        self._urls: dict[str, str] = {}
        self._bytes: dict[str, int] = {}
        cdp.on("Network.requestWillBeSent", self._sent)
        cdp.on("Network.loadingFinished", self._finished)
        cdp.send("Network.enable")

    def _sent(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"]

    def _finished(self, event: dict[str, Any]) -> None:
        self._bytes[event["requestId"]] = int(event["encodedDataLength"])

    def take(self) -> tuple[float, str]:
        """Return the MB since last asked, and what was the most of it."""
        mb = sum(self._bytes.values()) / 1e6
        most = max(self._bytes.items(), key=lambda one: one[1], default=("", 0))
        name = self._urls.get(most[0], "").split("?")[0].rsplit("/", 1)[-1]
        self._bytes.clear()
        return mb, f"{name} {most[1] / 1e3:,.0f} kB"


def look(browser: Browser, address: str, session: str, path: str, times: int) -> Seen:
    """Open one page with an empty cache and then with a full one."""
    with visitor(browser, address, session) as (page, watch):
        unheard(watch)
        wire = Wire(page.context.new_cdp_session(page))
        watch_for(page, CONTENT)
        cold = open_ms(page, address + path)
        page.wait_for_timeout(_STILL_MS)
        charts, (cold_mb, heaviest) = bool(page.evaluate(_CHARTS)), wire.take()
        warm = []
        for _ in range(times):
            warm.append(open_ms(page, address + path))
            page.wait_for_timeout(300)
        page.wait_for_timeout(_STILL_MS)
        warm_mb = wire.take()[0] / times
    return Seen(path, charts, cold, float(np.median(warm)), cold_mb, warm_mb, heaviest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--link", help="a one-time login link of a dashboard that runs already; else a demo's whose story is told")
    options = parser.parse_args()
    promises, seen = Promises(0), []
    with chromium() as browser, dashboard_by(browser, options.link) as (address, session):
        paths = options.only or [*ENTRIES, "/account", *(PLACES if options.link is None else ())]
        promises.head("the demo runs")
        print(f"  {'page':44} {'charts':>6} {'cold ms':>8} {'warm ms':>8} {'cold kB':>8} {'warm kB':>8}  heaviest")
        for path in paths:
            one = look(browser, address, session, path, options.times)
            seen.append(one)
            words = f"{one.cold_ms:8,.0f} {one.warm_ms:8,.0f} {one.cold_mb * 1e3:8,.0f} {one.warm_mb * 1e3:8,.0f}"
            print(f"  {path:44} {'yes' if one.charts else 'no':>6} {words}  {one.heaviest}", flush=True)
    promises.most("slowest page for who comes new", max(one.cold_ms for one in seen), COLD_MS, "ms")
    promises.most("slowest page for who was there", max(one.warm_ms for one in seen), WARM_MS, "ms")
    for charts, limit in ((False, PLAIN_MB), (True, CHART_MB)):
        some = [one.cold_mb for one in seen if one.charts is charts]
        if some:
            promises.most(f"heaviest page {'with' if charts else 'without'} charts, of {len(some)}", max(some), limit, "MB")
    return promises.end()


if __name__ == "__main__":
    sys.exit(main())
