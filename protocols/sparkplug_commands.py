"""One edge node or device as a host that commands it sees it: born or dead, its metrics by name, and the commands to it.

Smaller than ``sparkplug_host``, which is for values of many nodes in columns: here it is told of each change of a text, and asks for a new
birth where a number is missing, for a birth says everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from plant.errors import Rejected
from protocols.sparkplug_payload import Metric, MetricRow, MetricType, Payload, Value, decode, encode, properties_of, value_of
from protocols.sparkplug_topics import parse_topic, rebirth_request, topic_of

_NUMBERS: Final = 256
_KINDS: Final = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")
_UNITS: Final = ("engUnit", "Engineering Units", "engineeringUnits")


@dataclass(slots=True)
class Known:
    """What is known of one metric."""

    name: str
    datatype: int
    value: Value = None
    unit: str = ""
    """As its birth says in a property; empty where it does not."""


@dataclass(slots=True)
class _Born:
    """What a birth told of a node or device."""

    by_name: dict[str, Known] = field(default_factory=dict)
    by_alias: dict[int, Known] = field(default_factory=dict)


OnChanged = Callable[[Sequence[str], bool], None]
"""Told of the names of metrics in each message of the node or device, and whether it was a birth."""


class CommandedNode:
    """Follows ``group/node`` or ``group/node/device``. Its messages are given to ``take``."""

    def __init__(self, address: str, changed: OnChanged) -> None:
        group, node, *device = address.split("/")
        self._node = f"{group}/{node}"
        self._device = device[0] if device else ""
        self._changed = changed
        self._node_born = _Born()
        self._born: _Born | None = None
        self._next: int | None = None
        self.births = 0
        """Births of the node or device that came in."""

    @property
    def alive(self) -> bool:
        """Whether it was born and nothing was missed since."""
        return self._born is not None and self._next is not None

    def filters(self) -> list[str]:
        """Return what to subscribe to: all devices of the node, for its messages are numbered across them."""
        return [topic_of(kind, self._node, "+" if kind.startswith("D") else "") for kind in _KINDS]

    def metric(self, name: str) -> Known | None:
        """Return what is known of a metric; None where it has none of this name, or is not alive."""
        return None if self._born is None or not self.alive else self._born.by_name.get(name)

    def command(self, time_ms: int, metrics: Sequence[Metric]) -> tuple[str, bytes]:
        """Return topic and payload of a command to it."""
        kind = "DCMD" if self._device else "NCMD"
        return topic_of(kind, self._node, self._device), encode(time_ms, None, metrics)

    def rebirth(self, time_ms: int) -> tuple[str, bytes]:
        """Return topic and payload of the command to send births again."""
        return topic_of("NCMD", self._node), rebirth_request(time_ms)

    def lost(self) -> None:
        """Know nothing for certain any more: the broker was away."""
        self._next = None

    def take(self, topic: str, content: bytes) -> bool:
        """Take a message; False where something was missed, and a birth is to be asked for. Raises Rejected where it cannot be read."""
        told = parse_topic(topic)
        if told is None or told.node != self._node:
            return True
        payload = decode(content)
        if told.kind == "NDEATH":
            self._next, self._born = None, None
            return True
        if told.kind == "NBIRTH":
            self._next = 1 if payload.sequence is None else (payload.sequence + 1) % _NUMBERS
            self._born = None
            if not self._device:
                self._birth(payload)
            return True
        if self._next is None or payload.sequence is None or payload.sequence != self._next:
            self._next = None
            return False
        self._next = (payload.sequence + 1) % _NUMBERS
        if told.device != self._device:
            return True
        return self._tell(told.kind, payload)

    def _tell(self, kind: str, payload: Payload) -> bool:
        if kind == "DDEATH":
            self._born = None
            return True
        if kind == "DBIRTH":
            self._birth(payload)
            return True
        if self._born is None:
            self._next = None
            return False
        names = []
        for row in payload.metrics:
            known = self._born.by_alias.get(row.alias) if not row.name else self._born.by_name.get(row.name)
            if known is None:
                self._next = None
                return False
            if not row.historical:
                known.value = value_of(row.datatype or known.datatype, row.field, row.raw)
                names.append(known.name)
        self._changed(names, False)
        return True

    def _birth(self, payload: Payload) -> None:
        born = _Born()
        for row in payload.metrics:
            known = Known(row.name, row.datatype, _value(row), _unit(row))
            born.by_name[row.name] = known
            if row.alias >= 0:
                born.by_alias[row.alias] = known
        self._born = born
        self.births += 1
        self._changed(list(born.by_name), True)


def text_metric(name: str, text: str) -> Metric:
    """Return a text as a metric."""
    return Metric(name, text, MetricType.STRING)


def _value(row: MetricRow) -> Value:
    try:
        return value_of(row.datatype, row.field, row.raw)
    except Rejected:  # of a type that nobody asks for here: a template, a data set
        return None


def _unit(row: MetricRow) -> str:
    if not row.properties:
        return ""
    found = properties_of(row.properties)
    return next((str(found[name]) for name in _UNITS if found.get(name)), "")
