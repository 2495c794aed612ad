"""Controllers that fetch over REST: long poll, server-sent events, answers with keys, and a token that is good for its own units only."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from plant.deliveries import Draft, Kind, Message
from plant.delivery_messages import sign
from plant.recommendations import Stage
from storage.database import connect
from storage.deliveries import propose, read_delivery, send
from storage.delivery_answers import answers_to, take_answers, waiting_answers
from storage.people import Role, Scope, issue_token
from storage.rest_controllers import read_beats, was_fetched
from tests.dashboard.running import RunningDashboard

_PATIENCE = 60.0
_KEY = b"k" * 32
_PAGE = Path(__file__).parents[2] / "docs" / "controllers.md"


def until(condition: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@contextmanager
def token(dashboard: RunningDashboard, *work_units: str) -> Iterator[httpx.Client]:
    """A client with a controller's token for some work units."""
    with connect(dashboard.database_url, application="test") as connection:
        _, secret = issue_token(
            connection,
            name="cell",
            scopes=[Scope.CONTROLLER],
            valid_seconds=600,
            created_by="test",
            clock=dashboard.clock,
            work_units=work_units,
        )
    with httpx.Client(base_url=dashboard.url, headers={"Authorization": f"Bearer {secret}"}, timeout=_PATIENCE + 60) as client:
        yield client


def sent(dashboard: RunningDashboard, work_unit: str, *, seconds: float = 600.0, key: bytes = _KEY) -> Message:
    """A message that was approved and sent."""
    now = dashboard.clock.now_us()
    draft = Draft(
        kind=Kind.HOLD,
        work_unit=work_unit,
        source=f"test:{uuid.uuid4()}",
        slot=f"hold {uuid.uuid4()}",
        valid_seconds=seconds,
        serial="S1",
        reason="a bolt is missing",
        approved_by="anna",
    )
    with connect(dashboard.database_url, application="test") as connection:
        (number,) = propose(connection, [draft], now)
        assert number is not None
        (signed,) = send(
            connection, [number], now, actor="delivery", sign=lambda _message, text: sign(text, "cell", key), check=lambda _signed: None
        )
    return signed.message


def fetch(client: httpx.Client, work_unit: str, **asked: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/controllers/{work_unit}/deliveries", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def say(client: httpx.Client, work_unit: str, message: str, what: str, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/api/v1/controllers/{work_unit}/deliveries/{message}/{what}", json=body, headers=headers)


def test_what_is_sent_is_offered_with_its_signature_and_noted_as_given_out(dashboard: RunningDashboard) -> None:
    message = sent(dashboard, "hall/cell-1")
    with token(dashboard, "hall/*") as cell:
        (offer,) = fetch(cell, "hall/cell-1")["deliveries"]
        assert offer["id"] == message.id
        assert offer["signature"] == sign(offer["text"], "cell", _KEY)
        assert json.loads(offer["text"])["serial"] == "S1"
        assert fetch(cell, "hall/cell-1", after=offer["number"])["deliveries"] == []
    with connect(dashboard.database_url, application="test") as connection:
        assert was_fetched(connection, offer["number"])
        assert not was_fetched(connection, offer["number"] + 1000)


def test_a_token_sees_and_answers_its_own_work_units_only(dashboard: RunningDashboard) -> None:
    message = sent(dashboard, "own/cell")
    with token(dashboard, "other/*") as stranger, token(dashboard, "own/cell") as cell:
        for path in ("deliveries", "live", "answers/1"):
            assert stranger.get(f"/api/v1/controllers/own/cell/{path}").status_code == 403
        assert stranger.post("/api/v1/controllers/own/cell/heartbeat", json={}).status_code == 403
        assert say(stranger, "own/cell", message.id, "accept", "1").status_code == 403
        assert say(stranger, "other/cell", message.id, "accept", "1").status_code == 409, "the message is of another work unit"
        assert cell.get("/api/v1/deliveries").status_code == 403
        assert say(cell, "own/cell", message.id, "accept", "1").status_code == 200
    with dashboard.client(Role.ADMIN) as person:
        assert person.get("/api/v1/controllers/own/cell/deliveries").status_code == 403


def test_the_same_key_is_the_same_answer_and_another_body_with_it_is_refused(dashboard: RunningDashboard) -> None:
    message = sent(dashboard, "keys")
    with token(dashboard, "keys") as cell:
        assert say(cell, "keys", message.id, "refuse", reason="not_ready").status_code == 422, "no key"
        first = say(cell, "keys", message.id, "refuse", "k1", reason="not_ready")
        again = say(cell, "keys", message.id, "refuse", "k1", reason="not_ready")
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json()
        assert say(cell, "keys", message.id, "refuse", "k1", reason="other").status_code == 409
        assert say(cell, "keys", message.id, "accept", "k1").status_code == 409
        number = first.json()["answer"]
        assert cell.get(f"/api/v1/controllers/keys/answers/{number}").json()["taken_us"] is None
        with connect(dashboard.database_url, application="test") as connection:
            assert [one.number for one in waiting_answers(connection) if one.answer.message_id == message.id] == [number]
            take_answers(connection, {number: ""}, dashboard.clock.now_us())
        assert cell.get(f"/api/v1/controllers/keys/answers/{number}").json()["taken_us"] is not None


def test_what_was_executed_is_reported_with_what_was_read_back(dashboard: RunningDashboard) -> None:
    message = sent(dashboard, "reports")
    back = [{"name": "current", "value": 210.0, "unit": "A"}]
    with token(dashboard, "reports") as cell:
        assert say(cell, "reports", message.id, "report", "a", verdict="executed", readback=back).status_code == 200
        assert say(cell, "reports", message.id, "report", "b", verdict="done").status_code == 422
        assert say(cell, "reports", message.id, "report", "c", verdict="executed", readback=[{"name": "x"}]).status_code == 422
        assert say(cell, "reports", str(uuid.uuid4()), "accept", "d").status_code == 409
        assert say(cell, "reports", "no-uuid", "accept", "e").status_code == 422
    with connect(dashboard.database_url, application="test") as connection:
        (answer,) = (one.answer for one in waiting_answers(connection) if one.answer.message_id == message.id)
    assert [(one.name, one.value, one.unit) for one in answer.readback] == [("current", 210.0, "A")]
    assert answer.actor.startswith("token ")


def test_a_long_poll_ends_when_a_message_is_sent_and_empty_when_none_is(dashboard: RunningDashboard) -> None:
    with token(dashboard, "poll/*") as cell, ThreadPoolExecutor(2) as threads:
        assert fetch(cell, "poll/none", wait=0.2)["deliveries"] == []
        waiting = threads.submit(fetch, cell, "poll/cell", wait=60)
        other = threads.submit(fetch, cell, "poll/other", wait=2)
        time.sleep(0.3)  # whether it waits by now or not, it gets the message
        message = sent(dashboard, "poll/cell")
        assert [one["id"] for one in waiting.result(_PATIENCE)["deliveries"]] == [message.id]
        assert other.result(_PATIENCE)["deliveries"] == [], "it is not for this one"


def test_a_stream_gives_each_message_once_and_goes_on_where_it_broke(dashboard: RunningDashboard) -> None:
    first = sent(dashboard, "stream/cell")

    def ids(client: httpx.Client, wanted: int, then: Callable[[], None], **headers: str) -> tuple[list[str], str]:
        found: list[str] = []
        last = ""
        with client.stream("GET", "/api/v1/controllers/stream/cell/live", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                event = value if name == "event" else event
                last = value if name == "id" else last
                if name == "data" and event == "delivery":
                    found.append(json.loads(value)["id"])
                if name == "data" and event == "pulse" and found:
                    assert json.loads(value)["mode"] == "advisory"
                    if len(found) == wanted:
                        return found, last
                    then()
        raise AssertionError("the stream ended")

    made: list[Message] = []
    with token(dashboard, "stream/*") as cell:
        found, last = ids(cell, 2, lambda: made.append(sent(dashboard, "stream/cell")) if not made else None)
        assert found == [first.id, made[0].id]
        third = sent(dashboard, "stream/cell")
        found, _ = ids(cell, 1, lambda: None, **{"Last-Event-ID": last})
        assert found == [third.id]


def test_a_sign_of_life_is_kept_and_what_it_does_not_say_stays(dashboard: RunningDashboard) -> None:
    with token(dashboard, "alive") as cell:
        told = cell.post("/api/v1/controllers/alive/heartbeat", json={"counter": 7, "state": "Execute", "ai_off": True})
        assert (told.status_code, told.json()["mode"]) == (200, "advisory")
        assert cell.post("/api/v1/controllers/alive/heartbeat", json={"counter": "7"}).status_code == 422
        with connect(dashboard.database_url, application="test") as connection:

            def kept() -> list[tuple[object, ...]]:
                return [(one.counter, one.state, one.ai_off) for one in read_beats(connection, 0) if one.work_unit == "alive"]

            until(lambda: kept() == [(7, "Execute", True)])
            before = next(one.time_us for one in read_beats(connection, 0) if one.work_unit == "alive")
            fetch(cell, "alive")
            until(lambda: any(one.work_unit == "alive" for one in read_beats(connection, before)))
            assert kept() == [(7, "Execute", True)]


def test_persons_approve_decline_and_settle_and_programs_read(dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    drafts = [
        Draft(kind=Kind.HOLD, work_unit="yes-no", source=f"test:{uuid.uuid4()}", slot=str(n), valid_seconds=60, serial="S")
        for n in range(2)
    ]
    with connect(dashboard.database_url, application="test") as connection:
        one, other = propose(connection, drafts, now)
    with dashboard.client(Role.APPROVER) as approver, dashboard.program(Scope.READ) as program:
        assert approver.post(f"/api/v1/deliveries/{one}/approve", json={"note": "go"}).json()["line"]["stage"] == "approved"
        assert approver.post(f"/api/v1/deliveries/{one}/approve", json={}).status_code == 409
        assert approver.post(f"/api/v1/deliveries/{other}/decline", json={"reason": "capacity"}).json()["line"]["stage"] == "declined"
        assert approver.post(f"/api/v1/deliveries/{one}/settle", json={"found": "executed", "note": "looked"}).status_code == 409
        listed = program.get("/api/v1/deliveries", params={"work_unit": "yes-no", "stage": ["approved", "sent"]}).json()
        assert [each["number"] for each in listed] == [one]
        page = program.get("/api/v1/deliveries", params={"work_unit": "yes-no", "before": other, "most": 1}).json()
        assert [each["number"] for each in page] == [one]
        assert [step["after"] for step in program.get(f"/api/v1/deliveries/{other}").json()["history"]] == ["proposed", "declined"]
        assert program.get("/api/v1/deliveries/999999999").status_code == 409
        assert program.get(f"/api/v1/deliveries/{2**70}").status_code == 409
        assert program.post(f"/api/v1/deliveries/{one}/approve", json={}).status_code == 403
    with connect(dashboard.database_url, application="test") as connection:
        found = read_delivery(connection, int(str(one)))
        assert found is not None
        assert found.stage is Stage.APPROVED


def test_the_controller_in_a_shell_of_the_page_does_what_a_controller_does(dashboard: RunningDashboard, tmp_path: Path) -> None:
    if not all(shutil.which(program) for program in ("curl", "openssl", "sh")):
        pytest.skip("there is no curl or no openssl")
    (text,) = re.findall(r"^<!-- sh rest -->\n```sh\n(.*?)^```$", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    file = tmp_path / "controller.sh"
    file.write_text(text, "utf-8")
    forged, message = sent(dashboard, "shell/cell", key=b"x" * 32), sent(dashboard, "shell/cell")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with token(dashboard, "shell/*") as cell, connect(dashboard.database_url, application="test") as connection:
        secret = cell.headers["authorization"].removeprefix("Bearer ")
        command = ["sh", str(file), dashboard.url, secret, "shell/cell", "cell", _KEY.hex()]
        with subprocess.Popen(command, env=os.environ | {"PATH": path}, start_new_session=True, stdout=subprocess.DEVNULL) as process:
            try:
                until(lambda: [one.answer.verdict.value for one in answers_to(connection, [message.id])] == ["accepted", "executed"])
                until(lambda: any(one.counter == message.counter for one in read_beats(connection, 0) if one.work_unit == "shell/cell"))
            finally:
                os.killpg(process.pid, signal.SIGKILL)
        assert answers_to(connection, [forged.id]) == []


@pytest.mark.heavy
def test_a_thousand_controllers_wait_without_a_thread_or_a_connection_each(dashboard: RunningDashboard) -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    units = [f"many/{n}" for n in range(min(1000, files - 400))]
    with token(dashboard, "many/*") as cell:
        headers, url = dict(cell.headers), dashboard.url
    process = psutil.Process(dashboard.process.pid)
    threads, connections = process.num_threads(), _database_connections(dashboard)
    found: dict[str, list[str]] = {}

    async def wait(client: httpx.AsyncClient, unit: str) -> None:
        after = 0
        while not found.get(unit):
            answer = await client.get(f"/api/v1/controllers/{unit}/deliveries", params={"wait": 60, "after": after})
            assert answer.status_code == 200, answer.text
            found[unit] = [one["id"] for one in answer.json()["deliveries"]]

    async def all_wait() -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600, limits=limits) as client:
            waiting = [asyncio.create_task(wait(client, unit)) for unit in units]
            await asyncio.to_thread(
                until, lambda: any(one.done() for one in waiting) or _waiting(process, dashboard.port) >= len(units), 600
            )
            assert not [one for one in waiting if one.done()]
            assert process.num_threads() < threads + 60
            assert _database_connections(dashboard) <= connections + 10
            messages = await asyncio.to_thread(lambda: [sent(dashboard, unit) for unit in units[::100]])
            await asyncio.gather(*waiting[::100])
            assert [found[unit] for unit in units[::100]] == [[one.id] for one in messages]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(all_wait())
    assert threading.active_count() < 200


def _waiting(process: psutil.Process, port: int) -> int:
    return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in process.net_connections("tcp"))


def _database_connections(dashboard: RunningDashboard) -> int:
    with connect(dashboard.database_url, application="test") as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'leadhand dashboard%'").fetchone()
    assert row is not None
    return int(row[0])
