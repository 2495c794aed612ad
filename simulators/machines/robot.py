"""A gas-shielded arc welding robot: moves in, welds seams, cleans its torch."""

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

_STEPS = (0.0, 0.08, 0.28, 0.33, 0.53, 0.58, 0.80, 0.85, 0.92)
"""approach, weld, move, weld, move, weld, retract, clean, wait."""
_WELDS = np.array([0, 1, 0, 1, 0, 1, 0, 0, 0])
_STATES = np.array([1, 2, 1, 2, 1, 2, 1, 3, 0])
_SEAMS_BEFORE = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    weld = _WELDS[step] * m.works
    rise = ramp(through, 0.0, 0.02) * ramp(1 - through, 0.0, 0.015)
    stick, gas = m.fault("wire_feed_stick"), m.fault("gas_loss")
    job = np.floor(m.draw(1) * 6)
    wire = weld * rise * (8.5 + 0.35 * job + 0.06 * m.hiss(1)) * (1 - 0.55 * stick * (m.wander(9, 0.4) > 0.1))
    current = weld * rise * (40 + 27.0 * wire + 4 * m.hiss(2) + 5 * m.wander(1, 0.7))
    voltage = weld * rise * (17.5 + 0.7 * m.wear + 0.035 * current + 0.35 * m.hiss(3) + 2.2 * gas * m.hiss(8))
    values = {
        "state": _STATES[step].astype(float),
        "program": job,
        "step": step.astype(float),
        "arc_on": weld,
        "current": current,
        "voltage": voltage,
        "power": current * voltage / 1000,
        "wire_feed": wire,
        "travel_speed": weld * rise * (6.8 + 0.2 * job + 0.03 * m.hiss(4)),
        "gas_flow": np.where(weld > 0, 16 * (1 - 0.75 * gas), 0.4) + 0.12 * m.hiss(5),
        "seam_done": 100 * weld * through,
        "seams": np.mod(m.work.number, 1_000_000) * 3.0 + _SEAMS_BEFORE[step],
        "motor_temperature": 48 + 9 * m.wander(2, 240) + 6 * ramp(m.part, 0.0, 0.8) + 24 * m.fault("over_temperature") + 0.15 * m.hiss(6),
        "weld_throat": characteristic(m, 1, 5.25, 0.07, 0.10, 4.2) - 0.25 * m.wear_before,
        **unit_values(m, 1.8, current * voltage / 1000 * 1.3 + 0.9 * m.works),
    }
    for joint in range(1, 7):
        swing = 70.0 / joint
        target = swing * (2 * m.draw(10 + joint, step) - 1)
        before = swing * (2 * m.draw(10 + joint, np.maximum(step - 1, 0)) - 1)
        values[f"joint_{joint}"] = before + (target - before) * through * through * (3 - 2 * through) + 0.004 * m.hiss(20 + joint)
    return values


_FAULTS = (
    FaultModel("wire_feed_stick", "the wire sticks in its liner: feed and current break in"),
    FaultModel("gas_loss", "shielding gas is lost: flow falls, the arc gets restless"),
    FaultModel("over_temperature", "a drive runs hot", gradual=True),
    FaultModel("stuck_sensor", "the wire feed encoder is stuck", sensor="stuck", signal="wire_feed"),
    FaultModel("sensor_failure", "the gas flow sensor fails", sensor="bad_status", signal="gas_flow"),
)

ROBOT = MachineKind(
    "welding_robot",
    "Welding robot",
    (
        words_signal("state", words("waiting", "moving", "welding", "cleaning"), "what the robot does"),
        words_signal("program", numbered("BOOM-{:02d}", start=11), "welding program"),
        words_signal(
            "step",
            words("Approach", "Seam 1", "Move 1", "Seam 2", "Move 2", "Seam 3", "Retract", "Clean", "Wait"),
            "step of the program",
        ),
        boolean("arc_on", "arc burns"),
        SignalModel("current", "A", 0, 450, (None, None, 370, 400), description="welding current", decimals=1),
        SignalModel("voltage", "V", 0, 50, (None, None, 36, 40), description="arc voltage"),
        SignalModel("power", "kW", 0, 20, description="arc power"),
        SignalModel("wire_feed", "m/min", 0, 20, (None, None, 13, 15), description="wire feed speed"),
        SignalModel("travel_speed", "mm/s", 0, 20, description="torch along the seam"),
        SignalModel("gas_flow", "L/min", 0, 30, (None, None, 20, 25), description="shielding gas"),
        SignalModel("seam_done", "%", 0, 100, description="share of the seam that is welded", decimals=1),
        SignalModel("seams", "", 0, 4_000_000, data_type=DataType.UINT32, decimals=0, description="seams welded"),
        SignalModel("motor_temperature", "Cel", 0, 120, (None, None, 72, 80), description="hottest drive", decimals=1),
        *(
            SignalModel(f"joint_{n}", "deg", -180, 180, data_type=DataType.FLOAT, decimals=3, description="joint angle")
            for n in range(1, 7)
        ),
        SignalModel(
            "weld_throat", "mm", 0, 12, description="throat of the fillet weld as scanned after each part; 4.5 to 6", decimals=3, rests=True
        ),
        *unit_signals(_FAULTS, 40, tool=True),
    ),
    _FAULTS,
    _values,
    tool_life=12,
)
