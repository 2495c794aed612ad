"""Range partitions by time, where there is no TimescaleDB to make chunks: which exist, which are missing, how wide.

Bounds are told by the name: ``sample_20261122_1100_600`` begins at 11:00 UTC and is 600 s wide. Every width of a table
divides the next, so a missing stretch can always be filled without touching what exists.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import psycopg
from psycopg import sql

from storage.database import Connection, micros, moment

Tier: TypeAlias = Literal["raw", "1s", "1m", "1h"]

SECOND_US = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * SECOND_US, 3600 * SECOND_US, 86_400 * SECOND_US
_LOCK = 5_347_610_230


@dataclass(frozen=True, slots=True)
class TierTable:
    """The table of one tier, and how wide its partitions may be, narrow first."""

    tier: Tier
    table: str
    column: str
    widths_us: tuple[int, ...]


TIERS: tuple[TierTable, ...] = (
    TierTable("raw", "sample", "time", (10 * _MINUTE, _HOUR, _DAY)),
    TierTable("1s", "rollup_1s", "bucket", (_HOUR, 6 * _HOUR, _DAY)),
    TierTable("1m", "rollup_1m", "bucket", (_DAY, 10 * _DAY)),
    TierTable("1h", "rollup_1h", "bucket", (100 * _DAY,)),
)
RAW, ONE_SECOND, ONE_MINUTE, ONE_HOUR = TIERS


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition: [from_us, to_us)."""

    from_us: int
    to_us: int
    name: str


def read(connection: Connection, table: TierTable) -> list[Partition]:
    """Return the partitions of a table, oldest first."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(%s)", [table.table]
    ).fetchall()
    return sorted(_of_name(name) for (name,) in rows)


def sizes(connection: Connection, table: TierTable, parts: Sequence[Partition]) -> list[int]:  # noqa: ARG001
    """Return the bytes of each of the given partitions with its indexes."""
    rows = connection.execute(
        "SELECT coalesce(pg_total_relation_size(to_regclass(n)), 0) FROM unnest(%s::text[]) WITH ORDINALITY AS t (n, i) ORDER BY i",
        [[part.name for part in parts]],
    ).fetchall()
    return [size for (size,) in rows]


def kept_from(connection: Connection) -> dict[Tier, int]:
    """Return, for each tier, the time from which on it is kept, microseconds since 1970."""
    rows = connection.execute("SELECT tier, greatest(kept_from, now() - keep) FROM tier_state").fetchall()
    return {tier: micros(time) for tier, time in rows}


def uncovered(partitions: Sequence[Partition], cells_us: Iterable[int]) -> list[int]:
    """Return the times that no partition takes; ``partitions`` oldest first."""
    starts = [p.from_us for p in partitions]
    missing = []
    for cell in cells_us:
        at = bisect.bisect_right(starts, cell) - 1
        if at < 0 or cell >= partitions[at].to_us:
            missing.append(cell)
    return missing


def make_partitions(connection: Connection, table: TierTable, cells_us: Iterable[int], width_us: int | None = None) -> list[Partition]:
    """Make what is missing for each of the given times, at most ``width_us`` wide, and return all partitions.

    Attached, not created in place: that lets readers and writers of the table go on.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = read(connection, table)
        for cell in sorted(cells_us):
            if not uncovered(known, [cell]):
                continue
            fresh = _fitting(known, table, cell, width_us or table.widths_us[0])
            # with the owner's rights: a gateway may add samples, and no table
            connection.execute(
                "SELECT make_partition(%s, %s, %s, %s)", [table.table, fresh.name, moment(fresh.from_us), moment(fresh.to_us)]
            )
            bisect.insort(known, fresh)
    return known


def drop(connection: Connection, table: TierTable, part: Partition) -> None:  # noqa: ARG001
    """Drop one partition; gives up (LockNotAvailable) rather than making others wait behind a long reader."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part.name)))


def unlaid(connection: Connection, table: TierTable, before_us: int) -> list[Partition]:
    """Return the partitions that ended before a time and do not lie in the order of their key yet, oldest first."""
    rows = connection.execute(_UNLAID, [table.table]).fetchall()
    return sorted(part for part in (_of_name(name) for (name,) in rows) if part.to_us <= before_us)


def lay(connection: Connection, table: TierTable, part: Partition) -> bool:
    """Write one partition of rollups anew, signal by signal, as charts read it: in a hundredth of the pages.

    Who reads goes on meanwhile and waits only while the two change places. False, and nothing is done, where somebody reads
    just then for longer than two seconds.
    """
    old, new = sql.Identifier(part.name), sql.Identifier(f"{part.name}_laid")
    whole: dict[str, sql.Composable] = {"old": old, "new": new, "all": sql.Identifier(table.table), "column": sql.Identifier(table.column)}
    whole |= {"from": sql.Literal(moment(part.from_us)), "to": sql.Literal(moment(part.to_us)), "key": sql.Identifier(f"{part.name}_pkey")}
    whole["new_key"] = sql.Identifier(f"{part.name}_laid_pkey")
    try:
        with connection.transaction():
            for statement in _LAY:
                connection.execute(sql.SQL(statement).format(**whole))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


_UNLAID = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s) AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisclustered)
"""
# The mark that CLUSTER leaves says that it is done. A check of the bounds spares attaching a look at each row.
_LAY: Final = (
    "SET LOCAL lock_timeout = '2s'",
    "SET LOCAL work_mem = '128MB'",
    "SET LOCAL maintenance_work_mem = '128MB'",
    "LOCK TABLE {old} IN SHARE MODE",
    "CREATE TABLE {new} (LIKE {all} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "INSERT INTO {new} SELECT * FROM {old} ORDER BY signal_id, {column}",
    "ALTER TABLE {new} ADD CONSTRAINT {new_key} PRIMARY KEY (signal_id, {column})",
    "ALTER TABLE {new} CLUSTER ON {new_key}",
    "ALTER TABLE {new} ADD CHECK ({column} >= {from} AND {column} < {to})",
    "ANALYZE {new}",
    "ALTER TABLE {all} DETACH PARTITION {old}",
    "DROP TABLE {old}",
    "ALTER TABLE {new} RENAME TO {old}",
    "ALTER INDEX {new_key} RENAME TO {key}",
    "ALTER TABLE {all} ATTACH PARTITION {old} FOR VALUES FROM ({from}) TO ({to})",
)


def _fitting(known: Sequence[Partition], table: TierTable, cell_us: int, widest_us: int) -> Partition:
    for width in sorted((w for w in table.widths_us if w <= widest_us), reverse=True) or table.widths_us[:1]:
        from_us = cell_us - cell_us % width
        if not any(p.from_us < from_us + width and from_us < p.to_us for p in known):
            break
    return Partition(from_us, from_us + width, f"{table.table}_{moment(from_us):%Y%m%d_%H%M}_{width // SECOND_US}")


def _of_name(name: str) -> Partition:
    day, minute, width = name.rsplit("_", 3)[1:]
    from_us = micros(datetime.strptime(day + minute, "%Y%m%d%H%M").replace(tzinfo=UTC))
    return Partition(from_us, from_us + int(width) * SECOND_US, name)
