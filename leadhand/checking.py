"""What ``leadhand check`` tells: a summary of a factory's settings that have been read whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from plant.equipment import level_of
from plant.settings import OpcUaSourceSettings, OpenProtocolSourceSettings, SourceSettings
from plant.site import Site

_LEVEL_NAMES = {
    "enterprise": "enterprise",
    "site": "site",
    "area": "areas",
    "work_center": "work centers",
    "work_unit": "work units",
    "equipment": "parts of units",
}


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
