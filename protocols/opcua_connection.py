"""asyncua's client, made to distrust: limits on what is received, answers that come too late, and a mark of when it was last heard.

This is the one door to asyncua's connection. Security, chunking and sequence numbers stay asyncua's; raw replies come out here.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary, uatcp_to_binary
from asyncua.ua.uaerrors import UaError

from plant.errors import Unavailable
from protocols.opcua_binary import Malformed, after_node_id, after_response_header
from protocols.opcua_decoder import TICKS_1601_TO_1970

MOST_MESSAGE_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 65_535
_MOST_CHUNK_BYTES: Final = 2 * _CHUNK_BYTES
"""Some servers round the size agreed upon up a little."""
_MOST_CHUNKS: Final = MOST_MESSAGE_BYTES // 8192
"""8192 bytes is the smallest chunk that OPC 10000-6 allows."""
_MOST_ABANDONED: Final = 4096
_NO_STRINGS: Final = frozenset({b"\0\0\0\0", b"\xff\xff\xff\xff"})


class PeerLimits(TransportLimits):
    """What we accept, which a server can't widen, and what the server accepts, which we keep to."""

    def __init__(self) -> None:
        super().__init__(_MOST_CHUNK_BYTES, _CHUNK_BYTES, _MOST_CHUNKS, MOST_MESSAGE_BYTES)
        self.peer_message_bytes = 0
        """Largest request the server takes; 0 where it sets no limit."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        """Keep to what the server takes. asyncua would let it set what we accept, too."""
        if msg.ReceiveBufferSize >= 8192:
            self.max_send_buffer = min(_CHUNK_BYTES, msg.ReceiveBufferSize)
        by_chunks = msg.MaxChunkCount * self.max_send_buffer
        given = [size for size in (msg.MaxMessageSize, by_chunks) if size > 0]
        self.peer_message_bytes = min(given, default=0)


class Socket(UASocketProtocol):
    """One TCP connection to a server."""

    def __init__(self, timeout: float, security_policy: Any, on_lost: Callable[[str], None]) -> None:
        super().__init__(timeout, security_policy=security_policy, limits=PeerLimits())
        self.heard_at = time.monotonic()
        """When the last bytes came."""
        self._abandoned: dict[int, None] = {}
        self._on_lost = on_lost

    @property
    def peer_message_bytes(self) -> int:
        """Largest request the server takes; 0 where it sets no limit."""
        limits: PeerLimits = self._connection._limits  # type: ignore[assignment]  # noqa: SLF001
        return limits.peer_message_bytes

    async def send_hello(self, url: str, max_messagesize: int = 0, max_chunkcount: int = 0) -> ua.Acknowledge:  # noqa: ARG002
        """Say what we accept. asyncua announces 2 GB buffers, which a server may then fill."""
        hello = ua.Hello(0, _CHUNK_BYTES, _CHUNK_BYTES, MOST_MESSAGE_BYTES, _MOST_CHUNKS, url)  # type: ignore[arg-type]
        answer: asyncio.Future[ua.Acknowledge] = asyncio.get_running_loop().create_future()
        self._callbackmap[0] = answer
        if self.transport is None:
            raise ConnectionError("the connection is closed")
        self.transport.write(uatcp_to_binary(ua.MessageType.Hello, hello))  # type: ignore[arg-type]
        async with asyncio.timeout(self.timeout):
            return await answer

    def data_received(self, data: bytes) -> None:
        """Take bytes in, but never more of one chunk than was agreed upon."""
        self.heard_at = time.monotonic()
        super().data_received(data)
        if self.receive_buffer is not None and len(self.receive_buffer) > _MOST_CHUNK_BYTES:
            self.abort("the server sent a chunk larger than agreed upon")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell at once."""
        super().connection_lost(exc)
        self._on_lost(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def abort(self, reason: str) -> None:
        """Break the connection without waiting for anything still to be sent."""
        self._on_lost(reason)
        self._fail_all_pending(ConnectionError(reason))
        if self.transport is not None:
            self.transport.abort()

    def _call_callback(self, request_id: int, body: Buffer | ua.Acknowledge) -> None:
        if request_id in self._abandoned:
            del self._abandoned[request_id]
            return
        if request_id != 0 and isinstance(body, Buffer):
            content = body.copy()
            try:
                _header(content.read(len(content)))
            except Malformed as error:
                self._on_lost(f"the server's reply is malformed: {error}")
                raise UaError(f"malformed reply: {error}") from error
        super()._call_callback(request_id, body)

    def send_raw(self, request: bytes) -> tuple[int, asyncio.Future[Buffer]]:
        """Send a serialised request; return its id and the future of the reply. Raises Unavailable when there is no connection."""
        transport = self.transport
        if transport is None:
            raise Unavailable("the connection is closed")
        self.revolve_security_token()
        request_id = self._request_id + 1
        message = self._connection.message_to_binary(request, request_id=request_id)
        self._request_id = request_id
        future: asyncio.Future[Buffer] = asyncio.get_running_loop().create_future()
        self._callbackmap[request_id] = future
        transport.write(message)
        return request_id, future

    def abandon(self, request_id: int) -> None:
        """Forget a request; its answer, should it still come, is dropped. asyncua would close the connection on it."""
        if self._callbackmap.pop(request_id, None) is None:
            return
        self._abandoned[request_id] = None
        if len(self._abandoned) > _MOST_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]

    def next_handle(self) -> int:
        """Return a new request handle."""
        self._request_handle = (self._request_handle + 1) & 0xFFFFFFFF
        return self._request_handle


class Transport(UaClient):
    """asyncua's low client on our socket."""

    def __init__(self, timeout: float, on_lost: Callable[[str], None]) -> None:
        super().__init__(timeout)
        self._on_lost = on_lost

    def _make_protocol(self) -> UASocketProtocol:
        self.protocol = Socket(self._timeout, self.security_policy, self._on_lost)
        self.protocol.pre_request_hook = self._pre_request_hook
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol


class DistrustfulClient(Client):
    """asyncua's client on our transport. Never used for a second connection."""

    def __init__(self, url: str, timeout: float, on_lost: Callable[[str], None]) -> None:
        super().__init__(url, timeout)
        self.uaclient = Transport(timeout, on_lost)
        self.uaclient.pre_request_hook = self._wait_until_ready

    def drop(self, reason: str) -> None:
        """Break the connection, if there is one; nothing is waited for."""
        protocol = self.uaclient.protocol
        if isinstance(protocol, Socket):
            protocol.abort(reason)

    @property
    def socket(self) -> Socket:
        """The connection. Raises Unavailable when there is none."""
        protocol = self.uaclient.protocol
        if not isinstance(protocol, Socket):
            raise Unavailable("the connection is closed")
        return protocol


class SerialisedRequest:
    """A request in bytes, of which only the time and the handle change from one sending to the next."""

    def __init__(self, request: Any, socket: Socket, timeout_seconds: float) -> None:
        header = request.RequestHeader
        header.AuthenticationToken = socket.authentication_token
        header.TimeoutHint = int(timeout_seconds * 1000)
        self._bytes = bytearray(struct_to_binary(request))
        self._changing = after_node_id(bytes(self._bytes[:64]), 0) + len(nodeid_to_binary(socket.authentication_token))

    def __len__(self) -> int:
        return len(self._bytes)

    def stamped(self, handle: int) -> bytes:
        """Return the bytes with this moment's time and the handle."""
        struct.pack_into("<qI", self._bytes, self._changing, time.time_ns() // 100 + TICKS_1601_TO_1970, handle)
        return bytes(self._bytes)


async def exchange(socket: Socket, request: SerialisedRequest, timeout_seconds: float) -> bytes:
    """Send a request and return the reply's bytes. Raises Unavailable when none comes in time."""
    request_id, future = socket.send_raw(request.stamped(socket.next_handle()))
    return await reply_of(socket, request_id, future, asyncio.get_running_loop().time() + timeout_seconds)


async def reply_of(socket: Socket, request_id: int, future: asyncio.Future[Buffer], deadline: float) -> bytes:
    """Return the bytes of a reply awaited until ``deadline``. Raises Unavailable when it does not come."""
    if not future.done():
        # One timer instead of asyncio.wait_for, which costs more than the whole decoding of a reply.
        timer = asyncio.get_running_loop().call_at(deadline, _expire, future)
        try:
            body = await future
        except TimeoutError:
            raise Unavailable("the server did not answer in time") from None
        except (UaError, OSError) as error:
            raise Unavailable(f"the connection broke: {error}") from error
        finally:
            timer.cancel()
            socket.abandon(request_id)
    else:
        try:
            body = future.result()
        except (UaError, OSError) as error:
            raise Unavailable(f"the connection broke: {error}") from error
    return body.read(len(body))


def _expire(future: asyncio.Future[Buffer]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _header(reply: bytes) -> tuple[int, int, int]:
    """Return the kind of a reply, its service result and where its body begins. Raises Malformed."""
    if reply[:2] == b"\x01\x00" and reply[20:21] == b"\0" and reply[21:25] in _NO_STRINGS and reply[25:28] == b"\0\0\0":
        return int.from_bytes(reply[2:4], "little"), int.from_bytes(reply[16:20], "little"), 28
    result, body = after_response_header(reply, after_node_id(reply, 0))
    if reply[0] == 1 and reply[1] == 0:
        return int.from_bytes(reply[2:4], "little"), result, body
    if reply[0] == 2 and reply[1:3] == b"\0\0":
        return int.from_bytes(reply[3:7], "little"), result, body
    raise Malformed("a reply of unknown kind")


def service_result(reply: bytes) -> tuple[int, int, int]:
    """Return the kind of a reply (its binary encoding id), its service result and where its body begins. Raises Unavailable."""
    try:
        return _header(reply)
    except Malformed as error:
        raise Unavailable(f"the server's reply is malformed: {error}") from error
