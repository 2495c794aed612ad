"""The same client reads a server that we did not write: npm node-opcua."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from plant.errors import Rejected
from plant.signals import DataType, Range
from protocols import pki
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, ResolvedNode, UnresolvedNode, open_session
from protocols.opcua_discovery import discover
from tests.node_parts import Node
from tests.ports import free_port
from tests.protocols.opcua_servers import CLIENT_URI, ServerProcess

SPACE = "http://node.test/Line:1/"
VALUES: dict[str, bool | int | float | str] = {
    "Boolean": True,
    "SByte": -7,
    "Byte": 200,
    "Int16": -12345,
    "UInt16": 54321,
    "Int32": -123456789,
    "UInt32": 3123456789,
    "Int64": 0x0020000000000001,
    "UInt64": 2**64 - 1,
    "Float": 0.5,
    "Double": math.pi,
    "String": "Schweißstrom",
}
MOST_PER_READ = 40


@pytest.fixture(scope="module")
def server(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder, port = tmp_path_factory.mktemp("node-opcua"), free_port()
    command = [str(node.program), str(node.folder / "opcua_server.mjs"), str(port), str(folder), str(MOST_PER_READ)]
    started = ServerProcess(command, port)
    yield started
    started.kill()


def plain(server: ServerProcess) -> OpcUaEndpoint:
    return OpcUaEndpoint(server.url, policy="None", mode="None")


@pytest.fixture
async def session(server: ServerProcess) -> AsyncIterator[OpcUaSession]:
    opened = await open_session(plain(server))
    yield opened
    await opened.close()


async def test_each_type_of_a_foreign_server_is_read_exactly(session: OpcUaSession) -> None:
    addresses = [f"nsu={SPACE};s={name}" for name in VALUES]
    found = await session.resolve(addresses, [DataType(name.lower()) for name in VALUES])
    nodes = [node for node in found if isinstance(node, ResolvedNode)]
    assert [node.address for node in nodes] == addresses
    columns = await (await session.prepare(nodes)).read()
    assert columns.text is not None
    for position, value in enumerate(VALUES.values()):
        if isinstance(value, str):
            assert columns.text[position] == value
        else:
            assert columns.value[position] == float(value)
            assert abs(value) <= 2**53 or columns.text[position] == str(value)
    assert (columns.source_time_us > 1_600_000_000_000_000).all()
    assert (columns.server_time_us > 1_600_000_000_000_000).all()


async def test_the_servers_own_limits_are_kept_to(session: OpcUaSession) -> None:
    """node-opcua refuses a Read of more nodes than it announced with BadTooManyOperations."""
    assert session.link.limits.nodes_per_read == MOST_PER_READ
    assert session.link.limits.nodes_per_browse == 20
    addresses = [f"nsu={SPACE};i={number + 1}" for number in range(300)]
    found = await session.resolve(addresses, [DataType.INT32] * 300)
    reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
    assert reading.requests == 8
    first = (await reading.read()).value
    second = (await reading.read()).value
    assert (second > first).all()
    assert [int(value) // 1000 for value in second] == list(range(300))


async def test_a_server_that_promises_more_than_it_keeps_is_asked_for_less(session: OpcUaSession) -> None:
    found = await session.resolve([f"nsu={SPACE};i={number + 1}" for number in range(300)], [DataType.INT32] * 300)
    session.link.limits = type(session.link.limits)(10_000, 100, 100)
    reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
    assert reading.requests == 1
    assert [int(value) // 1000 for value in (await reading.read()).value] == list(range(300))
    assert reading.requests > 1


async def test_bad_values_arrays_and_unknown_nodes_of_a_foreign_server_stand_alone(session: OpcUaSession) -> None:
    names = ["Double", "Bad", "Array", "Nowhere"]
    path = f"/Objects/nsu={SPACE}:Line&/1/nsu={SPACE}:Double"
    found = await session.resolve([*(f"nsu={SPACE};s={name}" for name in names), path], [DataType.DOUBLE] * 5)
    assert [isinstance(node, UnresolvedNode) for node in found] == [False, False, True, True, False]
    columns = await (await session.prepare([node for node in found if isinstance(node, ResolvedNode)])).read()
    assert columns.has_value.tolist() == [True, False, True]
    assert int(columns.status[1]) == 0x808C0000


async def test_what_a_foreign_server_has_is_found_with_units_and_ranges(server: ServerProcess, session: OpcUaSession) -> None:
    found = await discover(plain(server))
    own = {variable.name: variable for variable in found if SPACE in variable.address}
    assert len([name for name in own if name.startswith("Counter")]) == 300
    assert {name: own[name].data_type for name in VALUES} == {name: DataType(name.lower()) for name in VALUES}
    pressure = own["Pressure"]
    assert (pressure.unit, pressure.range, pressure.description) == ("bar", Range(0, 250), "in the main line")
    assert own["Array"].data_type is None
    named = await session.resolve([pressure.address, pressure.browse_path], [DataType.DOUBLE] * 2)
    assert isinstance(named[0], ResolvedNode)
    assert isinstance(named[1], ResolvedNode)
    assert named[0].node_id == named[1].node_id


async def test_a_foreign_server_is_read_signed_and_encrypted(server: ServerProcess, tmp_path: Path) -> None:
    certificate, key = pki.ensure_own_certificate(tmp_path / "own", CLIENT_URI)
    trusted = tmp_path / "trusted"
    endpoint = OpcUaEndpoint(server.url, trust=trusted, own_certificate=certificate, own_key=key, application_uri=CLIENT_URI)
    with pytest.raises(Rejected, match="is not trusted"):
        await open_session(endpoint)
    for refused in (tmp_path / "rejected").iterdir():
        pki.trust(trusted, pki.read_certificate(refused))
    session = await open_session(endpoint)
    try:
        assert not session.insecure
        found = await session.resolve([f"nsu={SPACE};s=Pressure"], [DataType.DOUBLE])
        reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
        assert (await reading.read()).value.tolist() == [180.25]
    finally:
        await session.close()
