"""PUBLISH packets out of a stream of bytes, many at a time.

paho takes 14 us for a message, most of it in reading a packet byte by byte. A plant that sends one value a message has fifty
thousand of them a second. So the packets that carry values are found here, in one walk over all that the socket gave, and
everything else (and whatever looks odd) is left to paho, untouched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_MOST_NAMES: Final = 65_536
_LONGEST_HEAD: Final = 66_000
"""Topic, packet identifier and the properties of a PUBLISH; what is longer is no message for us."""
_ALIAS: Final = 0x23
_SIZES: Final = {0x01: 1, 0x02: 4, _ALIAS: 2}
_STRINGS: Final = frozenset({0x03, 0x08, 0x09})
_PAIR: Final = 0x26
_SUBSCRIPTION: Final = 0x0B
MOST_ALIASES: Final = 1024
"""Topic aliases that a broker may use towards us."""


@dataclass(slots=True)
class Published:
    """Messages in the order they came, as columns of equal length."""

    topics: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    """Empty where the payload is larger than agreed, see ``oversized``."""
    headers: list[int] = field(default_factory=list)
    """First byte of each: 0x01 retain, 0x06 QoS, 0x08 DUP."""
    packet_ids: list[int] = field(default_factory=list)
    """0 for QoS 0."""
    oversized: dict[int, int] = field(default_factory=dict)
    """For messages whose payload was left out, by position: how many bytes it had."""
    unnamed: list[int] = field(default_factory=list)
    """Packet identifiers (0 for QoS 0) of messages left out because their topic is no UTF-8."""
    size: int = 0
    """Bytes of all payloads."""

    def add(self, other: Published) -> None:
        """Take the messages that came next."""
        n = len(self.topics)
        self.topics += other.topics
        self.payloads += other.payloads
        self.headers += other.headers
        self.packet_ids += other.packet_ids
        self.oversized.update((n + place, size) for place, size in other.oversized.items())
        self.unnamed += other.unnamed
        self.size += other.size

    def __len__(self) -> int:
        return len(self.topics)

    def __bool__(self) -> bool:
        return bool(self.topics or self.unnamed)


class Scanner:
    """Finds the messages in one connection's stream. ``feed`` it bytes, then ``scan`` until it has nothing more."""

    def __init__(self, *, version5: bool, max_payload_bytes: int) -> None:
        self._version5 = version5
        self._max_payload = max_payload_bytes
        self._largest = max_payload_bytes + _LONGEST_HEAD
        self._data = b""
        self._at = 0
        self._waiting: list[bytes] = []
        self._have = 0
        self._need = 0
        self._names: dict[bytes, str | None] = {}
        self._aliases: dict[int, bytes] = {}
        self._head = b""
        self._skip = 0
        self._pass = 0
        self._raw = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they came from the socket."""
        self._waiting.append(data)
        self._have += len(data)

    def scan(self) -> tuple[Published, bytes]:
        """Return the messages up to the next packet that is none, and that packet; both false: more bytes are needed."""
        found = Published()
        if self._have < self._need:
            return found, b""
        self._join()
        other = self._leftover(found)
        if not other and not self._skip:
            other = self._walk(found)
        found.size = sum(map(len, found.payloads))
        self._have = len(self._data) - self._at
        if not self._have:
            self._data, self._at = b"", 0
        return found, other

    def _join(self) -> None:
        if self._waiting:
            left = self._data[self._at :] if self._at else self._data
            self._data = b"".join([left, *self._waiting]) if left or len(self._waiting) > 1 else self._waiting[0]
            self._at = 0
            self._waiting = []
        self._need = 0

    def _leftover(self, found: Published) -> bytes:
        """Go on in a packet that is passed on, or left out, in pieces; return what is passed on."""
        left = len(self._data) - self._at
        if self._raw or self._pass:
            size = left if self._raw else min(left, self._pass)
            piece = self._data[self._at : self._at + size]
            self._at += size
            self._pass = max(0, self._pass - size)
            return piece
        if self._skip:
            size = min(left, self._skip)
            self._at += size
            self._skip -= size
            if not self._skip:
                self._take_head(found)
        return b""

    def _walk(self, found: Published) -> bytes:  # noqa: C901, PLR0912, PLR0915 - one loop without calls: 0.6 us a message
        data, at = self._data, self._at
        end = len(data)
        version5, names, largest = self._version5, self._names, self._max_payload
        topics, payloads, headers, packet_ids = found.topics, found.payloads, found.headers, found.packet_ids
        other = b""
        while end - at >= 2:
            first = data[at]
            size = data[at + 1]
            body = at + 2
            if size > 127:
                size, body = _length(data, at + 1, end)
                if size < 0:
                    if size == -1:
                        break
                    self._raw = True
                    other, at = data[at:], end
                    break
            stop = body + size
            plain = 0x30 <= first < 0x3C and first & 0x04 == 0
            if stop > end:
                if size > self._largest:
                    at = self._begin_large(at, body, size, plain)
                    if self._pass:
                        other = data[at : at + self._pass]
                        at += len(other)
                        self._pass -= len(other)
                else:
                    self._need = stop - at
                break
            if not plain:
                other, at = data[at:stop], stop
                break
            name_at = body + 2
            start = name_at + (data[body] << 8 | data[body + 1]) if size >= 2 else end + 1
            packet_id = 0
            name = data[name_at:start]
            if first & 0x02:
                start += 2
                if start <= stop:
                    packet_id = data[start - 2] << 8 | data[start - 1]
            if version5 and start < stop:
                length = data[start]
                start += 1
                if length:
                    start, name = self._properties(data, start - 1, stop, name)
            elif version5:
                start = stop + 1
            if start > stop or not name:
                other, at = data[at:stop], stop
                break
            at = stop
            topic = names.get(name, "")
            if not topic:
                topic = self._learn(name) if topic is not None else None
                if topic is None:
                    found.unnamed.append(packet_id)
                    continue
            if stop - start > largest:
                found.oversized[len(topics)] = stop - start
                payloads.append(b"")
            else:
                payloads.append(data[start:stop])
            topics.append(topic)
            headers.append(first)
            packet_ids.append(packet_id)
        self._at = at
        return other

    def _begin_large(self, at: int, body: int, size: int, plain: bool) -> int:
        """Begin with a packet that is larger than agreed: of a message only the head is kept, others are passed on."""
        if not plain:
            self._pass = body - at + size
            return at
        stop = body + size
        if len(self._data) - body < min(size, _LONGEST_HEAD):
            self._need = body - at + min(size, _LONGEST_HEAD)
            return at
        self._head = self._data[at : body + _LONGEST_HEAD]
        self._skip = stop - len(self._data)
        return len(self._data)

    def _take_head(self, found: Published) -> None:
        """Note the message whose payload was left out."""
        head, self._head = self._head, b""
        size, body = _length(head, 1, len(head))
        start = body + 2 + (head[body] << 8 | head[body + 1])
        name = head[body + 2 : start]
        packet_id = 0
        if head[0] & 0x02 and start + 2 <= len(head):
            packet_id = head[start] << 8 | head[start + 1]
            start += 2
        if self._version5 and start < len(head):
            start, name = self._properties(head, start, len(head), name)
        topic = self._learn(name) if name else None
        if topic is None:
            found.unnamed.append(packet_id)
            return
        found.oversized[len(found.topics)] = max(self._max_payload + 1, body + size - start)
        found.topics.append(topic)
        found.payloads.append(b"")
        found.headers.append(head[0])
        found.packet_ids.append(packet_id)

    def _learn(self, name: bytes) -> str | None:
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        try:
            topic = name.decode("utf-8")
        except UnicodeDecodeError:
            topic = None
        self._names[name] = topic
        return topic

    def _properties(self, data: bytes, at: int, stop: int, name: bytes) -> tuple[int, bytes]:
        """Return where the payload begins and the topic, which an alias may stand for; beyond ``stop`` for what cannot be read."""
        size, at = _length(data, at, stop)
        end = at + size
        unreadable = (stop + 1, b"")
        if size < 0 or end > stop:
            return unreadable
        alias = 0
        while at < end:
            what = data[at]
            at += 1
            if what == _ALIAS and at + 2 <= end:
                alias = data[at] << 8 | data[at + 1]
            at = _behind(data, what, at, end)
        if at != end:
            return unreadable
        if alias:
            if not name:
                return end, self._aliases.get(alias, b"")
            if len(self._aliases) < MOST_ALIASES or alias in self._aliases:
                self._aliases[alias] = name
        return end, name


def _behind(data: bytes, what: int, at: int, end: int) -> int:
    """Return where a property ends; beyond ``end`` where it cannot be read."""
    if what in _SIZES:
        return at + _SIZES[what]
    if what == _SUBSCRIPTION:
        size, behind = _length(data, at, end)
        return end + 1 if size < 0 else behind
    for _ in range(2 if what == _PAIR else 1 if what in _STRINGS else 0):
        if at + 2 > end:
            return end + 1
        at += 2 + (data[at] << 8 | data[at + 1])
    return at if what in _STRINGS or what == _PAIR else end + 1


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a variable length and where it ends; -1 when it is cut off, -2 when it is longer than four bytes."""
    length = shift = 0
    for place in range(at, at + 4):
        if place >= end:
            return -1, at
        byte = data[place]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length, place + 1
    return -2, at
