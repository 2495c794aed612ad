"""What people and programs ask of the plan: edits with their instant check, what-ifs, disturbances, an earlier plan, a new one.

The dashboard decides nothing: each is a row that the optimizer takes up in its turn.
"""

from __future__ import annotations

from typing import Any

from dashboard.context import Person
from dashboard.plan_book import PlanBook, ReadPlan
from dashboard.plan_editing import checked
from dashboard.services_people import require
from dashboard.services_schedule import disturbance_view, edit_view, job_view, version_view
from dashboard.views_plan import (
    CheckDraft,
    CheckedEdit,
    DisturbanceDraft,
    DisturbanceView,
    EditDraft,
    EditView,
    EndDraft,
    PlanJobView,
    PlanVersionView,
    ReferenceDraft,
    RestoreDraft,
    WhatIfDraft,
)
from plant.clock import Clock
from plant.errors import Rejected
from storage import customer_orders, disturbances, optimizer_jobs, plan_edits, plans
from storage.database import Connection, Pool
from storage.disturbances import NewDisturbance
from storage.people import Role, Scope
from storage.plan_edits import NewEdit
from storage.write_keys import write_once

_FAULTS = 20
"""So many are said of one edit."""


class PlanningService:
    """Each call writes in the calling thread. Raises Rejected with words a person can act on, Unavailable while the database is away."""

    def __init__(self, pool: Pool, clock: Clock, book: PlanBook) -> None:
        self._pool, self._clock, self._book = pool, clock, book

    def check(self, number: int | None, draft: CheckDraft) -> CheckedEdit:
        """Return what an operation would be elsewhere, and what is wrong with that; nothing is kept."""
        return self._checked(self._book.read(number), draft)

    def edit(self, who: Person, draft: EditDraft, key: str = "") -> EditView:
        """Keep an edit that was found without fault: the optimizer takes it up. For engineers; it is audited.

        Raises Rejected with what is wrong with it, in words.
        """
        require(who, Role.ENGINEER)
        now_us = self._clock.now_us()
        one = self._book.read(draft.plan)
        found = self._checked(one, draft)
        if found.faults:
            raise Rejected("; ".join(found.faults))
        problem = one.problem
        new = NewEdit(
            plan=draft.plan,
            act=draft.act,
            job_order=problem.jobs[problem.operation_job[draft.operation]].name,
            operation=problem.operation_name[draft.operation],
            work_unit=None if draft.act == "unlock" else found.unit,
            start_us=None if draft.act == "unlock" else found.start_us,
            note=draft.note,
        )

        def write(connection: Connection) -> Any:
            return {"id": plan_edits.add_edit(connection, new, actor=who.name, now_us=now_us, address=who.address)}

        body = draft.model_dump(mode="json")
        with self._pool.connection() as connection:
            made = write_once(connection, actor=who.name, key=key, act="plan.edit", body=body, time_us=now_us, write=write)
            found_edits = plan_edits.read_edits(connection, before=int(made["id"]) + 1, most=1)
        return edit_view(found_edits[0])

    def plan_again(self, who: Person) -> PlanJobView:
        """Ask the optimizer to plan anew. For engineers, and tokens for it; it is audited."""
        require(who, Role.ENGINEER, Scope.PLAN)
        with self._pool.connection() as connection:
            number = plans.ask_replan(connection, actor=who.name, now_us=self._clock.now_us(), address=who.address)
            return _job(connection, number)

    def undo(self, who: Person, draft: RestoreDraft) -> PlanJobView:
        """Ask that an earlier version holds again. For engineers; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            number = plans.ask_undo(connection, actor=who.name, now_us=self._clock.now_us(), address=who.address, number=draft.plan)
            return _job(connection, number)

    def set_reference(self, who: Person, draft: ReferenceDraft) -> PlanVersionView | None:
        """Make a version the one that others are compared with, or none. For engineers; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            plans.set_reference(connection, draft.plan, actor=who.name, now_us=self._clock.now_us(), address=who.address)
            found = plans.read_plan(connection, draft.plan) if draft.plan is not None else None
        return None if found is None else version_view(found)

    def what_if(self, who: Person, draft: WhatIfDraft) -> PlanJobView:
        """Ask for a copy of a plan with something else in it, that nobody follows. For engineers; it is audited."""
        require(who, Role.ENGINEER)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection:
            orders = [{**order.model_dump(mode="json", exclude_none=True)} for order in draft.orders]
            for one in draft.priorities:
                stored = customer_orders.read_stored_order(connection, one.order)
                if stored is None:
                    raise Rejected(f"there is no order '{one.order}'")
                order = stored.order
                orders.append({"number": order.number, "product": order.product, "quantity": order.quantity, "priority": one.priority})
            number = plans.ask_what_if(
                connection,
                draft.name,
                actor=who.name,
                now_us=now_us,
                address=who.address,
                of=draft.of,
                disturbances=[_what_if_disturbance(one, now_us) for one in draft.disturbances],
                orders=orders,
            )
            return _job(connection, number)

    def adopt(self, who: Person, number: int) -> PlanJobView:
        """Ask that a what-if's plan is followed. For engineers; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            asked = plans.ask_adopt(connection, number, actor=who.name, now_us=self._clock.now_us(), address=who.address)
            return _job(connection, asked)

    def forget(self, who: Person, name: str) -> None:
        """Throw a what-if away. For engineers; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            if not plans.forget_what_if(connection, name, actor=who.name, now_us=self._clock.now_us(), address=who.address):
                raise Rejected(f"there is no what-if '{name}'")

    def disturb(self, who: Person, draft: DisturbanceDraft) -> DisturbanceView:
        """Tell what came between; the same key again is the same disturbance. For engineers, and tokens for it; it is audited."""
        require(who, Role.ENGINEER, Scope.PLAN)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection:
            told = NewDisturbance(
                kind=draft.kind,
                subject=draft.subject,
                source="rest" if who.role is None else "person",
                from_us=now_us if draft.from_us is None else draft.from_us,
                until_us=draft.until_us,
                key=draft.key,
                actor=who.name,
                note=draft.note,
                document=draft.document,
            )
            number = disturbances.add_disturbance(connection, told, now_us=now_us, address=who.address)
            found = disturbances.read_disturbance(connection, number)
        assert found is not None  # noqa: S101 - it was just added
        return disturbance_view(found)

    def end_disturbance(self, who: Person, number: int, draft: EndDraft) -> DisturbanceView:
        """Tell that a disturbance is over. For engineers, and tokens for it; it is audited."""
        require(who, Role.ENGINEER, Scope.PLAN)
        del draft
        with self._pool.connection() as connection:
            disturbances.end_disturbance(connection, number, now_us=self._clock.now_us(), actor=who.name, address=who.address)
            found = disturbances.read_disturbance(connection, number)
        assert found is not None  # noqa: S101 - it has just been ended
        return disturbance_view(found)

    def _checked(self, one: ReadPlan, draft: CheckDraft) -> CheckedEdit:
        found = checked(one, draft, self._clock.now_us())
        if len(found.faults) <= _FAULTS:
            return found
        shown = (*found.faults[:_FAULTS], f"and {len(found.faults) - _FAULTS} more")
        return CheckedEdit(shown, found.unit, found.start_us, found.end_us, found.moved)


def _job(connection: Connection, number: int) -> PlanJobView:
    job = optimizer_jobs.read_job(connection, number)
    assert job is not None  # noqa: S101 - it was just asked for
    return job_view(job)


def _what_if_disturbance(draft: DisturbanceDraft, now_us: int) -> dict[str, Any]:
    told = {
        "kind": draft.kind,
        "subject": draft.subject,
        "from_us": now_us if draft.from_us is None else draft.from_us,
        "until_us": draft.until_us,
        "note": draft.note,
    }
    return told | {"document": draft.document}
