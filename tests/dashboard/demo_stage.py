"""The demo as a stage: everything runs, so each page has something to show."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from protocols.ports import free_port

_ROOT = Path(__file__).parents[2]
PLACES: Final = ("/tour", "/equipment/acme/north/welding", "/equipment/acme/north/welding/boom-line/robot-1")
"""What is looked at beside the pages of the navigation."""
_STARTS_SECONDS = 300
"""Of a demo on a machine that does much else."""


@contextmanager
def demo(home: Path) -> Iterator[str]:
    """Lend the one-time login link of a running demo; it is ended afterwards."""
    said, port = home / "said.txt", free_port()
    with said.open("w") as out:
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home / "home"), "--port", str(port)]
        process = subprocess.Popen(command, cwd=_ROOT, stdout=out, stderr=out)
        try:
            end = time.monotonic() + _STARTS_SECONDS
            while not (link := re.search(r"http://\S+/login\?link=\S+", said.read_text())):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"the demo did not start:\n{said.read_text()}")
                time.sleep(0.2)
            yield link[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


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
