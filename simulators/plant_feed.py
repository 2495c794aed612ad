"""The reference line as a device: values of many scans computed at once, handed out one by one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from simulators.feed import Scan, Variable, texts_of
from simulators.fleet import Fleet

Touch = Callable[[Fleet, npt.NDArray[np.int64], npt.NDArray[np.float64]], None]
"""Changes what a fleet tells at some instants, in place."""
SCAN_US = 30_000
_AHEAD = 32
"""Scans computed at once: numpy's cost for each call is spread over them."""
_MOST_MISSED = 1000
"""Scans gone through after a standstill; a real controller does not catch up for ever either."""


class PlantFeed:
    """The values of some fleets, new at each scan on the grid of whole scans since 1970."""

    def __init__(self, fleets: Sequence[Fleet], scan_us: int = SCAN_US, touch: Touch | None = None) -> None:
        self.fleets = tuple(fleets)
        self._touch = touch
        self.scan_us = scan_us
        self.variables: tuple[Variable, ...] = tuple(variable for fleet in fleets for variable in fleet.variables())
        self._texts = texts_of(self.variables)
        self._words = [signal.text for fleet in fleets for _ in fleet.paths for signal in fleet.kind.signals if signal.data_type.is_text]
        self._first = 0
        self._number: npt.NDArray[np.float64] = np.empty((0, 0))
        self._status: npt.NDArray[np.uint32] = np.empty((0, 0), np.uint32)
        self._codes: list[list[float]] = []
        self._latest: tuple[int, Scan] | None = None
        self._read_as: tuple[list[float], list[str]] = ([], [])

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:  # noqa: ARG002
        """Return the scan that is current; a Read between two scans meets the earlier one."""
        return self.at(now_us // self.scan_us)

    def forget(self, reader: Hashable) -> None:
        """Sessions leave no trace here."""

    def scans(self, after_us: int, until_us: int) -> Iterable[Scan]:
        """Return each scan in (after, until], oldest first."""
        last = until_us // self.scan_us
        first = max(after_us // self.scan_us + 1, last - _MOST_MISSED)
        return (self.at(number) for number in range(first, last + 1))

    def at(self, number: int) -> Scan:
        """Return the scan with a number, counted since 1970."""
        if self._latest is not None and self._latest[0] == number:
            return self._latest[1]
        row = number - self._first
        if not 0 <= row < len(self._number):
            self._compute(number)
            row = 0
        time_us = number * self.scan_us
        scan = Scan(time_us, time_us, self._number[row], self._text(self._codes[row]), self._status[row])
        self._latest = (number, scan)
        return scan

    def _compute(self, first: int) -> None:
        time_us = np.arange(first, first + _AHEAD, dtype=np.int64) * self.scan_us
        parts = [fleet.values(time_us) for fleet in self.fleets]
        if self._touch is not None:
            for fleet, (number, _) in zip(self.fleets, parts, strict=True):
                self._touch(fleet, time_us, number)
        self._first = first
        self._number = np.concatenate([number for number, _ in parts], axis=1)
        self._status = np.concatenate([status for _, status in parts], axis=1)
        self._codes = self._number[:, self._texts].tolist()

    def _text(self, codes: list[float]) -> list[str]:
        before, texts = self._read_as
        if codes != before:
            texts = [text if old == new else self._word(place, new) for place, (text, old, new) in enumerate(self._changes(codes))]
            self._read_as = (codes, texts)
        return texts

    def _changes(self, codes: list[float]) -> Iterable[tuple[str, float | None, float]]:
        before, texts = self._read_as
        if len(before) != len(codes):
            return (("", None, new) for new in codes)
        return zip(texts, before, codes, strict=True)

    def _word(self, place: int, code: float) -> str:
        word = self._words[place]
        return "" if word is None else word(int(code))
