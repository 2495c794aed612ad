"""How a source is, as its reader sees it: gathered without locks, reported once a second."""

from __future__ import annotations

from collections import deque

from ingest.records import Record
from plant.ledger import LedgerLine, no_lateness, percentile_us
from plant.signals import SourceId
from storage.health import SourceReport, SourceStateName

_SPAN_RECORDS = 120
_OLDEST_US = 120_000_000


class SourceHealth:
    """What one source's reader tells of it; one thread writes, another reads."""

    def __init__(self, source: SourceId, requested_us: int | None, *, insecure: bool, now_us: int) -> None:
        self.source = source
        self._requested_us = requested_us
        self._insecure = insecure
        self._state: SourceStateName = "connecting"
        self._detail = ""
        self._since_us = now_us
        self._granted_us: int | None = None
        self.granted_us: int | None = None
        """What the source grants where it samples by itself; a cyclic reader's records tell theirs."""
        self._recent: deque[tuple[tuple[LedgerLine, ...], int, int]] = deque(maxlen=_SPAN_RECORDS)
        self._came: deque[tuple[float, int, int]] = deque(maxlen=_SPAN_RECORDS)
        """Samples a signal and their span, of each record of a source that sends by itself."""
        self.missed_ticks = 0
        self.reconnects = 0
        self.last_sample_us: int | None = None
        self.complete = True
        self.real_time: bool | None = None
        self.beats = 0
        """How often the reader showed that it lives; one that never does is not watched for hanging."""

    def beat(self) -> None:
        """Show a sign of life: called by the reader's own thread, each few seconds at least."""
        self.beats += 1

    @property
    def state(self) -> SourceStateName:
        """Where the source stands."""
        return self._state

    def say(self, state: SourceStateName, detail: str, now_us: int) -> bool:
        """Note a state; return whether it is another one than before."""
        changed = state != self._state
        if changed:
            self._since_us = now_us
        self._state, self._detail = state, detail
        return changed

    def note(self, record: Record, from_us: int, to_us: int) -> None:
        """Take in one record: the percentiles are of the last minute or so."""
        self._recent.append((record.ledger, from_us, to_us))
        self._granted_us = record.mark.interval_us or self.granted_us
        if not record.mark.interval_us and record.mark.signals:
            self._came.append((len(record.samples) / record.mark.signals, from_us, to_us))
        if len(record.samples):
            self.last_sample_us = int(record.samples.time_us.max())
        self.complete = all(line.complete for line in record.ledger)

    def report(self, now_us: int, in_spool: int, spool_bytes: int) -> SourceReport:
        """Return the report of this moment."""
        late, ticks, span = no_lateness(), 0, 0
        for ledger, from_us, to_us in list(self._recent):
            made = sum(line.ticks for line in ledger)
            if made and to_us > now_us - _OLDEST_US:
                ticks += made
                span += to_us - from_us
                for line in ledger:
                    late = late + line.lateness
        return SourceReport(
            self.source,
            self._state,
            self._detail,
            self._since_us,
            self._requested_us,
            self._granted_us if self._state == "connected" else None,
            round(span / ticks) if ticks else self._came_each_us(now_us),
            percentile_us(late, 0.5),
            percentile_us(late, 0.99),
            self.missed_ticks,
            self.last_sample_us,
            in_spool,
            spool_bytes,
            self.reconnects,
            self._insecure,
            self.complete,
            now_us,
            self.real_time,
        )

    def _came_each_us(self, now_us: int) -> int | None:
        """Return how far apart the samples of a signal came, silent seconds between records included; None when none came."""
        came = [one for one in list(self._came) if one[2] > now_us - _OLDEST_US]
        samples = sum(count for count, _, _ in came)
        return round((came[-1][2] - came[0][1]) / samples) if samples else None
