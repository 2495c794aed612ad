"""Messages to a broker at QoS 1: one that waits until each was taken, and one for live devices that never waits."""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from plant.errors import Rejected, SettingsError, Unavailable

_NO_MATCHING_SUBSCRIBERS = 0x10
_KEEPALIVE_SECONDS = 10
_LIVE_QUEUE = 3000
"""Messages a live device keeps while the broker is away; beyond it the sequence numbers show what was lost."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        """The address without user and password."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


def broker_of(url: str) -> Broker:
    """Return the broker a URL names; user and password come from LEADHAND_MQTT_USER and LEADHAND_MQTT_PASSWORD. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise SettingsError(f"'{url}' names no broker: write mqtt://host:port, or mqtts:// with TLS")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("user and password do not belong into the broker's URL: set LEADHAND_MQTT_USER and LEADHAND_MQTT_PASSWORD")
    tls = parts.scheme == "mqtts"
    try:
        port = parts.port or (8883 if tls else 1883)
    except ValueError as error:
        raise SettingsError(f"'{url}' names no broker: {error}") from error
    return Broker(parts.hostname, port, tls, os.environ.get("LEADHAND_MQTT_USER") or None, os.environ.get("LEADHAND_MQTT_PASSWORD") or None)


class Publisher:
    """A connection to a broker that comes back by itself; open from ``start`` to ``stop``."""

    def __init__(self, broker: Broker, client_id: str, *, version: str = "5") -> None:
        protocol = paho.MQTTv5 if version == "5" else paho.MQTTv311
        self._broker = broker
        self._answers: dict[int, int] = {}
        self._asking = False
        self._on_the_way = 0
        self._changed = threading.Condition()
        self._refused = ""
        self.lost = 0
        """Messages that were not even queued, because the queue was full."""
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol)
        self._client.max_inflight_messages_set(100)  # paho is slowest and costliest with its window wide open (measured)
        self._client.max_queued_messages_set(_LIVE_QUEUE)
        self._client.reconnect_delay_set(1, 5)
        if broker.username is not None:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.on_publish = self._on_publish
        self._client.on_connect = self._on_connect

    def start(self) -> None:
        """Begin connecting; the broker may come later."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_SECONDS)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._client.is_connected()

    def wait_connected(self, seconds: float) -> None:
        """Return once connected. Raises Rejected when the broker refuses us, Unavailable when it is not there in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._client.is_connected() or self._refused, seconds)
        if self._refused:
            raise Rejected(f"the broker {self._broker.url} refuses the connection: {self._refused}")
        if not self._client.is_connected():
            raise Unavailable(f"the broker {self._broker.url} does not answer")

    def send(self, topic: str, payload: bytes) -> None:
        """Hand over a message without waiting; counted in ``lost`` when the queue is full."""
        with self._changed:
            self._on_the_way += 1
        if self._client.publish(topic, payload, 1).rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self.lost += 1
            with self._changed:
                self._on_the_way -= 1

    def flush(self, seconds: float) -> bool:
        """Return whether all that was handed over is acknowledged, after so many seconds at the latest."""
        with self._changed:
            return self._changed.wait_for(lambda: self._on_the_way <= 0, seconds)

    def deliver(self, topic: str, payload: bytes, stop: threading.Event) -> bool:
        """Return True once the broker acknowledged that it has the message for somebody; False when stopped before.

        With MQTT 5 a broker says that nobody subscribes: then the message is sent again, so that none is sent into the void.
        """
        self._asking = True
        pause = 0.05
        while not stop.is_set():
            sent = self._client.publish(topic, payload, 1)
            with self._changed:
                while sent.mid not in self._answers and not stop.is_set():
                    self._changed.wait(0.2)
                answer = self._answers.pop(sent.mid, None)
            if answer is not None and answer != _NO_MATCHING_SUBSCRIBERS:
                if answer >= 0x80:
                    raise Rejected(f"the broker {self._broker.url} refuses messages on '{topic}': reason 0x{answer:02x}")
                return True
            stop.wait(pause)
            pause = min(pause * 2, 1.0)
        return False

    def _on_publish(self, _client: Any, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        with self._changed:
            if self._asking:
                self._answers[mid] = int(reason.value)
            else:
                self._on_the_way -= 1
            self._changed.notify_all()

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        with self._changed:
            self._refused = str(reason) if reason.is_failure else ""
            self._changed.notify_all()
