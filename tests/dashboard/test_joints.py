"""Joints on their page and over REST: flanges, reasons in the reader's language, an inspector's decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import expect

from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.inspections import Decision, Reason
from plant.joints import JointState, Risk
from storage.audit import read_audit
from storage.database import connect
from storage.joints import JointRecord, add_joint, write_reference
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard

NOW = SystemClock().now_us()
GOOD = JointRecord(
    *("bearing", EquipmentId("acme/north/paint/booth"), "EX-1", 1, NOW, NOW, 4, Risk.A, JointState.RELEASED, Decision.OK, ()),
    program_print="p1",
    curve=Decision.OK,
    order=Decision.OK,
    measures={"torque_nm": 951.0},
    distance=1.2,
    review_at=4.0,
    reference_runs=100,
)
BAD = replace(
    GOOD,
    bolt=3,
    time_us=NOW + 5,
    state=JointState.STOPPED,
    decision=Decision.NOK,
    curve=Decision.NOK,
    reasons=(Reason("suspected", {"fault": "stick-slip"}),),
)


@pytest.fixture(scope="module")
def joined(dashboard: RunningDashboard) -> RunningDashboard:
    """A dashboard behind which a flange of four bolts was tightened: two released, one stopped, one waits."""
    with connect(dashboard.database_url, application="test") as connection:
        band = {"angle_deg": [-1.0, 0.0], "low_nm": [1.0, 2.0], "high_nm": [3.0, 4.0]}
        write_reference(connection, "p1", "M24", 100, NOW, {"runs": 100, "band": band})
        for record in (GOOD, replace(GOOD, bolt=2), BAD, replace(GOOD, bolt=4, state=JointState.WAITING, decision=Decision.NOT_DECIDABLE)):
            add_joint(connection, record)
    return dashboard


@pytest.fixture
def inspector(joined: RunningDashboard) -> Iterator[httpx.Client]:
    with joined.client(Role.INSPECTOR) as client:
        yield client


def test_flanges_and_joints_come_over_rest_with_their_reasons(inspector: httpx.Client) -> None:
    (group,) = inspector.get("/api/v1/joints/groups").json()
    assert (group["part"], group["bolts"], group["released"], group["state"]) == ("EX-1", 4, 2, "stopped")
    (case,) = inspector.get("/api/v1/joints", params={"cases": True}).json()
    assert (case["bolt"], case["reasons"][0]["words"]) == (3, "This looks like: stick-slip.")
    (chinese,) = inspector.get("/api/v1/joints", params={"cases": True, "language": "zh"}).json()
    assert chinese["reasons"][0]["words"] == "疑似\uff1a粘滑。"
    assert inspector.get(f"/api/v1/joints/{case['id']}/band").json()["runs"] == 100
    assert inspector.get("/api/v1/joints", params={"state": "fine"}).status_code == 409
    assert inspector.get("/api/v1/joints/999999/band").status_code == 409
    assert inspector.get("/api/v1/joints/999999").status_code == 409


def test_a_joint_whose_program_is_not_learned_has_an_empty_band_that_says_why(joined: RunningDashboard, inspector: httpx.Client) -> None:
    with connect(joined.database_url, application="test") as connection:
        new = add_joint(connection, replace(GOOD, group="new", part="EX-9", program_print="not learned"))
    answer = inspector.get(f"/api/v1/joints/{new}/band")
    assert answer.status_code == 200, answer.text
    words = "Good runs of this program are not learned yet: no band is drawn."
    assert answer.json() == {"runs": 0, "angle_deg": [], "low_nm": [], "high_nm": [], "words": words}
    assert "区间" in inspector.get(f"/api/v1/joints/{new}/band", params={"language": "zh"}).json()["words"]


def test_a_decision_needs_an_inspector_and_a_reason_and_is_audited(joined: RunningDashboard, inspector: httpx.Client) -> None:
    (case,) = inspector.get("/api/v1/joints", params={"group": "bearing", "state": "waiting"}).json()
    path = f"/api/v1/joints/{case['id']}/decision"
    with joined.client(Role.VIEWER) as viewer:
        assert viewer.post(path, json={"decision": "released", "note": "seen by me"}).status_code == 403
    assert inspector.post(path, json={"decision": "released", "note": ""}).status_code == 422
    decided = inspector.post(path, json={"decision": "released", "note": "mark seen by eye"})
    assert decided.status_code == 201, decided.text
    assert (decided.json()["state"], decided.json()["revision"], decided.json()["note"]) == ("released", 2, "mark seen by eye")
    assert inspector.post(path, json={"decision": "stopped", "note": "too late"}).status_code == 409
    assert [one["state"] for one in inspector.get(f"/api/v1/joints/{case['id']}/revisions").json()] == ["waiting", "released"]
    with connect(joined.database_url, application="test") as connection:
        entry = read_audit(connection, most=1)[0]
    assert (entry.act, entry.next["note"]) == ("joint.decide", "mark seen by eye")


def test_the_page_shows_the_flange_the_case_and_why(joined: RunningDashboard) -> None:
    with chromium() as browser, visitor(browser, joined.url, joined.session(Role.INSPECTOR)) as (page, _):
        page.goto(joined.url + "/joints")
        expect(page.locator(".joint-bolt")).to_have_count(4)
        expect(page.locator(".joint-bolt.critical")).to_have_text("3")
        expect(page.locator(".joint-reasons")).to_contain_text("This looks like: stick-slip.")
        page.locator(".joint-bolt").first.click()
        expect(page.locator("#joint-shown h2")).to_have_text("Bolt 1 of EX-1")


def test_a_spindle_that_reads_more_than_the_others_is_told_with_what_to_do(joined: RunningDashboard, inspector: httpx.Client) -> None:
    with connect(joined.database_url, application="test") as connection, connection.transaction():
        for turn in range(30):
            for spindle in (1, 2, 3, 4):
                gradient = (7.28 if spindle == 2 else 7.0) * (1 + 0.01 * ((turn * 7 + spindle * 3) % 5 - 2) / 2)
                place = replace(GOOD, group="ring", part=f"EX-{turn}", bolt=spindle, spindle=spindle, time_us=NOW + turn * 1_000_000)
                add_joint(connection, replace(place, measures={"gradient_nm_per_deg": gradient}))
    answer = inspector.get("/api/v1/joints/groups/ring/spindles")
    assert answer.status_code == 200, answer.text
    told = {one["spindle"]: one for one in answer.json()}
    assert (told[2]["standing"], told[2]["since_us"], told[1]["standing"]) == ("apart", None, "even")
    assert told[2]["low"] < 0.04 < told[2]["high"]
    assert told[2]["words"].startswith("Reads 4.")
    assert inspector.get("/api/v1/joints/groups/none/spindles").json() == []
