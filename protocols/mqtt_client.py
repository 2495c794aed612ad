"""A connection to an MQTT broker that acknowledges nothing before we say so.

paho's defaults lose data without a word: it acknowledges when the callback returns, an exception in a callback ends its network
thread while ``is_connected()`` stays true, and its queue of unsent messages lives in memory. So here acknowledgement is manual,
callbacks only hand over, and what is not yet acknowledged by the broker is bounded. Messages do not pass through paho at all: they
are taken from the stream many at a time (see ``mqtt_frames``), which costs a twentieth.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from plant.errors import Rejected, Unavailable
from protocols.mqtt_frames import MOST_ALIASES, Published, Scanner
from protocols.mqtt_link import Link

_WINDOW = 100
"""Messages that may be on their way to the broker at once: at 100 paho costs 38 us a message, at 2,000 it costs 161."""
_RECEIVE_MAXIMUM = 1000
_RECEIVE_MAXIMUM_BATCHES = 20_000
"""At fifty thousand messages a second and an fdatasync each 0.1 s; the reader bounds the bytes by taking no more."""
_LONGEST_PAUSE_SECONDS = 30

_new_properties: Callable[[int], Any] = Properties
_log = structlog.get_logger(__name__)


class MqttState(StrEnum):
    """Where a connection stands."""

    CONNECTED = "connected"
    AWAY = "away"
    """Not reachable or lost; it is tried again."""
    REFUSED = "refused"
    """The broker said no: wrong password, no right, another client with our id; it is tried again slowly."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when it loses us without a goodbye."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class MqttEndpoint:
    """Everything needed to reach one broker."""

    host: str
    port: int
    client_id: str
    version: Literal["5", "3.1.1"] = "5"
    tls: bool = False
    ca_file: Path | None = None
    username: str | None = None
    password: str | None = None
    keepalive_seconds: int = 5
    max_payload_bytes: int = 1_000_000
    session_seconds: int = 7 * 86_400
    """How long the broker keeps our subscriptions and unacknowledged messages while we are away; 0 keeps nothing."""
    will: Callable[[], Will] | None = None
    """Asked before each connecting."""


class AckToken(NamedTuple):
    """What acknowledges one message; void once its connection is lost, because the broker then sends the message again."""

    connection: int
    message: int


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """One message as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    token: AckToken
    oversized: int = 0
    """Bytes of a payload that is larger than agreed; it is left out."""


OnMessage = Callable[[MqttMessage], bool]
"""Takes a message quickly and returns True; False when there is no room: it is offered again, and nothing more is read until then."""
OnBatch = Callable[[Published, int], bool]
"""Takes many messages quickly, with the number of their connection (see ``acknowledge_all``), and returns True; False as above."""
OnState = Callable[[MqttState, str, bool], None]
"""Told of each change: the state, what to tell a person, and whether the broker had kept our session."""


class MqttConnection:
    """An MQTT connection that reconnects by itself until stopped. Callbacks run in its own thread.

    Messages go to ``on_batch`` where it is given, one by one to ``on_message`` otherwise. Raises Rejected for a certificate
    authority file that cannot be used.
    """

    def __init__(
        self,
        endpoint: MqttEndpoint,
        on_message: OnMessage | None = None,
        on_state: OnState | None = None,
        *,
        on_batch: OnBatch | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._take = on_message
        self._take_all = on_batch
        self._given = 0
        self._tell = on_state
        self._filters: list[tuple[str, int]] = []
        self._connection = 0
        self._greets = False
        """Whether it is to be told that we are connected once the broker has taken the subscriptions."""
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self._room = threading.Condition()
        self._underway = 0
        self.undecodable_topics = 0
        """Messages dropped because their topic is no UTF-8."""
        self.unasked = 0
        """Messages dropped because they are of a kind not subscribed to."""
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {endpoint.client_id}", daemon=True)

    def start(self) -> None:
        """Begin connecting; returns at once."""
        endpoint = self._endpoint
        properties: Any = None
        if endpoint.version == "5":
            properties = _new_properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = endpoint.session_seconds
            properties.ReceiveMaximum = self.window
            # rumqttd gives one alias to all topics of a filter with wildcards: taken at its word, one signal would get another's value
            properties.TopicAliasMaximum = 0 if any(set(name) & set("+#") for name, _ in self._filters) else MOST_ALIASES
            properties.MaximumPacketSize = endpoint.max_payload_bytes + 66_000
        clean: Any = paho.MQTT_CLEAN_START_FIRST_ONLY if endpoint.version == "3.1.1" else endpoint.session_seconds == 0
        self._client.connect_async(endpoint.host, endpoint.port, endpoint.keepalive_seconds, clean_start=clean, properties=properties)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and its link is up, by our own account and paho's thread being alive."""
        return self._connected.is_set() and self._thread.is_alive()

    @property
    def window(self) -> int:
        """Unacknowledged messages that a broker of MQTT 5 may send us at most; with 3.1.1 the broker's settings say how many."""
        return _RECEIVE_MAXIMUM if self._take_all is None else _RECEIVE_MAXIMUM_BATCHES

    @property
    def unacknowledged(self) -> int:
        """Messages published with QoS 1 that the broker has not acknowledged yet."""
        return self._underway

    def wait_connected(self, seconds: float) -> None:
        """Return once connected. Raises Unavailable after ``seconds``."""
        if not self._connected.wait(seconds):
            endpoint = self._endpoint
            raise Unavailable(f"no MQTT connection to {endpoint.host}:{endpoint.port} within {seconds:g} s")

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        """Subscribe to (filter, QoS) pairs now and again whenever the broker lost our session."""
        self._filters.extend(filters)
        if self._connected.is_set():
            self._send_subscriptions(filters)

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        """Acknowledge messages of QoS 1, in order. Tokens of a lost connection do nothing."""
        now = self._connection
        self.acknowledge_all([token.message for token in tokens if token.connection == now and token.message], now)

    def acknowledge_all(self, packet_ids: Sequence[int], connection: int) -> None:
        """Acknowledge messages of QoS 1, in order, in one write. Those of a lost connection do nothing."""
        if packet_ids and connection == self._connection:
            self._client.acknowledge_all(packet_ids)

    def publish(self, topic: str, payload: bytes, qos: int = 1, wait: float | None = None, *, retain: bool = False) -> None:
        """Publish one message; with QoS 1 it blocks while ``100`` others are on their way, so memory stays bounded.

        ``wait``: seconds to wait until the broker has acknowledged it; None does not wait (see ``flush``).
        Raises Unavailable when there is no connection in time, Rejected for a topic or payload that MQTT cannot carry.
        """
        patience = 30.0 if wait is None else wait
        if qos == 0 and not self._connected.is_set():
            raise Unavailable(f"no MQTT connection to {self._endpoint.host}:{self._endpoint.port}")
        if qos:
            with self._room:
                if not self._room.wait_for(lambda: self._underway < _WINDOW or self._stopping.is_set(), patience):
                    raise Unavailable(f"the broker acknowledged none of {_WINDOW} messages within {patience:g} s")
                self._underway += 1
        try:
            sent = self._client.publish(topic, payload, qos, retain)
        except ValueError as error:
            self._arrived(qos)
            raise Rejected(f"MQTT cannot carry this message to '{topic}': {error}") from error
        # with QoS 1 a link that breaks while writing (CONN_LOST) loses nothing: paho keeps the message and sends it again
        if sent.rc == paho.MQTT_ERR_QUEUE_SIZE or (qos == 0 and sent.rc != paho.MQTT_ERR_SUCCESS):
            self._arrived(qos)
            raise Unavailable(f"the message to '{topic}' could not be queued: {paho.error_string(sent.rc)}")
        if wait is not None and qos:
            self._await(sent, topic, wait)

    def flush(self, seconds: float) -> None:
        """Return once the broker has acknowledged all that was published with QoS 1. Raises Unavailable after ``seconds``."""
        with self._room:
            if not self._room.wait_for(lambda: self._underway == 0, seconds):
                raise Unavailable(f"the broker did not acknowledge {self._underway} messages within {seconds:g} s")

    def reconnect(self) -> None:
        """Drop the link and connect anew, so that the broker sends again all that was not acknowledged."""
        self._connection += 1
        self._drop_link()

    def stop(self) -> None:
        """Disconnect and end the thread; the broker keeps the session. Safe to call twice."""
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        self._client.disconnect()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5)
        if not self._thread.is_alive():
            self._client.release()
        self._connected.clear()

    def _new_client(self) -> _Client:
        endpoint = self._endpoint
        if endpoint.version == "5":
            client = _Client(CallbackAPIVersion.VERSION2, endpoint.client_id, protocol=paho.MQTTv5, manual_ack=True)
        else:
            clean = endpoint.session_seconds == 0
            client = _Client(CallbackAPIVersion.VERSION2, endpoint.client_id, clean, protocol=paho.MQTTv311, manual_ack=True)
        client.linked = self._linked
        # with this callback set, paho writes in its own thread only: two threads must not write to one TLS connection at once
        client.on_socket_register_write = _nothing
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.tls:
            client.tls_set_context(tls_context(endpoint.ca_file))
        client.max_inflight_messages_set(_WINDOW)
        client.reconnect_delay_set(1, _LONGEST_PAUSE_SECONDS)
        client.connect_timeout = 5.0
        if endpoint.will is not None:
            client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _linked(self, link: Any) -> Link:
        endpoint = self._endpoint
        scanner = Scanner(version5=endpoint.version == "5", max_payload_bytes=endpoint.max_payload_bytes)
        self._given = 0
        return Link(link, scanner, self._deliver, self._stopping.wait, endpoint.keepalive_seconds)

    def _run(self) -> None:
        # makes the pair of sockets by which other threads wake paho's
        self._client.loop(0)
        while not self._stopping.is_set():
            try:
                self._client.loop_forever(retry_first_connection=True)
            except Exception as error:  # noqa: BLE001 - paho raises what it likes; the connection must live on
                _log.warning("mqtt link failed", host=self._endpoint.host, error=repr(error))
                self._lost(MqttState.AWAY, f"the link failed: {error}")
            if self._stopping.wait(1):
                break

    def _on_pre_connect(self, client: paho.Client, _userdata: Any) -> None:
        if self._endpoint.will is not None:
            will = self._endpoint.will()
            client.will_set(will.topic, will.payload, 1, retain=will.retain)

    def _on_connect(self, _client: Any, _userdata: Any, flags: paho.ConnectFlags, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._lost(MqttState.REFUSED, f"the broker refused the connection: {reason}")
            return
        self._connection += 1
        self._connected.set()
        # in a new session nothing is heard before the broker has taken the subscriptions
        self._greets = bool(self._filters) and not flags.session_present
        if self._filters:
            self._send_subscriptions(self._filters)
        if not self._greets:
            self._say(MqttState.CONNECTED, "", flags.session_present)

    def _send_subscriptions(self, filters: Sequence[tuple[str, int]]) -> None:
        if self._endpoint.version == "5":
            # retained messages only for a subscription the broker did not know: they are old news at each reconnect
            wanted: Any = [
                (name, SubscribeOptions(qos=qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)) for name, qos in filters
            ]
        else:
            wanted = list(filters)
        self._client.subscribe(wanted)

    def _on_subscribe(self, _client: Any, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        if self._greets:
            self._greets = False
            self._say(MqttState.CONNECTED, "", False)
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._say(MqttState.REFUSED, f"the broker refused {len(refused)} of {len(reasons)} subscriptions: {refused[0]}", False)

    def _on_connect_fail(self, _client: Any, _userdata: Any) -> None:
        self._lost(MqttState.AWAY, f"nothing answers at {self._endpoint.host}:{self._endpoint.port}")

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if self._stopping.is_set():
            return
        taken = str(reason) == "Session taken over"
        detail = f"another client connected with our client id '{self._endpoint.client_id}'" if taken else f"the link was lost: {reason}"
        self._lost(MqttState.REFUSED if taken else MqttState.AWAY, detail)

    def _lost(self, state: MqttState, detail: str) -> None:
        self._connected.clear()
        self._say(state, detail, False)

    def _say(self, state: MqttState, detail: str, session_kept: bool) -> None:
        if self._tell is None:
            return
        try:
            self._tell(state, detail, session_kept)
        except Exception as error:  # noqa: BLE001 - an exception here would end paho's thread
            _log.error("mqtt state callback failed", error=repr(error))

    def _deliver(self, found: Published) -> bool:
        if found.unnamed:
            if not self.undecodable_topics:
                _log.warning("messages on topics that are no UTF-8 are left out", host=self._endpoint.host)
            self.undecodable_topics += len(found.unnamed)
            self.acknowledge_all([packet_id for packet_id in found.unnamed if packet_id], self._connection)
            found.unnamed = []
        if not len(found):
            return True
        try:
            return self._take_all(found, self._connection) if self._take_all is not None else self._deliver_each(found)
        except Exception as error:  # noqa: BLE001 - an exception here would end paho's thread
            _log.error("mqtt message callback failed", topic=found.topics[0], error=repr(error))
            return True

    def _deliver_each(self, found: Published) -> bool:
        """Hand over one by one; a message that is refused is the first one next time."""
        while self._given < len(found):
            message = self._message(found, self._given)
            try:
                if self._take is not None and not self._take(message):
                    return False
            except Exception as error:  # noqa: BLE001 - one poisonous message must take none of the others with it
                _log.error("mqtt message callback failed", topic=message.topic, error=repr(error))
            self._given += 1
        self._given = 0
        return True

    def _message(self, found: Published, n: int) -> MqttMessage:
        first = found.headers[n]
        token = AckToken(self._connection, found.packet_ids[n])
        oversized = found.oversized.get(n, 0) if found.oversized else 0
        return MqttMessage(found.topics[n], found.payloads[n], first >> 1 & 3, bool(first & 1), bool(first & 8), token, oversized)

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        """Be told of a message that the scan left to paho: of QoS 2, or on a topic that stands for none."""
        _log.warning("an mqtt message of a kind not subscribed to was left out", qos=message.qos, bytes=len(message.payload))
        self.unasked += 1
        if message.qos:
            self._client.ack(message.mid, message.qos)

    def _drop_link(self) -> None:
        link: Any = self._client.socket()
        if link is not None:
            with contextlib.suppress(OSError):
                link.drop()

    def _on_publish(self, _client: Any, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        del mid
        self._arrived(1)

    def _arrived(self, qos: int) -> None:
        if qos:
            with self._room:
                self._underway = max(0, self._underway - 1)
                self._room.notify_all()

    def _await(self, sent: paho.MQTTMessageInfo, topic: str, seconds: float) -> None:
        try:
            sent.wait_for_publish(seconds)
        except (RuntimeError, ValueError) as error:
            raise Unavailable(f"the message to '{topic}' was not sent: {error}") from error
        if not sent.is_published():
            raise Unavailable(f"the broker did not acknowledge the message to '{topic}' within {seconds:g} s")


class _Client(paho.Client):
    """paho's client, on a link that takes the messages out."""

    linked: Callable[[Any], Any] = staticmethod(lambda link: link)

    def acknowledge_all(self, packet_ids: Sequence[int]) -> None:
        """Write the acknowledgements of many messages of QoS 1 at once; paho's own way costs 10 us each."""
        packets = np.empty((len(packet_ids), 4), np.uint8)
        packets[:, 0], packets[:, 1] = 0x40, 0x02
        packets[:, 2:] = np.array(packet_ids, ">u2").view(np.uint8).reshape(-1, 2)
        self._packet_queue(0x40, packets.tobytes(), 0, 0)

    def release(self) -> None:
        """Close its sockets once no thread works on them; the garbage collector may find them open before it finds the client."""
        self._reset_sockets()

    def _create_socket(self) -> Any:
        return self.linked(super()._create_socket())


def _nothing(_client: Any, _userdata: Any, _link: Any) -> None:
    return None


def topic_matches(wanted: str, topic: str) -> bool:
    """Return whether a topic fits a filter with ``+`` and ``#``."""
    return paho.topic_matches_sub(wanted, topic)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what checks a broker's certificate by an authority, the system's where None. Raises Rejected for a file of no use."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Rejected(f"the certificate authority file {ca_file} cannot be used: {error}") from error
