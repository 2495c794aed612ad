"""A problem made ready for searching: what each operation can be done by, what binds it, and what no plan can do, said in words.

The columns of a problem become plain lists here once, so that the model, the decoder and the greedy read the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from optimizer.plan_closed import Span, paused_end, without
from plant.plan_problem import ALWAYS, Lock, LockReason, PlanProblem
from plant.plans import Infeasible


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Lists over the rows of a problem."""

    problem: PlanProblem
    job: list[int]
    branch: list[int]
    modes: list[list[int]]
    """Of each operation the modes it can be done by: of a locked one the mode it is locked to."""
    unit: list[int]
    duration: list[int]
    state: list[int]
    needs: list[list[tuple[int, int]]]
    """Of each mode: resource, how many."""
    before: list[list[tuple[int, int, int]]]
    """Of each operation: what must have ended, the least and the most that lies between."""
    after: list[list[tuple[int, int, int]]]
    above: list[tuple[int, ...]]
    """Of each branch: itself and the branches it stands in."""
    choices: list[list[int]]
    """Of each choice its branches that can be taken."""
    choice_of: list[int]
    operations_of: list[list[int]]
    """Of each job its operations, in an order that keeps its arcs."""
    start: list[int | None]
    """Where a lock gives it; then ``end`` is given too."""
    end: list[int | None]
    locked: list[bool]
    started: list[bool]
    """What started is a fact: it is held against the rules only where something that is planned breaks them with it."""
    horizon: int
    """There is a plan that ends before it, where there is one at all; and one of the best does where no plan is better for waiting."""

    def earliest(self, operation: int) -> int:
        """Return the tick before which it cannot start by itself."""
        fixed = self.start[operation]
        return fixed if fixed is not None else max(self.problem.jobs[self.job[operation]].release, self.problem.now)

    def closed(self, unit: int) -> tuple[Span, ...]:
        """Return when a unit is closed for what is planned: what started and goes on in closed time is a fact."""
        held = self.facts_on(unit)
        return without(self.problem.units[unit].closed, held) if held else self.problem.units[unit].closed

    def facts_on(self, unit: int) -> list[Span]:
        """Return when a unit does what started before."""
        return [
            (start, end)
            for at, start in enumerate(self.start)
            if self.started[at] and start is not None and (end := self.end[at]) is not None and self.unit[self.modes[at][0]] == unit
        ]

    def together(self, one: int, other: int) -> bool:
        """Tell whether ``other`` is done whenever ``one`` is."""
        return self.branch[other] == ALWAYS or (self.branch[one] != ALWAYS and self.branch[other] in self.above[self.branch[one]])

    def never_both(self, one: int, other: int) -> bool:
        """Tell whether they are on different branches of a choice."""
        return self.apart(self.branch[one], self.branch[other])

    def apart(self, one: int, other: int) -> bool:
        """Tell whether two branches can never both be taken."""
        if ALWAYS in (one, other) or one == other:
            return False
        mine = {self.choice_of[branch]: branch for branch in self.above[one]}
        return any(mine.get(self.choice_of[branch], branch) != branch for branch in self.above[other])


def shape_of(problem: PlanProblem) -> Shape | Infeasible:
    """Return the problem as lists, or why nothing can be planned whatever is tried."""
    count = len(problem.operation_job)
    job, branch = problem.operation_job.tolist(), problem.operation_branch.tolist()
    duration, unit = problem.mode_duration.tolist(), problem.mode_unit.tolist()
    needs: list[list[tuple[int, int]]] = [[] for _ in duration]
    for mode, resource, amount in zip(
        problem.need_mode.tolist(), problem.need_resource.tolist(), problem.need_amount.tolist(), strict=True
    ):
        needs[mode].append((resource, amount))
    why: list[str] = []
    bounds = problem.modes_of.tolist()
    modes = [
        [
            mode
            for mode in range(bounds[at], bounds[at + 1])
            if all(amount <= problem.resources[row].capacity for row, amount in needs[mode])
        ]
        for at in range(count)
    ]
    start: list[int | None] = [None] * count
    end: list[int | None] = [None] * count
    locked, started = [False] * count, [False] * count
    for lock in problem.locks:
        at = lock.operation
        if problem.mode_operation[lock.mode] != at:
            why.append(f"{words(problem, at)} is locked to a way that is none of its own")
            continue
        if locked[at] and (modes[at] != [lock.mode] or (start[at], end[at]) != (lock.start, _ends(problem, lock))):
            why.append(f"{words(problem, at)} is locked twice, and not to the same")
        modes[at], start[at], end[at], locked[at] = [lock.mode], lock.start, _ends(problem, lock), True
        started[at] = lock.reason is LockReason.STARTED
    above, choice_of, choices = _branches(problem)
    before: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
    after: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
    for first, second, least, most in zip(
        problem.arc_before.tolist(), problem.arc_after.tolist(), problem.arc_least.tolist(), problem.arc_most.tolist(), strict=True
    ):
        if started[first] and started[second]:
            continue
        before[second].append((first, least, most))
        after[first].append((second, least, most))
    operations_of: list[list[int]] = [[] for _ in problem.jobs]
    for at, row in enumerate(job):
        operations_of[row].append(at)
    shape = Shape(
        problem, job, branch, modes, unit, duration, problem.mode_setup.tolist(), needs, before, after, above, choices, choice_of,
        [_sorted(rows, before, after) for rows in operations_of], start, end, locked, started, 0,
    )  # fmt: skip
    why += _cycles(shape, operations_of) + _takable(shape) + _clashes(shape)
    if why:
        return Infeasible(tuple(why))
    return replace(shape, horizon=_horizon(shape))


def words(problem: PlanProblem, operation: int) -> str:
    """Return what an operation is called among people."""
    return f"operation {problem.operation_name[operation]} of {problem.jobs[int(problem.operation_job[operation])].name}"


def _ends(problem: PlanProblem, lock: Lock) -> int | None:
    """Return when an operation ends that is locked to a start."""
    if lock.start is None or lock.end is not None:
        return lock.end if lock.start is not None else None
    duration = int(problem.mode_duration[lock.mode])
    unit = problem.units[int(problem.mode_unit[lock.mode])]
    return paused_end(lock.start, duration, unit.closed) if unit.pauses else lock.start + duration


def _branches(problem: PlanProblem) -> tuple[list[tuple[int, ...]], list[int], list[list[int]]]:
    choice_of = problem.branch_choice.tolist()
    parents = problem.choice_branch.tolist()
    above = []
    for branch in range(len(choice_of)):
        line, at = [], branch
        while at != ALWAYS and at not in line:
            line.append(at)
            at = parents[choice_of[at]]
        above.append(tuple(line))
    choices: list[list[int]] = [[] for _ in parents]
    for branch, choice in enumerate(choice_of):
        choices[choice].append(branch)
    return above, choice_of, choices


def _sorted(rows: list[int], before: list[list[tuple[int, int, int]]], after: list[list[tuple[int, int, int]]]) -> list[int]:
    """Return operations so that each comes after all that must be before; those in a circle are left out."""
    left = {at: len(before[at]) for at in rows}
    ready = [at for at in rows if not left[at]]
    for at in ready:
        for other, _, _ in after[at]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    return ready


def _cycles(shape: Shape, operations_of: list[list[int]]) -> list[str]:
    return [
        f"operations of {shape.problem.jobs[row].name} wait for each other in a circle"
        for row, rows in enumerate(operations_of)
        if len(rows) != len(shape.operations_of[row])
    ]


def _takable(shape: Shape) -> list[str]:
    """Take branches that cannot be done out of their choices; return why a choice, or an operation outside of any, has no way left."""
    problem = shape.problem
    without_way = [at for at, modes in enumerate(shape.modes) if not modes]
    why = [f"{words(problem, at)} has no way to be done with the resources there are" for at in without_way if shape.branch[at] == ALWAYS]
    needed = {above for at, branch in enumerate(shape.branch) if shape.locked[at] and branch != ALWAYS for above in shape.above[branch]}
    dead = {shape.branch[at] for at in without_way if shape.branch[at] != ALWAYS}
    dead |= {branch for branch in range(len(shape.above)) if any(shape.apart(branch, other) for other in needed)}
    while True:
        more = {branch for branch, line in enumerate(shape.above) if any(other in dead for other in line)}
        more |= {
            parent
            for choice, branches in enumerate(shape.choices)
            if (parent := int(problem.choice_branch[choice])) != ALWAYS and all(branch in dead | more for branch in branches)
        }
        if more <= dead:
            break
        dead |= more
    for choice, branches in enumerate(shape.choices):
        shape.choices[choice] = [branch for branch in branches if branch not in dead]
        if not shape.choices[choice] and problem.choice_branch[choice] == ALWAYS:
            why.append(f"none of the branches of choice {choice + 1} can be taken")
    if dead & needed:
        why.append("locked operations stand on branches of which only one can be taken, or that cannot be done")
    return why


def _clashes(shape: Shape) -> list[str]:
    """Return which operations are locked to one unit at one time."""
    problem, why = shape.problem, []
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for at, start in enumerate(shape.start):
        if start is not None and shape.modes[at]:
            mode = shape.modes[at][0]
            spans.setdefault(shape.unit[mode], []).append((start, shape.end[at] or start, at))
    for row, found in spans.items():
        found.sort()
        why += [
            f"{words(problem, one[2])} and {words(problem, two[2])} are locked to {problem.units[row].name} at the same time"
            for one, two in itertools.pairwise(found)
            if two[0] < one[1] and not (shape.started[one[2]] and shape.started[two[2]])
        ]
    return why


def _horizon(shape: Shape) -> int:
    problem = shape.problem
    last = max([problem.now, 0, *(job.release for job in problem.jobs)])
    for unit in problem.units:
        last = max([last, *(to for _, to in unit.closed)])
    for resource in problem.resources:
        last = max([last, *(to for _, to, _ in resource.closed)])
    setup = [int(unit.setup.max()) if unit.setup is not None and unit.setup.size else 0 for unit in problem.units]
    travel = int(problem.transport.travel.max()) * 2 if problem.transport is not None else 0
    longest = 0
    for at, modes in enumerate(shape.modes):
        last = max(last, shape.start[at] or 0, shape.end[at] or 0)
        longest += max((shape.duration[mode] + setup[shape.unit[mode]] for mode in modes), default=0) + travel
    return last + longest + int(problem.arc_least[problem.arc_least > 0].sum()) + 1
