"""What may leave now: approved, its mode and its controller allow it, its inputs are sound, and the gate lets its bytes through.

All of it runs in the database's thread. SENT is committed before a message is given to anybody; whether a commit whose answer did not come
back took place is looked up afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from delivery.answers import NOT_SENT
from delivery.desk import NAME
from delivery.gate import refusals
from delivery.gate_words import Why
from delivery.heartbeats import LOST_TIMES
from delivery.inputs import Inputs
from delivery.standing import Gatherer, Known, UnitFacts, mode_of
from plant.clock import Clock
from plant.deliveries import CLOSED_LOOP, GATE, Kind, Message, SignedMessage
from plant.delivery_messages import sign
from plant.delivery_modes import Dropped, Mode, ModeRow
from plant.delivery_rules import DeliveryPlan
from plant.errors import Rejected
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import Delivery, Step, read_deliveries, read_delivery, send, step
from storage.delivery_modes import drop_mode, hold_modes, newest_modes
from storage.process_windows import hold_windows

MOST_AT_ONCE: Final = 200
"""Messages of one commit: the last of them waits for all."""
WAIT_SECONDS: Final = 900.0
"""What is approved and cannot leave (controller away, slot occupied) is void after so long, or its own time if that is longer."""
_READ: Final = 1000
_FACTS: Final = frozenset({Kind.HOLD, Kind.RELEASE, Kind.DESIGN_CHANGE})
"""What is so, however long it takes to tell; all else is advice, which grows old."""
_BY_LOOP: Final = (Kind.PARAMETERS, Kind.JOB, Kind.OFFSETS, Kind.CHANGEOVER, Kind.HOLD)
"""What a closed loop sends without a person: never a release, a route or a design."""
_URGENT: Final = {Kind.HOLD: 0, Kind.RELEASE: 1}


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to do."""

    approved: tuple[Delivery, ...]
    modes: Mapping[str, ModeRow]
    now_us: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What may leave the house: SENT is committed."""

    messages: tuple[SignedMessage, ...]
    committed: float
    """When, on a clock that never steps."""


class Outbox:
    """Looks for what may leave, and commits it as SENT."""

    def __init__(self, plan: DeliveryPlan, key: Callable[[str], bytes], clock: Clock) -> None:
        self._plan = plan
        self._key = key
        self._clock = clock
        stale_us = round(plan.settings.stale_seconds * 1e6)
        self._inputs = Inputs(clock, stale_us)
        self._gatherer = Gatherer(stale_us, plan.settings.offsets_most_mm)
        self._unsure: dict[int, SignedMessage] = {}

    @property
    def unsure(self) -> bool:
        """Whether a commit may have taken place whose answer never came: ``looked_up`` comes first then."""
        return bool(self._unsure)

    def look(self, connection: Connection) -> Look:
        """Return what is approved, by persons or by a closed loop that they began; what modes forbid and what waited too long expires."""
        now_us = self._clock.now_us()
        modes = newest_modes(connection)
        for unit, row in modes.items():
            if row.mode is Mode.CLOSED_LOOP and mode_of(row, now_us) is not Mode.CLOSED_LOOP:
                drop_mode(connection, unit, Dropped.EXPIRED, now_us=now_us)
        of = {unit: mode_of(row, now_us) for unit, row in modes.items()}
        touched = [unit for unit, mode in of.items() if mode is not Mode.ADVISORY]
        if touched:
            proposed = read_deliveries(connection, stages=(Stage.PROPOSED,), work_units=touched, oldest_first=True, most=_READ)
            step(connection, [taken for one in proposed if (taken := _by_mode(one, modes[one.draft.work_unit], now_us)) is not None])
        approved = read_deliveries(connection, stages=(Stage.APPROVED,), oldest_first=True, most=_READ)
        void = [taken for one in approved if (taken := _void(one, of.get(one.draft.work_unit, Mode.ADVISORY), now_us)) is not None]
        step(connection, void)
        gone = {one.number for one in void}
        waiting = sorted((one for one in approved if one.number not in gone), key=lambda one: (_URGENT.get(one.draft.kind, 2), one.number))
        return Look(tuple(waiting), modes, now_us)

    def send(self, connection: Connection, wanted: Sequence[Delivery], facts: Mapping[str, UnitFacts]) -> Sent:
        """Commit as SENT what the gate lets through, and return it. What it refuses is REFUSED, and its work unit's closed loop ends."""
        try:
            return self._send(connection, list(wanted[:MOST_AT_ONCE]), facts)
        except (Rejected, ValueError):
            # one that cannot even be written keeps no other one back
            self._unsure.clear()
            return self._one_by_one(connection, wanted[:MOST_AT_ONCE], facts)

    def _one_by_one(self, connection: Connection, wanted: Sequence[Delivery], facts: Mapping[str, UnitFacts]) -> Sent:
        found: list[SignedMessage] = []
        for one in wanted:
            try:
                found += self._send(connection, [one], facts).messages
            except (Rejected, ValueError) as error:
                self._unsure.pop(one.number, None)
                step(connection, [Step(one.number, Stage.REFUSED, self._clock.now_us(), GATE, Why.UNREADABLE.value, str(error)[:2000])])
            self._unsure |= {signed.number: signed for signed in found}
        self._unsure.clear()
        return Sent(tuple(found), self._clock.monotonic())

    def _send(self, connection: Connection, some: Sequence[Delivery], facts: Mapping[str, UnitFacts]) -> Sent:
        with connection.transaction():
            # whoever switches a mode or changes a window meanwhile waits: what leaves was allowed when it left
            hold_modes(connection, [one.draft.work_unit for one in some])
            hold_windows(connection)
            known = self._gatherer.gather(connection, some)
            self._inputs.prepare(connection, [one.draft for one in some])
            now_us = self._clock.now_us()
            by_number: dict[int, tuple[Delivery, str]] = {}
            for one in some:
                if mode_of(known.modes.get(one.draft.work_unit), now_us) is not Mode.SHADOW and self._waits(one, facts, now_us):
                    continue
                fault = self._inputs.fault(connection, one.draft, now_us)
                if fault is None or fault.lasting:
                    by_number[one.number] = (one, "" if fault is None else fault.words)
            drops: dict[str, tuple[Dropped, str]] = {}

            def check(signed: SignedMessage) -> tuple[Stage, str, str] | None:
                delivery, inputs = by_number[signed.number]
                refused = self._refused(signed, delivery, inputs, known, facts, now_us)
                if refused is None:
                    self._unsure[signed.number] = signed
                    return None
                if refused[0] is Stage.REFUSED:
                    drops[signed.message.work_unit] = (Dropped.INPUTS if inputs else Dropped.GATE, refused[2])
                return refused

            messages = send(connection, list(by_number), now_us, actor=NAME, sign=self._sign, check=check)
            for unit, (why, words) in drops.items():
                drop_mode(connection, unit, why, now_us=now_us, note=words)
        self._unsure.clear()
        return Sent(tuple(messages), self._clock.monotonic())

    def _waits(self, one: Delivery, facts: Mapping[str, UnitFacts], now_us: int) -> bool:
        """Return whether its controller was lost or switched off since it was looked for: that passes, and is no reason to refuse it."""
        unit, controller = facts.get(one.draft.work_unit, UnitFacts()), self._plan.controller(one.draft.work_unit, one.draft.kind)
        if unit.ai_off or controller is None or not unit.watched:
            return unit.ai_off
        return unit.heard_us is None or now_us - unit.heard_us > LOST_TIMES * controller.heartbeat_seconds * 1e6

    def looked_up(self, connection: Connection) -> Sent:
        """Return what was committed as SENT although the answer to that commit never came: nobody was given it yet.

        Another delivery process that was at work meanwhile never sends what it did not sign itself.
        """
        now_us, found, late = self._clock.now_us(), [], []
        for number, signed in self._unsure.items():
            row = read_delivery(connection, number)
            if row is not None and row.stage is Stage.SENT and row.text == signed.text:
                if now_us < signed.message.expires_us:
                    found.append(signed)
                else:
                    late.append(Step(number, Stage.EXPIRED, now_us, NAME, NOT_SENT, "the database was away"))
        step(connection, late)
        self._unsure.clear()
        return Sent(tuple(found), self._clock.monotonic())

    def _refused(
        self,
        signed: SignedMessage,
        delivery: Delivery,
        inputs: str,
        known: Known,
        facts: Mapping[str, UnitFacts],
        now_us: int,
    ) -> tuple[Stage, str, str] | None:
        message = signed.message
        controller = self._plan.controller(message.work_unit, message.kind)
        if controller is None:
            return Stage.REFUSED, "no_controller", f"no controller of the settings takes {message.kind.value} for it"
        unit = facts.get(message.work_unit, UnitFacts())
        standing = self._gatherer.standing(known, delivery, controller, self._key(controller.id), unit, inputs, now_us)
        known.counters[message.work_unit] = message.counter
        found = refusals(signed.text, signed.signature, standing)
        beside = [one for one in found if one.why not in (Why.MODE_OFF, Why.MODE_SHADOW)]
        if beside:
            return Stage.REFUSED, beside[0].why.value, "; ".join(one.words for one in beside)[:2000]
        if found:
            return Stage.EXPIRED, found[0].why.value, "the gate would have let it through" if found[0].why is Why.MODE_SHADOW else ""
        return None

    def _sign(self, message: Message, text: str) -> str:
        controller = self._plan.controller(message.work_unit, message.kind)
        return "" if controller is None else sign(text, controller.id, self._key(controller.id))


def _by_mode(one: Delivery, row: ModeRow, now_us: int) -> Step | None:
    """Return what a mode makes of what is proposed; None: a person decides."""
    mode = mode_of(row, now_us)
    if mode is Mode.OFF:
        return Step(one.number, Stage.EXPIRED, now_us, NAME, Why.MODE_OFF.value)
    if mode is Mode.SHADOW:
        # made and checked like all others, and never sent
        return Step(one.number, Stage.APPROVED, now_us, "shadow")
    if mode is Mode.CLOSED_LOOP and one.draft.kind in _BY_LOOP and one.made_us >= row.time_us:
        return Step(one.number, Stage.APPROVED, now_us, f"{CLOSED_LOOP} ({row.actor}, {row.second})")
    return None


def _void(one: Delivery, mode: Mode, now_us: int) -> Step | None:
    """Return why what is approved may not leave any more."""
    if mode is Mode.OFF:
        return Step(one.number, Stage.EXPIRED, now_us, NAME, Why.MODE_OFF.value)
    if one.draft.kind not in _FACTS and now_us - one.stage_us > max(WAIT_SECONDS, one.draft.valid_seconds) * 1e6:
        return Step(one.number, Stage.EXPIRED, now_us, NAME, NOT_SENT, "it could not leave in time")
    if one.approved_by == "shadow" and mode is not Mode.SHADOW:
        return Step(one.number, Stage.EXPIRED, now_us, NAME, Why.MODE_SHADOW.value, "no person approved it")
    if one.approved_by.startswith(CLOSED_LOOP) and mode is not Mode.CLOSED_LOOP:
        return Step(one.number, Stage.EXPIRED, now_us, NAME, Why.LOOP_ENDED.value, f"approved by {one.approved_by}")
    return None
