"""What a screen on the wall does in an outage: it says at once that the link is lost, and comes back by itself, logged in, unattended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from storage.database import connect
from storage.screens import add_screen, open_screen
from tests.dashboard.browser import WAIT_MS, Watch, chromium, until, visitor
from tests.dashboard.stage import Stage, dashboard_before, make_stage
from tests.databases import database_of, fresh_database
from tests.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.heavy]
LOST = "#board-lost"


@dataclass
class Wall:
    """A stage, and the secret of a screen's session."""

    stage: Stage
    port: int
    secret: str


@pytest.fixture
def wall(postgres_server: str, migrated_template: str, tmp_path: Path) -> Iterator[Wall]:
    with fresh_database(postgres_server, migrated_template) as url:
        stage = make_stage(tmp_path / "home", url)
        stage.report()
        stage.fill(stage.clock.now_us() - 5_000_000, stage.clock.now_us())
        with connect(url, application="test") as connection:
            _, link = add_screen(connection, "Hall 2", "/andon", "admin", 600, stage.clock)
            _, secret = open_screen(connection, link, "", stage.clock)
        yield Wall(stage, free_port(), secret)
        stage.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextlib.contextmanager
def _shown(browser: Browser, wall: Wall, address: str) -> Iterator[tuple[Page, Watch]]:
    with visitor(browser, address, wall.secret, width=1920, height=1080) as (page, watch):
        page.goto(address + "/andon")
        expect(page.locator(".tile")).to_have_count(5)
        page.evaluate("window.stayed = true")
        watch.outage = True
        yield page, watch
        watch.found[:] = [one for one in watch.found if "responded with a status of" not in one]  # 503 and 401 are what is tried here


def _is_back(page: Page) -> None:
    expect(page.locator(LOST)).to_be_hidden(timeout=2 * WAIT_MS)
    before = page.locator("#plant-clock").text_content()
    until(page, "before => document.getElementById('plant-clock').textContent !== before", before)


def test_a_screen_survives_a_server_that_is_killed_and_started_anew(browser: Browser, wall: Wall) -> None:
    first = contextlib.ExitStack()
    address = first.enter_context(dashboard_before(wall.stage, wall.port))
    with first, _shown(browser, wall, address) as (page, _):
        process = _server_process(wall.port)
        os.kill(process, signal.SIGKILL)
        expect(page.locator(LOST)).to_contain_text("connection to the server is lost", timeout=WAIT_MS)
        expect(page.locator(LOST)).to_contain_text("Shown is how it was")
        expect(page.locator(".tile")).to_have_count(5)
        page.wait_for_timeout(10_000)
        with dashboard_before(wall.stage, wall.port):
            _is_back(page)
            assert page.evaluate("window.stayed")
            assert "/login" not in page.url


def test_a_screen_that_is_loaded_while_the_server_dies_loads_itself_again(browser: Browser, wall: Wall) -> None:
    first = contextlib.ExitStack()
    address = first.enter_context(dashboard_before(wall.stage, wall.port))
    with first, visitor(browser, address, wall.secret) as (page, watch):
        watch.outage = True
        page.route("**/assets/*.js*", lambda route: route.abort())  # the server went away when only the page itself was there
        page.goto(address + "/andon")
        expect(page.locator("#board-name")).to_be_visible()
        page.unroute("**/assets/*.js*")
        expect(page.locator(".tile")).to_have_count(5, timeout=25_000 + WAIT_MS)


def test_a_screen_says_that_the_database_is_away_and_for_how_long_and_comes_back(
    browser: Browser, wall: Wall, postgres_server: str
) -> None:
    name = wall.stage.url.rpartition("/")[2].partition("?")[0]
    with dashboard_before(wall.stage, wall.port) as address, _shown(browser, wall, address) as (page, _):
        with psycopg.connect(database_of(postgres_server, "postgres"), autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            expect(page.locator(LOST)).to_contain_text("The database is away", timeout=WAIT_MS)
            expect(page.locator(LOST)).to_contain_text("Shown is how it was")
            expect(page.locator(".tile")).to_have_count(5)
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        _is_back(page)
        assert page.evaluate("window.stayed")


def test_a_screen_goes_on_when_the_stream_of_the_browser_is_given_up(browser: Browser, wall: Wall) -> None:
    with (
        dashboard_before(wall.stage, wall.port) as address,
        visitor(browser, address, wall.secret, width=1920, height=1080) as (page, watch),
    ):
        watch.outage = True
        page.route("**/live*", lambda route: route.abort())
        page.goto(address + "/andon")
        expect(page.locator(".tile")).to_have_count(5)
        page.wait_for_timeout(8_000)
        expect(page.locator(LOST)).to_be_hidden()
        with connect(wall.stage.url, application="test") as connection:
            connection.execute(
                "INSERT INTO andon_call (equipment_id, whom, note, called_time, caller) "
                "SELECT id, 'quality', 'look', now(), 'Li' FROM equipment WHERE path LIKE '%%robot-2'"
            )
        expect(page.locator(".tile.now")).to_contain_text("Quality")


def test_a_screen_loads_a_new_version_of_itself_but_only_when_the_server_gives_it(browser: Browser, wall: Wall) -> None:
    gone = True

    def newer(route: Route) -> None:
        answer = route.fetch()
        content: dict[str, Any] = {**answer.json(), "version": "newer"}
        route.fulfill(response=answer, body=json.dumps(content))

    def page_of(route: Route) -> None:
        if gone:
            route.abort()
        else:
            route.continue_()

    with dashboard_before(wall.stage, wall.port) as address, _shown(browser, wall, address) as (page, _):
        page.route("**/andon", page_of)
        page.route("**/api/v1/andon?*", newer)
        page.wait_for_timeout(8_000)
        assert page.evaluate("window.stayed")
        gone = False
        until(page, "() => window.stayed === undefined", seconds=70)
        expect(page.locator(".tile")).to_have_count(5)
        page.unroute_all(behavior="wait")  # an answer on its way when the page is gone would be an error of the next test


def test_a_screen_that_was_ended_says_so_and_shows_no_login_page(browser: Browser, wall: Wall) -> None:
    with dashboard_before(wall.stage, wall.port) as address, _shown(browser, wall, address) as (page, _):
        with connect(wall.stage.url, application="test") as connection:
            connection.execute("UPDATE screen SET ended_us = 1, secret_hash = NULL")
        expect(page.locator(LOST)).to_contain_text("The session of this screen has ended", timeout=WAIT_MS)
        assert page.url.endswith("/andon")
        page.goto("about:blank")


def _server_process(port: int) -> int:
    """Return which process listens on a port of this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"dashboard" in words and str(port).encode() in words:
                return int(folder.name)
    raise AssertionError(f"no dashboard on port {port}")
