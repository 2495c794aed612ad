"""A plant of many signals with a month of history in a real database, made once and kept: 500 work units, rollups, alarms, a journal.

The rows of a minute and an hour are what samples each 30 ms of 12-bit converters on slow curves would have become. Days that are over
lie signal by signal, as upkeep lays them (``storage/laying.py``); the day that runs, and all of the hours, bucket by bucket.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg

from plant.alarms import AlarmDefinition, AlarmId, AlarmKind, Priority
from plant.clock import SystemClock
from plant.site import load_site
from storage import chunks, people
from storage.alarms import register_alarms
from storage.catalogue import read_catalogue, register_site
from storage.copy_rows import HEADER, TRAILER
from storage.database import PG_EPOCH_US, Connection, connect, moment
from storage.migrations import migrate
from storage.partitions import ONE_HOUR, ONE_MINUTE, ONE_SECOND, TierTable, make_partitions
from storage.postgres import EmbeddedPostgres
from tests.databases import database_of

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
UNITS: Final = 500
JOURNAL_ROWS: Final = 100_000
SECONDS_OF_SECONDS: Final = 1200
"""How far back rollups of a second reach."""
PLAIN_BYTES_A_ROW: Final = 132
_DATABASE: Final = "leadhand_ten_thousand"
_ROW: Final = np.dtype(
    [("fields", ">i2")]
    + [
        part
        for name, kind in (
            *(("bucket", ">i8"), ("signal", ">i4"), ("count", ">i8"), ("good", ">i8")),
            *((name, ">f8") for name in ("min", "max", "mean", "first", "last")),
        )
        for part in ((f"{name}_size", ">i4"), (name, kind))
    ]
)
_SITE: Final = """
[site]
enterprise = "bench"
id = "ten-thousand"

[[equipment]]
path = "area-{{1..5}}/line-{{1..4}}/unit-{{1..25}}"

[[sources]]
protocol = "opcua"
id = "plant"
url = "opc.tcp://127.0.0.1:4840"
security = {{ policy = "None", mode = "None" }}
allow_insecure = true
interval_ms = 1000

[[signals]]
equipment = "*/*/*"
name = "s{{1..{per_unit}}}"
source = "plant"
address = "nsu=urn:b;s={{equipment}}.{{signal}}"
range = {{ low = 0, high = 10 }}
limits = {{ low = 0.5, high = 9.5 }}
"""
_MATERIALIZED: Final = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = %s
"""
_WATERMARK: Final = """
UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = %s WHERE mat_hypertable_id =
    (SELECT mat_hypertable_id FROM _timescaledb_catalog.continuous_agg WHERE user_view_name = %s)
"""
_JOURNAL: Final = """
INSERT INTO alarm_journal (seq, alarm_id, time_us, decided_us, event, state_before, state_after, active, value, limit_value, who)
SELECT n, a.ids[1 + (n / 3 * 7919) %% cardinality(a.ids)], t, t + 40000,
    (ARRAY['inactive', 'active', 'acknowledge'])[1 + n %% 3], (ARRAY['acknowledged', 'normal', 'unacknowledged'])[1 + n %% 3],
    (ARRAY['normal', 'unacknowledged', 'acknowledged'])[1 + n %% 3], n %% 3 <> 0, 9.6, 9.5,
    CASE n %% 3 WHEN 2 THEN 'operator-' || n / 3 %% 8 ELSE '' END
FROM (SELECT array_agg(id ORDER BY id) AS ids FROM alarm) a, generate_series(1, %(rows)s) n,
    LATERAL (SELECT (%(from)s + (%(to)s - %(from)s) * n / %(rows)s)::bigint AS t) b
"""
_NOW: Final = """
INSERT INTO alarm_now (alarm_id, state, active, annunciation, since_us, active_since_us, value, limit_value, seq)
SELECT id, 'unacknowledged', true, 'unacknowledged', %(to)s - id * 1000000, %(to)s - id * 1000000, 9.6, 9.5, id
FROM alarm WHERE id %% 10 = 0
"""


@dataclass(frozen=True, slots=True)
class BigPlant:
    """The plant as it was made."""

    form: str
    """``plain`` or ``timescale``."""
    signals: int
    days: int
    minute_days: float
    """Of the days, those that rollups of a minute reach back: what the disk held."""
    minute_rows: int
    seed: int
    end_us: int
    """To the minute: where history ends."""
    seconds_made: float


@dataclass(frozen=True, slots=True)
class Lent:
    """A plant whose database is up."""

    plant: BigPlant
    url: str
    home: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what plant is wanted."""
    parser.add_argument(
        "--form", choices=("plain", "timescale"), default="plain", help="timescale: on the server of LEADHAND_TIMESCALE_URL"
    )
    parser.add_argument("--signals", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--leave-gb", type=float, default=25.0, help="of the disk, left to others: fewer days of minutes are made for it")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the plant: made there at first, used as it is from then on")
    parser.add_argument("--seed", type=int, default=1)


@contextlib.contextmanager
def lend(options: argparse.Namespace) -> Iterator[Lent]:
    """Lend the plant with its database up; without ``--keep`` it is removed afterwards."""
    with contextlib.ExitStack() as stack:
        kept: Path | None = options.keep
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadhand-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        note, home = folder / f"{options.form}.json", folder / "home"
        made = note.exists()
        server = contextlib.ExitStack()
        stack.push(server)
        if options.form == "plain":
            url = _plain_server(folder, server, made=made)
        else:
            url = _timescale_database(server, made=made, kept=kept is not None)
        if not made:
            plant = _make(url, home, folder, options)
            note.write_text(json.dumps(asdict(plant)), "ascii")
            if options.form == "plain":  # with the settings of production from now on
                server.close()
                url = _plain_server(folder, server, made=True)
        yield Lent(BigPlant(**json.loads(note.read_text("ascii"))), url, home)


def _plain_server(folder: Path, stack: contextlib.ExitStack, *, made: bool) -> str:
    quick = {"wal_level": "minimal", "max_wal_senders": "0", "maintenance_work_mem": "512MB", "autovacuum": "off", "max_wal_size": "4GB"}
    if not made:
        shutil.rmtree(folder / "pg", ignore_errors=True)  # one that was ended half-way
    server = EmbeddedPostgres(folder / "pg", clock=SystemClock(), settings={} if made else quick)
    stack.callback(server.stop)
    return server.start()


def _timescale_database(stack: contextlib.ExitStack, *, made: bool, kept: bool) -> str:
    server = os.environ.get("LEADHAND_TIMESCALE_URL")
    if not server:
        raise SystemExit("LEADHAND_TIMESCALE_URL names no TimescaleDB server on which databases may be made")

    def drop() -> None:
        with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")

    if not made:
        drop()
        with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE template0")
    if not kept:
        stack.callback(drop)
    return database_of(server, _DATABASE)


def _make(url: str, home: Path, folder: Path, options: argparse.Namespace) -> BigPlant:
    began = time.perf_counter()
    home.mkdir(exist_ok=True)
    (home / "site.toml").write_text(_SITE.format(per_unit=options.signals // UNITS), "utf-8")
    migrate(url)
    end_us = SystemClock().now_us() // MINUTE_US * MINUTE_US
    with connect(url, application="bench") as connection:
        register_site(connection, load_site(home / "site.toml"))
        people.ensure_first_admin(connection, SystemClock())
        _make_alarms(connection, options.days, end_us)
        make = _Plain(connection) if options.form == "plain" else _Timescale(connection)
        signals = np.array([s.id for s in read_catalogue(connection).signals], np.int32)
        free = shutil.disk_usage(folder).free - options.leave_gb * 1e9 - SECONDS_OF_SECONDS * len(signals) * PLAIN_BYTES_A_ROW
        fitting = free / PLAIN_BYTES_A_ROW / len(signals) * MINUTE_US if options.form == "plain" else options.days * DAY_US
        first_us = end_us - round(min(options.days * DAY_US, max(DAY_US, fitting // DAY_US * DAY_US)))
        minutes = _make_rows(make, signals, end_us - options.days * DAY_US, first_us, end_us, options.seed)
        make.finish(first_us, end_us)
    took = time.perf_counter() - began
    return BigPlant(options.form, len(signals), options.days, (end_us - first_us) / DAY_US, minutes, options.seed, end_us, took)


def _make_alarms(connection: Connection, days: int, end_us: int) -> None:
    signals = read_catalogue(connection).signals
    wanted = [
        AlarmDefinition(
            AlarmId(f"{s.path}/high"), s.path, AlarmKind.HIGH, 9.5, priority=Priority(1 + n % 4), message="too high", equipment=s.equipment
        )
        for n, s in enumerate(signals[:: max(1, len(signals) // 2000)])
    ]
    register_alarms(connection, "bench/ten-thousand", [(each, "") for each in wanted], end_us)
    values = {"rows": JOURNAL_ROWS, "from": end_us - days * DAY_US, "to": end_us}
    connection.execute(_JOURNAL, values)
    connection.execute(_NOW, values)
    connection.execute("VACUUM ANALYZE alarm_journal, alarm, alarm_now")


def _make_rows(make: _Plain | _Timescale, signals: npt.NDArray[np.int32], from_us: int, first_us: int, end_us: int, seed: int) -> int:
    """Make all tiers day by day; return how many rows of a minute."""
    minutes = 0
    hours_end = end_us - end_us % HOUR_US
    day = from_us - from_us % DAY_US
    while day < end_us:
        began = time.perf_counter()
        a, b = max(day, from_us), min(day + DAY_US, end_us)
        rows = _minutes(signals, a, b, np.random.default_rng([seed, day // DAY_US]))
        if a < (b := min(b, end_us)) and (whole := min(b, hours_end) - (ha := -(-a // HOUR_US) * HOUR_US)) > 0:
            make.add(ONE_HOUR, _hours(rows[:, (ha - a) // MINUTE_US : (ha - a + whole) // MINUTE_US]), over=False)
        if b > first_us:
            some = rows[:, max(0, first_us - a) // MINUTE_US :]
            make.add(ONE_MINUTE, some, over=b - day == DAY_US)
            minutes += some.size
        print(f"  {moment(day):%Y-%m-%d}: {minutes:,} rows of a minute, {time.perf_counter() - began:.0f} s", flush=True)
        day += DAY_US
    for start in range(end_us - SECONDS_OF_SECONDS * SECOND_US, end_us, MINUTE_US):
        make.add(ONE_SECOND, _minutes(signals, start, start + MINUTE_US, np.random.default_rng([seed, start]), SECOND_US), over=False)
    return minutes


def _minutes(
    signals: npt.NDArray[np.int32], from_us: int, to_us: int, rng: np.random.Generator, width_us: int = MINUTE_US
) -> npt.NDArray[Any]:
    """Return rows, shape (signals, buckets): a 12-bit converter on a slow curve."""
    bucket = np.arange(from_us, to_us, width_us, dtype=np.int64)
    table = np.empty((len(signals), len(bucket)), _ROW)
    table["fields"] = 9
    for name in _ROW.names or ():
        if name.endswith("_size"):
            table[name] = _ROW[name.removesuffix("_size")].itemsize
    table["bucket"], table["signal"] = bucket[None, :] - PG_EPOCH_US, signals[:, None]
    table["count"] = table["good"] = width_us // 30_000
    step = 10 / 4096
    for start in range(0, len(signals), 500):
        some = table[start : start + 500]
        slow = np.sin(bucket[None, :] / 9e9 + signals[start : start + 500, None])
        middle = np.round(2048 + 900 * slow + rng.normal(0, 2, some.shape))
        low, high = rng.integers(2, 8, some.shape, np.int8), rng.integers(2, 8, some.shape, np.int8)
        some["min"], some["max"] = (middle - low) * step, (middle + high) * step
        some["mean"] = (middle + rng.integers(-500, 500, some.shape, np.int16) / (width_us // 30_000)) * step
        some["first"], some["last"] = (middle - 1) * step, (middle + 1) * step
    return table


def _hours(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the hours of whole hours of minutes, exactly as rollups are made of the tier below."""
    parts = rows.reshape(rows.shape[0], -1, 60)
    made = parts[:, :, 0].copy()
    made["count"] = made["good"] = parts["count"].sum(axis=2)
    made["min"], made["max"] = parts["min"].min(axis=2), parts["max"].max(axis=2)
    made["mean"], made["last"] = parts["mean"].mean(axis=2), parts["last"][:, :, -1]
    return made


def _feed(cursor: psycopg.Cursor[Any], statement: str, rows: npt.NDArray[Any], *, by_signal: bool) -> None:
    ordered = rows if by_signal else rows.T
    with cursor.copy(statement) as copy:
        copy.write(HEADER)
        for line in range(0, len(ordered), 50):
            copy.write(np.ascontiguousarray(ordered[line : line + 50]).view(np.uint8).data.tobytes())
        copy.write(TRAILER)


class _Plain:
    """Writes rows into partitions: what is over is frozen and in the order of its key."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, table: TierTable, rows: npt.NDArray[Any], *, over: bool) -> None:
        start_us = int(rows["bucket"][0, 0]) + PG_EPOCH_US
        if not over:
            width = table.widths_us[-1] if table is not ONE_MINUTE else DAY_US
            make_partitions(self._connection, table, [start_us], width)
            with self._connection.cursor() as cursor:
                _feed(cursor, f"COPY {table.table} FROM STDIN (FORMAT binary)", rows, by_signal=False)
            return
        name = f"{table.table}_{moment(start_us - start_us % DAY_US):%Y%m%d}_0000_{DAY_US // SECOND_US}"
        bounds = [moment(start_us - start_us % DAY_US), moment(start_us - start_us % DAY_US + DAY_US)]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} (LIKE {table.table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            _feed(cursor, f"COPY {name} FROM STDIN (FORMAT binary, FREEZE)", rows, by_signal=True)
            cursor.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (signal_id, bucket)")
            cursor.execute(f"ALTER TABLE {name} CLUSTER ON {name}_pkey")
            cursor.execute(
                psycopg.sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    *(psycopg.sql.Identifier(table.table), psycopg.sql.Identifier(name)), *(psycopg.sql.Literal(b) for b in bounds)
                )
            )
            cursor.execute(f"ANALYZE {name}")

    def finish(self, first_us: int, end_us: int) -> None:
        _say_what_is_kept(self._connection, first_us, end_us)
        self._connection.execute("VACUUM ANALYZE rollup_1h, rollup_1s, signal, equipment, latest")
        self._connection.execute("CHECKPOINT")


class _Timescale:
    """Writes rows behind the continuous aggregates: what is over straight into the columnstore, as upkeep packs it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000")

    def add(self, table: TierTable, rows: npt.NDArray[Any], *, over: bool) -> None:
        row = self._connection.execute(_MATERIALIZED, [table.table]).fetchone()
        assert row is not None
        for setting in ("enable_direct_compress_copy", "enable_direct_compress_copy_client_sorted"):
            self._connection.execute(f"SET timescaledb.{setting} = {over}")
        with self._connection.cursor() as cursor:
            _feed(cursor, f"COPY {row[0]} FROM STDIN (FORMAT binary)", rows, by_signal=over)

    def finish(self, first_us: int, end_us: int) -> None:
        _say_what_is_kept(self._connection, first_us, end_us)
        for part in chunks.unlaid(self._connection, ONE_MINUTE, end_us - 2 * HOUR_US):
            chunks.lay(self._connection, ONE_MINUTE, part)
        for table, width in ((ONE_SECOND, SECOND_US), (ONE_MINUTE, MINUTE_US), (ONE_HOUR, HOUR_US)):
            self._connection.execute(_WATERMARK, [end_us - end_us % width, table.table])
        self._connection.execute("VACUUM ANALYZE")


def _say_what_is_kept(connection: Connection, first_us: int, end_us: int) -> None:
    kept = {"raw": end_us, "1s": end_us - SECONDS_OF_SECONDS * SECOND_US, "1m": first_us}
    for tier, time_us in kept.items():
        connection.execute("UPDATE tier_state SET kept_from = %s WHERE tier = %s", [moment(time_us), tier])
