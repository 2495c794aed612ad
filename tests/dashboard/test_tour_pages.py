"""The tour and its line on the overview, as a visitor of the demo sees them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from dashboard.services_tour import Chapter
from storage.database import connect
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.page_audit import LANGUAGES, THEMES, Visit, audit, axe_source, eye
from tests.dashboard.running import RunningDashboard
from tests.dashboard.tour_stage import SERIAL, begin, demo_home, tell
from tests.node_parts import Node

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for this file."""
    with chromium() as found:
        yield found


def test_chapters_are_ticked_while_one_looks_and_the_overview_says_what_happens_now(
    dashboard: RunningDashboard, browser: Browser, node: Node
) -> None:
    with connect(dashboard.database_url, application="test") as connection:
        with visitor(browser, dashboard.url, dashboard.session()) as (page, _):
            page.goto(dashboard.url)
            page.locator("[data-unit]").first.wait_for()
            expect(page.locator("#tour-strip")).to_have_count(0)
            expect(page.locator(".nav a", has_text="Tour")).to_have_count(0)
        demo_home(dashboard.home)
        begin(connection)
        with visitor(browser, dashboard.url, dashboard.session()) as (page, _):
            page.goto(f"{dashboard.url}/tour")
            expect(page.locator("[data-chapter]")).to_have_count(len(Chapter))
            expect(page.locator("[data-chapter][data-seen='1']")).to_have_count(0)
            for number, chapter in enumerate(Chapter, 1):
                tell(connection, chapter)
                if chapter is Chapter.ALARM or number == len(Chapter):
                    expect(page.locator("[data-chapter][data-seen='1']")).to_have_count(number)
            expect(page.locator(f"[data-chapter={Chapter.GAIN}] .tour-figures")).to_contain_text("56 of 60 good: 93%")
            href = page.locator(f"[data-chapter={Chapter.CHART}] a").last.get_attribute("href")
            assert href == f"/genealogy?serial={SERIAL}"
            page.goto(dashboard.url)
            expect(page.locator("#tour-strip")).to_contain_text("The gain")
            page.locator("#tour-strip a").click()
            expect(page.locator("h1")).to_have_text("Tour")
    axe = axe_source(node.folder)
    wrong: list[str] = []
    for language, theme, width in itertools.product(LANGUAGES, THEMES, (1440, 768)):
        with eye(browser, dashboard.url, dashboard.session(Role.ADMIN), Visit("/tour", language, theme, width)) as look:
            wrong += audit(look, dashboard.url, Visit("/tour", language, theme, width), axe)
    assert wrong == []
