"""Triggers of a stream from an MQTT topic: each says that the next picture shows this part."""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from plant.clock import Clock
from plant.errors import Rejected
from plant.frame_triggers import FrameTrigger, trigger_of_json
from plant.settings_vision import CameraSettings
from protocols.mqtt_client import MqttConnection, MqttMessage, MqttState
from vision.mqtt_frames import broker_of, trigger_of_topic

_MOST: Final = 1000
_MOST_BYTES: Final = 65_536
_log = structlog.get_logger(__name__)


class _Heard(NamedTuple):
    trigger: FrameTrigger
    at: float
    """On a clock that never steps."""


class WaitingTriggers:
    """Triggers of one camera that wait for their pictures, each for some seconds."""

    def __init__(self, camera: CameraSettings, clock: Clock) -> None:
        self._camera = camera
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Heard] = deque()
        self.refused = 0
        """Messages that name no part."""
        self.missed = 0
        """Triggers for which no picture came in time."""

    def hear(self, topic: str, payload: bytes) -> bool:
        """Let a trigger wait for its picture; return whether it is one."""
        trigger = trigger_of_message(topic, payload, self._camera, self._clock.now_us())
        if trigger is None or not trigger.part:
            self.refused += 1
            _log.warning("a trigger names no part", camera=self._camera.id, topic=topic[:200])
            return False
        with self._lock:
            self._waiting.append(_Heard(trigger, self._clock.monotonic()))
            if len(self._waiting) > _MOST:
                self._waiting.popleft()
                self.missed += 1
        return True

    def take(self) -> FrameTrigger | None:
        """Return the oldest trigger that still waits for its picture; those that waited too long are counted as missed."""
        oldest = self._clock.monotonic() - self._camera.trigger_seconds
        with self._lock:
            while self._waiting and self._waiting[0].at < oldest:
                late = self._waiting.popleft()
                self.missed += 1
                _log.warning("no picture came for a trigger", camera=self._camera.id, part=late.trigger.part, missed=self.missed)
            return self._waiting.popleft().trigger if self._waiting else None


class MqttTriggers:
    """Hears the triggers of one camera until stopped; a stream takes them one by one."""

    def __init__(self, camera: CameraSettings, folder: Path, clock: Clock) -> None:
        self._camera = camera
        self._connection = MqttConnection(broker_of(camera, camera.trigger_url or "", folder, _MOST_BYTES), self._hear, self._tell)
        self.waiting = WaitingTriggers(camera, clock)
        """What was heard."""

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._connection.subscribe([(self._camera.trigger_topic or "", 1)])
        self._connection.start()

    def wait_connected(self, seconds: float) -> None:
        """Return once the broker has accepted us. Raises Unavailable after ``seconds``."""
        self._connection.wait_connected(seconds)

    def stop(self) -> None:
        """End; what waits is forgotten: its picture cannot be taken any more."""
        self._connection.stop()

    def _hear(self, message: MqttMessage) -> bool:
        self.waiting.hear(message.topic, b"[]" if message.oversized else message.payload)
        if message.qos:
            self._connection.acknowledge([message.token])
        return True

    def _tell(self, state: MqttState, detail: str, session_kept: bool) -> None:  # noqa: ARG002 - as the connection tells it
        _log.info("broker of a camera's triggers", camera=self._camera.id, state=state.value, detail=detail)


def trigger_of_message(topic: str, payload: bytes, camera: CameraSettings, now_us: int) -> FrameTrigger | None:
    """Return what a message says: JSON with part and time, or, where it is empty, the topic's last level is the part. Else None."""
    if not payload.strip():
        return trigger_of_topic(topic, camera, now_us)
    try:
        told = json.loads(payload)
        given = {"station": camera.station, "view": camera.view, "taken_us": now_us, "came_from": f"mqtt:{camera.id}"}
        return trigger_of_json(json.dumps({**given, **told}).encode()) if isinstance(told, dict) else None
    except (Rejected, ValueError, RecursionError):
        return None
