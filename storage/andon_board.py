"""What the andon board reads of many stations at once: pieces and planned run of the shift, and what is held for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storage.database import Connection, micros, moment, translate_errors

_PIECES: Final = """
SELECT w.path, p.kind, sum(p.pieces)::bigint, max(p.time)
FROM unnest(%s::text[], %s::timestamptz[]) AS w(path, since) JOIN equipment e ON e.path = w.path
JOIN piece_count p ON p.equipment_id = e.id AND p.time >= w.since GROUP BY 1, 2
"""
_RUN: Final = """
SELECT w.path, i.product, sum(extract(epoch FROM least(i.to_time, w.until) - greatest(i.from_time, w.since)))::double precision
FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS w(path, since, until) JOIN equipment e ON e.path = w.path
JOIN state_interval i ON i.equipment_id = e.id AND i.to_time > w.since AND i.from_time < w.until GROUP BY 1, 2
"""
_JOINTS: Final = """
SELECT coalesce(e.path, ''), count(*), min(j.time) FROM joint_record j LEFT JOIN equipment e ON e.id = j.equipment_id
WHERE j.newest AND j.state <> 'released' AND (j.state = 'case' OR (j.state = 'stopped' AND j.actor = '')) AND j.time >= %s GROUP BY 1
"""
_PICTURES: Final = """
SELECT i.station, count(*), min(i.taken_time) FROM inspection i JOIN picture p ON p.sha256 = i.sha256
WHERE i.decision IN ('review', 'not_decidable') AND NOT i.answered AND NOT i.shadow AND p.gone_time IS NULL AND i.taken_time >= %s
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a station made since its shift began, by kind, and when it made the last one."""

    by_kind: Mapping[str, int]
    last_us: int


@dataclass(frozen=True, slots=True)
class Held:
    """What waits for a person: how many, and since when the first."""

    count: int
    since_us: int


def read_pieces_since(connection: Connection, since_us: Mapping[str, int]) -> dict[str, Pieces]:
    """Return what each station made since a time of its own; those that made nothing are left out."""
    with translate_errors():
        rows = connection.execute(_PIECES, [list(since_us), [moment(time) for time in since_us.values()]]).fetchall()
    kinds: dict[str, dict[str, int]] = {}
    last: dict[str, int] = {}
    for path, kind, count, time in rows:
        kinds.setdefault(path, {})[kind] = int(count)
        last[path] = max(last.get(path, 0), micros(time))
    return {path: Pieces(found, last[path]) for path, found in kinds.items()}


def read_run_seconds(connection: Connection, spans: Iterable[tuple[str, int, int]]) -> dict[str, dict[str, float]]:
    """Return for how many seconds of the spans (station, from, to) each station was set up for each product."""
    asked = list(spans)
    columns: Sequence[list[object]] = (
        [path for path, _, _ in asked],
        [moment(begin) for _, begin, _ in asked],
        [moment(end) for _, _, end in asked],
    )
    with translate_errors():
        rows = connection.execute(_RUN, columns).fetchall()
    found: dict[str, dict[str, float]] = {}
    for path, product, seconds in rows:
        found.setdefault(path, {})[product] = seconds
    return found


def read_held_joints(connection: Connection, since_us: int) -> dict[str, Held]:
    """Return the joints made since a time that a person must look at or mend, by station."""
    return _held(connection, _JOINTS, since_us)


def read_held_pictures(connection: Connection, since_us: int) -> dict[str, Held]:
    """Return the pictures taken since a time that a person must judge, by the vision's name of their station."""
    return _held(connection, _PICTURES, since_us)


def _held(connection: Connection, query: str, since_us: int) -> dict[str, Held]:
    with translate_errors():
        rows = connection.execute(query, [moment(since_us)]).fetchall()
    return {where: Held(int(count), micros(first)) for where, count, first in rows}
