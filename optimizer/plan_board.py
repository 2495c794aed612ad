"""The best plan so far and what was proved: all who search write here, and what has a fault does not get in."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import structlog

from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import PlanProblem
from plant.plans import Plan

log = structlog.get_logger()


@dataclass(slots=True)
class Board:
    """The best plan so far and what was proved, for all who search."""

    problem: PlanProblem
    plan: Plan | None = None
    objective: int = 0
    bound: int = 0
    by: str = ""
    infeasible: tuple[str, ...] = ()
    dropped: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    news: threading.Event = field(default_factory=threading.Event)

    def offer(self, plan: Plan, by: str) -> bool:
        """Take a plan if it is better and has no fault."""
        objective = objective_of(self.problem, plan)
        if self.plan is not None and objective >= self.objective:
            return False
        faults = plan_faults(self.problem, plan)
        if faults:
            self.dropped += 1
            if self.dropped <= 3:
                log.error("a plan with faults was dropped", problem=self.problem.name, by=by, faults=faults[:3])
            return False
        with self.lock:
            if self.plan is not None and objective >= self.objective:
                return False
            self.plan, self.objective, self.by = plan, objective, by
            self._closed()
        self.news.set()
        return True

    def raise_bound(self, bound: int) -> None:
        """Take a bound if it says more."""
        with self.lock:
            if bound > self.bound:
                self.bound = bound
                self.news.set()
            self._closed()

    def _closed(self) -> None:
        if self.plan is not None and self.bound >= self.objective:
            self.over.set()
