"""A simulated line controller behind Sparkplug B: an edge node whose device takes messages by DCMD and says its answers in its data.

It numbers its messages, gives its metrics aliases, has a will, and is born again when it is asked to; its set points are metrics of
their own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from plant.answer_messages import answer_text, beat_text
from plant.clock import Clock
from plant.delivery_messages import sign, signature_holds
from plant.errors import Rejected
from plant.sparkplug_names import (
    ANSWER,
    ANSWER_SIGNATURE,
    BEAT,
    BEAT_SIGNATURE,
    MESSAGE,
    MESSAGE_SIGNATURE,
    PULSE,
    PULSE_SIGNATURE,
)
from protocols.mqtt_client import MqttEndpoint, Will
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from protocols.sparkplug_payload import Metric, MetricType, Payload, Value, decode, encode
from protocols.sparkplug_topics import BDSEQ, REBIRTH, topic_of
from simulators.controller import Controller
from simulators.controller_rules import Report, Said

_NUMBERS: Final = 256


class SparkplugControlled:
    """One controller as a device of an edge node, from ``open`` to ``close``."""

    def __init__(self, controller: Controller, address: str, endpoint: MqttEndpoint, clock: Clock, *, tick_seconds: float = 0.02) -> None:
        group, node, self._device = address.split("/")
        self._node = f"{group}/{node}"
        self.controller = controller
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._bd_seq = -1
        self._sequence = 0
        self._born = False
        self._texts = dict.fromkeys((ANSWER, ANSWER_SIGNATURE, BEAT, BEAT_SIGNATURE), "")
        self._told: dict[str, Value] = {}
        self._task: asyncio.Task[None] | None = None
        self.lose = 0
        """So many messages of data to come are lost on the way."""
        commands = [topic_of("NCMD", self._node), topic_of("DCMD", self._node, self._device)]
        self._line = MqttRequests(replace(endpoint, session_seconds=0, will=self._will), commands, self._take)

    @property
    def connected(self) -> bool:
        """Whether it is on the broker, and born."""
        return self._line.connected and self._born

    async def open(self) -> None:
        """Begin to connect and to work."""
        await self._line.open()
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Leave; the will is not sent, as the specification says of who dies in order: it says so itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._born:
            self._line.publish_unconfirmed(Letter(topic_of("NDEATH", self._node), self._death(), content_type=""))
        await self._line.close()

    def _will(self) -> Will:
        self._bd_seq = (self._bd_seq + 1) % _NUMBERS
        return Will(topic_of("NDEATH", self._node), self._death())

    def _death(self) -> bytes:
        return encode(self._now_ms(), None, [Metric(BDSEQ, self._bd_seq, MetricType.INT64)])

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _take(self, letter: Letter) -> None:
        self._line.acknowledge(letter)
        try:
            payload = decode(letter.payload)
        except Rejected:
            return
        if letter.retain:
            return  # a command that a broker kept is none
        if any(row.name == REBIRTH and row.raw is True for row in payload.metrics):
            self._birth()
        elif letter.topic.split("/")[2] == "DCMD":
            self._command(payload)

    def _command(self, payload: Payload) -> None:
        told = {row.name: str(row.raw) for row in payload.metrics}
        now = self._clock.now_us()
        if MESSAGE in told:
            report = self.controller.take(told[MESSAGE], told.get(MESSAGE_SIGNATURE, ""), now)
            self._say([report] if report is not None and report.message_id else [])
            self._say(self.controller.tick(now))
        elif PULSE in told and signature_holds(told[PULSE], told.get(PULSE_SIGNATURE, ""), self.controller.rules.keys):
            self.controller.pulse(now)
            life = self.controller.life(now)
            if life is not None:
                number, unit = int(json.loads(told[PULSE])["number"]), self.controller.rules.work_unit
                self._put(BEAT, BEAT_SIGNATURE, beat_text(unit, number, counter=life.counter, state=life.state, ai_off=life.ai_off))

    # -- what goes out -----------------------------------------------------------------------------------------------

    def _say(self, reports: Sequence[Report]) -> None:
        for one in reports:
            verdict = Said.FAILED if one.said is Said.ROLLED_BACK else one.said
            text = answer_text(
                *(one.message_id, self.controller.rules.work_unit, verdict.value),
                reason=one.reason,
                readback=one.values,
                parts=one.parts,
                measured=one.measured,
            )
            self._changes()
            self._put(ANSWER, ANSWER_SIGNATURE, text)

    def _put(self, name: str, signature_name: str, text: str) -> None:
        key_id, key = next(iter(self.controller.rules.keys.items()))
        self._texts |= {name: text, signature_name: sign(text, key_id, key)}
        if self._born:
            self._send("DDATA", [self._metric(each, self._texts[each]) for each in (name, signature_name)])

    def _changes(self) -> None:
        """Tell set points that changed."""
        now = {name: one.value for name, one in self.controller.values().items()}
        changed = [name for name, value in now.items() if self._told.get(name) != value]
        if changed and self._born:
            self._told = dict(now)
            self._send("DDATA", [self._metric(name, now[name]) for name in changed])

    def _birth(self) -> None:
        self._born = True
        self._sequence = 0
        now_ms = self._now_ms()
        own = [Metric(BDSEQ, self._bd_seq, MetricType.INT64, time_ms=now_ms), Metric(REBIRTH, value=False, datatype=MetricType.BOOLEAN)]
        self._send("NBIRTH", own)
        values = self.controller.values()
        self._told = {name: one.value for name, one in values.items()}
        names = [*self._texts, *values]
        metrics = [
            Metric(name, self._texts[name], MetricType.STRING, n, now_ms)
            if name in self._texts
            else Metric(name, values[name].value, MetricType.DOUBLE, n, now_ms, properties={"engUnit": values[name].unit})
            for n, name in enumerate(names)
        ]
        self._send("DBIRTH", metrics)

    def _metric(self, name: str, value: Value) -> Metric:
        alias = [*self._texts, *self._told].index(name)
        return Metric("", value, MetricType.STRING if name in self._texts else MetricType.DOUBLE, alias, self._now_ms())

    def _send(self, kind: str, metrics: Sequence[Metric]) -> None:
        number = self._sequence
        self._sequence = (number + 1) % _NUMBERS
        if self.lose and kind == "DDATA":
            self.lose -= 1
            return
        topic = topic_of(kind, self._node, self._device if kind.startswith("D") else "")
        self._line.publish_unconfirmed(Letter(topic, encode(self._now_ms(), number, metrics), content_type=""))

    async def _work(self) -> None:
        connected = False
        while True:
            if self._line.connected != connected:
                connected = self._line.connected
                self._born = False
                if connected:
                    self._birth()
            self._say(self.controller.tick(self._clock.now_us()))
            self._changes()
            await asyncio.sleep(self._tick_seconds)

    def _now_ms(self) -> int:
        return self._clock.now_us() // 1000
