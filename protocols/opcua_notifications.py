"""The bytes of a PublishResponse as numpy columns: which monitored item changed, and to what.

A notification's records are those of a ReadResponse, each behind the client handle of its item, so the same decoder takes them
(``ReplyDecoder`` with a lead of four bytes). Layouts are remembered by number of values, as servers that sample at one interval send
the same number again and again. OPC 10000-4, 5.14.5 and 7.25.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.errors import Unavailable
from protocols.opcua_binary import Malformed, after, after_diagnostic_info, after_node_id, int32_at
from protocols.opcua_decoder import ReplyDecoder
from protocols.opcua_events import RawEvents, raw_events
from protocols.opcua_values import ReadColumns

_DATA_CHANGE: Final = 811
_STATUS_CHANGE: Final = 820
_EVENTS: Final = 916
_HANDLE_BYTES: Final = 4
_LAYOUTS_KEPT: Final = 16
_MOST_NOTIFICATIONS: Final = 1000
_MESSAGE: Final = struct.Struct("<Iqi")


@dataclass(frozen=True, slots=True)
class Changes:
    """Values of monitored items, in the server's order: of one item the older first."""

    handle: npt.NDArray[np.uint32]
    columns: ReadColumns

    def __len__(self) -> int:
        return len(self.handle)


@dataclass(frozen=True, slots=True)
class Message:
    """One NotificationMessage. Without changes and without status it is a keep-alive, and its number that of the next message."""

    number: int
    publish_ticks: int
    """100 ns since 1601."""
    changes: tuple[Changes, ...]
    status: int | None
    """StatusCode of the subscription as a whole, where the server tells it; the subscription is over when it is bad."""
    events: tuple[RawEvents, ...] = ()

    @property
    def keeps_alive(self) -> bool:
        """Whether there is nothing in it."""
        return not self.changes and not self.events and self.status is None


@dataclass(frozen=True, slots=True)
class Published:
    """One PublishResponse."""

    subscription: int
    available: tuple[int, ...]
    """Numbers of the messages that the server can send again."""
    message: Message
    acknowledged: tuple[int, ...]
    """StatusCodes of the acknowledgements sent with the request."""


class NotificationDecoder:
    """Turns PublishResponses and RepublishResponses into messages. Takes time in proportion to the bytes, whatever they are."""

    def __init__(self) -> None:
        self._layouts: dict[int, ReplyDecoder] = {}

    def published(self, reply: bytes, start: int) -> Published:
        """Return the PublishResponse whose body begins at ``start``. Raises Unavailable when it is none."""
        try:
            position = after(reply, start, 4)
            available, position = _numbers(reply, position)
            position = after(reply, position, 1)
            message, position = self._message(reply, position)
            acknowledged, position = _numbers(reply, position)
            _check_end(reply, position)
        except (Malformed, IndexError, struct.error) as error:
            raise Unavailable(f"the server's notification is malformed: {error}") from error
        return Published(int32_at(reply, start) & 0xFFFFFFFF, available, message, acknowledged)

    def republished(self, reply: bytes, start: int) -> Message:
        """Return the message of a RepublishResponse. Raises Unavailable when it is none."""
        try:
            message, position = self._message(reply, start)
            if position != len(reply):
                raise Malformed(f"{len(reply) - position} bytes behind the end")  # noqa: TRY301 - one way to refuse
        except (Malformed, IndexError, struct.error) as error:
            raise Unavailable(f"the server's notification is malformed: {error}") from error
        return message

    def _message(self, reply: bytes, start: int) -> tuple[Message, int]:
        after(reply, start, _MESSAGE.size)
        number, ticks, count = _MESSAGE.unpack_from(reply, start)
        if count > _MOST_NOTIFICATIONS:
            raise Malformed(f"{count} notifications in one message")
        position, status = start + _MESSAGE.size, None
        changes, events = [], []
        for _ in range(max(count, 0)):
            kind, body, position = _structure(reply, position)
            if kind == _DATA_CHANGE and int32_at(body, 0) > 0:
                changes.append(self._changes(body))
            elif kind == _EVENTS and int32_at(body, 0) > 0:
                events.append(raw_events(body))
            elif kind == _STATUS_CHANGE:
                status = int32_at(body, 0) & 0xFFFFFFFF
        return Message(number, ticks, tuple(changes), status, tuple(events)), position

    def _changes(self, body: bytes) -> Changes:
        count = int32_at(body, 0)
        decoder = self._layouts.get(count)
        if decoder is None:
            if count * (_HANDLE_BYTES + 1) > len(body):
                raise Malformed(f"{count} values in {len(body)} bytes")
            while len(self._layouts) >= _LAYOUTS_KEPT:
                del self._layouts[next(iter(self._layouts))]
            decoder = ReplyDecoder(count, _HANDLE_BYTES)
            self._layouts[count] = decoder
        columns = decoder.decode(body, 0)
        return Changes(decoder.leads(body), columns)


def _numbers(reply: bytes, start: int) -> tuple[tuple[int, ...], int]:
    """Return an array of UInt32 and the position behind it."""
    count = max(int32_at(reply, start), 0)
    end = after(reply, start + 4, 4 * count)
    return struct.unpack_from(f"<{count}I", reply, start + 4), end


def _structure(reply: bytes, start: int) -> tuple[int, bytes, int]:
    """Return the kind of a structure (0 where it is not of namespace 0), its bytes and the position behind it."""
    position = after_node_id(reply, start)
    kind = 0
    if reply[start] == 1 and reply[start + 1] == 0:
        kind = int.from_bytes(reply[start + 2 : start + 4], "little")
    elif reply[start] == 2 and reply[start + 1 : start + 3] == b"\0\0":
        kind = int.from_bytes(reply[start + 3 : start + 7], "little")
    encoding = reply[position]
    if encoding == 0:
        return 0, b"", position + 1
    length = max(int32_at(reply, position + 1), 0)
    end = after(reply, position + 5, length)
    return (kind if encoding == 1 else 0), reply[position + 5 : end], end


def _check_end(reply: bytes, position: int) -> None:
    count, end = int32_at(reply, position), position + 4
    for _ in range(max(count, 0)):
        end = after_diagnostic_info(reply, end)
    if end != len(reply):
        raise Malformed(f"{len(reply) - end} bytes behind the end")
