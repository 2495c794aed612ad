"""Connections to our own OPC UA server: asyncua's, behind a door that lets nothing through that it would believe too easily.

What is added here, each found by reading asyncua 2.1: a chunk's announced size is checked before it is gathered; requests are walked as
bytes before they are decoded; without security only the endpoints are told; the certificate that a session is asked with must be the one
that the channel was opened with.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any, Final

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from protocols.opcua_binary import Malformed
from protocols.opcua_hosting import end_connections
from protocols.opcua_requests import CREATE_SESSION, asked, refusal

_CHUNK_BYTES: Final = 65_535
_MOST_MESSAGE_BYTES: Final = 2 * 2**20
_MOST_CHUNKS: Final = _MOST_MESSAGE_BYTES // 8192
_HEAD: Final = struct.Struct("<3scI")
_KINDS: Final = frozenset({b"HEL", b"OPN", b"MSG", b"CLO"})
_log = logging.getLogger(__name__)


def limits() -> TransportLimits:
    """Return what one client may send us: asyncua's default is 100 MB for anybody who connects."""
    return TransportLimits(_CHUNK_BYTES, _CHUNK_BYTES, _MOST_CHUNKS, _MOST_MESSAGE_BYTES)


class Door(BinaryServer):
    """Listens as asyncua does, with our connections."""

    def __init__(self, *args: Any, allow_none: bool) -> None:
        super().__init__(*args)
        self._allow_none = allow_none

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        await end_connections(self)
        await super().stop()

    def _make_protocol(self) -> OPCUAProtocol:
        protocol = _Protocol(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)
        protocol.allow_none = self._allow_none
        return protocol


class _Protocol(OPCUAProtocol):
    allow_none = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            processor = _Processor(self.iserver, transport, self.limits)
            processor.set_policies(self.policies)  # type: ignore[no-untyped-call]
            processor.allow_none = self.allow_none
            self.processor = processor

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiting = self._buffer
        if len(waiting) >= _HEAD.size and self.transport is not None:
            kind, _, size = _HEAD.unpack_from(waiting)
            if kind not in _KINDS or size > 2 * _CHUNK_BYTES:
                _log.warning("%s sent what is no OPC UA, or a chunk of %d bytes: its connection is closed", self.peer_name, size)
                self._buffer = b""
                self.transport.abort()


class _Processor(UaProcessor):
    allow_none = False

    @property
    def _secure(self) -> bool:
        return self._connection.security_policy.URI != SecurityPolicyNone.URI

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Any) -> None:
        # before anybody is known: the header's extension would be decoded with trust in its counts
        asked(bytes(body))
        super().open_secure_channel(algohdr, seqhdr, body)  # type: ignore[no-untyped-call]

    async def process_message(self, seqhdr: Any, body: Any) -> Any:
        raw = bytes(body)
        try:
            what = asked(raw)
        except (Malformed, IndexError):
            _log.warning("%s sent a request that cannot be read: its connection is closed", self.name)
            return False
        status = refusal(raw, what, secure=self._secure or self.allow_none)
        if status == 0 and what.kind == CREATE_SESSION:
            status = self._other_certificate(raw)
        if status:
            response = ua.ServiceFault()
            response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(status))
            self.send_response(what.handle, seqhdr, response)  # type: ignore[no-untyped-call]
            return True
        answer = await super().process_message(seqhdr, body)  # type: ignore[no-untyped-call]
        # asyncua forgets to say that the connection lives on after a refusal
        return True if answer is None else answer

    def _other_certificate(self, raw: bytes) -> int:
        """Return a StatusCode where a session is asked for with another certificate than the channel's: only the channel's is proven."""
        buffer = Buffer(raw)
        try:
            nodeid_from_binary(buffer)
            struct_from_binary(ua.RequestHeader, buffer)
            given = struct_from_binary(ua.CreateSessionParameters, buffer).ClientCertificate or b""
        except Exception:  # noqa: BLE001 - asyncua's decoder raises what it likes
            return int(StatusCodes.BadDecodingError)
        own = self._connection.security_policy.peer_certificate or b""
        # a chain may follow
        return 0 if given.startswith(own) and (own or not self._secure) else int(StatusCodes.BadCertificateInvalid)


def check_owner(subscriptions: Any, identifier: int, session_id: Any) -> None:
    """Raise ServiceError unless a subscription is a session's own: asyncua lets any client delete, or read again, any other's."""
    found = subscriptions.get(identifier)
    if found is None or found.session_id != session_id:
        raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
