"""A commissioning stand: a finished excavator is started, warmed up, driven through its functions and stopped."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plant.signals import DataType
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
from simulators.machines.unit import characteristic, unit_signals, unit_values

_STEPS = (0.0, 0.08, 0.14, 0.30, 0.42, 0.54, 0.66, 0.78, 0.90, 0.95)
"""connect, start, warm up, boom, arm, bucket, swing, travel, cool down, disconnect."""
_RUNS = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 0])
_SPEEDS = np.array([0, 950, 1300, 1900, 1900, 1900, 1850, 2000, 950, 0])
_WORK = np.array([0.0, 0.0, 0.15, 1.0, 0.9, 0.8, 0.75, 0.85, 0.0, 0.0])


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    runs, work = _RUNS[step].astype(float), _WORK[step]
    before = _SPEEDS[np.maximum(step - 1, 0)]
    speed = before + (_SPEEDS[step] - before) * ramp(through, 0.0, 0.25)
    stroke = np.sin(2 * np.pi * 3 * through) * ramp(through, 0.1, 0.2)
    weak, hot = m.fault("pump_wear"), m.fault("over_temperature")
    demand = work * np.abs(stroke)
    swing = (step == 6) * stroke
    travel = (step == 7) * stroke
    warm = ramp(m.part, 0.08, 0.75)
    return {
        "step": step.astype(float),
        "machine": m.work.number.astype(float),
        "running": runs,
        "engine_speed": speed + runs * (-70 * demand + 3.0 * m.hiss(1)),
        "engine_load": runs * (12 + 68 * demand) + runs * 0.6 * m.hiss(2),
        "pump_1_pressure": runs * (28 + 300 * demand * (1 - 0.35 * weak) + 1.2 * m.hiss(3)),
        "pump_2_pressure": runs * (28 + 285 * demand + 1.2 * m.hiss(4)),
        "pilot_pressure": runs * (39 + 0.3 * m.wander(1, 3) + 0.08 * m.hiss(5)),
        "flow": runs * (60 + 380 * demand * (1 - 0.25 * weak) + 1.5 * m.hiss(6)),
        "oil_temperature": 24 + 30 * warm + 32 * hot * warm + 0.05 * m.hiss(7),
        "coolant_temperature": 26 + 54 * warm + 24 * hot * warm + 0.05 * m.hiss(8),
        "engine_oil_pressure": runs * (2.2 + 1.4 * speed / 2000 + 0.02 * m.hiss(9)),
        "boom_angle": 20 + (step == 3) * 35 * stroke + 0.01 * m.hiss(10),
        "arm_angle": -80 + (step == 4) * 45 * stroke + 0.01 * m.hiss(11),
        "bucket_angle": -30 + (step == 5) * 70 * stroke + 0.01 * m.hiss(12),
        "swing_speed": 10.5 * swing + 0.01 * m.hiss(13) * runs,
        "travel_speed": 5.2 * np.abs(travel) * (1 - 0.2 * weak) + 0.004 * np.abs(m.hiss(14)) * runs,
        "fuel_rate": runs * (4 + 24 * demand + 0.15 * np.abs(m.hiss(15))),
        "battery_voltage": 24.4 + 3.3 * runs - 2.6 * (step == 1) * (through < 0.2) + 0.01 * m.hiss(16),
        "noise": 48 + runs * (36 + 9 * demand + 5 * weak) + 0.3 * m.hiss(17),
        "swing_time": characteristic(m, 1, 5.6, 0.05, 0.06, 6.4),
        **unit_values(m, 2.2, 3.0 * runs),
    }


_FAULTS = (
    FaultModel("pump_wear", "main pump 1 is weak: pressure and flow stay low, travel is slow"),
    FaultModel("over_temperature", "the oil cooler is blocked: oil and coolant run hot"),
    FaultModel("stuck_sensor", "the pressure sensor of pump 2 is stuck", sensor="stuck", signal="pump_2_pressure"),
    FaultModel("sensor_failure", "the oil temperature sensor fails", sensor="bad_status", signal="oil_temperature"),
)

STAND = MachineKind(
    "commissioning_stand",
    "Commissioning stand",
    (
        words_signal(
            "step",
            words("connect", "start engine", "warm up", "boom", "arm", "bucket", "swing", "travel", "cool down", "disconnect"),
            "test step",
        ),
        words_signal("machine", numbered("EX-{:06d}", 1_000_000), "serial number of the excavator under test"),
        boolean("running", "the engine runs"),
        SignalModel("engine_speed", "/min", 0, 2500, (None, None, 2200, 2350), description="engine", decimals=0),
        SignalModel("engine_load", "%", 0, 120, description="share of rated engine torque", decimals=1),
        SignalModel("pump_1_pressure", "bar", 0, 400, (None, None, 350, 370), description="main pump 1", decimals=1),
        SignalModel("pump_2_pressure", "bar", 0, 400, (None, None, 350, 370), description="main pump 2", decimals=1),
        SignalModel("pilot_pressure", "bar", 0, 60, (None, None, 44, 50), description="pilot circuit"),
        SignalModel("flow", "L/min", 0, 600, description="both main pumps", decimals=1),
        SignalModel("oil_temperature", "Cel", -20, 130, (None, None, 75, 90), description="hydraulic oil", decimals=1),
        SignalModel("coolant_temperature", "Cel", -20, 130, (None, None, 98, 105), description="engine coolant", decimals=1),
        SignalModel("engine_oil_pressure", "bar", 0, 10, description="engine oil"),
        SignalModel("boom_angle", "deg", -60, 90, data_type=DataType.FLOAT, description="boom"),
        SignalModel("arm_angle", "deg", -160, 40, data_type=DataType.FLOAT, description="arm"),
        SignalModel("bucket_angle", "deg", -140, 90, data_type=DataType.FLOAT, description="bucket"),
        SignalModel("swing_speed", "/min", -15, 15, description="upper structure"),
        SignalModel("travel_speed", "km/h", 0, 8, description="tracks"),
        SignalModel("fuel_rate", "L/h", 0, 60, description="fuel used"),
        SignalModel("battery_voltage", "V", 0, 32, (20, 23.5, 29, 30), description="electrical system"),
        SignalModel("noise", "dB", 30, 130, (None, None, 102, 106), description="sound level in the hall", decimals=1),
        SignalModel(
            "swing_time", "s", 0, 20, description="half a turn of the upper structure, of each machine; 5.1 to 6.1", decimals=3, rests=True
        ),
        *unit_signals(_FAULTS, 12),
    ),
    _FAULTS,
    _values,
    pauses=(0.005, 0.07),
)
