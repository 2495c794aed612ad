"""A cyclic read: the same nodes again and again, with as little work a tick as can be."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds

from plant.errors import Unavailable
from protocols.opcua_connection import SerialisedRequest, Socket, reply_of
from protocols.opcua_decoder import ReplyDecoder
from protocols.opcua_link import TOO_MUCH, Link, ServiceFailed, read_request
from protocols.opcua_resolving import ResolvedNode
from protocols.opcua_types import TYPE_IDS
from protocols.opcua_values import ReadColumns, concatenate

_READ_RESPONSE: Final = 634
_MOST_IN_FLIGHT: Final = 8
"""Requests sent before the first one's answer is awaited."""
_BYTES_PER_NODE: Final = 1024
_BYTES_BESIDE: Final = 2**20
"""A reply may be this large and _BYTES_PER_NODE more for each node: what is larger is no reply with single values."""


class _Part:
    """The nodes asked for in one request."""

    def __init__(self, socket: Socket, nodes: Sequence[ua.NodeId], timeout_seconds: float) -> None:
        request = read_request([(node, AttributeIds.Value) for node in nodes])
        self.request = SerialisedRequest(request, socket, timeout_seconds)
        self.decoder = ReplyDecoder(len(nodes))
        self.most_bytes = _BYTES_BESIDE + _BYTES_PER_NODE * len(nodes)


class Reading:
    """One batched Read of fixed nodes, made ready once and then read each tick."""

    def __init__(self, link: Link, nodes: Sequence[ResolvedNode]) -> None:
        self.expected_type_id = np.array([TYPE_IDS[node.data_type] for node in nodes], np.uint8)
        """The built-in type each node is pinned to; compare with ``ReadColumns.type_id`` (0 there is null: no mismatch)."""
        self._link = link
        self._nodes = [node.node_id for node in nodes]
        self._parts: list[_Part] = []
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

    async def read(self) -> ReadColumns:
        """Return the nodes' values as columns. Raises Unavailable when the server does not answer rightly in time."""
        while True:
            try:
                return await self._read()
            except ServiceFailed as failure:
                if failure.code not in TOO_MUCH or self._size == 1:
                    raise
                # The server promised more than it keeps: half as many at once, from now on.
                self._split(max(1, min(self._size, len(self._nodes)) // 2))
            except Unavailable:
                self._link.check_alive()
                raise

    async def _read(self) -> ReadColumns:
        self._link.check_alive()
        socket = self._link.client.socket
        deadline = asyncio.get_running_loop().time() + self._link.endpoint.timeout_seconds
        columns: list[ReadColumns] = []
        waiting: deque[tuple[_Part, int, asyncio.Future[Buffer]]] = deque()
        try:
            for part in self._parts:
                if len(waiting) == _MOST_IN_FLIGHT:
                    columns.append(await self._take(socket, waiting, deadline))
                waiting.append((part, *socket.send_raw(part.request.stamped(socket.next_handle()))))
            while waiting:
                columns.append(await self._take(socket, waiting, deadline))
        finally:
            for _, request_id, future in waiting:
                socket.abandon(request_id)
                if not future.cancel():
                    future.exception()
        return concatenate(columns) if columns else _NOTHING

    async def _take(self, socket: Socket, waiting: deque[tuple[_Part, int, asyncio.Future[Buffer]]], deadline: float) -> ReadColumns:
        part, request_id, future = waiting[0]
        reply = await reply_of(socket, request_id, future, deadline)
        waiting.popleft()
        if len(reply) > part.most_bytes:
            raise Unavailable(f"{self._link.endpoint.url}: a reply of {len(reply)} bytes is no reply with single values")
        return part.decoder.decode(reply, self._link.body_of(reply, _READ_RESPONSE))


_NO_TIMES: Final = np.empty(0, np.int64)
_NOTHING: Final = ReadColumns(
    np.empty(0), np.empty(0, np.bool_), np.empty(0, np.uint32), _NO_TIMES, _NO_TIMES, _NO_TIMES, np.empty(0, np.uint8), None
)
