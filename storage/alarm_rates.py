"""The journal of alarms as people ask for it: lines by filter, and columns that figures are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.alarms import AlarmId
from storage.database import Connection, translate_errors

_LINES = """
SELECT j.seq, a.name, a.signal, a.equipment, a.source, a.kind, a.priority, a.message, a.unit, j.time_us, j.decided_us, j.event,
    j.state_before, j.state_after, j.active, j.value, j.text, j.limit_value, j.who, j.reason
FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id
WHERE (%(from)s::bigint IS NULL OR j.time_us >= %(from)s) AND (%(to)s::bigint IS NULL OR j.time_us < %(to)s)
    AND (%(before)s::bigint IS NULL OR j.seq < %(before)s)
    AND (%(alarm)s::text IS NULL OR a.name = %(alarm)s)
    AND (%(equipment)s::text IS NULL OR a.equipment = %(equipment)s OR starts_with(a.equipment, %(equipment)s || '/'))
    AND (%(priority)s::int IS NULL OR a.priority <= %(priority)s)
    AND (%(state)s::text IS NULL OR j.state_after = %(state)s)
    AND (%(event)s::text IS NULL OR j.event = %(event)s)
    AND (%(who)s::text IS NULL OR j.who = %(who)s)
ORDER BY j.seq DESC LIMIT %(most)s
"""
_ANNUNCIATIONS = """
SELECT j.alarm_id, j.time_us, a.priority FROM alarm_journal j JOIN alarm a ON a.id = j.alarm_id
WHERE j.time_us >= %s AND j.time_us < %s AND j.state_after = 'unacknowledged' AND j.state_before <> 'unacknowledged'
ORDER BY j.time_us, j.seq
"""
_SPANS = """
SELECT alarm_id, time_us, ended_us FROM (
    SELECT alarm_id, time_us, event, lead(time_us) OVER line AS ended_us, lead(event) OVER line AS next
    FROM alarm_journal WHERE event IN ('active', 'inactive') AND time_us >= %s AND time_us < %s
    WINDOW line AS (PARTITION BY alarm_id ORDER BY seq)
) AS spans WHERE event = 'active' AND next = 'inactive' ORDER BY time_us, alarm_id
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal with what there is to say of its alarm."""

    seq: int
    alarm: str
    signal: str
    equipment: str
    source: str
    kind: str
    priority: int
    message: str
    unit: str
    time_us: int
    decided_us: int
    event: str
    before: str
    after: str
    active: bool
    value: float | None
    text: str | None
    limit: float | None
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines are wanted; None means all."""

    from_us: int | None = None
    to_us: int | None = None
    before: int | None = None
    """The number of the last line of the page before."""
    alarm: str | None = None
    equipment: str | None = None
    """And all below it."""
    priority: int | None = None
    """And more urgent ones."""
    state: str | None = None
    """The one after the event."""
    event: str | None = None
    who: str | None = None
    most: int = 200


@dataclass(frozen=True, slots=True)
class Annunciations:
    """When alarms became unacknowledged, as columns of equal length in rising times."""

    alarm: npt.NDArray[np.int64]
    """Numbers of alarms."""
    time_us: npt.NDArray[np.int64]
    priority: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class ActiveSpans:
    """When alarms were active and returned, as columns."""

    alarm: npt.NDArray[np.int64]
    began_us: npt.NDArray[np.int64]
    ended_us: npt.NDArray[np.int64]


def read_lines(connection: Connection, wanted: LineFilter) -> list[Line]:
    """Return lines of the journal, the newest first."""
    values = {
        "from": wanted.from_us,
        "to": wanted.to_us,
        "before": wanted.before,
        "alarm": wanted.alarm,
        "equipment": wanted.equipment,
        "priority": wanted.priority,
        "state": wanted.state,
        "event": wanted.event,
        "who": wanted.who,
        "most": wanted.most,
    }
    with translate_errors():
        return [Line(*row) for row in connection.execute(_LINES, values).fetchall()]


def read_annunciations(connection: Connection, from_us: int, to_us: int) -> Annunciations:
    """Return what was annunciated over a span."""
    with translate_errors():
        rows = connection.execute(_ANNUNCIATIONS, [from_us, to_us]).fetchall()
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Annunciations(columns[:, 0], columns[:, 1], columns[:, 2].astype(np.int8))


def read_active_spans(connection: Connection, from_us: int, to_us: int) -> ActiveSpans:
    """Return which alarms came and went within a span."""
    with translate_errors():
        rows = connection.execute(_SPANS, [from_us, to_us]).fetchall()
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return ActiveSpans(columns[:, 0], columns[:, 1], columns[:, 2])


def alarm_names(connection: Connection, numbers: list[int]) -> dict[int, tuple[AlarmId, str]]:
    """Return name and message of alarms by their number."""
    with translate_errors():
        rows = connection.execute("SELECT id, name, message FROM alarm WHERE id = ANY(%s::int[])", [numbers]).fetchall()
    return {number: (AlarmId(name), message) for number, name, message in rows}
