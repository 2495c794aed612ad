"""Problems of sharing and their answers as files; figures by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.sharing.sharing import share
from plant.errors import SettingsError
from plant.plan_file import plan_text
from plant.share_file import read_share, read_shares, share_schema, shares_schema, write_share, write_shares
from plant.share_words import reason_words
from plant.sharing import NONE, Keeps, Reason, ShareReason, ShareRule, Work, jain, promised_ends, share_figures
from tests.optimizer.sharing.share_shops import drawn_shop, order, shop

FILE: dict[str, Any] = {
    "leadhand": "share-problem/1",
    "name": "week 48",
    "rule": "proportional",
    "keeps": "pace",
    "periods": {"count": 3, "hours": 8, "begins": "2026-11-23T06:00:00+08:00"},
    "centres": [{"name": "cutting", "hours": [7.5, 0, 7.5]}, {"name": "press", "kind": "stamping", "hours": 8}],
    "factories": [{"name": "cranes", "reserved": 0.4, "reserved_at": {"press": 0.1}, "owed_hours": 2}, {"name": "pumps", "reserved": 0.6}],
    "orders": [
        {"name": "P-1", "factory": "cranes", "hours": 3.5, "due": "2026-11-23T22:00:00+08:00", "priority": 9},
        {"name": "P-2", "factory": "pumps", "hours": 1, "kind": "stamping", "earliest": 2, "due": 3},
        {"name": "P-3", "factory": "pumps", "hours": 1, "centres": ["cutting", "press"], "home": "press", "due": 0},
    ],
}


def _changed(**told: Any) -> str:
    return json.dumps(FILE | told)


def test_a_file_by_hand_becomes_a_problem() -> None:
    problem = read_share(json.dumps(FILE))
    assert (problem.rule, problem.keeps) == (ShareRule.PROPORTIONAL, Keeps.PACE)
    assert problem.capacity_hours.tolist() == [[7.5, 0, 7.5], [8, 8, 8]]
    assert problem.reserved.tolist() == [[0.4, 0.1], [0.6, 0.6]]
    assert problem.orders.due.tolist() == [1, 2, -1]
    assert problem.orders.release.tolist() == [0, 1, 0]
    assert problem.orders.may.tolist() == [[True, False], [False, True], [True, True]]
    assert problem.orders.home.tolist() == [NONE, NONE, 1]
    assert problem.owed_hours.tolist() == [2, 0]


def test_a_problem_written_is_the_same_problem_read() -> None:
    problem = drawn_shop(2)
    read = read_share(plan_text(write_share(problem)))
    assert write_share(read) == write_share(problem)
    assert (share(read).work.hours == share(problem).work.hours).all()


def test_shares_written_are_read_as_the_same_work() -> None:
    problem = drawn_shop(2)
    shares = share(problem)
    work = read_shares(plan_text(write_shares(problem, shares, verified=True)), problem)
    rows, told = (sorted(zip(one.order, one.centre, one.period, strict=True)) for one in (work, shares.work))
    assert rows == told
    assert work.hours.sum() == pytest.approx(shares.work.hours.sum())


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"periodes": 3}, "periodes: unknown key"),
        ({"rule": "loudest"}, "rule"),
        (
            {"centres": [{"name": "cutting", "hours": [7.5]}, {"name": "press", "hours": 8}]},
            "centres[1].hours: has 1 numbers for 3 periods",
        ),
        ({"factories": [{"name": "cranes", "reserved": 0.7}, {"name": "pumps", "reserved": 0.6}]}, "1.3 of cutting is reserved"),
        ({"factories": [{"name": "cranes", "reserved": 0.4, "reserved_at": {"saw": 0.1}}]}, "there is no centre 'saw'"),
        ({"orders": [{"name": "P", "factory": "cars", "hours": 1}]}, "orders[1] (P).factory: there is no factory 'cars'"),
        ({"orders": [{"name": "P", "factory": "pumps", "hours": 0}]}, "orders[1].hours"),
        ({"orders": [{"name": "P", "factory": "pumps", "hours": 1, "centres": ["saw"]}]}, "there is no centre 'saw'"),
        ({"orders": [{"name": "P", "factory": "pumps", "hours": 1, "home": "press"}]}, "home: 'press' is none of the centres"),
        ({"orders": [{"name": "P", "factory": "pumps", "hours": 1, "earliest": 4}]}, "there are periods 1 to 3, not 4"),
        ({"orders": [{"name": "P", "factory": "pumps", "hours": 1}] * 2}, "orders: 'P' is there twice"),
        ({"periods": [{"begins": "2026-11-23T06:00:00", "ends": "2026-11-23T05:00:00"}]}, "periods[1]: must end after it begins"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_key(told: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        read_share(_changed(**told))
    assert words in str(wrong.value)


def test_shares_of_another_problem_are_refused() -> None:
    problem = drawn_shop(2)
    told = write_shares(problem, share(problem))
    told["orders"][0]["name"] = "P-99"
    with pytest.raises(SettingsError, match="has no order 'P-99'"):
        read_shares(plan_text(told), problem)


def test_both_files_have_a_schema() -> None:
    assert {"periods", "orders"} <= set(share_schema()["properties"])
    assert {"jain", "calendar"} <= set(shares_schema()["properties"])


def test_each_reason_has_words() -> None:
    problem = shop([order(0, 1.0)])
    assert all(reason_words(Reason(code, 1.0, 0, 0, 0, 1), problem) for code in ShareReason)
    assert reason_words(Reason(ShareReason.LENT, 2.5, 1), problem) == "2.50 h of it are lent by factory 2, which does not need them then"


def test_jains_index_is_one_where_all_got_alike_and_one_nth_where_one_got_all() -> None:
    assert jain(np.array([2.0, 2.0, 2.0])) == 1.0
    assert jain(np.array([5.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert jain(np.array([1.0, 2.0])) == pytest.approx(0.9)


def test_figures_by_hand() -> None:
    problem = shop([order(0, 5.0, due=0), order(1, 5.0, due=1), order(1, 8.0, due=3)], capacity=((5.0,) * 4,))
    work = Work(np.array([0, 1, 2]), np.zeros(3, np.int64), np.array([1, 0, 2]), np.array([5.0, 5.0, 5.0]))
    promised = promised_ends(problem, np.array([1, 0, NONE]))
    assert promised.tolist() == [1, 1, NONE]
    told = share_figures(problem, work, promised, np.full((2, 4), 2.5))
    assert told.jain_by_period[0] == pytest.approx(0.5)
    assert told.jain_by_period[1] == pytest.approx(1.0)
    assert (told.done_hours, told.on_time_hours) == (15.0, 5.0)
    assert told.late.tolist() == [1, 1]
    assert told.tardiness_periods.tolist() == pytest.approx([1.0, 8 / 13])
    assert told.worse_than_alone == 0


def test_the_example_of_the_documentation_is_a_problem() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text("utf-8")
    problem = read_share(page.split("```json\n")[1].split("```")[0])
    assert problem.orders.due.tolist() == [4, 4]
    assert problem.reserved.tolist() == [[0.5, 0.2], [0.5, 0.5]]
