"""The process at work: looks for what may leave, sends it, takes answers, keeps the pulse; on one event loop, the database in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from delivery.answers import NOT_SENT, SEND
from delivery.desk import NAME, Desk
from delivery.flights import Flight, Flights
from delivery.hearing import Hearing
from delivery.pulses import Pulses
from delivery.recovery import Recovery
from delivery.rest import NeedsDatabase
from delivery.sending import MOST_AT_ONCE, Look, Outbox, Sent
from delivery.standing import mode_of
from delivery.ways import InDoubt, Way
from delivery.writer import Entry, Writer
from plant.clock import Clock
from plant.deliveries import UNDER_WAY
from plant.delivery_modes import ControllerStanding, Mode, ModeRow
from plant.delivery_rules import DeliveryPlan
from plant.errors import Unavailable
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import DELIVERIES, Delivery, Step, open_deliveries, read_counters
from storage.delivery_answers import DELIVERY_ANSWERS, StoredAnswer, waiting_answers
from storage.delivery_inputs import known_units, stages_of
from storage.delivery_modes import newest_modes, read_standings
from storage.delivery_troubles import TroubleKind, standing_troubles

CHANNELS: Final = (DELIVERIES, DELIVERY_ANSWERS)
LOOK_SECONDS: Final = 1.0
"""Between two looks when nobody says anything."""
GATHER_SECONDS: Final = 0.015
"""Between two looks at least: a look costs the same for one message as for many, and those under way wait for it."""
SEND_SECONDS: Final = 10.0
"""A way that has not said by then whether a message arrived does not know."""
_AGAIN_SECONDS: Final = 1.0
_UNITS_SECONDS: Final = 30.0
"""Between two looks which work units there are."""
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands in the database when this process begins."""

    under_way: Sequence[Delivery]
    standings: Mapping[str, ControllerStanding]
    modes: Mapping[str, ModeRow]
    counters: Mapping[str, int]
    troubles: Mapping[tuple[str, TroubleKind], str]


class Worker:
    """Delivers until told to stop. Use it on one event loop, once."""

    def __init__(self, plan: DeliveryPlan, ways: Mapping[str, Way], key: Callable[[str], bytes], url: str, clock: Clock) -> None:
        self._plan = plan
        self._ways = ways
        self._clock = clock
        self._log = structlog.get_logger(process=NAME)
        self._woken = asyncio.Event()
        self._desk = Desk(url, CHANNELS, self._woken.set)
        for way in ways.values():
            if isinstance(way, NeedsDatabase):
                way.attach(self._desk)
        self._writer = Writer(self._desk, clock)
        self._flights = Flights(plan)
        self._hearing = Hearing(self._flights, ways, self._writer, self._desk, clock)
        self._recovery = Recovery(self._flights, ways, self._hearing, self._writer, clock)
        self._outbox = Outbox(plan, key, clock)
        self._pulses = Pulses(plan, ways, self._flights, self._writer, clock, self._woken.set)
        self._sending: set[asyncio.Task[None]] = set()
        self._connects = 0
        self._units_due = float("-inf")
        self._slots: dict[int, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; what is under way then is found by the next one. Raises SettingsError where a way's are wrong."""
        try:
            if not await self._begun(stop):
                return
            for controller, way in self._ways.items():
                await way.open(self._hearing.ears(controller, partial(self._pulses.heard, controller)))
            loops = (self._looks(), self._writer.run(), self._pulses.run())
            tasks = [asyncio.create_task(one) for one in (*loops, stop.wait())]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # what was heard is written while the writer still runs
            await self._recovery.close()
            await self._hearing.close(_STOP_SECONDS)
            if self._sending:
                await asyncio.wait(list(self._sending), timeout=_STOP_SECONDS)
            for task in (*self._sending, *tasks):
                task.cancel()
            await asyncio.gather(*self._sending, *tasks, return_exceptions=True)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        finally:
            for way in self._ways.values():
                await way.close()
            await self._desk.close()

    async def _begun(self, stop: asyncio.Event) -> bool:
        """Begin as soon as the database is there; False where it is time to stop before."""
        while not stop.is_set():
            try:
                await self._begin()
            except Unavailable:
                await _pause(stop, _AGAIN_SECONDS)
            else:
                return True
        return False

    async def _begin(self) -> None:
        """Take up what is under way, and how controllers stood."""
        found = await self._desk.ask(_found)
        for one in found.under_way:
            self._flights.add(self._flights.stored(one))
        self._pulses.begin(found.standings, found.modes, found.counters, found.troubles)
        self._connects = self._desk.connects
        if self._flights:
            self._log.info("goes on", under_way=len(self._flights))

    async def _looks(self) -> None:
        while True:
            self._woken.clear()
            begun = self._clock.monotonic()
            try:
                more = await self._look()
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            self._recovery.look()
            if more:
                await asyncio.sleep(0)
                continue
            await _pause(self._woken, LOOK_SECONDS)
            # what comes together is looked at, and committed, together
            await asyncio.sleep(max(0.0, begun + GATHER_SECONDS - self._clock.monotonic()))

    async def _look(self) -> bool:
        """Make one look; return whether there is more to send at once."""
        if self._outbox.unsure:
            self._give(await self._desk.ask(self._outbox.looked_up), self._slots)
        if self._connects != self._desk.connects:
            await self._reconnected()
        rows = await self._desk.ask(waiting_answers)
        if rows:
            await self._take_rows(rows)
        await self._settled_by_persons()
        look = await self._desk.ask(self._outbox.look)
        self._pulses.modes(look.modes)
        if self._clock.monotonic() >= self._units_due:
            self._units_due = self._clock.monotonic() + _UNITS_SECONDS
            self._pulses.units(await self._desk.ask(known_units))
        ready = self._ready(look)
        if not ready:
            return False
        facts = {one.draft.work_unit: self._pulses.facts(one.draft.work_unit) for one in ready}
        self._slots = {one.number: one.draft.slot for one in ready}
        self._give(await self._desk.ask(lambda connection: self._outbox.send(connection, ready, facts)), self._slots)
        return len(ready) > MOST_AT_ONCE

    def _ready(self, look: Look) -> list[Delivery]:
        """Return what can leave now: its slot is free and its controller there; all else waits."""
        taken = {(one.message.work_unit, one.slot) for one in self._flights}
        found = []
        for one in look.approved:
            place = (one.draft.work_unit, one.draft.slot)
            if place not in taken and self._reaches(one, look):
                taken.add(place)
                found.append(one)
        return found

    def _reaches(self, one: Delivery, look: Look) -> bool:
        unit = one.draft.work_unit
        controller = self._plan.controller(unit, one.draft.kind)
        if controller is None or mode_of(look.modes.get(unit), look.now_us) is Mode.SHADOW:
            return True
        way = self._ways.get(controller.id)
        return way is not None and way.reaches(unit) and not self._pulses.withholds(unit)

    def _give(self, sent: Sent, slots: Mapping[int, str]) -> None:
        """Follow what was committed as SENT, and give it to the ways: here, once, and nowhere else."""
        for signed in sent.messages:
            self._pulses.counted(signed.message.work_unit, signed.message.counter)
            flight = self._flights.add(self._flights.sent(signed, slots.get(signed.number, ""), sent.committed))
            if flight.handed:
                continue
            flight.handed = True
            task = asyncio.get_running_loop().create_task(self._send(flight))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, flight: Flight) -> None:
        way = self._ways.get(flight.controller)
        stage, reason, note = Stage.EXPIRED, NOT_SENT, "its controller has no way"
        if way is not None:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await way.send(flight.signed)
            except Unavailable as error:
                note = str(error)
            except (InDoubt, TimeoutError) as error:
                stage, reason, note = Stage.IN_DOUBT, SEND, str(error) or "no answer while it was sent"
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody knows whether the message left
                self._log.exception("a way failed", controller=flight.controller)
                stage, reason, note = Stage.IN_DOUBT, SEND, repr(error)
            else:
                return
        async with flight.turn:
            if flight.stage is not Stage.SENT:
                # an answer came all the same
                return
            now_us = self._clock.now_us()
            written = self._writer.put(Entry(steps=(Step(flight.number, stage, now_us, NAME, reason, note[:2000]),)))
            flight.stage, flight.stage_us, flight.doubt = stage, now_us, reason if stage is Stage.IN_DOUBT else ""
            if stage is Stage.EXPIRED:
                self._hearing.landed(flight)
        self._log.warning("a message did not arrive", delivery=flight.number, stage=stage.value, reason=note)
        if not await written:
            await self._hearing.refresh(flight)

    async def _take_rows(self, rows: Sequence[StoredAnswer]) -> None:
        """Take answers that came in as rows; they are marked in the transaction of their steps."""
        taken = [self._hearing.told(row.answer, None, row) for row in rows]
        for one in await asyncio.gather(*taken, return_exceptions=True):
            if isinstance(one, BaseException) and not isinstance(one, Unavailable):
                self._log.error("an answer could not be taken", reason=repr(one))

    async def _settled_by_persons(self) -> None:
        """Follow what persons said of deliveries that were in doubt."""
        doubtful = [one for one in self._flights if one.stage is Stage.IN_DOUBT]
        if not doubtful:
            return
        ids = [one.number for one in doubtful]
        rows = await self._desk.ask(lambda connection: stages_of(connection, ids))
        for flight in doubtful:
            if flight.stage is Stage.IN_DOUBT and rows.get(flight.number) not in (None, Stage.IN_DOUBT) and self._writer.idle:
                await self._hearing.refresh(flight)

    async def _reconnected(self) -> None:
        """Follow what another process may have done while this one was without the database."""
        self._connects = self._desk.connects
        for one in await self._desk.ask(lambda connection: open_deliveries(connection, UNDER_WAY)):
            self._flights.add(self._flights.stored(one))


def _found(connection: Connection) -> _Found:
    return _Found(
        open_deliveries(connection, UNDER_WAY),
        read_standings(connection),
        newest_modes(connection),
        read_counters(connection),
        {(one.work_unit, one.kind): one.words for one in standing_troubles(connection) if one.kind is not TroubleKind.CHANGEOVER},
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
