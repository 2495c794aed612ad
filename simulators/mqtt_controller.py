"""Simulated line controllers behind MQTT 5: what ``docs/controllers.md`` asks of a controller, for as many work units as wanted.

They answer signed, on their own topics only; they refuse what was retained; they follow each pulse with a sign of life, and say what became
of a message, and what is in force, to who asks. How one may misbehave is its ``Behaviour``.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from typing import Final

from plant.answer_messages import answer_text, beat_text, values_text
from plant.clock import Clock
from plant.delivery_messages import sign, signature_holds
from plant.delivery_topics import OURS, DeliveryTopics
from plant.errors import Unavailable
from protocols.mqtt_client import MqttEndpoint
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from simulators.controller import Controller
from simulators.controller_rules import Report, Said

_PATIENCE_SECONDS: Final = 10.0
_KEPT: Final = 10_000


class MqttControllers:
    """Controllers of one id in the settings, on one connection, from ``open`` to ``close``."""

    def __init__(
        self, controllers: Iterable[Controller], endpoint: MqttEndpoint, topics: DeliveryTopics, clock: Clock, *, tick_seconds: float = 0.02
    ) -> None:
        self._by_unit = {one.rules.work_unit: one for one in controllers}
        self._topics = topics
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._units = {topics.of(unit, what): unit for unit in self._by_unit for what in OURS}
        self._line = MqttRequests(endpoint, topics.filters(self._by_unit, OURS), self._take)
        self._outbox: deque[tuple[str, Letter]] = deque(maxlen=_KEPT)
        self._pulses: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.retained = 0
        """Messages refused because a broker had kept them."""
        self.unsigned = 0
        """Messages, pulses and questions that Leadhand did not sign."""

    @property
    def connected(self) -> bool:
        """Whether the broker has taken us and our subscriptions."""
        return self._line.connected

    def controller(self, work_unit: str) -> Controller:
        """Return the controller of a work unit."""
        return self._by_unit[work_unit]

    async def open(self) -> None:
        """Begin to connect and to work, and return at once."""
        await self._line.open()
        self._do(self._work())
        self._do(self._send())

    async def close(self) -> None:
        """Stop working and say goodbye."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._line.close()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _take(self, letter: Letter) -> None:
        try:
            unit = self._units.get(letter.topic)
            text = letter.payload.decode("utf-8", "replace")
            signature = letter.user.get("signature", "")
            what = letter.topic.rpartition("/")[2]
            if unit is None:
                return
            if letter.retain:
                self._refuse_retained(unit, text, signature, letter, what)
            elif what == "message":
                self._message(unit, text, signature, letter)
            elif not signature_holds(text, signature, self._by_unit[unit].rules.keys):
                self.unsigned += 1
            else:
                self._asked(unit, what, json.loads(text), letter)
        finally:
            self._line.acknowledge(letter)

    def _message(self, unit: str, text: str, signature: str, letter: Letter) -> None:
        controller, now = self._by_unit[unit], self._clock.now_us()
        report = controller.take(text, signature, now)
        if report is not None and not report.message_id:
            self.unsigned += 1
            return
        self._say(unit, [] if report is None else [report], letter.correlation)
        self._say(unit, controller.tick(now))

    def _refuse_retained(self, unit: str, text: str, signature: str, letter: Letter, what: str) -> None:
        self.retained += 1
        controller, now = self._by_unit[unit], self._clock.now_us()
        if what != "message" or not signature_holds(text, signature, controller.rules.keys):
            return
        known = controller.what_of(json.loads(text)["id"], now)
        if known is not None and known.said is Said.NOT_TAKEN:
            self._say(unit, [Report(message_id=known.message_id, said=Said.REFUSED, time_us=now, reason="retained")], letter.correlation)

    def _asked(self, unit: str, what: str, told: Mapping[str, object], letter: Letter) -> None:
        controller, now = self._by_unit[unit], self._clock.now_us()
        if what == "pulse":
            controller.pulse(now)
            self._pulses[unit] = int(str(told["number"]))
            self._beat(unit)
        elif what == "ask":
            report = controller.what_of(str(told["id"]), now)
            self._say(unit, [] if report is None else [report], letter.correlation)
        elif what == "read" and controller.life(now) is not None:
            values = controller.values()
            names = told.get("names", ())
            asked = [values[name] for name in names if name in values] if isinstance(names, list) else []
            self._put(unit, "answer", values_text(unit, asked, controller.switched()), letter.correlation)

    # -- what goes out -----------------------------------------------------------------------------------------------

    def _beat(self, unit: str) -> None:
        life = self._by_unit[unit].life(self._clock.now_us())
        if life is not None:
            self._put(unit, "beat", beat_text(unit, self._pulses[unit], counter=life.counter, state=life.state, ai_off=life.ai_off))

    def _say(self, unit: str, reports: Iterable[Report], correlation: bytes = b"") -> None:
        for one in reports:
            verdict = Said.FAILED if one.said is Said.ROLLED_BACK else one.said
            life = self._by_unit[unit].life(self._clock.now_us())
            text = answer_text(
                one.message_id,
                unit,
                verdict.value,
                reason=f"{one.reason} {one.name}".strip(),
                readback=one.values,
                parts=one.parts,
                measured=one.measured,
                counter=None if life is None else life.counter,
            )
            self._put(unit, "answer", text, correlation)

    def _put(self, unit: str, what: str, text: str, correlation: bytes = b"") -> None:
        key_id, key = next(iter(self._by_unit[unit].rules.keys.items()))
        letter = Letter(self._topics.of(unit, what), text.encode(), correlation=correlation, user={"signature": sign(text, key_id, key)})
        if what == "beat":
            self._line.publish_unconfirmed(letter)
        elif self._outbox or not self._line.connected:
            self._outbox.append((unit, letter))
        else:
            self._do(self._publish(unit, letter))

    async def _publish(self, unit: str, letter: Letter) -> None:
        """Publish, and keep it for later where the broker may not have it: an answer may come twice, and must not be lost."""
        try:
            arrived = await self._line.publish(letter, _PATIENCE_SECONDS)
        except Unavailable:
            arrived = False
        if not arrived:
            self._outbox.append((unit, letter))

    async def _send(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            for _ in range(len(self._outbox) if self._line.connected else 0):
                await self._publish(*self._outbox.popleft())

    async def _work(self) -> None:
        while True:
            now = self._clock.now_us()
            for unit, controller in self._by_unit.items():
                self._say(unit, controller.tick(now))
            await asyncio.sleep(self._tick_seconds)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
