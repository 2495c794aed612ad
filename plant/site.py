"""A factory as its settings describe it, read whole and checked before anything connects."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from plant import patterns
from plant.alarm_found import with_found
from plant.alarm_rules import assemble_alarms, with_table
from plant.alarm_table import load_table
from plant.alarms import AlarmDefinition
from plant.calendar_rules import assemble_calendars
from plant.calendars import Calendars
from plant.chart_rules import assemble_charts
from plant.charts import Characteristic
from plant.condition import ConditionPlan
from plant.condition_rules import assemble_condition
from plant.delivery_rules import DeliveryPlan, assemble_delivery
from plant.divided import divide_sources
from plant.equipment import SEGMENT, SEGMENT_RULE, Equipment, EquipmentId, ancestors
from plant.errors import SettingsError
from plant.joint_rules import assemble_joints
from plant.joints import JointGroupPlan
from plant.notice_rules import assemble_notices
from plant.notices import Notices
from plant.optimizer_rules import OptimizerPlan, assemble_optimizer
from plant.report_rules import ReportPlan, assemble_reports
from plant.settings import (
    SPARKPLUG_ADDRESS,
    EquipmentSettings,
    IngestSettings,
    OpcUaSourceSettings,
    OpenProtocolSourceSettings,
    SignalSettings,
    SiteFile,
    SiteSettings,
    SourceSettings,
    SparkplugSourceSettings,
)
from plant.signals import Limits, Range, Signal, SignalPath, SourceId
from plant.state_rules import assemble_states
from plant.states import StatePlan
from plant.vision_rules import VisionPlan, assemble_vision

T = TypeVar("T")
_TEMPLATE_WORDS = ("equipment", "unit", "signal", "site", "enterprise")


@dataclass(frozen=True, slots=True)
class Site:
    """One factory: its equipment (parents before children), its sources and its signals."""

    path: EquipmentId
    """``enterprise/site``."""
    name: str
    time_zone: str
    equipment: tuple[Equipment, ...]
    sources: tuple[SourceSettings, ...]
    signals: tuple[Signal, ...]
    ingest: IngestSettings = field(default_factory=IngestSettings)
    """How gateways ship."""
    shared: tuple[tuple[SourceId, SourceId], ...] = ()
    """Sources that read the signals of another one: (source, whose)."""
    calendars: Calendars = field(default_factory=Calendars)
    """When production is planned."""
    alarms: tuple[AlarmDefinition, ...] = ()
    """Those of sources, of limits and of rules, and of the table that wins over them."""
    alarms_by_rules: tuple[AlarmDefinition, ...] = ()
    """The same without the table."""
    notices: Notices = field(default_factory=Notices)
    """Who is told of which alarms."""
    states: StatePlan = field(default_factory=StatePlan)
    """How the state of equipment is told, and the reasons of stops."""
    charts: tuple[Characteristic, ...] = ()
    """What has a control chart."""
    joint_groups: tuple[JointGroupPlan, ...] = ()
    """Bolts that are judged together."""
    condition: tuple[ConditionPlan, ...] = ()
    """What is watched for wear and drift."""
    vision: VisionPlan = field(default_factory=VisionPlan)
    """Which pictures are looked at, and how."""
    optimizer: OptimizerPlan = field(default_factory=OptimizerPlan)
    """How routes are recommended."""
    delivery: DeliveryPlan = field(default_factory=DeliveryPlan)
    reports: ReportPlan = field(default_factory=ReportPlan)
    """Which lines have reports of their shifts."""

    def source(self, source: SourceId) -> SourceSettings:
        """Return the settings of one source; KeyError where there is none."""
        for settings in self.sources:
            if settings.id == source:
                return settings
        raise KeyError(source)

    def signals_of(self, source: SourceId) -> tuple[Signal, ...]:
        """Return the signals that one source gives, in the order of the settings."""
        whose = dict(self.shared).get(source, source)
        return tuple(signal for signal in self.signals if signal.source == whose)


@dataclass(frozen=True, slots=True)
class _Placed(Generic[T]):
    """A piece of settings and where it stands, for error texts."""

    value: T
    place: str


def site_schema() -> dict[str, Any]:
    """Return the JSON schema of a settings file."""
    return SiteFile.model_json_schema()


def load_site(path: Path, instead: Mapping[Path, str] = MappingProxyType({})) -> Site:
    """Return the factory that ``path`` and the files it includes describe; ``instead``: what files are taken to hold, by their paths.

    Raises SettingsError that names, for each thing wrong, the file, the key path and what is expected.
    """
    problems: list[str] = []
    files = _read_all(path, problems, instead)
    if problems:
        raise SettingsError(problems)
    return _assemble(path, files, problems)


def site_of(file: SiteFile, place: str = "settings") -> Site:
    """Return the factory that settings made in memory describe. Raises SettingsError as ``load_site`` does."""
    return _assemble(Path(place), [_Placed(file, place)], [])


def _read_all(path: Path, problems: list[str], instead: Mapping[Path, str]) -> list[_Placed[SiteFile]]:
    files: list[_Placed[SiteFile]] = []
    waiting, seen = [path], set[Path]()
    while waiting:
        current = waiting.pop(0)
        if current.resolve() in seen:
            continue
        seen.add(current.resolve())
        file = _read(current, problems, instead)
        if file is None:
            continue
        if file.site is not None and current != path:
            problems.append(f"{current}: site: only the first file ({path}) may hold [site]")
        if file.ingest is not None and current != path:
            problems.append(f"{current}: ingest: only the first file ({path}) may hold [ingest]")
        files.append(_Placed(file, str(current)))
        for pattern in file.include:
            found = sorted(current.parent.glob(pattern))
            if not found:
                problems.append(f"{current}: include: '{pattern}' finds no file below {current.parent}")
            waiting.extend(found)
    return files


def _read(path: Path, problems: list[str], instead: Mapping[Path, str]) -> SiteFile | None:
    try:
        content = instead[path] if path in instead else path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        problems.append(f"{path}: there is no such file")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
    else:
        try:
            return SiteFile.model_validate(tomllib.loads(content))
        except tomllib.TOMLDecodeError as error:
            problems.append(f"{path}: not TOML: {error}")
        except ValidationError as error:
            problems.extend(f"{path}: {_key_path(e['loc'])}: {_what(e)}" for e in error.errors(include_url=False))
    return None


def _key_path(location: tuple[int | str, ...]) -> str:
    words = ""
    for step in location:
        if isinstance(step, int):
            words += f"[{step + 1}]"
        elif step not in ("opcua", "mqtt", "sparkplug", "open_protocol"):
            words += f".{step}" if words else step
    return words or "the file"


_FORMS: Final = {
    "share": "a name without '/', '+', '#' and spaces",
    "process": "a name of at most 40 letters, digits, '-' and '_'",
    "host_id": "a name without '/', '+' and '#'",
    "url": "mqtt://host:port, or mqtts://host:port with TLS",
}
_UNITS: Final = {
    "_ms": " of milliseconds (300000 are 5 minutes)",
    "_seconds": " of seconds",
    "_minutes": " of minutes",
    "_days": " of days",
}


def _what(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return "unknown key; 'leadhand schema' lists the known ones"
    if error["type"] == "missing":
        return "is missing"
    given = error.get("input")
    key = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "string_pattern_mismatch" and key in _FORMS:
        return f"write {_FORMS[key]}, not {json.dumps(given, default=str)}"
    if error["type"] in {"float_parsing", "float_type", "int_parsing", "int_type"} and isinstance(given, str):
        unit = next((words for end, words in _UNITS.items() if key.endswith(end)), "")
        return f"write a number{unit}, without quotes, not {json.dumps(given)}"
    return (
        message
        if isinstance(given, dict | list | tuple) or error["type"] == "value_error"
        else f"{message}, not {json.dumps(given, default=str)}"
    )


def _assemble(path: Path, files: list[_Placed[SiteFile]], problems: list[str]) -> Site:
    head = next((f.value.site for f in files if f.value.site is not None), None)
    if head is None:
        problems.append(f"{path}: site: is missing; write [site] with 'enterprise' and 'id'")
        raise SettingsError(problems)
    root = EquipmentId(f"{head.enterprise}/{head.id}")
    equipment = _equipment(root, head, _placed(files, "equipment"), problems)
    sources = _sources(root, head.time_zone, equipment, _placed(files, "sources"), problems)
    signals = _signals(root, equipment, sources, _placed(files, "signals"), problems)
    given, shared = divide_sources(sources.values(), signals, problems)
    placed = ((entry.place, entry.value) for entry in _placed(files, "calendars"))
    calendars = assemble_calendars(root, head.time_zone, equipment, placed, problems)
    rules, reasons = (((entry.place, entry.value) for entry in _placed(files, key)) for key in ("states", "reasons"))
    states = assemble_states(root, equipment, signals, rules, reasons, problems)
    notices = _notices(root, path.parent, equipment, calendars, files, problems)
    alarm_rules = [(entry.place, entry.value) for entry in _placed(files, "alarms")]
    alarms_by_rules = assemble_alarms(root, [SourceId(source.id) for source in given[0]], signals, alarm_rules, problems)
    alarms = _table(root, [SourceId(source.id) for source in given[0]], signals, alarms_by_rules, files, problems)
    rules = ((entry.place, entry.value) for entry in _placed(files, "charts"))
    charts = assemble_charts(root, equipment, signals, rules, problems)
    rules = ((entry.place, entry.value) for entry in _placed(files, "condition"))
    condition = assemble_condition(root, equipment, signals, rules, problems)
    groups = ((entry.place, entry.value) for entry in _placed(files, "joint_groups"))
    joint_groups = assemble_joints(root, equipment, groups, problems)
    heads = [(f"{f.place}: vision", f.value.vision) for f in files if f.value.vision is not None]
    cameras, stations = (((entry.place, entry.value) for entry in _placed(files, key)) for key in ("cameras", "stations"))
    vision = assemble_vision(root, path.parent, equipment, heads, cameras, stations, problems)
    wishes = [(f"{f.place}: optimizer", f.value.optimizer) for f in files if f.value.optimizer is not None]
    optimizer = assemble_optimizer(root, path.parent, equipment, wishes, problems, calendars, head.time_zone)
    givers = [(f"{f.place}: delivery", f.value.delivery) for f in files if f.value.delivery is not None]
    delivery = assemble_delivery(path.parent, givers, problems)
    written = [(f"{f.place}: reports", f.value.reports) for f in files if f.value.reports is not None]
    followed = [model.equipment for model in states.models]
    reports = assemble_reports(root, path.parent, equipment, followed, [one.name for one in notices.receivers], written, problems)
    alarms_by_rules = with_found(root, alarms_by_rules, alarm_rules, charts, condition, problems)
    alarms = with_found(root, alarms, alarm_rules, charts, condition, [])
    if problems:
        raise SettingsError(problems)
    shipping = next((f.value.ingest for f in files if f.value.ingest is not None), IngestSettings())
    named = head.name or head.id
    return Site(
        *(root, named, head.time_zone, tuple(equipment.values()), *given, shipping, shared, calendars),
        alarms=alarms,
        alarms_by_rules=alarms_by_rules,
        notices=notices,
        states=states,
        charts=charts,
        condition=condition,
        joint_groups=joint_groups,
        vision=vision,
        optimizer=optimizer,
        delivery=delivery,
        reports=reports,
    )


def _table(
    root: EquipmentId,
    sources: list[SourceId],
    signals: list[Signal],
    alarms: tuple[AlarmDefinition, ...],
    files: list[_Placed[SiteFile]],
    problems: list[str],
) -> tuple[AlarmDefinition, ...]:
    """Return the alarms with those of the tables in place that the files name."""
    for file in files:
        if file.value.alarm_table is not None:
            path = Path(file.place).parent / file.value.alarm_table
            rows = ((f"{path}: row {row.row}", row.settings) for row in load_table(path, problems))
            alarms = with_table(root, sources, signals, alarms, rows, problems)
    return alarms


def _notices(
    root: EquipmentId,
    folder: Path,
    equipment: Mapping[EquipmentId, Equipment],
    calendars: Calendars,
    files: list[_Placed[SiteFile]],
    problems: list[str],
) -> Notices:
    servers = [(f"{f.place}: mail", f.value.mail) for f in files if f.value.mail is not None]
    problems.extend(f"{place}: stands in {servers[0][0]} already" for place, _ in servers[1:])
    receivers, rules = (((entry.place, entry.value) for entry in _placed(files, key)) for key in ("receivers", "notices"))
    return assemble_notices(root, folder, equipment, calendars, next(iter(servers), None), receivers, rules, problems)


def _placed(files: list[_Placed[SiteFile]], key: str) -> Iterator[_Placed[Any]]:
    for file in files:
        for number, value in enumerate(getattr(file.value, key), 1):
            yield _Placed(value, f"{file.place}: {key}[{number}]")


def _equipment(
    root: EquipmentId, head: SiteSettings, entries: Iterator[_Placed[EquipmentSettings]], problems: list[str]
) -> dict[EquipmentId, Equipment]:
    named: dict[EquipmentId, Equipment] = {}
    places: dict[EquipmentId, str] = {}
    for entry in entries:
        try:
            paths = patterns.expand(entry.value.path)
        except ValueError as error:
            problems.append(f"{entry.place}.path: {error}")
            continue
        for below in paths:
            wrong = [s for s in below.split("/") if not SEGMENT.match(s)]
            if wrong:
                problems.append(f"{entry.place}.path: '{wrong[0]}' in '{below}' {SEGMENT_RULE}")
                break
            full = EquipmentId(f"{root}/{below}")
            if full in named:
                problems.append(f"{entry.place}.path: '{below}' stands in {places[full]} already")
                break
            unit = below.rpartition("/")[2]
            name = entry.value.name.replace("{path}", below).replace("{unit}", unit)
            named[full] = Equipment(full, name or unit, entry.value.kind)
            places[full] = entry.place
    whole: dict[EquipmentId, Equipment] = {
        EquipmentId(head.enterprise): Equipment(EquipmentId(head.enterprise), head.enterprise),
        root: Equipment(root, head.name or head.id),
    }
    for full, node in named.items():
        for above in ancestors(full):
            whole.setdefault(above, named.get(above) or Equipment(above, above.rpartition("/")[2]))
        whole[full] = node
    return whole


def _sources(
    root: EquipmentId,
    zone: str,
    equipment: Mapping[EquipmentId, Equipment],
    entries: Iterator[_Placed[SourceSettings]],
    problems: list[str],
) -> dict[SourceId, SourceSettings]:
    found: dict[SourceId, SourceSettings] = {}
    for entry in entries:
        source = SourceId(entry.value.id)
        if source in found:
            problems.append(f"{entry.place}.id: there is a source '{source}' already")
        below = entry.value.equipment if isinstance(entry.value, OpenProtocolSourceSettings) else None
        if below is not None and EquipmentId(f"{root}/{below}") not in equipment:
            problems.append(f"{entry.place}.equipment: there is no equipment '{below}'; name it in 'equipment'")
        if isinstance(entry.value, OpcUaSourceSettings):
            for number, rule in enumerate(entry.value.events.equipment, 1):
                unknown = [below for _, below in rule.pairs if EquipmentId(f"{root}/{below}") not in equipment]
                if unknown:
                    place = f"{entry.place}.events.equipment[{number}].equipment"
                    problems.append(f"{place}: there is no equipment '{unknown[0]}'; name it in 'equipment'")
        found[source] = _placed_in(entry.value, zone)
    return found


def _placed_in(source: SourceSettings, zone: str) -> SourceSettings:
    """Return a source with the site's time zone where it needs one and names none."""
    if isinstance(source, OpenProtocolSourceSettings) and source.time_zone is None:
        return source.model_copy(update={"time_zone": zone})
    return source


def _signals(
    root: EquipmentId,
    equipment: dict[EquipmentId, Equipment],
    sources: dict[SourceId, SourceSettings],
    rules: Iterator[_Placed[SignalSettings]],
    problems: list[str],
) -> list[Signal]:
    below = {node.removeprefix(root + "/"): node for node in equipment if node.startswith(root + "/")}
    signals: dict[SignalPath, tuple[Signal, str]] = {}
    addresses: dict[tuple[str, str], SignalPath] = {}
    for rule in rules:
        source = sources.get(SourceId(rule.value.source))
        if source is None:
            known = ", ".join(sorted(sources)) or "none"
            problems.append(f"{rule.place}.source: unknown source '{rule.value.source}'; the file names: {known}")
            continue
        if isinstance(source, OpenProtocolSourceSettings):
            problems.append(f"{rule.place}.source: '{source.id}' reports tightenings, it gives no signals")
            continue
        if isinstance(source, OpcUaSourceSettings) and source.tells_events:
            problems.append(f"{rule.place}.source: '{source.id}' tells events, it gives no signals; leave out its 'read', or name another")
            continue
        fitting = [path for path in below if patterns.matches(rule.value.equipment, path)]
        if not fitting:
            problems.append(
                f"{rule.place}.equipment: no equipment fits '{rule.value.equipment}'; there is e.g. '{next(iter(below), 'none')}'"
            )
            continue
        for signal in _of_rule(root, rule, source, fitting, below, problems):
            if signal.path in signals:
                problems.append(f"{rule.place}: gives '{signal.path}' again; {signals[signal.path][1]} gives it already")
                break
            other = addresses.setdefault((signal.source, signal.address), signal.path)
            if other != signal.path:
                problems.append(
                    f"{rule.place}.address: '{signal.address}' of source '{signal.source}' "
                    f"is read as '{other}' already; each address may be read once"
                )
                break
            signals[signal.path] = (signal, rule.place)
    return [signal for signal, _ in signals.values()]


def _of_rule(
    root: EquipmentId,
    rule: _Placed[SignalSettings],
    source: SourceSettings,
    fitting: list[str],
    below: dict[str, EquipmentId],
    problems: list[str],
) -> Iterator[Signal]:
    settings = rule.value
    try:
        names = patterns.expand(settings.name)
    except ValueError as error:
        problems.append(f"{rule.place}.name: {error}")
        return
    wrong = [name for name in names if not SEGMENT.match(name)]
    if wrong:
        problems.append(f"{rule.place}.name: '{wrong[0]}' {SEGMENT_RULE}")
        return
    interval_ms = settings.sampling_interval_ms or source.interval_ms or 0.0
    if isinstance(source, OpcUaSourceSettings) and interval_ms != source.interval_ms:
        problems.append(
            f"{rule.place}.sampling_interval_ms: source '{source.id}' reads all its signals each {source.interval_ms:g} ms; "
            "give these signals a source of their own for another interval"
        )
        return
    enterprise, _, site = root.partition("/")
    for path in fitting:
        for name in names:
            words = dict(zip(_TEMPLATE_WORDS, (path, path.rpartition("/")[2], name, site, enterprise), strict=True))
            address = settings.address
            for word, value in words.items():
                address = address.replace("{" + word + "}", value)
            if isinstance(source, SparkplugSourceSettings) and not SPARKPLUG_ADDRESS.fullmatch(address):
                problems.append(
                    f"{rule.place}.address: '{address}' names no Sparkplug metric; "
                    "write group/edge_node:metric or group/edge_node/device:metric, and %3A for a colon within an id"
                )
                return
            yield Signal(
                SignalPath(f"{below[path]}/{name}"),
                below[path],
                name,
                settings.data_type,
                settings.unit,
                SourceId(source.id),
                address,
                round(interval_ms * 1000),
                settings.store,
                None if settings.range is None else Range(settings.range.low, settings.range.high),
                Limits(settings.limits.low_low, settings.limits.low, settings.limits.high, settings.limits.high_high),
                settings.description,
                settings.deadband,
                settings.deadband_percent,
            )
