"""The ledger and the gaps are stored with the samples, added up exactly, on each database."""

from __future__ import annotations

import numpy as np
import pytest

from plant.clock import SystemClock
from plant.errors import Rejected
from plant.ledger import Counts, Gap, GapReason, LedgerLine, lateness_histogram
from plant.samples import empty
from plant.signals import SourceId
from storage.database import moment
from storage.ledger import read_ever, read_gaps, read_ledger, read_totals
from storage.upkeep import Upkeep
from tests.storage.conftest import Database
from tests.storage.small_plant import MINUTE, PATHS, SOURCE, an_hour_ago, samples_of, shipper_of


def line(minute_us: int, counts: Counts, **rest: object) -> LedgerLine:
    return LedgerLine(SOURCE, minute_us, counts, ticks=10, lateness=lateness_histogram(np.array([15, 700, 10**9])), **rest)  # type: ignore[arg-type]


def test_lines_of_one_minute_add_up_within_and_across_shipments(database: Database) -> None:
    start = an_hour_ago()
    counts = Counts(expected=21, stored=1, unchanged=2, filtered=3, duplicate=4, rejected=5, gap=6)
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(empty(), (line(start, counts), line(start + MINUTE, counts), line(start, counts)))
        shipper.ship(empty(), (line(start, counts, complete=False),))
        first, second = read_ledger(connection, start, start + 2 * MINUTE, SOURCE)
        total = read_totals(connection, start, start + 2 * MINUTE)[SOURCE]
        assert read_ledger(connection, start, start + MINUTE, SourceId("other")) == []
    assert (first.minute_us, first.ticks, first.complete) == (start, 30, False)
    assert first.counts == counts + counts + counts
    assert first.lateness.tolist() == (3 * line(start, counts).lateness).tolist()
    assert (second.minute_us, second.counts, second.complete) == (start + MINUTE, counts, True)
    assert total.counts == first.counts + counts
    assert total.counts.unexplained() == 0
    assert total.lateness.sum() == 12


def test_the_total_since_the_beginning_follows_each_shipment_and_only_those_that_are_stored(database: Database) -> None:
    start = an_hour_ago()
    counts = Counts(expected=21, stored=1, unchanged=2, filtered=3, duplicate=4, rejected=5, gap=6)
    with database.connect() as connection:
        shipper = shipper_of(connection)
        assert read_ever(connection) == {}
        shipper.ship(empty(), (line(start + MINUTE, counts), line(start, counts)))
        shipper.ship(empty(), (line(start - MINUTE, counts, complete=False),))
        with pytest.raises(Rejected, match="'nobody'"):
            shipper.ship(empty(), (line(start, counts), LedgerLine(SourceId("nobody"), start, Counts(1, 1))))
        ever, total = read_ever(connection)[SOURCE], read_totals(connection, start - MINUTE, start + 2 * MINUTE)[SOURCE]
    assert ever.counts == total.counts == counts + counts + counts
    assert (ever.minute_us, ever.complete, ever.ticks) == (total.minute_us, total.complete, total.ticks) == (start - MINUTE, False, 30)


def test_gaps_keep_source_signal_span_count_and_reason(database: Database) -> None:
    start = an_hour_ago()
    gaps = (
        Gap(SOURCE, start, start + 5, 12, GapReason.OVERRUN),
        Gap(SOURCE, start + 10, start + 20, 1, GapReason.TYPE, PATHS[1], "Int32 \0 instead of Double"),
        Gap(SOURCE, start + 30, start + 40, 7, GapReason.STOPPED, PATHS[0]),
    )
    with database.connect() as connection:
        shipper_of(connection).ship(empty(), gaps=gaps)
        found = read_gaps(connection, start, start + MINUTE)
        assert read_gaps(connection, start + 25, start + MINUTE, SOURCE) == [gaps[2]]
        assert read_gaps(connection, start, start + MINUTE, most=1) == [gaps[2]]
    assert found[0] == gaps[2]
    assert found[1].signal == PATHS[1]
    assert found[1].detail == "Int32 \ufffd instead of Double"
    assert found[2] == gaps[0]


def test_a_refused_shipment_leaves_neither_ledger_nor_samples(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        with pytest.raises(Rejected, match="'nobody'"):
            shipper.ship(
                samples_of(PATHS[0], [start], [1.0]), (line(start, Counts(1, 1)), LedgerLine(SourceId("nobody"), start, Counts(1, 1)))
            )
        assert read_ledger(connection, start, start + MINUTE) == []
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (0,)


def test_the_ledger_forgets_lateness_after_two_months_and_all_after_a_year(database: Database) -> None:
    start, day = an_hour_ago(), 24 * 60 * MINUTE
    counts = Counts(expected=7, stored=7)
    days = (1, 59, 61, 399, 401)
    with database.connect() as connection:
        lines = tuple(line(start - n * day, counts) for n in days)
        gaps = tuple(Gap(SOURCE, start - n * day, start - n * day + 5, 1, GapReason.OVERRUN) for n in days)
        shipper_of(connection).ship(empty(), lines, gaps=gaps)
        for n in days:
            connection.execute("INSERT INTO takeover_gap VALUES (%s, 2, %s, 1)", [SOURCE, moment(start - n * day)])
        Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()
        assert connection.execute("SELECT count(*) FROM takeover_gap").fetchone() == (4,)
        kept = read_ledger(connection, start - 500 * day, start)
        assert len(read_gaps(connection, start - 500 * day, start)) == 4
        ever = read_ever(connection)[SOURCE]
        assert (ever.counts, ever.ticks) == (Counts(expected=35, stored=35), 50), "counters must not fall when minutes are forgotten"
    assert [(each.minute_us, int(each.lateness.sum()), each.counts) for each in kept] == [
        (start - n * day, 3 if n < 60 else 0, counts) for n in (399, 61, 59, 1)
    ]
