"""Reports and exports as people use them: a shift's report on its page and on paper, a note, a table taken away."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, expect

from dashboard.table_words import TABLE_TITLES
from dashboard.texts import texts_of
from monitor.shift_reports import ShiftReporter, make_reporter
from plant.site import load_site
from storage.database import connect
from storage.people import Role, Scope
from storage.shift_reports import add_note, read_reports
from storage.tables import read_views
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import ROOT, RunningDashboard
from tests.dashboard.test_losses import HOUR, follow_states

LINE = f"{ROOT}/welding/cell-1"
HOSTILE = '=HYPERLINK("http://x") <img src=x onerror="document.title=1">'


@dataclass(frozen=True)
class Reported:
    """A dashboard of a factory whose shifts have reports."""

    dashboard: RunningDashboard
    newest: int
    reports: int


@pytest.fixture(scope="module")
def reported(dashboard: RunningDashboard) -> Reported:
    follow_states(dashboard)
    with connect(dashboard.database_url, application="test") as connection:
        add_note(connection, LINE, dashboard.clock.now_us() - 12 * HOUR, "ann", HOSTILE)
        reporter = make_reporter(load_site(dashboard.site_file), dashboard.clock)
        assert isinstance(reporter, ShiftReporter)
        while reporter.step(connection):
            pass
        found = read_reports(connection)
    return Reported(dashboard, found[0].id, len(found))


@pytest.fixture(scope="module")
def viewer(reported: Reported) -> Iterator[httpx.Client]:
    with reported.dashboard.client(Role.VIEWER) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_reports_stand_in_a_list_and_each_is_there_whole(viewer: httpx.Client, reported: Reported) -> None:
    found = viewer.get("/api/v1/reports/shifts", params={"line": LINE}).json()
    assert len(found) == reported.reports
    whole = viewer.get(f"/api/v1/reports/shifts/{found[0]['id']}").json()
    assert whole["content"]["figures"]["oee"] == found[0]["oee"]
    assert viewer.get("/api/v1/reports/shifts/999999").status_code == 409


def test_the_shift_that_runs_is_told_up_to_now_and_kept_nowhere(viewer: httpx.Client, reported: Reported) -> None:
    one = viewer.get("/api/v1/reports/shifts/now", params={"line": LINE}).json()
    assert one["id"] is None
    assert one["content"]["from_us"] < one["content"]["until_us"] <= one["content"]["to_us"]
    assert len(viewer.get("/api/v1/reports/shifts").json()) == reported.reports
    assert "there is no line 'x'" in viewer.get("/api/v1/reports/shifts/now", params={"line": "x"}).json()["error"]


def test_a_note_is_kept_for_the_shift_audited_and_not_for_viewers(viewer: httpx.Client, reported: Reported) -> None:
    said = {"line": LINE, "text": " wire of robot-2 is short "}
    assert viewer.post("/api/v1/reports/notes", json=said).status_code == 403
    with reported.dashboard.client(Role.INSPECTOR) as inspector:
        assert inspector.post("/api/v1/reports/notes", json={**said, "line": "nowhere"}).status_code == 409
        assert inspector.post("/api/v1/reports/notes", json={**said, "text": " "}).status_code == 409
        assert inspector.post("/api/v1/reports/notes", json=said).status_code == 201
    notes = viewer.get("/api/v1/reports/shifts/now", params={"line": LINE}).json()["content"]["notes"]
    assert [(one["actor"], one["text"]) for one in notes] == [("inspector", "wire of robot-2 is short")]
    with reported.dashboard.client(Role.ADMIN) as admin:
        assert admin.get("/api/v1/audit", params={"act": "shift.note"}).json()[0]["subject"] == LINE


def test_every_stable_view_is_a_table_with_a_title_in_both_languages(viewer: httpx.Client, reported: Reported) -> None:
    with connect(reported.dashboard.database_url, application="test") as connection:
        names = {view.name for view in read_views(connection)}
    assert {one["name"] for one in viewer.get("/api/v1/reports/tables").json()} == names
    assert names - set(TABLE_TITLES) == set()
    zh = texts_of("zh")
    assert [name for name in names if zh(TABLE_TITLES[name]) == TABLE_TITLES[name]] == []


@pytest.mark.heavy
def test_each_table_is_previewed_and_comes_whole_in_each_form(viewer: httpx.Client) -> None:
    wrong = []
    for one in viewer.get("/api/v1/reports/tables").json():
        address = f"/api/v1/reports/tables/{one['name']}"
        shown = viewer.get(address, params={"most": 1000})
        files = {form: viewer.get(f"{address}/file", params={"format": form}) for form in ("csv", "xlsx", "parquet")}
        if {shown.status_code, *(file.status_code for file in files.values())} != {200}:
            wrong.append(one["name"])
            continue
        read = pq.read_table(io.BytesIO(files["parquet"].content))
        sheet = openpyxl.load_workbook(io.BytesIO(files["xlsx"].content)).worksheets[0]
        if read.num_rows != sheet.max_row - 1 or read.num_rows < len(shown.json()["rows"]) or not files["csv"].text:
            wrong.append(f"{one['name']}: {read.num_rows} {sheet.max_row}")
        if one["time"]:
            assert read.schema.field(one["time"]).type == pa.timestamp("us", tz="UTC")
    assert wrong == []


def test_a_span_bounds_a_table_and_what_is_no_table_is_refused(viewer: httpx.Client, reported: Reported) -> None:
    now = reported.dashboard.clock.now_us()

    def rows(from_us: int, to_us: int) -> int:
        answer = viewer.get("/api/v1/reports/tables/v_pieces/file", params={"format": "parquet", "from_us": from_us, "to_us": to_us})
        return int(pq.read_table(io.BytesIO(answer.content)).num_rows)

    assert rows(now - 24 * HOUR, now - 12 * HOUR) + rows(now - 12 * HOUR, now) == rows(now - 24 * HOUR, now) > 100
    assert rows(now + HOUR, now + 2 * HOUR) == 0
    for name in ("account", "v_nothing", "v_samples; DROP TABLE sample", "../../etc/passwd"):
        assert viewer.get(f"/api/v1/reports/tables/{name}").status_code in {401, 403, 404, 409}
    assert viewer.get("/api/v1/reports/tables/v_pieces", params={"from_us": now, "to_us": now - 1}).status_code == 409


def test_tables_are_for_who_may_read(reported: Reported) -> None:
    with reported.dashboard.program(Scope.METRICS) as program:
        assert program.get("/api/v1/reports/tables").status_code == 403
    with reported.dashboard.client() as nobody:
        assert nobody.get("/api/v1/reports/tables/v_samples/file").status_code == 401


@pytest.mark.heavy
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_opens_on_its_page_and_prints_as_a_pdf(browser: Browser, reported: Reported, language: str) -> None:
    url = reported.dashboard.url
    with visitor(browser, url, reported.dashboard.session(Role.INSPECTOR), language=language) as (page, _):
        page.goto(f"{url}/reports")
        page.locator("#reports-list td button").first.click()
        expect(page.locator("#report-shown h2")).to_contain_text("班次报告" if language == "zh" else "Shift report")
        expect(page.locator("#report-shown")).to_contain_text("可用率" if language == "zh" else "Availability")
        with page.expect_popup() as opened:
            page.locator(".report-acts a").click()
        paper = opened.value
        expect(paper.locator("h1")).to_contain_text("班次报告" if language == "zh" else "Shift report")
        assert paper.title() != "1"
        pdf = paper.pdf(prefer_css_page_size=True)
        assert pdf.startswith(b"%PDF-")
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6
        expect(page.locator("body")).not_to_contain_text("undefined")


@pytest.mark.heavy
def test_a_note_and_a_table_are_a_few_clicks(browser: Browser, reported: Reported) -> None:
    url = reported.dashboard.url
    with visitor(browser, url, reported.dashboard.session(Role.INSPECTOR), width=1024) as (page, _):
        page.goto(f"{url}/reports")
        page.locator("#note-text").fill(HOSTILE)
        page.locator("#note-keep").click()
        expect(page.locator("#note-said")).to_contain_text("Kept at")
        page.locator("#reports-list .report-now button").first.click()
        expect(page.locator("#report-shown")).to_contain_text('<img src=x onerror="document.title=1">')
        page.locator("#tables-list button", has_text="v_pieces").click()
        expect(page.locator(".table-preview h3")).to_contain_text("v_pieces")
        with page.expect_download() as got:
            page.locator(".table-preview .exports a", has_text="XLSX").click()
        assert got.value.suggested_filename == "v_pieces.xlsx"
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
