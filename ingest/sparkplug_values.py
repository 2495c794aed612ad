"""What is kept of Sparkplug values: store rules, births that vouch for what is stored, and values that nobody vouches for any more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.deadbands import widths_of
from plant.samples import FLAG_HISTORICAL, FLAG_TIME_NOT_OF_SOURCE, NO_TIME, SampleBatch
from plant.signals import Signal, StoreRule
from plant.status import BAD, BAD_NO_COMMUNICATION, SEVERITY_MASK
from protocols.sparkplug_tables import Samples


class SparkplugTable:
    """The values that came since the last record. ``last_us``: the source times stored before, NO_TIME where there are none."""

    def __init__(self, signals: Sequence[Signal], last_us: Sequence[int]) -> None:
        self.paths = tuple(signal.path for signal in signals)
        self._change = [signal.store is StoreRule.ON_CHANGE for signal in signals]
        self._last_us = list(last_us)
        self._last: dict[int, tuple[float, str | None, int]] = {}
        self._widths = widths_of(signals)
        self._kept: dict[int, tuple[float, int]] = {}
        # until a birth says so, nobody knows whether what was stored last is still true
        self._stale_us: list[int | None] = [0] * len(signals)
        self._any_rule = any(self._change) or self._widths is not None
        self._gathered = _Gathered()

    def __len__(self) -> int:
        return len(self._gathered.place)

    def forget(self, last_us: Sequence[int]) -> None:
        """Take these as the stored times: a record could not be kept."""
        self._last_us = list(last_us)
        self._last.clear()
        self._kept.clear()
        self._stale_us = [0] * len(self.paths)

    def take(self, samples: Samples, now_us: int) -> Kept:
        """Keep what is new of one message."""
        kept = Kept()
        if not self._any_rule and not samples.birth and not any(samples.historical):
            self._take_all(samples, now_us)
            kept.stored = len(samples)
            return kept
        for n, place in enumerate(samples.place):
            time_us, own, historical = samples.time_us[n], samples.own_time[n], samples.historical[n]
            if samples.birth:
                moment = self._vouched(place, time_us, samples.sent_us, now_us, own=own)
                if moment is None:
                    kept.duplicate += 1
                    continue
                time_us, own = moment
            number, text, status = samples.value[n], samples.text[n], samples.status[n]
            has = samples.has_value[n]
            if not historical and (
                (self._change[place] and not self._changed(place, number, text, status))
                or (self._widths is not None and self._near(place, number, status, has=has))
            ):
                kept.filtered += 1
                continue
            self._gathered.put(place, time_us, now_us, number, text, status, own=own, has=has, historical=historical)
            kept.stored += 1
            if not historical:
                self._stale_us[place] = None
                if own:
                    self._last_us[place] = max(time_us, self._last_us[place])
        return kept

    def after_gap(self) -> None:
        """Be told that messages are missing: the next value of each signal passes its deadband."""
        self._kept.clear()

    def spoil(self, places: Iterable[int], at_us: int, now_us: int) -> int:
        """Mark signals as not known any more; return how many samples that makes."""
        count = 0
        for place in places:
            if self._stale_us[place] is not None and self._stale_us[place] != 0:
                continue
            time_us = max(at_us, self._last_us[place] + 1) if self._last_us[place] <= now_us else at_us
            self._gathered.put(place, time_us, now_us, math.nan, None, BAD_NO_COMMUNICATION, own=False, has=False, historical=False)
            self._stale_us[place] = time_us
            self._last.pop(place, None)
            self._kept.pop(place, None)
            count += 1
        return count

    def harvest(self) -> SampleBatch:
        """Return what was gathered, in the order it came, and start afresh."""
        found, self._gathered = self._gathered, _Gathered()
        n = len(found.place)
        text = None
        if found.any_text:
            text = np.empty(n, np.object_)
            text[:] = found.text
        return SampleBatch(
            self.paths,
            np.array(found.place, np.int32),
            np.array(found.time_us, np.int64),
            np.full(n, NO_TIME),
            np.array(found.received_us, np.int64),
            np.array(found.value, np.float64),
            np.array(found.has_value, np.bool_),
            np.array(found.status, np.uint32),
            np.array(found.flags, np.int16),
            text,
        )

    def _take_all(self, samples: Samples, now_us: int) -> None:
        """Keep all of a message: the usual case."""
        self._gathered.extend(samples, now_us)
        last_us, stale_us = self._last_us, self._stale_us
        for place, time_us, own in zip(samples.place, samples.time_us, samples.own_time, strict=True):
            stale_us[place] = None
            if own and time_us > last_us[place]:
                last_us[place] = time_us

    def _vouched(self, place: int, time_us: int, sent_us: int, now_us: int, *, own: bool) -> tuple[int, bool] | None:
        """Return time of a value that a birth tells, and whether it is the sender's; None where it tells nothing new.

        A birth says that its values are true when it is sent: where a signal was stale, that is news even for an old value.
        """
        last_us, stale_us = self._last_us[place], self._stale_us[place]
        if own and time_us > max(last_us, stale_us or 0):
            return time_us, True
        if stale_us is None:
            return None if own and time_us <= last_us else (time_us, own)
        if sent_us > max(last_us, stale_us):
            return sent_us, True
        return max(now_us, stale_us + 1), False

    def _near(self, place: int, number: float, status: int, *, has: bool) -> bool:
        """Return whether a value lies within the deadband of the last one stored; remember it where it does not. See ``deadbands``."""
        width, before = math.nan if self._widths is None else float(self._widths[place]), self._kept.get(place)
        if math.isnan(width):
            return False
        if has and before is not None and status == before[1] and status & SEVERITY_MASK != BAD:
            near = number == before[0] or abs(number - before[0]) <= width or (math.isnan(number) and math.isnan(before[0]))
            if near:
                return True
        if has:
            self._kept[place] = (number, status)
        else:
            self._kept.pop(place, None)
        return False

    def _changed(self, place: int, number: float, text: str | None, status: int) -> bool:
        value = (number, text, status)
        before = self._last.get(place)
        if before is not None and before[1:] == value[1:] and number.hex() == before[0].hex():
            return False
        self._last[place] = value
        return True


@dataclass(slots=True)
class Kept:
    """What became of the values of one message."""

    stored: int = 0
    filtered: int = 0
    duplicate: int = 0


@dataclass(slots=True)
class _Gathered:
    place: list[int] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    has_value: list[bool] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    any_text: bool = False

    def put(
        self,
        place: int,
        time_us: int,
        received_us: int,
        value: float,
        text: str | None,
        status: int,
        *,
        own: bool,
        has: bool,
        historical: bool,
    ) -> None:
        self.place.append(place)
        self.time_us.append(time_us)
        self.received_us.append(received_us)
        self.value.append(value)
        self.has_value.append(has)
        self.text.append(text)
        self.status.append(status)
        self.flags.append((0 if own else FLAG_TIME_NOT_OF_SOURCE) | (FLAG_HISTORICAL if historical else 0))
        self.any_text = self.any_text or text is not None

    def extend(self, samples: Samples, received_us: int) -> None:
        """Add all values of a message, none of them history."""
        self.place += samples.place
        self.time_us += samples.time_us
        self.received_us += [received_us] * len(samples)
        self.value += samples.value
        self.has_value += samples.has_value
        self.text += samples.text
        self.status += samples.status
        self.flags += [0 if own else FLAG_TIME_NOT_OF_SOURCE for own in samples.own_time]
        self.any_text = self.any_text or any(text is not None for text in samples.text)
