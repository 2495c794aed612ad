"""The register of the models that judge pictures: which is in charge, which judges in the shadow, who answers for it.

Each change is a line of the audit trail. One model a subject is in charge and one at most in the shadow; the database sees to it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.inspections import Decision, Subject
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.inspections import INSPECTED

_LEAST_DIGITS: Final = 6
_IN_CHARGE: Final = """
UPDATE vision_model SET stage = 'active', approver = %s, approved_time = %s, retired_time = NULL, retired_by = '' WHERE id = %s
"""
_PUT: Final = """
INSERT INTO vision_model (subject, sha256, name, shipped, stage, bytes, licence, manifest_sha256, thresholds, figures, added_time, added_by,
    approver, approved_time, retired_time)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (subject, sha256) DO UPDATE SET stage = excluded.stage, approver = excluded.approver, approved_time = excluded.approved_time,
    retired_time = excluded.retired_time, retired_by = ''
RETURNING id
"""
_PAIRS: Final = """
SELECT c.decision AS charge, s.decision AS shadow, l.decision AS answer, s.latency_us
FROM inspection s
JOIN inspection c ON c.sha256 = s.sha256 AND c.station = s.station AND c.view = s.view AND c.part = s.part AND c.subject = s.subject
    AND c.calibration = s.calibration AND NOT c.shadow
LEFT JOIN LATERAL (SELECT decision FROM inspection_label l WHERE l.inspection_id = c.id ORDER BY l.id DESC LIMIT 1) l ON true
WHERE s.shadow AND s.subject = %s AND s.model_sha256 = %s
"""


class ModelStage(StrEnum):
    """What a model does here."""

    SHADOW = "shadow"
    """Judges beside the one in charge; decides nothing."""
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What is kept of a model's file and its sheet."""

    subject: Subject
    sha256: str
    name: str
    bytes: int
    licence: str
    manifest_sha256: str
    thresholds: dict[str, Any]
    figures: dict[str, Any]
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A row of the register."""

    id: int
    file: ModelFile
    stage: ModelStage
    added_us: int
    added_by: str
    approved_us: int | None
    approver: str
    retired_us: int | None
    retired_by: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What a model in the shadow said of the pictures that the one in charge decided."""

    pictures: int
    pairs: dict[tuple[Decision, Decision], int]
    """How often in charge and in the shadow it was said so."""
    answered: int
    """Of how many pictures a person said OK or not OK."""
    right_in_charge: int
    right_in_shadow: int
    passed_in_charge: int
    passed_in_shadow: int
    """Pictures called OK that a person called not OK."""

    @property
    def alike(self) -> int:
        """Pictures of which both said the same."""
        return sum(count for (charge, shadow), count in self.pairs.items() if charge is shadow)


def add_model(connection: Connection, file: ModelFile, *, actor: str, time_us: int) -> RegisteredModel:
    """Take a model into the shadow; the one that was there is retired. Raises Rejected for one that is in charge or in the shadow."""
    _named(actor)
    with translate_errors(), connection.transaction():
        _lock(connection)
        known = _find(connection, file.subject, file.sha256)
        if known is not None and known.stage is not ModelStage.RETIRED:
            raise Rejected(f"{file.sha256[:12]} is {known.stage.value} already")
        for other in _standing(connection, file.subject, ModelStage.SHADOW):
            _retire(connection, other, actor, time_us)
        number = _put(connection, file, ModelStage.SHADOW, actor, time_us)
        _audit(connection, "vision.model.add", file, actor, time_us, None if known is None else known.stage, ModelStage.SHADOW)
        notify(connection, INSPECTED)
    return _by_id(connection, number)


def register_shipped(connection: Connection, file: ModelFile, *, release: str, time_us: int) -> None:
    """Know the model that comes with the program. It is in charge where nobody put another there; a former release's is retired."""
    with translate_errors(), connection.transaction():
        _lock(connection)
        known = _find(connection, file.subject, file.sha256)
        charge = next(iter(_standing(connection, file.subject, ModelStage.ACTIVE)), None)
        if charge is not None and charge.file.sha256 == file.sha256:
            return
        in_charge = charge is None or charge.file.shipped
        if known is not None and not in_charge:
            return
        if in_charge and charge is not None:
            _retire(connection, charge, release, time_us)
        stage = ModelStage.ACTIVE if in_charge else ModelStage.RETIRED
        _put(connection, file, stage, release, time_us)
        _audit(connection, "vision.model.ship", file, release, time_us, None if known is None else known.stage, stage)


def approve_model(connection: Connection, sha256: str, *, approver: str, time_us: int, address: str = "") -> RegisteredModel:
    """Put a model in charge of its subject; the one that was is retired. Some first digits of the hash are enough.

    Raises Rejected for nobody, for a hash that is not here or not one model's, and for a model that is in charge.
    """
    _named(approver)
    with translate_errors(), connection.transaction():
        _lock(connection)
        wanted = _only(connection, sha256)
        if wanted.stage is ModelStage.ACTIVE:
            raise Rejected(f"{wanted.file.sha256[:12]} is in charge already")
        for other in _standing(connection, wanted.file.subject, ModelStage.ACTIVE):
            _retire(connection, other, approver, time_us)
        connection.execute(_IN_CHARGE, [approver, moment(time_us), wanted.id])
        _audit(connection, "vision.model.approve", wanted.file, approver, time_us, wanted.stage, ModelStage.ACTIVE, address)
        notify(connection, INSPECTED)
    return _by_id(connection, wanted.id)


def retire_model(connection: Connection, sha256: str, *, actor: str, time_us: int, address: str = "") -> RegisteredModel:
    """Take a model out; where it was in charge, the one that came with the program judges again. Raises Rejected."""
    _named(actor)
    with translate_errors(), connection.transaction():
        _lock(connection)
        wanted = _only(connection, sha256)
        if wanted.stage is ModelStage.RETIRED:
            raise Rejected(f"{wanted.file.sha256[:12]} is retired already")
        if wanted.file.shipped:
            raise Rejected("the model that comes with the program is not retired: approve another in its place")
        _retire(connection, wanted, actor, time_us, address)
        if wanted.stage is ModelStage.ACTIVE:
            _shipped_again(connection, wanted.file.subject, actor, time_us, address)
        notify(connection, INSPECTED)
    return _by_id(connection, wanted.id)


def read_models(connection: Connection, subject: Subject | None = None) -> list[RegisteredModel]:
    """Return all models, those in charge first, then those in the shadow, the newest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM vision_model WHERE %(subject)s::text IS NULL OR subject = %(subject)s "
            "ORDER BY array_position(ARRAY['active', 'shadow', 'retired'], stage), id DESC",
            {"subject": None if subject is None else subject.value},
        ).fetchall()
    return [_model(row) for row in rows]


def compare_shadow(connection: Connection, sha256: str) -> Compared:
    """Return how a model's verdicts in the shadow stand to those that decided, and both to what people answered. Raises Rejected."""
    with translate_errors():
        wanted = _only(connection, sha256)
        rows = connection.execute(_PAIRS, [wanted.file.subject.value, wanted.file.sha256]).fetchall()
    pairs = Counter((Decision(row[0]), Decision(row[1])) for row in rows)
    told = [(Decision(row[0]), Decision(row[1]), Decision(row[2])) for row in rows if row[2] in {"ok", "nok"}]
    return Compared(
        *(len(rows), dict(pairs), len(told)),
        *(sum(charge is answer for charge, _, answer in told), sum(shadow is answer for _, shadow, answer in told)),
        sum(charge is Decision.OK and answer is Decision.NOK for charge, _, answer in told),
        sum(shadow is Decision.OK and answer is Decision.NOK for _, shadow, answer in told),
    )


def _named(actor: str) -> None:
    if not actor.strip():
        raise Rejected("a person answers for a model: say who")


def _lock(connection: Connection) -> None:
    """Let changes come one after the other."""
    connection.execute("LOCK TABLE vision_model IN SHARE ROW EXCLUSIVE MODE")


def _put(connection: Connection, file: ModelFile, stage: ModelStage, actor: str, time_us: int) -> int:
    approver, approved = (actor, moment(time_us)) if stage is ModelStage.ACTIVE else ("", None)
    retired = moment(time_us) if stage is ModelStage.RETIRED else None
    row = connection.execute(
        _PUT,
        [
            *(file.subject.value, file.sha256, file.name, file.shipped, stage.value, file.bytes, file.licence, file.manifest_sha256),
            *(Jsonb(file.thresholds), Jsonb(file.figures), moment(time_us), actor, approver, approved, retired),
        ],
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def _retire(connection: Connection, model: RegisteredModel, actor: str, time_us: int, address: str = "") -> None:
    connection.execute(
        "UPDATE vision_model SET stage = 'retired', retired_time = %s, retired_by = %s WHERE id = %s", [moment(time_us), actor, model.id]
    )
    _audit(connection, "vision.model.retire", model.file, actor, time_us, model.stage, ModelStage.RETIRED, address)


def _shipped_again(connection: Connection, subject: Subject, actor: str, time_us: int, address: str) -> None:
    row = connection.execute(
        "SELECT id FROM vision_model WHERE subject = %s AND shipped ORDER BY added_time DESC, id DESC LIMIT 1", [subject.value]
    ).fetchone()
    if row is None:
        return
    model = _by_id(connection, int(row[0]))
    connection.execute(_IN_CHARGE, [actor, moment(time_us), model.id])
    _audit(connection, "vision.model.approve", model.file, actor, time_us, model.stage, ModelStage.ACTIVE, address)


def _audit(
    connection: Connection,
    act: str,
    file: ModelFile,
    actor: str,
    time_us: int,
    before: ModelStage | None,
    after: ModelStage,
    address: str = "",
) -> None:
    previous = None if before is None else {"stage": before.value}
    next_ = {"stage": after.value, "subject": file.subject.value, "name": file.name}
    add_audit(connection, time_us=time_us, actor=actor, act=act, subject=file.sha256, previous=previous, next_=next_, address=address)


def _standing(connection: Connection, subject: Subject, stage: ModelStage) -> list[RegisteredModel]:
    return [one for one in read_models(connection, subject) if one.stage is stage]


def _find(connection: Connection, subject: Subject, sha256: str) -> RegisteredModel | None:
    return next((one for one in read_models(connection, subject) if one.file.sha256 == sha256), None)


def _only(connection: Connection, digits: str) -> RegisteredModel:
    if len(digits) < _LEAST_DIGITS:
        raise Rejected(f"name a model by {_LEAST_DIGITS} digits of its hash at least")
    found = [one for one in read_models(connection) if one.file.sha256.startswith(digits.lower())]
    if len(found) != 1:
        raise Rejected(f"{len(found) or 'no'} models begin with {digits}: 'leadhand vision models list' tells them")
    return found[0]


def _by_id(connection: Connection, number: int) -> RegisteredModel:
    return next(one for one in read_models(connection) if one.id == number)


def _model(row: dict[str, Any]) -> RegisteredModel:
    file = ModelFile(
        *(Subject(row["subject"]), row["sha256"], row["name"], row["bytes"], row["licence"], row["manifest_sha256"]),
        *(row["thresholds"], row["figures"], row["shipped"]),
    )
    approved, retired = row["approved_time"], row["retired_time"]
    return RegisteredModel(
        *(row["id"], file, ModelStage(row["stage"]), micros(row["added_time"]), row["added_by"]),
        *(None if approved is None else micros(approved), row["approver"]),
        *(None if retired is None else micros(retired), row["retired_by"]),
    )
