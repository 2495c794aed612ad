"""Writes what happened: while one transaction is under way the next one gathers, so that many steps share one commit.

What is handed over is written in its order, once, however often the database is away meanwhile; a future tells when it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from delivery.desk import NAME, Desk
from plant.clock import Clock
from plant.delivery_modes import ControllerStanding, Dropped
from plant.errors import Rejected, Unavailable
from storage.audit import Told, add_audits
from storage.database import Connection
from storage.deliveries import Step, read_steps, step
from storage.delivery_answers import take_answers
from storage.delivery_modes import drop_mode, hold_modes, write_standings
from storage.delivery_troubles import StandingTrouble, add_troubles

MOST_WAITING: Final = 100_000
"""Entries that wait for the database at most: then answers are not taken any more, and controllers say them again."""
_AT_ONCE: Final = 2000
_AGAIN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Drop:
    """A closed loop ends by itself."""

    work_unit: str
    why: Dropped
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written together or not at all."""

    steps: tuple[Step, ...] = ()
    told: tuple[Told, ...] = ()
    """Rows of the audit trail that are of no step."""
    drops: tuple[Drop, ...] = ()
    outcomes: Mapping[int, str] = field(default_factory=dict)
    """Of answers that came in as rows."""
    standings: tuple[ControllerStanding, ...] = ()
    troubles: tuple[StandingTrouble, ...] = ()


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    done: asyncio.Future[bool]
    tried: bool = False


class Writer:
    """Use it on one event loop; ``run`` writes until it is cancelled."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._some = asyncio.Event()
        self._log = structlog.get_logger(process=NAME)

    @property
    def full(self) -> bool:
        """Whether so much waits for the database that nothing more should be taken."""
        return len(self._waiting) >= MOST_WAITING

    @property
    def idle(self) -> bool:
        """Whether all is written."""
        return not self._waiting

    def put(self, entry: Entry) -> asyncio.Future[bool]:
        """Hand something over. The future is done when it is committed: whether all its steps were taken."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, done))
        self._some.set()
        return done

    async def run(self) -> None:
        """Write until cancelled. What cannot be written now is written later."""
        while True:
            await self._some.wait()
            some = self._waiting[:_AT_ONCE]
            try:
                taken = await self._desk.ask(lambda connection, some=some: self._write(connection, some))  # type: ignore[misc]
            except Unavailable:
                for one in some:
                    one.tried = True
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            except Rejected as error:
                taken = await self._one_by_one(some, error)
            del self._waiting[: len(some)]
            if not self._waiting:
                self._some.clear()
            for one, well in zip(some, taken, strict=True):
                if not one.done.done():
                    one.done.set_result(well)

    async def _one_by_one(self, some: Sequence[_Waiting], error: Rejected) -> list[bool]:
        """Write what the database takes: one entry that it refuses keeps no other one back."""
        self._log.error("the database refuses what is to be written; it is written one by one", reason=str(error))
        taken: list[bool] = []
        for one in some:
            while len(taken) < len(some):
                try:
                    taken += await self._desk.ask(lambda connection, one=one: self._write(connection, [one]))  # type: ignore[misc]
                except Unavailable:
                    one.tried = True
                    await asyncio.sleep(_AGAIN_SECONDS)
                    continue
                except Rejected as refused:
                    self._log.error("the database refuses a step", reason=str(refused), entry=str(one.entry))
                    taken.append(False)
                break
        return taken

    def _write(self, connection: Connection, some: Sequence[_Waiting]) -> list[bool]:
        """Write in the thread of the database."""
        with connection.transaction():
            # what was tried before may be committed all the same
            done = [one.tried and self._is_there(connection, one.entry) for one in some]
            fresh = [one.entry for one, is_there in zip(some, done, strict=True) if not is_there]
            hold_modes(connection, [each.work_unit for entry in fresh for each in entry.drops])
            taken = step(connection, [each for entry in fresh for each in entry.steps])
            add_audits(connection, [each for entry in fresh for each in entry.told])
            outcomes = {number: words for entry in fresh for number, words in entry.outcomes.items()}
            now_us = self._clock.now_us()
            if outcomes:
                take_answers(connection, outcomes, now_us)
            for entry in fresh:
                for drop in entry.drops:
                    drop_mode(connection, drop.work_unit, drop.why, now_us=now_us, note=drop.note)
            add_troubles(connection, [each for entry in fresh for each in entry.troubles])
            standings = _newest([each for entry in fresh for each in entry.standings])
            if standings:
                write_standings(connection, standings)
        results, at = [], 0
        for one, is_there in zip(some, done, strict=True):
            count = 0 if is_there else len(one.entry.steps)
            results.append(all(taken[at : at + count]))
            at += count
        return results

    @staticmethod
    def _is_there(connection: Connection, entry: Entry) -> bool:
        if not entry.steps:
            return False
        last = entry.steps[-1]
        known = read_steps(connection, last.number)
        return any((one.after, one.time_us, one.actor) == (last.stage, last.time_us, last.actor) for one in known)


def _newest(standings: Sequence[ControllerStanding]) -> list[ControllerStanding]:
    """Return one standing of each work unit: the newest, with the newest times that any has."""
    found: dict[str, ControllerStanding] = {}
    for one in standings:
        before = found.get(one.work_unit)
        kept = one
        if before is not None:
            kept = replace(one, heard_us=one.heard_us or before.heard_us, told_us=one.told_us or before.told_us)
        found[one.work_unit] = kept
    return [found[unit] for unit in sorted(found)]
