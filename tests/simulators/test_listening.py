"""Servers that stop while somebody connects leave no socket and no task behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
from collections.abc import Iterator

import pytest

from plant.clock import SystemClock
from protocols.listening import stop_accepting
from simulators.open_protocol import Controller
from tests.listener import listen
from tests.simulators.conftest import CountingFeed, serving

TURNS = range(8)
"""How far a connection has come when the server stops, in turns of the loop."""


@pytest.fixture
def left_behind(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the garbage collector finds open, filled at ``gc.collect``."""
    found: list[str] = []
    gc.collect()
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: found.append(repr(seen.object)))
    return found


@contextlib.contextmanager
def client_of(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as client:
        yield client


async def _turn(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _others_ended() -> bool:
    await _turn(2)
    return asyncio.all_tasks() == {asyncio.current_task()}


async def _farewell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_a_connection_taken_while_a_server_stops_reaches_its_protocol_or_is_refused(left_behind: list[str]) -> None:
    for turns in TURNS:
        server = await asyncio.start_server(_farewell, "127.0.0.1", 0)
        with client_of(server.sockets[0].getsockname()[1]) as client:
            await _turn(turns)
            await stop_accepting(server)
            assert await _others_ended()
            _assert_hung_up(client)
    gc.collect()
    assert left_behind == []


async def test_a_tightening_controller_that_stops_leaves_nothing_open(left_behind: list[str]) -> None:
    for turns in TURNS:
        controller = Controller(SystemClock())
        await controller.start()
        with client_of(controller.port) as first, client_of(controller.port) as second:
            await _turn(turns)
            await controller.stop()
            assert await _others_ended()
            _assert_hung_up(first, second)
    gc.collect()
    assert left_behind == []


@pytest.mark.parametrize("turns", [2, 3])
async def test_an_opc_ua_server_that_stops_leaves_nothing_open(turns: int, left_behind: list[str]) -> None:
    with contextlib.ExitStack() as clients:
        async with serving(CountingFeed(1)) as server:
            first = clients.enter_context(client_of(server.port))
            await _turn(len(TURNS))
            second = clients.enter_context(client_of(server.port))
            await _turn(turns)
        assert await _others_ended()
        _assert_hung_up(first, second)
    del server
    gc.collect()
    assert left_behind == []


async def test_the_listener_of_tests_leaves_nothing_open(left_behind: list[str]) -> None:
    async def forever(*_: object) -> None:
        await asyncio.Event().wait()

    for turns in TURNS:
        async with listen(forever) as listener:
            with client_of(listener.port) as client:
                await _turn(turns)
                await listener.end()
                assert await _others_ended()
                _assert_hung_up(client)
    gc.collect()
    assert left_behind == []


def _assert_hung_up(*clients: socket.socket) -> None:
    for client in clients:
        client.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
