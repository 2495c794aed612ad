"""What tests of ways share: who listens to a way, signed messages, and controllers that understand them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from delivery.ways import Beat, Pulse, Setup, Taken
from plant.clock import SystemClock
from plant.deliveries import Answer, Kind, Message, Quantity, SignedMessage, Verdict
from plant.delivery_messages import message_text, sign
from plant.delivery_modes import Mode
from plant.delivery_rules import DeliveryPlan
from plant.equipment import EquipmentId
from plant.settings_delivery import Controller as ControllerSettings
from plant.settings_delivery import DeliverySettings
from plant.site import Site
from simulators.controller import Controller
from simulators.controller_check import ParameterLimit, ProgramLimits
from simulators.controller_rules import Behaviour, ControllerRules

PATIENCE: Final = 30.0
KEY: Final = bytes(range(32))
CLOCK: Final = SystemClock()
CURRENT: Final = "current"
PROGRAM: Final = ProgramLimits("P1", 3, (ParameterLimit(CURRENT, "A", 100.0, 300.0, 50.0),))


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.005)


@dataclass
class Heard:
    """Takes what a way tells, and settles it at once unless told to wait."""

    answers: list[Answer] = field(default_factory=list)
    beats: list[tuple[str, Beat]] = field(default_factory=list)
    settled: bool = True
    waiting: list[asyncio.Future[Taken]] = field(default_factory=list)

    def told(self, answer: Answer) -> asyncio.Future[Taken]:
        self.answers.append(answer)
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        if self.settled:
            future.set_result(Taken.STEP)
        else:
            self.waiting.append(future)
        return future

    def beat(self, work_unit: str, beat: Beat) -> None:
        self.beats.append((work_unit, beat))

    def verdicts(self, message_id: str) -> list[Verdict]:
        return [one.verdict for one in self.answers if one.message_id == message_id]


def controller(work_unit: str, key_id: str = "cell", behaviour: Behaviour = Behaviour.OBEDIENT, **rules: Any) -> Controller:
    """A simulated controller that knows program P1 and runs at 200 A."""
    known: Mapping[str, bytes] = {key_id: KEY}
    given = ControllerRules(work_unit=work_unit, keys=known, programs=(PROGRAM,), values={CURRENT: 200.0}, behaviour=behaviour, **rules)
    return Controller(given, CLOCK.now_us())


def signed(work_unit: str, counter: int, key_id: str = "cell", *, value: float = 210.0, seconds: float = 60.0) -> SignedMessage:
    """A message that sets the current, signed."""
    now = CLOCK.now_us()
    message = Message(
        id=str(uuid.uuid4()),
        kind=Kind.PARAMETERS,
        work_unit=work_unit,
        counter=counter,
        issued_us=now,
        expires_us=now + round(seconds * 1e6),
        program="P1",
        parameters=(Quantity(CURRENT, value, "A"),),
        window_version=3,
    )
    text = message_text(message)
    return SignedMessage(counter, message, text, sign(text, key_id, KEY))


def pulse(work_unit: str, number: int) -> Pulse:
    return Pulse(work_unit, number, CLOCK.now_us(), Mode.ADVISORY)


def setup(folder: Path, *controllers: ControllerSettings) -> Setup:
    """What makers of ways get, at the site acme/north."""
    plan = DeliveryPlan(DeliverySettings(controllers=controllers), folder, wanted=True)
    site = Site(EquipmentId("acme/north"), "North", "UTC", (), (), (), delivery=plan)
    return Setup(site, controllers, folder, CLOCK, lambda _controller: KEY)
