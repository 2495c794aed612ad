"""Sharing and nesting at work: orders, stock or time moved, so hours are shared out anew and what is cut next is nested.

A thread shares, a process of its own nests; the pass reads what they need, and keeps what comes back in one transaction each. A nest that
was made from the same parts, sheets and rules is not made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import structlog

from optimizer.child import Child
from optimizer.nesting.batches import Batch, batch_problem, batches
from optimizer.sharing.from_orders import Before, SharedOrders, clock_windows, order_shares, owed_at, owed_by_period, pieces, shared_orders
from plant.clock import Clock
from plant.errors import Unavailable
from plant.nest_figures import utilisation
from plant.nest_keeping import read_kept_problem, read_nest, write_nest_problem
from plant.nests import Nest, NestProblem
from plant.part_orders import PartOrderState
from plant.share_file import write_share, write_shares
from plant.share_rules import ShareRules
from plant.sharing import ShareProblem, Shares
from storage.database import Connection
from storage.nests import NestState, NewNest, SheetTaken, StoredNest, end_proposals, propose_nest, read_nests, sheets_of
from storage.part_orders import part_orders_mark, read_part_orders
from storage.shares import NewShares, StoredShares, add_shares, newest_shares, read_share_files
from storage.stock import read_stock, stock_mark

_DAY_US: Final = 86_400_000_000
_MOST_ORDERS: Final = 50_000
_RETRY_SECONDS: Final = 60.0
"""After a computation that failed, unless something changed."""


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Hours that are being shared out."""

    future: Future[tuple[Shares, list[str], float]]
    shared: SharedOrders

    @property
    def ended(self) -> bool:
        return self.future.done()

    def stop(self) -> None:
        """Nobody waits for it any more."""
        self.future.cancel()


@dataclass(frozen=True, slots=True)
class _Nesting:
    """A batch that is being nested."""

    child: Child
    batch: Batch
    problem: NestProblem
    text: str
    basis: str
    began: float

    @property
    def ended(self) -> bool:
        return self.child.ended

    def stop(self) -> None:
        """End it; what it found so far is lost."""
        self.child.stop()


class SharePass:
    """Shares and nests for one site; does nothing where the settings share nothing."""

    def __init__(self, rules: ShareRules | None, clock: Clock) -> None:
        self._rules, self._clock = rules, clock
        self._work: _Sharing | _Nesting | None = None
        self._waiting: list[Batch] = []
        self._kept: list[int] = []
        """Proposals that still stand for something, in this round."""
        self._mark = ""
        self._retry_at: float | None = None
        self._log = structlog.get_logger(process="optimizer")

    @property
    def at_work(self) -> bool:
        """Whether something is computed at the moment."""
        return self._work is not None

    def begin(self) -> None:
        """Take up what another left: all is looked at anew."""
        self.end()
        self._mark = ""

    def end(self) -> None:
        """End what is computed; it is done anew by whoever goes on."""
        if self._work is not None:
            self._work.stop()
        self._work = None
        self._waiting = []

    def step(self, connection: Connection, *, searching: bool = False) -> bool:
        """Do a piece of what is due; return whether more waits. While a plan is searched no nest is begun: it would take memory twice."""
        if self._rules is None:
            return False
        try:
            return self._step(connection, self._rules, searching=searching)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - what cannot be shared must not keep the optimizer from all else
            self._log.exception("a step of sharing failed")
            self.end()
            self._retry_at = self._clock.monotonic() + _RETRY_SECONDS
            return False

    def _step(self, connection: Connection, rules: ShareRules, *, searching: bool) -> bool:
        if self._work is not None:
            if not self._work.ended:
                return False
            work, self._work = self._work, None
            if isinstance(work, _Sharing):
                self._take_shares(connection, work, rules)
            else:
                self._take_nest(connection, work)
        mark = self._mark_of(connection, rules)
        due = self._retry_at is not None and self._clock.monotonic() >= self._retry_at
        if mark != self._mark or due:
            self._retry_at = None
            self._share(connection, rules, mark)
            return False
        if searching:
            return False
        while self._waiting and self._work is None:
            self._nest(connection, self._waiting.pop(0), rules)
        return self._work is None and bool(self._waiting)

    def _mark_of(self, connection: Connection, rules: ShareRules) -> str:
        first = rules.periods(self._clock.now_us())[0]
        return f"{part_orders_mark(connection)} / {stock_mark(connection)} / {first}"

    def _share(self, connection: Connection, rules: ShareRules, mark: str) -> None:
        self._mark, self._waiting, self._kept = mark, [], []
        now_us = self._clock.now_us()
        newest = newest_shares(connection)
        orders = read_part_orders(connection, states=[PartOrderState.OPEN], most=_MOST_ORDERS)
        if len(orders) == _MOST_ORDERS:
            self._log.warning("more part orders are open than are shared at once; the oldest wait", most=_MOST_ORDERS)
        shared = shared_orders(
            orders,
            rules,
            now_us=now_us,
            before=None if newest is None else _before(connection, newest, now_us, rules),
            taken_hours=_taken_hours(read_nests(connection, states=[NestState.RELEASED], most=5000)),
        )
        if shared.left_out:
            self._log.warning("part orders are in no share", count=len(shared.left_out), first=next(iter(shared.left_out.items())))
        if not shared.orders:
            end_proposals(connection, [], now_us=now_us)
            return
        hand = ThreadPoolExecutor(1, "sharing")
        self._work = _Sharing(hand.submit(_shared_out, shared.problem), shared)
        hand.shutdown(wait=False)

    def _take_shares(self, connection: Connection, work: _Sharing, rules: ShareRules) -> None:
        problem = work.shared.problem
        shares, faults, optimum_hours = work.future.result()
        if faults:
            self._failed("hours could not be shared out", str(faults[:3]))
            return
        now_us = self._clock.now_us()
        periods = problem.periods
        new = NewShares(
            problem.rule.value,
            json.dumps(write_share(problem), ensure_ascii=False),
            json.dumps(write_shares(problem, shares, verified=True), ensure_ascii=False),
            _figures(work.shared, shares, optimum_hours),
            owed_by_period(work.shared, shares),
            periods[0].start_us,
            periods[-1].end_us,
            order_shares(work.shared, shares),
            shares.wall_s,
            clock_windows(work.shared, shares, rules, now_us),
        )
        number = add_shares(connection, new, now_us=now_us)
        self._log.info("hours of the centres are shared out", version=number, orders=len(work.shared.orders), jain=shares.figures.jain)
        until = now_us + rules.settings.nest_days * _DAY_US
        self._waiting = batches(work.shared.orders, pieces(work.shared, shares, rules), problem, until)
        if not self._waiting:
            end_proposals(connection, [], now_us=now_us)

    def _nest(self, connection: Connection, batch: Batch, rules: ShareRules) -> None:
        """Begin to nest a batch, unless a proposal made from the same stands."""
        proposed = {one.id: one for one in read_nests(connection, states=[NestState.PROPOSED], most=5000)}
        taken: dict[int, int] = {}
        for number in self._kept:
            for one in sheets_of(connection, number):
                taken[one.stock_sheet] = taken.get(one.stock_sheet, 0) + one.copies
        problem = batch_problem(batch, read_stock(connection, free_only=True, material=batch.material, most=100_000), taken, rules)
        text = write_nest_problem(problem)
        basis = hashlib.sha256(text.encode()).hexdigest()
        same = [one.id for one in proposed.values() if one.basis == basis and _is_of(one, batch)]
        if same:
            self._kept.append(same[0])
            self._all_nested(connection)
            return
        settings = rules.settings
        told = {"problem": text, "seconds": settings.nest_seconds, "seed": settings.seed, "workers": settings.workers}
        child = Child("optimizer.nest_child", told, seconds=settings.nest_seconds)
        self._work = _Nesting(child, batch, problem, text, basis, self._clock.monotonic())

    def _take_nest(self, connection: Connection, work: _Nesting) -> None:
        answer = work.child.answer
        if answer is None or answer["faults"]:
            self._failed(f"{work.problem.name} could not be nested", work.child.problem_words or str((answer or {}).get("faults", [])[:3]))
            return
        found = read_nest(answer["nest"], read_kept_problem(work.text))
        stock = {one.sheet.name: one.id for one in read_stock(connection, most=100_000)}
        if any(work.problem.sheets[cut.sheet].name not in stock for cut in found.sheets):
            return  # stock moved meanwhile: what changed brings a new round
        new = NewNest(
            work.batch.centre,
            work.batch.from_us,
            work.batch.to_us,
            work.batch.material,
            work.batch.thickness_mm,
            work.text,
            answer["nest"],
            _nest_figures(work, found, self._rules),
            self._clock.monotonic() - work.began,
            work.basis,
            tuple(
                SheetTaken(
                    stock[work.problem.sheets[cut.sheet].name], cut.copies, tuple((one.width_mm, one.height_mm) for one in cut.remnants)
                )
                for cut in found.sheets
            ),
            _laid(work.batch, work.problem, found),
        )
        self._kept.append(propose_nest(connection, new, now_us=self._clock.now_us()))
        self._all_nested(connection)

    def _all_nested(self, connection: Connection) -> None:
        if not self._waiting:
            end_proposals(connection, self._kept, now_us=self._clock.now_us())

    def _failed(self, what: str, why: str) -> None:
        self._log.warning(what, reason=why)
        self._retry_at = self._clock.monotonic() + _RETRY_SECONDS


def _shared_out(problem: ShareProblem) -> tuple[Shares, list[str], float]:
    """Return shares, their faults, and the most hours that who minds no fairness does; what solves is loaded where there is something."""
    from optimizer.sharing.checking import share_faults
    from optimizer.sharing.program import most_hours
    from optimizer.sharing.sharing import share

    shares = share(problem)
    return shares, share_faults(problem, shares), most_hours(problem, in_time=False)


def _before(connection: Connection, newest: StoredShares, now_us: int, rules: ShareRules) -> Before | None:
    files = read_share_files(connection, newest.id)
    if files is None:
        return None
    try:
        problem, shares = json.loads(files.problem), json.loads(files.shares)
        opening = {one["name"]: float(one["owed_hours"]) for one in problem["factories"]}
        homes = {one["name"]: one["home"] for one in shares["orders"] if one["home"] is not None}
    except (KeyError, TypeError, ValueError) as error:
        # a version of Leadhand that wrote it otherwise: sharing begins afresh
        structlog.get_logger(process="optimizer").warning("shares that are kept cannot be read", reason=repr(error))
        return None
    return Before(owed_at(newest.owed, opening, rules.periods(now_us)[0][0]), homes)


def _taken_hours(released: list[StoredNest]) -> dict[tuple[str, int], float]:
    found: dict[tuple[str, int], float] = {}
    for one in released:
        key = (one.centre, one.from_us)
        found[key] = found.get(key, 0.0) + float(one.figures.get("hours", 0.0))
    return found


def _figures(shared: SharedOrders, shares: Shares, optimum_hours: float) -> dict[str, Any]:
    """What lists show of a version; the whole is in its files."""
    told = shares.figures
    names = shared.problem.factories
    return {
        "jain": round(told.jain, 4),
        "jain_worst": round(told.jain_worst, 4),
        "done_hours": round(told.done_hours, 2),
        "optimum_hours": round(optimum_hours, 2),
        "on_time_hours": round(told.on_time_hours, 2),
        "late": dict(zip(names, told.late.tolist(), strict=True)),
        "worse_than_alone": told.worse_than_alone,
        "left_out": dict(list(shared.left_out.items())[:50]),
        "left_out_count": len(shared.left_out),
    }


def _nest_figures(work: _Nesting, found: Nest, rules: ShareRules | None) -> dict[str, Any]:
    told = utilisation(work.problem, found)
    centre = None if rules is None else rules.centre(work.batch.centre)
    hours: dict[str, float] = {}
    for stored, _ in work.batch.pieces:
        hours.setdefault(stored.order.factory, 0.0)
    laid = _laid(work.batch, work.problem, found)
    for stored, _ in work.batch.pieces:
        if rules is not None and centre is not None:
            hours[stored.order.factory] += laid.get(stored.id, 0) * rules.hours(centre, stored.order)
    return {
        **{name: round(share, 5) for name, share in told.shares().items()},
        "sheets": sum(cut.copies for cut in found.sheets),
        "layouts": len(found.sheets),
        "parts": sum(laid.values()),
        "left": [
            {
                "order": work.problem.parts[one.part].order,
                "part": work.problem.parts[one.part].name,
                "quantity": one.quantity,
                "reason": one.reason,
            }
            for one in found.left
        ],
        "hours": round(sum(hours.values()), 4),
        "factory_hours": {name: round(value, 4) for name, value in hours.items()},
    }


def _laid(batch: Batch, problem: NestProblem, found: Nest) -> dict[int, int]:
    """Pieces by part order's id that lie on a sheet."""
    left = dict.fromkeys(range(len(problem.parts)), 0)
    for gone in found.left:
        left[gone.part] += gone.quantity
    laid: dict[int, int] = {}
    for row, (stored, count) in enumerate(batch.pieces):
        if count > left[row]:
            laid[stored.id] = laid.get(stored.id, 0) + count - left[row]
    return laid


def _is_of(one: StoredNest, batch: Batch) -> bool:
    key: Mapping[str, Any] = {
        "centre": batch.centre,
        "from_us": batch.from_us,
        "material": batch.material,
        "thickness_mm": batch.thickness_mm,
    }
    return all(getattr(one, name) == value for name, value in key.items())
