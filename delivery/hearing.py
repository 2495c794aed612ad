"""What controllers say, taken up: found, weighed, read back where it says executed, and written; acknowledged when that is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from delivery.answers import Meaning, Said, meaning
from delivery.desk import NAME, Desk
from delivery.flights import Flight, Flights, is_under_way
from delivery.read_backs import is_read_back, unlike
from delivery.ways import Beat, InDoubt, ReadBack, Taken, Way
from delivery.writer import Drop, Entry, Writer
from plant.clock import Clock
from plant.deliveries import Answer, Quantity, Verdict
from plant.delivery_modes import Dropped
from plant.errors import Unavailable
from plant.recommendations import Stage
from plant.settings_delivery import ToleranceSettings
from storage.audit import Told
from storage.deliveries import Delivery, Step, delivery_of_message
from storage.delivery_answers import StoredAnswer

READ_SECONDS: Final = 20.0
"""A controller that says executed has so long until it can be read back."""
_READ_AGAIN_SECONDS: Final = 0.5
_READ_PAUSES: Final = (0.02, 0.1, 0.3, 0.6)
"""What is in force may lag a little behind what is said."""


class Hearing:
    """Takes answers of all ways and of the inbox."""

    def __init__(self, flights: Flights, ways: Mapping[str, Way], writer: Writer, desk: Desk, clock: Clock) -> None:
        self._flights = flights
        self._ways = ways
        self._writer = writer
        self._desk = desk
        self._clock = clock
        self._tasks: set[asyncio.Task[Taken]] = set()
        self._closed = False
        self._log = structlog.get_logger(process=NAME)

    def ears(self, controller: str, beat: Callable[[str, Beat], None]) -> EarsOf:
        """Return where the way to a controller tells what it hears."""
        return EarsOf(self, controller, beat)

    def told(self, answer: Answer, controller: str | None, row: StoredAnswer | None = None) -> asyncio.Future[Taken]:
        """Take an answer of a controller, or one that came in as a row."""
        if self._closed or self._writer.full:
            refused: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
            refused.set_exception(Unavailable("answers cannot be kept now; say it again"))
            refused.exception()
            return refused
        task = asyncio.get_running_loop().create_task(self._take(answer, controller, row))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    async def close(self, seconds: float) -> None:
        """Take no more, and write what was taken if that is possible in so many seconds."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)
        for task in list(self._tasks):
            task.cancel()

    def _over(self, task: asyncio.Task[Taken]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Unavailable):
            self._log.error("an answer could not be taken", reason=repr(error))

    async def _take(self, answer: Answer, controller: str | None, row: StoredAnswer | None) -> Taken:
        flight = self._flights.find(answer.message_id)
        if flight is None:
            known = await self._desk.ask(lambda connection: delivery_of_message(connection, answer.message_id))
            if known is None or known.counter is None:
                return await self._refuse(answer, row, "no such message was sent")
            flight = self._known(known)
        if flight.message.work_unit != answer.work_unit:
            return await self._refuse(answer, row, f"the message is not of work unit '{answer.work_unit}'")
        if controller is not None and flight.controller not in ("", controller):
            return await self._refuse(answer, row, f"the message was not sent to '{controller}'")
        async with flight.turn:
            said = await self._weigh(flight, answer)
            what = meaning(flight.stage, flight.doubt, said)
            if what.taken is Taken.REFUSED:
                return await self._refuse(answer, row, f"it is {flight.stage.value}", contradicts=what.contradicts)
            written = self._writer.put(self._entry(flight, answer, what, row))
            before = self._follow(flight, what)
        if await written:
            return what.taken
        # somebody else took a step meanwhile: what is true stands in the database
        await self.refresh(flight)
        self._log.warning("an answer met another stage", delivery=flight.number, was=before.value, said=answer.verdict.value)
        return Taken.REFUSED

    def _known(self, known: Delivery) -> Flight:
        flight = self._flights.stored(known)
        return self._flights.add(flight) if is_under_way(flight.stage) else flight

    def _follow(self, flight: Flight, what: Meaning) -> Stage:
        before = flight.stage
        for turn in what.turns:
            flight.stage, flight.doubt = turn.stage, turn.reason if turn.stage is Stage.IN_DOUBT else ""
            flight.stage_us = self._clock.now_us()
        if what.turns and not is_under_way(flight.stage):
            self.landed(flight)
        return before

    def landed(self, flight: Flight) -> None:
        """Follow a delivery no longer, and let its way know."""
        self._flights.forget(flight)
        way = self._ways.get(flight.controller)
        if way is not None:
            way.settled(flight.signed)

    async def refresh(self, flight: Flight) -> None:
        """Take a delivery as its row says it is."""
        known = await self._desk.ask(lambda connection: delivery_of_message(connection, flight.message.id))
        if known is None:
            return
        self.corrected(flight, known)

    def corrected(self, flight: Flight, known: Delivery) -> None:
        """Take a delivery as a row that was read says it is."""
        flight.stage, flight.stage_us = known.stage, known.stage_us
        flight.doubt = known.stage_reason if known.stage is Stage.IN_DOUBT else ""
        if is_under_way(flight.stage):
            self._flights.add(flight)
        else:
            self.landed(flight)

    async def _weigh(self, flight: Flight, answer: Answer) -> Said:
        detail: dict[str, Any] = {}
        if answer.measured:
            detail["measured"] = _rows(answer.measured)
        if answer.verdict is not Verdict.EXECUTED or not is_read_back(flight.message):
            if answer.verdict is Verdict.EXECUTED:
                self._timed(flight, detail)
            return Said(verdict=answer.verdict, reason=answer.reason, detail=detail)
        faults = await self._read_back(flight, answer, detail)
        self._timed(flight, detail)
        read = detail.get("read_by") == "leadhand"
        return Said(verdict=answer.verdict, reason=answer.reason, unlike=tuple(faults), read=read, detail=detail)

    def _timed(self, flight: Flight, detail: dict[str, Any]) -> None:
        if flight.committed is not None:
            detail["seconds"] = round(self._clock.monotonic() - flight.committed, 6)

    async def _read_back(self, flight: Flight, answer: Answer, detail: dict[str, Any]) -> list[str]:
        """Return what is not as asked for: by what the way reads, else by what the controller says it read."""
        way, takes = self._ways.get(flight.controller), self._flights.controller(flight.message)
        tolerances = () if takes is None else takes.tolerances
        if way is not None:
            faults, read = await self._read(flight, way, tolerances)
            if read is not None or faults:
                detail |= {} if read is None else _read("leadhand", read)
                return faults
        if not answer.readback and not answer.parts:
            detail["read_by"] = ""
            return []
        read = ReadBack(answer.readback, answer.parts)
        detail |= _read("controller", read)
        return unlike(flight.message, read, tolerances)

    async def _read(self, flight: Flight, way: Way, tolerances: Sequence[ToleranceSettings]) -> tuple[list[str], ReadBack | None]:
        """Return what is not as asked for, and what was read; neither where the way cannot read. What lags behind is read again."""
        why, pauses = "no answer", iter(_READ_PAUSES)
        try:
            async with asyncio.timeout(READ_SECONDS):
                while True:
                    try:
                        read = await way.read_back(flight.signed)
                    except (Unavailable, InDoubt) as error:
                        why = str(error)
                        await asyncio.sleep(_READ_AGAIN_SECONDS)
                        continue
                    faults = [] if read is None else unlike(flight.message, read, tolerances)
                    pause = next(pauses, None)
                    if not faults or pause is None:
                        return faults, read
                    await asyncio.sleep(pause)
        except TimeoutError:
            return [f"it could not be read back: {why}"], None

    def _entry(self, flight: Flight, answer: Answer, what: Meaning, row: StoredAnswer | None) -> Entry:
        actor = answer.actor or flight.controller or "controller"
        number, time_us = flight.number, answer.time_us
        steps = [Step(number, turn.stage, time_us, actor, turn.reason, turn.note, dict(turn.detail) or None) for turn in what.turns]
        drops = (Drop(flight.message.work_unit, Dropped.READ_BACK, f"delivery {flight.number}"),) if what.unlike else ()
        return Entry(steps=tuple(steps), drops=drops, outcomes={} if row is None else {row.number: ""})

    async def _refuse(self, answer: Answer, row: StoredAnswer | None, why: str, *, contradicts: bool = False) -> Taken:
        """Keep an answer that means nothing: on the audit trail, whoever said it."""
        said = {"message": answer.message_id[:100], "work_unit": answer.work_unit[:400], "verdict": answer.verdict.value, "why": why}
        told = Told(answer.time_us, answer.actor or "controller", "delivery.answer_refused", "delivery", None, said)
        drops = (Drop(answer.work_unit, Dropped.READ_BACK, why),) if contradicts else ()
        await self._writer.put(Entry(told=(told,), drops=drops, outcomes={} if row is None else {row.number: why}))
        return Taken.REFUSED


class EarsOf:
    """Where the way to one controller tells what it hears."""

    def __init__(self, hearing: Hearing, controller: str, beat: Callable[[str, Beat], None]) -> None:
        self._hearing = hearing
        self._controller = controller
        self._beat = beat

    def told(self, answer: Answer) -> asyncio.Future[Taken]:
        """Take an answer; done when it is committed."""
        return self._hearing.told(answer if answer.actor else replace(answer, actor=self._controller), self._controller)

    def beat(self, work_unit: str, beat: Beat) -> None:
        """Take a sign of life."""
        self._beat(work_unit, beat)


def _rows(quantities: tuple[Quantity, ...]) -> list[dict[str, Any]]:
    return [{"name": one.name, "value": one.value, "unit": one.unit} for one in quantities]


def _read(by: str, read: ReadBack) -> dict[str, Any]:
    parts = [{"kind": one.kind, "name": one.name, "version": one.version} for one in read.parts]
    return {"read_by": by, "read": _rows(read.parameters)} | ({"parts": parts} if parts else {})
