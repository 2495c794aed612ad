"""Condition: how watched equipment stands, findings and what people answer, trends, energy and tools."""

from __future__ import annotations

from dashboard.condition_words import sentence
from dashboard.context import Person
from dashboard.services_people import require
from dashboard.services_plant import PlantService
from dashboard.texts import texts_of
from dashboard.views_condition import AnswerDraft, FindingView, PartEnergyView, StreamView, ToolView, TrendView, WatchedView
from plant.clock import Clock
from plant.condition import Answer
from plant.equipment import EquipmentId
from plant.errors import Rejected
from storage import condition
from storage.audit import add_audit
from storage.condition import FindingRow, WatchedRow
from storage.database import Pool
from storage.people import Role, Scope

_MOST_TRENDED = 500


class ConditionService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, plant: PlantService, clock: Clock) -> None:
        self._pool, self._plant, self._clock = pool, plant, clock

    def watched(self) -> list[WatchedView]:
        """Return how each watched equipment stands, in the order of the settings."""
        with self._pool.connection() as connection:
            rows = condition.read_watched(connection)
        names = {str(node.id): node.name for node in self._plant.equipment()}
        return [_watched(row, names.get(str(row.equipment), str(row.equipment))) for row in rows]

    def findings(
        self,
        *,
        equipment: str | None = None,
        only_open: bool = False,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        most: int = 200,
        language: str = "en",
    ) -> list[FindingView]:
        """Return findings, the newest first, with their reasons in words."""
        with self._pool.connection() as connection:
            rows = condition.read_findings(
                connection, equipment=equipment or None, only_open=only_open, from_us=from_us, to_us=to_us, before=before, most=most
            )
        return [_finding(row, language) for row in rows]

    def streams(self, equipment: str) -> list[StreamView]:
        """Return all numbers that are watched of an equipment."""
        with self._pool.connection() as connection:
            rows = condition.read_streams(connection, equipment)
        return [StreamView(number, key.program, key.step, key.occurrence, key.signal, key.feature) for number, key in rows]

    def trend(self, stream: int, parts: int = 200) -> TrendView:
        """Return one number of the last parts with what is usual of it."""
        with self._pool.connection() as connection:
            levels = condition.read_levels(connection, stream, min(parts, _MOST_TRENDED))
            usual = condition.read_baselines(connection, stream)
        if not levels:
            raise Rejected(f"nothing was measured of number {stream}")
        return TrendView(
            stream,
            [row.time_us for row in levels],
            [row.level for row in levels],
            [row.from_us for row in usual],
            [row.middle for row in usual],
            [row.low for row in usual],
            [row.high for row in usual],
        )

    def feature(self, stream: int) -> str:
        """Return which feature a watched number is; empty for one that there is not."""
        with self._pool.connection() as connection:
            return condition.read_feature(connection, stream)

    def parts(self, equipment: str, from_us: int, to_us: int, most: int = 500) -> list[PartEnergyView]:
        """Return the parts of an equipment with their energy, the newest first."""
        if not 0 <= from_us < to_us:
            raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
        with self._pool.connection() as connection:
            rows = condition.read_parts(connection, equipment, from_us, to_us, most)
        return [PartEnergyView(r.begin_us, r.end_us, r.part, r.program, r.energy_kwh, r.idle_kwh, r.judged) for r in rows]

    def tools(self, equipment: str | None = None, *, only_now: bool = False, most: int = 100) -> list[ToolView]:
        """Return tools, those that were put in last first."""
        with self._pool.connection() as connection:
            rows = condition.read_tools(connection, equipment or None, only_now=only_now, most=most)
        return [
            ToolView(
                *(str(r.equipment), r.begin_us, r.end_us, r.tool, r.parts, r.outlook, r.rise_percent, r.limit_percent, r.remaining),
                *(r.remaining_low, r.remaining_high, r.called_worn),
            )
            for r in rows
        ]

    def answer(self, who: Person, draft: AnswerDraft) -> None:
        """Keep what a person says; the monitor heeds it with the next part. For inspectors; it is audited."""
        require(who, Role.INSPECTOR, Scope.ALARMS)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction():
            about: FindingRow | EquipmentId
            if draft.finding is not None:
                found = condition.read_findings(connection, number=draft.finding)
                if not found:
                    raise Rejected(f"there is no finding {draft.finding}")
                about, subject = found[0], str(found[0].equipment)
            else:
                if draft.answer is not Answer.TOOL_CHANGED:
                    raise Rejected("name the finding that this is said to")
                if draft.equipment not in {str(row.equipment) for row in condition.read_watched(connection)}:
                    raise Rejected(f"'{draft.equipment}' is not watched")
                about, subject = EquipmentId(draft.equipment), draft.equipment
            condition.add_answer(connection, about, draft.answer, who.name, draft.note, now_us)
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act="condition.answer",
                subject=subject,
                previous=None if draft.finding is None else {"finding": draft.finding},
                next_={"answer": draft.answer.value, "note": draft.note},
                address=who.address,
            )


def _watched(row: WatchedRow, name: str) -> WatchedView:
    share = None if row.energy_kwh is None or row.idle_kwh is None or row.energy_kwh <= 0 else row.idle_kwh / row.energy_kwh
    severity = None if row.severity is None else row.severity.value
    return WatchedView(
        *(str(row.equipment), name, row.parts, row.least_parts, row.last_us, row.judged, row.open_findings, severity, row.energy_kwh, share)
    )


def _finding(row: FindingRow, language: str) -> FindingView:
    t = texts_of(language)
    return FindingView(
        *(row.id, str(row.equipment), row.program, row.step, row.occurrence, row.begin_us, row.end_us, row.last_us, row.severity.value),
        *(row.ratio, row.parts, row.reasons, tuple(sentence(reason, row.step, row.occurrence, t) for reason in row.reasons)),
        *(None if row.answer is None else row.answer.value, row.answered_by, row.note),
    )
