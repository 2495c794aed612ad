"""The pages about part orders, nests, stock and capacity of shared centres, as people use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from plant.clock import SystemClock
from storage.database import connect
from storage.nests import NestState, read_nest
from storage.part_orders import read_part_order
from storage.people import Role
from storage.stock import read_stock
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard
from tests.dashboard.share_stage import StagedShare, fill_orders_and_stock, keep_nests, keep_shares

pytestmark = pytest.mark.heavy
NOW = SystemClock().now_us()
RECTANGLE = """one => {
    const parts = [...one.shadowRoot.querySelectorAll("path.part")];
    const row = parts.findIndex((part) => part.getAttribute("d").match(/[0-9.]+/g).length === 8);
    return [row, JSON.parse(one.closest("[data-nest-orders]").dataset.nestOrders)[JSON.parse(one.dataset.drawn)[row]]]; }"""
"""The first part of a drawing that is a rectangle, whose middle is no hole; and its order."""


@dataclass(frozen=True)
class Hall:
    """A dashboard before orders, stock, nests and shares, and a browser."""

    dashboard: RunningDashboard
    browser: Browser
    staged: StagedShare


@pytest.fixture(scope="module")
def hall(dashboard: RunningDashboard) -> Iterator[Hall]:
    with connect(dashboard.database_url, application="test") as connection:
        staged = fill_orders_and_stock(connection, NOW)
        keep_nests(connection, NOW)
        keep_shares(connection, NOW)
    with chromium() as browser:
        yield Hall(dashboard, browser, staged)


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_a_sheet_tells_the_order_under_the_pointer_and_is_released_when_it_was_confirmed(hall: Hall) -> None:
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.ENGINEER), width=1366) as (page, _):
        page.goto(f"{hall.dashboard.url}/nests")
        page.locator("#nests-list button", has_text="1").click()
        expect(page.locator("#nest-shown h2")).to_contain_text("Nest 1")
        drawing = page.locator("[data-nest-drawing][data-ready]").first
        row, order = drawing.evaluate(RECTANGLE)
        part = drawing.locator("path.part").nth(row)
        part.hover()
        readout = page.locator(".nest-readout").first
        for word in order[:3]:
            expect(readout).to_contain_text(word)
        page.locator("#nest-shown h2").hover()
        expect(readout).to_contain_text("Point at a part")
        page.locator(".nest-step summary", has_text="Release").click()
        page.locator(".nest-step input").fill("asked for by the crane factory")
        page.locator(".nest-step").get_by_role("button", name="Release", exact=True).click()
        expect(page.locator("#nests-said")).to_contain_text("Nest 1 is released")
        expect(page.locator(".nest-step summary")).to_have_text(["It is cut…", "Withdraw…"])
        assert fits(page)
        part = page.locator("[data-nest-drawing][data-ready]").first.locator("path.part").nth(row)
        part.click()
        page.wait_for_url("**/part-orders?number=*")
        expect(page.locator("#part-orders-shown h2")).to_contain_text(order[0])
    with connect(hall.dashboard.database_url, application="test") as connection:
        kept = read_nest(connection, 1)
    assert kept is not None
    assert (kept.state, kept.actor) == (NestState.RELEASED, "engineer")


def test_a_viewer_sees_all_and_is_offered_nothing_to_change(hall: Hall) -> None:
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.VIEWER), language="zh", theme="dark", width=1024) as (
        page,
        _,
    ):
        for path, shown in (
            ("/nests?id=2", "[data-nest-drawing][data-ready]"),
            ("/stock", "#stock-list td"),
            ("/capacity", "#capacity-shown img"),
        ):
            page.goto(hall.dashboard.url + path)
            page.locator(shown).first.wait_for()
            expect(page.locator("main .button")).to_have_count(0)
            assert fits(page), path
        expect(page.locator("#capacity-shown")).to_contain_text("加权最大最小")
        expect(page.locator("#capacity-shown")).to_contain_text("与不计公平的最优相比")
        expect(page.locator("#capacity-shown img")).to_have_count(5)


def test_an_order_is_added_by_hand_says_why_it_gets_its_hours_and_is_cancelled(hall: Hall) -> None:
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.ENGINEER), width=1366) as (page, _):
        page.goto(f"{hall.dashboard.url}/part-orders?number={hall.staged.orders[0].number}")
        expect(page.locator("#part-orders-shown .schedule-why li", has_text="h of it").first).to_be_visible()
        for name, value in (("order", "H-1"), ("factory", "crane"), ("part", "rib"), ("material", "S690QL"), ("thickness_mm", "12")):
            page.locator(f"#part-orders-new-{name}").fill(value)
        page.locator("#part-orders-add").click()
        expect(page.locator("#part-orders-added")).to_contain_text("one of rectangle, circle, shape")
        page.locator("#part-orders-new-diameter_mm").fill("250")
        page.locator("#part-orders-add").click()
        expect(page.locator("#part-orders-added")).to_contain_text("Order H-1 is kept")
        expect(page.locator("#part-orders-shown h2")).to_have_text("Part order H-1")
        expect(page.locator("#part-orders-list")).to_contain_text("H-1")
        page.locator("#part-orders-shown").get_by_role("button", name="Cancel the order").click()
        expect(page.locator("#part-orders-said")).to_contain_text("Order H-1 is cancelled")
        assert fits(page)


def test_a_file_is_checked_first_and_its_good_rows_are_taken(hall: Hall) -> None:
    head = "order,factory,part,quantity,width_mm,height_mm,material,thickness_mm\n"
    table = head + "F-1,crane,web,2,400,300,S690QL,12\nF-2,crane,web,0,1,1,S690QL,12\n"
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.ENGINEER)) as (page, _):
        page.goto(f"{hall.dashboard.url}/part-orders")
        page.locator("#part-orders-file input[type=file]").set_input_files(
            {"name": "parts.csv", "mimeType": "text/csv", "buffer": table.encode()}
        )
        expect(page.locator("#part-orders-file-said")).to_contain_text(
            "1 new, 0 changed, 0 as they stand, 1 refused. Nothing is changed yet."
        )
        page.locator("#part-orders-file-apply").click()
        expect(page.locator("#part-orders-file-said")).to_contain_text("They are kept")
    with connect(hall.dashboard.database_url, application="test") as connection:
        assert read_part_order(connection, "F-1") is not None
        assert read_part_order(connection, "F-2") is None


def test_sheets_are_added_and_counted_and_the_list_follows_by_itself(hall: Hall) -> None:
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.ENGINEER)) as (page, _):
        page.goto(f"{hall.dashboard.url}/stock")
        for name, value in (("name", "LOT-9"), ("width_mm", "3000"), ("height_mm", "1500"), ("material", "S960QL"), ("thickness_mm", "9")):
            page.locator(f"#stock-new-{name}").fill(value)
        page.locator("#stock-add").click()
        expect(page.locator("#stock-added")).to_contain_text("The sheets lie in stock")
        row = page.locator("#stock-list tr", has_text="LOT-9")
        expect(row).to_contain_text("3000 x 1500 mm")
        row.get_by_role("button", name="LOT-9").click()
        expect(page.locator("#stock-count-name")).to_have_value("LOT-9")
        page.locator("#stock-count-free").fill("6")
        page.locator("#stock-count").click()
        expect(page.locator("#stock-counted")).to_contain_text("LOT-9: 6 sheets are free.")
        expect(row.locator("td.number").first).to_have_text("6")
    with connect(hall.dashboard.database_url, application="test") as connection:
        assert [one.sheet.quantity for one in read_stock(connection, material="S960QL") if one.sheet.name == "LOT-9"] == [6]


def test_a_new_version_of_shares_is_drawn_by_itself_and_an_earlier_one_says_that_it_is(hall: Hall) -> None:
    with visitor(hall.browser, hall.dashboard.url, hall.dashboard.session(Role.VIEWER)) as (page, _):
        page.goto(f"{hall.dashboard.url}/capacity")
        expect(page.locator("#capacity-versions tbody tr")).to_have_count(1)
        with connect(hall.dashboard.database_url, application="test") as connection:
            assert keep_shares(connection, NOW) == 2
        expect(page.locator("#capacity-versions tbody tr")).to_have_count(2)
        page.locator("#capacity-versions button", has_text="1").click()
        expect(page.locator("#capacity-shown")).to_contain_text("This is version 1, made earlier; version 2 holds.")
