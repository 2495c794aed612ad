"""Changeover sets as a file that people write, TOML or JSON; and what differs between two of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from plant.changeover_sets import ChangeoverBook, ChangeoverFile, ChangeoverSet, Part, changeover_faults
from plant.errors import SettingsError
from plant.strict_json import parsed

_Key = TypeVar("_Key", bound=tuple[str, ...])


def parse_changeovers(text: str, place: str = "changeovers.toml") -> ChangeoverBook:
    """Return the changeover sets that a text says. Raises SettingsError with a sentence for each wrong key."""
    try:
        told = parsed(text, place) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{place}: neither TOML nor JSON: {error}") from error
    try:
        file = ChangeoverFile.model_validate_json(json.dumps(told, default=str))
    except ValidationError as error:
        raise SettingsError([_sentence(place, one["loc"], one["msg"]) for one in error.errors()]) from error
    problems = [f"{place}: {one}" for one in _twice(file)]
    if problems:
        raise SettingsError(problems)
    return ChangeoverBook(file.units, file.parts, file.sets)


def _twice(file: ChangeoverFile) -> Iterator[str]:
    """Yield what is there twice, and sets of units that need nothing."""
    units: dict[str, int] = {}
    for at, unit in enumerate(file.units, 1):
        if unit.work_unit in units:
            yield f"units[{at}]: '{unit.work_unit}' is units[{units[unit.work_unit]}] already"
        units.setdefault(unit.work_unit, at)
    parts: dict[tuple[str, str, str], int] = {}
    for at, part in enumerate(file.parts, 1):
        if _part_key(part) in parts:
            yield f"parts[{at}]: {part.kind} '{part.name}' in version {part.version} is parts[{parts[_part_key(part)]}] already"
        parts.setdefault(_part_key(part), at)
    sets: dict[tuple[str, str], int] = {}
    for at, one in enumerate(file.sets, 1):
        if _set_key(one) in sets:
            yield f"sets[{at}]: the same work_unit and model as sets[{sets[_set_key(one)]}]; keep the newest version only"
        sets.setdefault(_set_key(one), at)
        if one.work_unit not in units:
            yield f"sets[{at}]: units does not say what '{one.work_unit}' needs"


def changed(before: ChangeoverBook | None, after: ChangeoverBook) -> tuple[str, ...]:
    """Return what another book adds, takes away and makes otherwise, in words."""
    found: list[str] = []
    old_parts = {} if before is None else {_part_key(one): one for one in before.parts}
    new_parts = {_part_key(one): one for one in after.parts}
    found += _differences("part", old_parts, new_parts)
    old_sets = {} if before is None else {_set_key(one): one for one in before.sets}
    found += _differences("set", old_sets, {_set_key(one): one for one in after.sets})
    old_units = {} if before is None else {(one.work_unit,): one for one in before.units}
    found += _differences("unit", old_units, {(one.work_unit,): one for one in after.units})
    return tuple(found)


def _differences(noun: str, before: Mapping[_Key, object], after: Mapping[_Key, object]) -> list[str]:
    found = [f"+ {noun} {' '.join(key)}" for key in after if key not in before]
    found += [f"- {noun} {' '.join(key)}" for key in before if key not in after]
    return found + [f"~ {noun} {' '.join(key)}" for key, one in after.items() if key in before and before[key] != one]


def incomplete(book: ChangeoverBook) -> tuple[str, ...]:
    """Return what keeps sets from being complete by the book alone; a set for models of one kind is asked for its pattern."""
    return tuple(f"{one.work_unit}, {one.model}: {fault.words}" for one in book.sets for fault in changeover_faults(book, one, one.model))


def _part_key(part: Part) -> tuple[str, str, str]:
    return part.kind.value, part.name, part.version


def _set_key(one: ChangeoverSet) -> tuple[str, str]:
    return one.work_unit, one.model


def _sentence(place: str, where: tuple[int | str, ...], message: str) -> str:
    key = ""
    for one in where:
        key += f"[{one + 1}]" if isinstance(one, int) else f".{one}" if key else one
    return f"{place}: {key or 'file'}: {message.removeprefix('Value error, ')}"
