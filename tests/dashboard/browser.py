"""Chromium as the tests of the pages use it: everything a page may not do makes the test fail.

Fails on any console error or warning, any uncaught error, and any request that leaves this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect, sync_playwright

from dashboard.gate import SESSION_COOKIE
from tests.ingest.parts import PATIENCE, Patience

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
WAIT_MS = 20_000 * PATIENCE


@dataclass
class Watch:
    """What went wrong on the pages of one visitor."""

    found: list[str] = field(default_factory=list)
    outage: bool = False
    """While the server is meant to be away, failed requests are no fault of the page."""

    def console(self, message: ConsoleMessage) -> None:
        """Note an error or a warning."""
        if message.type in {"error", "warning"} and not (self.outage and "net::ERR" in message.text):
            self.found.append(f"console {message.type}: {message.text}")

    def requested(self, request: Request) -> None:
        """Note a request that leaves this machine; no name is resolved, so it does not get there.

        Requests are looked at, not held: holding each of them would switch off the browser's cache.
        """
        if urlsplit(request.url).hostname not in {"127.0.0.1", "localhost"} and not request.url.startswith(("data:", "blob:")):
            self.found.append(f"request to the outside: {request.url}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Lend a headless Chromium."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(
    browser: Browser, address: str, session: str | None, *, language: str = "en", theme: str = "light", width: int = 1440, height: int = 900
) -> Iterator[tuple[Page, Watch]]:
    """Lend a page with an empty cache, logged in by a session secret; afterwards fail for all that went wrong on it."""
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB", timezone_id="UTC")
    watch = Watch()
    try:
        cookies = {"leadhand_language": language, "leadhand_theme": theme}
        if session is not None:
            cookies[SESSION_COOKIE] = session
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
        context.on("request", watch.requested)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.found.append(f"uncaught: {error}"))
        yield page, watch
    finally:
        context.close()
    assert watch.found == []


def until(page: Page, expression: str, argument: Any = None, *, seconds: float = 20) -> None:
    """Wait until a function of JavaScript answers true. Playwright's own way evaluates text inside the page, which its policy forbids."""
    patience = Patience(seconds)
    while not _answer(page, expression, argument):
        assert not patience.over(), f"not within {seconds} s: {expression}"
        page.wait_for_timeout(50)


def _answer(page: Page, expression: str, argument: Any) -> Any:
    """Return what a function of JavaScript answers; None while the page is on its way to another."""
    try:
        return page.evaluate(expression, argument)
    except Error as error:
        if "context was destroyed" not in str(error):
            raise
        return None
