"""A machining centre: clamps a frame, works with several tools, measures, unclamps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plant.signals import DataType
from simulators.machines.model import Columns, FaultModel, MachineKind, Moments, SignalModel, numbered, ramp, step_of, words, words_signal
from simulators.machines.unit import characteristic, unit_signals, unit_values

_STEPS = (0.0, 0.05, 0.08, 0.33, 0.36, 0.58, 0.61, 0.82, 0.86, 0.95)
"""clamp, change, face, change, bore, change, drill, change, probe, unclamp."""
_STATES = np.array([0, 1, 2, 1, 2, 1, 2, 1, 3, 4])
_STEP_NAMES = np.array([0, 1, 2, 1, 3, 1, 4, 1, 5, 6])
_CUTS = np.array([0, 0, 1, 0, 1, 0, 1, 0, 0, 0])
_TOOLS = np.array([1, 4, 4, 12, 12, 21, 21, 90, 90, 90])
_SPEEDS = np.array([0, 0, 2200, 0, 900, 0, 4200, 0, 0, 0])
_LOADS = np.array([0, 0, 46, 0, 58, 0, 34, 0, 0, 0])
_FEEDS = np.array([0, 0, 1800, 0, 260, 0, 620, 0, 900, 0])


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    cut = _CUTS[step] * m.works
    wear, drift = m.fault("tool_wear"), m.fault("spindle_drift")
    spin = m.works * ramp(through, 0.0, 0.06) * ramp(1 - through, 0.0, 0.05)
    speed = _SPEEDS[step] * spin * (1 - 0.06 * drift + 0.0006 * m.hiss(1))
    engaged = cut * (m.wander(1, 0.6) > -0.75) * ramp(through, 0.08, 0.1) * ramp(1 - through, 0.06, 0.08)
    load = 4 * (speed > 1) + engaged * _LOADS[step] * (1 + 0.5 * wear + 0.22 * m.wear + 0.06 * m.wander(2, 0.25) + 0.02 * m.hiss(2))
    sweep = 2 * np.pi * through * (3 + np.floor(3 * m.draw(1, step)))
    return {
        "state": _STATES[step].astype(float),
        "program": np.floor(m.draw(2) * 12),
        "step": _STEP_NAMES[step].astype(float),
        "block": np.floor(10 * (12 * step + 11 * through)),
        "tool": _TOOLS[step].astype(float),
        "spindle_speed": speed,
        "spindle_load": load,
        "spindle_torque": 9.5 * load * (speed > 1) * (0.8 + 0.2 * m.trait(1)),
        "feed": _FEEDS[step] * spin * (1 + 0.003 * m.hiss(3)),
        "x": 900 + 620 * np.sin(sweep) * (_CUTS[step] + 0.2),
        "y": 500 + 310 * np.cos(sweep) * (_CUTS[step] + 0.2),
        "z": np.where(_CUTS[step] > 0, 120 + 30 * np.sin(0.5 * sweep), 480.0),
        "x_load": 6 + 22 * engaged * np.abs(np.cos(sweep)) + 0.5 * m.hiss(4),
        "y_load": 6 + 20 * engaged * np.abs(np.sin(sweep)) + 0.5 * m.hiss(5),
        "z_load": 18 + 24 * engaged * (0.6 + 0.4 * m.wander(3, 0.3)) + 0.6 * m.hiss(6),
        "vibration": 0.35 + engaged * (1.5 + 3.4 * wear + 0.9 * m.wear + 0.2 * m.hiss(7)) + 0.0002 * speed + 0.03 * np.abs(m.hiss(8)),
        "coolant_pressure": np.where(cut > 0, 38.0, 2.0) + 0.4 * m.hiss(9) - 12 * m.fault("coolant_loss") * cut,
        "coolant_temperature": 23 + 2.5 * m.wander(4, 300) + 0.05 * m.hiss(10),
        "spindle_temperature": 38 + 7 * m.wander(5, 400) + 5 * ramp(m.part, 0.1, 0.8) + 9 * drift + 0.08 * m.hiss(11),
        "bore_diameter": characteristic(m, 1, 120.0, 0.003, 0.004, 120.034) + 0.014 * m.wear_before,
        **unit_values(m, 4.5, 0.55 * load + 0.9 * cut),
    }


_FAULTS = (
    FaultModel("tool_wear", "the face mill wears out: spindle load and vibration rise", gradual=True),
    FaultModel("spindle_drift", "the spindle loses speed under load and runs warm", gradual=True),
    FaultModel("coolant_loss", "coolant pressure falls while cutting"),
    FaultModel("stuck_sensor", "the vibration sensor is stuck", sensor="stuck", signal="vibration"),
    FaultModel("sensor_failure", "the spindle temperature sensor fails", sensor="bad_status", signal="spindle_temperature"),
)

MILL = MachineKind(
    "machining_centre",
    "Machining centre",
    (
        words_signal("state", words("clamping", "changing tool", "cutting", "probing", "unclamping"), "what the machine does"),
        words_signal("program", numbered("O{:04d}", start=4101), "NC program"),
        words_signal("step", words("Clamp", "Change Tool", "Face", "Bore", "Drill", "Probe", "Unclamp"), "step of the program"),
        SignalModel("block", "", 0, 2000, data_type=DataType.INT32, decimals=0, description="NC block"),
        SignalModel("tool", "", 0, 400, data_type=DataType.UINT16, decimals=0, description="tool in the spindle"),
        SignalModel("spindle_speed", "/min", 0, 8000, description="spindle speed", decimals=1),
        SignalModel("spindle_load", "%", 0, 150, (None, None, 80, 100), description="share of rated spindle power", decimals=1),
        SignalModel("spindle_torque", "N.m", 0, 1500, description="spindle torque", decimals=1),
        SignalModel("feed", "mm/min", 0, 10_000, description="path feed", decimals=1),
        SignalModel("x", "mm", 0, 1800, description="axis position", decimals=3),
        SignalModel("y", "mm", 0, 1000, description="axis position", decimals=3),
        SignalModel("z", "mm", 0, 800, description="axis position", decimals=3),
        SignalModel("x_load", "%", 0, 150, data_type=DataType.FLOAT, decimals=1, description="share of rated axis power"),
        SignalModel("y_load", "%", 0, 150, data_type=DataType.FLOAT, decimals=1, description="share of rated axis power"),
        SignalModel("z_load", "%", 0, 150, data_type=DataType.FLOAT, decimals=1, description="share of rated axis power"),
        SignalModel("vibration", "mm/s", 0, 30, (None, None, 4.5, 7.1), description="spindle bearing, velocity r.m.s.", decimals=3),
        SignalModel("coolant_pressure", "bar", 0, 80, description="coolant through the spindle", decimals=1),
        SignalModel("coolant_temperature", "Cel", 0, 60, (None, None, 30, 35), description="coolant tank"),
        SignalModel("spindle_temperature", "Cel", 0, 100, (None, None, 58, 65), description="spindle bearing"),
        SignalModel("bore_diameter", "mm", 119.8, 120.2, description="bore as probed after each part; 120 +-0.03", decimals=4, rests=True),
        *unit_signals(_FAULTS, 120, tool=True),
    ),
    _FAULTS,
    _values,
    tool_life=8,
)
