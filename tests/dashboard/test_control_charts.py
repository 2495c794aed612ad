"""Control charts on their page and over REST: limits, rules in words, capability with n, causes noted by who may, aggregates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, expect

from monitor.control import Control
from plant.samples import empty
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.site import site_of
from simulators.tightening import JointFault, tighten
from storage.audit import read_audit
from storage.catalogue import register_site
from storage.database import connect
from storage.people import Role
from storage.samples import SampleWriter
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard
from tests.dashboard.test_tightening import PROGRAM, SOURCE, result_of

SITE = {
    "site": {"enterprise": "works", "id": "hall"},
    "equipment": [{"path": "assembly/line/bearing", "name": "Bearing station", "kind": "tightening_station"}],
    "sources": [
        {"protocol": "open_protocol", "id": SOURCE, "url": "op://127.0.0.1", "equipment": "assembly/line/bearing", "allow_insecure": True}
    ],
    "charts": [
        {"id": "torque", "name": "Torque", "equipment": "assembly/**", "tightening": "torque", "low": 902.5, "high": 997.5, "tool": True}
    ],
}


@pytest.fixture(scope="module")
def charted(dashboard: RunningDashboard) -> int:
    """Forty runs of one spindle, the 36th far too low."""
    site = site_of(SiteFile.model_validate(SITE))
    now_us = dashboard.clock.now_us()
    made = [tighten(PROGRAM, number, JointFault.LOW_TORQUE if number == 36 else JointFault.NONE) for number in range(1, 41)]
    results = tuple(replace(result_of(n + 1, one, now_us - (40 - n) * 5_000_000), spindle=1) for n, one in enumerate(made))
    with connect(dashboard.database_url, application="test") as connection:
        register_site(connection, site)
        SampleWriter(connection).ship(Shipment(uuid4(), 1, 1, empty(), tightenings=results))
        Control(site).step(connection)
        row = connection.execute("SELECT id FROM chart").fetchone()
    assert row is not None
    dashboard.wait_until_read()
    return int(row[0])


@pytest.fixture
def viewer(dashboard: RunningDashboard, charted: int) -> Iterator[httpx.Client]:
    del charted
    with dashboard.client(Role.VIEWER) as client:
        yield client


def test_a_chart_stands_with_its_limits_its_rules_and_its_capability(viewer: httpx.Client, charted: int) -> None:
    (one,) = viewer.get("/api/v1/charts").json()
    assert (one["id"], one["state"], one["points"], one["phase"], one["tool"]) == (charted, "in_control", 40, 1, True)
    assert [(index["name"], index["n"], index["enough"]) for index in one["indices"]] == [("Cm", 40, False), ("Cmk", 40, False)]
    assert all(index["low"] < index["value"] < index["high"] for index in one["indices"])
    points = viewer.get(f"/api/v1/charts/{charted}/points", params={"most": 10}).json()
    assert points["number"] == list(range(31, 41))
    assert points["rules"][5] == ["beyond_limits"]
    assert points["low"][0] < points["phases"][0]["center"] < points["high"][0]
    assert sum(points["counts"]) == 40
    found = viewer.get("/api/v1/charts/violations", params={"from_us": 0, "to_us": 2**52}).json()
    assert {36} <= {violation["number"] for violation in found}
    assert viewer.get("/api/v1/charts/999").json()["error"] == "there is no chart 999"


def test_causes_and_new_limits_are_for_those_who_may_and_are_audited(
    dashboard: RunningDashboard, viewer: httpx.Client, charted: int
) -> None:
    said = {"number": 36, "cause": "socket worn", "leave_out": True}
    assert viewer.post(f"/api/v1/charts/{charted}/notes", json=said).status_code == 403
    with dashboard.client(Role.INSPECTOR) as inspector:
        assert inspector.post(f"/api/v1/charts/{charted}/notes", json=said).status_code == 201
        assert inspector.post(f"/api/v1/charts/{charted}/notes", json={**said, "number": 4000}).status_code == 409
        assert inspector.post(f"/api/v1/charts/{charted}/limits").status_code == 403
    with dashboard.client(Role.ENGINEER) as engineer:
        assert engineer.post(f"/api/v1/charts/{charted}/limits").json() == {"chart": charted, "number": 40}
    (note,) = viewer.get(f"/api/v1/charts/{charted}/points").json()["notes"]
    assert (note["number"], note["cause"], note["leave_out"]) == (36, "socket worn", True)
    with connect(dashboard.database_url, application="test") as connection:
        assert {"chart.note", "chart.limits"} <= {entry.act for entry in read_audit(connection)}


def test_aggregates_are_told_with_their_quality(dashboard: RunningDashboard, viewer: httpx.Client) -> None:
    now = dashboard.clock.now_us()
    signal = next(one["id"] for one in viewer.get("/api/v1/signals").json() if one["name"] == "current")
    asked: dict[str, str | int | list[str]] = {
        "signal": signal,
        "aggregate": ["Count", "Ignition:PctGood"],
        "from_us": now - 120_000_000,
        "to_us": now,
        "interval_us": 60_000_000,
    }
    count, good = viewer.get("/api/v1/aggregates", params=asked).json()
    assert (count["aggregate"], good["aggregate"], len(count["value"])) == ("Count", "PercentGood", 2)
    assert set(good["quality"]) <= {"Good", "BadNoData"}
    rows = viewer.get("/api/v1/aggregates", params={**asked, "format": "csv"}).text.splitlines()
    assert rows[0] == "signal,aggregate,time,value,status,quality"
    assert len(rows) == 5
    assert "no aggregate 'Best'" in viewer.get("/api/v1/aggregates", params={**asked, "aggregate": "Best"}).json()["error"]
    known = {one["name"]: one["ignition"] for one in viewer.get("/api/v1/aggregates/names").json()}
    assert known["TimeAverage2"] == ["Average"]


def beat(client: httpx.Client, drawn_as: list[str] | None) -> httpx.Response:
    """Ask for the list as the page does with each beat."""
    outputs = [{"id": "charts-rows", "property": "children"}, {"id": "charts-marks", "property": "data"}]
    asked = {
        "output": "..charts-rows.children...charts-marks.data..",
        "outputs": outputs,
        "inputs": [{"id": "charts-beat", "property": "data", "value": 1}],
        "state": [{"id": "charts-marks", "property": "data", "value": drawn_as}],
        "changedPropIds": ["charts-beat.data"],
    }
    return client.post("/_dash-update-component", json=asked)


def test_of_the_list_only_what_changed_is_drawn_again(viewer: httpx.Client, charted: int) -> None:
    whole = beat(viewer, None).json()["response"]
    assert len(whole["charts-rows"]["children"]) == 1
    (mark,) = whole["charts-marks"]["data"]
    assert beat(viewer, [mark]).json()["response"] == {}
    before = beat(viewer, [f"{charted} before"]).json()["response"]["charts-rows"]["children"]
    assert [one["location"] for one in before["operations"]] == [[0]]
    others = beat(viewer, [mark, "999 gone"]).json()["response"]["charts-rows"]["children"]
    assert others == whole["charts-rows"]["children"]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize(("language", "theme", "words"), [("en", "light", "Control charts"), ("zh", "dark", "控制图")])
def test_a_person_sees_which_point_is_out_of_control_and_says_why(
    dashboard: RunningDashboard, charted: int, chrome: Browser, language: str, theme: str, words: str
) -> None:
    with visitor(chrome, dashboard.url, dashboard.session(Role.INSPECTOR), language=language, theme=theme) as (page, _):
        page.goto(dashboard.url + f"/charts?chart={charted}")
        expect(page.locator("h1")).to_have_text(words)
        page.locator("[data-control-chart][data-drawn]").wait_for()
        page.locator("#charts-told dl").first.wait_for()
        drawn = page.locator("svg.control").first
        drawn.evaluate("drawn => { drawn.dataset.same = 'yes'; }")
        broken = drawn.locator(".point.broken rect")
        broken.last.hover(force=True)
        expect(page.locator("[data-control-chart] .readout")).to_contain_text("#36")
        page.wait_for_timeout(200)
        expect(drawn).to_have_attribute("data-same", "yes")
        broken.last.click(force=True)
        expect(page.locator("#charts-point")).to_have_value("36")
        page.locator("#charts-cause").fill("seen")
        page.locator("#charts-note").click()
        page.locator("#charts-result .notice").wait_for()
        assert page.locator("#charts-result .notice.wrong").count() == 0
        expect(page.locator("#charts-told")).to_contain_text("seen")
