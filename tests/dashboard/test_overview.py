"""The overview of a large plant: lines instead of hundreds of units, and the units on the page of their line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard, run_dashboard
from tests.databases import fresh_database

pytestmark = pytest.mark.browser
LINES, UNITS_OF_A_LINE = 5, 21
_SITE = f"""
[site]
enterprise = "acme"
id = "large"

[[equipment]]
path = "machining/line-{{1..{LINES}}}/unit-{{1..{UNITS_OF_A_LINE}}}"

[[equipment]]
path = "machining/line-{{1..{LINES}}}/unit-1/table"

[[equipment]]
path = "machining/line-1/spare"

[[sources]]
protocol = "opcua"
id = "plant"
url = "opc.tcp://127.0.0.1:4840"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true

[[signals]]
equipment = "machining/*/unit-*"
name = "torque"
source = "plant"
address = "nsu=urn:acme;s={{equipment}}.{{signal}}"
"""


@pytest.fixture
def large(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A dashboard before a plant of 105 units that never said anything."""
    with (
        fresh_database(postgres_server, migrated_template) as url,
        run_dashboard(tmp_path_factory.mktemp("large"), url, filled=False, site_text=_SITE) as running,
    ):
        yield running


def test_a_large_plant_is_shown_by_its_lines_and_a_line_by_its_units(large: RunningDashboard) -> None:
    with chromium() as browser, visitor(browser, large.url, large.session()) as (page, _):
        page.goto(large.url)
        cards = page.locator("[data-unit]:has([data-part=state][data-now=no_value])")
        expect(cards).to_have_count(LINES)
        expect(cards.first).to_contain_text(f"{UNITS_OF_A_LINE} of {UNITS_OF_A_LINE} signals not normal")
        expect(page.locator(".tree a")).to_have_count(LINES)
        cards.first.locator("a").click()
        expect(page.locator("h1")).to_have_text("line-1")
        expect(cards).to_have_count(UNITS_OF_A_LINE)
        spare = page.locator(".card", has_text="spare")
        expect(spare).to_contain_text("no signals")
        expect(spare.locator("[data-part=state]")).to_have_count(0)
        cards.last.locator("a").click()
        expect(page.locator("h1")).to_have_text("unit-21")
