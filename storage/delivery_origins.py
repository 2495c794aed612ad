"""Deliveries by what they come from: which are there already, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from plant.deliveries import Draft
from storage.database import Connection, translate_errors
from storage.deliveries import propose


def propose_new(connection: Connection, drafts: Sequence[Draft], now_us: int) -> int:
    """Propose the drafts that are not known by their source, and return how many that were; where all are known, nobody is told."""
    if not drafts:
        return 0
    with translate_errors():
        rows = connection.execute(
            "SELECT source, work_unit FROM delivery WHERE source = ANY (%s)", [sorted({draft.source for draft in drafts})]
        ).fetchall()
    known = {(source, unit) for source, unit in rows}
    fresh = [draft for draft in drafts if (draft.source, draft.work_unit) not in known]
    return sum(number is not None for number in propose(connection, fresh, now_us)) if fresh else 0
