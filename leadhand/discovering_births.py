"""What ``leadhand discover mqtt://...`` tells: the metrics of Sparkplug edge nodes as a site file to start from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from plant.clock import Clock
from plant.errors import Rejected
from protocols.mqtt_client import MqttEndpoint
from protocols.sparkplug_discovery import FoundMetric, discover_births

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """How a person wants the broker to be reached, and to whom to listen."""

    url: str
    groups: tuple[str, ...] = ("+",)
    seconds: float = 15.0
    username: str | None = None
    password_file: Path | None = None


def find_metrics(access: BrokerAccess, clock: Clock) -> list[FoundMetric]:
    """Return what edge nodes tell of. Raises Unavailable or Rejected."""
    parts = urlsplit(access.url)
    tls = parts.scheme == "mqtts"
    try:
        port = parts.port or (8883 if tls else 1883)
        password = None if access.password_file is None else access.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except ValueError as error:
        raise Rejected(f"'{access.url}' names no broker: {error}") from error
    except OSError as error:
        raise Rejected(f"the password file {access.password_file} cannot be read: {error}") from error
    endpoint = MqttEndpoint(
        parts.hostname or "127.0.0.1", port, f"leadhand-discover-{uuid4().hex[:8]}", tls=tls, username=access.username, password=password
    )
    return discover_births(endpoint, access.groups, access.seconds, clock)


def births_proposal(access: BrokerAccess, metrics: Sequence[FoundMetric]) -> str:
    """Return a site file that reads all metrics that a signal can be pinned to: one work unit for each edge node and device."""
    return "\n".join(_lines(access, metrics)) + "\n"


def _lines(access: BrokerAccess, metrics: Sequence[FoundMetric]) -> Iterator[str]:
    source = _segment(urlsplit(access.url).hostname or "broker")
    usable = [metric for metric in metrics if metric.data_type is not None]
    yield f"# Proposed by 'leadhand discover {access.url}': {len(usable)} signals; name enterprise, site and equipment as your plant does."
    if len(usable) < len(metrics):
        left = len(metrics) - len(usable)
        yield f"# {left} metrics are arrays, bytes, DataSets or Templates and are left out; an element of an array is 'name[3]'."
    yield from ("", "[site]", 'enterprise = "enterprise"', 'id = "site"', "")
    yield from ("[[sources]]", 'protocol = "sparkplug"', f"id = {_text(source)}", f"url = {_text(access.url)}")
    if access.username is not None and access.password_file is not None:
        yield from (f"username = {_text(access.username)}", f"password_file = {_text(str(access.password_file.absolute()))}")
    else:
        yield "allow_anonymous = true"
    yield ""
    taken: dict[tuple[str, str], int] = {}
    units: list[str] = []
    for metric in usable:
        parts = [_segment(part) for part in (*metric.node.split("/"), *([metric.device] if metric.device else []))]
        unit = "/".join(parts if len(parts) == 3 else [*parts, "node"])
        if unit not in units:
            units.append(unit)
            yield from ("[[equipment]]", f"path = {_text(unit)}", "")
        name = _segment(metric.name)
        count = taken[unit, name] = taken.get((unit, name), 0) + 1
        yield from _signal(source, unit, name if count == 1 else f"{name}-{count}", metric)


def _signal(source: str, unit: str, name: str, metric: FoundMetric) -> Iterator[str]:
    yield from ("[[signals]]", f"equipment = {_text(unit)}", f"name = {_text(name)}", f"source = {_text(source)}")
    yield f"address = {_text(metric.address)}"
    yield f'data_type = "{metric.data_type.value if metric.data_type else "double"}"'
    if metric.unit:
        yield f"unit = {_text(metric.unit)}"
    if metric.range is not None:
        yield f"range = {{ low = {metric.range.low!r}, high = {metric.range.high!r} }}"
    yield ""


def _segment(word: str) -> str:
    return _ILLEGAL.sub("-", word).strip("-_") or "unnamed"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
