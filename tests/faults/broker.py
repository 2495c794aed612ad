"""A broker that says what a test wants it to say, byte by byte: MQTT 3.1.1, one client, no memory."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self

_CONNECT, _PUBLISH, _PUBACK, _SUBSCRIBE, _PINGREQ = 1, 3, 4, 8, 12


def publish(topic: bytes, payload: bytes, number: int, *, dup: bool = False, announced: int = 0) -> bytes:
    """Return a PUBLISH of QoS 1; ``announced`` says more payload than comes with it."""
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + payload
    return bytes([_PUBLISH << 4 | dup << 3 | 2]) + _length(len(body) + announced) + body


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


class WilfulBroker:
    """Listens while the block runs. ``acknowledged`` holds the numbers of messages that the client has acknowledged."""

    def __init__(self, *, session_kept: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.acknowledged: list[int] = []
        self.connections = 0
        self.subscribed = threading.Event()
        self._session_kept = session_kept
        self._client: socket.socket | None = None
        self._ending = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        for one in (self._client, self._listener):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def say(self, content: bytes) -> bool:
        """Send bytes to the client, if there is one; return whether all went."""
        client = self._client
        if client is None:
            return False
        try:
            client.sendall(content)
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        while not self._ending:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(60)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while True:
                head = _exactly(client, 1)[0]
                length = shift = 0
                while True:
                    byte = _exactly(client, 1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if not byte & 128:
                        break
                body = _exactly(client, length)
                self._answer(client, head >> 4, body)

    def _answer(self, client: socket.socket, kind: int, body: bytes) -> None:
        if kind == _CONNECT:
            self.connections += 1
            self._client = client
            client.sendall(bytes([0x20, 2, int(self._session_kept), 0]))
        elif kind == _SUBSCRIBE:
            client.sendall(bytes([0x90, 3]) + body[:2] + b"\x01")
            self.subscribed.set()
        elif kind == _PUBACK:
            self.acknowledged.append(struct.unpack(">H", body[:2])[0])
        elif kind == _PINGREQ:
            client.sendall(b"\xd0\x00")


def _exactly(client: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        piece = client.recv(min(65536, count - len(content)))
        if not piece:
            raise OSError("the client is gone")
        content += piece
    return bytes(content)
