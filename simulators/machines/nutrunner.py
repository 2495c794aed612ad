"""A multi-spindle nutrunner for slewing-bearing bolts: all spindles tighten at once, each on its own torque-angle curve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plant.signals import DataType
from simulators.machines.model import Columns, FaultModel, MachineKind, Moments, SignalModel, Steps, numbered, step_of, words, words_signal
from simulators.machines.unit import unit_signals, unit_values

SPINDLES = 6
TARGET_NM = 950.0
"""Tightening torque of an M24 bolt of class 10.9 at a friction of 0.12."""
TORQUE_WINDOW_NM = (902.5, 997.5)
ANGLE_WINDOW_DEG = (75.0, 110.0)
"""From snug to the end; outside it something else than the bolt was stretched."""
SNUG_NM = 150.0
_GRADIENT_NM_PER_DEG = 9.0
_TOE_DEG = 24.0
"""Over so many degrees the joint closes, before torque rises straight."""
_STEPS = (0.0, 0.20, 0.22, 0.42, 0.47, 0.57, 0.60, 0.64)
"""position, start, run-down, snug, tighten, hold, release, retract."""
_RUN_DOWN, _SNUG, _TIGHTEN, _HOLD, _RELEASE = 2, 3, 4, 5, 6


def torque_at(angle: Columns, seat: Columns, prevailing: Columns, gradient: Columns, give: Columns) -> Columns:
    """Return the torque at an angle: prevailing torque until the head seats, a toe where the joint closes, then a straight line.

    ``give`` (0 to 1) bends the line over beyond 500 N.m, as a bolt that yields does.
    """
    past = np.maximum(angle - seat, 0.0)
    toe = np.minimum(past, _TOE_DEG)
    line = gradient * (toe * toe / (2 * _TOE_DEG) + np.maximum(past - _TOE_DEG, 0.0))
    over = np.maximum(line - 500.0, 0.0)
    torque: Columns = prevailing + line - give * 0.45 * over
    return torque


def angle_at(torque: Columns, seat: Columns, prevailing: Columns, gradient: Columns, give: Columns) -> Columns:
    """Return the angle where ``torque_at`` reaches a torque: its inverse beyond the seat."""
    line = np.maximum(torque - prevailing, 0.0)
    line = np.where(line > 500.0, 500.0 + (line - 500.0) / (1 - give * 0.45), line)
    toe_end = gradient * _TOE_DEG / 2
    past = np.where(line < toe_end, np.sqrt(2 * _TOE_DEG * line / gradient), _TOE_DEG + (line - toe_end) / gradient)
    angle: Columns = seat + past
    return angle


def _values(m: Moments) -> Mapping[str, Columns]:
    step, through = step_of(m.part, _STEPS)
    running = (step >= _RUN_DOWN) & (step <= _RELEASE)
    values: dict[str, Columns] = {
        "state": np.array([0, 1, 2, 2, 2, 2, 3, 3])[step].astype(float),
        "step": step.astype(float),
        "program": 10 + np.floor(m.draw(1) * 4),
        "tightenings": np.mod(m.work.number, 4_000_000) + (step > _HOLD).astype(float),
    }
    for spindle in range(1, SPINDLES + 1):
        first = 1.0 if spindle == 1 else 0.0  # joint faults strike one bolt, as they do
        seized, yields = m.fault("thread_seized") * first, m.fault("bolt_yields") * first
        seat = 1500 + 700 * m.draw(20 + spindle) - 25 * seized
        prevailing = 14 + 8 * m.draw(30 + spindle) + 420 * seized
        gradient = _GRADIENT_NM_PER_DEG * (0.94 + 0.12 * m.draw(40 + spindle))
        final = TARGET_NM * (1 + 0.012 * (2 * m.draw(50 + spindle) - 1))
        curve = (seat, prevailing, gradient, yields)
        end = angle_at(final, *curve)
        snug = angle_at(np.maximum(np.full_like(final, SNUG_NM), prevailing), *curve)
        begun = np.where(step == _RUN_DOWN, seat * through, np.where(step == _SNUG, seat + (snug - seat) * through, end))
        angle = np.where(step == _TIGHTEN, snug + (end - snug) * (1 - (1 - through) ** 1.6), begun)
        back = np.where(step == _RELEASE, 3.5 * through, 0.0)
        torque = (
            torque_at(angle, *curve) * np.where(step == _RELEASE, (1 - through) ** 2, 1.0) * (1 + 0.07 * m.fault("spindle_drift") * first)
        )
        rattle = np.where(step == _RUN_DOWN, 2.5, 0.4) * m.hiss(spindle)
        values[f"torque_{spindle}"] = np.where(running, torque + rattle * (step != _RELEASE), 0.0)
        values[f"angle_{spindle}"] = np.where(running, angle - back, 0.0)
        _add_result(values, spindle, step, final * (1 + 0.07 * m.fault("spindle_drift") * first), end - snug)
    return {**values, **unit_values(m, 1.2, 4.5 * (running * m.works))}


def _add_result(values: dict[str, Columns], spindle: int, step: Steps, final: Columns, turned: Columns) -> None:
    """Add what the controller reports of a spindle; before the end of a tightening there is nothing to report yet."""
    done = step > _HOLD
    torque_ok = (final >= TORQUE_WINDOW_NM[0]) & (final <= TORQUE_WINDOW_NM[1])
    angle_ok = (turned >= ANGLE_WINDOW_DEG[0]) & (turned <= ANGLE_WINDOW_DEG[1])
    verdict = np.where(torque_ok & angle_ok, 1, np.where(torque_ok, 3, 2))
    values[f"final_torque_{spindle}"] = np.where(done, final, 0.0)
    values[f"final_angle_{spindle}"] = np.where(done, turned, 0.0)
    values[f"result_{spindle}"] = np.where(done, verdict, 0).astype(float)


_FAULTS = (
    FaultModel("thread_seized", "the thread of spindle 1's bolt seizes: torque is there before the bolt is stretched, NOK by angle"),
    FaultModel("bolt_yields", "spindle 1's bolts yield: the curve bends over, NOK by angle"),
    FaultModel("spindle_drift", "the torque transducer of spindle 1 drifts: it shows up to 7 % too much", gradual=True),
    FaultModel("stuck_sensor", "the angle encoder of spindle 2 is stuck", sensor="stuck", signal="angle_2"),
    FaultModel("sensor_failure", "the torque transducer of spindle 3 fails", sensor="bad_status", signal="torque_3"),
)

NUTRUNNER = MachineKind(
    "nutrunner",
    "Multi-spindle nutrunner",
    (
        words_signal("state", words("positioning", "ready", "tightening", "leaving"), "what the nutrunner does"),
        words_signal(
            "step",
            words("position", "start", "run-down", "snug", "tighten", "hold", "release", "retract"),
            "step of the tightening program",
        ),
        words_signal("program", numbered("PSET-{:02d}"), "tightening program"),
        SignalModel("tightenings", "", 0, 4_000_000, data_type=DataType.UINT32, decimals=0, description="tightenings made"),
        *(
            SignalModel(f"torque_{n}", "N.m", 0, 1500, (None, None, 1050, 1200), description="torque of the spindle", decimals=1)
            for n in range(1, SPINDLES + 1)
        ),
        *(SignalModel(f"angle_{n}", "deg", -10, 4000, description="angle of the spindle since it started") for n in range(1, SPINDLES + 1)),
        *(
            SignalModel(f"final_torque_{n}", "N.m", 0, 1500, description="torque at the end of the tightening", decimals=1)
            for n in range(1, SPINDLES + 1)
        ),
        *(
            SignalModel(f"final_angle_{n}", "deg", 0, 400, description="angle from snug to the end of the tightening")
            for n in range(1, SPINDLES + 1)
        ),
        *(words_signal(f"result_{n}", words("", "OK", "NOK_TORQUE", "NOK_ANGLE"), "result of the spindle") for n in range(1, SPINDLES + 1)),
        *unit_signals(_FAULTS, 20),
    ),
    _FAULTS,
    _values,
    pauses=(0.02, 0.18),
)
