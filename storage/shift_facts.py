"""What the report of a shift tells beyond time and pieces, read from what is stored: as objects that JSON holds, moments as ``*_us``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from psycopg.rows import dict_row

from plant import alarm_rates as figures
from plant.ledger import Counts
from plant.signals import SourceId
from storage.database import Connection, moment, translate_errors
from storage.ledger import read_gaps, read_totals

Facts = dict[str, Any]
Span = tuple[int, int]
_MOST: Final = 30
"""Of each list; how many there are is told beside it."""

_CAME: Final = """
SELECT a.id, j.time_us FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id
WHERE j.time_us >= %(from_us)s AND j.time_us < %(to_us)s AND j.state_after = 'unacknowledged' AND j.state_before <> 'unacknowledged'
    AND (a.equipment = %(line)s OR starts_with(a.equipment, %(line)s || '/'))
ORDER BY j.time_us, j.seq
"""
_ACTIVE: Final = """
SELECT name AS alarm, message, equipment, began_us, ended_us FROM (
    SELECT a.name, a.message, a.equipment, j.event, j.time_us AS began_us,
        lead(j.time_us) OVER (PARTITION BY a.id ORDER BY j.seq) AS ended_us
    FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id
    WHERE j.event IN ('active', 'inactive') AND j.time_us < %(to_us)s AND j.time_us >= %(from_us)s - 604800000000
        AND (a.equipment = %(line)s OR starts_with(a.equipment, %(line)s || '/'))
) AS spans WHERE event = 'active' AND coalesce(ended_us, %(to_us)s) > %(from_us)s
ORDER BY least(coalesce(ended_us, %(to_us)s), %(to_us)s) - began_us DESC, alarm
"""
_JOINTS: Final = """
SELECT j.id, e.path AS place, j.group_id || ' ' || j.bolt AS what, j.part, (extract(epoch FROM j.time) * 1000000)::bigint AS time_us,
    j.state, j.actor AS decided_by
FROM joint_record j JOIN equipment e ON e.id = j.equipment_id
WHERE j.newest AND j.time >= %(from)s AND j.time < %(to)s AND (e.path = %(line)s OR starts_with(e.path, %(line)s || '/'))
ORDER BY j.time, j.id
"""
_LOOKED: Final = """
SELECT i.id, i.station AS place, i.station || ' ' || i.view AS what, i.part,
    (extract(epoch FROM i.taken_time) * 1000000)::bigint AS time_us,
    i.decision AS found, coalesce(l.decision, i.decision) AS state, coalesce(l.actor, '') AS decided_by
FROM inspection i LEFT JOIN LATERAL (
    SELECT decision, actor FROM inspection_label WHERE inspection_id = i.id ORDER BY id DESC LIMIT 1
) l ON true
WHERE NOT i.shadow AND i.taken_time >= %(from)s AND i.taken_time < %(to)s AND i.station = ANY (%(stations)s) ORDER BY i.taken_time, i.id
"""
_TIGHTENED: Final = """
SELECT t.verdict, count(*)::int AS count FROM tightening t JOIN equipment e ON e.id = t.equipment_id
WHERE t.time >= %(from)s AND t.time < %(to)s AND (e.path = %(line)s OR starts_with(e.path, %(line)s || '/')) GROUP BY t.verdict
"""
_PLAN: Final = """
SELECT id, problem, plan FROM plan_version
WHERE kind = 'live' AND plan IS NOT NULL AND made_time <= %(made)s ORDER BY id DESC LIMIT 1
"""
_DONE: Final = """
SELECT work_unit AS unit, count(*)::int AS done FROM v_operation_history
WHERE time >= %(from)s - interval '1 day' AND time < %(to)s AND NOT coalesce(scrapped, false)
    AND time + duration_min * interval '1 minute' >= %(from)s AND time + duration_min * interval '1 minute' < %(to)s GROUP BY work_unit
"""
_RECOMMENDED: Final = """
SELECT s.recommendation_id AS id, s.product, s.after AS stage, s.actor, (extract(epoch FROM s.time) * 1000000)::bigint AS time_us,
    r.gain_mean AS predicted, r.realised_mean AS realised, r.realised_orders AS orders
FROM (
    SELECT DISTINCT ON (recommendation_id) * FROM v_recommendation_stages WHERE time >= %(from)s AND time < %(to)s
    ORDER BY recommendation_id, id DESC
) s JOIN v_recommendations r ON r.id = s.recommendation_id ORDER BY s.time DESC LIMIT 30
"""
_DELIVERED: Final = """
SELECT number AS id, work_unit, kind, stage, approved_by, (extract(epoch FROM stage_time) * 1000000)::bigint AS time_us
FROM v_deliveries WHERE stage_time >= %(from)s AND stage_time < %(to)s AND work_unit = ANY (%(units)s)
ORDER BY stage_time DESC LIMIT 30
"""
_STATES: Final = ("stopped", "case", "waiting", "released")
_DECISIONS: Final = ("nok", "not_decidable", "review", "ok")


def read_alarms(connection: Connection, line: str, span: Span) -> Facts:
    """Return how many alarms of a line came, how dense, which most often, the longest ones, and those that stood at the end."""
    given = {"line": line, "from_us": span[0], "to_us": span[1]}
    came = _rows(connection, _CAME, given)
    active = _rows(connection, _ACTIVE, given)
    times, numbers = (np.array([row[key] for row in came], np.int64) for key in ("time_us", "id"))
    found = figures.rates(times, *span)
    known = _rows(connection, "SELECT id, name AS alarm, message FROM alarm WHERE id = ANY (%(ids)s)", {"ids": sorted({*numbers.tolist()})})
    names = {row["id"]: row for row in known}
    often = [(names[one.alarm], one.count) for one in figures.frequent(numbers).alarms if one.alarm in names]
    spans = [{**row, "us": min(row["ended_us"] or span[1], span[1]) - row["began_us"]} for row in active]
    standing = [row for row in spans if row["ended_us"] is None or row["ended_us"] > span[1]]
    return {
        "count": found.count,
        "peak": found.peak,
        "share_in_flood": found.share_in_flood,
        "floods": [{"from_us": one.from_us, "to_us": one.to_us, "count": one.count} for one in found.floods[:_MOST]],
        "frequent": [{"alarm": about["alarm"], "message": about["message"], "count": count} for about, count in often],
        "longest": spans[:10],
        "standing": standing[:_MOST],
        "standing_count": len(standing),
    }


def read_quality(connection: Connection, line: str, stations: Sequence[str], span: Span) -> Facts:
    """Return results of tightening, joints and pictures by what was decided of them, and each that is or was not OK with who decided."""
    given = {"line": line, "stations": list(stations), **_moments(span)}
    tightened = {row["verdict"]: row["count"] for row in _rows(connection, _TIGHTENED, given)}
    joints, looked = _rows(connection, _JOINTS, given), _rows(connection, _LOOKED, given)
    bad = [{"kind": "joint", **row} for row in joints if row["state"] != "released" or row["decided_by"]]
    bad += [{"kind": "inspection", **row} for row in looked if row["found"] != "ok"]
    return {
        "tightenings": tightened,
        "joints": {state: sum(row["state"] == state for row in joints) for state in _STATES},
        "inspections": {state: sum(row["state"] == state for row in looked) for state in _DECISIONS},
        "not_ok": sum(row["state"] == "stopped" for row in joints) + sum(row["state"] == "nok" for row in looked),
        "undecided": sum(row["state"] in {"case", "review", "not_decidable"} for row in bad),
        "list": sorted(bad, key=lambda row: (row["time_us"], row["kind"], row["id"]))[:_MOST],
        "listed_of": len(bad),
    }


def read_plan_against_actual(connection: Connection, below: str, root: str, span: Span) -> Facts | None:
    """Return how many operations the plan that stood at the begin of a span wanted ended in it at each unit of a line, and how many were.

    ``below``: path of the line below the site ``root``. None where there was no plan.
    """
    with translate_errors():
        row = connection.execute(_PLAN, {"made": moment(span[0])}).fetchone()
        row = row if row is not None else connection.execute(_PLAN, {"made": moment(span[1])}).fetchone()
    if row is None:
        return None
    planned = _planned(row[1], row[2], span)
    done = {row["unit"]: row["done"] for row in _rows(connection, _DONE, _moments(span))}
    units = sorted(unit for unit in {*planned, *done} if _is_below(unit.removeprefix(root + "/"), below))
    listed = [{"unit": unit, "planned": planned.get(unit, 0), "done": done.get(unit, 0)} for unit in units]
    sums = {key: sum(one[key] for one in listed) for key in ("planned", "done")}
    return {"version": row[0], **sums, "units": listed} if listed else None


def read_improvement(connection: Connection, units: Sequence[str], span: Span) -> Facts:
    """Return what was recommended or decided in a span and what it brought so far, and what was delivered to some units."""
    given = {"units": list(units), **_moments(span)}
    return {"recommendations": _rows(connection, _RECOMMENDED, given), "deliveries": _rows(connection, _DELIVERED, given)}


def read_samples(connection: Connection, sources: Sequence[SourceId], span: Span) -> Facts:
    """Return where the samples of some sources went in the minutes of a span, and the gaps in them."""
    totals = read_totals(connection, *span)
    counts = sum((totals[source].counts for source in sources if source in totals), Counts())
    gaps = [gap for source in sources for gap in read_gaps(connection, *span, source, most=_MOST)]
    listed = [
        {
            "source": str(gap.source),
            "from_us": gap.from_us,
            "to_us": gap.to_us,
            "count": gap.count,
            "reason": gap.reason.value,
            "signal": gap.signal,
        }
        for gap in sorted(gaps, key=lambda gap: -gap.count)[:_MOST]
    ]
    names = ("expected", "stored", "unchanged", "filtered", "duplicate", "rejected", "gap")
    said = {name: int(getattr(counts, name)) for name in names}
    return {
        **said,
        "not_explained": said["expected"] - sum(said[name] for name in names[1:]),
        "sources": [str(source) for source in sources if source in totals],
        "gaps": listed,
        "gap_count": len(gaps),
    }


def _planned(problem: str, plan: str, span: Span) -> dict[str, int]:
    """Return how many operations of a plan end within a span, by unit."""
    head = json.loads(problem)
    if head.get("origin") is None or head.get("tick_s") is None:
        return {}
    origin = datetime.fromisoformat(head["origin"])
    origin_us = round((origin if origin.tzinfo else origin.replace(tzinfo=UTC)).timestamp() * 1e6)
    tick_us = round(head["tick_s"] * 1e6)
    counts: dict[str, int] = {}
    for one in json.loads(plan)["schedule"]:
        if span[0] <= origin_us + one["end"] * tick_us < span[1]:
            counts[one["unit"]] = counts.get(one["unit"], 0) + 1
    return counts


def _is_below(unit: str, line: str) -> bool:
    return not line or unit == line or unit.startswith(line + "/")


def _moments(span: Span) -> dict[str, Any]:
    return {"from": moment(span[0]), "to": moment(span[1])}


def _rows(connection: Connection, query: str, given: Mapping[str, Any]) -> list[Facts]:
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(query.encode(), given).fetchall())
