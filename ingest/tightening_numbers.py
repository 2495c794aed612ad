"""Which tightenings and curves of a controller have come: by their ids, which rise by one, and where the spool stands with them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ingest.records import SourceState
from plant.tightening import TighteningResult, TighteningTrace, TraceKind
from protocols.open_protocol_results import MOST_ID

_RECENT: Final = 5000
_MOST_SYNC: Final = 65_535


class TighteningNumbers:
    """The numbers of one controller. ``multiple``: results of all spindles at once are numbered on their own, up to 65,535.

    ``shared``: others count on the same numbers, so that a missing one tells nothing.
    """

    def __init__(self, *, multiple: bool, shared: bool) -> None:
        self._most = _MOST_SYNC if multiple else MOST_ID
        self._shared = shared
        self.last: int | None = None
        self.last_us = 0
        self._last_traces: dict[str, int] = {}
        """Id and time of the last trace of each kind."""
        self._recent: OrderedDict[tuple[int, int, str], None] = OrderedDict()

    @property
    def to_keep(self) -> tuple[tuple[str, int], ...]:
        """What a record's mark remembers of them."""
        numbers = () if self.last is None else (("tightening", self.last), ("time", self.last_us))
        return (*numbers, *self._last_traces.items())

    def restore(self, state: SourceState | None) -> None:
        """Go back to what the spool knows."""
        self._recent.clear()
        known = {} if state is None else state.sequences
        self._last_traces = {name: number for name, number in known.items() if name.removesuffix(" time") in set(TraceKind)}
        self.last, self.last_us = known.get("tightening"), known.get("time", 0) if "tightening" in known else 0

    def knows(self, result: TighteningResult) -> bool:
        """Return whether a result came before: its number is not new, and neither is its time."""
        if (result.tightening_id, result.time_us, str(result.spindle)) in self._recent:
            return True
        if self.last is None or self._shared:
            return False
        return result.tightening_id <= self.last and result.time_us <= self.last_us and not self._gone_round(self.last, result)

    def knows_trace(self, trace: TighteningTrace) -> bool:
        """Return whether a trace came before."""
        key, last = _key(trace), self._last_traces
        # one trace at a time waits for its acknowledgement, so after a restart only the last one can come again
        return key in self._recent or (last.get(key[2]), last.get(f"{key[2]} time")) == key[:2]

    def missing_before(self, result: TighteningResult) -> range | None:
        """Return the numbers between the last result and this one, None where the numbering began anew."""
        last, number = self.last, result.tightening_id
        if last is None or self._shared:
            return range(0)
        if number > last:
            return range(last + 1, number)
        if self._gone_round(last, result):
            # after the most comes 0 or 1
            return range(1, number) if number > 1 else range(0)
        return None

    def remember(self, result: TighteningResult) -> None:
        """Take a result as the last one."""
        self._note((result.tightening_id, result.time_us, str(result.spindle)))
        self.last, self.last_us = result.tightening_id, max(result.time_us, 0)

    def remember_trace(self, trace: TighteningTrace) -> None:
        """Take a trace as the last one of its kind."""
        self._note(_key(trace))
        self._last_traces |= {trace.kind.value: trace.tightening_id, f"{trace.kind.value} time": trace.time_us}

    def _gone_round(self, last: int, result: TighteningResult) -> bool:
        return last > self._most - self._most // 100 and result.tightening_id < self._most // 100

    def _note(self, key: tuple[int, int, str]) -> None:
        self._recent[key] = None
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)


def _key(trace: TighteningTrace) -> tuple[int, int, str]:
    return trace.tightening_id, trace.time_us, trace.kind.value
