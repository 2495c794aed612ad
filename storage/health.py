# ruff: noqa: S608  # the words put into SQL here are our own table and column names
"""How sources, processes and the storage itself are, as they last reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal, TypeAlias

from plant.errors import Rejected
from plant.signals import SourceId
from storage import chunks, partitions
from storage.database import Connection, is_timescale, micros, moment, translate_errors
from storage.partitions import TIERS, Partition, TierTable

_SOURCE_COLUMNS = (
    "state, detail, since_us, requested_us, granted_us, achieved_us, lateness_p50_us, lateness_p99_us, missed_ticks, last_sample_us, "
    "in_spool, spool_bytes, reconnects, insecure, complete, updated_us, real_time"
)
_PROCESS_COLUMNS = "name, state, pid, since_us, restarts, last_exit, updated_us"

_EDGE = """
SELECT {which}(x.t) FROM {{signals}} g CROSS JOIN LATERAL (
    SELECT {{column}} AS t FROM {{table}} s WHERE s.signal_id = g.id AND {{column}} >= %(from)s AND {{column}} < %(to)s
    ORDER BY {{column}} {order} LIMIT 1
) x
"""
_SOME_SIGNALS = """(
    SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS many FROM signal) q
    WHERE mod(n, greatest(1, many / 30)) = 0
)"""
_OLDEST, _NEWEST = _EDGE.format(which="min", order="ASC"), _EDGE.format(which="max", order="DESC")

SourceStateName: TypeAlias = Literal["connecting", "connected", "away", "refused", "stopped"]
ProcessStateName: TypeAlias = Literal["starting", "running", "backing_off", "stopped"]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How one source is, as its reader said last."""

    source: SourceId
    state: SourceStateName
    detail: str
    since_us: int
    requested_us: int | None
    granted_us: int | None
    achieved_us: int | None
    lateness_p50_us: int | None
    lateness_p99_us: int | None
    missed_ticks: int
    last_sample_us: int | None
    in_spool: int
    spool_bytes: int
    reconnects: int
    insecure: bool
    complete: bool
    updated_us: int
    real_time: bool | None = None
    """Whether the thread that reads goes before all others; False where the system does not permit it, None where it is not asked for."""


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """How one process is, as the one who watches it said last."""

    name: str
    state: ProcessStateName
    pid: int | None
    since_us: int
    restarts: int
    last_exit: int | None
    updated_us: int


@dataclass(frozen=True, slots=True)
class TierState:
    """What one tier (raw, 1s, 1m, 1h) keeps; times are None where it is empty."""

    tier: Literal["raw", "1s", "1m", "1h"]
    oldest_us: int | None
    newest_us: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StorageState:
    """How full the database is and what span it keeps."""

    database_bytes: int
    budget_bytes: int | None
    """None where no upkeep has told one yet."""
    tiers: tuple[TierState, ...]
    rollup_lag_us: int
    """For how long stored samples wait already to get into the rollups; 0 where the rollups hold all."""
    is_timescale: bool
    upkeep_us: int | None
    """When upkeep last ran to its end."""


def report_source(connection: Connection, report: SourceReport) -> None:
    """Keep a report in place of the source's last one. Raises Rejected for a source that is not registered."""
    name, state, detail, *rest = astuple(report)
    with translate_errors():
        done = connection.execute(
            f"INSERT INTO source_state (source_id, reported_at, {_SOURCE_COLUMNS}) "
            f"SELECT id, now(), {', '.join(['%s'] * 17)} FROM source WHERE name = %s "
            f"ON CONFLICT (source_id) DO UPDATE SET {_overwrite(f'reported_at, {_SOURCE_COLUMNS}')}",
            [state, detail.replace("\0", "\ufffd"), *rest, name],
        )
    if done.rowcount == 0:
        raise Rejected(f"there is no source '{name}' in the catalogue: register the site first")


def read_sources(connection: Connection) -> list[SourceReport]:
    """Return the last report of each source, by name."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT s.name, {', '.join(f't.{c}' for c in _SOURCE_COLUMNS.split(', '))} "
            "FROM source_state t JOIN source s ON s.id = t.source_id ORDER BY s.name"
        ).fetchall()
    return [SourceReport(*row) for row in rows]


def report_process(connection: Connection, report: ProcessReport) -> None:
    """Keep a report in place of the process's last one."""
    with translate_errors():
        connection.execute(
            f"INSERT INTO process_state ({_PROCESS_COLUMNS}) VALUES ({', '.join(['%s'] * 7)}) "
            f"ON CONFLICT (name) DO UPDATE SET {_overwrite(_PROCESS_COLUMNS)}",
            list(astuple(report)),
        )


def read_processes(connection: Connection) -> list[ProcessReport]:
    """Return the last report of each process, by name."""
    with translate_errors():
        rows = connection.execute(f"SELECT {_PROCESS_COLUMNS} FROM process_state ORDER BY name").fetchall()
    return [ProcessReport(*row) for row in rows]


def read_storage_state(connection: Connection) -> StorageState:
    """Return how full the database is and what span each tier keeps."""
    with translate_errors():
        timescale = is_timescale(connection)
        tiers = tuple(_tier_state(connection, table, timescale) for table in TIERS)
        row = connection.execute(
            "SELECT pg_database_size(current_database()), (SELECT budget_bytes FROM upkeep_state), (SELECT ran_us FROM upkeep_state)"
        ).fetchone()
        database_bytes, budget_bytes, ran_us = row or (0, None, None)
        lag_us = _rollup_lag_us(connection, timescale)
    return StorageState(database_bytes, budget_bytes, tiers, lag_us, timescale, ran_us)


def _tier_state(connection: Connection, table: TierTable, timescale: bool) -> TierState:
    keeper = chunks if timescale else partitions
    parts = keeper.read(connection, table)
    sizes = keeper.sizes(connection, table, parts)
    return TierState(table.tier, _edge(connection, table, parts, _OLDEST), _edge(connection, table, parts[::-1], _NEWEST), sum(sizes))


def _edge(connection: Connection, table: TierTable, parts: Sequence[Partition], query: str) -> int | None:
    """The oldest or newest time of thirty signals, of all where these have none: part by part and signal by signal, as the index leads."""
    for signals in (_SOME_SIGNALS, "signal"):
        for part in parts:
            statement = query.format(column=table.column, table=table.table, signals=signals)
            row = connection.execute(statement, {"from": moment(part.from_us), "to": moment(part.to_us)}).fetchone()
            if row is not None and row[0] is not None:
                return micros(row[0])
    return None


def _rollup_lag_us(connection: Connection, timescale: bool) -> int:
    """Real-time aggregates of TimescaleDB always hold all."""
    if timescale:
        return 0
    row = connection.execute(
        "SELECT (extract(epoch FROM now() - min(noted_at)) * 1000000)::int8 FROM rollup_due WHERE tier = '1s'"
    ).fetchone()
    return 0 if row is None or row[0] is None else max(0, int(row[0]))


def _overwrite(columns: str) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns.split(", "))
