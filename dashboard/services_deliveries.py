"""Deliveries for people and programs: what waits for somebody, each message with all that happened to it; yes, no, and what was found.

Rows are written here and nothing is sent: the process ``delivery`` does that, and looks at each message once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_deliveries import (
    ApprovalDraft,
    CarriedView,
    DeclineDraft,
    DeliveredPart,
    DeliveredValue,
    DeliveryLine,
    DeliveryStepView,
    DeliveryView,
    SettleDraft,
    WaitingView,
)
from plant.clock import Clock
from plant.deliveries import Kind
from plant.errors import Rejected, SettingsError
from plant.process_windows import ProcessWindow, parse_windows
from plant.recommendations import Stage
from storage.database import Connection, Pool
from storage.deliveries import Delivery, Step, StoredStep, read_deliveries, read_delivery, read_steps, take_step
from storage.delivery_reading import read_before, read_carried, read_waiting
from storage.people import Role
from storage.process_windows import read_windows
from storage.window_drafts import read_version_text, read_versions

WAITS: Final = (Stage.IN_DOUBT, Stage.PROPOSED)
"""Stages in which a person must do something, the more urgent first."""
UNDER_WAY: Final = (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED)
_VERSIONS: Final = 50


class DeliveryService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def waiting(self) -> WaitingView:
        """Return how many wait for a person."""
        with self._pool.connection() as connection:
            found = read_waiting(connection)
        return WaitingView(found.proposed, found.in_doubt)

    def lines(
        self,
        *,
        work_unit: str | None = None,
        stages: Sequence[Stage] | None = None,
        kinds: Sequence[Kind] | None = None,
        before: int | None = None,
        most: int = 100,
    ) -> list[DeliveryLine]:
        """Return deliveries, the newest first; ``before`` pages back by number."""
        with self._pool.connection() as connection:
            found = read_deliveries(connection, work_unit=work_unit or None, stages=stages, kinds=kinds, before=before, most=most)
        return [line_of(one) for one in found]

    def delivery(self, number: int) -> DeliveryView:
        """Return one delivery, whole."""
        with self._pool.connection() as connection:
            return _whole(connection, number)

    def carried(self, sources: Sequence[str]) -> dict[str, list[CarriedView]]:
        """Return how far the deliveries of some sources have come, e.g. ``tuning:12``; nothing for what is not delivered."""
        with self._pool.connection() as connection:
            found = read_carried(connection, sources)
        return {
            source: [CarriedView(one.number, one.work_unit, one.stage.value, one.stage_us, one.actor, one.reason) for one in each]
            for source, each in found.items()
        }

    def approve(self, who: Person, number: int, draft: ApprovalDraft) -> DeliveryView:
        """Approve a delivery: it is looked at once more, and sent. For approvers; audited."""
        require(who, Role.APPROVER)
        return self._step(who, number, Stage.APPROVED, "", draft.note)

    def decline(self, who: Person, number: int, draft: DeclineDraft) -> DeliveryView:
        """Decline a delivery that was not sent, for a reason. For approvers; audited."""
        require(who, Role.APPROVER)
        return self._step(who, number, Stage.DECLINED, draft.reason.value, draft.note)

    def settle(self, who: Person, number: int, draft: SettleDraft) -> DeliveryView:
        """Say what was found at the machine of a delivery that is in doubt. For inspectors; audited."""
        require(who, Role.INSPECTOR)
        with self._pool.connection() as connection:
            found = read_delivery(connection, number)
        if found is None or found.stage is not Stage.IN_DOUBT:
            raise Rejected(f"delivery {number} is not in doubt" if found is not None else f"there is no delivery {number}")
        return self._step(who, number, Stage(draft.found), SETTLED, draft.note)

    def _step(self, who: Person, number: int, stage: Stage, reason: str, note: str) -> DeliveryView:
        with self._pool.connection() as connection:
            take_step(connection, Step(number, stage, self._clock.now_us(), who.name, reason, note.replace("\0", "").strip()))
            return _whole(connection, number)


SETTLED: Final = "settled"
"""Reason of a step by which a person says what was found at the machine."""


def line_of(one: Delivery) -> DeliveryLine:
    """Return a delivery as it stands in a list."""
    draft = one.draft
    return DeliveryLine(
        *(one.number, one.message_id, draft.kind.value, draft.work_unit, draft.program, draft.job, draft.product, draft.serial),
        *(draft.reason, draft.source, draft.group, one.stage.value, one.stage_us, one.stage_actor, one.stage_reason, one.stage_note),
        *(one.approved_by, one.made_us, one.expires_us, one.counter),
    )


def _whole(connection: Connection, number: int) -> DeliveryView:
    found = read_delivery(connection, number)
    if found is None:
        raise Rejected(f"there is no delivery {number}")
    draft, history = found.draft, read_steps(connection, number)
    now = _window_now(connection, found)
    then = now if now is None or draft.window_version in (None, now.version) else _window_then(connection, found)
    before = read_before(connection, found) if draft.kind is Kind.PARAMETERS else None
    limits = {} if then is None else {one.name: one for one in then.parameters}
    back, measured = _told(history, "read") or _told(history, "readback"), _told(history, "measured")
    parts = {(one["kind"]): f"{one['name']} {one['version']}" for one in _newest(history, "parts")}
    values = tuple(
        DeliveredValue(
            *(one.name, one.unit, one.value, None if before is None else before.parameters.get(one.name)),
            *(limits[one.name].low if one.name in limits else None, limits[one.name].high if one.name in limits else None),
            *(back.get(one.name), measured.get(one.name)),
        )
        for one in draft.parameters
    )
    beside = read_deliveries(connection, group=draft.group, oldest_first=True, most=50) if draft.group else []
    return DeliveryView(
        line=line_of(found),
        values=values,
        parts=tuple(DeliveredPart(one.kind, one.name, one.version, parts.get(one.kind, "")) for one in draft.parts),
        steps=draft.steps,
        before="" if before is None else before.source,
        valid_seconds=draft.valid_seconds,
        window_version=draft.window_version,
        window_in_force=None if now is None else now.version,
        basis_from_us=draft.basis_from_us,
        basis_to_us=draft.basis_to_us,
        issued_us=found.issued_us,
        text=found.text,
        signature=found.signature,
        history=tuple(
            DeliveryStepView(
                *(one.time_us, None if one.before is None else one.before.value, one.after.value, one.actor, one.reason, one.note),
                one.detail,
            )
            for one in history
        ),
        beside=tuple(line_of(one) for one in beside if one.number != number),
    )


def _window_now(connection: Connection, found: Delivery) -> ProcessWindow | None:
    draft = found.draft
    if draft.kind is not Kind.PARAMETERS:
        return None
    try:
        windows = read_windows(connection)
        return None if windows is None else windows.of(draft.work_unit, draft.program, draft.job)
    except (Rejected, SettingsError):
        return None


def _window_then(connection: Connection, found: Delivery) -> ProcessWindow | None:
    """Return the window that a message was made for, where it is one of the newest versions of the set."""
    draft = found.draft
    for version in read_versions(connection, _VERSIONS):
        try:
            one = parse_windows(read_version_text(connection, version.version)).of(draft.work_unit, draft.program, draft.job)
        except (Rejected, SettingsError):
            continue
        if one.version == draft.window_version:
            return one
    return None


def _told(history: Sequence[StoredStep], name: str) -> dict[str, float]:
    """Return values that came with the newest step that has any, by name."""
    return {one["name"]: float(one["value"]) for one in _newest(history, name)}


def _newest(history: Sequence[StoredStep], name: str) -> list[Mapping[str, Any]]:
    for one in reversed(history):
        told = (one.detail or {}).get(name)
        if isinstance(told, list) and told:
            return [each for each in told if isinstance(each, dict)]
    return []
