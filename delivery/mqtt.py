"""The way to controllers behind a broker of MQTT 5: request and response, each signed, on topics in ISA-95 order.

A message goes out once, with QoS 1, never retained, with its id as correlation data, a response topic, and the time after which no broker
gives it out. An answer counts only where the controller's key signed it; it is acknowledged to the broker when it is committed. One
connection serves all work units of a controller; nothing here waits in a thread.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from delivery.ways import Beat, Ears, InDoubt, NotTaken, Pulse, ReadBack, Setup, Way
from plant.answer_messages import (
    NotTakenAnswer,
    ValuesSaid,
    ask_text,
    pulse_text,
    read_answer,
    read_beat,
    read_text,
    read_values,
)
from plant.clock import Clock
from plant.deliveries import Answer, SignedMessage
from plant.delivery_messages import sign, signature_holds
from plant.delivery_topics import THEIRS, DeliveryTopics, prefix_of
from plant.errors import SettingsError, Unavailable
from plant.settings_delivery import BrokerController, MqttController
from protocols.mqtt_client import MqttEndpoint, MqttState
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests

_BROKER_SECONDS: Final = 5.0
_QUESTION_SECONDS: Final = 2.0
_SESSION_SECONDS: Final = 86_400
"""The broker keeps answers for so long while this process is away."""
_PULSES: Final = 3
"""A sign of life counts that follows one of our newest so many."""
_AT_ONCE: Final = 20
_SAID_EVERY_SECONDS: Final = 60.0
Said = Answer | NotTakenAnswer | ValuesSaid


@dataclass(slots=True)
class Refused:
    """What came in and did not count, by why."""

    unsigned: int = 0
    unreadable: int = 0
    elsewhere: int = 0
    """Said on the topic of another work unit."""
    retained: int = 0
    old: int = 0
    """Signs of life that follow none of our newest pulses: too late, or played again."""


class MqttWay:
    """The way to one controller."""

    def __init__(self, settings: MqttController, endpoint: MqttEndpoint, topics: DeliveryTopics, key: bytes, clock: Clock) -> None:
        self._settings = settings
        self._topics = topics
        self._key = key
        self._clock = clock
        self._ears: Ears | None = None
        self._log = structlog.get_logger("delivery", controller=settings.id)
        self._line = MqttRequests(endpoint, topics.filters(settings.work_units, THEIRS), self._take, self._said)
        self._waiting: dict[bytes, asyncio.Future[Said]] = {}
        self._pulses: dict[str, deque[int]] = {}
        self._warned: float | None = None
        self.refused = Refused()

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        return self._settings.id

    async def open(self, ears: Ears) -> None:
        """Begin to connect, and return at once."""
        self._ears = ears
        await self._line.open()

    async def close(self) -> None:
        """Say goodbye; the broker keeps what comes for as long as a session lives."""
        await self._line.close()
        for waiting in self._waiting.values():
            waiting.cancel()

    def reaches(self, work_unit: str) -> bool:
        """Whether the broker is there, and the work unit can be in a topic."""
        try:
            self._topics.of(work_unit, "message")
        except SettingsError:
            return False
        return self._line.connected

    async def send(self, signed: SignedMessage) -> None:
        """Give a message to the broker. Raises Unavailable where it surely went nowhere, InDoubt where nobody knows."""
        message = signed.message
        left = (message.expires_us - self._clock.now_us()) // 1_000_000
        if left < 0:
            raise Unavailable("it expired before it left")
        letter = Letter(
            self._topic(message.work_unit, "message"),
            signed.text.encode(),
            response_topic=self._topic(message.work_unit, "answer"),
            correlation=UUID(message.id).bytes,
            user={"signature": signed.signature},
            expires_seconds=left,
        )
        if not await self._line.publish(letter, _BROKER_SECONDS):
            raise InDoubt("the broker did not say whether it has the message")

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Ask the controller what became of a message; None where it does not say."""
        if not self._settings.questions:
            return None
        message = signed.message
        try:
            said = await self._question(message.work_unit, "ask", ask_text(message.id, message.work_unit))
        except TimeoutError:
            return None
        if isinstance(said, NotTakenAnswer) and said.message_id == message.id:
            return NotTaken(said.counter)
        return said if isinstance(said, Answer) and said.message_id == message.id else None

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        """Ask the controller what is in force; None where it answers no questions. Raises Unavailable."""
        if not self._settings.questions:
            return None
        message = signed.message
        names = [one.name for one in message.parameters]
        try:
            said = await self._question(message.work_unit, "read", read_text(message.work_unit, names))
        except TimeoutError as error:
            raise Unavailable(f"controller '{self.controller}' did not say what is in force") from error
        if not isinstance(said, ValuesSaid):
            raise Unavailable(f"controller '{self.controller}' answered another question")
        return ReadBack(said.parameters, said.parts)

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """Tell that we are alive. Raises Unavailable while there is no broker."""
        if not self._line.connected:
            raise Unavailable(f"no broker for controller '{self.controller}'")
        for place, one in enumerate(pulses):
            # no number is ever used again, not by another process either: a sign of life that follows an old one is known for it
            number = one.time_us // 1000
            text = pulse_text(one.work_unit, number, one.time_us, one.mode.value)
            self._pulses.setdefault(one.work_unit, deque(maxlen=_PULSES)).append(number)
            every = max(1, round(self._settings.heartbeat_seconds))
            self._line.publish_unconfirmed(self._letter(one.work_unit, "pulse", text, b"", every))
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)  # messages and answers come between

    def settled(self, signed: SignedMessage) -> None:
        """Nothing is offered here: the broker forgets a message by itself when it expires."""

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _take(self, letter: Letter) -> None:
        future = None
        try:
            text = self._signed_text(letter)
            if text is not None and letter.topic.endswith("/beat"):
                self._beat(letter, text)
            elif text is not None:
                future = self._answer(letter, text)
        except SettingsError as error:
            self.refused.unreadable += 1
            self._warn("what a controller said cannot be read", str(error)[:400])
        if future is None:
            self._line.acknowledge(letter)
            return

        def done(told: asyncio.Future[object]) -> None:
            # where the process ends before it is committed, the broker gives it again
            if not told.cancelled() and told.exception() is None:
                self._line.acknowledge(letter)

        future.add_done_callback(done)

    def _signed_text(self, letter: Letter) -> str | None:
        if letter.retain:
            self.refused.retained += 1
            self._warn("a retained message is old news and does not count", letter.topic)
            return None
        try:
            text = letter.payload.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SettingsError(f"it is no UTF-8: {error.reason}") from error
        if not signature_holds(text, letter.user.get("signature", ""), {self.controller: self._key}):
            self.refused.unsigned += 1
            self._warn("what came in is not signed with the controller's key", letter.topic)
            return None
        return text

    def _answer(self, letter: Letter, text: str) -> asyncio.Future[object] | None:
        said = read_values(text) if '"values/1"' in text[:100] else read_answer(text, self._clock.now_us(), actor=self.controller)
        if letter.topic != self._topics.of(said.work_unit, "answer"):
            self.refused.elsewhere += 1
            self._warn("it was said on the topic of another work unit", letter.topic)
            return None
        waiting = self._waiting.pop(letter.correlation, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(said)
            return None
        if not isinstance(said, Answer) or self._ears is None:
            return None  # it answers a question that nobody waits for any more
        return cast("asyncio.Future[object]", self._ears.told(said))

    def _beat(self, letter: Letter, text: str) -> None:
        said = read_beat(text)
        if letter.topic != self._topics.of(said.work_unit, "beat"):
            self.refused.elsewhere += 1
            self._warn("it was said on the topic of another work unit", letter.topic)
        elif said.pulse not in self._pulses.get(said.work_unit, ()):
            self.refused.old += 1
        elif self._ears is not None:
            self._ears.beat(said.work_unit, Beat(self._clock.now_us(), said.ai_off, said.counter, said.state))

    # -- what goes out -----------------------------------------------------------------------------------------------

    async def _question(self, work_unit: str, what: str, text: str) -> Said:
        """Return what is answered. Raises TimeoutError where nothing is, Unavailable where it cannot be asked now."""
        correlation = secrets.token_bytes(16)
        waiting: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = waiting
        try:
            async with asyncio.timeout(_QUESTION_SECONDS):
                await self._line.publish(self._letter(work_unit, what, text, correlation, round(_QUESTION_SECONDS)), _QUESTION_SECONDS)
                return await waiting
        finally:
            self._waiting.pop(correlation, None)

    def _letter(self, work_unit: str, what: str, text: str, correlation: bytes, seconds: int) -> Letter:
        return Letter(
            self._topic(work_unit, what),
            text.encode(),
            response_topic=self._topic(work_unit, "answer") if correlation else "",
            correlation=correlation,
            user={"signature": sign(text, self.controller, self._key)},
            expires_seconds=seconds,
        )

    def _topic(self, work_unit: str, what: str) -> str:
        try:
            return self._topics.of(work_unit, what)
        except SettingsError as error:
            raise Unavailable(str(error)) from error

    def _said(self, state: MqttState, detail: str) -> None:
        if state is MqttState.CONNECTED:
            self._log.info("the broker is there")
        else:
            self._log.warning("the broker is not there", state=state.value, reason=detail)

    def _warn(self, what: str, detail: str) -> None:
        now = self._clock.monotonic()
        if self._warned is None or now - self._warned > _SAID_EVERY_SECONDS:
            self._warned = now
            self._log.warning(what, detail=detail, refused=repr(self.refused))


def make_ways(setup: Setup) -> Sequence[Way]:
    """Return one way for each controller. Raises SettingsError."""
    ways = []
    for one in setup.controllers:
        if not isinstance(one, MqttController):
            raise SettingsError(f"delivery.controllers: '{one.id}' is not reached by MQTT")
        topics = DeliveryTopics(prefix_of(one.prefix, str(setup.site.path)), one.id)
        ways.append(MqttWay(one, endpoint_of(one, setup), topics, setup.keys(one.id), setup.clock))
    return ways


def endpoint_of(one: BrokerController, setup: Setup, session_seconds: int = _SESSION_SECONDS) -> MqttEndpoint:
    """Return where the broker of a controller is, and as whom to come. Raises SettingsError."""
    try:
        parts = urlsplit(one.url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"delivery.controllers: '{one.id}': url: {error}") from error
    if not parts.hostname or parts.username or parts.path.strip("/"):
        raise SettingsError(f"delivery.controllers: '{one.id}': url: write mqtt://host:port, and user and password by themselves")
    tls = parts.scheme == "mqtts"
    folder = setup.site.delivery.folder
    password = None
    if one.password_file is not None:
        try:
            password = (folder / one.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"delivery.controllers: '{one.id}': password_file {one.password_file} cannot be read: {error}") from error
    ca_file = None if one.ca_file is None else folder / one.ca_file
    if ca_file is not None and not ca_file.is_file():
        raise SettingsError(f"delivery.controllers: '{one.id}': ca_file {one.ca_file} is not there")
    return MqttEndpoint(
        parts.hostname,
        port or (8883 if tls else 1883),
        f"leadhand-delivery-{one.id}",
        tls=tls,
        ca_file=ca_file,
        username=one.username,
        password=password,
        session_seconds=session_seconds,
    )
