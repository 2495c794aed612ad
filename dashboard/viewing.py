"""From what storage returns to what people and programs see: pure functions; no NaN, infinity or NO_TIME gets past here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard import states, views
from dashboard.reading import SILENT_AFTER_US, Read
from plant import status as statuses
from plant.ledger import Gap, LedgerLine, percentile_us
from plant.samples import NO_TIME
from storage.audit import AuditEntry
from storage.catalogue import SignalRow
from storage.health import SourceReport
from storage.leases import Holding
from storage.login_sessions import OpenSession
from storage.people import AccessToken, Account
from storage.windows import Window

MOST_EXCEPTIONS = 200


def plain(view: Any) -> dict[str, Any]:
    """Return a view as a dict."""
    return dataclasses.asdict(view)


def number(value: float) -> float | None:
    """Return a number that JSON can say, else None."""
    return value if np.isfinite(value) else None


def number_and_text(value: float, has_value: bool, text: str | None) -> tuple[float | None, str | None]:
    """Return (number, text): a measured NaN or infinity is said in words."""
    if not has_value:
        return None, text
    if np.isfinite(value):
        return value, text
    return None, "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Return a column with None where there is no finite number."""
    column: list[float | None] = values.tolist()
    for position in np.flatnonzero(~np.isfinite(values)):
        column[position] = None
    return column


def times(values: npt.NDArray[np.int64]) -> list[int | None]:
    """Return a column of times with None for NO_TIME."""
    return [None if value == NO_TIME else value for value in values.tolist()]


def equipment(read: Read) -> list[views.EquipmentView]:
    """Return all equipment, parents before children, with states."""
    return [
        views.EquipmentView(
            str(row.id),
            row.name,
            row.kind,
            row.level.value,
            None if row.parent is None else str(row.parent),
            int(read.signals[n]),
            int(read.exceptions[n]),
            int(states.SEVERITY_OF_CODE[read.worst[n]]),
            states.STATES[read.worst[n]],
        )
        for n, row in enumerate(read.plan.equipment)
    ]


def signal(row: SignalRow) -> views.SignalView:
    """Return one signal as configured."""
    span = row.range
    return views.SignalView(
        row.id,
        str(row.path),
        str(row.equipment),
        row.name,
        row.data_type.value,
        row.unit,
        str(row.source),
        row.address,
        row.interval_us,
        None if span is None else number(span.low),
        None if span is None else number(span.high),
        row.limits.low_low,
        row.limits.low,
        row.limits.high,
        row.limits.high_high,
        row.description,
        row.retired,
    )


def latest(read: Read, position: int) -> views.LatestView:
    """Return the newest value of the signal at a position of the plan."""
    newest = read.newest
    value, text = number_and_text(float(newest.value[position]), bool(newest.has_value[position]), newest.text[position])
    status = int(newest.status[position])
    state = states.STATES[newest.state[position]]
    time_us, received_time_us = times(np.array([newest.time_us[position], newest.received_time_us[position]]))
    known = time_us is not None
    return views.LatestView(
        int(read.plan.ids[position]),
        time_us,
        received_time_us,
        value,
        text,
        status,
        statuses.describe(status) if known else "",
        bool(known and statuses.is_good(status)),
        state,
        views.SEVERITY[state],
    )


def exceptions(read: Read, most: int = MOST_EXCEPTIONS) -> list[views.ExceptionView]:
    """Return the signals that are not normal, the worst and then the newest first."""
    severity = states.SEVERITY_OF_CODE[read.newest.state]
    chosen = np.flatnonzero(severity > 0)
    order = chosen[np.lexsort((-read.newest.time_us[chosen], -severity[chosen].astype(np.int64)))][:most]
    found = []
    for position in order.tolist():
        row, value = read.plan.signals[position], latest(read, position)
        found.append(
            views.ExceptionView(
                row.id, str(row.path), str(row.equipment), value.state, value.severity, value.value, row.unit, value.time_us
            )
        )
    return found


def window(signal_id: int, stored: Window, gap_times_us: Sequence[int]) -> views.WindowView:
    """Return a window as columns of plain values, with a row of nulls where a gap begins."""
    columns = [
        stored.time_us.tolist(),
        *(numbers(c) for c in (stored.low, stored.high, stored.mean, stored.first, stored.last)),
        stored.count.tolist(),
        stored.good_count.tolist(),
    ]
    if gap_times_us:
        breaks = np.unique(np.array(gap_times_us, np.int64))
        for position, time in reversed(list(zip(np.searchsorted(stored.time_us, breaks).tolist(), breaks.tolist(), strict=True))):
            for column, value in zip(columns, (time, None, None, None, None, None, 0, 0), strict=True):
                column.insert(position, value)
    return views.WindowView(signal_id, stored.resolution, *columns)


def gap(stored: Gap) -> views.GapView:
    """Return a gap."""
    path = None if stored.signal is None else str(stored.signal)
    return views.GapView(str(stored.source), stored.from_us, stored.to_us, stored.count, stored.reason.value, path, stored.detail)


def ledger(line: LedgerLine, *, whole: bool) -> views.LedgerView:
    """Return a line of the ledger; ``whole`` says that it sums a span."""
    c = line.counts
    return views.LedgerView(
        str(line.source),
        None if whole else line.minute_us,
        line.complete,
        c.expected,
        c.stored,
        c.unchanged,
        c.filtered,
        c.duplicate,
        c.rejected,
        c.gap,
        c.unexplained(),
        line.ticks,
        percentile_us(line.lateness, 0.5),
        percentile_us(line.lateness, 0.99),
    )


def _held(holding: Holding | None) -> tuple[str | None, bool, tuple[str, ...], int | None, int]:
    if holding is None:
        return None, False, (), None, 0
    return holding.gateway, holding.holds, holding.standby, holding.return_us, holding.fenced


def sources(read: Read, editable: frozenset[str]) -> list[views.SourceView]:
    """Return all sources by name; ``editable`` names those that the dashboard may change."""
    counts: dict[str, int] = {}
    for given in read.plan.signals:
        counts[str(given.source)] = counts.get(str(given.source), 0) + 1
    urls = {str(row.id): row.url for row in read.plan.sources}
    found = []
    for row in sorted(read.plan.sources, key=lambda s: s.id):
        name = str(row.id)
        report = read.sources.get(name)
        # where a broker spreads the messages of one source over several readers, the signals stand with the first
        first = f"{name.rpartition('-')[0]}-1"
        if report is not None and not report.complete and urls.get(first) == row.url:
            counts.setdefault(name, counts.get(first, 0))
        silent = report is None or read.read_us - report.updated_us > SILENT_AFTER_US
        r = report or SourceReport(
            row.id, "stopped", "", 0, row.interval_us or None, None, None, None, None, 0, None, 0, 0, 0, row.insecure, True, 0
        )
        state = "silent" if silent else r.state
        severity = {"connected": 0, "connecting": 1, "stopped": 1, "silent": 2, "away": 2, "refused": 2}[state]
        found.append(
            views.SourceView(
                name,
                row.protocol,
                row.url,
                row.insecure,
                counts.get(name, 0),
                name in editable,
                state,
                r.detail if report is not None else "no ingest process has reported on it yet",
                r.since_us or None,
                r.requested_us,
                r.granted_us,
                r.achieved_us,
                r.lateness_p50_us,
                r.lateness_p99_us,
                r.missed_ticks,
                r.last_sample_us,
                r.in_spool,
                r.spool_bytes,
                r.reconnects,
                r.complete,
                r.updated_us or None,
                severity,
                r.real_time,
                *_held(read.holdings.get(name)),
            )
        )
    return found


def processes(read: Read) -> list[views.ProcessView]:
    """Return the processes of Leadhand by name."""
    return [views.ProcessView(p.name, p.state, p.pid, p.since_us, p.restarts, p.last_exit, p.updated_us) for p in read.processes]


def storage(read: Read) -> views.StorageView:
    """Return the state of the database."""
    s = read.storage
    tiers = tuple(views.TierView(t.tier, t.oldest_us, t.newest_us, t.size_bytes) for t in s.tiers)
    return views.StorageView(s.database_bytes, s.budget_bytes, s.rollup_lag_us, s.is_timescale, tiers)


def account(stored: Account, now_us: int) -> views.AccountView:
    """Return an account."""
    return views.AccountView(
        stored.name,
        stored.full_name,
        stored.role.value,
        stored.password_is_first,
        stored.disabled,
        stored.locked_until_us > now_us,
        stored.created_us,
        stored.by_provider,
        stored.locked_until_us if stored.locked_until_us > now_us else None,
        stored.last_login_us,
    )


def session(stored: OpenSession, own: int) -> views.SessionView:
    """Return a session; ``own``: the number of the one that asks."""
    return views.SessionView(**dataclasses.asdict(stored), own=stored.id == own)


def token(stored: AccessToken) -> views.TokenView:
    """Return a token without its secret."""
    scopes = tuple(sorted(s.value for s in stored.scopes))
    return views.TokenView(
        *(stored.id, stored.name, scopes, stored.created_by, stored.created_us, stored.expires_us, stored.revoked_us, stored.work_units)
    )


def audit(entry: AuditEntry) -> views.AuditView:
    """Return an entry of the audit."""
    return views.AuditView(entry.id, entry.time_us, entry.actor, entry.act, entry.subject, entry.previous, entry.next, entry.address)
