"""The way to edge nodes and devices of Sparkplug B: messages as metrics of a command, answers and what is in force as their own metrics.

A command is one NCMD or DCMD with the message and its signature as two metrics (QoS 0 and never retained, as Sparkplug asks). The node says
its answers and signs of life the same way, in its data; parameters are read back from its own metrics, which tell each change, and from
births, which tell everything again. Nothing counts that the controller's key did not sign.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from delivery.mqtt import endpoint_of
from delivery.ways import Beat, Ears, NotTaken, Pulse, ReadBack, Setup, Way
from plant.answer_messages import NotTakenAnswer, pulse_text, read_answer, read_beat
from plant.clock import Clock
from plant.deliveries import Answer, Quantity, SignedMessage
from plant.delivery_messages import sign, signature_holds
from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings_delivery import SparkplugController
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
from protocols.mqtt_client import MqttEndpoint, MqttState
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from protocols.sparkplug_commands import CommandedNode, text_metric

_REBIRTH_SECONDS: Final = 5.0
"""Between two requests for a birth, and how long one is waited for."""
_PULSES: Final = 3
_SAID_EVERY_SECONDS: Final = 60.0


class SparkplugWay:
    """The way to one node or device."""

    def __init__(self, settings: SparkplugController, endpoint: MqttEndpoint, key: bytes, clock: Clock) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        self._ears: Ears | None = None
        self._node = CommandedNode(settings.node, self._changed)
        self._line = MqttRequests(endpoint, self._node.filters(), self._take, self._said)
        self._log = structlog.get_logger("delivery", controller=settings.id)
        self._pulses: dict[str, deque[int]] = {}
        self._open: set[str] = set()
        self._answer: Answer | None = None
        self._born = asyncio.Event()
        self._rebirth_asked: float | None = None
        self._warned: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.refused = 0
        """Answers and signs of life that did not count: not signed, not readable, or played again."""

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        return self._settings.id

    async def open(self, ears: Ears) -> None:
        """Begin to connect, and return at once."""
        self._ears = ears
        await self._line.open()
        self._task = asyncio.get_running_loop().create_task(self._keep_born())

    async def close(self) -> None:
        """Leave the broker."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._line.close()

    def reaches(self, work_unit: str) -> bool:
        """Whether the node is born, and nothing of it was missed."""
        del work_unit
        return self._line.connected and self._node.alive

    async def send(self, signed: SignedMessage) -> None:
        """Send one command. Raises Unavailable where the node is not there: it surely did not get it."""
        if not self.reaches(signed.message.work_unit):
            raise Unavailable(f"node '{self._settings.node}' is not born")
        if self._clock.now_us() >= signed.message.expires_us:
            raise Unavailable("it expired before it left")
        self._open.add(signed.message.id)
        if not self._command(MESSAGE, signed.text, MESSAGE_SIGNATURE, signed.signature):
            self._open.discard(signed.message.id)
            raise Unavailable(f"no broker for controller '{self.controller}'")

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Ask for a birth, which says the last answer again; None where that is of another message."""
        self._open.add(signed.message.id)
        if not self._line.connected:
            raise Unavailable(f"no broker for controller '{self.controller}'")
        self._born.clear()
        self._publish(*self._node.rebirth(self._clock.now_us() // 1000))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REBIRTH_SECONDS):
                await self._born.wait()
        said = self._answer
        return said if said is not None and said.message_id == signed.message.id else None

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        """Return parameters as the node's own metrics tell them. Raises Unavailable where something of it was missed."""
        if not self._node.alive:
            raise Unavailable(f"node '{self._settings.node}' is not born")
        found = []
        for asked in signed.message.parameters:
            known = self._node.metric(self._settings.metrics.get(asked.name, asked.name))
            if known is not None and isinstance(known.value, int | float) and not isinstance(known.value, bool):
                found.append(Quantity(asked.name, float(known.value), known.unit or asked.unit))
        return ReadBack(tuple(found))

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """Tell that we are alive. Raises Unavailable while there is no broker."""
        if not self._line.connected:
            raise Unavailable(f"no broker for controller '{self.controller}'")
        for one in pulses:
            number = one.time_us // 1000
            text = pulse_text(one.work_unit, number, one.time_us, one.mode.value)
            self._pulses.setdefault(one.work_unit, deque(maxlen=_PULSES)).append(number)
            self._command(PULSE, text, PULSE_SIGNATURE, sign(text, self.controller, self._key))

    def settled(self, signed: SignedMessage) -> None:
        """What a birth says of it is old news from now on."""
        self._open.discard(signed.message.id)

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _take(self, letter: Letter) -> None:
        try:
            whole = self._node.take(letter.topic, letter.payload)
        except Rejected as error:
            whole = False
            self._warn("what the node said cannot be read", str(error))
        self._line.acknowledge(letter)
        if not whole:
            self._ask_rebirth()

    def _changed(self, names: Sequence[str], birth: bool) -> None:
        if ANSWER in names:
            self._hear(ANSWER, ANSWER_SIGNATURE, birth=birth)
        if BEAT in names and not birth:
            self._hear(BEAT, BEAT_SIGNATURE, birth=birth)
        if birth:
            self._born.set()

    def _hear(self, name: str, signature_name: str, *, birth: bool) -> None:
        text, signature = self._text(name), self._text(signature_name)
        if not text:
            return
        if not signature_holds(text, signature, {self.controller: self._key}):
            self.refused += 1
            self._warn("what came in is not signed with the controller's key", name)
            return
        try:
            if name == BEAT:
                self._beat(text)
            else:
                self._answered(text, birth=birth)
        except SettingsError as error:
            self.refused += 1
            self._warn("what a controller said cannot be read", str(error)[:400])

    def _answered(self, text: str, *, birth: bool) -> None:
        said = read_answer(text, self._clock.now_us(), actor=self.controller)
        if isinstance(said, NotTakenAnswer):
            return
        self._answer = said
        # a birth repeats the last answer: of what nobody waits for it is old news
        if self._ears is not None and (not birth or said.message_id in self._open):
            self._ears.told(said)

    def _beat(self, text: str) -> None:
        said = read_beat(text)
        if said.pulse not in self._pulses.get(said.work_unit, ()):
            self.refused += 1
        elif self._ears is not None:
            self._ears.beat(said.work_unit, Beat(self._clock.now_us(), said.ai_off, said.counter, said.state))

    def _text(self, name: str) -> str:
        known = self._node.metric(name)
        return known.value if known is not None and isinstance(known.value, str) else ""

    # -- what goes out -----------------------------------------------------------------------------------------------

    async def _keep_born(self) -> None:
        """Ask for a birth while there is none: the node may have been born before we listened."""
        while True:
            if self._line.connected and not self._node.alive:
                self._ask_rebirth()
            await asyncio.sleep(_REBIRTH_SECONDS / 20)

    def _ask_rebirth(self) -> None:
        now = self._clock.monotonic()
        if self._rebirth_asked is None or now - self._rebirth_asked > _REBIRTH_SECONDS:
            self._rebirth_asked = now
            self._publish(*self._node.rebirth(self._clock.now_us() // 1000))

    def _command(self, name: str, text: str, signature_name: str, signature: str) -> bool:
        metrics = [text_metric(name, text), text_metric(signature_name, signature)]
        return self._publish(*self._node.command(self._clock.now_us() // 1000, metrics))

    def _publish(self, topic: str, payload: bytes) -> bool:
        return self._line.publish_unconfirmed(Letter(topic, payload, content_type=""))

    def _said(self, state: MqttState, detail: str) -> None:
        self._node.lost()
        self._rebirth_asked = None
        if state is MqttState.CONNECTED:
            self._log.info("the broker is there")
        else:
            self._log.warning("the broker is not there", state=state.value, reason=detail)

    def _warn(self, what: str, detail: str) -> None:
        now = self._clock.monotonic()
        if self._warned is None or now - self._warned > _SAID_EVERY_SECONDS:
            self._warned = now
            self._log.warning(what, detail=detail, refused=self.refused)


def make_ways(setup: Setup) -> Sequence[Way]:
    """Return one way for each controller. Raises SettingsError."""
    ways = []
    for one in setup.controllers:
        if not isinstance(one, SparkplugController):
            raise SettingsError(f"delivery.controllers: '{one.id}' is not reached by Sparkplug")
        endpoint = endpoint_of(one, setup, session_seconds=0)
        ways.append(SparkplugWay(one, endpoint, setup.keys(one.id), setup.clock))
    return ways
