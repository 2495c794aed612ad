"""An automated guided vehicle: round trips between store and line, charging on the way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulators.machines.model import (
    Columns,
    FaultModel,
    MachineKind,
    Moments,
    SignalModel,
    boolean,
    numbered,
    ramp,
    step_of,
    words,
    words_signal,
)
from simulators.machines.unit import unit_signals, unit_values

_STEPS = (0.0, 0.08, 0.42, 0.50, 0.84)
"""load, drive to the line, unload, drive back, charge."""
_STATES = np.array([0, 1, 2, 1, 3])
_NODES = np.array([[0.0, 0.0], [60.0, 0.0], [60.0, 35.0], [140.0, 35.0], [140.0, 8.0]])
"""The way from the store to the line, metres."""
_LENGTHS = np.hypot(*np.diff(_NODES, axis=0).T)
_AT = np.concatenate(([0.0], np.cumsum(_LENGTHS)))


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    drives = (_STATES[step] == 1) & m.work.works
    slow = m.fault("drive_slips")
    eased = through * through * (3 - 2 * through)
    gone = np.select([step == 1, step == 2, step == 3], [eased, np.ones_like(eased), 1 - eased], 0.0)
    way = _AT[-1] * gone
    leg = np.clip(np.searchsorted(_AT, way, side="right") - 1, 0, len(_LENGTHS) - 1)
    delta = np.diff(_NODES, axis=0)[leg]
    heading = np.degrees(np.arctan2(delta[..., 1], delta[..., 0])) + np.where(step == 3, 180.0, 0.0)
    # the speed shown is that of a vehicle, however short the takt is: a scaled takt runs the same way in less time
    speed = np.where(drives, 1.8 * 6 * through * (1 - through) / 1.5, 0.0) * (1 - 0.4 * slow)
    low = m.fault("low_battery")
    spent = ramp(m.part, 0.0, 0.84) - ramp(m.part, 0.84, 1.0)
    battery = 84 - 9 * spent + 4 * m.wander(1, 15 * m.takt) - 66 * low
    current = np.where(step == 4, -38.0, 3.5 + 19 * speed * (1 + 0.6 * slow)) + 0.3 * m.hiss(1)
    bay = 30.0 * np.floor(m.trait(1) * 5)
    return {
        "state": _STATES[step].astype(float),
        "mission": np.mod(m.work.number, 100_000).astype(float),
        "x": np.interp(way, _AT, _NODES[:, 0]) + 10 + 0.006 * m.hiss(2),
        "y": np.interp(way, _AT, _NODES[:, 1]) + bay + 10 + 0.006 * m.hiss(3),
        "heading": heading + 0.2 * m.hiss(4),
        "speed": speed + 0.004 * np.abs(m.hiss(5)) * drives,
        "battery": battery,
        "battery_voltage": 46.0 + 0.075 * battery - 0.02 * current + 0.02 * m.hiss(6),
        "battery_current": current,
        "motor_temperature": 36 + 10 * m.wander(2, 200) + 8 * ramp(m.part, 0.0, 0.5) + 18 * slow + 0.1 * m.hiss(7),
        "loaded": ((step == 1) | ((step == 0) & (through > 0.5)) | ((step == 2) & (through < 0.5))).astype(float),
        "obstacle": (drives & (m.wander(3, 1.7) > 0.93)).astype(float),
        "load": np.where((step == 1) | ((step == 2) & (through < 0.5)), 400 + 1800 * m.draw(1), 0.0),
        **unit_values(m, 0.12, np.maximum(current, 0.0) * 0.05),
    }


_FAULTS = (
    FaultModel("low_battery", "the battery does not charge any more and runs low", gradual=True),
    FaultModel("drive_slips", "a drive wheel slips: slow, with high current"),
    FaultModel("stuck_sensor", "the position is stuck", sensor="stuck", signal="x"),
    FaultModel("sensor_failure", "the motor temperature sensor fails", sensor="bad_status", signal="motor_temperature"),
)

AGV = MachineKind(
    "agv",
    "Automated guided vehicle",
    (
        words_signal("state", words("loading", "driving", "unloading", "charging"), "what the vehicle does"),
        words_signal("mission", numbered("M-{:05d}", 100_000), "transport order"),
        SignalModel("x", "m", 0, 300, description="position in the hall", decimals=3),
        SignalModel("y", "m", 0, 300, description="position in the hall", decimals=3),
        SignalModel("heading", "deg", -180, 360, description="heading; it goes on past 180, so that it never jumps", decimals=1),
        SignalModel("speed", "m/s", 0, 3, (None, None, 2.2, 2.5), description="speed", decimals=3),
        SignalModel("battery", "%", 0, 100, (10, 25, None, None), description="state of charge", decimals=1),
        SignalModel("battery_voltage", "V", 30, 60, (42, 46, None, None), description="battery"),
        SignalModel("battery_current", "A", -100, 150, description="out of the battery; below 0 it charges", decimals=1),
        SignalModel("motor_temperature", "Cel", 0, 120, (None, None, 70, 85), description="drive motor", decimals=1),
        boolean("loaded", "carries a load"),
        boolean("obstacle", "something is in the protective field"),
        SignalModel("load", "kg", 0, 3000, description="weight carried", decimals=0),
        *unit_signals(_FAULTS, 8, makes=False),
    ),
    _FAULTS,
    _values,
)
