"""Sharing: centres that cut and stamp for several factories; what is asked for, who gets which hours, and why.

Time is a row of *periods* (shifts, days), known by their place from 0. Hours are hours of work at a centre; an order takes the same hours
at each centre that can do it, so the capacity of a quicker centre is told in more hours. Orders are columns: thousands of them are one
value. An order stays at the centre where it was begun; over the end of a period it pauses, and goes on in a later one.

Each factory has reserved a share of each centre. What it would have *alone*, with its shares only and its orders by due date one after
the other, is what sharing is measured by: it may take nothing from that (``Keeps``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from plant.part_orders import WorkKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NONE = -1
"""In place of a period, a centre or a factory: there is none."""
LEAST_HOURS = 1e-6
"""Less than this is rounding: 4 milliseconds of work."""


class Keeps(StrEnum):
    """What sharing keeps of what a factory would have alone."""

    IN_TIME = "in_time"
    """No order ends after it is due, or it ends no later than alone. Hours that a factory has reserved, and needs only later, are lent."""
    PACE = "pace"
    """At the end of each period each order is at least as far as alone: so whatever orders come later. Only idle hours are lent."""


class ShareRule(StrEnum):
    """How hours are divided among factories beyond what each has reserved."""

    MAX_MIN = "max_min"
    """Each as many hours for each hour it has reserved; what one does not need goes to the others (weighted max-min)."""
    PROPORTIONAL = "proportional"
    """Each the same part of what it needs."""


@dataclass(frozen=True, slots=True)
class Period:
    """A shift or a day, in which capacity is divided."""

    name: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Centre:
    """A centre that several factories share."""

    name: str
    kind: WorkKind = WorkKind.CUTTING


@dataclass(frozen=True, slots=True, eq=False)
class ShareOrders:
    """Work that factories want of the centres, as columns of equal length n."""

    name: tuple[str, ...]
    factory: Ints
    """Row of the problem's factories."""
    hours: Floats
    """What is left to do; above 0."""
    release: Ints
    """Period in which it may begin; 0: at once."""
    due: Ints
    """Period by whose end it is wanted. Less than 0: it is late already; as many as there are periods or more: after the horizon."""
    priority: Ints
    """9 goes first among orders of one factory that are due in the same period."""
    may: Flags
    """(n, centres): which centres can do it. What was begun can be done at its centre only."""
    home: Ints
    """(n,): centre at which an earlier split counted it against the reserve: it stays there, if it may; NONE: not yet counted."""


@dataclass(frozen=True, slots=True, eq=False)
class ShareProblem:
    """Centres, factories, orders, and how hours are to be divided."""

    name: str
    periods: tuple[Period, ...]
    centres: tuple[Centre, ...]
    factories: tuple[str, ...]
    capacity_hours: Floats
    """(centres, periods): what each centre can do."""
    reserved: Floats
    """(factories, centres): the part of each centre that is a factory's own, 0 to 1; those of one centre add up to 1 or less."""
    orders: ShareOrders
    owed_hours: Floats
    """(factories,): what others borrowed from it before these periods, less what it borrowed; they add up to 0 or nearly."""
    rule: ShareRule = ShareRule.MAX_MIN
    keeps: Keeps = Keeps.IN_TIME
    carried_part: float = 0.25
    """What is owed is carried on up to this part of what a factory has reserved in all the periods; what is above is forgiven."""

    @property
    def reserve_hours(self) -> Floats:
        """(factories, centres, periods): the hours that are a factory's own."""
        return self.reserved[:, :, None] * self.capacity_hours[None, :, :]

    @property
    def owed_limit_hours(self) -> Floats:
        """(factories,): more than this is not carried on, either way."""
        limit: Floats = self.carried_part * self.reserve_hours.sum(axis=(1, 2))
        return limit


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is done where and when, as columns of equal length k: at most one row for an order in a period."""

    order: Ints
    centre: Ints
    period: Ints
    hours: Floats


class ShareReason(StrEnum):
    """Why an order got what it got. Each goes with the values named here; the others are NONE or 0."""

    NO_CENTRE = "no_centre"
    """No centre can do it."""
    OTHER_CENTRE = "other_centre"
    """It is done at ``centre``, though alone it would be done elsewhere."""
    OWN_RESERVE = "own_reserve"
    """``hours`` of it are in what its factory has reserved."""
    PAID_BACK = "paid_back"
    """``hours`` of it are given back by ``factory`` for what it had borrowed before."""
    LENT = "lent"
    """``hours`` of it are lent by ``factory``, which does not need them then."""
    COMMON = "common"
    """``hours`` of it are in what nobody has reserved."""
    NOT_RELEASED = "not_released"
    """It could not begin before ``period``."""
    OWN_FIRST = "own_first"
    """It waits up to ``period`` (NONE: to the last) while ``hours`` of its centre go to ``count`` other orders of its own factory."""
    OTHERS_RESERVE = "others_reserve"
    """It waits up to ``period`` while ``hours`` of its centre go to other factories within what they have reserved, most to ``factory``."""
    OTHERS_TURN = "others_turn"
    """It waits up to ``period`` while ``hours`` of its centre that are beyond reserves go to other factories, most to ``factory``."""
    CLOSED = "closed"
    """It waits up to ``period`` while its centre has no hours."""
    EARLIER = "earlier"
    """It ends ``count`` periods before it would alone."""
    AS_ALONE = "as_alone"
    """It ends when it would alone."""
    LENT_AWAY = "lent_away"
    """It ends ``count`` periods after it would alone, and still in time: hours reserved for its factory are lent until it needs them."""
    ONLY_SHARED = "only_shared"
    """It ends in these periods; alone it would not."""
    LATE = "late"
    """It ends ``count`` periods after it is due, or more where it does not end."""
    UNFINISHED = "unfinished"
    """``hours`` of it are left after the last period."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason with its values."""

    code: ShareReason
    hours: float = 0.0
    factory: int = NONE
    centre: int = NONE
    period: int = NONE
    count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ShareFigures:
    """How fair a split is, and what it brings."""

    jain: float
    """Mean of ``jain_by_period``: 1 where all got the same part of what they were entitled to, 1/n where one got all."""
    jain_worst: float
    """The least of ``jain_by_period``."""
    jain_by_period: Floats
    """(periods,): Jain's index over factories of hours got by then over hours entitled to by then; NaN where nobody was entitled."""
    satisfied: Floats
    """(factories,): hours got over hours entitled to, at the end; NaN where it was not entitled to any."""
    done_hours: float
    on_time_hours: float
    """Hours of orders that end when they are due or before."""
    late: Ints
    """(factories,): orders that end after they are due, or not, though due in these periods."""
    tardiness_periods: Floats
    """(factories,): periods after due, on average over its hours; what does not end is counted to end after the last period."""
    worse_than_alone: int
    """Orders that end after ``promised``: of a sound split 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Who gets which hours; made by ``optimizer.sharing``."""

    work: Work
    end: Ints
    """(orders,): period in which it ends; NONE: not in these."""
    alone_end: Ints
    """(orders,): period in which it would end with the reserve of its factory alone; NONE: not in these."""
    promised: Ints
    """(orders,): period by whose end it ends whatever others want; NONE: in these periods nothing is promised."""
    home: Ints
    """(orders,): centre at which it is counted against the reserve."""
    got_hours: Floats
    """(factories, centres, periods): what each factory's orders get. This is its calendar."""
    lent_hours: Floats
    """(lenders, borrowers, periods): hours of a factory's reserve that another used."""
    entitled_hours: Floats
    """(factories, periods): what the rule gives it in each period, if work could be divided at will."""
    owed_hours: Floats
    """(factories, periods + 1): what it is owed at the beginning of each period, and after the last: the next problem's
    ``owed_hours``."""
    reasons: tuple[tuple[Reason, ...], ...] = field(repr=False)
    """For each order."""
    figures: ShareFigures
    wall_s: float = 0.0
    cpu_s: float = 0.0


def jain(ratios: Floats) -> float:
    """Return Jain's fairness index (Jain, Chiu, Hawe 1984) of numbers of 0 and more: 1 where all are equal, 1/n where one has all."""
    total = float(np.square(ratios).sum())
    return float(ratios.sum()) ** 2 / (len(ratios) * total) if total > 0 else 1.0


def got_hours(problem: ShareProblem, work: Work) -> Floats:
    """Return (factories, centres, periods): the hours of each factory's orders."""
    got = np.zeros((len(problem.factories), len(problem.centres), len(problem.periods)))
    np.add.at(got, (problem.orders.factory[work.order], work.centre, work.period), work.hours)
    return got


def ends(problem: ShareProblem, work: Work) -> Ints:
    """Return (orders,): the period in which the last of an order's hours are done; NONE where some are left."""
    count = len(problem.orders.hours)
    done = np.bincount(work.order, work.hours, minlength=count)
    last = np.full(count, NONE, np.int64)
    np.maximum.at(last, work.order, work.period)
    last[done < problem.orders.hours - LEAST_HOURS] = NONE
    return last


def promised_ends(problem: ShareProblem, alone_end: Ints) -> Ints:
    """Return (orders,): by the end of which period each must end, given when it would alone; NONE: nothing is promised in these."""
    orders = problem.orders
    last = alone_end if problem.keeps is Keeps.PACE else np.maximum(alone_end, orders.due)
    return np.where((alone_end == NONE) | (last >= len(problem.periods)), NONE, last)


def share_figures(problem: ShareProblem, work: Work, promised: Ints, entitled_hours: Floats) -> ShareFigures:
    """Return how fair work is and what it brings, against what each order was promised and what each factory is entitled to."""
    orders, count = problem.orders, len(problem.periods)
    end = ends(problem, work)
    ended = np.where(end == NONE, count, end)
    got = np.cumsum(got_hours(problem, work).sum(axis=1), axis=1)
    entitled = np.cumsum(entitled_hours, axis=1)
    some = entitled > LEAST_HOURS
    ratios = np.divide(got, entitled, out=np.full_like(got, np.nan), where=some)
    by_period = np.array([jain(ratios[some[:, at], at]) if some[:, at].any() else np.nan for at in range(count)])
    known = by_period[~np.isnan(by_period)]
    after = np.maximum(0, ended - orders.due)
    factories = len(problem.factories)
    whole = np.maximum(np.bincount(orders.factory, orders.hours, minlength=factories), LEAST_HOURS)
    return ShareFigures(
        jain=float(known.mean()) if len(known) else 1.0,
        jain_worst=float(known.min()) if len(known) else 1.0,
        jain_by_period=by_period,
        satisfied=ratios[:, -1] if count else np.full(factories, np.nan),
        done_hours=float(work.hours.sum()),
        on_time_hours=float(orders.hours[(end != NONE) & (end <= orders.due)].sum()),
        late=np.bincount(orders.factory[after > 0], minlength=factories).astype(np.int64),
        tardiness_periods=np.bincount(orders.factory, orders.hours * after, minlength=factories) / whole,
        worse_than_alone=int((ended > np.where(promised == NONE, count, promised)).sum()),
    )
