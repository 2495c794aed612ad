"""Sessions with OPC UA servers: opened with a new client object each time, secured by default, watched by our own watchdog."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plant.signals import DataType
from protocols.opcua_reading import Reading


@dataclass(frozen=True, slots=True)
class OpcUaEndpoint:
    """Where a server is and how it is spoken to; the default signs and encrypts."""

    url: str
    policy: str = "Basic256Sha256"
    """``Aes256_Sha256_RsaPss``, ``Basic256Sha256``, ``Aes128_Sha256_RsaOaep`` or, by name only, ``None``."""
    mode: str = "SignAndEncrypt"
    """``SignAndEncrypt``, ``Sign`` or ``None``."""
    username: str | None = None
    password: str | None = None
    server_certificate: Path | None = None
    """The one certificate trusted; else the ``trust`` folder decides."""
    trust: Path | None = None
    """Folder of trusted certificates (.der, .pem)."""
    own_certificate: Path | None = None
    own_key: Path | None = None
    timeout_seconds: float = 4.0
    max_nodes_per_read: int | None = None
    application_uri: str = "urn:leadhand:client"
    channel_lifetime_seconds: float = 3600.0
    """How long keys are used before they are renewed."""


@dataclass(frozen=True, slots=True)
class ResolvedNode:
    """An address that the server knows, with the type it is pinned to."""

    address: str
    data_type: DataType
    node_id: Any
    """As the server knows it in this session only; never kept beyond it."""
    warning: str | None = None
    """A fact a person should know, e.g. that the address names a namespace by its index."""


@dataclass(frozen=True, slots=True)
class UnresolvedNode:
    """An address that can't be read now, and why; the others can."""

    address: str
    status: int
    """StatusCode, e.g. BAD_NODE_ID_UNKNOWN or BAD_TYPE_MISMATCH."""
    reason: str


class OpcUaSession:
    """One session with one server, good until ``lost`` is set; then open a new one."""

    lost: asyncio.Event
    """Set at once when the connection breaks, and within about 3 s when the server falls silent."""
    lost_reason: str
    """Why, for a person; empty while the session lives."""
    namespaces: tuple[str, ...]
    """The server's namespace URIs, by index, as read last."""
    insecure: bool
    """Whether the connection is neither signed nor encrypted."""

    async def resolve(self, addresses: Sequence[str], types: Sequence[DataType]) -> list[ResolvedNode | UnresolvedNode]:
        """Return, in the order of the addresses, what the server knows of each. May be asked again at any time in a session."""
        raise NotImplementedError

    async def prepare(self, nodes: Sequence[ResolvedNode]) -> Reading:
        """Return a cyclic read of these nodes."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the session and the connection; never raises, and may be called twice."""
        raise NotImplementedError


async def open_session(endpoint: OpcUaEndpoint) -> OpcUaSession:
    """Return a new session. Raises Unavailable (try again later) or Rejected (settings or trust must change first)."""
    raise NotImplementedError
