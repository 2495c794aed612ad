"""Known controllers are met within bounds that they do not announce."""

from __future__ import annotations

from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from plant.errors import Rejected
from plant.settings import OpcUaSourceSettings
from plant.signals import DataType
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from protocols.opcua_connection import Socket
from protocols.opcua_profiles import PROFILES, profile_of
from tests.protocols.opcua_servers import asyncua_server

SPACE = "http://types.test/UA/"


@pytest.mark.parametrize(
    ("manufacturer", "product", "name"),
    [
        ("Siemens AG", "S7-1500", "siemens-s7-1500"),
        ("Siemens AG", "SIMATIC.S7-1500.OPC-UA.Application:PLC_1", "siemens-s7-1500"),
        ("B&R Industrial Automation GmbH", "OPC UA Server", "br-automation"),
        ("OMRON Corporation", "NJ501-1500", "omron-nj-nx"),
        ("Beckhoff Automation", "TwinCAT OPC UA Server", "beckhoff-twincat"),
        ("3S - Smart Software Solutions GmbH", "CODESYS Control", "codesys"),
        ("PTC", "KEPServerEX", "rockwell-kepware"),
        ("PHOENIX CONTACT", "PLCnext OPC UA Server", "phoenix-plcnext"),
        ("FreeOpcUa", "asyncua", None),
        ("", "", None),
    ],
)
def test_a_controller_is_known_by_what_it_says_of_itself(manufacturer: str, product: str, name: str | None) -> None:
    found = profile_of(manufacturer, product)
    assert (None if found is None else found.name) == name


def test_the_settings_name_the_profiles_that_there_are() -> None:
    hint = get_type_hints(OpcUaSourceSettings)["profile"]
    named = next(part for part in get_args(hint) if get_origin(part) is Literal)
    assert set(get_args(named)) == {profile.name for profile in PROFILES}
    assert all(profile.note for profile in PROFILES)


def test_each_bound_names_its_source() -> None:
    for profile in PROFILES:
        bounds = (profile.nodes_per_call, profile.sampling_ms, profile.publishing_ms, profile.sessions, profile.items)
        assert profile.source or not any(bounds), profile.name


async def test_a_profile_bounds_requests_and_how_many_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    send = Socket.send_raw

    def counted(socket: Socket, request: object) -> object:
        nonlocal most
        sent = send(socket, request)  # type: ignore[arg-type]
        most = max(most, len(socket._waiting))
        return sent

    with asyncua_server("--many", "60") as server:
        monkeypatch.setattr(Socket, "send_raw", counted)
        for profile, at_once in ((None, 6), ("siemens-s7-1500", 1)):
            endpoint = OpcUaEndpoint(server.url, policy="None", mode="None", max_nodes_per_read=10, profile=profile)
            session = await open_session(endpoint)
            assert (None if session.profile is None else session.profile.name) == profile
            assert session.link.limits.monitored_items_per_call == (1000 if profile else 10_000)
            found = await session.resolve([f"nsu={SPACE};i={n + 1}" for n in range(60)], [DataType.DOUBLE] * 60)
            reading = await session.prepare([node for node in found if isinstance(node, ResolvedNode)])
            most = 0
            assert (await reading.read()).value.tolist() == [float(n) for n in range(60)]
            assert most == at_once
            await session.close()


async def test_an_unknown_profile_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Rejected, match="known are siemens-s7-1500"):
        await open_session(OpcUaEndpoint("opc.tcp://127.0.0.1:1/", policy="None", mode="None", profile="tractor"))
