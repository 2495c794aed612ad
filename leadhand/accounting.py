"""The ledger of promise 1 for people: per source where the samples went, how late they were taken, and whether it adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime

from plant.errors import SettingsError
from plant.ledger import Counts, LedgerLine, percentile_us
from plant.signals import SourceId
from storage.database import Connection
from storage.health import SourceReport, read_sources
from storage.ledger import read_ledger, read_totals

_COUNTED = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True, slots=True)
class Account:
    """What happened to the samples of one source."""

    source: str
    expected: int
    stored: int
    unchanged: int
    filtered: int
    duplicate: int
    rejected: int
    in_spool: int
    gap: int
    unexplained: int
    complete: bool
    """False where the source gives no way to know what was expected."""
    state: str
    requested_us: int | None
    achieved_us: int | None
    lateness_p50_us: int | None
    lateness_p99_us: int | None
    minute_us: int | None = None
    """Start of the minute that it tells of; None for a whole span."""

    def as_json(self) -> dict[str, object]:
        """Return the account for a program."""
        return asdict(self)


def asked_span(since: str | None, until: str | None, hours: float, now_us: int) -> tuple[int, int]:
    """Return [from_us, to_us) of what a person asked for; times without a zone are UTC. Raises SettingsError."""
    to_us = now_us + 60_000_000 if until is None else _time_us(until, "--until")
    from_us = (now_us if until is None else to_us) - round(hours * 3_600_000_000) if since is None else _time_us(since, "--since")
    if from_us >= to_us:
        raise SettingsError("--since must lie before --until")
    return from_us, to_us


def _time_us(words: str, option: str) -> int:
    try:
        time = datetime.fromisoformat(words)
    except ValueError as error:
        raise SettingsError(f"{option}: '{words}' is no time; write it as 2026-11-22T06:00") from error
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def read_minutes(connection: Connection, from_us: int, to_us: int, source: str | None = None) -> list[Account]:
    """Return the account of each source and minute; what waits in a spool stands in the account of the whole span only."""
    lines = read_ledger(connection, from_us, to_us, None if source is None else SourceId(source))
    return [replace(account_of(line.source, line, None), minute_us=line.minute_us) for line in lines]


def read_accounts(connection: Connection, from_us: int, to_us: int, source: str | None = None) -> list[Account]:
    """Return the account of each source over the minutes that start in [from_us, to_us), by name.

    The stored ledger lines travel with the samples, so what still waits in a spool is expected beyond them.
    """
    totals = read_totals(connection, from_us, to_us)
    reports = {report.source: report for report in read_sources(connection)}
    return [account_of(name, totals.get(name), reports.get(name)) for name in sorted({*totals, *reports}) if source in {None, name}]


def account_of(source: SourceId, line: LedgerLine | None, report: SourceReport | None) -> Account:
    """Return one source's account from its ledger and its last report."""
    counts = Counts() if line is None else line.counts
    in_spool = 0 if report is None else report.in_spool
    return Account(
        source=source,
        expected=counts.expected + in_spool,
        stored=counts.stored,
        unchanged=counts.unchanged,
        filtered=counts.filtered,
        duplicate=counts.duplicate,
        rejected=counts.rejected,
        in_spool=in_spool,
        gap=counts.gap,
        unexplained=counts.unexplained(),
        complete=line is None or line.complete,
        state="unknown" if report is None else report.state,
        requested_us=None if report is None else report.requested_us,
        achieved_us=None if report is None else report.achieved_us,
        lateness_p50_us=None if line is None else percentile_us(line.lateness, 0.5),
        lateness_p99_us=None if line is None else percentile_us(line.lateness, 0.99),
    )


def minus(after: Counts, before: Counts) -> Counts:
    """Return what was added to counts between two looks."""
    return Counts(*(getattr(after, name) - getattr(before, name) for name in _COUNTED))


def table(accounts: list[Account]) -> str:
    """Return the accounts as aligned lines for a person."""
    timed = any(account.minute_us is not None for account in accounts)
    head = (*(("minute",) if timed else ()), "source", *_COUNTED[:-1], "in_spool", "gap", "unexplained", "late p50", "late p99", "achieved")
    rows = [head]
    for account in accounts:
        counted = [f"{getattr(account, name):,}" for name in (*_COUNTED[:-1], "in_spool", "gap", "unexplained")]
        late = [_milliseconds(us) for us in (account.lateness_p50_us, account.lateness_p99_us, account.achieved_us)]
        minute = (datetime.fromtimestamp((account.minute_us or 0) / 1e6, UTC).strftime("%Y-%m-%d %H:%M"),) if timed else ()
        rows.append((*minute, account.source + ("" if account.complete else " (completeness unknown)"), *counted, *late))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    words = 2 if timed else 1
    return "\n".join("  ".join([*map(str.ljust, row[:words], widths), *map(str.rjust, row[words:], widths[words:])]) for row in rows)


def conclusion(accounts: Sequence[Account], minutes: Sequence[Account]) -> str:
    """Return one sentence: whether it adds up, and what to do where it does not."""
    if not accounts:
        return "Nothing was expected in this span: no source was read. 'leadhand status' tells what runs."
    wrong = [account for account in (*minutes, *accounts) if account.unexplained]
    if wrong:
        first = wrong[0]
        when = "" if first.minute_us is None else datetime.fromtimestamp(first.minute_us / 1e6, UTC).strftime(" at %Y-%m-%d %H:%M")
        return (
            f"It does not add up: {first.unexplained:,} samples of {first.source}{when} are unexplained, which is a fault of Leadhand. "
            f"See 'leadhand ledger --minutes --source {first.source}', keep the logs below the home folder, and report it."
        )
    gap, waiting = sum(account.gap for account in accounts), sum(account.in_spool for account in accounts)
    told = "It adds up: every sample that was expected is stored or accounted for."
    if gap:
        told += f" {gap:,} could not be taken; the page Ledger tells when and why."
    if waiting:
        told += f" {waiting:,} wait in the spool for the database."
    unknown = [account.source for account in accounts if not account.complete]
    return told + (f" What {', '.join(unknown)} should have sent is not known." if unknown else "")


def _milliseconds(us: int | None) -> str:
    return "-" if us is None else f"{us / 1000:.2f} ms"
