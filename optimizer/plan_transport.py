"""Plans with vehicles, in two stages: first as if a vehicle were always there, with a proof of what that gives at best; then the vehicles.

What the first stage proves holds for the second: where the dispatch of the vehicles reaches it, the plan is optimal. Where it does not,
list, modes and vehicles are searched together. What vehicles have to drive gives a bound of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_carrying import Laid, carry, laid, walk_from
from optimizer.plan_decoding import Stuck, decode
from optimizer.plan_greedy import first_plan
from optimizer.plan_shape import Shape, shape_of
from optimizer.plan_shop import Shop, shop_of, speaks
from optimizer.plan_timetables import Vehicles
from optimizer.plan_transport_bounds import vehicle_bound, way_bound
from plant.plan_check import objective_of, plan_faults
from plant.plan_order import PlanOrder, plan_order
from plant.plan_problem import Ints, LockReason, PlanProblem, Ticks
from plant.plans import Infeasible, Outcome, OutOfTime, Plan, Solved, Trip
from plant.right_shift import settle

_RELAXED_SHARE = 0.4
"""Of the time, at most, for the stage without vehicles."""
_ROOMS = (0.0, 0.5, 1.0, 2.0)
"""How much longer ways are taken to be, one after the other, where the general decoder has to lay out."""
_LOOK_S = 0.02
_PATIENCE_S = 1.0
_MOVES = 4_000
"""Between two looks at the clock."""
_PIECES = 30
"""Of one cooling down."""


class Relaxed(Protocol):
    """How a problem without vehicles is planned: ``planning.plan``."""

    def __call__(
        self,
        problem: PlanProblem,
        *,
        seconds: float,
        seed: int,
        workers: int,
        clock: Callable[[], float],
        begin_with: Plan | None,
        on_progress: Callable[[Any], None] | None,
        stop: Callable[[], bool] | None,
    ) -> Outcome:
        """Return the best plan found in time."""


@dataclass(slots=True)
class _Best:
    """The best so far, for all who search, and whether they go on."""

    problem: PlanProblem
    until: float
    clock: Callable[[], float]
    stop: Callable[[], bool] | None
    heard: Callable[[int, int, str], None] | None
    plan: Plan | None = None
    objective: int = 0
    bound: int = 0
    by: str = ""
    ahead: Plan | None = None
    """The best plan without vehicles, and what it costs."""
    without: int = -1
    told: tuple[int, int] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, plan: Plan, by: str) -> None:
        """Take a plan if it is better and has no fault."""
        objective = objective_of(self.problem, plan)
        if (self.plan is not None and objective >= self.objective) or plan_faults(self.problem, plan):
            return
        with self.lock:
            if self.plan is None or objective < self.objective:
                self.plan, self.objective, self.by = plan, objective, by

    def tell(self) -> None:
        """Let the caller hear what is new."""
        if self.heard is not None and self.plan is not None and self.told != (self.objective, self.bound):
            self.told = (self.objective, self.bound)
            self.heard(self.objective, min(self.bound, self.objective), self.by)

    @property
    def proved(self) -> bool:
        return self.plan is not None and self.objective <= self.bound

    @property
    def over(self) -> bool:
        return self.proved or self.left <= 0 or (self.stop is not None and self.stop())

    @property
    def left(self) -> float:
        return self.until - self.clock()


def needs_vehicles(problem: PlanProblem) -> bool:
    """Return whether vehicles are to be dispatched."""
    return problem.transport is not None and problem.transport.vehicles is not None and len(problem.operation_job) > 0


def without_vehicles(problem: PlanProblem) -> PlanProblem:
    """Return the problem as if a vehicle were always there when it is needed."""
    if problem.transport is None:
        return problem
    return replace(problem, transport=replace(problem.transport, vehicles=None))


def plan_with_vehicles(
    problem: PlanProblem,
    *,
    seconds: float,
    seed: int,
    workers: int,
    clock: Callable[[], float],
    relaxed: Relaxed,
    begin_with: Plan | None = None,
    on_better: Callable[[float, int, int, str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Return the best plan found in time; ``on_better`` hears seconds, objective, bound and by what, in this thread."""
    began, cpu = clock(), time.process_time()

    def heard(objective: int, bound: int, by: str) -> None:
        if on_better is not None:
            on_better(clock() - began, objective, bound, by)

    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return shape
    best = _Best(problem, began + seconds, clock, stop, heard)
    if begin_with is not None:
        best.offer(begin_with, "before")
    first = first_plan(problem, seed=seed, seconds=min(0.2, seconds / 10))
    if isinstance(first, Plan):
        best.offer(first, "greedy")
    best.tell()
    best.bound = max(way_bound(problem), vehicle_bound(problem))
    impossible = None if best.over else _two_stages(problem, shape, best, seed, workers, relaxed, _RELAXED_SHARE * seconds)
    if impossible is None and not best.over and best.plan is not None and best.objective <= best.without:
        # vehicles cost nothing: only the first stage can find better, or prove that nothing is
        impossible = _two_stages(problem, shape, best, seed, workers, relaxed, best.left)
    if impossible is not None:
        return impossible
    if best.plan is not None and not best.over:
        _search(problem, shape, best, seed, workers)
    if best.plan is None:
        return OutOfTime(clock() - began, best.bound)
    bound = min(best.bound, best.objective)
    return Solved(best.plan, best.objective, bound, clock() - began, time.process_time() - cpu, best.by)


def _two_stages(
    problem: PlanProblem, shape: Shape, best: _Best, seed: int, workers: int, relaxed: Relaxed, share: float
) -> Infeasible | None:
    """Plan as if vehicles were always there, then dispatch them; return why there is no plan, where that is proved."""
    free, quick = without_vehicles(problem), quick_shop(problem) is not None
    for turn, room in enumerate(_ROOMS[:1] if quick else _ROOMS):
        if turn and best.over:
            break
        asked = _Asked(min(share / (1 + turn), best.left), seed, workers, relaxed)
        found = _ahead(free, best, asked) if room == 0.0 else _ahead(_with_room(free, room), best, asked, roomy=True)
        if isinstance(found, Infeasible):
            if turn == 0:
                return found
            continue
        if turn == 0:
            best.bound = max(best.bound, found.bound)
        if isinstance(found, Solved):
            for plan in _dispatched(problem, shape, found.plan):
                best.offer(plan, "dispatch of vehicles")
                if best.proved:
                    break
        best.tell()
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    seconds: float
    seed: int
    workers: int
    relaxed: Relaxed


def _ahead(free: PlanProblem, best: _Best, asked: _Asked, *, roomy: bool = False) -> Outcome:
    """Plan as if vehicles were always there; it is enough where a plan reaches what is proved already."""
    reached = threading.Event()

    def heard(progress: Any) -> None:
        if progress.objective <= best.bound:
            reached.set()

    def enough() -> bool:
        return (not roomy and reached.is_set()) or (best.stop is not None and best.stop())

    start = best.ahead if best.ahead is not None or best.plan is None else replace(best.plan, trips=())
    found = asked.relaxed(
        free,
        seconds=asked.seconds,
        seed=asked.seed,
        workers=asked.workers,
        clock=best.clock,
        begin_with=None if roomy else start,
        on_progress=heard,
        stop=enough,
    )
    if isinstance(found, Solved) and not roomy:
        best.ahead, best.without = found.plan, found.objective
    return found


def _with_room(free: PlanProblem, room: float) -> PlanProblem:
    """Return the problem with longer ways, so that its plan leaves vehicles some time."""
    if free.transport is None:
        return free
    travel = np.ceil(free.transport.travel * (1 + room)).astype(np.int64)
    return replace(free, transport=replace(free.transport, travel=travel))


def _dispatched(problem: PlanProblem, shape: Shape, plan: Plan) -> Iterator[Plan]:
    """Yield plans in which vehicles do what a plan without them asks for, in some orders."""
    free = without_vehicles(problem)
    quick = quick_shop(problem)
    for order in _orders(free, plan):
        if quick is not None:
            yield carried(problem, quick, order, plan.mode)
            continue
        # as the plan stands, moved to the right by as much as vehicles are late
        settled = settle(problem, _assigned(problem, plan, order))
        if settled.stuck < 0 and not settled.loosed:
            yield settled.plan
        found = decode(shape, order.tolist(), plan.mode.tolist())
        if not isinstance(found, Stuck):
            yield found


def _assigned(problem: PlanProblem, plan: Plan, order: Ints) -> Plan:
    """Return the plan with trips: to what is locked to its start first, then in the order of a list; a part may come too late."""
    transport, follows = problem.transport, plan_order(problem, plan)
    if transport is None or transport.vehicles is None:
        return plan
    facts = {lock.operation for lock in problem.locks if lock.reason is LockReason.STARTED}
    held = {lock.operation for lock in problem.locks if lock.start is not None}
    wanted = [row for row in order.tolist() if follows.carried[row] and row not in facts]
    wanted.sort(key=lambda row: (row not in held, plan.start[row] if row in held else 0))
    vehicles = Vehicles(transport.travel.tolist(), transport.start, [[] for _ in range(transport.vehicles)])
    trips = []
    for row in wanted:
        origin, place, before = int(follows.origin[row]), int(follows.place[row]), int(follows.before_of_part[row])
        ready = int(plan.end[before]) if before >= 0 else problem.jobs[problem.operation_job[row]].release
        vehicle, ride = vehicles.fitting(origin, place, ready if row in held else max(ready, problem.now), row)
        vehicles.add(vehicle, ride)
        trips.append(Trip(vehicle, row, origin, place, ride.leaves, ride.arrives))
    return replace(plan, trips=tuple(trips))


def _orders(free: PlanProblem, plan: Plan) -> Iterator[Ints]:
    """Yield lists: by when an operation starts, has to start at last, by when its part is to leave, or is ready."""
    done = np.flatnonzero(plan.mode >= 0).astype(np.int32)
    order = plan_order(free, plan)
    before, way = order.before_of_part, np.zeros(len(plan.mode), np.int64)
    if free.transport is not None:
        way[order.carried] = free.transport.travel[order.origin[order.carried], order.place[order.carried]]
    release = np.array([job.release for job in free.jobs], np.int64)[free.operation_job]
    ready = np.where(before >= 0, plan.end[before], release)
    held = np.zeros(len(plan.mode), np.bool_)
    held[[lock.operation for lock in free.locks if lock.start is not None]] = True
    last = _last_starts(plan, done, order, way, held)
    for key in (plan.start, last, last - way, (plan.start + last) // 2, plan.start - way, ready + way, ready):
        # by its own start where keys are alike; what is done to a part stays in order
        ordered = done[np.lexsort((plan.end[done], plan.start[done], key[done]))]
        yield _kept_in_order(free, plan, ordered)


def _last_starts(plan: Plan, done: Ints, order: PlanOrder, way: Ticks, held: NDArray[np.bool_]) -> Ticks:
    """Return when each operation has to start at last, so that the plan as it stands ends no later."""
    ends = np.full(len(plan.mode), plan.end.max(initial=0))
    for row in done[np.lexsort((plan.end[done], plan.start[done]))][::-1]:
        ends[row] = plan.end[row] if held[row] else ends[row]
        lasts = ends[row] - (plan.end[row] - plan.start[row])
        for before, gap in ((order.before_on_unit[row], order.setup[row]), (order.before_of_part[row], way[row])):
            if before >= 0:
                ends[before] = min(ends[before], lasts - gap)
    return np.asarray(ends - (plan.end - plan.start), np.int64)


def _kept_in_order(problem: PlanProblem, plan: Plan, ordered: Ints) -> Ints:
    """Return a list in which the operations of each job stand as they follow each other in the plan."""
    rows: dict[int, list[int]] = {}
    for row in ordered[np.lexsort((plan.end[ordered], plan.start[ordered]))]:
        rows.setdefault(int(problem.operation_job[row]), []).append(int(row))
    turns = {job: iter(mine) for job, mine in rows.items()}
    return np.array([next(turns[int(problem.operation_job[row])]) for row in ordered], np.int32)


def quick_shop(problem: PlanProblem) -> Shop | None:
    """Return the problem as columns that compiled search reads; None where it is for the general decoder alone."""
    free = without_vehicles(problem)
    if not speaks(free) or any(lock.start is not None for lock in problem.locks) or not all(job.one_at_a_time for job in problem.jobs):
        return None
    return shop_of(free)


def carried(problem: PlanProblem, shop: Shop, order: Ints, mode: Ints) -> Plan:
    """Return the plan that a list gives, with trips."""
    transport = problem.transport
    vehicles = 1 if transport is None or transport.vehicles is None else transport.vehicles
    out = laid(len(mode))
    carry(shop, vehicles, order, mode, out, np.inf)
    plan = Plan(mode.astype(np.int32), out.start, out.end)
    return replace(plan, trips=tuple(_trips(problem, plan, out)))


def _trips(problem: PlanProblem, plan: Plan, out: Laid) -> Iterator[Trip]:
    order = plan_order(problem, plan)
    for row in np.flatnonzero(out.vehicle >= 0):
        assert problem.transport is not None  # noqa: S101 - else nothing is carried
        origin, place, leaves = int(order.origin[row]), int(order.place[row]), int(out.leaves[row])
        yield Trip(int(out.vehicle[row]), int(row), origin, place, leaves, leaves + int(problem.transport.travel[origin, place]))


def _search(problem: PlanProblem, shape: Shape, best: _Best, seed: int, workers: int) -> None:
    """Look for better until it is over: compiled where the columns tell all, else in lists that the general decoder lays out."""
    shop = quick_shop(problem)
    done = threading.Event()

    def work(number: int) -> None:
        if shop is None:
            _wander(problem, shape, best, seed + number, done)
        else:
            _walk(problem, shop, best, seed + number, done)

    count = max(workers, 1) if shop is not None else 1
    threads = [threading.Thread(target=work, args=(number,), name=f"vehicles-{number}", daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        while not best.over and any(thread.is_alive() for thread in threads):
            best.tell()
            done.wait(_LOOK_S)
    except KeyboardInterrupt:
        pass  # the best so far is given
    finally:
        done.set()
        for thread in threads:
            thread.join(_PATIENCE_S)
    best.tell()


def _list_of(plan: Plan) -> Ints:
    done = np.flatnonzero(plan.mode >= 0).astype(np.int32)
    return done[np.lexsort((done, plan.end[done], plan.start[done]))]


def _walk(problem: PlanProblem, shop: Shop, best: _Best, seed: int, done: threading.Event) -> None:
    from optimizer.plan_carrying_walk import anneal

    assert problem.transport is not None  # noqa: S101 - else it is not searched
    vehicles, turn = problem.transport.vehicles or 1, 0
    while not done.is_set():
        plan = best.plan
        if plan is None:
            return
        walk = walk_from(_list_of(plan), plan.mode.astype(np.int32), seed * 1009 + turn)
        out = laid(len(plan.mode))
        cost = float(best.objective)
        hot = (0.03, 0.01, 0.003, 0.06)[turn % 4] * max(cost, 1.0)
        cold = min(0.0002 * max(cost, 1.0), hot / 10)
        for piece in range(_PIECES):
            begin, end = (hot * (cold / hot) ** (part / _PIECES) for part in (piece, piece + 1))
            found = anneal(shop, vehicles, walk, out, _MOVES, begin, end, cost, float(best.bound))
            if found < cost:
                cost = found
                best.offer(carried(problem, shop, walk.best_order.copy(), walk.best_mode.copy()), "search with vehicles")
            if done.is_set():
                return
        turn += 1


def _wander(problem: PlanProblem, shape: Shape, best: _Best, seed: int, done: threading.Event) -> None:
    """Change lists a little and lay them out anew; worse ones are taken less and less."""
    random = np.random.default_rng(seed)
    plan = best.plan
    if plan is None:
        return
    modes = problem.modes_of
    fixed = {lock.operation for lock in problem.locks}
    order, mode, cost = _list_of(plan).tolist(), plan.mode.tolist(), best.objective
    heat = 0.01 * max(cost, 1)
    while not done.is_set():
        heat = max(heat * 0.999, 0.0001 * max(cost, 1))
        tried, ways = list(order), list(mode)
        at = int(random.integers(len(tried)))
        row = tried.pop(at)
        if row not in fixed and random.random() < 0.4:
            ways[row] = int(random.integers(modes[row], modes[row + 1]))
        mates = {one for one in range(len(tried)) if problem.operation_job[tried[one]] == problem.operation_job[row]}
        low = max((one + 1 for one in mates if one < at), default=0)
        high = min((one for one in mates if one >= at), default=len(tried))
        tried.insert(int(random.integers(low, high + 1)), row)
        found = decode(shape, tried, ways)
        if isinstance(found, Stuck):
            continue
        worth = objective_of(problem, found)
        if worth <= cost - heat * np.log(max(random.random(), 1e-12)):
            order, mode, cost = tried, ways, worth
            if worth < best.objective:
                best.offer(found, "search with vehicles")
