"""A way without a wire: simulated controllers in the same process, so that tests look at the delivery process alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from delivery.ways import Beat, Ears, NotTaken, Pulse, ReadBack
from plant.clock import SystemClock
from plant.deliveries import Answer, SignedMessage, Verdict
from plant.errors import Unavailable
from simulators.controller import Controller
from simulators.controller_rules import Report, Said

_CLOCK = SystemClock()
_VERDICTS = {Said.ROLLED_BACK: Verdict.FAILED} | {Said(one.value): one for one in Verdict}


@dataclass
class Loopback:
    """The way to controllers that stand in this process; what it is told to do wrong it does."""

    controller: str
    controllers: dict[str, Controller]
    settings: dict[str, Any] = field(default_factory=dict)
    """Of its controller, where they are others than the house's."""
    reads: set[str] = field(default_factory=set)
    """Work units where it can read back by itself."""
    away: bool = False
    failure: Exception | None = None
    """Raised by ``send`` in place of sending."""
    mute: bool = False
    """No signs of life."""
    sent: list[SignedMessage] = field(default_factory=list)
    settled_ids: list[str] = field(default_factory=list)
    pulses: dict[str, Pulse] = field(default_factory=dict)
    taken: list[Any] = field(default_factory=list)
    _ears: Ears | None = None
    _ticking: asyncio.Task[None] | None = None

    async def open(self, ears: Ears) -> None:
        self._ears = ears
        self._ticking = asyncio.create_task(self._tick())

    async def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)

    def reaches(self, work_unit: str) -> bool:
        return not self.away and work_unit in self.controllers

    async def send(self, signed: SignedMessage) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(signed)
        await asyncio.sleep(0)
        self._say(signed.message.work_unit, self.controllers[signed.message.work_unit].take(signed.text, signed.signature, _CLOCK.now_us()))

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        if self.away:
            raise Unavailable("it is away")
        controller = self.controllers[signed.message.work_unit]
        report = controller.what_of(signed.message.id, _CLOCK.now_us())
        if report is not None and report.said is Said.NOT_TAKEN:
            return NotTaken(controller.situation.counter)
        return None if report is None else answer_of(signed.message.work_unit, report)

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        if signed.message.work_unit not in self.reads:
            return None
        controller = self.controllers[signed.message.work_unit]
        return ReadBack(tuple(controller.values().values()), controller.switched())

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        for one in pulses:
            self.pulses[one.work_unit] = one
            self.controllers[one.work_unit].pulse(_CLOCK.now_us())

    def settled(self, signed: SignedMessage) -> None:
        self.settled_ids.append(signed.message.id)

    def _say(self, unit: str, report: Report | None) -> None:
        if report is not None and report.message_id and self._ears is not None:
            self.taken.append(self._ears.told(answer_of(unit, report)))

    async def _tick(self) -> None:
        while True:
            for unit, controller in self.controllers.items():
                if self.away:
                    continue
                for report in controller.tick(_CLOCK.now_us()):
                    self._say(unit, report)
                life = controller.life(_CLOCK.now_us())
                if life is not None and not self.mute and self._ears is not None:
                    self._ears.beat(unit, Beat(_CLOCK.now_us(), life.ai_off, life.counter, life.state))
            await asyncio.sleep(0.01)


def answer_of(unit: str, report: Report) -> Answer:
    return Answer(
        message_id=report.message_id,
        work_unit=unit,
        verdict=_VERDICTS[report.said],
        time_us=_CLOCK.now_us(),
        reason=report.reason,
        readback=report.values,
        parts=report.parts,
        measured=report.measured,
        key=report.key,
    )
