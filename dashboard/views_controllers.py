"""What controllers that fetch over REST are given, and what they say: frozen views, times as ``*_us`` since 1970 UTC, and drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from plant.answer_messages import Parts, Quantities
from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class OfferView:
    """A message that waits for a controller: check the signature over the bytes of ``text`` before anything else."""

    number: int
    id: str
    text: str
    signature: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class OffersView:
    """What waits for a controller, and how Leadhand stands."""

    work_unit: str
    now_us: int
    mode: str
    """off, shadow, advisory or closed_loop."""
    told_us: int | None
    """When the process that delivers was last at work for this work unit: when it is old, go on by your own set points."""
    deliveries: tuple[OfferView, ...]


@dataclass(frozen=True, slots=True)
class SaidBackView:
    """What Leadhand keeps of what a controller said; the same for the same Idempotency-Key."""

    answer: int
    id: str
    work_unit: str
    verdict: str


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """What became of an answer."""

    answer: int
    id: str
    verdict: str
    time_us: int
    taken_us: int | None
    """None: delivery has not taken it up yet."""
    outcome: str
    """Empty: it counts; else why it does not."""


class AcceptDraft(Strict):
    """A controller takes a message."""


class RefuseDraft(Strict):
    """A controller does not take a message; nothing has changed."""

    reason: Annotated[str, Field(min_length=1, max_length=2000, description="a short word first, then words for people")]


class ReportDraft(Strict):
    """What became of a message that was taken."""

    verdict: Literal["executed", "failed", "measured"]
    reason: Annotated[str, Field(max_length=2000)] = ""
    readback: Annotated[Quantities, Field(description="parameters in force after it acted, read and not repeated")] = ()
    parts: Annotated[Parts, Field(description="likewise, what is switched on")] = ()
    measured: Annotated[Quantities, Field(description="what came of it")] = ()


class HeartbeatDraft(Strict):
    """A controller's sign of life."""

    counter: Annotated[int | None, Field(strict=True, ge=0, le=2**62, description="the highest that it has taken")] = None
    state: Annotated[str, Field(max_length=80, description="in its own word; PackML's where it has them")] = ""
    ai_off: Annotated[bool, Field(strict=True, description="the switch at the machine: nothing is taken from outside")] = False
