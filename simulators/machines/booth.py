"""A paint booth with its oven: air that is held steady, paint that flows while a body is coated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plant.signals import DataType
from simulators.machines.model import Columns, FaultModel, MachineKind, Moments, SignalModel, boolean, ramp, step_of, words, words_signal
from simulators.machines.unit import characteristic, unit_signals, unit_values

_STEPS = (0.0, 0.10, 0.16, 0.50, 0.55, 0.85, 0.92)
"""enter, blow off, base coat, flash, top coat, flush, leave."""
_STATES = np.array([0, 1, 2, 3, 2, 4, 0])
_SPRAYS = np.array([0, 0, 1, 0, 1, 0, 0])


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    spray = m.works * _SPRAYS[step] * ramp(through, 0.0, 0.02)
    clogged, heat = m.fault("filter_clogged"), m.fault("over_temperature")
    flow = spray * (410 + 25 * m.draw(1) - 170 * m.fault("nozzle_blocked") + 3 * m.hiss(1))
    coated = 62 * ramp(m.part, 0.16, 0.50) + 58 * ramp(m.part, 0.55, 0.85)
    return {
        "state": _STATES[step].astype(float),
        "step": step.astype(float),
        "colour": np.floor(m.draw(2) * 4),
        "spraying": (spray > 0).astype(float),
        "temperature": 23.0 + 0.6 * m.wander(1, 90) + 6.5 * heat + 0.04 * m.hiss(2),
        "humidity": 62 + 3.0 * m.wander(2, 120) - 9 * heat + 0.12 * m.hiss(3),
        "air_speed": 0.45 - 0.16 * clogged + 0.015 * m.wander(3, 8) + 0.004 * m.hiss(4),
        "air_flow": 42_000 * (1 - 0.35 * clogged) + 350 * m.wander(3, 8) + 40 * m.hiss(5),
        "filter_pressure": 140 + 210 * clogged + 4 * m.wander(4, 30) + 0.7 * m.hiss(6),
        "paint_flow": flow,
        "paint_pressure": 4.5 + 1.6 * spray + 2.4 * spray * m.fault("nozzle_blocked") + 0.02 * m.hiss(7),
        "atomizing_air": 3.2 + 0.02 * m.hiss(8) + 0.05 * m.wander(5, 12),
        "high_voltage": 68 * (spray > 0) + 0.3 * m.hiss(9) * (spray > 0),
        "bell_speed": 1000 * (12 + 26 * spray) + 18 * m.hiss(10),
        "film_thickness": coated * (1 - 0.4 * m.fault("nozzle_blocked")) + (coated > 0) * 0.5 * m.hiss(11),
        "oven_temperature": 82 + 1.2 * m.wander(6, 150) + 11 * heat + 0.08 * m.hiss(12),
        "conveyor_speed": m.works * np.where(_STATES[step] == 0, 4.2, 1.6) + 0.01 * m.hiss(13),
        "bodies": np.mod(m.work.made, 4_000_000).astype(float),
        "dry_film": characteristic(m, 1, 62.0, 2.0, 2.5, 41.0),
        **unit_values(m, 48.0, 11.0 * (spray > 0)),
    }


_FAULTS = (
    FaultModel("filter_clogged", "the exhaust filter clogs: pressure drop rises, downdraught falls", gradual=True),
    FaultModel("nozzle_blocked", "an atomizer is blocked: less paint, a thin film"),
    FaultModel("over_temperature", "the air conditioning fails: booth and oven run hot", gradual=True),
    FaultModel("stuck_sensor", "the humidity sensor is stuck", sensor="stuck", signal="humidity"),
    FaultModel("sensor_failure", "the film gauge fails", sensor="bad_status", signal="film_thickness"),
)

BOOTH = MachineKind(
    "paint_booth",
    "Paint booth",
    (
        words_signal("state", words("moving", "blowing off", "coating", "flashing off", "flushing"), "what the booth does"),
        words_signal(
            "colour", words("RAL 1028 melon yellow", "RAL 7021 black grey", "RAL 9016 traffic white", "RAL 3000 flame red"), "paint"
        ),
        words_signal("step", words("Enter", "Blow Off", "Base Coat", "Flash", "Top Coat", "Flush", "Leave"), "step of the program"),
        boolean("spraying", "the atomizers spray"),
        SignalModel("temperature", "Cel", 0, 60, (18, 21, 26, 29), description="booth air"),
        SignalModel("humidity", "%", 0, 100, (50, 55, 70, 75), description="relative humidity of the booth air", decimals=1),
        SignalModel("air_speed", "m/s", 0, 2, (0.25, 0.32, 0.60, None), description="downdraught", decimals=3),
        SignalModel("air_flow", "m3/h", 0, 80_000, description="exhaust air", decimals=0),
        SignalModel("filter_pressure", "Pa", 0, 600, (None, None, 280, 350), description="pressure drop over the filter", decimals=1),
        SignalModel("paint_flow", "mL/min", 0, 800, description="paint to the atomizers", decimals=1),
        SignalModel("paint_pressure", "bar", 0, 15, (None, None, 7.5, 9.0), description="paint line"),
        SignalModel("atomizing_air", "bar", 0, 8, (2.5, 2.9, 3.6, 4.0), description="shaping air"),
        SignalModel("high_voltage", "kV", 0, 100, description="electrostatic charge", decimals=1),
        SignalModel("bell_speed", "/min", 0, 60_000, description="bell cup", decimals=0),
        SignalModel("film_thickness", "um", 0, 250, description="wet film on the body", decimals=1),
        SignalModel("oven_temperature", "Cel", 0, 200, (None, 78, 88, 92), description="drying oven", decimals=1),
        SignalModel("conveyor_speed", "m/min", 0, 10, description="conveyor"),
        SignalModel("bodies", "", 0, 4_000_000, data_type=DataType.UINT32, decimals=0, description="bodies coated"),
        SignalModel("dry_film", "um", 0, 250, description="dry film on each body; 45 to 80", decimals=1, rests=True),
        *unit_signals(_FAULTS, 120),
    ),
    _FAULTS,
    _values,
    pauses=(0.01, 0.09),
)
