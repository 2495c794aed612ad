"""The independent check of shares: each kind of fault is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer.sharing.checking import share_faults
from optimizer.sharing.sharing import share
from plant.sharing import Keeps, ShareProblem, Shares, Work
from tests.optimizer.sharing.share_shops import drawn_shop, order, shop


@pytest.fixture(scope="module")
def sound() -> tuple[ShareProblem, Shares]:
    problem = drawn_shop(5)
    return problem, share(problem)


def _changed(shares: Shares, column: str, row: int, value: float) -> Shares:
    cells: Any = getattr(shares.work, column).copy()
    cells[row] = value
    return replace(shares, work=replace(shares.work, **{column: cells}))


def _table(shares: Shares, name: str, at: tuple[int, ...], add: float) -> Shares:
    table: Any = getattr(shares, name).copy()
    table[at] += add
    return replace(shares, **{name: table})


BROKEN: list[tuple[str, Callable[[Shares], Shares]]] = [
    ("has", lambda shares: _changed(shares, "hours", 0, 50.0)),
    ("nan hours", lambda shares: _changed(shares, "hours", 0, float("nan"))),
    ("no such thing", lambda shares: _changed(shares, "period", 0, 99)),
    ("not of equal length", lambda shares: replace(shares, work=replace(shares.work, hours=shares.work.hours[1:]))),
    ("ends in period", lambda shares: _table(shares, "end", (0,), 1)),
    ("alone it would end", lambda shares: _table(shares, "alone_end", (0,), 1)),
    ("gets", lambda shares: _table(shares, "got_hours", (0, 0, 0), 1.0)),
    ("lends", lambda shares: _table(shares, "lent_hours", (0, 1, 0), 1.0)),
    ("is owed", lambda shares: _table(shares, "owed_hours", (0, 1), 1.0)),
    ("are entitled to", lambda shares: _table(shares, "entitled_hours", (0, 0), 500.0)),
    ("Jain's index", lambda shares: _table(shares, "entitled_hours", (0, 0), 0.5)),
    ("done in time", lambda shares: replace(shares, figures=replace(shares.figures, on_time_hours=9999.0))),
]


@pytest.mark.parametrize(("words", "broken"), BROKEN, ids=[words for words, _ in BROKEN])
def test_shares_that_are_not_what_they_say_are_found(
    sound: tuple[ShareProblem, Shares], words: str, broken: Callable[[Shares], Shares]
) -> None:
    problem, shares = sound
    assert share_faults(problem, shares) == []
    assert any(words in fault for fault in share_faults(problem, broken(shares)))


def _with(shares: Shares, rows: list[tuple[int, int, int, float]]) -> Shares:
    columns = np.array([row[:3] for row in rows], np.int64)
    return replace(shares, work=Work(columns[:, 0], columns[:, 1], columns[:, 2], np.array([row[3] for row in rows])))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0, 0, 0, 5.0), (1, 1, 0, 5.0)], "cannot do it"),
        ([(0, 0, 0, 5.0), (1, 0, 0, 6.0), (2, 0, 1, 5.0)], "11.0000 h of 10.0000"),
        ([(0, 0, 0, 2.0), (0, 0, 0, 3.0)], "two rows"),
        ([(2, 0, 0, 5.0)], "before it may begin"),
        ([(3, 0, 0, 2.0), (3, 1, 1, 3.0)], "and at centre"),
        ([(0, 0, 1, 5.0), (1, 0, 0, 5.0)], "alone in 0, due in 0"),
        ([(0, 0, 0, 2.0), (0, 0, 1, 3.0)], "are left while order O0 waits"),
    ],
)
def test_work_that_breaks_a_rule_is_found(rows: list[tuple[int, int, int, float]], words: str) -> None:
    problem = shop([order(0, 5.0, due=0), order(1, 6.0), order(0, 5.0, release=1), order(1, 5.0, may=(0, 1))], capacity=((10.0,) * 4,) * 2)
    assert any(words in fault for fault in share_faults(problem, _with(share(problem), rows)))


def test_an_order_behind_alone_is_found_where_the_pace_is_kept() -> None:
    problem = shop([order(0, 10.0, due=3), order(1, 20.0, due=3)])
    late = _with(share(problem), [(0, 0, 2, 10.0), (1, 0, 0, 10.0), (1, 0, 1, 10.0)])
    assert not any("alone" in fault and "done by" in fault for fault in share_faults(problem, late))
    assert any("0.0000 h are done by the end of period 0" in fault for fault in share_faults(replace(problem, keeps=Keeps.PACE), late))
