"""A server that lies, stands behind a real connection: it harms itself only."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Self

import pytest

from plant.errors import Rejected, Unavailable
from plant.signals import DataType
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, ResolvedNode, open_session
from protocols.opcua_discovery import discover
from tests.ingest.parts import PATIENCE
from tests.listener import listen
from tests.protocols.opcua_servers import TYPES, ServerProcess, asyncua_server

SPACE = "http://types.test/UA/"
HEADERS = 24
READ_RESPONSE = b"\x01\x00\x7a\x02"


class Meddler:
    """Stands between client and server and may change what the server says."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.change: Callable[[bytes], bytes] | None = None
        """From a message's body to the one that the client gets."""

    async def __aenter__(self) -> Self:
        self._listener = listen(self._join)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.end()

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def endpoint(self) -> OpcUaEndpoint:
        return OpcUaEndpoint(f"opc.tcp://127.0.0.1:{self.port}/", policy="None", mode="None", timeout_seconds=1.0)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        upwards = asyncio.create_task(self._pass_on(reader, their_writer))
        try:
            while True:
                head = await their_reader.readexactly(8)
                message = head + await their_reader.readexactly(int.from_bytes(head[4:8], "little") - 8)
                if self.change is not None and head[:3] == b"MSG":
                    body = self.change(message[HEADERS:])
                    message = head[:4] + struct.pack("<I", HEADERS + len(body)) + message[8:HEADERS] + body
                writer.write(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            upwards.cancel()
            await asyncio.gather(upwards, return_exceptions=True)
            their_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            writer.write(content)
        writer.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with asyncua_server("--many", "20") as started:
        yield started


@pytest.fixture
async def meddler(server: ServerProcess) -> AsyncIterator[Meddler]:
    async with Meddler(server) as between:
        yield between


async def nodes_of(session: OpcUaSession) -> list[ResolvedNode]:
    found = await session.resolve([f"nsu={SPACE};s={name}" for name in TYPES], [DataType(name) for name in TYPES])
    return [node for node in found if isinstance(node, ResolvedNode)]


def forged(results: bytes, count: int = 12) -> Callable[[bytes], bytes]:
    """Return a change that puts other results into each ReadResponse."""
    return lambda body: body[:28] + struct.pack("<i", count) + results + b"\xff\xff\xff\xff" if body[:4] == READ_RESPONSE else body


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (forged(b"\x01\x80\xff\xff\xff\x7f" + b"\0" * 11), "malformed"),
        (forged(b"\x01\x98\xff\xff\xff\x7f" + b"\0" * 11), "malformed"),
        (forged(b"\x01\x0c\xff\xff\xff\x7f" + b"\0" * 11), "malformed"),
        (forged(b"", 2**31 - 1), "for 12 nodes"),
        (forged(b"", -1), "-1 values for 12 nodes"),
        (forged(b"\0" * 2_000_000), "larger than agreed upon"),
        (lambda body: body[:40], "malformed"),
        (lambda body: READ_RESPONSE + body[4:24] + b"\x40" * 60_000, "malformed"),
        (lambda body: b"\x01\x00\x12\x02" + body[4:], "something else"),
        (lambda body: body[:25] + b"\x01\x05\x39\x30\x01\x05\0\0\0\x80\xff\xff\xff\x7f" + body[28:], "malformed"),
    ],
    ids=["array of nulls", "array of variants", "text", "count", "no array", "large", "cut off", "nested", "other service", "added header"],
)
async def test_a_reply_that_lies_is_unavailable_at_once(meddler: Meddler, change: Callable[[bytes], bytes], reason: str) -> None:
    session = await open_session(meddler.endpoint)
    reading = await session.prepare(await nodes_of(session))
    assert (await reading.read()).has_value[:11].all()
    meddler.change = change
    began = time.process_time()
    with pytest.raises(Unavailable, match=reason):
        await reading.read()
    assert time.process_time() - began < 1.0
    with pytest.raises(Unavailable):
        await session.resolve([f"nsu={SPACE};s=double"], [DataType.DOUBLE])
    meddler.change = None
    await session.close()


async def test_a_session_outlives_one_malformed_reply(meddler: Meddler) -> None:
    session = await open_session(meddler.endpoint)
    reading = await session.prepare(await nodes_of(session))
    meddler.change = forged(b"\x01\x80\xff\xff\xff\x7f")
    with pytest.raises(Unavailable):
        await reading.read()
    meddler.change = None
    assert (await reading.read()).has_value[:11].all()
    await session.close()


@pytest.mark.parametrize("seed", range(4))
async def test_damaged_bytes_bring_nothing_but_unavailable_and_no_hang(meddler: Meddler, seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311 - damage, not secrets

    def damage(body: bytes) -> bytes:
        damaged = bytearray(body)
        for _ in range(choose.randrange(1, 5)):
            damaged[choose.randrange(len(damaged))] = choose.choice((0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)))
        return bytes(damaged)

    slowest = 0.0
    session = await open_session(meddler.endpoint)
    for turn in range(60):
        meddler.change = None
        if session.lost.is_set():
            await session.close()
            session = await open_session(meddler.endpoint)
        nodes = await nodes_of(session)
        reading = await session.prepare(nodes)
        meddler.change = damage
        began = time.perf_counter()
        try:
            if turn % 3:
                await reading.read()
            else:
                await session.resolve([node.address for node in nodes], [node.data_type for node in nodes])
        except Unavailable:
            pass
        slowest = max(slowest, time.perf_counter() - began)
    meddler.change = None
    await session.close()
    assert slowest < 2.5 * PATIENCE


async def test_a_server_that_damages_what_it_shows_is_discovered_or_unavailable(meddler: Meddler) -> None:
    choose = random.Random(7)  # noqa: S311 - damage, not secrets

    def damage(body: bytes) -> bytes:
        at = choose.randrange(len(body))
        return body if choose.random() < 0.7 else body[:at] + bytes([choose.randrange(256)]) + body[at + 1 :]

    for _ in range(10):
        meddler.change = damage
        try:
            await discover(meddler.endpoint, most=200)
        except (Unavailable, Rejected):  # e.g. when the offer of security itself is damaged
            continue
