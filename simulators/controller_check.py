"""What a line controller checks by itself before it does what a message says: the reference check of the other side.

It has its own reader of JSON, its own limits and its own arithmetic, and shares no code with Leadhand's own checks: what one of them lets
through by a mistake, the others stop. ``docs/plc/leadhand_check.st`` is the same check in IEC 61131-3 structured text: same codes, same
order, same constants. A controller says the first thing that is wrong, and does nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from plant.process_windows import ProcessWindow
from simulators.controller_reading import Order, read_order

CLOCK_SKEW_US: Final = 2_000_000
"""A message may come from so far ahead of the controller's own clock."""
LONGEST_US: Final = 7 * 86_400_000_000
"""No message may hold for longer."""
SLACK: Final = 1.0e-6
"""Share of a step by which a difference of two LREAL may be off: 8.3 - 8.2 is a little more than 0.1."""
JOINT_SLACK: Final = 1.0e-9
HOUR_US: Final = 3_600_000_000


class Code(IntEnum):
    """Why a controller refuses, in the order in which it looks; the numbers are those of the structured text."""

    OK = 0
    SIGNATURE = 1
    """Not signed, signed with another key, or changed on the way."""
    UNREADABLE = 2
    """No message of this format."""
    OTHER_UNIT = 3
    AI_OFF = 4
    """The switch at the machine."""
    LOCAL = 5
    """Leadhand's heartbeat was lost: the controller goes by its own set points."""
    COUNTER = 6
    """Not higher than that of the last message taken: replayed, or out of order."""
    EXPIRED = 7
    FUTURE = 8
    """Issued later than now."""
    LIFETIME = 9
    """Holds for no time, or for longer than any message may."""
    KIND = 10
    """Not for this controller."""
    PROGRAM = 11
    """It has no such program."""
    WINDOW = 12
    """Made for another version of the process window than the controller's."""
    COUNT = 13
    """A parameter is missing, or there are more than the program has."""
    UNKNOWN = 14
    """A parameter that the program has not, or the same one twice."""
    UNIT = 15
    NO_NUMBER = 16
    BELOW = 17
    ABOVE = 18
    STEP = 19
    DEAD_BAND = 20
    RATE = 21
    JOINT_LIMIT = 22
    PART = 23
    """A changeover to a part that the controller has not, or a hold without a serial number."""

    @property
    def word(self) -> str:
        """As answers bear it."""
        return self.name.lower()


class Formula(IntEnum):
    """How several parameters are tied."""

    LINEAR = 1
    RATIO = 2
    HEAT_INPUT = 3


@dataclass(frozen=True, slots=True)
class ParameterLimit:
    """What one parameter of a program may be."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    rate: float = 0.0
    """Largest change in an hour; 0: not limited."""
    dead_band: float = 0.0


@dataclass(frozen=True, slots=True)
class JointLimit:
    """What several parameters keep together; ``members`` are places in the program's parameters."""

    formula: Formula
    members: tuple[int, ...]
    weights: tuple[float, ...]
    """LINEAR: one for each member; HEAT_INPUT: the efficiency."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What an engineer typed into the controller for one program."""

    program: str
    version: int
    parameters: tuple[ParameterLimit, ...]
    joints: tuple[JointLimit, ...] = ()
    job: str = ""
    """Empty: any."""


def program_limits(window: ProcessWindow, program: str, job: str = "") -> ProgramLimits:
    """Return the limits of a program as an engineer types them in from its process window."""
    places = {one.name: place for place, one in enumerate(window.parameters)}
    joints = []
    for one in window.joint_limits:
        if one.formula == "linear":
            formula, members, weights = Formula.LINEAR, tuple(one.weights), tuple(one.weights.values())
        elif one.formula == "ratio":
            formula, members, weights = Formula.RATIO, (one.over or "", one.under or ""), ()
        else:
            formula, members, weights = Formula.HEAT_INPUT, (one.voltage or "", one.current or "", one.speed or ""), (one.efficiency,)
        low, high = -math.inf if one.low is None else one.low, math.inf if one.high is None else one.high
        joints.append(JointLimit(formula, tuple(places[name] for name in members), weights, low, high))
    parameters = tuple(
        ParameterLimit(one.name, one.unit, one.low, one.high, one.step, one.rate or 0.0, one.dead_band) for one in window.parameters
    )
    return ProgramLimits(program, window.version, parameters, tuple(joints), job)


@dataclass(slots=True)
class Situation:
    """What a controller knows by itself: typed in, switched, measured, remembered."""

    work_unit: str
    keys: Mapping[str, bytes]
    programs: tuple[ProgramLimits, ...] = ()
    kinds: frozenset[str] = frozenset({"parameters", "job", "route", "changeover", "hold", "release", "offsets", "design_change"})
    parts: frozenset[tuple[str, str]] | None = None
    """Kind and name of all that can be switched on; None: anything."""
    offsets: Mapping[str, float] = field(default_factory=lambda: {"mm": 10.0, "deg": 5.0})
    """How far a spindle may be moved either way, by unit."""
    ai_off: bool = False
    local: bool = False
    counter: int = 0
    """Of the last message taken."""
    values: dict[str, float] = field(default_factory=dict)
    """Set points in force."""
    changed_us: dict[str, int] = field(default_factory=dict)
    """When each was changed last; one that never was has no rate to keep."""

    def limits(self, program: str, job: str) -> ProgramLimits | None:
        """Return what was typed in for a program; for a job of its own before any job."""
        found = [one for one in self.programs if one.program == program and one.job in ("", job)]
        return max(found, key=lambda one: one.job != "", default=None)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check: the code, of what, and the message where it could be read."""

    code: Code
    name: str = ""
    order: Order | None = None


def check(text: str, signature: str, situation: Situation, now_us: int) -> Checked:
    """Return the first thing that is wrong with a message, or OK. Nothing is remembered here."""
    if not _signed(text, signature, situation.keys):
        return Checked(Code.SIGNATURE)
    order = read_order(text)
    if order is None:
        return Checked(Code.UNREADABLE)
    return check_order(order, situation, now_us)


def check_order(order: Order, situation: Situation, now_us: int) -> Checked:
    """Return the first thing that is wrong with a message that was read, and whose signature holds. It is the part in structured text."""
    code, name = _heads(order, situation, now_us), ""
    if code is Code.OK:
        if order.kind == "offsets":
            code, name = _offsets(order, situation)
        elif order.kind in ("parameters", "job"):
            code, name = _program(order, situation, now_us)
        elif order.parameters:
            code = Code.COUNT
    if code is Code.OK:
        code = _parts(order, situation)
    return Checked(code, name, order)


def _heads(order: Order, situation: Situation, now_us: int) -> Code:
    if order.work_unit != situation.work_unit:
        return Code.OTHER_UNIT
    if situation.ai_off:
        return Code.AI_OFF
    if situation.local:
        return Code.LOCAL
    if order.counter <= situation.counter:
        return Code.COUNTER
    if now_us >= order.expires_us:
        return Code.EXPIRED
    if order.issued_us > now_us + CLOCK_SKEW_US:
        return Code.FUTURE
    if order.expires_us <= order.issued_us or order.expires_us - order.issued_us > LONGEST_US:
        return Code.LIFETIME
    return Code.OK if order.kind in situation.kinds else Code.KIND


def _program(order: Order, situation: Situation, now_us: int) -> tuple[Code, str]:
    if order.kind == "job" and not order.parameters:
        known = order.program == "" or any(one.program == order.program for one in situation.programs)
        return (Code.OK, "") if known else (Code.PROGRAM, order.program)
    limits = situation.limits(order.program, order.job)
    if limits is None:
        return Code.PROGRAM, order.program
    if order.window_version != limits.version:
        return Code.WINDOW, ""
    if len(order.parameters) != len(limits.parameters):
        return Code.COUNT, ""
    return _parameters(order, limits, situation, now_us)


def _parameters(order: Order, limits: ProgramLimits, situation: Situation, now_us: int) -> tuple[Code, str]:
    given = [0.0] * len(limits.parameters)
    found = [False] * len(limits.parameters)
    for name, value, unit in order.parameters:
        place = -1
        for at, limit in enumerate(limits.parameters):
            if limit.name == name:
                place = at
        if place < 0 or found[place]:
            return Code.UNKNOWN, name
        found[place] = True
        code = _parameter(limits.parameters[place], value, unit, situation, now_us)
        if code is not Code.OK:
            return code, name
        given[place] = value
    for joint in limits.joints:
        if not _joint(joint, given):
            return Code.JOINT_LIMIT, ""
    return Code.OK, ""


def _parameter(limit: ParameterLimit, value: float, unit: str, situation: Situation, now_us: int) -> Code:
    if unit != limit.unit:
        return Code.UNIT
    if not math.isfinite(value):
        return Code.NO_NUMBER
    if value < limit.low:
        return Code.BELOW
    if value > limit.high:
        return Code.ABOVE
    present = situation.values.get(limit.name)
    if present is None:
        return Code.OK
    change = abs(value - present)
    if change > limit.step * (1.0 + SLACK):
        return Code.STEP
    if limit.step * SLACK < change < limit.dead_band * (1.0 - SLACK):
        return Code.DEAD_BAND
    changed_us = situation.changed_us.get(limit.name)
    if limit.rate > 0.0 and changed_us is not None and change > limit.step * SLACK:
        most = limit.rate * max(0, now_us - changed_us) / HOUR_US
        if change > most * (1.0 + SLACK):
            return Code.RATE
    return Code.OK


def _joint(joint: JointLimit, given: list[float]) -> bool:
    if joint.formula is Formula.LINEAR:
        value = 0.0
        for member, weight in zip(joint.members, joint.weights, strict=True):
            value = value + weight * given[member]
    elif joint.formula is Formula.RATIO:
        if given[joint.members[1]] == 0.0:
            return False
        value = given[joint.members[0]] / given[joint.members[1]]
    else:
        if given[joint.members[2]] == 0.0:
            return False
        value = given[joint.members[0]] * given[joint.members[1]] * 60.0 / (given[joint.members[2]] * 1000.0) * joint.weights[0]
    return joint.low - JOINT_SLACK * abs(value) <= value <= joint.high + JOINT_SLACK * abs(value)


def _offsets(order: Order, situation: Situation) -> tuple[Code, str]:
    if not order.parameters:
        return Code.COUNT, ""
    seen = set()
    for name, value, unit in order.parameters:
        if name in seen:
            return Code.UNKNOWN, name
        seen.add(name)
        most = situation.offsets.get(unit)
        if most is None:
            return Code.UNIT, name
        if not math.isfinite(value):
            return Code.NO_NUMBER, name
        if value < -most:
            return Code.BELOW, name
        if value > most:
            return Code.ABOVE, name
    return Code.OK, ""


def _parts(order: Order, situation: Situation) -> Code:
    if order.kind == "changeover":
        if not order.parts or len({kind for kind, _, _ in order.parts}) != len(order.parts):
            return Code.PART
        if situation.parts is not None and any((kind, name) not in situation.parts for kind, name, _ in order.parts):
            return Code.PART
    if order.kind in ("hold", "release") and order.serial == "":
        return Code.PART
    return Code.OK


def _signed(text: str, signature: str, keys: Mapping[str, bytes]) -> bool:
    key_id, dot, digits = signature.partition(".")
    if dot == "" or key_id not in keys or not re.fullmatch("[0-9a-f]{64}", digits):
        return False
    try:
        whole = text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return hmac.compare_digest(hmac.digest(keys[key_id], whole, hashlib.sha256), bytes.fromhex(digits))
