"""The topics of Sparkplug B, the addresses of metrics, and what a host application says of itself (specification 3.0, chapter 4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from protocols.sparkplug_payload import Metric, MetricType, encode

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"
BDSEQ: Final = "bdSeq"
_KINDS: Final = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")
_ELEMENT: Final = re.compile(r"(.+)\[(\d{1,6})\]", re.DOTALL)

Kind = Literal["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"]


@dataclass(frozen=True, slots=True)
class MetricAddress:
    """Where a metric stands: ``group/edge_node[/device]:metric name``; ``%3A`` stands for a colon within an id."""

    node: str
    """``group/edge_node``."""
    device: str
    """Empty for metrics of the edge node itself."""
    metric: str

    @property
    def element(self) -> tuple[str, int] | None:
        """Metric and place, where the name may mean one element of an array: ``name[3]``."""
        match = _ELEMENT.fullmatch(self.metric)
        return None if match is None else (match[1], int(match[2]))


def address_of(text: str) -> MetricAddress:
    """Return what an address names. Raises ValueError."""
    path, colon, metric = text.partition(":")
    parts = [unquote(part) for part in path.split("/")]
    if not colon or not metric or len(parts) not in (2, 3) or not all(parts) or any(set(part) & set("+#/") for part in parts):
        raise ValueError(f"'{text}' is no address of a Sparkplug metric: write group/edge_node:metric or group/edge_node/device:metric")
    return MetricAddress(f"{parts[0]}/{parts[1]}", parts[2] if len(parts) == 3 else "", metric)


@dataclass(frozen=True, slots=True)
class NodeTopic:
    """Of which edge node or device a message tells, and what."""

    kind: Kind
    node: str
    device: str


def parse_topic(topic: str) -> NodeTopic | None:
    """Return what a topic says, None where it is none of an edge node's or device's own."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[0] != NAMESPACE or parts[2] not in _KINDS or (len(parts) == 5) != parts[2].startswith("D"):
        return None
    kind: Kind = parts[2]  # type: ignore[assignment]
    return NodeTopic(kind, f"{parts[1]}/{parts[3]}", parts[4] if len(parts) == 5 else "")


def topic_of(kind: str, node: str, device: str = "") -> str:
    """Return the topic of a message of, or to, an edge node or one of its devices."""
    group, _, edge = node.partition("/")
    return f"{NAMESPACE}/{group}/{kind}/{edge}" + (f"/{device}" if device else "")


def filters_of(groups: Iterable[str]) -> list[tuple[str, int]]:
    """Return the subscriptions of a host: all that nodes and devices of some groups say themselves, with QoS."""
    return [
        (f"{NAMESPACE}/{group}/{kind}/+" + ("/+" if kind.startswith("D") else ""), 1) for group in dict.fromkeys(groups) for kind in _KINDS
    ]


@dataclass(frozen=True, slots=True)
class HostState:
    """Where and how a host application tells that it is there: by specification 3.0, or by 2.2 for older edge nodes."""

    host_id: str
    old: bool = False

    @property
    def topic(self) -> str:
        """Where it says so, retained."""
        return f"STATE/{self.host_id}" if self.old else f"{NAMESPACE}/STATE/{self.host_id}"

    def payload(self, time_ms: int, *, online: bool) -> bytes:
        """Return what it says."""
        if self.old:
            return b"ONLINE" if online else b"OFFLINE"
        return json.dumps({"online": online, "timestamp": time_ms}).encode()


def says_offline(content: bytes) -> bool:
    """Return whether a state says that its host is offline."""
    if content == b"OFFLINE":
        return True
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("online") is False


def rebirth_request(time_ms: int) -> bytes:
    """Return the payload that asks an edge node to send its births again."""
    return encode(time_ms, None, [Metric(REBIRTH, value=True, datatype=MetricType.BOOLEAN, time_ms=time_ms)])
