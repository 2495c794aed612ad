"""The way between the process that holds the spool and a reader process: framed messages and records over a pair of sockets."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from plant.errors import Unavailable
from plant.signals import Signal, SourceId
from storage.health import SourceReport

_HEAD: Final = struct.Struct("<IB")
_RECORD: Final = struct.Struct("<QBI")
_MESSAGE_KIND: Final = 0
_RECORD_KIND: Final = 1
_OFFERED_AGAIN: Final = 1
_URGENT: Final = 2
LARGEST_BYTES: Final = 256_000_000


class Begin(msgspec.Struct, tag=True):
    """The first word to a reader process: where it stands."""

    group: str
    site: str
    home: str
    settings: str
    seed: int
    memory_bytes: int


class Start(msgspec.Struct, tag=True):
    """Read a source: its settings as JSON, its signals, and where it stands (a snapshot, empty where nothing is known)."""

    settings: bytes
    signals: list[Signal]
    state: bytes


class Stop(msgspec.Struct, tag=True):
    """Read some sources no more; ``Ended`` follows for each."""

    sources: list[SourceId]


class Durable(msgspec.Struct, tag=True):
    """All records up to this one are durable, but for those that were told as lost."""

    through: int


class Lost(msgspec.Struct, tag=True):
    """A record was not kept."""

    number: int


class Quit(msgspec.Struct, tag=True):
    """Stop all sources, and end."""


class Ended(msgspec.Struct, tag=True):
    """A source is read no more; its last record is durable, unless that took too long."""

    source: SourceId


class Reports(msgspec.Struct, tag=True):
    """How the sources are; also the sign of life."""

    reports: list[SourceReport]


Message = Begin | Start | Stop | Durable | Lost | Quit | Ended | Reports


@dataclass(frozen=True, slots=True)
class SentRecord:
    """A record on its way: what the writer must know of it stands in its head."""

    number: int
    body: bytes
    offered_again: bool
    urgent: bool
    run: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def frame_of(message: Message) -> list[bytes]:
    """Return a message in bytes."""
    content = _encoder.encode(message)
    return [_HEAD.pack(len(content), _MESSAGE_KIND) + content]


def frame_of_record(record: SentRecord) -> list[bytes]:
    """Return a record in bytes, its body not copied."""
    flags = _OFFERED_AGAIN * record.offered_again | _URGENT * record.urgent
    head = _HEAD.pack(_RECORD.size + len(record.body), _RECORD_KIND) + _RECORD.pack(record.number, flags, record.run)
    return [head, record.body]


def _content(kind: int, content: bytes) -> Message | SentRecord:
    if kind == _RECORD_KIND:
        number, flags, run = _RECORD.unpack_from(content)
        return SentRecord(number, content[_RECORD.size :], bool(flags & _OFFERED_AGAIN), bool(flags & _URGENT), run)
    message: Message = _decoder.decode(content)
    return message


class _Inbox:
    """Bytes that came, until they are whole messages."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = 0
        self._content: bytearray | None = None
        self._have = 0

    def room(self) -> memoryview:
        """Return where the next bytes go."""
        if self._content is None:
            self._head = bytearray(_HEAD.size) if not self._have else self._head
            return memoryview(self._head)[self._have :]
        return memoryview(self._content)[self._have :]

    def came(self, count: int) -> Message | SentRecord | None:
        """Note so many bytes more; return what is whole now. Raises Unavailable for what none of ours sends."""
        self._have += count
        if self._content is None:
            if self._have < _HEAD.size:
                return None
            length, self._kind = _HEAD.unpack(self._head)
            if not 0 < length <= LARGEST_BYTES:
                raise Unavailable(f"a reader process sends a message of {length:,} bytes")
            self._content, self._have = bytearray(length), 0
            return None
        if self._have < len(self._content):
            return None
        content, self._content, self._have = bytes(self._content), None, 0
        try:
            return _content(self._kind, content)
        except (msgspec.MsgspecError, struct.error, ValueError) as error:
            raise Unavailable(f"a reader process sends what is no message: {error}") from error


class Link:
    """One end. Any thread may ``post``, which never waits; one thread calls ``messages``, which sends and receives."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self._inbox = _Inbox()
        self._waiting: deque[memoryview] = deque()
        self._mutex = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.unsent = 0
        """Bytes that wait to be sent."""

    def post(self, frame: list[bytes]) -> None:
        """Have a frame sent; nothing happens when the other end is gone."""
        with self._mutex:
            self._waiting.extend(memoryview(piece) for piece in frame)
            self.unsent += sum(len(piece) for piece in frame)
        self.ring()

    def ring(self) -> None:
        """Wake the thread that waits in ``messages``."""
        with self._mutex:
            # never behind the back of ``close``: the number may be another file's by then
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def messages(self, seconds: float) -> Iterator[Message | SentRecord]:
        """Give what comes within some seconds, until nothing more is there; ends early when the bell rings.

        Raises Unavailable when the other end is gone and all that it sent was given.
        """
        poll = select.poll()
        poll.register(self._end, select.POLLIN | (select.POLLOUT if self._waiting else 0))
        poll.register(self._bell, select.POLLIN)
        for descriptor, events in poll.poll(seconds * 1000):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
            elif events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                yield from self._receive()
        self._send()

    def close(self) -> None:
        """Let go of the socket."""
        self._end.close()
        with self._mutex:
            bell, self._bell = self._bell, -1
        if bell >= 0:
            os.close(bell)

    def _receive(self) -> Iterator[Message | SentRecord]:
        taken = 0
        while taken < LARGEST_BYTES:
            try:
                count = self._end.recv_into(self._inbox.room())
            except BlockingIOError:
                return
            except OSError as error:
                raise Unavailable(f"the other end is gone: {error}") from error
            if not count:
                raise Unavailable("the other end is gone")
            taken += count
            whole = self._inbox.came(count)
            if whole is not None:
                yield whole

    def _send(self) -> None:
        while self._waiting:
            piece = self._waiting[0]
            try:
                sent = self._end.send(piece)
            except BlockingIOError:
                return
            except OSError:
                # what the other end sent before it went is still to be read; the end is seen there
                with self._mutex:
                    self._waiting.clear()
                    self.unsent = 0
                return
            with self._mutex:
                self.unsent -= sent
                if sent == len(piece):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = piece[sent:]
