# ruff: noqa: S608  # the words put into SQL here are our own column names
"""Deliveries as kept: proposed once for each source, brought from stage to stage, each step on the audit trail in the same transaction.

A message gets its counter, text and signature in the transaction that makes it SENT; only what this committed may leave the house. The
channel ``deliveries`` is told of every new one and every step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.deliveries import GATE, UNDER_WAY, Draft, Kind, Message, Quantity, SetPart, SignedMessage, may_become
from plant.delivery_messages import message_text
from plant.errors import Rejected
from plant.recommendations import Stage
from storage.audit import Told, add_audits
from storage.database import Connection, micros, moment, notify, translate_errors

DELIVERIES: Final = "deliveries"
"""The channel; its payload is empty."""
PROPOSER: Final = "optimizer"
"""Actor of a delivery's first step, where its draft does not say by whom it was approved."""
SUPERSEDED: Final = "superseded"
OPEN: Final = (Stage.PROPOSED, Stage.APPROVED, *UNDER_WAY)
MOST_ROWS: Final = 1000
_COLUMNS: Final = """
number, message_id::text AS message_id, kind, work_unit, source, slot, group_name, document, valid_seconds, made_time, stage,
stage_time, stage_actor, stage_reason, stage_note, stage_detail, approved_by, counter, issued_time, expires_time, text, signature"""
_PROPOSE: Final = """
INSERT INTO delivery (kind, work_unit, source, slot, group_name, document, valid_seconds, made_time, stage, stage_time, stage_actor)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'proposed', %s, %s) ON CONFLICT (source, work_unit) DO NOTHING RETURNING number
"""
_STEP: Final = """
UPDATE delivery d SET stage = s.stage, stage_time = s.time, stage_actor = s.actor, stage_reason = s.reason, stage_note = s.note,
    stage_detail = s.detail
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
    AS s (number, stage, time, actor, reason, note, detail)
WHERE d.number = s.number
"""
_SEND: Final = """
UPDATE delivery d SET stage = 'sent', stage_time = %s, stage_actor = %s, stage_reason = '', stage_note = '', stage_detail = NULL,
    counter = s.counter, issued_time = %s, expires_time = s.expires, text = s.text, signature = s.signature
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[]) AS s (number, counter, expires, text, signature)
WHERE d.number = s.number
"""
_COUNT: Final = """
INSERT INTO delivery_counter AS c (work_unit, counter) SELECT * FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (work_unit) DO UPDATE SET counter = c.counter + excluded.counter RETURNING work_unit, counter
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A delivery is to come to another stage."""

    number: int
    stage: Stage
    time_us: int
    actor: str
    reason: str = ""
    note: str = ""
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A step as it was taken."""

    time_us: int
    before: Stage | None
    after: Stage
    actor: str
    reason: str
    note: str
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, how far it has come, and what it was when it left."""

    number: int
    message_id: str
    draft: Draft
    made_us: int
    stage: Stage
    stage_us: int
    stage_actor: str
    stage_reason: str
    stage_note: str
    stage_detail: Mapping[str, Any] | None
    approved_by: str
    counter: int | None
    issued_us: int | None
    expires_us: int | None
    text: str | None
    signature: str | None

    @property
    def signed(self) -> SignedMessage:
        """What left the house. Raises Rejected where nothing did."""
        if self.counter is None or self.text is None or self.signature is None or self.issued_us is None or self.expires_us is None:
            raise Rejected(f"delivery {self.number} was never sent")
        message = message_of(self.draft, self.message_id, self.counter, self.issued_us, self.expires_us)
        return SignedMessage(self.number, message, self.text, self.signature)


def message_of(draft: Draft, message_id: str, counter: int, issued_us: int, expires_us: int) -> Message:
    """Return what a controller gets to read."""
    return Message(
        id=message_id,
        kind=draft.kind,
        work_unit=draft.work_unit,
        counter=counter,
        issued_us=issued_us,
        expires_us=expires_us,
        job=draft.job,
        program=draft.program,
        product=draft.product,
        serial=draft.serial,
        parameters=draft.parameters,
        parts=draft.parts,
        steps=draft.steps,
        reason=draft.reason,
        window_version=draft.window_version,
        basis_from_us=draft.basis_from_us,
        basis_to_us=draft.basis_to_us,
    )


def propose(connection: Connection, drafts: Sequence[Draft], now_us: int, *, actor: str = PROPOSER) -> list[int | None]:
    """Keep drafts as proposed, and as approved where a person approved what they carry; return their numbers, None for those known already.

    What waited in the same slot of the work unit, proposed or approved, expires: the newer one stands for it.
    """
    numbers: list[int | None] = []
    told: list[Told] = []
    made: list[Step] = []
    with translate_errors(), connection.transaction():
        # of two that propose for one slot at once the second waits, and finds the first
        for slot in sorted({f"{one.work_unit}\n{one.slot}" for one in drafts}):
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 77))", [slot])
        for draft in drafts:
            now = moment(now_us)
            row = connection.execute(
                _PROPOSE,
                [
                    *(draft.kind.value, draft.work_unit, draft.source, draft.slot, draft.group, Jsonb(_document(draft))),
                    *(draft.valid_seconds, now, now, actor),
                ],
            ).fetchone()
            numbers.append(None if row is None else int(row[0]))
            if row is None:
                continue
            older = connection.execute(
                "SELECT number FROM delivery WHERE work_unit = %s AND slot = %s AND number <> %s AND stage IN ('proposed', 'approved')",
                [draft.work_unit, draft.slot, row[0]],
            ).fetchall()
            made += [Step(number, Stage.EXPIRED, now_us, actor, SUPERSEDED) for (number,) in older]
            if draft.approved_by:
                made.append(Step(int(row[0]), Stage.APPROVED, now_us, draft.approved_by))
            told.append(_told(Step(int(row[0]), Stage.PROPOSED, now_us, actor), None, draft.kind, draft.work_unit, draft.source))
        # rows before the trail, as who takes steps locks them: else two would wait for each other
        _take(connection, made, told)
        notify(connection, DELIVERIES)
    return numbers


def step(connection: Connection, steps: Sequence[Step]) -> list[bool]:
    """Take steps in their order, in one transaction with their rows of the audit trail; return which were taken.

    A step that may not be taken from where its delivery is (a late, a double, an unknown one) is left out and keeps no other from it.
    """
    if not steps:
        return []
    with translate_errors(), connection.transaction():
        taken = _take(connection, steps)
        if any(taken):
            notify(connection, DELIVERIES)
    return taken


def take_step(connection: Connection, one: Step) -> None:
    """Take a single step. Raises Rejected where its delivery may not come there from where it is."""
    if not step(connection, [one])[0]:
        found = read_delivery(connection, one.number)
        where = "is not there" if found is None else f"is {found.stage.value}"
        raise Rejected(f"delivery {one.number} {where} and cannot become {one.stage.value}")


def send(
    connection: Connection,
    numbers: Sequence[int],
    now_us: int,
    *,
    actor: str,
    sign: Callable[[Message, str], str],
    check: Callable[[SignedMessage], tuple[Stage, str] | tuple[Stage, str, str] | None],
) -> list[SignedMessage]:
    """Make approved deliveries SENT and return what may leave the house now that this is committed.

    ``sign`` gives the signature of a message's text. ``check`` looks at what would leave, and gives None, or the stage (REFUSED, EXPIRED),
    reason and words that a message gets instead. Those whose slot is occupied, and those not approved (any more), stay as they are.
    """
    with translate_errors(), connection.transaction():
        found = _locked(connection, numbers)
        going, refused = [], []
        counters = _counters(connection, [one.draft.work_unit for one in found])
        for one, counter in zip(found, counters, strict=True):
            message = message_of(one.draft, one.message_id, counter, now_us, now_us + round(one.draft.valid_seconds * 1e6))
            text = message_text(message)
            signed = SignedMessage(one.number, message, text, sign(message, text))
            held = check(signed)
            if held is None:
                going.append((one, signed))
            else:
                refused.append(Step(one.number, held[0], now_us, GATE if held[0] is Stage.REFUSED else actor, *_why(held), {"text": text}))
        messages = [signed for _, signed in going]
        connection.execute(
            _SEND,
            [
                *(moment(now_us), actor, moment(now_us), [one.number for one in messages], [one.message.counter for one in messages]),
                *(
                    [moment(one.message.expires_us) for one in messages],
                    [one.text for one in messages],
                    [one.signature for one in messages],
                ),
            ],
        )
        add_audits(
            connection,
            [
                _told(
                    Step(one.number, Stage.SENT, now_us, actor, detail={"counter": signed.message.counter, "signature": signed.signature}),
                    Stage.APPROVED,
                    one.draft.kind,
                    one.draft.work_unit,
                    one.message_id,
                )
                for one, signed in going
            ],
        )
        _take(connection, refused)
        if found:
            notify(connection, DELIVERIES)
    return messages


def read_deliveries(
    connection: Connection,
    *,
    work_unit: str | None = None,
    work_units: Sequence[str] | None = None,
    stages: Sequence[Stage] | None = None,
    kinds: Sequence[Kind] | None = None,
    source: str | None = None,
    group: str | None = None,
    before: int | None = None,
    after: int | None = None,
    oldest_first: bool = False,
    most: int = 200,
) -> list[Delivery]:
    """Return deliveries, the newest first; ``before`` and ``after`` page by number."""
    order = "ASC" if oldest_first else "DESC"
    given = {
        "unit": work_unit,
        "units": None if work_units is None else list(work_units),
        "stages": None if stages is None else [one.value for one in stages],
        "kinds": None if kinds is None else [one.value for one in kinds],
        "source": source,
        "group": group,
        "before": before,
        "after": after,
        "most": max(1, min(most, MOST_ROWS)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM delivery WHERE (%(unit)s::text IS NULL OR work_unit = %(unit)s) "
            "AND (%(units)s::text[] IS NULL OR work_unit = ANY (%(units)s)) AND (%(stages)s::text[] IS NULL OR stage = ANY (%(stages)s)) "
            "AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s)) AND (%(source)s::text IS NULL OR source = %(source)s) "
            "AND (%(group)s::text IS NULL OR group_name = %(group)s) AND (%(before)s::bigint IS NULL OR number < %(before)s) "
            f"AND (%(after)s::bigint IS NULL OR number > %(after)s) ORDER BY number {order} LIMIT %(most)s",
            given,
        )
        return [_stored(row) for row in rows]


def open_deliveries(connection: Connection, stages: Sequence[Stage] = OPEN, most: int = 100_000) -> list[Delivery]:
    """Return all deliveries of which something may still become, the oldest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM delivery WHERE stage = ANY (%s) ORDER BY number LIMIT %s", [[one.value for one in stages], most]
        )
        return [_stored(row) for row in rows]


def read_delivery(connection: Connection, number: int) -> Delivery | None:
    """Return one delivery, None where there is none of this number."""
    return _one(connection, "number = %s", number)


def delivery_of_message(connection: Connection, message_id: str) -> Delivery | None:
    """Return the delivery of a message, None where nobody sent such a one."""
    return _one(connection, "message_id::text = %s", message_id)


def read_steps(connection: Connection, number: int) -> list[StoredStep]:
    """Return all that happened to a delivery, in order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT time, before, after, actor, reason, note, detail FROM delivery_step WHERE delivery_number = %s ORDER BY id", [number]
        ).fetchall()
    return [StoredStep(micros(r[0]), None if r[1] is None else Stage(r[1]), Stage(r[2]), *r[3:]) for r in rows]


def read_counters(connection: Connection) -> dict[str, int]:
    """Return the highest counter that was ever given, by work unit."""
    with translate_errors():
        return {unit: int(counter) for unit, counter in connection.execute("SELECT work_unit, counter FROM delivery_counter").fetchall()}


def draft_record(draft: Draft) -> dict[str, Any]:
    """Return what a draft asks, as JSON's own types, for pages and programs."""
    return {"kind": draft.kind.value, "work_unit": draft.work_unit, "source": draft.source, "slot": draft.slot} | _document(draft)


def _one(connection: Connection, which: str, value: object) -> Delivery | None:
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM delivery WHERE {which}", [value]).fetchone()
    return None if row is None else _stored(row)


def _why(held: tuple[Stage, str] | tuple[Stage, str, str]) -> tuple[str, str]:
    return held[1], held[2] if len(held) > 2 else ""


def _locked(connection: Connection, numbers: Iterable[int]) -> list[Delivery]:
    """Return approved deliveries whose slot is free, one of each slot, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM delivery WHERE number = ANY (%s) AND stage = 'approved' ORDER BY number FOR UPDATE", [sorted(numbers)]
        ).fetchall()
    taken = {
        (unit, slot)
        for unit, slot in connection.execute(
            "SELECT work_unit, slot FROM delivery WHERE work_unit = ANY (%s) AND stage IN ('sent', 'accepted', 'in_doubt')",
            [[row["work_unit"] for row in rows]],
        )
    }
    found = []
    for row in rows:
        if (row["work_unit"], row["slot"]) not in taken:
            taken.add((row["work_unit"], row["slot"]))
            found.append(_stored(row))
    return found


def _counters(connection: Connection, units: Sequence[str]) -> list[int]:
    """Return a new counter for each of the work units, which may be there several times."""
    # always in the same order, so that two that count at once cannot wait for each other
    wanted = {unit: units.count(unit) for unit in sorted(set(units))}
    rows = connection.execute(_COUNT, [list(wanted), list(wanted.values())]).fetchall()
    following = {unit: int(last) - wanted[unit] for unit, last in rows}
    counters = []
    for unit in units:
        following[unit] += 1
        counters.append(following[unit])
    return counters


def _take(connection: Connection, steps: Sequence[Step], before: Sequence[Told] = ()) -> list[bool]:
    """Take steps; ``before`` comes before them on the audit trail."""
    taken = [False] * len(steps)
    if not steps:
        add_audits(connection, before)
        return taken
    rows = connection.execute(
        "SELECT number, stage, kind, work_unit, message_id::text FROM delivery WHERE number = ANY (%s) ORDER BY number FOR UPDATE",
        [sorted({one.number for one in steps})],
    ).fetchall()
    stages = {number: Stage(stage) for number, stage, *_ in rows}
    facts = {number: (Kind(kind), unit, message) for number, _, kind, unit, message in rows}
    told: list[Told] = list(before)
    waves: list[list[Step]] = []
    depth: dict[int, int] = {}
    for place, one in enumerate(steps):
        now = stages.get(one.number)
        if now is None or not may_become(now, one.stage):
            continue
        taken[place] = True
        told.append(_told(one, now, *facts[one.number]))
        stages[one.number] = one.stage
        depth[one.number] = depth.get(one.number, -1) + 1
        if depth[one.number] == len(waves):
            waves.append([])
        waves[depth[one.number]].append(one)
    for wave in waves:
        connection.execute(
            _STEP,
            [
                *([one.number for one in wave], [one.stage.value for one in wave], [moment(one.time_us) for one in wave]),
                *([one.actor for one in wave], [one.reason for one in wave], [one.note.replace("\0", "") for one in wave]),
                [None if one.detail is None else json.dumps(one.detail, allow_nan=False) for one in wave],
            ],
        )
    add_audits(connection, told)
    return taken


def _told(one: Step, before: Stage | None, kind: Kind, work_unit: str, message: str) -> Told:
    after = {"stage": one.stage.value, "kind": kind.value, "work_unit": work_unit, "message": message}
    after |= {key: value for key, value in (("reason", one.reason), ("note", one.note)) if value}
    if one.detail is not None:
        after["detail"] = dict(one.detail)  # type: ignore[assignment]
    was = None if before is None else {"stage": before.value}
    return Told(one.time_us, one.actor, f"delivery.{one.stage.value}", f"delivery {one.number}", was, after)


def _document(draft: Draft) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(draft, name) for name in ("job", "program", "product", "serial", "reason")}
    told["parameters"] = [{"name": one.name, "value": one.value, "unit": one.unit} for one in draft.parameters]
    told["parts"] = [{"kind": one.kind, "name": one.name, "version": one.version} for one in draft.parts]
    told["steps"] = list(draft.steps)
    told |= {name: getattr(draft, name) for name in ("window_version", "basis_from_us", "basis_to_us")}
    return {key: value for key, value in told.items() if value not in ("", [], None)}


def _stored(row: Mapping[str, Any]) -> Delivery:
    told = row["document"]
    draft = Draft(
        kind=Kind(row["kind"]),
        work_unit=row["work_unit"],
        source=row["source"],
        slot=row["slot"],
        valid_seconds=row["valid_seconds"],
        parameters=tuple(Quantity(one["name"], float(one["value"]), one["unit"]) for one in told.get("parameters", ())),
        parts=tuple(SetPart(one["kind"], one["name"], one["version"]) for one in told.get("parts", ())),
        steps=tuple(told.get("steps", ())),
        approved_by=row["approved_by"],
        group=row["group_name"],
        **{name: told.get(name, "") for name in ("job", "program", "product", "serial", "reason")},
        **{name: told.get(name) for name in ("window_version", "basis_from_us", "basis_to_us")},
    )
    return Delivery(
        *(row["number"], row["message_id"], draft, micros(row["made_time"]), Stage(row["stage"]), micros(row["stage_time"])),
        *(row["stage_actor"], row["stage_reason"], row["stage_note"], row["stage_detail"], row["approved_by"], row["counter"]),
        *(_micros(row["issued_time"]), _micros(row["expires_time"]), row["text"], row["signature"]),
    )


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
