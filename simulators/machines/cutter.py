"""A plasma plate cutter: pierces, cuts contours, moves, unloads."""

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

_STEPS = (0.0, 0.06, 0.08, 0.46, 0.50, 0.52, 0.90)
"""load, pierce, cut, move, pierce, cut, unload."""
_CUTS = np.array([0, 0, 1, 0, 0, 1, 0])
_PIERCES = np.array([0, 1, 0, 0, 1, 0, 0])
_STATES = np.array([0, 1, 2, 3, 1, 2, 4])


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    cut, pierce = _CUTS[step] * m.works, _PIERCES[step] * m.works
    arc = cut + pierce
    wear, leak = m.fault("nozzle_wear"), m.fault("gas_loss")
    thickness = 8 + np.floor(m.draw(1) * 5) * 8
    current = arc * (200 + 2.5 * thickness + 1.5 * m.hiss(1) + 3 * m.wander(1, 2.0)) * (1 - 0.03 * wear)
    voltage = arc * (125 + 0.8 * thickness + 14 * wear + 5 * m.wear + 1.2 * m.hiss(2) + 2 * m.wander(2, 1.5) + 8 * leak)
    feed = cut * (4200 - 70 * thickness) * ramp(through, 0.0, 0.03) * (1 + 0.004 * m.hiss(3))
    turn = 2 * np.pi * through * (2 + np.floor(3 * m.draw(2)))
    reach = 600 + 900 * m.draw(3, step)
    return {
        "state": _STATES[step].astype(float),
        "program": np.floor(m.draw(4) * 40),
        "step": step.astype(float),
        "sheet": m.work.number.astype(float),
        "arc_on": arc.astype(float),
        "current": current,
        "voltage": voltage,
        "power": current * voltage / 1000,
        "gas_pressure": 7.2 - 2.6 * leak - 0.35 * arc + 0.03 * m.hiss(4) + 0.1 * m.wander(3, 20),
        "feed": feed,
        "height": np.where(arc > 0, 3.0 + pierce * 4.0 * (1 - through) + 0.05 * m.hiss(5) + 0.6 * wear, 40.0),
        "x": 6000 + reach * np.sin(turn) + 2500 * np.cos(np.pi * m.part),
        "y": 1500 + 0.8 * reach * np.cos(turn),
        "nozzle_temperature": 60 + 45 * ramp(m.part, 0.06, 0.5) * (m.part < 0.9) + 22 * wear + 0.4 * m.hiss(6),
        "pierces": m.work.tool_parts * 2.0 + (m.part >= 0.06) + (m.part >= 0.5),
        "sheet_done": 100 * ramp(m.part, 0.06, 0.9),
        "cut_width": characteristic(m, 1, 2.7, 0.04, 0.06, 3.65) + 0.35 * m.wear_before,
        **unit_values(m, 6.0, current * voltage / 1000 * 1.15 + 9.0 * (cut + pierce)),
    }


_FAULTS = (
    FaultModel("nozzle_wear", "the nozzle wears out: arc voltage and height rise, the cut gets wide", gradual=True),
    FaultModel("gas_loss", "cutting gas is lost: pressure falls below its limit"),
    FaultModel("stuck_sensor", "the gas pressure sensor is stuck", sensor="stuck", signal="gas_pressure"),
    FaultModel("sensor_failure", "the nozzle temperature sensor fails", sensor="bad_status", signal="nozzle_temperature"),
)

CUTTER = MachineKind(
    "plate_cutter",
    "Plate cutter",
    (
        words_signal("state", words("loading", "piercing", "cutting", "moving", "unloading"), "what the cutter does"),
        words_signal("program", numbered("NEST-{:04d}", start=1200), "nesting program"),
        words_signal("step", words("Load", "Pierce 1", "Cut 1", "Move", "Pierce 2", "Cut 2", "Unload"), "step of the program"),
        words_signal("sheet", numbered("PL-{:06d}", 1_000_000), "plate on the table"),
        boolean("arc_on", "plasma arc burns"),
        SignalModel("current", "A", 0, 400, (None, None, 320, 350), description="arc current", decimals=1),
        SignalModel("voltage", "V", 0, 250, (None, None, 178, 190), description="arc voltage; rises as the nozzle wears", decimals=1),
        SignalModel("power", "kW", 0, 100, description="arc power"),
        SignalModel("gas_pressure", "bar", 0, 10, (5.0, 6.0, 8.0, 9.0), description="cutting gas at the torch"),
        SignalModel("feed", "mm/min", 0, 6000, description="speed along the contour", decimals=0),
        SignalModel("height", "mm", 0, 60, description="torch above the plate"),
        SignalModel("x", "mm", 0, 12_500, description="torch along the table", decimals=1),
        SignalModel("y", "mm", 0, 3_200, description="torch across the table", decimals=1),
        SignalModel("nozzle_temperature", "Cel", 0, 200, (None, None, 120, 140), description="nozzle", decimals=1),
        SignalModel("pierces", "", 0, 4_000_000, data_type=DataType.UINT32, decimals=0, description="pierces since the last nozzle"),
        SignalModel("sheet_done", "%", 0, 100, description="share of the plate that is cut", decimals=1),
        SignalModel("cut_width", "mm", 0, 6, description="width of the cut, as measured on each plate; 2.9 +-0.6", decimals=3, rests=True),
        *unit_signals(_FAULTS, 200, tool=True),
    ),
    _FAULTS,
    _values,
    tool_life=9,
)
