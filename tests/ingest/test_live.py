from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ingest.files import SystemFiles
from ingest.live import Live, newest_of
from ingest.records import Record
from ingest.shipper import Shipper
from ingest.spool import Spool
from ingest.writer import SpoolWriter, Submission
from plant.clock import SystemClock
from plant.samples import FLAG_HISTORICAL
from plant.settings import IngestSettings
from plant.signals import SourceId, StoreRule
from plant.status import UNCERTAIN_LAST_USABLE_VALUE
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.health import SourceReport, SourceStateName, report_source
from storage.latest import LiveWriter, read_latest
from storage.leases import renew
from tests.ingest.parts import until
from tests.ingest.test_shipping import PATHS, SOURCE, record, site

CLOCK = SystemClock()


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        register_site(connection, site())
        yield connection


def now_record(age_seconds: float = 0) -> Record:
    return record(0, at_us=CLOCK.now_us() - round(age_seconds * 1e6))


def report(state: SourceStateName = "connected", updated_us: int | None = None) -> SourceReport:
    now = CLOCK.now_us() if updated_us is None else updated_us
    return SourceReport(
        SourceId("press"),
        state,
        "",
        now,
        None,
        None,
        None,
        None,
        None,
        0,
        now,
        0,
        0,
        0,
        insecure=True,
        complete=True,
        updated_us=now,
    )


class Way:
    """A gateway whose raw samples come each ``return_ms``."""

    def __init__(self, folder: Path, url: str, return_ms: float, early_bytes: int = 10**9) -> None:
        plant = replace(site(), ingest=IngestSettings(return_interval_ms=return_ms))
        self.spool = Spool(folder / "spool", SystemFiles(), new_id=uuid4)
        self.writer = SpoolWriter(self.spool, CLOCK, sync_seconds=0.05)
        self.writer.open()
        reach = lambda: connect(url, application="test shipper")  # noqa: E731 - two use it
        self.shipper = Shipper(
            self.spool, self.writer, reach, lambda: plant, folder / "q", CLOCK, seed=1, every_seconds=None, early_bytes=early_bytes
        )
        self.live = Live(reach, self.spool, lambda: self.shipper.behind, every_seconds=0.1)
        self.shipper.start()
        until(lambda: self.shipper.away is None, 20)
        self.live.start()

    def submit(self, one: Record) -> None:
        assert self.writer.submit(Submission(one))
        assert self.writer.settle(10)

    def stop(self) -> None:
        self.live.stop()
        self.shipper.stop(10)
        self.writer.close()


def rows_of(database: Connection) -> int:
    return int((database.execute("SELECT count(*) FROM sample").fetchone() or (0,))[0])


def newest_us(database: Connection) -> int:
    times = read_latest(database).time_us
    return int(times.max()) if len(times) else 0


def is_newest(database: Connection, one: Record) -> bool:
    return newest_us(database) == int(one.samples.time_us.max())


def test_newest_values_come_at_once_where_raw_samples_come_each_five_minutes(
    database: Connection, database_url: str, tmp_path: Path
) -> None:
    way = Way(tmp_path, database_url, 300_000)
    way.submit(now_record(60))
    for age in (5, 3, 0):
        one = now_record(age)
        way.submit(one)
        until(partial(is_newest, database, one), 10)
    assert len(read_latest(database).signal_id) == len(PATHS)
    assert rows_of(database) <= 2 * 15
    way.submit(now_record(50))
    way.stop()
    # all of it is shipped at the stop, and what is older overwrites no newer value
    assert rows_of(database) == 5 * 15
    assert is_newest(database, one)


def test_raw_samples_come_earlier_than_wanted_when_the_spool_fills(database: Connection, database_url: str, tmp_path: Path) -> None:
    way = Way(tmp_path, database_url, 3_600_000, early_bytes=10_000)
    for number in range(40):
        way.submit(record(number))
    until(lambda: rows_of(database) >= 30 * 15, 20)
    way.stop()
    assert rows_of(database) == 40 * 15


def test_nothing_travels_ahead_while_raw_samples_come_at_once(database: Connection, database_url: str, tmp_path: Path) -> None:
    way = Way(tmp_path, database_url, 1000)
    for number in range(5):
        way.submit(record(number))
    until(lambda: rows_of(database) == 5 * 15, 20)
    way.stop()
    assert way.live.written == 0


def test_a_gateway_that_lost_its_lease_sends_no_value_ahead(database: Connection) -> None:
    holder, other = uuid4(), uuid4()
    renew(database, holder, "holder", 1, {SOURCE}, CLOCK.now_us())
    newest = newest_of(now_record().samples)
    assert LiveWriter(database, other).write(newest) == 0
    assert LiveWriter(database, holder).write(newest) == len(PATHS)


def test_history_is_never_the_newest_value() -> None:
    samples = now_record().samples
    samples.flags[samples.time_us == samples.time_us.max()] |= FLAG_HISTORICAL
    newest = newest_of(samples)
    assert len(newest) == len(PATHS)
    assert (newest.time_us == samples.time_us.max() - 30_000).all()


def test_a_value_whose_source_or_gateway_is_silent_is_good_no_more(database: Connection) -> None:
    LiveWriter(database, None).write(newest_of(now_record().samples))

    def stale() -> bool:
        latest = read_latest(database)
        row = database.execute("SELECT bool_and(stale), bool_or(good) FROM v_latest").fetchone()
        assert row is not None
        assert bool(latest.stale.all()) == row[0] == (not row[1])
        assert (latest.status[latest.stale] == UNCERTAIN_LAST_USABLE_VALUE).all()
        return bool(row[0])

    assert stale(), "no gateway has ever told of its source"
    report_source(database, report())
    assert not stale()
    report_source(database, report("away"))
    assert stale()
    report_source(database, report())
    database.execute("UPDATE source_state SET reported_at = now() - interval '6 seconds'")
    assert stale(), "the gateway tells nothing any more"


def test_a_value_that_was_to_come_each_second_and_did_not_is_stale_and_one_that_comes_on_change_is_not(database: Connection) -> None:
    LiveWriter(database, None).write(newest_of(now_record(30).samples))
    report_source(database, report())
    plant = site()
    rules: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"interval_us": 0}, False),
        ({"interval_us": 1_000_000}, True),
        ({"interval_us": 1_000_000, "store": StoreRule.ON_CHANGE}, False),
        ({"interval_us": 1_000_000, "deadband": 0.5}, False),
    )
    for changes, stale in rules:
        register_site(database, replace(plant, signals=tuple(replace(signal, **changes) for signal in plant.signals)))
        assert set(read_latest(database).stale.tolist()) == {stale}, changes
