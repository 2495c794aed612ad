"""Keeps the pulse: tells controllers that we are alive, hears that they are, and what follows when one of them is not."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import structlog

from delivery.answers import READ_BACK
from delivery.desk import NAME
from delivery.flights import Flights
from delivery.heartbeats import LOST_TIMES, Heartbeats
from delivery.standing import UnitFacts, mode_of
from delivery.ways import Beat, InDoubt, Pulse, Way
from delivery.writer import Drop, Entry, Writer
from plant.clock import Clock
from plant.delivery_modes import ControllerStanding, Dropped, Mode, ModeRow
from plant.delivery_rules import DeliveryPlan
from plant.errors import Unavailable
from plant.recommendations import Stage
from storage.delivery_modes import DELIVERY
from storage.delivery_troubles import StandingTrouble, TroubleKind

TICK_SECONDS: Final = 0.025
_CHECK_SECONDS: Final = 0.25
_WRITE_SECONDS: Final = 1.0
_PULSE_SECONDS: Final = 5.0


class Pulses:
    """Knows each work unit's controller: heard, lost, switched off; and its mode."""

    def __init__(
        self, plan: DeliveryPlan, ways: Mapping[str, Way], flights: Flights, writer: Writer, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._ways = ways
        self._flights = flights
        self._writer = writer
        self._clock = clock
        self._wake = wake
        self._beats = Heartbeats()
        self._modes: Mapping[str, ModeRow] = {}
        self._controllers: dict[str, tuple[str, ...]] = {}
        self._troubles: dict[tuple[str, TroubleKind], str] = {}
        self._pulsed: dict[str, dict[str, float]] = {}
        self._turns: dict[str, deque[str]] = {}
        self._turned: list[str] = []
        self._checked = float("-inf")
        self._number = 0
        self._known: tuple[str, ...] = ()
        self._wrote = float("-inf")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._counters: dict[str, int] = {}
        self._log = structlog.get_logger(process=NAME)

    def begin(
        self,
        standings: Mapping[str, ControllerStanding],
        modes: Mapping[str, ModeRow],
        counters: Mapping[str, int],
        troubles: Mapping[tuple[str, TroubleKind], str],
    ) -> None:
        """Go on from what was kept. A closed loop whose controller heard nothing of us for too long meanwhile ends."""
        now_us = self._clock.now_us()
        self._modes, self._counters, self._troubles = modes, dict(counters), dict(troubles)
        every = {unit: self._every_us(one.way) for unit, one in standings.items()}
        self._beats.begin(standings, every, now_us)
        drops = []
        for unit, row in modes.items():
            if mode_of(row, now_us) is Mode.CLOSED_LOOP:
                one = standings.get(unit)
                told_us = None if one is None else one.told_us
                away_us = now_us - max(told_us or 0, row.time_us)
                if away_us > LOST_TIMES * every.get(unit, 5_000_000):
                    drops.append(Drop(unit, Dropped.RESTART, f"{away_us / 1e6:.0f} s"))
        if drops:
            self._writer.put(Entry(drops=tuple(drops)))

    def modes(self, modes: Mapping[str, ModeRow]) -> None:
        """Know the newest modes."""
        self._modes = modes

    def units(self, units: Sequence[str]) -> None:
        """Know which work units there are: they are told that we are alive before anything is sent to them."""
        self._known = tuple(units)

    def counted(self, work_unit: str, counter: int) -> None:
        """Know the highest counter that a work unit was given."""
        self._counters[work_unit] = max(counter, self._counters.get(work_unit, 0))

    def heard(self, controller: str, work_unit: str, beat: Beat) -> None:
        """Take a sign of life; what waited for it may leave now."""
        was = self.withholds(work_unit)
        self._beats.beat(work_unit, controller, self._every_us(controller), beat)
        if was and not self.withholds(work_unit):
            self._wake()

    def withholds(self, work_unit: str) -> bool:
        """Return whether nothing may be sent to a work unit now: its controller is lost, or the switch says AI off."""
        return not self._beats.fresh(work_unit, self._clock.now_us()) or self._beats.ai_off(work_unit)

    def facts(self, work_unit: str) -> UnitFacts:
        """Return what is known of a work unit's controller."""
        beat = self._beats.last(work_unit)
        loops = mode_of(self._modes.get(work_unit), self._clock.now_us()) is Mode.CLOSED_LOOP
        if beat is None:
            return UnitFacts(watched=loops)
        return UnitFacts(beat.heard_us, beat.ai_off, beat.counter or 0, watched=True)

    async def run(self) -> None:
        """Keep the pulse until cancelled."""
        try:
            while True:
                self.tick()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def tick(self) -> None:
        """Tell whom it is time to tell, and see what is wrong. Never waits."""
        now_us, now = self._clock.now_us(), self._clock.monotonic()
        for controller, way in self._ways.items():
            running = self._tasks.get(controller)
            due = self._due(controller, way, now) if running is None or running.done() else []
            if due:
                self._number += 1
                pulses = [Pulse(unit, self._number, now_us, mode_of(self._modes.get(unit), now_us)) for unit in due]
                self._tasks[controller] = asyncio.get_running_loop().create_task(self._pulse(way, pulses))
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        self._take_turns()
        drops = self._drops(now_us)
        troubles = self._changed(now_us)
        if drops or troubles or now - self._wrote >= _WRITE_SECONDS:
            self._wrote = now
            standings = self._beats.standings()
            if drops or troubles or standings:
                self._writer.put(Entry(drops=drops, standings=standings, troubles=troubles))
            if drops:
                self._wake()

    def _due(self, controller: str, way: Way, now: float) -> list[str]:
        """Return whom a controller's way is to tell now: a few at a time, so that what is sent between them does not wait for all."""
        every = self._every_us(controller) / 1e6
        pulsed, turn = self._pulsed.setdefault(controller, {}), self._turns.setdefault(controller, deque())
        due: list[str] = []
        for _ in range(min(len(turn), math.ceil(2 * len(turn) * TICK_SECONDS / every))):
            if now - pulsed.get(turn[0], float("-inf")) < every:
                break
            if way.reaches(turn[0]):
                due.append(turn[0])
                pulsed[turn[0]] = now
            turn.rotate(-1)
        return due

    def _take_turns(self) -> None:
        """Have new work units told too, those first that waited longest."""
        units = self._units()
        if units == self._turned:
            return
        self._turned = units
        for controller in self._ways:
            pulsed = self._pulsed.setdefault(controller, {})
            mine = [unit for unit in units if controller in self._of(unit)]
            self._turns[controller] = deque(sorted(mine, key=lambda unit: pulsed.get(unit, float("-inf"))))

    async def _pulse(self, way: Way, pulses: list[Pulse]) -> None:
        try:
            async with asyncio.timeout(_PULSE_SECONDS):
                await way.pulse(pulses)
        except (Unavailable, InDoubt, TimeoutError):
            return
        except Exception:  # noqa: BLE001 - a way of its own library; it must not end all others
            self._log.exception("a way failed", controller=way.controller)
            return
        self._beats.told((one.work_unit for one in pulses), self._clock.now_us())

    def _drops(self, now_us: int) -> tuple[Drop, ...]:
        """Return which closed loops end now."""
        found = []
        for unit, row in self._modes.items():
            if mode_of(row, now_us) is not Mode.CLOSED_LOOP:
                continue
            wrong = self._beats.trouble(unit, now_us, self._counters.get(unit), since_us=row.time_us)
            if wrong is not None:
                found.append(Drop(unit, wrong.why, wrong.words))
                self._log.warning("a closed loop ends", work_unit=unit, why=wrong.why.value, words=wrong.words)
        if found:
            # until the rows are read again
            ended = {one.work_unit for one in found}
            self._modes = {unit: row for unit, row in self._modes.items() if unit not in ended}
        return tuple(found)

    def _changed(self, now_us: int) -> tuple[StandingTrouble, ...]:
        """Return what began or ended of what people must be told of."""
        now = self._standing(now_us)
        begun = [
            StandingTrouble(unit, kind, True, now_us, words) for (unit, kind), words in now.items() if (unit, kind) not in self._troubles
        ]
        ended = [StandingTrouble(unit, kind, False, now_us, "") for unit, kind in self._troubles if (unit, kind) not in now]
        self._troubles = now
        return (*begun, *ended)

    def _standing(self, now_us: int) -> dict[tuple[str, TroubleKind], str]:
        found: dict[tuple[str, TroubleKind], str] = {}
        for unit, why in self._beats.lost(now_us, self._counters).items():
            if mode_of(self._modes.get(unit), now_us) is not Mode.OFF:
                heartbeat = why.why is Dropped.HEARTBEAT
                found[unit, TroubleKind.HEARTBEAT if heartbeat else TroubleKind.COUNTER] = "" if heartbeat else why.words
        for flight in self._flights:
            if flight.stage is Stage.IN_DOUBT:
                kind = TroubleKind.READ_BACK if flight.doubt == READ_BACK else TroubleKind.IN_DOUBT
                found.setdefault((flight.message.work_unit, kind), f"delivery {flight.number}")
        for unit, row in self._modes.items():
            if row.actor == DELIVERY and row.mode is Mode.ADVISORY and not row.reason.startswith(Dropped.EXPIRED.value):
                found[unit, TroubleKind.MODE_DROP] = row.reason
        return found

    def _units(self) -> list[str]:
        named = (name for one in self._plan.settings.controllers for name in one.work_units if not set(name) & set("*?["))
        return sorted({*self._known, *self._beats.units(), *self._modes, *named, *(one.message.work_unit for one in self._flights)})

    def _of(self, unit: str) -> tuple[str, ...]:
        known = self._controllers.get(unit)
        if known is None:
            known = tuple(
                one.id for one in self._plan.settings.controllers if any(fnmatchcase(unit, pattern) for pattern in one.work_units)
            )
            self._controllers[unit] = known
        return known

    def _every_us(self, controller: str) -> int:
        one = self._plan.named(controller)
        return 5_000_000 if one is None else round(one.heartbeat_seconds * 1e6)
