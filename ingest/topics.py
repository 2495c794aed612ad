"""From MQTT topics to signals: which form the payload has, which signals it carries, which messages are missing or double."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from plant.samples import NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import Signal
from protocols.mqtt_client import MqttMessage, topic_matches
from protocols.mqtt_payloads import PayloadColumns, PayloadForm, SignalKey

_REMEMBERED = 4096
"""Messages without a sequence whose doubles are known: two minutes of one topic at 30 ms."""
_FARTHEST = 1_000_000
"""A sequence that jumps farther was renumbered; nobody lost a million messages between two."""


class Arrival(Enum):
    """What a message is, by its number or its time."""

    NEW = "new"
    DUPLICATE = "duplicate"


@dataclass(slots=True)
class Topic:
    """One topic that carries signals, and what was met on it."""

    name: str
    form: PayloadForm
    keys: tuple[SignalKey, ...]
    places: npt.NDArray[np.intp]
    """For each key, the position of its signal among the source's."""
    sequence: int | None = None
    newest_us: int = NO_TIME
    skipped: int = 0
    """Messages missing before the last new one."""
    unread: int = 0
    """Messages since the last new one that came and could not be read: they count as rejected and are not missing as well."""
    _seen: OrderedDict[int, None] = field(default_factory=OrderedDict)
    _retained: int | None = None
    _resuming: bool = False

    def arrive(self, message: MqttMessage, columns: PayloadColumns) -> Arrival:
        """Judge one message, and remember it; ``skipped`` tells how many are missing before it."""
        self.skipped = 0
        newest = int(columns.time_us.max()) if len(columns) else NO_TIME
        if message.retain:
            return self._arrive_retained(message, newest)
        arrival = self._by_time(message, newest) if columns.sequence is None else self._by_number(message, columns.sequence, newest)
        if arrival is Arrival.NEW:
            self.skipped, self.unread = max(0, self.skipped - self.unread), 0
            self.newest_us = max(self.newest_us, newest)
        return arrival

    def resume(self, sequence: int | None, newest_us: int) -> None:
        """Go on behind what is durable: messages up to there that come again are doubles."""
        self.sequence = sequence
        self.newest_us = newest_us
        self.unread = 0
        self._resuming = newest_us != NO_TIME
        self._seen.clear()
        self._retained = None

    def _arrive_retained(self, message: MqttMessage, newest: int) -> Arrival:
        print_of = zlib.crc32(message.payload)
        known = print_of == self._retained or (newest != NO_TIME and newest <= self.newest_us)
        self._retained = print_of
        return Arrival.DUPLICATE if known else Arrival.NEW

    def _by_number(self, message: MqttMessage, sequence: int, newest: int) -> Arrival:
        last = self.sequence
        if last is not None and sequence <= last:
            later = newest > self.newest_us if NO_TIME not in (newest, self.newest_us) else sequence <= 1
            if message.dup or not later:
                return Arrival.DUPLICATE
            # a lower number with a later time: the sender has started again
        elif last is not None and sequence - last <= _FARTHEST:
            self.skipped = sequence - last - 1
        self.sequence = sequence
        return Arrival.NEW

    def _by_time(self, message: MqttMessage, newest: int) -> Arrival:
        if newest == NO_TIME:
            # nothing tells a double from the same value twice: at least once is what can be promised
            return Arrival.NEW
        print_of = hash(message.payload)
        if print_of in self._seen or (self._resuming and newest <= self.newest_us):
            return Arrival.DUPLICATE
        self._resuming = False
        self._seen[print_of] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return Arrival.NEW


def plan_topics(topics: Sequence[MqttTopicSettings], signals: Sequence[Signal]) -> tuple[dict[str, Topic], list[str]]:
    """Return the topics that carry signals, by name, and the addresses that no filter of the settings fits."""
    wanted: dict[str, list[int]] = {}
    for place, signal in enumerate(signals):
        wanted.setdefault(signal.address.partition("#")[0], []).append(place)
    planned: dict[str, Topic] = {}
    unfit: list[str] = []
    for name, places in wanted.items():
        settings = next((t for t in topics if topic_matches(t.filter, name)), None)
        if settings is None:
            unfit += [signals[place].address for place in places]
            continue
        form = PayloadForm(
            settings.payload, settings.time_key, settings.time_unit, settings.value_key, settings.name_key, settings.sequence_key
        )
        fitting = [place for place in places if ("#" in signals[place].address) != (settings.payload == "value")]
        unfit += [signals[place].address for place in places if place not in fitting]
        keys = tuple(SignalKey(signals[place].address.partition("#")[2], signals[place].data_type) for place in fitting)
        if keys:
            planned[name] = Topic(name, form, keys, np.array(fitting, np.intp))
    return planned, unfit
