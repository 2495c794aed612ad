"""The verdict on one tightening: whether its curve agrees with itself, ends in its windows, and looks as good runs do.

Three questions in this order, and OK only when each is answered yes. A program of which no good runs are known goes to a person,
whatever its curve looks like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from plant.errors import Rejected
from plant.inspections import Decision, Reason, gravest
from plant.joint_curves import JointCurve, program_print
from plant.joints import CurveVerdict, Risk
from vision.curve_consistency import contradictions, driven, ended_at
from vision.curve_features import Features, features
from vision.curve_windows import outside, step_ends, unmonitored
from vision.envelope import Reference, Unusual, distances, unusual
from vision.suspicions import suspicions

_TOLD: Final = 5
"""Reasons of one kind that are told; more would hide the first ones."""


def judge_curve(curve: JointCurve, reference: Reference | None, risk: Risk = Risk.A) -> CurveVerdict:
    """Return what torque and angle say of a joint."""
    wrong = [Reason("tool_not_ok", {"why": ", ".join(curve.errors) or "no reason told"})] if not curve.tool_ok or curve.errors else []
    wrong += outside(curve)
    doubts = contradictions(curve)
    told = features(curve)
    decisions = [Decision.NOK] if wrong else []
    decisions += [Decision.NOT_DECIDABLE] if doubts else []
    reasons = [*wrong, *doubts, *unmonitored(curve, risk)]
    decisions += [Decision.REVIEW] if len(reasons) > len(wrong) + len(doubts) else []
    known = reference is not None and reference.program == program_print(curve) and reference.names == told.names
    if reference is None or not known:
        reasons.append(Reason("no_reference" if reference is None else "other_program"))
        return CurveVerdict(gravest([*decisions, Decision.REVIEW]), tuple(reasons), measures(curve))
    far = unusual(reference, told)
    farthest = float(np.max(distances(reference, told)))
    if farthest > reference.review_at:
        decisions.append(Decision.NOK if farthest > reference.nok_at else Decision.REVIEW)
    reasons += suspicions(curve, told, reference, far)
    reasons += [_unusual_words(curve, one) for one in far[:_TOLD]]
    if reference.thin:
        reasons.append(Reason("thin_reference", {"runs": float(reference.runs)}))
    return CurveVerdict(gravest(decisions), tuple(reasons), measures(curve), farthest, reference.review_at, reference.runs)


def measures(curve: JointCurve) -> Mapping[str, float]:
    """Return what a person wants to know of a curve: snug, gradient, yield, run-down, the ends of its last step."""
    end = ended_at(curve)
    torque, angle, target = curve.torque_nm[:end], curve.angle_deg[:end], curve.target_nm
    last = step_ends(curve, len(curve.steps) - 1)
    first = driven(curve, 0)
    told = {
        "torque_nm": float(np.max(torque)),
        "last_step_angle_deg": next(value for quantity, value in last.items() if quantity.value == "angle_deg"),
        "run_down_deg": float(np.max(curve.angle_deg[first]) - curve.angle_deg[0]),
        "run_down_nm": float(np.median(curve.torque_nm[first])),
        "seconds": float(curve.elapsed_s[end - 1] - curve.elapsed_s[0]),
    }
    gradient, zero = _line(torque, angle, 0.5 * target, 0.85 * target)
    steep, _ = _line(torque, angle, 0.9 * target, 1.01 * target)
    if gradient is not None and zero is not None and gradient > 0:
        told["gradient_nm_per_deg"] = gradient
        told["snug_deg"] = zero
        told["from_snug_deg"] = float(angle[-1]) - zero
        if steep is not None:
            told["end_gradient_percent"] = 100 * steep / gradient
    return {name: round(value, 4) for name, value in told.items() if math.isfinite(value)}


def _line(torque: np.ndarray, angle: np.ndarray, low: float, high: float) -> tuple[float | None, float | None]:
    """Return gradient and angle at no torque of the straight line through the last rise between two torques."""
    below = np.flatnonzero(torque < low)
    begins = int(below[-1]) + 1 if len(below) else 0
    part = slice(begins, len(torque))
    chosen = torque[part] <= high
    x, y = angle[part][chosen], torque[part][chosen]
    if len(x) < 4 or np.ptp(x) <= 0:
        return None, None
    slope, at_zero = np.polyfit(x - x[0], y, 1)
    return float(slope), float(x[0] - at_zero / slope) if slope else None


def _unusual_words(curve: JointCurve, one: Unusual) -> Reason:
    """Return an unusual feature in the units of the shop floor."""
    what, unit, factor, exponential = _unit(curve, one.name)
    if not math.isfinite(one.value):
        return Reason("never_reached", {"what": what})
    figures = (one.value, one.low, one.high)
    value, low, high = (math.exp(min(figure, 20.0)) * factor if exponential else figure * factor for figure in figures)
    return Reason("unusual", {"what": what, "value": value, "low": low, "high": high, "unit": unit})


_STEP_NAMES: Final = {
    "angle_deg": "angle",
    "seconds": "time",
    "torque_low": "lowest torque",
    "torque_middle": "usual torque",
    "torque_high": "highest torque",
    "torque_peak": "peak torque",
    "torque_last": "last torque",
    "speed": "speed",
    "roughness": "trembling of torque",
    "drop": "fall of torque",
    "angle_jump_deg": "jump of the angle",
    "angle_back_deg": "turn backwards",
    "still_seconds": "time without turning",
    "evenness": "rise of torque",
}
_WHOLE_NAMES: Final = {
    "closing": ("angle from 40 % to 98 % of the torque", "deg"),
    "first_to_last": ("angle from 40 % of the torque to the end", "deg"),
    "work": ("work of tightening, as a share of the target torque", "deg"),
    "begin_torque": ("torque at the beginning", "N.m"),
    "end_torque": ("torque at the end", "N.m"),
    "angle_deg": ("whole angle", "deg"),
    "begin_angle_deg": ("angle at the beginning", "deg"),
    "samples": ("number of samples", "samples"),
    "spike": ("torque that stands alone", "N.m"),
    "settled": ("torque lost after the stop", "N.m"),
}


def _unit(curve: JointCurve, name: str) -> tuple[str, str, float, bool]:
    """Return what a feature is called, its unit, what one is worth in it, and whether it is told as a logarithm."""
    step, _, rest = name.partition(".")
    if rest:
        called = f"{curve.steps[int(step) - 1].name}: {_STEP_NAMES[rest]}"
        if rest in {"roughness", "drop"}:
            return called, "N.m", curve.target_nm, True
        unit = "deg" if rest.endswith("_deg") else "s" if rest.endswith("seconds") else "deg/s" if rest == "speed" else "N.m"
        return called, unit, curve.target_nm if unit == "N.m" else 1.0, False
    kind, _, percent = name.partition("_")
    if kind == "band":
        return f"angle from {percent} % of the torque to the next tenth", "deg", 1.0, True
    if kind == "share":
        return f"share of the closing angle from {percent} % of the torque on", "%", 100.0, False
    called, unit = _WHOLE_NAMES[name]
    return called, unit, curve.target_nm if unit == "N.m" else 1.0, name in {"closing", "first_to_last", "work", "spike"}


def reference_fits(curve: JointCurve, reference: Reference) -> bool:
    """Return whether a reference is one of the curve's program."""
    return reference.program == program_print(curve)


__all__ = ["Features", "Rejected", "judge_curve", "measures", "reference_fits"]
