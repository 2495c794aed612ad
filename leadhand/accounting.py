"""The ledger of promise 1 for people: per source where the samples went, how late they were taken, and whether it adds up."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from plant.ledger import Counts, LedgerLine, percentile_us
from plant.signals import SourceId
from storage.database import Connection
from storage.health import SourceReport, read_sources
from storage.ledger import read_totals

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

    def as_json(self) -> dict[str, object]:
        """Return the account for a program."""
        return asdict(self)


def read_accounts(connection: Connection, from_us: int, to_us: int) -> list[Account]:
    """Return the account of each source over the minutes that start in [from_us, to_us), by name.

    The stored ledger lines travel with the samples, so what still waits in a spool is expected beyond them.
    """
    totals = read_totals(connection, from_us, to_us)
    reports = {report.source: report for report in read_sources(connection)}
    return [account_of(source, totals.get(source), reports.get(source)) for source in sorted({*totals, *reports})]


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
    head = ("source", *_COUNTED[:-1], "in_spool", "gap", "unexplained", "late p50", "late p99", "achieved")
    rows = [head]
    for account in accounts:
        counted = [f"{getattr(account, name):,}" for name in (*_COUNTED[:-1], "in_spool", "gap", "unexplained")]
        late = [_milliseconds(us) for us in (account.lateness_p50_us, account.lateness_p99_us, account.achieved_us)]
        rows.append((account.source + ("" if account.complete else " (completeness unknown)"), *counted, *late))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def _milliseconds(us: int | None) -> str:
    return "-" if us is None else f"{us / 1000:.2f} ms"
