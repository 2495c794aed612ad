"""Shares from files: read the problem, share, check, print and write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from leadhand.searches import check_writable, read_file, write_file
from plant.errors import Rejected, SettingsError
from plant.plan_file import plan_text
from plant.share_file import read_share, write_shares
from plant.share_pieces import SharesFile
from plant.share_words import reason_words
from plant.sharing import NONE, Keeps, ShareProblem, ShareRule, Shares
from plant.strict_json import most

OK = 0
_KEPT = {
    Keeps.IN_TIME: "no order ends after it is due, or it ends no later than alone",
    Keeps.PACE: "each order is in each period at least as far as alone",
}


@dataclass(frozen=True, slots=True)
class WantedShares:
    """What a person asked for."""

    file: Path
    rule: str | None = None
    keeps: str | None = None
    why: str | None = None
    output: Path | None = None
    as_json: bool = False


def share_file(wanted: WantedShares) -> int:
    """Print who gets which hours, or why an order gets what it gets. Return the exit code. Raises SettingsError before any work."""
    problem = read_share(read_file(wanted.file, "a problem of sharing"), str(wanted.file))
    problem = replace(problem, rule=ShareRule(wanted.rule or problem.rule), keeps=Keeps(wanted.keeps or problem.keeps))
    if wanted.why is not None and wanted.why not in problem.orders.name:
        raise SettingsError(f"--why {wanted.why}: {wanted.file} has no such order")
    check_writable(wanted.output)
    from optimizer.sharing.checking import share_faults
    from optimizer.sharing.sharing import share

    shares = share(problem)
    faults = share_faults(problem, shares)
    if faults:
        raise Rejected("\n".join([f"{wanted.file}: the shares found break rules, and are not given:", *most(faults, str(wanted.file))]))
    told = write_shares(problem, shares, verified=True)
    SharesFile.model_validate(told)
    text = plan_text(_of_order(told, wanted.why) if wanted.why is not None and wanted.as_json else told)
    if wanted.output is not None:
        write_file(wanted.output, plan_text(told))
    if wanted.as_json:
        typer.echo(text, nl=False)
    elif wanted.why is not None:
        typer.echo("\n".join(_why(problem, shares, problem.orders.name.index(wanted.why))))
    else:
        typer.echo("\n".join(_told(problem, shares)))
    return OK


def _of_order(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in told["orders"] if one["name"] == name)


def _told(problem: ShareProblem, shares: Shares) -> Iterator[str]:
    figures, orders = shares.figures, problem.orders
    ended = int((shares.end != NONE).sum())
    yield (
        f"{problem.name}: {len(orders.name):,} orders of {len(problem.factories)} factories, {len(problem.centres)} centres, "
        f"{len(problem.periods)} periods; rule {problem.rule.value}"
    )
    yield f"fairness {figures.jain:.4f} (Jain's index of hours got over hours entitled to; mean of periods, worst {figures.jain_worst:.4f})"
    yield f"{figures.done_hours:,.1f} h done, {figures.on_time_hours:,.1f} h of orders in time; {ended:,} orders end in these periods"
    wide = max(len(name) for name in problem.factories)
    yield ""
    yield f"{'':{wide}}  reserved      got  entitled     lent  borrowed     owed  late  periods late"
    for row, name in enumerate(problem.factories):
        numbers = (
            problem.reserve_hours[row].sum(),
            shares.got_hours[row].sum(),
            shares.entitled_hours[row].sum(),
            shares.lent_hours[row].sum(),
            shares.lent_hours[:, row].sum(),
            shares.owed_hours[row, -1],
        )
        hours = " ".join(f"{number:{size}.1f}" for number, size in zip(numbers, (9, 8, 9, 8, 9, 8), strict=True))
        yield f"{name:{wide}} {hours} {figures.late[row]:5} {figures.tardiness_periods[row]:13.2f}"
    yield ""
    yield f"verified: {_KEPT[problem.keeps]}; {shares.wall_s:.2f} s wall, {shares.cpu_s:.2f} s CPU"


def _why(problem: ShareProblem, shares: Shares, order: int) -> Iterator[str]:
    orders, work = problem.orders, shares.work
    due = int(orders.due[order])
    wanted = f"due by the end of {_period(problem, due)}" if due < len(problem.periods) else "due after these periods"
    yield f"{orders.name[order]} of {problem.factories[orders.factory[order]]}: {orders.hours[order]:.2f} h, {wanted}"
    rows = sorted((int(work.period[row]), row) for row in range(len(work.order)) if work.order[row] == order)
    for period, row in rows:
        yield f"  {_period(problem, period)}: {work.hours[row]:.2f} h at {problem.centres[work.centre[row]].name}"
    yield from (f"  - {reason_words(reason, problem)}" for reason in shares.reasons[order])


def _period(problem: ShareProblem, period: int) -> str:
    return problem.periods[period].name if period >= 0 else "a period that is over"
