"""What rests on bad, stale or gapped measurements does not leave, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from delivery.sending import Outbox
from delivery.standing import UnitFacts
from plant.clock import SystemClock
from plant.deliveries import Draft
from plant.delivery_modes import Dropped, Mode
from plant.ledger import Counts, Gap, GapReason, LedgerLine
from plant.recommendations import Stage
from storage.database import Connection, connect
from storage.deliveries import Delivery, propose, read_delivery
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, newest_mode
from storage.process_windows import write_windows
from tests.databases import fresh_database
from tests.delivery.test_gate_races import KEY, PLAN, draft, window_text
from tests.storage.small_plant import MINUTE, PATHS, SECOND, SOURCE, Shipper, samples_of, shipper_of

UNIT = "line/cell/robot"
CLOCK = SystemClock()
BAD = 0x80000000


@pytest.fixture
def connection(postgres_server: str, migrated_template: str) -> Iterator[Connection]:
    with fresh_database(postgres_server, migrated_template) as url, connect(url, application="test") as one:
        write_windows(one, window_text(UNIT, 1, 300.0), actor="anna", now_us=CLOCK.now_us())
        yield one


def resting_on(from_us: int, to_us: int, *, approved_by: str = "anna") -> Draft:
    return replace(draft(UNIT, 200.0, 1, CLOCK.now_us(), approved_by=approved_by), basis_from_us=from_us, basis_to_us=to_us)


def tried(connection: Connection, made: Draft) -> Delivery:
    """What became of it after one look."""
    (number,) = propose(connection, [made], CLOCK.now_us())
    assert number is not None
    outbox = Outbox(PLAN, lambda _controller: KEY, CLOCK)
    outbox.send(connection, outbox.look(connection).approved, {UNIT: UnitFacts(CLOCK.now_us(), watched=True)})
    found = read_delivery(connection, number)
    assert found is not None
    return found


def connected(connection: Connection) -> Shipper:
    """The small plant with its source at work, for as long as a test may take."""
    shipper = shipper_of(connection)
    connection.execute(
        "INSERT INTO source_state (source_id, state, since_us, missed_ticks, in_spool, spool_bytes, reconnects, insecure, complete, "
        "updated_us, reported_at) "
        "SELECT min(id), 'connected', %(now)s, 0, 0, 0, 0, false, true, %(now)s, now() + interval '1 hour' FROM source",
        {"now": CLOCK.now_us()},
    )
    return shipper


def minutes(count: int) -> int:
    """The start of a minute so many whole ones ago."""
    now = CLOCK.now_us()
    return now - now % MINUTE - count * MINUTE


def test_what_rests_on_whole_measurements_leaves(connection: Connection) -> None:
    start = minutes(12)
    lines = tuple(LedgerLine(SOURCE, start + n * MINUTE, Counts(expected=2000, stored=1995, gap=5)) for n in range(10))
    connected(connection).ship(samples_of(PATHS[0], [CLOCK.now_us()], [1.0]), lines)
    assert tried(connection, resting_on(start, start + 10 * MINUTE)).stage is Stage.SENT


@pytest.mark.parametrize("how", ["ledger", "away"])
def test_what_rests_on_gaps_is_refused_and_the_closed_loop_ends(connection: Connection, how: str) -> None:
    start = minutes(12)
    lost = 2000 if how == "ledger" else 0
    lines = [LedgerLine(SOURCE, start + n * MINUTE, Counts(expected=2000, stored=2000 - (lost if n == 3 else 0))) for n in range(10)]
    if how == "ledger":
        lines[3] = LedgerLine(SOURCE, start + 3 * MINUTE, Counts(expected=2000, gap=2000))
    gaps = (Gap(SOURCE, start + MINUTE, start + MINUTE + 30 * SECOND, 0, GapReason.DISCONNECTED),) if how == "away" else ()
    connected(connection).ship(samples_of(PATHS[0], [CLOCK.now_us()], [1.0]), tuple(lines), gaps)
    ask_closed_loop(connection, UNIT, actor="anna", now_us=CLOCK.now_us(), hours=1.0)
    confirm_closed_loop(connection, UNIT, actor="berta", now_us=CLOCK.now_us())
    refused = tried(connection, resting_on(start, start + 10 * MINUTE, approved_by=""))
    assert refused.stage is Stage.REFUSED
    assert "gapped" in refused.stage_note
    row = newest_mode(connection, UNIT)
    assert row is not None
    assert (row.mode, row.reason.partition(":")[0]) == (Mode.ADVISORY, Dropped.INPUTS.value)
    # what rests on another time, which was measured whole, is not touched by it
    assert tried(connection, resting_on(start + 5 * MINUTE, start + 10 * MINUTE)).stage is Stage.SENT


def test_while_a_signal_is_bad_nothing_leaves_and_once_it_is_good_it_does(connection: Connection) -> None:
    start, shipper = minutes(12), connected(connection)
    shipper.ship(samples_of(PATHS[0], [CLOCK.now_us()], [None], status=[BAD]), ())
    waiting = tried(connection, resting_on(start, start + 10 * MINUTE))
    assert waiting.stage is Stage.APPROVED
    shipper.ship(samples_of(PATHS[0], [CLOCK.now_us()], [1.0]), ())
    outbox = Outbox(PLAN, lambda _controller: KEY, CLOCK)
    sent = outbox.send(connection, outbox.look(connection).approved, {UNIT: UnitFacts(CLOCK.now_us(), watched=True)})
    assert [one.number for one in sent.messages] == [waiting.number]


def test_while_a_source_is_away_nothing_leaves(connection: Connection) -> None:
    start = minutes(12)
    shipper_of(connection).ship(samples_of(PATHS[0], [CLOCK.now_us()], [1.0]), ())
    assert tried(connection, resting_on(start, start + 10 * MINUTE)).stage is Stage.APPROVED
