"""Sources that several processes read, or that tell events too: each becomes several sources with ledgers of their own; none guesses.

Without a shared subscription the topics are divided: all messages of a topic go to one process, in order, and what is missing is known.
With one, the broker spreads the messages of each topic, and no reader can tell what is missing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from plant.settings import MqttSourceSettings, MqttTopicSettings, OpcUaSourceSettings, SourceSettings
from plant.signals import Signal, SourceId

Divided = tuple[tuple[SourceSettings, ...], tuple[Signal, ...]]
Shared = tuple[tuple[SourceId, SourceId], ...]


def divide_sources(sources: Collection[SourceSettings], signals: Sequence[Signal], problems: list[str]) -> tuple[Divided, Shared]:
    """Return sources and signals with each source of several processes divided, and which sources read the signals of another."""
    names = [source.id for source in sources]
    found: list[SourceSettings] = []
    shared: list[tuple[SourceId, SourceId]] = []
    for source in sources:
        if isinstance(source, OpcUaSourceSettings) and source.read_events:
            part = f"{source.id}-events"
            if part in names:
                problems.append(f"source '{source.id}': its events are a source of their own, and there is a source '{part}' already")
            found += [source, source.model_copy(update={"id": part, "read": "events", "read_events": False, "process": None})]
            continue
        if not isinstance(source, MqttSourceSettings) or source.processes == 1:
            found.append(source)
            continue
        parts = [f"{source.id}-{number}" for number in range(1, source.processes + 1)]
        taken = [part for part in parts if part in names]
        if taken:
            problems.append(f"source '{source.id}': its processes are sources of their own, and there is a source '{taken[0]}' already")
        own = [signal for signal in signals if signal.source == source.id]
        place = {signal.path: 0 if source.share is not None else zlib.crc32(_topic(signal).encode()) % source.processes for signal in own}
        signals = [replace(one, source=SourceId(parts[place[one.path]])) if one.path in place else one for one in signals]
        for number, part in enumerate(parts):
            topics = source.topics
            if source.share is None:
                topics = _exact(source.topics, sorted({_topic(signal) for signal in own if place[signal.path] == number}))
            elif number:
                shared.append((SourceId(part), SourceId(parts[0])))
            changes = {
                "id": part,
                "processes": 1,
                "topics": topics,
                "client_id": None if source.client_id is None else f"{source.client_id}-{number + 1}",
                # as many characters as a name of a process may have
                "process": re.sub(r"[^A-Za-z0-9_-]", "-", part)[-40:] if source.process is None else f"{source.process[-37:]}-{number + 1}",
            }
            found.append(source.model_copy(update=changes))
    return (tuple(found), tuple(signals)), tuple(shared)


def topic_fits(wanted: str, topic: str) -> bool:
    """Return whether a topic fits a filter with ``+`` and ``#``."""
    pattern, levels = wanted.split("/"), topic.split("/")
    if pattern[0] in ("+", "#") and levels[0].startswith("$"):
        return False
    for place, level in enumerate(pattern):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(pattern) == len(levels)


def _topic(signal: Signal) -> str:
    return signal.address.partition("#")[0]


def _exact(topics: Iterable[MqttTopicSettings], names: Sequence[str]) -> tuple[MqttTopicSettings, ...]:
    """Return settings for some topics by their names; those that fit no filter keep none, as without processes."""
    known = tuple(topics)
    exact = []
    for name in names:
        fitting = next((topic for topic in known if topic_fits(topic.filter, name)), None)
        if fitting is not None:
            exact.append(fitting.model_copy(update={"filter": name}))
    return tuple(exact) or known[:1]
