"""Centres shared among factories: from a problem to who gets which hours when, and why."""

from __future__ import annotations

from time import perf_counter, process_time

from optimizer.sharing.fluid import fluid
from optimizer.sharing.laying import laid
from optimizer.sharing.ledger import ledger
from optimizer.sharing.reserves import reserves
from optimizer.sharing.telling import reasons
from plant.sharing import ShareProblem, Shares, ends, got_hours, share_figures


def share(problem: ShareProblem) -> Shares:
    """Return who gets which hours: what the rule gives (``fluid``), as whole orders (``laying``), with what is kept for each (``guard``).

    The same problem gives the same shares. Raises Rejected where HiGHS finds no answer; a sound problem always has one.
    """
    wall, cpu = perf_counter(), process_time()
    kept = reserves(problem)
    given = fluid(problem, kept)
    work = laid(problem, given, kept)
    got = got_hours(problem, work)
    book = ledger(problem, got)
    entitled = given.by_factory(problem).sum(axis=1)
    return Shares(
        work=work,
        end=ends(problem, work),
        alone_end=kept.end,
        promised=kept.promised,
        home=kept.home,
        got_hours=got,
        lent_hours=book.lent.sum(axis=2),
        entitled_hours=entitled,
        owed_hours=book.owed,
        reasons=reasons(problem, work, kept, book),
        figures=share_figures(problem, work, kept.promised, entitled),
        wall_s=perf_counter() - wall,
        cpu_s=process_time() - cpu,
    )
