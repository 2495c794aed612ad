"""The pages about deliveries, modes, windows and the audit trail, as people use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from plant.recommendations import Stage
from storage.database import connect
from storage.deliveries import Step, read_delivery, take_step
from storage.delivery_modes import newest_modes
from storage.people import Role
from storage.process_windows import read_windows
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.delivery_stage import CONTROLLERS, PRESS, ROBOT, Numbers, fill
from tests.dashboard.running import RunningDashboard

pytestmark = pytest.mark.heavy


@dataclass(frozen=True)
class Floor:
    """A dashboard behind which messages are delivered, and a browser."""

    dashboard: RunningDashboard
    browser: Browser
    numbers: Numbers

    def stage(self, number: int) -> Stage:
        with connect(self.dashboard.database_url, application="test") as connection:
            found = read_delivery(connection, number)
        assert found is not None
        return found.stage


@pytest.fixture(scope="module")
def floor(dashboard: RunningDashboard) -> Iterator[Floor]:
    dashboard.site_file.write_text(dashboard.site_file.read_text() + CONTROLLERS)
    with connect(dashboard.database_url, application="test") as connection:
        numbers = fill(connection, dashboard.clock.now_us())
    with chromium() as browser:
        yield Floor(dashboard, browser, numbers)


def choose(page: Page, selector: str, option: str) -> None:
    """Choose an option of a list by its words."""
    page.locator(selector).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_what_waits_is_first_and_an_approver_sends_it(floor: Floor) -> None:
    number = floor.numbers.waiting
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.APPROVER), width=1366) as (page, _):
        page.goto(floor.dashboard.url)
        page.locator(".waits a", has_text="Deliveries to decide: 1").click()
        waiting = page.locator("#delivery-waiting tbody tr")
        expect(waiting).to_have_count(2)
        expect(waiting.first).to_contain_text("in doubt")
        expect(page.locator("#delivery-list .until")).to_contain_text("left")
        expect(page.locator("#delivery-shown h2")).to_have_text(f"Delivery {floor.numbers.doubted}: parameters, WPS-1003")
        page.goto(f"{floor.dashboard.url}/deliveries?id={number}")
        shown = page.locator("#delivery-shown")
        expect(shown).to_contain_text("845 N·m")
        expect(shown.locator(".range-bar .pointer")).to_have_count(2)
        shown.get_by_role("button", name="Decline").click()
        expect(page.locator("#delivery-said")).to_contain_text("Choose the reason")
        shown.get_by_role("button", name="Approve and send").click()
        expect(page.locator("#delivery-said")).to_contain_text("The decision is kept.")
        expect(shown).to_contain_text("approved, not yet sent")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert floor.stage(number) is Stage.APPROVED


def test_what_is_in_doubt_is_settled_with_what_was_seen(floor: Floor) -> None:
    number = floor.numbers.doubted
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.INSPECTOR), language="zh", theme="dark", width=1024) as (
        page,
        _,
    ):
        page.goto(f"{floor.dashboard.url}/deliveries?id={number}")
        shown = page.locator("#delivery-shown")
        expect(shown).to_contain_text("回读值与所下发不符")
        shown.locator("input[type=text]").fill("面板显示 246 A")
        choose(page, f"#delivery-why-{number} .dash-dropdown", "原状态已恢复")
        shown.get_by_role("button", name="确认结果").click()
        expect(shown).to_contain_text("面板显示 246 A")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert floor.stage(number) is Stage.ROLLED_BACK


def test_a_delivery_that_comes_further_is_drawn_again_by_itself(floor: Floor) -> None:
    number = floor.numbers.sent
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.VIEWER)) as (page, _):
        page.goto(f"{floor.dashboard.url}/deliveries?id={number}")
        shown = page.locator("#delivery-shown")
        expect(shown.locator(".vision-head")).to_contain_text("sent")
        with connect(floor.dashboard.database_url, application="test") as connection:
            take_step(connection, Step(number, Stage.ACCEPTED, floor.dashboard.clock.now_us(), "mes"))
        expect(shown.locator(".vision-head")).to_contain_text("accepted by the line")
        expect(shown.get_by_role("button")).to_have_count(0)


def test_how_far_a_delivery_has_come_stands_where_it_was_approved(floor: Floor) -> None:
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.VIEWER)) as (page, _):
        page.goto(f"{floor.dashboard.url}/tuning")
        page.locator("#tuning-list button", has_text="SB-36").click()
        page.locator("#carried-shown a", has_text=f"delivery {floor.numbers.waiting}").click()
        expect(page.locator("#delivery-shown h2")).to_have_text(f"Delivery {floor.numbers.waiting}: parameters, SB-36")


def test_all_closed_loops_end_by_one_button_that_is_confirmed(floor: Floor) -> None:
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.INSPECTOR), width=1366) as (page, _):
        page.goto(f"{floor.dashboard.url}/modes")
        expect(page.locator("#modes-list")).to_contain_text("fell back: what was read back was not what had been sent")
        expect(page.locator("#modes-list")).to_contain_text("AI off at the machine")
        page.locator(".modes-drop summary").click()
        page.locator(".modes-drop input").fill("smoke in cell 1")
        page.get_by_role("button", name="Yes, end all closed loops").click()
        expect(page.locator("#modes-said")).to_contain_text("Ended: ")
    with connect(floor.dashboard.database_url, application="test") as connection:
        assert {one.mode.value for one in newest_modes(connection).values()} == {"advisory", "shadow"}


def test_a_closed_loop_is_asked_for_on_the_page_and_confirmed_by_another(floor: Floor) -> None:
    address = f"{floor.dashboard.url}/modes"
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.APPROVER)) as (page, _):
        page.goto(address)
        page.locator(f'[data-open-word="{ROBOT}"]').click()
        shown = page.locator("#modes-shown")
        shown.locator("input[type=text]").first.fill("night shift")
        shown.get_by_role("button", name="Ask for a closed loop").click()
        expect(shown).to_contain_text("You asked for it: another person confirms it.")
        expect(shown.get_by_role("button", name="Confirm the closed loop")).to_have_count(0)
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.ADMIN)) as (page, _):
        page.goto(address)
        page.locator(f'[data-open-word="{ROBOT}"]').click()
        page.get_by_role("button", name="Confirm the closed loop").click()
        expect(page.locator("#modes-said")).to_contain_text("The closed loop has begun.")
    with connect(floor.dashboard.database_url, application="test") as connection:
        row = newest_modes(connection)[ROBOT]
    assert (row.mode.value, row.actor, row.second) == ("closed_loop", "approver", "admin")


def test_a_window_is_proposed_by_a_form_and_put_in_force_by_another_person(floor: Floor) -> None:
    address = f"{floor.dashboard.url}/windows"
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.ENGINEER), width=1366) as (page, _):
        page.goto(address)
        expect(page.locator("#windows-drafts")).to_contain_text("You wrote it: another person approves it.")
        page.locator("#windows-in-force .panel", has_text=PRESS).get_by_role("button", name="Propose a change").click()
        form = page.locator(".window-form")
        form.get_by_label("torque highest").fill("8 75")
        form.locator(".joint-note input, input.joint-note").fill("bolts of another maker")
        form.get_by_role("button", name="Propose").click()
        expect(form).to_contain_text("'8 75' is no number")
        form.get_by_label("torque highest").fill("875")
        form.get_by_role("button", name="Propose").click()
        expect(page.locator("#windows-in-force")).to_contain_text("is kept; another person approves it.")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.APPROVER), width=1366) as (page, _):
        page.goto(address)
        draft = page.locator(".window-draft", has_text=PRESS)
        expect(draft).to_contain_text("▲ more than before")
        draft.get_by_role("button", name="Approve and put in force").click()
        expect(page.locator("#windows-said")).to_contain_text("is in force.")
        page.locator("#windows-versions button").first.click()
        expect(page.locator("#windows-compared")).to_contain_text("875 N·m")
    with connect(floor.dashboard.database_url, application="test") as connection:
        windows = read_windows(connection)
    assert windows is not None
    window = windows.of(PRESS, "SB-24")
    assert (window.parameters[0].high, window.author, window.approver) == (875, "engineer", "approver")


def test_the_audit_page_finds_entries_and_says_up_to_where_the_chain_holds(floor: Floor) -> None:
    with visitor(floor.browser, floor.dashboard.url, floor.dashboard.session(Role.ADMIN), width=1366) as (page, _):
        page.goto(f"{floor.dashboard.url}/audit")
        page.get_by_role("button", name="Check every entry").click()
        expect(page.locator("#audit-checked")).to_contain_text("The chain holds up to entry")
        page.locator("#audit-subject").fill(f"delivery {floor.numbers.declined}")
        page.locator("#audit-subject").press("Enter")
        rows = page.locator("#audit-list tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("delivery.declined")
    with floor.dashboard.client(Role.ADMIN) as client:
        table = client.get("/api/v1/audit", params={"format": "csv", "act": "delivery.declined"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0] == "id,time,actor,act,subject,previous,next,address,hash"
    assert "zhang.min,delivery.declined" in table.text
