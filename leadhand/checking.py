"""What ``leadhand check`` tells: what is wrong beyond a single key, and a summary of a factory's settings that have been read whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from plant.divided import topic_fits
from plant.equipment import level_of
from plant.settings import MqttSourceSettings, MqttTopicSettings, OpcUaSourceSettings, OpenProtocolSourceSettings, SourceSettings
from plant.signals import Signal
from plant.site import Site

_LEVEL_NAMES = {
    "enterprise": "enterprise",
    "site": "site",
    "area": "areas",
    "work_center": "work centers",
    "work_unit": "work units",
    "equipment": "parts of units",
}


_WORD = re.compile(r"\{[a-z_]+\}")
_KNOWN_WORDS = "{equipment}, {unit}, {signal}, {site}, {enterprise}"
_MOST_OF_A_KIND = 10


def problems(site: Site, path: Path) -> list[str]:
    """Return what is wrong although each key by itself is right: one sentence each, with what to do."""
    found = [*_without_password(site, path)]
    for source in site.sources:
        wrong = [*_strange_words(site, source)]
        if isinstance(source, MqttSourceSettings):
            wrong += _addresses_without_topic(site, source)
        found += [f"{path}: source '{source.id}': {one}" for one in wrong[:_MOST_OF_A_KIND]]
        if len(wrong) > _MOST_OF_A_KIND:
            found.append(f"{path}: source '{source.id}': and {len(wrong) - _MOST_OF_A_KIND:,} more like these")
    return list(dict.fromkeys(found))


def _without_password(site: Site, path: Path) -> Iterator[str]:
    for source in site.sources:
        name = getattr(source, "password_file", None)
        if name is None:
            continue
        file = path.parent / name
        try:
            file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else "it holds no text"
            yield f"{path}: source '{source.id}': password_file: {file} cannot be read ({why}); write the password into it, or name another"


def _strange_words(site: Site, source: SourceSettings) -> Iterator[str]:
    for signal in site.signals_of(source.id):  # type: ignore[arg-type]
        strange = _WORD.search(signal.address)
        if strange is not None:
            yield f"signal {signal.path}: address '{signal.address}': nothing replaces {strange[0]}; known are {_KNOWN_WORDS}"


def _addresses_without_topic(site: Site, source: MqttSourceSettings) -> Iterator[str]:
    carried: dict[MqttTopicSettings, list[str]] = {}
    for signal in site.signals_of(source.id):  # type: ignore[arg-type]
        name, mark, key = signal.address.partition("#")
        topic = next((one for one in source.topics if topic_fits(one.filter, name)), None)
        if topic is None:
            filters = ", ".join(dict.fromkeys(one.filter for one in source.topics)) or "none"
            yield f"signal {signal.path}: no filter of 'topics' covers '{name}' (there is: {filters}); correct the address, or add a filter"
            continue
        carried.setdefault(topic, []).append(key)
        wrong = _wrong_key(signal, topic, key, marked=bool(mark))
        if wrong:
            yield wrong
    for topic, keys in carried.items():
        given = "value_key" in topic.model_fields_set and topic.payload == "array"
        if given and not {"", topic.value_key} & set(keys):
            yield (
                f"topic '{topic.filter}': value_key is '{topic.value_key}', but its signals ask for '#{keys[0]}'; "
                "write the same key in both, or leave '#...' out of the address"
            )


def _wrong_key(signal: Signal, topic: MqttTopicSettings, key: str, *, marked: bool) -> str:
    told = f"signal {signal.path}: address '{signal.address}': "
    if topic.payload == "value" and marked:
        return told + f"payloads of '{topic.filter}' are single values; leave '#{key}' out, or say payload = \"object\""
    if topic.payload in {"object", "samples"} and not key:
        return told + f"a payload of '{topic.filter}' holds many values; write {signal.address.partition('#')[0]}#key"
    if topic.payload == "float32" and not key.isdigit():
        return told + f"say which of the numbers of '{topic.filter}' it is: {signal.address.partition('#')[0]}#0 is the first"
    return ""


def summary(site: Site, path: Path) -> str:
    """Return what was read, as lines for a person."""
    return "\n".join(_lines(site, path))


def _lines(site: Site, path: Path) -> Iterator[str]:
    yield f"{path} is right: {site.path} ({site.name}), time zone {site.time_zone}"
    levels = Counter(level_of(node.id).value for node in site.equipment)
    yield "equipment: " + ", ".join(f"{levels[level]:,} {name}" for level, name in _LEVEL_NAMES.items() if levels[level])
    total_rate = 0.0
    insecure = []
    for source in site.sources:
        signals = site.signals_of(source.id)  # type: ignore[arg-type]
        rate = sum(1_000_000 / signal.interval_us for signal in signals if signal.interval_us)
        total_rate += rate
        told = isinstance(source, OpcUaSourceSettings) and source.tells_events
        what = f"tightenings of {source.equipment}" if isinstance(source, OpenProtocolSourceSettings) else _counted(len(signals), "signal")
        what = "events, alarms and conditions" if told else what
        yield f"source {source.id}: {source.protocol} {source.url}, {what}, {_pace(source, rate)}"
        if _is_insecure(source):
            insecure.append(source.id)
        if not signals and not told and not isinstance(source, OpenProtocolSourceSettings):
            yield f"  note: no signal is read from '{source.id}'"
    yield f"in all: {_counted(len(site.signals), 'signal')}, {total_rate:,.0f} samples per second wanted"
    if insecure:
        yield f"note: allowed by name to connect without protection: {', '.join(insecure)}"


def _pace(source: SourceSettings, rate: float) -> str:
    if isinstance(source, OpcUaSourceSettings) and not source.tells_events:
        pace = f"each {source.interval_ms:g} ms" if source.read == "cyclic" else f"by subscription, sampled each {source.interval_ms:g} ms"
        return f"{pace}, {rate:,.0f} samples per second"
    return f"about {rate:,.0f} samples per second" if rate else "sends when it likes"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _is_insecure(source: SourceSettings) -> bool:
    return source.allow_insecure if isinstance(source, OpcUaSourceSettings | OpenProtocolSourceSettings) else source.allow_anonymous
