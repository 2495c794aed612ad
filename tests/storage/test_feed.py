"""Who follows what storage receives misses nothing, meets nothing twice, and may trust a digest as much as the samples."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest

from plant.samples import FLAG_HISTORICAL, SampleBatch, concatenate
from plant.shipment import Shipment, SourceStand
from storage.catalogue import register_site
from storage.database import Connection, connect, listen
from storage.feed import NEWS, await_news, read_begin, read_marks, read_news, read_numbers, read_samples
from storage.samples import SampleWriter
from tests.storage.small_plant import MINUTE, PATHS, SECOND, SOURCE, an_hour_ago, number_of, samples_of, small_site


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A database with the small site."""
    with connect(database_url, application="test") as opened:
        register_site(opened, small_site())
        yield opened


class Gateway:
    """Ships with a promise of how far the source is."""

    def __init__(self, connection: Connection) -> None:
        self._writer, self._spool, self._record = SampleWriter(connection), uuid4(), 0

    def ship(self, samples: SampleBatch, end_us: int | None, interval_us: int = 30_000) -> None:
        """Ship one record; ``end_us`` None for one of an earlier term."""
        self._record += 1
        stand = SourceStand(SOURCE, 0, end_us, interval_us, 3)
        self._writer.ship(Shipment(self._spool, self._record, self._record, samples, stands=(stand,)))


def test_each_shipment_is_news_once_and_its_digest_says_between_what_its_samples_lie(connection: Connection) -> None:
    gateway, at = Gateway(connection), an_hour_ago()
    current = samples_of(PATHS[0], [at + 10, at + 20, at + 30], [5.0, None, 9.0])
    speed = samples_of(PATHS[2], [at + 40], [-1.0])
    gateway.ship(concatenate([current, speed]), at + SECOND)
    gateway.ship(samples_of(PATHS[0], [at + 2 * SECOND], [1.0]), at + 3 * SECOND)
    source = read_numbers(connection)[1][SOURCE]
    first, second = read_news(connection, {source: 0})
    assert [first.seq, second.seq] == [1, 2]
    assert first.until_us == at + SECOND
    assert first.digest is not None
    rows = {int(row["signal_id"]): row for row in first.digest}
    row = rows[number_of(connection, PATHS[0])]
    assert (row["low"], row["high"], bool(row["unknown"]), bool(row["mixed"]), row["count"]) == (5, 9, True, False, 3)
    assert (row["first_us"], row["last_us"]) == (at + 10, at + 30)
    assert (row["first_received_us"], row["last_received_us"]) == (at + 12, at + 32)
    assert not rows[number_of(connection, PATHS[2])]["unknown"]
    assert read_news(connection, {source: 2}) == []
    assert [one.seq for one in read_news(connection, {source: 1})] == [2]
    assert read_begin(connection, [source]) == {source: 0}


def test_a_source_that_sends_by_itself_is_known_complete_a_moment_later(connection: Connection) -> None:
    at = an_hour_ago()
    Gateway(connection).ship(samples_of(PATHS[0], [at], [1.0]), at + MINUTE, interval_us=0)
    assert at < read_marks(connection)[SOURCE].until_us < at + MINUTE


def test_samples_that_come_after_the_promise_are_stored_flagged_and_left_out_for_everybody(connection: Connection) -> None:
    gateway, at = Gateway(connection), an_hour_ago()
    gateway.ship(samples_of(PATHS[0], [at], [1.0]), at + MINUTE)
    gateway.ship(samples_of(PATHS[0], [at + SECOND], [2.0]), None)
    number = number_of(connection, PATHS[0])
    assert connection.execute("SELECT count(*) FROM sample").fetchone() == (2,)
    assert read_samples(connection, [number], (at, at + MINUTE)).value.tolist() == [1.0]
    assert read_marks(connection)[SOURCE].late == 1


def test_a_clock_of_ours_that_was_set_back_makes_nothing_late(connection: Connection) -> None:
    gateway, at = Gateway(connection), an_hour_ago()
    gateway.ship(samples_of(PATHS[0], [at + 30 * MINUTE], [1.0]), at + 31 * MINUTE)
    gateway.ship(samples_of(PATHS[0], [at], [2.0]), at + MINUTE)
    mark = read_marks(connection)[SOURCE]
    assert (mark.late, mark.until_us) == (0, at + MINUTE)


def test_history_sent_again_is_no_news(connection: Connection) -> None:
    gateway, at = Gateway(connection), an_hour_ago()
    gateway.ship(samples_of(PATHS[0], [at], [1.0], flags=FLAG_HISTORICAL), at + SECOND)
    [only] = read_news(connection, {read_numbers(connection)[1][SOURCE]: 0})
    assert (only.samples, only.digest) == (0, None)


def test_samples_come_in_the_order_asked_for_signal_by_signal(connection: Connection) -> None:
    gateway, at = Gateway(connection), an_hour_ago()
    batch = samples_of(PATHS[0], [at + 10, at + 5], [1.0, np.inf], status=[0, 0x80000000])
    program = samples_of(PATHS[3], [at + 7], [None], text=["WELD"])
    gateway.ship(concatenate([batch, program]), at + SECOND)
    numbers = [number_of(connection, PATHS[3]), number_of(connection, PATHS[1]), number_of(connection, PATHS[0])]
    found = read_samples(connection, numbers, (at, at + SECOND), texts=True, by_time=True)
    assert found.offsets.tolist() == [0, 1, 1, 3]
    assert found.time_us.tolist() == [at + 7, at + 5, at + 10]
    assert found.text is not None
    assert found.text.tolist() == ["WELD", None, None]
    assert np.isnan(found.value[:2]).all()
    assert found.value[2] == 1.0
    assert found.status.tolist() == [0, 0x80000000, 0]


def test_a_shipment_is_told_of_at_once(connection: Connection, database_url: str) -> None:
    with connect(database_url, application="test follower") as follower:
        listen(follower, NEWS)
        at = an_hour_ago()
        Gateway(connection).ship(samples_of(PATHS[0], [at], [1.0]), at + SECOND)
        await_news(follower, 60.0)
        assert read_marks(follower)[SOURCE].seq == 1
