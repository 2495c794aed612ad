"""Sample rows counted one by one, to hold the ledger against what is really there."""

from __future__ import annotations

from typing import TypeAlias

from plant.signals import SourceId
from storage.database import Connection, translate_errors

Piece: TypeAlias = tuple[str, int]
"""What a source keeps at most whole: the samples of one signal, or the tightenings, traces and live events of the source itself."""


def count_pieces(connection: Connection) -> dict[Piece, tuple[SourceId, int]]:
    """Return whose each piece is now and how many rows it has. Reads them all: for proofs, not for pages.

    A signal may become another source's; its rows of before go with it.
    """
    with translate_errors():
        rows = connection.execute(
            "SELECT 'signal', g.id, s.name, coalesce(n.rows, 0) FROM signal g JOIN source s ON s.id = g.source_id "
            "LEFT JOIN (SELECT signal_id, count(*) AS rows FROM sample GROUP BY signal_id) n ON n.signal_id = g.id "
            "UNION ALL "
            "SELECT 'source', s.id, s.name, (SELECT count(*) FROM tightening t WHERE t.source_id = s.id) "
            "+ (SELECT count(c.torque) + count(c.angle) FROM tightening_curve c WHERE c.source_id = s.id) "
            "+ (SELECT count(*) FROM tightening_trace o WHERE o.source_id = s.id) "
            "+ (SELECT count(*) FROM event v WHERE v.source_id = s.id AND v.told = 'live') FROM source s"
        ).fetchall()
    return {(kind, number): (SourceId(name), int(count)) for kind, number, name, count in rows}


def count_rows(connection: Connection) -> dict[SourceId, int]:
    """Return how many samples, tightenings, traces and live events each source has in the database."""
    return rows_since({}, count_pieces(connection))


def rows_since(before: dict[Piece, tuple[SourceId, int]], now: dict[Piece, tuple[SourceId, int]]) -> dict[SourceId, int]:
    """Return how many rows each source got between two counts, by whose each piece is now."""
    rows: dict[SourceId, int] = {}
    for piece, (source, count) in now.items():
        rows[source] = rows.get(source, 0) + count - before.get(piece, (source, 0))[1]
    return rows


def moved_between(before: dict[Piece, tuple[SourceId, int]], now: dict[Piece, tuple[SourceId, int]]) -> set[SourceId]:
    """Return the sources that lost or got a piece between two counts.

    What they had read before and stored after it stands in the ledger of the one and in the rows of the other.
    """
    pairs = [{before[piece][0], source} for piece, (source, _) in now.items() if piece in before and before[piece][0] != source]
    return set().union(*pairs)
