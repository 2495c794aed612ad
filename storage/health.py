"""How sources, processes and the storage itself are, as they last reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from plant.signals import SourceId
from storage.database import Connection

SourceStateName: TypeAlias = Literal["connecting", "connected", "away", "refused", "stopped"]
ProcessStateName: TypeAlias = Literal["starting", "running", "backing_off", "stopped"]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How one source is, as its reader said last."""

    source: SourceId
    state: SourceStateName
    detail: str
    since_us: int
    requested_us: int | None
    granted_us: int | None
    achieved_us: int | None
    lateness_p50_us: int | None
    lateness_p99_us: int | None
    missed_ticks: int
    last_sample_us: int | None
    in_spool: int
    spool_bytes: int
    reconnects: int
    insecure: bool
    complete: bool
    updated_us: int


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """How one process is, as the one who watches it said last."""

    name: str
    state: ProcessStateName
    pid: int | None
    since_us: int
    restarts: int
    last_exit: int | None
    updated_us: int


@dataclass(frozen=True, slots=True)
class TierState:
    """What one tier (raw, 1s, 1m, 1h) keeps; times are None where it is empty."""

    tier: Literal["raw", "1s", "1m", "1h"]
    oldest_us: int | None
    newest_us: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StorageState:
    """How full the database is and what span it keeps."""

    database_bytes: int
    budget_bytes: int | None
    """None where no upkeep has told one yet."""
    tiers: tuple[TierState, ...]
    rollup_lag_us: int
    """Age of the oldest stored sample that the rollups do not hold yet; 0 where they hold all."""
    is_timescale: bool
    upkeep_us: int | None
    """When upkeep last ran to its end."""


def report_source(connection: Connection, report: SourceReport) -> None:
    """Keep a report in place of the source's last one. Raises Rejected for a source that is not registered."""
    raise NotImplementedError


def read_sources(connection: Connection) -> list[SourceReport]:
    """Return the last report of each source, by name."""
    raise NotImplementedError


def report_process(connection: Connection, report: ProcessReport) -> None:
    """Keep a report in place of the process's last one."""
    raise NotImplementedError


def read_processes(connection: Connection) -> list[ProcessReport]:
    """Return the last report of each process, by name."""
    raise NotImplementedError


def read_storage_state(connection: Connection) -> StorageState:
    """Return how full the database is and what span each tier keeps."""
    raise NotImplementedError
