"""What is delivered to a line controller: one message to one work unit, how far it has come, and what the controller said. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plant.recommendations import Stage


class Kind(StrEnum):
    """What a message asks for."""

    PARAMETERS = "parameters"
    """Set these parameters of a program."""
    JOB = "job"
    """Make this part, with this program."""
    ROUTE = "route"
    """Make a product by these steps from now on."""
    CHANGEOVER = "changeover"
    """Switch these parts on, as one."""
    HOLD = "hold"
    """Keep this part where it is: a verdict on it was not OK."""
    RELEASE = "release"
    """Let this part go on: a person has decided."""
    OFFSETS = "offsets"
    """Move the spindles by so much: where the bolts really are."""
    DESIGN_CHANGE = "design_change"
    """From a serial number on another design holds."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with its unit."""

    name: str
    value: float
    unit: str = "1"
    """UCUM code."""


@dataclass(frozen=True, slots=True)
class SetPart:
    """A program, a recipe or a fixture that is to be switched on."""

    kind: str
    """As ``plant.changeover_sets.PartKind``."""
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message before it has a number: what it asks, whom, resting on what, and for how long it holds."""

    kind: Kind
    work_unit: str
    source: str
    """What it comes from, e.g. ``tuning:12``; the same source is delivered to a work unit once."""
    slot: str
    """What it occupies at the work unit: of one slot one message at most is under way."""
    valid_seconds: float
    """It expires so long after it is sent."""
    job: str = ""
    program: str = ""
    product: str = ""
    serial: str = ""
    parameters: tuple[Quantity, ...] = ()
    parts: tuple[SetPart, ...] = ()
    steps: tuple[str, ...] = ()
    reason: str = ""
    window_version: int | None = None
    """Version of the process window of its program (``ProcessWindow.version``); None where it sets no parameters."""
    basis_from_us: int | None = None
    """Measurements from then on were looked at."""
    basis_to_us: int | None = None
    approved_by: str = ""
    """Who approved what it carries, where a person already did; empty: it waits for one."""
    group: str = ""
    """Messages that are carried out as one, or not at all, bear the same word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a controller gets to read. It never changes."""

    id: str
    """UUID."""
    kind: Kind
    work_unit: str
    counter: int
    """Higher than that of every message that the work unit was sent before."""
    issued_us: int
    expires_us: int
    job: str = ""
    program: str = ""
    product: str = ""
    serial: str = ""
    parameters: tuple[Quantity, ...] = ()
    parts: tuple[SetPart, ...] = ()
    steps: tuple[str, ...] = ()
    reason: str = ""
    window_version: int | None = None
    basis_from_us: int | None = None
    basis_to_us: int | None = None


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message as it leaves the house: the exact text, and the signature over its bytes."""

    number: int
    """Of the delivery, in this house."""
    message: Message
    text: str
    signature: str


class Verdict(StrEnum):
    """What a controller says of a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """It will not do it; nothing has changed."""
    EXECUTED = "executed"
    FAILED = "failed"
    """It began, could not finish, and is back at what was before."""
    MEASURED = "measured"
    """What came of it was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a controller says, as it came in."""

    message_id: str
    work_unit: str
    verdict: Verdict
    time_us: int
    """When it came in."""
    reason: str = ""
    readback: tuple[Quantity, ...] = ()
    """What is in force at the controller, read after it acted."""
    parts: tuple[SetPart, ...] = ()
    """Likewise, of a changeover."""
    measured: tuple[Quantity, ...] = ()
    actor: str = ""
    """Who said it: the controller's account or certificate; a person who settled it."""
    key: str = ""
    """What makes the same answer, sent again, the same."""


_NEXT: Final[Mapping[Stage, frozenset[Stage]]] = {
    Stage.PROPOSED: frozenset({Stage.APPROVED, Stage.DECLINED, Stage.EXPIRED}),
    Stage.APPROVED: frozenset({Stage.SENT, Stage.REFUSED, Stage.DECLINED, Stage.EXPIRED}),
    Stage.SENT: frozenset({Stage.ACCEPTED, Stage.REFUSED, Stage.EXPIRED, Stage.IN_DOUBT}),
    Stage.ACCEPTED: frozenset({Stage.EXECUTED, Stage.REFUSED, Stage.ROLLED_BACK, Stage.IN_DOUBT}),
    Stage.IN_DOUBT: frozenset({Stage.ACCEPTED, Stage.EXECUTED, Stage.REFUSED, Stage.ROLLED_BACK, Stage.EXPIRED}),
    Stage.EXECUTED: frozenset({Stage.MEASURED, Stage.ROLLED_BACK}),
    Stage.MEASURED: frozenset({Stage.ROLLED_BACK}),
    Stage.DECLINED: frozenset(),
    Stage.REFUSED: frozenset(),
    Stage.EXPIRED: frozenset(),
    Stage.ROLLED_BACK: frozenset(),
}
UNDER_WAY: Final = (Stage.SENT, Stage.ACCEPTED, Stage.IN_DOUBT)
"""A controller may be acting on it; a slot holds one of these at most."""


def may_become(now: Stage, then: Stage) -> bool:
    """Return whether a delivery may go from one stage to another; the same table stands in the database as a trigger."""
    return then in _NEXT[now]


def next_stages(now: Stage) -> frozenset[Stage]:
    """Return what may become of a delivery next; none: it is at its end."""
    return _NEXT[now]


GATE: Final = "gate"
"""Actor of a refusal by our own check."""
CLOSED_LOOP: Final = "closed loop"
"""Begins the actor of an approval that two persons gave beforehand: ``closed loop (name, name)``."""
