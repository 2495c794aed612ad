"""Deliveries as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from plant.recommendations import Declined
from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery as it stands in a list."""

    number: int
    message_id: str
    kind: str
    work_unit: str
    program: str
    job: str
    product: str
    serial: str
    reason: str
    """Why it is to be done, in words."""
    source: str
    group: str
    stage: str
    stage_us: int
    stage_actor: str
    stage_reason: str
    stage_note: str
    approved_by: str
    made_us: int
    expires_us: int | None
    """None before it is sent: its time begins when it leaves."""
    counter: int | None


@dataclass(frozen=True, slots=True)
class DeliveredValue:
    """One parameter of a message: what it was, what it is to be, what it may be, what was read back."""

    name: str
    unit: str
    value: float
    before: float | None
    low: float | None
    """None where no process window is known."""
    high: float | None
    readback: float | None
    measured: float | None


@dataclass(frozen=True, slots=True)
class DeliveredPart:
    """One part of a changeover, and what was read back of it."""

    kind: str
    name: str
    version: str
    readback: str
    """Name and version; empty where nothing was read back."""


@dataclass(frozen=True, slots=True)
class DeliveryStepView:
    """One thing that happened to a delivery."""

    time_us: int
    before: str | None
    after: str
    actor: str
    reason: str
    note: str
    detail: Any


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery, whole."""

    line: DeliveryLine
    values: tuple[DeliveredValue, ...]
    parts: tuple[DeliveredPart, ...]
    steps: tuple[str, ...]
    """Alternatives of a route, in order."""
    before: str
    """Where the values before come from: ``delivery N``, ``recipe`` or nothing."""
    valid_seconds: float
    window_version: int | None
    window_in_force: int | None
    """Version of the window that holds now; another one than ``window_version``: the message would be refused."""
    basis_from_us: int | None
    basis_to_us: int | None
    issued_us: int | None
    text: str | None
    """As it left the house, byte by byte."""
    signature: str | None
    history: tuple[DeliveryStepView, ...]
    beside: tuple[DeliveryLine, ...]
    """Others that are carried out as one with it."""


@dataclass(frozen=True, slots=True)
class CarriedView:
    """How far the delivery of something has come."""

    number: int
    work_unit: str
    stage: str
    stage_us: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class WaitingView:
    """How many deliveries wait for a person."""

    proposed: int
    """To approve or decline."""
    in_doubt: int
    """To be looked at, at the machine."""


class ApprovalDraft(Strict):
    """A person's yes."""

    note: Annotated[str, Field(max_length=1000)] = ""


class DeclineDraft(Strict):
    """A person's no, and why."""

    reason: Declined
    note: Annotated[str, Field(max_length=1000)] = ""


class SettleDraft(Strict):
    """What a person found at the machine of a delivery that is in doubt."""

    found: Annotated[
        Literal["executed", "refused", "rolled_back", "expired"],
        Field(description="it is in force; it was never done; what was before is back in force; it was never taken"),
    ]
    note: Annotated[str, Field(min_length=3, max_length=1000, description="what was looked at, and what was seen")]
