"""No transition of an alarm is lost, double or out of order, whatever crosses which limit and whenever the monitor ends."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.monitor.crossings import chained, definitions, expected, random_history, transitions


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 120), st.data())
def test_every_crossing_is_one_transition_in_its_order_however_often_the_monitor_starts_anew(
    seed: int, signals: int, samples: int, data: st.DataObject
) -> None:
    chance = np.random.default_rng(seed)
    whats = definitions(chance, signals)
    history = random_history(chance, samples, signals)
    cuts = sorted(data.draw(st.sets(st.integers(1, samples - 1), max_size=8)))
    found: dict[int, list[tuple[int, bool]]] = {n: [] for n in range(len(whats))}
    for alarm, time_us, active in transitions(whats, history, cuts):
        found[alarm].append((time_us, active))
    for n, what in enumerate(whats):
        assert found[n] == expected(what, history.time_us, history.value[:, n // 4])
        chained(found[n], what)
