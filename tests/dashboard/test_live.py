"""The live stream over HTTP: whole state first, then what changed; nothing lost over a reconnect; the age of data in any trouble."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from plant.ledger import Gap, GapReason
from plant.signals import SourceId
from storage.database import connect
from storage.people import Role
from tests.dashboard.running import ROBOT, ROOT, RunningDashboard

Message = dict[str, Any]


class Stream:
    """An open stream and the id of its last message, as an EventSource keeps it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.cursor = ""

    def until(self, wanted: Callable[[Message], bool], most: int = 400) -> list[Message]:
        """All messages up to the first wanted one."""
        found = []
        for line in self._lines:
            if line.startswith("id: "):
                self.cursor = line[4:]
            if not line.startswith("data: "):
                continue
            message = json.loads(line[6:])
            found.append(message)
            if wanted(message):
                return found
            assert len(found) < most, f"it never came; the last was {message}"
        raise AssertionError(f"the stream ended after {found[-3:]}")


class _Opened:
    def __init__(self, dashboard: RunningDashboard) -> None:
        self._dashboard = dashboard
        self._open: list[Any] = []

    def __call__(self, topics: str, cursor: str | None = None, role: Role = Role.VIEWER) -> Stream:
        client = self._dashboard.client(role)
        context = client.stream("GET", "/live", params={"topics": topics}, headers={"Last-Event-ID": cursor} if cursor else {})
        answer = context.__enter__()
        self._open += [client, context]
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return Stream(answer)

    def close(self) -> None:
        for opened in reversed(self._open):
            opened.__exit__(None, None, None)
        self._open = []


@pytest.fixture
def stream(dashboard: RunningDashboard) -> Iterator[_Opened]:
    opened = _Opened(dashboard)
    yield opened
    opened.close()


def _is(topic: str) -> Callable[[Message], bool]:
    return lambda message: message["topic"] == topic


def _id(dashboard: RunningDashboard, path: str) -> int:
    with connect(dashboard.database_url, application="test") as connection:
        row = connection.execute("SELECT id FROM signal WHERE path = %s", (path,)).fetchone()
    assert row is not None
    return int(row[0])


def test_first_comes_the_whole_state_then_what_changed(dashboard: RunningDashboard, stream: _Opened) -> None:
    live = stream("latest,overview,sources,health")
    first = {m["topic"]: m for m in live.until(_is("clock"))}
    while not {"latest", "overview", "sources", "health"} <= set(first):  # the very first read may still be under way
        first |= {m["topic"]: m for m in live.until(_is("clock"))}
    assert len(first["latest"]["signals"]["id"]) == len(dashboard.site.signals)
    assert first["overview"]["equipment"]["acme/north"]["state"] == "high_high"
    assert {e["state"] for e in first["overview"]["exceptions"]} == {"high_high", "bad", "no_value"}
    assert {s["id"]: s["state"] for s in first["sources"]["sources"]} == {"booth": "away", "robots": "connected"}
    assert first["health"]["processes"][0]["name"] == "ingest"
    assert first["clock"]["database"] == "ok"
    assert abs(first["clock"]["time_us"] - first["clock"]["read_us"]) < 5_000_000
    now = dashboard.clock.now_us()
    dashboard.report("robots")
    dashboard.store(f"{ROOT}/paint/booth/temperature", [now], [21.5])
    news = live.until(lambda m: m["topic"] == "latest" and 21.5 in m["signals"]["value"])[-1]
    assert news["signals"]["id"] == [_id(dashboard, f"{ROOT}/paint/booth/temperature")]


def test_each_value_of_a_signal_comes_once_over_a_broken_connection(dashboard: RunningDashboard, stream: _Opened) -> None:
    path = f"{ROBOT}/voltage"
    topic = f"signal:{_id(dashboard, path)}"
    live = stream(topic)
    whole = live.until(lambda m: m["topic"] == topic and bool(m["point_time_us"]))[-1]
    assert whole["whole"]
    seen = list(whole["point_time_us"])
    base = dashboard.clock.now_us()
    sent: list[int] = []

    def send(count: int) -> None:
        times = [base + 30_000 * (len(sent) + n) for n in range(count)]
        dashboard.store(path, times, [float(t % 1000) for t in times])
        sent.extend(times)

    send(10)
    seen += live.until(lambda m: sent[-1] in m.get("point_time_us", []))[-1]["point_time_us"]
    live.until(_is("clock"))
    cursor = live.cursor
    stream.close()
    send(7)
    other = stream("sources")  # others go on; the topic is kept up for who comes back
    other.until(_is("clock"))
    other.until(_is("clock"))
    again = stream(topic, cursor)
    send(5)
    for message in again.until(lambda m: sent[-1] in m.get("point_time_us", [])):
        assert not message.get("whole"), "it goes on where it broke"
        seen += message.get("point_time_us", [])
    assert seen[-22:] == sent
    assert len(seen) == len(set(seen))


def test_a_gap_breaks_the_line_and_a_bad_value_is_no_number(dashboard: RunningDashboard, stream: _Opened) -> None:
    path = f"{ROOT}/welding/cell-1/robot-4/voltage"
    topic = f"signal:{_id(dashboard, path)}"
    live = stream(topic)
    live.until(lambda m: m["topic"] == topic and bool(m["point_time_us"]))
    base = dashboard.clock.now_us()
    gap = Gap(SourceId("robots"), base + 30_000, base + 300_000, 9, GapReason.OVERRUN)
    times = [base, base + 300_000, base + 330_000]
    dashboard.store(path, times, [1.0, float("nan"), float("inf")], status=[0, 0x80310000, 0], gaps=(gap,))
    news = live.until(lambda m: times[-1] in m.get("point_time_us", []))[-1]
    assert list(zip(news["point_time_us"], news["last"], strict=True)) == [
        (base, 1.0),
        (base + 30_000, None),
        (base + 300_000, None),
        (base + 330_000, None),
    ]


def test_a_cursor_of_another_run_gets_the_whole_state(stream: _Opened) -> None:
    for cursor in ("00000000-5", "nonsense", "-1", "'; DROP"):
        first = stream("overview", cursor).until(_is("clock"))
        assert first[0]["topic"] == "overview"
        assert "acme" in first[0]["equipment"]


@pytest.mark.parametrize("topics", ["nothing", "signal:x", "signal:-1", "equipment:", "signal:" + "9" * 30, ",", "overview," * 100 + "x"])
def test_topics_that_are_none_are_refused(dashboard: RunningDashboard, topics: str) -> None:
    with dashboard.client(Role.VIEWER) as client:
        assert client.get("/live", params={"topics": topics}).status_code == 409


@pytest.mark.heavy
def test_a_stream_ends_when_its_session_does(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.VIEWER) as client, client.stream("GET", "/live?topics=sources", timeout=60) as answer:
        live = Stream(answer)
        live.until(_is("clock"))
        assert client.post("/logout").status_code == 204
        last = live.until(_is("session"), most=60)[-1]
        assert last["ended"] is True


def test_while_the_database_is_away_pages_hear_how_old_data_are_and_recover(dashboard: RunningDashboard, stream: _Opened) -> None:
    live = stream("overview")
    live.until(_is("clock"))
    server = dashboard.database_url
    name = psycopg.conninfo.conninfo_to_dict(server)["dbname"]
    maintenance = psycopg.conninfo.make_conninfo(server, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            away = live.until(lambda m: m["database"] == "away")[-1]
            later = live.until(lambda m: m["time_us"] > away["time_us"] + 2_500_000)[-1]
            assert later["read_us"] == away["read_us"]
            with dashboard.client() as anybody:
                assert anybody.get("/healthz").status_code == 200
                assert anybody.get("/readyz").status_code == 503
        finally:
            connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
    back = live.until(lambda m: m["database"] == "ok")[-1]
    assert back["read_us"] > later["read_us"]


def test_the_stream_holds_no_nan(dashboard: RunningDashboard, stream: _Opened) -> None:
    path = f"{ROOT}/welding/cell-1/robot-4/current"
    live = stream("latest,overview")
    live.until(_is("clock"))
    dashboard.store(path, [dashboard.clock.now_us()], [np.nan])
    news = live.until(lambda m: m["topic"] == "latest" and "NaN" in m["signals"]["text"])[-1]
    position = news["signals"]["text"].index("NaN")
    assert news["signals"]["value"][position] is None
