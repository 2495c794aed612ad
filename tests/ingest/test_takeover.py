from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from ingest.account import Account
from ingest.leases import _ticks_by_minute
from ingest.record_bytes import encode_record
from ingest.records import RECORD, Mark
from ingest.segments import Frame
from ingest.shipments import Notes, pack
from ingest.ticks import first_tick
from plant.ledger import Counts, GapReason, minute_of
from plant.samples import NO_TIME, SampleBatch
from plant.signals import SourceId
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.leases import LeaseMoved, Taken, Terms, read_begins, read_holdings, read_terms, renew, take
from storage.ledger import read_gaps, read_ledger
from storage.samples import SampleWriter, spool_watermark
from tests.databases import fresh_database
from tests.ingest.test_shipping import FOREVER, PATHS, SOURCE, SPAN, site

INTERVAL_US = 250_000
BEGIN_US = 1_790_000_003_100_000
SIGNALS = PATHS[:2]
SIZE = len(SIGNALS)


class Gateway:
    """A gateway in slow motion: it reads when told, ships when told, and learns of its leases when told."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name
        self.spool = uuid4()
        self.frames: list[Frame] = []
        self.notes: Notes = {}
        self.total = 0
        self.reading = False
        self.mark: Mark | None = None
        self.account = Account(SOURCE)
        self.next_us = 0
        self.terms: Terms | None = None
        self.shipped = 0

    def begin(self, now_us: int, taken: Taken | None) -> None:
        """As a reader that starts: what lies between its mark and the first tick is a gap."""
        if taken is not None and taken.epoch > 1 and (self.mark is None or self.mark.end_us < taken.from_us):
            self.mark = Mark(taken.from_us, taken.interval_us, taken.signals)
        self.reading = True
        self.account = Account(SOURCE)
        self.next_us = first_tick(now_us, INTERVAL_US)
        if self.mark is not None:
            self.account.reopen(self.mark.open)
            if self.mark.interval_us and self.mark.end_us < self.next_us:
                self.account.missed_ticks(self.mark.end_us, self.next_us, INTERVAL_US, SIZE, GapReason.STOPPED)

    def read(self, now_us: int, missing: bool) -> None:
        """Make a record of the ticks until now; with ``missing`` one signal is not there and its gap grows."""
        if not self.reading:
            return
        times = list(range(self.next_us, now_us, INTERVAL_US))
        for tick in times:
            if minute_of(tick) != minute_of(self.next_us):
                self.account.close_open()
            self.next_us = tick
            self.account.count(tick, stored=1)
            if missing:
                self.account.grow(tick, tick + INTERVAL_US, [SIGNALS[1]], GapReason.NODE)
            else:
                self.account.count(tick, stored=1)
        self.next_us = times[-1] + INTERVAL_US if times else self.next_us
        if minute_of(self.next_us) != minute_of(self.next_us - INTERVAL_US):
            self.account.close_open()
        present = SIGNALS[:1] if missing else SIGNALS
        n = len(times) * len(present)
        time_us = np.tile(np.array(times, np.int64), len(present))
        samples = SampleBatch(
            present,
            np.repeat(np.arange(len(present)), len(times)).astype(np.int32),
            time_us,
            np.full(n, NO_TIME),
            time_us,
            np.zeros(n),
            np.ones(n, np.bool_),
            np.zeros(n, np.uint32),
            np.zeros(n, np.int16),
        )
        record = self.account.record(Mark(self.next_us, INTERVAL_US, SIZE, self.account.open), samples)
        self.mark = record.mark
        self.frames.append(Frame(len(self.frames) + 1, n, RECORD, encode_record(record, self.total)))
        self.total += record.expected

    def learn(self, now_us: int) -> None:
        """One round of leases: renew, stop what is lost, take what is free."""
        held, free = renew(self.connection, self.spool, self.name, 1_000_000, [SOURCE], now_us)
        if SOURCE in held:
            if not self.reading:
                begins = read_begins(self.connection, self.spool, [SOURCE])
                self.begin(now_us, begins[0])
            return
        if self.reading:
            self.reading = False
            return
        if free:
            taken = take(self.connection, SOURCE, self.spool, len(self.frames) + 1, now_us, (INTERVAL_US, SIZE), _ticks_by_minute)
            if taken is not None:
                self.begin(now_us, taken)

    def restart(self) -> None:
        """Killed: what was not in a record is forgotten, and so is what it knew of leases. Before its first record nothing is expected."""
        self.reading = self.reading and not self.frames

    def ship(self, most: int) -> None:
        """Ship some frames, by the terms as last looked at; look again when they turn out to be others."""
        stored = spool_watermark(self.connection, self.spool)
        frames = [frame for frame in self.frames if frame.number > stored][:most]
        if not frames:
            return
        if self.terms is None:
            self.terms = read_terms(self.connection, self.spool)
        for _ in range(3):
            packed = pack(self.spool, frames, self.notes, SPAN, terms=self.terms)
            try:
                SampleWriter(self.connection).ship(packed.shipment)
            except LeaseMoved:
                self.terms = read_terms(self.connection, self.spool)
                continue
            self.notes = packed.notes
            return
        raise AssertionError("the terms moved without end")


def expire(connection: Connection) -> None:
    connection.execute("UPDATE source_lease SET expires_at = now() - interval '1 second'")


def adds_up(connection: Connection) -> Counts:
    """The ledger's sum, checked against rows and gaps, minute by minute."""
    rows = connection.execute("SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample").fetchone()
    assert rows is not None
    assert rows[0] == rows[1], "a sample stands twice"
    lines = read_ledger(connection, 0, FOREVER)
    for line in lines:
        counts = line.counts
        assert min(counts.expected, counts.stored, counts.gap) >= 0
        assert counts.unexplained() == 0
    total = sum((line.counts for line in lines), Counts())
    assert total.stored == rows[0]
    assert total.gap == sum(gap.count for gap in read_gaps(connection, 0, FOREVER, most=100_000))
    return total


WHICH = st.sampled_from([0, 1])
ACTIONS = st.one_of(
    st.tuples(st.just("read"), WHICH, st.booleans()),
    st.tuples(st.just("read and ship"), WHICH, st.booleans()),
    st.tuples(st.just("ship"), WHICH, st.integers(1, 3)),
    st.tuples(st.just("take over"), WHICH, st.just(0)),
    st.tuples(st.just("learn"), WHICH, st.just(0)),
    st.tuples(st.just("restart"), WHICH, st.just(0)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTIONS, min_size=20, max_size=40), st.sampled_from([70_000, 900_000, 7_300_000, 25_000_000]))
def test_however_two_gateways_take_a_source_from_each_other_the_ledger_adds_up_and_expects_each_tick_once(
    postgres_server: str, migrated_template: str, actions: list[tuple[str, int, int]], step_us: int
) -> None:
    with fresh_database(postgres_server, migrated_template) as url, connect(url, application="test") as connection:
        register_site(connection, site())
        gateways = [Gateway(connection, "one"), Gateway(connection, "other")]
        now_us = BEGIN_US
        for action, which, how in [("learn", 0, 0), *actions]:
            now_us += step_us
            gateway = gateways[which]
            note(f"{now_us - BEGIN_US} {gateway.name} {action} {how}")
            if action.startswith("read"):
                gateway.read(now_us, bool(how))
            if action.endswith("ship"):
                gateway.ship(how or 1)
            if action == "take over":
                expire(connection)
            if action in {"take over", "learn"}:
                gateway.learn(now_us)
            if action == "restart":
                gateway.restart()
            adds_up(connection)
        for gateway in gateways:
            gateway.ship(1000)
        total = adds_up(connection)
        mark = connection.execute("SELECT end_us, open_counts FROM source_mark").fetchone()
        begin = connection.execute("SELECT min(from_us) FROM source_term WHERE epoch = 1").fetchone()
        if mark is not None and begin is not None:
            first = first_tick(begin[0], INTERVAL_US)
            ticks = max(0, (first_tick(mark[0], INTERVAL_US) - first) // INTERVAL_US)
            assert total.expected == ticks * SIZE - sum(mark[1])


def test_a_takeover_leaves_a_gap_and_late_records_fill_it_by_what_they_tell(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        register_site(connection, site())
        one, other = Gateway(connection, "one"), Gateway(connection, "other")
        one.learn(BEGIN_US)
        second = 1_000_000
        for number in range(1, 4):
            one.read(BEGIN_US + number * second, missing=False)
        one.ship(1)
        expire(connection)
        other.learn(BEGIN_US + 10 * second)
        gaps = [gap for gap in read_gaps(connection, 0, FOREVER) if gap.reason is GapReason.TAKEOVER]
        assert [gap.count for gap in gaps] == [9 * 4 * SIZE]
        assert "one" in gaps[0].detail
        one.read(BEGIN_US + 12 * second, missing=False)
        one.ship(10)
        gaps = [gap for gap in read_gaps(connection, 0, FOREVER) if gap.reason is GapReason.TAKEOVER]
        assert [gap.count for gap in gaps] == [7 * 4 * SIZE]
        holding = read_holdings(connection)[0]
        assert (holding.gateway, holding.epoch, holding.fenced) == ("other", 2, 9 * 4 * SIZE)
        other.read(BEGIN_US + 14 * second, missing=False)
        other.ship(10)
        total = adds_up(connection)
        assert total.expected == 14 * 4 * SIZE
        one.learn(BEGIN_US + 14 * second)
        assert not one.reading


def test_a_shipment_made_before_a_takeover_and_sent_after_it_stores_nothing_stale(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        register_site(connection, site())
        one, other = Gateway(connection, "one"), Gateway(connection, "other")
        one.learn(BEGIN_US)
        one.read(BEGIN_US + 1_000_000, missing=False)
        terms = read_terms(connection, one.spool)
        packed = pack(one.spool, one.frames, {}, SPAN, terms=terms)
        expire(connection)
        other.learn(BEGIN_US + 500_000)
        try:
            SampleWriter(connection).ship(packed.shipment)
        except LeaseMoved:
            pass
        else:
            raise AssertionError("a stale shipment was stored")
        one.ship(10)
        assert adds_up(connection).stored == 0


def test_a_source_being_shipped_is_not_taken_over(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="shipment") as shipping:
        register_site(connection, site())
        one, other = Gateway(connection, "one"), Gateway(connection, "other")
        one.learn(BEGIN_US)
        expire(connection)
        with shipping.transaction():
            shipping.execute("SELECT epoch FROM source_lease WHERE source = %s FOR KEY SHARE", [SOURCE])
            # the holder can renew meanwhile, and nobody can take over
            renew(connection, one.spool, "one", 1, [SOURCE], BEGIN_US)
            expire(connection)
            other.learn(BEGIN_US + 1_000_000)
            assert not other.reading
        other.learn(BEGIN_US + 2_000_000)
        assert other.reading


def test_records_of_a_source_that_nobody_ever_leased_are_stored(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        register_site(connection, site())
        one = Gateway(connection, "one")
        one.begin(BEGIN_US, None)
        one.read(BEGIN_US + 1_000_000, missing=False)
        one.ship(1)
        assert adds_up(connection).stored == 4 * SIZE
        stand = pack(one.spool, one.frames, {}, SPAN, terms=Terms((), {})).shipment.stands[0]
        assert stand == replace(stand, source=SourceId("press"), epoch=0, fenced=0)
