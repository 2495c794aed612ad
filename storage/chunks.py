"""The chunks of TimescaleDB as the pieces of a tier: read, measured and dropped as partitions are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from storage.database import Connection, micros, moment
from storage.partitions import RAW, SECOND_US, Partition, Tier, TierTable, kept_from

_HYPERTABLE = """
WITH h AS (
    SELECT hypertable_schema AS s, hypertable_name AS n FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s
    UNION ALL
    SELECT materialization_hypertable_schema, materialization_hypertable_name FROM timescaledb_information.continuous_aggregates
    WHERE view_schema = current_schema() AND view_name = %(table)s
)
"""
_CHUNKS = (
    _HYPERTABLE
    + """
SELECT c.range_start, c.range_end, format('%%I.%%I', c.chunk_schema, c.chunk_name)
FROM timescaledb_information.chunks c JOIN h ON c.hypertable_schema = h.s AND c.hypertable_name = h.n
"""
)
_READ = _CHUNKS + "ORDER BY 1"
_OPEN = _CHUNKS + "WHERE NOT c.is_compressed AND c.range_end <= %(before)s ORDER BY 1"
_SIZES = """
WITH h AS (
    SELECT format('%%I.%%I', current_schema(), hypertable_name)::regclass AS n FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s
    UNION ALL
    SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
    FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema() AND view_name = %(table)s
)
SELECT format('%%I.%%I', d.chunk_schema, d.chunk_name), d.total_bytes::bigint FROM h, chunks_detailed_size(h.n) d
"""


def read(connection: Connection, table: TierTable) -> list[Partition]:
    """Return the chunks of a tier, oldest first."""
    rows = connection.execute(_READ, {"table": table.table}).fetchall()
    return [Partition(micros(a), micros(b), name) for a, b, name in rows]


def sizes(connection: Connection, table: TierTable, parts: Sequence[Partition]) -> list[int]:
    """Return the bytes of each of the given chunks with its indexes and its columnstore."""
    known = dict(connection.execute(_SIZES, {"table": table.table}).fetchall())
    return [known.get(part.name) or 0 for part in parts]


def drop(connection: Connection, table: TierTable, part: Partition) -> None:
    """Drop one chunk and all older ones; the rollups above keep what they hold."""
    connection.execute("SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)", [table.table, moment(part.to_us)])


def unlaid(connection: Connection, table: TierTable, before_us: int) -> list[Partition]:
    """Return the chunks that ended before a time and are not in the columnstore yet, oldest first."""
    rows = connection.execute(_OPEN, {"table": table.table, "before": moment(before_us)}).fetchall()
    return [Partition(micros(a), micros(b), name) for a, b, name in rows]


def lay(connection: Connection, table: TierTable, part: Partition) -> bool:  # noqa: ARG001
    """Pack one chunk, signal by signal, and join it to the one before as far as its tier has it; late samples still find their place.

    False, and nothing is done, where somebody uses one of them for longer than two seconds.
    """
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '2s'")
            connection.execute("SELECT compress_chunk(%s::regclass, if_not_compressed => true)", [part.name])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


_WIDTHS_US: dict[Tier, tuple[int, ...]] = {
    "raw": (600 * SECOND_US, 3600 * SECOND_US),
    "1s": (3600 * SECOND_US, 36_000 * SECOND_US),
}
"""Narrow first; minutes and hours are few enough for one width, and joined to wider chunks once they are laid."""
_LARGEST_BYTES = 2_000_000_000
"""Of a chunk where there is no budget: each refresh of the rollups looks through the newest one."""
_WIDTH = (
    _HYPERTABLE
    + """
SELECT (extract(epoch FROM d.time_interval) * 1000000)::int8 FROM timescaledb_information.dimensions d
JOIN h ON d.hypertable_schema = h.s AND d.hypertable_name = h.n
"""
)


def fit_width(connection: Connection, table: TierTable, now_us: int, largest_bytes: float | None) -> int:
    """Make chunks from now on as wide as they may be to stay below a size, by the rate of the newest ones; return the width.

    Of samples and of rollups of a second; of these the rate is that of chunks that are not packed yet.
    """
    row = connection.execute(_WIDTH, {"table": table.table}).fetchone()
    widths = _WIDTHS_US[table.tier]
    width = widths[-1] if row is None else int(row[0])
    found = read(connection, table) if table is RAW else unlaid(connection, table, now_us + width)
    recent = [part for part in found if part.from_us <= now_us][-3:]
    if not recent:
        return width
    rate = sum(sizes(connection, table, recent)) / max(60 * SECOND_US, min(now_us, recent[-1].to_us) - recent[0].from_us)
    limit = min(_LARGEST_BYTES, largest_bytes or _LARGEST_BYTES)
    fitting = [wide for wide in widths if rate * wide <= limit]
    wanted = fitting[-1] if fitting else widths[0]
    if wanted != width:
        connection.execute("SELECT set_chunk_time_interval(%s::regclass, %s * interval '1 microsecond')", [table.table, wanted])
    return wanted


_SOURCES: dict[str, Tier] = {"rollup_1s": "raw", "rollup_1m": "1s", "rollup_1h": "1m"}
_LEAST_OFFSET_SECONDS = {"rollup_1s": 10, "rollup_1m": 300, "rollup_1h": 18_000}
"""A policy must span at least two buckets behind its end."""
_JOBS = """
SELECT j.job_id, c.view_name FROM timescaledb_information.jobs j JOIN timescaledb_information.continuous_aggregates c
    ON (j.hypertable_schema, j.hypertable_name) IN
        ((c.view_schema, c.view_name), (c.materialization_hypertable_schema, c.materialization_hypertable_name))
WHERE c.view_schema = current_schema() AND j.proc_name = 'policy_refresh_continuous_aggregate'
"""


def protect_rollups(connection: Connection) -> None:
    """Have no rollup refreshed from further back than the tier below is kept.

    Dropping a chunk marks its span as changed, and a refresh of that span would empty the rollups too. To be called before chunks
    are dropped, and now and then after, for the bound is told as an age.
    """
    kept = kept_from(connection)
    for job, view in connection.execute(_JOBS).fetchall():
        connection.execute(
            "SELECT alter_job(%(job)s, config => config || jsonb_build_object('start_offset', format('%%s seconds', greatest(%(least)s, "
            "floor(extract(epoch FROM now() - %(kept)s)))::bigint))) FROM timescaledb_information.jobs WHERE job_id = %(job)s",
            {"job": job, "least": _LEAST_OFFSET_SECONDS[view], "kept": moment(kept[_SOURCES[view]])},
        )
