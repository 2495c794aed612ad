"""Why each order got what it got: where its hours came from, what it waited for, how its end compares with alone's and with its due."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.sharing.ledger import Ledger
from optimizer.sharing.reserves import Reserves, by_turn
from plant.sharing import NONE, Floats, Ints, Reason, ShareProblem, ShareReason, Work, ends, got_hours

_TOLD_HOURS = 0.005
"""Less is not worth a reason: 18 seconds."""


def reasons(problem: ShareProblem, work: Work, reserves: Reserves, book: Ledger) -> tuple[tuple[Reason, ...], ...]:
    """Return the reasons of each order, in the order in which people ask: where, from whom, what it waited for, and what came of it."""
    end, waits = ends(problem, work), _Waits(problem, work, reserves, book)
    came = _came_from(problem, work, book)
    left = problem.orders.hours - np.bincount(work.order, work.hours, minlength=len(end))
    return tuple(
        (
            *waits.where(order),
            *came[order],
            *waits.until_begun(order),
            *_outcome(problem, order, int(end[order]), reserves, float(left[order])),
        )
        for order in range(len(end))
    )


def _outcome(problem: ShareProblem, order: int, end: int, reserves: Reserves, left: float) -> Iterator[Reason]:
    alone, due = int(reserves.end[order]), int(problem.orders.due[order])
    if end == NONE:
        yield Reason(ShareReason.UNFINISHED, hours=left)
    elif alone == NONE:
        yield Reason(ShareReason.ONLY_SHARED)
    elif end > alone:
        yield Reason(ShareReason.LENT_AWAY, count=end - alone)
    else:
        yield Reason(ShareReason.EARLIER, count=alone - end) if end < alone else Reason(ShareReason.AS_ALONE)
    ended = len(problem.periods) if end == NONE else end
    if ended > due:
        yield Reason(ShareReason.LATE, count=ended - due)


def _came_from(problem: ShareProblem, work: Work, book: Ledger) -> list[list[Reason]]:
    """Return from where the hours of each order came: of a factory's orders at a centre, those whose turn is first use its reserve."""
    count, factories = len(problem.orders.hours), len(problem.factories)
    own, beyond = _own_first(problem, work, book)
    factory = problem.orders.factory[work.order]
    at = factory, work.centre, work.period
    part = beyond / np.maximum((got_hours(problem, work) - book.own)[at], 1e-12)
    tables = [(ShareReason.OWN_RESERVE, NONE, own)]
    for giver in range(factories):
        paid = book.paid_back[giver][at]
        tables.append((ShareReason.PAID_BACK, giver, part * paid))
        tables.append((ShareReason.LENT, giver, part * (book.lent[giver][at] - paid)))
    tables.append((ShareReason.COMMON, NONE, part * book.common[at]))
    found: list[list[Reason]] = [[] for _ in range(count)]
    for code, giver, hours in tables:
        total = np.bincount(work.order, hours, minlength=count)
        for order in np.flatnonzero(total > _TOLD_HOURS):
            found[order].append(Reason(code, hours=float(total[order]), factory=giver))
    rank = {code: number for number, code in enumerate(ShareReason)}
    return [sorted(its, key=lambda one: (rank[one.code], -one.hours)) for its in found]


def _own_first(problem: ShareProblem, work: Work, book: Ledger) -> tuple[Floats, Floats]:
    """Return (rows,) hours within the reserve and beyond it."""
    turn = np.empty(len(problem.orders.hours), np.int64)
    turn[by_turn(problem)] = np.arange(len(turn))
    factory = problem.orders.factory[work.order]
    rows = np.lexsort((turn[work.order], factory, work.centre, work.period))
    keys = np.column_stack((work.period, work.centre, factory))[rows]
    first = np.concatenate(([True], (np.diff(keys, axis=0) != 0).any(axis=1))) if len(rows) else np.zeros(0, np.bool_)
    until = np.cumsum(work.hours[rows])
    begin = until - work.hours[rows]
    begin -= np.repeat(begin[first], np.diff(np.append(np.flatnonzero(first), len(rows))))
    own = np.zeros(len(rows))
    own[rows] = np.clip(book.own[factory[rows], work.centre[rows], work.period[rows]] - begin, 0.0, work.hours[rows])
    return own, work.hours - own


class _Waits:
    """What went on at centres while orders waited."""

    def __init__(self, problem: ShareProblem, work: Work, reserves: Reserves, book: Ledger) -> None:
        self.problem, self.work, self._home = problem, work, reserves.home
        count, periods = len(problem.orders.hours), len(problem.periods)
        self.centre: Ints = reserves.home.copy()
        self.centre[work.order] = work.centre
        self.begun: Ints = np.full(count, periods)
        np.minimum.at(self.begun, work.order, work.period)
        got = got_hours(problem, work)
        self._own, self._beyond, self._got = (_by_then(one) for one in (book.own, got - book.own, got))
        self._capacity = _by_then(problem.capacity_hours)
        factory = problem.orders.factory[work.order]
        self._rows = {
            (one, centre): np.flatnonzero((factory == one) & (work.centre == centre))
            for one in range(len(problem.factories))
            for centre in range(len(problem.centres))
        }

    def where(self, order: int) -> Iterator[Reason]:
        """Yield what is to be said of its centre."""
        if self._home[order] == NONE:
            yield Reason(ShareReason.NO_CENTRE)
        elif self.centre[order] != self._home[order]:
            yield Reason(ShareReason.OTHER_CENTRE, centre=int(self.centre[order]))

    def until_begun(self, order: int) -> Iterator[Reason]:
        """Yield what an order waited for from when it could begin to when it was begun."""
        release, begun = max(int(self.problem.orders.release[order]), 0), int(self.begun[order])
        if release > 0:
            yield Reason(ShareReason.NOT_RELEASED, period=min(release, len(self.problem.periods) - 1))
        centre = int(self.centre[order])
        if begun <= release or centre == NONE:
            return
        factory, until = int(self.problem.orders.factory[order]), begun if begun < len(self.problem.periods) else NONE
        own = float(self._got[factory, centre, begun] - self._got[factory, centre, release])
        if own > _TOLD_HOURS:
            rows = self._rows[factory, centre]
            period = self.work.period[rows]
            others = np.unique(self.work.order[rows[(period >= release) & (period < begun)]])
            yield Reason(ShareReason.OWN_FIRST, hours=own, period=until, count=len(others))
        for code, table in ((ShareReason.OTHERS_RESERVE, self._own), (ShareReason.OTHERS_TURN, self._beyond)):
            hours = table[:, centre, begun] - table[:, centre, release]
            hours[factory] = 0.0
            if hours.sum() > _TOLD_HOURS:
                yield Reason(code, hours=float(hours.sum()), factory=int(hours.argmax()), period=until)
        if self._capacity[centre, begun] - self._capacity[centre, release] <= _TOLD_HOURS:
            yield Reason(ShareReason.CLOSED, period=until)


def _by_then(hours: Floats) -> Floats:
    """Return hours before each period, and before the end, along the last axis."""
    return np.concatenate((np.zeros((*hours.shape[:-1], 1)), np.cumsum(hours, axis=-1)), axis=-1)
