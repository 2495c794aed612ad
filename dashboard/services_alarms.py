"""Alarms for people and programs: lists, the journal, actions, figures against EEMUA 191, and who was told."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from uuid import UUID, uuid4

from dashboard import viewing
from dashboard.alarm_files import apply_import, export_csv, export_xlsx, plan_import
from dashboard.context import Person
from dashboard.hub import Hub
from dashboard.services_people import require
from dashboard.viewing_alarms import SILENCED, action_view, alarm_view, counts, line_view, notice_view
from dashboard.views_alarms import (
    AlarmActionDraft,
    AlarmActionView,
    AlarmCountsView,
    AlarmLineView,
    AlarmRatesView,
    AlarmView,
    CellView,
    ChangeView,
    DifferenceView,
    FloodView,
    NoticeView,
    ReceiverView,
    RepeatedView,
    StandingView,
)
from plant import alarm_rates as figures
from plant.alarm_table import Difference
from plant.alarms import ActionKind, AlarmEvent, AlarmId, AlarmState, Priority
from plant.clock import Clock
from plant.errors import Rejected
from plant.notices import Channel, NoticeKind
from plant.site import load_site
from storage import alarm_rates, alarms, audit, notices
from storage.database import Connection, Pool
from storage.people import Role, Scope

_LONGEST_SPAN_US = 400 * figures.DAY_US
_OPERATOR_ACTIONS = {ActionKind.ACKNOWLEDGE, ActionKind.RESET, ActionKind.SHELVE, ActionKind.UNSHELVE}


def role_for(action: ActionKind) -> Role:
    """Return who may do it: all but viewers what operators do, engineers what takes an alarm out of service for good."""
    return Role.INSPECTOR if action in _OPERATOR_ACTIONS else Role.ENGINEER


class AlarmService:
    """Each call reads the database in the calling thread, but for what the hub has. Raises Rejected and Unavailable."""

    def __init__(self, pool: Pool, hub: Hub, clock: Clock, site_file: Path) -> None:
        self._pool, self._hub, self._clock, self._site_file = pool, hub, clock, site_file
        self._writing = Lock()

    def alarms(
        self,
        *,
        which: str = "annunciated",
        equipment: str | None = None,
        priority: str | None = None,
        alarm: str | None = None,
        most: int = 1000,
    ) -> list[AlarmView]:
        """Return alarms, the most urgent first, then the newest. ``which``: annunciated, silenced, all, or a state."""
        if which not in {"annunciated", "silenced", "all", *AlarmState}:
            raise Rejected(f"there are no alarms '{which}'; ask for annunciated, silenced, all or a state: {', '.join(AlarmState)}")
        least = _priority(priority)
        with self._pool.connection() as connection:
            some = None if alarm is None else [AlarmId(alarm)]
            found = alarms.read_standings(connection, annunciated=which not in {"all", AlarmState.NORMAL}, alarms=some)
        chosen = [
            alarm_view(s)
            for s in found
            if _is(s.state, which)
            and (least is None or s.definition.priority <= least)
            and (equipment is None or s.definition.equipment == equipment or str(s.definition.equipment).startswith(equipment + "/"))
        ]
        return chosen[:most]

    def annunciated(self) -> list[AlarmView]:
        """Return what must be seen or is silenced, from the hub's last read, without a call of the database."""
        return [alarm_view(s) for s in self._hub.last_read().alarms]

    def counts(self) -> AlarmCountsView:
        """Return how many there are, from the hub's last read."""
        return counts(self._hub.last_read().alarms)

    def journal(self, wanted: alarm_rates.LineFilter) -> list[AlarmLineView]:
        """Return lines of the journal, the newest first."""
        if wanted.state is not None and wanted.state not in set(AlarmState):
            raise Rejected(f"there is no state '{wanted.state}'; there are: {', '.join(AlarmState)}")
        if wanted.event is not None and wanted.event not in set(AlarmEvent):
            raise Rejected(f"there is no event '{wanted.event}'; there are: {', '.join(AlarmEvent)}")
        with self._pool.connection() as connection:
            return [line_view(line) for line in alarm_rates.read_lines(connection, wanted)]

    def act(self, who: Person, draft: AlarmActionDraft) -> list[AlarmActionView]:
        """Ask the monitor for an action on alarms and return what was asked; what becomes of it is said by ``actions``."""
        action = ActionKind(draft.action)
        require(who, role_for(action), Scope.ALARMS)
        now_us = self._clock.now_us()
        names = [AlarmId(name) for name in dict.fromkeys(draft.alarms)]
        until_us = None if draft.minutes is None else now_us + round(draft.minutes * figures.MINUTE_US)
        with self._pool.connection() as connection, connection.transaction():
            if draft.seen is not None and action is ActionKind.ACKNOWLEDGE:
                _refuse_unseen(connection, names, draft.seen)
            ids = alarms.ask(connection, names, action, who=who.name, requested_us=now_us, reason=draft.reason.strip(), until_us=until_us)
            audit.add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act=f"alarm.{action.value}",
                subject=names[0] if len(names) == 1 else f"{len(names)} alarms",
                next_={"alarms": names[:200], "reason": draft.reason.strip(), "until_us": until_us},
                address=who.address,
            )
            return [action_view(one) for one in alarms.read_actions(connection, ids=ids)]

    def actions(self, ids: list[int]) -> list[AlarmActionView]:
        """Return what was asked for and what became of it, by number."""
        with self._pool.connection() as connection:
            return [action_view(one) for one in alarms.read_actions(connection, ids=ids)]

    def wait(self, asked: list[AlarmActionView], seconds: float = 1.5) -> list[AlarmActionView]:
        """Return what became of actions; those that the monitor has not answered in time stand without an outcome."""
        ids, end = [one.id for one in asked], self._clock.monotonic() + seconds
        found = asked
        while any(one.outcome is None for one in found) and self._clock.monotonic() < end:
            self._clock.sleep(0.1)
            found = self.actions(ids)
        return found

    def rates(self, from_us: int, to_us: int, operators: int = 1) -> AlarmRatesView:
        """Return how much alarms asked of operators over a span."""
        if not 0 <= from_us < to_us or to_us - from_us > _LONGEST_SPAN_US:
            raise Rejected("'from' must lie before 'to', both as microseconds since 1970, and at most 400 days apart")
        with self._pool.connection() as connection:
            came = alarm_rates.read_annunciations(connection, from_us, to_us)
            spans = alarm_rates.read_active_spans(connection, from_us, to_us)
            stands = [s for s in alarms.read_standings(connection, annunciated=True) if s.state.annunciated and s.active_since_us]
            found = figures.rates(came.time_us, from_us, to_us, operators=operators)
            frequent = figures.frequent(came.alarm)
            chattering = figures.chattering(came.alarm, came.time_us)
            fleeting = figures.fleeting(spans.alarm, spans.began_us, spans.ended_us)
            numbers = [one.alarm for some in (frequent.alarms, chattering, fleeting) for one in some]
            names = alarm_rates.alarm_names(connection, sorted(set(numbers)))

        def repeated(some: tuple[figures.Repeated, ...]) -> list[RepeatedView]:
            return [RepeatedView(*names[one.alarm], one.count) for one in some if one.alarm in names]

        now_us = self._clock.now_us()
        standing = [s for s in stands if now_us - (s.active_since_us or now_us) > figures.STANDING_US]
        return AlarmRatesView(
            from_us,
            to_us,
            operators,
            found.count,
            found.average,
            found.peak,
            found.share_above_ten,
            found.share_in_flood,
            found.performance.value,
            found.per_interval.tolist(),
            [FloodView(flood.from_us, flood.to_us, flood.count, flood.peak) for flood in found.floods],
            {each.name.lower(): share for each, share in figures.priority_shares(came.priority).items()},
            repeated(frequent.alarms),
            frequent.share,
            repeated(chattering),
            repeated(fleeting),
            [
                StandingView(s.definition.id, s.definition.message, s.active_since_us or 0)
                for s in sorted(standing, key=lambda s: s.active_since_us or 0)
            ],
        )

    def definitions(self, form: str) -> bytes:
        """Return all alarms of the site as ``csv`` or ``xlsx``."""
        site = load_site(self._site_file)
        return (export_xlsx if form == "xlsx" else export_csv)(site.alarms, site.path)

    def plan(self, who: Person, content: bytes, *, complete: bool = False) -> DifferenceView:
        """Return what a table would change. Engineers only; raises SettingsError that names each wrong row and column."""
        require(who, Role.ENGINEER)
        return _difference(plan_import(self._site_file, content, complete=complete).difference, applied=False)

    def take_in(self, who: Person, content: bytes, *, complete: bool = False) -> DifferenceView:
        """Change the site's alarms as a table says, in one stroke, and return what changed. Engineers only."""
        require(who, Role.ENGINEER)
        with self._writing:
            planned = plan_import(self._site_file, content, complete=complete)
            if planned.difference:
                apply_import(self._site_file, planned)
        view = _difference(planned.difference, applied=bool(planned.difference))
        with self._pool.connection() as connection:
            counts_of = {"added": len(view.added), "changed": len(view.changed), "removed": len(view.removed)}
            changed = viewing.plain(view)["changed"][:200]
            audit.add_audit(
                connection,
                time_us=self._clock.now_us(),
                actor=who.name,
                act="alarm.import",
                subject="alarms.csv",
                next_={**counts_of, "changes": changed},
                address=who.address,
            )
        return view

    def notices(self, *, state: str | None = None, receiver: str | None = None, most: int = 200) -> list[NoticeView]:
        """Return what was sent to whom, or will be, the newest first."""
        with self._pool.connection() as connection:
            found = notices.read_notices(connection, states=() if state is None else (state,), receiver=receiver, most=most)
        return [notice_view(one) for one in found]

    def receivers(self) -> list[ReceiverView]:
        """Return who can be told."""
        with self._pool.connection() as connection:
            return [ReceiverView(one.name, one.webhook_host, list(one.mail)) for one in notices.read_receivers(connection)]

    def try_notice(self, who: Person, receiver: str) -> list[NoticeView]:
        """Put a notice that says nothing into the outbox, to see whether it arrives. Engineers only."""
        require(who, Role.ENGINEER)
        now_us, number = self._clock.now_us(), uuid4()
        with self._pool.connection() as connection, connection.transaction():
            known = next((one for one in notices.read_receivers(connection) if one.name == receiver), None)
            if known is None:
                raise Rejected(f"there is no receiver '{receiver}'")
            channels = [*([Channel.WEBHOOK] if known.webhook_host else []), *([Channel.MAIL] if known.mail else [])]
            site = self._hub.last_read().plan.rows.equipment
            content = {
                "kind": NoticeKind.TEST.value,
                "site": site[1].name if len(site) > 1 else "",
                "rule": "",
                "step": 0,
                "time_us": now_us,
                "count": 0,
                "alarms": [],
            }
            made = [
                notices.StoredNotice(number, channel, "", receiver, NoticeKind.TEST, 0, (), None, None, content, now_us, now_us)
                for channel in channels
            ]
            notices.add_notices(connection, made)
            self._note(connection, who, "notice.test", receiver)
        return [notice_view(one) for one in made]

    def send_again(self, who: Person, number: UUID, channel: str) -> None:
        """Have a notice that was given up sent once more. All but viewers."""
        require(who, Role.INSPECTOR)
        if channel not in set(Channel):
            raise Rejected(f"there is no way '{channel}'; there are: {', '.join(Channel)}")
        with self._pool.connection() as connection, connection.transaction():
            if not notices.try_again(connection, number, Channel(channel)):
                raise Rejected("no such notice was given up")
            self._note(connection, who, "notice.again", f"{number} {channel}")

    def _note(self, connection: Connection, who: Person, act: str, subject: str) -> None:
        now_us = self._clock.now_us()
        audit.add_audit(connection, time_us=now_us, actor=who.name, act=act, subject=subject, address=who.address)


def _is(state: AlarmState, which: str) -> bool:
    match which:
        case "all":
            return True
        case "annunciated":
            return state.annunciated
        case "silenced":
            return state in SILENCED
    return state.value == which


def _priority(name: str | None) -> Priority | None:
    if name is None:
        return None
    found = {each.name.lower(): each for each in Priority}.get(name)
    if found is None:
        raise Rejected(f"there is no priority '{name}'; there are: {', '.join(each.name.lower() for each in Priority)}")
    return found


def _refuse_unseen(connection: Connection, names: list[AlarmId], seen: dict[str, int]) -> None:
    """Raise Rejected where an alarm was annunciated again since it was seen: that one nobody has looked at."""
    for standing in alarms.read_standings(connection, alarms=names):
        name = standing.definition.id
        if standing.state is AlarmState.UNACKNOWLEDGED and standing.seq > seen.get(name, standing.seq):
            raise Rejected(f"'{name}' came again meanwhile: look at it before you acknowledge it")


def _difference(found: Difference, *, applied: bool) -> DifferenceView:
    changed = [ChangeView(one.alarm, [CellView(*cell) for cell in one.cells]) for one in found.changed]
    return DifferenceView(list(found.added), changed, list(found.removed), applied)
