"""The plan as services return it, and what people and programs ask of it. Times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dashboard.views_orders import Microseconds, OrderDraft
from plant.strict import Strict

Row = Annotated[int, Field(ge=0, lt=2**31, description="the operation's row, as the drawing and the list of operations name it")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
VersionNumber = Annotated[int, Field(ge=1, lt=2**62)]


@dataclass(frozen=True, slots=True)
class MeasuresView:
    """What a plan is worth."""

    makespan_s: float
    """From the plan's first moment to the end of its last operation."""
    tardiness_s: float
    """Of all jobs, what they end late, times their weight."""
    late_jobs: int
    setup_s: float
    moved: int
    flow_s: float


@dataclass(frozen=True, slots=True)
class PlanVersionView:
    """One version of the plan."""

    id: int
    kind: str
    """live or what_if."""
    name: str
    """Of a what-if."""
    parent: int | None
    made_us: int
    actor: str
    """Who asked for it; empty: the optimizer by itself."""
    reason: str
    causes: tuple[dict[str, Any], ...]
    measures: dict[str, Any]
    """In ticks of its problem, as the optimizer wrote them; ``/measures`` has them in seconds."""
    objective: int
    bound: int | None
    seconds: float
    jobs: int
    operations: int
    moved: int | None
    """Operations that stand elsewhere than in its parent."""
    from_us: int | None
    to_us: int | None
    whole: bool
    """Whether it can still be drawn; of old ones only the figures are kept."""
    is_live: bool
    is_reference: bool


@dataclass(frozen=True, slots=True)
class PlanJobView:
    """What the optimizer was asked to plan, and how far it is."""

    id: int
    kind: str
    subject: str
    state: str
    """waiting, running, done or failed."""
    actor: str
    asked_us: int
    started_us: int | None
    updated_us: int | None
    ended_us: int | None
    share: float
    """Done, 0 to 1."""
    step: str
    answer: dict[str, Any] | None
    problem: str


@dataclass(frozen=True, slots=True)
class EditView:
    """What a person did to the plan, and what became of it."""

    id: int
    time_us: int
    actor: str
    plan: int
    act: str
    """move, lock or unlock."""
    job: str
    operation: str
    unit: str | None
    start_us: int | None
    note: str
    state: str
    """waiting, taken, refused or ended."""
    answer: str
    became: int | None


@dataclass(frozen=True, slots=True)
class PlanStateView:
    """How the plan stands now."""

    live: PlanVersionView | None
    reference: PlanVersionView | None
    jobs: tuple[PlanJobView, ...]
    """Those that wait or run, the oldest first."""
    waiting_edits: int
    disturbances: int
    """Open ones."""
    optimizer_runs: bool


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation as a plan has it."""

    row: int
    job: str
    order: str
    product: str
    family: str
    operation: str
    unit: str
    group: str
    setup_us: int
    """When its setup begins; its start where it needs none."""
    start_us: int
    end_us: int
    lock: str
    """started, frozen, person; empty: free."""
    due_us: int | None
    """Of its job."""
    late_us: int
    """How much later than its due time its job ends; 0: in time."""


@dataclass(frozen=True, slots=True)
class AlternativeView:
    """One way to do an operation."""

    unit: str
    alternative: str
    """The alternative's id in the process network; empty where there is none."""
    duration_us: int
    is_planned: bool


@dataclass(frozen=True, slots=True)
class ReasonView:
    """One reason why an operation stands where it stands, or why its job is late."""

    code: str
    words: str
    time_us: int | None
    """When what is waited for is over."""
    row: int | None
    """The operation that it is about, where it is one."""
    root: bool
    """Whether the chain of causes ends here."""


@dataclass(frozen=True, slots=True)
class OperationView:
    """One operation with why it stands where it stands."""

    line: OperationRow
    alternatives: tuple[AlternativeView, ...]
    why_here: tuple[ReasonView, ...]
    why_unit: tuple[ReasonView, ...]
    why_late: tuple[ReasonView, ...]
    """The chain of causes, back to its root; empty where its job is in time."""
    path: tuple[OperationRow, ...]
    """All operations of its job, by time."""


@dataclass(frozen=True, slots=True)
class CheckedEdit:
    """What an operation would be at another place, and what is wrong with that."""

    faults: tuple[str, ...]
    """Empty: it can be there."""
    unit: str
    start_us: int | None
    end_us: int | None
    moved: int
    """Other operations that would have to move for it."""


@dataclass(frozen=True, slots=True)
class MovedView:
    """An operation that two plans have at different places."""

    job: str
    operation: str
    unit_before: str | None
    """None: it is not in that plan."""
    unit_after: str | None
    start_before_us: int | None
    start_after_us: int | None
    moved_us: int | None
    anew: bool
    """On another unit, or in another order on its unit; else it only starts at another time."""


@dataclass(frozen=True, slots=True)
class MovedJobView:
    """A job that ends at another time."""

    job: str
    end_before_us: int
    end_after_us: int
    late_before_us: int
    late_after_us: int


@dataclass(frozen=True, slots=True)
class CompareView:
    """Two plans side by side."""

    before: int
    after: int
    measures_before: MeasuresView
    measures_after: MeasuresView
    same: int
    placed_anew: int
    """Operations with another unit, or another place in the order of their unit."""
    shifted: int
    """Operations that only start at another time."""
    added: int
    gone: int
    rows: tuple[MovedView, ...]
    """What came, what is gone, and what moved, by how much, most first."""
    jobs: tuple[MovedJobView, ...]
    """Jobs that end later, most first, then those that end earlier."""


@dataclass(frozen=True, slots=True)
class DisturbanceView:
    """What came between."""

    id: int
    kind: str
    subject: str
    source: str
    time_us: int
    from_us: int
    until_us: int | None
    """Expected; None: nobody knows."""
    ended_us: int | None
    actor: str
    note: str
    document: dict[str, Any]


class CheckDraft(Strict):
    """An operation at another unit or time."""

    act: Literal["move", "lock", "unlock"] = "move"
    operation: Row
    unit: Name | None = None
    start_us: Microseconds | None = None


class EditDraft(CheckDraft):
    """What a person does to a plan; it is checked, kept, and taken up by the optimizer."""

    plan: Annotated[VersionNumber, Field(description="the version that the person saw")]
    note: Annotated[str, Field(max_length=2000)] = ""


class DisturbanceDraft(Strict):
    """What came between: told by a person, or by a program that knows before the monitor does."""

    kind: Literal["breakdown", "slow_unit", "queue", "absence", "late_material", "quality_hold"]
    subject: Annotated[
        Name, Field(description="the work unit; of an absence the skill or fixture; of parts the job order, order or product")
    ]
    key: Annotated[str, Field(max_length=200, description="the same key is the same disturbance, whoever tells of it again")] = ""
    from_us: Annotated[Microseconds | None, Field(description="None: now")] = None
    until_us: Annotated[Microseconds | None, Field(description="expected end, or when material comes; None: nobody knows")] = None
    interrupted: Annotated[
        Literal["resumes", "starts_again", "freed"] | None, Field(description="of a breakdown: what becomes of what was being done")
    ] = None
    factor: Annotated[float | None, Field(gt=0, le=100, description="of a slow unit: work takes so many times as long")] = None
    minutes: Annotated[float | None, Field(gt=0, le=100_000, description="of a queue: so long is the unit busy with other work")] = None
    amount: Annotated[int | None, Field(ge=1, le=10_000, description="of an absence: so many are away")] = None
    operation: Annotated[str, Field(max_length=200, description="of a quality hold: the operation that was not good enough")] = ""
    hold: Annotated[Literal["repeat", "scrap"] | None, Field(description="of a quality hold: what becomes of the part")] = None
    note: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _whole(self) -> DisturbanceDraft:
        needed = {"slow_unit": "factor", "queue": "minutes", "late_material": "until_us", "quality_hold": "operation"}
        name = needed.get(self.kind)
        if name is not None and not getattr(self, name):
            raise ValueError(f"a disturbance of kind '{self.kind}' needs '{name}'")
        if self.from_us is not None and self.until_us is not None and self.until_us <= self.from_us:
            raise ValueError("'until_us' must lie after 'from_us'")
        return self

    @property
    def document(self) -> dict[str, Any]:
        """What else is known of it, as the planner reads it."""
        given = {name: getattr(self, name) for name in ("interrupted", "factor", "minutes", "amount", "operation", "hold")}
        return {name: value for name, value in given.items() if value}


class EndDraft(Strict):
    """That a disturbance is over."""

    note: Annotated[str, Field(max_length=2000)] = ""


class PriorityDraft(Strict):
    """Another priority of an order, in a what-if."""

    order: Name
    priority: Annotated[int, Field(ge=1, le=9)]


class WhatIfDraft(Strict):
    """A copy of a plan with something else in it."""

    name: Name
    of: Annotated[VersionNumber | None, Field(description="a version; the live one where none is told")] = None
    disturbances: Annotated[tuple[DisturbanceDraft, ...], Field(max_length=20)] = ()
    orders: Annotated[tuple[OrderDraft, ...], Field(max_length=100, description="rush orders, or orders that are otherwise")] = ()
    priorities: Annotated[tuple[PriorityDraft, ...], Field(max_length=100)] = ()


class ReferenceDraft(Strict):
    """The version that others are compared with."""

    plan: Annotated[VersionNumber | None, Field(description="None: none")] = None


class RestoreDraft(Strict):
    """Which version shall hold again."""

    plan: Annotated[VersionNumber | None, Field(description="a live version; the one before where none is told")] = None
