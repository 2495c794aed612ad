"""A first place for operations that must be done and stand in no plan yet; what it disturbs is moved to the right afterwards."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection

import numpy as np

from plant.plan_problem import ALWAYS, LockReason, PlanProblem
from plant.plans import Plan
from plant.unit_calendars import open_times


def missing_operations(problem: PlanProblem, plan: Plan) -> list[int]:
    """Return the operations that must be done and are not; where a choice is open, those of its shortest branch."""
    done = plan.mode >= 0
    taken = _branches_taken(problem, done)
    inside = problem.operation_branch
    wanted = (inside == ALWAYS) | np.isin(inside, sorted(taken))
    return [int(row) for row in np.flatnonzero(wanted & ~done)]


def with_inserted(problem: PlanProblem, plan: Plan, *, urgent: Collection[int] = ()) -> Plan:
    """Return a plan in which everything that must be done has a unit and a start: in a gap, or at once where its job is urgent.

    It may break rules; ``plant.right_shift`` mends it. What has operations of its job behind it counts as urgent too.
    """
    rows = missing_operations(problem, plan)
    if not rows:
        return plan
    mode, start, end = plan.mode.copy(), plan.start.copy(), plan.end.copy()
    placing = _Placing(problem, mode, start, end)
    for row in _in_turn(problem, rows):
        ready = placing.ready(row)
        hurried = int(problem.operation_job[row]) in urgent or placing.others_follow(row)
        placing.place(row, ready, hurried=hurried)
    return Plan(mode, start, end, plan.trips)


def _branches_taken(problem: PlanProblem, done: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[int]:
    """Return the branches that are taken: those of which something is done, and the shortest where nothing is."""
    if not len(problem.branch_choice):
        return set()
    shortest = _shortest_modes(problem)
    parent = [int(problem.choice_branch[choice]) for choice in problem.branch_choice]
    touched: set[int] = set()
    for branch in {int(one) for one in problem.operation_branch[done] if one != ALWAYS}:
        above = branch
        while above != ALWAYS and above not in touched:
            touched.add(above)
            above = parent[above]
    taken: set[int] = set()
    open_choices = [choice for choice in range(len(problem.choice_branch)) if problem.choice_branch[choice] == ALWAYS]
    while open_choices:
        choice = open_choices.pop()
        branches = [int(one) for one in np.flatnonzero(problem.branch_choice == choice)]
        chosen = [one for one in branches if one in touched] or [min(branches, key=lambda one: _length(problem, one, shortest))]
        taken.add(chosen[0])
        open_choices += [int(inner) for inner in np.flatnonzero(problem.choice_branch == chosen[0])]
    return taken


def _shortest_modes(problem: PlanProblem) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    shortest = np.full(len(problem.operation_job), np.iinfo(np.int64).max, np.int64)
    np.minimum.at(shortest, problem.mode_operation, problem.mode_duration)
    return shortest


def _length(problem: PlanProblem, branch: int, shortest: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    own = int(shortest[problem.operation_branch == branch].sum())
    for choice in np.flatnonzero(problem.choice_branch == branch):
        own += min((_length(problem, int(one), shortest) for one in np.flatnonzero(problem.branch_choice == choice)), default=0)
    return own


def _in_turn(problem: PlanProblem, rows: list[int]) -> list[int]:
    """Return the rows so that each comes after those it waits for; jobs of more weight first, then the earlier due."""
    waits: dict[int, set[int]] = {row: set() for row in rows}
    for before, after in zip(problem.arc_before.tolist(), problem.arc_after.tolist(), strict=True):
        if before in waits and after in waits:
            waits[after].add(before)
    ordered: list[int] = []
    job_of = problem.operation_job.tolist()

    def hurry(row: int) -> tuple[int, int, int, int]:
        job = problem.jobs[job_of[row]]
        return -job.weight, job.due or 0, job_of[row], row

    left = sorted(rows, key=hurry)
    put: set[int] = set()
    while left:
        free = [row for row in left if waits[row] <= put] or left[:1]
        ordered += free
        put.update(free)
        left = [row for row in left if row not in put]
    return ordered


class _Placing:
    """Where operations stand while others come in between."""

    def __init__(
        self,
        problem: PlanProblem,
        mode: np.ndarray[tuple[int], np.dtype[np.int32]],
        start: np.ndarray[tuple[int], np.dtype[np.int64]],
        end: np.ndarray[tuple[int], np.dtype[np.int64]],
    ) -> None:
        self.problem, self.mode, self.start, self.end = problem, mode, start, end
        self.modes_of = problem.modes_of.tolist()
        self.calendars = [open_times(unit) for unit in problem.units]
        self.busy: list[list[tuple[int, int, int]]] = [[] for _ in problem.units]
        """Of each unit: start, end, operation."""
        done = np.flatnonzero(mode >= 0)
        for row in done.tolist():
            insort(self.busy[int(problem.mode_unit[mode[row]])], (int(start[row]), int(end[row]), row))
        self.fixed = {lock.operation for lock in problem.locks if lock.start is not None}
        self.of_job: dict[int, list[int]] = {}
        for row, job in enumerate(problem.operation_job.tolist()):
            self.of_job.setdefault(job, []).append(row)
        self.before: dict[int, list[tuple[int, int]]] = {}
        self.after: dict[int, list[int]] = {}
        for first, then, least in zip(problem.arc_before.tolist(), problem.arc_after.tolist(), problem.arc_least.tolist(), strict=True):
            self.before.setdefault(then, []).append((first, least))
            self.after.setdefault(first, []).append(then)
        self.begun = {lock.operation for lock in problem.locks if lock.reason is LockReason.STARTED}

    def others_follow(self, row: int) -> bool:
        """Return whether something stands in the plan that waits for the operation, directly or not."""
        seen, look = {row}, [row]
        while look:
            for then in self.after.get(look.pop(), ()):
                if self.mode[then] >= 0:
                    return True
                if then not in seen:
                    seen.add(then)
                    look.append(then)
        return False

    def ready(self, row: int) -> int:
        """Return from when on it can be done."""
        job = int(self.problem.operation_job[row])
        ready = max(self.problem.now, self.problem.jobs[job].release)
        for before, least in self.before.get(row, ()):
            if self.mode[before] >= 0:
                ready = max(ready, int(self.end[before]) + least)
        for other in self.of_job[job]:
            if self.mode[other] >= 0 and (other in self.fixed or not self.others_follow(row)):
                ready = max(ready, int(self.end[other])) if other in self.begun or not self._follows(row, other) else ready
        return ready

    def place(self, row: int, ready: int, *, hurried: bool) -> None:
        """Give it a mode and a start."""
        modes = range(self.modes_of[row], self.modes_of[row + 1])
        _, start, mode = min((self._fit(mode, ready, hurried=hurried) for mode in modes), default=(0, 0, -1))
        if mode < 0:
            return
        unit = int(self.problem.mode_unit[mode])
        self.mode[row], self.start[row] = mode, start
        self.end[row] = self.calendars[unit].end(start, int(self.problem.mode_duration[mode]))
        insort(self.busy[unit], (start, int(self.end[row]), row))

    def _follows(self, row: int, other: int) -> bool:
        return other in self.after.get(row, ())

    def _fit(self, mode: int, ready: int, *, hurried: bool) -> tuple[int, int, int]:
        """Return end, start and mode."""
        unit, lasts = int(self.problem.mode_unit[mode]), int(self.problem.mode_duration[mode])
        calendar, start, before = self.calendars[unit], ready, -1
        for begin, end, other in self.busy[unit]:
            if hurried and other not in self.fixed:
                continue
            setup = self._setup(unit, before, mode)
            start = calendar.first_fit(max(start, setup + self.problem.now), setup, lasts)
            if calendar.end(start, lasts) + self._setup_to(unit, mode, other) <= begin:
                return calendar.end(start, lasts), start, mode
            start, before = max(start, end + self._setup(unit, other, mode)), other
        start = calendar.first_fit(start, 0, lasts)
        return calendar.end(start, lasts), start, mode

    def _setup(self, unit: int, before: int, mode: int) -> int:
        matrix, state = self.problem.units[unit].setup, int(self.problem.mode_setup[mode])
        stands = int(self.problem.mode_setup[self.mode[before]]) if before >= 0 else self.problem.units[unit].setup_state
        return 0 if matrix is None or state < 0 or stands < 0 else int(matrix[stands, state])

    def _setup_to(self, unit: int, mode: int, other: int) -> int:
        matrix, state = self.problem.units[unit].setup, int(self.problem.mode_setup[mode])
        wanted = int(self.problem.mode_setup[self.mode[other]])
        return 0 if matrix is None or state < 0 or wanted < 0 else int(matrix[state, wanted])
