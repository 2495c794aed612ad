"""The door to OR-Tools' CP-SAT: models are written through ``Draft``, and solved so that who waits can be interrupted at any moment."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from ortools.sat.python import cp_model

Var: TypeAlias = cp_model.IntVar
Either: TypeAlias = cp_model.BoolVarT
"""A variable that is 0 or 1, or its opposite."""
Linear: TypeAlias = cp_model.LinearExpr | cp_model.IntVar | int
Interval: TypeAlias = cp_model.IntervalVar

_LOOK_S: Final = 0.02


class SolveStatus(StrEnum):
    """How a search ended."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


_STATUS: Final = {
    cp_model.OPTIMAL: SolveStatus.OPTIMAL,
    cp_model.FEASIBLE: SolveStatus.FEASIBLE,
    cp_model.INFEASIBLE: SolveStatus.INFEASIBLE,
}


@dataclass(slots=True)
class Draft:
    """A model that is being written; beside each variable stands its value in the plan that is known, where one is."""

    hinted: bool
    model: cp_model.CpModel = field(default_factory=cp_model.CpModel)
    yes: Var = field(init=False)
    """A literal that is always true."""

    def __post_init__(self) -> None:
        self.yes = self.model.new_constant(1)

    def number(self, least: int, most: int, known: int = 0) -> Var:
        """Return a new variable."""
        made = self.model.new_int_var(least, max(least, most), "")
        if self.hinted:
            self.model.add_hint(made, min(max(known, least), max(least, most)))
        return made

    def either(self, known: bool) -> Var:
        """Return a new literal."""
        made = self.model.new_bool_var("")
        if self.hinted:
            self.model.add_hint(made, known)
        return made

    def span(self, start: Linear, size: Linear, end: Linear, present: Var) -> Interval:
        """Return an interval that counts where ``present``."""
        if present is self.yes:
            return self.model.new_interval_var(start, size, end, "")
        return self.model.new_optional_interval_var(start, size, end, present, "")

    def block(self, start: int, end: int) -> Interval:
        """Return an interval that stands fixed."""
        return self.model.new_fixed_size_interval_var(start, end - start, "")

    def where(self, rule: cp_model.BoundedLinearExpression | bool, *literals: Either) -> None:
        """Demand a rule where all literals are true."""
        literals = tuple(one for one in literals if one is not self.yes)
        if isinstance(rule, bool):
            if not rule:
                self.model.add_bool_or([one.negated() for one in literals])
            return
        made = self.model.add(rule)
        if literals:
            made.only_enforce_if(literals)


@dataclass(frozen=True, slots=True)
class Pause:
    """Where work lies to a closed time: it ends before, it spans it, it starts after."""

    earlier: Var
    spanned: Var
    later: Var
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: the values of the variables asked for, None where nothing was found."""

    values: list[int] | None
    objective: int | None
    bound: int
    status: SolveStatus


class _Heard(cp_model.CpSolverSolutionCallback):
    def __init__(self, wanted: Sequence[Linear], heard: queue.SimpleQueue[tuple[list[int], int, int]]) -> None:
        super().__init__()
        self._wanted, self._heard = wanted, heard

    def on_solution_callback(self) -> None:
        """Hand the solution to who waits."""
        values = [self.value(one) for one in self._wanted]
        self._heard.put((values, round(self.objective_value), math.ceil(self.best_objective_bound - 1e-6)))


def run(
    draft: Draft,
    wanted: Sequence[Linear],
    *,
    seconds: float,
    seed: int,
    workers: int,
    on_found: Callable[[list[int], int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    from_below: bool = False,
) -> Found:
    """Return the best found in time, and what was proved; ``from_below``: what it looks for first is a bound.

    ``on_found`` is called in the caller's thread with the values of ``wanted``, the objective and the bound of each solution. It ends
    within some hundredths of a second after ``stop`` says so, and an interrupt (Ctrl-C) comes through at once.
    """
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(seconds, 0.01)
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = workers
    # The library's own handler would swallow Ctrl-C: here it reaches the caller, who has the best plan so far.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.symmetry_level = 1
    solver.parameters.use_objective_lb_search = from_below and workers == 1
    heard: queue.SimpleQueue[tuple[list[int], int, int]] = queue.SimpleQueue()
    status: list[cp_model.CpSolverStatus] = []
    done = threading.Event()

    def solve() -> None:
        try:
            status.append(solver.solve(draft.model, _Heard(wanted, heard)))
        finally:
            done.set()

    latest: tuple[list[int], int, int] | None = None
    thread = threading.Thread(target=solve, name="cp-sat", daemon=True)
    give_up = time.monotonic() + seconds
    thread.start()
    try:
        while True:
            ended = done.wait(_LOOK_S)
            while not heard.empty():
                latest = heard.get()
                if on_found is not None:
                    on_found(*latest)
            if ended:
                break
            if (stop is not None and stop()) or time.monotonic() > give_up:
                # Said again and again: before the search has begun it does not hear.
                solver.stop_search()
    finally:
        while not done.is_set():
            solver.stop_search()
            done.wait(_LOOK_S)
        thread.join()
    how = _STATUS.get(status[0], SolveStatus.UNKNOWN) if status else SolveStatus.UNKNOWN
    bound = solver.best_objective_bound
    return Found(
        latest[0] if latest else None,
        latest[1] if latest else None,
        math.ceil(bound - 1e-6) if how is not SolveStatus.INFEASIBLE and abs(bound) < 2**60 else 0,
        how,
    )
