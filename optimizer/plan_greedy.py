"""The first plan, within a moment and of any problem: who can be done first is done next, and a list that ends in a dead end is mended.

Nothing is compiled and no solver is asked. Some lists are drawn with other preferences, and the best plan is kept.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from optimizer.plan_closed import opens
from optimizer.plan_decoding import Stuck, decode
from optimizer.plan_shape import Shape, shape_of
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import ALWAYS, PlanProblem
from plant.plans import Infeasible, Plan

_ROUNDS: Final = 16
_MENDINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Routed:
    """A list: operations in an order that keeps their arcs, and how each is done (-1: not at all)."""

    order: list[int]
    mode: list[int]


@dataclass(frozen=True, slots=True)
class _Taste:
    """What a round prefers."""

    ahead: float = 0.6
    """How much the time that a job still needs counts."""
    urgent: float = 1.0
    """How much a due date counts."""
    noise: float = 0.0
    load: float = 0.15
    """How much it counts against a unit that much was put on it."""
    front: frozenset[int] = frozenset()
    """Jobs that come first."""
    jobwise: bool = False
    """Whether a job is put whole before the next."""


def first_plan(problem: PlanProblem, *, seed: int, seconds: float = 0.4) -> Plan | Infeasible:
    """Return a plan without fault, or why there is none as far as is known: what the last try broke, in words.

    One list is always tried; more are while ``seconds`` last. What is called infeasible here can have a plan that only an exact search
    finds where locks and longest times leave nearly no room; where ``shape_of`` says so there is none.
    """
    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return shape
    best = first_list(shape, seed=seed, seconds=seconds)
    return best if isinstance(best, Infeasible) else best[1]


def first_list(shape: Shape, *, seed: int, seconds: float = 0.4) -> tuple[Routed, Plan] | Infeasible:
    """Return the best list of some, and its plan."""
    problem = shape.problem
    random_ = random.Random(seed)  # noqa: S311
    greedy = Greedy(shape)
    best: tuple[int, Routed, Plan] | None = None
    until = time.monotonic() + seconds
    why: tuple[str, ...] = ()
    front: frozenset[int] = frozenset()
    for turn in range(_ROUNDS + _MENDINGS):
        if best is not None and (turn >= _ROUNDS or time.monotonic() > until):
            break
        if best is None and turn and time.monotonic() > until + seconds:
            break
        taste = _taste(random_, turn, front, jobwise=best is None and turn >= 2 and turn % 2 == 0)
        routed = greedy.listed(taste, random_)
        plan = decode(shape, routed.order, routed.mode)
        if isinstance(plan, Stuck):
            why = (plan.why,)
            front |= {shape.job[plan.operation]}
            for at in plan.block or (plan.operation,):
                mode = routed.mode[at]
                greedy.shunned[mode] = greedy.shunned.get(mode, 0.0) + 4.0 * greedy.scale * random_.random()
            continue
        cost = objective_of(problem, plan)
        if best is not None and cost >= best[0]:
            continue
        faults = plan_faults(problem, plan)
        if faults:
            why = faults
            continue
        best = (cost, routed, plan)
    return (best[1], best[2]) if best is not None else Infeasible(why)


def improve_lists(problem: PlanProblem, *, seed: int, stop: Callable[[], bool], on_plan: Callable[[Plan], None]) -> None:
    """Draw lists by other preferences until ``stop`` says so; plans that are better than those before are told."""
    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return
    random_, greedy = random.Random(seed), Greedy(shape)  # noqa: S311
    best: tuple[int, _Taste] | None = None
    while not stop():
        taste = _taste(random_, 1, frozenset(), jobwise=False)
        if best is not None and random_.random() < 0.7:
            near = best[1]
            taste = replace(near, noise=near.noise * random_.uniform(0.3, 1.5), ahead=near.ahead * random_.uniform(0.8, 1.2))
        routed = greedy.listed(taste, random_)
        plan = decode(shape, routed.order, routed.mode)
        if isinstance(plan, Stuck):
            continue
        cost = objective_of(problem, plan)
        if best is None or cost < best[0]:
            best = cost, taste
            on_plan(plan)


def _taste(random_: random.Random, turn: int, front: frozenset[int], *, jobwise: bool) -> _Taste:
    if turn == 0:
        return _Taste()
    return _Taste(
        ahead=random_.uniform(0.2, 1.2),
        urgent=random_.choice((0.5, 1.0, 2.0)),
        noise=random_.uniform(0.0, 0.5),
        load=random_.uniform(0.0, 0.4),
        front=front,
        jobwise=jobwise,
    )


class Greedy:
    """What the rounds on one problem share."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        problem = shape.problem
        count = len(shape.job)
        self.shortest = [min((shape.duration[mode] for mode in modes), default=0) for modes in shape.modes]
        self.setups = [None if unit.setup is None else unit.setup.tolist() for unit in problem.units]
        self.closed = [shape.closed(row) for row in range(len(problem.units))]
        self.scale = max(1.0, sum(self.shortest) / max(count, 1))
        self.shunned: dict[int, float] = {}
        """How much counts against modes with which lists ended in a dead end."""
        self.by_due = problem.objective.tardiness > 0 and any(job.due is not None for job in problem.jobs)
        self.inside: list[list[int]] = [[] for _ in shape.above]
        """Of each branch the operations that stand in it directly."""
        for at, branch in enumerate(shape.branch):
            if branch != ALWAYS:
                self.inside[branch].append(at)
        self.under: list[list[int]] = [[] for _ in shape.above]
        """Of each branch the choices that stand in it."""
        self.tops: list[int] = []
        for choice, parent in enumerate(problem.choice_branch.tolist()):
            (self.under[parent] if parent != ALWAYS else self.tops).append(choice)
        self.locked = {
            above for at, branch in enumerate(shape.branch) if shape.locked[at] and branch != ALWAYS for above in shape.above[branch]
        }
        self.rank = [0] * count
        for rows in shape.operations_of:
            for row, at in enumerate(rows):
                self.rank[at] = row

    def routes(self, random_: random.Random, noise: float) -> set[int]:
        """Return branches to take: by the least work, with some noise."""
        taken: set[int] = set()

        def best(choice: int) -> tuple[float, list[int]]:
            found: list[tuple[float, int, list[int]]] = []
            for branch in self.shape.choices[choice]:
                total = float(sum(self.shortest[at] for at in self.inside[branch]))
                total *= 1.0 + noise * random_.random()
                chosen = [branch]
                for inner in self.under[branch]:
                    more, lines = best(inner)
                    total += more
                    chosen += lines
                found.append((-1.0 if branch in self.locked else total, branch, chosen))
            total, _, chosen = min(found)
            return total, chosen

        for choice in self.tops:
            if self.shape.choices[choice]:
                taken.update(best(choice)[1])
        return taken

    def listed(self, taste: _Taste, random_: random.Random, taken: set[int] | None = None) -> Routed:  # noqa: C901, PLR0915
        """Return a list by the preferences of a round, on the branches given or on those it prefers."""
        shape, problem = self.shape, self.shape.problem
        taken = self.routes(random_, taste.noise * 2) if taken is None else taken
        done = [branch == ALWAYS or branch in taken for branch in shape.branch]
        mode = [-1] * len(done)
        left = self._left(done)
        waits = [sum(done[before] for before, _, _ in shape.before[at]) for at in range(len(done))]
        free = [problem.now] * len(problem.units)
        stands = [unit.setup_state for unit in problem.units]
        load = [0] * len(problem.units)
        ready = [shape.earliest(at) for at in range(len(done))]
        job_free = [job.release for job in problem.jobs]
        turn = random_.sample(range(len(problem.jobs)), len(problem.jobs)) if taste.noise else list(range(len(problem.jobs)))
        last = [-1] * len(problem.jobs)

        def look(at: int) -> tuple[float, float, int, int, int]:
            job = shape.job[at]
            fixed = shape.start[at]
            if fixed is not None:
                return -2.0, float(fixed), at, shape.modes[at][0], shape.end[at] or 0
            there = max(ready[at], job_free[job]) if problem.jobs[job].one_at_a_time else ready[at]
            best, best_mode, best_end = 0.0, -1, 0
            for one in shape.modes[at]:
                unit = shape.unit[one]
                setups, gap = self.setups[unit], 0
                if setups is not None and stands[unit] >= 0 and shape.state[one] >= 0:
                    gap = setups[stands[unit]][shape.state[one]]
                starts = max(there + self._way(last[job], unit), free[unit] + gap)
                if self.closed[unit]:
                    starts = opens(starts, self.closed[unit])
                ends = starts + shape.duration[one]
                worth = ends + 0.5 * gap + taste.load * load[unit] + self.shunned.get(one, 0.0)
                if best_mode < 0 or worth < best:
                    best, best_mode, best_end = worth, one, ends
            row = problem.jobs[job]
            first = -1.0 if job in taste.front else 0.0
            if taste.jobwise:
                key = float(turn[job]) if not self.by_due or row.due is None else float(row.due)
                return first, key * 1e6 + self.rank[at], at, best_mode, best_end
            key = best - taste.ahead * left[at]
            if self.by_due and row.due is not None:
                key = best + taste.urgent * (row.due - left[at])
            return first, key + drawn[at], at, best_mode, best_end

        noise = taste.noise * self.scale
        drawn = [noise * random_.random() for _ in done] if noise else [0.0] * len(done)
        heap = [look(at) for at in range(len(done)) if done[at] and not waits[at]]
        heapq.heapify(heap)
        order: list[int] = []
        while heap:
            seen = heapq.heappop(heap)
            again = look(seen[2])
            if heap and again[:2] > heap[0][:2] and again[:2] > seen[:2]:
                heapq.heappush(heap, again)
                continue
            at, one, ends = again[2:]
            order.append(at)
            mode[at] = one
            unit, job = shape.unit[one], shape.job[at]
            free[unit] = max(free[unit], ends)
            load[unit] += shape.duration[one]
            stands[unit] = shape.state[one] if shape.state[one] >= 0 else stands[unit]
            job_free[job], last[job] = max(job_free[job], ends), unit
            for after, least, _ in shape.after[at]:
                if done[after]:
                    ready[after] = max(ready[after], ends + least)
                    waits[after] -= 1
                    if not waits[after]:
                        heapq.heappush(heap, look(after))
        return Routed(order, mode)

    def _way(self, origin: int, unit: int) -> int:
        transport = self.shape.problem.transport
        if transport is None:
            return 0
        return int(transport.travel[transport.place[origin] if origin >= 0 else transport.start, transport.place[unit]])

    def _left(self, done: list[bool]) -> list[int]:
        """Return of each operation the least time from its start to the end of its job."""
        shape = self.shape
        left = [0] * len(done)
        for row, rows in enumerate(shape.operations_of):
            single = shape.problem.jobs[row].one_at_a_time
            total = 0
            for at in reversed(rows):
                if done[at]:
                    total += self.shortest[at]
                    behind = max((least + left[after] for after, least, _ in shape.after[at] if done[after]), default=0)
                    left[at] = max(self.shortest[at] + behind, total if single and not shape.after[at] else 0)
        return left
