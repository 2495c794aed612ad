"""What is to be planned: the operations of jobs, where and how each can be done, and all that binds them.

Times are whole ticks from ``origin``; of a plant a tick is ``tick_s`` seconds, of a benchmark instance it is the instance's own unit.
Operations, modes and arcs are columns; an operation is known by its row.

* A *mode* is one way to do an operation: a work unit and a duration (an alternative of the route, ISA-95 work unit).
* A *branch* is one side of an OR: of the branches of a *choice* exactly one is taken, and an operation of a branch is done only
  where the branch is. A choice can stand inside a branch.
* A part undergoes one operation at a time, whatever its arcs leave open (``Job.one_at_a_time``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Ticks = NDArray[np.int64]

ALWAYS = -1
"""In place of a branch: there is no choice above."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkUnit:
    """Where operations are done, one at a time."""

    name: str
    setup: Ticks | None = None
    """(states, states): ticks to get from one setup state to the next; None: none needed. No setup before the first operation
    unless ``setup_state`` says how the unit stands."""
    setup_state: int = -1
    """How the unit is set up at the beginning; -1: for nothing, and the first operation needs no setup."""
    setup_with_part: bool = False
    """Whether the part must be there while the unit is set up; else it can be set up before the part arrives (anticipatory)."""
    closed: tuple[tuple[int, int], ...] = ()
    """From, to: no work and no setup; in order, apart from each other. Shifts, maintenance, breakdowns."""
    pauses: bool = False
    """Whether work pauses over closed time and goes on after it; else it must end before."""
    buffer: int | None = None
    """Parts that can wait before it, between the end of what was done to them before and its start here; None: as many as come."""
    group: str = ""
    """Line or area, for people."""
    states: tuple[str, ...] = ()
    """Names of its setup states, for people; empty where they have none."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What operations need besides a work unit: people with a skill, fixtures, torque tools."""

    name: str
    capacity: int
    closed: tuple[tuple[int, int, int], ...] = ()
    """From, to, how many are away."""
    kind: str = "skill"
    """skill or fixture. Over closed time that an operation pauses for, people are free; a fixture holds its part."""


@dataclass(frozen=True, slots=True, eq=False)
class Transport:
    """Vehicles that carry parts between places. A vehicle carries one part at a time and drives empty to fetch it."""

    travel: Ticks
    """(places, places): ticks from place to place, laden or empty."""
    place: Ints
    """(units,): the place where each work unit stands."""
    start: int
    """The place where parts come in and vehicles stand at the beginning."""
    vehicles: int | None
    """None: always one there when it is needed; then only the time of the way counts."""
    places: tuple[str, ...] = ()
    """Names of the places, for people; empty where they have none."""


@dataclass(frozen=True, slots=True)
class Job:
    """One part or machine to be made: a job order (ISA-95), or one serial of it."""

    name: str
    release: int = 0
    due: int | None = None
    weight: int = 1
    """How much a tick of tardiness counts; priority and customer."""
    order: str = ""
    product: str = ""
    family: str = ""
    one_at_a_time: bool = True


class LockReason(StrEnum):
    """Why an operation stands where it stands."""

    STARTED = "started"
    """It is a fact, and no rule is held against it; only against what is planned beside it."""
    FROZEN = "frozen"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a plan must leave as it is."""

    operation: int
    mode: int
    start: int | None
    """None: the mode is kept, the time is free."""
    reason: LockReason
    end: int | None = None
    """Where it is known better than by the mode's duration: what started and takes longer."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What counts, added up in whole numbers; less is better."""

    makespan: int = 1
    tardiness: int = 0
    """Of each tick that a job with a due date ends late, times the job's weight."""
    setup: int = 0
    """Of each tick of setup."""
    moved: int = 0
    """Of each operation that leaves its mode or start of the reference plan."""
    flow: int = 0
    """Of each tick between a job's release and its end."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanProblem:
    """All that a plan is made from, and checked by."""

    name: str
    units: tuple[WorkUnit, ...]
    jobs: tuple[Job, ...]
    operation_job: Ints
    """(operations,)"""
    operation_name: Sequence[str]
    operation_branch: Ints
    """(operations,): the branch it belongs to, or ALWAYS."""
    mode_operation: Ints
    """(modes,): ascending."""
    mode_unit: Ints
    mode_duration: Ticks
    mode_setup: Ints
    """(modes,): the setup state its unit must be in; -1 where it does not matter (it then leaves the state as it is)."""
    mode_name: Sequence[str]
    """(modes,): the alternative's id; empty where there is none."""
    arc_before: Ints
    """(arcs,): operation that must have ended ..."""
    arc_after: Ints
    """(arcs,): ... before this one starts, where both are done. Arcs are of one job."""
    arc_least: Ticks
    """(arcs,): ticks that must lie between at least (cooling, drying), ..."""
    arc_most: Ticks
    """(arcs,): ... and at most; -1: any."""
    branch_choice: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """(branches,)"""
    choice_branch: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """(choices,): the branch the choice stands in, or ALWAYS."""
    resources: tuple[Resource, ...] = ()
    need_mode: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """(needs,): a mode ..."""
    need_resource: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """(needs,): ... needs this resource while it is done, ..."""
    need_amount: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """(needs,): ... so many of it."""
    transport: Transport | None = None
    locks: tuple[Lock, ...] = ()
    now: int = 0
    """What has no locked start starts no earlier, nor does its setup. A trip that left before is a fact of a part whose next operation
    is locked to its unit, with or without its start; others leave no earlier."""
    objective: Objective = Objective()
    reference_mode: Ints | None = None
    """(operations,): where ``objective.moved`` counts: mode of each operation in the plan that stands, -1 where it is not in it ..."""
    reference_start: Ticks | None = None
    """... and its start."""
    tick_s: float | None = None
    origin_us: int | None = None
    """Time of tick 0 in microseconds since 1970 UTC; None of instances without a clock."""

    @property
    def modes_of(self) -> Ints:
        """(operations + 1,): where the modes of each operation begin in the columns of modes."""
        return np.searchsorted(self.mode_operation, np.arange(len(self.operation_job) + 1)).astype(np.int32)
