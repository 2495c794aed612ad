"""From MQTT topics to signals: which form the payload has, which signals it carries, which messages are missing or double."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.samples import NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import Signal
from protocols.mqtt_client import topic_matches
from protocols.mqtt_payloads import PayloadForm, SignalKey

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_REMEMBERED: Final = 250_000
"""Messages without a number whose doubles are known, of one source, twice: two minutes of sixty topics at 30 ms."""
_FARTHEST: Final = 1_000_000
"""A sequence that jumps farther was renumbered; nobody lost a million messages between two."""
_ODD, _NUMBERED, _TIMELESS, _TIMED = range(4)


class Arrival(Enum):
    """What a message is, by its number or its time."""

    NEW = "new"
    DUPLICATE = "duplicate"


class Doubles:
    """Remembers the messages of one source that carry a time and no number."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, prints: Iterable[int]) -> None:
        """Remember messages by their prints; the oldest are forgotten."""
        self._young.update(prints)
        if len(self._young) >= self._most:
            self._old, self._young = self._young, set()

    def known(self, one: int) -> bool:
        """Return whether a message came before."""
        return one in self._young or one in self._old

    def forget(self) -> None:
        """Know nothing: the messages will come again."""
        self._young.clear()
        self._old.clear()


@dataclass(frozen=True, slots=True)
class Came:
    """Messages that came, as columns of equal length m."""

    topic: Ints
    """Position of each one's topic."""
    payloads: Sequence[bytes]
    sequence: Ints
    """-1 where there is no number."""
    newest_us: Ints
    """The latest time that each carries, or NO_TIME."""
    readable: Bools
    retain: Bools
    dup: Bools


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of messages."""

    new: Bools
    """Shape (m,); False for doubles and for what cannot be read."""
    skipped: list[tuple[int, int]]
    """Before which message how many are missing."""


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
    shared: bool = False
    """Whether other readers get a part of the messages: then what is not here may be there, and nothing is known to be missing."""
    _retained: int | None = None
    _resuming: bool = False

    def arrive(
        self, doubles: Doubles, payload: bytes, sequence: int | None, newest_us: int, *, retain: bool = False, dup: bool = False
    ) -> Arrival:
        """Judge one message, and remember it; ``skipped`` tells how many are missing before it."""
        self.skipped = 0
        if retain:
            return self._arrive_retained(payload, newest_us)
        if sequence is None:
            arrival = self._by_time(doubles, payload, newest_us)
        elif self.shared:
            arrival = self._by_print(doubles, hash((self.name, sequence)), sequence)
        else:
            arrival = self._by_number(sequence, newest_us, dup=dup)
        if arrival is Arrival.NEW:
            self.skipped, self.unread = max(0, self.skipped - self.unread), 0
            self.newest_us = max(self.newest_us, newest_us)
        return arrival

    def advance(self, sequence: int, newest_us: int) -> None:
        """Go on behind some messages in good order, without or with numbers (-1: without)."""
        if sequence >= 0:
            self.sequence = sequence
        elif newest_us != NO_TIME:
            self._resuming = False
        self.unread = 0
        self.newest_us = max(self.newest_us, newest_us)

    def resume(self, sequence: int | None, newest_us: int) -> None:
        """Go on behind what is durable: messages up to there that come again are doubles."""
        self.sequence = sequence
        self.newest_us = newest_us
        self.unread = 0
        self._resuming = newest_us != NO_TIME
        self._retained = None

    def _arrive_retained(self, payload: bytes, newest: int) -> Arrival:
        print_of = zlib.crc32(payload)
        known = print_of == self._retained or (newest != NO_TIME and newest <= self.newest_us)
        self._retained = print_of
        return Arrival.DUPLICATE if known else Arrival.NEW

    def _by_number(self, sequence: int, newest: int, *, dup: bool) -> Arrival:
        last = self.sequence
        if last is not None and sequence <= last:
            later = newest > self.newest_us if NO_TIME not in (newest, self.newest_us) else sequence <= 1
            if dup or not later:
                return Arrival.DUPLICATE
            # a lower number with a later time: the sender has started again
        elif last is not None and sequence - last <= _FARTHEST:
            self.skipped = sequence - last - 1
        self.sequence = sequence
        return Arrival.NEW

    def _by_time(self, doubles: Doubles, payload: bytes, newest: int) -> Arrival:
        if newest == NO_TIME:
            # nothing tells a double from the same value twice: at least once is what can be promised
            return Arrival.NEW
        if self._resuming and newest <= self.newest_us:
            return Arrival.DUPLICATE
        self._resuming = False
        return self._by_print(doubles, hash((self.name, payload)), None)

    def _by_print(self, doubles: Doubles, print_of: int, sequence: int | None) -> Arrival:
        if doubles.known(print_of):
            return Arrival.DUPLICATE
        doubles.add((print_of,))
        if sequence is not None:
            self.sequence = sequence
        return Arrival.NEW


def judge(topics: Sequence[Topic], came: Came, doubles: Doubles) -> Verdicts:
    """Return which messages are new and which are missing, and remember them.

    Topics whose messages are in good order are judged together; where anything is odd, that topic's messages are judged one by one.
    """
    m = len(came.topic)
    order = np.argsort(came.topic, kind="stable")
    topic = came.topic[order]
    starts = np.flatnonzero(np.concatenate(([True], topic[1:] != topic[:-1])))
    touched = [topics[place] for place in topic[starts].tolist()]
    kind = _kinds(touched, came, order, starts)
    low, high = np.minimum.reduceat(kind, starts), np.maximum.reduceat(kind, starts)
    orderly = (low == high) & (low != _ODD)
    ends = np.append(starts[1:], m)
    new = np.zeros(m, np.bool_)
    new[order[np.repeat(orderly, ends - starts)]] = True
    sequence = came.sequence[order][ends - 1].tolist()
    newest = np.maximum.reduceat(came.newest_us[order], starts).tolist()
    skipped: list[tuple[int, int]] = []
    for place, (one, good) in enumerate(zip(touched, orderly.tolist(), strict=True)):
        if good:
            one.advance(sequence[place], newest[place])
        else:
            _judge_each(one, came, order[starts[place] : ends[place]].tolist(), doubles, new, skipped)
    if bool((orderly & (low == _TIMED)).any()):
        timed = order[np.repeat(orderly & (low == _TIMED), ends - starts)].tolist()
        places = came.topic[timed].tolist()
        doubles.add([hash((topics[place].name, came.payloads[n])) for place, n in zip(places, timed, strict=True)])
    skipped.sort()
    return Verdicts(new, skipped)


def _kinds(touched: Sequence[Topic], came: Came, order: Ints, starts: Ints) -> npt.NDArray[np.uint8]:
    """Return for each message, by topic, in what way it is in good order behind the one before it."""
    sequence, newest = came.sequence[order], came.newest_us[order]
    before, earlier = np.roll(sequence, 1), np.roll(newest, 1)
    before[starts] = [-1 if one.sequence is None or one.shared else one.sequence for one in touched]
    earlier[starts] = [one.newest_us for one in touched]
    bare = sequence < 0
    kind = np.full(len(order), _ODD, np.uint8)
    kind[~bare & (before >= 0) & (sequence == before + 1)] = _NUMBERED
    kind[bare & (newest == NO_TIME)] = _TIMELESS
    kind[bare & (newest != NO_TIME) & (newest > earlier)] = _TIMED
    kind[(came.retain | ~came.readable)[order]] = _ODD
    return kind


def _judge_each(topic: Topic, came: Came, messages: Sequence[int], doubles: Doubles, new: Bools, skipped: list[tuple[int, int]]) -> None:
    for n in messages:
        retain = bool(came.retain[n])
        if not came.readable[n]:
            topic.unread += not retain
            continue
        sequence = int(came.sequence[n])
        arrival = topic.arrive(
            doubles,
            came.payloads[n],
            None if sequence < 0 else sequence,
            int(came.newest_us[n]),
            retain=retain,
            dup=bool(came.dup[n]),
        )
        new[n] = arrival is Arrival.NEW
        if new[n] and topic.skipped:
            skipped.append((n, topic.skipped))


def plan_topics(topics: Sequence[MqttTopicSettings], signals: Sequence[Signal], *, shared: bool = False) -> tuple[list[Topic], list[str]]:
    """Return the topics that carry signals, and the addresses that no filter of the settings fits."""
    wanted: dict[str, list[int]] = {}
    for place, signal in enumerate(signals):
        wanted.setdefault(signal.address.partition("#")[0], []).append(place)
    planned: list[Topic] = []
    unfit: list[str] = []
    for name, places in wanted.items():
        settings = next((t for t in topics if topic_matches(t.filter, name)), None)
        if settings is None:
            unfit += [signals[place].address for place in places]
            continue
        form = PayloadForm(
            settings.payload,
            settings.time_key,
            settings.time_unit,
            settings.value_key,
            settings.name_key,
            settings.sequence_key,
            settings.interval_key,
            None if settings.interval_ms is None else settings.interval_ms * 1000,
        )
        # an array may stand under a key or be the only one of its topic
        either = settings.payload == "array"
        fitting = [place for place in places if either or ("#" in signals[place].address) != (settings.payload == "value")]
        unfit += [signals[place].address for place in places if place not in fitting]
        keys = tuple(SignalKey(signals[place].address.partition("#")[2], signals[place].data_type) for place in fitting)
        if keys:
            planned.append(Topic(name, form, keys, np.array(fitting, np.intp), shared=shared))
    return planned, unfit
