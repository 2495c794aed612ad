"""Every page in each language, theme and width: what axe-core, the console, the edges of the window and a finger in a glove find.

``python -m benchmarks.every_page [--seconds 150] [--link LOGIN_LINK]`` starts the demo in a folder of its own, lets it run
so that each page has something to show, and opens each page as an administrator in Chromium. axe-core looks at the widest window, the
measures are taken at each width. Printed: a line for each page with the number of findings, then each finding; load, CPU seconds of the
browser, wall time; there is no chance in it but that of the demo. Exits 1 where a page has a fault.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import time

from playwright.sync_api import Error

from tests.dashboard.browser import chromium
from tests.dashboard.demo_stage import PLACES, dashboard_by
from tests.dashboard.page_audit import LANGUAGES, THEMES, WIDTHS, Eye, Visit, audit, axe_source, eye, paths
from tests.node_parts import prepare_node


def _faults(look: Eye, address: str, visit: Visit, axe: str | None) -> list[str]:
    try:
        return audit(look, address, visit, axe)
    except (AssertionError, Error) as error:
        look.watch.found.clear()
        return [f"{visit}: {error}"]


def main() -> int:
    """Look at all pages; return how the process ends."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--link", help="a one-time login link of a dashboard that runs already; else a demo's whose story is told")
    given = asked.parse_args()
    axe, begun = axe_source(prepare_node().folder), time.monotonic()
    wrong: list[str] = []
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with chromium() as browser, dashboard_by(browser, given.link) as (address, session):
        views = list(itertools.product(LANGUAGES, THEMES, WIDTHS))
        counts: dict[str, list[int]] = {path: [] for path in paths(*PLACES)}
        for language, theme, width in views:
            with eye(browser, address, session, Visit("/", language, theme, width)) as look:
                for path, found in counts.items():
                    faults = _faults(look, address, Visit(path, language, theme, width), axe if width == WIDTHS[0] else None)
                    found.append(len(faults))
                    wrong += faults
            print(
                f"{time.monotonic() - begun:6.0f} s  {language} {theme} {width} px: {sum(each[-1] for each in counts.values())}", flush=True
            )
    print("page".ljust(56), " ".join(f"{language}/{theme[:1]}/{width}".rjust(9) for language, theme, width in views))
    for path, found in counts.items():
        print(path.ljust(56), " ".join(f"{count:9d}" for count in found))
    for each in wrong:
        print(each)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"load {os.getloadavg()[0]:.1f}, {time.monotonic() - begun:.0f} s, CPU of demo and browser {cpu.ru_utime + cpu.ru_stime:.0f} s")
    print(f"{'PASS' if not wrong else 'MISSED'}: {len(wrong)} faults, 0 allowed, on {len(paths(*PLACES))} pages in {len(views)} views")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
