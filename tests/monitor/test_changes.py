"""Changes are found soon and usual parts are left alone, by limits that follow from a wanted rate of false calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from monitor.baselines import learn
from monitor.changes import LEVEL, Rule, Watch
from monitor.remaining import LEAST_PARTS, Outlook, learned_limit, remaining_of


def watch(count: int, rule: Rule) -> Watch:
    """Watch some numbers of one step, each of a signal of its own."""
    watch = Watch(rule)
    for number in range(count):
        watch.add(number, 0)
    return watch


def following(seed: int, parts: int, numbers: int, phi: float) -> npt.NDArray[np.float64]:
    """Numbers about 100 that follow from the part before."""
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(parts, numbers))
    for row in range(1, parts):
        z[row] = phi * z[row - 1] + np.sqrt(1 - phi * phi) * z[row]
    return 100 + 3 * z


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_noise_that_follows_from_part_to_part_is_not_called(phi: float) -> None:
    watched = watch(20, Rule(parts_per_false_call=5000))
    calls = [number for number, row in enumerate(following(3, 1000, 20, phi)) if watched.take(row)]
    assert calls == []


def test_a_level_that_moves_is_called_soon_with_its_size() -> None:
    rows = following(4, 330, 20, 0.3)
    rows[300:, 7] += 15
    watched = watch(20, Rule())
    first = next((number, calls) for number, row in enumerate(rows) if (calls := watched.take(row)))
    assert 300 <= first[0] <= 308
    call = first[1][0]
    assert (call.number, call.kind) == (7, LEVEL)
    assert call.middle == pytest.approx(100, abs=1)
    assert call.level > 108


def test_one_strange_part_is_no_change() -> None:
    rows = following(5, 400, 10, 0.2)
    rows[300] += 1000
    watched = watch(10, Rule())
    assert [number for number, row in enumerate(rows) if watched.take(row)] == []


def test_before_enough_parts_nothing_is_judged() -> None:
    watched = watch(1, Rule(least_parts=50))
    rows = following(6, 49, 1, 0.0)
    rows[40:] += 50
    assert not any(watched.take(row) for row in rows)
    assert watched.learned.tolist() == [0]
    assert watched.band(0) is None


def test_a_restart_in_between_changes_nothing() -> None:
    rows = following(7, 90, 6, 0.3)
    rows[70:, 2] += 20
    whole, piece = watch(6, Rule(least_parts=30)), watch(6, Rule(least_parts=30))
    called = 0
    for number, row in enumerate(rows):
        if number % 3 == 0:
            again = watch(0, Rule(least_parts=30))
            again.go_on(piece.pieces())
            piece = again
        calls = whole.take(row)
        assert piece.take(row) == calls
        called += len(calls)
    assert called


def test_a_tenth_of_strange_parts_moves_a_baseline_little() -> None:
    clean = following(8, 100, 1, 0.0)
    dirty = clean.copy()
    dirty[::10] += 60
    before, after = learn(clean), learn(dirty)
    assert after.middle[0] == pytest.approx(before.middle[0], abs=0.4)
    assert after.deviation[0] == pytest.approx(before.deviation[0], rel=0.15)


def test_the_interval_of_a_remaining_use_holds_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(9)
    held = 0
    for _ in range(400):
        ages = np.arange(20.0)
        levels = 50 + 0.5 * ages + draw.normal(0, 0.8, 20)
        told = remaining_of(ages.tolist(), levels.tolist(), 40)  # worn at 70: after 40 parts, so 21 after the last one
        assert told.outlook is Outlook.TREND
        assert told.low is not None
        assert told.high is not None
        held += told.low <= 21 <= told.high
    assert 0.86 <= held / 400 <= 0.98


def test_a_tool_without_a_trend_has_no_remaining_use() -> None:
    draw = np.random.default_rng(10)
    flat = remaining_of(list(range(30)), (50 + draw.normal(0, 1, 30)).tolist(), 30)
    assert (flat.outlook, flat.parts) == (Outlook.NO_TREND, None)
    assert remaining_of(list(range(LEAST_PARTS - 1)), [1.0] * (LEAST_PARTS - 1), 30).outlook is Outlook.NO_EVIDENCE
    assert remaining_of(list(range(30)), list(np.linspace(50, 90, 30)), None).outlook is Outlook.NO_LIMIT
    assert remaining_of(list(range(30)), list(np.linspace(50, 90, 30)), 30).outlook is Outlook.WORN
    assert learned_limit([22.0, 30.0]) is None
    assert learned_limit([22.0, 30.0, 26.0]) == 26.0
