"""A plan: what is done where and when; and what an optimizer can answer when it is asked for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from plant.plan_problem import Ints, PlanProblem, Ticks


@dataclass(frozen=True, slots=True)
class Trip:
    """A vehicle carries a part; its way there, empty, lies before ``leaves``."""

    vehicle: int
    operation: int
    """The operation that the part is carried to."""
    origin: int
    """A place."""
    destination: int
    leaves: int
    arrives: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Columns over the operations of a problem."""

    mode: Ints
    """(operations,): a row of the problem's modes; -1 where the operation is not done (its branch is not taken)."""
    start: Ticks
    end: Ticks
    """0 where it is not done."""
    trips: tuple[Trip, ...] = ()

    def unit(self, problem: PlanProblem) -> Ints:
        """Return the work unit of each operation, -1 where it is not done."""
        return np.where(self.mode >= 0, problem.mode_unit[self.mode], np.int32(-1)).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Solved:
    """A plan that the independent check found without fault."""

    plan: Plan
    objective: int
    bound: int
    """No plan has less, as far as was proved."""
    wall_s: float
    cpu_s: float
    by: str = ""
    """Which step of the search found it."""

    @property
    def proved(self) -> bool:
        """Whether no plan can be better."""
        return self.bound >= self.objective


@dataclass(frozen=True, slots=True)
class Infeasible:
    """There is no plan, and why, in words a person can act on."""

    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """No plan was found in the time given; there may be one."""

    seconds: float
    bound: int


Outcome: TypeAlias = Solved | Infeasible | OutOfTime
