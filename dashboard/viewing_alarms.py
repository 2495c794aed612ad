"""From what storage returns of alarms to what people and programs see: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import viewing
from dashboard.views_alarms import AlarmActionView, AlarmCountsView, AlarmLineView, AlarmView, NoticeView
from plant.alarms import AlarmState, Priority
from storage.alarm_rates import Line
from storage.alarms import Action, Standing
from storage.notices import StoredNotice

UNSEEN = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED, AlarmState.LATCHED_UNACKNOWLEDGED})
SILENCED = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})


def alarm_view(standing: Standing) -> AlarmView:
    """Return how an alarm stands as people and programs see it."""
    definition = standing.definition
    return AlarmView(
        alarm=definition.id,
        signal=definition.signal,
        equipment=str(definition.equipment),
        source=str(definition.source or ""),
        kind=definition.kind.value,
        priority=definition.priority.name.lower(),
        state=standing.state.value,
        active=standing.life.active,
        since_us=standing.since_us or None,
        active_since_us=standing.active_since_us,
        value=None if standing.value is None else viewing.number(standing.value),
        text=standing.text,
        unit=standing.unit,
        limit=None if standing.limit is None else viewing.number(standing.limit),
        message=definition.message,
        response=definition.response,
        shelved_until_us=standing.life.shelved_until_us,
        who=standing.who,
        reason=standing.reason,
        source_acknowledged=standing.source_acknowledged,
        seq=standing.seq,
    )


def counts(standings: Sequence[Standing]) -> AlarmCountsView:
    """Return how many there are of those that are not normal."""
    unseen = [s for s in standings if s.state in UNSEEN]
    first = min((s.definition.priority for s in unseen), default=None)
    return AlarmCountsView(
        len(unseen),
        sum(s.state.annunciated for s in standings),
        sum(s.state in SILENCED for s in standings),
        None if first is None else first.name.lower(),
    )


def line_view(line: Line) -> AlarmLineView:
    """Return a line of the journal as people and programs see it."""
    return AlarmLineView(
        seq=line.seq,
        time_us=line.time_us,
        decided_us=line.decided_us,
        alarm=line.alarm,
        signal=line.signal,
        equipment=line.equipment,
        source=line.source,
        kind=line.kind,
        priority=Priority(line.priority).name.lower(),
        message=line.message,
        event=line.event,
        before=line.before,
        after=line.after,
        active=line.active,
        value=None if line.value is None else viewing.number(line.value),
        text=line.text,
        unit=line.unit,
        limit=None if line.limit is None else viewing.number(line.limit),
        who=line.who,
        reason=line.reason,
    )


def action_view(one: Action) -> AlarmActionView:
    """Return what was asked for and what became of it."""
    return AlarmActionView(
        one.id, one.alarm, one.action.value, one.who, one.reason, one.until_us, one.requested_us, one.outcome, one.answer
    )


def notice_view(one: StoredNotice) -> NoticeView:
    """Return a notice as people and programs see it."""
    return NoticeView(
        id=str(one.id),
        channel=one.channel.value,
        rule=one.rule,
        receiver=one.receiver,
        kind=one.kind.value,
        alarms=[str(name) for name in one.alarms],
        priority=None if one.priority is None else one.priority.name.lower(),
        due_us=one.due_us,
        made_us=one.made_us,
        state=one.state,
        attempts=one.attempts,
        next_us=one.next_us or None,
        ended_us=one.ended_us,
        why=one.why,
    )
