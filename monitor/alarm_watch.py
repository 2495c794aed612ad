"""What no sample of an alarm's own signal tells: silence, sources, ends of shelving, and states in which an alarm means nothing.

Each thing seen becomes an observation with its place in the order of judging, and is stored: history judged again reads it from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.alarms import Conditions
from monitor.feed import News, Read
from plant.alarms import AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, Suppression
from plant.signals import SignalPath, SourceId
from storage.alarm_inputs import Observation
from storage.alarm_sources import SourceSign
from storage.alarms import Standing

_SILENT_US: Final = 10_000_000
"""What a reader said last tells nothing any more when it is silent for longer; then silence is the alarm."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something seen of an alarm; where it stands in the order of judging is not said yet."""

    alarm: AlarmId
    event: AlarmEvent
    time_us: int
    value: float | None = None
    text: str | None = None
    reason: str = ""

    def at(self, effective_us: int) -> Observation:
        """Return it with its place."""
        return Observation(self.alarm, self.event, self.time_us, effective_us, self.value, self.text, "", self.reason)


class Silence:
    """Which signals are stale by the clock on the wall."""

    def __init__(self, definitions: Iterable[AlarmDefinition], conditions: Conditions, begun_us: int) -> None:
        """``begun_us``: silence before that begins an alarm no sooner than silence from then on, so that no start raises them all."""
        self._alarms = [d for d in definitions if d.kind is AlarmKind.STALE and d.signal in conditions.position]
        self._positions = np.array([conditions.position[d.signal] for d in self._alarms], np.intp)
        self._limits: npt.NDArray[np.int64] = np.array([round(d.limit * 1e6) for d in self._alarms], np.int64)
        self._begun_us = begun_us

    def look(self, received_us: npt.NDArray[np.int64], standings: Mapping[AlarmId, Standing], now_us: int) -> list[Seen]:
        """Return what became stale or came back."""
        if not self._alarms:
            return []
        active = np.array([standings[d.id].life.active for d in self._alarms], np.bool_)
        last = received_us[self._positions]
        stale = now_us - np.where(active, last, np.maximum(last, self._begun_us)) > self._limits
        found = []
        for n in np.flatnonzero(stale != active).tolist():
            what, since = self._alarms[n], int(last[n]) or self._begun_us
            if stale[n]:
                found.append(Seen(what.id, AlarmEvent.ACTIVE, since + int(self._limits[n]), (now_us - since) / 1e6))
            else:
                found.append(Seen(what.id, AlarmEvent.INACTIVE, since))
        return found


class Sources:
    """Which sources are silent, disconnected or incomplete."""

    def __init__(self, definitions: Iterable[AlarmDefinition], begun_us: int) -> None:
        kinds = {AlarmKind.SILENT, AlarmKind.DISCONNECTED, AlarmKind.GAP}
        self._alarms = [d for d in definitions if d.kind in kinds]
        self._begun_us = begun_us

    @property
    def names(self) -> list[SourceId]:
        """The sources that are watched."""
        return sorted({d.source for d in self._alarms if d.source is not None})

    def look(self, signs: Sequence[SourceSign], standings: Mapping[AlarmId, Standing]) -> list[Seen]:
        """Return what changed by the signs of life."""
        by_source = {sign.source: sign for sign in signs}
        found = []
        for what in self._alarms:
            sign = by_source.get(what.source or SourceId(""))
            if sign is None:
                continue
            active = standings[what.id].life.active
            told = self._told(what, sign, 0 if active else self._begun_us)
            if (told is not None) != active:
                found.append(told or Seen(what.id, AlarmEvent.INACTIVE, sign.now_us))
        return found

    def _told(self, what: AlarmDefinition, sign: SourceSign, begun_us: int) -> Seen | None:
        """Return the alarm where it is active; what was before ``begun_us`` does not count."""
        limit_us = round(what.limit * 1e6)
        longest_us = sign.now_us - max(begun_us, self._begun_us if sign.silent_us is None else 0)
        silent_us = longest_us if sign.silent_us is None else min(sign.silent_us, longest_us)
        if what.kind is AlarmKind.GAP:
            if sign.gap_until_us is None or sign.now_us - sign.gap_until_us > limit_us:
                return None
            return Seen(what.id, AlarmEvent.ACTIVE, min(sign.gap_until_us, sign.now_us), float(sign.missing))
        if what.kind is AlarmKind.SILENT:
            over = silent_us > limit_us
            return Seen(what.id, AlarmEvent.ACTIVE, sign.now_us - silent_us + limit_us, silent_us / 1e6) if over else None
        if sign.state in {None, "connected"} or sign.since_us is None or silent_us > max(limit_us, _SILENT_US):
            return None
        since_us = max(sign.since_us, begun_us)
        if sign.now_us - since_us <= limit_us:
            return None
        return Seen(what.id, AlarmEvent.ACTIVE, since_us + limit_us, None, sign.state, sign.detail)


class Suppressions:
    """In which states of the plant alarms mean nothing."""

    def __init__(self, definitions: Iterable[AlarmDefinition], conditions: Conditions) -> None:
        self._by_condition: dict[Suppression, list[AlarmId]] = {}
        for what in definitions:
            if what.suppressed_while is not None and what.suppressed_while.signal in conditions.position:
                self._by_condition.setdefault(what.suppressed_while, []).append(what.id)
        self._conditions = conditions
        for condition in self._by_condition:
            if condition.texts:
                conditions.texts[conditions.position[condition.signal]] = True

    @property
    def alarms(self) -> list[AlarmId]:
        """The alarms that may be suppressed."""
        return [alarm for alarms in self._by_condition.values() for alarm in alarms]

    def __bool__(self) -> bool:
        return bool(self._by_condition)

    @staticmethod
    def signals(definitions: Iterable[AlarmDefinition]) -> list[SignalPath]:
        """Return the signals that decide."""
        return [d.suppressed_while.signal for d in definitions if d.suppressed_while is not None]

    def wanted(self, news: News) -> npt.NDArray[np.bool_]:
        """Return of which signals the samples must be read, for their bounds do not say what they are now."""
        found = np.zeros(len(news.touched), np.bool_)
        at = [self._conditions.position[condition.signal] for condition in self._by_condition]
        found[at] = news.touched[at] & (news.unknown[at] | (news.low[at] != news.high[at]) | self._conditions.texts[at])
        return found

    def look(self, news: News, read: Read, standings: Mapping[AlarmId, Standing]) -> list[Seen]:
        """Return which alarms begin or cease to be suppressed by what is newest."""
        found = []
        for condition, alarms in self._by_condition.items():
            position = self._conditions.position[condition.signal]
            now = self._now(position, news, read)
            if now is None:
                continue
            time_us, value, text = now
            holds = value in condition.values or text in condition.texts
            event = AlarmEvent.SUPPRESS if holds else AlarmEvent.UNSUPPRESS
            shown = None if np.isnan(value) else value
            found += [Seen(a, event, time_us, shown, text, condition.signal) for a in alarms if standings[a].life.suppressed != holds]
        return found

    def _now(self, position: int, news: News, read: Read) -> tuple[int, float, str | None] | None:
        """Return time, value and text of the newest sample of a signal, None where nothing good came."""
        if not news.touched[position]:
            return None
        span = read.series.spans.get(position)
        if span is None:
            return int(news.last_us[position]), float(news.low[position]), None
        for at in range(span[1] - 1, span[0] - 1, -1):
            value = float(read.series.value[at])
            text = None if read.text is None else read.text[at]
            if text is not None or not np.isnan(value):
                return int(read.series.time_us[at]), value, text
        return None


def ends_of_shelving(standings: Iterable[Standing], now_us: int) -> list[Seen]:
    """Return which alarms are shelved no more."""
    return [
        Seen(one.definition.id, AlarmEvent.UNSHELVE, one.life.shelved_until_us, reason="its time is over")
        for one in standings
        if one.life.shelved_until_us is not None and one.life.shelved_until_us <= now_us
    ]
