"""The alarms that the machines of the line raise by themselves when they are unwell, and that their operators acknowledge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators import noise
from simulators.faults import Fault
from simulators.fleet import Fleet
from simulators.opcua_conditions import DeviceAlarm

_SEVERITY = {"": 700, "gradual": 450, "sensor": 250}
_SEEN_SECONDS = (20.0, 90.0)
"""After so long somebody at the machine acknowledges an alarm."""


def alarms_at(fleets: Sequence[Fleet], now_us: int) -> dict[tuple[str, str], DeviceAlarm]:
    """Return the alarms that are of interest at a time, by machine and name: those of faults that are on, or that nobody has seen."""
    longest_us = round(_SEEN_SECONDS[1] * 1e6)
    found: dict[tuple[str, str], DeviceAlarm] = {}
    for fleet in fleets:
        kinds = {fault.name: "sensor" if fault.sensor else "gradual" if fault.gradual else "" for fault in fleet.kind.faults}
        for fault in fleet.faults(now_us - longest_us, now_us + 1):
            alarm = _alarm(fault, kinds[fault.name], now_us)
            if alarm.retained:
                found[fault.equipment, fault.name] = alarm
    return found


def _alarm(fault: Fault, kind: str, now_us: int) -> DeviceAlarm:
    dice = noise.unit(noise.mixed(np.array([fault.from_us]), sum(map(ord, fault.equipment))))
    low, high = _SEEN_SECONDS
    seen_us = fault.from_us + round(1e6 * (low + (high - low) * float(dice[0])))
    active, seen = now_us < fault.to_us, now_us >= seen_us
    # the time of the last thing that happened to it
    time_us = max(at for at in (fault.from_us, fault.to_us, seen_us) if at <= now_us)
    return DeviceAlarm(
        fault.equipment,
        fault.name,
        fault.description,
        _SEVERITY[kind],
        active,
        seen,
        time_us,
        "operator" if seen else "",
    )


def changes(before: dict[tuple[str, str], DeviceAlarm], now: dict[tuple[str, str], DeviceAlarm], now_us: int) -> list[DeviceAlarm]:
    """Return what is to be told: alarms that stand otherwise than before, and those that are over."""
    told = [alarm for key, alarm in now.items() if before.get(key) != alarm]
    for key, alarm in before.items():
        if key not in now:
            over = DeviceAlarm(alarm.source, alarm.name, alarm.message, alarm.severity, active=False, acknowledged=True, time_us=now_us)
            told.append(over)
    return sorted(told, key=lambda alarm: (alarm.time_us, alarm.source, alarm.name))
