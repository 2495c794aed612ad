"""What happens to a plan while it is carried out: breakdowns, queues, late material, scrap, changed designs, rush jobs, progress.

Names, not rows: what is reported stays true when the problem is made anew. Times are ticks of the problem. ``plant.remaining`` applies
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from plant.plan_problem import Job


class Interrupted(StrEnum):
    """What becomes of the operation that was being done when its unit broke down."""

    RESUMES = "resumes"
    """What is left of it is done when the unit is up again: the rule where nobody says otherwise."""
    STARTS_AGAIN = "starts_again"
    """It is done from its beginning when the unit is up again."""
    FREED = "freed"
    """What was done is lost: it is planned anew, here or elsewhere."""


class Hold(StrEnum):
    """What becomes of a part whose quality does not suffice."""

    REPEAT = "repeat"
    """The operation is done once more."""
    REWORK = "rework"
    """Other operations follow it, before the part goes on."""
    SCRAP = "scrap"
    """The part is made anew from its first operation; what was planned of the old one falls away."""


@dataclass(frozen=True, slots=True)
class NewMode:
    """One way to do a new operation."""

    unit: str
    duration: int
    setup: int = -1
    """The setup state it needs; -1: it does not matter."""
    name: str = ""
    needs: tuple[tuple[str, int], ...] = ()
    """Resource, how many."""


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation that was not planned before."""

    name: str
    modes: tuple[NewMode, ...]


@dataclass(frozen=True, slots=True)
class NewArc:
    """Of two operations of one job, by name: the second starts after the first has ended."""

    before: str
    after: str
    least: int = 0
    most: int = -1


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A unit is down. What ended before stays; nothing is done or set up there until it is up again."""

    unit: str
    begin: int
    end: int | None
    """None: nobody knows. ``assumed`` counts then from now, at each new look again, until it is known or the breakdown is over."""
    assumed: int = 0
    interrupted: Interrupted = Interrupted.RESUMES


@dataclass(frozen=True, slots=True)
class SlowUnit:
    """Work on a unit takes longer by a factor. Counts for all that can be started there in the time."""

    unit: str
    factor: float
    begin: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Work that the plan does not know keeps a unit busy; what is being done there ends first."""

    unit: str
    begin: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Absence:
    """People with a skill, or fixtures, are not there."""

    resource: str
    amount: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class LateMaterial:
    """What has not started of a job starts no earlier."""

    job: str
    release: int


@dataclass(frozen=True, slots=True)
class QualityHold:
    """An operation was done and is not good enough."""

    job: str
    operation: str
    hold: Hold
    rework: tuple[NewOperation, ...] = ()
    """With ``Hold.REWORK``: one after the other."""


@dataclass(frozen=True, slots=True)
class DesignChanged:
    """What has not started of a job is replaced. Operations of the same name and the same modes stay where they are planned."""

    job: str
    operations: tuple[NewOperation, ...]
    """All of the job, also what was done before: that stays as it was done."""
    arcs: tuple[NewArc, ...] = ()


@dataclass(frozen=True, slots=True)
class RushJob:
    """A job comes in that was not planned. Its weight and due date say how much it hurries."""

    job: Job
    operations: tuple[NewOperation, ...]
    arcs: tuple[NewArc, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What has not started of a job is not done any more."""

    job: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What was seen of an operation. What nobody reports is taken to go as planned."""

    job: str
    operation: str
    started: int | None
    """None: it has not started, though the plan may say so."""
    ended: int | None = None
    unit: str = ""
    """Where it was really started; empty: where it was planned."""
    expected: int | None = None
    """When it will end, if that is known better than by its duration."""


Disturbance: TypeAlias = (
    Breakdown | SlowUnit | Queue | Absence | LateMaterial | QualityHold | DesignChanged | RushJob | Cancelled | Progress
)
