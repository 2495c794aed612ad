"""What the gate holds against a process window: its own choice of the window, its own arithmetic, in decimal digits and fractions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from delivery.gate_reading import Read, ReadQuantity
from delivery.gate_words import Refusal, Why
from plant.process_windows import JointLimit, ParameterWindow, ProcessWindow

_EXACT: Final = Context(prec=700)
"""Wide enough that the difference of any two doubles is exact."""
_HOUR_US: Final = 3_600_000_000
_ZERO: Final = Decimal(0)


def window_for(windows: Sequence[ProcessWindow], work_unit: str, program: str, job: str) -> ProcessWindow | None:
    """Return the one window that holds; of several, the one that spells out most; None where none does, or two alike."""
    best: ProcessWindow | None = None
    score, alike = (-1, -1), False
    for one in windows:
        if one.work_unit != work_unit or not _like(one.program).fullmatch(program) or not _like(one.job).fullmatch(job):
            continue
        spelled = sum(letter not in "*?" for letter in one.program + one.job), one.version
        if spelled >= score:
            best, score, alike = one, spelled, spelled == score
    return None if alike else best


@lru_cache(1024)
def _like(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)


def of_window(
    parameters: tuple[ReadQuantity, ...],
    window: ProcessWindow,
    current: Mapping[str, tuple[Decimal, str]] | None,
    changed_us: Mapping[str, int],
    now_us: int,
) -> list[Refusal]:
    """Return what parameters break of a window."""
    found, left = [], {one.name: one for one in window.parameters}
    kept: dict[str, Decimal] = {}
    for one in parameters:
        limit = left.pop(one.name, None)
        if limit is None:
            found.append(Refusal(Why.TWICE if one.name in window.names else Why.UNKNOWN, one.name))
            continue
        broken = _of_limit(one, limit)
        if not broken:
            kept[one.name] = one.value
            broken = _of_change(one, limit, current, changed_us.get(one.name), now_us)
        found += broken
    found += [Refusal(Why.MISSING, name) for name in left]
    if len(kept) == len(window.parameters):
        found += [refusal for joint in window.joint_limits for refusal in _of_joint(joint, kept)]
    return found


def of_offsets(told: Read, most: Mapping[str, float]) -> list[Refusal]:
    """Return what offsets break of how far a spindle may be moved."""
    if not told.parameters:
        return [Refusal(Why.MISSING, "parameters")]
    found, names = [], set()
    for one in told.parameters:
        limit = most.get(one.unit)
        if one.name in names:
            found.append(Refusal(Why.TWICE, one.name))
        names.add(one.name)
        if limit is None:
            found.append(Refusal(Why.UNIT, one.name, one.unit, ", ".join(most)))
        elif not one.sound:
            found.append(Refusal(Why.NO_NUMBER, one.name))
        elif one.value < -_decimal(limit):
            found.append(Refusal(Why.BELOW, one.name, str(one.value), f"-{limit:g}", one.unit))
        elif one.value > _decimal(limit):
            found.append(Refusal(Why.ABOVE, one.name, str(one.value), f"{limit:g}", one.unit))
    return found


def _of_limit(one: ReadQuantity, limit: ParameterWindow) -> list[Refusal]:
    if one.unit != limit.unit:
        return [Refusal(Why.UNIT, one.name, one.unit, limit.unit)]
    if not one.sound:
        return [Refusal(Why.NO_NUMBER, one.name)]
    if one.value < _decimal(limit.low):
        return [Refusal(Why.BELOW, one.name, str(one.value), f"{limit.low:g}", one.unit)]
    if one.value > _decimal(limit.high):
        return [Refusal(Why.ABOVE, one.name, str(one.value), f"{limit.high:g}", one.unit)]
    return []


def _of_change(
    one: ReadQuantity,
    limit: ParameterWindow,
    current: Mapping[str, tuple[Decimal, str]] | None,
    changed_us: int | None,
    now_us: int,
) -> list[Refusal]:
    if current is None:
        return []
    present = current.get(one.name)
    if present is None or not present[0].is_finite():
        return [Refusal(Why.NO_NUMBER, f"{one.name} in use")]
    if present[1] != limit.unit:
        return [Refusal(Why.UNIT, f"{one.name} in use", present[1], limit.unit)]
    change = _EXACT.abs(_EXACT.subtract(one.value, present[0]))
    if change == _ZERO:
        return []
    found = []
    if change > _decimal(limit.step):
        found.append(Refusal(Why.STEP, one.name, str(change), f"{limit.step:g}", one.unit))
    if change < _decimal(limit.dead_band):
        found.append(Refusal(Why.DEAD_BAND, one.name, str(change), f"{limit.dead_band:g}", one.unit))
    if limit.rate is not None and changed_us is not None:
        most = Fraction(_decimal(limit.rate)) * max(0, now_us - changed_us) / _HOUR_US
        if Fraction(change) > most:
            found.append(Refusal(Why.RATE, one.name, str(change), f"{float(most):g}", one.unit))
    return found


def _of_joint(joint: JointLimit, kept: Mapping[str, Decimal]) -> list[Refusal]:
    value = _joined(joint, {name: Fraction(digits) for name, digits in kept.items()})
    if value is None:
        return [Refusal(Why.NO_NUMBER, joint.name)]
    for limit, beyond in ((joint.low, value.__lt__), (joint.high, value.__gt__)):
        if limit is not None and beyond(Fraction(_decimal(limit))):
            return [Refusal(Why.JOINT_LIMIT, joint.name, f"{float(value):.6g}", f"{limit:g}", joint.unit)]
    return []


def _joined(joint: JointLimit, value: Mapping[str, Fraction]) -> Fraction | None:
    """Return what a joint limit limits, exactly; None where something would be divided by nothing."""
    match joint.formula:
        case "linear":
            total = Fraction(0)
            for name, weight in joint.weights.items():
                total += Fraction(_decimal(weight)) * value[name]
            return total
        case "ratio":
            under = value[str(joint.under)]
            return None if under == 0 else value[str(joint.over)] / under
        case "heat_input":
            speed = value[str(joint.speed)]
            power = value[str(joint.voltage)] * value[str(joint.current)]
            return None if speed == 0 else power * 3 * Fraction(_decimal(joint.efficiency)) / (50 * speed)


def swings(values: Sequence[Decimal], dead_band: Decimal) -> int:
    """Return how often values turn round; steps below the dead band are none."""
    turned, way, at = 0, 0, values[0]
    for value in values[1:]:
        change = _EXACT.subtract(value, at)
        if change == _ZERO or _EXACT.abs(change) < dead_band:
            continue
        now = 1 if change > _ZERO else -1
        turned += way not in (0, now)
        way, at = now, value
    return turned


@lru_cache(4096)
def _decimal(number: float) -> Decimal:
    """Return a limit as a person wrote it: the shortest digits that mean it."""
    return Decimal(repr(float(number)))
