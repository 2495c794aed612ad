"""From settings to endpoints: passwords from their files, certificates from the home folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ingest.places import Places
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.settings import MqttSourceSettings, OpcUaSourceSettings, OpenProtocolSourceSettings, SparkplugSourceSettings
from protocols.mqtt_client import MqttEndpoint
from protocols.opcua_client import OpcUaEndpoint
from protocols.open_protocol_client import OpenProtocolEndpoint
from protocols.pki import ensure_own_certificate

__all__ = ["Places", "mqtt_endpoint", "opcua_endpoint", "open_protocol_endpoint"]

APPLICATION_URI = "urn:leadhand:client"


def opcua_endpoint(settings: OpcUaSourceSettings, places: Places, clock: Clock) -> OpcUaEndpoint:
    """Return how to reach an OPC UA server; asked anew at each attempt, so that a changed password or certificate counts."""
    security = settings.security
    secure = security.policy != "None"
    own: tuple[Path | None, Path | None] = (None, None)
    if secure:
        with _alone(places.home / "pki"):
            own = ensure_own_certificate(places.home / "pki" / "own", APPLICATION_URI, clock)
    return OpcUaEndpoint(
        url=settings.url,
        policy=security.policy,
        mode=security.mode,
        username=settings.username,
        password=places.password(settings.password_file),
        server_certificate=places.file(security.server_certificate),
        trust=places.home / "pki" / "trusted",
        own_certificate=own[0],
        own_key=own[1],
        timeout_seconds=settings.timeout_seconds,
        max_nodes_per_read=settings.max_nodes_per_read,
        profile=settings.profile,
        application_uri=APPLICATION_URI,
    )


def mqtt_endpoint(settings: MqttSourceSettings | SparkplugSourceSettings, site: EquipmentId, places: Places) -> MqttEndpoint:
    """Return how to reach a broker."""
    parts = urlsplit(settings.url)
    tls = parts.scheme == "mqtts"
    try:
        port = parts.port or (8883 if tls else 1883)
    except ValueError as error:
        raise Rejected(f"'{settings.url}' names no broker: {error}") from error
    return MqttEndpoint(
        host=parts.hostname or "127.0.0.1",
        port=port,
        client_id=settings.client_id or f"leadhand-{site.replace('/', '-')}-{settings.id}",
        version=settings.version,
        tls=tls,
        ca_file=places.file(settings.ca_file),
        username=settings.username,
        password=places.password(settings.password_file),
        keepalive_seconds=settings.keepalive_seconds,
        max_payload_bytes=settings.max_payload_bytes,
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one at a time in: two threads or processes that both find no certificate would make two."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def open_protocol_endpoint(settings: OpenProtocolSourceSettings) -> OpenProtocolEndpoint:
    """Return how to reach a tightening controller."""
    parts = urlsplit(settings.url)
    return OpenProtocolEndpoint(parts.hostname or "", parts.port or 4545, settings.timeout_seconds, settings.keepalive_seconds)
