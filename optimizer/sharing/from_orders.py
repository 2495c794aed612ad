"""Part orders of several factories become a problem of sharing, and what is shared becomes pieces, times and reasons of each order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from plant.calendars import Span
from plant.part_orders import PartOrder
from plant.share_rules import ShareRules
from plant.share_windows import windows
from plant.sharing import LEAST_HOURS, NONE, Centre, Keeps, Period, Reason, ShareOrders, ShareProblem, ShareRule, Shares
from storage.part_orders import StoredPartOrder
from storage.shares import OrderShare

_LEAST_ORDER_HOURS: Final = 10 * LEAST_HOURS


@dataclass(frozen=True, slots=True)
class Before:
    """What the version before leaves to the next."""

    owed: Mapping[str, float] = field(default_factory=dict)
    """Hours owed to each factory at the beginning of the first period."""
    homes: Mapping[str, str] = field(default_factory=dict)
    """By order: the centre at which it is counted."""


@dataclass(frozen=True, slots=True)
class SharedOrders:
    """A problem, and the orders that are its rows."""

    problem: ShareProblem
    orders: tuple[StoredPartOrder, ...]
    left_out: Mapping[str, str]
    """By order: why it is in no share."""


def shared_orders(
    orders: Sequence[StoredPartOrder],
    rules: ShareRules,
    *,
    now_us: int,
    before: Before | None = None,
    taken_hours: Mapping[tuple[str, int], float] | None = None,
) -> SharedOrders:
    """Return what is to be shared: pieces that are in no released nest, from ``now_us`` on.

    ``taken_hours``: by centre and begin of a period, the hours that released nests hold there.
    """
    before, taken_hours = before or Before(), taken_hours or {}
    settings = rules.settings
    spans = rules.periods(now_us)
    factories = [one.name for one in settings.factories]
    centres = [one.name for one in settings.centres]
    left_out: dict[str, str] = {}
    kept = [one for one in orders if one.waiting > 0 and _is_shared(one.order, rules, factories, left_out)]
    capacity = np.array([[_capacity(rules, name, span, now_us, taken_hours) for span in spans] for name in centres])
    weights = np.array([one.weight for one in settings.factories])
    may = np.array([[rules.takes(one, stored.order) for one in settings.centres] for stored in kept], np.bool_).reshape(-1, len(centres))
    begins, ends = np.array([span[0] for span in spans]), np.array([span[1] for span in spans])
    columns = ShareOrders(
        tuple(stored.order.number for stored in kept),
        np.array([factories.index(stored.order.factory) for stored in kept], np.int64),
        np.array([max(stored.waiting * piece_hours(stored.order, rules), _LEAST_ORDER_HOURS) for stored in kept]),
        np.array([_release(stored.order, begins) for stored in kept], np.int64),
        np.array([_due(stored.order, ends) for stored in kept], np.int64),
        np.array([stored.order.priority for stored in kept], np.int64),
        may,
        np.array([_home(stored.order.number, before, centres, may[row]) for row, stored in enumerate(kept)], np.int64),
    )
    problem = ShareProblem(
        "centres of the site",
        tuple(Period(str(number), *span) for number, span in enumerate(spans, 1)),
        tuple(Centre(one.name, one.kind) for one in settings.centres),
        tuple(factories),
        capacity,
        np.repeat((weights / weights.sum())[:, None], len(centres), axis=1),
        columns,
        np.array([before.owed.get(name, 0.0) for name in factories]),
        ShareRule(settings.rule),
        Keeps(settings.keeps),
    )
    return SharedOrders(problem, tuple(kept), left_out)


def piece_hours(order: PartOrder, rules: ShareRules) -> float:
    """Return the hours of one piece, at the slowest of the centres that take it."""
    return max(rules.hours(one, order) for one in rules.settings.centres if rules.takes(one, order))


def pieces(shared: SharedOrders, shares: Shares, rules: ShareRules) -> Iterator[tuple[int, int, int, int]]:
    """Yield row of an order, centre, period and whole pieces: what is begun in a period and ended later counts for the later one."""
    work = shares.work
    done: dict[int, float] = {}
    for row in np.lexsort((work.period, work.order)):
        order = int(work.order[row])
        stored = shared.orders[order]
        hours = max(piece_hours(stored.order, rules), _LEAST_ORDER_HOURS / stored.waiting)
        before = done.get(order, 0.0)
        done[order] = before + float(work.hours[row])
        until, earlier = (_whole(worked / hours, stored.waiting) for worked in (done[order], before))
        if work.period[row] == shares.end[order]:
            until = stored.waiting  # whatever rounding left of its hours
        if until > earlier:
            yield order, int(work.centre[row]), int(work.period[row]), until - earlier


def order_shares(shared: SharedOrders, shares: Shares) -> list[OrderShare]:
    """Return what each order gets, as it is kept; an order that gets nothing has one row of no hours where it waits."""
    found: list[OrderShare] = []
    problem, work = shared.problem, shares.work
    rows_of: dict[int, list[int]] = {}
    for row in range(len(work.order)):
        rows_of.setdefault(int(work.order[row]), []).append(row)
    for order, stored in enumerate(shared.orders):
        reasons = tuple(reason_json(reason, problem) for reason in shares.reasons[order])
        end = int(shares.end[order])
        ready = None if end == NONE else problem.periods[end].end_us
        rows = [(int(work.centre[row]), int(work.period[row]), float(work.hours[row])) for row in rows_of.get(order, ())]
        if not rows:
            rows = [(max(int(shares.home[order]), 0), len(problem.periods) - 1, 0.0)]
        for centre, period, hours in rows:
            at = problem.periods[period]
            found.append(OrderShare(stored.id, problem.centres[centre].name, at.start_us, at.end_us, hours, ready, reasons))
    return found


def reason_json(reason: Reason, problem: ShareProblem) -> dict[str, Any]:
    """Return a reason with names in place of rows: ``code`` and, where they say something, hours, factory, centre, period_us, count."""
    told: dict[str, Any] = {"code": reason.code.value}
    if reason.hours:
        told["hours"] = round(reason.hours, 3)
    if reason.factory != NONE:
        told["factory"] = problem.factories[reason.factory]
    if reason.centre != NONE:
        told["centre"] = problem.centres[reason.centre].name
    if reason.period != NONE:
        told["period_us"] = problem.periods[reason.period].start_us
    if reason.count:
        told["count"] = reason.count
    return told


def clock_windows(shared: SharedOrders, shares: Shares, rules: ShareRules, now_us: int) -> list[dict[str, Any]]:
    """Return when each centre works for whom: within a period one factory after the other, those that are owed most first."""
    problem = shared.problem
    found: list[dict[str, Any]] = []
    for centre, settings in enumerate(rules.settings.centres):
        for period, at in enumerate(problem.periods):
            got = shares.got_hours[:, centre, period]
            order = np.argsort(-shares.owed_hours[:, period], kind="stable")
            wall = {
                problem.factories[row]: float(got[row]) / (settings.machines * settings.availability)
                for row in order
                if got[row] > LEAST_HOURS
            }
            spans = rules.open_spans(settings, (max(at.start_us, now_us), at.end_us))
            for factory, given in windows(spans, _fitting(wall, spans)).items():
                found += [{"centre": settings.name, "factory": factory, "from": begin, "to": end} for begin, end in given]
    return found


def owed_by_period(shared: SharedOrders, shares: Shares) -> list[dict[str, Any]]:
    """Return what is owed to whom at the end of each period, as it is kept."""
    names = shared.problem.factories
    return [
        {"until": at.end_us, "owed": {name: round(float(shares.owed_hours[row, number + 1]), 6) for row, name in enumerate(names)}}
        for number, at in enumerate(shared.problem.periods)
    ]


def owed_at(owed: Sequence[Mapping[str, Any]], opening: Mapping[str, float], from_us: int) -> dict[str, float]:
    """Return what is owed at the beginning of a period, by a version that began earlier: what its last period that is over left."""
    over = [one for one in owed if one["until"] <= from_us]
    return dict(over[-1]["owed"]) if over else dict(opening)


def _is_shared(order: PartOrder, rules: ShareRules, factories: Sequence[str], left_out: dict[str, str]) -> bool:
    if order.factory not in factories:
        left_out[order.number] = f"there is no factory '{order.factory}' in [optimizer.share]; there is {', '.join(factories)}"
    elif not any(rules.takes(one, order) for one in rules.settings.centres):
        left_out[order.number] = f"no centre takes it: {order.kind.value}, {order.material or 'any material'} {order.thickness_mm:g} mm"
    return order.number not in left_out


def _capacity(rules: ShareRules, name: str, span: Span, now_us: int, taken: Mapping[tuple[str, int], float]) -> float:
    centre = rules.centre(name)
    assert centre is not None  # noqa: S101 - from the same settings
    hours = rules.capacity_hours(centre, (max(span[0], now_us), span[1]))
    return max(0.0, hours - taken.get((name, span[0]), 0.0))


def _release(order: PartOrder, begins: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """The first period that begins no sooner; the one that goes on where it may begin at once."""
    if order.earliest_us is None or order.earliest_us <= begins[0]:
        return 0
    return min(int(np.searchsorted(begins, order.earliest_us)), len(begins) - 1)


def _due(order: PartOrder, ends: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """The last period that ends no later; as many as there are where it is due after all of them, or never."""
    if order.due_us is None or order.due_us > ends[-1]:
        return len(ends)
    return int(np.searchsorted(ends, order.due_us, side="right")) - 1


def _home(number: str, before: Before, centres: Sequence[str], may: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    name = before.homes.get(number)
    return centres.index(name) if name in centres and may[centres.index(name)] else NONE


def _whole(count: float, most: int) -> int:
    return min(most, int(count + 1e-6))


def _fitting(hours: dict[str, float], spans: Sequence[Span]) -> dict[str, float]:
    """Hours no more than are open: released nests and rounding may leave a little less."""
    open_hours = sum(end - begin for begin, end in spans) / 3_600_000_000
    total = sum(hours.values())
    return hours if total <= open_hours else {name: one * open_hours / total * (1 - 1e-9) for name, one in hours.items()}
