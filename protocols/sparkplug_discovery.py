"""What edge nodes on a broker tell of themselves: births as they come, and those that are asked for."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.signals import DataType, Range
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage
from protocols.sparkplug_payload import MetricRow, MetricType, decode, properties_of
from protocols.sparkplug_topics import BDSEQ, NodeTopic, filters_of, parse_topic, rebirth_request, topic_of

_CONTROL: Final = ("Node Control/", "Device Control/")
DATA_TYPES: Final = {
    MetricType.INT8: DataType.SBYTE,
    MetricType.INT16: DataType.INT16,
    MetricType.INT32: DataType.INT32,
    MetricType.INT64: DataType.INT64,
    MetricType.UINT8: DataType.BYTE,
    MetricType.UINT16: DataType.UINT16,
    MetricType.UINT32: DataType.UINT32,
    MetricType.UINT64: DataType.UINT64,
    MetricType.FLOAT: DataType.FLOAT,
    MetricType.DOUBLE: DataType.DOUBLE,
    MetricType.BOOLEAN: DataType.BOOLEAN,
    MetricType.STRING: DataType.STRING,
    MetricType.TEXT: DataType.STRING,
    MetricType.UUID: DataType.STRING,
    MetricType.DATETIME: DataType.INT64,
}


@dataclass(frozen=True, slots=True)
class FoundMetric:
    """One metric of a birth."""

    node: str
    """``group/edge_node``."""
    device: str
    name: str
    data_type: DataType | None
    """None for metrics that no signal can be pinned to: arrays, bytes, DataSet, Template."""
    unit: str
    range: Range | None

    @property
    def address(self) -> str:
        """How a signal names it."""
        ids = [part.replace("%", "%25").replace(":", "%3A") for part in (*self.node.split("/"), *([self.device] if self.device else []))]
        return f"{'/'.join(ids)}:{self.name}"


def discover_births(endpoint: MqttEndpoint, groups: Sequence[str], seconds: float, clock: Clock) -> list[FoundMetric]:
    """Return the metrics of all births that come within some seconds; edge nodes that send data are asked for theirs.

    Raises Unavailable, Rejected.
    """
    came: queue.SimpleQueue[MqttMessage] = queue.SimpleQueue()

    def take(message: MqttMessage) -> bool:
        came.put(message)
        return True

    connection = MqttConnection(replace(endpoint, session_seconds=0), take)
    connection.subscribe(filters_of(groups))
    connection.start()
    try:
        try:
            connection.wait_connected(10)
        except Unavailable as error:
            raise Unavailable(f"{error}; check host, port and firewall, and whether a broker runs there") from error
        return _listen(connection, came, clock.monotonic() + seconds, clock)
    finally:
        connection.stop()


def _listen(connection: MqttConnection, came: queue.SimpleQueue[MqttMessage], until: float, clock: Clock) -> list[FoundMetric]:
    found: dict[tuple[str, str], list[FoundMetric]] = {}
    asked: set[str] = set()
    while (left := until - clock.monotonic()) > 0:
        try:
            message = came.get(timeout=left)
        except queue.Empty:
            break
        connection.acknowledge([message.token])
        topic = parse_topic(message.topic)
        if topic is None:
            continue
        if topic.kind in {"NBIRTH", "DBIRTH"}:
            found[topic.node, topic.device] = _told(topic, message.payload)
        elif topic.kind in {"NDATA", "DDATA"} and (topic.node, topic.device) not in found and topic.node not in asked:
            asked.add(topic.node)
            connection.publish(topic_of("NCMD", topic.node), rebirth_request(clock.now_us() // 1000), 0)
    return [metric for key in sorted(found) for metric in found[key]]


def _told(topic: NodeTopic, content: bytes) -> list[FoundMetric]:
    try:
        rows = decode(content).metrics
    except Rejected:
        return []
    return [_found(topic, row) for row in rows if row.name and row.name != BDSEQ and not row.name.startswith(_CONTROL)]


def _found(topic: NodeTopic, row: MetricRow) -> FoundMetric:
    try:
        properties = properties_of(row.properties)
    except Rejected:
        properties = {}
    unit = properties.get("engUnit")
    low, high = properties.get("engLow"), properties.get("engHigh")
    span = None
    if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
        span = Range(float(low), float(high))
    data_type = DATA_TYPES.get(MetricType(row.datatype)) if row.datatype in set(MetricType) else None
    return FoundMetric(topic.node, topic.device, row.name, data_type, unit if isinstance(unit, str) else "", span)
