"""The hub: one read for all, serialised once; who falls behind loses nothing and slows nobody down."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest

from dashboard import states
from dashboard.hub import Client, Hub
from dashboard.reading import Reader
from dashboard.views import SignalState
from plant.clock import SystemClock
from plant.errors import Rejected, Unavailable
from plant.site import load_site
from storage.catalogue import register_site
from storage.database import connect
from storage.health import ProcessReport, report_process
from tests.dashboard.running import SITE


@pytest.fixture
def url(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sources.d").mkdir()
    (folder / "sources.d" / "_about.toml").write_text("")
    (folder / "site.toml").write_text(SITE)
    with connect(database_url, application="test") as connection:
        register_site(connection, load_site(folder / "site.toml"))
    return database_url


def _messages(block: bytes | None) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in (block or b"").decode().splitlines() if line.startswith("data: ")]


async def _next(hub: Hub, client: Client) -> bytes | None:
    return await hub.next_block(client, 0.05)


async def test_one_read_makes_one_message_for_all_who_listen(url: str) -> None:
    hub, reader = Hub(url, SystemClock()), Reader()
    clients = [hub.subscribe(["health", "overview"], None) for _ in range(5)]
    for client in clients:
        assert [m["topic"] for m in _messages(await _next(hub, client))] == ["clock"], "nothing was read yet"
    hub.read_once(reader)
    hub.publish()
    blocks = [await _next(hub, client) for client in clients]
    assert all(block is blocks[0] for block in blocks), "it was serialised once"
    assert [m["topic"] for m in _messages(blocks[0])] == ["health", "overview", "clock"]
    hub.stop()
    await asyncio.to_thread(hub.read_forever)


async def test_who_falls_behind_gets_the_whole_state_and_holds_nobody_up(url: str) -> None:
    hub, reader = Hub(url, SystemClock()), Reader()
    hub.read_once(reader)
    hub.publish()
    slow, quick = hub.subscribe(["overview"], None), hub.subscribe(["overview"], None)
    for _ in range(20):
        hub.read_once(reader)
        hub.publish()
        assert (await _next(hub, quick)) is not None
    assert hub.dropped == 1
    first = _messages(await _next(hub, slow))
    assert first[0]["topic"] == "overview"
    assert "acme/north" in first[0]["equipment"]  # type: ignore[operator]
    assert (await _next(hub, slow)) is None, "what it missed is not sent as well"
    hub.stop()
    await asyncio.to_thread(hub.read_forever)


async def test_no_change_is_missed_by_who_reconnects_in_time(url: str) -> None:
    hub, reader = Hub(url, SystemClock()), Reader()
    hub.read_once(reader)
    hub.publish()
    client = hub.subscribe(["health"], None)
    block = (await _next(hub, client)) or b""
    cursor = block.decode().split("id: ")[1].split("\n")[0]
    hub.unsubscribe(client)
    hub.unsubscribe(client)
    for restarts in (1, 2):
        with connect(url, application="test") as connection:
            report_process(connection, ProcessReport("ingest", "running", 1, 1, restarts, None, restarts))
        hub.read_once(reader)
        hub.publish()
    back = _messages(await _next(hub, hub.subscribe(["health"], cursor)))
    assert [m["processes"][0]["restarts"] for m in back if m["topic"] == "health"] == [1, 2]  # type: ignore[index]
    for _ in range(130):
        hub.publish()
    late = _messages(await _next(hub, hub.subscribe(["health"], cursor)))
    assert [m["topic"] for m in late] == ["health", "clock"], "too late: the whole state"
    hub.stop()
    await asyncio.to_thread(hub.read_forever)


async def test_a_topic_nobody_watches_is_forgotten_after_a_while(url: str) -> None:
    hub, reader = Hub(url, SystemClock()), Reader()
    for signal in range(1, 20):
        hub.unsubscribe(hub.subscribe([f"signal:{signal}"], None))
    assert len(hub._watched) == 19
    for _ in range(40):
        hub.publish()
    assert hub._watched == frozenset()
    hub.read_once(reader)
    hub.stop()
    await asyncio.to_thread(hub.read_forever)


async def test_too_many_listeners_are_told_so(url: str) -> None:
    hub = Hub(url, SystemClock())
    for _ in range(500):
        hub.subscribe(["overview"], None)
    with pytest.raises(Unavailable, match="too many"):
        hub.check(["overview"])
    with pytest.raises(Rejected):
        Hub(url, SystemClock()).check(["nothing"])


async def test_without_a_database_the_clock_goes_on() -> None:
    hub = Hub("postgresql://nobody@127.0.0.1:1/nothing", SystemClock(), period_seconds=0.05)
    client = hub.subscribe(["overview"], None)
    reading = asyncio.create_task(asyncio.to_thread(hub.read_forever))
    publishing = asyncio.create_task(hub.publish_forever())
    heard: list[dict[str, object]] = []
    end = time.monotonic() + 10
    while len(heard) < 5 and time.monotonic() < end:
        heard += _messages(await hub.next_block(client, 1.0))
    assert {(m["topic"], m["database"], m["read_us"]) for m in heard} == {("clock", "away", None)}
    with pytest.raises(Unavailable):
        hub.last_read()
    hub.stop()
    publishing.cancel()
    await reading


def test_states_say_the_worst_and_alarm_only_on_what_is_known_true() -> None:
    nan = np.nan
    limits = np.array([[1.0, 2.0, 8.0, 9.0]] * 9 + [[nan] * 4])
    value = np.array([5.0, 1.5, 0.5, 8.5, 9.5, nan, 9.5, 9.5, 5.0, 1e9])
    status = np.array([0, 0, 0, 0, 0, 0x80000000, 0, 0x40000000, 0x40000000, 0], np.uint32)
    known = np.array([True] * 10)
    alive = np.array([True] * 6 + [False] + [True] * 3)
    judged = [states.STATES[code] for code in states.judge(value, status, known, alive, limits)]
    s = SignalState
    assert judged == [s.NORMAL, s.LOW, s.LOW_LOW, s.HIGH, s.HIGH_HIGH, s.BAD, s.STALE, s.HIGH_HIGH, s.UNCERTAIN, s.NORMAL]
    assert states.STATES[states.judge(value, status, ~known, alive, limits)[0]] is s.NO_VALUE


def test_the_worst_state_rises_to_the_root() -> None:
    code = states.CODE
    state = np.array([code[SignalState.NORMAL], code[SignalState.HIGH], code[SignalState.LOW_LOW]], np.int8)
    worst, signals, exceptions = states.raise_up(state, np.array([2, 2, 3]), np.array([-1, 0, 1, 1, 1]))
    assert [states.STATES[w] for w in worst] == ["low_low", "low_low", "high", "low_low", "normal"]
    assert (signals.tolist(), exceptions.tolist()) == ([3, 3, 2, 1, 0], [2, 2, 1, 1, 0])
