"""Condition on its page and over REST: reasons in words, trends, tools, energy, and what people answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.database import connect
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard
from tests.monitor.condition_stage import START_US, UNIT, Machine, follow, site


@pytest.fixture(scope="module")
def worn(dashboard: RunningDashboard) -> RunningDashboard:
    """A mill whose tool wore in its face step, while all else went on as usual."""
    with connect(dashboard.database_url, application="test") as connection:
        watched = site(tool_life="tool_parts", wear={"signal": "load", "step": "Face", "worn_percent": 40})
        machine = Machine(connection, watched)
        machine.make([0.0] * 40, tool_parts=1)
        machine.make([0.025 * part for part in range(14)], tool_parts=1)
        follow(connection, watched)
    dashboard.wait_until_read()
    return dashboard


@pytest.fixture
def viewer(worn: RunningDashboard) -> Iterator[httpx.Client]:
    with worn.client(Role.VIEWER) as client:
        yield client


def test_findings_say_why_in_the_readers_language(viewer: httpx.Client) -> None:
    [found] = viewer.get("/api/v1/condition/findings", params={"only_open": True}).json()
    assert found["equipment"] == UNIT
    assert "step 'Face'" in found["sentences"][0]
    assert "above its own baseline" in found["sentences"][0]
    [chinese] = viewer.get("/api/v1/condition/findings", params={"only_open": True, "language": "zh"}).json()
    assert "步骤“Face”" in chinese["sentences"][0]


def test_trends_tools_and_energy_come_over_rest(viewer: httpx.Client) -> None:
    streams = viewer.get("/api/v1/condition/streams", params={"equipment": UNIT}).json()
    wanted = {"step": "Face", "signal": "load", "feature": "mean", "occurrence": 1}
    number = next(one["id"] for one in streams if wanted.items() <= one.items())
    trend = viewer.get(f"/api/v1/condition/trends/{number}").json()
    assert len(trend["level"]) == len(trend["time_us"]) == 52
    assert trend["low"][-1] < trend["middle"][-1] < trend["high"][-1]
    now, before = viewer.get("/api/v1/condition/tools", params={"equipment": UNIT}).json()
    assert now["outlook"] == "trend"
    assert now["remaining_low"] < now["remaining_parts"] < now["remaining_high"]
    assert (before["outlook"], before["remaining_parts"]) == ("no_trend", None)
    span: dict[str, str | int] = {"equipment": UNIT, "from_us": START_US, "to_us": START_US + 10**12, "format": "csv"}
    assert len(viewer.get("/api/v1/condition/parts", params=span).text.splitlines()) == 53
    [watched] = viewer.get("/api/v1/condition").json()
    assert (watched["judged"], watched["open_findings"], watched["least_parts"]) == (True, 1, 12)


def test_only_inspectors_answer_and_it_is_audited(worn: RunningDashboard, viewer: httpx.Client) -> None:
    [found] = viewer.get("/api/v1/condition/findings", params={"only_open": True}).json()
    said = {"answer": "confirmed", "finding": found["id"], "note": "seen on the part"}
    assert viewer.post("/api/v1/condition/answers", json=said).status_code == 403
    with worn.client(Role.INSPECTOR) as inspector:
        assert inspector.post("/api/v1/condition/answers", json=said | {"finding": 10**9}).status_code == 409
        assert inspector.post("/api/v1/condition/answers", json=said).status_code == 204
    [after] = viewer.get("/api/v1/condition/findings", params={"only_open": True}).json()
    assert (after["answer"], after["note"]) == ("confirmed", "seen on the part")
    with worn.client(Role.ADMIN) as admin:
        newest = admin.get("/api/v1/audit").json()[0]
    assert (newest["act"], newest["subject"], newest["next"]["answer"]) == ("condition.answer", UNIT, "confirmed")


@pytest.mark.browser
def test_the_page_shows_the_reason_and_takes_an_answer(worn: RunningDashboard) -> None:
    with chromium() as browser:
        _look(browser, worn)


def _look(browser: Browser, worn: RunningDashboard) -> None:
    session = worn.session(Role.INSPECTOR)
    with visitor(browser, worn.url, session, language="en", theme="light") as (page, _):
        page.goto(worn.url + "/condition")
        expect(page.locator("#condition-findings")).to_contain_text("step 'Face'")
        expect(page.locator("#condition-watched")).to_contain_text("not as usual")
        expect(page.locator("#condition-tools")).to_contain_text("parts left")
        expect(page.locator("#condition-trend img")).to_be_visible()
        page.get_by_role("button", name="False call").first.click()
        expect(page.locator("#condition-said")).to_contain_text("Kept")
        expect(page.locator("#condition-findings")).to_contain_text("false call")
    with visitor(browser, worn.url, session, language="zh", theme="dark") as (page, _):
        page.goto(worn.url + "/condition")
        expect(page.locator("#condition-findings")).to_contain_text("步骤“Face”")
