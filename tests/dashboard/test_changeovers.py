"""Changeover sets on their page and over REST: which are complete, which is next, and whether what was read back agrees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from plant.clock import SystemClock
from storage.changeover_sets import write_changeovers
from storage.database import connect
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard

NOW = SystemClock().now_us()
TEXT = Path("docs/examples/changeovers/changeovers.toml").read_text("utf-8")
BROKEN = TEXT.replace('name = "F-heavy"\nversion = "B"', 'name = "F-heavy"\nversion = "A"')


@pytest.fixture(scope="module")
def switched(dashboard: RunningDashboard) -> RunningDashboard:
    """A dashboard with changeover sets of which those for ZE215 name a fixture that nobody approved."""
    with connect(dashboard.database_url, application="test") as connection:
        write_changeovers(connection, BROKEN, actor="li.wei", now_us=NOW)
    return dashboard


@pytest.fixture
def client(switched: RunningDashboard) -> Iterator[httpx.Client]:
    with switched.client(Role.VIEWER) as made:
        yield made


def test_each_set_is_told_complete_or_with_what_is_missing(client: httpx.Client) -> None:
    told = client.get("/api/v1/changeovers").json()
    assert (told["version"], told["actor"], len(told["sets"])) == (1, "li.wei", 6)
    one = next(one for one in told["sets"] if one["model"] == "ZE215*" and one["work_unit"] == "welding/cell-1")
    assert not one["complete"]
    assert {fault["code"] for fault in one["faults"]} == {"unknown"}
    chinese = client.get("/api/v1/changeovers", params={"language": "zh"}).json()
    words = [fault["words"] for each in chinese["sets"] for fault in each["faults"]]
    assert any(one.startswith("夹具 F-heavy 版本 B 未知") for one in words)
    assert [one["work_unit"] for one in client.get("/api/v1/changeovers/next").json()] == [
        "welding/cell-1",
        "welding/cell-2",
        "assembly/line-1",
    ]


def test_a_first_part_is_let_in_only_when_all_was_read_back_alike(client: httpx.Client) -> None:
    read = [{"kind": "torque_program", "name": "SB-24", "version": "2", "time_us": 100}]
    draft = {"work_unit": "assembly/line-1", "model": "ZE75-1", "not_before_us": 100, "readbacks": read}

    half = client.post("/api/v1/changeovers/check", json=draft).json()
    read.append({"kind": "vision_recipe", "name": "ring-24", "version": "1", "time_us": 101})
    whole = client.post("/api/v1/changeovers/check", json=draft).json()

    assert (half["agrees"], [fault["code"] for fault in half["faults"]]) == (False, ["not_read"])
    assert whole == {"agrees": True, "faults": []}
    assert client.post("/api/v1/changeovers/check", json=draft | {"model": "XR900"}).status_code == 409


@pytest.mark.heavy
def test_the_page_shows_what_keeps_a_set_from_being_complete(switched: RunningDashboard) -> None:
    with chromium() as browser, visitor(browser, switched.url, switched.session(Role.VIEWER)) as (page, _):
        page.goto(f"{switched.url}/changeovers")
        tables = page.locator("#changeover-tables")
        expect(tables).to_contain_text("fixture F-heavy in version B is not known, or nobody approved it", timeout=60_000)
        expect(tables).to_contain_text("brought in by li.wei", timeout=60_000)
        expect(tables).to_contain_text("no change planned", timeout=60_000)
