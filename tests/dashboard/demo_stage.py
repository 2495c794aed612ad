"""The demo as a stage: everything runs, so each page has something to show."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from dashboard.services_tour import TourService, TourView
from plant.clock import SystemClock
from protocols.ports import free_port
from storage.database import Pool
from tests.ingest.parts import until

_ROOT = Path(__file__).parents[2]
PLACES: Final = ("/tour", "/equipment/acme/north/welding", "/equipment/acme/north/welding/boom-line/robot-1")
"""What is looked at beside the pages of the navigation."""
_STARTS_SECONDS = 300
"""Of a demo on a machine that does much else."""
_TOLD_SECONDS: Final = 360
"""Beside other tests; a machine of its own needs half of it."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo and one who is logged in."""

    home: Path
    address: str
    session: str

    def until_told(self) -> TourView:
        """Return the whole story once it is told; each page has something to show then."""
        url = json.loads((self.home / "run" / "database.out").read_text())["url"]
        with closing(Pool(url, 1, "test", statement_seconds=20)) as pool:
            service = TourService(pool, SystemClock(), self.home)
            until(lambda: service.story().next is None, _TOLD_SECONDS, every=1)
            return service.story()


@contextmanager
def demo(browser: Browser, folder: Path) -> Iterator[Demo]:
    """Lend a running demo, which keeps what it writes in a folder; it is ended afterwards."""
    said, port, home = folder / "said.txt", free_port(), folder / "home"
    with said.open("w") as out:
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home), "--port", str(port)]
        process = subprocess.Popen(command, cwd=_ROOT, stdout=out, stderr=out)
        try:
            end = time.monotonic() + _STARTS_SECONDS
            while not (link := re.search(r"http://\S+/login\?link=\S+", said.read_text())):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"the demo did not start:\n{said.read_text()}")
                time.sleep(0.2)
            yield Demo(home, address_of(link[0]), session_by(browser, link[0]))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def address_of(link: str) -> str:
    """Return the address of the dashboard that a one-time link belongs to."""
    return link.partition("/login")[0]


def session_by(browser: Browser, link: str) -> str:
    """Return the secret of the session that a one-time link opens."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.locator("button[type=submit], button").first.click()
    page.wait_for_url(lambda url: "/login" not in url)
    found = next(cookie["value"] for cookie in context.cookies() if "session" in cookie.get("name", ""))
    context.close()
    return str(found)


@contextmanager
def dashboard_by(browser: Browser, link: str | None) -> Iterator[tuple[str, str]]:
    """Lend address and session of the dashboard that a one-time link belongs to; without one those of a demo whose story is told."""
    if link is not None:
        yield address_of(link), session_by(browser, link)
        return
    with tempfile.TemporaryDirectory(prefix="leadhand-demo-") as folder, demo(browser, Path(folder)) as found:
        found.until_told()
        yield found.address, found.session
