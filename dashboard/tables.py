"""A table on its way into a file: columns with their kinds, and rows piece by piece, so that its length costs no memory."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

Cell: TypeAlias = Any
"""None, or as its column's kind says."""
_OLDEST_US: Final = 100_000_000_000_000
"""The year 1973: what is smaller is how long something took."""
_SPANS: Final = frozenset(
    {
        "achieved_us",
        "adet_us",
        "adot_us",
        "apt_us",
        "aubt_us",
        "aupt_us",
        "aust_us",
        "break_us",
        "breakdown_us",
        "calendar_us",
        "duration_us",
        "elapsed_us",
        "granted_us",
        "idle_us",
        "interval_us",
        "late_us",
        "late_after_us",
        "late_before_us",
        "latency_us",
        "longest_us",
        "maintenance_us",
        "minor_stop_us",
        "mtbf_us",
        "mttr_us",
        "not_planned_us",
        "off_us",
        "pbt_us",
        "planned_run_us",
        "planned_us",
        "produced_unplanned_us",
        "rollup_lag_us",
        "setup_us",
        "unknown_us",
        "us",
        "waited_us",
        "waiting_us",
        "worst_late_us",
    }
)
"""Fields of views that say how long, not when."""


class Kind(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "yes or no"
    MOMENT = "moment"
    """Microseconds since 1970, UTC."""
    PIECES = "pieces"
    """Lists and objects, which files hold as JSON."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """What becomes a file."""

    name: str
    """Of the file, without its ending."""
    columns: tuple[Column, ...]
    pieces: Iterable[Sequence[Sequence[Cell]]]
    """Some rows at a time."""


def table_of(name: str, kind: type[Any], rows: Sequence[Any]) -> Table:
    """Return views of one kind as a table: moments are called as in the views for SQL: ``from_us`` is ``from_time``."""
    kinds = _kinds(kind)
    if rows and isinstance(rows[0], Mapping):
        values = [[row.get(field) for field in kinds] for row in rows]
    else:
        values = [[getattr(row, field) for field in kinds] for row in rows]
    columns = [_column(field, said, [row[place] for row in values]) for place, (field, said) in enumerate(kinds.items())]
    return Table(name, tuple(columns), [values] if values else [])


def has_columns(kind: object) -> bool:
    """Return whether things of a kind are rows: views, or models with fields."""
    return isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, BaseModel))


def plain(cell: Cell) -> Cell:
    """Return a cell without what only Python knows."""
    return cell.value if isinstance(cell, Enum) else cell


def _column(field: str, said: Kind, values: Sequence[Cell]) -> Column:
    if said is not Kind.WHOLE or not (field.endswith("_us") or field == "us"):
        return Column(field, said)
    if field in _SPANS or any(value is not None and value < _OLDEST_US for value in values):
        return Column(field, said)
    name = field.removesuffix("_us")
    return Column(name if name.endswith("time") else f"{name}_time", Kind.MOMENT)


def _kinds(kind: type[Any]) -> dict[str, Kind]:
    hints = get_type_hints(kind)
    names = list(kind.model_fields) if issubclass(kind, BaseModel) else [field.name for field in fields(kind)]
    return {name: _kind(hints[name]) for name in names}


_KNOWN: Final[tuple[tuple[type, Kind], ...]] = (
    (bool, Kind.YES_NO),
    (int, Kind.WHOLE),
    (float, Kind.NUMBER),
    (str, Kind.TEXT),
)


def _kind(hint: Any) -> Kind:
    """Return the kind of a field; what may be of several is said as JSON, and so are lists and objects."""
    if get_origin(hint) in {Union, types.UnionType}:
        some = {_kind(each) for each in get_args(hint) if each is not types.NoneType}
        if some == {Kind.WHOLE, Kind.NUMBER}:
            return Kind.NUMBER
        return some.pop() if len(some) == 1 else Kind.PIECES
    if get_origin(hint) is not None and str(get_origin(hint)) == "typing.Literal":
        return _of_values(get_args(hint))
    base = getattr(hint, "__supertype__", hint)
    return next((said for known, said in _KNOWN if isinstance(base, type) and issubclass(base, known)), Kind.PIECES)


def _of_values(values: Sequence[object]) -> Kind:
    return Kind.TEXT if all(isinstance(value, str) for value in values) else Kind.PIECES


Write: TypeAlias = Callable[[Sequence[Sequence[Cell]]], None]
