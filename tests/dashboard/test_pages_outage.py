"""What a page does when the server or the database goes away, and when they come back: unattended, without a reload."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import WAIT_MS, chromium, until, visitor
from tests.dashboard.stage import Feeder, dashboard_before, make_stage
from tests.databases import fresh_database
from tests.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.heavy]
_MOVES = "before => document.querySelector('[data-value] [data-part=figure]').textContent !== before"


def test_a_page_says_that_its_values_are_old_and_comes_back_by_itself(postgres_server: str, migrated_template: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as open_things:
        url = open_things.enter_context(fresh_database(postgres_server, migrated_template))
        stage = make_stage(tmp_path / "home", url)
        open_things.callback(stage.close)
        stage.report()
        open_things.callback(Feeder(stage).close)
        port = free_port()
        browser = open_things.enter_context(chromium())
        first = contextlib.ExitStack()
        address = first.enter_context(dashboard_before(stage, port))
        open_things.callback(first.close)
        with visitor(browser, address, stage.session("viewer")) as (page, watch):
            page.goto(address + "/equipment/acme/north/welding/line-1/robot-1")
            page.locator("[data-drawn]").wait_for()
            page.evaluate("window.stayed = true")
            watch.outage = True
            first.close()
            expect(page.locator("#stale-words")).to_contain_text("the connection to the server is lost", timeout=WAIT_MS)
            expect(page.locator(".stale-curtain")).to_be_visible()
            before = page.locator("[data-value] [data-part=figure]").first.text_content()
            with dashboard_before(stage, port):
                expect(page.locator(".stale-curtain")).to_be_hidden(timeout=WAIT_MS)
                until(page, _MOVES, before)
                assert page.evaluate("window.stayed")
