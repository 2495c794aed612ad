"""Windows of torque and angle that a tightening must end in (VDI/VDE 2862), judged by its curve, not by what the tool says of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from plant.inspections import Reason
from plant.joint_curves import CurveStep, JointCurve, Quantity
from plant.joints import Risk
from vision.curve_consistency import driven

UNITS: Final = {Quantity.TORQUE: "N.m", Quantity.ANGLE: "deg", Quantity.TIME: "s"}
NAMES: Final = {Quantity.TORQUE: "torque", Quantity.ANGLE: "angle", Quantity.TIME: "time"}
_TARGET_SHARE: Final = 0.03
_STEP_SHARE: Final = 0.25
"""The same for steps before the last one: the sample that ended them may be counted to the next."""
_ROUNDED: Final = {Quantity.TORQUE: 0.0, Quantity.ANGLE: 0.26, Quantity.TIME: 0.006}
"""What a controller's own rounding and the first sample of a step may make of a value."""


def outside(curve: JointCurve) -> tuple[Reason, ...]:
    """Return which windows the curve leaves, and which targets it misses."""
    found = []
    for number, step in enumerate(curve.steps):
        shown = step_ends(curve, number)
        for window in step.windows:
            value, about = shown[window.quantity], _ROUNDED[window.quantity]
            told: dict[str, str | float] = {
                "step": step.name,
                "quantity": NAMES[window.quantity],
                "value": value,
                "unit": UNITS[window.quantity],
            }
            if window.low is not None and value < window.low - about:
                found.append(Reason("window_low", told | {"low": window.low}))
            if window.high is not None and value > window.high + about:
                found.append(Reason("window_high", told | {"high": window.high}))
        share = _TARGET_SHARE if step is curve.steps[-1] else _STEP_SHARE
        if shown[step.control] < (1 - share) * step.target:
            told = {"step": step.name, "value": shown[step.control], "target": step.target, "unit": UNITS[step.control]}
            found.append(Reason("target_missed", told))
    return tuple(found)


def unmonitored(curve: JointCurve, risk: Risk) -> tuple[Reason, ...]:
    """Return what the last step of a program ought to watch by its risk category, and does not.

    A: torque and angle, each between two limits. B: what the tool stops on. C: nothing besides the tool's own verdict.
    """
    last = curve.steps[-1]
    needed = {Risk.A: (Quantity.TORQUE, Quantity.ANGLE), Risk.B: (last.control,), Risk.C: ()}[risk]
    watched = {window.quantity for window in last.windows if window.low is not None and window.high is not None}
    return tuple(
        Reason("not_monitored", {"step": last.name, "risk": risk.value.upper(), "quantity": NAMES[quantity]})
        for quantity in needed
        if quantity not in watched
    )


def step_ends(curve: JointCurve, number: int) -> dict[Quantity, float]:
    """Return torque, angle and time that a step took, by its samples."""
    samples = driven(curve, number)
    begins = max(0, samples.start - 1) if number else samples.start
    last: CurveStep = curve.steps[number]
    torque = curve.torque_nm[samples]
    peak = float(np.max(torque)) if last.control is Quantity.TORQUE else float(torque[-1])
    return {
        Quantity.TORQUE: peak,
        Quantity.ANGLE: float(np.max(curve.angle_deg[samples]) - curve.angle_deg[begins]),
        Quantity.TIME: float(curve.elapsed_s[samples.stop - 1] - curve.elapsed_s[begins]),
    }
