"""From limits of signals and ``[[alarms]]`` rules to the alarms of a site: defaults first, then each rule changes what fits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from plant import patterns
from plant.alarms import FOUND, AlarmDefinition, AlarmId, AlarmKind, Priority, Suppression
from plant.equipment import EquipmentId
from plant.settings_alarms import OF_SOURCES, AlarmSettings
from plant.signals import Signal, SignalPath, SourceId

_SILENT_SECONDS: Final = 10.0
_GAP_SECONDS: Final = 60.0
_DEADBAND_SHARE: Final = 0.01
"""Of a signal's range, where no deadband is given: without one a value that lies on its limit chatters (ISA-18.2, 10.5.4)."""
_OF_LIMITS: Final = (
    (AlarmKind.HIGH_HIGH, "high_high", Priority.HIGH),
    (AlarmKind.HIGH, "high", Priority.MEDIUM),
    (AlarmKind.LOW, "low", Priority.MEDIUM),
    (AlarmKind.LOW_LOW, "low_low", Priority.HIGH),
)
_OF_SOURCE: Final = (
    (AlarmKind.SILENT, _SILENT_SECONDS, Priority.HIGH, "Nothing is heard of '{}', nor of who reads it", "Look whether the gateway runs"),
    (AlarmKind.DISCONNECTED, _SILENT_SECONDS, Priority.HIGH, "'{}' cannot be read", "Look at the device and at the network"),
    (AlarmKind.GAP, _GAP_SECONDS, Priority.LOW, "Samples of '{}' are missing", "See on the sources page when and why"),
)
_SIDED: Final = frozenset(kind for kind, _, _ in _OF_LIMITS)
_PRIORITIES: Final = {"urgent": Priority.URGENT, "high": Priority.HIGH, "medium": Priority.MEDIUM, "low": Priority.LOW}


def assemble_alarms(
    root: EquipmentId,
    sources: Sequence[SourceId],
    signals: Sequence[Signal],
    rules: Iterable[tuple[str, AlarmSettings]],
    problems: list[str],
) -> tuple[AlarmDefinition, ...]:
    """Return the alarms of a site, those of sources first; what is wrong is added to ``problems``.

    Each source has alarms for being silent, disconnected and incomplete; each limit of a signal gives one.
    """
    found: dict[AlarmId, AlarmDefinition] = {}
    for source in sources:
        for kind, seconds, priority, message, response in _OF_SOURCE:
            name = AlarmId(f"{root}/{source}:{kind.value}")
            words = message.format(source)
            made = AlarmDefinition(name, SignalPath(""), kind, seconds, priority=priority, message=words, response=response, source=source)
            found[name] = made
    for signal in signals:
        for kind, field, priority in _OF_LIMITS:
            limit = getattr(signal.limits, field)
            if limit is not None:
                found[_name(signal, kind.value)] = _fresh(signal, kind, kind.value, limit, priority)
    by_path = {signal.path: signal for signal in signals}
    touched: dict[AlarmId, str] = {}
    for place, rule in rules:
        if AlarmKind(rule.kind) in FOUND:
            continue
        before = len(problems)
        if AlarmKind(rule.kind) in OF_SOURCES:
            names = _of_sources(root, sources, place, rule, found, problems)
        else:
            names = _of_signals(root, by_path, place, rule, found, problems)
        if len(problems) == before:
            touched.update(dict.fromkeys(names, place))
    _ordered(found, touched, problems)
    return tuple(found.values())


def _name(signal: Signal, name: str) -> AlarmId:
    return AlarmId(f"{signal.path}:{name}")


def _fresh(signal: Signal, kind: AlarmKind, name: str, limit: float, priority: Priority = Priority.MEDIUM) -> AlarmDefinition:
    span = signal.range
    deadband = _DEADBAND_SHARE * (span.high - span.low) if kind in _SIDED and span is not None else 0.0
    return AlarmDefinition(
        _name(signal, name),
        signal.path,
        kind,
        limit,
        deadband,
        priority=priority,
        equipment=signal.equipment,
        source=signal.source,
    )


def _of_sources(
    root: EquipmentId,
    sources: Sequence[SourceId],
    place: str,
    rule: AlarmSettings,
    found: dict[AlarmId, AlarmDefinition],
    problems: list[str],
) -> list[AlarmId]:
    fitting = [source for source in sources if patterns.matches(rule.source or "", source)]
    if not fitting:
        problems.append(f"{place}.source: no source fits '{rule.source}'; the file names: {', '.join(sources) or 'none'}")
    touched: list[AlarmId] = []
    for source in fitting:
        name = AlarmId(f"{root}/{source}:{rule.name or rule.kind}")
        if not rule.enabled:
            found.pop(name, None)
            continue
        known = found.get(name) or found.get(AlarmId(f"{root}/{source}:{rule.kind}"))
        seconds = _GAP_SECONDS if AlarmKind(rule.kind) is AlarmKind.GAP else _SILENT_SECONDS
        base = known or AlarmDefinition(name, SignalPath(""), AlarmKind(rule.kind), seconds, source=source)
        found[name] = replace(base, id=name, **given_by(rule, {"source": source}))
        touched.append(name)
    return touched


def _of_signals(
    root: EquipmentId,
    signals: Mapping[SignalPath, Signal],
    place: str,
    rule: AlarmSettings,
    found: dict[AlarmId, AlarmDefinition],
    problems: list[str],
) -> list[AlarmId]:
    kind = AlarmKind(rule.kind)
    glob = patterns.compile_glob(rule.equipment or "")
    below = len(root) + 1
    at_equipment = [signal for signal in signals.values() if glob.match(signal.equipment[below:])]
    fitting = [signal for signal in at_equipment if patterns.matches(rule.signal or "", signal.name)]
    if not fitting:
        there = next((signal.name for signal in at_equipment), None)
        why = f"no equipment with signals fits '{rule.equipment}'" if there is None else f"no signal there fits '{rule.signal}'"
        problems.append(f"{place}: {why}" + ("" if there is None else f"; there is e.g. '{there}'"))
        return []
    touched: list[AlarmId] = []
    for signal in fitting:
        name = _name(signal, rule.name or rule.kind)
        if not rule.enabled:
            found.pop(name, None)
            continue
        known = found.get(name)
        if known is not None and known.kind is not kind:
            problems.append(f"{place}.name: '{name}' is of the kind '{known.kind.value}' already; give this one another name")
            return touched
        if known is None and kind is not AlarmKind.DISCRETE and rule.limit is None:
            problems.append(f"{place}.limit: is missing, and '{signal.path}' has no limit of the kind '{rule.kind}' that it could change")
            return touched
        made = _changed(root, signals, signal, known or _fresh(signal, kind, rule.name or rule.kind, 0.0), rule)
        if isinstance(made, str):
            problems.append(f"{place}{made}")
            return touched
        found[name] = made
        touched.append(name)
    return touched


def _changed(
    root: EquipmentId, signals: Mapping[SignalPath, Signal], signal: Signal, base: AlarmDefinition, rule: AlarmSettings
) -> AlarmDefinition | str:
    """Return an alarm as a rule changes it, or what is wrong, beginning with the key."""
    below = signal.equipment[len(root) + 1 :]
    words = {"equipment": below, "unit": below.rpartition("/")[2], "signal": signal.name}
    given = given_by(rule, words)
    if rule.set_point_signal is not None:
        other = _resolved(root, signals, signal, rule.set_point_signal)
        if isinstance(other, str):
            return f".set_point_signal: {other}"
        if other.data_type.is_text:
            return f".set_point_signal: '{other.path}' is a text"
        given["set_point_signal"] = other.path
    if rule.suppressed_while is not None:
        other = _resolved(root, signals, signal, rule.suppressed_while.signal)
        if isinstance(other, str):
            return f".suppressed_while.signal: {other}"
        given["suppressed_while"] = Suppression(other.path, rule.suppressed_while.values, rule.suppressed_while.texts)
    made = replace(base, **given)
    if signal.data_type.is_text and made.kind not in {AlarmKind.DISCRETE, AlarmKind.STALE}:
        return f".signal: '{signal.path}' is a text: it can be discrete or stale only"
    if made.kind is AlarmKind.DISCRETE and not (made.texts if signal.data_type.is_text else made.values or made.texts):
        return f": give {'texts' if signal.data_type.is_text else 'values'} of '{signal.path}' that mean the alarm"
    if (
        made.kind is AlarmKind.DEVIATION
        and made.set_point_signal is None
        and "set_point" not in rule.model_fields_set
        and base.limit == 0.0
    ):
        return ": give 'set_point' or 'set_point_signal'"
    return made


def given_by(rule: AlarmSettings, words: Mapping[str, str]) -> dict[str, Any]:
    """Return what a rule says, by the names of a definition's fields."""
    given: dict[str, Any] = {key: getattr(rule, key) for key in ("limit", "deadband", "latching", "set_point", "values", "texts")}
    for key in ("on_delay", "off_delay", "window"):
        seconds = getattr(rule, f"{key}_seconds")
        given[f"{key}_us"] = None if seconds is None else round(seconds * 1e6)
    given["priority"] = None if rule.priority is None else _PRIORITIES[rule.priority]
    given |= {key: _filled(getattr(rule, key), words) for key in ("message", "response")}
    said = {key: value for key, value in given.items() if value is not None and value != ()}
    return said | ({"set_point_signal": None} if rule.set_point is not None else {})


def _filled(text: str | None, words: Mapping[str, str]) -> str | None:
    for word, value in words.items() if text is not None else ():
        text = (text or "").replace("{" + word + "}", value)
    return text


def _resolved(root: EquipmentId, signals: Mapping[SignalPath, Signal], signal: Signal, name: str) -> Signal | str:
    """Return the signal that a rule names: of the same equipment, or by a path below the site."""
    asked = name.replace("{equipment}", signal.equipment[len(root) + 1 :])
    path = SignalPath(f"{root}/{asked}" if "/" in asked else f"{signal.equipment}/{asked}")
    return signals.get(path) or f"there is no signal '{path}'"


def _ordered(found: Mapping[AlarmId, AlarmDefinition], touched: Mapping[AlarmId, str], problems: list[str]) -> None:
    """Limits that a rule moved must still rise from low_low to high_high."""
    told: set[str] = set()
    for name, place in touched.items():
        path = found[name].signal if name in found else ""
        if not path or found[name].kind not in _SIDED or place in told:
            continue
        given = [found.get(AlarmId(f"{path}:{kind.value}")) for kind, _, _ in reversed(_OF_LIMITS)]
        limits = [one.limit for one in given if one is not None]
        if limits != sorted(set(limits)):
            told.add(place)
            problems.append(f"{place}.limit: limits of '{path}' must rise: low_low < low < high < high_high")


def with_table(
    root: EquipmentId,
    sources: Sequence[SourceId],
    signals: Sequence[Signal],
    base: Sequence[AlarmDefinition],
    rows: Iterable[tuple[str, AlarmSettings]],
    problems: list[str],
) -> tuple[AlarmDefinition, ...]:
    """Return the alarms of a site with rows of a table in place: each gives one alarm whole, or takes it away.

    Unlike a rule a row keeps nothing of what stood there before. Its equipment and signal are no globs but one signal below the site.
    """
    found = {definition.id: definition for definition in base}
    by_path = {signal.path: signal for signal in signals}
    touched: dict[AlarmId, str] = {}
    for place, row in rows:
        if AlarmKind(row.kind) in OF_SOURCES:
            found.pop(AlarmId(f"{root}/{row.source}:{row.name or row.kind}"), None)
            touched.update(dict.fromkeys(_of_sources(root, sources, place, row, found, problems), place))
            continue
        signal = by_path.get(SignalPath(f"{root}/{row.equipment}/{row.signal}"))
        if signal is None:
            problems.append(f"{place}.alarm: there is no signal '{row.equipment}/{row.signal}'")
            continue
        name = _name(signal, row.name or row.kind)
        found.pop(name, None)
        if not row.enabled:
            continue
        kind = AlarmKind(row.kind)
        if kind is not AlarmKind.DISCRETE and row.limit is None:
            problems.append(f"{place}.limit: is missing")
            continue
        made = _changed(root, by_path, signal, _fresh(signal, kind, row.name or row.kind, 0.0), row)
        if isinstance(made, str):
            problems.append(f"{place}{made}")
            continue
        found[name] = made
        touched[name] = place
    _ordered(found, touched, problems)
    return tuple(found.values())
