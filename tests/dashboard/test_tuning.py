"""Fine-tuning on its page and over REST: what is proposed, who decides, what a trial gave, what was rolled back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from plant.clock import SystemClock
from plant.recommendations import Estimate, Stage
from plant.tuning import Outcome, Proposal, Purpose, Safety, Trial, TuningTarget
from storage.audit import read_audit
from storage.database import connect
from storage.people import Role
from storage.process_windows import write_windows
from storage.trials import accept_recipe, add_proposal, add_trial, change_proposal, judge_trial, read_proposal, read_trials, write_standing
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard

NOW = SystemClock().now_us()
TARGET = TuningTarget("robot-1", "WPS-7")
HOME = {"current": 240.0, "wire_feed": 8.9}
THERE = {"current": 245.0, "wire_feed": 9.0}
WINDOWS = """
[[windows]]
work_unit = "robot-1"
program = "WPS-*"
version = 4
author = "w.engineer"
approver = "q.manager"
parameters = [
    { name = "current", unit = "A", low = 200, high = 280, step = 10, dead_band = 1 },
    { name = "wire_feed", unit = "m/min", low = 7, high = 11, step = 0.5, dead_band = 0.1 },
]
responses = [{ name = "penetration", unit = "mm", low = 3.2 }]
"""


def _proposal(parameters: dict[str, float]) -> Proposal:
    return Proposal(
        *(TARGET, Purpose.IMPROVE, parameters, HOME, HOME, Estimate(0.95, 0.9, 0.98), Estimate(0.9, 0.88, 0.92)),
        *((Safety("penetration", "mm", Estimate(4.0, 3.8, 4.2), 3.2, None),), ("the bound rises",), 4, "surface+gp/1:abc", 3, 1.0),
    )


@pytest.fixture(scope="module")
def tuned(dashboard: RunningDashboard) -> RunningDashboard:
    """A dashboard behind which a program was tuned: one trial was taken back, another proposal waits."""
    with connect(dashboard.database_url, application="test") as connection:
        write_windows(connection, WINDOWS, actor="q.manager", now_us=NOW)
        accept_recipe(connection, TARGET, HOME, actor="q.manager", reason="as approved", now_us=NOW)
        for name in ("t-1", "t-2"):
            add_trial(connection, Trial(name, TARGET, HOME, 60, 54, 2, {"penetration": 4.0}, NOW), actor="li", now_us=NOW)
        wrong = {"current": 250.0, "wire_feed": 8.9}
        number = add_proposal(connection, _proposal(wrong), windows_version=1, now_us=NOW)
        change_proposal(connection, number, Stage.APPROVED, actor="q.manager", now_us=NOW)
        trial = Trial("t-3", TARGET, wrong, 30, 15, 5, {"penetration": 4.2}, NOW)
        add_trial(connection, trial, actor="li", now_us=NOW, proposal=number)
        judge_trial(connection, read_trials(connection, TARGET)[-1], Outcome.WORSE, expected=0.9, evidence=8.0, now_us=NOW)
        add_proposal(connection, _proposal(THERE), windows_version=1, now_us=NOW)
        write_standing(connection, TARGET, "x", {"refusal": None, "best": HOME}, NOW)
    return dashboard


@pytest.fixture
def approver(tuned: RunningDashboard) -> Iterator[httpx.Client]:
    with tuned.client(Role.APPROVER) as client:
        yield client


def _program(client: httpx.Client) -> dict[str, object]:
    answer = client.get("/api/v1/tuning/program", params={"work_unit": "robot-1", "program": "WPS-7"})
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


def test_the_page_shows_the_proposal_its_window_and_the_rollback(tuned: RunningDashboard) -> None:
    with chromium() as browser, visitor(browser, tuned.url, tuned.session(Role.APPROVER)) as (page, _):
        page.goto(tuned.url + "/tuning")
        expect(page.locator("#tuning-shown h2")).to_have_text("WPS-7, robot-1")
        shown = page.locator("#tuning-shown")
        expect(shown).to_contain_text("95.0 %")
        expect(shown).to_contain_text("the bound rises")
        expect(shown).to_contain_text("times likelier than as good")
        expect(shown.get_by_role("button", name="Approve this trial")).to_be_visible()


def test_a_proposal_is_decided_by_an_approver_tried_and_measured(tuned: RunningDashboard, approver: httpx.Client) -> None:
    (line,) = approver.get("/api/v1/tuning").json()
    assert (line["program"], line["trials"], line["stage"], line["purpose"]) == ("WPS-7", 3, "proposed", "improve")
    told = _program(approver)
    proposal = told["proposal"]
    assert isinstance(proposal, dict)
    assert proposal["deltas"] == {"current": 5.0, "wire_feed": 0.1}
    path = f"/api/v1/tuning/proposals/{proposal['id']}"
    trial = {"work_unit": "robot-1", "program": "WPS-7", "trial": "t-4", "parameters": THERE, "parts": 60, "good": 58}
    with tuned.client(Role.ENGINEER) as engineer, tuned.client(Role.INSPECTOR) as inspector:
        assert engineer.post(f"{path}/approve", json={}).status_code == 403
        assert inspector.post("/api/v1/tuning/trials", json={**trial, "proposal": proposal["id"]}).status_code == 409
        assert approver.post(f"{path}/approve", json={"note": "go on"}).status_code == 204
        assert inspector.post("/api/v1/tuning/trials", json={**trial, "proposal": proposal["id"]}).status_code == 201
        units = {"current": "A", "wire_feed": "m/min"}
        read = {"program": "WPS-7", "version": "1", "values": THERE, "units": units, "stored": True}
        assert inspector.post(f"{path}/readback", json=read).json() == {"confirmed": True}
        assert inspector.post(f"{path}/readback", json={**read, "values": HOME}).json() == {"confirmed": False}
    assert approver.post(f"{path}/decline", json={"reason": "quality"}).status_code == 204
    with connect(tuned.database_url, application="test") as connection:
        stored = read_proposal(connection, proposal["id"])
        acts = {one.act for one in read_audit(connection, most=10)}
    assert stored is not None
    assert (stored.stage, stored.stage_reason) == (Stage.DECLINED, "quality")
    assert {"tuning.stage", "tuning.trial", "tuning.readback"} <= acts


def test_a_recipe_outside_its_window_is_never_accepted(approver: httpx.Client) -> None:
    draft = {"work_unit": "robot-1", "program": "WPS-7", "parameters": {"current": 300.0, "wire_feed": 8.9}, "reason": "try"}
    answer = approver.post("/api/v1/tuning/accept", json=draft)
    assert answer.status_code == 409
    assert "current would be 300 A, above 280 A" in answer.text
    assert approver.post("/api/v1/tuning/accept", json={**draft, "parameters": THERE}).status_code == 201


def test_a_policy_is_enabled_and_ended_by_an_approver(approver: httpx.Client) -> None:
    target = {"work_unit": "robot-1", "program": "WPS-7"}
    assert approver.post("/api/v1/tuning/policy", json={**target, "hours": 8, "budget": 5}).status_code == 201
    policy = _program(approver)["policy"]
    assert isinstance(policy, dict)
    assert (policy["budget"], policy["used"]) == (5, 0)
    assert approver.post("/api/v1/tuning/policy/end", json=target).status_code == 204
    assert _program(approver)["policy"] is None
    assert approver.post("/api/v1/tuning/policy/end", json=target).status_code == 409


def test_an_unknown_program_is_said_to_be_unknown(approver: httpx.Client) -> None:
    answer = approver.get("/api/v1/tuning/program", params={"work_unit": "x", "program": "y"})
    assert answer.status_code == 409
