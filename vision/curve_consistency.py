"""Does a curve agree with itself? What its controller says it reached must be what its samples show; else it is no evidence."""

from __future__ import annotations

from typing import Final

import numpy as np

from plant.inspections import Reason
from plant.joint_curves import Column, CurveStep, JointCurve, Quantity

_GAP_INTERVALS: Final = 12.0
"""A hole in the samples, in usual intervals; controllers leave out a few when a step begins."""
_RELEASED_GAP_INTERVALS: Final = 60.0
_HELD_SHARE: Final = 0.98
"""Where a controller does not say when it let go: when torque last stood so near to its greatest."""
_TORQUE_SHARE: Final = 0.02
_ANGLE_SHARE: Final = 0.02
_ANGLE_DEG: Final = 1.5
_TIME_S: Final = 0.02
_ANGLE_JUMP_DEG: Final = 2.5
_TORQUE_JUMP_SHARE: Final = 0.10
"""Of the target torque, from one sample to the next."""
_BEGIN_JUMP_SHARE: Final = 0.25
"""The same where a step begins and the drive changes its speed: screws that form their thread jump by 22 % there (measured)."""
_BEGIN_SAMPLES: Final = 20
_STEEP: Final = 12.0
"""A rise may be so many times as steep as its neighbours."""
_SLOPE_SAMPLES: Final = 6
_SLOPE_SHARE: Final = 0.16
_BACK_DEG: Final = 20.0


def contradictions(curve: JointCurve) -> tuple[Reason, ...]:
    """Return in what a curve contradicts itself; none where it can be believed."""
    found = [*_said(curve), *_times(curve), *_joins(curve), *_jumps(curve), *_released(curve)]
    for number, step in enumerate(curve.steps):
        found += _reached(curve, number, step)
    return tuple(found)


def ended_at(curve: JointCurve) -> int:
    """Return the sample after the last one of the tightening itself: from there on the tool is let go."""
    if curve.release_s is not None:
        return max(1, int(np.searchsorted(curve.elapsed_s, curve.release_s, side="right")))
    last = curve.samples_of(len(curve.steps) - 1)
    torque = curve.torque_nm[last]
    return int(last.start) + int(np.flatnonzero(torque >= _HELD_SHARE * np.max(torque))[-1]) + 1


def driven(curve: JointCurve, number: int) -> slice:
    """Return the samples of a step while the tool drives."""
    samples = curve.samples_of(number)
    return slice(samples.start, max(samples.start + 1, min(samples.stop, ended_at(curve))))


def _said(curve: JointCurve) -> list[Reason]:
    wrong = [step.name for step in curve.steps if not step.ok]
    if curve.tool_ok and wrong:
        return [Reason("result_contradicts", {"steps": ", ".join(wrong)})]
    return [Reason("unread", {"names": ", ".join(curve.unread)})] if curve.unread else []


def _times(curve: JointCurve) -> list[Reason]:
    end = ended_at(curve)
    if end < 8:
        return [Reason("too_few_samples", {"samples": float(end)})]
    gaps = np.diff(curve.elapsed_s)
    usual = float(np.median(gaps[: end - 1]))
    if usual <= 0:
        return [Reason("time_stands", {})]
    longest = float(np.max(gaps[: end - 1]))
    if longest > _GAP_INTERVALS * usual:
        return [Reason("samples_missing", {"seconds": longest})]
    after = float(np.max(gaps[end - 1 :], initial=0.0))
    if after > _RELEASED_GAP_INTERVALS * usual:
        return [Reason("samples_missing", {"seconds": after})]
    begins = {step.first for step in curve.steps}
    if sum(int(at) + 1 not in begins for at in np.flatnonzero(gaps[: end - 1] <= 0)) > 2:
        return [Reason("time_stands", {})]
    return []


def _joins(curve: JointCurve) -> list[Reason]:
    """Return where a step does not go on from the one before it."""
    found = []
    turned = np.abs(np.diff(curve.angle_deg))
    raised = np.abs(np.diff(curve.torque_nm))
    for step in curve.steps[1:]:
        around = slice(max(0, step.first - 30), step.first + 30)
        if turned[step.first - 1] > max(3.0, 3 * float(np.quantile(turned[around], 0.9))):
            found.append(Reason("step_jumps", {"step": step.name, "angle_deg": float(turned[step.first - 1])}))
        if raised[step.first - 1] > 0.15 * curve.target_nm:
            found.append(Reason("step_jumps_torque", {"step": step.name, "torque_nm": float(raised[step.first - 1])}))
    return found


def _jumps(curve: JointCurve) -> list[Reason]:
    """Return where angle or torque jumps as no tool turns and no bolt answers, or otherwise than the controller's own gradient says."""
    found = []
    for number, step in enumerate(curve.steps):
        samples = driven(curve, number)
        torque, angle = curve.torque_nm[samples], curve.angle_deg[samples]
        if len(angle) < 4:
            continue
        turned = np.diff(angle)
        off = float(np.max(np.abs(turned - _usual(turned, 15))))
        if off > _ANGLE_JUMP_DEG + 0.25 * float(np.max(np.abs(_usual(turned, 15)))):
            found.append(Reason("angle_jumps", {"step": step.name, "angle_deg": off}))
        raised = np.abs(np.diff(torque)) / curve.target_nm
        steep = np.minimum(_usual(raised, 21), 2 * np.median(raised))
        begins = np.arange(len(raised)) < _BEGIN_SAMPLES
        allowed = np.where(begins, _BEGIN_JUMP_SHARE, _TORQUE_JUMP_SHARE)
        if np.any(raised > np.maximum(allowed, _STEEP * steep)):
            found.append(Reason("torque_jumps", {"step": step.name, "torque_nm": float(np.max(raised)) * curve.target_nm}))
        if curve.gradient is not None and step is not curve.steps[-1] and len(angle) > 4 * _SLOPE_SAMPLES:
            off = _against_gradient(torque, angle, curve.gradient[samples]) / curve.target_nm
            if off > _SLOPE_SHARE:
                found.append(Reason("gradient_contradicts", {"step": step.name, "torque_nm": off * curve.target_nm}))
    return found


def _released(curve: JointCurve) -> list[Reason]:
    """Return what cannot be after the tool is let go: more torque than before, or turning on."""
    end = ended_at(curve)
    torque, angle = curve.torque_nm[end:], curve.angle_deg[end:]
    if not len(torque):
        return []
    before, most = float(curve.angle_deg[end - 1]), 1.02 * float(np.max(curve.torque_nm[:end]))
    turned = float(np.max(np.abs(angle - before)))
    if np.max(torque) > most or np.min(torque) < -0.15 * curve.target_nm or turned > _BACK_DEG:
        return [Reason("after_release", {"torque_nm": float(torque[np.argmax(np.abs(torque))]), "angle_deg": turned})]
    return []


def _usual(values: Column, wide: int) -> Column:
    """Return the median of the neighbours of each value."""
    wide = min(wide, len(values) - (1 - len(values) % 2))
    padded = np.pad(values, wide // 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, wide), axis=1)[: len(values)], np.float64)


def _against_gradient(torque: Column, angle: Column, told: Column) -> float:
    """Return the greatest jump of torque that would explain how slope and told gradient differ, in N.m."""
    turned = np.lib.stride_tricks.sliding_window_view(angle, _SLOPE_SAMPLES)
    raised = np.lib.stride_tricks.sliding_window_view(torque, _SLOPE_SAMPLES)
    apart = turned - turned.mean(axis=1, keepdims=True)
    spread = np.square(apart).sum(axis=1)
    slope = (apart * (raised - raised.mean(axis=1, keepdims=True))).sum(axis=1) / np.maximum(spread, 1e-9)
    span = turned[:, -1] - turned[:, 0]
    off = np.abs(slope - told[_SLOPE_SAMPLES - 1 :]) * span / 1.5
    return float(np.max(off[_SLOPE_SAMPLES:], initial=0.0))


def _reached(curve: JointCurve, number: int, step: CurveStep) -> list[Reason]:
    """Return where what the controller says of a step is not what its samples show."""
    samples = driven(curve, number)
    begins = max(0, samples.start - 1) if number else samples.start
    shown = {
        Quantity.TORQUE: float(np.max(curve.torque_nm[samples])),
        Quantity.ANGLE: float(np.max(curve.angle_deg[samples]) - curve.angle_deg[begins]),
        Quantity.TIME: float(curve.elapsed_s[samples.stop - 1] - curve.elapsed_s[begins]),
    }
    last = float(curve.torque_nm[samples.stop - 1])
    found = []
    if step.reached is None:
        found.append(Reason("not_told", {"step": step.name, "quantity": step.control.value}))
    told = [(step.control, step.reached), *((window.quantity, window.reached) for window in step.windows)]
    for quantity, said in told:
        if said is None:
            continue
        near = abs(said - shown[quantity]) if quantity is not Quantity.TORQUE else min(abs(said - shown[quantity]), abs(said - last))
        if near > _tolerance(curve, quantity, said):
            found.append(Reason(f"reached_contradicts_{quantity.value}", {"step": step.name, "said": said, "shown": shown[quantity]}))
    return found


def _tolerance(curve: JointCurve, quantity: Quantity, said: float) -> float:
    if quantity is Quantity.TORQUE:
        return _TORQUE_SHARE * curve.target_nm
    if quantity is Quantity.ANGLE:
        return max(_ANGLE_DEG, _ANGLE_SHARE * abs(said))
    return _TIME_S
