"""What a file of a problem, and of a plan, may say, piece by piece: names in place of rows, so that people can write one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from plant.plan_problem import LockReason
from plant.strict_json import Piece

PROBLEM_FORMAT = "plan-problem/1"
PLAN_FORMAT = "plan/1"

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=400)]
_Tick = Annotated[int, Field(ge=-(1 << 40), le=1 << 40)]
_Length = Annotated[int, Field(ge=0, le=1 << 40)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Way = Annotated[int | None, Field(ge=1, description="which of the operation's ways, from 1, where the unit alone does not tell")]


class SetupPiece(Piece):
    """How a unit is set up, and how long it takes from one state to the next."""

    states: tuple[_Name, ...]
    ticks: Annotated[tuple[tuple[_Length, ...], ...], Field(description="a row for each state it is in, a column for each it goes to")]
    stands: Annotated[_Name | None, Field(description="its state at the beginning; without it the first operation needs no setup")] = None
    with_part: Annotated[bool, Field(description="whether the part must be there; else it is set up before the part comes")] = False


class UnitPiece(Piece):
    """A work unit: it does one operation at a time."""

    name: _Name
    group: _Text = ""
    place: Annotated[_Name | None, Field(description="where it stands; needed where there is transport")] = None
    setup: SetupPiece | None = None
    closed: Annotated[tuple[tuple[_Tick, _Tick], ...], Field(description="from, to: no work, no setup; in order")] = ()
    pauses: Annotated[bool, Field(description="whether work pauses over closed time and goes on after it")] = False
    buffer: Annotated[_Count | None, Field(description="parts that can wait before it; without it as many as come")] = None


class ResourcePiece(Piece):
    """People with a skill, or fixtures."""

    name: _Name
    capacity: _Count
    kind: Literal["skill", "fixture"] = "skill"
    closed: Annotated[tuple[tuple[_Tick, _Tick, _Count], ...], Field(description="from, to, how many are away")] = ()


class TransportPiece(Piece):
    """Vehicles that carry one part at a time."""

    places: Annotated[tuple[_Name, ...], Field(min_length=1)]
    travel: Annotated[tuple[tuple[_Length, ...], ...], Field(description="a row for each place left, a column for each reached")]
    start: Annotated[_Name, Field(description="where parts come in and vehicles stand at the beginning")]
    vehicles: Annotated[int | None, Field(ge=1, le=10_000, description="null: always one there, only the way counts")] = None


class WayPiece(Piece):
    """One way to do an operation."""

    unit: _Name
    duration: _Length
    setup: Annotated[_Name | None, Field(description="the state its unit must be in; without it none in particular")] = None
    name: _Text = ""
    needs: Annotated[dict[_Name, Annotated[int, Field(ge=1, le=1_000_000)]], Field(description="resources, and how many")] = Field(
        default_factory=dict
    )


class AfterPiece(Piece):
    """An operation that must have ended before."""

    operation: _Name
    least: Annotated[_Tick, Field(description="ticks that must lie between at least")] = 0
    most: Annotated[_Length | None, Field(description="and at most")] = None


class OperationPiece(Piece):
    """One step of a job."""

    name: _Name
    ways: Annotated[tuple[WayPiece, ...], Field(min_length=1)]
    after: Annotated[
        tuple[_Name | AfterPiece, ...] | None,
        Field(description="what must have ended before; without it the operation listed before; must be told in jobs with choices"),
    ] = None
    branch: Annotated[_Name | None, Field(description="the branch of a choice that it belongs to")] = None


class ChoicePiece(Piece):
    """An OR: exactly one of its branches is taken."""

    branches: Annotated[tuple[_Name, ...], Field(min_length=1)]
    branch: Annotated[_Name | None, Field(description="the branch of another choice that this one stands in")] = None


class JobPiece(Piece):
    """One part or machine to be made."""

    name: _Name
    operations: tuple[OperationPiece, ...]
    choices: tuple[ChoicePiece, ...] = ()
    release: _Tick = 0
    due: _Tick | None = None
    weight: Annotated[int, Field(ge=0, le=1_000_000, description="how much a tick of tardiness counts")] = 1
    order: _Text = ""
    product: _Text = ""
    family: _Text = ""
    one_at_a_time: bool = True


class ObjectivePiece(Piece):
    """How much each thing counts; less is better."""

    makespan: _Length = 1
    tardiness: _Length = 0
    setup: _Length = 0
    moved: _Length = 0
    flow: _Length = 0


class LockPiece(Piece):
    """An operation that stays where it is."""

    job: _Name
    operation: _Name
    unit: _Name
    way: _Way = None
    start: Annotated[_Tick | None, Field(description="without it the time is free")] = None
    end: _Tick | None = None
    reason: LockReason = LockReason.PERSON


class PlacedPiece(Piece):
    """An operation with its place in a plan."""

    job: _Name
    operation: _Name
    unit: _Name
    way: _Way = None
    start: _Tick
    end: _Tick


class StandingPiece(Piece):
    """An operation in the plan that stands."""

    job: _Name
    operation: _Name
    unit: _Name
    way: _Way = None
    start: _Tick


class ProblemFile(Piece):
    """What is to be planned. Times are whole ticks from the origin."""

    leadhand: Literal["plan-problem/1"]
    name: _Name = "problem"
    tick_s: Annotated[float | None, Field(gt=0, description="seconds of a tick")] = None
    origin: Annotated[datetime | None, Field(description="time of tick 0; UTC where no zone is given")] = None
    now: Annotated[_Tick, Field(description="what is not locked starts no earlier")] = 0
    objective: ObjectivePiece = ObjectivePiece()
    units: Annotated[tuple[UnitPiece, ...], Field(min_length=1)]
    jobs: tuple[JobPiece, ...]
    resources: tuple[ResourcePiece, ...] = ()
    transport: TransportPiece | None = None
    locks: tuple[LockPiece, ...] = ()
    reference: Annotated[tuple[StandingPiece, ...] | None, Field(description="the plan that stands, where moves are counted")] = None


class TripPiece(Piece):
    """A vehicle carries a part to an operation."""

    vehicle: Annotated[int, Field(ge=1)]
    job: _Name
    operation: _Name
    origin: _Name
    destination: _Name
    leaves: _Tick
    arrives: _Tick


class PlanFile(Piece):
    """A plan: each operation that is done, and trips. The rest is for people; ``leadhand verify`` compares it with what it finds."""

    leadhand: Literal["plan/1"]
    problem: _Text = ""
    format: _Text = ""
    status: Literal["optimal", "feasible", ""] = ""
    objective: int | None = None
    makespan: int | None = None
    tardiness: int | None = None
    late_jobs: int | None = None
    setup: int | None = None
    moved: int | None = None
    flow: int | None = None
    lower_bound: Annotated[int | None, Field(description="no plan has less, as far as was proved")] = None
    gap: Annotated[float | None, Field(description="how far the objective may be above what is possible, as a share of the bound")] = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    by: _Text = ""
    seed: int | None = None
    workers: int | None = None
    interrupted: bool = False
    verified: Annotated[bool | None, Field(description="whether the independent check found no fault")] = None
    schedule: tuple[PlacedPiece, ...]
    trips: tuple[TripPiece, ...] = ()
