"""A plan for a plant that has changed: at once, then repaired within seconds with few moves, then improved in the background.

* ``at_once``: everything moves to the right as far as it must (``plant.plan_shift``); where orders cannot be kept, a new order.
* ``repaired``: at most a share of the operations is placed anew (another unit, or another place in its unit's order), those that help
  most. First by tries of single operations, each followed by the shift, which needs no solver; then by exact windows in which all
  others keep their unit and order, so that the share is kept by construction.
* ``improved``: the whole search, from the repaired plan on. Its plan is taken only where it is materially better: people do not follow a
  plan that changes all day.

Locks and the frozen zone hold throughout: what the shift kept a repair keeps, what it had to loose (``Shifted.loosed``) stays told.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from optimizer.plan_greedy import first_plan
from plant.plan_check import measures, objective_of, plan_faults
from plant.plan_compare import moved_count
from plant.plan_holds import Holds
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plan_reasons import PlanStory, elsewhere, plan_story, why_here
from plant.plan_shift import Loosed, Shifted, shifted
from plant.plans import Infeasible, Plan, Solved
from plant.right_shift import settle

SHARE: Final = 0.05
"""Of the operations: so many at most are placed anew by a repair."""
MATERIAL: Final = 0.01
"""Of what a plan costs: so much better a new one must be before it is taken."""
_EXACT_FROM_S: Final = 0.45
"""Less time than that is not worth an exact window."""
_TRIES_SHARE: Final = 0.4
"""Of the time for tries of single operations; windows have the rest."""
_WALKS: Final = 12
"""So many walks without gain end the tries."""
_WINDOWS: Final = 6
"""So many windows without gain end the search."""
_CRITICAL: Final = 30
"""Operations that are looked at from one plan at most."""
_MOVES: Final = 60
"""Moves that are tried from one plan at most."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A plan without fault for ``problem``, close to the one that stood."""

    problem: PlanProblem
    plan: Plan
    loosed: tuple[Loosed, ...]
    """Locks that cannot be kept in it."""
    objective_shifted: int
    """What it cost after the shift alone, without what is moved."""
    objective: int
    placed_anew: int
    """Operations with another unit or another place in the order than in the plan that stood."""
    shifted: int
    """Operations that only start at another time."""
    tries: int
    windows: int
    wall_s: float
    cpu_s: float


def at_once(problem: PlanProblem, plan: Plan, *, urgent: Collection[int] = (), seed: int = 0) -> Shifted | Infeasible:
    """Return a plan for the problem at once: the one that stands moved to the right, or, where its order cannot be kept, a new one."""
    found = shifted(problem, plan, urgent=urgent)
    if isinstance(found, Shifted):
        return found
    for without in (frozenset[LockReason](), frozenset({LockReason.FROZEN}), frozenset({LockReason.FROZEN, LockReason.PERSON})):
        gone = [lock for lock in problem.locks if lock.reason in without and lock.start is not None]
        left = replace(problem, locks=tuple(lock for lock in problem.locks if lock not in gone))
        fresh = first_plan(left, seed=seed)
        if not isinstance(fresh, Infeasible):
            return _taken(problem, left, fresh, gone)
    return Infeasible(found.why)


def repaired(
    problem: PlanProblem,
    plan: Plan,
    first: Shifted,
    *,
    seconds: float = 2.0,
    seed: int = 0,
    share: float = SHARE,
    clock: Clock = time.monotonic,
    stop: Callable[[], bool] | None = None,
    exact: bool = True,
) -> Repaired:
    """Return a plan that is no worse than ``first`` (the shift of ``plan``), with few operations placed anew.

    ``problem`` and ``plan`` are those that were shifted: what remains, and the plan that stands in its rows.
    """
    repair = _Repair(plan, first, seed, share, clock, stop, clock() + seconds)
    began, cpu = clock(), time.process_time()
    repair.by_tries(began + seconds * (_TRIES_SHARE if exact else 1.0))
    if exact and first.problem.transport is None:
        repair.by_windows()
    if not _keeps_locks(problem, repair.plan_now, first.loosed):
        raise AssertionError("a repair broke a lock")
    anew, only_shifted = moved_count(first.problem, plan, repair.plan_now)
    return Repaired(
        problem=first.problem,
        plan=repair.plan_now,
        loosed=first.loosed,
        objective_shifted=_cost(first.problem, first.plan),
        objective=repair.cost,
        placed_anew=anew,
        shifted=only_shifted,
        tries=repair.tries,
        windows=repair.windows,
        wall_s=clock() - began,
        cpu_s=time.process_time() - cpu,
    )


def improved(
    problem: PlanProblem,
    plan: Plan,
    *,
    seconds: float,
    seed: int,
    workers: int = 2,
    clock: Clock = time.monotonic,
    stop: Callable[[], bool] | None = None,
) -> Plan | None:
    """Return a materially better plan from the whole search, or None: the one that stands stays."""
    from optimizer.planning import plan as planned

    found = planned(problem, seconds=seconds, seed=seed, workers=workers, clock=clock, begin_with=plan, stop=stop)
    return found.plan if isinstance(found, Solved) and is_materially_better(problem, plan, found.plan) else None


def is_materially_better(problem: PlanProblem, standing: Plan, proposed: Plan, *, material: float = MATERIAL) -> bool:
    """Return whether a plan is worth changing to: fewer late jobs at no more cost, or at least so much better, what is moved included."""
    before, after = _cost(problem, standing), _cost(problem, proposed)
    if after > before or objective_of(problem, proposed) > objective_of(problem, standing):
        return False
    if measures(problem, proposed).late_jobs < measures(problem, standing).late_jobs:
        return True
    return before - after >= max(material * before, 1)


def _keeps_locks(problem: PlanProblem, plan: Plan, loosed: Collection[Loosed]) -> bool:
    """Return whether each lock is kept but those told."""
    told = {one.lock.operation for one in loosed}
    return all(
        plan.mode[lock.operation] == lock.mode and lock.start in {None, int(plan.start[lock.operation])}
        for lock in problem.locks
        if lock.operation not in told
    )


def _cost(problem: PlanProblem, plan: Plan) -> int:
    """Return what a plan costs without what is moved."""
    return objective_of(replace(problem, objective=replace(problem.objective, moved=0)), plan)


def _taken(problem: PlanProblem, left: PlanProblem, fresh: Plan, gone: list[Lock]) -> Shifted | Infeasible:
    """Return a new plan with the locks that it cannot keep told; those that it keeps by chance are no loss."""
    kept = [lock for lock in gone if fresh.mode[lock.operation] == lock.mode and fresh.start[lock.operation] == lock.start]
    locks = tuple(lock for lock in problem.locks if lock in left.locks or lock in kept)
    loosed = tuple(Loosed(lock, int(fresh.start[lock.operation]), ()) for lock in gone if lock not in kept)
    return Shifted(replace(left, locks=locks), fresh, loosed, (), {})


class _Repair:
    """The best repair so far."""

    def __init__(
        self,
        plan: Plan,
        first: Shifted,
        seed: int,
        share: float,
        clock: Clock,
        stop: Callable[[], bool] | None,
        until: float,
    ) -> None:
        self.problem, self.plan = first.problem, plan
        self.plan_now, self.cost = first.plan, _cost(first.problem, first.plan)
        """The best so far."""
        self.random = random.Random(seed)  # noqa: S311
        self.seed, self.clock, self.stop, self.until = seed, clock, stop, until
        self.budget = max(int((plan.mode >= 0).sum() * share), 1)
        came = (plan.mode < 0) & (first.plan.mode >= 0)
        mode, start = np.where(came, first.plan.mode, plan.mode), np.where(came, first.plan.start, plan.start)
        self.base = Plan(mode, start, np.where(came, first.plan.end, plan.end), first.plan.trips if came.any() else plan.trips)
        """The plan that stood, with what was placed anew so far; each try is shifted from here."""
        self.tries = self.windows = 0
        self.fixed = {lock.operation for lock in first.problem.locks}

    def _over(self, until: float) -> bool:
        return self.clock() >= until or (self.stop is not None and self.stop())

    def by_tries(self, until: float) -> None:
        """Place single operations anew while it helps: those on the chains that hold the ends, where they would end earliest.

        A walk may go sideways (the same cost, the jobs together earlier); only what costs less is kept. Walks begin again from the best,
        with the promising moves in another order.
        """
        self._walk(until, shake=0.0)
        fruitless = 0
        while fruitless < _WALKS and not self._over(until):
            fruitless = 0 if self._walk(until, shake=1.0) else fruitless + 1
        self._take_back()

    def _walk(self, until: float, *, shake: float) -> bool:
        """Walk from the best, and return whether a better one was found."""
        base, here, gained = self.base, self.plan_now, False
        score = self._fine(here)
        while not self._over(until):
            moves = self._moves(plan_story(self.problem, here), shake)
            for move in moves[:_MOVES]:
                if self._over(until):
                    return gained
                tried = self._tried(base, *move, better_than=score)
                if tried is None:
                    continue
                base, here = tried
                score = self._fine(here)
                if score[0] < self.cost and not plan_faults(self.problem, here):
                    self._keep(base, here, score[0])
                    gained = True
                break
            else:
                return gained
        return gained

    def _keep(self, base: Plan, plan: Plan, cost: int) -> None:
        self.base, self.plan_now, self.cost = base, plan, cost

    def _fine(self, plan: Plan) -> tuple[int, int]:
        """Return what a plan costs, and when jobs end together: what tells of two plans of the same cost which has more room."""
        ends = np.zeros(len(self.problem.jobs), np.int64)
        np.maximum.at(ends, self.problem.operation_job, plan.end)
        return _cost(self.problem, plan), int((ends * ends).sum())

    def _take_back(self) -> None:
        """Put back what was placed anew and does not help: fewer moves at the same cost."""
        for row in np.flatnonzero((self.base.mode != self.plan.mode) & (self.plan.mode >= 0)).tolist():
            if self.clock() >= self.until:
                return
            worst = (self.cost, np.iinfo(np.int64).max)
            tried = self._tried(self.base, row, int(self.plan.mode[row]), int(self.plan.start[row]), better_than=worst)
            if tried is not None and not plan_faults(self.problem, tried[1]):
                self._keep(*tried, _cost(self.problem, tried[1]))

    def _moves(self, story: PlanStory, shake: float) -> list[tuple[int, int, int]]:
        """Return operation, mode and start of what is worth a try, the most promising first."""
        found: list[tuple[int, int, int, int]] = []
        critical = self._critical(story)
        if len(critical) > _CRITICAL:
            critical = self.random.sample(critical, _CRITICAL) if shake else critical[:_CRITICAL]
        for rank, row in enumerate(critical):
            found += [(other.later + rank, row, other.mode, other.start) for other in elsewhere(story, row)[:3]]
            held = next((one for one in why_here(story, row).bounds if one.holds in {Holds.UNIT, Holds.SETUP}), None)
            if held is not None and held.operation not in self.fixed:
                found.append((rank, row, story.its.mode[row], max(story.its.start[held.operation] - 1, 0)))
        scale = shake * (1 + sum(one[0] for one in found if one[0] > 0) / max(len(found), 1))
        found.sort(key=lambda one: (one[0] + scale * self.random.random(), one))
        return [(row, mode, start) for _, row, mode, start in found]

    def _critical(self, story: PlanStory) -> list[int]:
        """Return the operations on the chains of the latest jobs that can be placed anew, from the back."""
        counts = self.problem.objective
        ends = story.plan.end
        jobs = sorted(range(len(story.of_job)), key=lambda job: -max((int(ends[row]) for row in story.of_job[job]), default=0))
        chosen = jobs[:1] if counts.makespan else []
        if counts.tardiness or counts.flow:
            late = sorted(jobs, key=lambda job: -self._loss(story, job))
            chosen += [job for job in late[:8] if job not in chosen]
        found: dict[int, None] = {}
        for job in chosen:
            row = max(story.of_job[job], key=lambda row: int(ends[row]), default=-1)
            seen: set[int] = set()
            while row >= 0 and row not in seen:
                seen.add(row)
                if row not in self.fixed and story.its.start[row] >= self.problem.now:
                    found[row] = None
                row = next((one.operation for one in why_here(story, row).bounds if one.operation >= 0), -1)
        return list(found)

    def _loss(self, story: PlanStory, job: int) -> int:
        end = max((int(story.plan.end[row]) for row in story.of_job[job]), default=0)
        due = story.problem.jobs[job].due
        return 0 if due is None else max(end - due, 0) * story.problem.jobs[job].weight

    def _tried(self, base: Plan, row: int, mode: int, start: int, *, better_than: tuple[int, int]) -> tuple[Plan, Plan] | None:
        """Return the plan that stood with one operation placed anew, and that shifted; None where it is not better or moves too much."""
        self.tries += 1
        columns = base.mode.copy(), base.start.copy(), base.end.copy()
        columns[0][row], columns[1][row] = mode, start
        columns[2][row] = start + int(self.problem.mode_duration[mode])
        changed = Plan(*columns, base.trips)
        found = settle(self.problem, changed)
        if found.stuck >= 0 or found.loosed or found.lapsed or self._fine(found.plan) >= better_than:
            return None
        return (changed, found.plan) if self._few(found.plan) else None

    def by_windows(self) -> None:
        """Solve windows exactly: so few operations are free in each that no more than the share is placed anew."""
        if self.until - self.clock() < _EXACT_FROM_S or self._over(self.until):
            return
        from optimizer.plan_model import solve

        aim = replace(self.problem, objective=replace(self.problem.objective, moved=0))
        without_gain, takes = 0, 0.0
        while without_gain < _WINDOWS and not self._over(self.until):
            left = self.until - self.clock()
            free = self._window(without_gain)
            if left < max(takes or 2 * _EXACT_FROM_S * len(self.plan.mode) / 240, 0.15) or not free.any():
                return
            began = self.clock()
            self.windows += 1
            seconds = min(left, max(left / 2, _EXACT_FROM_S))
            seed = self.seed + self.windows
            answer = solve(aim, seconds=seconds, seed=seed, workers=2, hint=self.plan_now, free=free, stop=self.stop)
            takes = self.clock() - began
            without_gain += 1
            if answer.plan is None:
                continue
            cost = _cost(aim, answer.plan)
            if cost < self.cost and not plan_faults(self.problem, answer.plan) and self._few(answer.plan):
                self.plan_now, self.cost, without_gain = answer.plan, cost, 0

    def _few(self, plan: Plan) -> bool:
        return moved_count(self.problem, self.plan, plan)[0] <= self.budget

    def _window(self, again: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which operations are free: those placed anew already, then of the chains that hold the ends, then any on their units."""
        story = plan_story(self.problem, self.plan_now)
        moved = [row for row in np.flatnonzero(self.plan_now.mode != self.plan.mode).tolist() if row not in self.fixed]
        chain = [row for row in self._critical(story) if row not in moved]
        if again:
            self.random.shuffle(chain)
            near = [row for row in range(len(self.plan.mode)) if self.plan_now.mode[row] >= 0 and row not in self.fixed]
            self.random.shuffle(near)
            chain = chain[: max(self.budget // 2, 1)] + [row for row in near if row not in chain]
        free = np.zeros(len(self.plan.mode), np.bool_)
        free[(moved + chain)[: self.budget]] = True
        return free
