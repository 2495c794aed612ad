"""What a curve of torque and angle looks like, in numbers: the same numbers for each curve of one program.

They are of two kinds: how each step went (angle, time, torque, roughness), and how the joint closed (the angle that each tenth of the
torque took, from snug to the end). Torque is told as a share of what the program aims at, so that one set of rules fits an M24 and a
plastic screw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from plant.joint_curves import Column, CurveStep, JointCurve, Quantity
from vision.curve_consistency import driven, ended_at

BANDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
"""Shares of the target torque; what angle it took from one to the next tells how stiff the joint is, and whether it yields."""
_CLOSED: Final = 2
"""The first band that belongs to the joint alone: below it a thread that is formed or a patch may take as much torque."""
_SMOOTH: Final = 5
_BEGIN: Final = 12


@dataclass(frozen=True, slots=True)
class Features:
    """A curve in numbers, by name; NaN where the curve never comes so far."""

    names: tuple[str, ...]
    values: Column

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.names.index(name)])


def features(curve: JointCurve) -> Features:
    """Return what a curve looks like."""
    told: dict[str, float] = {}
    for number, step in enumerate(curve.steps):
        told |= {f"{number + 1}.{name}": value for name, value in _of_step(curve, number, step).items()}
    told |= _of_closing(curve)
    told |= _of_whole(curve)
    return Features(tuple(told), np.array(list(told.values())))


def _of_step(curve: JointCurve, number: int, step: CurveStep) -> dict[str, float]:
    samples = driven(curve, number)
    torque, angle, elapsed = curve.torque_nm[samples] / curve.target_nm, curve.angle_deg[samples], curve.elapsed_s[samples]
    begins = max(0, samples.start - 1) if number else samples.start
    free = torque if step.control is not Quantity.TORQUE else torque[: max(4, int(0.85 * len(torque)))]
    return {
        "angle_deg": float(np.max(angle) - curve.angle_deg[begins]),
        "seconds": float(elapsed[-1] - curve.elapsed_s[begins]),
        "torque_low": float(np.quantile(free, 0.1)),
        "torque_middle": float(np.median(free)),
        "torque_high": float(np.quantile(free, 0.9)),
        "torque_peak": float(np.max(torque)),
        "torque_last": float(torque[-1]),
        "speed": _speed(angle, elapsed),
        "roughness": math.log(_rough(torque) + 2e-4),
        "drop": math.log(_drop(torque) + 5e-3),
        "angle_jump_deg": float(np.max(np.diff(angle), initial=0.0)),
        "angle_back_deg": float(np.max(np.maximum.accumulate(angle) - angle)),
        "still_seconds": _still(angle, elapsed),
        "evenness": _evenness(torque),
    }


def _of_closing(curve: JointCurve) -> dict[str, float]:
    """Return what angle each band of torque took, and how the bands stand to each other."""
    end = ended_at(curve)
    torque, angle = _smooth(curve.torque_nm[:end] / curve.target_nm), curve.angle_deg[:end]
    at = [_last_crossing(torque, angle, share) for share in BANDS]
    took = [later - before for before, later in pairwise(at)]
    told = {f"band_{round(100 * BANDS[n])}": _log(value) for n, value in enumerate(took)}
    whole = at[-1] - at[_CLOSED]
    told["closing"] = _log(whole)
    for n, value in list(enumerate(took))[_CLOSED:]:
        told[f"share_{round(100 * BANDS[n])}"] = value / whole if whole > 0 else math.nan
    told["first_to_last"] = _log(float(angle[-1]) - _first_crossing(torque, angle, 0.4))
    told["work"] = _log(_work(torque, angle))
    return told


def _of_whole(curve: JointCurve) -> dict[str, float]:
    end = ended_at(curve)
    torque = curve.torque_nm / curve.target_nm
    held = torque[end : end + 25] if len(torque) - end >= 10 else torque[:0]
    told = {
        "begin_torque": float(np.median(torque[:_BEGIN])),
        "end_torque": float(torque[-1]),
        "angle_deg": float(np.max(curve.angle_deg[:end]) - curve.angle_deg[0]),
        "begin_angle_deg": float(curve.angle_deg[0]),
        "samples": float(len(torque)),
        "spike": math.log(_spike(torque) + 1e-3),
    }
    told["settled"] = float(torque[end - 1] - held[-1]) if len(held) else 0.0
    return told


def _speed(angle: Column, elapsed: Column) -> float:
    """Return degrees a second, usual in the step."""
    span = max(1, len(angle) // 8)
    seconds = elapsed[span:] - elapsed[:-span]
    turned = angle[span:] - angle[:-span]
    good = seconds > 0
    return float(np.median(turned[good] / seconds[good])) if np.any(good) else 0.0


def _evenness(torque: Column) -> float:
    """Return how the second half of a step stands above its first."""
    half = len(torque) // 2
    return float(np.mean(torque[half:]) - np.mean(torque[:half])) if half else 0.0


def _rough(torque: Column) -> float:
    """Return how much torque trembles from sample to sample."""
    if len(torque) < 4:
        return 0.0
    second = torque[2:] - 2 * torque[1:-1] + torque[:-2]
    return float(np.sqrt(np.mean(np.square(second))))


def _spike(torque: Column) -> float:
    """Return the greatest torque that stands alone between its neighbours."""
    if len(torque) < 6:
        return 0.0
    middle = torque[1:-1] - np.clip(torque[1:-1], np.minimum(torque[:-2], torque[2:]), np.maximum(torque[:-2], torque[2:]))
    return float(np.max(np.abs(middle)))


def _drop(torque: Column) -> float:
    """Return how far torque fell back below what it had reached."""
    smooth = _smooth(torque)
    return float(np.max(np.maximum.accumulate(smooth) - smooth))


def _still(angle: Column, elapsed: Column) -> float:
    """Return the longest time without any turn."""
    moved = np.flatnonzero(np.diff(np.maximum.accumulate(angle)) > 0) + 1
    edges = elapsed[np.concatenate([[0], moved, [len(angle) - 1]])]
    return float(np.max(np.diff(edges), initial=0.0))


def _smooth(torque: Column) -> Column:
    if len(torque) < 3 * _SMOOTH:
        return torque
    padded = np.pad(torque, _SMOOTH // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")


def _last_crossing(torque: Column, angle: Column, share: float) -> float:
    """Return the angle from which on torque stays above a share; NaN where it never gets there."""
    below = np.flatnonzero(torque < share)
    if not len(below):
        return float(angle[0])
    at = int(below[-1])
    if at + 1 >= len(torque):
        return math.nan
    step = torque[at + 1] - torque[at]
    part = (share - torque[at]) / step if step > 0 else 1.0
    return float(angle[at] + part * (angle[at + 1] - angle[at]))


def _first_crossing(torque: Column, angle: Column, share: float) -> float:
    above = np.flatnonzero(torque >= share)
    return float(angle[above[0]]) if len(above) else math.nan


def _log(angle_deg: float) -> float:
    """Return the logarithm of an angle, so that a feature scatters alike whether it is large or small; NaN stays."""
    return math.log(max(angle_deg, 0.0) + 0.5)


def _work(torque: Column, angle: Column) -> float:
    """Return torque summed over angle from the first third of the torque on."""
    begins = np.flatnonzero(torque >= 1 / 3)
    if not len(begins):
        return math.nan
    part = slice(int(begins[0]), len(torque))
    return float(np.trapezoid(torque[part], angle[part]))
