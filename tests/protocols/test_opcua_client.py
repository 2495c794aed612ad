"""Sessions with a real server in another process, which is restarted, killed, frozen and changed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from plant import status
from plant.errors import Rejected, Unavailable
from plant.samples import NO_TIME
from plant.signals import DataType
from protocols import opcua_reading
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, Reading, ResolvedNode, UnresolvedNode, open_session
from tests.ingest.parts import PATIENCE
from tests.listener import listen
from tests.ports import free_port
from tests.protocols.opcua_servers import TYPES, ServerProcess, asyncua_server

SPACE = "http://types.test/UA/"
PATH = "/Objects/nsu=urn:press:press/nsu=urn:press:Temperature"
PRESS, OVEN = "nsu=urn:press;i=1001", "nsu=urn:oven;i=1001"


def plain(url: str, **facts: object) -> OpcUaEndpoint:
    return OpcUaEndpoint(url, policy="None", mode="None", **facts)  # type: ignore[arg-type]


def node(name: str) -> str:
    return f"nsu={SPACE};s={name}"


@asynccontextmanager
async def session_with(server: ServerProcess, **facts: object) -> AsyncIterator[OpcUaSession]:
    session = await open_session(plain(server.url, **facts))
    try:
        yield session
    finally:
        await session.close()


async def reading_of(session: OpcUaSession, addresses: Sequence[str], types: Sequence[DataType] | None = None) -> Reading:
    resolved = await session.resolve(addresses, types or [DataType.DOUBLE] * len(addresses))
    return await session.prepare([found for found in resolved if isinstance(found, ResolvedNode)])


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + PATIENCE * seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with asyncua_server("--many", "120") as started:
        yield started


async def test_each_type_is_read_as_it_was_written(server: ServerProcess) -> None:
    async with session_with(server) as session:
        reading = await reading_of(session, [node(name) for name in TYPES], [DataType(name) for name in TYPES])
        columns = await reading.read()
        assert columns.type_id.tolist() == reading.expected_type_id.tolist()
        assert columns.text is not None
        for position, value in enumerate(TYPES.values()):
            if isinstance(value, str):
                assert columns.text[position] == value
                assert math.isnan(columns.value[position])
            else:
                assert columns.value[position] == float(value)
                assert abs(value) <= 2**53 or columns.text[position] == str(value)
        assert (columns.source_time_us > 0).all()
        assert (columns.server_time_us > 0).all()


async def test_a_node_that_is_unknown_or_of_another_type_stops_no_other(server: ServerProcess) -> None:
    wishes = {
        node("double"): DataType.DOUBLE,
        node("nowhere"): DataType.DOUBLE,
        node("int32"): DataType.DOUBLE,
        node("array"): DataType.DOUBLE,
        node("types"): DataType.DOUBLE,
        "nsu=urn:nobody;i=1": DataType.DOUBLE,
        "/Objects/nsu=urn:press:nothing": DataType.DOUBLE,
        "rubbish": DataType.DOUBLE,
        node("state"): DataType.INT32,
        node("duration"): DataType.DOUBLE,
        node("any"): DataType.DOUBLE,
    }
    async with session_with(server) as session:
        found = await session.resolve(list(wishes), list(wishes.values()))
        refused = {f.address: f for f in found if isinstance(f, UnresolvedNode)}
        assert [f.address for f in found] == list(wishes)
        assert [f.address for f in found if isinstance(f, ResolvedNode)] == [node(n) for n in ("double", "state", "duration", "any")]
        assert refused[node("nowhere")].status == status.BAD_NODE_ID_UNKNOWN
        assert refused[node("int32")].status == status.BAD_TYPE_MISMATCH
        assert "int32 on the server" in refused[node("int32")].reason
        assert "pinned to double" in refused[node("int32")].reason
        assert refused[node("array")].status == status.BAD_TYPE_MISMATCH
        assert "it has 'urn:test:server'" in refused["nsu=urn:nobody;i=1"].reason
        assert all(f.status >= 0x80000000 and f.reason for f in refused.values())
        reading = await session.prepare([f for f in found if isinstance(f, ResolvedNode)])
        assert (await reading.read()).has_value.all()


async def test_browse_paths_and_node_ids_lead_to_the_same_node(server: ServerProcess) -> None:
    path = f"/Objects/nsu={SPACE}:Types/nsu={SPACE}:a&/b&:c&&d"
    by_index = "ns=2;i=1001"
    async with session_with(server) as session:
        found = await session.resolve([path, node("analog"), by_index], [DataType.DOUBLE] * 3)
        first, second, third = (f for f in found if isinstance(f, ResolvedNode))
        assert first.node_id == second.node_id
        assert first.warning is None
        assert third.warning is not None
        assert "index" in third.warning


async def test_a_read_is_split_as_the_settings_ask_and_stays_in_order(server: ServerProcess) -> None:
    addresses = [f"nsu={SPACE};i={number + 1}" for number in range(120)]
    async with session_with(server, max_nodes_per_read=7) as session:
        reading = await reading_of(session, addresses)
        assert reading.requests == 18
        assert (await reading.read()).value.tolist() == [float(number) for number in range(120)]
        assert len(reading) == 120


async def test_no_nodes_are_read_as_no_columns(server: ServerProcess) -> None:
    async with session_with(server) as session:
        reading = await session.prepare([])
        assert len(await reading.read()) == 0


async def test_readings_at_once_do_not_mix_up_their_answers(server: ServerProcess) -> None:
    async with session_with(server) as session:
        numbers = [await reading_of(session, [f"nsu={SPACE};i={n + 1}" for n in range(first, first + 20)]) for first in (0, 40, 80)]
        for _ in range(20):
            columns = await asyncio.gather(*(reading.read() for reading in numbers))
            assert [c.value[0] for c in columns] == [0.0, 40.0, 80.0]


async def test_a_bad_status_is_kept_whole_and_its_value_is_no_number() -> None:
    with asyncua_server() as server:
        async with session_with(server) as session:
            reading = await reading_of(session, [node("double"), node("float")], [DataType.DOUBLE, DataType.FLOAT])
            before = await reading.read()
            server.tell("write", node="double", value=1.0, kind="Double", status=0x80050000, at="2026-01-02T03:04:05.123456+00:00")
            after = await reading.read()
            assert before.has_value.tolist() == [True, True]
            assert after.status.tolist() == [0x80050000, 0]
            assert after.has_value.tolist() == [False, True]
            assert after.source_time_us[0] == 1_767_323_045_123_456


async def test_a_value_far_too_large_is_bad_until_it_is_small_again_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncua_server("--many", "20") as server:
        async with session_with(server) as session:
            numbers = [f"nsu={SPACE};i={number + 1}" for number in range(20)]
            reading = await reading_of(session, [node("string"), *numbers], [DataType.STRING, *[DataType.DOUBLE] * 20])
            server.tell("write", node="string", value="x", times=3_000_000, kind="String")
            for _ in range(3):
                columns = await reading.read()
                assert columns.status.tolist() == [0x80B90000, *[0] * 20]
                assert columns.has_value.tolist() == [False, *[True] * 20]
                assert columns.value[1:].tolist() == [float(number) for number in range(20)]
                assert columns.source_time_us[0] == NO_TIME
            monkeypatch.setattr(opcua_reading, "_ASK_AGAIN_SECONDS", 0.0)
            again = await reading_of(session, [node("string"), *numbers], [DataType.STRING, *[DataType.DOUBLE] * 20])
            assert (await again.read()).status[0] == 0x80B90000
            server.tell("write", node="string", value="x", times=300_000, kind="String")
            columns = await again.read()
            assert columns.text is not None
            assert columns.text[0] == "x" * 300_000
            assert columns.value[1:].tolist() == [float(number) for number in range(20)]


async def test_a_type_that_changes_under_way_shows_in_its_type_id() -> None:
    with asyncua_server() as server:
        async with session_with(server) as session:
            reading = await reading_of(session, [node("double"), PRESS])
            assert (await reading.read()).type_id.tolist() == [11, 11]
            server.tell("force", node="double", value="25.0", kind="String")
            columns = await reading.read()
            assert columns.type_id.tolist() == [12, 11]
            assert columns.has_value.tolist() == [False, True]
            assert columns.type_id[0] != reading.expected_type_id[0]
            server.tell("force", node="double", value=25, kind="Int64")
            assert (await reading.read()).type_id.tolist() == [8, 11]


async def test_a_node_removed_under_way_turns_bad_and_the_others_go_on() -> None:
    with asyncua_server() as server:
        async with session_with(server) as session:
            reading = await reading_of(session, [PRESS, OVEN])
            assert (await reading.read()).value.tolist() == [180.0, 25.0]
            server.tell("remove", node="press")
            columns = await reading.read()
            assert columns.status[0] == status.BAD_NODE_ID_UNKNOWN
            assert not columns.has_value[0]
            assert columns.value[1] == 25.0
            assert not session.lost.is_set()
            found = await session.resolve([PRESS, OVEN], [DataType.DOUBLE] * 2)
            assert isinstance(found[0], UnresolvedNode)
            assert isinstance(found[1], ResolvedNode)


async def test_namespaces_swapped_by_a_restart_never_give_another_machines_value() -> None:
    port = free_port()
    for namespaces in ("urn:press,urn:oven", "urn:oven,urn:press"):
        with asyncua_server("--namespaces", namespaces, port=port) as server:
            async with session_with(server) as session:
                reading = await reading_of(session, [PRESS, OVEN, "/Objects/nsu=urn:press:press/nsu=urn:press:Temperature"])
                assert (await reading.read()).value.tolist() == [180.0, 25.0, 180.0]
    with asyncua_server("--namespaces", "urn:oven", port=port) as server:
        async with session_with(server) as session:
            found = await session.resolve([PRESS, OVEN], [DataType.DOUBLE] * 2)
            assert isinstance(found[0], UnresolvedNode)


async def test_a_node_id_that_bears_another_name_after_a_restart_is_not_read() -> None:
    """Controllers number nodes anew after a download: i=1001 was the press' temperature, and is the oven's then."""
    port, names = free_port(), dict[str, str]()
    for swapped in (False, True):
        with asyncua_server(*(["--swapped"] if swapped else []), port=port) as server:
            async with session_with(server) as session:
                addresses = ["nsu=urn:press;i=1001", "nsu=urn:press;i=1002", PATH]
                found = await session.resolve(addresses, [DataType.DOUBLE] * 3, names)
                if not swapped:
                    assert [isinstance(node, ResolvedNode) for node in found] == [True] * 3
                    continue
                assert [isinstance(node, ResolvedNode) for node in found] == [False, False, True]
                assert "was 'Temperature' and is 'Pressure' now" in found[0].reason  # type: ignore[union-attr]
                reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
                assert (await reading.read()).value.tolist() == [180.0]


async def test_a_killed_server_is_noticed_at_once_and_its_successor_is_read() -> None:
    port = free_port()
    with asyncua_server(port=port) as server:
        session = await open_session(plain(server.url))
        reading = await reading_of(session, [PRESS])
        await reading.read()
        server.kill()
        async with asyncio.timeout(5 * PATIENCE):
            await session.lost.wait()
        assert session.lost_reason
        assert "silent" not in session.lost_reason, "it was not waited for in vain"
        with pytest.raises(Unavailable):
            await reading.read()
        with pytest.raises(Unavailable):
            await session.resolve([PRESS], [DataType.DOUBLE])
        await session.close()
        with pytest.raises(Unavailable):
            await open_session(plain(server.url))
    with asyncua_server(port=port) as server:
        async with session_with(server) as session:
            assert (await (await reading_of(session, [PRESS])).read()).value.tolist() == [180.0]


@pytest.mark.parametrize("reads", [True, False])
async def test_a_server_that_falls_silent_is_given_up_within_about_three_seconds(reads: bool) -> None:
    with asyncua_server() as server:
        session = await open_session(plain(server.url))
        reading = await reading_of(session, [PRESS])
        await reading.read()
        server.freeze()
        began = time.monotonic()
        if reads:
            with pytest.raises(Unavailable, match="silent"):
                await reading.read()
        async with asyncio.timeout(3.5 * PATIENCE):
            await session.lost.wait()
        assert time.monotonic() - began > 1.5
        assert "silent" in session.lost_reason
        async with asyncio.timeout(1.0 * PATIENCE):
            await session.close()
        server.thaw()


async def test_an_idle_session_lives_on() -> None:
    with asyncua_server() as server:
        async with session_with(server, session_timeout_seconds=2.0) as session:
            reading = await reading_of(session, [PRESS])
            await asyncio.sleep(3.5)
            assert not session.lost.is_set()
            assert (await reading.read()).value.tolist() == [180.0]


async def test_an_answer_that_comes_too_late_is_dropped_and_the_session_lives() -> None:
    with asyncua_server() as server:
        async with session_with(server, timeout_seconds=1.0) as session:
            reading = await reading_of(session, [PRESS])
            server.freeze()
            with pytest.raises(Unavailable, match="in time"):
                await reading.read()
            server.thaw()
            # answers keep their order: the late one is there before this one
            assert (await reading.read()).value.tolist() == [180.0]
            assert not session.lost.is_set()


async def test_a_read_that_is_cancelled_leaves_nothing_behind(server: ServerProcess) -> None:
    async with session_with(server) as session:
        reading = await reading_of(session, [PRESS])
        socket = session.link.client.socket
        for _ in range(20):
            task = asyncio.create_task(reading.read())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await reading.read()).value.tolist() == [180.0]
        await until(lambda: not socket._abandoned)
        assert not socket._waiting


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "(Connection refused)"),
        ("localhost", "(Connection refused)"),
        ("nobody.invalid", "(Name or service not known)"),
    ],
)
async def test_nobody_there_is_unavailable_and_a_person_reads_what_to_check(host: str, reason: str) -> None:
    with pytest.raises(Unavailable) as told:
        await open_session(plain(f"opc.tcp://{host}:{free_port()}/"))
    assert "check host, port and firewall" in str(told.value)
    assert reason in str(told.value) or "none of its addresses answers" in str(told.value)
    assert "Errno" not in str(told.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:4840", "opc.tcp://plc", "opc.tcp://plc:99999", "opc.tcp://plc:x", ""])
async def test_what_is_no_address_is_told_with_the_form_of_one(url: str) -> None:
    with pytest.raises(Rejected, match=r"write opc\.tcp://host:port"):
        await open_session(plain(url))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"ACKF\xff\xff\xff\x7f" + b"\0" * 300_000,
        b"ACKF\x1c\0\0\0" + b"\0" * 20,
        b"ERRF\x10\0\0\0\0\0\x80\x80\xff\xff\xff\xff",
        b"\0" * 100,
    ],
    ids=["silence", "http", "endless", "zeros allowed", "error", "zeros"],
)
async def test_what_is_no_opc_ua_server_is_unavailable_in_time(answer: bytes) -> None:
    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()

    async with listen(impostor) as other, asyncio.timeout(2 * PATIENCE):
        with pytest.raises(Unavailable):
            await open_session(plain(f"opc.tcp://127.0.0.1:{other.port}/", timeout_seconds=0.5))


async def test_a_password_is_never_sent_over_no_security() -> None:
    with pytest.raises(Rejected, match="password is not sent"):
        await open_session(plain("opc.tcp://127.0.0.1:1/", username="lead", password="secret"))
    assert "secret" not in repr(plain("opc.tcp://127.0.0.1:1/", username="lead", password="secret"))


async def test_closing_twice_is_fine(server: ServerProcess) -> None:
    session = await open_session(plain(server.url))
    await session.close()
    await session.close()
    assert session.lost.is_set()


async def test_columns_are_new_each_time(server: ServerProcess) -> None:
    async with session_with(server) as session:
        reading = await reading_of(session, [PRESS, OVEN])
        first = await reading.read()
        kept = first.value.copy()
        second = await reading.read()
        second.value[:] = 0
        np.testing.assert_array_equal(first.value, kept)
