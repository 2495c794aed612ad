"""A machine that stood still is told of after the tests, one that was only slow is not."""

from __future__ import annotations

from tests.standstill import Standstill


def test_a_standstill_is_told_with_its_end_and_its_length() -> None:
    clock = iter([0.0, 1.0, 10.5, 130.5, 131.5])
    machine = Standstill(lambda: next(clock), lambda: 86_400.0 + 3_600.0)
    for _ in range(4):
        machine.look()
    assert machine.words() == ["01:00:00 UTC: nothing ran here for 120 s"]
