"""What is published about the OPC UA servers of known controllers, as data: bounds that they do not announce, or announce wrongly.

A server's own OperationLimits are read first and always hold; a profile only lowers them. It is named in the source's settings, or found by
what the server says in its BuildInfo. Where nothing reliable is published, a profile only tells the name: what the server announces and
refuses is followed then (a request refused as too much is asked again in smaller parts, one at a time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of controller. None: nothing known."""

    name: str
    words: tuple[str, ...]
    """Any of these within manufacturer and product name, in lower case, makes it this one."""
    nodes_per_call: int | None = None
    """Nodes in one Read, items in one CreateMonitoredItems."""
    requests_at_once: int | None = None
    """Requests that may wait for their answers together."""
    sampling_ms: float | None = None
    """The shortest sampling interval that it grants as delivered."""
    publishing_ms: float | None = None
    sessions: int | None = None
    items: int | None = None
    """Monitored items of the whole server, of its smallest model."""
    note: str = ""
    source: str = ""
    """Where that is published."""


PROFILES: Final = (
    Profile(
        "siemens-s7-1500",
        ("s7-1500", "s7-1200", "simatic.s7", "simatic s7", "cpu 15", "cpu 12"),
        nodes_per_call=1000,
        requests_at_once=1,
        note="takes 1000 nodes in all requests that wait together, whatever it announces; intervals and items are set in TIA Portal",
        source="https://github.com/epics-modules/opcua/issues/201, https://support.industry.siemens.com/cs/ww/en/view/109755846",
    ),
    Profile(
        "br-automation",
        ("b&r", "bernecker", "br-automation"),
        publishing_ms=50,
        note="sends each 50 ms at the fastest; a subscription lives 600 intervals at most",
        source="https://doc.ipesoft.com (D2000, OPC UA client: Requested Publishing Interval)",
    ),
    Profile(
        "omron-nj-nx",
        ("omron",),
        sessions=5,
        items=2000,
        note="5 sessions and, in most models, 2000 monitored items in all",
        source="Omron W588, NJ/NX-series CPU Unit OPC UA User's Manual",
    ),
    Profile(
        "phoenix-plcnext",
        ("plcnext", "phoenix contact"),
        sampling_ms=100,
        sessions=3,
        note="samples each 100 ms (RFC 4072: 50 ms) at the fastest; 3 to 30 sessions by model",
        source="https://www.plcnext-community.net (PLCnext Control OPC UA, device-specific settings)",
    ),
    Profile(
        "schneider-m580",
        ("bmenua", "schneider"),
        sampling_ms=20,
        publishing_ms=20,
        sessions=10,
        items=2000,
        note="20 ms for up to 2000 items, else 125 ms sampling and 250 ms publishing for 50000; queues of 100 values",
        source="Schneider Electric, BMENUA0100 OPC UA Embedded Module (limitations)",
    ),
    Profile(
        "ge-rx3i",
        ("rx3i", "pacsystems"),
        sessions=5,
        items=12_500,
        note="5 sessions and 10 subscriptions in all",
        source="GE GFK-2224Q, chapter 10",
    ),
    Profile(
        "beckhoff-twincat",
        ("beckhoff", "twincat"),
        note="sessions and queues are set in the TwinCAT OPC UA configurator",
        source="Beckhoff TF6100",
    ),
    Profile("codesys", ("codesys", "3s - smart software"), note="intervals are set in the runtime's configuration"),
    Profile("rockwell-kepware", ("kepware", "kepserver", "rockwell", "factorytalk linx"), note="reads its devices at their own scan rates"),
)
"""In the order of trial: the first whose word is met."""


def profile_named(name: str) -> Profile:
    """Return a profile by the name that settings use. Raises KeyError."""
    return {profile.name: profile for profile in PROFILES}[name]


def profile_of(manufacturer: str, product: str) -> Profile | None:
    """Return the profile that fits what a server says of itself, None where none is known."""
    said = f"{manufacturer} {product}".lower()
    return next((profile for profile in PROFILES if any(word in said for word in profile.words)), None)
