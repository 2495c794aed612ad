"""Bolts of a slewing bearing as they really come: good ones that scatter, and some two dozen ways to be wrong, each with what became of it.

M24 x 3, class 10.9, clamped over 7.5 d, in tapped holes with a locking patch, by several spindles at once: snug at 150 N.m, then
to 950 N.m.
Where the figures come from:

* 950 N.m gives some 257 kN at a friction of 0.12: 90 % of what the bolt bears (VDI 2230 part 1, table A1: M24, 10.9). Makers of
  slewing bearings ask for 900 N.m at 0.14, a clamping length of 5 d or more, and 70 % of the yield point at least.
* Gradient: torque factor times joint stiffness times pitch / 360. Bolt 0.44 MN/mm over 180 mm, plates some 2 MN/mm: 9 N.m a degree.
* Friction of one batch of coated bolts scatters by some 3 % (one sigma); from oiled to dry it lies between 0.08 and 0.20 (VDI 2230,
  table A5).
* A washer of M24 is 4 mm thick (ISO 7089): 480 degrees of run-down. Class 8.8 yields at 640 N/mm2 instead of 940 (ISO 898-1).

The generator is frozen: ``VERSION`` rises with every change of what it makes, and a test holds the hash of a sample of its curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.joint_curves import CurveStep, CurveWindow, JointCurve, Quantity

Column = npt.NDArray[np.float64]

VERSION: Final = 1
PROGRAM: Final = "Slewing bearing M24 patch"
SNUG_NM: Final = 150.0
TARGET_NM: Final = 950.0
TORQUE_WINDOW: Final = (902.5, 997.5)
ANGLE_WINDOW: Final = (70.0, 125.0)
RUN_DOWN_WINDOW: Final = (1000.0, 1900.0)
SAMPLE_S: Final = 0.002

_NM_PER_KN: Final = TARGET_NM / 257.0
_KN_PER_DEG: Final = 9.0 / _NM_PER_KN
_YIELD_KN: Final = 300.0
_RUN_DOWN_DEG: Final = 1440.0
_WASHER_DEG: Final = 480.0
_FAST_DEG: Final = 2.4
"""Turned in one sample while the bolt runs down: 200 revolutions a minute."""
_SLOW_DEG: Final = 0.12
"""While it is tightened: 10 revolutions a minute."""


class Wrong(StrEnum):
    """What is wrong with a joint or its tightening."""

    NOTHING = "nothing"
    CROSS_THREAD = "cross_thread"
    STRIPPED_THREAD = "stripped_thread"
    MISSING_WASHER = "missing_washer"
    WASHER_DOUBLED = "washer_doubled"
    SHORT_RUN_DOWN = "short_run_down"
    LONG_RUN_DOWN = "long_run_down"
    STICK_SLIP = "stick_slip"
    PREVAILING_HIGH = "prevailing_high"
    PREVAILING_LOST = "prevailing_lost"
    YIELD_EARLY = "yield_early"
    OVER_YIELD = "over_yield"
    SOFT_JOINT = "soft_joint"
    BOLT_TOO_LONG = "bolt_too_long"
    BOLT_TOO_SHORT = "bolt_too_short"
    WRONG_GRADE = "wrong_grade"
    FRICTION_LOW = "friction_low"
    FRICTION_HIGH = "friction_high"
    RE_HIT = "re_hit"
    SOCKET_SLIP = "socket_slip"
    PREMATURE_STOP = "premature_stop"
    TRANSDUCER_DRIFT = "transducer_drift"
    TRANSDUCER_OFFSET = "transducer_offset"
    ENCODER_SLIP = "encoder_slip"
    WRONG_PROGRAM = "wrong_program"
    SPINDLE_SWAPPED = "spindle_swapped"


FAULTS: Final = tuple(kind for kind in Wrong if kind is not Wrong.NOTHING)


@dataclass(frozen=True, slots=True)
class Tool:
    """What one spindle does to all it measures."""

    gain: float
    zero_nm: float
    wind_up: float
    """Degrees it twists a newton metre."""
    ripple: float
    ripple_deg: float
    overshoot_nm: float
    serial: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What the bolts of one delivery have in common."""

    friction: float
    patch: float
    stiffness: float
    longer_deg: float


@dataclass(frozen=True, slots=True)
class Made:
    """One tightening, and what became of the joint."""

    curve: JointCurve
    wrong: Wrong
    clamp_kn: float
    """The force the joint is held by: what a good one has between 205 and 310 kN of."""


@dataclass(frozen=True, slots=True)
class _Joint:
    """The bolt and its place, before the tool comes."""

    seat_deg: float
    patch_nm: float
    friction: float
    stiffness: float
    toe_deg: float
    bend: float
    yield_kn: float = _YIELD_KN
    hardening: float = 0.25
    target_nm: float = TARGET_NM
    stop_deg: float = 150.0
    settles: float = 0.008
    turned_deg: float = 0.0
    """How far it was turned before."""
    drag: Callable[[Column], Column] | None = None
    """Torque more than usual while it runs down, by the angle."""
    force: Callable[[Column], Column] | None = None
    """The clamp force, by the angle since the seat, where it is not the usual."""
    force_lost: Callable[[Column, Column], Column] | None = None
    torque_made: Callable[[Column, Column], Column] | None = None


def tools(seed: int, count: int = 4) -> tuple[Tool, ...]:
    """Return so many spindles; each has its own small faults of measuring."""
    chance = np.random.default_rng((VERSION, 11, seed))
    return tuple(
        Tool(
            float(chance.normal(1.0, 0.004)),
            float(chance.normal(0.0, 1.0)),
            float(chance.uniform(0.0020, 0.0035)),
            float(chance.uniform(0.001, 0.004)),
            float(chance.uniform(6.0, 14.0)),
            float(chance.uniform(1.0, 6.0)),
            f"ST-{seed % 1000:03d}-{number + 1}",
        )
        for number in range(count)
    )


def batch(seed: int) -> Batch:
    """Return a delivery of bolts."""
    chance = np.random.default_rng((VERSION, 13, seed))
    return Batch(
        float(np.clip(chance.normal(1.0, 0.015), 0.96, 1.04)),
        float(np.clip(chance.normal(1.0, 0.06), 0.85, 1.15)),
        float(np.clip(chance.normal(1.0, 0.008), 0.98, 1.02)),
        float(np.clip(chance.normal(0.0, 15.0), -40.0, 40.0)),
    )


def tighten_joint(tool: Tool, bolts: Batch, seed: int, wrong: Wrong = Wrong.NOTHING, *, spindle: int = 1, part: str = "") -> Made:
    """Return one tightening; the same arguments give the same, on every machine."""
    chance = np.random.default_rng((VERSION, 17, seed, list(Wrong).index(wrong)))
    joint = _Joint(
        _RUN_DOWN_DEG + bolts.longer_deg + float(chance.uniform(-110.0, 110.0)),
        30.0 * bolts.patch * float(np.clip(chance.normal(1.0, 0.08), 0.75, 1.25)),
        bolts.friction * float(np.clip(chance.normal(1.0, 0.022), 0.93, 1.07)),
        bolts.stiffness * float(np.clip(chance.normal(1.0, 0.008), 0.975, 1.025)),
        12.0 * float(np.exp(np.clip(chance.normal(0.0, 0.22), -0.6, 0.6))),
        float(np.clip(chance.normal(0.0, 0.015), -0.04, 0.04)),
    )
    joint = _SPOILT[wrong](joint, chance) if wrong in _SPOILT else joint
    elapsed, torque, angle, force, steps = _drive(joint, tool, chance)
    if wrong in _MEASURED:
        torque, angle = _MEASURED[wrong](torque, angle, steps, chance)
    curve = _told(np.round(elapsed, 4), np.round(torque * 20) / 20, np.round(angle * 8) / 8, steps, tool)
    return Made(replace(curve, part=part, spindle=str(spindle), taken=f"{seed}"), wrong, force)


def _drive(joint: _Joint, tool: Tool, chance: np.random.Generator) -> tuple[Column, Column, Column, float, tuple[int, int]]:
    """Return time, torque and angle as measured, the clamp force at last, and where tightening and hold begin."""
    fast = np.arange(joint.turned_deg, joint.turned_deg + 2900.0, _FAST_DEG)
    rough = _torque(joint, fast)[0]
    snug = int(np.argmax(rough >= SNUG_NM)) if np.any(rough >= SNUG_NM) else len(fast) - 1
    snug = max(snug, 12)
    slow = fast[snug] + np.arange(1, int(joint.stop_deg / _SLOW_DEG) + 1) * _SLOW_DEG
    turned = np.concatenate([fast[:snug], slow])
    torque, force = _torque(joint, turned)
    reached = np.flatnonzero(torque[snug:] * tool.gain + tool.zero_nm >= joint.target_nm + tool.overshoot_nm * 0.5)
    end = snug + int(reached[0]) + 1 if len(reached) else len(turned)
    end = max(end, snug + 3)
    turned, torque, force = turned[:end], torque[:end], force[:end]
    kept = np.arange(1, 26)
    settled = 1 - joint.settles * (1 - np.exp(-kept / 8.0))
    torque = np.concatenate([torque, torque[-1] * settled])
    turned = np.concatenate([turned, np.full(25, turned[-1])])
    seen = torque * tool.gain + tool.zero_nm
    seen += tool.ripple * seen * np.sin(2 * np.pi * turned / tool.ripple_deg + chance.uniform(0, 2 * np.pi))
    seen = seen + chance.normal(0.0, np.where(np.arange(len(seen)) < snug, 1.6, 0.9))
    angle = turned - joint.turned_deg + tool.wind_up * torque
    elapsed = np.arange(len(seen), dtype=np.float64) * SAMPLE_S
    return elapsed, np.asarray(seen, np.float64), angle, float(force[-1] * settled[-1]), (snug, end)


def _torque(joint: _Joint, turned: Column) -> tuple[Column, Column]:
    """Return the torque at the bolt and its force by the angle it is turned to."""
    closed = np.maximum(turned - joint.seat_deg, 0.0)
    if joint.force is not None:
        elastic = joint.force(closed)
    else:
        elastic = _KN_PER_DEG * joint.stiffness * (closed - joint.toe_deg * (1 - np.exp(-closed / joint.toe_deg)))
    over = np.maximum(elastic - joint.yield_kn, 0.0)
    room = 0.12 * joint.yield_kn
    force = np.minimum(elastic, joint.yield_kn) + joint.hardening * room * (1 - np.exp(-over / room)) + 0.03 * over
    if joint.force_lost is not None:
        force = joint.force_lost(closed, force)
    patch = joint.patch_nm * np.clip(turned / 300.0, 0.1, 1.0)
    torque = patch + _NM_PER_KN * joint.friction * force * (1 + joint.bend * (force / 257.0 - 0.5)) - patch * np.clip(force / 257.0, 0, 1)
    if joint.drag is not None:
        torque = torque + joint.drag(turned)
    if joint.torque_made is not None:
        torque = joint.torque_made(closed, torque)
    return torque, force


def _told(elapsed: Column, torque: Column, angle: Column, steps: tuple[int, int], tool: Tool) -> JointCurve:
    """Return the curve with what the controller says of its steps."""
    snug, end = steps
    run_down = float(angle[snug - 1])
    final, turned = float(torque[snug:end].max()), float(angle[end - 1] - angle[snug - 1])
    inside = RUN_DOWN_WINDOW[0] <= run_down <= RUN_DOWN_WINDOW[1]
    good = TORQUE_WINDOW[0] <= final <= TORQUE_WINDOW[1] and ANGLE_WINDOW[0] <= turned <= ANGLE_WINDOW[1]
    told = (
        CurveStep(
            "Run-down", 0, Quantity.TORQUE, SNUG_NM, float(torque[snug - 1]), 200.0,
            (CurveWindow(Quantity.ANGLE, *RUN_DOWN_WINDOW, run_down),), inside,
        ),
        CurveStep(
            "Tightening", snug, Quantity.TORQUE, TARGET_NM, final, 10.0,
            (CurveWindow(Quantity.TORQUE, *TORQUE_WINDOW, final), CurveWindow(Quantity.ANGLE, *ANGLE_WINDOW, turned)), good,
        ),
    )  # fmt: skip
    return JointCurve(PROGRAM, elapsed, torque, angle, told, inside and good, tool=tool.serial, release_s=float(elapsed[end - 1]))


def _cross_thread(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt that jams askew, early and hard; or that is forced through, and drags all the way."""
    jam = float(chance.uniform(150.0, 1000.0))
    if chance.random() < 0.6:
        slope = float(chance.uniform(4.0, 22.0))
        return replace(joint, force=lambda closed: 0.25 * closed, drag=lambda turned: slope * np.maximum(turned - jam, 0.0))
    drag, grows = float(chance.uniform(45.0, 130.0)), float(chance.uniform(0.1, 0.9))
    return replace(joint, drag=lambda turned: drag * np.clip((turned - jam) / 150.0, 0, 1) * (1 + grows * np.clip(turned / 1500.0, 0, 1)))


def _stripped_thread(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a thread that gives way: torque falls, or stands, while the bolt turns on."""
    gives, keeps, over = float(chance.uniform(80.0, 235.0)), float(chance.uniform(0.15, 0.85)), float(chance.uniform(15.0, 90.0))

    def lost(closed: Column, force: Column) -> Column:
        at = float(closed[int(np.argmax(force >= gives))]) if np.any(force >= gives) else np.inf
        worn = gives * (keeps + (1 - keeps) * np.exp(-np.maximum(closed - at, 0.0) / over))
        return np.where(closed > at, np.minimum(force, worn), force)

    return replace(joint, force_lost=lost)


def _run_further(low: float, high: float) -> Callable[[_Joint, np.random.Generator], _Joint]:
    return lambda joint, chance: replace(joint, seat_deg=joint.seat_deg + float(chance.uniform(low, high)))


def _stick_slip(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a joint whose torque saws: it sticks, and gives way all at once."""
    depth, period, starts = float(chance.uniform(0.05, 0.2)), float(chance.uniform(1.5, 9.0)), float(chance.uniform(0.15, 0.6))

    def saws(closed: Column, torque: Column) -> Column:
        begun = torque > starts * TARGET_NM
        return np.where(begun, torque * (1 - depth * ((closed / period) % 1.0)), torque)

    return replace(joint, torque_made=saws)


def _prevailing_high(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a thread full of paint, dirt or swarf."""
    drag, waves = float(chance.uniform(25.0, 95.0)), float(chance.uniform(0.0, 0.3))
    begins = float(chance.uniform(0.0, 700.0))
    return replace(
        joint, drag=lambda turned: drag * np.clip((turned - begins) / 120.0, 0, 1) * (1 + waves * np.sin(2 * np.pi * turned / 360.0))
    )


def _yields(low: float, high: float) -> Callable[[_Joint, np.random.Generator], _Joint]:
    def spoil(joint: _Joint, chance: np.random.Generator) -> _Joint:
        return replace(joint, yield_kn=float(chance.uniform(low, high)), hardening=float(chance.uniform(0.1, 0.6)))

    return spoil


def _over_yield(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt that the tool drives far beyond its yield point: it does not stop, or torque tells it too late."""
    return replace(
        joint,
        target_nm=TARGET_NM * float(chance.uniform(1.12, 1.35)),
        stop_deg=float(chance.uniform(135.0, 150.0)),
        hardening=float(chance.uniform(0.05, 0.3)),
        yield_kn=float(chance.uniform(240.0, 275.0)),
    )


def _soft_joint(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a joint with paint, a burr or a gasket in it: it closes late, and it settles."""
    toe = joint.toe_deg + float(chance.uniform(35.0, 110.0))
    return replace(joint, toe_deg=toe, settles=float(chance.uniform(0.03, 0.12)))


def _bolt_too_long(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt that meets the ground of its hole: all goes to the short piece below, none to the joint."""
    if chance.random() < 0.5:
        steeper = float(chance.uniform(1.8, 4.0))
        return replace(
            joint, seat_deg=joint.seat_deg - float(chance.uniform(10.0, 300.0)), stiffness=joint.stiffness * steeper, toe_deg=4.0
        )
    at, steeper = float(chance.uniform(25.0, 65.0)), float(chance.uniform(1.8, 4.0))
    rate = _KN_PER_DEG * joint.stiffness

    def meets(closed: Column) -> Column:
        elastic = rate * (closed - joint.toe_deg * (1 - np.exp(-closed / joint.toe_deg)))
        return elastic + rate * (steeper - 1) * np.maximum(closed - at, 0.0)

    return replace(joint, force=meets)


def _bolt_too_short(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt with few turns in its thread, which may give way."""
    few = replace(joint, seat_deg=joint.seat_deg - float(chance.uniform(420.0, 1150.0)), patch_nm=joint.patch_nm * 0.7)
    return _stripped_thread(few, chance) if chance.random() < 0.3 else few


def _wrong_grade(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt of class 8.8 or 5.6."""
    share = float(chance.choice([640 / 940, 300 / 940]))
    return replace(joint, yield_kn=_YIELD_KN * share * float(chance.uniform(0.96, 1.06)), hardening=float(chance.uniform(0.2, 0.6)))


def _rubs(low: float, high: float) -> Callable[[_Joint, np.random.Generator], _Joint]:
    return lambda joint, chance: replace(joint, friction=joint.friction * float(chance.uniform(low, high)))


def _re_hit(joint: _Joint, chance: np.random.Generator) -> _Joint:
    """Return a bolt that is tight already."""
    before = joint.seat_deg + joint.toe_deg + float(chance.uniform(45.0, 112.0))
    return replace(joint, turned_deg=before)


def _premature(joint: _Joint, chance: np.random.Generator) -> _Joint:
    return replace(joint, target_nm=TARGET_NM * float(chance.uniform(0.2, 0.92)))


def _wrong_program(joint: _Joint, chance: np.random.Generator) -> _Joint:
    low = chance.random() < 0.5
    return replace(joint, target_nm=float(chance.uniform(520.0, 860.0) if low else chance.uniform(1030.0, 1150.0)))


_SPOILT: Final[dict[Wrong, Callable[[_Joint, np.random.Generator], _Joint]]] = {
    Wrong.CROSS_THREAD: _cross_thread,
    Wrong.STRIPPED_THREAD: _stripped_thread,
    Wrong.MISSING_WASHER: _run_further(0.9 * _WASHER_DEG, 1.1 * _WASHER_DEG),
    Wrong.WASHER_DOUBLED: _run_further(-1.1 * _WASHER_DEG, -0.9 * _WASHER_DEG),
    Wrong.SHORT_RUN_DOWN: _run_further(-1250.0, -340.0),
    Wrong.LONG_RUN_DOWN: _run_further(340.0, 1250.0),
    Wrong.STICK_SLIP: _stick_slip,
    Wrong.PREVAILING_HIGH: _prevailing_high,
    Wrong.PREVAILING_LOST: lambda joint, chance: replace(joint, patch_nm=float(chance.uniform(0.5, 12.0))),
    Wrong.YIELD_EARLY: _yields(100.0, 215.0),
    Wrong.OVER_YIELD: _over_yield,
    Wrong.SOFT_JOINT: _soft_joint,
    Wrong.BOLT_TOO_LONG: _bolt_too_long,
    Wrong.BOLT_TOO_SHORT: _bolt_too_short,
    Wrong.WRONG_GRADE: _wrong_grade,
    Wrong.FRICTION_LOW: _rubs(0.50, 0.82),
    Wrong.FRICTION_HIGH: _rubs(1.22, 1.75),
    Wrong.RE_HIT: _re_hit,
    Wrong.PREMATURE_STOP: _premature,
    Wrong.WRONG_PROGRAM: _wrong_program,
}


def _socket_slip(torque: Column, angle: Column, steps: tuple[int, int], chance: np.random.Generator) -> tuple[Column, Column]:
    """Return what is seen when the socket slips off the head and catches again; or does not."""
    snug, end = steps
    torque, angle = torque.copy(), angle.copy()
    for _ in range(int(chance.integers(1, 4))):
        at = int(chance.integers(snug + (end - snug) // 5, max(snug + (end - snug) // 5 + 1, end - 10)))
        wide = int(chance.integers(4, 60))
        torque[at : at + wide] *= chance.uniform(0.0, 0.25)
        angle[at:] += chance.uniform(15.0, 60.0)
    return torque, angle


def _drift(torque: Column, angle: Column, _: tuple[int, int], chance: np.random.Generator) -> tuple[Column, Column]:
    """Return what a transducer shows that lost its gain; the tool stops by what it shows, so the angle differs."""
    gain = float(chance.uniform(0.68, 0.84) if chance.random() < 0.5 else chance.uniform(1.19, 1.4))
    shown = torque * gain
    done = np.flatnonzero(shown >= TARGET_NM)
    kept = min(len(shown), int(done[0]) + 5) if len(done) else len(shown)
    return np.concatenate([shown[:kept], np.full(len(shown) - kept, shown[kept - 1])]), np.concatenate(
        [angle[:kept], np.full(len(angle) - kept, angle[kept - 1])]
    )


def _offset(torque: Column, angle: Column, _: tuple[int, int], chance: np.random.Generator) -> tuple[Column, Column]:
    return torque + float(chance.uniform(25.0, 120.0) * chance.choice([-1.0, 1.0])), angle


def _encoder_slip(torque: Column, angle: Column, steps: tuple[int, int], chance: np.random.Generator) -> tuple[Column, Column]:
    """Return what an encoder shows that loses counts: at once, now and then, or in proportion."""
    snug, end = steps
    lost = np.zeros(len(angle))
    kind = int(chance.integers(3))
    if kind == 0:
        lost[int(chance.integers(snug, max(snug + 1, end - 20))) :] = chance.uniform(18.0, 70.0)
    elif kind == 1:
        for at in chance.integers(snug, max(snug + 1, end - 20), int(chance.integers(4, 9))):
            lost[at:] += chance.uniform(5.0, 15.0)
    else:
        lost = np.maximum(angle - angle[snug], 0.0) * chance.uniform(0.22, 0.6)
    return torque, np.maximum.accumulate(angle - lost) if kind < 2 else angle - lost


def _swapped(torque: Column, angle: Column, steps: tuple[int, int], chance: np.random.Generator) -> tuple[Column, Column]:
    """Return torque of one spindle with the angle of its neighbour, which began at another time."""
    late = int(chance.integers(60, 400) * chance.choice([-1, 1]))
    late = max(-(steps[1] - 20), late)
    moved = np.interp(np.arange(len(angle)) + late, np.arange(len(angle)), angle, left=float(angle[0]), right=float(angle[-1]))
    return torque, moved - moved[0]


_MEASURED: Final[
    dict[Wrong, Callable[[Column, Column, tuple[int, int], np.random.Generator], tuple[Column, Column]]]
] = {
    Wrong.SOCKET_SLIP: _socket_slip,
    Wrong.TRANSDUCER_DRIFT: _drift,
    Wrong.TRANSDUCER_OFFSET: _offset,
    Wrong.ENCODER_SLIP: _encoder_slip,
    Wrong.SPINDLE_SWAPPED: _swapped,
}  # fmt: skip
