"""OEE and losses on their page and over REST: figures that open down to their intervals, and people's words beside what the rules told."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from plant.equipment import EquipmentId
from plant.oee import Made
from plant.states import EquipmentState, OperationMode, StateInterval
from storage.database import connect
from storage.people import Role
from storage.states import CounterNote, add_states
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import ROBOT, RunningDashboard

SECOND = 1_000_000
HOUR = 3600 * SECOND
SETTINGS = """
[[calendars]]
name = "round the clock"
shifts = [
  { name = "early", days = DAYS, from = "06:00", to = "14:00", breaks = [{ from = "10:00", to = "10:30" }] },
  { name = "late", days = DAYS, from = "14:00", to = "22:00", breaks = [{ from = "18:00", to = "18:30" }] },
  { name = "night", days = DAYS, from = "22:00", to = "06:00" },
]
teams = { from = 2026-01-05, order = { early = ["A", "B", "C"], late = ["B", "C", "A"], night = ["C", "A", "B"] } }

[[reasons]]
path = "breakdown"
loss = "breakdown"
names = { en = "Breakdown", zh = "故障" }

[[reasons]]
path = "breakdown/wire"
names = { en = "wire feed", zh = "送丝" }

[[reasons]]
path = "material"
loss = "waiting"
names = { en = "No material", zh = "缺料" }

[[states]]
equipment = "welding/cell-1/*"
rules = [{ signal = "current", above = 60, state = "execute" }]
otherwise = { state = "idle" }
micro_stop_seconds = 120
good = [{ signal = "voltage" }]
scrap = [{ signal = "current" }]
product = "program"
planned_run_time = [{ product = "*", seconds = 160 }]
""".replace("DAYS", '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]')
KINDS = (
    (EquipmentState.EXECUTE, OperationMode.PROCESSING, "", 1500),
    (EquipmentState.HELD, OperationMode.PROCESSING, "", 60),
    (EquipmentState.EXECUTE, OperationMode.PROCESSING, "", 2400),
    (EquipmentState.ABORTED, OperationMode.PROCESSING, "breakdown/wire", 500),
    (EquipmentState.EXECUTE, OperationMode.PROCESSING, "", 1900),
    (EquipmentState.SUSPENDED, OperationMode.PROCESSING, "material", 420),
    (EquipmentState.EXECUTE, OperationMode.SETUP, "", 700),
    (EquipmentState.UNKNOWN, OperationMode.NONE, "", 200),
    (EquipmentState.IDLE, OperationMode.PROCESSING, "", 300),
)


def history(url: str, now_us: int, hours: int = 30) -> None:
    """What four robots did for some hours, up to now: nine kinds of states by turns, a piece each three minutes of production."""
    intervals, pieces = [], []
    for number in range(1, 5):
        unit = EquipmentId(f"{ROBOT[:-1]}{number}")
        draw = np.random.default_rng(number)
        at, end, turn = now_us - hours * HOUR, now_us, number
        while at < end:
            state, mode, reason, seconds = KINDS[turn % len(KINDS)]
            until = min(end, at + round(seconds * float(draw.uniform(0.7, 1.3))) * SECOND)
            product = f"BOOM-{11 + turn // len(KINDS) % 3}"
            intervals.append(StateInterval(unit, at, until, state, mode, reason, product, "JO-1", "", at))
            if state is EquipmentState.EXECUTE and mode is OperationMode.PROCESSING:
                made = range(at + 180 * SECOND, until, 180 * SECOND)
                pieces += [Made(unit, time, "scrap" if draw.random() < 0.04 else "good", product, "JO-1", 1) for time in made]
            at, turn = until, turn + 1
    note = CounterNote(EquipmentId(ROBOT), now_us - HOUR, "voltage", "reset", 812.0, 0.0)
    with connect(url, application="test") as connection, connection.transaction():
        add_states(connection, intervals, pieces, [note])


def follow_states(dashboard: RunningDashboard) -> None:
    """Let the settings name states, and the database hold what they told."""
    (dashboard.home / "sources.d" / "states.toml").write_text(SETTINGS, encoding="utf-8")
    history(dashboard.database_url, dashboard.clock.now_us())


@pytest.fixture(scope="module")
def followed(dashboard: RunningDashboard) -> RunningDashboard:
    follow_states(dashboard)
    return dashboard


@pytest.fixture
def viewer(followed: RunningDashboard) -> Iterator[httpx.Client]:
    with followed.client(Role.VIEWER) as client:
        yield client


def span_of(dashboard: RunningDashboard, hours: float = 24) -> dict[str, int]:
    now = dashboard.clock.now_us()
    return {"from_us": now - round(hours * HOUR), "to_us": now}


def test_every_figure_opens_down_to_intervals_that_add_up_to_it(viewer: httpx.Client, followed: RunningDashboard) -> None:
    asked = span_of(followed) | {"equipment": ROBOT}
    (whole,) = viewer.get("/api/v1/oee", params=asked).json()
    slices = viewer.get("/api/v1/states/intervals", params=asked | {"most": 100_000}).json()
    planned = [one for one in slices if one["planned"] == "shift"]
    assert sum(one["us"] for one in slices) == pytest.approx(whole["calendar_us"], abs=20 * SECOND)
    assert sum(one["us"] for one in planned) == pytest.approx(whole["pbt_us"], abs=20 * SECOND)
    for loss in ("breakdown", "minor_stop", "waiting", "idle", "unknown"):
        opened = viewer.get("/api/v1/states/intervals", params=asked | {"most": 100_000, "loss": loss}).json()
        assert sum(one["us"] for one in opened) == pytest.approx(whole[f"{loss}_us"], abs=20 * SECOND), loss
        assert opened
    lines = viewer.get("/api/v1/oee/pareto", params=asked).json()
    assert {line["loss"] for line in lines} == {"breakdown", "minor_stop", "waiting", "setup", "idle", "unknown"}
    assert next(line["reason_name"] for line in lines if line["loss"] == "breakdown") == "Breakdown / wire feed"
    pieces = viewer.get("/api/v1/pieces", params=asked).json()
    assert sum(one["pieces"] for one in pieces) == pytest.approx(whole["produced"] + whole["pieces_unplanned"], abs=1)


def test_the_waterfall_falls_from_calendar_time_to_what_was_made_well_without_a_rest(
    viewer: httpx.Client, followed: RunningDashboard
) -> None:
    steps = viewer.get("/api/v1/oee/waterfall", params=span_of(followed)).json()
    assert [step["name"] for step in steps if step["is_sum"]] == ["calendar", "planned_busy", "production", "fully_productive"]
    left = steps[0]["us"]
    for step in steps[1:]:
        left -= 0 if step["is_sum"] else step["us"]
        assert not step["is_sum"] or step["us"] == left


def test_groups_stand_side_by_side_and_as_csv(viewer: httpx.Client, followed: RunningDashboard) -> None:
    asked = span_of(followed, 20)
    by_unit = viewer.get("/api/v1/oee", params=asked | {"by": "equipment"}).json()
    assert [one["group"].rpartition("-")[2] for one in by_unit] == ["1", "2", "3", "4"]
    assert all(0 < one["oee"] < 1 for one in by_unit)
    for by in ("shift", "day", "hour", "team", "product", "order"):
        groups = viewer.get("/api/v1/oee", params=asked | {"by": by}).json()
        assert sum(one["pbt_us"] for one in groups) == pytest.approx(sum(one["pbt_us"] for one in by_unit), abs=90 * SECOND), by
    text = viewer.get("/api/v1/oee", params=asked | {"by": "shift", "format": "csv"}).text
    assert {row["group"].split()[1] for row in csv.DictReader(io.StringIO(text))} == {"early", "late", "night"}


def test_what_runs_now_is_said_with_the_names_of_both_standards(viewer: httpx.Client) -> None:
    units = viewer.get("/api/v1/states", params={"equipment": ROBOT}).json()
    assert len(units) == 1
    assert units[0]["machinery_state"] in {"Executing", "NotExecuting", "OutOfService", ""}
    assert viewer.get("/api/v1/states/reasons", params={"language": "zh"}).json()[1]["name"] == "故障 / 送丝"
    shifts = viewer.get("/api/v1/shifts", params={"from_us": 1_792_821_600_000_000, "to_us": 1_792_958_400_000_000}).json()
    assert [one["to_us"] - one["from_us"] for one in shifts if one["name"] == "night" and one["day"] == "2026-10-24"] == [9 * HOUR]


def test_a_persons_word_moves_a_stop_and_is_audited_and_what_the_rules_told_stays(followed: RunningDashboard) -> None:
    asked = span_of(followed, 12) | {"equipment": f"{ROBOT[:-1]}4"}
    with followed.client(Role.INSPECTOR) as client, followed.client(Role.VIEWER) as viewer, followed.client(Role.ADMIN) as admin:
        stop = client.get("/api/v1/states/intervals", params=asked | {"loss": "idle", "merged": True}).json()[0]
        draft = {key: stop[key] for key in ("equipment", "from_us", "to_us")} | {"reason": "material", "note": "plates late"}
        assert viewer.post("/api/v1/states/words", json=draft).status_code == 403
        assert client.post("/api/v1/states/words", json=draft | {"reason": "lunch"}).status_code == 409
        assert client.post("/api/v1/states/words", json=draft).status_code == 201
        now = client.get("/api/v1/states/intervals", params=asked | {"loss": "waiting", "merged": True}).json()
        # other tests say words, too
        said = [one for one in now if one["word"] is not None and one["from_us"] == stop["from_us"]]
        assert [(one["from_us"], one["reason"], one["told_reason"], one["state"]) for one in said] == [
            (stop["from_us"], "material", "", "idle")
        ]
        entry = admin.get("/api/v1/audit").json()[0]
        assert (entry["act"], entry["actor"], entry["next"]["note"]) == ("state.reason", "inspector", "plates late")
        assert client.post("/api/v1/states/words", json=draft | {"reason": ""}).status_code == 201
        left = client.get("/api/v1/states/intervals", params=asked | {"merged": True}).json()
        assert [one["word"] for one in left if one["from_us"] == stop["from_us"]] == [None]


def test_what_cannot_be_asked_is_refused_in_words(viewer: httpx.Client, followed: RunningDashboard) -> None:
    asked = span_of(followed)
    for params, words in (
        (asked | {"by": "moon"}, "there is no group 'moon'"),
        ({"from_us": 5, "to_us": 4}, "'from' must lie before 'to'"),
        ({"from_us": 0, "to_us": asked["to_us"]}, "at most 32 days"),
    ):
        answer = viewer.get("/api/v1/oee", params=params)
        assert answer.status_code == 409
        assert words in answer.json()["error"]
    assert viewer.get("/api/v1/oee", params=asked | {"equipment": "acme/north/nothing"}).json()[0]["oee"] is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def over_a_day(page: Page, dashboard: RunningDashboard, words: str = "24 hours") -> None:
    """Have the page show the last day: at first it shows this shift, of which there may have been little yet."""
    page.goto(f"{dashboard.url}/losses")
    page.locator("#losses-span").click()
    page.get_by_role("option", name=words).click()
    zone = ZoneInfo("Europe/Berlin")
    begun = {f"{datetime.fromtimestamp(dashboard.clock.now_us() / 1e6 - 24 * 3600 + later, zone):%Y-%m-%d %H:}" for later in (0, 600)}
    expect(page.locator("#losses-shown h2").first).to_contain_text(re.compile("|".join(begun)))


@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1366), ("zh", "dark", 1024)])
def test_the_page_shows_figures_strips_and_losses_and_nothing_scrolls_sideways(
    followed: RunningDashboard, browser: Browser, language: str, theme: str, width: int
) -> None:
    session = followed.session(Role.VIEWER)
    with visitor(browser, followed.url, session, language=language, theme=theme, width=width) as (page, _):
        over_a_day(page, followed, "24 小时" if language == "zh" else "24 hours")
        expect(page.locator(".oee-figure .big")).to_have_count(4)
        expect(page.locator(".states .loss.breakdown").first).to_be_attached()
        expect(page.locator(".waterfall .fall").last).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        expect(page.locator("h1")).to_have_text("OEE 与损失" if language == "zh" else "OEE and losses")


def test_a_line_is_opened_and_a_reason_is_said_on_the_page(followed: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, followed.url, followed.session(Role.INSPECTOR), width=1366) as (page, _):
        over_a_day(page, followed)
        row = page.locator("tr", has=page.get_by_text("Idle, no order")).first
        row.get_by_role("button", name="Open").click()
        page.locator("#losses-slices").get_by_role("button", name="Say why").first.click()
        expect(page.locator("#losses-span-words")).to_contain_text("Robot")
        page.locator("#losses-reason").click()
        page.get_by_role("option", name="No material").click()
        page.locator("#losses-note").fill("plates late")
        page.locator("#losses-keep").click()
        expect(page.locator("#losses-said")).to_contain_text("Kept")
    with followed.client(Role.VIEWER) as client:
        words = client.get("/api/v1/states/words", params=span_of(followed)).json()
    assert (words[-1]["reason"], words[-1]["note"], words[-1]["actor"]) == ("material", "plates late", "inspector")
