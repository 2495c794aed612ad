"""What variables an OPC UA server has, with names, types, units and ranges, for a person to choose from."""

from __future__ import annotations

from dataclasses import dataclass

from plant.signals import DataType, Range
from protocols.opcua_client import OpcUaEndpoint


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """One variable met while browsing."""

    address: str
    """``nsu=<uri>;s=...``: what a signal's settings take."""
    browse_path: str
    """``/Objects/nsu=<uri>:Line1/...``: the other form that settings take; survives node ids that change at each reboot."""
    name: str
    data_type: DataType | None
    """None where a signal can't be pinned to it (arrays, structures, dates)."""
    unit: str
    """UCUM code where known, else empty."""
    unit_name: str
    """The unit in the server's own words."""
    range: Range | None
    description: str


async def discover(endpoint: OpcUaEndpoint, most: int = 20_000) -> list[FoundVariable]:
    """Return the server's variables below Objects, at most ``most``, without the server's own diagnostics.

    Raises Unavailable or Rejected as ``open_session`` does.
    """
    raise NotImplementedError
