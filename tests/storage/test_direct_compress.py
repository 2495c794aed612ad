"""On TimescaleDB a deep shipment goes straight into the columnstore, and nothing of it can be told from rows; others stay rows."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from plant.errors import Rejected
from plant.samples import FLAG_RETAINED, SampleBatch, concatenate
from plant.shipment import Shipment
from plant.signals import SignalPath
from storage.catalogue import register_site
from storage.database import Connection, timescale_version
from storage.samples import SampleWriter, best_batch
from storage.windows import read_texts, read_window
from tests.storage.conftest import Database
from tests.storage.small_plant import MINUTE, PATHS, SECOND, an_hour_ago, number_of, samples_of, small_site
from tests.storage.test_rollups import WIDTHS, expected, rows_of

CURRENT, VOLTAGE, SPEED, PROGRAM = PATHS
DEEP = 40


def writer_of(connection: Connection) -> SampleWriter:
    register_site(connection, small_site())
    return SampleWriter(connection, direct_compress=True)


def rows_outside_columnstore(connection: Connection) -> int:
    """The rows of samples less those that the compressed chunks tell to hold."""
    compressed = connection.execute(
        "SELECT format('%I.%I', d.schema_name, d.table_name) FROM _timescaledb_catalog.chunk c "
        "JOIN _timescaledb_catalog.chunk d ON d.id = c.compressed_chunk_id "
        "WHERE format('%I.%I', c.schema_name, c.table_name)::regclass IN (SELECT show_chunks('sample'))"
    ).fetchall()
    count = connection.execute("SELECT count(*) FROM sample").fetchone()
    held = [connection.execute(f"SELECT coalesce(sum(_ts_meta_count), 0)::int8 FROM {name}").fetchone() for (name,) in compressed]  # noqa: S608
    return int(sum(row[0] for row in [count] if row) - sum(row[0] for row in held if row))


def all_rows(connection: Connection) -> list[tuple[object, ...]]:
    rows = connection.cursor(binary=True).execute(
        "SELECT signal_id, time, server_time, received_time, value, status, flags, text FROM sample ORDER BY signal_id, time"
    )
    return [tuple(np.float64(x).tobytes() if isinstance(x, float) else x for x in row) for row in rows.fetchall()]


def mixed(start: int) -> SampleBatch:
    """Deep and shallow signals, numbers, texts, absent values, bad ones and hard ones."""
    deep = start + np.arange(DEEP) * 30_000
    numbers = np.linspace(-1e300, 1e300, DEEP, dtype=np.float64)
    numbers[:5] = [np.nan, np.inf, -np.inf, -0.0, 5e-324]
    holes: list[float | None] = [None if n % 3 == 0 else n / 7 for n in range(3 * DEEP)]
    bad = [0x80000000 if v is None else 0 for v in holes]
    return concatenate(
        [
            samples_of(CURRENT, deep, numbers, flags=FLAG_RETAINED),
            samples_of(VOLTAGE, start + np.arange(3 * DEEP) * 10_000, holes, status=bad, has_server_time=False),
            samples_of(SPEED, [start + 1, start], [2.0, 1.0]),
            samples_of(PROGRAM, deep, [None] * DEEP, text=["weld", "焊接", "", "a" * 1000] * (DEEP // 4)),
        ]
    )


def test_a_deep_shipment_lies_in_the_columnstore_and_a_shallow_signal_beside_it(timescale: Database) -> None:
    start = an_hour_ago()
    with timescale.connect() as connection:
        writer = writer_of(connection)
        assert writer.ship(Shipment(uuid4(), 1, 1, mixed(start)))
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (5 * DEEP + 2,)
        # Where TimescaleDB has rollups and is older than 2.26 it makes rows of all: then the writer does not even ask for more.
        directly = (timescale_version(connection) or (0, 0)) >= (2, 26)
        assert rows_outside_columnstore(connection) == (2 if directly else 5 * DEEP + 2)
        writer.ship(Shipment(uuid4(), 1, 1, samples_of(SPEED, start + np.arange(14), np.arange(14.0))))
        assert rows_outside_columnstore(connection) == (16 if directly else 5 * DEEP + 16)


def test_samples_out_of_the_columnstore_equal_those_out_of_rows_bit_for_bit(timescale: Database) -> None:
    start = an_hour_ago()
    with timescale.connect() as connection:
        writer_of(connection).ship(Shipment(uuid4(), 1, 1, mixed(start)))
        direct, latest = all_rows(connection), connection.execute("SELECT * FROM latest ORDER BY 1").fetchall()
        connection.execute("TRUNCATE sample")
        connection.execute("TRUNCATE latest")
        SampleWriter(connection, direct_compress=False).ship(Shipment(uuid4(), 1, 1, mixed(start)))
        assert rows_outside_columnstore(connection) == len(direct)
        assert all_rows(connection) == direct
        assert connection.execute("SELECT * FROM latest ORDER BY 1").fetchall() == latest


def test_late_and_repeated_shipments_into_compressed_chunks_are_exact(timescale: Database) -> None:
    start, spool = an_hour_ago(), uuid4()
    steps = np.arange(300)
    first = samples_of(CURRENT, start + steps * 100_000, steps.astype(float))
    # between the first ones, deep enough to be compressed too, and overlapping them in time
    late = samples_of(CURRENT, start + 50_000 + steps[:150] * 100_000, steps[:150].astype(np.float64) + 0.5)
    single = samples_of(CURRENT, [start + 60_000, start + 29 * SECOND], [0.6, 290.5])
    with timescale.connect() as connection:
        writer = writer_of(connection)
        assert writer.ship(Shipment(spool, 1, 1, first))
        connection.execute("SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('sample') c")
        assert writer.ship(Shipment(spool, 2, 2, late))
        assert writer.ship(Shipment(spool, 3, 3, single))
        for n, batch in enumerate((first, late, single), 1):
            assert not writer.ship(Shipment(spool, n, n, batch))
            assert not SampleWriter(connection, direct_compress=False).ship(Shipment(spool, n, n, batch))
        times = np.sort(np.concatenate([first.time_us, late.time_us, single.time_us]))
        for again in (False, True):
            rows = connection.execute("SELECT (extract(epoch FROM time) * 1000000)::int8 FROM sample ORDER BY time").fetchall()
            assert [t for (t,) in rows] == times.tolist()
            newest = connection.execute("SELECT value FROM sample WHERE signal_id = 1 ORDER BY time DESC LIMIT 3").fetchall()
            assert newest == [(299.0,), (298.0,), (297.0,)]
            oldest = connection.execute("SELECT value FROM sample WHERE signal_id = 1 ORDER BY time LIMIT 4").fetchall()
            assert oldest == [(0.0,), (0.5,), (0.6,), (1.0,)]
            number = number_of(connection, CURRENT)
            window = read_window(connection, [number], start, start + MINUTE, 100_000)[number]
            assert window.time_us.tolist() == times.tolist()
            if not again:
                connection.execute("SELECT compress_chunk(c) FROM show_chunks('sample') c")
                assert rows_outside_columnstore(connection) == 0


def test_rollups_of_compressed_and_late_samples_equal_their_samples(timescale: Database) -> None:
    start = an_hour_ago()
    rng = np.random.default_rng(3)
    times, values = start + np.arange(3000, dtype=np.int64) * 97_000, rng.normal(0, 9, 3000)
    with timescale.connect() as connection:
        writer = writer_of(connection)
        spool, order = uuid4(), rng.permutation(10)
        for n, part in enumerate(order, 1):
            writer.ship(Shipment(spool, n, n, samples_of(CURRENT, times[part * 300 :][:300], values[part * 300 :][:300])))
            timescale.settle()
        for tier, width in WIDTHS.items():
            assert rows_of(connection, tier) == expected(times, values, width), tier


def test_a_refused_shipment_leaves_nothing_in_the_columnstore(timescale: Database) -> None:
    start, spool = an_hour_ago(), uuid4()
    batch = samples_of(CURRENT, start + np.arange(DEEP), np.arange(float(DEEP)))
    with timescale.connect() as connection:
        writer = writer_of(connection)
        writer.ship(Shipment(spool, 1, 4, batch))
        with pytest.raises(Rejected, match="continue from 5"):
            writer.ship(Shipment(spool, 4, 6, batch))
        too_long = concatenate([batch, samples_of(PROGRAM, [start], [None], text=["a\0b"])])
        with pytest.raises(Rejected, match="NUL"):
            writer.ship(Shipment(spool, 5, 6, too_long))
        with pytest.raises(Rejected, match="not registered"):
            writer.ship(Shipment(spool, 5, 6, samples_of(SignalPath("a/b/c/d/e/f"), batch.time_us, batch.value)))
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (DEEP,)


def test_texts_are_read_from_the_columnstore(timescale: Database) -> None:
    start = an_hour_ago()
    with timescale.connect() as connection:
        writer_of(connection).ship(Shipment(uuid4(), 1, 1, mixed(start)))
        texts = read_texts(connection, number_of(connection, PROGRAM), start, start + MINUTE, 3)
    assert texts.text == ("焊接", "", "a" * 1000)


def test_the_best_batch_grows_with_the_signals_where_depth_pays(database: Database) -> None:
    with database.connect() as connection:
        small, large = best_batch(connection, 100), best_batch(connection, 10_000)
        direct = (timescale_version(connection) or (0, 0)) >= (2, 26)
    assert small >= 200_000
    assert large == 660_000 if direct else large == small


def test_samples_with_and_without_a_value_keep_their_order_in_the_columnstore(timescale: Database) -> None:
    start, steps = an_hour_ago(), np.arange(200)
    values = [None if 50 <= n < 150 else float(n) for n in range(200)]
    with timescale.connect() as connection:
        writer_of(connection).ship(Shipment(uuid4(), 1, 1, samples_of(CURRENT, start + steps * 1000, values)))
        rows = connection.execute("SELECT value FROM sample WHERE signal_id = 1 ORDER BY time").fetchall()
        newest = connection.execute("SELECT value FROM sample WHERE signal_id = 1 ORDER BY time DESC LIMIT 60").fetchall()
    assert [v for (v,) in rows] == values
    assert [v for (v,) in newest] == values[:-61:-1]
