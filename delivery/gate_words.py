"""Why the gate refuses a message, as values with words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Why(StrEnum):
    """What is wrong."""

    SIGNATURE = "signature"
    UNREADABLE = "unreadable"
    MODE_OFF = "mode_off"
    MODE_SHADOW = "mode_shadow"
    LOOP_ENDED = "loop_ended"
    NOT_APPROVED = "not_approved"
    AI_OFF = "ai_off"
    HEARTBEAT = "heartbeat"
    FUTURE = "future"
    EXPIRED = "expired"
    LIFETIME = "lifetime"
    COUNTER = "counter"
    REPLAYED = "replayed"
    OTHER_UNIT = "other_unit"
    OTHER_PROGRAM = "other_program"
    NO_PROGRAM = "no_program"
    PARTS = "parts"
    NO_PART = "no_part"
    NO_SERIAL = "no_serial"
    KIND = "kind"
    INPUTS = "inputs"
    NO_BASIS = "no_basis"
    STALE = "stale"
    NO_WINDOW = "no_window"
    WINDOW = "window"
    UNKNOWN = "unknown"
    TWICE = "twice"
    MISSING = "missing"
    UNIT = "unit"
    NO_NUMBER = "no_number"
    BELOW = "below"
    ABOVE = "above"
    STEP = "step"
    RATE = "rate"
    DEAD_BAND = "dead_band"
    JOINT_LIMIT = "joint_limit"
    NOT_READ_BACK = "not_read_back"
    SWINGS = "swings"


_WORDS: Final[Mapping[Why, str]] = {
    Why.SIGNATURE: "it is not signed with the key of its controller",
    Why.UNREADABLE: "it cannot be read: {name}",
    Why.MODE_OFF: "nothing is delivered to the work unit: its mode is off",
    Why.MODE_SHADOW: "nothing is delivered to the work unit: its mode is shadow",
    Why.LOOP_ENDED: "the closed loop has ended, and no person approved it",
    Why.NOT_APPROVED: "no person approved it",
    Why.AI_OFF: "the switch at the machine says AI off",
    Why.HEARTBEAT: "its controller was not heard for longer than {limit} {unit}",
    Why.FUTURE: "it is of a time to come",
    Why.EXPIRED: "it has expired",
    Why.LIFETIME: "it holds for no time, or for more than seven days",
    Why.COUNTER: "its counter {value} is not above {limit}",
    Why.REPLAYED: "it was sent before",
    Why.OTHER_UNIT: "it is for '{name}', not for '{limit}'",
    Why.OTHER_PROGRAM: "it is for program '{name}', in use is '{limit}'",
    Why.NO_PROGRAM: "the work unit has no program '{name}'",
    Why.PARTS: "a changeover names each kind of part once, and one at least",
    Why.NO_PART: "there is no approved '{name}'",
    Why.NO_SERIAL: "no serial number is named",
    Why.KIND: "a message of kind '{name}' bears no such thing",
    Why.INPUTS: "what it rests on is not to be trusted: {name}",
    Why.NO_BASIS: "it does not say what it rests on, and no person approved it",
    Why.STALE: "what it rests on is {value} {unit} old, more than {limit} {unit}",
    Why.NO_WINDOW: "no process window is in force for program '{name}', or two alike",
    Why.WINDOW: "it was made for version {value} of the process window; in force is {limit}",
    Why.UNKNOWN: "the process window has no parameter '{name}'",
    Why.TWICE: "parameter '{name}' is given twice",
    Why.MISSING: "'{name}' is missing",
    Why.UNIT: "{name} is given in '{value}', not in '{limit}'",
    Why.NO_NUMBER: "{name} is no number that can be set",
    Why.BELOW: "{name} would be {value} {unit}, below {limit} {unit}",
    Why.ABOVE: "{name} would be {value} {unit}, above {limit} {unit}",
    Why.STEP: "{name} would change by {value} {unit}, more than {limit} {unit} at once",
    Why.RATE: "{name} would change by {value} {unit}, more than {limit} {unit} since it last changed",
    Why.DEAD_BAND: "{name} would change by {value} {unit}, less than its dead band of {limit} {unit}",
    Why.JOINT_LIMIT: "{name} would be {value} {unit}, beyond {limit} {unit}",
    Why.NOT_READ_BACK: "nobody knows what is in use, and no person approved it",
    Why.SWINGS: "{name} would turn round {value} times in a few messages: the loop does not settle",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a message may not leave."""

    why: Why
    name: str = ""
    """Of the parameter, or what it is about."""
    value: str = ""
    limit: str = ""
    unit: str = ""

    @property
    def words(self) -> str:
        """A sentence for people."""
        return _WORDS[self.why].format(name=self.name, value=self.value, limit=self.limit, unit=self.unit)
