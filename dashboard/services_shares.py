"""Shares: what each factory gets of the centres, version by version, and what each order gets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from dashboard.views_shares import (
    CentreHoursView,
    FactoryHoursView,
    OrderShareView,
    OwedView,
    PeriodView,
    SharesView,
    SharesWholeView,
)
from plant.errors import Rejected
from plant.share_file import read_share
from plant.sharing import ShareProblem
from storage import part_orders, shares
from storage.database import Pool
from storage.shares import ShareFiles, StoredShares


class ShareService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def versions(self, *, before: int | None = None, most: int = 100) -> list[SharesView]:
        """Return versions, the newest first; the first one holds."""
        with self._pool.connection() as connection:
            return [_view(one) for one in shares.read_shares(connection, before=before, most=most)]

    def newest(self) -> int | None:
        """Return the number of the version that holds; None where there is none yet."""
        with self._pool.connection() as connection:
            found = shares.newest_shares(connection)
        return None if found is None else found.id

    def version(self, number: int | None = None) -> SharesWholeView:
        """Return a version with its hours; without a number the one that holds."""
        with self._pool.connection() as connection:
            before = None if number is None else number + 1
            stored = next((one for one in shares.read_shares(connection, before=before, most=1) if number in {None, one.id}), None)
            if stored is None:
                raise Rejected("no hours are shared out yet" if number is None else f"there is no version {number} of shares")
            files = shares.read_share_files(connection, stored.id)
        if files is None:
            return SharesWholeView(_view(stored), (), (), (), ())
        return _whole(_view(stored), *_read(files))

    def orders(self, *, number: str | None = None) -> list[OrderShareView]:
        """Return what orders get by the version that holds, by time; of one order, or of all."""
        with self._pool.connection() as connection:
            names = part_orders.order_names(connection)
            only = None
            if number is not None:
                only = next((key for key, (name, _) in names.items() if name == number), None)
                if only is None:
                    raise Rejected(f"there is no open part order '{number[:200]}'")
            found = shares.read_order_shares(connection, part_order=only)
        return [
            OrderShareView(
                *names[one.part_order],
                one.centre,
                one.from_us,
                one.to_us,
                one.hours,
                one.ready_us,
                tuple(dict(reason) for reason in one.reasons),
            )
            for one in found
            if one.part_order in names
        ]


@lru_cache(maxsize=4)
def _read(files: ShareFiles) -> tuple[ShareProblem, Mapping[str, Any]]:
    return read_share(files.problem), json.loads(files.shares)


def _whole(version: SharesView, problem: ShareProblem, told: Mapping[str, Any]) -> SharesWholeView:
    count = len(problem.periods)
    got = {(factory, centre.name): [0.0] * count for factory in problem.factories for centre in problem.centres}
    for cell in told["calendar"]:
        for factory, hours in cell["hours"].items():
            got[factory, cell["centre"]][cell["period"] - 1] = hours
    reserve = problem.reserve_hours
    centres = tuple(
        CentreHoursView(
            centre.name,
            centre.kind.value,
            _numbers(problem.capacity_hours[at].tolist()),
            {name: _numbers(got[name, centre.name]) for name in problem.factories},
            {name: _numbers(reserve[row, at].tolist()) for row, name in enumerate(problem.factories)},
        )
        for at, centre in enumerate(problem.centres)
    )
    figures = {one["name"]: one for one in told["factories"]}
    factories = tuple(_factory(row, problem, figures[name], told["orders"], version.owed) for row, name in enumerate(problem.factories))
    periods = tuple(PeriodView(one.start_us, one.end_us) for one in problem.periods)
    return SharesWholeView(version, periods, centres, factories, tuple(told["jain_by_period"]))


def _factory(
    row: int, problem: ShareProblem, told: Mapping[str, Any], orders: Sequence[Mapping[str, Any]], owed: Sequence[OwedView]
) -> FactoryHoursView:
    name = problem.factories[row]
    mine = [one for one in orders if one["factory"] == name]
    return FactoryHoursView(
        name,
        told["reserved_hours"],
        told["entitled_hours"],
        told["got_hours"],
        told["satisfied"],
        told["lent_hours"],
        told["borrowed_hours"],
        told["late"],
        told["tardiness_periods"],
        _worst_late_us(problem, mine),
        sum(one["end"] is None for one in mine),
        _numbers([float(problem.owed_hours[row]), *(at.owed.get(name, 0.0) for at in owed)]),
    )


def _worst_late_us(problem: ShareProblem, mine: Sequence[Mapping[str, Any]]) -> int | None:
    """Of orders that end in these periods, but later than due: the longest time from the end of the period they are due in."""
    due_of = dict(zip(problem.orders.name, problem.orders.due.tolist(), strict=True))
    periods = problem.periods
    late = [(due_of[one["name"]], one["end"] - 1) for one in mine if one["end"] is not None and one["end"] - 1 > due_of[one["name"]]]
    spans = [periods[end].end_us - (periods[due].end_us if due >= 0 else periods[0].start_us) for due, end in late]
    return max(spans, default=None)


def _numbers(hours: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(one, 4) for one in hours)


def _view(one: StoredShares) -> SharesView:
    told = one.figures
    return SharesView(
        id=one.id,
        made_us=one.made_us,
        rule=one.rule,
        from_us=one.from_us,
        to_us=one.to_us,
        orders=one.orders,
        seconds=one.seconds,
        jain=told.get("jain"),
        jain_worst=told.get("jain_worst"),
        done_hours=told.get("done_hours"),
        on_time_hours=told.get("on_time_hours"),
        late=dict(told.get("late", {})),
        worse_than_alone=told.get("worse_than_alone"),
        left_out=dict(told.get("left_out", {})),
        left_out_count=int(told.get("left_out_count", 0)),
        owed=tuple(OwedView(int(at["until"]), dict(at["owed"])) for at in one.owed),
        figures=dict(told),
        whole=one.whole,
    )
