"""Site settings that fit what a simulator offers, written for people to read and change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulators.recording import Recording
from simulators.rows import Timing

_USUAL_READ_MS = 30.0
_FASTEST_READ_MS = 10.0
"""A fast replay is read no faster than this: it waits for its reader, and a reader that is asked for more only overruns."""


@dataclass(frozen=True, slots=True)
class OpcUaPlace:
    """How a client reaches a simulated OPC UA server; without certificate it is insecure by name."""

    url: str
    certificate: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    events: bool = False
    """Whether its events are read, too."""


@dataclass(frozen=True, slots=True)
class MqttPlace:
    """How a client reaches the broker and what the messages look like; without user it is anonymous by name."""

    url: str
    payload: Literal["object", "value", "samples", "float32"] = "object"
    version: str = "5"
    username: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class SparkplugPlace:
    """How a host application reaches the broker of an edge node; without user it is anonymous by name."""

    url: str
    node: str
    """``group/edge_node``."""
    host_id: str = "leadhand"
    version: str = "5"
    username: str | None = None
    password_file: Path | None = None


def write_site(path: Path, lines: Iterable[str]) -> None:
    """Write a settings file whole: a reader meets the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(fresh, path)  # noqa: PTH105


def text(value: object) -> str:
    """Return a TOML string (a JSON string is one)."""
    return json.dumps(str(value), ensure_ascii=False)


def opcua_source(name: str, place: OpcUaPlace, interval_ms: float, units: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Return the lines of one OPC UA source. ``units``: by which name its events speak of which equipment."""
    lines = ["[[sources]]", 'protocol = "opcua"', f"id = {text(name)}", f"url = {text(place.url)}", f"interval_ms = {interval_ms:g}"]
    if place.events:
        rules = ", ".join(f"{{ name = {text(unit)}, equipment = {text(path)} }}" for unit, path in units)
        lines += ["read_events = true  # alarms and conditions", f"events = {{ equipment = [{rules}] }}"]
    if place.certificate is None:
        return [*lines, 'security = { policy = "None", mode = "None" }', "allow_insecure = true  # on this machine only", ""]
    lines.append(f"security = {{ server_certificate = {text(place.certificate.resolve())} }}")
    if place.username is not None and place.password_file is not None:
        lines += [f"username = {text(place.username)}", f"password_file = {text(place.password_file.resolve())}"]
    return [*lines, ""]


def mqtt_source(name: str, place: MqttPlace, filters: Iterable[str], interval_ms: float, time_unit: str) -> list[str]:
    """Return the lines of one MQTT source."""
    form = f'payload = "{place.payload}"' + ("" if place.payload == "float32" else f', time_unit = "{time_unit}"')
    topics = ", ".join(f"{{ filter = {text(topic)}, {form} }}" for topic in filters)
    lines = ["[[sources]]", 'protocol = "mqtt"', f"id = {text(name)}", f"url = {text(place.url)}", f'version = "{place.version}"']
    lines += [f"interval_ms = {interval_ms:g}", f"topics = [{topics}]"]
    if place.username is None or place.password_file is None:
        return [*lines, "allow_anonymous = true  # on this machine only", ""]
    return [*lines, f"username = {text(place.username)}", f"password_file = {text(place.password_file.resolve())}", ""]


def sparkplug_source(name: str, place: SparkplugPlace, interval_ms: float) -> list[str]:
    """Return the lines of one Sparkplug source."""
    lines = ["[[sources]]", 'protocol = "sparkplug"', f"id = {text(name)}", f"url = {text(place.url)}", f'version = "{place.version}"']
    lines += [f"host_id = {text(place.host_id)}", f"interval_ms = {interval_ms:g}"]
    if place.username is None or place.password_file is None:
        return [*lines, "allow_anonymous = true  # on this machine only", ""]
    return [*lines, f"username = {text(place.username)}", f"password_file = {text(place.password_file.resolve())}", ""]


@dataclass(frozen=True, slots=True)
class ToolPlace:
    """How a client reaches a simulated tightening controller, and which station it stands at."""

    source: str
    port: int
    host: str
    equipment: str
    """Path below the site."""
    name: str


def tool_source(place: ToolPlace) -> list[str]:
    """Return the lines of one tightening controller."""
    lines = ["[[sources]]", 'protocol = "open_protocol"', f"id = {text(place.source)}", f"url = {text(f'op://{place.host}:{place.port}')}"]
    lines += [f"equipment = {text(place.equipment)}", 'time_zone = "UTC"']
    return [*lines, "allow_insecure = true  # Open Protocol knows no other way", ""]


def replay_site(path: Path, recording: Recording, unit: tuple[str, ...], place: OpcUaPlace | MqttPlace, where: str, timing: Timing) -> None:
    """Write the settings of a replayed recording: one work unit, one signal for each column. ``where`` is the namespace or the topic."""
    interval_ms = timing.interval_us / 1000
    equipment = "/".join(unit)
    lines = ["# A recording, played as if the machine stood here.", "", "[site]", 'enterprise = "replay"', 'id = "recording"', ""]
    lines += ["[[equipment]]", f"path = {text(equipment)}", 'name = "Recorded machine"', 'kind = "recording"', ""]
    if isinstance(place, OpcUaPlace):
        lines += opcua_source("recording", place, min(_USUAL_READ_MS, max(_FASTEST_READ_MS, interval_ms)))
        addresses = [f"nsu={where};s={equipment}/{{signal}}"] * len(recording.names)
    else:
        lines += mqtt_source("recording", place, [where + "/+" if place.payload == "value" else where], interval_ms, "us")
        addresses = [_topic_address(place, where, position) for position in range(len(recording.names))]
    for name, is_text, address in zip(recording.names, recording.is_text, addresses, strict=True):
        lines += [
            "[[signals]]",
            f"equipment = {text(equipment)}",
            f"name = {text(name)}",
            'source = "recording"',
            f"address = {text(address)}",
        ]
        lines += [f'data_type = "{"string" if is_text else "double"}"', ""]
    write_site(path, lines)


def _topic_address(place: MqttPlace, topic: str, position: int) -> str:
    if place.payload == "value":
        return f"{topic}/{{signal}}"
    return f"{topic}#{position}" if place.payload == "float32" else f"{topic}#{{signal}}"
