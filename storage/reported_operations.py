"""What is stored of the visits of parts to equipment besides states: programs, energy, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from plant.reported_operations import Visit, VisitFacts
from storage.database import Connection, moment, translate_errors

_VISITS: Final = """
WITH visit AS (
    SELECT v.n, e.id AS equipment_id, v.part, v.from_time, v.to_time
    FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS v (path, part, from_time, to_time, n)
    JOIN equipment e ON e.path = v.path
)
SELECT v.n,
    (SELECT s.text FROM signal g CROSS JOIN LATERAL (
        SELECT text FROM sample WHERE signal_id = g.id AND time <= v.to_time AND time >= v.from_time - interval '1 day' AND text IS NOT NULL
        ORDER BY time DESC LIMIT 1
    ) s WHERE g.equipment_id = v.equipment_id AND g.name = 'program' AND NOT g.retired LIMIT 1),
    (SELECT s.mean * CASE g.unit WHEN 'W' THEN 0.001 ELSE 1 END * extract(epoch FROM v.to_time - v.from_time) / 3600
        FROM signal g CROSS JOIN LATERAL (
            SELECT avg(value) AS mean FROM sample WHERE signal_id = g.id AND time >= v.from_time AND time < v.to_time
                AND (status & -1073741824) = 0 AND value IS NOT NULL AND value <> 'NaN'
        ) s WHERE g.equipment_id = v.equipment_id AND g.name = 'active_power' AND g.unit IN ('kW', 'W') AND NOT g.retired LIMIT 1),
    (SELECT bool_or(bad) FROM (
        SELECT t.verdict = 'not_ok' AS bad FROM tightening t
            WHERE t.equipment_id = v.equipment_id AND t.part = v.part AND t.part <> '' AND t.time >= v.from_time AND t.time <= v.to_time
                AND t.verdict IN ('ok', 'not_ok')
        UNION ALL
        SELECT j.decision = 'nok' FROM joint_record j
            WHERE j.equipment_id = v.equipment_id AND j.part = v.part AND j.newest AND j.decision IN ('ok', 'nok')
                AND j.time >= v.from_time AND j.time <= v.to_time
        UNION ALL
        SELECT i.decision = 'nok' FROM inspection i
            WHERE i.part = v.part AND i.part <> '' AND NOT i.shadow AND i.decision IN ('ok', 'nok')
                AND i.taken_time >= v.from_time AND i.taken_time <= v.to_time
    ) judged)
FROM visit v ORDER BY v.n
"""


def read_visit_facts(connection: Connection, visits: Sequence[Visit]) -> dict[Visit, VisitFacts]:
    """Return what is stored of visits: the program at their end, energy from ``active_power``, verdicts given while the part was there."""
    if not visits:
        return {}
    asked: list[list[Any]] = [
        [visit.equipment for visit in visits],
        [visit.part for visit in visits],
        [moment(visit.from_us) for visit in visits],
        [moment(visit.to_us) for visit in visits],
    ]
    with translate_errors():
        rows = connection.execute(_VISITS, asked).fetchall()
    return {
        visits[n - 1]: VisitFacts(program, None if energy is None or energy < 0 else float(energy), bad) for n, program, energy, bad in rows
    }
