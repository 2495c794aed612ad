"""Inspections, the pictures they are of, and files that were no pictures: written by the vision process, read for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.inspections import (
    Decision,
    FrameHash,
    Inspection,
    Reason,
    Subject,
    finding_of,
    finding_record,
    reason_of,
    reason_record,
    uncertainty,
)
from storage.database import Connection, micros, moment, notify, translate_errors

INSPECTED: Final = "inspections"
"""Channel on which it is said that something was inspected."""
MOST_ROWS: Final = 2000
_RANKS: Final = {Decision.OK: 0, Decision.NOT_DECIDABLE: 1, Decision.REVIEW: 2, Decision.NOK: 3}
_LABELLED: Final = 4
_ADD_PICTURE: Final = """
INSERT INTO picture AS p (sha256, kind, bytes, width, height, stored_time, keep_until, rank)
VALUES (%(sha256)s, %(kind)s, %(bytes)s, %(width)s, %(height)s, %(stored)s, %(keep)s, %(rank)s)
ON CONFLICT (sha256) DO UPDATE SET keep_until = greatest(p.keep_until, excluded.keep_until), rank = greatest(p.rank, excluded.rank),
    gone_time = NULL
"""
_ADD: Final = """
INSERT INTO inspection (sha256, station, view, part, taken_time, stored_time, subject, model_sha256, calibration, decision, findings,
    reasons, latency_us, uncertainty, shadow, brightness, sharpness, white_percent)
VALUES (%(sha256)s, %(station)s, %(view)s, %(part)s, %(taken)s, %(stored)s, %(subject)s, %(model)s, %(calibration)s, %(decision)s,
    %(findings)s, %(reasons)s, %(latency)s, %(uncertainty)s, %(shadow)s, %(brightness)s, %(sharpness)s, %(white)s)
ON CONFLICT (sha256, station, view, part, subject, model_sha256, calibration, shadow) DO NOTHING
"""
_READ: Final = """
SELECT i.*, p.gone_time IS NULL AS has_picture, p.width, p.height FROM inspection i JOIN picture p ON p.sha256 = i.sha256
"""
_WANTED: Final = """
WHERE (%(from)s::timestamptz IS NULL OR i.taken_time >= %(from)s) AND (%(to)s::timestamptz IS NULL OR i.taken_time < %(to)s)
    AND (%(subject)s::text IS NULL OR i.subject = %(subject)s) AND (%(station)s::text IS NULL OR i.station = %(station)s)
    AND (%(decision)s::text IS NULL OR i.decision = %(decision)s) AND (%(part)s::text IS NULL OR starts_with(i.part, %(part)s))
    AND (%(before)s::bigint IS NULL OR i.id < %(before)s) AND i.shadow = %(shadow)s
ORDER BY i.taken_time DESC, i.id DESC LIMIT %(most)s
"""
_OF_PART: Final = """
WHERE i.id IN (
    SELECT id FROM inspection WHERE part = %s AND part <> '' AND station = %s AND subject = %s AND NOT shadow
    ORDER BY decision = 'nok' DESC, taken_time DESC, id DESC LIMIT %s
) ORDER BY i.taken_time DESC, i.id DESC
"""
_DRIFT: Final = """
WITH RECURSIVE v AS (
    (SELECT station, view FROM inspection ORDER BY station, view LIMIT 1)
    UNION ALL
    SELECT n.station, n.view FROM v CROSS JOIN LATERAL (
        SELECT station, view FROM inspection i WHERE (i.station, i.view) > (v.station, v.view) ORDER BY i.station, i.view LIMIT 1
    ) n
)
SELECT v.station, v.view, f.frames, f.brightness, f.brightness_spread, l.brightness, f.sharpness, f.sharpness_spread, l.sharpness
FROM v
CROSS JOIN LATERAL (SELECT calibration FROM inspection i WHERE i.station = v.station AND i.view = v.view ORDER BY i.id DESC LIMIT 1) c
CROSS JOIN LATERAL (
    SELECT count(*) AS frames, avg(brightness) AS brightness, stddev_samp(brightness) AS brightness_spread, avg(sharpness) AS sharpness,
        stddev_samp(sharpness) AS sharpness_spread
    FROM (SELECT brightness, sharpness FROM inspection i WHERE i.station = v.station AND i.view = v.view
        AND i.calibration = c.calibration AND NOT i.shadow ORDER BY i.id LIMIT %(learn)s) a
) f
CROSS JOIN LATERAL (
    SELECT avg(brightness) AS brightness, avg(sharpness) AS sharpness
    FROM (SELECT brightness, sharpness FROM inspection i WHERE i.station = v.station AND i.view = v.view
        AND i.calibration = c.calibration AND NOT i.shadow ORDER BY i.id DESC LIMIT %(last)s) a
) l
WHERE f.frames > 0
ORDER BY v.station, v.view
"""
_OVER_BUDGET: Final = """
SELECT encode(sha256, 'hex') FROM (
    SELECT sha256, sum(bytes) OVER (ORDER BY rank DESC, stored_time DESC, sha256 DESC) AS kept FROM picture WHERE gone_time IS NULL
) p WHERE kept > %s LIMIT %s
"""
_FORGOTTEN_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a picture besides what it shows."""

    kind: str
    bytes: int
    width: int
    height: int
    brightness: float
    """Mean of its grey values, 0 to 255."""
    sharpness: float
    """Variance of the Laplacian."""
    white_percent: float


@dataclass(frozen=True, slots=True)
class StoredInspection:
    """An inspection and its number here."""

    id: int
    inspection: Inspection
    stored_us: int
    shadow: bool
    uncertainty: float
    answered: bool
    has_picture: bool
    """Whether its picture is still kept."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A file that came as a picture and was not taken."""

    time_us: int
    came_from: str
    name: str
    sha256: FrameHash
    bytes: int
    reason: Reason
    station: str = ""
    view: str = ""
    part: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class ViewDrift:
    """How the pictures of a view are now, against its first ones."""

    station: str
    view: str
    frames: int
    """How many first ones are known; by fewer than asked for nothing is told."""
    brightness: float
    brightness_now: float
    brightness_sigmas: float | None
    """By how many standard deviations of single pictures; None where too few are known."""
    sharpness: float
    sharpness_now: float
    sharpness_sigmas: float | None


@dataclass(frozen=True, slots=True)
class WantedInspections:
    """Which inspections are asked for; None leaves a filter out."""

    from_us: int | None = None
    to_us: int | None = None
    subject: Subject | None = None
    station: str | None = None
    part: str | None = None
    """What the part's serial number begins with."""
    decision: Decision | None = None
    before: int | None = None
    shadow: bool = False
    most: int = 100


def add_inspections(
    connection: Connection, inspections: list[tuple[Inspection, bool]], facts: PictureFacts, stored_us: int, keep_us: int
) -> int:
    """Store inspections of one picture and the picture's own row, each once; return how many are new. The flag: in the shadow."""
    new = 0
    with translate_errors(), connection.transaction():
        for inspection, shadow in inspections:
            rank = 0 if shadow else _RANKS[inspection.decision]
            connection.execute(_ADD_PICTURE, _picture_row(inspection, facts, stored_us, keep_us, rank))
            new += connection.execute(_ADD, _row(inspection, facts, stored_us, shadow=shadow)).rowcount
        notify(connection, INSPECTED)
    return new


def has_inspection(connection: Connection, wanted: Inspection, *, shadow: bool = False) -> bool:
    """Return whether the same picture was judged for the same part by the same model and calibration already."""
    with translate_errors():
        row = connection.execute(
            "SELECT 1 FROM inspection WHERE sha256 = %s AND station = %s AND view = %s AND part = %s AND subject = %s "
            "AND model_sha256 = %s AND calibration = %s AND shadow = %s",
            [
                *(bytes.fromhex(wanted.frame_sha256), wanted.station, wanted.view, wanted.part, wanted.subject.value),
                *(wanted.model_sha256, wanted.calibration, shadow),
            ],
        ).fetchone()
    return row is not None


def other_part(connection: Connection, sha256: FrameHash, station: str, view: str, part: str) -> str | None:
    """Return another part that the same view gave the same bytes for, None where there is none."""
    with translate_errors():
        row = connection.execute(
            "SELECT part FROM inspection WHERE sha256 = %s AND station = %s AND view = %s AND part <> %s ORDER BY id LIMIT 1",
            [bytes.fromhex(sha256), station, view, part],
        ).fetchone()
    return None if row is None else str(row[0])


def read_inspections(connection: Connection, wanted: WantedInspections) -> list[StoredInspection]:
    """Return inspections, those taken last first; at most ``MOST_ROWS``."""
    given = {
        "from": None if wanted.from_us is None else moment(wanted.from_us),
        "to": None if wanted.to_us is None else moment(wanted.to_us),
        "subject": None if wanted.subject is None else wanted.subject.value,
        "station": wanted.station,
        "decision": None if wanted.decision is None else wanted.decision.value,
        "part": wanted.part,
        "before": wanted.before,
        "shadow": wanted.shadow,
        "most": max(1, min(wanted.most, MOST_ROWS)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [stored_inspection(row) for row in cursor.execute(_READ + _WANTED, given)]


def read_inspection(connection: Connection, number: int) -> StoredInspection | None:
    """Return one inspection by its number here, None where there is none."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_READ + "WHERE i.id = %s", [number]).fetchone()
    return None if row is None else stored_inspection(row)


def read_inspections_of(connection: Connection, subject: Subject, station: str, part: str) -> list[StoredInspection]:
    """Return what is known of one part at one station, those taken last first; of more than ``MOST_ROWS`` rather all that are NOK."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [stored_inspection(row) for row in cursor.execute(_READ + _OF_PART, [part, station, subject.value, MOST_ROWS])]


def picture_kind(connection: Connection, sha256: FrameHash) -> str | None:
    """Return what kind of file a kept picture is (JPEG, PNG, BMP), None where there is none."""
    with translate_errors():
        row = connection.execute("SELECT kind FROM picture WHERE sha256 = %s AND gone_time IS NULL", [bytes.fromhex(sha256)]).fetchone()
    return None if row is None else str(row[0])


def read_drift(connection: Connection, *, learn: int = 50, last: int = 20) -> list[ViewDrift]:
    """Return for each view how its last pictures stand to the first ones that were taken with its calibration."""
    with translate_errors():
        rows = connection.execute(_DRIFT, {"learn": learn, "last": last}).fetchall()
    return [
        ViewDrift(
            *(row[0], row[1], row[2], row[3], row[5], _sigmas(row[3], row[4], row[5], enough=row[2] >= learn)),
            *(row[6], row[8], _sigmas(row[6], row[7], row[8], enough=row[2] >= learn)),
        )
        for row in rows
    ]


def add_refused(connection: Connection, refused: RefusedFrame) -> None:
    """Keep that a file was refused."""
    with translate_errors():
        connection.execute(
            "INSERT INTO refused_frame (time, came_from, name, sha256, bytes, station, view, part, reason) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                *(moment(refused.time_us), _text(refused.came_from), _text(refused.name), bytes.fromhex(refused.sha256), refused.bytes),
                *(_text(refused.station), _text(refused.view), _text(refused.part), Jsonb(_clean(reason_record(refused.reason)))),
            ],
        )
        notify(connection, INSPECTED)


def read_refused(connection: Connection, most: int = 100) -> list[RefusedFrame]:
    """Return the files refused last."""
    with translate_errors():
        rows = connection.execute(
            "SELECT time, came_from, name, encode(sha256, 'hex'), bytes, reason, station, view, part, id FROM refused_frame "
            "ORDER BY time DESC, id DESC LIMIT %s",
            [max(1, min(most, MOST_ROWS))],
        ).fetchall()
    return [
        RefusedFrame(micros(row[0]), row[1], row[2], FrameHash(row[3]), row[4], reason_of(row[5]), row[6], row[7], row[8], row[9])
        for row in rows
    ]


def pictures_to_forget(connection: Connection, now_us: int, budget_bytes: int) -> list[str]:
    """Return the ids of some pictures whose time is over, and of those beyond the disk budget: OK ones first, the oldest first."""
    with translate_errors():
        aged = connection.execute(
            "SELECT encode(sha256, 'hex') FROM picture WHERE gone_time IS NULL AND keep_until < %s ORDER BY keep_until LIMIT %s",
            [moment(now_us), _FORGOTTEN_AT_ONCE],
        ).fetchall()
        over = connection.execute(_OVER_BUDGET, [budget_bytes, _FORGOTTEN_AT_ONCE]).fetchall()
    return list(dict.fromkeys(str(row[0]) for row in (*aged, *over)))


def note_forgotten(connection: Connection, ids: list[str], now_us: int) -> None:
    """Keep that pictures are gone; what was found in them stays."""
    with translate_errors():
        connection.execute(
            "UPDATE picture SET gone_time = %s WHERE sha256 = ANY (%s)", [moment(now_us), [bytes.fromhex(one) for one in ids]]
        )


def forget_before(connection: Connection, time_us: int) -> int:
    """Give up inspections and refused files older than a time, some thousands a call; return how many went. Labelled ones stay."""
    with translate_errors():
        gone = connection.execute(
            "DELETE FROM inspection WHERE id IN (SELECT id FROM inspection WHERE stored_time < %s AND NOT answered ORDER BY id LIMIT 5000)",
            [moment(time_us)],
        ).rowcount
        return gone + connection.execute("DELETE FROM refused_frame WHERE time < %s", [moment(time_us)]).rowcount


def stored_inspection(row: Mapping[str, Any]) -> StoredInspection:
    """Return what a row of ``inspection`` with its picture's facts says."""
    found = Inspection(
        FrameHash(bytes(row["sha256"]).hex()),
        row["station"],
        row["view"],
        row["part"],
        micros(row["taken_time"]),
        Subject(row["subject"]),
        row["model_sha256"],
        row["calibration"],
        Decision(row["decision"]),
        tuple(finding_of(one) for one in row["findings"]),
        tuple(reason_of(one) for one in row["reasons"]),
        row["latency_us"],
    )
    facts = (row["shadow"], row["uncertainty"], row["answered"], row["has_picture"], row["width"], row["height"])
    return StoredInspection(row["id"], found, micros(row["stored_time"]), *facts)


def _picture_row(inspection: Inspection, facts: PictureFacts, stored_us: int, keep_us: int, rank: int) -> dict[str, object]:
    return {
        "sha256": bytes.fromhex(inspection.frame_sha256),
        "kind": facts.kind,
        "bytes": facts.bytes,
        "width": facts.width,
        "height": facts.height,
        "stored": moment(stored_us),
        "keep": moment(keep_us),
        "rank": rank,
    }


def _row(inspection: Inspection, facts: PictureFacts, stored_us: int, *, shadow: bool) -> dict[str, object]:
    return {
        "sha256": bytes.fromhex(inspection.frame_sha256),
        "station": _text(inspection.station),
        "view": _text(inspection.view),
        "part": _text(inspection.part),
        "taken": moment(inspection.taken_us),
        "stored": moment(stored_us),
        "subject": inspection.subject.value,
        "model": inspection.model_sha256,
        "calibration": _text(inspection.calibration),
        "decision": inspection.decision.value,
        "findings": Jsonb(_clean([finding_record(one) for one in inspection.findings])),
        "reasons": Jsonb(_clean([reason_record(one) for one in inspection.reasons])),
        "latency": inspection.latency_us,
        "uncertainty": uncertainty(inspection),
        "shadow": shadow,
        "brightness": facts.brightness,
        "sharpness": facts.sharpness,
        "white": facts.white_percent,
    }


def _sigmas(before: float, spread: float | None, now: float, *, enough: bool) -> float | None:
    return (now - before) / spread if enough and spread else None


def _text(words: str) -> str:
    return words.replace("\0", "\ufffd")


def _clean(value: Any) -> Any:
    """Return JSON values without what no database keeps: the character NUL."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_text(str(key)): _clean(one) for key, one in value.items()}
    return value
