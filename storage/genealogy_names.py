"""Serials, lots and orders by a piece of their name.

Serials that equipment told stand many times in large tables: upkeep gathers each once, so that a search reads short rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from storage.database import Connection, translate_errors

_AT_ONCE: Final = 200_000
_AGAIN: Final = 2000
"""So many rows before the mark are read again: a transaction may be seen after a later one."""
_AGAIN_US: Final = 600_000_000
_SOURCES: Final = ("tightening", "inspection", "joint_record")
_GATHER: Final = """
WITH new AS (SELECT id, part FROM {table} WHERE id > %(mark)s ORDER BY id LIMIT %(most)s),
    kept AS (INSERT INTO genealogy_name (name) SELECT DISTINCT part FROM new WHERE part <> '' ORDER BY part ON CONFLICT DO NOTHING)
SELECT max(id), count(*) FROM new
"""
_GATHER_STATES: Final = """
WITH new AS (
    SELECT n.part, n.from_time FROM equipment e CROSS JOIN LATERAL (
        SELECT s.part, s.from_time FROM state_interval s WHERE s.equipment_id = e.id AND s.from_time > to_timestamp(%(mark)s / 1e6)
        ORDER BY s.from_time LIMIT %(most)s) n),
    kept AS (INSERT INTO genealogy_name (name) SELECT DISTINCT part FROM new WHERE part <> '' ORDER BY part ON CONFLICT DO NOTHING)
SELECT (extract(epoch FROM max(from_time)) * 1e6)::bigint, count(*) FROM new
"""
_MARK: Final = "INSERT INTO genealogy_mark (source, mark) VALUES (%s, %s) ON CONFLICT (source) DO UPDATE SET mark = excluded.mark"
# Each table gives so many at most: where more fit than anybody reads, the search need not go on. What was told just now and is not gathered
# yet is found by its whole name, and so is what stands behind those. Collation C costs a fraction: only A to Z are as a to z.
_HOLDS: Final = 'strpos(lower({column} COLLATE "C"), %(wanted)s) > 0 LIMIT 500'
_SEARCH: Final = """
SELECT kind, name FROM (
    (SELECT 'serial' AS kind, n.name FROM genealogy_name n WHERE {n.name})
    UNION (SELECT i.kind, i.name FROM genealogy_item i WHERE {i.name})
    UNION (SELECT 'heat', i.heat FROM genealogy_item i WHERE i.heat <> '' AND {i.heat})
    UNION (SELECT 'serial', j.serial FROM job_order j WHERE {j.serial})
    UNION (SELECT 'job', j.name FROM job_order j WHERE {j.name})
    UNION (SELECT 'order', o.number FROM customer_order o WHERE {o.number})
    UNION (SELECT 'lot', s.name FROM stock_sheet s WHERE {s.name})
    UNION (SELECT w.kind, w.word FROM (SELECT h.word, CASE
            WHEN EXISTS (SELECT FROM operation_history o WHERE o.serial_id = h.id) THEN 'serial'
            WHEN EXISTS (SELECT FROM operation_history o WHERE o.order_id = h.id AND o.serial_id IS NOT NULL) THEN 'job' END AS kind
        FROM history_word h WHERE {h.word}) w WHERE w.kind IS NOT NULL)
    UNION (SELECT i.kind, i.name FROM genealogy_item i WHERE i.name = %(given)s)
    UNION (SELECT 'serial', j.serial FROM job_order j WHERE j.serial = %(given)s)
    UNION (SELECT 'serial', %(given)s WHERE EXISTS (SELECT FROM tightening WHERE part = %(given)s)
        OR EXISTS (SELECT FROM inspection WHERE part = %(given)s) OR EXISTS (SELECT FROM state_interval WHERE part = %(given)s)
        OR EXISTS (SELECT FROM genealogy_name WHERE name = %(given)s))
) found
ORDER BY lower(name) <> %(wanted)s, strpos(lower(name), %(wanted)s) <> 1, name, kind LIMIT %(most)s
"""
_COLUMNS: Final = ("n.name", "i.name", "i.heat", "j.serial", "j.name", "o.number", "s.name", "h.word")


@dataclass(frozen=True, slots=True)
class FoundName:
    """A name that holds what was searched."""

    kind: str
    """serial, lot, sublot, heat, order or job."""
    name: str


def gather_names(connection: Connection, at_once: int = _AT_ONCE) -> int:
    """Take up the serials of what was stored since the last call, at most so many rows of each table; return how many rows were read."""
    read = 0
    with translate_errors():
        marks = dict(connection.execute("SELECT source, mark FROM genealogy_mark").fetchall())
        for table, query, again in (*((name, _GATHER, _AGAIN) for name in _SOURCES), ("state_interval", _GATHER_STATES, _AGAIN_US)):
            with connection.transaction():
                given = {"mark": max(0, marks.get(table, 0) - again), "most": at_once + again}
                row = connection.execute(query.format(table=table), given).fetchone()
                if row is not None and row[0] is not None:
                    connection.execute(_MARK, [table, max(row[0], marks.get(table, 0))])
                    read += row[1]
    return read


def search_names(connection: Connection, wanted: str, most: int = 50) -> list[FoundName]:
    """Return serials, lots, heats, orders and job orders whose name holds ``wanted``, whatever its case; the likeliest first."""
    given = wanted.strip()
    if not given:
        return []
    with translate_errors():
        query = functools.reduce(lambda text, column: text.replace(f"{{{column}}}", _HOLDS.format(column=column)), _COLUMNS, _SEARCH)
        rows = connection.execute(query, {"wanted": given.lower(), "given": given, "most": max(1, min(most, 1000))}).fetchall()
    return [FoundName(kind, name) for kind, name in rows]
