"""Requests and responses over MQTT 5, on an event loop: few messages, each with its properties, its acknowledgement and its answer.

``protocols.mqtt_client`` is for many values; here each message counts. A message is published once: no library sends it again after a
lost link (paho would), for a new client is made for each connection. What came in is acknowledged when its taker says so, in the order it
came, as MQTT asks. Everything runs on the one event loop; only connecting, which may block, is done in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from plant.errors import Rejected, Unavailable
from protocols.mqtt_client import MqttEndpoint, MqttState, tls_context
from protocols.mqtt_packets import Letter, packet_id_of, publish_packet, read_acknowledgement, read_publish

_WINDOW: Final = 50
"""Messages on their way to the broker at once; fewer where the broker says so."""
_RECEIVE_MAXIMUM: Final = 1000
_CONNECT_SECONDS: Final = 3.0
_HANDSHAKE_SECONDS: Final = 10.0
_MISC_SECONDS: Final = 0.5
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_NOBODY_LISTENS: Final = 0x10
_FAILURE: Final = 0x80
_QUICK_ACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
_new_properties: Callable[[int], Any] = Properties
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Session:
    """One connection to the broker."""

    number: int
    client: _Client
    ended: asyncio.Future[str]
    ready: asyncio.Future[None]
    room: asyncio.Semaphore
    awaiting: dict[int, asyncio.Future[int | None]] = field(default_factory=dict)
    last_id: int = 0
    unacknowledged: OrderedDict[int, bool] = field(default_factory=OrderedDict)
    """Packet identifiers in the order they came, and whether their taker is done with them."""
    reading: bool = False
    watched: int | None = None
    """The socket's number while the event loop watches it."""


OnLetter = Callable[[Letter], None]
"""Takes a letter on the event loop, quickly; ``acknowledge`` it when it is done with."""
OnState = Callable[[MqttState, str], None]


class MqttRequests:
    """A connection to a broker of MQTT 5 that comes back by itself, from ``open`` to ``close``."""

    def __init__(self, endpoint: MqttEndpoint, filters: Sequence[str], take: OnLetter, said: OnState | None = None) -> None:
        self._endpoint = endpoint
        # as published: a message that somebody retains is known for it also by who listens already
        self._filters: Any = [(name, SubscribeOptions(qos=1, retainAsPublished=True)) for name in filters]
        self._take = take
        self._said = said
        self._state: tuple[MqttState, str] | None = None
        self._session: _Session | None = None
        self._live: _Session | None = None
        self._connections = 0
        self._task: asyncio.Task[None] | None = None
        self.unreadable = 0
        """Messages dropped because they are no PUBLISH of MQTT 5 that anybody may send us."""

    @property
    def connected(self) -> bool:
        """Whether the broker has taken us and our subscriptions."""
        return self._live is not None

    async def open(self) -> None:
        """Begin to connect, and return at once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"mqtt {self._endpoint.client_id}")

    async def close(self) -> None:
        """Say goodbye; the broker keeps our session for as long as was agreed. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def publish(self, letter: Letter, seconds: float) -> bool:
        """Publish with QoS 1; True once the broker has it, False where nobody knows: no word within ``seconds``, or the link was lost.

        Raises Unavailable where the message surely went nowhere: no connection, the broker refused it, or nobody subscribed to its topic;
        Rejected for what MQTT cannot carry.
        """
        session = self._live
        if session is None:
            raise Unavailable(f"no MQTT connection to {self._where}")
        try:
            async with asyncio.timeout(seconds):
                room = session.room
                await room.acquire()
        except TimeoutError as error:
            raise Unavailable(f"the broker at {self._where} acknowledged nothing within {seconds:g} s") from error
        try:
            return await self._published(session, letter, seconds)
        finally:
            room.release()

    def publish_unconfirmed(self, letter: Letter) -> bool:
        """Publish with QoS 0; False where there is no connection."""
        session = self._live
        if session is None:
            return False
        session.client.put(publish_packet(letter, 0), 0)
        self._flush(session)
        return not session.ended.done()

    def acknowledge(self, letter: Letter) -> None:
        """Tell the broker that a letter is done with; of a lost connection it does nothing, and the letter comes again."""
        session = self._session
        if session is None or session.number != letter.connection or letter.packet_id not in session.unacknowledged:
            return
        session.unacknowledged[letter.packet_id] = True
        # rumqttd ends a connection that acknowledges in another order than it was sent
        while session.unacknowledged:
            first = next(iter(session.unacknowledged))
            if not session.unacknowledged[first]:
                break
            del session.unacknowledged[first]
            session.client.put(b"\x40\x02" + first.to_bytes(2, "big"), first)
        self._flush(session)

    # -- connecting --------------------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return f"{self._endpoint.host}:{self._endpoint.port}"

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                was_up = await self._once()
            except Exception as error:  # noqa: BLE001 - paho and TLS raise what they like; the connection must come back
                was_up = False
                self._say(MqttState.AWAY, f"{self._where}: {error}")
            pause = _FIRST_PAUSE_SECONDS if was_up else min(_LONGEST_PAUSE_SECONDS, 2 * pause)
            await asyncio.sleep(pause)

    async def _once(self) -> bool:
        """Connect, serve until the link is lost, and return whether it ever was up."""
        loop = asyncio.get_running_loop()
        client = self._new_client()
        self._connections += 1
        session = _Session(self._connections, client, loop.create_future(), loop.create_future(), asyncio.Semaphore(_WINDOW))
        try:
            await self._connect(client)
        except BaseException:
            _close_socket(client)
            raise
        self._session = session
        link: Any = client.socket()
        # two small packets in a row: Nagle's algorithm holds the second for the 40 ms of a delayed acknowledgement
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session.watched = link.fileno()
        self._attach(session)
        loop.add_reader(link.fileno(), self._read, session, link)
        try:
            self._flush(session)
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                await asyncio.wait((session.ready, session.ended), return_when=asyncio.FIRST_COMPLETED)
            if not session.ended.done():
                self._live = session
                self._say(MqttState.CONNECTED, "")
            while not session.ended.done():
                await asyncio.wait((session.ended,), timeout=_MISC_SECONDS)
                client.loop_misc()
                self._flush(session)
            up = self._live is session
            if up:
                self._say(MqttState.AWAY, f"{self._where}: {session.ended.result()}")
            return up
        finally:
            self._live = self._session = None
            self._end(session)

    async def _connect(self, client: paho.Client) -> None:
        endpoint = self._endpoint
        properties = _new_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = endpoint.session_seconds
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        properties.MaximumPacketSize = endpoint.max_payload_bytes + 66_000
        connecting = asyncio.ensure_future(
            asyncio.to_thread(
                client.connect,
                endpoint.host,
                endpoint.port,
                endpoint.keepalive_seconds,
                clean_start=endpoint.session_seconds == 0,
                properties=properties,
            )
        )
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await connecting  # a thread cannot be cancelled, and its socket must be closed
            raise

    def _new_client(self) -> _Client:
        endpoint = self._endpoint
        client = _Client(CallbackAPIVersion.VERSION2, endpoint.client_id, protocol=paho.MQTTv5)
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.tls:
            client.tls_set_context(tls_context(endpoint.ca_file))
        if endpoint.will is not None:
            will = endpoint.will()
            client.will_set(will.topic, will.payload, 1, retain=will.retain)
        client.connect_timeout = _CONNECT_SECONDS
        return client

    def _attach(self, session: _Session) -> None:
        client = session.client

        client.on_connect = lambda _client, _userdata, _flags, reason, properties: self._on_connect(session, reason, properties)
        client.on_subscribe = lambda _client, _userdata, _mid, reasons, _properties: self._on_subscribe(session, reasons)
        client.on_disconnect = lambda _client, _userdata, _flags, reason, _properties: _finish(session, f"the link was lost: {reason}")
        client.receive = lambda first, body: self._receive(session, first, body)
        client.acknowledged = lambda body: self._acknowledged(session, body)
        # before the socket closes: its number may be another socket's at once
        client.on_socket_close = lambda _client, _userdata, _link: _unwatch(session)

    def _on_connect(self, session: _Session, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._say(MqttState.REFUSED, f"the broker refused the connection: {reason}")
            _finish(session, f"the broker refused the connection: {reason}")
            return
        session.room = asyncio.Semaphore(min(_WINDOW, int(getattr(properties, "ReceiveMaximum", _WINDOW))))
        if self._filters:
            session.client.subscribe(self._filters)
        elif not session.ready.done():
            session.ready.set_result(None)

    def _on_subscribe(self, session: _Session, reasons: Sequence[ReasonCode]) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._say(MqttState.REFUSED, f"the broker refused {len(refused)} of {len(reasons)} subscriptions: {refused[0]}")
            _finish(session, f"a subscription was refused: {refused[0]}")
        elif not session.ready.done():
            session.ready.set_result(None)

    def _end(self, session: _Session) -> None:
        """Say goodbye where anybody listens, close, and let go of all who wait."""
        _finish(session, "closed")
        with contextlib.suppress(Exception):
            session.client.disconnect()
        _unwatch(session)
        _close_socket(session.client)
        for awaited in session.awaiting.values():
            if not awaited.done():
                awaited.set_result(None)

    def _say(self, state: MqttState, detail: str) -> None:
        if self._said is not None and self._state != (state, detail):
            self._state = (state, detail)
            self._said(state, detail)

    # -- reading and writing -----------------------------------------------------------------------------------------

    def _read(self, session: _Session, link: Any) -> None:
        """Read what the socket has; TLS may hold more than the socket shows."""
        session.reading = True
        try:
            while not session.ended.done():
                code = session.client.loop_read()
                if code != paho.MQTT_ERR_SUCCESS:
                    _finish(session, f"the link was lost: {paho.error_string(code)}")
                elif not (hasattr(link, "pending") and link.fileno() >= 0 and link.pending()):
                    break
        except Exception as error:  # noqa: BLE001 - a packet that paho cannot read ends this connection, and not the process
            _finish(session, f"the link failed: {error!r}")
        finally:
            session.reading = False
        if session.watched is not None and _QUICK_ACK is not None:
            # mosquitto leaves Nagle's algorithm on: what it sends next waits until we have acknowledged this
            link.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        self._flush(session)

    def _flush(self, session: _Session) -> None:
        """Write what waits; what the socket does not take now is written when it does."""
        client = session.client
        if session.reading or session.ended.done() or not client.want_write():
            return  # within a callback of paho's writing would wait for itself: ``_read`` does it afterwards
        client.loop_write()
        if session.watched is not None and client.want_write():
            asyncio.get_running_loop().add_writer(session.watched, self._write, session)

    def _write(self, session: _Session) -> None:
        session.client.loop_write()
        if session.watched is not None and not session.client.want_write():
            asyncio.get_running_loop().remove_writer(session.watched)

    async def _published(self, session: _Session, letter: Letter, seconds: float) -> bool:
        if session.ended.done():
            raise Unavailable(f"no MQTT connection to {self._where}")
        packet_id = _free_id(session)
        try:
            packet = publish_packet(letter, packet_id)
        except ValueError as error:
            raise Rejected(f"MQTT cannot carry this message: {error}") from error
        awaited = session.awaiting[packet_id] = asyncio.get_running_loop().create_future()
        try:
            session.client.put(packet, packet_id)
            self._flush(session)
            async with asyncio.timeout(seconds):
                reason = await awaited
        except TimeoutError:
            return False
        finally:
            del session.awaiting[packet_id]
        if reason is None:
            return False
        if reason >= _FAILURE:
            raise Unavailable(f"the broker refused the message to '{letter.topic}': {ReasonCode(PacketTypes.PUBACK, identifier=reason)}")
        if reason == _NOBODY_LISTENS and not letter.retain:
            raise Unavailable(f"nobody listens to '{letter.topic}'")
        return True

    def _receive(self, session: _Session, first: int, body: bytes) -> None:
        try:
            letter = read_publish(first, body, session.number)
        except ValueError as error:
            self.unreadable += 1
            _log.warning("a message cannot be read", reason=str(error))
            letter = Letter("", b"", connection=session.number, packet_id=packet_id_of(first, body))
        if letter.packet_id:
            session.unacknowledged[letter.packet_id] = False
        if not letter.topic:
            self.acknowledge(letter)
            return
        try:
            self._take(letter)
        except Exception as error:  # noqa: BLE001 - an exception here would go through paho
            _log.error("a letter could not be taken", topic=letter.topic, error=repr(error))
            self.acknowledge(letter)

    @staticmethod
    def _acknowledged(session: _Session, body: bytes) -> None:
        packet_id, reason = read_acknowledgement(body)
        awaited = session.awaiting.get(packet_id)
        if awaited is not None and not awaited.done():
            awaited.set_result(reason)


class _Client(paho.Client):
    """paho's client, which connects and keeps alive; messages and their acknowledgements do not pass through it."""

    receive: Callable[[int, bytes], None]
    acknowledged: Callable[[bytes], None]

    def put(self, packet: bytes, packet_id: int) -> None:
        """Write a packet, now or when the socket takes it."""
        self._packet_queue(packet[0], packet, packet_id, 1 if packet_id else 0, paho.MQTTMessageInfo(packet_id))

    def _handle_publish(self) -> MQTTErrorCode:
        first = self._in_packet["command"]
        if first & 0x06 not in (0x00, 0x02):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self.receive(first, bytes(self._in_packet["packet"]))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pubackcomp(self, cmd: Any) -> MQTTErrorCode:
        del cmd
        self.acknowledged(bytes(self._in_packet["packet"]))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _free_id(session: _Session) -> int:
    """Return a packet identifier that is not under way."""
    while True:
        session.last_id = session.last_id % 65_535 + 1
        if session.last_id not in session.awaiting:
            return session.last_id


def _unwatch(session: _Session) -> None:
    number, session.watched = session.watched, None
    if number is not None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(number)
        loop.remove_writer(number)


def _finish(session: _Session, why: str) -> None:
    if not session.ended.done():
        session.ended.set_result(why)


def _close_socket(client: paho.Client) -> None:
    link: Any = client.socket()
    if link is not None:
        with contextlib.suppress(OSError):
            link.close()
