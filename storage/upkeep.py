"""What keeps the database in shape: partitions ahead, rollups, retention and the disk budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg

from plant.clock import Clock
from storage import chunks, events, partitions, states, tightening
from storage.database import Connection, is_timescale, moment, translate_errors
from storage.genealogy_names import gather_names
from storage.partitions import ONE_HOUR, ONE_MINUTE, ONE_SECOND, RAW, TIERS, Partition, Tier, TierTable, make_partitions, uncovered
from storage.rollups import roll_up

_LOCK = 5_347_610_232
_SHARES = {"raw": 0.4, "1s": 0.3, "1m": 0.2}
"""Of the budget, what a tier may keep while another one above its own share has older data to give: else the rollups of last
year would leave no room for the samples of this hour."""
_PARTS_OF_BUDGET = 40
_BATCHES_KEPT = "14 days"
_LEDGER_KEPT = "400 days"
_LATENESS_KEPT = "60 days"
"""Histograms are most of the ledger's size: 20 sources would fill 6 GB a year with them."""
_FORGETTING_US = 3_600_000_000
_TIGHTENINGS_KEPT_US = 15 * 366 * 86_400_000_000
"""As long as a machine may come back with the question how its bolts were tightened."""
_EVENTS_KEPT_US = 5 * 366 * 86_400_000_000
_STATES_KEPT_US = 5 * 366 * 86_400_000_000
"""Five years of losses can be compared."""
_CURVES_KEPT_US = 2 * 366 * 86_400_000_000
"""Curves are ten times the size of their results: some 2 kB each."""
_DAY_US = 86_400_000_000
_SETTLING_US = 2 * 3_600_000_000
"""After its end rollups of late samples still come to a partition."""
_LAID_A_RUN, _LAID_A_RUN_BYTES = 20, 250_000_000
_LARGEST_LAID_BYTES = 8_000_000_000
"""Of a partition of rollups, where the budget does not say less: one that is over is written anew once."""


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What one run did."""

    partitions_made: int
    seconds_rolled: int
    """Seconds of samples whose rollups were made anew; 0 on TimescaleDB, which does that by itself."""
    dropped: tuple[str, ...]
    """Partitions or chunks given up for the budget, the first first."""
    laid: tuple[str, ...] = ()
    """Partitions or chunks of rollups that were laid signal by signal."""


class _Parts(Protocol):
    """The pieces that a tier's table can be dropped in."""

    def read(self, connection: Connection, table: TierTable) -> list[Partition]: ...
    def sizes(self, connection: Connection, table: TierTable, parts: Sequence[Partition]) -> list[int]: ...
    def drop(self, connection: Connection, table: TierTable, part: Partition) -> None: ...
    def unlaid(self, connection: Connection, table: TierTable, before_us: int) -> list[Partition]: ...
    def lay(self, connection: Connection, table: TierTable, part: Partition) -> bool: ...


class Upkeep:
    """Keeps one database in shape; two at once do no harm: the second does nothing."""

    def __init__(self, connection: Connection, *, budget_bytes: int | None, clock: Clock) -> None:
        self._connection = connection
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._parts: _Parts | None = None
        self._forgot_us: int | None = None

    def run_once(self) -> UpkeepReport:
        """Make partitions ahead, bring all rollups up to date, and drop what the budget has no room for.

        Raises Unavailable where the database is away.
        """
        return self._alone(self._run)

    def roll_up(self) -> UpkeepReport:
        """Bring the rollups up to date, and nothing else."""
        return self._alone(lambda: UpkeepReport(0, 0 if self._on_timescale() else roll_up(self._connection), ()))

    def drop_before(self, tier: Tier, time_us: int) -> tuple[str, ...]:
        """Give up the partitions or chunks of a tier that end at or before a time; return their names, oldest first."""
        table = next(table for table in TIERS if table.tier == tier)
        with translate_errors():
            self._on_timescale()
            old = [part for part in self._read(table) if part.to_us <= time_us]
            return tuple(part.name for part in itertools.takewhile(lambda part: self._dropped(table, part), old))

    def _alone(self, work: Callable[[], UpkeepReport]) -> UpkeepReport:
        with translate_errors():
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
            if row is None or not row[0]:
                return UpkeepReport(0, 0, ())
            try:
                return work()
            finally:
                if not self._connection.closed:
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])

    def _run(self) -> UpkeepReport:
        made = seconds = 0
        if not self._on_timescale():
            made = self._partitions_ahead()
            seconds = roll_up(self._connection)
        else:
            chunks.protect_rollups(self._connection)
            budget = None if self._budget_bytes is None else self._budget_bytes / _PARTS_OF_BUDGET
            for table in (RAW, ONE_SECOND):
                chunks.fit_width(self._connection, table, self._clock.now_us(), budget)
        dropped = [*self._drop_aged(), *self._keep_budget()]
        self._forget()
        gather_names(self._connection)
        self._connection.execute(
            "INSERT INTO upkeep_state (budget_bytes, ran_us) VALUES (%s, %s) "
            "ON CONFLICT (one) DO UPDATE SET budget_bytes = excluded.budget_bytes, ran_us = excluded.ran_us",
            [self._budget_bytes, self._clock.now_us()],
        )
        return UpkeepReport(made, seconds, tuple(dropped), self._lay_some())

    def _lay_some(self) -> tuple[str, ...]:
        """Lay what is over and settled signal by signal; a little each run, for rollups must not wait for long."""
        laid: list[str] = []
        parts, before_us, room = self._parts, self._clock.now_us() - _SETTLING_US, _LAID_A_RUN_BYTES
        if parts is None:
            return ()
        for table in (ONE_SECOND, ONE_MINUTE, ONE_HOUR):
            found = parts.unlaid(self._connection, table, before_us)
            sized = zip(found, parts.sizes(self._connection, table, found), strict=True)
            for part, size in [(part, size) for part, size in sized if size <= _LARGEST_LAID_BYTES][:_LAID_A_RUN]:
                if room <= 0 or not parts.lay(self._connection, table, part):
                    break
                laid.append(part.name)
                room -= size
        return tuple(laid)

    def _on_timescale(self) -> bool:
        if self._parts is None:
            self._parts = chunks if is_timescale(self._connection) else partitions
        return self._parts is chunks

    def _partitions_ahead(self) -> int:
        """Have room for what comes next, in partitions of which many make up the budget: whole ones only can be dropped."""
        made = 0
        now = self._clock.now_us()
        for table in TIERS:
            known = partitions.read(self._connection, table)
            width = self._wanted_width(table, known)
            missing = uncovered(known, (now, now + width, now + 2 * table.widths_us[0]))
            if missing:
                made += len(make_partitions(self._connection, table, missing, width)) - len(known)
        return made

    def _wanted_width(self, table: TierTable, known: list[Partition]) -> int:
        now = self._clock.now_us()
        recent = [part for part in known if now - _DAY_US < part.to_us and part.from_us <= now][-4:]
        laid = table in {ONE_SECOND, ONE_MINUTE}
        if not recent:
            return table.widths_us[0]
        if self._budget_bytes is None and not laid:
            return table.widths_us[-1]
        size = sum(partitions.sizes(self._connection, table, recent))
        rate = size / max(1, min(now, recent[-1].to_us) - recent[0].from_us)
        largest = min([_LARGEST_LAID_BYTES] * laid + [b / _PARTS_OF_BUDGET for b in (self._budget_bytes,) if b is not None])
        fitting = [width for width in table.widths_us if rate * width <= largest]
        return fitting[-1] if fitting else table.widths_us[0]

    def _drop_aged(self) -> list[str]:
        """Drop what is older than its tier is kept at most."""
        kept = partitions.kept_from(self._connection)
        return [name for table in TIERS for name in self.drop_before(table.tier, kept[table.tier])]

    def _read(self, table: TierTable) -> list[Partition]:
        return self._parts.read(self._connection, table) if self._parts else []

    def _keep_budget(self) -> list[str]:
        dropped: list[str] = []
        parts = self._parts
        if self._budget_bytes is None or parts is None:
            return dropped
        excess = _database_bytes(self._connection) - self._budget_bytes
        while excess > 0:
            choice = self._next_to_drop(parts)
            if choice is None:
                break
            table, part, size = choice
            if not self._dropped(table, part):
                break
            dropped.append(part.name)
            excess -= size
        return dropped

    def _dropped(self, table: TierTable, part: Partition) -> bool:
        """Drop one part; False where somebody uses it just now, then the next run does it."""
        if self._parts is None:
            return False
        # First said, then done: whoever reads in between sees no span promised that is gone.
        self._connection.execute(
            "UPDATE tier_state SET kept_from = greatest(kept_from, %s) WHERE tier = %s", [moment(part.to_us), table.tier]
        )
        if self._on_timescale():
            chunks.protect_rollups(self._connection)
        try:
            self._parts.drop(self._connection, table, part)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    def _next_to_drop(self, parts: _Parts) -> tuple[TierTable, Partition, int] | None:
        """The oldest part of the first tier that exceeds its share; where none does, of the first that has an old part at all."""
        now = self._clock.now_us()
        spare: list[tuple[TierTable, Partition, int]] = []
        for table in TIERS:
            share = _SHARES.get(table.tier)
            if share is None:
                continue
            found = parts.read(self._connection, table)
            sizes = parts.sizes(self._connection, table, found)
            if not found or found[0].to_us > now:
                continue
            oldest = (table, found[0], sizes[0])
            if sum(sizes) > share * (self._budget_bytes or 0):
                return oldest
            spare.append(oldest)
        return spare[0] if spare else None

    def _forget(self) -> None:
        """Once an hour: batches are for people to look at, the watermark of the spool decides; the ledger is small, but not for ever."""
        now_us = self._clock.now_us()
        if self._forgot_us is not None and 0 <= now_us - self._forgot_us < _FORGETTING_US:
            return
        run, now = self._connection.execute, moment(now_us)
        run("DELETE FROM batch WHERE stored_at < %s - %s::interval", [now, _BATCHES_KEPT])
        run("DELETE FROM ledger WHERE minute < %s - %s::interval", [now, _LEDGER_KEPT])
        run("DELETE FROM gap WHERE to_time < %s - %s::interval", [now, _LEDGER_KEPT])
        run("DELETE FROM takeover_gap WHERE minute < %s - %s::interval", [now, _LEDGER_KEPT])
        run("UPDATE ledger SET lateness = '{}' WHERE minute < %s - %s::interval AND lateness <> '{}'", [now, _LATENESS_KEPT])
        tightening.forget_before(self._connection, now_us - _TIGHTENINGS_KEPT_US, now_us - _CURVES_KEPT_US)
        events.forget_before(self._connection, now_us - _EVENTS_KEPT_US)
        states.forget_states_before(self._connection, now_us - _STATES_KEPT_US)
        self._forgot_us = now_us


def _database_bytes(connection: Connection) -> int:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return 0 if row is None else int(row[0])
