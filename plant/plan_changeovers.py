"""Where a plan switches a work unit from one changeover set to another, and what is missing there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.changeover_sets import ChangeoverBook, ChangeoverSet, Fault, InCharge, SetFault, changeover_faults
from plant.errors import Rejected
from plant.plan_problem import PlanProblem
from plant.plans import Plan


@dataclass(frozen=True, slots=True)
class Changeover:
    """A work unit must be switched before an operation."""

    unit: int
    operation: int
    """What is done first with the new set."""
    before: int
    """What is done there before; -1: nothing in this plan."""
    model: str
    start: int
    """When the operation starts, in ticks."""
    set: ChangeoverSet | None
    """None: there is none for this model."""
    faults: tuple[SetFault, ...]
    """What keeps it from being complete."""

    @property
    def complete(self) -> bool:
        """Whether it can be carried out."""
        return self.set is not None and not self.faults


def plan_changeovers(problem: PlanProblem, plan: Plan, book: ChangeoverBook, charge: InCharge = InCharge()) -> tuple[Changeover, ...]:  # noqa: B008
    """Return each change from one set to another, by start; the first operation of a unit counts too. Units that need nothing have none."""
    found = []
    judged: dict[tuple[str, str], tuple[ChangeoverSet | None, tuple[SetFault, ...]]] = {}
    units = plan.unit(problem)
    for number, unit in enumerate(problem.units):
        if not book.needs(unit.name):
            continue
        rows = np.flatnonzero(units == number)
        stands: ChangeoverSet | None = None
        before, last_model = -1, ""
        for row in rows[np.argsort(plan.start[rows], kind="stable")].tolist():
            model = problem.jobs[problem.operation_job[row]].product
            if (unit.name, model) not in judged:
                judged[unit.name, model] = _judged(book, unit.name, model, charge)
            wanted, faults = judged[unit.name, model]
            if before < 0 or wanted != stands or (wanted is None and model != last_model):
                found.append(Changeover(number, row, before, model, int(plan.start[row]), wanted, faults))
            stands, before, last_model = wanted, row, model
    return tuple(sorted(found, key=lambda one: (one.start, one.unit)))


def _judged(book: ChangeoverBook, unit: str, model: str, charge: InCharge) -> tuple[ChangeoverSet | None, tuple[SetFault, ...]]:
    try:
        wanted = book.of(unit, model)
    except Rejected:
        return None, (SetFault(Fault.NO_SET, {"unit": unit, "model": model or "?"}),)
    return wanted, changeover_faults(book, wanted, model, charge)
