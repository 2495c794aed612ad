"""The plan as it is read: versions, drawings, operations with their reasons, measures, comparisons, and how far the optimizer is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dashboard.hub import Hub
from dashboard.plan_book import PlanBook, ReadPlan
from dashboard.plan_compared import compare_view
from dashboard.plan_drawing import PlanDrawing, Span, clock_of, drawing, starts_by_name
from dashboard.plan_reading import alternatives_of, operation_rows, why_of
from dashboard.services_new_products import OPTIMIZER
from dashboard.views_plan import (
    AlternativeView,
    CompareView,
    DisturbanceView,
    EditView,
    MeasuresView,
    OperationRow,
    OperationView,
    PlanJobView,
    PlanStateView,
    PlanVersionView,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.plan_check import measures
from plant.plan_problem import LockReason
from storage import disturbances, optimizer_jobs, plan_edits, plans
from storage.database import Pool
from storage.disturbances import StoredDisturbance
from storage.optimizer_jobs import Job, JobState
from storage.plan_edits import EditState, StoredEdit
from storage.plans import PLAN_JOBS, PlanKind, PlanRole, PlanVersion

BREAKDOWN = "breakdown"
_FAR_US = 30 * 86_400_000_000
"""Where a breakdown's end is not known, it is drawn so far."""


class ScheduleService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, hub: Hub, clock: Clock, book: PlanBook) -> None:
        self._pool, self._hub, self._clock, self._book = pool, hub, clock, book

    def mark(self) -> str:
        """Return text that differs once a version came or another one stands."""
        with self._pool.connection() as connection:
            return plans.plans_mark(connection)

    def standing(self) -> PlanStateView:
        """Return how the plan stands now."""
        with self._pool.connection() as connection:
            live = plans.read_standing(connection, PlanRole.LIVE)
            reference = plans.read_standing(connection, PlanRole.REFERENCE)
            jobs = optimizer_jobs.read_jobs(connection, kinds=PLAN_JOBS, most=50)
            edits = plan_edits.read_edits(connection, states=[EditState.WAITING])
            stops = disturbances.read_disturbances(connection, only_open=True)
        going = [job for job in reversed(jobs) if job.state in {JobState.WAITING, JobState.RUNNING}]
        return PlanStateView(
            live=None if live is None else version_view(live),
            reference=None if reference is None else version_view(reference),
            jobs=tuple(job_view(job) for job in going),
            waiting_edits=len(edits),
            disturbances=len(stops),
            optimizer_runs=any(one.name == OPTIMIZER and one.state == "running" for one in self._hub.last_read().processes),
        )

    def versions(
        self, *, kind: str | None = None, name: str | None = None, before: int | None = None, most: int = 50
    ) -> list[PlanVersionView]:
        """Return versions, the newest first; ``name``: of this what-if."""
        if kind and kind not in set(PlanKind):
            raise Rejected(f"there is no kind '{kind}' of plans; there are: {', '.join(PlanKind)}")
        with self._pool.connection() as connection:
            found = plans.read_plans(
                connection, kind=PlanKind(kind) if kind else None, name=(name or "").replace("\0", "") or None, before=before, most=most
            )
        return [version_view(one) for one in found]

    def version(self, number: int | None) -> PlanVersionView:
        """Return one version; the live one for None."""
        return version_view(self._book.version(number))

    def drawing(self, number: int | None) -> PlanDrawing:
        """Return what is drawn of a version, with what moved against the reference plan; the live version for None."""
        one = self._book.read(number)
        with self._pool.connection() as connection:
            stops = disturbances.read_disturbances(connection, only_open=True, kind=BREAKDOWN)
            reference = plans.read_standing(connection, PlanRole.REFERENCE)
        names = None
        if reference is not None and reference.whole and reference.id != one.version.id:
            other = self._book.read(reference.id)
            names = starts_by_name(other.problem, other.plan, other.version.made_us)
        return drawing(
            one.version.id,
            one.version.kind.value,
            one.version.made_us,
            one.problem,
            one.plan,
            frozen_until_us=_frozen_until_us(one),
            stops=[_span(stop, self._clock.now_us()) for stop in stops],
            reference=names,
        )

    def operations(
        self,
        number: int | None,
        *,
        unit: str | None = None,
        job: str | None = None,
        order: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        late: bool = False,
        after: int | None = None,
        most: int = 500,
    ) -> list[OperationRow]:
        """Return operations of a version by row, those that fit; ``after``: the row of the last one of the page before."""
        one = self._book.read(number)

        def fits(row: OperationRow) -> bool:
            return (
                (unit is None or row.unit == unit)
                and (job is None or row.job == job)
                and (order is None or row.order == order)
                and (from_us is None or row.end_us > from_us)
                and (to_us is None or row.setup_us < to_us)
                and (not late or row.late_us > 0)
                and (after is None or row.row > after)
            )

        return [row for row in operation_rows(one) if fits(row)][:most]

    def operation(self, number: int | None, row: int, language: str = "en", zone: str = "UTC") -> OperationView:
        """Return one operation with why it stands where it stands."""
        one = self._book.read(number)
        rows = operation_rows(one)
        line = next((each for each in rows if each.row == row), None)
        if line is None:
            raise Rejected(f"plan {one.version.id} has no operation {row}")
        here, unit, late = why_of(one, self._book.story(one), row, language, zone)
        path = sorted((each for each in rows if each.job == line.job), key=lambda each: (each.start_us, each.row))
        return OperationView(line, alternatives_of(one, row), here, unit, late, tuple(path))

    def alternatives(self, number: int | None, row: int) -> tuple[AlternativeView, ...]:
        """Return the ways to do one operation."""
        return alternatives_of(self._book.read(number), row)

    def units(self) -> tuple[str, ...]:
        """Return the work units of the live plan by name; none where there is no plan."""
        try:
            return tuple(sorted(unit.name for unit in self._book.read(None).problem.units))
        except Rejected:
            return ()

    def measures(self, number: int | None) -> MeasuresView:
        """Return what a version is worth, in seconds and counts."""
        return measures_view(self._book.read(number))

    def compare(self, before: int | None, after: int | None, most: int = 500) -> CompareView:
        """Return two versions side by side; the reference (else the live one) for no ``before``, the live one for no ``after``."""
        if before is None:
            with self._pool.connection() as connection:
                reference = plans.read_standing(connection, PlanRole.REFERENCE)
            before = None if reference is None else reference.id
        one, other = self._book.read(before), self._book.read(after)
        return compare_view(one, other, measures_view(one), measures_view(other), most)

    def edits(self, *, state: str | None = None, plan: int | None = None, before: int | None = None, most: int = 200) -> list[EditView]:
        """Return what people did to plans, the newest first."""
        if state and state not in set(EditState):
            raise Rejected(f"there is no state '{state}'; there are: {', '.join(EditState)}")
        with self._pool.connection() as connection:
            found = plan_edits.read_edits(connection, states=[EditState(state)] if state else None, plan=plan, before=before, most=most)
        return [edit_view(one) for one in found]

    def disturbances(self, *, only_open: bool = True, before: int | None = None, most: int = 200) -> list[DisturbanceView]:
        """Return what came between, the newest first."""
        with self._pool.connection() as connection:
            found = disturbances.read_disturbances(connection, only_open=only_open, before=before, most=most)
        return [disturbance_view(one) for one in found]

    def jobs(self, most: int = 50) -> list[PlanJobView]:
        """Return what the optimizer was asked to plan, the newest first."""
        with self._pool.connection() as connection:
            return [job_view(one) for one in optimizer_jobs.read_jobs(connection, kinds=PLAN_JOBS, most=most)]

    def job(self, number: int) -> PlanJobView:
        """Return one job, with its answer where it is done."""
        with self._pool.connection() as connection:
            one = optimizer_jobs.read_job(connection, number) if 0 < number < 2**62 else None
        if one is None or one.kind not in PLAN_JOBS:
            raise Rejected(f"there is no planning job {number}")
        return job_view(one)


def version_view(one: PlanVersion) -> PlanVersionView:
    """Return a version as services give it."""
    return PlanVersionView(
        id=one.id,
        kind=one.kind.value,
        name=one.name,
        parent=one.parent,
        made_us=one.made_us,
        actor=one.actor,
        reason=one.reason,
        causes=tuple(dict(cause) for cause in one.causes),
        measures=dict(one.measures),
        objective=one.objective,
        bound=one.bound,
        seconds=one.seconds,
        jobs=one.jobs,
        operations=one.operations,
        moved=one.moved,
        from_us=one.from_us,
        to_us=one.to_us,
        whole=one.whole,
        is_live=PlanRole.LIVE in one.roles,
        is_reference=PlanRole.REFERENCE in one.roles,
    )


def job_view(one: Job) -> PlanJobView:
    """Return a job as services give it."""
    return PlanJobView(
        id=one.id,
        kind=one.kind,
        subject=one.subject,
        state=one.state.value,
        actor=one.actor,
        asked_us=one.asked_us,
        started_us=one.started_us,
        updated_us=one.updated_us,
        ended_us=one.ended_us,
        share=one.share,
        step=one.step,
        answer=None if one.answer is None else dict(one.answer),
        problem=one.problem,
    )


def edit_view(one: StoredEdit) -> EditView:
    """Return an edit as services give it."""
    edit = one.edit
    return EditView(
        *(one.id, one.time_us, one.actor, edit.plan, edit.act, edit.job_order, edit.operation, edit.work_unit, edit.start_us),
        *(edit.note, one.state.value, one.answer, one.became),
    )


def disturbance_view(one: StoredDisturbance) -> DisturbanceView:
    """Return a disturbance as services give it."""
    told, document = one.told, _document(one.told.document)
    return DisturbanceView(
        *(one.id, told.kind, told.subject, told.source, one.time_us, told.from_us, told.until_us),
        *(one.ended_us, told.actor, told.note, document),
    )


def measures_view(one: ReadPlan) -> MeasuresView:
    """Return what a plan is worth, in seconds and counts."""
    worth = measures(one.problem, one.plan)
    _, tick_us = clock_of(one.problem, one.version.made_us)
    second = tick_us / 1e6
    done = one.plan.mode >= 0
    begin = int(one.plan.start[done].min()) if np.any(done) else 0
    return MeasuresView(
        makespan_s=(worth.makespan - begin) * second if np.any(done) else 0.0,
        tardiness_s=worth.tardiness * second,
        late_jobs=worth.late_jobs,
        setup_s=worth.setup * second,
        moved=worth.moved if one.version.moved is None else one.version.moved,
        flow_s=worth.flow * second,
    )


def _document(told: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in told.items()}


def _span(one: StoredDisturbance, now_us: int) -> Span:
    until_us = one.told.until_us if one.told.until_us is not None else max(now_us, one.told.from_us) + _FAR_US
    return Span(one.told.subject, one.told.from_us, max(until_us, one.told.from_us), one.told.note or one.told.kind)


def _frozen_until_us(one: ReadPlan) -> int | None:
    """Return until when the plan is frozen: the last start of what it holds for that."""
    origin_us, tick_us = clock_of(one.problem, one.version.made_us)
    rows = [lock.operation for lock in one.problem.locks if lock.reason is LockReason.FROZEN]
    return origin_us + int(max(one.plan.start[row] for row in rows)) * tick_us if rows else None
