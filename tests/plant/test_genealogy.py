"""Stays of a part and what stands in what, as pure functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plant.equipment import EquipmentId
from plant.genealogy import NEAR_US, Containment, Stay, Told, merged

ROBOT, TOOL = EquipmentId("site/welding/robot"), EquipmentId("site/assembly/tool")
PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=40)


def stay(place: EquipmentId, begin: int, end: int, told: Told = Told.STATE) -> Stay:
    return Stay(place, begin, end, frozenset({told}))


def test_stays_that_nearly_touch_are_one_and_know_all_that_told_of_them() -> None:
    found = merged([stay(ROBOT, 100, 200), stay(TOOL, 150, 160), stay(ROBOT, 200 + NEAR_US, 300 + NEAR_US, Told.OPERATION)])
    assert found == [
        Stay(ROBOT, 100, 300 + NEAR_US, frozenset({Told.STATE, Told.OPERATION})),
        stay(TOOL, 150, 160),
    ]
    assert len(merged([stay(ROBOT, 0, 1), stay(ROBOT, 2 + NEAR_US, 3 + NEAR_US)])) == 2
    assert merged([stay(ROBOT, 0, 1000), stay(ROBOT, 10, 20)]) == [stay(ROBOT, 0, 1000)]


@given(PAIRS)
def test_rows_that_are_let_in_never_close_a_cycle_and_none_is_refused_for_nothing(pairs: list[tuple[int, int]]) -> None:
    standing = Containment(pairs[:0])
    above: dict[int, set[int]] = {n: set() for n in range(8)}

    def all_above(one: int) -> set[int]:
        seen: set[int] = set()
        waiting = [one]
        while waiting:
            for other in above[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        return seen

    for component, into in pairs:
        closes = component == into or component in all_above(into)
        assert standing.closes(component, into) == closes
        if not closes:
            standing.add(component, into)
            above[component].add(into)
    assert all(one not in all_above(one) for one in above)
