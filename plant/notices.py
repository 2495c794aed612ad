"""Who is told of an alarm that nobody acknowledged: rules, and the pure function that says which notices are due."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from plant import patterns
from plant.alarms import AlarmId, Priority
from plant.calendars import Calendars
from plant.equipment import EquipmentId

MINUTE_US = 60_000_000
_NAMESPACE = uuid.UUID("6f0b1c5e-7a0d-5d0e-9d53-1d1f0c0a7e11")
MOST_REPEATS = 1000


class Channel(StrEnum):
    """How a receiver is reached."""

    WEBHOOK = "webhook"
    MAIL = "mail"


class NoticeKind(StrEnum):
    """What a notice says."""

    RAISED = "raised"
    """An alarm came and nobody has acknowledged it."""
    ESCALATED = "escalated"
    """Nobody has acknowledged it for so long that others are told."""
    REPEATED = "repeated"
    """It was told before and still nobody has acknowledged it."""
    ENDED = "ended"
    """Somebody acknowledged it, or it was silenced or taken out."""
    DIGEST = "digest"
    """Several at once, in a flood."""
    REPORT = "report"
    """A shift ended: its report."""
    TEST = "test"
    """Nothing happened: a person tries whether it arrives."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server; files are whole paths."""

    host: str
    port: int
    security: str
    sender: str
    username: str | None
    password_file: Path | None
    ca_file: Path | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who can be told."""

    name: str
    webhook: str | None
    secret_file: Path | None
    ca_file: Path | None
    timeout_seconds: float
    mail: tuple[str, ...]
    language: str

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Return how this one is reached."""
        return (*((Channel.WEBHOOK,) if self.webhook is not None else ()), *((Channel.MAIL,) if self.mail else ()))


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told when nobody acknowledged for ``after_us``."""

    after_us: int
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which alarms are told of to whom; the first step is that of the alarm itself."""

    name: str
    alarms: str
    equipment: str
    priority: Priority
    steps: tuple[Step, ...]
    shifts: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    repeat_us: int | None = None
    say_end: bool = False
    digest_us: int = 5 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Notices:
    """All about notices of a site; empty where nobody is told of anything."""

    rules: tuple[Rule, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    mail: Mail | None = None

    def receiver(self, name: str) -> Receiver | None:
        """Return a receiver by name, None where the settings name none."""
        return next((one for one in self.receivers if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Case:
    """One alarm from when it was annunciated until somebody acknowledged it."""

    alarm: AlarmId
    equipment: EquipmentId
    priority: Priority
    began_us: int


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice that is due: the same one has the same id whoever works it out and whenever."""

    id: uuid.UUID
    rule: str
    receiver: str
    kind: NoticeKind
    step: int
    """0 is the first one told, 1 the first escalation."""
    due_us: int


def fits(rule: Rule, case: Case, root: EquipmentId) -> bool:
    """Return whether a rule speaks of an alarm."""
    place = case.equipment.removeprefix(root + "/")
    named = _named(rule.alarms, case.alarm.removeprefix(root + "/"))
    return case.priority <= rule.priority and named and patterns.matches(rule.equipment, place)


def on_duty(rule: Rule, equipment: EquipmentId, time_us: int, calendars: Calendars) -> bool:
    """Return whether a rule holds in the shift that an equipment has at a time; one that names neither shift nor team always does."""
    if not rule.shifts and not rule.teams:
        return True
    calendar = calendars.of(equipment)
    shift = None if calendar is None else calendar.shift_at(time_us)
    if shift is None:
        return False
    return (not rule.shifts or shift.name in rule.shifts) and (not rule.teams or shift.team in rule.teams)


def _named(pattern: str, alarm: str) -> bool:
    """Return whether an alarm fits a glob; one that names no kind fits alarms of all kinds."""
    return patterns.matches(pattern, alarm) or (":" not in pattern and patterns.matches(pattern, alarm.rpartition(":")[0]))


def due(rule: Rule, case: Case, now_us: int) -> Iterator[DueNotice]:
    """Yield the notices of a case that is still unacknowledged which are due by now, of those that repeat only the newest."""
    for number, step in enumerate(rule.steps):
        at = case.began_us + step.after_us
        if at > now_us:
            continue
        kind = NoticeKind.ESCALATED if number else NoticeKind.RAISED
        for receiver in step.to:
            yield _notice(rule, case, receiver, kind, number, 0, at)
        repeats = 0 if rule.repeat_us is None else min((now_us - at) // rule.repeat_us, MOST_REPEATS)
        if rule.repeat_us is not None and repeats:
            for receiver in step.to:
                yield _notice(rule, case, receiver, NoticeKind.REPEATED, number, repeats, at + repeats * rule.repeat_us)


def ended(rule: Rule, case: Case, receiver: str, ended_us: int) -> DueNotice:
    """Return the notice that a case is over."""
    return _notice(rule, case, receiver, NoticeKind.ENDED, 0, 0, ended_us)


def digest_id(rule: str, receiver: str, due_us: int) -> uuid.UUID:
    """Return the id of the notice that tells of many."""
    return _stable(rule, receiver, NoticeKind.DIGEST.value, str(due_us))


def report_id(receiver: str, line: str, from_us: int) -> uuid.UUID:
    """Return the id of the notice that brings the report of a shift."""
    return _stable("", receiver, NoticeKind.REPORT.value, line, str(from_us))


def _notice(rule: Rule, case: Case, receiver: str, kind: NoticeKind, step: int, repeat: int, due_us: int) -> DueNotice:
    stable = _stable(rule.name, receiver, kind.value, case.alarm, str(case.began_us), str(step), str(repeat))
    return DueNotice(stable, rule.name, receiver, kind, step, due_us)


def _stable(*words: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, "\n".join(words))
