"""What the monitor is to make of the simulated line, as settings: shifts, states and their reasons, control charts, wear, alarms.

Shifts are as long as the machines' own: ten takts, so that with a takt of a minute one ends each ten minutes. Paint shop and test field
have the three shifts of a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from simulators.machines.model import SHIFT_SLOTS, FaultModel
from simulators.site_file import text
from simulators.work import BREAK_PLACE, WORKING

_DAY_SECONDS: Final = 86_400
_NAMES: Final = ("Early", "Late", "Night")
_WHOLE_DAY: Final = ("commissioning", "painting")
_DAYS: Final = '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]'
_REASON_OF: Final = {
    "starved": "waiting/starved",
    "blocked": "waiting/blocked",
    "break": "break",
    "changeover": "setup/changeover",
    "tool_change": "setup/tool_change",
    "short_stop": "waiting/short_stop",
}
_REASONS: Final = (
    ("waiting", "waiting", "Waiting", "等待"),
    ("waiting/starved", "", "No part comes", "缺料"),
    ("waiting/blocked", "", "The part cannot leave", "堵料"),
    ("waiting/short_stop", "", "Short stop", "短停"),
    ("setup", "setup", "Setup", "准备"),
    ("setup/changeover", "", "Changeover", "换型"),
    ("setup/tool_change", "", "Tool change", "换刀"),
    ("breakdown", "breakdown", "Breakdown", "故障"),
    ("break", "idle", "Break", "休息"),
)
"""Path, loss (that of the reason above where empty), names."""


@dataclass(frozen=True, slots=True)
class Charted:
    """The characteristic of a kind of machine."""

    signal: str
    title: str
    low: float
    high: float
    target: float
    known: tuple[float, float] | None = None
    """Mean and sigma where they are known from qualification: its limits hold from the first part on."""


CHARTED: Final[Mapping[str, Charted]] = {
    "machining_centre": Charted("bore_diameter", "Bore of {unit}", 119.97, 120.03, 120.0),
    "plate_cutter": Charted("cut_width", "Cut width of {unit}", 2.3, 3.5, 2.9),
    "welding_robot": Charted("weld_throat", "Weld throat of {unit}", 4.5, 6.0, 5.25, (5.15, 0.16)),
    "paint_booth": Charted("dry_film", "Dry film of {unit}", 45, 80, 62),
    "commissioning_stand": Charted("swing_time", "Swing time of {unit}", 5.1, 6.1, 5.6),
}
_WATCHED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "machining_centre": (("spindle_load", "vibration", "spindle_temperature", "coolant_pressure", "x_load"), "spindle_load"),
    "plate_cutter": (("voltage", "current", "height", "gas_pressure"), "voltage"),
    "welding_robot": (("voltage", "current", "wire_feed", "gas_flow", "motor_temperature"), ""),
}
"""Signals that are watched for wear and drift, and the one that tells the wear of a tool."""
_STEP_OF_WEAR: Final = {"machining_centre": "Face", "plate_cutter": "Cut 1"}


@dataclass(frozen=True, slots=True)
class Ruled:
    """Machines of one kind in one work center."""

    glob: str
    """Over equipment paths below the site."""
    kind: str
    faults: Sequence[FaultModel]
    makes: bool
    tool: bool


def monitor_lines(groups: Iterable[Ruled], takt_seconds: float) -> Iterator[str]:
    """Yield the settings."""
    known = list(groups)
    yield from _calendars(known, takt_seconds)
    yield from _reasons(known)
    for group in known:
        yield from _states(group, takt_seconds)
    for group in known:
        if group.kind in CHARTED:
            yield from _chart(group, CHARTED[group.kind])
    for group in known:
        if group.kind in _WATCHED:
            yield from _watch(group, *_WATCHED[group.kind])
    yield from _found(known)


def _calendars(groups: Sequence[Ruled], takt_seconds: float) -> Iterator[str]:
    areas = {group.glob.partition("/")[0] for group in groups}
    minutes, rest = divmod(round(takt_seconds * SHIFT_SLOTS), 60)
    if rest or not minutes or _DAY_SECONDS % (minutes * 60) or takt_seconds % 60:
        yield from _three_shifts("**")
        return
    pause = round(BREAK_PLACE * takt_seconds / 60)
    yield f"# Shifts of {minutes} minutes, so that one ends while you look."
    yield "[[calendars]]"
    yield 'name = "short shifts"'
    yield "shifts = ["
    for number in range(_DAY_SECONDS // 60 // minutes):
        at = number * minutes
        words = f'breaks = [{{ from = "{_clock(at + pause)}", to = "{_clock(at + pause + round(takt_seconds / 60))}" }}]'
        yield f'  {{ name = "{_clock(at)}", days = {_DAYS}, from = "{_clock(at)}", to = "{_clock(at + minutes)}", {words} }},'
    yield "]"
    yield ""
    for area in _WHOLE_DAY:
        if area in areas:
            yield from _three_shifts(f"{area}/**")


def _three_shifts(glob: str) -> Iterator[str]:
    yield "# The three shifts of a day."
    yield "[[calendars]]"
    area = glob.partition("/")[0]
    yield f"name = {text('three shifts' if glob == '**' else f'three shifts, {area}')}"
    yield f"equipment = {text(glob)}"
    yield "shifts = ["
    for name, begin, end, pause in zip(_NAMES, (6, 14, 22), (14, 22, 6), (10, 18, 2), strict=True):
        words = f'breaks = [{{ from = "{pause:02}:00", to = "{pause:02}:30" }}]'
        yield f'  {{ name = "{name}", days = {_DAYS}, from = "{begin:02}:00", to = "{end:02}:00", {words} }},'
    yield "]"
    yield ""


def _clock(minute: int) -> str:
    hours, minutes = divmod(minute % (24 * 60), 60)
    return f"{hours:02}:{minutes:02}"


def _reasons(groups: Sequence[Ruled]) -> Iterator[str]:
    yield "# Why machines stand."
    for path, loss, english, chinese in _REASONS:
        yield from _reason(path, loss, english, chinese)
    faults = {fault.name: fault for group in groups for fault in group.faults if not fault.sensor}
    for name, fault in sorted(faults.items()):
        yield from _reason(f"breakdown/{name}", "", fault.description, "")


def _reason(path: str, loss: str, english: str, chinese: str) -> Iterator[str]:
    names = f"en = {text(english)}" + (f", zh = {text(chinese)}" if chinese else "")
    yield "[[reasons]]"
    yield f"path = {text(path)}"
    if loss:
        yield f"loss = {text(loss)}"
    yield f"names = {{ {names} }}"
    yield ""


def _states(group: Ruled, takt_seconds: float) -> Iterator[str]:
    reasons = _REASON_OF | {f"breakdown_{fault.name}": f"breakdown/{fault.name}" for fault in group.faults if not fault.sensor}
    told = ", ".join(f"{name} = {text(path)}" for name, path in reasons.items())
    yield "[[states]]"
    yield f"equipment = {text(group.glob)}"
    yield "rules = ["
    yield '  { signal = "packml_state", texts = ["Execute"], state = "execute" },'
    for state in ("Suspended", "Held", "Aborted", "Stopped"):
        words = f'reason_signal = "stop_reason", reason_of = {{ {told} }}'
        yield f'  {{ signal = "packml_state", texts = ["{state}"], state = "{state.lower()}", {words} }},'
    yield "]"
    yield f"micro_stop_seconds = {0.1 * takt_seconds:g}"
    if group.makes:
        yield 'good = [{ signal = "good_parts", rollover = 4000000 }]'
        yield 'scrap = [{ signal = "scrap_parts", rollover = 4000000 }]'
        yield 'product = "product"'
        yield 'order = "job_order"'
        yield 'part = "serial"'
        yield f"planned_run_time = [{{ seconds = {WORKING * takt_seconds:g} }}]"
    yield ""


def _chart(group: Ruled, charted: Charted) -> Iterator[str]:
    yield "[[charts]]"
    yield f"id = {text(charted.signal.replace('_', '-'))}"
    yield f"name = {text(charted.title)}"
    yield f"equipment = {text(group.glob)}"
    yield f"signal = {text(charted.signal)}"
    yield 'trigger = "parts"'
    yield f"low = {charted.low:g}"
    yield f"high = {charted.high:g}"
    yield f"target = {charted.target:g}"
    if charted.known is not None:
        yield f"mean = {charted.known[0]:g}"
        yield f"sigma = {charted.known[1]:g}"
        yield 'rules = "limits"  # a tip that wears makes runs'
    yield ""


def _watch(group: Ruled, signals: Sequence[str], wears: str) -> Iterator[str]:
    yield "[[condition]]"
    yield f"equipment = {text(group.glob)}"
    yield f"signals = [{', '.join(text(signal) for signal in signals)}]"
    yield 'parts = "parts"'
    yield 'step = "step"'
    yield 'running = "packml_state"'
    yield 'running_values = ["Execute"]'
    if group.tool:
        yield 'tool_life = "tool_parts"'
    yield "least_parts = 24  # few, so that a demo has something to say within the hour"
    yield 'energy = { signal = "active_power" }'
    if wears:
        yield f"wear = {{ signal = {text(wears)}, step = {text(_STEP_OF_WEAR[group.kind])}, worn_percent = 20 }}"
    yield ""


def _found(groups: Sequence[Ruled]) -> Iterator[str]:
    """Yield alarms of what the monitor finds: a part out of its limits is soon looked at, a tool that wears within the shift."""
    if any(group.kind in CHARTED for group in groups):
        yield "[[alarms]]"
        yield 'equipment = "**"'
        yield 'kind = "chart"'
        yield 'rules = ["beyond_limits"]'
        yield 'priority = "low"'
        yield 'response = "Look at the chart: gauge the next part, find what changed, note the cause"'
        yield ""
    if any(group.kind == "welding_robot" for group in groups):
        for kind in ("high", "high_high"):
            yield "[[alarms]]"
            yield 'equipment = "welding/**"'
            yield 'signal = "voltage"'
            yield f'kind = "{kind}"'
            yield "off_delay_seconds = 20  # an arc jumps, and goes out between seams: that is one alarm"
            yield 'response = "Look at the wire feed and at the tip: a long arc burns through"'
            yield ""
        yield "[[alarms]]"
        yield 'equipment = "welding/**"'
        yield 'kind = "chart"'
        yield 'chart = "weld-throat"'
        yield 'rules = ["beyond_limits"]'
        yield 'priority = "medium"'
        yield 'response = "Hold the part. Look at its seams and at what the robot welds by: a trim at the pendant stands in no program"'
        yield ""
    if any(group.kind in _WATCHED for group in groups):
        yield "[[alarms]]"
        yield 'equipment = "**"'
        yield 'kind = "condition"'
        yield 'severity = "clear"'
        yield 'priority = "medium"'
        yield 'response = "Look at the reasons, and at the tool or the part named there, before the next change of shift"'
        yield ""
