"""Every page is sound by itself: axe-core, console, requests to the outside, the edges of the window, the size of what is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from storage.people import Role
from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.page_audit import Visit, audit, axe_source, eye
from tests.dashboard.running import ROBOT, RunningDashboard
from tests.node_parts import Node

pytestmark = pytest.mark.browser
_LIGHT = ("/", f"/equipment/{ROBOT}", "/alarms", "/sources")
"""Of each kind of page one: live values, trends, tables with fields of Dash, fields of Mantine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for this file."""
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1440), ("zh", "dark", 768)])
def test_pages_of_each_kind_have_no_fault(
    dashboard: RunningDashboard, browser: Browser, node: Node, language: str, theme: str, width: int
) -> None:
    axe, first = axe_source(node.folder), Visit("/", language, theme, width)
    with eye(browser, dashboard.url, dashboard.session(Role.ADMIN), first) as look:
        wrong = [each for path in _LIGHT for each in audit(look, dashboard.url, Visit(path, language, theme, width), axe)]
    assert wrong == []


def test_groups_of_the_navigation_stay_as_a_person_left_them(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session()) as (page, _):
        page.goto(f"{dashboard.url}/health")
        expect(page.locator(".nav a.here")).to_have_text("System health")
        assert _open(page) == ["Shop floor", "Records and system"]
        page.locator(".nav summary", has_text="Shop floor").click()
        page.locator(".nav summary", has_text="Quality").click()
        page.locator(".nav a", has_text="Joints").click()
        expect(page.locator("h1")).to_have_text("Joints")
        until(page, "() => document.querySelector('.nav a.here')?.textContent === 'Joints'")
        assert _open(page) == ["Quality"]
        page.reload()
        until(page, "() => document.querySelector('.nav a[aria-current=page]')?.textContent === 'Joints'")
        assert _open(page) == ["Quality"]


def _open(page: Page) -> list[str]:
    return [str(each) for each in page.evaluate("[...document.querySelectorAll('.nav details[open] summary')].map(e => e.textContent)")]


def test_on_a_tablet_the_navigation_is_a_drawer_that_escape_closes(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session(), width=1024) as (page, _):
        page.goto(f"{dashboard.url}/alarms")
        button, nav = page.locator("#nav-button"), page.locator("#nav")
        page.locator(".nav a.here").wait_for(state="attached")
        expect(nav).to_be_hidden()
        expect(button).to_have_attribute("aria-expanded", "false")
        button.click()
        expect(nav).to_be_visible()
        expect(page.locator(".nav a.here")).to_be_focused()
        assert page.evaluate("document.getElementById('page').inert")
        page.keyboard.press("ArrowDown")
        expect(page.locator(".nav a", has_text="OEE and losses")).to_be_focused()
        page.keyboard.press("Escape")
        expect(nav).to_be_hidden()
        expect(button).to_be_focused()
        button.click()
        page.locator(".nav a", has_text="Equipment condition").click()
        expect(page.locator("h1")).to_have_text("Equipment condition")
        expect(nav).to_be_hidden()
        assert not page.evaluate("document.getElementById('page').inert")


def test_a_folded_navigation_stays_folded(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session()) as (page, _):
        page.goto(dashboard.url)
        expect(page.locator("#nav")).to_be_visible()
        page.locator("#nav-button").click()
        expect(page.locator("#nav")).to_be_hidden()
        page.reload()
        expect(page.locator("#nav-button")).to_have_attribute("aria-expanded", "false")
        expect(page.locator("#nav")).to_be_hidden()


def test_the_first_key_leads_past_the_navigation(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session()) as (page, _):
        page.goto(dashboard.url)
        page.locator("h1").wait_for()
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#page")).to_be_focused()


def test_the_whole_navigation_of_two_open_groups_stands_on_a_low_screen(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session(Role.ADMIN), height=900) as (page, _):
        page.goto(f"{dashboard.url}/audit")
        page.locator(".nav a.here", has_text="Audit trail").wait_for()
        until(page, "() => { const nav = document.getElementById('nav'); return nav.scrollHeight <= nav.clientHeight; }")
