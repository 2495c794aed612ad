"""Deliveries by what they come from: which are there already, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plant.deliveries import Draft, Kind
from storage.database import Connection, micros, moment, translate_errors
from storage.deliveries import Delivery, propose, read_delivery

MOST_REVISIONS: Final = 20
"""So often at most the same thing is delivered anew; then a person looks."""


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


def newest_revisions(connection: Connection, origins: Sequence[str]) -> dict[str, tuple[int, Delivery]]:
    """Return the newest delivery and its revision of origins that are delivered anew when they change: sources are ``origin:revision``."""
    if not origins:
        return {}
    with translate_errors():
        rows = connection.execute(
            "SELECT DISTINCT ON (o.origin) o.origin, g.revision, d.number FROM unnest(%s::text[]) AS o (origin) "
            "CROSS JOIN generate_series(1, %s) AS g (revision) JOIN delivery d ON d.source = o.origin || ':' || g.revision "
            "ORDER BY o.origin, g.revision DESC, d.number DESC",
            [list(origins), MOST_REVISIONS],
        ).fetchall()
    found = {}
    for origin, revision, number in rows:
        delivery = read_delivery(connection, number)
        if delivery is not None:
            found[str(origin)] = (int(revision), delivery)
    return found


def last_switched(connection: Connection, work_unit: str) -> Delivery | None:
    """Return the changeover that is in force at a work unit or device as far as is known; None where none was ever carried out."""
    with translate_errors():
        row = connection.execute(
            "SELECT number FROM delivery WHERE work_unit = %s AND kind = %s AND stage IN ('executed', 'measured') "
            "ORDER BY stage_time DESC, number DESC LIMIT 1",
            [work_unit, Kind.CHANGEOVER.value],
        ).fetchone()
    return None if row is None else read_delivery(connection, int(row[0]))


def groups_at_work(connection: Connection, begins: str, since_us: int) -> list[str]:
    """Return the groups whose name begins so, and of which something is open or happened since, the oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT group_name, min(number) FROM delivery WHERE starts_with(group_name, %s) AND (stage IN ('proposed', 'approved', 'sent', "
            "'accepted', 'in_doubt') OR stage_time >= %s) GROUP BY group_name ORDER BY 2",
            [begins, moment(since_us)],
        ).fetchall()
    return [str(name) for name, _ in rows]


def changeovers_version(connection: Connection) -> int:
    """Return the version of the changeover sets in force; 0 where there are none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(version), 0) FROM changeover_book WHERE in_force").fetchone()
    return 0 if row is None else int(row[0])


def newest_operation_us(connection: Connection) -> int:
    """Return when the newest operation of the history began; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT max(started_time) FROM operation_history").fetchone()
    return 0 if row is None or row[0] is None else micros(row[0])


def read_serials(connection: Connection, jobs: Sequence[str]) -> dict[str, str]:
    """Return the serial number of each of some job orders."""
    with translate_errors():
        rows = connection.execute("SELECT name, serial FROM job_order WHERE name = ANY (%s)", [list(jobs)]).fetchall()
    return {str(name): str(serial) for name, serial in rows}
