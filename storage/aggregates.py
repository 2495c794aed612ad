"""Aggregates of what is stored: samples with the gaps between them as bad data, from rollups where those say the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plant.aggregate_bounds import History, Rules
from plant.aggregates import CALCULATED, INFO, PARTIAL, Aggregate, Answer, aggregate
from plant.errors import Rejected
from plant.status import BAD, BAD_NO_COMMUNICATION, BAD_NO_DATA, UNCERTAIN_DATA_SUB_NORMAL
from storage import partitions
from storage.arrays import array_cursor
from storage.database import PG_EPOCH_US, Connection, is_timescale, micros, moment, translate_errors
from storage.partitions import SECOND_US, Tier

MOST_SAMPLES: Final = 3_000_000
"""Samples read for one answer: a day at 30 ms."""
MOST_INTERVALS: Final = 20_000

_TIERS: Final[dict[Tier, int]] = {"1h": 3600 * SECOND_US, "1m": 60 * SECOND_US, "1s": SECOND_US}
_BY_ROLLUPS: Final = frozenset({Aggregate.MINIMUM, Aggregate.MAXIMUM, Aggregate.RANGE, Aggregate.COUNT, Aggregate.AVERAGE})
_SIGNAL: Final = """
SELECT g.id, g.source_id, g.may_rest OR g.store_rule = 'on_change', g.data_type, m.until_us
FROM signal g LEFT JOIN feed_mark m ON m.source_id = g.source_id WHERE g.id = %s
"""
_SAMPLES: Final = """
SELECT array_agg(time), array_agg(value), array_agg(status)
FROM (
    SELECT time, CASE WHEN value > '-Infinity' AND value < 'Infinity' THEN value ELSE 'NaN' END AS value, status
    FROM sample WHERE signal_id = %(signal)s AND time >= %(from)s AND time <= %(to)s ORDER BY time LIMIT %(most)s
) q
"""
_EDGES: Final = """
SELECT (SELECT time FROM sample WHERE signal_id = %(signal)s AND time < %(from)s ORDER BY time DESC LIMIT 1),
    (SELECT time FROM sample WHERE signal_id = %(signal)s AND time >= %(to)s ORDER BY time LIMIT 1),
    (SELECT time FROM sample WHERE signal_id = %(signal)s AND time >= %(from)s ORDER BY time LIMIT 1)
"""
_GAPS: Final = """
SELECT from_time FROM gap WHERE source_id = %s AND (signal_id IS NULL OR signal_id = %s) AND count > 0
    AND to_time > %s AND from_time < %s ORDER BY from_time
"""
_BUCKETS: Final = """
SELECT array_agg(bucket), array_agg(count), array_agg(good_count), array_agg(coalesce(min, 'NaN')), array_agg(coalesce(max, 'NaN')),
    array_agg(coalesce(mean, 'NaN'))
FROM (SELECT * FROM {table} WHERE signal_id = %(signal)s AND bucket >= %(from)s AND bucket < %(to)s ORDER BY bucket) q
"""


@dataclass(frozen=True, slots=True)
class _Signal:
    id: int
    source_id: int
    rests: bool
    data_type: str
    known_until_us: int | None


def read_aggregate(
    connection: Connection,
    signal: int,
    wanted: Aggregate,
    from_us: int,
    to_us: int,
    interval_us: int = 0,
    rules: Rules | None = None,
    stepped: bool | None = None,
) -> Answer:
    """Return one aggregate of one signal for each interval of a span.

    Where ``stepped`` is not said, values of whole-number and resting signals hold until the next one, others lie on lines. A gap of
    the ledger is bad data until the next sample. Raises Rejected for too many intervals or samples at once.
    """
    if not from_us < to_us or interval_us < 0:
        raise Rejected("'from' must lie before 'to', and an interval has a length")
    if interval_us and (to_us - from_us) / interval_us > MOST_INTERVALS:
        raise Rejected(f"at most {MOST_INTERVALS:,} intervals at once: take longer ones")
    with translate_errors():
        found = _signal(connection, signal)
        natural = found.rests or found.data_type not in {"float", "double"}
        used = replace(rules or Rules(), stepped=natural if stepped is None else stepped)
        tier = _tier(connection, wanted, used, from_us, to_us, interval_us or to_us - from_us)
        if tier is not None:
            return _by_rollups(connection, found, wanted, used, tier, from_us, to_us, interval_us or to_us - from_us)
        return aggregate(wanted, _history(connection, found, from_us, to_us), from_us, to_us, interval_us, used)


def _signal(connection: Connection, signal: int) -> _Signal:
    row = connection.execute(_SIGNAL, [signal]).fetchone()
    if row is None:
        raise Rejected(f"there is no signal {signal}")
    return _Signal(row[0], row[1], bool(row[2]), row[3], row[4])


def _history(connection: Connection, found: _Signal, from_us: int, to_us: int) -> History:
    values: dict[str, object] = {"signal": found.id, "from": moment(from_us), "to": moment(to_us), "most": MOST_SAMPLES + 1}
    edges = connection.execute(_EDGES, values).fetchone() or (None, None, None)
    values |= {"from": edges[0] or values["from"], "to": edges[1] or values["to"]}
    row = array_cursor(connection).execute(_SAMPLES, values).fetchone()
    if row is None or row[0] is None:
        return History(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint32))
    times, value, status = row[0] + PG_EPOCH_US, row[1], row[2].astype(np.int32).view(np.uint32)
    if len(times) > MOST_SAMPLES:
        raise Rejected(f"more than {MOST_SAMPLES:,} samples lie in this span: take a shorter one, or an aggregate that rollups tell")
    unique = np.append(times[1:] != times[:-1], [True])  # of samples of one time the last counts
    times, value, status = times[unique], value[unique], status[unique]
    gaps = np.array(
        [micros(time) for (time,) in connection.execute(_GAPS, [found.source_id, found.id, *_span(times)]).fetchall()], np.int64
    )
    gaps = gaps[(gaps > times[0]) & ~np.isin(gaps, times)]
    if len(gaps):
        places = np.searchsorted(times, gaps)
        times, value = np.insert(times, places, gaps), np.insert(value, places, np.nan)
        status = np.insert(status, places, np.uint32(BAD_NO_COMMUNICATION))
    until = found.known_until_us if found.rests else None
    return History(times, value, status, until)


def _span(times: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    return moment(int(times[0])), moment(int(times[-1]) + 1)


def _tier(connection: Connection, wanted: Aggregate, rules: Rules, from_us: int, to_us: int, interval_us: int) -> Tier | None:
    """Return the widest rollup whose buckets make the intervals up exactly and that is up to date; None where there is none."""
    if wanted not in _BY_ROLLUPS or not rules.treat_uncertain_as_bad:
        return None
    kept = partitions.kept_from(connection)
    for tier, width in _TIERS.items():
        fits = from_us % width == 0 and to_us % width == 0 and interval_us % width == 0
        if fits and (kept[tier] <= from_us or kept[tier] <= kept["raw"]) and _is_fresh(connection, tier, from_us, to_us):
            return tier
    return None


def _is_fresh(connection: Connection, tier: Tier, from_us: int, to_us: int) -> bool:
    if is_timescale(connection):
        return False  # its newest buckets are made on reading, of nobody knows which samples
    below = [name for name, width in _TIERS.items() if width <= _TIERS[tier]]
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM rollup_due WHERE tier = ANY(%s::text[]) AND from_time < %s AND to_time > %s)",
        [below, moment(to_us), moment(from_us)],
    ).fetchone()
    return row is not None and not row[0]


def _by_rollups(
    connection: Connection, found: _Signal, wanted: Aggregate, rules: Rules, tier: Tier, from_us: int, to_us: int, interval_us: int
) -> Answer:
    values = {"signal": found.id, "from": moment(from_us), "to": moment(to_us)}
    row = array_cursor(connection).execute(_BUCKETS.format(table=f"rollup_{tier}"), values).fetchone()
    starts = np.arange(from_us, to_us, interval_us, dtype=np.int64)
    slots = len(starts)
    count, good = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    low, high, total = np.full(slots, np.nan), np.full(slots, np.nan), np.zeros(slots)
    if row is not None and row[0] is not None:
        place = (row[0] + PG_EPOCH_US - from_us) // interval_us
        np.add.at(count, place, row[1])
        np.add.at(good, place, row[2])
        np.fmin.at(low, place, row[3])
        np.fmax.at(high, place, row[4])
        np.add.at(total, place, np.where(row[2] > 0, np.nan_to_num(row[5]) * row[2], 0.0))
    gaps = [micros(time) for (time,) in connection.execute(_GAPS, [found.source_id, found.id, values["from"], values["to"]]).fetchall()]
    bad = count - good
    for gap in gaps:
        bad[max(0, (gap - from_us) // interval_us)] += 1
    edges = connection.execute(_EDGES, values).fetchone() or (None, None, None)
    seen = np.flatnonzero(count)
    some = np.zeros(slots, np.bool_)
    if len(seen) or edges[0] is not None:
        some[0 if edges[0] is not None else seen[0] : slots if edges[1] is not None else (seen[-1] + 1 if len(seen) else 0)] = True
    value = _value(wanted, good, low, high, total)
    return Answer(starts, np.where(some, value, np.nan), _statuses(wanted, rules, good, bad, some, edges, from_us))


def _value(
    wanted: Aggregate,
    good: npt.NDArray[np.int64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    total: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    match wanted:
        case Aggregate.COUNT:
            return good.astype(np.float64)
        case Aggregate.MINIMUM:
            return low
        case Aggregate.MAXIMUM:
            return high
        case Aggregate.RANGE:
            return high - low
        case _:
            return np.where(good > 0, total / np.maximum(good, 1), np.nan)


def _statuses(
    wanted: Aggregate,
    rules: Rules,
    good: npt.NDArray[np.int64],
    bad: npt.NDArray[np.int64],
    some: npt.NDArray[np.bool_],
    edges: tuple[Any, Any, Any],
    from_us: int,
) -> npt.NDArray[np.uint32]:
    whole = np.maximum(good + bad, 1)
    status = np.where(bad > 0, UNCERTAIN_DATA_SUB_NORMAL, 0).astype(np.int64)
    if wanted in {Aggregate.COUNT, Aggregate.AVERAGE}:
        status[(bad > 0) & (100 * good >= rules.percent_good * whole)] = 0
        status[(bad > 0) & (100 * bad >= rules.percent_bad * whole)] = BAD
    status |= INFO | CALCULATED
    inside = np.flatnonzero(some)
    if len(inside):
        if edges[0] is None and not (inside[0] == 0 and edges[2] is not None and micros(edges[2]) == from_us):
            status[inside[0]] |= PARTIAL
        if edges[1] is None:
            status[inside[-1]] |= PARTIAL
    nothing = ~some if wanted is Aggregate.COUNT else ~some | (good == 0)
    status[nothing] = BAD_NO_DATA
    return status.astype(np.uint32)
