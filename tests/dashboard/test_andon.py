"""The andon board: whom each station needs and since when, calls, and screens that show it without anybody logged in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from dashboard.gate import SESSION_COOKIE
from dashboard.reading import Reader
from dashboard.topics import make_topic
from plant.equipment import EquipmentId
from plant.states import EquipmentState, OperationMode, StateInterval
from storage.database import connect
from storage.people import Role, Scope
from storage.states import add_states
from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.running import ROBOT, ROOT, RunningDashboard
from tests.dashboard.test_losses import SECOND, SETTINGS

CELL = ROBOT.rpartition("/")[0]
EXECUTE, HELD, SUSPENDED, ABORTED = EquipmentState.EXECUTE, EquipmentState.HELD, EquipmentState.SUSPENDED, EquipmentState.ABORTED
WITHOUT_BREAKS = re.sub(r", breaks = \[[^\]]*\]", "", SETTINGS)
"""In a break nobody is called because material is missing, whatever the hour of the test."""
NOW_DOING = {1: (ABORTED, "breakdown/wire", 754), 2: (EXECUTE, "", 300), 3: (SUSPENDED, "material", 420), 4: (HELD, "", 30)}


@pytest.fixture(scope="module")
def shop(dashboard: RunningDashboard) -> RunningDashboard:
    """Four robots: one broken down, one producing, one without material, one that waits for a moment only."""
    (dashboard.home / "sources.d" / "states.toml").write_text(WITHOUT_BREAKS, encoding="utf-8")
    now = dashboard.clock.now_us()
    with connect(dashboard.database_url, application="test") as connection, connection.transaction():
        add_states(connection, [_interval(n, now) for n in NOW_DOING], [], [])
    return dashboard


def _interval(number: int, now: int) -> StateInterval:
    state, reason, seconds = NOW_DOING[number]
    begin = now - seconds * SECOND
    unit = EquipmentId(f"{CELL}/robot-{number}")
    return StateInterval(unit, begin, now + 3600 * SECOND, state, OperationMode.PROCESSING, reason, "BOOM-12", "JO-1", "P-7", begin)


@pytest.fixture
def person(shop: RunningDashboard) -> Iterator[httpx.Client]:
    with shop.client(Role.INSPECTOR) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def _tiles(client: httpx.Client, place: str = "", language: str = "en") -> dict[str, Any]:
    answer = client.get("/api/v1/andon", params={"place": place, "language": language})
    assert answer.status_code == 200, answer.text
    return {tile["equipment"].rpartition("/")[2]: tile for tile in answer.json()["tiles"]}


def _called(shop: RunningDashboard, client: httpx.Client, robot: int, whom: str, note: str = "") -> int:
    answer = client.post("/api/v1/andon/calls", json={"equipment": f"{CELL}/robot-{robot}", "whom": whom, "note": note})
    assert answer.status_code == 201, answer.text
    shop.wait_until_read()
    return int(answer.json()["id"])


def test_each_station_says_whom_it_needs_why_and_since_when(person: httpx.Client) -> None:
    tiles = _tiles(person, CELL)
    assert list(tiles) == ["robot-1", "robot-2", "robot-3", "robot-4"]
    broken, works, waits, shortly = tiles.values()
    assert [(n["whom"], n["why"], n["words"], n["severity"]) for n in broken["needs"]] == [("maintenance", "breakdown", "wire feed", 3)]
    assert broken["needs"][0]["since_us"] == broken["since_us"]
    assert (works["needs"], works["state"], works["severity"], works["product"]) == ([], "production", 0, "BOOM-12")
    assert [(n["whom"], n["words"], n["severity"]) for n in waits["needs"]] == [("material", "No material", 2)]
    assert (shortly["needs"], shortly["severity"], shortly["state"]) == ([], 0, "waiting")
    assert person.get("/api/v1/andon", params={"place": "no/such"}).status_code == 409
    assert _tiles(person, CELL, "zh")["robot-1"]["needs"][0]["words"] == "送丝"


def test_pace_is_told_against_planned_run_times(person: httpx.Client) -> None:
    works, broken = _tiles(person)["robot-2"], _tiles(person)["robot-1"]
    assert works["takt"] == {"run_us": 160 * SECOND, "begin_us": works["since_us"]}
    assert broken["takt"] is None
    assert works["output"]["made"] == 0
    assert works["output"]["planned"] <= 300 // 160
    assert works["output"]["planned_whole"] >= works["output"]["planned"]


def test_a_call_is_shown_answered_and_done(shop: RunningDashboard, person: httpx.Client) -> None:
    call = _called(shop, person, 2, "quality", "pores in the root")
    (need,) = _tiles(person)["robot-2"]["needs"]
    assert (need["why"], need["whom"], need["words"], need["severity"], need["call"], need["answerer"]) == (
        *("call", "quality", "pores in the root", 3),
        *(call, ""),
    )
    again = person.post("/api/v1/andon/calls", json={"equipment": f"{CELL}/robot-2", "whom": "quality"})
    assert (again.status_code, again.json()["id"]) == (200, call)
    with shop.client(Role.ENGINEER) as engineer:
        assert engineer.post(f"/api/v1/andon/calls/{call}/answer", json={}).json()["answerer"] == "Engineer"
        shop.wait_until_read()
        (need,) = _tiles(engineer)["robot-2"]["needs"]
        assert (need["severity"], need["answerer"]) == (2, "Engineer")
        assert engineer.post(f"/api/v1/andon/calls/{call}/answer", json={}).status_code == 409
        assert engineer.post(f"/api/v1/andon/calls/{call}/done", json={"note": "ground out"}).json()["outcome"] == "ground out"
    shop.wait_until_read()
    assert _tiles(person)["robot-2"]["needs"] == []
    now = shop.clock.now_us()
    span = {"from_us": now - 3600 * SECOND, "to_us": now}
    (answers,) = [a for a in person.get("/api/v1/andon/answers", params=span).json() if a["whom"] == "quality"]
    assert (answers["calls"], answers["answered"], answers["waiting"]) == (1, 1, 0)
    assert answers["answered_p50_seconds"] > 0
    assert call in [one["id"] for one in person.get("/api/v1/andon/calls", params=span).json()]
    assert call not in [one["id"] for one in person.get("/api/v1/andon/calls").json()]
    with shop.client(Role.ADMIN) as admin:
        acts = [entry["act"] for entry in admin.get("/api/v1/audit").json() if entry["subject"] == f"call {call}"]
    assert acts == ["andon.done", "andon.answer", "andon.call"]


def test_a_call_stands_before_what_the_machine_says_and_keeps_its_words(shop: RunningDashboard, person: httpx.Client) -> None:
    call = _called(shop, person, 1, "maintenance")
    (need,) = _tiles(person)["robot-1"]["needs"]
    assert (need["call"], need["words"]) == (call, "wire feed")
    person.post(f"/api/v1/andon/calls/{call}/done", json={})


def test_a_program_calls_by_the_name_of_who_pressed_the_button(shop: RunningDashboard) -> None:
    with shop.program(Scope.ALARMS) as button:
        draft = {"equipment": f"{CELL}/robot-4", "whom": "lead_hand", "person": "Zhao Min"}
        call = button.post("/api/v1/andon/calls", json=draft).json()
        assert call["caller"] == "Zhao Min"
        assert button.post(f"/api/v1/andon/calls/{call['id']}/answer", json={"person": "Sun Lei"}).json()["answerer"] == "Sun Lei"
        assert button.post(f"/api/v1/andon/calls/{call['id']}/done", json={}).status_code == 200
        assert button.post("/api/v1/andon/calls", json={**draft, "equipment": "no/such"}).status_code == 409
        assert button.post("/api/v1/andon/calls", json={**draft, "whom": "nobody"}).status_code == 422
    with shop.program(Scope.READ) as reader:
        assert reader.post("/api/v1/andon/calls", json=draft).status_code == 403
    with shop.client(Role.INSPECTOR) as person:
        own = person.post("/api/v1/andon/calls", json=draft).json()
        assert own["caller"] == "Inspector"
        assert person.post(f"/api/v1/andon/calls/{own['id']}/done", json={}).status_code == 200
    shop.wait_until_read()


def test_who_watches_the_stream_hears_of_calls(shop: RunningDashboard, person: httpx.Client) -> None:
    reader, topic = Reader(), make_topic("andon")
    with connect(shop.database_url, application="test", read_only=True) as connection:
        read = reader.read(connection, frozenset(), shop.clock.now_us())
        assert topic.update(read) is not None
        assert topic.update(read) is None
        call = _called(shop, person, 3, "quality")
        told = topic.update(reader.read(connection, frozenset(), shop.clock.now_us()))
    assert told is not None
    assert [(one["id"], one["name"]) for one in told["calls"]] == [(call, "Robot robot-3")]
    person.post(f"/api/v1/andon/calls/{call}/done", json={})


def _screen(shop: RunningDashboard, **draft: str) -> tuple[dict[str, Any], str]:
    with shop.client(Role.ADMIN) as admin:
        made = admin.post("/api/v1/screens", json={"name": "Hall 2", "place": CELL, **draft})
    assert made.status_code == 201, made.text
    return made.json()["screen"], made.json()["link"].partition("link=")[2]


def test_a_screen_opens_its_link_once_looks_only_and_is_ended_by_an_administrator(shop: RunningDashboard) -> None:
    screen, link = _screen(shop, language="zh")
    with shop.client() as wall:
        assert wall.get("/andon").status_code == 303
        assert wall.get("/screen", params={"link": link}).status_code == 200  # a look uses nothing up
        opened = wall.post("/screen", data={"link": link})
        assert (opened.status_code, opened.headers["location"]) == (303, f"/andon?place={CELL}&language=zh&theme=dark")
        assert wall.get(opened.headers["location"]).status_code == 200
        assert len(_tiles(wall, CELL)) == 4
        assert wall.get("/api/v1/me").json()["role"] == "viewer"
        assert wall.get("/api/v1/screens").status_code == 403
        call = wall.post("/api/v1/andon/calls", json={"equipment": ROBOT, "whom": "quality"})
        assert (call.status_code, call.json()["error"]) == (403, "a screen may look only")
        assert wall.put("/api/v1/me/password", json={}).status_code == 403
        here = wall.post("/api/v1/screens/here")
        assert here.status_code == 204
        assert "Max-Age=34560000" in here.headers["set-cookie"]
        with shop.client() as thief:
            assert thief.post("/screen", data={"link": link}).status_code == 403
        with shop.client(Role.ADMIN) as admin:
            assert [(s["id"], s["state"]) for s in admin.get("/api/v1/screens").json()][:1] == [(screen["id"], "shown")]
            assert admin.delete(f"/api/v1/screens/{screen['id']}").json()["state"] == "ended"
            acts = [e["act"] for e in admin.get("/api/v1/audit").json() if str(e["act"]).startswith("screen.")]
        assert acts[:3] == ["screen.end", "screen.open", "screen.add"]
        assert wall.get("/api/v1/andon").status_code == 401


def test_a_screen_does_not_end_by_idleness_when_sessions_of_people_do(shop: RunningDashboard) -> None:
    _, link = _screen(shop)
    with shop.client() as wall, shop.client(Role.VIEWER) as person:
        wall.post("/screen", data={"link": link})
        with connect(shop.database_url, application="test") as connection:
            month_ago = shop.clock.now_us() - 30 * 86_400 * SECOND
            connection.execute("UPDATE screen SET opened_us = %s, seen_us = %s WHERE ended_us IS NULL", [month_ago, month_ago])
            connection.execute("UPDATE login_session SET seen_us = %s", [month_ago])
        assert wall.get("/api/v1/andon").status_code == 200
        assert person.get("/api/v1/andon").status_code == 401


def test_the_board_is_drawn_in_both_languages_and_calls_are_made_on_it(shop: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, shop.url, shop.session(Role.INSPECTOR), width=1920, height=1080) as (page, _):
        page.goto(f"{shop.url}/andon?place={ROOT}")
        broken = page.locator(".tile", has_text="robot-1")
        expect(broken).to_have_class("tile now")
        expect(broken.locator(".whom")).to_have_text("Maintenance")
        expect(broken.locator(".tile-why")).to_contain_text("Breakdown: wire feed")
        expect(page.locator("#board-sum")).to_contain_text("1 need somebody now")
        expect(page.locator(".tile", has_text="robot-2")).to_have_class("tile normal")
        page.locator(".tile", has_text="robot-2").get_by_role("button", name="Call…").click()
        page.get_by_role("textbox").fill("<b>spatter</b>")
        page.get_by_role("dialog").get_by_role("button", name="Quality").click()
        called = page.locator(".tile", has_text="robot-2")
        expect(called).to_have_class("tile now")
        expect(called.locator(".tile-why")).to_have_text("<b>spatter</b>")
        called.get_by_role("button", name="I come").click()
        expect(called.locator(".comes")).to_contain_text("Inspector comes")
        called.get_by_role("button", name="Done").click()
        expect(called).to_have_class("tile normal")
        page.goto(f"{shop.url}/andon?place={ROOT}&language=zh&theme=dark")
        expect(page.locator(".tile", has_text="robot-1").locator(".whom")).to_have_text("维修")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.heavy
def test_a_call_is_made_at_the_equipment_and_seen_on_the_overview(shop: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, shop.url, shop.session(Role.INSPECTOR)) as (page, _):
        page.goto(f"{shop.url}/equipment/{CELL}/robot-4")
        page.locator("[data-calls]").get_by_role("button", name="Material").click()
        expect(page.locator("[data-calls] li")).to_contain_text("called by Inspector")
        page.goto(shop.url)
        row = page.locator("[data-calls] li")
        expect(row).to_contain_text("Robot robot-4")
        row.get_by_role("button", name="Done").click()
        expect(page.locator("[data-calls]")).to_be_hidden()
    with visitor(browser, shop.url, shop.session(Role.VIEWER)) as (page, _):
        page.goto(f"{shop.url}/equipment/{CELL}/robot-4")
        page.locator("[data-drawn]").wait_for()
        expect(page.locator("[data-calls]")).to_be_hidden()


@pytest.mark.heavy
def test_more_tiles_than_fit_are_shown_page_by_page_and_the_urgent_ones_on_each(shop: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, shop.url, shop.session(Role.VIEWER), width=800, height=420) as (page, _):
        page.goto(f"{shop.url}/andon")
        expect(page.locator("#board-page")).to_contain_text("Page 1 of")
        first = page.locator(".tile h2").all_text_contents()
        until(page, "() => document.getElementById('board-page').textContent.includes('Page 2 of')", seconds=20)
        second = page.locator(".tile h2").all_text_contents()
        assert first != second
        assert "Robot robot-1" in first
        assert "Robot robot-1" in second


@pytest.mark.heavy
def test_a_screen_is_made_on_the_page_of_people_and_shows_the_board(shop: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, shop.url, shop.session(Role.ADMIN)) as (page, _):
        page.goto(f"{shop.url}/people")
        page.locator("#screen-name").fill("Paint shop door")
        page.locator("#screen-add").click()
        link = page.locator("#screens-result pre").text_content()
        expect(page.locator("#screens-list")).to_contain_text("waits to be opened")
    assert link is not None
    with visitor(browser, shop.url, None, width=1920, height=1080) as (page, _):
        page.goto(link)
        page.get_by_role("button").click()
        expect(page.locator(".tile")).to_have_count(5)
        expect(page.locator(".board-tools")).to_have_count(0)
        expect(page.locator(".tile button")).to_have_count(0)
        assert {c["name"] for c in page.context.cookies() if c.get("httpOnly")} == {SESSION_COOKIE}
