"""Sample rows counted one by one, to hold the ledger against what is really there."""

from __future__ import annotations

from plant.signals import SourceId
from storage.database import Connection, translate_errors


def count_rows(connection: Connection) -> dict[SourceId, int]:
    """Return how many samples, tightenings and traces each source has in the database. Reads them all: for proofs, not for pages."""
    with translate_errors():
        rows = connection.execute(
            "SELECT s.name, coalesce(sum(n.rows), 0)::bigint "
            "+ (SELECT count(*) FROM tightening t WHERE t.source_id = s.id) "
            "+ (SELECT count(c.torque) + count(c.angle) FROM tightening_curve c WHERE c.source_id = s.id) "
            "+ (SELECT count(*) FROM tightening_trace o WHERE o.source_id = s.id) "
            "FROM source s LEFT JOIN signal g ON g.source_id = s.id "
            "LEFT JOIN (SELECT signal_id, count(*) AS rows FROM sample GROUP BY signal_id) n ON n.signal_id = g.id GROUP BY s.id, s.name"
        ).fetchall()
    return {SourceId(name): int(count) for name, count in rows}
