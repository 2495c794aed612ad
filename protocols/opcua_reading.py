"""A cyclic read: the same nodes again and again, with as little work a tick as can be."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from plant.errors import Unavailable
from plant.samples import NO_TIME
from protocols.opcua_connection import SerialisedRequest, Socket
from protocols.opcua_decoder import ReplyDecoder
from protocols.opcua_link import TOO_MUCH, Link, ServiceFailed, read_request
from protocols.opcua_resolving import ResolvedNode
from protocols.opcua_types import TYPE_IDS
from protocols.opcua_values import ReadColumns, concatenate

_READ_RESPONSE: Final = 634
_BYTES_PER_NODE: Final = 128
_BYTES_BESIDE: Final = 2**20
"""A reply may be this large and _BYTES_PER_NODE more for each node: what is larger holds a text that is no measurement."""
_ASK_AGAIN_SECONDS: Final = 30.0
"""How long a node whose value alone is too large is not asked for."""
_TOO_LARGE: Final = int(StatusCodes.BadResponseTooLarge)
_ANSWER_TOO_LARGE: Final = frozenset({_TOO_LARGE, int(StatusCodes.BadEncodingLimitsExceeded), int(StatusCodes.BadTcpMessageTooLarge)})
"""What servers say where one part's answer, not the number of nodes, is too much."""


class _Part:
    """The nodes asked for in one request."""

    def __init__(self, socket: Socket, nodes: Sequence[ua.NodeId], timeout_seconds: float) -> None:
        self.nodes = nodes
        self.asked_again_at = float("-inf")
        """Not asked before: its one node's value was too large."""
        request = read_request([(node, AttributeIds.Value) for node in nodes])
        self.request = SerialisedRequest(request, socket, timeout_seconds)
        self.decoder = ReplyDecoder(len(nodes))
        self.most_bytes = _BYTES_BESIDE + _BYTES_PER_NODE * len(nodes)


class _PartTooLarge(Exception):
    """The answer to one part is larger than we, or the server, take."""

    def __init__(self, part: _Part) -> None:
        super().__init__()
        self.part = part


class Reading:
    """One batched Read of fixed nodes, made ready once and then read each tick."""

    def __init__(self, link: Link, nodes: Sequence[ResolvedNode]) -> None:
        self.expected_type_id = np.array([TYPE_IDS[node.data_type] for node in nodes], np.uint8)
        """The built-in type each node is pinned to; compare with ``ReadColumns.type_id`` (0 there is null: no mismatch)."""
        self._link = link
        self._nodes = [node.node_id for node in nodes]
        self._parts: list[_Part] = []
        self._at_once = link.limits.requests_at_once
        self._split(link.nodes_per_read)

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def requests(self) -> int:
        """How many requests one read takes."""
        return len(self._parts)

    @property
    def layouts(self) -> str:
        """How often a reply looked like the one before and how often its layout had to be learnt, for a person."""
        decoders = [part.decoder for part in self._parts]
        return f"remembered {sum(d.remembered for d in decoders)}, learnt or mended {sum(d.mended for d in decoders)}"

    def _split(self, size: int) -> None:
        """Make the requests ready, of at most ``size`` nodes and of no more bytes than the server takes."""
        socket, timeout = self._link.client.socket, self._link.endpoint.timeout_seconds
        while True:
            self._size = size
            self._parts = [_Part(socket, self._nodes[at : at + size], timeout) for at in range(0, len(self._nodes), size)]
            most = socket.peer_message_bytes
            if not most or size == 1 or all(len(part.request) <= most for part in self._parts):
                return
            size = max(1, size // 2)

    def _divide(self, part: _Part, now: float) -> None:
        """Ask for halves of a part whose answer was too large, down to the one node that is: that is left out for a while."""
        if len(part.nodes) == 1:
            part.asked_again_at = now + _ASK_AGAIN_SECONDS
            return
        socket, timeout = self._link.client.socket, self._link.endpoint.timeout_seconds
        at, half = self._parts.index(part), len(part.nodes) // 2
        self._parts[at : at + 1] = [_Part(socket, nodes, timeout) for nodes in (part.nodes[:half], part.nodes[half:])]

    async def read(self) -> ReadColumns:
        """Return the nodes' values as columns; a value that is too large is bad with BadResponseTooLarge and stops no other.

        Raises Unavailable when the server does not answer rightly in time.
        """
        now = asyncio.get_running_loop().time()
        while True:
            try:
                return await self._read(now)
            except _PartTooLarge as answer:
                self._divide(answer.part, now)
            except ServiceFailed as failure:
                if failure.code not in TOO_MUCH or self._size == 1:
                    raise
                if self._at_once > 1 and len(self._parts) > 1:
                    # Some servers (S7-1500) count the nodes of all requests that wait together.
                    self._at_once = 1
                    continue
                # The server promised more than it keeps: half as many at once, from now on.
                self._split(max(1, min(self._size, len(self._nodes)) // 2))
            except Unavailable:
                self._link.check_alive()
                raise

    async def _read(self, now: float) -> ReadColumns:
        self._link.check_alive()
        socket = self._link.client.socket
        deadline = now + self._link.endpoint.timeout_seconds
        if len(self._parts) == 1 and self._parts[0].asked_again_at < now:
            part = self._parts[0]
            return self._decoded(part, await socket.reply_to(*socket.send_raw(part.request), deadline))
        columns = {part: _left_out() for part in self._parts if part.asked_again_at >= now}
        waiting: deque[tuple[_Part, int, asyncio.Future[bytes]]] = deque()
        try:
            for part in [part for part in self._parts if part not in columns]:
                if len(waiting) == self._at_once:
                    columns.update([await self._take(socket, waiting, deadline)])
                waiting.append((part, *socket.send_raw(part.request)))
            while waiting:
                columns.update([await self._take(socket, waiting, deadline)])
        finally:
            for _, request_id, future in waiting:
                socket.abandon(request_id)
                if not future.cancel():
                    future.exception()
        return concatenate([columns[part] for part in self._parts]) if columns else _NOTHING

    async def _take(
        self, socket: Socket, waiting: deque[tuple[_Part, int, asyncio.Future[bytes]]], deadline: float
    ) -> tuple[_Part, ReadColumns]:
        part, request_id, future = waiting[0]
        reply = await socket.reply_to(request_id, future, deadline)
        waiting.popleft()
        return part, self._decoded(part, reply)

    def _decoded(self, part: _Part, reply: bytes) -> ReadColumns:
        if len(reply) > part.most_bytes:
            raise _PartTooLarge(part)
        try:
            body = self._link.body_of(reply, _READ_RESPONSE)
        except ServiceFailed as failure:
            if failure.code in _ANSWER_TOO_LARGE:
                raise _PartTooLarge(part) from failure
            raise
        return part.decoder.decode(reply, body)


_NO_TIMES: Final = np.empty(0, np.int64)
_NOTHING: Final = ReadColumns(
    np.empty(0), np.empty(0, np.bool_), np.empty(0, np.uint32), _NO_TIMES, _NO_TIMES, _NO_TIMES, np.empty(0, np.uint8), None
)


def _left_out() -> ReadColumns:
    """Return what is said of a node that is not asked for because its value is too large."""
    absent = np.array([NO_TIME])
    status = np.array([_TOO_LARGE], np.uint32)
    return ReadColumns(
        np.array([np.nan]), np.array([False]), status, absent, absent.copy(), np.zeros(1, np.int64), np.zeros(1, np.uint8), None
    )
