"""Versions of the plan, read from their files: a version is never changed once it is made, so that the last few are kept read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from plant import plan_file
from plant.errors import Rejected
from plant.plan_problem import PlanProblem
from plant.plan_reasons import PlanStory, plan_story
from plant.plans import Plan
from storage import plans
from storage.database import Pool
from storage.plans import PlanRole, PlanVersion

_KEPT = 6
_STORIES = 2
NO_PLAN = "there is no plan yet: it is made as soon as there are orders and a process network"


@dataclass(frozen=True, slots=True, eq=False)
class ReadPlan:
    """A version with what it was made from."""

    version: PlanVersion
    problem: PlanProblem
    plan: Plan


class PlanBook:
    """Reads versions by number. Raises Rejected for what is not there, Unavailable while the database is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._read: OrderedDict[int, tuple[PlanProblem, Plan]] = OrderedDict()
        self._stories: OrderedDict[int, PlanStory] = OrderedDict()

    def version(self, number: int | None) -> PlanVersion:
        """Return a version without its content; the live one for None."""
        with self._pool.connection() as connection:
            if number is None:
                found = plans.read_standing(connection, PlanRole.LIVE)
            else:
                found = plans.read_plan(connection, number) if 0 < number < 2**62 else None
        if found is None:
            raise Rejected(NO_PLAN if number is None else f"there is no plan {number}")
        return found

    def read(self, number: int | None) -> ReadPlan:
        """Return a version with its problem and plan; the live one for None."""
        version = self.version(number)
        with self._lock:
            kept = self._read.get(version.id)
            if kept is not None:
                self._read.move_to_end(version.id)
                return ReadPlan(version, *kept)
        with self._pool.connection() as connection:
            content = plans.read_plan_content(connection, version.id)
        if content is None:
            raise Rejected(f"of plan {version.id} only the figures are still kept")
        problem = plan_file.read_problem(content.problem, f"problem of plan {version.id}")
        plan = plan_file.read_plan(content.plan, problem, f"plan {version.id}")
        with self._lock:
            self._read[version.id] = (problem, plan)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return ReadPlan(version, problem, plan)

    def story(self, one: ReadPlan) -> PlanStory:
        """Return a plan as it can be asked why."""
        number = one.version.id
        with self._lock:
            kept = self._stories.get(number)
        if kept is None:
            kept = plan_story(one.problem, one.plan)
            with self._lock:
                self._stories[number] = kept
                while len(self._stories) > _STORIES:
                    self._stories.popitem(last=False)
        return kept
