"""Curves as the ingest stored them, with what the controller reported, as curves that can be judged."""

from __future__ import annotations

from typing import Final

import numpy as np

from plant.errors import Rejected
from plant.joint_curves import CurveStep, CurveWindow, JointCurve, Quantity
from plant.tightening import TighteningCurve, TighteningResult, error_names
from plant.verdict import Verdict

_HOLD_DEG: Final = 2.0
"""A step at the end that turns less than this holds, and belongs to the one before it."""
_ANGLE_DEG: Final = 3.0


def stored_joint_curve(result: TighteningResult, curve: TighteningCurve) -> JointCurve:
    """Return a tightening as a curve that can be judged. Raises Rejected where torque or angle was not traced, or is damaged."""
    if curve.torque_nm is None or curve.angle_deg is None:
        raise Rejected("torque or angle was not traced")
    known = np.isfinite(curve.torque_nm) & np.isfinite(curve.angle_deg)
    size = int(np.argmin(known)) if not known.all() else len(known)
    torque, angle, elapsed = curve.torque_nm[:size], curve.angle_deg[:size], curve.elapsed_us[:size] / 1e6
    firsts = sorted({0, *(first for first in curve.steps if 0 < first < size)})
    end = size
    while len(firsts) > 1 and float(np.max(angle[firsts[-1] :]) - angle[firsts[-1] - 1]) < _HOLD_DEG:
        end = firsts.pop()
    steps = [_step(number, first, torque[first : firsts[number]]) for number, first in enumerate(firsts[:-1], 1)]
    last = firsts[-1]
    turned = float(np.max(angle[last:end]) - angle[max(0, last - 1)])
    windows = [CurveWindow(Quantity.TORQUE, result.torque_min_nm, result.torque_max_nm, result.torque_nm)]
    if result.angle_deg is not None and abs(turned - result.angle_deg) < _ANGLE_DEG:
        windows.append(CurveWindow(Quantity.ANGLE, result.angle_min_deg, result.angle_max_deg, result.angle_deg))
    target = result.torque_target_nm or result.torque_min_nm or 0.0
    steps.append(
        CurveStep("Tightening", last, Quantity.TORQUE, target, result.torque_nm, 0.0, tuple(windows), result.verdict is Verdict.OK)
    )
    return JointCurve(
        f"{result.program if result.program is not None else ''} {result.program_name}".strip(),
        *(elapsed, torque, angle, tuple(steps), result.verdict is Verdict.OK),
        part=result.part,
        spindle=str(result.spindle),
        tool=result.tool,
        release_s=float(elapsed[end - 1]),
        errors=tuple(error_names(result.errors)),
    )


def _step(number: int, first: int, torque: np.ndarray) -> CurveStep:
    """Return a step of which the controller tells nothing but where it begins."""
    return CurveStep(f"Step {number}", first, Quantity.TORQUE, 0.0, float(np.max(torque)), 0.0)
