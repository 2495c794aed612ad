"""The site settings of the simulated line: short rules, written as an example for people who write their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from plant.signals import DataType
from simulators.camera_stations import camera_stations
from simulators.fleet import Fleet
from simulators.machines.mill import MILL
from simulators.machines.model import SignalModel
from simulators.machines.nutrunner import ANGLE_WINDOW_DEG, TORQUE_WINDOW_NM
from simulators.machines.robot import ROBOT
from simulators.plant_feed import SCAN_US
from simulators.plant_rules import Ruled, monitor_lines
from simulators.site_file import (
    MqttPlace,
    OpcUaPlace,
    SparkplugPlace,
    ToolPlace,
    mqtt_source,
    opcua_source,
    sparkplug_source,
    text,
    tool_source,
    write_site,
)

ENTERPRISE = "acme"
SITE = "north"
NAMESPACE = "urn:acme:north"

SPEAK_SCANS = 10
"""A Sparkplug edge node looks for changes each so many scans: it reports by exception, as such nodes do."""

_NUMBERED = re.compile(r"(.*_)(\d+)")
_LIMIT_NAMES = ("low_low", "low", "high", "high_high")


@dataclass(frozen=True, slots=True)
class Group:
    """The machines of one kind in one work center."""

    fleet: Fleet
    center: str
    unit: str
    source: str


def write_plant_site(
    path: Path,
    groups: Sequence[Group],
    places: Mapping[str, OpcUaPlace | MqttPlace | SparkplugPlace],
    tools: Sequence[ToolPlace] = (),
    *,
    cameras: bool = False,
    routes: str | None = None,
    delivery: MqttPlace | None = None,
) -> None:
    """Write settings that name each address that is offered, exactly once."""
    stations = camera_stations(_robots(groups), tools) if cameras else ()
    optimizer = () if routes is None else (*_optimizer(routes, groups), *_share())
    write_site(path, [*_lines(groups, places, tools), *stations, *optimizer, *(() if delivery is None else _delivery(delivery))])


def _delivery(broker: MqttPlace) -> Iterator[str]:
    """Yield who is sent what: the MES routes, the welding robot that is fine-tuned parameters."""
    told = {
        "mes": ("what makes orders by routes: recommended ones are sent to it once a person approved them", "mes", ("route",), 300),
        "welding-robot": ("the cell that is fine-tuned: trials that a person approved", "welding-robot", ("parameters",), 300),
        "stations": ("all that acknowledge design changes, and make what the plan starts next", "*", ("design_change", "job"), 14_400),
    }
    yield ""
    yield "# Approved recommendations are sent to these controllers, which check them by themselves and answer."
    yield "[delivery]"
    yield "stale_seconds = 604800  # the simulated history is some days old"
    for name, (what, unit, kinds, done) in told.items():
        yield ""
        yield f"# {what}"
        yield "[[delivery.controllers]]"
        yield f"id = {text(name)}"
        yield 'way = "mqtt"'
        yield f"url = {text(broker.url)}"
        if broker.username is None or broker.password_file is None:
            yield "allow_anonymous = true  # on this machine only"
        else:
            yield f"username = {text(broker.username)}"
            yield f"password_file = {text(broker.password_file.resolve())}"
        yield f"work_units = [{text(unit)}]"
        yield f"takes = [{', '.join(map(text, kinds))}]"
        yield "valid_seconds = 120"
        yield f"done_seconds = {done}"


_PLANNED: Final = {
    "cutter": "cutting/laser",
    "robot": "welding/cell",
    "mill": "machining/mill",
    "booth": "painting/booth",
    "stand": "assembly/stand",
}
"""By unit of the line: the work unit of the process network that it is."""


def _optimizer(inbox: str, groups: Sequence[Group]) -> Iterator[str]:
    yield ""
    yield "# Routes are recommended from what operations really took; a file of them that lies in the folder is imported."
    yield "[optimizer]"
    yield f"inbox = {text(inbox)}"
    yield "least_rows = 1000"
    yield ""
    yield "# Orders that lie in the folder are planned. Where a work unit is equipment, its state says when it is down."
    yield "[optimizer.plan]"
    yield "frozen_minutes = 10"
    yield "improve_seconds = 8"
    yield "improve_every_seconds = 120"
    yield "least_down_seconds = 8"
    yield "assumed_down_minutes = 20"
    yield "units = ["
    yield '  { unit = "painting/*", calendar = "always", setup_by = "family", setup_minutes = 6 },'
    yield '  { unit = "machining/*", calendar = "always", setup_by = "family", setup_minutes = 10 },'
    for group in groups:
        for number, path in enumerate(group.fleet.paths, 1):
            if group.unit in _PLANNED:
                setup = {"machining": ', setup_by = "family", setup_minutes = 10', "painting": ', setup_by = "family", setup_minutes = 6'}
                unit = f"{_PLANNED[group.unit]}-{number}"
                words = setup.get(unit.partition("/")[0], "")
                yield f'  {{ unit = {text(unit)}, equipment = {text(path)}, calendar = "always"{words} }},'
    yield "]"


def _share() -> Iterator[str]:
    yield ""
    yield "# Two cutting centres and a stamping centre serve four factories; their hours are shared out, and plates are nested."
    yield "[optimizer.share]"
    yield "horizon_days = 5"
    yield "nest_days = 1"
    yield "nest_seconds = 1.5"
    yield "factories = ["  # as ``simulators.plate_parts`` has them
    yield '  { name = "excavator", weight = 4, own = true },'
    yield '  { name = "crane", weight = 3 },'
    yield '  { name = "concrete pump", weight = 2 },'
    yield '  { name = "aerial platform", weight = 1 },'
    yield "]"
    cutting = 'kind = "cutting", calendar = "always", sheet_minutes = 8, piece_seconds = 20'
    yield "centres = ["
    yield f'  {{ name = "plate laser", {cutting}, machines = 1, thickness_up_to_mm = 15, speeds = ['
    yield "    { up_to_mm = 15, mm_per_minute = 1800, pierce_seconds = 2, kerf_mm = 1, gap_mm = 6, margin_mm = 8 },"
    yield "  ] },"
    yield f'  {{ name = "plate plasma", {cutting}, machines = 1, speeds = ['
    yield "    { up_to_mm = 15, mm_per_minute = 1400, pierce_seconds = 1, kerf_mm = 2.5, gap_mm = 8, margin_mm = 10 },"
    yield "    { up_to_mm = 40, mm_per_minute = 700, pierce_seconds = 3, kerf_mm = 3.5, gap_mm = 12, margin_mm = 12 },"
    yield "  ] },"
    yield '  { name = "stamping", kind = "stamping", calendar = "always", machines = 1 },'
    yield "]"


def _robots(groups: Sequence[Group]) -> list[str]:
    return [path for group in groups if group.fleet.kind is ROBOT for path in group.fleet.paths]


def _lines(
    groups: Sequence[Group], places: Mapping[str, OpcUaPlace | MqttPlace | SparkplugPlace], tools: Sequence[ToolPlace]
) -> Iterator[str]:
    yield "# A simulated excavator factory. One rule gives signals to all equipment that fits its glob:"
    yield "# '*' stands for one segment of a path, '{1..6}' for numbers; {equipment}, {unit}, {signal} ... are put into addresses."
    yield ""
    yield f'site = {{ enterprise = "{ENTERPRISE}", id = "{SITE}", name = "North works, excavators", time_zone = "UTC" }}'
    yield ""
    yield "equipment = ["
    for group in groups:
        kind = group.fleet.kind
        yield f"  {{ path = {text(_unit_range(group))}, kind = {text(kind.name)}, name = {text(kind.title + ' {unit}')} }},"
    for tool in tools:
        yield f'  {{ path = {text(tool.equipment)}, kind = "tightening_station", name = {text(tool.name)} }},'
    yield "]"
    yield ""
    yield "signals = ["
    for number, group in enumerate(groups):
        if number:
            yield ""
        yield f"  # {group.fleet.kind.title}"
        for signal in _collapsed(group.fleet.kind.signals):
            yield f"  {{ {', '.join(_rule(group, signal, places[group.source]))} }},"
    yield "]"
    yield ""
    yield from monitor_lines(map(_ruled, groups), groups[0].fleet.takt_seconds)
    for source, place in places.items():
        interval_ms = SCAN_US / 1000
        if isinstance(place, OpcUaPlace):
            ranges = [_unit_range(group) for group in groups if group.source == source]
            yield from opcua_source(source, place, interval_ms, [(path.rpartition("/")[2], path) for path in ranges])
        elif isinstance(place, SparkplugPlace):
            yield from sparkplug_source(source, place, SPEAK_SCANS * interval_ms)
        else:
            topics = [f"{ENTERPRISE}/{SITE}/{group.center}" for group in groups if group.source == source]
            yield from mqtt_source(source, place, topics, interval_ms, "ms")
    for tool in tools:
        yield from tool_source(tool)
    yield from _charts(groups, tools)


def _charts(groups: Sequence[Group], tools: Sequence[ToolPlace]) -> Iterator[str]:
    for tool in tools:
        yield from _tool_charts(tool)
    for group in groups:
        if group.fleet.kind is MILL:
            yield from _step_charts(f"{group.center}/{group.unit}-*")


def _tool_charts(tool: ToolPlace) -> Iterator[str]:
    """Yield what is charted of each spindle and program, with the capability of the tool."""
    for what, title, (low, high) in (("torque", "Torque, spindle", TORQUE_WINDOW_NM), ("angle", "Angle, spindle", ANGLE_WINDOW_DEG)):
        yield ""
        yield "[[charts]]"
        yield f'id = "bearing-{what}"'
        yield f'name = "{title}"'
        yield f"equipment = {text(tool.equipment)}"
        yield f'tightening = "{what}"'
        yield f"low = {low:g}"
        yield f"high = {high:g}"
        yield "tool = true  # Cm and Cmk of the last 50 runs"
    yield ""
    yield "[[joint_groups]]"
    yield 'id = "bearing"'
    yield 'name = "Slewing bearing"'
    yield f"equipment = {text(tool.equipment)}"
    yield "bolts = 36"
    yield "picture = false  # released by torque and angle; with cameras: true, and camera_station"
    yield "calibration_days = 3660"
    yield "learn_runs = 72"


def _step_charts(glob: str) -> Iterator[str]:
    """Yield a chart that looks for slow drift within one step, and one of scrap."""
    yield ""
    yield "[[charts]]"
    yield 'id = "face-load"'
    yield 'name = "Spindle load in step Face, {unit}"'
    yield f"equipment = {text(glob)}"
    yield 'kind = "ewma"'
    yield 'signal = "spindle_load"'
    yield 'take = "mean"'
    yield 'trigger = "step"'
    yield 'step = "Face"'
    yield "phase_1 = 10  # few, so that a demo has limits soon"
    yield ""
    yield "[[charts]]"
    yield 'id = "scrap"'
    yield 'name = "Scrap, {unit}"'
    yield f"equipment = {text(glob)}"
    yield 'kind = "p"'
    yield 'signal = "scrap_parts"'
    yield 'trigger = "parts"'
    yield "every_seconds = 900"


def _ruled(group: Group) -> Ruled:
    kind = group.fleet.kind
    names = {signal.name for signal in kind.signals}
    return Ruled(f"{group.center}/{group.unit}-*", kind.name, kind.faults, "good_parts" in names, "tool_parts" in names)


def _unit_range(group: Group) -> str:
    count = len(group.fleet.paths)
    first = group.fleet.paths[0].rpartition("-")[2]
    return group.fleet.paths[0] if count == 1 else f"{group.center}/{group.unit}-{{{first}..{count}}}"


def _collapsed(signals: Sequence[SignalModel]) -> Iterator[SignalModel]:
    """Yield the signals, those that differ in their number only as one: ``torque_{1..6}``."""
    waiting = list(signals)
    while waiting:
        first = waiting.pop(0)
        match = _NUMBERED.fullmatch(first.name)
        family = [first]
        while match and waiting and replace(waiting[0], name="", text=None) == replace(first, name="", text=None):
            if waiting[0].name != f"{match[1]}{int(match[2]) + len(family)}":
                break
            family.append(waiting.pop(0))
        if match and len(family) > 1:
            yield replace(first, name=f"{match[1]}{{{match[2]}..{int(match[2]) + len(family) - 1}}}")
        else:
            yield first


def _rule(group: Group, signal: SignalModel, place: OpcUaPlace | MqttPlace | SparkplugPlace) -> Iterator[str]:
    if isinstance(place, OpcUaPlace):
        address = f"nsu={NAMESPACE};s={{equipment}}/{{signal}}"
    elif isinstance(place, SparkplugPlace):
        address = f"{place.node}/{{unit}}:{{signal}}"
    else:
        address = f"{{enterprise}}/{{site}}/{group.center}#{{unit}}.{{signal}}"
    yield f"equipment = {text(f'{group.center}/{group.unit}-*')}"
    yield f"name = {text(signal.name)}"
    yield f"source = {text(group.source)}"
    yield f"address = {text(address)}"
    if signal.data_type is not DataType.DOUBLE:
        yield f'data_type = "{signal.data_type}"'
    if signal.unit:
        yield f"unit = {text(signal.unit)}"
    if signal.low is not None and signal.high is not None and signal.data_type is not DataType.BOOLEAN:
        yield f"range = {{ low = {signal.low}, high = {signal.high} }}"
    if any(limit is not None for limit in signal.limits):
        pairs = [f"{name} = {limit}" for name, limit in zip(_LIMIT_NAMES, signal.limits, strict=True) if limit is not None]
        yield f"limits = {{ {', '.join(pairs)} }}"
    if signal.rests:
        yield 'store = "on_change"'
    yield f"description = {text(signal.description)}"
