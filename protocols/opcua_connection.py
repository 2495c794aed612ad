"""asyncua's client, made to distrust: limits on what is received, answers that come too late, and a mark of when it was last heard.

This is the one door to asyncua's connection. Security and sequence numbers stay asyncua's; raw replies come out here. What is read
each 30 ms passes few Python objects: bytes come into one buffer, one timer serves all requests.
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
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary, uatcp_to_binary
from asyncua.ua.uaerrors import UaError

from plant.errors import Unavailable
from protocols.opcua_binary import Malformed, after_node_id, after_response_header
from protocols.opcua_decoder import TICKS_1601_TO_1970
from protocols.opcua_frames import HEADER_BYTES, PlainFrames

MOST_MESSAGE_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 65_535
_MOST_CHUNK_BYTES: Final = 2 * _CHUNK_BYTES
"""Some servers round the size agreed upon up a little."""
_MOST_CHUNKS: Final = MOST_MESSAGE_BYTES // 8192
"""8192 bytes is the smallest chunk that OPC 10000-6 allows."""
_MOST_ABANDONED: Final = 4096
_NO_STRINGS: Final = frozenset({b"\0\0\0\0", b"\xff\xff\xff\xff"})
_RECEIVED_BYTES: Final = 2 * _MOST_CHUNK_BYTES
_CHUNK_HEAD: Final = struct.Struct("<3sxI")
_CHUNK_KINDS: Final = frozenset({b"MSG", b"OPN", b"CLO", b"ACK", b"ERR"})


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


class Socket(UASocketProtocol, asyncio.BufferedProtocol):
    """One TCP connection to a server."""

    def __init__(self, timeout: float, security_policy: Any, on_lost: Callable[[str], None]) -> None:
        super().__init__(timeout, security_policy=security_policy, limits=PeerLimits())
        self.heard_at = time.monotonic()
        """When the last bytes came."""
        self._abandoned: dict[int, None] = {}
        self._on_lost = on_lost
        self._received = bytearray(_RECEIVED_BYTES)
        self._room = memoryview(self._received)
        self._filled = 0
        plain = security_policy.URI == SecurityPolicyNone.URI
        self._frames = PlainFrames(self._connection, MOST_MESSAGE_BYTES, _MOST_CHUNKS) if plain else None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        """The raw requests that are not answered yet; asyncua's own are in its map."""
        self._deadlines: dict[int, float] = {}
        self._timer: asyncio.TimerHandle | None = None

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

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's guess
        """Return where the next bytes go."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes in, but never more of one chunk than was agreed upon."""
        self.heard_at = time.monotonic()
        end, position = self._filled + nbytes, 0
        while end - position >= _CHUNK_HEAD.size:
            kind, size = _CHUNK_HEAD.unpack_from(self._received, position)
            if kind not in _CHUNK_KINDS or size < _CHUNK_HEAD.size:
                self.abort("what it sends is no OPC UA")
                return
            if size > _MOST_CHUNK_BYTES:
                self.abort("the server sent a chunk larger than agreed upon")
                return
            if end - position < size:
                break
            self._take_chunk(kind, position, size)
            if self.transport is None or self.transport.is_closing():
                return
            position += size
        if position:
            self._room[: end - position] = self._room[position:end]
        self._filled = end - position

    def _take_chunk(self, kind: bytes, position: int, size: int) -> None:
        if kind != b"MSG" or self._frames is None:
            self._process_received_data(bytes(self._room[position : position + size]))
            return
        try:
            message = self._frames.take(self._received, position, size)
            if message is not None and not self._answer(*message):
                self._call_callback(message[0], Buffer(message[1]))
        except UaError as error:
            self.abort(f"the server broke the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell at once."""
        self._end_timer()
        super().connection_lost(exc)
        self._on_lost(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def abort(self, reason: str) -> None:
        """Break the connection without waiting for anything still to be sent."""
        self._on_lost(reason)
        self._end_timer()
        self._fail_all_pending(ConnectionError(reason))
        if self.transport is not None:
            self.transport.abort()

    def _answer(self, request_id: int, body: bytes) -> bool:
        """Give a reply to whom it concerns; False when asyncua asked for it."""
        future = self._waiting.pop(request_id, None)
        if future is None:
            return self._abandoned.pop(request_id, 0) is None
        if not future.done():
            future.set_result(body)
        return True

    def _call_callback(self, request_id: int, body: Buffer | ua.Acknowledge) -> None:
        if request_id != 0 and isinstance(body, Buffer):
            content = body.copy().read(len(body))
            if self._answer(request_id, content):
                return
            try:
                _header(content)
            except Malformed as error:
                self._on_lost(f"the server's reply is malformed: {error}")
                raise UaError(f"malformed reply: {error}") from error
        super()._call_callback(request_id, body)

    def _fail_all_pending(self, exc: Exception) -> None:
        super()._fail_all_pending(exc)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(exc)
        self._waiting.clear()

    def send_raw(self, request: SerialisedRequest) -> tuple[int, asyncio.Future[bytes]]:
        """Send a serialised request; return its id and the future of the reply. Raises Unavailable when there is no connection."""
        transport = self.transport
        if transport is None:
            raise Unavailable("the connection is closed")
        self.revolve_security_token()
        request_id = self._request_id + 1
        self._request_handle = (self._request_handle + 1) & 0xFFFFFFFF
        request.stamp(self._request_handle)
        if self._frames is not None and self._frames.fits(len(request.framed)):
            self._frames.put_header(request.framed, request_id)
            message = bytes(request.framed)
        else:
            message = self._connection.message_to_binary(bytes(request.framed[HEADER_BYTES:]), request_id=request_id)
        self._request_id = request_id
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        transport.write(message)
        return request_id, future

    async def reply_to(self, request_id: int, future: asyncio.Future[bytes], deadline: float) -> bytes:
        """Return the bytes of a reply awaited until ``deadline`` of the loop's clock. Raises Unavailable when it does not come."""
        try:
            if not future.done():
                self._deadlines[request_id] = deadline
                if self._timer is None or self._timer.when() > deadline:
                    self._set_timer(deadline)
            return await future
        except TimeoutError:
            raise Unavailable("the server did not answer in time") from None
        except (UaError, OSError) as error:
            raise Unavailable(f"the connection broke: {error}") from error
        finally:
            self._deadlines.pop(request_id, None)
            self.abandon(request_id)

    def _set_timer(self, at: float) -> None:
        """Wake up at a time. One timer for all requests: most are answered long before it, and need none of their own."""
        self._end_timer()
        self._timer = asyncio.get_running_loop().call_at(at, self._expire)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for request_id, deadline in list(self._deadlines.items()):
            future = self._waiting.get(request_id)
            if deadline <= now and future is not None and not future.done():
                future.set_exception(TimeoutError())
                del self._deadlines[request_id]
        if self._deadlines:
            self._set_timer(max(min(self._deadlines.values()), now + 0.001))

    def abandon(self, request_id: int) -> None:
        """Forget a request; its answer, should it still come, is dropped. asyncua would close the connection on it."""
        if self._waiting.pop(request_id, None) is None:
            return
        self._abandoned[request_id] = None
        if len(self._abandoned) > _MOST_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]


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
        message = struct_to_binary(request)
        self.framed = bytearray(HEADER_BYTES) + message
        """The request's bytes, behind room for the header of a chunk."""
        self._changing = HEADER_BYTES + after_node_id(message[:64], 0) + len(nodeid_to_binary(socket.authentication_token))

    def __len__(self) -> int:
        return len(self.framed) - HEADER_BYTES

    def stamp(self, handle: int) -> None:
        """Write this moment's time and the handle into the bytes."""
        struct.pack_into("<qI", self.framed, self._changing, time.time_ns() // 100 + TICKS_1601_TO_1970, handle)


async def exchange(socket: Socket, request: SerialisedRequest, timeout_seconds: float) -> bytes:
    """Send a request and return the reply's bytes. Raises Unavailable when none comes in time."""
    request_id, future = socket.send_raw(request)
    return await socket.reply_to(request_id, future, asyncio.get_running_loop().time() + timeout_seconds)


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
