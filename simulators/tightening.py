"""Bolts that are tightened, as physics: run-down, snug, elastic line, the beginning of yield, and what can be wrong with a joint.

An M24 bolt of class 10.9 in a slewing bearing: snug at 150 N.m, then turned to 950 N.m. The tool's controller sees torque and
angle each millisecond or so, rounded to its own counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.tightening import AgainstLimits, error_bit

Column = npt.NDArray[np.float64]

SAMPLE_US: Final = 2000
COUNTS_PER_NM: Final = 20
COUNTS_PER_DEG: Final = 8
_RUN_DOWN_DEG: Final = 1440.0
_YIELD_NM: Final = 1050.0


class JointFault(StrEnum):
    """What is wrong with a joint or its tightening."""

    NONE = "none"
    LOW_TORQUE = "low_torque"
    """The tool ends early: torque stays below its limit."""
    CROSS_THREAD = "cross_thread"
    """The thread jams: torque is there before the bolt is stretched."""
    SLIP = "slip"
    """The joint gives way again and again; it takes too much angle."""
    YIELD = "yield"
    """The bolt yields: the line bends over and the angle runs on."""


@dataclass(frozen=True, slots=True)
class Program:
    """A parameter set of the controller."""

    number: int = 11
    name: str = "Slewing bearing M24"
    torque_min_nm: float = 902.5
    torque_max_nm: float = 997.5
    torque_target_nm: float = 950.0
    angle_min_deg: float = 75.0
    angle_max_deg: float = 110.0
    angle_target_deg: float = 90.0
    snug_nm: float = 150.0
    gradient_nm_per_deg: float = 9.0


@dataclass(frozen=True, slots=True)
class Tightened:
    """One bolt, as its controller saw it."""

    torque_nm: float
    angle_deg: float
    """From snug on."""
    rundown_angle_deg: float
    prevail_torque_nm: float
    torque_status: AgainstLimits
    angle_status: AgainstLimits
    errors: int
    torque_counts: npt.NDArray[np.int16]
    angle_counts: npt.NDArray[np.int16]
    stages: tuple[int, ...]
    """Samples of run-down, snug, tightening and hold."""

    @property
    def ok(self) -> bool:
        """Whether torque and angle lie within their limits."""
        return self.torque_status is AgainstLimits.OK and self.angle_status is AgainstLimits.OK and not self.errors


def tighten(program: Program, seed: int, fault: JointFault = JointFault.NONE) -> Tightened:
    """Return one tightening; the same seed gives the same."""
    random = np.random.default_rng(seed)
    run_down = _RUN_DOWN_DEG * random.uniform(0.85, 1.15)
    prevail = random.uniform(8.0, 16.0)
    gradient = program.gradient_nm_per_deg * random.uniform(0.95, 1.05)
    target = program.torque_target_nm * random.normal(1.0, 0.004)
    if fault is JointFault.LOW_TORQUE:
        target *= 0.8
    if fault is JointFault.CROSS_THREAD:
        run_down *= 0.4
        gradient *= 1.9
    beyond, torque_of = _joint(program, gradient, target, fault)
    rolled = _ramp(run_down, 2200.0)
    torque_rolled = prevail + random.normal(0.0, 2.0, len(rolled)) + (40.0 * rolled / run_down if fault is JointFault.CROSS_THREAD else 0.0)
    toe = program.snug_nm / gradient
    snug = run_down + _ramp(toe, 90.0)
    tight = run_down + toe + _ramp(beyond, 45.0)
    turned = np.concatenate([rolled, snug, tight])
    closing = np.maximum(np.concatenate([snug, tight]) - run_down, 0.0)
    curve = np.interp(closing, *torque_of)
    held = np.full(25, curve[-1]) - 6.0 * (1 - np.exp(-np.arange(25) / 6.0))
    torque = np.concatenate([torque_rolled, curve + random.normal(0.0, 1.2, len(curve)), held])
    angle = np.concatenate([turned, np.full(25, turned[-1] - 0.4)])
    final, angle_done = float(curve[-1]), float(beyond)
    torque_status = _against(final, program.torque_min_nm, program.torque_max_nm)
    angle_status = _against(angle_done, program.angle_min_deg, program.angle_max_deg)
    return Tightened(
        round(final, 2),
        round(angle_done, 2),
        round(run_down, 2),
        round(prevail, 2),
        torque_status,
        angle_status,
        _errors(fault, torque_status, angle_status),
        np.rint(torque * COUNTS_PER_NM).clip(-32768, 32767).astype(np.int16),
        np.rint(angle * COUNTS_PER_DEG).clip(-32768, 32767).astype(np.int16),
        (len(rolled), len(snug), len(tight), 25),
    )


def _joint(program: Program, gradient: float, target: float, fault: JointFault) -> tuple[float, tuple[Column, Column]]:
    """Return how far the tool turns from snug on, and torque over angle since the joint began to close."""
    closing = np.linspace(0.0, 260.0, 2601)
    torque = gradient * closing
    if fault is JointFault.YIELD:
        bent = 620.0
        torque = np.where(torque > bent, bent + (torque - bent) * 0.55, torque)
    if fault is JointFault.SLIP:
        torque = torque - 55.0 * np.floor(closing / 22.0)
    over = np.maximum(torque - _YIELD_NM, 0.0)
    torque = np.maximum.accumulate(torque - 0.7 * over) if fault is not JointFault.SLIP else torque
    reached = np.flatnonzero(torque >= target)
    end = closing[reached[0]] if len(reached) else closing[-1]
    return float(end - program.snug_nm / gradient), (closing, torque)


def _ramp(span_deg: float, speed_deg_per_second: float) -> Column:
    step = speed_deg_per_second * SAMPLE_US / 1e6
    return np.append(np.arange(step, span_deg, step), span_deg)


def _against(value: float, low: float, high: float) -> AgainstLimits:
    if value < low:
        return AgainstLimits.LOW
    return AgainstLimits.HIGH if value > high else AgainstLimits.OK


def _errors(fault: JointFault, torque: AgainstLimits, angle: AgainstLimits) -> int:
    errors = 0
    if torque is AgainstLimits.LOW:
        errors |= error_bit("torque below target")
    if angle is AgainstLimits.HIGH:
        errors |= error_bit("angle above limit")
    if fault is JointFault.CROSS_THREAD:
        errors |= error_bit("rundown angle below limit")
    return errors
