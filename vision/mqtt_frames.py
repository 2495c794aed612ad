"""Pictures from an MQTT topic into the inbox: acknowledged when they are on disk.

The last three levels of a topic are station, view and part, where the camera's settings do not say them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from plant.clock import Clock
from plant.errors import SettingsError, Unavailable
from plant.frame_triggers import FrameTrigger
from plant.settings_vision import CameraSettings
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage, MqttState
from storage.frame_inbox import FrameInbox

_LONGEST: Final = 120
_log = structlog.get_logger(__name__)


class MqttFrames:
    """Takes the pictures of one camera until stopped."""

    def __init__(self, camera: CameraSettings, inbox: FrameInbox, folder: Path, most_bytes: int, clock: Clock) -> None:
        self._camera = camera
        self._inbox = inbox
        self._clock = clock
        self._connection = MqttConnection(broker_of(camera, camera.url or "", folder, most_bytes), self._take, self._tell)
        self.refused = 0
        """Messages whose topic says no station, view and part, and those too large for a message."""

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._connection.subscribe([(self._camera.topic or "", 1)])
        self._connection.start()

    def wait_connected(self, seconds: float) -> None:
        """Return once the broker has accepted us. Raises Unavailable after ``seconds``."""
        self._connection.wait_connected(seconds)

    def stop(self) -> None:
        """End; the broker keeps what was not acknowledged."""
        self._connection.stop()

    def _take(self, message: MqttMessage) -> bool:
        trigger = trigger_of_topic(message.topic, self._camera, self._clock.now_us())
        if trigger is None or message.oversized:
            self.refused += 1
            _log.warning("a message was no picture", camera=self._camera.id, topic=message.topic[:200], oversized=message.oversized)
        else:
            try:
                self._inbox.put(message.payload, trigger)
            except Unavailable:
                return False
        if message.qos:
            self._connection.acknowledge([message.token])
        return True

    def _tell(self, state: MqttState, detail: str, session_kept: bool) -> None:  # noqa: ARG002 - as the connection tells it
        _log.info("broker of a camera", camera=self._camera.id, state=state.value, detail=detail)


def trigger_of_topic(topic: str, camera: CameraSettings, now_us: int) -> FrameTrigger | None:
    """Return what a topic says of a picture, None where it does not say enough."""
    levels = topic.split("/")
    if camera.station is not None and camera.view is not None:
        station, view, part = camera.station, camera.view, levels[-1]
    elif len(levels) >= 3:
        station, view, part = levels[-3:]
    else:
        return None
    if max(len(station), len(view), len(part)) > _LONGEST or "\0" in topic:
        return None
    try:
        return FrameTrigger(station=station, view=view, part=part, taken_us=now_us, came_from=f"mqtt:{camera.id}")
    except ValueError:
        return None


def broker_of(camera: CameraSettings, url: str, folder: Path, most_bytes: int) -> MqttEndpoint:
    """Return how the broker of a camera is reached. Raises SettingsError for a password file that cannot be read."""
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise SettingsError(f"cameras: '{camera.id}': write mqtt://host:port, or mqtts://host:port with TLS, not '{url}'")
    password = None if parts.password is None else unquote(parts.password)
    if camera.password_file is not None:
        try:
            password = (folder / camera.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cameras: '{camera.id}': password_file: {camera.password_file} cannot be read") from error
    tls = parts.scheme == "mqtts"
    return MqttEndpoint(
        host=parts.hostname,
        port=parts.port or (8883 if tls else 1883),
        client_id=f"leadhand-vision-{camera.id}",
        tls=tls,
        username=camera.username or (None if parts.username is None else unquote(parts.username)),
        password=password,
        max_payload_bytes=most_bytes,
    )
