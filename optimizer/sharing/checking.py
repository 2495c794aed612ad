"""Whether shares keep to every rule, by code that shares nothing with what makes them: plain numbers, one period after the other.

Checked are: each row of work; capacity; no order before its release, at two centres, at one that cannot do it, or twice in a period; no
more than its hours; no centre idle while an order that must be done there could go on. What each order would have *alone* is reckoned
anew by walking through the periods; order by order it is told what ends later than was promised, and, where alone's pace is kept, what is
behind it. Lent and owed hours, entitlements and figures are added up anew. Sums are held to ``TOLERANCE_HOURS``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from plant.sharing import Keeps, ShareProblem, Shares

TOLERANCE_HOURS = 1e-4
"""A third of a second; many millionths of an hour are added up."""
_TOLD = 30


def share_faults(problem: ShareProblem, shares: Shares) -> list[str]:
    """Return what is wrong with shares, in words; nothing where they are sound. ``home`` is believed: where alone counts is a choice."""
    faults = list(_work_faults(problem, shares))
    if faults:
        return faults[:_TOLD]
    facts = _facts(problem, shares)
    checks = (_kept_faults, _idle_faults, _book_faults, _entitled_faults, _figure_faults)
    return [fault for check in checks for fault in check(problem, shares, facts)][:_TOLD]


@dataclass(slots=True)
class _Facts:
    """What work comes to, in lists."""

    done: list[list[float]]
    """Of each order, by the end of each period."""
    at: list[int]
    """Where each was begun; -1: it was not."""
    end: list[int]
    alone: list[list[float]] = field(default_factory=list)
    """Of each order, by the end of each period, with its factory's reserve alone."""
    used: dict[tuple[int, int, int], float] = field(default_factory=dict)
    """By factory, centre, period."""


def _work_faults(problem: ShareProblem, shares: Shares) -> Iterator[str]:
    work, orders = shares.work, problem.orders
    if not len(work.order) == len(work.centre) == len(work.period) == len(work.hours):
        yield "the columns of work are not of equal length"
        return
    given: dict[int, float] = defaultdict(float)
    filled: dict[tuple[int, int], float] = defaultdict(float)
    at: dict[int, int] = {}
    seen: set[tuple[int, int]] = set()
    for order, centre, period, hours in _rows(shares):
        if not (0 <= order < len(orders.name) and 0 <= centre < len(problem.centres) and 0 <= period < len(problem.periods)):
            yield f"a row of work names order {order}, centre {centre}, period {period}: there is no such thing"
            return
        yield from _row_faults(problem, order, centre, period, hours)
        if at.setdefault(order, centre) != centre:
            yield f"order {orders.name[order]}: is at {problem.centres[centre].name} and at {problem.centres[at[order]].name}"
        if (order, period) in seen:
            yield f"order {orders.name[order]}: has two rows in period {period}"
        seen.add((order, period))
        given[order] += hours
        filled[centre, period] += hours
    for order, hours in given.items():
        if hours > orders.hours[order] + TOLERANCE_HOURS:
            yield f"order {orders.name[order]}: is given {hours:.4f} h and has {orders.hours[order]:.4f} h to do"
    for (centre, period), hours in filled.items():
        if hours > problem.capacity_hours[centre, period] + TOLERANCE_HOURS:
            yield f"{problem.centres[centre].name} in period {period}: {hours:.4f} h of {problem.capacity_hours[centre, period]:.4f} h"


def _row_faults(problem: ShareProblem, order: int, centre: int, period: int, hours: float) -> Iterator[str]:
    orders = problem.orders
    if not (math.isfinite(hours) and hours > 0):
        yield f"order {orders.name[order]}: {hours} hours in period {period}"
    if not orders.may[order, centre]:
        yield f"order {orders.name[order]}: is at {problem.centres[centre].name}, which cannot do it"
    if period < orders.release[order]:
        yield f"order {orders.name[order]}: is done in period {period}, before it may begin in {orders.release[order]}"


def _rows(shares: Shares) -> Iterator[tuple[int, int, int, float]]:
    work = shares.work
    return zip(work.order.tolist(), work.centre.tolist(), work.period.tolist(), work.hours.tolist(), strict=True)


def _facts(problem: ShareProblem, shares: Shares) -> _Facts:
    count, periods = len(problem.orders.name), len(problem.periods)
    done = [[0.0] * periods for _ in range(count)]
    facts = _Facts(done, [-1] * count, [-1] * count)
    factory = problem.orders.factory.tolist()
    for order, centre, period, hours in _rows(shares):
        facts.at[order] = centre
        for later in range(period, periods):
            done[order][later] += hours
        key = factory[order], centre, period
        facts.used[key] = facts.used.get(key, 0.0) + hours
    for order, hours in enumerate(problem.orders.hours.tolist()):
        facts.end[order] = next((period for period in range(periods) if done[order][period] >= hours - TOLERANCE_HOURS / 10), -1)
    facts.alone = _alone(problem, shares)
    return facts


def _alone(problem: ShareProblem, shares: Shares) -> list[list[float]]:
    """Walk through the periods: at each centre a factory works on what is released, the earliest due first, in its reserve."""
    orders, periods = problem.orders, len(problem.periods)
    left = orders.hours.tolist()
    by_then: list[list[float]] = [[] for _ in left]
    turn = sorted(range(len(left)), key=lambda one: (orders.due[one], -orders.priority[one], orders.release[one], one))
    home, release, factory = shares.home.tolist(), orders.release.tolist(), orders.factory.tolist()
    for period in range(periods):
        reserve = {
            (row, centre): float(problem.reserved[row, centre] * problem.capacity_hours[centre, period])
            for row in range(len(problem.factories))
            for centre in range(len(problem.centres))
        }
        for order in turn:
            if home[order] >= 0 and release[order] <= period and left[order] > 0:
                hours = min(left[order], reserve[factory[order], home[order]])
                left[order] -= hours
                reserve[factory[order], home[order]] -= hours
            by_then[order].append(float(orders.hours[order]) - left[order])
    return by_then


def _kept_faults(problem: ShareProblem, shares: Shares, facts: _Facts) -> Iterator[str]:
    """Order by order: its end, and that it is as far as it must be."""
    orders, periods = problem.orders, len(problem.periods)
    for order, name in enumerate(orders.name):
        hours, due = float(orders.hours[order]), int(orders.due[order])
        alone = next((period for period in range(periods) if facts.alone[order][period] >= hours - TOLERANCE_HOURS / 10), -1)
        if alone != shares.alone_end[order]:
            yield f"order {name}: alone it would end in period {alone}, not {shares.alone_end[order]}"
        if facts.end[order] != shares.end[order]:
            yield f"order {name}: ends in period {facts.end[order]}, not {shares.end[order]}"
        ended, would = (period if period >= 0 else periods for period in (facts.end[order], alone))
        allowed = would if problem.keeps is Keeps.PACE else max(would, due)
        if ended > allowed and ended > would:
            yield f"order {name}: ends in period {ended}; alone in {would}, due in {due}"
        kept = range(periods) if problem.keeps is Keeps.PACE else range(min(max(allowed, 0), periods - 1), periods)
        for period in kept:
            if facts.done[order][period] < facts.alone[order][period] - TOLERANCE_HOURS:
                done, would_be = facts.done[order][period], facts.alone[order][period]
                yield f"order {name}: {done:.4f} h are done by the end of period {period}, alone {would_be:.4f} h"
                break


def _idle_faults(problem: ShareProblem, _shares: Shares, facts: _Facts) -> Iterator[str]:
    """A centre that has hours left, and an order begun there that could use them."""
    orders = problem.orders
    for centre, one in enumerate(problem.centres):
        mine = [order for order, at in enumerate(facts.at) if at == centre]
        for period in range(len(problem.periods)):
            used = sum(facts.used.get((row, centre, period), 0.0) for row in range(len(problem.factories)))
            left = float(problem.capacity_hours[centre, period]) - used
            if left <= TOLERANCE_HOURS:
                continue
            for order in mine:
                if orders.release[order] <= period and facts.done[order][period] < orders.hours[order] - TOLERANCE_HOURS:
                    yield f"{one.name} in period {period}: {left:.4f} h are left while order {orders.name[order]} waits"
                    break


def _book_faults(problem: ShareProblem, shares: Shares, facts: _Facts) -> Iterator[str]:
    """What factories get, lend and are owed."""
    factories, periods = range(len(problem.factories)), range(len(problem.periods))
    owed = [float(one) for one in problem.owed_hours]
    limits = [
        problem.carried_part
        * sum(float(problem.reserved[row, c]) * float(problem.capacity_hours[c].sum()) for c in range(len(problem.centres)))
        for row in factories
    ]
    for period in periods:
        given, taken = [0.0] * len(owed), [0.0] * len(owed)
        for centre, one in enumerate(problem.centres):
            capacity = float(problem.capacity_hours[centre, period])
            used = [facts.used.get((row, centre, period), 0.0) for row in factories]
            for row in factories:
                if abs(used[row] - float(shares.got_hours[row, centre, period])) > TOLERANCE_HOURS:
                    yield f"{problem.factories[row]} gets {used[row]:.4f} h of {one.name} in period {period}, not as told"
            reserve = [float(problem.reserved[row, centre]) * capacity for row in factories]
            spare = [max(0.0, reserve[row] - used[row]) for row in factories]
            over = [max(0.0, used[row] - reserve[row]) for row in factories]
            pool = sum(spare) + max(0.0, capacity - sum(reserve))
            for lender in factories:
                given[lender] += spare[lender] / pool * sum(over) if pool > 0 else 0.0
                taken[lender] += over[lender] * sum(spare) / pool if pool > 0 else 0.0
        for row in factories:
            lent = float(shares.lent_hours[row, :, period].sum())
            borrowed = float(shares.lent_hours[:, row, period].sum())
            if abs(lent - given[row]) > TOLERANCE_HOURS or abs(borrowed - taken[row]) > TOLERANCE_HOURS:
                yield f"{problem.factories[row]} lends {given[row]:.4f} h and borrows {taken[row]:.4f} h in period {period}, not as told"
            owed[row] = min(max(owed[row] + given[row] - taken[row], -limits[row]), limits[row])
            if abs(owed[row] - float(shares.owed_hours[row, period + 1])) > TOLERANCE_HOURS:
                yield f"{problem.factories[row]} is owed {owed[row]:.4f} h after period {period}, not as told"


def _entitled_faults(problem: ShareProblem, shares: Shares, _facts: _Facts) -> Iterator[str]:
    """Nobody is entitled to more than there is, or than it asks for."""
    for period in range(len(problem.periods)):
        entitled, capacity = float(shares.entitled_hours[:, period].sum()), float(problem.capacity_hours[:, period].sum())
        if entitled > capacity + len(problem.orders.name) * TOLERANCE_HOURS:
            yield f"factories are entitled to {entitled:.4f} h in period {period}, of {capacity:.4f} h"
    for row, name in enumerate(problem.factories):
        asked = float(problem.orders.hours[problem.orders.factory == row].sum())
        if float(shares.entitled_hours[row].sum()) > asked + len(problem.orders.name) * TOLERANCE_HOURS:
            yield f"{name} is entitled to more than the {asked:.4f} h that it asks for"


def _figure_faults(problem: ShareProblem, shares: Shares, facts: _Facts) -> Iterator[str]:
    """The index of each period, hours done and in time."""
    told = shares.figures
    factories = range(len(problem.factories))
    got, entitled = [0.0 for _ in factories], [0.0 for _ in factories]
    for period in range(len(problem.periods)):
        for row in factories:
            got[row] += sum(facts.used.get((row, centre, period), 0.0) for centre in range(len(problem.centres)))
            entitled[row] += float(shares.entitled_hours[row, period])
        ratios = [got[row] / entitled[row] for row in factories if entitled[row] > 1e-6]
        squares = sum(one * one for one in ratios)
        index = sum(ratios) ** 2 / (len(ratios) * squares) if squares > 0 else 1.0
        if ratios and not abs(index - float(told.jain_by_period[period])) <= 1e-6:
            yield f"Jain's index by the end of period {period} is {index:.6f}, not {told.jain_by_period[period]:.6f}"
    in_time = sum(float(problem.orders.hours[order]) for order, end in enumerate(facts.end) if 0 <= end <= int(problem.orders.due[order]))
    for name, found, said in (("done", sum(got), told.done_hours), ("done in time", in_time, told.on_time_hours)):
        if abs(found - said) > TOLERANCE_HOURS * (1 + len(problem.orders.name)):
            yield f"{found:.4f} h are {name}, not {said:.4f} h"
