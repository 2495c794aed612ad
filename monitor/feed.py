"""What followers read of storage: the news of some signals, and their samples only where their bounds do not say enough.

The samples of a signal are judged as they were received. One that is a little older than the newest of its signal came out of order and
is passed by; one that is much older comes from a clock that was set back, and time goes on from there. Both depend on the samples alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.limits import Bools, Bounds, Series, Times
from plant.status import good_mask
from storage.database import Connection
from storage.feed import SampleColumns, Shipped, read_samples

_OUT_OF_ORDER_US: Final = 5_000_000
_ODD_US: Final = 60_000_000
"""A signal whose own time lies so far from the time of reception is read by itself, so that no other is sought in so long a span."""
_MOST_READ: Final = 500
_NO_TIME: Final = np.iinfo(np.int64).min
Positions = npt.NDArray[np.intp]


@dataclass(slots=True)
class FeedState:
    """How far each signal is, as columns; all that a restart needs."""

    after: dict[int, int]
    """For each source, by number, the last shipment that is known."""
    until: dict[int, int]
    """For each source: all samples received before this are known."""
    newest_us: Times
    """Of each signal: its newest time that was judged."""
    received_us: Times
    """Of each signal: when its last sample was received; 0 where none was."""

    @classmethod
    def fresh(cls, signals: int, after: Mapping[int, int]) -> FeedState:
        """Return the state of signals of which nothing is known yet."""
        return cls(dict(after), dict.fromkeys(after, 0), np.full(signals, _NO_TIME), np.zeros(signals, np.int64))


@dataclass(slots=True)
class News:
    """What came of each signal since, as columns over all signals."""

    touched: Bools
    unsure: Bools
    """Of these the bounds do not say enough: their samples must be read."""
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    unknown: Bools
    first_us: Times
    last_us: Times
    first_received_us: Times
    last_received_us: Times

    @classmethod
    def none(cls, signals: int) -> News:
        """Return no news."""
        longest = np.iinfo(np.int64)
        return cls(
            *(np.zeros(signals, np.bool_), np.zeros(signals, np.bool_), np.full(signals, np.inf), np.full(signals, -np.inf)),
            *(np.zeros(signals, np.bool_), np.full(signals, longest.max), np.full(signals, longest.min)),
            *(np.full(signals, longest.max), np.full(signals, longest.min)),
        )

    @property
    def bounds(self) -> Bounds:
        """Between which values they lie."""
        return Bounds(self.low, self.high, self.unknown)


@dataclass(frozen=True, slots=True)
class Read:
    """Samples that were read."""

    series: Series
    text: npt.NDArray[np.object_] | None
    """str or None beside each sample; None where no texts were asked for."""


class SignalFeed:
    """Follows some signals, given by their numbers and those of their sources."""

    def __init__(self, signals: Sequence[int], sources: Sequence[int], state: FeedState) -> None:
        self.signals = np.asarray(signals, np.int32)
        self.sources = np.asarray(sources, np.int32)
        self.state = state
        self.passed_by = 0
        """Samples that came out of order and were not judged."""
        self._position = np.full(int(self.signals.max(initial=0)) + 1, -1, np.intp)
        self._position[self.signals] = np.arange(len(self.signals))

    @property
    def until_us(self) -> Times:
        """Shape (signals,): all samples of the signal that were received before this are known."""
        known = self.state.until
        numbers, inverse = np.unique(self.sources, return_inverse=True)
        return np.array([known.get(int(number), 0) for number in numbers], np.int64)[inverse] if len(numbers) else np.empty(0, np.int64)

    def gather(self, shipped: Sequence[Shipped]) -> News:
        """Take shipments in, each source's in their order, and return what they bring."""
        news = News.none(len(self.signals))
        for one in shipped:
            if one.digest is not None:
                self._digest(one, news)
            elif one.samples:
                self._whole(one, news)
            self.state.after[one.source_id] = one.seq
            self.state.until[one.source_id] = one.until_us
        news.unsure |= news.touched & (news.first_us < self.state.newest_us)
        # what was read ahead of its shipment is not judged twice; a clock of ours that was set back reads nothing ahead
        known = self.state.received_us
        ahead = news.touched & (news.first_received_us <= known) & (news.last_received_us > known - _OUT_OF_ORDER_US)
        news.unsure |= ahead
        news.first_received_us = np.where(ahead, known + 1, news.first_received_us)
        return news

    def read(self, connection: Connection, news: News, wanted: Positions, texts: Bools) -> Read:
        """Return the new samples of some signals in the order of judging, without those to pass by, and move these signals on.

        ``texts``, shape (signals,): of which signals texts are wanted too.
        """
        wanted = wanted[news.touched[wanted]]
        spans: dict[int, tuple[int, int]] = {}
        parts: list[tuple[SampleColumns, Positions]] = []
        end = 0
        for group, with_text in self._groups(news, wanted, texts):
            columns = read_samples(
                connection,
                self.signals[group].tolist(),
                (int(news.first_us[group].min()), int(news.last_us[group].max())),
                (int(news.first_received_us[group].min()), int(news.last_received_us[group].max())),
                texts=with_text,
            )
            for place, position in enumerate(group.tolist()):
                first, last = int(columns.offsets[place]), int(columns.offsets[place + 1])
                kept = first + self._kept(position, columns.time_us[first:last], columns.received_us[first:last], news)
                parts.append((columns, kept))
                spans[position] = (end, end + len(kept))
                end += len(kept)
        return _joined(spans, parts)

    def settle(self, news: News, read: Positions) -> None:
        """Move all signals on that have news and were not read."""
        rest = news.touched.copy()
        rest[read] = False
        self.state.newest_us[rest] = news.last_us[rest]
        self.state.received_us[rest] = news.last_received_us[rest]

    def _digest(self, one: Shipped, news: News) -> None:
        digest = one.digest
        if digest is None:
            return
        ids = digest["signal_id"]
        known = ids < len(self._position)
        at = self._position[np.where(known, ids, 0)]
        mine = known & (at >= 0)
        if not mine.all():
            digest, at = digest[mine], at[mine]
        news.unsure[at] |= digest["mixed"]
        news.unsure[at] |= news.touched[at] & (
            (digest["first_us"] < news.last_us[at]) | (digest["first_received_us"] < news.last_received_us[at])
        )
        news.touched[at] = True
        news.low[at] = np.minimum(news.low[at], digest["low"])
        news.high[at] = np.maximum(news.high[at], digest["high"])
        news.unknown[at] |= digest["unknown"]
        news.first_us[at] = np.minimum(news.first_us[at], digest["first_us"])
        news.last_us[at] = np.maximum(news.last_us[at], digest["last_us"])
        news.first_received_us[at] = np.minimum(news.first_received_us[at], digest["first_received_us"])
        news.last_received_us[at] = np.maximum(news.last_received_us[at], digest["last_received_us"])

    def _whole(self, one: Shipped, news: News) -> None:
        """All signals of a source may have anything in a shipment without a digest."""
        at = np.flatnonzero(self.sources == one.source_id)
        news.touched[at] = news.unsure[at] = news.unknown[at] = True
        news.low[at], news.high[at] = -np.inf, np.inf
        news.first_us[at] = np.minimum(news.first_us[at], one.low_us)
        news.last_us[at] = np.maximum(news.last_us[at], one.high_us)
        news.first_received_us[at] = np.minimum(news.first_received_us[at], np.maximum(one.received_low_us, self.state.received_us[at] + 1))
        news.last_received_us[at] = np.maximum(news.last_received_us[at], one.received_high_us)

    def _groups(self, news: News, wanted: Positions, texts: Bools) -> Iterator[tuple[Positions, bool]]:
        odd = (news.first_us[wanted] < news.first_received_us[wanted] - _ODD_US) | (
            news.last_us[wanted] > news.last_received_us[wanted] + _ODD_US
        )
        for with_text in (False, True):
            usual = wanted[~odd & (texts[wanted] == with_text)]
            for n in range(0, len(usual), _MOST_READ):
                yield usual[n : n + _MOST_READ], with_text
        for position in wanted[odd]:
            yield np.array([position], np.intp), bool(texts[position])

    def _kept(self, position: int, time_us: Times, received_us: Times, news: News) -> Positions:
        """Return which samples of a signal to judge, and move it on."""
        inside = (received_us >= news.first_received_us[position]) & (received_us <= news.last_received_us[position])
        chosen = np.flatnonzero(inside)
        if not len(chosen):
            return chosen
        times = time_us[chosen]
        newest = int(self.state.newest_us[position])
        if times[0] < newest or bool((np.diff(times) < 0).any()):
            keep = []
            for place, time in zip(chosen.tolist(), times.tolist(), strict=True):
                if time < newest <= time + _OUT_OF_ORDER_US:
                    self.passed_by += 1
                    continue
                newest = time
                keep.append(place)
            chosen = np.array(keep, np.intp)
        else:
            newest = int(times[-1])
        self.state.newest_us[position] = newest
        self.state.received_us[position] = max(int(self.state.received_us[position]), int(received_us[inside].max()))
        return np.asarray(chosen, np.intp)


def _joined(spans: Mapping[int, tuple[int, int]], parts: Sequence[tuple[SampleColumns, Positions]]) -> Read:
    if not parts:
        none = np.empty(0, np.int64)
        return Read(Series(spans, none, none, np.empty(0, np.float64)), None)
    time_us, received_us, value, status = (
        np.concatenate([getattr(columns, name)[kept] for columns, kept in parts]) for name in ("time_us", "received_us", "value", "status")
    )
    text = None
    if any(columns.text is not None for columns, _ in parts):
        texts = [np.full(len(kept), None, np.object_) if columns.text is None else columns.text[kept] for columns, kept in parts]
        text = np.concatenate(texts)
        text[~good_mask(status)] = None
    return Read(Series(spans, time_us, received_us, value), text)
