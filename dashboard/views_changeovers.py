"""Changeover sets as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class SetFaultView:
    """What keeps a set from being complete, or a unit from being released."""

    code: str
    values: dict[str, str]
    words: str


@dataclass(frozen=True, slots=True)
class ChangeoverSetView:
    """A changeover set of a work unit for a model, or for models of one kind."""

    work_unit: str
    model: str
    """``*`` and ``?`` stand for any letters."""
    version: int
    author: str
    approver: str
    parts: dict[str, str]
    """By kind the name and version."""
    complete: bool
    faults: tuple[SetFaultView, ...]


@dataclass(frozen=True, slots=True)
class NextChangeoverView:
    """What a work unit is switched to next, by the plan that is in force."""

    work_unit: str
    model: str
    """The model of the part that needs it; empty where the plan needs no other set there."""
    job: str
    start_us: int | None
    set_version: int | None
    complete: bool
    faults: tuple[SetFaultView, ...]


@dataclass(frozen=True, slots=True)
class ChangeoversView:
    """The changeover sets in force."""

    version: int | None
    """None: none were ever imported."""
    since_us: int | None
    actor: str
    sets: tuple[ChangeoverSetView, ...]


class ReadbackDraft(BaseModel):
    """What a device says that it has switched on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[str, Field(max_length=40, description="recipe, torque_program, vision_recipe, robot_program or fixture")]
    name: Annotated[str, Field(max_length=200)]
    version: Annotated[str, Field(max_length=80)]
    time_us: Annotated[int, Field(ge=0, le=2**62, description="when it was read")]


class ReadbackCheckDraft(BaseModel):
    """What was read back, to be held against the set of a unit and model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    work_unit: Annotated[str, Field(min_length=1, max_length=400)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    not_before_us: Annotated[int, Field(ge=0, le=2**62, description="when the unit was switched; what was read before does not count")]
    readbacks: Annotated[tuple[ReadbackDraft, ...], Field(max_length=20)]


@dataclass(frozen=True, slots=True)
class ReadbackCheckView:
    """Whether all agrees, and what does not."""

    agrees: bool
    faults: tuple[SetFaultView, ...]
