"""The socket between paho and a broker: messages leave it here in batches, all other packets go on to paho."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from protocols.mqtt_frames import Published, Scanner

_READ: Final = 262_144
_PAUSE_SECONDS: Final = 0.01
_BUSY_SPAN_SECONDS: Final = 0.05
_BUSY_MESSAGES: Final = 100
_BREATH_SECONDS: Final = 0.002
"""Between two reads while many messages come: a broker writes them one by one, and a read costs as much as twenty messages."""
_PING_ANSWER: Final = b"\xd0\x00"

Deliver = Callable[[Published], bool]
"""Takes messages; False when there is no room, then they are offered again, and nothing more is read meanwhile."""


class Link:
    """Looks like a non-blocking socket to paho. ``pause`` waits so many seconds, less when the connection is stopping."""

    def __init__(self, link: Any, scanner: Scanner, deliver: Deliver, pause: Callable[[float], object], keepalive_seconds: float) -> None:
        self._link = link
        self._scanner = scanner
        self._deliver = deliver
        self._pause = pause
        self._sign_seconds = keepalive_seconds / 3
        self._signed_at = time.monotonic()
        self._buffer = bytearray(_READ)
        self._held: Published | None = None
        self._sign = b""
        self._other = b""
        self._more = False
        self._dropped = False
        self._span_began = 0.0
        self._span_messages = 0
        self._busy = False

    def recv(self, size: int) -> bytes:
        """Return bytes of packets that are no messages. Raises BlockingIOError while there are none, as a socket does."""
        if self._dropped:
            return b""
        if self._sign:
            return self._give_sign(size)
        if self._held is not None:
            if not self._deliver(self._held):
                # not reading is the back-pressure; the time spent here is the pace of paho's loop
                self._pause(_PAUSE_SECONDS)
                return self._sign_of_life(size)
            self._held = None
        if self._other:
            piece, self._other = self._other[:size], self._other[size:]
            return piece
        if self._more:
            return self._scan(size)
        if self._busy:
            time.sleep(_BREATH_SECONDS)
        count = self._link.recv_into(self._buffer)
        if not count:
            return b""
        self._scanner.feed(bytes(memoryview(self._buffer)[:count]))
        return self._scan(size)

    def send(self, content: bytes | bytearray) -> int:
        """Write to the broker."""
        count: int = self._link.send(content)
        return count

    def pending(self) -> int:
        """Return whether something is to be read without waiting for the socket."""
        if self._sign or self._other or self._more or self._held is not None:
            return 1
        pending = getattr(self._link, "pending", None)
        return 0 if pending is None else pending()

    def fileno(self) -> int:
        """Return the socket's number, -1 when it is closed."""
        number: int = self._link.fileno()
        return number

    def setblocking(self, flag: bool) -> None:
        """Set whether the socket blocks."""
        self._link.setblocking(flag)

    def shutdown(self, how: int) -> None:
        """End the connection in one or both directions."""
        self._link.shutdown(how)

    def drop(self) -> None:
        """Give out nothing more, not even what has come already."""
        self._dropped = True
        self._link.shutdown(2)

    def close(self) -> None:
        """Close the socket."""
        self._link.close()

    def _scan(self, size: int) -> bytes:
        found, self._other = self._scanner.scan()
        self._more = bool(found or self._other)
        if found:
            self._note_pace(len(found))
            if not self._deliver(found):
                self._held = found
            return self._sign_of_life(size)
        if not self._other:
            raise BlockingIOError
        piece, self._other = self._other[:size], self._other[size:]
        return piece

    def _note_pace(self, messages: int) -> None:
        now = time.monotonic()
        self._span_messages += messages
        if now - self._span_began > _BUSY_SPAN_SECONDS:
            self._busy = self._span_messages > _BUSY_MESSAGES and now - self._span_began < 2 * _BUSY_SPAN_SECONDS
            self._span_began, self._span_messages = now, 0

    def _sign_of_life(self, size: int) -> bytes:
        """Tell paho now and then that the broker lives: the answer to its ping may stand behind megabytes of messages."""
        now = time.monotonic()
        if now - self._signed_at < self._sign_seconds:
            raise BlockingIOError
        self._signed_at = now
        self._sign = _PING_ANSWER
        return self._give_sign(size)

    def _give_sign(self, size: int) -> bytes:
        piece, self._sign = self._sign[:size], self._sign[size:]
        return piece
