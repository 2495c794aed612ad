"""Asks controllers what became of messages that are without an answer: after a restart, at a deadline, and while in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from delivery.deadlines import ASK_SECONDS, DOUBT_ASK_SECONDS, due, without_answer
from delivery.desk import NAME
from delivery.flights import Flight, Flights, is_under_way
from delivery.hearing import Hearing
from delivery.ways import InDoubt, NotTaken, Way
from delivery.writer import Entry, Writer
from plant.clock import Clock
from plant.deliveries import Answer, Verdict
from plant.errors import Unavailable
from plant.recommendations import Stage
from storage.deliveries import Step

_ANSWER_SECONDS: Final = 5.0
"""A controller that is asked answers within so long, or cannot be asked now."""
_MOST_AT_ONCE: Final = 100


class Recovery:
    """Brings deliveries to an end of which nothing is heard."""

    def __init__(self, flights: Flights, ways: Mapping[str, Way], hearing: Hearing, writer: Writer, clock: Clock) -> None:
        self._flights = flights
        self._ways = ways
        self._hearing = hearing
        self._writer = writer
        self._clock = clock
        self._begun_us = clock.now_us()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(process=NAME)

    def look(self) -> None:
        """Ask about what is due, or was sent by a process before this one. Never waits."""
        now_us, now = self._clock.now_us(), self._clock.monotonic()
        for flight in self._flights:
            over = due(flight, self._flights.controller(flight.message), now_us, self._begun_us)
            pause = DOUBT_ASK_SECONDS if flight.stage is Stage.IN_DOUBT else ASK_SECONDS
            if (over or not flight.handed) and now - flight.asked >= pause:
                flight.asked = now
                task = asyncio.get_running_loop().create_task(self._ask(flight))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop asking."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, flight: Flight) -> None:
        try:
            async with self._places:
                said, could = await self._said(flight)
            if isinstance(said, Answer) and not (said.verdict is Verdict.ACCEPTED and flight.stage is Stage.ACCEPTED):
                await self._hearing.told(said, flight.controller or None)
            else:
                # still at work, says its controller: a person looks when that takes longer than agreed
                await self._without(flight, None if isinstance(said, Answer) else said, could=could)
        except Unavailable:
            return
        except Exception:  # noqa: BLE001 - a way of its own library; it must not end all others
            self._log.exception("could not ask what became of a delivery", delivery=flight.number)

    async def _said(self, flight: Flight) -> tuple[Answer | NotTaken | None, bool]:
        """Return what the controller says, and whether it could be asked."""
        way = self._ways.get(flight.controller)
        if way is None:
            return None, True
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await way.ask(flight.signed), True
        except (Unavailable, InDoubt, TimeoutError):
            return None, False

    async def _without(self, flight: Flight, said: NotTaken | None, *, could: bool) -> None:
        """Take the step that silence brings, unless something was heard meanwhile."""
        async with flight.turn:
            if not is_under_way(flight.stage):
                return
            now_us = self._clock.now_us()
            is_due = due(flight, self._flights.controller(flight.message), now_us, self._begun_us)
            turn = without_answer(flight, said, now_us, is_due=is_due)
            if turn is None:
                return
            note = turn.note if could else "it could not be asked"
            written = self._writer.put(Entry(steps=(Step(flight.number, turn.stage, now_us, NAME, turn.reason, note),)))
            flight.stage, flight.doubt, flight.stage_us = turn.stage, turn.reason if turn.stage is Stage.IN_DOUBT else "", now_us
            if not is_under_way(flight.stage):
                self._hearing.landed(flight)
        self._log.warning("nothing was heard of a delivery", delivery=flight.number, now=turn.stage.value, reason=turn.reason)
        if not await written:
            await self._hearing.refresh(flight)
