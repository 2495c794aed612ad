"""History judged again: the journal of alarms made a second time from stored samples and inputs, and compared byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from monitor.alarm_follower import NAME, Board, asked, observed_now
from monitor.alarm_state import Remembered
from monitor.alarms import Happening
from plant.alarms import FOUND, AlarmId, AlarmKind
from plant.errors import Rejected
from plant.site import Site
from storage.alarm_inputs import Checkpoint, read_checkpoint, read_observations
from storage.alarms import Entry, read_actions, read_alarm_numbers, read_journal, read_standings
from storage.database import Connection, snapshot
from storage.feed import Shipped, read_news
from storage.progress import read_progress

_SHIPMENTS_AT_ONCE = 60


@dataclass(frozen=True, slots=True)
class Rerun:
    """What came of judging again."""

    from_us: int
    """Where it began: at the state kept last before the time asked for."""
    to_us: int
    samples: int
    """Judged again."""
    stored: int
    """Lines of the journal as it stands."""
    remade: int
    stored_digest: str
    """SHA-256 of the lines, alarm by alarm in their order."""
    remade_digest: str
    difference: tuple[str, str] | None
    """The first line that differs, as stored and as made again; None where there is none."""


def rerun_alarms(connection: Connection, site: Site, from_us: int, to_us: int) -> Rerun:
    """Judge the alarms of a span again, into nothing, and compare with the journal.

    It begins at the newest state that was kept before ``from_us`` (one an hour), and reads the samples themselves, no digests.
    Raises Rejected where no state reaches back so far, or the monitor never ran.
    """
    with snapshot(connection):
        known = read_progress(connection, NAME)
        checkpoint = read_checkpoint(connection, from_us)
        if known is None or checkpoint is None:
            raise Rejected("there is nothing to judge again: the monitor has not kept any state of the alarms yet")
        if checkpoint.at_us > from_us:
            raise Rejected("no state of the alarms was kept so long ago: they are kept for a month, one an hour")
        stored = [e for e in read_journal(connection, after=checkpoint.seq, most=None) if e.decided_us < to_us]
        end = Remembered(known.state).after
        samples, remade = _remade(connection, site, checkpoint, to_us, end)
    lines = _lines(stored), _lines([e for e in remade if e.decided_us < to_us])
    digests = [hashlib.sha256("".join(some).encode()).hexdigest() for some in lines]
    return Rerun(checkpoint.at_us, to_us, samples, len(stored), len(lines[1]), digests[0], digests[1], _difference(*lines))


def _remade(connection: Connection, site: Site, checkpoint: Checkpoint, to_us: int, end: dict[int, int]) -> tuple[int, list[Entry]]:
    numbers = read_alarm_numbers(connection)
    others = FOUND | {AlarmKind.TOLD}
    stored = [one.definition for one in read_standings(connection) if one.definition.kind in others]
    definitions = [*(d for d in site.alarms if d.id in numbers and d.kind not in others), *stored]
    standings = Remembered(checkpoint.state).standings(numbers, definitions)
    board = Board(definitions, connection, numbers, checkpoint.state, checkpoint.at_us, standings=standings, seq=checkpoint.seq)
    happenings: list[Happening] = []
    samples = 0
    while news := board.few(_until(_raw(read_news(connection, board.conditions.feed.state.after, _SHIPMENTS_AT_ONCE)), to_us, end)):
        samples += sum(one.samples for one in news)
        gathered = board.conditions.feed.gather(news)
        found, _ = board.conditions.judge(connection, gathered, gathered.touched)
        happenings += found
    happenings += [observed_now(one) for one in read_observations(connection, after=checkpoint.observation)]
    answered = (a for a in read_actions(connection, after=checkpoint.action) if a.effective_us is not None)
    happenings += [asked(action, action.effective_us or 0) for action in answered]
    entries, _ = board.lives.apply(happenings)
    return samples, entries


def _raw(news: Iterable[Shipped]) -> list[Shipped]:
    return [replace(one, digest=None) for one in news]


def _until(news: Iterable[Shipped], to_us: int, end: dict[int, int]) -> list[Shipped]:
    """Return what the monitor had judged, as far as it may tell of the span."""
    return [one for one in news if one.seq <= end.get(one.source_id, 0) and (not one.samples or one.received_low_us < to_us)]


def _lines(entries: Sequence[Entry]) -> list[str]:
    """Return the lines as text, alarm by alarm; their numbers are left out, for those count over all alarms."""
    by_alarm: dict[AlarmId, list[Entry]] = {}
    for entry in entries:
        by_alarm.setdefault(entry.alarm, []).append(entry)
    return [_line(entry) for alarm in sorted(by_alarm) for entry in by_alarm[alarm]]


def _line(e: Entry) -> str:
    parts = (
        e.alarm,
        e.time_us,
        e.decided_us,
        e.event.value,
        e.before.value,
        e.after.value,
        e.active,
        e.value,
        e.text,
        e.limit,
        e.who,
        e.reason,
    )
    return "\t".join(repr(part) if not isinstance(part, str) else part for part in parts) + "\n"


def _difference(stored: Sequence[str], remade: Sequence[str]) -> tuple[str, str] | None:
    for one, other in zip(stored, remade, strict=False):
        if one != other:
            return one, other
    if len(stored) != len(remade):
        n = min(len(stored), len(remade))
        return (stored[n] if n < len(stored) else ""), (remade[n] if n < len(remade) else "")
    return None
