"""Signs of life of sources, by the server's clock: what no sample can tell."""

from __future__ import annotations

from dataclasses import dataclass

from plant.signals import SourceId
from storage.database import Connection, translate_errors

_SIGNS = """
SELECT s.name, t.state, coalesce(t.detail, ''), t.since_us,
    (extract(epoch FROM now() - coalesce(t.reported_at, to_timestamp(t.updated_us / 1e6))) * 1000000)::int8,
    (extract(epoch FROM g.to_time) * 1000000)::int8, g.count, (extract(epoch FROM now()) * 1000000)::int8
FROM source s LEFT JOIN source_state t ON t.source_id = s.id
LEFT JOIN LATERAL (
    SELECT max(to_time) AS to_time, sum(count)::int8 AS count FROM gap
    WHERE source_id = s.id AND from_time > now() - interval '1 hour' AND to_time > now() - interval '1 hour'
        AND (count > 0 OR reason IN ('disconnected', 'overflow', 'sequence'))
) g ON true
WHERE s.name = ANY(%s::text[])
"""


@dataclass(frozen=True, slots=True)
class SourceSign:
    """What is known of one source."""

    source: SourceId
    state: str | None
    """As its reader said last; None where none ever did."""
    detail: str
    since_us: int | None
    silent_us: int | None
    """For how long its reader has said nothing."""
    gap_until_us: int | None
    """Until when its newest gap of the last hour goes."""
    missing: int
    """Samples missing in the last hour."""
    now_us: int
    """The server's clock."""


def read_signs(connection: Connection, sources: list[SourceId]) -> list[SourceSign]:
    """Return the signs of life of some sources; of one that was never registered there are none."""
    with translate_errors():
        rows = connection.execute(_SIGNS, [sources]).fetchall()
    return [
        SourceSign(SourceId(name), state, detail, since, silent, until, missing or 0, now)
        for name, state, detail, since, silent, until, missing, now in rows
    ]
