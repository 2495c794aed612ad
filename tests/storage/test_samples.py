"""What a shipment promises, on each database."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from plant.errors import Rejected
from plant.samples import FLAG_HISTORICAL, FLAG_RETAINED, concatenate, empty
from plant.shipment import Shipment
from plant.signals import SignalPath
from storage.latest import read_latest
from storage.samples import SampleWriter, accepted_span, spool_watermark
from tests.storage.conftest import Database
from tests.storage.small_plant import PATHS, SECOND, an_hour_ago, number_of, samples_of, shipper_of

CURRENT, VOLTAGE, _, PROGRAM = PATHS
HARD_NUMBERS = [0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, np.nan, np.inf, -np.inf, 0.1, 2.0**53 + 2]


def test_every_number_comes_back_bit_for_bit(database: Database) -> None:
    start = an_hour_ago()
    payload_nan = np.array([0x7FF8_0000_DEAD_BEEF, 0xFFF8_0000_0000_0001], np.uint64).view(np.float64)
    values = np.concatenate([np.array(HARD_NUMBERS), payload_nan])
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(CURRENT, start + np.arange(len(values)), values))
        rows = connection.cursor(binary=True).execute("SELECT value FROM sample ORDER BY time").fetchall()
    assert [np.float64(v).tobytes() for (v,) in rows] == [v.tobytes() for v in values]


def test_the_whole_status_code_and_all_three_times_are_kept(database: Database) -> None:
    start = an_hour_ago()
    codes = [0, 0x8000_0000, 0xFFFF_FFFF, 0x4090_0480, 0x7FFF_FFFF]
    with database.connect() as connection:
        shipper_of(connection).ship(
            samples_of(CURRENT, start + np.arange(5), [1.0, None, None, 2.0, 3.0], status=codes, flags=FLAG_RETAINED)
        )
        views = connection.execute("SELECT status, good, value FROM v_samples ORDER BY time").fetchall()
        times = connection.execute("SELECT server_time - time, received_time - time, flags FROM sample").fetchall()
    assert [row[0] for row in views] == codes
    assert [row[1] for row in views] == [True, False, False, False, False]
    assert [row[2] for row in views] == [1.0, None, None, 2.0, 3.0]
    assert {(a.microseconds, b.microseconds, flags) for a, b, flags in times} == {(1, 2, FLAG_RETAINED)}


def test_texts_come_back_as_they_were_sent(database: Database) -> None:
    texts = ["", 'O\'Neill "quoted"', "two\nlines\r\n\ttab", "焊接 机器人 🤖 é", "\\N", "\\x00", "x" * 100_000, None]
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(PROGRAM, an_hour_ago() + np.arange(len(texts)), [None] * len(texts), text=texts))
        rows = connection.execute("SELECT text, value FROM sample ORDER BY time").fetchall()
    assert rows == [(text, None) for text in texts]


@pytest.mark.parametrize(("text", "word"), [("a\0b", "NUL"), ("half \ud800 pair", "Unicode")])
def test_a_text_that_cannot_be_kept_is_refused_with_its_signal(database: Database, text: str, word: str) -> None:
    with database.connect() as connection:
        shipper = shipper_of(connection)
        with pytest.raises(Rejected, match=word) as refusal:
            shipper.ship(samples_of(PROGRAM, [an_hour_ago()], [None], text=[text]))
        assert PROGRAM in str(refusal.value)
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (0,)
        assert spool_watermark(connection, shipper.spool) == 0


def test_numbers_texts_and_absent_values_travel_in_one_shipment(database: Database) -> None:
    start = an_hour_ago()
    mixed = concatenate(
        [
            samples_of(CURRENT, [start + 3, start + 1], [3.0, 1.0]),
            samples_of(PROGRAM, [start + 2], [None], text=["weld"]),
            samples_of(VOLTAGE, [start + 4], [None], status=[0x8000_0000], has_server_time=False),
            samples_of(VOLTAGE, [start], [9.0], text=["9007199254740993"]),
        ]
    )
    with database.connect() as connection:
        assert shipper_of(connection).ship(mixed)
        rows = connection.execute(
            "SELECT g.name, s.value, s.text, s.server_time IS NULL FROM sample s JOIN signal g ON g.id = s.signal_id ORDER BY s.time"
        ).fetchall()
    assert rows == [
        ("voltage", 9.0, "9007199254740993", False),
        ("current", 1.0, None, False),
        ("program", None, "weld", False),
        ("current", 3.0, None, False),
        ("voltage", None, None, True),
    ]


def test_the_same_shipment_again_is_stored_once(database: Database) -> None:
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipment = Shipment(shipper.spool, 1, 4, samples_of(CURRENT, [an_hour_ago()], [1.0]))
        assert shipper.writer.ship(shipment)
        assert not shipper.writer.ship(shipment)
        assert not shipper.writer.ship(Shipment(shipper.spool, 2, 3, shipment.samples))
        assert not SampleWriter(connection).ship(shipment)
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (1,)
        assert spool_watermark(connection, shipper.spool) == 4
        assert spool_watermark(connection, uuid4()) == 0


def test_a_shipment_that_overlaps_in_part_is_refused_whole(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.writer.ship(Shipment(shipper.spool, 1, 4, samples_of(CURRENT, [start], [1.0])))
        with pytest.raises(Rejected, match="continue from 5"):
            shipper.writer.ship(Shipment(shipper.spool, 4, 6, samples_of(CURRENT, [start + 1], [2.0])))
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (1,)
        assert shipper.writer.ship(Shipment(shipper.spool, 7, 9, samples_of(CURRENT, [start + 1], [2.0])))


def test_an_unknown_signal_is_refused_and_taken_once_it_is_registered(database: Database) -> None:
    unknown = SignalPath("acme/north/line/cell/robot/unheard-of")
    with database.connect() as connection:
        shipper = shipper_of(connection)
        with pytest.raises(Rejected, match=f"'{unknown}'.*register"):
            shipper.writer.ship(Shipment(shipper.spool, 1, 1, samples_of(unknown, [an_hour_ago()], [1.0])))
        connection.execute(
            "INSERT INTO signal (path, equipment_id, name, data_type, source_id, address, store_rule) "
            "SELECT %s, equipment_id, 'x', data_type, source_id, 'x', store_rule FROM signal LIMIT 1",
            [unknown],
        )
        assert shipper.writer.ship(Shipment(shipper.spool, 1, 1, samples_of(unknown, [an_hour_ago()], [1.0])))


def test_signals_that_a_batch_names_but_does_not_hold_need_not_exist(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        both = concatenate([samples_of(SignalPath("no/such/a/b/c/d"), [start], [0.0]), samples_of(CURRENT, [start], [1.0])])
        assert shipper.ship(both.take(np.array([False, True])))
        assert shipper.ship(empty())


def test_a_time_beyond_the_calendar_is_refused(database: Database) -> None:
    with database.connect() as connection:
        shipper = shipper_of(connection)
        with pytest.raises(Rejected, match="no time"):
            shipper.ship(samples_of(CURRENT, [2**62], [1.0]))


def test_samples_of_any_age_within_the_accepted_span_find_room(database: Database) -> None:
    with database.connect() as connection:
        shipper = shipper_of(connection)
        from_us, to_us = accepted_span(connection)
        times = np.linspace(from_us + 60 * SECOND, to_us - SECOND, 50).astype(np.int64)
        assert shipper.ship(samples_of(CURRENT, times, np.arange(50.0)))
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (50,)


def test_latest_holds_the_newest_live_sample_of_each_signal(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(
            concatenate([samples_of(CURRENT, [start + 2, start + 1], [2.0, 1.0]), samples_of(PROGRAM, [start], [None], text=["a"])])
        )
        shipper.ship(samples_of(CURRENT, [start], [0.0]))
        shipper.ship(samples_of(CURRENT, [start + 9], [9.0], flags=FLAG_HISTORICAL))
        shipper.ship(samples_of(VOLTAGE, [start + 5], [None], status=[0x80310000]))
        latest = read_latest(connection)
        numbers = [number_of(connection, path) for path in (CURRENT, VOLTAGE, PROGRAM)]
    assert latest.signal_id.tolist() == numbers
    assert latest.time_us.tolist() == [start + 2, start + 5, start]
    assert latest.received_time_us.tolist() == [start + 4, start + 7, start + 2]
    assert latest.value[0] == 2.0
    assert latest.has_value.tolist() == [True, False, False]
    # nobody reads this source: what was good is so no longer for certain
    assert latest.stale.tolist() == [True, True, True]
    assert latest.status.tolist() == [0x40900000, 0x80310000, 0x40900000]
    assert latest.text.tolist() == [None, None, "a"]


def test_latest_follows_a_clock_that_was_ahead_and_is_set_right(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(CURRENT, [start + 3 * 3_600_000_000], [1.0]))
        shipper.ship(samples_of(CURRENT, [start], [2.0]))
        assert read_latest(connection).value.tolist() == [2.0]


def test_latest_of_an_empty_database_is_empty(database: Database) -> None:
    with database.connect() as connection:
        assert len(read_latest(connection).signal_id) == 0
