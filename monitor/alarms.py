"""How all alarms of a site stand: conditions by columns, lives by ISA-18.2, and the journal lines that follow from both.

The conditions depend on samples alone. What people ask for, and what was seen by the clock on the wall, has a place in the order of judging
that is written down with it; so history judged again with the same inputs gives the same journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.feed import FeedState, News, Read, SignalFeed
from monitor.limits import Changes, LimitJudge, LimitState
from monitor.series import DERIVED, DerivedSeries, Kept, matched_name
from plant.alarms import FOUND, AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, AlarmLife, AlarmState, lived
from plant.errors import Rejected
from plant.signals import SignalPath
from storage.alarms import Entry, Standing
from storage.database import Connection

LIMITS: Final = frozenset({AlarmKind.HIGH_HIGH, AlarmKind.HIGH, AlarmKind.LOW, AlarmKind.LOW_LOW})
_ACTS: Final = {AlarmEvent.ACKNOWLEDGE, AlarmEvent.SHELVE, AlarmEvent.REMOVE}
_ENDS: Final = {AlarmEvent.UNSHELVE, AlarmEvent.RETURN, AlarmEvent.RESET}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to one alarm, with its place in the order of judging."""

    decided_us: int
    time_us: int
    alarm: AlarmId
    event: AlarmEvent
    value: float | None = None
    text: str | None = None
    who: str = ""
    reason: str = ""
    action: int | None = None
    until_us: int | None = None
    source_acknowledged: bool | None = None
    of_samples: bool = False


class Conditions:
    """The conditions of alarms that samples decide. Needs the numbers of signals and sources, and where it stood."""

    def __init__(
        self,
        definitions: Sequence[AlarmDefinition],
        numbers: Mapping[str, int],
        further: Iterable[SignalPath] = (),
    ) -> None:
        """``further``: signals whose news are wanted though no condition looks at them."""
        wanted = dict.fromkeys(d.signal for d in definitions if d.kind in LIMITS or d.kind in DERIVED or d.kind is AlarmKind.STALE)
        wanted |= dict.fromkeys(d.set_point_signal for d in definitions if d.set_point_signal is not None)
        wanted |= dict.fromkeys(further)
        self.paths = [path for path in wanted if path in numbers]
        self.position = {path: n for n, path in enumerate(self.paths)}
        self._ids = [numbers[path] for path in self.paths]
        limits = [d for d in definitions if d.kind in LIMITS and d.signal in self.position]
        derived = [d for d in definitions if d.kind in DERIVED and d.signal in self.position]
        self.limits, self.derived = limits, derived
        self._series = DerivedSeries(
            derived,
            np.array([self.position[d.signal] for d in derived], np.intp),
            np.array([self.position.get(d.set_point_signal or SignalPath(""), -1) for d in derived], np.intp),
        )
        self._limit_judge = LimitJudge(limits, np.array([self.position[d.signal] for d in limits], np.intp))
        self._derived_judge = LimitJudge(self._series.limits, np.arange(len(derived)))
        self.feed = SignalFeed([], [], FeedState.fresh(0, {}))
        self._always = np.zeros(len(self.paths), np.bool_)
        self._always[[self.position[d.signal] for d in derived]] = True
        self._always[[int(p) for p in self._series.set_points if p >= 0]] = True
        self.texts = np.zeros(len(self.paths), np.bool_)
        self.texts[[self.position[d.signal] for d in derived if d.texts]] = True

    def begin(self, source_ids: Sequence[int], state: FeedState) -> None:
        """Go on from a state; ``source_ids``: the source of each signal of ``paths``."""
        self.feed = SignalFeed(self._ids, source_ids, state)

    @property
    def ids(self) -> list[int]:
        """The numbers of the signals."""
        return self._ids

    @property
    def states(self) -> tuple[LimitState, LimitState, dict[int, Kept]]:
        """Where the conditions stand: of limits, of derived series, and what the series remember."""
        return self._limit_judge.state, self._derived_judge.state, self._series.kept

    @states.setter
    def states(self, states: tuple[LimitState, LimitState, dict[int, Kept]]) -> None:
        self._limit_judge.state, self._derived_judge.state, self._series.kept = states

    def judge(self, connection: Connection, news: News, also: npt.NDArray[np.bool_]) -> tuple[list[Happening], Read]:
        """Return what the news change, and the samples that were read. ``also``: of these signals the samples are wanted too."""
        until_us = self.feed.until_us
        first = self._limit_judge.candidates(news.bounds, until_us)
        wanted = news.unsure | self._always | also
        wanted[self._limit_judge.signals[first]] = True
        positions = np.flatnonzero(wanted & news.touched)
        read = self.feed.read(connection, news, positions, self.texts)
        self.feed.settle(news, positions)
        changes = self._limit_judge.judge(first, read.series, until_us)
        found = [*_happenings(changes, self.limits)]
        if self.derived:
            until = self._series.until(until_us)
            series = self._series.make(read, until)
            everything = np.arange(len(self.derived))
            found += _happenings(self._derived_judge.judge(everything, series, until), self.derived)
        return found, read

    def place(self, signal: SignalPath) -> int:
        """Return the first place in the order of judging that lies behind all that is judged of a signal."""
        position = self.position.get(signal)
        if position is None:
            return 0
        until = self.feed.state.until.get(int(self.feed.sources[position]), 0)
        return max(int(self.feed.state.received_us[position]) + 1, until)


def _happenings(changes: Changes, definitions: Sequence[AlarmDefinition]) -> list[Happening]:
    found = []
    columns = (changes.alarm, changes.time_us, changes.decided_us, changes.active, changes.value)
    for alarm, time_us, decided_us, active, value in zip(*(column.tolist() for column in columns), strict=True):
        what = definitions[alarm]
        shown, text = (value, None) if what.kind is not AlarmKind.DISCRETE else matched_name(what, value)
        event = AlarmEvent.ACTIVE if active else AlarmEvent.INACTIVE
        found.append(Happening(decided_us, time_us, what.id, event, shown, text, of_samples=True))
    return found


class Lives:
    """How each alarm lives, and the journal that comes of it."""

    def __init__(self, standings: Iterable[Standing], seq: int) -> None:
        self.standings = {standing.definition.id: standing for standing in standings}
        self.seq = seq
        self.unusual = {name: one for name, one in self.standings.items() if not _usual(one)}
        """Those that are not as at first."""
        self.changed: dict[AlarmId, Standing] = {}
        """What changed since it was last written; cleared by who writes it."""

    def apply(self, happenings: Iterable[Happening]) -> tuple[list[Entry], dict[int, str]]:
        """Return the journal lines of what happens, in the order of judging, and why actions are rejected, by their numbers.

        Inputs come before what samples decide at the same place.
        """
        entries: list[Entry] = []
        rejected: dict[int, str] = {}
        ordered = sorted(
            enumerate(happenings), key=lambda one: (one[1].decided_us, one[1].of_samples, one[0] if not one[1].of_samples else 0)
        )
        for _, happening in ordered:
            try:
                entry = self._happen(happening)
            except Rejected as error:
                entry = None
                if happening.action is not None:
                    rejected[happening.action] = str(error)
            if entry is not None:
                entries.append(entry)
        return entries, rejected

    def _happen(self, one: Happening) -> Entry | None:
        known = self.standings.get(one.alarm)
        if known is None:
            raise Rejected(f"there is no alarm '{one.alarm}' any more")
        what = known.definition
        life = lived(known.life, one.event, latching=what.latching, until_us=one.until_us)
        told = known.source_acknowledged if one.source_acknowledged is None else one.source_acknowledged
        if life == known.life and told == known.source_acknowledged:
            if one.action is not None:
                raise Rejected(f"it changes nothing: the alarm is {known.state.value.replace('_', ' ')}")
            return None
        self.seq += 1
        stands = _stands(known, one, life, self.seq)
        stands = self.standings[one.alarm] = self.changed[one.alarm] = replace(stands, source_acknowledged=told)
        if _usual(stands):
            self.unusual.pop(one.alarm, None)
        else:
            self.unusual[one.alarm] = stands
        limit = _limit(what) if one.event in {AlarmEvent.ACTIVE, AlarmEvent.INACTIVE} else None
        said = (one.value, one.text, limit, one.who, one.reason, one.action)
        return Entry(self.seq, one.alarm, one.time_us, one.decided_us, one.event, known.life.state, life.state, life.active, *said)


def _usual(one: Standing) -> bool:
    return one.life == AlarmLife() and one.source_acknowledged is None


def _limit(what: AlarmDefinition) -> float | None:
    return None if what.kind in FOUND | {AlarmKind.DISCRETE, AlarmKind.TOLD} else what.limit


def _stands(known: Standing, one: Happening, life: AlarmLife, seq: int) -> Standing:
    now = replace(known, life=life, seq=seq)
    if life.state is not known.life.state:
        now = replace(now, since_us=one.time_us)
    if one.event in {AlarmEvent.ACTIVE, AlarmEvent.INACTIVE}:
        since = one.time_us if life.active else None
        now = replace(now, active_since_us=since, value=one.value, text=one.text, limit=_limit(known.definition))
    if one.event in _ACTS:
        now = replace(now, who=one.who, reason=one.reason)
    elif one.event in _ENDS or life.state in {AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED}:
        now = replace(now, who="", reason="")
    return now
