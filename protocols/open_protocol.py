"""Open Protocol telegrams (Atlas Copco, R 2.8.0): their header, their frames on the wire, and fields that stand at fixed places.

A telegram is 20 ASCII bytes of header, a data field, and a NUL that its length does not count. Behind binary data (MID 0900) the
specification sends no NUL, and many controllers send one all the same: both are taken. Nothing here trusts a length or a digit:
bytes that are no telegram raise Rejected, which says where and what, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from plant.errors import Rejected

HEADER_BYTES: Final = 20
LONGEST: Final = 9999
"""Bytes of one telegram: four digits tell its length."""
MOST_PARTS: Final = 9

COMMUNICATION_START: Final = 1
COMMUNICATION_STARTED: Final = 2
COMMUNICATION_STOP: Final = 3
COMMAND_ERROR: Final = 4
COMMAND_ACCEPTED: Final = 5
SUBSCRIBE: Final = 8
UNSUBSCRIBE: Final = 9
PROGRAM_IDS: Final = 10
PROGRAM_IDS_REPLY: Final = 11
PROGRAM: Final = 12
PROGRAM_REPLY: Final = 13
PROGRAM_SUBSCRIBE: Final = 14
PROGRAM_SELECTED: Final = 15
PROGRAM_SELECTED_ACK: Final = 16
PROGRAM_UNSUBSCRIBE: Final = 17
SELECT_PROGRAM: Final = 18
JOB_SUBSCRIBE: Final = 34
JOB_INFO: Final = 35
JOB_INFO_ACK: Final = 36
JOB_UNSUBSCRIBE: Final = 37
SELECT_JOB: Final = 38
RESTART_JOB: Final = 39
TOOL: Final = 40
TOOL_REPLY: Final = 41
SEND_IDENTIFIER: Final = 50
IDENTIFIER_SUBSCRIBE: Final = 51
IDENTIFIER: Final = 52
IDENTIFIER_ACK: Final = 53
IDENTIFIER_UNSUBSCRIBE: Final = 54
RESULT_SUBSCRIBE: Final = 60
RESULT: Final = 61
RESULT_ACK: Final = 62
RESULT_UNSUBSCRIBE: Final = 63
OLD_RESULT: Final = 64
OLD_RESULT_REPLY: Final = 65
ALARM_SUBSCRIBE: Final = 70
ALARM: Final = 71
ALARM_ACK: Final = 72
ALARM_UNSUBSCRIBE: Final = 73
ALARM_ACKNOWLEDGED: Final = 74
ALARM_ACKNOWLEDGED_ACK: Final = 75
ALARM_STATUS: Final = 76
ALARM_STATUS_ACK: Final = 77
ACKNOWLEDGE_ALARM: Final = 78
TIME: Final = 80
TIME_REPLY: Final = 81
SET_TIME: Final = 82
SPINDLES_SUBSCRIBE: Final = 100
SPINDLES_RESULT: Final = 101
SPINDLES_RESULT_ACK: Final = 102
SPINDLES_UNSUBSCRIBE: Final = 103
SEND_IDENTIFIERS: Final = 150
TRACE: Final = 900
TRACE_PLOT: Final = 901
LINK_ACCEPTED: Final = 9997
LINK_ERROR: Final = 9998
KEEP_ALIVE: Final = 9999

_WITH_BINARY: Final = frozenset({TRACE})
"""Telegrams that end in binary data: a NUL stands before it, and the length counts both."""

ERRORS: Final[Mapping[int, str]] = {
    1: "invalid data",
    2: "there is no such parameter set",
    3: "the parameter set cannot be set",
    4: "the parameter set is not running",
    6: "identifiers are subscribed to already",
    7: "identifiers are not subscribed to",
    8: "the identifier's source is not granted",
    9: "results are subscribed to already",
    10: "results are not subscribed to",
    11: "alarms are subscribed to already",
    12: "alarms are not subscribed to",
    13: "selected parameter sets are subscribed to already",
    14: "selected parameter sets are not subscribed to",
    15: "there is no such tightening",
    16: "the connection is refused: the protocol is busy",
    17: "there is no such job",
    18: "jobs are subscribed to already",
    19: "jobs are not subscribed to",
    20: "the job cannot be set",
    21: "no job runs",
    25: "programming control is not granted",
    27: "the tool cannot be reached",
    30: "the controller is no sync master or station controller",
    33: "results of spindles are subscribed to already",
    34: "results of spindles are not subscribed to",
    35: "another master client is connected",
    58: "there is no alarm",
    59: "the tool is in use",
    69: "this revision of extra data is not supported",
    71: "this is subscribed to already",
    72: "this is not subscribed to",
    73: "this cannot be subscribed to",
    74: "this revision cannot be subscribed to",
    75: "this cannot be asked for",
    76: "this revision cannot be asked for",
    77: "these data cannot be asked for",
    78: "these data cannot be subscribed to",
    79: "the command failed",
    92: "commands of Open Protocol are switched off",
    96: "a client is connected already",
    97: "this revision is not supported",
    98: "the controller did not answer itself in time",
    99: "the controller does not know this message",
}
"""Error codes of MID 0004 in words (R 2.8.0, table 18)."""

REVISION_ERRORS: Final = frozenset({74, 76, 97})


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram. ``data`` is all behind the header, without the NUL at its end; a field left blank is 0 (revision: 1)."""

    mid: int
    revision: int = 1
    data: bytes = b""
    no_ack: bool = False
    station: int = 0
    spindle: int = 0
    sequence: int = 0
    parts: int = 0
    part: int = 0


class Kind(StrEnum):
    """How a field is written."""

    DIGITS = "digits"
    HUNDREDTHS = "hundredths"
    """A number times 100."""
    TEXT = "text"
    TIME = "time"
    """``YYYY-MM-DD:HH:MM:SS``, by the controller's clock."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a data field: its number (0 where it is sent without one), its name and how many bytes it has."""

    number: int
    name: str
    width: int
    kind: Kind = Kind.DIGITS


def encode_telegram(telegram: Telegram, *, end_binary: bool = False) -> bytes:
    """Return a telegram's bytes with the NUL at its end; behind binary data only with ``end_binary``.

    Raises Rejected for a telegram that does not fit its digits.
    """
    length = HEADER_BYTES + len(telegram.data)
    numbers = (
        *((length, 4, LONGEST), (telegram.mid, 4, 9999), (telegram.revision, 3, 999)),
        *((telegram.station, 2, 99), (telegram.spindle, 2, 99), (telegram.sequence, 2, 99)),
        *((telegram.parts, 1, MOST_PARTS), (telegram.part, 1, MOST_PARTS)),
    )
    for number, _, most in numbers:
        if not 0 <= number <= most:
            raise Rejected(f"{number} does not fit the header of a telegram, {most} is the most")
    mid, revision, station, spindle, sequence, parts, part = (f"{number:0{width}d}" for number, width, _ in numbers[1:])
    blank = [word if number else " " * len(word) for word, number in ((station, telegram.station), (spindle, telegram.spindle))]
    link = sequence if telegram.sequence else "  "
    linked = parts + part if telegram.parts else "  "
    head = f"{length:04d}{mid}{revision}{'1' if telegram.no_ack else ' '}{blank[0]}{blank[1]}{link}{linked}"
    return head.encode("ascii") + telegram.data + (b"" if telegram.mid in _WITH_BINARY and not end_binary else b"\0")


def parse_telegram(frame: bytes) -> Telegram:
    """Return the telegram that a frame (without the NUL at its end) holds. Raises Rejected, saying where and what is wrong."""
    if len(frame) < HEADER_BYTES:
        raise Rejected(f"a telegram of {len(frame)} bytes is shorter than its header")
    length = _digits(frame, 0, 4, "length")
    if length != len(frame):
        raise Rejected(f"byte 1: the length says {length}, there are {len(frame)} bytes")
    flag = frame[11:12]
    if flag not in (b" ", b"0", b"1"):
        raise Rejected(f"byte 12: the no-ack flag is 0, 1 or blank, not {flag!r}")
    mid = _digits(frame, 4, 4, "MID")
    if mid == 0:
        raise Rejected("byte 5: there is no MID 0000")
    parts, part = _digits(frame, 18, 1, "number of parts", blank=True), _digits(frame, 19, 1, "part", blank=True)
    if part > parts:
        raise Rejected(f"byte 20: part {part} of {parts}")
    data = frame[HEADER_BYTES:]
    if mid not in _WITH_BINARY and b"\0" in data:
        raise Rejected(f"byte {HEADER_BYTES + data.index(0) + 1}: NUL within a telegram of text")
    return Telegram(
        mid,
        _digits(frame, 8, 3, "revision", blank=True) or 1,
        data,
        flag == b"1",
        _digits(frame, 12, 2, "station", blank=True),
        _digits(frame, 14, 2, "spindle", blank=True),
        _digits(frame, 16, 2, "sequence number", blank=True),
        parts,
        part,
    )


class Framer:
    """Cuts a stream of bytes into telegrams. What is not yet whole stays within; never more than one telegram of it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._after_binary = False

    @property
    def waiting(self) -> int:
        """Bytes of a telegram that is not whole yet."""
        return len(self._buffer)

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Yield each frame that is whole, without the NUL at its end.

        Raises Rejected where a length is none or the NUL is missing: what follows cannot be told apart, so the stream is over.
        """
        self._buffer += content
        while True:
            if self._after_binary and self._buffer[:1] == b"\0":
                del self._buffer[:1]
            if len(self._buffer) < HEADER_BYTES:
                self._check_head()
                return
            length = _digits(bytes(self._buffer[:4]), 0, 4, "length")
            if length < HEADER_BYTES:
                raise Rejected(f"byte 1: a telegram of {length} bytes is shorter than its header")
            binary = bytes(self._buffer[4:8]).isdigit() and int(self._buffer[4:8]) in _WITH_BINARY
            end = length if binary else length + 1
            if len(self._buffer) < end:
                return
            if not binary and self._buffer[length] != 0:
                raise Rejected(f"byte {length + 1}: a telegram ends with NUL, not with {self._buffer[length]:#04x}")
            frame = bytes(self._buffer[:length])
            del self._buffer[:end]
            self._after_binary = binary
            yield frame

    def _check_head(self) -> None:
        """Find out early that this is no Open Protocol at all."""
        head = bytes(self._buffer[:8])
        if head and not head.isdigit():
            raise Rejected(f"byte 1: a telegram begins with the digits of its length and MID, not with {head!r}")


class Linker:
    """Puts telegrams together that came in parts (longer than 9,999 bytes). All parts of one come in a row."""

    def __init__(self) -> None:
        self._first: Telegram | None = None
        self._content: list[bytes] = []

    def take(self, telegram: Telegram) -> Telegram | None:
        """Return a whole telegram, or None while parts are missing. Raises Rejected for a part that is not the next one."""
        if telegram.parts <= 1:
            self._first, self._content = None, []
            return telegram
        expected = len(self._content) + 1
        if telegram.part != expected or (
            self._first is not None and (self._first.mid, self._first.parts) != (telegram.mid, telegram.parts)
        ):
            self._first, self._content = None, []
            raise Rejected(f"MID {telegram.mid:04d} came as part {telegram.part} of {telegram.parts}, part {expected} was the next")
        self._first = self._first or telegram
        self._content.append(telegram.data)
        if telegram.part < telegram.parts:
            return None
        whole, content = self._first, b"".join(self._content)
        self._first, self._content = None, []
        return Telegram(whole.mid, whole.revision, content, whole.no_ack, whole.station, whole.spindle, telegram.sequence)


def parse_fields(telegram: Telegram, fields: Sequence[Field], offset: int = 0) -> tuple[dict[str, Any], int]:
    """Return the values of fields that follow each other from ``offset`` on, and where they end.

    A field of blanks only is not supported by the controller: None (text: empty). Raises Rejected, saying where and what.
    """
    values: dict[str, Any] = {}
    data, at = telegram.data, offset
    for field in fields:
        named = f"MID {telegram.mid:04d} revision {telegram.revision}, byte"
        if field.number:
            number = data[at : at + 2]
            if number != b"%02d" % field.number:
                raise Rejected(f"{named} {HEADER_BYTES + at + 1}: field {field.number:02d}, {field.name}, stands here, not {number!r}")
            at += 2
        where = f"{named} {HEADER_BYTES + at + 1}, {field.name}"
        word = data[at : at + field.width]
        if len(word) != field.width:
            raise Rejected(f"{where}: takes {field.width} bytes, {len(word)} are left")
        values[field.name] = _value(word, field.kind, where)
        at += field.width
    return values, at


def encode_fields(values: Mapping[str, Any], fields: Sequence[Field]) -> bytes:
    """Return the bytes of fields; what is None is left blank. Raises Rejected for a value that does not fit."""
    return b"".join((b"%02d" % field.number if field.number else b"") + _word(values.get(field.name), field) for field in fields)


def parse_time(word: bytes, where: str) -> datetime | None:
    """Return a controller's time, without a zone; None for blanks and for the zeros of a clock that was never set."""
    text = _text(word, where)
    if not text.strip(" 0-:") or not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d:%H:%M:%S")  # noqa: DTZ007 - the controller tells no zone
    except ValueError as error:
        raise Rejected(f"{where}: '{text}' is no time like 2026-05-13:14:02:59") from error


def time_word(time: datetime) -> str:
    """Return a time as controllers write it."""
    return f"{time.year:04d}-{time:%m-%d:%H:%M:%S}"


def parse_number(word: bytes, where: str) -> int:
    """Return a whole number in digits; some controllers put a minus before an angle that was turned back."""
    text = word.strip(b" ")
    if not text.removeprefix(b"-").isdigit():
        raise Rejected(f"{where}: {word[:40]!r} is no number")
    return int(text)


def parse_text(word: bytes, where: str) -> str:
    """Return text without the blanks that fill it up. Controllers sold in China and Russia send more than ASCII."""
    return _text(word, where)


def _digits(frame: bytes, at: int, width: int, name: str, *, blank: bool = False) -> int:
    word = frame[at : at + width]
    if blank and word == b" " * width:
        return 0
    if not word.isdigit():
        raise Rejected(f"byte {at + 1}: the {name} takes {width} digits, not {word!r}")
    return int(word)


def _text(word: bytes, where: str) -> str:
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError:
        text = word.decode("latin-1")
    text = text.strip(" ")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        raise Rejected(f"{where}: {word[:60]!r} holds control characters")
    return text


def _value(word: bytes, kind: Kind, where: str) -> Any:
    if kind is Kind.TEXT:
        return _text(word, where)
    if kind is Kind.TIME:
        return parse_time(word, where)
    if not word.strip(b" "):
        return None
    number = parse_number(word, where)
    return number / 100 if kind is Kind.HUNDREDTHS else number


def _word(value: Any, field: Field) -> bytes:
    if value is None:
        return b" " * field.width
    if field.kind is Kind.TEXT:
        word = str(value).encode("utf-8").ljust(field.width)
    elif field.kind is Kind.TIME:
        word = time_word(value).encode("ascii")
    else:
        number = round(value * 100) if field.kind is Kind.HUNDREDTHS else int(value)
        word = f"{number:0{field.width}d}".encode("ascii")
    if len(word) != field.width:
        raise Rejected(f"{field.name}: {value!r} does not fit {field.width} bytes")
    return word
