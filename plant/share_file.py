"""Problems of sharing and their answers as JSON files that people can write and read: ``share-problem/1`` and ``shares/1``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from plant.errors import SettingsError
from plant.share_pieces import SHARE_FORMAT, SHARES_FORMAT, EqualPeriodsPiece, OrderPiece, ShareFile, SharesFile
from plant.share_words import reason_words
from plant.sharing import NONE, Centre, Floats, Period, Reason, ShareOrders, ShareProblem, Shares, Work
from plant.strict_json import most, read_pieces

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = "docs/sharing.md"
_ROUNDED: Final = 1e-9


def share_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of a problem."""
    return ShareFile.model_json_schema()


def shares_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of shares."""
    return SharesFile.model_json_schema()


def read_share(text: str | bytes, place: str = "share.json") -> ShareProblem:
    """Return the problem that a file says. Raises SettingsError that names, for each thing wrong, key and what to do."""
    file = read_pieces(text, place, SHARE_FORMAT, ShareFile, _PAGE)
    periods = _periods(file)
    faults = [f"{place}: {fault}" for fault in _faults(file, periods)]
    if faults:
        raise SettingsError(most(faults, place))
    centres = [one.name for one in file.centres]
    factories = [one.name for one in file.factories]
    capacity = np.array([one.hours if isinstance(one.hours, tuple) else [one.hours] * len(periods) for one in file.centres])
    reserved = np.array([[one.reserved_at.get(name, one.reserved) for name in centres] for one in file.factories])
    return ShareProblem(
        file.name,
        periods,
        tuple(Centre(one.name, one.kind) for one in file.centres),
        tuple(factories),
        capacity.astype(np.float64),
        reserved.astype(np.float64),
        _orders(file, periods),
        np.array([one.owed_hours for one in file.factories]),
        file.rule,
        file.keeps,
        file.carried_part,
    )


def write_share(problem: ShareProblem) -> dict[str, Any]:
    """Return a problem as its file says it."""
    orders, centres = problem.orders, [one.name for one in problem.centres]
    return {
        "leadhand": SHARE_FORMAT,
        "name": problem.name,
        "rule": problem.rule.value,
        "keeps": problem.keeps.value,
        "carried_part": problem.carried_part,
        "periods": [{"name": one.name, "begins": _time(one.start_us), "ends": _time(one.end_us)} for one in problem.periods],
        "centres": [
            {"name": one.name, "kind": one.kind.value, "hours": hours.tolist()}
            for one, hours in zip(problem.centres, problem.capacity_hours, strict=True)
        ],
        "factories": [
            {
                "name": name,
                "reserved": float(problem.reserved[row].min(initial=1.0)),
                "reserved_at": dict(zip(centres, problem.reserved[row].tolist(), strict=True)),
                "owed_hours": float(problem.owed_hours[row]),
            }
            for row, name in enumerate(problem.factories)
        ],
        "orders": [
            {
                "name": name,
                "factory": problem.factories[orders.factory[row]],
                "hours": float(orders.hours[row]),
                "centres": [centres[at] for at in np.flatnonzero(orders.may[row])],
                "earliest": int(max(orders.release[row], 0)) + 1,
                "due": int(max(orders.due[row], -1)) + 1,
                "priority": int(orders.priority[row]),
                "home": _named(centres, int(orders.home[row])),
            }
            for row, name in enumerate(orders.name)
        ],
    }


def write_shares(problem: ShareProblem, shares: Shares, *, verified: bool | None = None) -> dict[str, Any]:
    """Return shares as their file says them."""
    told = shares.figures
    return {
        "leadhand": SHARES_FORMAT,
        "problem": problem.name,
        "rule": problem.rule.value,
        "keeps": problem.keeps.value,
        "verified": verified,
        "jain": round(told.jain, 6),
        "jain_worst": round(told.jain_worst, 6),
        "jain_by_period": [_number(one) for one in told.jain_by_period.tolist()],
        "worse_than_promised": told.worse_than_alone,
        "done_hours": round(told.done_hours, 6),
        "on_time_hours": round(told.on_time_hours, 6),
        "wall_seconds": round(shares.wall_s, 3),
        "cpu_seconds": round(shares.cpu_s, 3),
        "factories": [_factory(problem, shares, row) for row in range(len(problem.factories))],
        "calendar": list(_calendar(problem, shares)),
        "orders": list(_order_shares(problem, shares)),
    }


def read_shares(text: str | bytes, problem: ShareProblem, place: str = "shares.json") -> Work:
    """Return the work that a file of shares says; whether it keeps the rules is for the check to say. Raises SettingsError."""
    file = read_pieces(text, place, SHARES_FORMAT, SharesFile, _PAGE)
    orders = {name: row for row, name in enumerate(problem.orders.name)}
    centres = {one.name: row for row, one in enumerate(problem.centres)}
    rows: list[tuple[int, int, int, float]] = []
    wrong: list[str] = []
    for number, one in enumerate(file.orders, 1):
        if one.name not in orders:
            wrong.append(f"{place}: orders[{number}].name: the problem has no order '{one.name}'")
        elif one.work and one.centre not in centres:
            wrong.append(f"{place}: orders[{number}].centre: the problem has no centre '{one.centre}'")
        elif any(at.period > len(problem.periods) for at in one.work):
            wrong.append(f"{place}: orders[{number}].work: the problem has {len(problem.periods)} periods")
        else:
            rows += [(orders[one.name], centres[str(one.centre)], at.period - 1, at.hours) for at in one.work]
    if wrong:
        raise SettingsError(most(wrong, place))
    columns = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    return Work(columns[:, 0], columns[:, 1], columns[:, 2], np.array([row[3] for row in rows], np.float64))


def reason_json(reason: Reason, problem: ShareProblem) -> dict[str, Any]:
    """Return a reason with names in place of rows, periods from 1, and in words."""
    told: dict[str, Any] = {"code": reason.code.value, "text": reason_words(reason, problem)}
    told |= {"hours": round(reason.hours, 4)} if reason.hours else {}
    told |= {"factory": problem.factories[reason.factory]} if reason.factory != NONE else {}
    told |= {"centre": problem.centres[reason.centre].name} if reason.centre != NONE else {}
    told |= {"period": reason.period + 1} if reason.period != NONE else {}
    return told | ({"count": reason.count} if reason.count else {})


def _periods(file: ShareFile) -> tuple[Period, ...]:
    if isinstance(file.periods, EqualPeriodsPiece):
        begin, length = _us(file.periods.begins), round(file.periods.hours * 3_600_000_000)
        return tuple(Period(str(at + 1), begin + at * length, begin + (at + 1) * length) for at in range(file.periods.count))
    return tuple(Period(one.name or str(at), _us(one.begins), _us(one.ends)) for at, one in enumerate(file.periods, 1))


def _faults(file: ShareFile, periods: tuple[Period, ...]) -> Iterator[str]:
    """Yield what no piece alone can tell to be wrong."""
    for at, one in enumerate(periods):
        if one.end_us <= one.start_us:
            yield f"periods[{at + 1}]: must end after it begins"
        elif at and one.start_us < periods[at - 1].end_us:
            yield f"periods[{at + 1}]: begins before the one before ends"
    for what, names in (("centres", file.centres), ("factories", file.factories), ("orders", file.orders)):
        yield from (f"{what}: '{name}' is there twice" for name in _twice(one.name for one in names))
    centres = {one.name: one.kind for one in file.centres}
    for number, centre in enumerate(file.centres, 1):
        if isinstance(centre.hours, tuple) and len(centre.hours) != len(periods):
            yield f"centres[{number}].hours: has {len(centre.hours)} numbers for {len(periods)} periods"
        total = sum(one.reserved_at.get(centre.name, one.reserved) for one in file.factories)
        if total > 1 + _ROUNDED:
            yield f"factories: {total:.6g} of {centre.name} is reserved, which is more than all; lower 'reserved'"
    for number, factory in enumerate(file.factories, 1):
        yield from (f"factories[{number}].reserved_at: there is no centre '{name}'" for name in factory.reserved_at if name not in centres)
    factories = {one.name for one in file.factories}
    for number, order in enumerate(file.orders, 1):
        yield from (f"orders[{number}] ({order.name}).{fault}" for fault in _order_faults(order, centres, factories, len(periods)))


def _order_faults(order: OrderPiece, centres: dict[str, Any], factories: set[str], periods: int) -> Iterator[str]:
    if order.factory not in factories:
        yield f"factory: there is no factory '{order.factory}'; name it in 'factories'"
    yield from (f"centres: there is no centre '{name}'" for name in order.centres or () if name not in centres)
    able = order.centres or [name for name, kind in centres.items() if kind is order.kind]
    if not able:
        yield f"kind: no centre does {order.kind.value}"
    if order.home is not None and order.home not in able:
        yield f"home: '{order.home}' is none of the centres that can do it"
    if isinstance(order.earliest, int) and not 1 <= order.earliest <= periods:
        yield f"earliest: there are periods 1 to {periods}, not {order.earliest}"
    if isinstance(order.due, int) and order.due < 0:
        yield "due: a period's number is 1 or more, or 0 where it is late already"


def _orders(file: ShareFile, periods: tuple[Period, ...]) -> ShareOrders:
    factories = {one.name: row for row, one in enumerate(file.factories)}
    centres = {one.name: row for row, one in enumerate(file.centres)}
    starts, ends = np.array([one.start_us for one in periods]), np.array([one.end_us for one in periods])
    able = {kind: np.array([one.kind is kind for one in file.centres]) for kind in {one.kind for one in file.orders}}
    may = np.array([able[one.kind] if one.centres is None else [name in one.centres for name in centres] for one in file.orders], np.bool_)
    return ShareOrders(
        tuple(one.name for one in file.orders),
        np.array([factories[one.factory] for one in file.orders], np.int64),
        np.array([one.hours for one in file.orders], np.float64),
        np.array([_release(one.earliest, starts) for one in file.orders], np.int64),
        np.array([_due(one.due, ends) for one in file.orders], np.int64),
        np.array([one.priority for one in file.orders], np.int64),
        may.reshape(-1, len(centres)),
        np.array([NONE if one.home is None else centres[one.home] for one in file.orders], np.int64),
    )


def _release(when: int | datetime | None, starts: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    if when is None:
        return 0
    return when - 1 if isinstance(when, int) else int(np.searchsorted(starts, _us(when)))


def _due(when: int | datetime | None, ends: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    if when is None:
        return len(ends)
    return when - 1 if isinstance(when, int) else int(np.searchsorted(ends, _us(when), side="right")) - 1


def _factory(problem: ShareProblem, shares: Shares, row: int) -> dict[str, Any]:
    told = shares.figures
    figures = {
        "reserved_hours": float(problem.reserve_hours[row].sum()),
        "got_hours": float(shares.got_hours[row].sum()),
        "entitled_hours": float(shares.entitled_hours[row].sum()),
        "lent_hours": float(shares.lent_hours[row].sum()),
        "borrowed_hours": float(shares.lent_hours[:, row].sum()),
        "owed_hours": float(shares.owed_hours[row, -1]),
        "tardiness_periods": float(told.tardiness_periods[row]),
    }
    named = {"name": problem.factories[row], **{key: round(value, 6) for key, value in figures.items()}}
    return named | {"satisfied": _number(float(told.satisfied[row])), "late": int(told.late[row])}


def _calendar(problem: ShareProblem, shares: Shares) -> Iterator[dict[str, Any]]:
    for centre, one in enumerate(problem.centres):
        for period in range(len(problem.periods)):
            got: Floats = shares.got_hours[:, centre, period]
            hours = {problem.factories[row]: round(float(got[row]), 6) for row in np.flatnonzero(got > 0)}
            if hours:
                yield {"centre": one.name, "period": period + 1, "hours": hours}


def _order_shares(problem: ShareProblem, shares: Shares) -> Iterator[dict[str, Any]]:
    centres, work = [one.name for one in problem.centres], shares.work
    rows: list[list[int]] = [[] for _ in problem.orders.name]
    for row in np.argsort(work.period, kind="stable"):
        rows[work.order[row]].append(int(row))
    for order, name in enumerate(problem.orders.name):
        at = rows[order]
        yield {
            "name": name,
            "factory": problem.factories[problem.orders.factory[order]],
            "centre": centres[work.centre[at[0]]] if at else None,
            "home": _named(centres, int(shares.home[order])),
            **{key: _numbered(int(getattr(shares, key)[order])) for key in ("end", "alone_end", "promised")},
            "work": [{"period": int(work.period[row]) + 1, "hours": round(float(work.hours[row]), 6)} for row in at],
            "reasons": [reason_json(reason, problem) for reason in shares.reasons[order]],
        }


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _named(names: list[str], row: int) -> str | None:
    return None if row == NONE else names[row]


def _numbered(period: int) -> int | None:
    return None if period == NONE else period + 1


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)


def _us(when: datetime) -> int:
    zoned = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (zoned - _EPOCH) // timedelta(microseconds=1)


def _time(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")
