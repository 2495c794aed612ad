"""What a foreign server has becomes a site file that is right as it stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from leadhand.discovering import Access, proposal, write
from plant.signals import Range
from plant.site import load_site
from protocols.opcua_client import OpcUaEndpoint
from protocols.opcua_discovery import discover
from tests.node_parts import Node
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess


def test_a_foreign_servers_variables_are_proposed_with_units_ranges_and_places(node: Node, tmp_path: Path) -> None:
    port = free_port()
    server = ServerProcess([str(node.program), str(node.folder / "opcua_server.mjs"), str(port), str(tmp_path / "pki"), "40"], port)
    try:
        found = asyncio.run(discover(OpcUaEndpoint(server.url, policy="None", mode="None")))
    finally:
        server.kill()
    out = tmp_path / "site.toml"
    write(proposal(Access(server.url, insecure=True), found), out)
    site = load_site(out)
    signals = {signal.name: signal for signal in site.signals}
    assert len(signals) == len(site.signals) > 300
    pressure = signals["Pressure"]
    assert (pressure.unit, pressure.range, pressure.description) == ("bar", Range(0, 250), "in the main line")
    assert pressure.equipment == "enterprise/site/area/line/Line-1"
    assert pressure.address == "nsu=http://node.test/Line:1/;s=Pressure"
    assert "Array" not in signals
    with pytest.raises(Exception, match="exists already"):
        write("", out)
