"""How the gate reads a message: every key, type and length by its own rules, numbers as decimal digits, never as floating point."""

from __future__ import annotations

import json
from calendar import timegm
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_LONGEST_TEXT: Final = 64_000
_LONGEST_NUMBER: Final = 40
_FARTHEST: Final = 307
"""Every double has so many places before and behind the point; a number beyond is none that could be set."""
_KINDS: Final = ("parameters", "job", "route", "changeover", "hold", "release", "offsets", "design_change")
_PART_KINDS: Final = ("recipe", "torque_program", "vision_recipe", "robot_program", "fixture")
_NEEDED: Final = {"leadhand", "id", "kind", "work_unit", "counter", "issued", "expires"}
_OTHERS: Final = {"job", "program", "product", "serial", "parameters", "parts", "steps", "reason", "window_version", "basis"}
_HEX: Final = frozenset("0123456789abcdef")
_DIGITS: Final = frozenset("0123456789")


class Unreadable(Exception):
    """What was given is no message; says why."""


@dataclass(frozen=True, slots=True)
class ReadQuantity:
    """A parameter as it was written; a value that no machine can be set to is None."""

    name: str
    value: Decimal
    unit: str
    sound: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A message as the gate reads it."""

    id: str
    kind: str
    work_unit: str
    counter: int
    issued_us: int
    expires_us: int
    job: str
    program: str
    serial: str
    parameters: tuple[ReadQuantity, ...]
    parts: tuple[tuple[str, str, str], ...]
    window_version: int | None
    basis_to_us: int | None


def read(text: str) -> Read:
    """Return what a text says. Raises Unreadable for whatever is not exactly as agreed."""
    told = _loaded(text)
    if told.get("leadhand") != "delivery/1":
        raise Unreadable("it is of another format")
    missing = _NEEDED - told.keys()
    more = told.keys() - _NEEDED - _OTHERS
    if missing or more:
        raise Unreadable(f"'{min(missing)}' is missing" if missing else f"'{min(more)}' is no key of a message")
    for key, most in (("product", 400), ("reason", 2000)):
        _text(told.get(key, ""), key, most)
    for step in _list(told, "steps", 500):
        _text(step, "steps", 400)
    return Read(
        _identity(told["id"]),
        _one_of(told["kind"], "kind", _KINDS),
        _text(told["work_unit"], "work_unit", 400, 1),
        _whole(told["counter"], "counter"),
        _time(told["issued"], "issued"),
        _time(told["expires"], "expires"),
        _text(told.get("job", ""), "job", 400),
        _text(told.get("program", ""), "program", 400),
        _text(told.get("serial", ""), "serial", 400),
        tuple(_quantity(one) for one in _list(told, "parameters", 200)),
        tuple(_part(one) for one in _list(told, "parts", 20)),
        _whole(told["window_version"], "window_version") if told.get("window_version") is not None else None,
        _basis(told["basis"]) if "basis" in told else None,
    )


def _loaded(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST_TEXT:
        raise Unreadable("it is too long")
    try:
        told = json.loads(text, object_pairs_hook=_once, parse_float=_decimal, parse_int=_integer, parse_constant=_none)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON") from error
    if not isinstance(told, dict):
        raise Unreadable("it is no object")
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise Unreadable("a key is there twice")
        made[key] = value
    return made


def _decimal(digits: str) -> Decimal:
    if len(digits) > _LONGEST_NUMBER:
        raise Unreadable("a number is too long")
    return Decimal(digits)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise Unreadable("a number is too long")
    return int(digits)


def _none(word: str) -> None:
    raise Unreadable(f"{word} is no number")


def _text(found: object, key: str, most: int, least: int = 0) -> str:
    if type(found) is not str or not least <= len(found) <= most or "\0" in found:
        raise Unreadable(f"'{key}' is no text of {least} to {most} letters")
    if not found.isascii():
        try:
            found.encode()
        except UnicodeEncodeError as error:
            raise Unreadable(f"'{key}' has half a letter") from error
    return found


def _list(told: dict[str, Any], key: str, most: int) -> list[Any]:
    found = told.get(key, [])
    if type(found) is not list or len(found) > most:
        raise Unreadable(f"'{key}' is no list of {most} at most")
    return found


def _one_of(found: object, key: str, known: tuple[str, ...]) -> str:
    if type(found) is not str or found not in known:
        raise Unreadable(f"'{key}' is none of those that are known")
    return found


def _whole(found: object, key: str) -> int:
    if type(found) is not int or not 1 <= found < 2**63:
        raise Unreadable(f"'{key}' is no whole number above 0")
    return found


def _identity(found: object) -> str:
    if type(found) is not str or [len(one) for one in found.split("-")] != [8, 4, 4, 4, 12] or not _HEX.issuperset(found.replace("-", "")):
        raise Unreadable("'id' is no UUID")
    return found


def _quantity(found: object) -> ReadQuantity:
    if type(found) is not dict or found.keys() != {"name", "value", "unit"}:
        raise Unreadable("a parameter has a name, a value and a unit, and nothing else")
    name, value, unit = _text(found["name"], "name", 200, 1), found["value"], _text(found["unit"], "unit", 40, 1)
    if type(value) is int:
        value = Decimal(value)
    if type(value) is not Decimal:
        raise Unreadable(f"the value of '{name}' is no number")
    sound = value.is_finite() and (value.is_zero() or abs(value.adjusted()) <= _FARTHEST)
    return ReadQuantity(name, value if sound else Decimal(0), unit, sound)


def _part(found: object) -> tuple[str, str, str]:
    if type(found) is not dict or found.keys() != {"kind", "name", "version"}:
        raise Unreadable("a part has a kind, a name and a version, and nothing else")
    return _one_of(found["kind"], "kind", _PART_KINDS), _text(found["name"], "name", 200, 1), _text(found["version"], "version", 80, 1)


def _basis(found: object) -> int:
    if type(found) is not dict or found.keys() != {"from", "to"}:
        raise Unreadable("'basis' has 'from' and 'to', and nothing else")
    begin, end = _time(found["from"], "from"), _time(found["to"], "to")
    if begin > end:
        raise Unreadable("'basis' ends before it begins")
    return end


def _time(found: object, key: str) -> int:
    """Return microseconds since 1970 of ``2026-01-02T03:04:05.678901Z``; the calendar is that of the C library, counted back."""
    if type(found) is not str or len(found) != 27 or found[4::3][:2] != "--" or found[10] + found[13] + found[16] + found[19] != "T::.":
        raise Unreadable(f"'{key}' is no time")
    pieces = (found[0:4], found[5:7], found[8:10], found[11:13], found[14:16], found[17:19], found[20:26])
    if found[26] != "Z" or not _DIGITS.issuperset("".join(pieces)):
        raise Unreadable(f"'{key}' is no time")
    year, month, day, hour, minute, second, micros = map(int, pieces)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (1 <= month <= 12 and year >= 1970 and hour < 24 and minute < 60 and second < 60):
        raise Unreadable(f"'{key}' is no time")
    longest = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    if not 1 <= day <= longest:
        raise Unreadable(f"'{key}' is no time")
    return timegm((year, month, day, hour, minute, second, 0, 0, 0)) * 1_000_000 + micros
