"""How a simulated controller reads a message: a small strict reader of JSON of its own, as one would write it for a PLC.

It is no reader for Leadhand: it is here to be another one than Leadhand's, so that the two can be held against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LARGEST_BYTES: Final = 64_000
_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True)
class Order:
    """A message as a controller reads it."""

    id: str
    kind: str
    work_unit: str
    counter: int
    issued_us: int
    expires_us: int
    job: str = ""
    program: str = ""
    product: str = ""
    serial: str = ""
    parameters: tuple[tuple[str, float, str], ...] = ()
    """Name, value, unit."""
    parts: tuple[tuple[str, str, str], ...] = ()
    """Kind, name, version."""
    steps: tuple[str, ...] = ()
    reason: str = ""
    window_version: int = 0
    """0: none is named."""


_PIECE: Final = re.compile(
    r'[ \t\r\n]*([\[\]{}:,]|"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE+-])|true|false|null|[^ \t\r\n])"
)
"""A piece of JSON; or a single letter that begins none, which stands nowhere in what is read."""
_NONE: Final = frozenset('"-')
"""Begin a piece, and are none alone."""
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_LITERALS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_PLAIN: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_TIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{6})Z")
_ID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS: Final = frozenset({"job", "program", "product", "serial", "reason"})
_LISTS: Final = frozenset({"parameters", "parts", "steps"})
_HEADS: Final = frozenset({"leadhand", "id", "kind", "work_unit", "counter", "issued", "expires", "window_version", "basis"})
_KNOWN: Final = _HEADS | _TEXTS | _LISTS


class _NoMessage(Exception):
    """It cannot be read."""


class _Number(str):
    """A number, as its digits."""

    __slots__ = ()


def read_order(text: str) -> Order | None:
    """Return what a text says; None where it is no message of this format, to the letter."""
    if len(text) > LARGEST_BYTES:
        return None
    try:
        told = _Pieces(text).whole()
        return _order(told)
    except _NoMessage:
        return None


class _Pieces:
    """A text of JSON, piece by piece."""

    def __init__(self, text: str) -> None:
        self._pieces: list[str] = _PIECE.findall(text)
        self._at = 0
        if not _NONE.isdisjoint(self._pieces):
            raise _NoMessage

    def whole(self) -> object:
        told = self._value(0)
        if self._at != len(self._pieces):
            raise _NoMessage
        return told

    def _next(self) -> str:
        if self._at >= len(self._pieces):
            raise _NoMessage
        self._at += 1
        return self._pieces[self._at - 1]

    def _value(self, depth: int) -> object:
        piece = self._next()
        first = piece[0]
        if first == '"':
            return _text(piece)
        if first in "-0123456789":
            return _Number(piece)
        if first in "tfn":
            return _literal(piece)
        if depth >= _DEEPEST or first not in "{[":
            raise _NoMessage
        return self._object(depth + 1) if first == "{" else self._list(depth + 1)

    def _object(self, depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        piece = self._next()
        if piece == "}":
            return made
        while True:
            if piece[0] != '"' or self._next() != ":":
                raise _NoMessage
            key = _text(piece)
            if key in made:
                raise _NoMessage
            made[key] = self._value(depth)
            closing = self._next()
            if closing == "}":
                return made
            if closing != ",":
                raise _NoMessage
            piece = self._next()

    def _list(self, depth: int) -> list[object]:
        made: list[object] = []
        if self._at < len(self._pieces) and self._pieces[self._at] == "]":
            self._at += 1
            return made
        while True:
            made.append(self._value(depth))
            closing = self._next()
            if closing == "]":
                return made
            if closing != ",":
                raise _NoMessage


def _literal(piece: str) -> bool | None:
    if piece not in _LITERALS:
        raise _NoMessage
    return _LITERALS[piece]


def _text(piece: str) -> str:
    inner = piece[1:-1]
    if "\\" in inner:
        inner = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _PLAIN.get(found[2], found[2]), inner)
        try:
            inner = inner.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise _NoMessage from error
    return inner


def _order(told: object) -> Order:
    if not isinstance(told, dict) or not set(told) <= _KNOWN or told.get("leadhand") != "delivery/1":
        raise _NoMessage
    identity = _word(told, "id", 36)
    if not _ID.fullmatch(identity):
        raise _NoMessage
    if "basis" in told:
        _basis(told["basis"])
    version = _whole(told["window_version"]) if told.get("window_version") is not None else 0
    counter = _whole(told.get("counter"))
    if counter < 1 or version < 0:
        raise _NoMessage
    return Order(
        identity,
        _word(told, "kind", 40),
        _word(told, "work_unit", 400),
        counter,
        _time(told.get("issued")),
        _time(told.get("expires")),
        job=_word(told, "job", 400, needed=False),
        program=_word(told, "program", 400, needed=False),
        product=_word(told, "product", 400, needed=False),
        serial=_word(told, "serial", 400, needed=False),
        parameters=tuple(_parameter_of(one) for one in _several(told, "parameters", 200)),
        parts=tuple(_part_of(one) for one in _several(told, "parts", 20)),
        steps=tuple(_short(one, 400) for one in _several(told, "steps", 500)),
        reason=_word(told, "reason", 2000, needed=False),
        window_version=version,
    )


def _several(told: dict[str, object], key: str, most: int) -> list[object]:
    found = told.get(key, [])
    if not isinstance(found, list) or len(found) > most:
        raise _NoMessage
    return found


def _short(found: object, most: int, least: int = 0) -> str:
    if isinstance(found, _Number) or not isinstance(found, str) or not least <= len(found) <= most:
        raise _NoMessage
    return found


def _word(told: dict[str, object], key: str, most: int, *, needed: bool = True) -> str:
    return _short(told.get(key, None if needed else ""), most, 1 if needed else 0)


def _parameter_of(found: object) -> tuple[str, float, str]:
    if not isinstance(found, dict) or set(found) != {"name", "value", "unit"} or not isinstance(found["value"], _Number):
        raise _NoMessage
    return _short(found["name"], 200, 1), float(found["value"]), _short(found["unit"], 40, 1)


def _part_of(found: object) -> tuple[str, str, str]:
    if not isinstance(found, dict) or set(found) != {"kind", "name", "version"}:
        raise _NoMessage
    return _short(found["kind"], 40, 1), _short(found["name"], 200, 1), _short(found["version"], 80, 1)


def _basis(found: object) -> None:
    if not isinstance(found, dict) or set(found) != {"from", "to"} or _time(found["from"]) > _time(found["to"]):
        raise _NoMessage


def _whole(found: object) -> int:
    if not isinstance(found, _Number) or not re.fullmatch("-?[0-9]{1,18}", found):
        raise _NoMessage
    return int(found)


def _time(found: object) -> int:
    told = _TIME.fullmatch(found) if isinstance(found, str) else None
    if told is None:
        raise _NoMessage
    year, month, day, hour, minute, second, micros = (int(one) for one in told.groups())
    if year < _EPOCH.year:
        raise _NoMessage
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise _NoMessage from error
    return int((moment - _EPOCH).total_seconds()) * 1_000_000 + micros
