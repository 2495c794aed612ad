"""Reports of shifts as kept: each made once for its line and shift, as it was made; and notes that people write for the next shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg.types.json import Jsonb

from plant.calendars import Shift
from storage.database import Connection, micros, moment, translate_errors

_COLUMNS: Final = "id, line, shift, day, team, from_time, to_time, made_time, content, written_time"
_ADD: Final = """
INSERT INTO shift_report (line, shift, day, team, from_time, to_time, made_time, content) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (line, from_time) DO NOTHING RETURNING id
"""
_LIST: Final = f"""
SELECT {_COLUMNS} FROM shift_report
WHERE (%(line)s::text IS NULL OR line = %(line)s) AND (%(from)s::timestamptz IS NULL OR from_time >= %(from)s)
    AND (%(to)s::timestamptz IS NULL OR from_time < %(to)s) AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY from_time DESC, line, id DESC LIMIT %(most)s
"""  # noqa: S608 - names of columns
_DATA: Final = """
SELECT EXISTS (SELECT FROM ledger WHERE minute >= %(from)s AND minute < %(to)s)
    OR EXISTS (SELECT FROM state_interval i JOIN equipment e ON e.id = i.equipment_id
        WHERE starts_with(e.path, %(line)s) AND i.to_time > %(from)s AND i.from_time < %(to)s)
"""
_MOST_LETTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class StoredReport:
    """One report as it was made."""

    id: int
    line: str
    shift: str
    day: date
    team: str
    from_us: int
    to_us: int
    made_us: int
    content: Mapping[str, Any]
    written_us: int | None
    """When it was written into the folder."""


@dataclass(frozen=True, slots=True)
class ShiftNote:
    """What somebody wrote for those who come after."""

    id: int
    line: str
    time_us: int
    actor: str
    text: str


def add_report(connection: Connection, line: str, shift: Shift, made_us: int, content: Mapping[str, Any]) -> int | None:
    """Keep a report within the caller's transaction and return its number; None where the shift of this line has one already."""
    given = [line, shift.name, shift.day, shift.team, moment(shift.from_us), moment(shift.to_us), moment(made_us), Jsonb(dict(content))]
    with translate_errors():
        row = connection.execute(_ADD, given).fetchone()
    return None if row is None else int(row[0])


def reported(connection: Connection, line: str, from_us: int, to_us: int) -> set[int]:
    """Return the begins of the shifts of a line that have a report, over a span of begins."""
    with translate_errors():
        rows = connection.execute(
            "SELECT from_time FROM shift_report WHERE line = %s AND from_time >= %s AND from_time < %s",
            [line, moment(from_us), moment(to_us)],
        ).fetchall()
    return {micros(begin) for (begin,) in rows}


def has_data(connection: Connection, line: str, from_us: int, to_us: int) -> bool:
    """Return whether anything is known of a span: samples of any source, or states of the line."""
    with translate_errors():
        row = connection.execute(_DATA, {"line": line, "from": moment(from_us), "to": moment(to_us)}).fetchone()
    return row is not None and bool(row[0])


def read_reports(
    connection: Connection,
    *,
    line: str | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    before: int | None = None,
    most: int = 100,
) -> list[StoredReport]:
    """Return reports, the newest shift first. ``before``: only those with a smaller number."""
    given = {
        "line": line,
        "from": None if from_us is None else moment(from_us),
        "to": None if to_us is None else moment(to_us),
        "before": before,
        "most": most,
    }
    with translate_errors():
        return [_report(row) for row in connection.execute(_LIST, given).fetchall()]


def read_report(connection: Connection, number: int) -> StoredReport | None:
    """Return one report by its number."""
    return _one(connection, "id = %s", [number])


def read_report_before(connection: Connection, line: str, from_us: int) -> StoredReport | None:
    """Return the report of the last shift of a line that began before a time."""
    return _one(connection, "line = %s AND from_time < %s ORDER BY from_time DESC LIMIT 1", [line, moment(from_us)])


def read_unwritten(connection: Connection, most: int = 20) -> list[StoredReport]:
    """Return reports that no folder holds yet, the oldest first."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM shift_report WHERE written_time IS NULL ORDER BY id LIMIT %s",  # noqa: S608 - names of columns
            [most],
        ).fetchall()
    return [_report(row) for row in rows]


def note_written(connection: Connection, number: int, now_us: int) -> None:
    """Note that a report stands in the folder."""
    with translate_errors():
        connection.execute("UPDATE shift_report SET written_time = %s WHERE id = %s", [moment(now_us), number])


def add_note(connection: Connection, line: str, time_us: int, actor: str, text: str) -> int:
    """Keep a note within the caller's transaction and return its number."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_MOST_LETTERS]
    with translate_errors():
        row = connection.execute(
            "INSERT INTO shift_note (line, time, actor, text) VALUES (%s, %s, %s, %s) RETURNING id", [line, moment(time_us), actor, clean]
        ).fetchone()
    assert row is not None  # noqa: S101 - it returns one
    return int(row[0])


def read_notes(connection: Connection, line: str, from_us: int, to_us: int) -> list[ShiftNote]:
    """Return the notes of a line in a span, in the order in which they were written."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id, line, time, actor, text FROM shift_note WHERE line = %s AND time >= %s AND time < %s ORDER BY time, id",
            [line, moment(from_us), moment(to_us)],
        ).fetchall()
    return [ShiftNote(number, place, micros(time), actor, text) for number, place, time, actor, text in rows]


def _one(connection: Connection, where: str, given: Sequence[Any]) -> StoredReport | None:
    with translate_errors():
        row = connection.execute(f"SELECT {_COLUMNS} FROM shift_report WHERE {where}".encode(), given).fetchone()  # noqa: S608 - ours
    return None if row is None else _report(row)


def _report(row: Sequence[Any]) -> StoredReport:
    number, line, shift, day, team, begin, end, made, content, written = row
    return StoredReport(
        *(number, line, shift, day, team, micros(begin), micros(end), micros(made), content), None if written is None else micros(written)
    )
