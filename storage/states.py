"""States of equipment as stored: intervals, pieces by second, what counters did, and what people said of stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.equipment import EquipmentId
from plant.oee import Made
from plant.signals import SignalPath, SourceId
from plant.states import EquipmentState, OperationMode, StateInterval
from plant.verdict import Verdict
from storage.database import Connection, micros, moment, translate_errors

_SECOND_US: Final = 1_000_000
_ADD: Final = """
INSERT INTO state_interval (equipment_id, from_time, to_time, since_time, state, mode, reason, product, job_order, part)
VALUES ((SELECT id FROM equipment WHERE path = %s), %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (equipment_id, from_time) DO UPDATE SET to_time = excluded.to_time
"""
_ADD_PIECES: Final = """
INSERT INTO piece_count AS p (equipment_id, time, kind, product, job_order, pieces)
VALUES ((SELECT id FROM equipment WHERE path = %s), %s, %s, %s, %s, %s)
ON CONFLICT (equipment_id, time, kind, product, job_order) DO UPDATE SET pieces = p.pieces + excluded.pieces
"""
_ADD_FAULT: Final = """
INSERT INTO counter_fault (equipment_id, time, signal, fault, before, after)
VALUES ((SELECT id FROM equipment WHERE path = %s), %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_INTERVALS: Final = """
SELECT e.path, i.from_time, i.to_time, i.state, i.mode, i.reason, i.product, i.job_order, i.part, i.since_time
FROM state_interval i JOIN equipment e ON e.id = i.equipment_id
WHERE e.path = ANY (%(equipment)s::text[]) AND i.to_time > %(from)s AND i.from_time < %(to)s
ORDER BY e.path, i.from_time
"""
_NOW: Final = """
SELECT e.path, i.from_time, i.to_time, i.state, i.mode, i.reason, i.product, i.job_order, i.part, i.since_time
FROM equipment e CROSS JOIN LATERAL (
    SELECT * FROM state_interval s WHERE s.equipment_id = e.id ORDER BY s.from_time DESC LIMIT 1
) i WHERE e.path = ANY (%s::text[])
"""
_PIECES: Final = """
SELECT e.path, p.time, p.kind, p.product, p.job_order, p.pieces FROM piece_count p JOIN equipment e ON e.id = p.equipment_id
WHERE e.path = ANY (%(equipment)s::text[]) AND p.time >= %(from)s AND p.time < %(to)s
ORDER BY e.path, p.time, p.kind, p.product, p.job_order
"""
_FAULTS: Final = """
SELECT e.path, f.time, f.signal, f.fault, f.before, f.after FROM counter_fault f JOIN equipment e ON e.id = f.equipment_id
WHERE e.path = ANY (%(equipment)s::text[]) AND f.time >= %(from)s AND f.time < %(to)s ORDER BY f.time DESC LIMIT %(most)s
"""
_REASONS: Final = """
SELECT r.id, e.path, r.from_time, r.to_time, r.reason, r.note, r.actor, r.made_at
FROM state_reason r JOIN equipment e ON e.id = r.equipment_id
WHERE e.path = ANY (%(equipment)s::text[]) AND r.to_time > %(from)s AND r.from_time < %(to)s ORDER BY r.id
"""
_GAPS: Final = """
SELECT s.name, n.path, g.from_time, g.to_time FROM gap g JOIN source s ON s.id = g.source_id LEFT JOIN signal n ON n.id = g.signal_id
WHERE s.name = ANY (%s::text[]) AND g.from_time < %s AND g.to_time >= %s AND g.count > 0 ORDER BY g.from_time, g.id
"""
_SHIPPED: Final = """
SELECT min(low_us), max(high_us) FROM feed_shipment f JOIN source s ON s.id = f.source_id
WHERE s.name = ANY (%s::text[]) AND f.received_high_us >= %s AND f.received_low_us <= %s AND f.samples > 0
"""
_BEGAN: Final = """
SELECT min(received_low_us) FROM feed_shipment f JOIN source s ON s.id = f.source_id WHERE s.name = ANY (%s::text[]) AND f.samples > 0
"""
_TIGHTENINGS: Final = """
SELECT e.path, t.received_time, t.verdict, t.program_name FROM tightening t JOIN equipment e ON e.id = t.equipment_id
WHERE e.path = ANY (%s::text[]) AND t.received_time >= %s AND t.received_time < %s ORDER BY t.received_time, t.id
"""
_FORGOTTEN_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class CounterNote:
    """Something a counter did that is no production."""

    equipment: EquipmentId
    time_us: int
    signal: str
    fault: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class SaidReason:
    """A person's word about a span of an equipment."""

    id: int
    equipment: EquipmentId
    from_us: int
    to_us: int
    reason: str
    """Empty: what the rules told holds again."""
    note: str
    actor: str
    made_us: int


def add_states(connection: Connection, intervals: Iterable[StateInterval], pieces: Iterable[Made], notes: Iterable[CounterNote]) -> None:
    """Store intervals, pieces and notes within the caller's transaction; an interval that goes on is made longer."""
    rows = [
        (
            *(i.equipment, moment(i.from_us), moment(i.to_us), moment(i.since_us), i.state.value, i.mode.value, i.reason),
            *(i.product, i.order, i.part),
        )
        for i in intervals
    ]
    sums: dict[tuple[str, int, str, str, str], int] = {}
    for p in pieces:
        key = (p.equipment, p.time_us - p.time_us % _SECOND_US, p.kind, p.product, p.order)
        sums[key] = sums.get(key, 0) + p.pieces
    counted = [(equipment, moment(time_us), *words, number) for (equipment, time_us, *words), number in sums.items()]
    noted = [(n.equipment, moment(n.time_us), n.signal, n.fault, n.before, n.after) for n in notes]
    with translate_errors(), connection.cursor() as cursor:
        for query, values in ((_ADD, rows), (_ADD_PIECES, counted), (_ADD_FAULT, noted)):
            if values:
                cursor.executemany(query, values)


def read_intervals(connection: Connection, equipment: Sequence[str], from_us: int, to_us: int) -> list[StateInterval]:
    """Return the intervals that touch a span, whole, by equipment and time."""
    with translate_errors():
        rows = connection.execute(_INTERVALS, _span(equipment, from_us, to_us)).fetchall()
    return [_interval(row) for row in rows]


def read_states_now(connection: Connection, equipment: Sequence[str]) -> dict[EquipmentId, StateInterval]:
    """Return the newest interval of each equipment that has one; its end is until when it is known."""
    with translate_errors():
        rows = connection.execute(_NOW, [list(equipment)]).fetchall()
    return {EquipmentId(row[0]): _interval(row) for row in rows}


def read_first_known(connection: Connection, equipment: Sequence[str]) -> dict[EquipmentId, int]:
    """Return since when each equipment is followed."""
    with translate_errors():
        rows = connection.execute(
            "SELECT e.path, (SELECT min(i.from_time) FROM state_interval i WHERE i.equipment_id = e.id) FROM equipment e "
            "WHERE e.path = ANY (%s::text[])",
            [list(equipment)],
        ).fetchall()
    return {EquipmentId(path): micros(time) for path, time in rows if time is not None}


def read_pieces(connection: Connection, equipment: Sequence[str], from_us: int, to_us: int) -> list[Made]:
    """Return the pieces of a span by second."""
    with translate_errors():
        rows = connection.execute(_PIECES, _span(equipment, from_us, to_us)).fetchall()
    return [Made(EquipmentId(row[0]), micros(row[1]), row[2], row[3], row[4], int(row[5])) for row in rows]


def read_counter_notes(connection: Connection, equipment: Sequence[str], from_us: int, to_us: int, most: int = 200) -> list[CounterNote]:
    """Return what counters did that is no production, the newest first."""
    with translate_errors():
        rows = connection.execute(_FAULTS, _span(equipment, from_us, to_us) | {"most": most}).fetchall()
    return [CounterNote(EquipmentId(row[0]), micros(row[1]), row[2], row[3], row[4], row[5]) for row in rows]


def read_said_reasons(connection: Connection, equipment: Sequence[str], from_us: int, to_us: int) -> list[SaidReason]:
    """Return what people said of spans that touch this one, in the order in which they said it."""
    with translate_errors():
        rows = connection.execute(_REASONS, _span(equipment, from_us, to_us)).fetchall()
    return [
        SaidReason(n, EquipmentId(e), micros(a), micros(b), reason, note, actor, micros(made))
        for n, e, a, b, reason, note, actor, made in rows
    ]


def say_reason(connection: Connection, equipment: str, span: tuple[int, int], reason: str, note: str, actor: str) -> int:
    """Keep a person's word about a span; return its number. What the rules told stays as it is."""
    with translate_errors():
        row = connection.execute(
            "INSERT INTO state_reason (equipment_id, from_time, to_time, reason, note, actor) "
            "VALUES ((SELECT id FROM equipment WHERE path = %s), %s, %s, %s, %s, %s) RETURNING id",
            [equipment, moment(span[0]), moment(span[1]), reason, note, actor],
        ).fetchone()
    return 0 if row is None else int(row[0])


def read_missing(
    connection: Connection, sources: Sequence[SourceId], from_us: int, to_us: int
) -> list[tuple[SourceId, SignalPath | None, int, int]]:
    """Return the gaps of sources that touch a span: source, the one signal or None for all, from, to."""
    with translate_errors():
        rows = connection.execute(_GAPS, [list(sources), moment(to_us), moment(from_us)]).fetchall()
    return [(SourceId(s), None if n is None else SignalPath(n), micros(a), micros(b)) for s, n, a, b in rows]


def read_times_shipped(connection: Connection, sources: Sequence[SourceId], from_us: int, to_us: int) -> tuple[int, int] | None:
    """Return between which own times the samples of some sources lie that were received in a span; None where none are known of."""
    with translate_errors():
        row = connection.execute(_SHIPPED, [list(sources), from_us, to_us]).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def read_first_received(connection: Connection, sources: Sequence[SourceId]) -> int | None:
    """Return when the first sample of some sources was received, None where none was."""
    with translate_errors():
        row = connection.execute(_BEGAN, [list(sources)]).fetchone()
    return None if row is None else row[0]


def read_verdicts(connection: Connection, equipment: Sequence[str], from_us: int, to_us: int) -> list[Made]:
    """Return the tightenings received in a span as pieces: good, or scrap where they are not OK; those not judged are only produced."""
    with translate_errors():
        rows = connection.execute(_TIGHTENINGS, [list(equipment), moment(from_us), moment(to_us)]).fetchall()
    kinds: Mapping[str, str] = {Verdict.OK.value: "good", Verdict.NOT_OK.value: "scrap"}
    return [Made(EquipmentId(e), micros(time), kinds.get(verdict, "undecided"), program, "", 1) for e, time, verdict, program in rows]


def keep_checkpoint(connection: Connection, at_us: int, state: bytes, keep_us: int) -> None:
    """Keep what is remembered at a time, and give up what was kept longer ago than ``keep_us``; within the caller's transaction."""
    with translate_errors():
        connection.execute("INSERT INTO state_checkpoint (at_us, state) VALUES (%s, %s) ON CONFLICT DO NOTHING", [at_us, state])
        connection.execute("DELETE FROM state_checkpoint WHERE at_us < %s", [at_us - keep_us])


def read_checkpoint(connection: Connection, at_us: int) -> tuple[int, bytes] | None:
    """Return the newest state that was kept at or before a time, with its time; None where none was."""
    with translate_errors():
        row = connection.execute(
            "SELECT at_us, state FROM state_checkpoint WHERE at_us <= %s ORDER BY at_us DESC LIMIT 1", [at_us]
        ).fetchone()
    return None if row is None else (row[0], bytes(row[1]))


def forget_states_before(connection: Connection, time_us: int) -> int:
    """Give up intervals, pieces and notes older than a time, some thousands a call; return how many intervals went."""
    with translate_errors():
        gone = 0
        for table, column in (
            ("state_interval", "to_time"),
            ("piece_count", "time"),
            ("counter_fault", "time"),
            ("state_reason", "to_time"),
        ):
            count = connection.execute(
                f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {column} < %s LIMIT %s))",  # noqa: S608
                [moment(time_us), _FORGOTTEN_AT_ONCE],
            ).rowcount
            gone += count if table == "state_interval" else 0
    return gone


def _span(equipment: Sequence[str], from_us: int, to_us: int) -> dict[str, Any]:
    return {"equipment": list(equipment), "from": moment(from_us), "to": moment(to_us)}


def _interval(row: Sequence[Any]) -> StateInterval:
    equipment, begin, end, state, mode, reason, product, order, part, since = row
    spoken = (reason, product, order, part)
    return StateInterval(
        EquipmentId(equipment), micros(begin), micros(end), EquipmentState(state), OperationMode(mode), *spoken, micros(since)
    )
