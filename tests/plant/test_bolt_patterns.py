from __future__ import annotations

import pytest

from plant.bolt_patterns import newly_marked, order_faults, star_pattern


def test_a_star_crosses_the_circle_each_time() -> None:
    assert [set(group) for group in star_pattern(4)] == [{1}, {3}, {2}, {4}] or [set(g) for g in star_pattern(4)] == [{1}, {3}, {4}, {2}]
    order = star_pattern(8)
    assert set(order[0]) == {1}
    assert set(order[1]) == {5}
    assert sorted(bolt for group in star_pattern(36, 4) for bolt in group) == list(range(1, 37))


def test_several_spindles_stand_evenly_around() -> None:
    assert star_pattern(36, 4)[0] == frozenset({1, 10, 19, 28})
    with pytest.raises(ValueError, match="evenly"):
        star_pattern(36, 5)


def test_the_order_that_marks_appear_in_is_held_against_the_plan() -> None:
    plan = star_pattern(8, 2)
    looks = [plan[0], plan[0], plan[0] | plan[1], plan[0] | plan[1] | plan[3], plan[0] | plan[1] | plan[3] | plan[2]]
    appeared = newly_marked(looks)
    assert appeared == [plan[0], plan[1], plan[3], plan[2]]
    faults = order_faults(plan, appeared)
    assert [(fault.position, fault.due, fault.came) for fault in faults] == [(3, plan[2], plan[3]), (4, plan[3], plan[2])]
    assert order_faults(plan, [*plan[:2]]) == []
    assert order_faults(plan, [*plan, frozenset({3})])[0].due == frozenset()
