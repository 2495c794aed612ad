"""One read of the database, shared by all clients: the catalogue, newest values with their states, sources and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt

from dashboard import states
from plant.samples import NO_TIME
from plant.signals import SignalPath
from storage import alarms, andon_calls, catalogue, health, latest, leases, ledger, windows
from storage.database import Connection

SILENT_AFTER_US = 10_000_000
"""A source whose ingest process has not reported for so long is silent; which values are stale the database says."""


_CATALOGUE_EVERY = 10
"""Reads between two looks at the catalogue and at the storage itself, which change rarely."""
FIRST_SPAN_US = 60_000_000
"""How far back a live trend reaches when it is first asked for."""
_LONGEST_NEWS_US = 120_000_000
_POINTS = 4_000
_COLUMNS = tuple(column.name for column in fields(windows.Window) if column.name != "resolution")


class Plan:
    """The catalogue as columns, with positions in place of names; made anew when the catalogue changes."""

    def __init__(self, rows: catalogue.Catalogue) -> None:
        self.rows = rows
        self.signals = tuple(s for s in rows.signals if not s.retired)
        self.signal_by_id = {s.id: s for s in self.signals}
        self.signal_by_path: dict[SignalPath, catalogue.SignalRow] = {s.path: s for s in self.signals}
        self.position = {s.id: n for n, s in enumerate(self.signals)}
        self.equipment = rows.equipment
        self.node = {e.id: n for n, e in enumerate(rows.equipment)}
        self.parent = np.array([-1 if e.parent is None else self.node[e.parent] for e in rows.equipment], np.intp)
        self.node_of_signal = np.array([self.node[s.equipment] for s in self.signals], np.intp)
        self.sources = tuple(s for s in rows.sources if not s.retired)
        source = {s.id: n for n, s in enumerate(self.sources)}
        self.source_of_signal = np.array([source.get(s.source, -1) for s in self.signals], np.intp)
        limits = [(s.limits.low_low, s.limits.low, s.limits.high, s.limits.high_high) for s in self.signals]
        self.limits = np.array([[np.nan if v is None else v for v in four] for four in limits], np.float64).reshape(-1, 4)
        self.ids = np.array([s.id for s in self.signals], np.int64)
        self._order = np.argsort(self.ids)

    def positions(self, ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return the position of each signal number, shape (n,), and where there is such a signal at all."""
        if not len(self.ids):
            return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
        at = np.searchsorted(self.ids, ids, sorter=self._order).clip(max=len(self.ids) - 1)
        found = self._order[at]
        return found, self.ids[found] == ids


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of each signal of the plan, as columns of equal length in the plan's order."""

    time_us: npt.NDArray[np.int64]
    received_time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    has_value: npt.NDArray[np.bool_]
    status: npt.NDArray[np.uint32]
    text: npt.NDArray[np.object_]
    state: npt.NDArray[np.int8]
    """Codes of ``dashboard.states.STATES``."""


@dataclass(frozen=True, slots=True)
class News:
    """New values of one signal: its window since the last read, and the gaps within. ``first`` says that nothing was sent before."""

    window: windows.Window
    gap_times_us: tuple[int, ...]
    first: bool


@dataclass(frozen=True, slots=True)
class Read:
    """One read of the database."""

    number: int
    read_us: int
    plan: Plan
    newest: Newest
    worst: npt.NDArray[np.int8]
    """Per equipment the code of the worst state at or below it."""
    signals: npt.NDArray[np.int64]
    exceptions: npt.NDArray[np.int64]
    sources: Mapping[str, health.SourceReport]
    processes: tuple[health.ProcessReport, ...]
    storage: health.StorageState
    news: Mapping[int, News]
    holdings: Mapping[str, leases.Holding] = field(default_factory=dict)
    """Which gateway reads each source."""
    alarms: tuple[alarms.Standing, ...] = ()
    """Those that are not normal, the most urgent first, then the newest."""
    calls: tuple[andon_calls.Call, ...] = ()
    """Of people at stations, that are not done; the oldest first."""


class Reader:
    """Reads the database for all; keeps the catalogue between reads and how far each watched signal was read. One thread uses it."""

    def __init__(self) -> None:
        self._number = 0
        self._plan: Plan | None = None
        self._storage: health.StorageState | None = None
        self._read_to: dict[int, int] = {}

    def read(self, connection: Connection, watched: frozenset[int], now_us: int) -> Read:
        """Return the state of everything now, and what is new of the watched signals. Raises Unavailable."""
        due = self._number % _CATALOGUE_EVERY == 0
        newest = latest.read_latest(connection)
        plan = self._plan
        if plan is None or due or not plan.positions(newest.signal_id)[1].all():
            rows = catalogue.read_catalogue(connection)
            plan = self._plan = plan if plan is not None and plan.rows == rows else Plan(rows)
        if self._storage is None or due:
            self._storage = health.read_storage_state(connection)
        sources = {str(report.source): report for report in health.read_sources(connection)}
        processes = tuple(health.read_processes(connection))
        columns = _columns(plan, newest)
        worst, signals, exceptions = states.raise_up(columns.state, plan.node_of_signal, plan.parent)
        holdings = {str(holding.source): holding for holding in leases.read_holdings(connection)}
        news = self._news(connection, plan, columns, watched, now_us)
        standing = tuple(alarms.read_standings(connection, annunciated=True))
        calls = andon_calls.read_open_calls(connection)
        self._number += 1
        seen = (self._number, now_us, plan, columns, worst, signals, exceptions)
        return Read(*seen, sources, processes, self._storage, news, holdings, standing, calls)

    def _news(self, connection: Connection, plan: Plan, newest: Newest, watched: frozenset[int], now_us: int) -> dict[int, News]:
        self._read_to = {signal: time for signal, time in self._read_to.items() if signal in watched}
        fresh = [s for s in watched if s in plan.position and s not in self._read_to]
        known = [s for s in self._read_to if s in plan.position and newest.time_us[plan.position[s]] > self._read_to[s]]
        found: dict[int, News] = {}
        if fresh:
            found |= self._windows(connection, plan, fresh, now_us - FIRST_SPAN_US, now_us, first=True)
        if known:
            since = max(min(self._read_to[s] for s in known), now_us - _LONGEST_NEWS_US)
            found |= self._windows(connection, plan, known, since, now_us, first=False)
        return found

    def _windows(
        self, connection: Connection, plan: Plan, signals: list[int], from_us: int, now_us: int, *, first: bool
    ) -> dict[int, News]:
        to_us = now_us + FIRST_SPAN_US  # a source's clock may run ahead of ours
        gaps = ledger.read_gaps(connection, from_us, to_us)
        found = {}
        for signal, window in windows.read_window(connection, signals, from_us, to_us, _POINTS).items():
            row, since = plan.signal_by_id[signal], self._read_to.get(signal, from_us - 1)
            chosen = _after(window, since)
            times = tuple(
                max(g.from_us, since + 1)
                for g in gaps
                if g.source == row.source and g.signal in {None, row.path} and g.to_us > since and g.from_us <= now_us
            )
            self._read_to[signal] = int(chosen.time_us[-1]) if len(chosen.time_us) else since
            found[signal] = News(chosen, times, first)
        return found


def _after(window: windows.Window, since: int) -> windows.Window:
    chosen = window.time_us > since
    return replace(window, **{name: getattr(window, name)[chosen] for name in _COLUMNS})


def _columns(plan: Plan, newest: latest.Latest) -> Newest:
    count = len(plan.signals)
    at, ours = plan.positions(newest.signal_id)
    at = at[ours]
    known = np.zeros(count, np.bool_)
    known[at] = True
    time_us, received = np.full(count, NO_TIME, np.int64), np.full(count, NO_TIME, np.int64)
    value, has_value = np.full(count, np.nan), np.zeros(count, np.bool_)
    status, text = np.zeros(count, np.uint32), np.full(count, None, np.object_)
    stale = np.ones(count, np.bool_)
    for column, stored in (
        (time_us, newest.time_us),
        (received, newest.received_time_us),
        (value, newest.value),
        (has_value, newest.has_value),
        (status, newest.status),
        (text, newest.text),
        (stale, newest.stale),
    ):
        column[at] = stored[ours]
    state = states.judge(np.where(has_value, value, np.nan), status, known, ~stale, plan.limits)
    return Newest(time_us, received, value, has_value, status, text, state)
