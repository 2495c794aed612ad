"""What the optimizer notes while it watches what really happens: how far it looked, and alternatives that moved away from prediction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storage.database import Connection, micros, moment, translate_errors

_PUT: Final = """
INSERT INTO optimizer_drift (alternative, measure, version, found_time, ratio, rows, ended_time) VALUES (%s, %s, %s, %s, %s, %s, NULL)
ON CONFLICT (alternative, measure, version) DO UPDATE SET ratio = excluded.ratio, rows = excluded.rows, ended_time = NULL
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """An alternative that takes another time (or energy, or yield) than what was learned says."""

    alternative: str
    measure: str
    version: str
    """Of the predictor that it moved away from."""
    found_us: int
    ratio: float
    """Measured by predicted."""
    rows: int
    """Operations that say so."""
    ended_us: int | None = None
    """When a newer predictor had taken it in."""


def read_mark(connection: Connection, name: str) -> int:
    """Return the last row of the history that was looked at under this name; 0 where none was."""
    with translate_errors():
        row = connection.execute("SELECT mark FROM optimizer_mark WHERE name = %s", [name]).fetchone()
    return 0 if row is None else int(row[0])


def write_mark(connection: Connection, name: str, mark: int) -> None:
    """Note how far was looked; call it in the transaction of what was found."""
    with translate_errors():
        connection.execute(
            "INSERT INTO optimizer_mark (name, mark, state, updated_time) VALUES (%s, %s, '{}', now()) "
            "ON CONFLICT (name) DO UPDATE SET mark = excluded.mark, updated_time = now()",
            [name, mark],
        )


def write_drifts(connection: Connection, drifts: Iterable[Drift]) -> None:
    """Note alternatives that moved; found again, ratio and rows are those of the last time."""
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_PUT, [(one.alternative, one.measure, one.version, moment(one.found_us), one.ratio, one.rows) for one in drifts])


def end_drifts(connection: Connection, version: str, now_us: int) -> int:
    """Note that a predictor has taken in what moved before it; returns how many had moved."""
    with translate_errors():
        return connection.execute(
            "UPDATE optimizer_drift SET ended_time = %s WHERE ended_time IS NULL AND version <> %s", [moment(now_us), version]
        ).rowcount


def read_drifts(connection: Connection, *, only_open: bool = False, most: int = 200) -> list[Drift]:
    """Return what moved, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT alternative, measure, version, found_time, ratio, rows, ended_time FROM optimizer_drift "
            "WHERE NOT %s OR ended_time IS NULL ORDER BY found_time DESC LIMIT %s",
            [only_open, most],
        ).fetchall()
    return [
        Drift(alternative, measure, version, micros(found), ratio, count, None if ended is None else micros(ended))
        for alternative, measure, version, found, ratio, count, ended in rows
    ]
