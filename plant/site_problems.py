"""What is wrong with a factory's settings although each key by itself is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from plant.divided import topic_fits
from plant.settings import MqttSourceSettings, MqttTopicSettings, SourceSettings
from plant.signals import Signal
from plant.site import Site

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
