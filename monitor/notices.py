"""Who must be told of what: follows the journal of alarms and puts notices into the outbox. Sending is another follower's work.

A *case* is an alarm from when it was annunciated until somebody acknowledged, shelved, suppressed or removed it; that it comes and goes
meanwhile begins no new one. What is due of a case follows from its begin and the rules alone, and each notice has an id that follows
from these too: worked out again after a kill, it is the same one.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from monitor.followers import Follower
from monitor.notice_words import alarm_content, content, most_urgent
from plant.alarm_rates import TEN_MINUTES_US, in_flood
from plant.alarms import AlarmId, AlarmState, Priority
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.notices import Case, DueNotice, NoticeKind, digest_id, due, ended, fits, on_duty
from plant.site import Site
from storage.alarms import Entry, last_seq, read_journal, read_standings
from storage.database import Connection
from storage.notices import (
    StoredNotice,
    add_notices,
    end_case,
    forget_old,
    mark_in_digest,
    open_cases,
    read_begins,
    read_gathered,
    read_open_cases,
    read_told,
    register_receivers,
)
from storage.progress import read_progress, write_progress

NAME = "notices"
UNSEEN = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED, AlarmState.LATCHED_UNACKNOWLEDGED})
"""States in which nobody has seen an alarm yet."""
_AT_ONCE = 500
_CLEAN_EVERY_US = 3_600_000_000


class _Ended(NamedTuple):
    case: Case
    entry: Entry


def make_planner(site: Site, clock: Clock) -> Follower | None:
    """Return the follower; None where the site tells nobody of anything."""
    return NoticePlanner(site, clock) if site.notices.rules or site.notices.receivers else None


class NoticePlanner:
    """Follows the journal; each step is one transaction."""

    name = NAME
    pause_seconds = 0.5

    def __init__(self, site: Site, clock: Clock) -> None:
        self._site, self._clock = site, clock
        self._seq: int | None = None
        self._cases: dict[AlarmId, Case] = {}
        self._made: dict[AlarmId, set[UUID]] = {}
        self._begins: deque[int] = deque()
        self._flood = False
        self._gathering = True
        self._clean_us = 0

    def step(self, connection: Connection) -> bool:
        """Take in some of the journal; when none is left, put what is due into the outbox."""
        now_us = self._clock.now_us()
        with connection.transaction():
            seq = self._begin(connection, now_us) if self._seq is None else self._seq
            entries = read_journal(connection, after=seq, most=_AT_ONCE)
            flood_before = self._flood
            opened, over = self._follow(connection, entries)
            open_cases(connection, opened)
            self._end(connection, over, now_us)
            more = len(entries) == _AT_ONCE
            if not more:
                self._mark_flood(now_us)
                self._tell(connection, now_us)
                self._digest(connection, now_us)
            if entries or self._flood != flood_before:
                self._keep(connection, now_us)
        if now_us >= self._clean_us:
            forget_old(connection, now_us)
            self._clean_us = now_us + _CLEAN_EVERY_US
        return more

    def _begin(self, connection: Connection, now_us: int) -> int:
        """Take up where the progress says and return that line; the first time of all, with what stands unacknowledged now."""
        register_receivers(connection, [(one, urlsplit(one.webhook or "").hostname or "") for one in self._site.notices.receivers])
        known = read_progress(connection, NAME)
        if known is None:
            self._seq = last_seq(connection)
            unseen = [s for s in read_standings(connection, annunciated=True) if s.state in UNSEEN]
            open_cases(
                connection,
                [Case(s.definition.id, EquipmentId(str(s.definition.equipment)), s.definition.priority, now_us) for s in unseen],
            )
            self._keep(connection, now_us)
        else:
            state = json.loads(known.state)
            self._seq, self._flood = int(state["seq"]), bool(state["flood"])
        seq = self._seq
        self._cases = {case.alarm: case for case in read_open_cases(connection)}
        self._begins = deque(read_begins(connection, now_us - TEN_MINUTES_US))
        return seq

    def _keep(self, connection: Connection, now_us: int) -> None:
        write_progress(connection, NAME, now_us, json.dumps({"seq": self._seq, "flood": self._flood}).encode())

    def _follow(self, connection: Connection, entries: Sequence[Entry]) -> tuple[list[Case], list[_Ended]]:
        """Return the cases that began and that ended with some lines of the journal."""
        new = {entry.alarm for entry in entries if entry.after in UNSEEN}
        about = {s.definition.id: s.definition for s in read_standings(connection, alarms=sorted(new), retired=True)} if new else {}
        opened, over = [], []
        for entry in entries:
            case = self._cases.get(entry.alarm)
            if entry.after in UNSEEN and case is None:
                definition = about[entry.alarm]
                case = Case(entry.alarm, EquipmentId(str(definition.equipment)), definition.priority, entry.decided_us)
                self._cases[entry.alarm] = case
                self._begins.append(case.began_us)
                opened.append(case)
            elif entry.after not in UNSEEN and case is not None:
                del self._cases[entry.alarm]
                self._made.pop(entry.alarm, None)
                over.append(_Ended(case, entry))
            self._seq = entry.seq
        return opened, over

    def _end(self, connection: Connection, over: Iterable[_Ended], now_us: int) -> None:
        rules = {rule.name: rule for rule in self._site.notices.rules}
        for case, entry in over:
            end_case(connection, case, entry.decided_us, entry.after.value, entry.who)
            told = [(rules[rule], receiver) for rule, receiver in read_told(connection, case) if rule in rules and rules[rule].say_end]
            self._put(connection, [(ended(rule, case, receiver, entry.decided_us), case) for rule, receiver in told], now_us)

    def _mark_flood(self, now_us: int) -> None:
        while self._begins and self._begins[0] <= now_us - TEN_MINUTES_US:
            self._begins.popleft()
        self._flood = in_flood(self._begins, now_us, self._flood)

    def _tell(self, connection: Connection, now_us: int) -> None:
        """Put into the outbox what is due of open cases and is not there yet."""
        found: list[tuple[DueNotice, Case]] = []
        for case in self._cases.values():
            made = self._made.setdefault(case.alarm, set())
            for rule in self._site.notices.rules:
                if not fits(rule, case, self._site.path):
                    continue
                for notice in due(rule, case, now_us):
                    if notice.id not in made:
                        made.add(notice.id)
                        if on_duty(rule, case.equipment, notice.due_us, self._site.calendars):
                            found.append((notice, case))
        self._put(connection, found, now_us)

    def _put(self, connection: Connection, found: Sequence[tuple[DueNotice, Case]], now_us: int) -> None:
        if not found:
            return
        standings = {s.definition.id: s for s in read_standings(connection, alarms=sorted({case.alarm for _, case in found}), retired=True)}
        rows = []
        for notice, case in found:
            alarm = alarm_content(standings[case.alarm], case.began_us)
            said = content(notice.kind, self._site.name, notice.rule, notice.step, [alarm], now_us)
            gathered = self._flood and case.priority is not Priority.URGENT and notice.kind is not NoticeKind.ENDED
            self._gathering |= gathered
            rows += self._rows(notice, (case.alarm,), case.began_us, case.priority, said, now_us, "gathered" if gathered else "pending")
        add_notices(connection, rows)

    def _digest(self, connection: Connection, now_us: int) -> None:
        """Make one notice of those gathered in a flood, each time a rule says, and of the rest when the flood is over."""
        if not self._gathering:
            return
        gathered = read_gathered(connection)
        self._gathering = bool(gathered)
        every = {rule.name: rule.digest_us for rule in self._site.notices.rules}
        groups: dict[tuple[str, str], list[StoredNotice]] = {}
        for one in gathered:
            groups.setdefault((one.rule, one.receiver), []).append(one)
        for (rule, receiver), members in groups.items():
            first_us = min(one.made_us for one in members)
            if self._flood and now_us < first_us + every.get(rule, 0):
                continue
            alarms = list({one.alarms[0]: one.content["alarms"][0] for one in members}.values())
            said = content(NoticeKind.DIGEST, self._site.name, rule, 0, sorted(alarms, key=_urgency), now_us)
            notice = DueNotice(digest_id(rule, receiver, first_us), rule, receiver, NoticeKind.DIGEST, 0, now_us)
            names = tuple(AlarmId(alarm["alarm"]) for alarm in alarms)
            add_notices(connection, self._rows(notice, names, None, most_urgent(alarms), said, now_us, "pending"))
            mark_in_digest(connection, members, notice.id)

    def _rows(
        self,
        notice: DueNotice,
        alarms: tuple[AlarmId, ...],
        began_us: int | None,
        priority: Priority | None,
        said: dict[str, Any],
        now_us: int,
        state: str,
    ) -> list[StoredNotice]:
        """Return the notice once for each way in which its receiver is reached."""
        receiver = self._site.notices.receiver(notice.receiver)
        channels = () if receiver is None else receiver.channels
        fixed = (notice.rule, notice.receiver, notice.kind, notice.step, alarms, began_us, priority, said, notice.due_us, now_us, state)
        return [StoredNotice(notice.id, channel, *fixed) for channel in channels]


def _urgency(alarm: dict[str, Any]) -> tuple[int, int]:
    return Priority[alarm["priority"].upper()], alarm["since_us"]
