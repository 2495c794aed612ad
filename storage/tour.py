"""What the demo's story is told from: the first rows, since a start of the demo, that show how a robot went wrong and came right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from storage.database import Connection, micros, moment, translate_errors

_SECONDS_AFTER: Final = 10
_ROBOT: Final = """
SELECT e.path FROM equipment e JOIN signal g ON g.equipment_id = e.id
WHERE g.path = e.path || '/weld_throat' AND NOT g.retired ORDER BY e.path LIMIT 1
"""
_RUNS: Final = """
SELECT greatest(time, %(since)s) FROM v_states WHERE equipment = %(robot)s AND state = 'execute' AND coalesce(to_time, now()) > %(since)s
ORDER BY time LIMIT 1
"""
_ALARM: Final = """
SELECT time, value, "limit", unit FROM v_alarm_journal
WHERE alarm = %(robot)s || '/voltage:high' AND event = 'active' AND time >= %(since)s ORDER BY seq LIMIT 1
"""
_ALARM_OVER: Final = """
SELECT max(time) FILTER (WHERE NOT active) FROM v_alarm_journal WHERE alarm = %(robot)s || '/voltage:high' AND time >= %(since)s
HAVING max(time) FILTER (WHERE event = 'active') < %(late)s
    AND max(time) FILTER (WHERE NOT active) >= max(time) FILTER (WHERE event = 'active')
"""
_VIOLATION: Final = """
SELECT v.time, v.value, v.low, v.high, v.unit, (
    SELECT part FROM v_states WHERE equipment = v.equipment AND time < v.time AND part <> '' ORDER BY time DESC LIMIT 1
), c.id FROM v_chart_violations v
JOIN chart c ON c.key = v.chart AND c.equipment = v.equipment
WHERE v.equipment = %(robot)s AND v.rule = 'beyond_limits' AND c.key LIKE '%%weld-throat%%' AND v.time >= %(from)s ORDER BY v.time LIMIT 1
"""
_THROAT: Final = """
SELECT value FROM v_chart_points WHERE equipment = %(robot)s AND chart LIKE '%%weld-throat%%' AND time >= %(done)s ORDER BY time LIMIT 1
"""
_PICTURE: Final = """
SELECT i.time, i.id, i.part FROM v_inspections i
WHERE i.subject = 'welds' AND i.decision = 'nok' AND NOT i.shadow AND i.time >= %(from)s
    AND i.part IN (SELECT part FROM v_states WHERE equipment = %(robot)s AND coalesce(to_time, now()) >= %(since)s)
ORDER BY i.time LIMIT 1
"""
_PIECES: Final = """
SELECT coalesce(sum(pieces) FILTER (WHERE kind = 'good'), 0), coalesce(sum(pieces) FILTER (WHERE kind = 'scrap'), 0),
    min(time) FILTER (WHERE kind = 'scrap' AND pieces > 0)
FROM v_pieces WHERE equipment = %(robot)s AND time >= %(from)s AND time < %(to)s
"""
_SAMPLE: Final = """
SELECT time, parts, good, work_unit, program, job, parameters FROM v_tuning_trials
WHERE trial LIKE 'by-hand-%%' AND time >= %(from)s ORDER BY id LIMIT 1
"""
_PROPOSAL: Final = """
SELECT id, time, stage, document FROM v_tuning_proposals WHERE work_unit = %(unit)s AND program = %(program)s AND job = %(job)s
    AND (time >= %(sample)s OR stage_time >= %(sample)s) AND stage NOT IN ('declined', 'expired') ORDER BY id LIMIT 1
"""
_DELIVERY: Final = """
SELECT d.number, d.stage, d.approved_by, d.issued_time, s.time, s.detail FROM v_deliveries d
LEFT JOIN v_delivery_steps s ON s.delivery_number = d.number AND s.after = 'executed'
WHERE d.source = %(source)s ORDER BY d.number, s.id LIMIT 1
"""
_RESULT: Final = "SELECT time, parts, good FROM v_tuning_trials WHERE proposal_id = %(proposal)s ORDER BY id LIMIT 1"


@dataclass(frozen=True, slots=True)
class Crossed:
    """A value beyond its limit."""

    time_us: int
    value: float
    limit: float
    unit: str


@dataclass(frozen=True, slots=True)
class OutOfControl:
    """A point of a chart beyond its control limits."""

    time_us: int
    value: float
    low: float | None
    high: float | None
    unit: str
    part: str
    chart: int


@dataclass(frozen=True, slots=True)
class BadPicture:
    """A picture of seams that are not OK."""

    time_us: int
    inspection: int
    part: str


@dataclass(frozen=True, slots=True)
class Pieces:
    """What was made in a span of time."""

    good: int
    scrap: int
    first_scrap_us: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """Parts that were looked at, and how many were good."""

    time_us: int
    parts: int
    good: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """A recipe that is recommended, and what share of good parts is expected of it."""

    time_us: int
    number: int
    stage: str
    mean: float
    low: float
    high: float
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of its message."""

    number: int
    stage: str
    approved_by: str
    issued_us: int | None
    executed_us: int | None
    read: tuple[tuple[str, float, str], ...]
    """Name, value and unit of what the controller said is in force."""


@dataclass(frozen=True, slots=True)
class TourFacts:
    """What the database shows of the story so far; None for what it does not show yet."""

    robot: str = ""
    runs_us: int | None = None
    alarm: Crossed | None = None
    violation: OutOfControl | None = None
    picture: BadPicture | None = None
    lost: Pieces | None = None
    """From the alarm until the new recipe was in force, or until now."""
    sample: Counted | None = None
    proposed: Proposed | None = None
    carried: Carried | None = None
    result: Counted | None = None
    alarm_over_us: int | None = None
    since: Pieces | None = None
    """Since the new recipe is in force."""
    throat: float | None = None
    """Of the first part since then, mm."""


def read_tour(connection: Connection, since_us: int, now_us: int) -> TourFacts:
    """Return what is there of the story since a start of the demo. Raises Unavailable."""
    with translate_errors():
        return _Reader(connection, since_us, now_us).facts()


class _Reader:
    """Asks for one thing after the other: each is looked for after the one before."""

    def __init__(self, connection: Connection, since_us: int, now_us: int) -> None:
        self._connection = connection
        self._since_us, self._now_us = since_us, now_us
        self._words: dict[str, Any] = {"since": moment(since_us)}

    def facts(self) -> TourFacts:
        found = self._one(_ROBOT)
        if found is None:
            return TourFacts()
        robot = self._words["robot"] = found[0]
        runs = self._one(_RUNS)
        runs_us = None if runs is None else micros(runs[0])
        alarm = self._one(_ALARM)
        if alarm is None:
            return TourFacts(robot, runs_us)
        from_us = micros(alarm[0])
        self._words["from"] = alarm[0]
        sample = self._one(_SAMPLE)
        proposed = None if sample is None else self._proposed(sample)
        carried = None if proposed is None else self._carried(proposed.number)
        done_us = None if carried is None else carried.executed_us
        return TourFacts(
            robot,
            runs_us,
            Crossed(from_us, alarm[1], alarm[2], alarm[3]),
            self._violation(),
            self._picture(),
            self._pieces(from_us, done_us or self._now_us),
            None if sample is None else Counted(micros(sample[0]), sample[1], sample[2]),
            proposed,
            carried,
            None if proposed is None else self._result(proposed.number),
            None if done_us is None else self._over(done_us),
            None if done_us is None else self._pieces(done_us, self._now_us),
            None if done_us is None else self._throat(done_us),
        )

    def _one(self, query: str, **words: Any) -> Sequence[Any] | None:
        return self._connection.execute(query, self._words | words).fetchone()

    def _violation(self) -> OutOfControl | None:
        row = self._one(_VIOLATION)
        return None if row is None else OutOfControl(micros(row[0]), row[1], row[2], row[3], row[4], row[5] or "", row[6])

    def _picture(self) -> BadPicture | None:
        row = self._one(_PICTURE)
        return None if row is None else BadPicture(micros(row[0]), row[1], row[2])

    def _pieces(self, from_us: int, to_us: int) -> Pieces:
        row = self._one(_PIECES, **{"from": moment(from_us), "to": moment(max(from_us, to_us))})
        if row is None:
            return Pieces(0, 0, None)
        return Pieces(int(row[0]), int(row[1]), None if row[2] is None else micros(row[2]))

    def _proposed(self, sample: Sequence[Any]) -> Proposed | None:
        row = self._one(_PROPOSAL, sample=sample[0], unit=sample[3], program=sample[4], job=sample[5])
        if row is None:
            return None
        expected = row[3]["first_pass"]
        # one that was there before the seams were looked at is what is still recommended after
        time_us = max(micros(row[1]), micros(sample[0]))
        return Proposed(time_us, row[0], row[2], expected["mean"], expected["low"], expected["high"], row[3]["parameters"])

    def _carried(self, proposal: int) -> Carried | None:
        row = self._one(_DELIVERY, source=f"tuning:{proposal}")
        if row is None:
            return None
        told = (row[5] or {}).get("read") or ()
        read = tuple((str(one["name"]), float(one["value"]), str(one.get("unit", "1"))) for one in told)
        issued, executed = (None if each is None else micros(each) for each in (row[3], row[4]))
        return Carried(row[0], row[1], row[2] or "", issued, executed, read)

    def _result(self, proposal: int) -> Counted | None:
        row = self._one(_RESULT, proposal=proposal)
        return None if row is None else Counted(micros(row[0]), row[1], row[2])

    def _over(self, done_us: int) -> int | None:
        # what a robot welds by follows its controller within seconds
        row = self._one(_ALARM_OVER, late=moment(done_us + _SECONDS_AFTER * 1_000_000))
        return None if row is None or row[0] is None else micros(row[0])

    def _throat(self, done_us: int) -> float | None:
        row = self._one(_THROAT, done=moment(done_us))
        return None if row is None else row[0]
