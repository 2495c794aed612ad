"""Design changes as services return them: frozen, times as ``*_us`` since 1970 UTC, effects in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class EffectView:
    """One thing that a change does to what was in force when it came."""

    kind: str
    """feature, route, program, tightening or vision."""
    code: str
    values: dict[str, str | float]
    words: str
    stations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StationView:
    """What one station says of a change."""

    station: str
    sent_us: int | None
    accepted: bool | None
    """None: no answer yet."""
    answered_us: int | None
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class DesignChangeView:
    """A design change and how far it has come."""

    id: int
    number: str
    product: str
    version: str
    title: str
    reason: str
    author: str
    effective_from: str
    received_us: int
    sent_by: str
    stage: str
    """waiting, in_force, refused or withdrawn."""
    stage_us: int
    stage_actor: str
    stage_note: str
    effects: tuple[EffectView, ...]
    stations: tuple[StationView, ...]
    request: int | None
    """Number of the request by which the optimizer was asked for a route of the new version."""
    document: dict[str, Any]
    """As it was sent."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """Which version of a product holds for a serial number."""

    product: str
    serial: str
    version: str | None
    """None: none of the changes in force; it is made as it always was."""


class AcknowledgementDraft(Strict):
    """What a station says of a change."""

    station: Annotated[str, Field(min_length=1, max_length=200)]
    accepted: Annotated[bool, Field(description="false: the station cannot make it so, and the change is refused")] = True
    note: Annotated[str, Field(max_length=1000, description="needed where it is refused")] = ""


class WithdrawalDraft(Strict):
    """Why a change is taken back."""

    note: Annotated[str, Field(min_length=3, max_length=1000)]
