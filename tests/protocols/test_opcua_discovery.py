"""What a server has is found whole, within bounds, and each thing found can be read under the address given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plant.errors import Unavailable
from plant.signals import DataType, Range
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from protocols.opcua_discovery import discover
from tests.ports import free_port
from tests.protocols.opcua_servers import TYPES, ServerProcess, asyncua_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with asyncua_server("--many", "1200") as started:
        yield started


def plain(server: ServerProcess) -> OpcUaEndpoint:
    return OpcUaEndpoint(server.url, policy="None", mode="None")


async def test_all_variables_are_found_once_though_references_run_in_a_circle(server: ServerProcess) -> None:
    found = await discover(plain(server))
    addresses = [variable.address for variable in found]
    assert len(set(addresses)) == len(addresses)
    assert len([variable for variable in found if variable.name.startswith("many")]) == 1200
    types = {variable.name: variable.data_type for variable in found}
    assert {name: types[name] for name in TYPES} == {name: DataType(name) for name in TYPES}
    assert (types["array"], types["date"], types["any"]) == (None, None, None)
    assert (types["duration"], types["state"]) == (DataType.DOUBLE, DataType.INT32)
    assert types["below"] is DataType.DOUBLE, "what lies below a variable is a variable too"
    assert not any("Server" in variable.browse_path for variable in found)


async def test_unit_and_range_are_told_and_are_no_signals_themselves(server: ServerProcess) -> None:
    found = {variable.name: variable for variable in await discover(plain(server))}
    analog = found["a/b:c&d"]
    assert (analog.unit, analog.unit_name, analog.range) == ("Cel", "°C", Range(-10.0, 90.5))
    assert analog.description == "oil in the tank", "without the NUL that some servers end their texts with"
    assert "EURange" not in found
    assert "EngineeringUnits" not in found


async def test_no_more_is_found_than_was_asked_for(server: ServerProcess) -> None:
    assert len(await discover(plain(server), most=10)) == 10


async def test_what_is_found_is_read_under_its_address_and_its_path(server: ServerProcess) -> None:
    found = [variable for variable in await discover(plain(server), most=400) if variable.data_type is not None]
    types = [variable.data_type for variable in found if variable.data_type is not None]
    session = await open_session(plain(server))
    try:
        by_id = await session.resolve([variable.address for variable in found], types)
        by_path = await session.resolve([variable.browse_path for variable in found], types)
        ids = [node.node_id for node in by_id if isinstance(node, ResolvedNode)]
        assert len(ids) == len(found)
        assert ids == [node.node_id for node in by_path if isinstance(node, ResolvedNode)]
    finally:
        await session.close()


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await discover(OpcUaEndpoint(f"opc.tcp://127.0.0.1:{free_port()}/", policy="None", mode="None"))
