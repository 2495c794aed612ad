"""What was stored over a span of time: windows for charts, texts, the ledger and gaps."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import viewing
from dashboard.hub import Hub
from dashboard.views import GapView, LedgerView, TextView, WindowView
from plant.errors import Rejected
from plant.signals import SourceId
from storage import ledger, windows
from storage.database import Pool

MOST_SIGNALS = 50
MOST_POINTS = 10_000
MOST_GAPS = 10_000
_LATENESS_US = 86_400_000_000
_LONGEST_US = 100 * 366 * 86_400_000_000
_LATEST_US = 253_402_300_800_000_000
"""Year 10000: nothing is stored beyond it."""


class HistoryService:
    """Each call reads the database in the calling thread. Raises Rejected for impossible spans, Unavailable while it is away."""

    def __init__(self, pool: Pool, hub: Hub) -> None:
        self._pool, self._hub = pool, hub

    def window(self, signals: Sequence[int], from_us: int, to_us: int, points: int = 1000) -> list[WindowView]:
        """Return each signal's values in [from_us, to_us) as at most about 2 x ``points`` rows, plus a row of nulls at each gap."""
        _check_span(from_us, to_us)
        if not 1 <= points <= MOST_POINTS or not 1 <= len(set(signals)) <= MOST_SIGNALS:
            raise Rejected(f"a window takes 1 to {MOST_SIGNALS} signals and 1 to {MOST_POINTS:,} points")
        plan = self._hub.last_read().plan
        missing = [s for s in signals if s not in plan.signal_by_id]
        if missing:
            raise Rejected(f"there is no signal {missing[0]}")
        with self._pool.connection() as connection:
            stored = windows.read_window(connection, list(dict.fromkeys(signals)), from_us, to_us, points)
            rows = [plan.signal_by_id[s] for s in dict.fromkeys(signals)]
            gaps = {source: ledger.read_gaps(connection, from_us, to_us, source, MOST_GAPS) for source in {row.source for row in rows}}
        found = []
        for row in rows:
            breaks = [max(g.from_us, from_us) for g in gaps[row.source] if g.signal in {None, row.path}]
            found.append(viewing.window(row.id, stored[row.id], breaks))
        return found

    def texts(self, signal: int, from_us: int, to_us: int, most: int = 1000) -> list[TextView]:
        """Return where a text signal changed in [from_us, to_us), oldest first; of more than ``most`` changes the newest."""
        _check_span(from_us, to_us)
        with self._pool.connection() as connection:
            stored = windows.read_texts(connection, signal, from_us, to_us, max(1, min(most, 100_000)))
        return [TextView(t, x, s) for t, x, s in zip(stored.time_us.tolist(), stored.text, stored.status.tolist(), strict=True)]

    def ledger(self, from_us: int, to_us: int, source: str | None = None) -> list[LedgerView]:
        """Return the ledger's lines, one a source and minute. At most 31 days."""
        _check_span(from_us, to_us, 31 * 86_400_000_000)
        with self._pool.connection() as connection:
            lines = ledger.read_ledger(connection, from_us, to_us, None if source is None else SourceId(source))
        return [viewing.ledger(line, whole=False) for line in lines]

    def ledger_totals(self, from_us: int, to_us: int) -> list[LedgerView]:
        """Return the ledger of each source, summed over the span."""
        _check_span(from_us, to_us)
        with self._pool.connection() as connection:
            lines = ledger.read_totals(connection, from_us, to_us)
        return [viewing.ledger(lines[source], whole=True) for source in sorted(lines)]

    def ledger_spans(self, from_us: int, to_us: int, source: str | None = None, width_us: int | None = None) -> list[LedgerView]:
        """Return the ledger of each source in steps of ``width_us``, without it over the whole span; lateness up to a day only."""
        _check_span(from_us, to_us)
        one = None if source is None else SourceId(source)
        with self._pool.connection() as connection:
            if width_us is None and to_us - from_us <= _LATENESS_US:
                lines = list(ledger.read_totals(connection, from_us, to_us).values())
                lines = [line for line in lines if one in {None, line.source}]
            else:
                lines = ledger.read_spans(connection, from_us, to_us, width_us or to_us - from_us, one)
        return [viewing.ledger(line, whole=width_us is None) for line in lines]

    def gaps(self, from_us: int, to_us: int, source: str | None = None, most: int = 1000) -> list[GapView]:
        """Return the gaps that touch the span, the newest first."""
        _check_span(from_us, to_us)
        with self._pool.connection() as connection:
            found = ledger.read_gaps(connection, from_us, to_us, None if source is None else SourceId(source), max(1, min(most, MOST_GAPS)))
        return [viewing.gap(gap) for gap in found]


def _check_span(from_us: int, to_us: int, longest_us: int = _LONGEST_US) -> None:
    if not -_LATEST_US < from_us < to_us < _LATEST_US:
        raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
    if to_us - from_us > longest_us:
        raise Rejected(f"a span may have at most {longest_us // 86_400_000_000} days")
