"""What services return, to REST and to pages alike: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class SignalState(StrEnum):
    """How a signal's newest value stands to its limits and its source."""

    NORMAL = "normal"
    LOW = "low"
    HIGH = "high"
    LOW_LOW = "low_low"
    HIGH_HIGH = "high_high"
    BAD = "bad"
    """Its status is bad: there is no number to trust."""
    UNCERTAIN = "uncertain"
    STALE = "stale"
    """Its source is away or silent: the value was true, it is not known whether it still is."""
    NO_VALUE = "no_value"
    """Nothing was stored of it yet."""


SEVERITY: dict[SignalState, int] = {
    SignalState.NORMAL: 0,
    SignalState.NO_VALUE: 1,
    SignalState.STALE: 1,
    SignalState.UNCERTAIN: 1,
    SignalState.LOW: 2,
    SignalState.HIGH: 2,
    SignalState.BAD: 2,
    SignalState.LOW_LOW: 3,
    SignalState.HIGH_HIGH: 3,
}
"""0 normal, 1 not known for sure (shape, no colour), 2 outside normal, 3 act now."""


@dataclass(frozen=True, slots=True)
class SiteView:
    """The factory."""

    path: str
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class EquipmentView:
    """A node of the hierarchy with the worst state at or below it."""

    id: str
    name: str
    kind: str
    level: str
    parent: str | None
    signals: int
    """How many signals there are at or below it."""
    exceptions: int
    """How many of them are not normal."""
    severity: int
    state: SignalState


@dataclass(frozen=True, slots=True)
class SignalView:
    """One signal as configured."""

    id: int
    path: str
    equipment: str
    name: str
    data_type: str
    unit: str
    source: str
    address: str
    interval_us: int
    range_low: float | None
    range_high: float | None
    low_low: float | None
    low: float | None
    high: float | None
    high_high: float | None
    description: str
    retired: bool


@dataclass(frozen=True, slots=True)
class LatestView:
    """The newest value of one signal."""

    signal: int
    time_us: int | None
    received_time_us: int | None
    value: float | None
    text: str | None
    """A text value; also ``NaN``, ``Infinity`` or ``-Infinity`` where a number was measured that JSON cannot say."""
    status: int
    status_name: str
    good: bool
    state: SignalState
    severity: int


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """A signal that is not normal, for the list of what to look at first."""

    signal: int
    path: str
    equipment: str
    state: SignalState
    severity: int
    value: float | None
    unit: str
    time_us: int | None


@dataclass(frozen=True, slots=True)
class WindowView:
    """Values of one signal over a span as columns of equal length. A row of nulls but for its time breaks the line: there is a gap."""

    signal: int
    resolution: str
    """``raw``, or the width of the rollup: ``1s``, ``1m``, ``1h``."""
    time_us: list[int]
    low: list[float | None]
    high: list[float | None]
    mean: list[float | None]
    first: list[float | None]
    last: list[float | None]
    count: list[int]
    good_count: list[int]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One point of a window, as it stands in files."""

    signal: int
    resolution: str
    time_us: int
    low: float | None
    high: float | None
    mean: float | None
    first: float | None
    last: float | None
    count: int
    good_count: int


def window_rows(windows: list[WindowView]) -> list[WindowRow]:
    """Return windows point by point."""
    return [
        WindowRow(one.signal, one.resolution, *point)
        for one in windows
        for point in zip(one.time_us, one.low, one.high, one.mean, one.first, one.last, one.count, one.good_count, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class TextView:
    """One value of a text signal."""

    time_us: int
    text: str | None
    status: int


@dataclass(frozen=True, slots=True)
class GapView:
    """Samples that could not be taken."""

    source: str
    from_us: int
    to_us: int
    count: int
    reason: str
    signal: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Where the samples of one source went, in one minute or in a whole span (then ``minute_us`` is None)."""

    source: str
    minute_us: int | None
    complete: bool
    expected: int
    stored: int
    unchanged: int
    filtered: int
    duplicate: int
    rejected: int
    gap: int
    unexplained: int
    """What is accounted for nowhere, without what still waits in the spool: 0 when the ledger adds up."""
    ticks: int
    lateness_p50_us: int | None
    lateness_p99_us: int | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source: its settings in short, and how it does."""

    id: str
    protocol: str
    url: str
    insecure: bool
    signals: int
    editable: bool
    """Whether it was made by the dashboard and may be changed here; the others stand in files written by hand."""
    state: str
    """connecting, connected, away, refused, stopped; ``silent`` where the ingest process itself does not report."""
    detail: str
    since_us: int | None
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
    complete: bool
    updated_us: int | None
    severity: int
    real_time: bool | None = None
    """Whether it is read with real-time priority; False where the system does not permit it, None where it is not asked for."""
    gateway: str | None = None
    """Name of the ingest process that reads it; None where none ever did."""
    holds: bool = False
    """Whether that one has a lease in force."""
    standby: tuple[str, ...] = ()
    """Names of those that take over when it falls silent."""
    return_us: int | None = None
    """How often raw samples come to the database; newest values come each second all the same."""
    fenced: int = 0
    """Samples read by a gateway that had lost the source: they are not stored."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process of Leadhand."""

    name: str
    state: str
    pid: int | None
    since_us: int
    restarts: int
    last_exit: int | None
    updated_us: int


@dataclass(frozen=True, slots=True)
class TierView:
    """One resolution kept: since when, until when, how big."""

    name: str
    oldest_us: int | None
    newest_us: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class StorageView:
    """The database."""

    database_bytes: int
    budget_bytes: int | None
    rollup_lag_us: int | None
    is_timescale: bool
    tiers: tuple[TierView, ...]


@dataclass(frozen=True, slots=True)
class ClockView:
    """How old what is shown is."""

    now_us: int
    read_us: int | None
    """When the database was last read with success."""
    database: Literal["ok", "away"]


@dataclass(frozen=True, slots=True)
class FoundVariableView:
    """A variable that an OPC UA server offers."""

    address: str
    browse_path: str
    name: str
    data_type: str | None
    """None where Leadhand cannot store this type."""
    unit: str
    range_low: float | None
    range_high: float | None
    description: str


@dataclass(frozen=True, slots=True)
class CheckView:
    """What checking settings found: no problem, or a sentence for each."""

    problems: tuple[str, ...]
    signals: int
    """How many signals the source would give."""
    toml: str
    """The file as it would be written."""


@dataclass(frozen=True, slots=True)
class MeView:
    """Who asks, and what a token may that asks."""

    name: str
    full_name: str
    role: str | None
    scopes: list[str]
    password_is_first: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """A person who may log in."""

    name: str
    full_name: str
    role: str
    password_is_first: bool
    disabled: bool
    locked: bool
    created_us: int
    by_provider: bool = False
    """Whether the person logs in by the OpenID Connect provider only."""
    locked_until_us: int | None = None
    """After too many wrong passwords."""
    last_login_us: int | None = None


@dataclass(frozen=True, slots=True)
class EndedView:
    """How many sessions were ended."""

    ended: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session that holds now."""

    id: int
    account: str
    created_us: int
    seen_us: int
    address: str
    agent: str
    """What the browser calls itself."""
    by_provider: bool
    own: bool
    """Whether it is the one that asks."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A controller's or program's right."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_us: int
    expires_us: int
    revoked_us: int | None
    work_units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewTokenView:
    """A token just made; its secret is shown this once."""

    token: TokenView
    secret: str


@dataclass(frozen=True, slots=True)
class AuditView:
    """One change: when, by whom, what, and the value before and after."""

    id: int
    time_us: int
    actor: str
    act: str
    subject: str
    previous: Any
    next: Any
    address: str
