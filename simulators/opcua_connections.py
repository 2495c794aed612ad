"""Connections to a simulated server: a Read that came before is answered from prepared bytes, everything else by asyncua."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.crypto.permission_rules import User
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from protocols.opcua_hosting import end_connections
from simulators.opcua_encoding import ReadEncoder, read_response
from simulators.opcua_values import DeviceNodes

_READ_REQUEST = b"\x01\x00\x77\x02"
"""NodeId i=631, ReadRequest_Encoding_DefaultBinary."""
_NODE_ID_BYTES = {0: 2, 1: 4, 2: 7}
"""Size of a numeric NodeId by its first byte."""
_PLANS_KEPT = 64
"""Different Read requests remembered for each connection; a client that never repeats itself is answered the slow way."""


class DeviceConnections(BinaryServer):
    """Listens as asyncua does, with our connections."""

    def __init__(self, nodes: DeviceNodes, max_nodes_per_read: int, *args: Any) -> None:
        super().__init__(*args)
        self._device = nodes
        self._max_nodes = max_nodes_per_read

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        await end_connections(self)
        await super().stop()

    def _make_protocol(self) -> OPCUAProtocol:
        return _Protocol(self._device, self._max_nodes, self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)


class _Protocol(OPCUAProtocol):
    def __init__(self, nodes: DeviceNodes, max_nodes_per_read: int, *args: Any) -> None:
        super().__init__(*args)
        self._device = nodes
        self._max_nodes = max_nodes_per_read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            processor = _Processor(self._device, self._max_nodes, self.iserver, transport, self.limits)
            processor.set_policies(self.policies)  # type: ignore[no-untyped-call]
            self.processor = processor


@dataclass(frozen=True, slots=True)
class _Plan:
    """A Read request met before, and how it is answered."""

    user: User
    encoder: ReadEncoder
    generation: int


class _Processor(UaProcessor):
    """Answers a Read that came before without decoding it again; everything else is asyncua's."""

    def __init__(self, nodes: DeviceNodes, max_nodes_per_read: int, *args: Any) -> None:
        super().__init__(*args)
        self._device = nodes
        self._max_nodes = max_nodes_per_read
        self._plans: dict[bytes, _Plan] = {}

    async def process_message(self, seqhdr: Any, body: Buffer) -> Any:
        if self._device.silent:
            return True
        raw = bytes(body)
        at = _timestamp_at(raw) if raw.startswith(_READ_REQUEST) else 0
        if not at:
            return await self._by_asyncua(seqhdr, body)
        key = raw[:at] + raw[at + 12 :]
        plan = self._plans.get(key)
        session = self.session
        if session is None or not session.is_activated() or plan is None or plan.user is not session.user:
            answer = await self._by_asyncua(seqhdr, body)
            self._remember(key, raw)
            return answer
        if plan.generation != self._device.generation:
            del self._plans[key]
            return await self._by_asyncua(seqhdr, body)
        session.touch()
        self.session_last_activity = asyncio.get_running_loop().time()  # the monotonic clock that asyncua compares with
        scan = self._device.scan(session.session_id, plan.encoder.positions)
        (handle,) = struct.unpack_from("<I", raw, at + 8)
        answer = read_response(handle, self._device.clock.now_us(), plan.encoder.encode(scan))
        self._transport.write(self._connection.message_to_binary(answer, request_id=seqhdr.RequestId))
        return True

    async def _by_asyncua(self, seqhdr: Any, body: Buffer) -> Any:
        return await super().process_message(seqhdr, body)  # type: ignore[no-untyped-call]

    def _remember(self, key: bytes, raw: bytes) -> None:
        if self.session is None or not self.session.is_activated() or len(self._plans) >= _PLANS_KEPT:
            return
        buffer = Buffer(raw)
        nodeid_from_binary(buffer)
        struct_from_binary(ua.RequestHeader, buffer)
        params = struct_from_binary(ua.ReadParameters, buffer)
        encoder = self._device.encoder(params)
        if encoder is not None and len(encoder.nodes) <= self._max_nodes:
            self._plans[key] = _Plan(self.session.user, encoder, self._device.generation)


def _timestamp_at(raw: bytes) -> int:
    """Return where the request header's timestamp stands, after the authentication token; 0 for tokens we never give."""
    size = _NODE_ID_BYTES.get(raw[4], 0) if len(raw) > 24 else 0
    return 4 + size if size else 0
