"""A plan for any problem in the time given: greedy at once, then local search and exact search side by side, each told of the other's.

``plan`` is the one entry. Each plan passes the independent check before it leaves; what does not is dropped and said loudly.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from optimizer.plan_board import Board
from optimizer.plan_bounds import lower_bound
from optimizer.plan_dispatch import dispatched
from optimizer.plan_greedy import first_plan
from optimizer.plan_laying import plan_of
from optimizer.plan_route_bounds import route_bound
from optimizer.plan_shape import shape_of
from optimizer.plan_shop import Shop, shop_of, speaks
from optimizer.plan_transport import needs_vehicles, plan_with_vehicles
from plant.plan_problem import Ints, PlanProblem
from plant.plans import Infeasible, Outcome, OutOfTime, Plan, Solved

log = structlog.get_logger()

_LOOK_S: Final = 0.02
_PROOF_SHARE: Final = 0.35
"""Of the time: how long one of the workers tries to prove before it searches too, where local search can."""
_FIRST_PROOF_S: Final = 2.0
_MOST_WINDOWED: Final = 1_500
"""Operations: of more the exact model takes too long to write, again and again."""
_PATIENCE_S: Final = 1.0
"""How long threads are waited for that do not end: they may be compiling."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known so far."""

    seconds: float
    objective: int
    bound: int
    by: str


def plan(
    problem: PlanProblem,
    *,
    seconds: float,
    seed: int,
    workers: int = 2,
    clock: Callable[[], float] = time.monotonic,
    begin_with: Plan | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Return the best plan found in time, with what was proved; or why there is none.

    ``begin_with`` is a plan to begin from, kept where nothing better is found; one with faults is left aside. ``stop``, asked some
    times a second, and an interrupt (Ctrl-C) end the search with the best so far. ``on_progress`` is called in this thread.
    What the first plan is depends on the seed alone (except where the machine is very slow), later ones on the machine's speed too.
    """
    if needs_vehicles(problem):
        return _with_vehicles(
            problem, seconds=seconds, seed=seed, workers=workers, clock=clock, begin_with=begin_with, on_progress=on_progress, stop=stop
        )
    began, cpu = clock(), time.process_time()
    shape = shape_of(problem)
    if isinstance(shape, Infeasible):
        return shape
    board = Board(problem)
    shop = shop_of(problem) if speaks(problem) else None
    search = _Search(board, shop, seed, clock, began, began + seconds)

    def told() -> None:
        if board.news.is_set() and on_progress is not None and board.plan is not None:
            board.news.clear()
            on_progress(Progress(clock() - began, board.objective, board.bound, board.by))

    try:
        if begin_with is not None:
            board.offer(begin_with, "before")
        _first(board, shop, seed)
        told()
        board.raise_bound(lower_bound(shop) if shop is not None else route_bound(shape))
        search.begin(max(workers, 1))
        while search.goes_on() and not board.over.wait(_LOOK_S) and not (stop is not None and stop()):
            told()
    except KeyboardInterrupt:
        log.info("planning was interrupted: the best plan so far is given", problem=problem.name)
    search.end()
    with board.lock:
        best, objective, bound, by = board.plan, board.objective, board.bound, board.by
    told()
    if best is not None:
        return Solved(best, objective, min(bound, objective), clock() - began, time.process_time() - cpu, by)
    if board.infeasible:
        return Infeasible(board.infeasible)
    return OutOfTime(clock() - began, bound)


def _with_vehicles(
    problem: PlanProblem,
    *,
    seconds: float,
    seed: int,
    workers: int,
    clock: Callable[[], float],
    begin_with: Plan | None,
    on_progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
) -> Outcome:
    """Plan as if a vehicle were always there, then dispatch the vehicles."""

    def heard(since: float, objective: int, bound: int, by: str) -> None:
        if on_progress is not None:
            on_progress(Progress(since, objective, bound, by))

    return plan_with_vehicles(
        problem,
        seconds=seconds,
        seed=seed,
        workers=workers,
        clock=clock,
        relaxed=plan,
        begin_with=begin_with,
        on_better=heard,
        stop=stop,
    )


def _first(board: Board, shop: Shop | None, seed: int) -> None:
    """Put a first plan on the board."""
    if shop is not None:
        found = dispatched(shop, seed=seed)
        made = None if found is None else plan_of(shop, found[0], found[1])
        if made is not None:
            board.offer(made, "greedy")
    if board.plan is None:
        answer = first_plan(board.problem, seed=seed)
        if isinstance(answer, Infeasible):
            # what greedy cannot do is no proof: the exact search is asked too
            log.info("no plan at first", problem=board.problem.name, why=answer.why[:3])
        else:
            board.offer(answer, "greedy")


class _Search:
    """What the workers do."""

    def __init__(self, board: Board, shop: Shop | None, seed: int, clock: Callable[[], float], began: float, until: float) -> None:
        self.board, self.shop, self.seed, self.clock, self.began, self.until = board, shop, seed, clock, began, until
        self.threads: list[threading.Thread] = []
        self.pools: list[Any] = []

    def begin(self, workers: int) -> None:
        """Start the workers, if there is something to be done."""
        if self.over():
            return
        for number in range(workers):
            self.threads.append(threading.Thread(target=self.work, args=(number, workers), name=f"plan-{number}", daemon=True))
        for thread in self.threads:
            thread.start()

    def goes_on(self) -> bool:
        """Return whether there is time, and someone at work."""
        return self.clock() < self.until and any(thread.is_alive() for thread in self.threads)

    def end(self) -> None:
        """Stop the workers; one that compiles is not waited for long, it ends by itself."""
        self.board.over.set()
        patience = time.monotonic() + _PATIENCE_S
        for thread in self.threads:
            thread.join(max(0.0, patience - time.monotonic()))

    def over(self) -> bool:
        return self.board.over.is_set() or self.clock() >= self.until

    def work(self, number: int, workers: int) -> None:
        """Search until it is over: the last worker proves first."""
        try:
            walks = False
            if self.shop is not None and self.board.plan is not None:
                from optimizer.plan_search import walkable

                walks = walkable(self.board.problem, self.shop)
            if not walks and self.shop is not None and self.board.plan is not None:
                if number == workers - 1:
                    self._prove(self.began + _PROOF_SHARE * (self.until - self.began), 1)
                if number == workers - 1 and number > 0 and len(self.shop.job) <= _MOST_WINDOWED:
                    self._windows(number)
                self._anneal(number)
                return
            if not walks:
                self._generally(number, workers)
                return
            if number == workers - 1:
                self._prove(self.began + _PROOF_SHARE * (self.until - self.began), 1)
            self._walk(number)
        except Exception as error:  # noqa: BLE001 - the others go on, and what was found is given
            where = traceback.format_tb(error.__traceback__)[-2:]
            said = {"problem": self.board.problem.name, "worker": number, "error": repr(error), "where": where}
            log.error("a worker of the planning failed", **said)  # noqa: TRY400 - a traceback would show all columns

    def _walk(self, number: int) -> None:
        from optimizer.plan_search import Pool, improve

        shop, board = self.shop, self.board
        start = board.plan
        if shop is None or start is None or self.over():
            return

        def fresh(seed: int) -> tuple[Ints, Ints] | None:
            found = dispatched(shop, seed=seed, rounds=2, seconds=0.0)
            return None if found is None else (found[1], found[0])

        def heard(found: Plan) -> None:
            board.offer(found, "local search")

        improve(
            board.problem,
            start,
            seed=self.seed * 1000 + number,
            stop=self.over,
            on_plan=heard,
            target=board.bound,
            pool=self._pool(Pool),
            fresh=fresh,
            known=lambda: board.plan,
        )

    def _anneal(self, number: int) -> None:
        from optimizer.plan_annealing import soften

        shop, board = self.shop, self.board
        start = board.plan
        if shop is None or start is None or self.over():
            return

        def heard(found: Plan) -> None:
            board.offer(found, "local search")

        soften(
            shop,
            start,
            seed=self.seed * 1000 + number,
            left=lambda: self.until - self.clock(),
            stop=self.over,
            on_plan=heard,
            best_of_all=lambda: board.plan,
        )

    def _windows(self, number: int) -> None:
        from optimizer.plan_windows import improve_windows

        board = self.board

        def heard(found: Plan) -> None:
            board.offer(found, "windows")

        improve_windows(
            board.problem,
            seed=self.seed * 1000 + number,
            left=lambda: self.until - self.clock(),
            stop=self.over,
            known=lambda: board.plan,
            on_plan=heard,
        )

    def _generally(self, number: int, workers: int) -> None:
        """Search what the columns cannot tell: routes to choose, or anything mixed."""
        from optimizer.plan_routes import speaks_routes

        there = self.board.plan is not None
        routes = self.shop is None and there and workers > 1 and speaks_routes(self.board.problem)
        mixed = self.shop is None and there and not routes
        if number == 0:
            until = self.began + _PROOF_SHARE * (self.until - self.began) if mixed else self.until
            self._prove(until, max(workers - 1, 1) if there else workers)
        elif routes and number == 1:
            self._choose_routes()
        if mixed:
            self._mixed(number)

    def _mixed(self, number: int) -> None:
        """Search what no compiled search knows: windows where it is small enough, lists by other preferences where it is not."""
        from optimizer.plan_greedy import improve_lists

        board = self.board
        if len(board.problem.operation_job) <= _MOST_WINDOWED:
            self._windows(number)
            return

        def heard(found: Plan) -> None:
            board.offer(found, "lists")

        improve_lists(board.problem, seed=self.seed * 1000 + number, stop=self.over, on_plan=heard)

    def _pool(self, made: Callable[[], Any]) -> Any:
        """Return the one pool of all who walk."""
        with self.board.lock:
            if not self.pools:
                self.pools.append(made())
            return self.pools[0]

    def _choose_routes(self) -> None:
        from optimizer.plan_routes import improve_routes

        board, start = self.board, self.board.plan
        if start is None:
            return

        def heard(found: Plan) -> None:
            board.offer(found, "local search")

        improve_routes(
            board.problem,
            start,
            seed=self.seed,
            stop=self.over,
            on_plan=heard,
            target=lambda: board.bound // max(board.problem.objective.makespan, 1),
            known=lambda: board.plan,
        )

    def _prove(self, until: float, workers: int) -> None:
        """Search exactly, in turns that become longer: each begins with the best plan of all."""
        from optimizer.plan_model import solve
        from optimizer.plan_solver import SolveStatus

        board, turn, below = self.board, _FIRST_PROOF_S, self.shop is not None

        def heard(found: Plan, _objective: int, bound: int) -> None:
            board.offer(found, "exact search")
            board.raise_bound(bound)

        while (left := until - self.clock()) > 0.05 and not self.over():
            hint = board.plan
            last = hint is not None and left < 2 * turn
            answer = solve(
                board.problem,
                seconds=left if last or hint is None else turn,
                seed=self.seed,
                workers=workers,
                hint=hint,
                upper=None if hint is None else board.objective,
                on_plan=heard,
                stop=self.over,
                # others look for plans: what is missing is mostly the bound
                from_below=below,
            )
            if answer.plan is not None:
                board.offer(answer.plan, "exact search")
            if answer.status is SolveStatus.INFEASIBLE and board.plan is None:
                board.infeasible = answer.why or ("no plan keeps every rule; the exact search proved it",)
                board.over.set()
                return
            board.raise_bound(answer.bound)
            turn *= 2
            below = not below
