"""What a person is to decide of pictures, the most uncertain first, and what was answered: only ever added to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.inspections import Decision, FrameHash, Subject
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.inspections import INSPECTED, StoredInspection, stored_inspection

_OPEN: Final = "i.decision IN ('review', 'not_decidable') AND NOT i.answered AND NOT i.shadow"
_QUEUE: Final = f"""
SELECT i.*, true AS has_picture, p.width, p.height FROM inspection i JOIN picture p ON p.sha256 = i.sha256
WHERE {_OPEN} AND p.gone_time IS NULL AND (%(subject)s::text IS NULL OR i.subject = %(subject)s)
ORDER BY i.uncertainty DESC, i.id DESC LIMIT %(most)s
"""  # noqa: S608 - our own words
_LABELS: Final = """
SELECT DISTINCT ON (i.sha256, i.subject) encode(i.sha256, 'hex') AS sha256, i.subject, p.kind, p.width, p.height, l.time, l.actor,
    l.decision, l.boxes, l.id
FROM inspection_label l JOIN inspection i ON i.id = l.inspection_id JOIN picture p ON p.sha256 = i.sha256
WHERE p.gone_time IS NULL AND i.subject = %s AND l.decision IN ('ok', 'nok') ORDER BY i.sha256, i.subject, l.id DESC
"""
MOST_BOXES: Final = 1000


@dataclass(frozen=True, slots=True)
class LabelBox:
    """One thing that an inspector sees in a picture."""

    kind: str
    box_px: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """What an inspector said of an inspection."""

    inspection: int
    time_us: int
    actor: str
    decision: Decision
    accepted: bool
    """Accepted as it was found; False: corrected."""
    boxes: tuple[LabelBox, ...]
    comment: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture with what was last said of it: what a model learns from."""

    sha256: FrameHash
    subject: Subject
    kind: str
    width: int
    height: int
    time_us: int
    actor: str
    decision: Decision
    boxes: tuple[LabelBox, ...]


def read_queue(connection: Connection, subject: Subject | None = None, most: int = 50) -> list[StoredInspection]:
    """Return what waits for a person and can be looked at, the most uncertain first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        given = {"subject": None if subject is None else subject.value, "most": max(1, min(most, 500))}
        return [stored_inspection(row) for row in cursor.execute(_QUEUE, given)]


def count_queue(connection: Connection) -> int:
    """Return how many inspections wait for a person."""
    with translate_errors():
        row = connection.execute(
            f"SELECT count(*) FROM inspection i JOIN picture p ON p.sha256 = i.sha256 WHERE {_OPEN} AND p.gone_time IS NULL"  # noqa: S608
        ).fetchone()
    return 0 if row is None else int(row[0])


def add_label(connection: Connection, label: Label, keep_us: int, address: str = "") -> int:
    """Keep what an inspector said, with its line in the audit trail; return its number. The picture is kept until ``keep_us`` at least.

    Raises Rejected where there is no such inspection, and for an answer that is none.
    """
    if label.decision not in {Decision.OK, Decision.NOK, Decision.NOT_DECIDABLE}:
        raise Rejected("an inspector answers ok, nok or not_decidable")
    if len(label.boxes) > MOST_BOXES:
        raise Rejected(f"{len(label.boxes)} boxes are too many: {MOST_BOXES} at most")
    boxes = [{"kind": one.kind.replace("\0", ""), "box_px": list(one.box_px)} for one in label.boxes]
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE inspection SET answered = true WHERE id = %s RETURNING sha256, decision, part", [label.inspection]
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no inspection {label.inspection}")
        made = connection.execute(
            "INSERT INTO inspection_label (inspection_id, time, actor, decision, accepted, boxes, comment) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                *(label.inspection, moment(label.time_us), label.actor, label.decision.value, label.accepted),
                *(Jsonb(boxes), label.comment.replace("\0", "")),
            ],
        ).fetchone()
        connection.execute(
            "UPDATE picture SET rank = 4, keep_until = greatest(keep_until, %s) WHERE sha256 = %s", [moment(keep_us), row[0]]
        )
        add_audit(
            connection,
            time_us=label.time_us,
            actor=label.actor,
            act="inspection.label",
            subject=str(label.inspection),
            previous={"decision": row[1]},
            next_={"decision": label.decision.value, "accepted": label.accepted, "boxes": len(boxes), "part": row[2]},
            address=address,
        )
        notify(connection, INSPECTED)
    assert made is not None  # noqa: S101 - RETURNING
    return int(made[0])


def read_labels(connection: Connection, inspection: int) -> list[Label]:
    """Return what was said of an inspection, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT inspection_id, time, actor, decision, accepted, boxes, comment, id FROM inspection_label WHERE inspection_id = %s "
            "ORDER BY id DESC",
            [inspection],
        ).fetchall()
    return [Label(row[0], micros(row[1]), row[2], Decision(row[3]), row[4], _boxes(row[5]), row[6], row[7]) for row in rows]


def labelled_pictures(connection: Connection, subject: Subject) -> Iterator[LabelledPicture]:
    """Give each kept picture that was answered OK or not OK, with its newest answer."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_LABELS, [subject.value]):
            yield LabelledPicture(
                *(FrameHash(row["sha256"]), Subject(row["subject"]), row["kind"], row["width"], row["height"], micros(row["time"])),
                *(row["actor"], Decision(row["decision"]), _boxes(row["boxes"])),
            )


def _boxes(records: Sequence[dict[str, Any]]) -> tuple[LabelBox, ...]:
    found = []
    for record in records:
        left, top, right, bottom = (float(corner) for corner in record["box_px"])
        found.append(LabelBox(str(record["kind"]), (left, top, right, bottom)))
    return tuple(found)
