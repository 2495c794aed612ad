"""A line controller that takes messages, or does not: a pure state machine that speaks no protocol. Fronts put one before it.

It checks each message by ``simulators.controller_check``, carries it out in its own time, reads back what is in force, and says so. How
it may behave wrongly is a ``Behaviour``; what it really did stands in ``executions``, which only tests look at. Time comes from outside.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from plant.deliveries import Quantity, SetPart
from simulators.controller_check import Code, Situation, check
from simulators.controller_memory import Memory, read_memory, write_memory
from simulators.controller_reading import Order
from simulators.controller_rules import Behaviour, ControllerRules, Execution, Life, Report, Said, State

_AHEAD: Final = 1000
"""By so much a wrong counter is ahead."""
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class _Doing:
    order: Order
    due_us: int
    taken: bool
    """Whether it has said that it accepts."""


class Controller:
    """One controller of one work unit. ``take`` what comes, ``tick`` often; what either returns is said to Leadhand."""

    def __init__(self, rules: ControllerRules, now_us: int = 0) -> None:
        self.rules = rules
        self.behaviour = rules.behaviour
        self.powered = True
        self.state = State.IDLE
        self.situation = Situation(rules.work_unit, rules.keys, rules.programs, values=dict(rules.values))
        self.parts = dict(rules.parts)
        self.jobs: deque[Order] = deque()
        self.held: dict[str, str] = {}
        """Serial numbers that are kept, each with why."""
        self.program = rules.programs[0].program if rules.programs else ""
        self.executions: list[Execution] = []
        self.forgot = False
        """Whether it has lost its memory since it was built."""
        self._units = {one.name: one.unit for program in rules.programs for one in program.parameters}
        self._doing: list[_Doing] = []
        self._said: dict[str, Report] = {}
        self._later: list[Report] = []
        self._up_us = 0
        self._job: Order | None = None
        self._job_until_us = 0
        self._pulse_us: int | None = None
        self._own = dict(rules.values)
        if rules.memory is not None:
            self._remember(read_memory(rules.memory), now_us)

    # --- what fronts ask --------------------------------------------------------------------------------------------------------------

    def take(self, text: str, signature: str, now_us: int) -> Report | None:
        """Take a message and return what is said at once; None where it says nothing now, or never.

        A report without ``message_id`` is of something that was no signed message: a front may answer it only where it must.
        """
        self._power_up(now_us)
        if not self.powered or self.behaviour is Behaviour.DEAF:
            return None
        self.situation.ai_off = self.behaviour is Behaviour.AI_OFF
        checked = check(text, signature, replace(self.situation, counter=self._counter()), now_us)
        order = checked.order
        if order is not None and order.id in self._said:
            # the same message again, as QoS 1 may bring it: what became of it is said again, and nothing is done twice
            return None if self.behaviour is Behaviour.SILENT else self._said[order.id]
        if order is None:
            # whose answer it would be, nobody knows: a signature that does not hold is no message of anybody
            return Report(message_id="", said=Said.REFUSED, time_us=now_us, reason=checked.code.word)
        if checked.code is not Code.OK:
            return self._answer(_report(order, Said.REFUSED, now_us, checked.code.word, name=checked.name))
        if self.behaviour is Behaviour.REFUSING or self.state in (State.ABORTED, State.STOPPED):
            return self._answer(_report(order, Said.REFUSED, now_us, "not_ready"))
        return self._accept(order, now_us)

    def tick(self, now_us: int) -> list[Report]:
        """Return what is said by now: late answers, deeds, measurements. Call it often."""
        self._power_up(now_us)
        if not self.powered:
            return []
        again, self._later = self._later, []
        self._watch(now_us)
        said = self._make(now_us)
        for one in [one for one in self._doing if one.due_us <= now_us]:
            if self.powered:
                self._doing.remove(one)
                said += self._do(one, now_us)
        return [] if self.behaviour is Behaviour.SILENT else again + [each for one in said for each in self._twisted(one)]

    def values(self) -> dict[str, Quantity]:
        """Return set points in force, as the controller reads them back."""
        return {name: Quantity(name, value, self._units.get(name, "1")) for name, value in self.situation.values.items()}

    def switched(self) -> tuple[SetPart, ...]:
        """Return what is switched on."""
        return tuple(SetPart(kind, name, version) for kind, (name, version) in sorted(self.parts.items()))

    def what_of(self, message_id: str, now_us: int) -> Report | None:
        """Return what became of a message, for whoever asks; None where it cannot tell, because it has no memory of before."""
        self._power_up(now_us)
        if not self.powered:
            return None
        found = self._said.get(message_id)
        if found is None and not self.forgot:
            return Report(message_id=message_id, said=Said.NOT_TAKEN, time_us=now_us)
        return found

    def life(self, now_us: int) -> Life | None:
        """Return what its heartbeat bears; None while it is without power."""
        self._power_up(now_us)
        off = self.behaviour is Behaviour.AI_OFF
        return Life(self._counter(), off, self.situation.local, self.state.value) if self.powered else None

    def pulse(self, now_us: int) -> None:
        """Take Leadhand's heartbeat."""
        self._pulse_us = now_us
        self.situation.local = False

    # --- what happens to it -----------------------------------------------------------------------------------------------------------

    def lose_power(self, now_us: int) -> None:
        """Stop at once; all that does not stand in its memory is gone."""
        self.powered = False
        self._up_us = now_us + self.rules.down_us

    def abort(self) -> None:
        """Go to Aborted: nothing is taken until ``reset``."""
        self.state = State.ABORTED

    def reset(self) -> None:
        """Go from Aborted to Idle."""
        self.state = State.IDLE

    # --- how it works -----------------------------------------------------------------------------------------------------------------

    def _counter(self) -> int:
        return self.situation.counter + (_AHEAD if self.behaviour is Behaviour.WRONG_COUNTER else 0)

    def _accept(self, order: Order, now_us: int) -> Report | None:
        self.situation.counter = order.counter
        slow = self.behaviour is Behaviour.SLOW
        self._doing.append(_Doing(order, now_us + (self.rules.slow_us if slow else self.rules.work_us), taken=not slow))
        accepted = _report(order, Said.ACCEPTED, now_us)
        self._said[order.id] = accepted
        while len(self._said) > _REMEMBERED:
            self._said.pop(next(iter(self._said)))
        # the counter is remembered before anything is done: better never than twice
        self._keep()
        return None if slow else self._answer(accepted)

    def _do(self, one: _Doing, now_us: int) -> list[Report]:
        order = one.order
        if not one.taken:
            if now_us >= order.expires_us:
                return [self._final(order, Said.REFUSED, now_us, "expired")]
            self._doing.append(replace(one, taken=True, due_us=now_us + self.rules.work_us))
            return [_report(order, Said.ACCEPTED, now_us)]
        if self.behaviour is Behaviour.CRASHING:
            self.behaviour = Behaviour.OBEDIENT
            self.lose_power(now_us)
            return []
        if self.behaviour is Behaviour.LYING:
            return [self._final(order, Said.EXECUTED, now_us)]
        if self.behaviour is Behaviour.FAILING:
            return [self._final(order, Said.FAILED, now_us, "fault")]
        if order.kind == "changeover" and not self._change_over(order):
            return [self._final(order, Said.ROLLED_BACK if self.rules.rolls_back else Said.FAILED, now_us, "fault")]
        self._carry_out(order, now_us)
        if order.kind == "job":
            # done when the part is made
            self.jobs.append(order)
            return []
        return self._done(order, now_us)

    def _done(self, order: Order, now_us: int) -> list[Report]:
        self.executions.append(Execution(order.id, order.counter, now_us))
        said = [self._final(order, Said.EXECUTED, now_us)]
        measured = () if self.rules.measure is None else self.rules.measure(order)
        if measured:
            said.append(replace(_report(order, Said.MEASURED, now_us), measured=measured))
        return said

    def _carry_out(self, order: Order, now_us: int) -> None:
        if order.kind in ("parameters", "job", "offsets"):
            for name, value, unit in order.parameters:
                off = 1.05 if self.behaviour is Behaviour.DRIFTING else 1.0
                if self.situation.values.get(name) != value * off:
                    self.situation.changed_us[name] = now_us
                self.situation.values[name] = value * off
                self._units[name] = unit
            self.program = order.program or self.program
        if order.kind == "hold":
            self.held[order.serial] = order.reason
            self.state = State.HELD
        if order.kind == "release":
            self.held.pop(order.serial, None)
            if not self.held and self.state is State.HELD:
                self.state = State.IDLE if self._job is None else State.EXECUTE

    def _change_over(self, order: Order) -> bool:
        before = dict(self.parts)
        many = len(order.parts) // 2 if self.behaviour is Behaviour.HALFWAY else len(order.parts)
        for kind, name, version in order.parts[:many]:
            self.parts[kind] = (name, version)
        if many == len(order.parts):
            return True
        if self.rules.rolls_back:
            self.parts = before
        return False

    def _make(self, now_us: int) -> list[Report]:
        """Make parts, one after the other, and say which are done."""
        said: list[Report] = []
        if self.state is State.EXECUTE and self._job is not None and now_us >= self._job_until_us:
            said = self._done(self._job, now_us)
            self._job, self.state = None, State.IDLE
        if self.state is State.IDLE and self._job is None and self.jobs:
            self._job, self.state = self.jobs.popleft(), State.EXECUTE
            self._job_until_us = now_us + (self.rules.job_us if self.rules.lasts is None else self.rules.lasts(self._job))
        return said

    def _watch(self, now_us: int) -> None:
        """Without Leadhand's heartbeat it goes back to its own set points, step by step: nothing jumps."""
        if self.rules.watchdog_us is None or self._pulse_us is None:
            return
        if now_us - self._pulse_us > self.rules.watchdog_us:
            self.situation.local = True
        if not self.situation.local:
            return
        steps = {one.name: one.step for program in self.rules.programs for one in program.parameters if program.program == self.program}
        for name, own in self._own.items():
            present = self.situation.values.get(name, own)
            step = steps.get(name, abs(own - present))
            moved = own if abs(own - present) <= step else present + (step if own > present else -step)
            if moved != present:
                self.situation.values[name] = moved
                self.situation.changed_us[name] = now_us

    def _final(self, order: Order, said: Said, now_us: int, reason: str = "") -> Report:
        names = [name for name, _, _ in order.parameters]
        values = self.values()
        report = _report(order, said, now_us, reason)
        if order.parameters and self.behaviour is Behaviour.LYING:
            report = replace(report, values=tuple(Quantity(*one) for one in order.parameters))
        elif order.parameters:
            report = replace(report, values=tuple(values[name] for name in names if name in values))
        if order.parts and self.behaviour is Behaviour.LYING:
            report = replace(report, parts=tuple(SetPart(*one) for one in order.parts))
        elif order.parts:
            kinds = {kind for kind, _, _ in order.parts}
            report = replace(report, parts=tuple(one for one in self.switched() if one.kind in kinds))
        self._said[order.id] = report
        self._keep()
        return report

    def _answer(self, report: Report) -> Report | None:
        """Return what is said at once; what a fault adds comes with the next tick."""
        if self.behaviour is Behaviour.SILENT:
            return None
        self._later += self._twisted(report)[1:]
        return report

    def _twisted(self, report: Report) -> list[Report]:
        """Return what is said, with what a fault adds to it."""
        if self.behaviour is Behaviour.TWICE:
            return [report, report]
        if self.behaviour is not Behaviour.REPLAYING:
            return [report]
        old = [one for one in self._said.values() if one.message_id != report.message_id][-3:]
        unknown = replace(report, message_id=str(uuid.uuid5(uuid.NAMESPACE_OID, report.key)), key=f"{report.key}-unknown")
        return [report, *old, unknown]

    # --- power and memory -------------------------------------------------------------------------------------------------------------

    def _power_up(self, now_us: int) -> None:
        if self.powered or now_us < self._up_us:
            return
        self.powered = True
        self.state = State.IDLE
        self._doing.clear()
        self._later.clear()
        self.jobs.clear()
        self._job = None
        self._pulse_us = None
        before = self._said
        self._said = {}
        if self.rules.memory is None:
            self.forgot = self.forgot or bool(before)
            self.situation.counter = 0
            self.situation.values = dict(self.rules.values)
            self.situation.changed_us = {}
            self.parts = dict(self.rules.parts)
            return
        self._remember(read_memory(self.rules.memory), now_us)

    def _keep(self) -> None:
        if self.rules.memory is None:
            return
        said = {identity: (one.said.value, one.reason, one.time_us) for identity, one in self._said.items()}
        kept = Memory(self.situation.counter, dict(self.situation.values), dict(self.situation.changed_us), dict(self.parts), said)
        write_memory(self.rules.memory, kept)

    def _remember(self, kept: Memory | None, now_us: int) -> None:
        if kept is None:
            return
        self.situation.counter = kept.counter
        self.situation.values = dict(kept.values)
        self.situation.changed_us = dict(kept.changed_us)
        self.parts = dict(kept.parts)
        for identity, (said, reason, time_us) in kept.said.items():
            found = Report(message_id=identity, said=Said(said), reason=reason, time_us=time_us, key=f"{identity}-{said}")
            if found.said is Said.ACCEPTED:
                # it said yes and its power went: it was not done, and never will be
                found = replace(found, said=Said.FAILED, reason="power_lost", time_us=now_us, key=f"{identity}-failed")
                self._later.append(found)
            self._said[identity] = found
        self._keep()


def _report(order: Order, said: Said, now_us: int, reason: str = "", *, name: str = "") -> Report:
    return Report(message_id=order.id, said=said, time_us=now_us, reason=reason, name=name, key=f"{order.id}-{said.value}")
