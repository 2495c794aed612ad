"""Genealogy on its page and over REST: from an alarm to the piece, its joint, its curve and the recommendation behind its route."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, expect

from dashboard.context import Person
from dashboard.genealogy_files import built_in_of_table
from dashboard.services_genealogy import GenealogyService
from plant.equipment import EquipmentId
from plant.errors import SettingsError
from plant.reported_operations import Reported, Visit, history_of
from simulators.factory_parts import PartsDesk
from simulators.rest_client import RestClient
from storage.database import Pool, connect
from storage.operation_history import write_history
from storage.people import Role, Scope, issue_token
from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.genealogy_stage import MINUTE_US, ORDER, PRODUCT, ROBOT, SERIAL, fill_genealogy
from tests.dashboard.running import RunningDashboard

BASE = "/api/v1/genealogy"


@pytest.fixture(scope="module")
def staged(dashboard: RunningDashboard, tmp_path_factory: pytest.TempPathFactory) -> RunningDashboard:
    fill_genealogy(dashboard, tmp_path_factory.mktemp("vision"))
    return dashboard


@pytest.fixture
def viewer(staged: RunningDashboard) -> Iterator[httpx.Client]:
    with staged.client(Role.VIEWER) as client:
        yield client


def test_a_serial_tells_all_that_the_plant_knows_of_it(viewer: httpx.Client) -> None:
    answer = viewer.get(f"{BASE}/serial", params={"name": SERIAL})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(job["order"], job["customer"], job["product"]) for job in told["jobs"]] == [(ORDER, "Nordbau", "ARM-22")]
    assert [(step["operation"], step["alternative"], step["first_pass"]) for step in told["operations"]] == [
        ("cut", "cut-laser", True),
        ("weld", "weld-robot-2", False),
    ]
    assert told["energy_kwh"] == pytest.approx(13.5)
    assert [(stay["equipment"], stay["told"]) for stay in told["stays"]] == [
        (ROBOT, ["operation", "state"]),
        ("works/hall/assembly/line/bearing", ["tightening"]),
    ]
    assert [alarm["alarm"] for alarm in told["stays"][0]["alarms"]] == [f"{ROBOT}/current:high"]
    assert len(told["tightenings"]) == 5
    assert sum(one["verdict"] == "not_ok" for one in told["tightenings"]) == 1
    assert [(one["group"], one["joints"], one["released"], one["cases"]) for one in told["joints"]] == [("bearing", 5, 4, 1)]
    assert [(look["decision"], look["has_picture"]) for look in told["inspections"]] == [("nok", True)]
    assert (told["route"]["product"], told["route"]["approved_by"], told["route"]["stage"]) == ("ARM-22", "anna", "executed")
    assert [(one["kind"], one["stage"]) for one in told["deliveries"]] == [("parameters", "proposed")]
    assert [(one["depth"], one["name"]) for one in told["made_of"]] == [(1, "BOLT-LOT-9"), (1, "BOOM-000077"), (2, "PLATE-S690-4")]
    nothing = viewer.get(f"{BASE}/serial", params={"name": "no such piece"}).json()
    assert (nothing["known"], nothing["stays"]) == (False, [])


def test_a_recommendation_names_the_pieces_that_were_made_by_its_route(viewer: httpx.Client, staged: RunningDashboard) -> None:
    asked = viewer.get(f"{BASE}/serial", params={"name": SERIAL}).json()["route"]["recommendation"]
    now = staged.clock.now_us()
    for serial, begun_minutes, steps in (
        ("EX-by-hand", 60, {"cut-laser": "cut", "weld-hand": "weld"}),
        ("EX-before", 60 * 24 * 400, {"cut-laser": "cut", "weld-robot-2": "weld"}),
    ):
        begin, end = now - begun_minutes * MINUTE_US, now - 50 * MINUTE_US
        visits = [
            Visit(EquipmentId(ROBOT), PRODUCT, f"job {serial}", serial, begin, begin + MINUTE_US, MINUTE_US, 0),
            Visit(EquipmentId(ROBOT), PRODUCT, f"job {serial}", serial, end, end + MINUTE_US, MINUTE_US, 0),
        ]
        done = [Reported(visit, step, True, False, 1.0) for visit, step in zip(visits, steps, strict=True)]
        with connect(staged.database_url, application="test") as connection:
            write_history(connection, history_of(done), steps)
    (made,) = viewer.get(f"{BASE}/made-by", params={"recommendation": asked}).json()
    assert (made["serial"], made["operations"], made["first_pass"], made["scrapped"]) == (SERIAL, 2, False, False)
    others = [one["id"] for one in viewer.get("/api/v1/recommendations").json() if one["id"] != asked]
    assert [viewer.get(f"{BASE}/made-by", params={"recommendation": one}).json() for one in others] == [[] for _ in others]


def test_a_piece_is_found_by_a_place_and_a_time(viewer: httpx.Client, staged: RunningDashboard) -> None:
    now = staged.clock.now_us()
    inside = viewer.get(f"{BASE}/part-at", params={"equipment": ROBOT, "at_us": now - 600_000_000}).json()
    before = viewer.get(f"{BASE}/part-at", params={"equipment": ROBOT, "at_us": now - 3_600_000_000}).json()
    assert (inside["serial"], before["serial"]) == (SERIAL, None)


def test_a_recall_comes_as_a_file_with_one_row_for_each_piece(viewer: httpx.Client) -> None:
    rows = viewer.get(f"{BASE}/recall", params={"kind": "heat", "name": "H-4711"}).json()
    assert [(row["name"], row["holds"], row["stands_in"]) for row in rows] == [("BOOM-000077", True, SERIAL), (SERIAL, True, "")]
    assert (rows[1]["order"], rows[1]["customer"]) == (ORDER, "Nordbau")
    text = viewer.get(f"{BASE}/recall", params={"kind": "lot", "name": "BOLT-LOT-9", "format": "csv"}).text
    assert [line.split(",")[1] for line in text.splitlines()] == ["name", "EX-20260000", SERIAL]
    book = viewer.get(f"{BASE}/recall", params={"kind": "lot", "name": "BOLT-LOT-9", "format": "xlsx"})
    assert book.content[:2] == b"PK"
    assert viewer.get(f"{BASE}/recall", params={"kind": "lot", "name": "none"}).status_code == 409


def test_a_mes_tells_what_is_built_in_and_learns_which_rows_cannot_be(staged: RunningDashboard) -> None:
    rows = [
        {"into": "EX-9", "component": "WIRE-1", "quantity": 2.5, "unit": "kg"},
        {"into": "BOOM-000077", "component": SERIAL, "component_kind": "serial"},
        {"into": "EX-9", "component": "BOOM-000077", "component_kind": "serial"},
    ]
    with staged.program(Scope.ORDERS) as mes:
        told = mes.post(f"{BASE}/built-in", json={"built_in": rows}).json()
        assert (told["added"], told["same"], list(told["refused"])) == (1, 0, ["2", "3"])
        assert "holds" in told["refused"]["2"]
        assert "take it out there first" in told["refused"]["3"]
        assert mes.post(f"{BASE}/built-in", json={"built_in": rows[:1]}).json() == {"added": 0, "same": 1, "refused": {}}
        assert mes.post(f"{BASE}/lots", json={"lots": [{"lot": "WIRE-1/2", "of_lot": "WIRE-1", "heat": "H-9"}]}).json() == {"lots": 1}
        assert (
            mes.post(
                f"{BASE}/taken-out", json={"into": "EX-9", "component": "WIRE-1", "component_kind": "lot", "reason": "wet"}
            ).status_code
            == 204
        )
        assert mes.post(f"{BASE}/built-in", json={"built_in": [{"into": "", "component": "x"}]}).status_code == 422
    with staged.client(Role.VIEWER) as viewer:
        assert viewer.post(f"{BASE}/built-in", json={"built_in": rows[:1]}).status_code == 403
        (row,) = viewer.get(f"{BASE}/recall", params={"name": "WIRE-1", "kind": "lot"}).json()[:1]
        assert (row["name"], row["holds"], row["out_reason"]) == ("EX-9", False, "wet")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.heavy
def test_a_table_is_brought_to_the_page_and_a_viewer_is_offered_none(staged: RunningDashboard, browser: Browser) -> None:
    content = b"into,component\r\nEX-80,BOLT-LOT-80\r\nEX-80,\r\n"
    with visitor(browser, staged.url, staged.session(Role.VIEWER)) as (page, _):
        page.goto(staged.url + "/genealogy")
        page.locator("#genealogy-find").wait_for()
        expect(page.locator("#genealogy-table")).to_have_count(0)
    with visitor(browser, staged.url, staged.session(Role.ENGINEER)) as (page, _):
        page.goto(staged.url + "/genealogy")
        page.locator("#genealogy-table input[type=file]").set_input_files({"name": "parts.csv", "mimeType": "text/csv", "buffer": content})
        said = page.locator("#genealogy-table-said")
        expect(said).to_contain_text("1 new, 0 as they stand, 1 refused. Nothing is changed yet.")
        expect(said.locator("tbody td").first).to_have_text("3")
        page.locator("#genealogy-table-apply").click()
        expect(said).to_contain_text("They are kept.")
        page.goto(staged.url + "/genealogy?lot=BOLT-LOT-80")
        expect(page.locator(".genealogy")).to_contain_text("EX-80")


@pytest.mark.heavy
def test_a_table_is_checked_first_its_wrong_rows_told_by_line_and_the_others_taken(staged: RunningDashboard) -> None:
    table = (
        "into,component,component_kind,quantity,built\r\n"
        "EX-70,BOLT-LOT-70,lot,36,2026-03-01 14:00\r\n"
        "EX-70,BOLT-LOT-71,lot,many,\r\n"
        ",BOLT-LOT-71,crate,,soon\r\n"
        "\r\n"
        f"BOOM-000077,{SERIAL},serial,,\r\n"
    ).encode()
    engineer, onlooker = Person("engineer", "Engineer", Role.ENGINEER), Person("viewer", "Viewer", Role.VIEWER)
    with closing(Pool(staged.database_url, 1, "test")) as pool:
        genealogy = GenealogyService(pool, staged.clock, staged.site_file)
        for only_say in (True, False):
            told = genealogy.take_in(engineer, table, "parts.csv", "Europe/Berlin", only_say=only_say)
            assert (told.added, told.same, told.written) == (1, 0, not only_say)
            assert [one.row for one in told.refused] == [3, 4, 6]
            assert told.refused[0].problems == ("quantity: write a number such as 2.5, not 'many'",)
            assert [why.partition(":")[0] for why in told.refused[1].problems] == ["built", "into", "component_kind"]
            assert "holds" in told.refused[2].problems[0]
            assert bool(genealogy.serial("EX-70").made_of) is not only_say
        (built,) = genealogy.serial("EX-70").made_of
        assert datetime.fromtimestamp(built.built_us / 1e6, UTC) == datetime(2026, 3, 1, 13, tzinfo=UTC)
        assert genealogy.take_in(engineer, table, "parts.csv", "UTC", only_say=False).same == 1
        with pytest.raises(SettingsError, match="row 1: there is no column 'serial'"):
            genealogy.take_in(engineer, b"serial,lot\r\na,b\r\n", "x.csv", "UTC", only_say=True)
        with pytest.raises(PermissionError):
            genealogy.take_in(onlooker, table, "parts.csv", "UTC", only_say=True)


def test_the_empty_table_reads_well(viewer: httpx.Client) -> None:
    answer = viewer.get(f"{BASE}/built-in/table")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = built_in_of_table(answer.content, "built-in.csv", "UTC")
    assert [(row.row, row.problems) for row in rows] == [(2, ()), (3, ()), (4, ())]


def test_clicks_lead_from_an_alarm_to_the_recommendation(staged: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, staged.url, staged.session(Role.VIEWER)) as (page, _):
        page.goto(f"{staged.url}/alarms")
        page.locator("#alarms-list .what a").first.click()
        page.wait_for_url("**/equipment/**from=**")
        until(page, "() => document.querySelector('[data-trend]')?.trend?.mode === 'custom'")
        until(page, "() => document.querySelector('[data-trend]').trend.lines[0].name === 'current'")
        page.locator("#equipment-piece a", has_text=SERIAL).click()
        page.wait_for_url(f"**/genealogy?serial={SERIAL}")
        expect(page.locator(".piece-head h2")).to_have_text(SERIAL)
        page.locator(".tightenings a", has_text="for a person").click()
        page.wait_for_url("**/joints?joint=**")
        expect(page.locator("#joint-shown h2").first).to_contain_text(SERIAL)
        until(page, "() => Boolean(document.querySelector('[data-curve]')?.curve?.plot)")
        page.locator("#joint-shown a.thing", has_text=SERIAL).first.click()
        page.wait_for_url(f"**/genealogy?serial={SERIAL}")
        page.locator("#genealogy-shown a", has_text="Recommendation").click()
        page.wait_for_url("**/recommendations?id=**")
        expect(page.locator("#recommendation-shown h2").first).to_contain_text("ARM-22")


@pytest.mark.heavy
def test_a_piece_is_searched_and_its_lot_leads_to_all_others(staged: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, staged.url, staged.session(Role.VIEWER), language="zh", theme="dark", width=1024) as (page, _):
        page.goto(f"{staged.url}/genealogy")
        page.locator("#genealogy-find").fill("260001")
        page.locator("#genealogy-find").press("Enter")
        page.locator("#genealogy-found a", has_text=SERIAL).click()
        expect(page.locator(".piece-head h2")).to_have_text(SERIAL)
        until(page, "() => document.querySelector('.look-cards img')?.naturalWidth > 0")
        page.locator(".built-in-tree a", has_text="BOLT-LOT-9").click()
        expect(page.locator(".piece-head h2")).to_contain_text("物料批次")
        expect(page.locator("#genealogy-shown table").first).to_contain_text("EX-20260000")
        expect(page.locator(".exports a")).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.goto(f"{staged.url}/genealogy?order={quote(ORDER)}")
        expect(page.locator("#genealogy-shown table")).to_contain_text("EX-20260002")


def test_what_the_simulated_mes_tells_is_taken(staged: RunningDashboard) -> None:
    steps = ("cut", "weld", "paint", "assemble")
    with connect(staged.database_url, application="test") as connection:
        _, secret = issue_token(connection, name="mes", scopes=(Scope.ORDERS,), valid_seconds=600, created_by="test", clock=staged.clock)
    desk = PartsDesk(RestClient(staged.url, secret), staged.clock)
    for number in range(15):
        desk.tell([[f"J-{number}", f"S-{number}", "EX-20", step, f"{step}-a", ""] for step in steps])
    with staged.client(Role.VIEWER) as viewer:
        first, last = (viewer.get(f"{BASE}/serial", params={"name": f"S-{number}"}).json()["made_of"] for number in (0, 14))
        assert [one["name"].split("-")[0] for one in first] == ["BOLTS", "BRG", "PAINT", "PLATE", "WIRE", "RING"]
        assert [one["out_reason"] for one in last if one["name"].startswith("BRG")] == ["runs with play: exchanged", ""]
        rings = next(one["name"] for one in first if one["name"].startswith("RING"))
        recalled = viewer.get(f"{BASE}/recall", params={"kind": "lot", "name": rings}).json()
        assert {row["name"] for row in recalled if row["name"].startswith("S-")} == {f"S-{number}" for number in range(12)}
