"""Alarms on their page and over REST: seen, acknowledged, shelved, counted, in both languages and both themes."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import httpx
import pytest
from playwright.sync_api import Browser, expect

from plant.alarms import AlarmEvent, AlarmId, lived
from plant.errors import Rejected
from storage.alarms import (
    Action,
    Entry,
    add_entries,
    answer_actions,
    last_seq,
    read_actions,
    read_standings,
    register_alarms,
    write_standings,
)
from storage.database import Connection, connect
from storage.people import Role, Scope
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import ROBOT, RunningDashboard

HIGH, HIGH_HIGH, LOW = (AlarmId(f"{ROBOT}/current:{kind}") for kind in ("high", "high_high", "low"))
MINUTE_US = 60_000_000


def happen(connection: Connection, which: AlarmId, event: AlarmEvent, time_us: int, action: Action | None = None) -> None:
    """What the monitor writes when something happens to an alarm."""
    before = read_standings(connection, alarms=[which])[0]
    until_us = None if action is None else action.until_us
    life = lived(before.life, event, latching=before.definition.latching, until_us=until_us)
    if life == before.life:
        return
    who, reason = ("", "") if action is None else (action.who, action.reason)
    seq, value = last_seq(connection) + 1, 231.5
    number = None if action is None else action.id
    entry = Entry(seq, which, time_us, time_us, event, before.state, life.state, life.active, value, None, 200.0, who, reason, number)
    with connection.transaction():
        add_entries(connection, [entry], {which: before.number})
        standing = replace(before, life=life, since_us=time_us, value=value, limit=200.0, who=who, reason=reason, seq=seq)
        write_standings(connection, [replace(standing, active_since_us=time_us) if event is AlarmEvent.ACTIVE else standing])


def answer(connection: Connection, now_us: int) -> None:
    """Do what people asked for, as the monitor does."""
    for action in read_actions(connection, waiting=True):
        outcome, words = "applied", ""
        try:
            happen(connection, action.alarm, AlarmEvent(action.action.value), now_us, action)
        except Rejected as error:
            outcome, words = "rejected", str(error)
        answer_actions(connection, [replace(action, effective_us=now_us, outcome=outcome, answer=words)])


@contextmanager
def monitor(dashboard: RunningDashboard) -> Iterator[None]:
    """Answer actions at once."""
    ended = Event()

    def run() -> None:
        with connect(dashboard.database_url, application="test monitor") as connection:
            while not ended.wait(0.05):
                answer(connection, dashboard.clock.now_us())

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def plant(dashboard: RunningDashboard) -> Iterator[RunningDashboard]:
    """Three alarms of a robot: one urgent, one that chattered, one that was acknowledged."""
    now = dashboard.clock.now_us()
    with connect(dashboard.database_url, application="test") as connection:
        definitions = [
            replace(one, message="Current far too high", response="Stop the robot") if one.id == HIGH_HIGH else one
            for one in dashboard.site.alarms
        ]
        register_alarms(connection, str(dashboard.site.path), [(one, "A") for one in definitions], now)
        for n in range(4):
            happen(connection, LOW, AlarmEvent.ACTIVE, now - 60 * MINUTE_US + n * 4_000_000)
            happen(connection, LOW, AlarmEvent.INACTIVE, now - 60 * MINUTE_US + n * 4_000_000 + 2_000_000)
        happen(connection, HIGH, AlarmEvent.ACTIVE, now - 10 * MINUTE_US)
        happen(connection, HIGH_HIGH, AlarmEvent.ACTIVE, now - 9 * MINUTE_US)
    dashboard.wait_until_read()
    with monitor(dashboard):
        yield dashboard


@pytest.fixture
def inspector(plant: RunningDashboard) -> Iterator[httpx.Client]:
    with plant.client(Role.INSPECTOR) as client:
        yield client


def test_alarms_are_listed_the_most_urgent_first(inspector: httpx.Client) -> None:
    found = inspector.get("/api/v1/alarms").json()
    assert [one["alarm"] for one in found] == [HIGH_HIGH, HIGH, LOW]
    assert [one["state"] for one in found] == ["unacknowledged", "unacknowledged", "returned"]
    assert (found[1]["value"], found[1]["limit"], found[1]["unit"], found[1]["priority"]) == (231.5, 200.0, "A", "medium")
    assert inspector.get("/api/v1/alarms", params={"priority": "high"}).json() == found[:1]
    assert inspector.get("/api/v1/alarms", params={"equipment": "acme/north/paint"}).json() == []
    assert inspector.get("/api/v1/alarms", params={"alarm": HIGH}).json() == found[1:2]
    assert len(inspector.get("/api/v1/alarms", params={"which": "all"}).json()) > 20
    assert inspector.get("/api/v1/alarms/counts").json() == {"unacknowledged": 3, "annunciated": 3, "silenced": 0, "priority": "high"}
    assert "there are no alarms 'x'" in inspector.get("/api/v1/alarms", params={"which": "x"}).json()["error"]
    rows = list(csv.DictReader(io.StringIO(inspector.get("/api/v1/alarms", params={"format": "csv"}).text)))
    assert [row["alarm"] for row in rows] == [HIGH_HIGH, HIGH, LOW]


def test_the_journal_is_filtered_by_all_that_matters(inspector: httpx.Client) -> None:
    def lines(**wanted: object) -> list[tuple[str, str]]:
        found = inspector.get("/api/v1/alarms/journal", params=wanted).json()  # type: ignore[arg-type]
        return [(one["alarm"], one["event"]) for one in found]

    everything = lines(most=1000)
    assert everything[-1] == (LOW, "active")
    assert lines(priority="high")[-1] == (HIGH_HIGH, "active")
    assert set(lines(alarm=LOW, event="inactive")) == {(LOW, "inactive")}
    assert lines(state="shelved", who="nobody") == []
    newest = inspector.get("/api/v1/alarms/journal", params={"most": 1}).json()[0]
    assert lines(before=newest["seq"], most=1000) == everything[1:]
    assert inspector.get("/api/v1/alarms/journal", params={"state": "x"}).status_code == 409


def test_figures_name_what_chatters_and_what_is_frequent(inspector: httpx.Client, plant: RunningDashboard) -> None:
    now = plant.clock.now_us()
    found = inspector.get("/api/v1/alarms/rates", params={"from_us": now - 86_400_000_000, "to_us": now}).json()
    assert found["count"] == 6
    assert found["chattering"] == [{"alarm": LOW, "message": "", "count": 4}]
    assert found["fleeting"] == [{"alarm": LOW, "message": "", "count": 4}]
    assert (found["performance"], found["frequent"][0]["count"], found["frequent_share"]) == ("predictive", 4, 1.0)
    assert (found["floods"], found["standing"], len(found["per_interval"])) == ([], [], 144)
    wrong = inspector.get("/api/v1/alarms/rates", params={"from_us": now, "to_us": now})
    assert (wrong.status_code, "'from' must lie before" in wrong.json()["error"]) == (409, True)


def act(client: httpx.Client, action: str, *names: str, **more: object) -> httpx.Response:
    return client.post("/api/v1/alarms/actions", params={"wait_seconds": 10}, json={"action": action, "alarms": list(names), **more})


def test_shelving_needs_a_reason_and_a_time_and_is_undone_and_audited(inspector: httpx.Client, plant: RunningDashboard) -> None:
    assert "say why" in act(inspector, "shelve", LOW, minutes=5).json()["error"]
    assert "give 'minutes'" in act(inspector, "shelve", LOW, reason="new sensor").json()["error"]
    done = act(inspector, "shelve", LOW, minutes=5, reason="new sensor").json()
    assert [(one["outcome"], one["who"], one["reason"]) for one in done] == [("applied", "inspector", "new sensor")]
    silenced = inspector.get("/api/v1/alarms", params={"which": "silenced"}).json()
    assert [(one["alarm"], one["state"], one["reason"]) for one in silenced] == [(LOW, "shelved", "new sensor")]
    refused = act(inspector, "acknowledge", LOW).json()[0]
    assert (refused["outcome"], refused["answer"]) == ("rejected", "the alarm is shelved: there is nothing to acknowledge")
    assert act(inspector, "unshelve", LOW).json()[0]["outcome"] == "applied"
    with plant.client(Role.ADMIN) as admin:
        entries = [one for one in admin.get("/api/v1/audit").json() if one["act"] == "alarm.shelve"]
    assert (entries[0]["actor"], entries[0]["subject"], entries[0]["next"]["reason"]) == ("inspector", LOW, "new sensor")


def test_acknowledging_twice_is_harmless_but_not_what_came_again_unseen(inspector: httpx.Client, plant: RunningDashboard) -> None:
    which = AlarmId(f"{ROBOT}/voltage:high")
    with connect(plant.database_url, application="test") as connection:
        happen(connection, which, AlarmEvent.ACTIVE, plant.clock.now_us())
        seen = inspector.get("/api/v1/alarms", params={"alarm": which}).json()[0]["seq"]
        assert [act(inspector, "acknowledge", which, seen={which: seen}).json()[0]["outcome"] for _ in range(2)] == ["applied"] * 2
        lines = inspector.get("/api/v1/alarms/journal", params={"alarm": which}).json()
        assert [one["event"] for one in lines] == ["acknowledge", "active"]
        for event in (AlarmEvent.INACTIVE, AlarmEvent.ACTIVE):
            happen(connection, which, event, plant.clock.now_us())
        assert "came again meanwhile" in act(inspector, "acknowledge", which, seen={which: seen}).json()["error"]
        happen(connection, which, AlarmEvent.INACTIVE, plant.clock.now_us())
    assert act(inspector, "acknowledge", which).json()[0]["outcome"] == "applied"
    assert "there is no alarm 'x'" in act(inspector, "acknowledge", "x").json()["error"]


def test_viewers_and_tokens_without_the_right_do_nothing(plant: RunningDashboard) -> None:
    with plant.client(Role.VIEWER) as viewer:
        assert act(viewer, "acknowledge", HIGH).status_code == 403
    with plant.client(Role.INSPECTOR) as inspector:
        assert act(inspector, "remove_from_service", HIGH, reason="gone").status_code == 403
    with plant.program(Scope.READ) as program:
        assert act(program, "acknowledge", HIGH).status_code == 403
    with plant.program(Scope.ALARMS) as program:
        assert act(program, "remove_from_service", LOW, reason="gone").json()[0]["outcome"] == "applied"
        assert act(program, "return_to_service", LOW).json()[0]["outcome"] == "applied"


def test_definitions_go_out_and_come_back_as_a_table(plant: RunningDashboard) -> None:
    def body(content: bytes) -> dict[str, str]:
        return {"content": base64.b64encode(content).decode()}

    with plant.client(Role.ENGINEER) as engineer:
        book = engineer.get("/api/v1/alarms/definitions", params={"format": "xlsx"})
        assert book.content.startswith(b"PK")
        same = engineer.post("/api/v1/alarms/definitions/check", json=body(book.content)).json()
        assert same == {"added": [], "changed": [], "removed": [], "applied": False}
        rows = engineer.get("/api/v1/alarms/definitions").text.splitlines()
        line = next(row for row in rows if "robot-2/current:high," in row)
        table = f"{rows[0]}\n{line.replace(',200,', ',190,')}\n".encode()
        checked = engineer.post("/api/v1/alarms/definitions/check", json=body(table)).json()
        assert checked["changed"][0]["cells"] == [{"column": "limit", "before": "200", "after": "190"}]
        assert engineer.post("/api/v1/alarms/definitions", json=body(table)).json() == {**checked, "applied": True}
        assert engineer.post("/api/v1/alarms/definitions", json=body(table)).json()["changed"] == []
        wrong = engineer.post("/api/v1/alarms/definitions", json=body(table.replace(b",190,", b",much,")))
        assert (wrong.status_code, wrong.json()["problems"]) == (422, ["row 2, limit: 'much' is no number; write e.g. 12.5"])
    with plant.client(Role.INSPECTOR) as inspector:
        assert inspector.post("/api/v1/alarms/definitions", json=body(table)).status_code == 403


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def two_left(inspector: httpx.Client, plant: RunningDashboard) -> None:
    """Only the two alarms that are active must still be seen, whichever tests ran before."""
    act(inspector, "acknowledge", LOW)
    plant.wait_until_read()


@pytest.mark.browser
@pytest.mark.usefixtures("two_left")
def test_an_operator_sees_acknowledges_and_shelves_and_every_page_says_how_many_wait(plant: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, plant.url, plant.session(Role.INSPECTOR), width=1366) as (page, _):
        page.goto(f"{plant.url}/health")
        badge = page.locator("#alarm-badge")
        expect(badge).to_contain_text("2 unacknowledged")
        expect(badge).to_contain_text("high priority")
        badge.click()
        rows = page.locator("#alarms-list tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("Current far too high")
        expect(rows.first).to_contain_text("Stop the robot")
        rows.first.get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#alarms-result")).to_contain_text("Done: 1")
        expect(badge).to_contain_text("1 unacknowledged")
        # the list is drawn again with the alarm as it now is, and a box ticked before would be one of the alarm as it was
        expect(rows.filter(has_text="Current far too high").get_by_role("button", name="Acknowledge")).to_have_count(0)
        page.locator("#alarms-list tr", has_text="limit").locator("input[type=checkbox]").first.check()
        page.get_by_role("button", name="Shelve", exact=True).click()
        expect(page.locator("#alarms-result")).to_contain_text("say why")
        page.locator(".alarm-bar input[type=text]").first.fill("electrode is changed")
        page.get_by_role("button", name="Shelve", exact=True).click()
        expect(page.locator("#alarms-silenced")).to_contain_text("electrode is changed")
        expect(page.locator("#alarms-journal")).to_contain_text("electrode is changed")
        expect(badge).to_contain_text("1 alarms")
        page.locator("#alarms-silenced").get_by_role("button", name="Unshelve").click()
        expect(badge).to_contain_text("1 unacknowledged")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
@pytest.mark.usefixtures("two_left")
def test_a_viewer_reads_it_in_chinese_and_the_dark_and_is_offered_nothing_to_do(plant: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, plant.url, plant.session(), language="zh", theme="dark", width=1024) as (page, _):
        page.goto(f"{plant.url}/alarms")
        expect(page.locator("h1")).to_have_text("报警")
        expect(page.locator("#alarms-list tbody tr")).to_have_count(2)
        expect(page.locator("#alarms-rates")).to_contain_text("抖动报警")
        expect(page.get_by_role("button", name="确认")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
