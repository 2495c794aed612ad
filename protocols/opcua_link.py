"""One connection with a session in it, as the parts that use it see it: send a request, get its answer, know when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from asyncua.ua.ua_binary import struct_from_binary

from plant.errors import Unavailable
from protocols.opcua_attributes import AttributeValue, attribute_values
from protocols.opcua_binary import Malformed
from protocols.opcua_connection import DistrustfulClient, SerialisedRequest, exchange, service_result
from protocols.opcua_endpoint import OpcUaEndpoint

R = TypeVar("R")

_READ_RESPONSE: Final = 634
_MOST_AT_ONCE: Final = 10_000
_SESSION_GONE: Final = frozenset(
    {
        int(StatusCodes.BadSessionIdInvalid),
        int(StatusCodes.BadSessionClosed),
        int(StatusCodes.BadSessionNotActivated),
        int(StatusCodes.BadSecureChannelIdInvalid),
        int(StatusCodes.BadSecureChannelClosed),
        int(StatusCodes.BadSecureChannelTokenUnknown),
    }
)
TOO_MUCH: Final = frozenset(
    {
        int(StatusCodes.BadTooManyOperations),
        int(StatusCodes.BadRequestTooLarge),
        int(StatusCodes.BadResponseTooLarge),
        int(StatusCodes.BadEncodingLimitsExceeded),
        int(StatusCodes.BadTcpMessageTooLarge),
    }
)
"""What servers answer that promise more than they keep: ask for less at once."""


class ServiceFailed(Unavailable):
    """The server refused one request; the session lives."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"the server refused the request: {status_name(code)}")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How many operations the server takes at once."""

    nodes_per_read: int = 100
    nodes_per_browse: int = 100
    nodes_per_translate: int = 100
    monitored_items_per_call: int = 100
    requests_at_once: int = 8
    """Reads sent before the first one's answer is awaited."""


def status_name(code: int) -> str:
    """Return the standard's name of a StatusCode, and what it means."""
    name, meaning = get_name_and_doc(code & 0xFFFF0000)
    return f"{name} (0x{code:08X}): {meaning}" if name else f"0x{code:08X}"


class Link:
    """A connection with its session."""

    def __init__(self, endpoint: OpcUaEndpoint) -> None:
        self.endpoint = endpoint
        self.limits = ServerLimits()
        self.lost = asyncio.Event()
        self.lost_reason = ""
        self.client = DistrustfulClient(endpoint.url, endpoint.timeout_seconds, self.tell_lost)

    def tell_lost(self, reason: str) -> None:
        """Say that the session is over; the first reason given is kept."""
        if not self.lost.is_set():
            self.lost_reason = f"{self.endpoint.url}: {reason}"
            self.lost.set()

    def give_up(self, reason: str) -> None:
        """End the session from our side, at once: whatever waits for an answer fails."""
        self.tell_lost(reason)
        self.client.drop(reason)

    def check_alive(self) -> None:
        """Raise Unavailable when the session is over."""
        if self.lost.is_set():
            raise Unavailable(self.lost_reason)

    def body_of(self, reply: bytes, expected: int) -> int:
        """Return where the body of a reply of the expected kind begins. Raises ServiceFailed or Unavailable."""
        kind, result, body = service_result(reply)
        if kind == expected and result < 0x80000000:
            return body
        if result in _SESSION_GONE:
            self.give_up(f"the server ended the session: {status_name(result)}")
            raise Unavailable(self.lost_reason)
        if result >= 0x80000000:
            raise ServiceFailed(result)
        raise Unavailable(f"{self.endpoint.url}: the server answered with something else (kind {kind})")

    async def call(self, request: Any, expected: int, timeout_seconds: float | None = None) -> tuple[bytes, int]:
        """Send a request; return the reply and where its body begins."""
        self.check_alive()
        seconds = self.endpoint.timeout_seconds if timeout_seconds is None else timeout_seconds
        socket = self.client.socket
        try:
            reply = await exchange(socket, SerialisedRequest(request, socket, seconds), seconds)
        except Unavailable:
            self.check_alive()
            raise
        return reply, self.body_of(reply, expected)

    async def ask(self, request: Any, response: type[R], expected: int) -> R:
        """Send a request whose response holds no Variant; return it decoded by asyncua."""
        reply, _ = await self.call(request, expected)
        try:
            return struct_from_binary(response, Buffer(reply))
        except Exception as error:  # asyncua's decoder raises struct.error, ValueError, TypeError, RecursionError...
            raise Unavailable(f"{self.endpoint.url}: the server's reply is malformed: {error!r}") from error

    async def read_attributes(self, wanted: Sequence[tuple[ua.NodeId, AttributeIds]]) -> list[AttributeValue]:
        """Return the attributes wanted, in order; split as the server's limits ask."""
        values: list[AttributeValue] = []
        size = self.nodes_per_read
        while len(values) < len(wanted):
            part = wanted[len(values) : len(values) + size]
            try:
                reply, body = await self.call(read_request(part), _READ_RESPONSE)
            except ServiceFailed as failure:
                if failure.code not in TOO_MUCH or size == 1:
                    raise
                size = max(1, size // 2)
                continue
            try:
                values += attribute_values(reply, body, len(part))
            except Malformed as error:
                raise Unavailable(f"{self.endpoint.url}: the server's reply is malformed: {error}") from error
        return values

    @property
    def nodes_per_read(self) -> int:
        """How many values are asked for at once: the server's limit, or ours where it is lower."""
        return min(self.limits.nodes_per_read, self.endpoint.max_nodes_per_read or _MOST_AT_ONCE)


def read_request(wanted: Sequence[tuple[ua.NodeId, AttributeIds]]) -> ua.ReadRequest:
    """Return a Read of attributes: fresh (MaxAge 0), with source and server time."""
    request = ua.ReadRequest()
    request.Parameters.MaxAge = 0
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [ua.ReadValueId(node, attribute) for node, attribute in wanted]
    return request


def limit_of(announced: AttributeValue) -> int:
    """Return a server's limit as announced; 0 and absent mean none, for which we set our own."""
    value = announced.value
    return min(value, _MOST_AT_ONCE) if isinstance(value, int) and value > 0 else _MOST_AT_ONCE
