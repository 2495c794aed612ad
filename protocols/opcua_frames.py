"""Messages of a channel without security, framed and taken apart by numbers alone.

asyncua makes some ten objects for each chunk (about 60 us a read, more than decoding 1,000 values). A chunk that is neither signed nor
encrypted needs none of them: 24 bytes of header (OPC 10000-6, 6.7.2), which are checked as asyncua checks them. Tokens, sequence
numbers and limits stay asyncua's own, so both ways may alternate on one connection. Secured channels never come here.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from asyncua import ua
from asyncua.common.connection import SecureConnection
from asyncua.ua.uaerrors import UaError

HEADER_BYTES: Final = 24
_HEADER: Final = struct.Struct("<4sIIIII")
_WRAPPING: Final = 1024
"""Sequence numbers may start again this near to 2**32."""


class PlainFrames:
    """The frames of one connection."""

    def __init__(self, connection: SecureConnection, most_bytes: int, most_chunks: int) -> None:
        self._connection: Any = connection
        self._most_bytes = most_bytes
        self._most_chunks = most_chunks
        self._parts: list[bytes] = []
        self._size = 0
        self._request_id = 0

    def fits(self, size: int) -> bool:
        """Return whether a message of so many bytes, header included, goes into one chunk."""
        most: int = self._connection._limits.max_send_buffer  # noqa: SLF001
        return size <= most

    def put_header(self, message: bytearray, request_id: int) -> None:
        """Write the header into the first 24 bytes of a message; it takes the next sequence number."""
        connection = self._connection
        number = connection._sequence_number + 1  # noqa: SLF001
        connection._sequence_number = number = 1 if number >= 2**32 else number  # noqa: SLF001
        token = connection.security_token
        _HEADER.pack_into(message, 0, b"MSGF", len(message), token.ChannelId, token.TokenId, number, request_id)

    def take(self, buffer: bytearray, position: int, size: int) -> tuple[int, bytes] | None:
        """Return request id and body when this chunk completes a message, else None. Raises UaError for what the standard forbids."""
        if size < HEADER_BYTES:
            raise UaError(f"a chunk of {size} bytes")
        kind, _, channel, token, number, request_id = _HEADER.unpack_from(buffer, position)
        self._check(channel, token, number)
        if kind == b"MSGA":
            self._drop()
            return None
        if self._parts and request_id != self._request_id:
            raise UaError(f"a chunk of request {request_id} within an answer to {self._request_id}")
        body = bytes(memoryview(buffer)[position + HEADER_BYTES : position + size])
        if kind == b"MSGF" and not self._parts:
            return request_id, body
        self._parts.append(body)
        self._size += len(body)
        self._request_id = request_id
        if self._size > self._most_bytes or len(self._parts) > self._most_chunks:
            self._drop()
            raise UaError("a message larger than agreed upon")
        if kind == b"MSGC":
            return None
        if kind != b"MSGF":
            raise UaError(f"a chunk of unknown kind {kind!r}")
        whole = b"".join(self._parts)
        self._drop()
        return request_id, whole

    def _check(self, channel: int, token: int, number: int) -> None:
        connection = self._connection
        if token != connection.security_token.TokenId:
            connection._check_sym_header(ua.SymmetricAlgorithmHeader(ua.UInt32(token)))  # noqa: SLF001 - it turns to the new token
        if channel != connection.security_token.ChannelId:
            raise UaError(f"a chunk of channel {channel} instead of {connection.security_token.ChannelId}")
        before = connection._peer_sequence_number  # noqa: SLF001
        if before is not None and number != before + 1 and not (number < _WRAPPING and before >= 2**32 - _WRAPPING):
            raise UaError(f"chunk {number} follows chunk {before}")
        connection._peer_sequence_number = number  # noqa: SLF001

    def _drop(self) -> None:
        self._parts, self._size = [], 0
